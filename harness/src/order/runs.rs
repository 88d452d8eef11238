//! Runs of the production code whose order is judged: one thread, a simulated disk, faults and crashes.

use std::sync::Arc;
use std::time::Duration;

use truelog_env::{IoKind, Op};
use truelog_spec::WorldStep;
use truelog_spec::step::{Durability, Keep, Lsns};

use super::seen::Seen;
use super::tap::{Journal, Tap};
use crate::fabric::{Fault, Image, Plan, Profile, Reads, Role, RolePattern, SimFs};
use crate::subject::{Ack, Claimed, Place, Plain, Refusal, Sent, Setup, Subject, Watch};

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
    /// The next such write is short.
    Short(RolePattern),
    /// The segment's file is moved away.
    Lose(u64),
}

/// A run, and how the log is set up for it.
#[derive(Debug, Clone, Copy)]
pub struct Script {
    /// What it is about.
    pub name: &'static str,
    /// How the log is set up.
    pub setup: Setup,
    /// What happens.
    pub deeds: &'static [Deed],
}

/// Space enough for the manifest, so that each edit is written where the last one ended.
const ROOMY: Setup = Setup { manifest_blocks: 32, ..Setup::TINY };
const SEGMENT: RolePattern = RolePattern::AnySegment;
const SEGMENT_TMP: RolePattern = RolePattern::AnySegmentTmp;
const MANIFEST: RolePattern = RolePattern::Is(Role::Manifest);
const MANIFEST_TMP: RolePattern = RolePattern::Is(Role::ManifestTmp);
const IDENTITY_TMP: RolePattern = RolePattern::Is(Role::IdentityTmp);
const DIR: RolePattern = RolePattern::Is(Role::LogDir);

/// All runs.
pub const SCRIPTS: &[Script] = {
    use Deed::{Accept, Adopt, Append, Batch, Close, Crash, Create, Fail, Open, PowerCut, Short, Tick, Trim};
    &[
        Script {
            name: "a life",
            setup: ROOMY,
            deeds: &[Create, Append(8), Batch(8), Tick(100), Append(8), Close],
        },
        Script {
            name: "rotation and trim",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(200),
                Append(200),
                Append(200),
                Trim(2),
                Append(200),
                Trim(4),
                Close,
                Open,
                Close,
            ],
        },
        Script {
            name: "write-through",
            setup: Setup { through: true, allocate: true, ..ROOMY },
            deeds: &[Create, Append(8), Append(200), Batch(40), Tick(100), Close, Open, Append(8), Close],
        },
        Script {
            name: "two durabilities",
            setup: ROOMY,
            deeds: &[Create, Accept(8), Append(8), Accept(200), Accept(200), Append(8), Tick(100), Close],
        },
        Script {
            name: "accepted records at a rotation",
            setup: ROOMY,
            deeds: &[Create, Accept(200), Accept(200), Append(200), Close],
        },
        Script {
            name: "crashes and recoveries",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(8),
                Accept(8),
                Crash,
                Open,
                Append(8),
                PowerCut,
                Open,
                Append(200),
                Append(200),
                Crash,
                Open,
                Close,
            ],
        },
        Script {
            name: "an unvouched tail",
            setup: ROOMY,
            deeds: &[Create, Append(8), Append(8), PowerCut, Open, Crash, Open, Append(8), Close],
        },
        Script {
            name: "adopted",
            setup: ROOMY,
            deeds: &[Create, Append(8), Close, Adopt, Open, Append(8), Close],
        },
        Script {
            name: "a full manifest",
            setup: Setup::TINY,
            deeds: &[Create, Append(200), Append(200), Append(200), Append(200), Trim(3), Append(200), Close],
        },
        Script {
            name: "a data sync fails",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(8),
                Fail(SEGMENT, Op::SyncData),
                Append(8),
                Append(8),
                Crash,
                Open,
                Append(8),
                Close,
            ],
        },
        Script {
            name: "a batch's write fails",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(8),
                Fail(SEGMENT, Op::Write),
                Append(8),
                Append(8),
                Crash,
                Open,
                Append(8),
                Close,
            ],
        },
        Script {
            name: "a batch's write is short",
            setup: ROOMY,
            deeds: &[Create, Append(8), Short(SEGMENT), Append(200), Append(8), Close],
        },
        Script {
            name: "no space for a segment",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(200),
                Fail(SEGMENT_TMP, Op::Write),
                Append(200),
                Append(200),
                Append(200),
                Fail(SEGMENT_TMP, Op::SyncAll),
                Append(200),
                Append(200),
                Fail(SEGMENT_TMP, Op::Create),
                Append(200),
                Append(200),
                Close,
            ],
        },
        Script {
            name: "the directory's sync fails",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(200),
                Fail(DIR, Op::SyncDir),
                Append(200),
                Append(200),
                Crash,
                Open,
                Append(8),
                Close,
            ],
        },
        Script {
            name: "a manifest's sync fails",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(200),
                Fail(MANIFEST, Op::SyncData),
                Append(200),
                Crash,
                Open,
                Append(8),
                Close,
            ],
        },
        Script {
            name: "a manifest's write fails",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(200),
                Fail(MANIFEST, Op::Write),
                Append(200),
                Crash,
                Open,
                Append(8),
                Close,
            ],
        },
        Script {
            name: "a checkpoint fails at open",
            setup: ROOMY,
            deeds: &[
                Create,
                Append(8),
                Close,
                Fail(MANIFEST_TMP, Op::Write),
                Open,
                Fail(MANIFEST_TMP, Op::SyncAll),
                Open,
                Fail(MANIFEST_TMP, Op::Create),
                Open,
                Open,
                Append(8),
                Close,
            ],
        },
        Script {
            name: "a create fails, and is resumed",
            setup: ROOMY,
            deeds: &[
                Fail(IDENTITY_TMP, Op::Write),
                Create,
                Fail(IDENTITY_TMP, Op::SyncAll),
                Create,
                Create,
                Append(8),
                Close,
            ],
        },
        Script {
            name: "the segment's name is lost",
            setup: Setup { segment: 4096, ..ROOMY },
            deeds: &[Create, Append(8), Deed::Lose(1), Append(8), Append(8)],
        },
    ]
};

