//! Which steps a scope chooses from, and when each is possible.

use std::fmt;

use truelog_spec::step::{DamageKind, Durability, Keep, RecordSpec, Role, TicketNo, Unit, Write};
use truelog_spec::{ClientStep, Step, WorldStep};

/// A choice of the explorer. It becomes one or two steps, whose numbers follow from what came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Letter {
    /// Append eight bytes.
    Append,
    /// Append eight bytes that survives the process only.
    AppendLight,
    /// Append what more than fills a block, so that the next batch opens a new segment soon.
    AppendLarge,
    /// Append two records atomically, in two streams.
    Batch,
    /// Submit eight bytes.
    Submit,
    /// Submit eight bytes that survives the process only.
    SubmitLight,
    /// Wait for the oldest ticket.
    Wait,
    /// Trim everything.
    TrimAll,
    /// Trim everything but the last record.
    TrimMost,
    /// One step of background work.
    Tick,
    /// Quiet time passes, then one step of background work.
    Idle,
    /// Close.
    Close,
    /// Open.
    Open,
    /// Read everything.
    Read,
    /// Inspect, beside whoever has the log open.
    Inspect,
    /// Adopt a log that has not moved.
    Adopt,
    /// Accept the loss of nothing.
    AcceptLoss,
    /// The process dies, the directory is a copy from then on, nothing of which is durable, and is adopted.
    Restore,
    /// Add two drives.
    AddDrives,
    /// Archive all that is sealed.
    Compact,
    /// Some steps of background work, and all is read behind each: the archive is in the middle of something then.
    Work,
    /// Scrub the archive.
    Scrub,
    /// The process dies, the manifest is lost, it is rebuilt from the drives, and the log is opened again.
    Rebuild,
    /// The process dies, and the log is opened again.
    Die,
    /// The power fails, nothing pending is kept, and the log is opened again.
    Blackout,
}

/// The drives that are added.
pub(super) const DRIVES: [u64; 2] = [1, 2];

/// How many steps [`Letter::Work`] has: three of them bring a small run from its beginning to the reclaim.
const WORK: usize = 5;

impl Letter {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::Append,
        Self::AppendLight,
        Self::AppendLarge,
        Self::Batch,
        Self::Submit,
        Self::SubmitLight,
        Self::Wait,
        Self::TrimAll,
        Self::TrimMost,
        Self::Tick,
        Self::Idle,
        Self::Close,
        Self::Open,
        Self::Read,
        Self::Inspect,
        Self::Adopt,
        Self::AcceptLoss,
        Self::Die,
        Self::Blackout,
        Self::Restore,
        Self::AddDrives,
        Self::Compact,
        Self::Work,
        Self::Scrub,
        Self::Rebuild,
    ];

    /// All but the last ones: a copy has so much pending that it gets scopes of its own, and so does the archive.
    pub const USUAL: &'static [Self] = Self::ALL.split_at(Self::ALL.len() - 6).0;
}

impl fmt::Display for Letter {
    /// One word, as replays give it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Append => "append",
            Self::AppendLight => "append-light",
            Self::AppendLarge => "append-large",
            Self::Batch => "batch",
            Self::Submit => "submit",
            Self::SubmitLight => "submit-light",
            Self::Wait => "wait",
            Self::TrimAll => "trim-all",
            Self::TrimMost => "trim-most",
            Self::Tick => "tick",
            Self::Idle => "idle",
            Self::Close => "close",
            Self::Open => "open",
            Self::Read => "read",
            Self::Inspect => "inspect",
            Self::Adopt => "adopt",
            Self::AcceptLoss => "accept-loss",
            Self::Restore => "restore",
            Self::AddDrives => "add-drives",
            Self::Compact => "compact",
            Self::Work => "work",
            Self::Scrub => "scrub",
            Self::Rebuild => "rebuild",
            Self::Die => "die",
            Self::Blackout => "blackout",
        })
    }
}

/// What a sequence has done so far, as far as later letters depend on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Situation {
    open: bool,
    waiting: Vec<TicketNo>,
    tickets: TicketNo,
    records: u64,
    drives: bool,
}

impl Situation {
    /// Just created.
    #[must_use]
    pub(super) fn created() -> Self {
        Self { open: true, ..Self::default() }
    }

    /// Just created, and these letters behind it.
    pub(super) fn behind(letters: &[Letter]) -> Self {
        let mut situation = Self::created();
        for letter in letters {
            // A scope's own prefix is possible.
            let _ = situation.take(*letter);
        }
        situation
    }

