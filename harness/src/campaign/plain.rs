//! A finding that no trace tells, in a page of its own.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use truelog_spec::Invariant;

use super::arms::Story;
use super::journal::{Found, MERGED};
use super::propose::{FOUND, hash, put};
use crate::caught::caught;
use crate::schedules::kept::{Kept, SUFFIX};

/// Writes the page, and beside it the input of a fuzz target, or the race. Returns the page's path in the campaign's directory.
///
/// # Errors
/// It cannot be written.
pub(super) fn write(found: &Found, story: &Story, race: Option<&Kept>, out: &Path) -> io::Result<String> {
    let path = if story.name.starts_with("fuzz/") {
        let input = format!("{FOUND}/{}/{}", story.name, hash(&story.bytes));
        put(&out.join(&input), &story.bytes)?;
        format!("{input}.md")
    } else {
        format!("{FOUND}/{}/{}-{}.md", found.invariant, story.name, hash(found.replay.as_bytes()))
    };
    if let Some(kept) = race {
        put(&out.join(&path).with_extension(SUFFIX), kept.to_string().as_bytes())?;
    }
    put(&out.join(&path), page(found, story).as_bytes())?;
    Ok(path)
}

pub(super) fn page(found: &Found, story: &Story) -> String {
    let broken = found.violation.lines().next().unwrap_or(&found.says);
    let title = Some(story.title.as_str()).filter(|title| !title.is_empty()).unwrap_or(broken);
    let mut text = format!("# {title}\n\n");
    let _ = match found.invariant.parse::<Invariant>() {
        Ok(invariant) => write!(text, "**Breaks** `{invariant}`: {}\n\n", invariant.says()),
        Err(_) => write!(text, "**Breaks** `{}`, which is no promise of the log.\n\n", found.invariant),
    };
    if let Some(why) = &found.untold {
        let _ = write!(text, "No trace tells it: {why}.\n\n");
    }
    let _ = write!(text, "```text\n{}\n```\n\n", found.says.trim_end());
    if !story.says.is_empty() {
        let _ = write!(text, "{}\n\n", story.says.trim_end());
    }
    let _ = write!(
        text,
        "Two more runs of the same case showed it {} times. Run it again:\n\n```sh\n{}\n```\n",
        found.again, found.replay
    );
    if let Some(case) = found.case.as_deref().filter(|case| !found.replay.contains(*case)) {
        let _ = write!(
            text,
            "\nOne thread breaks the same invariant:\n\n```sh\ncargo verify case \"{case}\"\n```\n"
        );
    }
    if let Some(around) = around(found) {
        let _ = write!(text, "\n{around}\n");
    }
    text
}

/// Which steps of its case are needed, and what passes near by: a page of a trace says as much.
fn around(found: &Found) -> Option<String> {
    found.untold.as_ref()?;
    let (case, broken) = (found.case.as_deref()?, found.invariant.parse().ok()?);
    caught(|| crate::page::around(case, broken)).ok().flatten()
}

/// Copies what campaigns have found into one directory, in place of what an earlier merge has put there. Of two files of one
/// name the lesser stays, so that the order of the directories makes no difference.
///
/// # Errors
/// Something cannot be read or written; or the directory holds a campaign that is not one of these.
pub fn gather(dirs: &[std::path::PathBuf], out: &Path) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let here = out.canonicalize()?;
    let is_one = dirs.iter().any(|dir| dir.canonicalize().is_ok_and(|dir| dir == here));
    let there = out.join(FOUND);
    if !is_one && there.exists() {
        if !out.join(MERGED).exists() {
            let says =
                format!("{} holds a campaign that is not to be merged: give another --out", out.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, says));
        }
        fs::remove_dir_all(&there)?;
    }
    for dir in dirs {
        let from = dir.join(FOUND);
        if from.is_dir() {
            copy(&from, &out.join(FOUND))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
            continue;
        }
        let bytes = fs::read(entry.path())?;
        match fs::read(&target) {
            Ok(there) if there <= bytes => {}
            Ok(_) | Err(_) => put(&target, &bytes)?,
        }
    }
    Ok(())
}
