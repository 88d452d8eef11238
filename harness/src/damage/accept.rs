//! A loss is accepted, and the process or the power goes at every call of that.
//!
//! Accepting is the one recovery that gives something up, so it must give up nothing else: what could be read before
//! can be read behind it, whenever it was cut off; what is lost stays named, and its LSNs are never used again; and
//! once it returned the log opens for writing, whatever a loss of power takes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use truelog_spec::contract::{Record, Violation};
use truelog_spec::step::{CrashKind, Write};
use truelog_spec::{ClientStep, Invariant, Outcome};

use super::judge::{Ending, judge};
use super::ways::lossy;
use super::{Case, Left, SECTOR, STORIES};
use crate::driver::{Deed, Driver, Duty, files};
use crate::fabric::{Image, LOG_DIR, SimFs};
use crate::oracle::Reading;
use crate::report::Report;
use crate::subject::{Archived, Setup};

/// The most choices of a crash point that are gone through before it is sampled.
const LIMIT: usize = 16;

/// The writer of the appends behind an acceptance: none of a story's own.
const NEXT_WRITER: u32 = 1000;

/// What came of a recovery from damage that was cut off everywhere.
#[derive(Debug, Default)]
pub struct Losses {
    /// The parts that the syncs of it played.
    pub duties: BTreeSet<Duty>,
    /// What broke first, and where.
    pub broken: Option<(Violation, String)>,
}

/// Damages each story's log and accepts the loss, with the sync left out that is ignored, until something breaks.
#[must_use]
pub fn losses<S: Archived>(ignored: Option<Duty>, report: &mut Report) -> Losses {
    let mut losses = Losses::default();
    for story in STORIES {
        let left = match story.tell::<S>() {
            Ok(left) => left,
            Err(why) => {
                report.incomplete(why);
                continue;
            }
        };
        for case in lossy(&left.image, Path::new(LOG_DIR), SECTOR) {
            if let Err(violation) = accept::<S>(&left, &case, ignored, &mut losses.duties, report) {
                losses.broken = Some((violation, format!("story {}, {}", story.name, case.says)));
                return losses;
            }
        }
    }
    losses
}

/// A damaged log whose loss is accepted.
struct Loss<'a> {
    left: &'a Left,
    /// What an independent decoder makes of the damaged disk.
    reading: Reading,
    /// What could be read of it.
    readable: Vec<Record>,
    /// The sync that the disk leaves out, if it is to.
    ignored: Option<Duty>,
}

