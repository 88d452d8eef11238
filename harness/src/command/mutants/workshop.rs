//! Where mutants are built: a copy of the tree, in which one follows the other, sharing what does not change.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::declared::{Declared, Kill};
use super::{End, tail};

/// The engine is compiled three times, and a change of one line costs most where it is optimised. Where the checkers have it
/// mounted it need not be: their checks take little longer for it, and each build half the time.
const PLAIN: [&str; 7] = [
    "profile.dev.package.truelog-under-loom.opt-level=0",
    "profile.dev.package.truelog-under-shuttle.opt-level=0",
    // Nobody looks at a mutant's lines.
    "profile.dev.package.truelog-under-loom.debug=false",
    "profile.dev.package.truelog-under-shuttle.debug=false",
    "profile.dev.package.truelog.debug=false",
    "profile.dev.package.truelog-spec.debug=false",
    "profile.dev.package.truelog-harness.debug=false",
];

/// The copy, and what is built from it.
#[derive(Debug)]
pub(super) struct Workshop {
    root: PathBuf,
    base: PathBuf,
    copy: PathBuf,
    target: PathBuf,
    /// Held as long as patches are put into the copy: two runs would patch one tree.
    _lock: File,
}

/// A mutant's verifier, beside the next one's.
#[derive(Debug)]
pub(super) struct Built {
    program: PathBuf,
    copy: PathBuf,
}

impl Workshop {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let base = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        Self::within(root, &base)
    }

    /// Of this tree, in this directory of what is built.
    fn within(root: &Path, base: &Path) -> io::Result<Self> {
        let (copy, target) = (base.join("mutants/tree"), base.join("mutants/target"));
        fs::create_dir_all(&copy)?;
        let lock = alone(&base.join("mutants"))?;
        if !target.exists() {
            fs::create_dir_all(target.join("debug"))?;
            seed(&base.join("debug"), &target.join("debug"))?;
        }
        Ok(Self {
            root: root.canonicalize()?,
            base: base.join("mutants").canonicalize()?,
            copy: copy.canonicalize()?,
            target: target.canonicalize()?,
            _lock: lock,
        })
    }

    /// Where what is made of mutants is kept.
    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Applies the patch to a fresh copy and builds that; or says why not.
    pub(super) fn build(&self, mutant: &Declared) -> io::Result<Result<Built, End>> {
        self.refresh()?;
        let applied = Command::new("git")
            .args(["apply", "--unsafe-paths", "--whitespace=nowarn"])
            .arg(format!("--directory={}", self.copy.display()))
            .arg(&mutant.patch)
            .current_dir("/")
            .output()?;
        if !applied.status.success() {
            return Ok(Err(End::NoLongerApplies { says: tail(&applied.stderr) }));
        }
        let verify = ["build", "--quiet", "--package", "truelog-harness", "--bin", "verify"];
        let plain = PLAIN.iter().flat_map(|setting| ["--config", setting]);
        let built = self.cargo(&verify.into_iter().chain(plain).collect::<Vec<_>>())?;
        if !built.status.success() {
            return Ok(Err(End::DoesNotBuild { says: first_error(&built.stderr) }));
        }
        let program = self.target.join(format!("verify-{}", mutant.slug));
        fs::copy(self.target.join("debug/verify"), &program)?;
        Ok(Ok(Built { program, copy: self.copy.clone() }))
    }

    fn refresh(&self) -> io::Result<()> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()?;
        if !listed.status.success() {
            return Err(io::Error::other("git does not list the tree; mutants need a git checkout"));
        }
        let names = String::from_utf8_lossy(&listed.stdout);
        mirror(&self.root, &self.copy, names.split('\0').filter(|name| !name.is_empty()))
    }

    fn cargo(&self, arguments: &[&str]) -> io::Result<Output> {
        Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", &self.target)
            // One follows the other: without it each would be compiled from its beginning.
            .env("CARGO_INCREMENTAL", "1")
            .output()
    }
}

/// Takes the workshop for this process alone.
fn alone(base: &Path) -> io::Result<File> {
    let lock = File::create(base.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let says = format!(
                "another run of `cargo verify mutants` uses {}: wait for it, or set another CARGO_TARGET_DIR",
                base.display()
            );
            Err(io::Error::new(io::ErrorKind::ResourceBusy, says))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Takes over what `cargo test` has built, with its times: the crates of others need not be built again. What of it is
/// of this tree cargo knows by its path, and builds anew.
fn seed(built: &Path, target: &Path) -> io::Result<()> {
    for part in ["deps", "build", ".fingerprint"].map(|part| built.join(part)) {
        if part.exists() {
            let copied =
                Command::new("cp").arg("--archive").arg("--reflink=auto").arg(&part).arg(target).status()?;
            if !copied.success() {
                return Err(io::Error::other(format!("{} cannot be copied: {copied}", part.display())));
            }
        }
    }
    Ok(())
}

/// The first error that cargo tells, or else its last line.
fn first_error(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    text.lines().find(|line| line.starts_with("error")).map_or_else(|| tail(stderr), str::to_owned)
}

/// Makes `to` hold just what of `names` is in `from`, touching only what differs, so that builds stay incremental. What
/// has gone from the tree must go from the copy: two files of one module do not build.
fn mirror<'a>(from: &Path, to: &Path, names: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let mut wanted = BTreeSet::new();
    for name in names {
        // What git knows, and is not there, was removed.
        let Ok(bytes) = fs::read(from.join(name)) else { continue };
        let path = to.join(name);
        if !fs::read(&path).is_ok_and(|found| found == bytes) {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, bytes)?;
        }
        wanted.insert(path);
    }
    prune(to, &wanted)
}

