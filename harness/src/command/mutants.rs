//! `cargo verify mutants`: the harness proves that it can see.
//!
//! A mutant is a patch in corpus/mutants that puts a real bug into the engine. Its header declares, before
//! any run, which check must kill it and which invariant that check must name. Each patch is applied to a
//! copy of the tree, built, and checked there. Surviving, dying for another invariant, no longer applying and
//! not building are four different errors.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use clap::Args;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::out;
use crate::order::MECHANISM;

/// What to build and kill.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only these mutants (comma-separated slugs).
    #[arg(long, value_delimiter = ',', value_name = "SLUG")]
    only: Vec<String>,
    /// The seed that the checks are given.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

/// What a mutant declares of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Declared {
    slug: String,
    origin: String,
    invariant: String,
    check: String,
    patch: PathBuf,
}

/// How a mutant ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
enum End {
    /// Killed by the check, for the invariant, that it declares.
    Killed,
    /// The check found nothing.
    Survived,
    /// The check found something else.
    Misnamed { named: Vec<String> },
    /// The patch no longer fits the tree.
    NoLongerApplies { says: String },
    /// The patched tree does not compile.
    DoesNotBuild { says: String },
    /// The check did not run to its end.
    Broke { says: String },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("killed"),
            Self::Survived => f.write_str("SURVIVED"),
            Self::Misnamed { named } => write!(f, "KILLED FOR ANOTHER INVARIANT: {}", named.join(", ")),
            Self::NoLongerApplies { says } => write!(f, "NO LONGER APPLIES: {says}"),
            Self::DoesNotBuild { says } => write!(f, "DOES NOT BUILD: {says}"),
            Self::Broke { says } => write!(f, "BROKE: {says}"),
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    mutant: String,
    origin: String,
    check: String,
    invariant: String,
    end: End,
    seconds: f64,
}

/// Runs the mutants; fails unless each is killed as declared.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rows = match matrix(&root, arguments) {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("cargo verify mutants: {error}");
            return ExitCode::from(4);
        }
    };
    if rows.is_empty() {
        eprintln!("cargo verify mutants: no mutant of that name in corpus/mutants");
        return ExitCode::from(2);
    }
    let end = ExitCode::from(u8::from(rows.iter().any(|row| row.end != End::Killed)));
    if arguments.json { out::json(&rows, end) } else { out::print(render(&rows), end) }
}

fn matrix(root: &Path, arguments: &Arguments) -> io::Result<Vec<Row>> {
    let mutants = declared(&root.join("corpus/mutants"))?;
    let chosen: Vec<_> = mutants
        .into_iter()
        .filter(|mutant| arguments.only.is_empty() || arguments.only.contains(&mutant.slug))
        .collect();
    let workshop = Workshop::new(root)?;
    let mut rows = Vec::new();
    for mutant in chosen {
        eprintln!("{}: building", mutant.slug);
        let began = Instant::now();
        let end = workshop.try_one(&mutant, arguments.seed)?;
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("{}: {end} in {seconds:.0} s", mutant.slug);
        let Declared { slug, origin, invariant, check, .. } = mutant;
        rows.push(Row { mutant: slug, origin, check, invariant, end, seconds });
    }
    Ok(rows)
}

fn render(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header([
        "mutant",
        "origin",
        "check",
        "invariant",
        "end",
        "seconds",
    ]);
    for row in rows {
        table.add_row([
            row.mutant.clone(),
            row.origin.clone(),
            row.check.clone(),
            row.invariant.clone(),
            row.end.to_string(),
            format!("{:.0}", row.seconds),
        ]);
    }
    let killed = rows.iter().filter(|row| row.end == End::Killed).count();
    format!("{table}\n{killed} of {} mutants killed as declared", rows.len())
}

/// Reads the headers of all patches, in the order of their names.
fn declared(dir: &Path) -> io::Result<Vec<Declared>> {
    let mut patches: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .collect();
    patches.sort();
    patches.into_iter().map(|patch| header(&patch)).collect()
}

fn header(patch: &Path) -> io::Result<Declared> {
    let text = fs::read_to_string(patch)?;
    let field = |name: &str| {
        text.lines()
            .take_while(|line| !line.starts_with("diff ") && !line.starts_with("--- "))
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .map(str::to_owned)
            .ok_or_else(|| {
                io::Error::other(format!("{}: the header has no line `{name}: …`", patch.display()))
            })
    };
    Ok(Declared {
        slug: field("mutant")?,
        origin: field("origin")?,
        invariant: field("invariant")?,
        check: field("check")?,
        patch: patch.to_owned(),
    })
}