/// Runs a script; what was seen.
#[must_use]
pub fn run(script: &Script) -> Vec<Seen> {
    let disk = SimFs::new(Profile::W.sector(128));
    let mut stage = Stage { journal: Journal::default(), setup: script.setup, disk, log: None };
    for deed in script.deeds {
        // A call that fails ends in an error, as it should; what matters here is what was done to the disk.
        let _ = stage.deed(*deed);
    }
    stage.journal.entries()
}

struct Stage {
    journal: Journal,
    setup: Setup,
    disk: SimFs,
    log: Option<Plain>,
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
                self.log = Some(log);
            }
            Deed::Open => {
                let (log, opened) = Plain::open(&self.place(), self.watch())?;
                self.journal.push(Seen::Ready(opened.next, opened.read_only));
                self.log = Some(log);
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
                self.log.as_ref().map_or(Ok(()), Subject::step)?;
            }
            Deed::Close => self.log.take().map_or(Ok(()), Subject::close)?,
            Deed::Crash => {
                let image = self.disk.snapshot().process_crash();
                self.crash(WorldStep::CrashProcess, &image);
            }
            Deed::PowerCut => {
                if let Ok(image) = self.disk.snapshot().image(&[]) {
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
            Deed::Short(role) => {
                self.disk.faults().schedule(Plan { role, op: Op::Write, nth: 1, fault: Fault::Short(128) });
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

    fn append(&self, count: usize, len: usize, durability: Durability) -> Result<(), Refusal> {
        let Some(log) = &self.log else { return Ok(()) };
        let sent = vec![Sent { stream: 0, payload: vec![7; len] }; count];
        acked(&self.journal, &log.append(&sent, durability)?);
        Ok(())
    }

    fn crash(&mut self, step: WorldStep, image: &Image) {
        self.journal.push(Seen::World(step));
        self.disk.power_off();
        // What the old life does after its end is void.
        let log = self.log.take();
        self.journal.pause(|| drop(log));
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