fn prune(dir: &Path, wanted: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            prune(&entry.path(), wanted)?;
        } else if !wanted.contains(&entry.path()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Built {
    /// The verifier.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs one check of the mutant, and says how that ended and what the check had explored.
    pub(super) fn check(&self, kill: &Kill, seed: u64) -> io::Result<(End, String)> {
        let mut command = Command::new(&self.program);
        command.args(["--json", "--only", &kill.check, "--seed", &seed.to_string()]);
        if let Some(knob) = kill.without {
            command.args(["--without", &knob.name()]);
        }
        let checked = command.current_dir(&self.copy).output()?;
        Ok(super::judge(kill, checked.status.code(), &checked.stdout, &checked.stderr))
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        // A verifier that stays is overwritten by the next run.
        let _ = fs::remove_file(&self.program);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of one line, and a patch of it.
    fn of_one_line(patched: &str) -> Result<(), End> {
        let (tree, base) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let write = |name: &str, text: &str| {
            let path = tree.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, text).expect("a file");
            path
        };
        let manifest = "[package]\nname = \"truelog-harness\"\nedition = \"2024\"\n\n[[bin]]\nname = \"verify\"\npath = \"verify.rs\"\n";
        write("Cargo.toml", manifest);
        write("verify.rs", "fn main() {}\n");
        let patch = write("a.patch", &format!("--- a/verify.rs\n+++ b/verify.rs\n@@ -1 +1 @@\n{patched}"));
        let git = Command::new("git").args(["init", "--quiet"]).current_dir(tree.path()).status();
        assert!(git.is_ok_and(|status| status.success()), "a repository");
        let workshop = Workshop::within(tree.path(), base.path()).expect("a workshop");
        let mutant = Declared {
            slug: "one".to_owned(),
            origin: "a test".to_owned(),
            kills: Vec::new(),
            canaries: Vec::new(),
            needs: Vec::new(),
            patch,
        };
        let built = workshop.build(&mutant).expect("it comes to an end")?;
        assert!(built.program().exists(), "there is something to run");
        Ok(())
    }

    #[test]
    fn a_patch_that_does_not_fit_and_one_that_does_not_compile_are_told_apart() {
        assert_eq!(of_one_line("-fn main() {}\n+fn main() { }\n"), Ok(()));
        let other = of_one_line("-fn man() {}\n+fn main() { }\n");
        assert!(
            matches!(&other, Err(End::NoLongerApplies { says }) if says.contains("verify.rs")),
            "{other:?}"
        );
        let broken = of_one_line("-fn main() {}\n+fn main() { no }\n");
        assert!(matches!(&broken, Err(End::DoesNotBuild { says }) if says.contains("`no`")), "{broken:?}");
    }

    /// A module that had become a folder kept its old file in the copy, and no mutant did build any more.
    #[test]
    fn what_has_gone_from_the_tree_goes_from_the_copy() {
        let (from, to) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let put = |name: &str, text: &str| {
            let path = from.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        let copied = |names: &[&str]| {
            mirror(from.path(), to.path(), names.iter().copied()).expect("a copy");
            let there = |name: &&str| to.path().join(name).exists();
            ["a.rs", "a/mod.rs", "b.rs"].into_iter().filter(there).collect::<Vec<_>>()
        };
        put("a.rs", "one");
        put("b.rs", "two");
        assert_eq!(copied(&["a.rs", "b.rs"]), ["a.rs", "b.rs"]);
        let kept = fs::metadata(to.path().join("b.rs")).and_then(|data| data.modified()).expect("a time");
        put("a/mod.rs", "three");
        fs::remove_file(from.path().join("a.rs")).expect("a file");
        assert_eq!(copied(&["a.rs", "a/mod.rs", "b.rs"]), ["a/mod.rs", "b.rs"]);
        let now = fs::metadata(to.path().join("b.rs")).and_then(|data| data.modified()).expect("a time");
        assert_eq!(kept, now, "what is the same is not touched");
        fs::write(to.path().join("b.rs"), "patched").expect("a file");
        copied(&["a/mod.rs", "b.rs"]);
        assert_eq!(fs::read_to_string(to.path().join("b.rs")).expect("a file"), "two");
    }
}