/// A copy of the tree in which mutants are built one after the other, sharing what does not change.
#[derive(Debug)]
struct Workshop {
    root: PathBuf,
    copy: PathBuf,
    target: PathBuf,
}

impl Workshop {
    fn new(root: &Path) -> io::Result<Self> {
        let base = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let copy = base.join("mutants/tree");
        fs::create_dir_all(&copy)?;
        Ok(Self {
            root: root.canonicalize()?,
            copy: copy.canonicalize()?,
            target: base.join("mutants/target"),
        })
    }

    /// Makes the copy equal to the tree, touching only what differs, so that builds stay incremental.
    fn refresh(&self) -> io::Result<()> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()?;
        if !listed.status.success() {
            return Err(io::Error::other("git does not list the tree; mutants need a git checkout"));
        }
        for name in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|name| !name.is_empty()) {
            let (from, to) = (self.root.join(name), self.copy.join(name));
            let Ok(wanted) = fs::read(&from) else { continue };
            if fs::read(&to).is_ok_and(|found| found == wanted) {
                continue;
            }
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&to, wanted)?;
        }
        Ok(())
    }

    fn try_one(&self, mutant: &Declared, seed: u64) -> io::Result<End> {
        self.refresh()?;
        let applied = Command::new("git")
            .args(["apply", "--unsafe-paths", "--whitespace=nowarn"])
            .arg(format!("--directory={}", self.copy.display()))
            .arg(&mutant.patch)
            .current_dir("/")
            .output()?;
        if !applied.status.success() {
            return Ok(End::NoLongerApplies { says: tail(&applied.stderr) });
        }
        let built = self.cargo(&["build", "--quiet", "--package", "truelog-harness", "--bin", "verify"])?;
        if !built.status.success() {
            return Ok(End::DoesNotBuild { says: tail(&built.stderr) });
        }
        let checked = Command::new(self.target.join("debug/verify"))
            .args(["--json", "--only", &mutant.check, "--seed", &seed.to_string()])
            .current_dir(&self.copy)
            .output()?;
        Ok(judge(mutant, checked.status.code(), &checked.stdout, &checked.stderr))
    }

    fn cargo(&self, arguments: &[&str]) -> io::Result<std::process::Output> {
        Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", &self.target)
            .output()
    }
}

fn judge(mutant: &Declared, code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> End {
    let Ok(reports) = serde_json::from_slice::<serde_json::Value>(stdout) else {
        return End::Broke { says: format!("exit {code:?}: {}", tail(stderr)) };
    };
    let mut named: Vec<String> = reports
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|report| report["findings"].as_array())
        .flatten()
        .filter_map(|finding| finding["invariant"].as_str().map(str::to_owned))
        .collect();
    named.sort();
    named.dedup();
    // Beside a broken promise, a run that only leaves the mechanism says nothing more; alone it names no promise.
    if named.iter().any(|name| name != MECHANISM) {
        named.retain(|name| name != MECHANISM);
    }
    match named.as_slice() {
        [] => End::Survived,
        [only] if *only == mutant.invariant => End::Killed,
        _ => End::Misnamed { named },
    }
}

/// The last line that says something.
fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutant() -> Declared {
        Declared {
            slug: "ack-before-sync".into(),
            origin: "etcd-io/etcd#14370".into(),
            invariant: "acked-is-durable".into(),
            check: "crash".into(),
            patch: PathBuf::new(),
        }
    }

    #[test]
    fn a_mutant_is_killed_only_for_the_invariant_it_declares() {
        let killed = br#"[{"findings":[{"invariant":"acked-is-durable"}]}]"#;
        assert_eq!(judge(&mutant(), Some(1), killed, b""), End::Killed);
        let other = br#"[{"findings":[{"invariant":"nothing-invented"}]}]"#;
        assert_eq!(
            judge(&mutant(), Some(1), other, b""),
            End::Misnamed { named: vec!["nothing-invented".into()] }
        );
        let both = br#"[{"findings":[{"invariant":"acked-is-durable"},{"invariant":"mechanism"}]}]"#;
        assert_eq!(judge(&mutant(), Some(1), both, b""), End::Killed);
        let off = br#"[{"findings":[{"invariant":"mechanism"}]}]"#;
        assert_eq!(judge(&mutant(), Some(1), off, b""), End::Misnamed { named: vec!["mechanism".into()] });
        assert_eq!(judge(&mutant(), Some(0), br#"[{"findings":[]}]"#, b""), End::Survived);
        assert!(matches!(judge(&mutant(), Some(101), b"", b"boom"), End::Broke { .. }));
    }
}
