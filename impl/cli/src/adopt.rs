//! `truelog adopt` and `truelog accept-loss`: what an operator decides, and the log records.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use truelog::{Damage, Lsn, Name, Row, SegmentNo};

use crate::args::{AcceptLoss, Place};
use crate::create;
use crate::failure::Failure;
use crate::open;
use crate::output;

/// What adopt did.
#[derive(Serialize)]
struct Adopted {
    dir: String,
    adopted: bool,
}

/// One run of records that was given up.
#[derive(Serialize)]
struct Lost {
    first_lsn: u64,
    last_lsn: u64,
    records: u64,
    why: String,
}

/// Runs `adopt`.
///
/// # Errors
/// Whatever the log or standard output reports.
pub(crate) fn adopt(args: &Place, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    truelog::adopt(&args.dir).map_err(Failure::log(&args.dir))?;
    let dir = args.dir.display().to_string();
    if json {
        output::json(out, &Adopted { dir, adopted: true })?;
    } else {
        output::line(out, &format!("adopted {dir}: a new identity epoch begins"))?;
    }
    output::flush(out)
}

/// The options that were stored, because the manifest could not be read.
#[derive(Serialize)]
struct Replaced {
    stored_options: String,
}

/// A segment that cannot be read, and that was put aside.
#[derive(Serialize)]
struct Kept {
    kept: String,
}

/// Runs `accept-loss`.
///
/// # Errors
/// Whatever the log or standard output reports.
pub(crate) fn accept_loss(args: &AcceptLoss, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if !args.no_archive {
        refuse_archived(&args.dir)?;
    }
    let lost =
        truelog::accept_loss(&args.dir, &create::options(&args.stored)).map_err(Failure::log(&args.dir))?;
    for damage in &lost {
        tell(damage, json, out)?;
    }
    if lost.iter().any(is_whole_manifest) {
        tell_options(&args.dir, json, out)?;
    }
    if lost.is_empty() && !json {
        output::line(out, "nothing is damaged; nothing was given up")?;
    }
    tell_kept(&args.dir, json, out)?;
    output::flush(out)
}

/// Refuses when the manifest cannot be read and the records below the oldest segment may be on drives.
fn refuse_archived(dir: &Path) -> Result<(), Failure> {
    let view = open::readable(dir)?;
    if !view.rows().contains(&Row::ManifestUnreadable) {
        return Ok(());
    }
    let oldest = view.damage().iter().find(|damage| {
        let nowhere = matches!(damage.error, truelog::Error::Corrupt { segment: SegmentNo::NONE, .. });
        nowhere && damage.lsns.first == Lsn::FIRST
    });
    match oldest {
        Some(damage) => {
            Err(Failure::MayBeArchived { dir: dir.to_owned(), first: damage.lsns.last.next().get() })
        }
        None => Ok(()),
    }
}

fn tell(damage: &Damage, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let shown = Lost {
        first_lsn: damage.lsns.first.get(),
        last_lsn: damage.lsns.last.get(),
        records: damage.lsns.len(),
        why: damage.error.to_string(),
    };
    if json {
        return output::json(out, &shown);
    }
    let records = output::count(shown.records, "record");
    let what = match &damage.error {
        // Only its name was missing from the manifest.
        truelog::Error::CorruptFile { path, reason: truelog::Reason::Unnamed, .. }
            if damage.lsns.is_empty() && path.exists() =>
        {
            format!("named {} again, with its records", path.display())
        }
        truelog::Error::CorruptFile { path, .. } if damage.lsns.is_empty() => {
            format!("gave up {}, and no record that can be named", path.display())
        }
        truelog::Error::CorruptFile { path, .. } => {
            format!("gave up {}, and at most {records} ({})", path.display(), damage.lsns)
        }
        _ => format!("gave up {records} ({})", damage.lsns),
    };
    output::line(out, &format!("{what}: {}", shown.why))
}

/// Whether nothing of the manifest could be read, so that its options are gone.
fn is_whole_manifest(damage: &Damage) -> bool {
    let manifest = Name::Manifest.to_string();
    matches!(&damage.error, truelog::Error::CorruptFile { path, offset: 0, .. } if path.ends_with(&manifest))
}

/// Says which options the log has now.
fn tell_options(dir: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let view = open::readable(dir)?;
    let options = view.options();
    let stored_options = format!(
        "block-size {}, segment-size {}, max-batch-bytes {}, max-streams {}, manifest-blocks {}, sync {}, fill {}, \
         durability {}, copies {}",
        options.block_size,
        options.segment_size,
        options.max_batch_bytes,
        options.max_streams,
        options.manifest_blocks,
        options.sync,
        options.fill,
        options.durability,
        options.copies,
    );
    if json {
        return output::json(out, &Replaced { stored_options });
    }
    output::line(out, &format!("OPTIONS  the manifest could not be read; stored instead: {stored_options}"))
}

/// Says what was put aside, by this run or an earlier one.
fn tell_kept(dir: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    for kept in open::quarantined(dir, &open::readable(dir)?) {
        if json {
            output::json(out, &Kept { kept })?;
        } else {
            output::line(out, &format!("kept {kept}: no log reads it or removes it"))?;
        }
    }
    Ok(())
}