/// Accepts the loss of one damaged log, if it opens only for reading. The parts that its syncs play are added to
/// `duties`.
///
/// # Errors
/// The first invariant that breaks.
fn accept<S: Archived>(
    left: &Left,
    case: &Case,
    ignored: Option<Duty>,
    duties: &mut BTreeSet<Duty>,
    report: &mut Report,
) -> Result<(), Violation> {
    let Ending::Opened { records, read_only: true, .. } = super::open::<S>(&case.image) else {
        return Ok(());
    };
    report.count("losses accepted", 1);
    let reading = Reading::of(&files(&case.image));
    let loss = Loss { left, reading, readable: records, ignored };
    let mut driver = Driver::<S>::new(SimFs::from_image(&case.image), Setup::TINY);
    driver.ignore(ignored);
    let outcome = driver.client(&ClientStep::AcceptLoss);
    duties.extend(driver.duties().into_keys());
    if !matches!(outcome, Outcome::Lost(_)) {
        return broken(Invariant::RecoveryConverges, format!("the loss cannot be accepted: {outcome}"));
    }
    let mut done = false;
    let mut judged = HashSet::new();
    for deed in driver.deeds() {
        match deed {
            Deed::Finish(_) => done = true,
            Deed::Moment(moment) => {
                report.count("crash points", 1);
                let powers =
                    moment.powers(LIMIT).images.into_iter().map(|(image, _)| (image, CrashKind::Power));
                let process = (moment.snapshot.process_crash(), CrashKind::Process);
                for (image, kind) in powers.chain([process]) {
                    if judged.insert((image.fingerprint(), kind, done)) {
                        report.count("images", 1);
                        loss.behind::<S>(&image, kind, done)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Loss<'_> {
    /// Judges what a crash left. `done`: the acceptance had returned.
    fn behind<S: Archived>(&self, image: &Image, kind: CrashKind, done: bool) -> Result<(), Violation> {
        let mut driver = Driver::<S>::new(SimFs::from_image(image), Setup::TINY);
        driver.ignore(self.ignored);
        driver.deaf();
        // What was only in the page cache vouches for nothing behind a loss of power.
        let vouched = Reading::of(&files(image)).vouched.min(self.reading.vouched);
        let mut ending = self.open(&mut driver, kind, vouched)?;
        if matches!(ending, Ending::Opened { read_only: true, .. }) {
            if done {
                let says = "a loss was accepted, and a crash took the acceptance back".to_owned();
                return broken(Invariant::ClaimHasArtifact, says);
            }
            driver.client(&ClientStep::Close);
            let outcome = driver.client(&ClientStep::AcceptLoss);
            if !matches!(outcome, Outcome::Lost(_)) {
                let says = format!("an acceptance that was cut off cannot be done again: {outcome}");
                return broken(Invariant::RecoveryConverges, says);
            }
            ending = self.open(&mut driver, kind, vouched)?;
        }
        let Ending::Opened { records, named, read_only: false, .. } = ending else {
            let says = "the loss was accepted, and the log opens for reading only".to_owned();
            return broken(Invariant::RecoveryConverges, says);
        };
        self.go_on(driver, &records, &named)
    }

    /// Opens, and holds what comes against the truth and against what could be read before.
    fn open<S: Archived>(
        &self,
        driver: &mut Driver<S>,
        kind: CrashKind,
        vouched: u64,
    ) -> Result<Ending, Violation> {
        driver.client(&ClientStep::Open);
        let mut ending = Ending::of(&driver.deeds(), driver.refusal());
        let Ending::Opened { records, named, .. } = &mut ending else {
            return broken(
                Invariant::RecoveryConverges,
                format!("it opened before, and not any more: {ending:?}"),
            );
        };
        let back: BTreeMap<u64, &Record> = records.iter().map(|record| (record.lsn, record)).collect();
        let owed = |record: &&Record| kind == CrashKind::Process || self.left.synced.contains(record);
        if let Some(gone) =
            self.readable.iter().filter(owed).find(|record| back.get(&record.lsn) != Some(record))
        {
            let says = format!("LSN {} could be read, until the loss of others was accepted", gone.lsn);
            return broken(Invariant::AckedIsDurable, says);
        }
        // The iterator passes over what was given up; the manifest says what that was.
        let now = files(&driver.disk().snapshot().process_crash());
        let losses = Reading::of(&now).manifest.map(|manifest| manifest.losses);
        named.extend(losses.unwrap_or_default());
        // What could not be read before is judged as damage is; nothing can be withheld that is not there.
        let vouched = Reading { vouched, ..Reading::default() };
        judge(&self.left.truth, &vouched, &ending).map_err(|violation| {
            let says = format!("{} (a crash of the {kind:?}; {ending:?})", violation.detail);
            Violation::new(violation.invariant, says)
        })?;
        Ok(ending)
    }

    /// An append behind it is as safe as any, and takes no LSN that was given up.
    fn go_on<S: Archived>(
        &self,
        mut driver: Driver<S>,
        records: &[Record],
        named: &[(u64, u64)],
    ) -> Result<(), Violation> {
        let write = Write { writer: NEXT_WRITER, ..Write::one(0, 8) };
        let Outcome::Acked { lsns, .. } = driver.client(&ClientStep::Append(write)) else {
            return broken(Invariant::AppendResolves, "the log does not go on behind the loss".to_owned());
        };
        let used = records.iter().map(|record| record.lsn).chain(named.iter().map(|lsns| lsns.1)).max();
        if used.is_some_and(|used| lsns.first <= used) {
            let says = format!("LSN {} was given up or used, and is given again", lsns.first);
            return broken(Invariant::NothingInvented, says);
        }
        let image = super::durable(driver.disk())
            .map_err(|says| Violation::new(Invariant::RecoveryConverges, says))?;
        let Ending::Opened { records: then, read_only: false, .. } = super::open::<S>(&image) else {
            let says = "an append behind the loss, and the log does not open for writing any more".to_owned();
            return broken(Invariant::RecoveryConverges, says);
        };
        let lsns: BTreeSet<u64> = records.iter().map(|record| record.lsn).chain(lsns.iter()).collect();
        match lsns.iter().find(|lsn| !then.iter().any(|record| record.lsn == **lsn)) {
            Some(gone) => {
                broken(Invariant::AckedIsDurable, format!("LSN {gone} is gone behind an accepted loss"))
            }
            None => Ok(()),
        }
    }
}

pub(super) fn broken<T>(invariant: Invariant, says: String) -> Result<T, Violation> {
    Err(Violation::new(invariant, says))
}
