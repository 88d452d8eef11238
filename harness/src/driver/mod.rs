//! Runs client and world steps on a log over the simulated disk, and writes down what happens.

mod books;
mod claims;
mod deed;
mod duty;
mod health;
mod moment;
mod steps;
mod units;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use truelog_spec::contract::{Record, RecoveredState, payload};
use truelog_spec::outcome::Found;
use truelog_spec::step::{Durability, Lsns, TicketNo, Write, Writer};
use truelog_spec::{ClientStep, Failure, Outcome, Step};

pub use deed::{At, Deed, Diary};
pub use duty::Duty;
pub use moment::{Moment, Powers, files};
pub use units::Units;
pub use world::Impossible;
#[cfg(test)]
pub(crate) use world::plan;
pub(crate) use world::{carry_out, is_taken_back, is_write_back, spelled};

use crate::fabric::{Plan, SimFs, Unwound, drive_dir};
use crate::oracle::{Ended, Reading};
use crate::order::{Journal, Seen};
use crate::subject::{Ack, Archived, Opened, Place, Refusal, Sent, Setup, Subject, Watch};
use books::Books;
use duty::Duties;
use health::Harm;

/// A log, its disk, and what happened so far.
#[derive(Debug)]
pub struct Driver<S: Archived> {
    disk: SimFs,
    place: Place,
    diary: Diary,
    log: Option<S>,
    tickets: BTreeMap<TicketNo, S::Ticket>,
    indices: BTreeMap<Writer, u64>,
    /// The highest LSN that the engine has claimed durable in this life.
    synced: Arc<AtomicU64>,
    units: Units,
    refusal: Option<Refusal>,
    duties: Duties,
    /// A call has failed in this life or in one before: a drive may be out by right.
    struck: bool,
    /// Where the engine's steps are written down, if they are.
    journal: Option<Journal>,
    harm: Harm,
    books: Books,
}

impl<S: Archived> Driver<S> {
    /// A driver over `disk`. Nothing is open.
    #[must_use]
    pub fn new(disk: SimFs, setup: Setup) -> Self {
        let units = Units::new(disk.profile().sector);
        let place = Place { env: disk.env(), dir: disk.log_dir().to_path_buf(), setup };
        let mut driver = Self {
            disk,
            place,
            diary: Diary::default(),
            log: None,
            tickets: BTreeMap::new(),
            indices: BTreeMap::new(),
            synced: Arc::default(),
            units,
            refusal: None,
            duties: Duties::default(),
            struck: false,
            journal: None,
            harm: Harm::default(),
            books: Books::default(),
        };
        driver.disk.set_logging(false);
        driver.listen();
        driver
    }

    /// The disk.
    #[must_use]
    pub const fn disk(&self) -> &SimFs {
        &self.disk
    }

    /// What happened since this was last asked.
    #[must_use]
    pub fn deeds(&self) -> Vec<Deed> {
        self.diary.take()
    }

    /// From now on the disk leaves out the syncs of this duty.
    pub fn ignore(&mut self, duty: Option<Duty>) {
        if duty.is_some() {
            self.harm.by_the_world();
        }
        self.duties.ignore(duty);
    }

    /// Has something go wrong with a call from now on.
    pub fn arm(&self, plan: Plan) {
        self.disk.faults().schedule(plan);
        self.diary.note(Deed::Armed(plan));
    }

    /// A call has failed before this life: a drive may be out by right.
    pub const fn strike(&mut self) {
        self.struck = true;
    }

    /// What the syncs so far were for, and how often.
    #[must_use]
    pub fn duties(&self) -> BTreeMap<Duty, u64> {
        self.duties.seen()
    }

    /// Forgets what the syncs so far were for.
    pub fn forget_duties(&self) {
        self.duties.forget();
    }

    /// The last error that a call ended by.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// A step of a client or of the world. The engine's own steps are its own: they are observed, not taken.
    ///
    /// # Errors
    /// When the world cannot do this here.
    pub fn step(&mut self, step: &Step) -> Result<Option<Outcome>, Impossible> {
        match step {
            Step::Client(step) => Ok(Some(self.client(step))),
            Step::World(step) => self.world(step).map(|()| None),
            Step::Engine(_) | Step::Prefetch(_) => Ok(None),
        }
    }

