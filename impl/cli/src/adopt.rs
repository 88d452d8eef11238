//! `truelog adopt` and `truelog accept-loss`: what an operator decides, and the log records.

use std::io::Write;

use serde::Serialize;

use crate::args::Place;
use crate::failure::Failure;
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

/// Runs `accept-loss`.
///
/// # Errors
/// Whatever the log or standard output reports.
pub(crate) fn accept_loss(args: &Place, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let lost = truelog::accept_loss(&args.dir).map_err(Failure::log(&args.dir))?;
    for damage in &lost {
        let shown = Lost {
            first_lsn: damage.lsns.first.get(),
            last_lsn: damage.lsns.last.get(),
            records: damage.lsns.len(),
            why: damage.error.to_string(),
        };
        if json {
            output::json(out, &shown)?;
        } else {
            let text = format!(
                "gave up {} ({}): {}",
                output::count(shown.records, "record"),
                damage.lsns,
                shown.why
            );
            output::line(out, &text)?;
        }
    }
    if lost.is_empty() && !json {
        output::line(out, "nothing is damaged; nothing was given up")?;
    }
    output::flush(out)
}
