//! A finding as a trace and its page, for the corpus.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use truelog_spec::{Step, Trace};

use crate::explore::{Case, NotACase, Untold};
use crate::page::{Facts, PageError, render};
use crate::subject::Plain;

/// The folder of a campaign that its proposals are in.
const FOUND: &str = "found";
/// How the replay of a case begins.
const REPLAY: &str = "cargo verify case \"";

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

/// Runs a case twice, tells it as a trace that breaks the same invariant when it is replayed, and writes that with its page
/// as `DIR/INVARIANT/SLUG.{trace,md}`. Without a slug its letters are one.
///
/// # Errors
/// When it does not break an invariant, or cannot be told or written.
pub fn propose(case: &str, slug: Option<&str>, dir: &Path) -> Result<Proposal, Unproposed> {
    let parsed: Case = case.parse()?;
    let broken = parsed.breaks::<Plain>()?.ok_or(Unproposed::Holds)?;
    let again = parsed.breaks::<Plain>()?;
    if again != Some(broken) {
        let again = again.map_or_else(|| "nothing".to_owned(), |invariant| invariant.to_string());
        return Err(Unproposed::Differs(broken.to_string(), again));
    }
    let trace = parsed.trace::<Plain>(broken, &format!("random case={case}"))?;
    let slug = slug.map_or_else(|| slug_of(case), str::to_owned);
    let path = dir.join(broken.as_str()).join(format!("{slug}.trace"));
    let page = render(&trace, &Facts::of_any(&trace, &path))?;
    for (path, text) in [(path.clone(), trace.to_string()), (path.with_extension("md"), page)] {
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        folder.and_then(|()| fs::write(&path, text)).map_err(|error| Unproposed::Unwritten(path, error))?;
    }
    Ok(Proposal { path, trace })
}

/// The letters of a case, joined, and the moment of its crash.
fn slug_of(case: &str) -> String {
    let words = case.split(':').nth(1).unwrap_or(case).split_whitespace();
    let plain = words.take_while(|word| !word.starts_with("power") && !word.contains(['.', '~', '#', ',']));
    plain.filter(|word| *word != "@").map(|word| word.replace('!', "")).collect::<Vec<_>>().join("-")
}

/// The case that a replay runs.
#[must_use]
pub fn case_of(replay: &str) -> Option<&str> {
    replay.strip_prefix(REPLAY)?.strip_suffix('"')
}

/// Proposes a finding of a campaign, in its directory.
///
/// # Errors
/// As [`propose`].
pub fn found(case: &str, out: &Path) -> Result<Proposal, Unproposed> {
    propose(case, None, &out.join(FOUND))
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
        let refused = |case: &str| propose(case, None, dir.path()).expect_err("nothing is broken");
        assert!(matches!(refused("random: append append @ 17 power none"), Unproposed::Holds));
        assert!(matches!(refused("random: apend"), Unproposed::NotACase(_)));
        assert!(proposals(dir.path()).expect("no proposals").is_empty());
    }

    #[test]
    fn a_case_has_a_name_that_a_file_can_have() {
        let case = case_of("cargo verify case \"random: append trim-all @ 17 power seg-1.sector:2\"");
        assert_eq!(case.map(slug_of).as_deref(), Some("append-trim-all-17"));
        assert_eq!(case_of("cargo verify schedule tiny 12"), None);
    }
}
