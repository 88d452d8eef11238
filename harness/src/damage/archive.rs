//! Gate D on the archive: one copy of anything is damaged, or all copies of a block.
//!
//! With one good copy left nothing is missed: every read is byte for byte what was appended, appends go on, the damage
//! is told, and a scrub repairs it. So it is where each copy of a run is bad, and each in another block. Without a good
//! copy the records are named, and everything else is served.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use truelog_spec::contract::{Record, Violation};
use truelog_spec::step::{Durability, Write};
use truelog_spec::{ClientStep, Invariant};

use super::{Case, Left, SECTOR, cases};
use crate::driver::files;
use crate::fabric::{Damage, Image, LOG_DIR, SimFs, drive_dir};
use crate::oracle::Reading;
use crate::progress::Progress;
use crate::report::Report;
use crate::subject::{Archived, Drive, Place, Refusal, Sent, Setup};

/// The drives of the story.
pub(crate) const DRIVES: [u64; 2] = [1, 2];
/// More steps than any archive here has work for.
const STEPS: usize = 200;

/// What is done before anything is damaged: two drives, a compaction, a second one that merges, and records behind it.
pub(super) fn story() -> Vec<ClientStep> {
    let append = |index: u32| ClientStep::Append(Write::one(u64::from(index % 2), 60 + index));
    let mut steps = vec![ClientStep::Create];
    steps.extend(DRIVES.map(|drive| ClientStep::AddDrive { drive }));
    steps.extend((0..4).map(append));
    steps.push(ClientStep::Compact);
    steps.extend((4..9).map(append));
    steps.extend([ClientStep::Compact, ClientStep::Close, ClientStep::Open, ClientStep::Close]);
    steps
}

/// Damages each copy on its own, then all copies of each piece of a run, then each copy in another piece.
pub(super) fn explore<S: Archived>(left: &Left, report: &mut Report, progress: &Progress) {
    for drive in DRIVES {
        let dir = drive_dir(Path::new(LOG_DIR), drive);
        for case in cases(&left.image, &left.older, &dir, SECTOR) {
            progress.advance(1);
            report.count("copies damaged", 1);
            let found = one_copy::<S>(left, &case.image, drive);
            if !tell(report, found, || format!("drive-{drive}, {}", case.says)) {
                return;
            }
        }
    }
    for case in all_copies(left) {
        progress.advance(1);
        report.count("blocks damaged in all copies", 1);
        let found = judge_copies::<S>(left, &case.image);
        if !tell(report, found, || format!("all drives, {}", case.says)) {
            return;
        }
    }
    let apart = apart(left);
    if apart.is_empty() {
        let says = "story archived: no run can be damaged in two places".to_owned();
        report.find(Invariant::QuarantineLosesNothing.as_str(), says, "cargo verify --only damage");
    }
    for case in apart {
        progress.advance(1);
        report.count("copies damaged in different blocks", 1);
        let found = no_block::<S>(left, &case.image);
        if !tell(report, found, || case.says.clone()) {
            return;
        }
    }
}

fn tell(report: &mut Report, found: Result<&'static str, Violation>, case: impl Fn() -> String) -> bool {
    match found {
        Ok(word) => report.count(word, 1),
        Err(violation) => {
            let says = format!("story archived, {}: {}", case(), violation.detail);
            report.find(violation.invariant.as_str(), says, "cargo verify --only damage");
            return false;
        }
    }
    true
}

/// The same damage to every copy of a run.
fn all_copies(left: &Left) -> Vec<Case> {
    let [first, second] = DRIVES.map(|drive| drive_dir(Path::new(LOG_DIR), drive));
    let runs = |case: &Case| case.says.starts_with("run-");
    let ones = cases(&left.image, &left.older, &first, SECTOR).into_iter().filter(runs);
    ones.flat_map(|one| {
        let both = cases(&one.image, &left.older, &second, SECTOR).into_iter();
        both.filter(move |both| both.says == one.says)
    })
    .collect()
}