    /// The steps of a letter, if it is possible now.
    pub(super) fn take(&mut self, letter: Letter) -> Option<Vec<Step>> {
        let needs_open =
            !matches!(letter, Letter::Open | Letter::Adopt | Letter::AcceptLoss | Letter::Inspect);
        if letter != Letter::Inspect && self.open != needs_open {
            return None;
        }
        Some(match letter {
            Letter::Append => vec![self.append(8, Durability::PowerLoss)],
            Letter::AppendLight => vec![self.append(8, Durability::ProcessCrash)],
            Letter::AppendLarge => vec![self.append(100, Durability::PowerLoss)],
            Letter::Batch => {
                vec![ClientStep::Batch(self.write(&[(0, 8), (1, 8)], Durability::PowerLoss)).into()]
            }
            Letter::Submit => vec![self.submit(Durability::PowerLoss)],
            Letter::SubmitLight => vec![self.submit(Durability::ProcessCrash)],
            Letter::Wait if self.waiting.is_empty() => return None,
            Letter::Wait => vec![ClientStep::Wait { ticket: self.waiting.remove(0) }.into()],
            Letter::TrimAll | Letter::TrimMost if self.records == 0 => return None,
            Letter::TrimAll => vec![ClientStep::Trim { before: self.records + 1 }.into()],
            Letter::TrimMost if self.records == 1 => return None,
            Letter::TrimMost => vec![ClientStep::Trim { before: self.records }.into()],
            Letter::AddDrives if self.drives => return None,
            Letter::AddDrives => {
                self.drives = true;
                DRIVES.map(|drive| ClientStep::AddDrive { drive }.into()).to_vec()
            }
            Letter::Compact | Letter::Work | Letter::Scrub | Letter::Rebuild if !self.drives => return None,
            Letter::Compact => vec![ClientStep::Compact.into()],
            Letter::Work => {
                let read = ClientStep::Read { from: 1, reader: None };
                (0..WORK).flat_map(|_| [ClientStep::Tick.into(), read.clone().into()]).collect()
            }
            Letter::Scrub => vec![ClientStep::Scrub.into()],
            Letter::Rebuild => {
                self.waiting.clear();
                let lost = WorldStep::Damage { unit: Unit::Name(Role::Manifest), kind: DamageKind::Missing };
                let crash = WorldStep::CrashProcess;
                vec![crash.into(), lost.into(), ClientStep::RebuildManifest.into(), ClientStep::Open.into()]
            }
            Letter::Tick => vec![ClientStep::Tick.into()],
            Letter::Idle => vec![WorldStep::Clock { ms: 50 }.into(), ClientStep::Tick.into()],
            Letter::Read => vec![ClientStep::Read { from: 1, reader: None }.into()],
            Letter::Inspect => vec![ClientStep::Inspect.into()],
            Letter::Adopt => vec![ClientStep::Adopt.into()],
            Letter::AcceptLoss => vec![ClientStep::AcceptLoss.into()],
            Letter::Restore => {
                self.open = false;
                self.waiting.clear();
                let copied = WorldStep::Damage { unit: Unit::Name(Role::Dir), kind: DamageKind::Copied };
                vec![copied.into(), ClientStep::Adopt.into()]
            }
            Letter::Close => {
                self.open = false;
                self.waiting.clear();
                vec![ClientStep::Close.into()]
            }
            Letter::Open => {
                self.open = true;
                vec![ClientStep::Open.into()]
            }
            Letter::Die => {
                self.waiting.clear();
                vec![WorldStep::CrashProcess.into(), ClientStep::Open.into()]
            }
            Letter::Blackout => {
                self.waiting.clear();
                let crash = WorldStep::CrashPower { keep: Keep::None, garbage: Keep::None };
                vec![crash.into(), ClientStep::Open.into()]
            }
        })
    }

    fn write(&mut self, records: &[(u64, u32)], durability: Durability) -> Write {
        self.records += records.len() as u64;
        let records = records.iter().map(|(stream, len)| RecordSpec { stream: *stream, len: *len });
        Write { writer: 0, records: records.collect(), durability }
    }

    fn append(&mut self, len: u32, durability: Durability) -> Step {
        ClientStep::Append(self.write(&[(0, len)], durability)).into()
    }

    fn submit(&mut self, durability: Durability) -> Step {
        self.tickets += 1;
        self.waiting.push(self.tickets);
        ClientStep::Submit { ticket: self.tickets, write: self.write(&[(0, 8)], durability) }.into()
    }
}

/// All sequences of exactly `depth` letters of `alphabet` that are possible after a create and `prefix`, in order.
pub(super) fn sequences(prefix: &[Letter], alphabet: &[Letter], depth: usize) -> Vec<Vec<Letter>> {
    let mut done = Vec::new();
    let mut now = Vec::new();
    extend(alphabet, depth, &Situation::behind(prefix), &mut now, &mut done);
    done
}

fn extend(
    alphabet: &[Letter],
    depth: usize,
    situation: &Situation,
    now: &mut Vec<Letter>,
    done: &mut Vec<Vec<Letter>>,
) {
    if now.len() == depth {
        done.push(now.clone());
        return;
    }
    for letter in alphabet {
        let mut next = situation.clone();
        if next.take(*letter).is_some() {
            now.push(*letter);
            extend(alphabet, depth, &next, now, done);
            now.pop();
        }
    }
}

/// The steps of a sequence, a list for each letter.
#[must_use]
pub fn spell(letters: &[Letter]) -> Vec<Vec<Step>> {
    let mut situation = Situation::created();
    letters.iter().map_while(|letter| situation.take(*letter)).collect()
}
