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

/// Has a second writer come beside the first, with each file removed or renamed before it, and with none. It must be
/// refused; where it is not, both append, and what each was acknowledged must be there behind both.
pub(super) fn check(report: &mut Report) {
    let Ok((disk, _log)) = written(2, Durability::PowerLoss) else {
        return report.find("harness", "the log could not be written", REPLAY);
    };
    let each = contents(&disk).into_iter().map(|(path, _)| path);
    let ways: Vec<_> = each.flat_map(|path| [(path.clone(), Done::Removed), (path, Done::Renamed)]).collect();
    for way in std::iter::once(None).chain(ways.into_iter().map(Some)) {
        report.count("second writers", 1);
        match beside(way.as_ref()) {
            Ok(None) => report.count("refused", 1),
            Ok(Some(says)) => return report.find(Invariant::AckedIsDurable.to_string(), says, REPLAY),
            Err(says) => return report.find("harness", says, REPLAY),
        }
    }
    if let Err(says) = behind() {
        report.incomplete(says);
    }
}

/// Lets it come. What was lost by it, if anything was.
fn beside(way: Option<&(PathBuf, Done)>) -> Result<Option<String>, String> {
    let wrong = |error: Error| format!("{way:?}: {error}");
    let (disk, first) = written(2, Durability::PowerLoss).map_err(wrong)?;
    let fs = disk.env().fs;
    match way {
        Some((path, Done::Removed)) => fs.unlink(path).map_err(|error| error.to_string())?,
        Some((path, Done::Renamed)) => {
            fs.rename(path, &disk.log_dir().with_file_name("away")).map_err(|error| error.to_string())?;
        }
        None => {}
    }
    let Ok((second, _)) = Log::open_in(&disk.env(), disk.log_dir(), &options()) else { return Ok(None) };
    let mut acked = Vec::new();
    for number in 0..2 {
        for (writer, log) in [(10, &first), (20, &second)] {
            acked.extend(append(log, writer + number, Durability::PowerLoss));
        }
    }
    drop((first, second));
    Ok(Some(match lost(&disk, &acked) {
        Some(lost) => format!("{way:?}: two writers had the log at once, and {lost}"),
        None => return Err(format!("{way:?}: two writers had the log at once, and nothing was lost yet")),
    }))
}

/// Which acknowledged record is not there behind a loss of power, and a recovery.
fn lost(disk: &SimFs, acked: &[Receipt]) -> Option<String> {
    let image = disk.snapshot().image(&[]).ok()?;
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