/// Both copies of a run are damaged, and no block of it in both.
fn apart(left: &Left) -> Vec<Case> {
    let [first, second] = DRIVES.map(|drive| drive_dir(Path::new(LOG_DIR), drive));
    let mut cases = Vec::new();
    for name in left.image.names(&first).unwrap_or_default().iter().filter(|name| name.starts_with("run-")) {
        let blocks = || (0..left.image.len_of(&first.join(name)).unwrap_or(0)).step_by(2 * SECTOR as usize);
        let zero = |image: &Image, dir: &Path, offset| {
            image.damage(&dir.join(name), &Damage::Zero { offset, len: SECTOR.into() }).ok()
        };
        for (one, other) in blocks().flat_map(|one| blocks().map(move |other| (one, other))) {
            let image = zero(&left.image, &first, one).and_then(|image| zero(&image, &second, other));
            let Some(image) = image.filter(|image| one != other && is_all_there(left, image)) else {
                continue;
            };
            let says = format!("drive-1, {name} {one} zeroed; drive-2, {name} {other} zeroed");
            cases.push(Case { says, image });
        }
    }
    cases
}

/// Whether some drive has each block that there should be.
fn is_all_there(left: &Left, image: &Image) -> bool {
    let reading = Reading::of(&files(image));
    let there: BTreeMap<u64, &Record> = reading.records().map(|record| (record.lsn, record)).collect();
    indexed(&reading) && left.truth.iter().all(|record| there.contains_key(&record.lsn))
}

/// A log that is open, and what is known of it.
struct Open<S> {
    log: S,
    /// The drives that did not serve, as of any time since.
    out: Vec<Drive>,
}

impl<S: Archived> Open<S> {
    fn of(disk: &SimFs) -> Result<Self, Violation> {
        let (open, halts) = Self::opened(disk)?;
        if halts { Err(broken("damage on a drive is taken for damage of the log")) } else { Ok(open) }
    }

    /// And whether it opened for reading only.
    fn opened(disk: &SimFs) -> Result<(Self, bool), Violation> {
        let place = Place { env: disk.env(), dir: PathBuf::from(LOG_DIR), setup: Setup::TINY };
        let (log, opened) =
            S::open(&place, Arc::new(|_| {})).map_err(|why| lost("it does not open", &why))?;
        let mut open = Self { log, out: Vec::new() };
        open.look();
        Ok((open, opened.read_only || !opened.damage.is_empty()))
    }

    fn look(&mut self) {
        self.out.extend(self.log.drives().into_iter().filter(|drive| !drive.serves));
    }

    /// Lets the archive work until the quarantine of what has failed is durable, and no further: a new run would have
    /// the drives' copies of the manifest written anew.
    fn settle(&mut self) -> Result<(), Violation> {
        for _ in 0..STEPS {
            self.look();
            if self.log.drives().iter().all(|drive| !drive.suspect) {
                return Ok(());
            }
            self.log.archive_step().map_err(|why| lost("the archive's work fails", &why))?;
        }
        Err(broken("a quarantine never becomes durable"))
    }

    /// Only the drive that was damaged may ever have been out.
    fn blames(&self, before: &Reading, damaged: u64) -> Result<(), Violation> {
        let known = before.manifest.iter().flat_map(|manifest| &manifest.drives);
        let healthy: Vec<u64> =
            known.filter(|(_, drive)| drive.place != Some(damaged)).map(|(number, _)| *number).collect();
        match self.out.iter().find(|out| healthy.contains(&out.number)) {
            Some(out) => Err(broken(&format!("drive {} is out, and is not the damaged one", out.number))),
            None => Ok(()),
        }
    }

    fn append(&self) -> Result<(), Violation> {
        let sent = [Sent { stream: 0, payload: b"goes on".to_vec() }];
        let acks = self.log.append(&sent, Durability::PowerLoss);
        acks.map(drop).map_err(|why| lost("an append fails", &why))
    }
}

