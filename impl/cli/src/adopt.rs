//! `truelog adopt` and `truelog accept-loss`: what an operator decides, and the log records.

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use truelog::{Damage, DriveNo, LossOptions, Name};

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

/// What was done about damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Done {
    /// Records, or a file, are given up.
    GaveUp,
    /// A segment whose name only was missing from the manifest is named again.
    NamedAgain,
    /// A segment's header and length are again what the manifest says.
    Mended,
}

impl Done {
    /// A segment that is still there was kept.
    fn of(damage: &Damage) -> Self {
        let truelog::Error::CorruptFile { path, reason, .. } = &damage.error else { return Self::GaveUp };
        let name = path.file_name().and_then(Name::parse);
        let segment = name.is_some_and(|name| matches!(name, Name::Segment(_)));
        match (segment && path.exists(), reason) {
            (false, _) => Self::GaveUp,
            (true, truelog::Reason::Unnamed) if damage.lsns.is_empty() => Self::NamedAgain,
            (true, truelog::Reason::Unnamed) => Self::GaveUp,
            (true, _) => Self::Mended,
        }
    }
}

/// Damage, and what was done about it.
#[derive(Serialize)]
struct Lost {
    done: Done,
    /// The LSNs that were given up, both included; nothing if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_lsn: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_lsn: Option<u64>,
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

/// A drive that is gone for good.
#[derive(Serialize)]
struct Forgotten {
    forgot_drive: u64,
}

/// Nothing was to be given up.
#[derive(Serialize)]
struct Nothing {
    given_up: u64,
}

/// Runs `accept-loss`.
///
/// # Errors
/// Whatever the log or standard output reports.
pub(crate) fn accept_loss(args: &AcceptLoss, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let options = LossOptions {
        stored: create::options(&args.stored),
        no_archive: args.no_archive,
        gone: args.drive_gone.iter().copied().map(DriveNo).collect(),
    };
    let lost = truelog::accept_loss(&args.dir, &options).map_err(Failure::log(&args.dir))?;
    for damage in &lost {
        tell(damage, json, out)?;
    }
    if lost.iter().any(is_whole_manifest) {
        tell_options(&args.dir, json, out)?;
    }
    for drive in &args.drive_gone {
        tell_forgotten(*drive, json, out)?;
    }
    if lost.is_empty() {
        tell_nothing(json, out)?;
    }
    tell_kept(&args.dir, json, out)?;
    output::flush(out)
}

fn tell_forgotten(forgot_drive: u64, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        return output::json(out, &Forgotten { forgot_drive });
    }
    output::line(out, &format!("forgot drive {forgot_drive}, which is gone for good"))
}

fn tell_nothing(json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        return output::json(out, &Nothing { given_up: 0 });
    }
    output::line(out, "nothing was given up")
}

fn tell(damage: &Damage, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let done = Done::of(damage);
    let some = Some(damage.lsns).filter(|lsns| !lsns.is_empty());
    let shown = Lost {
        done,
        first_lsn: some.map(|lsns| lsns.first.get()),
        last_lsn: some.map(|lsns| lsns.last.get()),
        records: damage.lsns.len(),
        why: damage.error.to_string(),
    };
    if json {
        return output::json(out, &shown);
    }
    let records = output::count(shown.records, "record");
    let what = match &damage.error {
        truelog::Error::CorruptFile { path, .. } if done == Done::NamedAgain => {
            format!("named {} again, with its records", path.display())
        }
        truelog::Error::CorruptFile { path, .. } if done == Done::Mended && damage.lsns.is_empty() => {
            format!("mended {}, which has all its records", path.display())
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
