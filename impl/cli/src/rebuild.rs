//! `truelog rebuild-manifest`: a manifest that is lost, from the drives and the segments.

use std::io::Write;

use serde::Serialize;
use truelog::{Lsn, RebuildOptions, Rebuilt};

use crate::archive::Run;
use crate::args::RebuildManifest;
use crate::create;
use crate::failure::Failure;
use crate::output;

/// A drive that the manifest names.
#[derive(Serialize)]
struct Drive {
    drive: u64,
    id: String,
    path: String,
}

/// A damaged copy.
#[derive(Serialize)]
struct Bad {
    drive: u64,
    run: u64,
    offset: u64,
}

/// What was found, as `--json` shows it.
#[derive(Serialize)]
struct Shown {
    written: bool,
    /// The directory whose copy of the manifest was begun with; null where none could be read.
    from: Option<String>,
    from_generation: Option<u64>,
    drives: Vec<Drive>,
    runs: Vec<Run>,
    /// Runs that the copy of the manifest did not name.
    added: Vec<u64>,
    /// Runs that were found and are not needed.
    unused: Vec<u64>,
    bad_copies: Vec<Bad>,
    segments: Vec<u64>,
    first_lsn: u64,
    next_lsn: u64,
    /// Bytes behind the last record that the next open cuts.
    torn_bytes: u64,
    damage: Vec<String>,
}

impl Shown {
    fn new(found: &Rebuilt) -> Self {
        let drives = found.drives.iter().map(|drive| Drive {
            drive: drive.number.get(),
            id: drive.id.to_string(),
            path: drive.path.display().to_string(),
        });
        let bad = found.bad_copies.iter().map(|(drive, run, offset)| Bad {
            drive: drive.get(),
            run: run.get(),
            offset: *offset,
        });
        Self {
            written: found.written,
            from: found.from.as_ref().map(|(path, _)| path.display().to_string()),
            from_generation: found.from.as_ref().map(|(_, generation)| *generation),
            drives: drives.collect(),
            runs: found.runs.iter().map(Run::new).collect(),
            added: found.added.iter().map(|run| run.get()).collect(),
            unused: found.unused.iter().map(|run| run.get()).collect(),
            bad_copies: bad.collect(),
            segments: found.segments.iter().map(|segment| segment.get()).collect(),
            first_lsn: found.first.get(),
            next_lsn: found.next.get(),
            torn_bytes: found.torn_bytes,
            damage: found.damage.iter().map(|damage| damage.error.to_string()).collect(),
        }
    }
}

/// Runs it.
///
/// # Errors
/// Whatever the log or standard output reports; [`Failure::Violated`] when segments turn out to be damaged.
pub(crate) fn run(args: &RebuildManifest, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let options = RebuildOptions {
        stored: create::options(&args.stored),
        trimmed_before: args.trimmed_before.map(Lsn),
        dry_run: args.dry_run,
    };
    let found =
        truelog::rebuild_manifest(&args.dir, &args.drives, &options).map_err(Failure::log(&args.dir))?;
    let shown = Shown::new(&found);
    if json {
        output::json(out, &shown)?;
    } else {
        print(&shown, out)?;
    }
    output::flush(out)?;
    match shown.damage.len() as u64 {
        0 => Ok(()),
        count => {
            Err(Failure::Violated { dir: args.dir.clone(), what: output::count(count, "damaged range") })
        }
    }
}

fn print(shown: &Shown, out: &mut dyn Write) -> Result<(), Failure> {
    let from = match (&shown.from, shown.from_generation) {
        (Some(path), Some(generation)) => {
            format!("began with the copy on {path}, generation {generation}")
        }
        _ => {
            "OPTIONS  no copy of the manifest could be read: the options are those of this command".to_owned()
        }
    };
    output::line(out, &from)?;
    for Drive { drive, path, .. } in &shown.drives {
        output::line(out, &format!("drive {drive} is {path}"))?;
    }
    for run in &shown.runs {
        let word = if shown.added.contains(&run.run) { "added" } else { "named" };
        output::line(out, &format!("{word} {}", run.text()))?;
    }
    for run in &shown.unused {
        output::line(out, &format!("run {run} is not needed: other runs have its records"))?;
    }
    for Bad { drive, run, offset } in &shown.bad_copies {
        output::line(out, &format!("BAD COPY  run {run} on drive {drive}, first at offset {offset}"))?;
    }
    for damage in &shown.damage {
        output::line(out, &format!("DAMAGED  {damage}"))?;
    }
    if shown.torn_bytes > 0 {
        let text = format!(
            "TORN  {} behind the last record are not valid; nothing but the lost manifest and receipts could tell \
             whether they ever were",
            output::count(shown.torn_bytes, "byte")
        );
        output::line(out, &text)?;
    }
    let Shown { first_lsn, next_lsn, segments, written, .. } = shown;
    let end = if *written { "the manifest is written" } else { "nothing was written" };
    let segments = output::count(segments.len() as u64, "segment");
    output::line(out, &format!("LSNs from {first_lsn} to before {next_lsn}, {segments} in the log: {end}"))
}