/// One copy is damaged.
fn one_copy<S: Archived>(left: &Left, image: &Image, drive: u64) -> Result<&'static str, Violation> {
    let disk = SimFs::from_image(image);
    let before = Reading::of(&files(image));
    let mut open = Open::<S>::of(&disk)?;
    all_read(&open.log, &left.truth)?;
    open.look();
    open.append()?;
    open.settle()?;
    open.blames(&before, drive)?;
    let mut told = !open.out.is_empty();
    let mut clean = false;
    for _ in 0..3 {
        let found = open.log.scrub(true).map_err(|why| lost("a scrub fails", &why))?;
        if !found.lost.is_empty() {
            return Err(broken("a scrub calls lost what another copy has"));
        }
        told |= !found.bad.is_empty();
        open.settle()?;
        clean = found.bad.is_empty() && open.log.drives().iter().all(|drive| drive.serves);
        if clean {
            break;
        }
    }
    open.blames(&before, drive)?;
    all_read(&open.log, &left.truth)?;
    let Open { log, .. } = open;
    log.close().map_err(|why| lost("it does not close", &why))?;
    let again = SimFs::from_image(&disk.snapshot().process_crash());
    let again = Open::<S>::of(&again)?;
    all_read(&again.log, &left.truth)?;
    let harmed = !intact(&before, drive);
    if harmed && !told && before.drives.get(&drive).is_some_and(|drive| drive.manifest.is_some()) {
        return Err(Violation::new(Invariant::DamageIsLoud, "nobody is told".to_owned()));
    }
    if before.drives.get(&drive).is_none_or(|drive| drive.id.is_none()) {
        // A drive that cannot be told from another is never taken for one: it is named, until it is replaced.
        return if again.out.is_empty() {
            Err(broken("it serves without an identity"))
        } else {
            Ok("left out")
        };
    }
    let after = Reading::of(&files(&disk.snapshot().process_crash()));
    if !clean || !again.out.is_empty() || !intact(&after, drive) {
        return Err(broken("it is not repaired by three scrubs"));
    }
    Ok(if harmed { "repaired" } else { "unharmed" })
}

/// Copies of runs are damaged, all copies of something perhaps: what no copy has is named, and all else is served.
///
/// # Errors
/// If a record comes back as it never was, is withheld although a copy has it, or goes in silence; or if appends or a
/// scrub fail that damage on a drive must not hold up.
pub fn judge_copies<S: Archived>(left: &Left, image: &Image) -> Result<&'static str, Violation> {
    let disk = SimFs::from_image(image);
    let reading = Reading::of(&files(image));
    let (mut open, halts) = Open::<S>::opened(&disk)?;
    let word = each_named(&open.log, left, &reading)?;
    if halts {
        return halted(&open, word);
    }
    if gone_everywhere(left, image) {
        return Err(Violation::new(
            Invariant::DamageIsLoud,
            "no drive has the run, and it goes on".to_owned(),
        ));
    }
    // In one go, twice: what cannot be read is named and passed by.
    for _ in 0..2 {
        for record in open.log.read(1).into_iter().filter_map(Result::ok) {
            if left.truth.iter().any(|owed| owed.lsn == record.lsn && *owed != record) {
                return Err(wrong(record.lsn));
            }
        }
        open.append()?;
        open.settle()?;
    }
    let found = open.log.scrub(false).map_err(|why| lost("a scrub fails", &why))?;
    if word == "named" && found.lost.is_empty() {
        return Err(Violation::new(Invariant::DamageIsLoud, "a scrub does not name what is lost".to_owned()));
    }
    // A scrub takes nothing away: what could be read before it still can.
    each_named(&open.log, left, &reading)?;
    open.append()?;
    Ok(word)
}

/// Whether a run that was there is on no drive any more.
fn gone_everywhere(left: &Left, image: &Image) -> bool {
    let dirs = || DRIVES.iter().map(|drive| drive_dir(Path::new(LOG_DIR), *drive));
    let runs = dirs().flat_map(|dir| left.image.names(&dir).unwrap_or_default());
    let mut runs = runs.filter(|name| name.starts_with("run-"));
    runs.any(|name| dirs().all(|dir| image.len_of(&dir.join(&name)).is_none()))
}

