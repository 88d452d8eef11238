//! Runs of the production code whose order is judged: one thread, and perhaps a reader that stands still, on a
//! simulated disk with faults and crashes.

use std::sync::Arc;
use std::time::Duration;

use truelog_env::{IoKind, Op};
use truelog_spec::step::{Durability, Keep, Lsns, ReaderNo};
use truelog_spec::{ClientStep, WorldStep};

use super::gate::Held;
pub use super::scripts::SCRIPTS;
use super::seen::Seen;
use super::tap::{Journal, Tap};
use crate::fabric::{Fault, Image, Plan, Profile, Reads, RolePattern, SimFs, drive_dir};
use crate::subject::{Ack, Archived, Claimed, Place, Plain, Refusal, Sent, Setup, Subject, Watch};

/// A thing that happens in a run.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// The log is created.
    Create,
    /// It is opened.
    Open,
    /// One record of so many bytes is appended.
    Append(usize),
    /// One that need only survive the process.
    Accept(usize),
    /// Two records of so many bytes are appended as one.
    Batch(usize),
    /// Everything below an LSN is let go of.
    Trim(u64),
    /// So many milliseconds pass, and then a step of background work is done.
    Tick(u64),
    /// A drive is added.
    AddDrive(u64),
    /// Two drives are added, and so many records appended, each of which fills most of a segment.
    Seal(u32),
    /// All that is sealed is archived.
    Compact,
    /// So many steps of the archive's work are done.
    Archive(u32),
    /// Every copy is read, what is damaged is written anew, and drives with which nothing is wrong serve again.
    Scrub,
    /// A reader takes a snapshot, and stands still before it reads.
    Hold,
    /// It reads, and lets go of its snapshot.
    Release,
    /// The log is closed.
    Close,
    /// The process dies.
    Crash,
    /// The power fails, and nothing is kept that was not durable.
    PowerCut,
    /// The log's loss is accepted.
    AcceptLoss,
    /// The log is adopted.
    Adopt,
    /// The next such call fails.
    Fail(RolePattern, Op),
    /// The how-manieth such write from now on is short.
    Short(RolePattern, u32),
    /// The segment's file is moved away.
    Lose(u64),
}

/// A run, and how the log is set up for it.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// What it is about.
    pub name: &'static str,
    /// The kinds of steps without which it would not be about that.
    pub shows: &'static [&'static str],
    /// How the log is set up.
    pub setup: Setup,
    /// What happens.
    pub deeds: &'static [Deed],
}

/// Runs a script; what was seen.
#[must_use]
pub fn run(script: &Script) -> Vec<Seen> {
    let disk = SimFs::new(Profile::W.sector(128));
    let mut stage = Stage { journal: Journal::default(), setup: script.setup, disk, log: None, reader: None };
    for deed in script.deeds {
        // A call that fails ends in an error, as it should; what matters here is what was done to the disk.
        let _ = stage.deed(*deed);
    }
    stage.journal.entries()
}

/// The one reader that a script may hold.
const READER: ReaderNo = 1;

struct Stage {
    journal: Journal,
    setup: Setup,
    disk: SimFs,
    log: Option<Arc<Plain>>,
    reader: Option<Held<usize>>,
}

impl Stage {
    fn place(&self) -> Place {
        let mut env = self.disk.env();
        env.fs = Arc::new(Tap::new(env.fs, self.disk.log_dir(), self.journal.clone()));
        Place { env, dir: self.disk.log_dir().to_owned(), setup: self.setup }
    }

    fn watch(&self) -> Watch {
        let journal = self.journal.clone();
        Arc::new(move |claimed: Claimed| journal.push(Seen::Claim(claimed.durability, claimed.last)))
    }

