//! A finding as a trace and its page, for the corpus.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use truelog_spec::{Invariant, Step, Trace};

use crate::explore::{Case, NotACase, Untold};
use crate::page::{Facts, PageError, render};
use crate::subject::Plain;

/// The folder of a campaign that its proposals are in.
pub(super) const FOUND: &str = "found";
/// How the replay of a case begins.
const REPLAY: &str = "cargo verify case \"";

/// How the provenance of a path begins that one thread tells of what was met under several.
pub const FIRST_SEEN: &str = "first seen:";

/// Why nothing is proposed.
#[derive(Debug, thiserror::Error)]
pub enum Unproposed {
    /// The text is no case of this engine.
    #[error(transparent)]
    NotACase(#[from] NotACase),
    /// It breaks nothing, here and now.
    #[error("it holds on this engine")]
    Holds,
    /// Two runs of it differ.
    #[error("two runs of it differ: {0}, then {1}")]
    Differs(String, String),
    /// It cannot be told as a trace.
    #[error(transparent)]
    Untold(#[from] Untold),
    /// It cannot be kept as a race.
    #[error("{0}")]
    NoRace(&'static str),
    /// Another trace has its name.
    #[error("{} is another trace: give it another name, or replace that one by --replace", .0.display())]
    Exists(PathBuf),
    /// Its page cannot be made.
    #[error(transparent)]
    Page(#[from] PageError),
    /// Its files cannot be written.
    #[error("{0}: {1}")]
    Unwritten(PathBuf, io::Error),
}

/// What was written.
#[derive(Debug)]
pub struct Proposal {
    /// The trace; its page is beside it.
    pub path: PathBuf,
    /// It.
    pub trace: Trace,
}

/// How a proposal is to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name. Without one the letters of the case are its name, with a hash of the whole case.
    pub slug: Option<&'a str>,
    /// The invariant that it is about. Without one it is the first that it breaks and that a trace shows.
    pub breaks: Option<Invariant>,
    /// Where it was first seen.
    pub seen: &'a str,
    /// Whether it may take the place of another trace of this name.
    pub replace: bool,
}

/// Runs a case twice, tells it as a trace that breaks the same invariant when it is replayed, and writes that with its page
/// as `DIR/INVARIANT/SLUG.{trace,md}`.
///
/// # Errors
/// When it does not break an invariant, or cannot be told or written.
pub fn propose(case: &str, wanted: Wanted<'_>, dir: &Path) -> Result<Proposal, Unproposed> {
    let trace = told(case, wanted)?;
    let slug = wanted.slug.map_or_else(|| slug_of(case), str::to_owned);
    let path = dir.join(trace.invariant.as_str()).join(format!("{slug}.trace"));
    let text = trace.to_string();
    if !wanted.replace && fs::read_to_string(&path).is_ok_and(|there| there != text) {
        return Err(Unproposed::Exists(path));
    }
    let page = render(&trace, &Facts::of_any(&trace, &path))?;
    // Whoever sees the trace finds its page.
    for (path, text) in [(path.with_extension("md"), page), (path.clone(), text)] {
        put(&path, text.as_bytes()).map_err(|error| Unproposed::Unwritten(path, error))?;
    }
    Ok(Proposal { path, trace })
}

/// The trace of what a case breaks: the invariant that it is about, or of several the first that a trace shows.
fn told(case: &str, wanted: Wanted<'_>) -> Result<Trace, Unproposed> {
    let parsed: Case = case.parse()?;
    let broken = parsed.broken::<Plain>()?;
    let again = parsed.broken::<Plain>()?;
    if again != broken {
        let list = |broken: &[Invariant]| {
            let names: Vec<&str> = broken.iter().map(|one| one.as_str()).collect();
            if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") }
        };
        return Err(Unproposed::Differs(list(&broken), list(&again)));
    }
    let about = wanted.breaks.filter(|one| broken.contains(one)).map_or(broken, |one| vec![one]);
    let mut untold = None;
    for invariant in about {
        match parsed.trace::<Plain>(invariant, &format!("{} case={case}", wanted.seen)) {
            Ok(trace) => return Ok(trace),
            Err(why) => untold = untold.or(Some(why)),
        }
    }
    Err(untold.map_or(Unproposed::Holds, Unproposed::Untold))
}

/// Writes a file, whole or not at all: another process, or another machine on the same volume, may write the same.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    // Readable for all, as any file would be.
    let mode = fs::Permissions::from_mode(0o644);
    let mut new = tempfile::Builder::new().permissions(mode).tempfile_in(dir)?;
    new.write_all(bytes)?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A short name of bytes.
pub(crate) fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().chars().take(8).collect()
}

/// The letters of a case, joined, and the moment of its crash; what it keeps is in the hash.
fn slug_of(case: &str) -> String {
    let words = case.split(':').nth(1).unwrap_or(case).split_whitespace();
    let plain = words.take_while(|word| !word.starts_with("power") && !word.contains(['.', '~', '#', ',']));
    let words = plain.filter(|word| *word != "@").map(|word| word.replace('!', ""));
    words.chain([hash(case.as_bytes())]).collect::<Vec<_>>().join("-")
}

/// The case that a replay runs.
#[must_use]
pub fn case_of(replay: &str) -> Option<&str> {
    replay.strip_prefix(REPLAY)?.strip_suffix('"')
}

/// Proposes a finding of a campaign, in its directory. The name says what is told, so that only the same is there already.
///
/// # Errors
/// As [`propose`].
pub(super) fn found(
    case: &str,
    breaks: Option<Invariant>,
    seen: &str,
    out: &Path,
) -> Result<Proposal, Unproposed> {
    propose(case, Wanted { slug: None, breaks, seen, replace: true }, &out.join(FOUND))
}

/// What a campaign proposes: each trace's path, and how many steps of clients and of the world it has.
///
/// # Errors
/// When a folder or a trace cannot be read.
pub fn proposals(out: &Path) -> io::Result<Vec<(String, usize)>> {
    let dir = out.join(FOUND);
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let told = |path: PathBuf| {
        let trace = crate::replay::read(&path).map_err(io::Error::other)?;
        Ok((path.display().to_string(), steps(&trace)))
    };
    crate::replay::traces(&dir)?.into_iter().map(told).collect()
}

/// How many steps of clients and of the world a trace has.
#[must_use]
pub fn steps(trace: &Trace) -> usize {
    let outside = |step: &Step| matches!(step, Step::Client(_) | Step::World(_));
    trace.lines.iter().filter(|line| outside(&line.step)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_is_not_proposed() {
        let dir = tempfile::tempdir().expect("a directory");
        let wanted = Wanted { slug: None, breaks: None, seen: "a test", replace: false };
        let refused = |case: &str| propose(case, wanted, dir.path()).expect_err("nothing is broken");
        assert!(matches!(refused("random: append append @ 17 power none"), Unproposed::Holds));
        assert!(matches!(refused("random: apend"), Unproposed::NotACase(_)));
        assert!(proposals(dir.path()).expect("no proposals").is_empty());
    }

    #[test]
    fn a_case_has_a_name_that_a_file_can_have_and_no_other_case_has() {
        let case = |units: &str| format!("random: append trim-all @ 17 power {units}");
        let named = slug_of(case_of("cargo verify case \"random: append @ 1 here\"").expect("a case"));
        assert!(named.starts_with("append-1-here-"), "{named}");
        let [one, other] = ["seg-1.sector:2", "seg-1.sector:3"].map(|units| slug_of(&case(units)));
        assert!(one.starts_with("append-trim-all-17-") && one != other, "{one} {other}");
        assert!(one.chars().all(|char| char.is_ascii_alphanumeric() || char == '-'), "{one}");
        assert_eq!(case_of("cargo verify schedule tiny 12"), None);
    }
}