/// The log is open for reading only: records are named, and nothing more is acknowledged.
fn halted<S: Archived>(open: &Open<S>, word: &str) -> Result<&'static str, Violation> {
    if word != "named" {
        return Err(broken("it halts, and every record can be read"));
    }
    match open.append() {
        Ok(()) => Err(Violation::new(Invariant::DamageIsLoud, "it appends behind damage".to_owned())),
        Err(_) => Ok("named, and it halts"),
    }
}

/// No copy is whole, and each block is whole in one of them.
fn no_block<S: Archived>(left: &Left, image: &Image) -> Result<&'static str, Violation> {
    let disk = SimFs::from_image(image);
    let mut open = Open::<S>::of(&disk)?;
    all_read(&open.log, &left.truth)?;
    open.append()?;
    open.settle()?;
    for _ in 0..3 {
        let found = open.log.scrub(true).map_err(|why| lost("a scrub fails", &why))?;
        if !found.lost.is_empty() {
            return Err(broken("a scrub calls lost what one of the copies has"));
        }
        open.settle()?;
    }
    all_read(&open.log, &left.truth)?;
    let after = Reading::of(&files(&disk.snapshot().process_crash()));
    let serves = open.log.drives().iter().all(|drive| drive.serves);
    if serves && DRIVES.iter().all(|drive| intact(&after, *drive)) {
        Ok("repaired by each other")
    } else {
        Err(broken("the copies do not repair each other in three scrubs"))
    }
}

/// Every record is read as it was, or its loss is named; none that is whole on a drive is withheld.
fn each_named<S: Archived>(log: &S, left: &Left, reading: &Reading) -> Result<&'static str, Violation> {
    let there: BTreeMap<u64, &Record> = reading.records().map(|record| (record.lsn, record)).collect();
    let mut word = "served around";
    for record in &left.truth {
        match log.get(record.lsn) {
            Ok(found) if found == *record => {}
            Ok(_) => return Err(wrong(record.lsn)),
            Err(why) if why.lsns.is_some_and(|(first, last)| first <= record.lsn && record.lsn <= last) => {
                word = "named";
                if there.contains_key(&record.lsn) && indexed(reading) {
                    return Err(Violation::new(
                        Invariant::DamageIsLoud,
                        format!("LSN {} is intact, and is withheld", record.lsn),
                    ));
                }
            }
            Err(why) => return Err(lost("a read names no records", &why)),
        }
    }
    Ok(word)
}

/// Whether some copy of each run can be found its way in.
fn indexed(reading: &Reading) -> bool {
    let (Some(manifest), Some(log)) = (&reading.manifest, &reading.log) else { return false };
    manifest.runs.values().all(|run| {
        let mut copies = reading.drives.values().filter_map(|drive| drive.copy(run, log, reading.block));
        copies.any(|copy| copy.indexed)
    })
}

/// Whether all that is kept on a drive is as it should be.
fn intact(reading: &Reading, drive: u64) -> bool {
    let (Some(manifest), Some(log)) = (&reading.manifest, &reading.log) else { return false };
    let Some(drive) = reading.drives.get(&drive) else { return false };
    let whole = |run| drive.copy(run, log, reading.block).is_some_and(|copy| copy.whole);
    drive.id.is_some()
        && drive.manifest.as_ref().is_some_and(|copy| copy.generation == manifest.generation)
        && manifest.runs.values().all(whole)
}

fn all_read<S: Archived>(log: &S, truth: &[Record]) -> Result<(), Violation> {
    let read: Result<Vec<Record>, Refusal> = log.read(1).into_iter().collect();
    let read = read.map_err(|why| lost("a read fails, and a good copy is left", &why))?;
    for record in truth {
        let one = log.get(record.lsn).map_err(|why| lost("a read fails, and a good copy is left", &why))?;
        if one != *record || !read.contains(record) {
            return Err(wrong(record.lsn));
        }
    }
    Ok(())
}

fn wrong(lsn: u64) -> Violation {
    Violation::new(Invariant::DamageIsLoud, format!("LSN {lsn} came back as it never was"))
}

fn broken(says: &str) -> Violation {
    Violation::new(Invariant::QuarantineLosesNothing, says.to_owned())
}

fn lost(what: &str, why: &Refusal) -> Violation {
    broken(&format!("{what}: {}", why.says))
}
