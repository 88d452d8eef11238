//! A second writer, whatever was removed to let it in.

use std::path::PathBuf;

use truelog::{Claim, Durability, Error, Log, Receipt};
use truelog_spec::Invariant;

use super::change::contents;
use super::{REPLAY, append, options, written};
use crate::fabric::SimFs;
use crate::report::Report;

/// What is done to a file before the second writer comes.
#[derive(Debug, Clone, Copy)]
enum Done {
    Removed,
    Renamed,
}

/// What came of a second writer.
enum Came {
    Refused,
    /// Both appended, and this is lost of what was acknowledged.
    Lost(String),
    /// Both appended, and nothing is lost yet.
    Beside(String),
}

/// How many records the first writer has before the second comes: with room for more in its segment, and without.
const BEFORE: [u64; 3] = [1, 2, 3];

/// Has a second writer come beside the first, with each file removed or renamed before it, and with none. It must be
/// refused; where it is not, both append, and what each was acknowledged must be there behind both.
pub(super) fn check(report: &mut Report) {
    let Ok((disk, _log)) = written(2, Durability::PowerLoss) else {
        return report.find("harness", "the log could not be written", REPLAY);
    };
    let each = contents(&disk).into_iter().map(|(path, _)| path);
    let ways: Vec<_> = each.flat_map(|path| [(path.clone(), Done::Removed), (path, Done::Renamed)]).collect();
    let mut kept = None;
    for (way, before) in std::iter::once(None)
        .chain(ways.into_iter().map(Some))
        .flat_map(|way| BEFORE.map(|before| (way.clone(), before)))
    {
        report.count("second writers", 1);
        match beside(way.as_ref(), before) {
            Ok(Came::Refused) => report.count("refused", 1),
            Ok(Came::Lost(says)) => return report.find(Invariant::AckedIsDurable.to_string(), says, REPLAY),
            Ok(Came::Beside(says)) => kept = Some(says),
            Err(says) => return report.find("harness", says, REPLAY),
        }
    }
    if let Some(says) = kept {
        report.find("harness", says, REPLAY);
    }
    if let Err(says) = behind() {
        report.incomplete(says);
    }
}

/// Lets it come.
fn beside(way: Option<&(PathBuf, Done)>, before: u64) -> Result<Came, String> {
    let wrong = |error: Error| format!("{way:?}: {error}");
    let (disk, first) = written(before, Durability::PowerLoss).map_err(wrong)?;
    let fs = disk.env().fs;
    match way {
        Some((path, Done::Removed)) => fs.unlink(path).map_err(|error| error.to_string())?,
        Some((path, Done::Renamed)) => {
            fs.rename(path, &disk.log_dir().with_file_name("away")).map_err(|error| error.to_string())?;
        }
        None => {}
    }
    let Ok((second, _)) = Log::open_in(&disk.env(), disk.log_dir(), &options()) else {
        return Ok(Came::Refused);
    };
    let mut acked = Vec::new();
    for number in 0..2 {
        for (writer, log) in [(10, &first), (20, &second)] {
            acked.extend(append(log, writer + number, Durability::PowerLoss));
        }
    }
    drop((first, second));
    let both = format!("{way:?} behind {before} records: two writers had the log at once");
    Ok(match lost(&disk, &acked) {
        Some(lost) => Came::Lost(format!("{both}, and {lost}")),
        None => Came::Beside(format!("{both}, and nothing was lost yet")),
    })
}

/// Which acknowledged record is not there behind a loss of power, and a recovery.
fn lost(disk: &SimFs, acked: &[Receipt]) -> Option<String> {
    let image = disk.snapshot().durable().ok()?;
    let disk = SimFs::from_image(&image);
    let log = match Log::open_in(&disk.env(), disk.log_dir(), &options()) {
        Ok((log, _)) => log,
        Err(error) => return Some(format!("the log does not open any more: {error}")),
    };
    acked.iter().find_map(|receipt| match log.verify(&Claim::from(receipt)) {
        Ok(truelog::Verdict::Verified | truelog::Verdict::Unvouched) => None,
        other => Some(format!("record {} of {} acknowledged is lost: {other:?}", receipt.lsn(), acked.len())),
    })
}

/// Once the first writer has gone the second comes in: else it was not the lock that kept it out.
fn behind() -> Result<(), String> {
    let wrong = |error: Error| format!("behind the first writer the log does not open: {error}");
    let (disk, first) = written(2, Durability::PowerLoss).map_err(wrong)?;
    drop(first);
    Log::open_in(&disk.env(), disk.log_dir(), &options()).map(drop).map_err(wrong)
}