    /// Whether a log is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.log.is_some()
    }

    /// A client's call, from beginning to end.
    pub fn client(&mut self, step: &ClientStep) -> Outcome {
        self.duties.enter(step);
        self.diary.note(Deed::Begin(step.clone()));
        let outcome = self.caught(step).unwrap_or_else(|refusal| {
            let kind = refusal.kind;
            self.refusal = Some(refusal);
            Outcome::Failed(kind)
        });
        self.diary.note(Deed::Finish(outcome.clone()));
        self.look_at_drives();
        self.look_at_health();
        self.moment(At::Return);
        outcome
    }

    /// A call that may unwind where the disk was asked to unwind it. Whoever does so inside a commit halts the log.
    fn caught(&mut self, step: &ClientStep) -> Result<Outcome, Refusal> {
        let called = catch_unwind(AssertUnwindSafe(|| self.call(step)));
        called.unwrap_or_else(|panic| {
            if !panic.is::<Unwound>() {
                resume_unwind(panic);
            }
            self.harm.write_back_failed();
            let says = "the caller unwound inside its commit".to_owned();
            Err(Refusal { kind: Failure::Poisoned, lsns: None, says })
        })
    }

    fn call(&mut self, step: &ClientStep) -> Result<Outcome, Refusal> {
        match step {
            ClientStep::Create => {
                let log = S::create(&self.place)?;
                self.saw(Seen::Ready(1, false));
                log.watch(self.watch());
                self.begin_life(log);
                Ok(Outcome::Done)
            }
            ClientStep::Open => self.open(),
            ClientStep::Append(write) | ClientStep::Batch(write) => {
                let sent = self.payloads(write);
                let acks = self.log()?.append(&sent, write.durability)?;
                self.acked(&sent, &acks, write.durability)
            }
            ClientStep::Submit { ticket, write } => {
                let sent = self.payloads(write);
                let (taken, first, last) = self.log()?.submit(&sent, write.durability)?;
                self.tickets.insert(*ticket, taken);
                Lsns::new(first, last)
                    .map(Outcome::Submitted)
                    .ok_or_else(|| malformed("a ticket without LSNs"))
            }
            ClientStep::Wait { ticket } => {
                let ticket = self.tickets.remove(ticket).ok_or_else(|| malformed("no such ticket"))?;
                let acks = self.log()?.wait(ticket)?;
                let weakest = acks.iter().map(|ack| ack.durability).min().unwrap_or(Durability::PowerLoss);
                self.acked(&[], &acks, weakest)
            }
            ClientStep::Trim { before } => {
                let trimmed = self.log()?.trim(*before)?;
                self.saw(Seen::Trimmed(trimmed));
                Ok(Outcome::Trimmed(trimmed))
            }
            ClientStep::Tick => {
                let log = self.log()?;
                log.step()?;
                if !log.drives().is_empty() {
                    self.duties.enter_archive();
                    log.archive_step()?;
                }
                Ok(Outcome::Done)
            }
            ClientStep::Close => {
                self.log()?;
                let log = self.log.take().ok_or_else(closed)?;
                self.tickets.clear();
                log.close().map(|()| Outcome::Done)
            }
            ClientStep::Read { from, .. } => self.read_on(*from),
            ClientStep::Inspect => {
                let read = S::inspect(&self.place)?;
                Ok(self.read(1, read))
            }
            ClientStep::Adopt => S::adopt(&self.place).map(|()| Outcome::Done),
            ClientStep::AcceptLoss => {
                let lost = S::accept_loss(&self.place)?;
                Ok(Outcome::Lost(runs(&lost)))
            }
            ClientStep::RebuildManifest => self.rebuild_manifest(),
            ClientStep::AddDrive { drive } => self.add_drive(*drive),
            ClientStep::Compact => self.compact(),
            ClientStep::Scrub => self.log()?.scrub(true).map(|_| Outcome::Done),
            // A reader's snapshot lives as long as one read.
            ClientStep::Hold { .. } | ClientStep::Release { .. } => Ok(Outcome::Done),
        }
    }

    /// Reads from the handle; damage that is named there is known to it from then on.
    fn read_on(&mut self, from: u64) -> Result<Outcome, Refusal> {
        let read = self.log()?.read(from);
        let damaged =
            |one: &Result<Record, Refusal>| one.as_ref().is_err_and(|it| it.kind == Failure::Corrupt);
        if read.iter().any(damaged) {
            self.harm.damage_named();
        }
        Ok(self.read(from, read))
    }

    /// Rebuilds the manifest from all drives that stand beside the log.
    fn rebuild_manifest(&self) -> Result<Outcome, Refusal> {
        let drives = Reading::of(&self.visible_files()).drives;
        let drives = drives.iter().filter(|(_, drive)| drive.id.is_some());
        let drives: Vec<_> = drives.map(|(drive, _)| drive_dir(&self.place.dir, *drive)).collect();
        S::rebuild_manifest(&self.place, &drives)?;
        self.found_manifest();
        Ok(Outcome::Done)
    }

    fn add_drive(&self, drive: u64) -> Result<Outcome, Refusal> {
        self.log()?.add_drive(&drive_dir(&self.place.dir, drive))?;
        self.found_drive(drive);
        Ok(Outcome::Done)
    }

    fn compact(&self) -> Result<Outcome, Refusal> {
        let runs = self.log()?.compact()?;
        self.found_runs(&runs);
        Ok(Outcome::Done)
    }

    /// On a disk where nothing has failed, every drive serves.
    fn look_at_drives(&self) {
        let Some(log) = self.log.as_ref().filter(|_| !self.struck && self.disk.faults().fired().is_empty())
        else {
            return;
        };
        let out: Vec<u64> =
            log.drives().iter().filter(|drive| !drive.serves).map(|drive| drive.number).collect();
        if !out.is_empty() {
            self.diary.note(Deed::DrivesOut(out));
        }
    }

    /// Opens, and reads everything in both ways.
    fn open(&mut self) -> Result<Outcome, Refusal> {
        match recover::<S>(&self.place, self.watch()) {
            (Some(log), Ended::Opened { state, unread }) => {
                self.synced.store(state.next - 1, Ordering::Relaxed);
                self.saw(Seen::Ready(state.next, state.read_only));
                self.begin_life(log);
                let met = unread.iter().any(|refusal| refusal.kind == Failure::Corrupt);
                if met || !state.damage.is_empty() {
                    self.harm.damage_named();
                }
                let found = Found {
                    records: state.records.len() as u64,
                    next: state.next,
                    trimmed: state.trimmed,
                    damage: state.damage.clone(),
                };
                let from = state.trimmed;
                let records = state.records.clone();
                self.diary.note(Deed::Opened(state));
                if !unread.is_empty() {
                    self.diary.note(Deed::Read { from, records, unread });
                }
                Ok(Outcome::Recovered(found))
            }
            (_, Ended::Refused(refusal)) => Err(refusal),
            (None, Ended::Opened { .. }) => Err(closed()),
        }
    }

    fn begin_life(&mut self, log: S) {
        self.harm.begin_life(self.disk.env().clock.wall());
        self.log = Some(log);
        self.tickets.clear();
    }

    fn log(&self) -> Result<&S, Refusal> {
        self.log.as_ref().ok_or_else(closed)
    }

    fn read(&self, from: u64, read: Vec<Result<Record, Refusal>>) -> Outcome {
        let (records, unread) = split(read);
        let struck = !self.disk.faults().fired().is_empty();
        if struck && unread.iter().any(|refusal| refusal.kind == Failure::Io) {
            return Outcome::Failed(Failure::Io);
        }
        let count = records.len() as u64;
        self.diary.note(Deed::Read { from, records, unread });
        Outcome::Read(count)
    }

    /// The bytes that this writer hands in next.
    fn payloads(&mut self, write: &Write) -> Vec<Sent> {
        let index = self.indices.entry(write.writer).or_default();
        let first = *index;
        *index += write.records.len() as u64;
        let sent = (first..).zip(&write.records);
        sent.map(|(index, record)| Sent {
            stream: record.stream,
            payload: payload(write.writer, index, record.len),
        })
        .collect()
    }

    /// Receipts are out: each must say what was sent, and point to what is there.
    fn acked(&self, sent: &[Sent], acks: &[Ack], durability: Durability) -> Result<Outcome, Refusal> {
        self.found_acks(sent, acks, durability);
        if let Some(journal) = &self.journal {
            crate::order::runs::acked(journal, acks);
        }
        if let Some(says) = acks.iter().find_map(|ack| self.books.receipt(ack.lsn)) {
            self.diary.note(Deed::Unbalanced(says));
        }
        let first = acks.first().ok_or_else(|| malformed("no receipt"))?.lsn;
        let lsns = Lsns::new(first, first + acks.len() as u64 - 1).ok_or_else(|| malformed("no receipt"))?;
        if acks.iter().zip(lsns.iter()).any(|(ack, lsn)| ack.lsn != lsn) {
            return Err(malformed("receipts that do not follow each other"));
        }
        Ok(Outcome::Acked { lsns, seqs: acks.iter().map(|ack| ack.seq).collect() })
    }
}

