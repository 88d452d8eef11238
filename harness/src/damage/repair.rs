//! A damaged copy is repaired in its place, and the process or the power goes at every call of that.
//!
//! The name of the copy leads to the damaged file until it leads to the new one. Whatever a crash keeps, every record is
//! read from the other drive, and a scrub repairs what is still damaged. Once the scrub has returned, the copy is good by
//! itself.

use std::collections::HashSet;
use std::path::Path;

use truelog_spec::contract::{Record, Violation};
use truelog_spec::{ClientStep, Invariant, Outcome};

use super::accept::broken;
use super::judge::Ending;
use super::{ARCHIVED, SECTOR, cases, durable};
use crate::driver::{Deed, Driver};
use crate::fabric::{Damage, Image, LOG_DIR, SimFs, drive_dir};
use crate::report::Report;
use crate::subject::{Archived, Setup};

/// The most choices of a crash point that are gone through before it is sampled.
const LIMIT: usize = 16;
/// The drive whose copy is damaged, and the one with the other copy.
const BAD: u64 = 1;
const GOOD: u64 = 2;

/// Damages each sector of each run on one drive, and scrubs.
///
/// # Errors
/// The first invariant that breaks, and where.
pub fn repairs<S: Archived>(report: &mut Report) -> Result<(), (Violation, String)> {
    let left = match ARCHIVED.tell::<S>() {
        Ok(left) => left,
        Err(why) => {
            report.incomplete(why);
            return Ok(());
        }
    };
    let dir = drive_dir(Path::new(LOG_DIR), BAD);
    let zeroed = |says: &str| says.starts_with("run-") && says.contains("zero");
    for case in cases(&left.image, &left.older, &dir, SECTOR).into_iter().filter(|case| zeroed(&case.says)) {
        repair::<S>(&case.image, &left.truth, report)
            .map_err(|violation| (violation, format!("drive-{BAD}, {}, scrubbed", case.says)))?;
    }
    Ok(())
}

fn repair<S: Archived>(image: &Image, truth: &[Record], report: &mut Report) -> Result<(), Violation> {
    let mut driver = Driver::<S>::new(SimFs::from_image(image), Setup::TINY);
    driver.client(&ClientStep::Open);
    let _ = driver.deeds();
    let outcome = driver.client(&ClientStep::Scrub);
    if !matches!(outcome, Outcome::Done) {
        return broken(Invariant::QuarantineLosesNothing, format!("the scrub ended by {outcome}"));
    }
    report.count("repairs crashed at", 1);
    let mut judged = HashSet::new();
    for deed in driver.deeds() {
        let Deed::Moment(moment) = deed else { continue };
        report.count("crash points", 1);
        let powers = moment.powers(LIMIT).images.into_iter().map(|(image, _)| image);
        for image in powers.chain([moment.snapshot.process_crash()]) {
            if judged.insert(image.fingerprint()) {
                report.count("images", 1);
                serves::<S>(&image, truth, "a crash amid a repair")?;
            }
        }
    }
    let done = durable(driver.disk()).map_err(|says| Violation::new(Invariant::RecoveryConverges, says))?;
    serves::<S>(&without(&done, GOOD), truth, "repaired, and the other drive has lost its runs")
}

/// An image in which one drive has no run any more.
fn without(image: &Image, drive: u64) -> Image {
    let dir = drive_dir(Path::new(LOG_DIR), drive);
    let names = image.names(&dir).unwrap_or_default();
    let runs = names.iter().filter(|name| name.starts_with("run-"));
    runs.fold(image.clone(), |image, name| {
        image.damage(&dir.join(name), &Damage::Remove).unwrap_or_else(|_| image.clone())
    })
}

/// Every record is read.
fn serves<S: Archived>(image: &Image, truth: &[Record], when: &str) -> Result<(), Violation> {
    let Ending::Opened { records, .. } = super::open::<S>(image) else {
        return broken(Invariant::RecoveryConverges, format!("{when}: the log does not open"));
    };
    match truth.iter().find(|record| !records.contains(record)) {
        Some(gone) => {
            broken(Invariant::QuarantineLosesNothing, format!("{when}: LSN {} is not read", gone.lsn))
        }
        None => Ok(()),
    }
}