    fn deed(&mut self, deed: Deed) -> Result<(), Refusal> {
        match deed {
            Deed::Create => {
                let log = Plain::create(&self.place())?;
                self.journal.push(Seen::Ready(1, false));
                log.watch(self.watch());
                self.log = Some(Arc::new(log));
            }
            Deed::Open => {
                let (log, opened) = Plain::open(&self.place(), self.watch())?;
                self.journal.push(Seen::Ready(opened.next, opened.read_only));
                self.log = Some(Arc::new(log));
            }
            Deed::Append(len) => self.append(1, len, Durability::PowerLoss)?,
            Deed::Accept(len) => self.append(1, len, Durability::ProcessCrash)?,
            Deed::Batch(len) => self.append(2, len, Durability::PowerLoss)?,
            Deed::Trim(before) => {
                if let Some(log) = &self.log {
                    self.journal.push(Seen::Trimmed(log.trim(before)?));
                }
            }
            Deed::Tick(ms) => {
                self.disk.advance(Duration::from_millis(ms));
                self.log.as_ref().map_or(Ok(()), |log| log.step())?;
            }
            Deed::Close => self.log.take().and_then(Arc::into_inner).map_or(Ok(()), Subject::close)?,
            Deed::Seal(records) => self.seal(records)?,
            Deed::AddDrive(_)
            | Deed::Compact
            | Deed::Archive(_)
            | Deed::Scrub
            | Deed::Hold
            | Deed::Release => {
                self.archive(deed)?;
            }
            Deed::Crash => {
                let image = self.disk.snapshot().process_crash();
                self.crash(WorldStep::CrashProcess, &image);
            }
            Deed::PowerCut => {
                if let Ok(image) = self.disk.snapshot().durable() {
                    self.crash(WorldStep::CrashPower { keep: Keep::None, garbage: Keep::None }, &image);
                }
            }
            Deed::AcceptLoss => drop(Plain::accept_loss(&self.place())?),
            Deed::Adopt => Plain::adopt(&self.place())?,
            Deed::Fail(role, op) => {
                let sync = matches!(op, Op::SyncData | Op::SyncAll | Op::SyncDir);
                let kind =
                    if matches!(role, RolePattern::AnySegmentTmp) { IoKind::NoSpace } else { IoKind::Device };
                let fault = if sync {
                    Fault::FailSync { kind, reads: Reads::New }
                } else {
                    Fault::Fail { kind, done: 0 }
                };
                self.disk.faults().schedule(Plan { role, op, nth: 1, fault });
            }
            Deed::Short(role, nth) => {
                self.disk.faults().schedule(Plan { role, op: Op::Write, nth, fault: Fault::Short(128) });
            }
            Deed::Lose(number) => {
                let path = self.disk.log_dir().join(format!("segment-{number:010}"));
                // Behind the engine's back, and behind the tap's.
                if self.disk.env().fs.unlink(&path).is_ok() {
                    use truelog_spec::step::{DamageKind, Role as Name, Unit};
                    let unit = Unit::Name(Name::Segment(number));
                    self.journal.push(Seen::World(WorldStep::Damage { unit, kind: DamageKind::Missing }));
                }
            }
        }
        Ok(())
    }

    fn seal(&mut self, records: u32) -> Result<(), Refusal> {
        self.archive(Deed::AddDrive(1))?;
        self.archive(Deed::AddDrive(2))?;
        (0..records).try_for_each(|_| self.append(1, 200, Durability::PowerLoss))
    }

    /// What is done with drives.
    fn archive(&mut self, deed: Deed) -> Result<(), Refusal> {
        let Some(log) = &self.log else { return Ok(()) };
        match deed {
            Deed::AddDrive(drive) => drop(log.add_drive(&drive_dir(self.disk.log_dir(), drive))?),
            Deed::Compact => drop(log.compact()?),
            Deed::Archive(steps) => {
                for _ in 0..steps {
                    log.archive_step()?;
                }
            }
            Deed::Scrub => drop(log.scrub(true)?),
            Deed::Hold => {
                let log = Arc::clone(log);
                self.reader = Some(Held::begin(move || log.read(1).len()));
                self.journal.push(Seen::Client(ClientStep::Hold { reader: READER }));
            }
            _ => {
                if let Some(reader) = self.reader.take() {
                    let _ = reader.end();
                    self.journal.push(Seen::Client(ClientStep::Release { reader: READER }));
                }
            }
        }
        Ok(())
    }

    fn append(&self, count: usize, len: usize, durability: Durability) -> Result<(), Refusal> {
        let Some(log) = &self.log else { return Ok(()) };
        let sent = vec![Sent { stream: 0, payload: vec![7; len] }; count];
        acked(&self.journal, &log.append(&sent, durability)?);
        Ok(())
    }

    fn crash(&mut self, step: WorldStep, image: &Image) {
        self.journal.push(Seen::World(step));
        self.disk.power_off();
        let reader = self.reader.take();
        // What the old life does after its end is void.
        let log = self.log.take();
        self.journal.pause(|| {
            let _ = reader.map(Held::end);
            drop(log);
        });
        self.disk = SimFs::from_image(image);
    }
}

/// The receipts are about to reach their writer.
pub(crate) fn acked(journal: &Journal, acks: &[Ack]) {
    let ends = acks.first().zip(acks.last());
    if let Some((first, lsns)) = ends.and_then(|(first, last)| Some((first, Lsns::new(first.lsn, last.lsn)?)))
    {
        journal.push(Seen::Ack(lsns, first.durability));
    }
}