impl<S: Archived> Drop for Driver<S> {
    /// Ends the life: the disk and its hook would otherwise hold each other.
    fn drop(&mut self) {
        self.end();
    }
}

/// Opens a log and reads all of it.
pub(crate) fn recover<S: Subject>(place: &Place, watch: Watch) -> (Option<S>, Ended) {
    match S::open(place, watch) {
        Ok((log, opened)) => {
            let ended = read_all(&log, opened);
            (Some(log), ended)
        }
        Err(refusal) => (None, Ended::Refused(refusal)),
    }
}

/// How many records that the iterator refuses are asked for by name, at most.
const ALONE: usize = 256;

/// Reads all of a log that was just opened, by the iterator and one by one.
pub(crate) fn read_all<S: Subject>(log: &S, opened: Opened) -> Ended {
    let (mut records, mut unread) = split(log.read(opened.first));
    if unread.iter().any(|refusal| refusal.kind == Failure::Io) {
        // A call that failed says nothing about the bytes: the reader is entitled to ask again.
        (records, unread) = split(log.read(opened.first));
    }
    for record in &records {
        let again =
            |refusal: Refusal| if refusal.kind == Failure::Io { log.get(record.lsn) } else { Err(refusal) };
        match log.get(record.lsn).or_else(again) {
            Ok(same) if same == *record => {}
            Ok(_) => unread.push(malformed("get returns another record than the iterator")),
            Err(refusal) => unread.push(refusal),
        }
    }
    // What cannot be read with its batch may be read alone.
    let refused: Vec<_> = unread.iter().filter_map(|refusal| refusal.lsns).collect();
    let alone = refused.into_iter().flat_map(|(first, last)| first..=last.min(opened.next)).take(ALONE);
    records.extend(alone.filter_map(|lsn| log.get(lsn).ok()));
    records.sort_by_key(|record| record.lsn);
    let state = RecoveredState {
        records,
        next: opened.next,
        trimmed: opened.first,
        damage: runs(&opened.damage),
        read_only: opened.read_only,
    };
    // What is named as damaged is not expected to be read.
    unread.retain(|refusal| refusal.lsns.is_none_or(|lsns| !opened.damage.contains(&lsns)));
    Ended::Opened { state, unread }
}

fn split(read: Vec<Result<Record, Refusal>>) -> (Vec<Record>, Vec<Refusal>) {
    let (mut records, mut unread) = (Vec::new(), Vec::new());
    for one in read {
        match one {
            Ok(record) => records.push(record),
            Err(refusal) => unread.push(refusal),
        }
    }
    (records, unread)
}

fn runs(lsns: &[(u64, u64)]) -> Vec<Lsns> {
    lsns.iter().filter_map(|(first, last)| Lsns::new(*first, *last)).collect()
}

fn closed() -> Refusal {
    Refusal { kind: Failure::Closed, lsns: None, says: "nothing is open".to_owned() }
}

fn malformed(says: &str) -> Refusal {
    Refusal { kind: Failure::Io, lsns: None, says: says.to_owned() }
}
