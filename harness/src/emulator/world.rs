//! One attempt: one burst of reads during one compaction, on a fabric that begins at rest.

use super::clock::NodeClock;
use super::content::{Bytes, content};
use super::designs::Design;
use super::drive::{Drive, DriveError, Fault};
use super::history::{History, Moment, What};
use super::outcome::Outcome;
use super::profile::Profile;
use super::queue::Queue;
use super::random::{Draws, Latency, Nanos, Purpose};
use super::response::Response;

/// More steps than any attempt needs; one that takes more does not end.
const ENDLESS: u64 = 5_000_000;
/// How many reads, or writes, of one block by one drive have a draw of their own.
const DRAWS_EACH: u64 = 1 << 16;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    /// A read transaction arrives.
    Arrive(usize),
    /// Verification looks, for a read transaction.
    Look(usize),
    /// The prefetcher goes on with a block.
    Fill(usize),
    /// The prefetcher reads a block again.
    Refill(usize),
    /// A drive goes on with an operation.
    Operation(usize),
    /// The compaction submits its next block.
    Compact(usize),
    /// The compaction destroys what it replaced.
    Reclaim,
    /// A reader of another archive arrives.
    Background(u64),
    /// A lane of the remapping takes its next block.
    Remap,
}

/// Whom a drive answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Fill,
    Rewrite,
    Sync,
    Background(Nanos),
    RemapRead,
    RemapWrite,
    RemapCheck,
}

/// An operation that a drive has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) owner: Owner,
    pub(super) drive: usize,
    pub(super) block: usize,
    pub(super) place: usize,
    /// What is written; `None` for a read.
    pub(super) writes: Option<Bytes>,
    /// What came of it, once the medium was reached.
    pub(super) result: Option<Result<Bytes, DriveError>>,
    /// The draw of its answer.
    draw: u64,
}

/// A read transaction.
#[derive(Debug)]
pub(super) struct Reader<S> {
    pub(super) block: usize,
    pub(super) began: Nanos,
    pub(super) from_generation: u64,
    pub(super) stage: S,
    pub(super) looks: u64,
    pub(super) strikes: u32,
    pub(super) faulted: bool,
    pub(super) ended: Option<Nanos>,
}

/// A buffer that is being filled.
#[derive(Debug)]
pub(super) struct Filling<F> {
    pub(super) fill: Option<F>,
    pub(super) drive: usize,
    pub(super) bytes: Bytes,
    pub(super) strikes: u32,
}

/// What the world keeps of one block.
#[derive(Debug)]
pub(super) struct BlockState<F> {
    pub(super) copies: [usize; 2],
    pub(super) filling: Option<Filling<F>>,
    /// The drive that its buffer was filled from.
    pub(super) source: usize,
    /// When the prefetch was asked for that is not ready yet.
    pub(super) wanted: Option<Nanos>,
    /// Read transactions that wait for the fill.
    pub(super) waiting: Vec<usize>,
    /// Copies of a rewrite that are not acknowledged.
    pub(super) unacknowledged: usize,
}

/// How a scene differs from a plain attempt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scene {
    /// Whether every moment is kept.
    pub keeps: bool,
    /// A drive that is broken from the start.
    pub broken: Option<(usize, Fault)>,
    /// How many more blocks the drives hold, read by others and remapped after a quarantine.
    pub cold: usize,
    /// How long the others read.
    pub background: Nanos,
}

/// See the module's text.
#[derive(Debug)]
pub struct World<'a, D: Design> {
    pub(super) profile: &'a Profile,
    pub(super) scene: Scene,
    pub(super) draws: Draws,
    pub(super) queue: Queue<Task>,
    pub(super) node: NodeClock,
    pub(super) backend: NodeClock,
    pub(super) design: D,
    pub(super) drives: Vec<Drive>,
    pub(super) quarantined: Option<usize>,
    pub(super) blocks: Vec<BlockState<D::Fill>>,
    pub(super) readers: Vec<Reader<D::Stage>>,
    operations: Vec<Operation>,
    /// How many reads, and writes, each block has had from each drive.
    counts: Vec<[u64; 2]>,
    pub(super) unsubmitted: usize,
    pub(super) unsynced: usize,
    pub(super) compaction: Option<(Nanos, Nanos)>,
    pub(super) response: Response,
    /// What happened.
    pub history: History,
    pub(super) outcome: Outcome,
}

impl<'a, D: Design> World<'a, D> {
    /// The attempt of that number of a seed, before its first step.
    #[must_use]
    pub fn new(profile: &'a Profile, scene: Scene, seed: u64, attempt: u64) -> Self {
        let draws = Draws::new(seed, attempt);
        let hot = profile.hot();
        let blocks = hot + scene.cold;
        // One more drive than hold anything: the spare that a quarantined one is remapped to.
        let mut drives = vec![Drive::new(blocks); profile.drives + 1];
        let state = |block: usize| BlockState {
            copies: [block % profile.drives, (block + 1) % profile.drives],
            filling: None,
            source: block % profile.drives,
            wanted: None,
            waiting: Vec::new(),
            unacknowledged: 0,
        };
        let blocks: Vec<_> = (0..blocks).map(state).collect();
        for (number, block) in blocks.iter().enumerate() {
            for drive in block.copies {
                // No drive is broken yet.
                let _ = drives[drive].write(number, 0, content(number, 1));
            }
        }
        if let Some((drive, fault)) = scene.broken {
            drives[drive].breaks(fault);
        }
        let mut world = Self {
            profile,
            scene,
            draws,
            queue: Queue::default(),
            node: NodeClock::drawn(draws, 0, profile),
            backend: NodeClock::drawn(draws, 1, profile),
            design: D::new(hot),
            counts: vec![[0; 2]; drives.len() * blocks.len()],
            drives,
            quarantined: None,
            blocks,
            readers: Vec::with_capacity(profile.burst),
            operations: Vec::with_capacity(64),
            unsubmitted: hot,
            unsynced: 0,
            compaction: None,
            response: Response::default(),
            history: History::new(scene.keeps),
            outcome: Outcome { attempts: 1, ..Outcome::default() },
        };
        world.plan();
        world
    }

    fn plan(&mut self) {
        let apart = Latency::Uniform { least: 0, most: self.profile.apart };
        let mut at = self.draws.span(Purpose::Burst, 0, apart);
        for reader in 0..self.profile.burst {
            self.queue.at(at, Task::Arrive(reader));
            at += self.draws.span(Purpose::Arrival, reader as u64, self.profile.arrival);
        }
        if self.profile.compaction {
            let at = self.draws.span(Purpose::Compaction, 0, apart);
            self.queue.at(at, Task::Compact(0));
        }
        if self.scene.background > 0 {
            self.queue.at(0, Task::Background(0));
        }
    }

    /// Runs to the end; what came of it.
    pub fn run(&mut self) -> Outcome {
        let mut steps = 0;
        while let Some(task) = self.queue.advance() {
            self.step(task);
            steps += 1;
            if steps == ENDLESS {
                break;
            }
        }
        // A read that nothing will wake any more did not end either.
        let stuck = self.readers.iter().any(|reader| reader.ended.is_none());
        self.outcome.endless = u64::from(steps == ENDLESS || stuck);
        if let Some((begin, end)) = self.compaction {
            let overlaps = |reader: &&Reader<D::Stage>| {
                reader.began <= end && reader.ended.is_some_and(|ended| ended >= begin)
            };
            self.outcome.overlapping = self.readers.iter().filter(overlaps).count() as u64;
        }
        self.outcome
    }

    fn step(&mut self, task: Task) {
        match task {
            Task::Arrive(reader) => self.arrive(reader),
            Task::Look(reader) => self.look(reader),
            Task::Fill(block) => self.fill(block),
            Task::Refill(block) => self.read_for_fill(block),
            Task::Operation(operation) => self.operation(operation),
            Task::Compact(block) => self.compact(block),
            Task::Reclaim => self.reclaim(),
            Task::Background(number) => self.background(number),
            Task::Remap => self.remap(),
        }
    }

    /// Notes what happened.
    pub(super) fn happens(&mut self, what: What, block: usize, who: u64) {
        let at = self.queue.now();
        self.history.add(Moment { at, wall: self.node.wall(at), what, block, who });
    }

    /// Gives a drive something to read.
    pub(super) fn reads(&mut self, owner: Owner, drive: usize, block: usize, place: usize) {
        let draw = self.draw(drive, block, 0);
        let takes = self.draws.span(Purpose::Read, draw, self.profile.read);
        let at = self.drives[drive].heads(self.queue.now(), takes, self.profile.timeout);
        self.enter(at, Operation { owner, drive, block, place, writes: None, result: None, draw });
    }

    /// Gives a drive something to write.
    pub(super) fn writes(&mut self, owner: Owner, drive: usize, block: usize, place: usize, bytes: Bytes) {
        let draw = self.draw(drive, block, 1);
        let takes = self.draws.span(Purpose::Write, draw, self.profile.write);
        let at = self.drives[drive].caches(self.queue.now(), takes, self.profile.timeout);
        self.enter(at, Operation { owner, drive, block, place, writes: Some(bytes), result: None, draw });
    }

    fn enter(&mut self, at: Nanos, operation: Operation) {
        self.queue.at(at, Task::Operation(self.operations.len()));
        self.operations.push(operation);
    }

    /// A sync: it returns, whatever a drive still has to read.
    pub(super) fn syncs(&mut self, drive: usize) {
        let takes = self.draws.span(Purpose::Sync, drive as u64, self.profile.sync);
        let at = self.drives[drive].caches(self.queue.now(), takes, self.profile.timeout);
        let operation = Operation {
            owner: Owner::Sync,
            drive,
            block: 0,
            place: 0,
            writes: None,
            result: Some(Ok(Bytes::default())),
            draw: 0,
        };
        self.enter(at, operation);
    }

    /// The key of the draws of this drive's next read or write of a block; the same in every design.
    fn draw(&mut self, drive: usize, block: usize, kind: usize) -> u64 {
        let at = drive * self.blocks.len() + block;
        let count = &mut self.counts[at][kind];
        *count += 1;
        at as u64 * DRAWS_EACH + *count
    }

    /// A drive reaches its medium, and later answers.
    fn operation(&mut self, number: usize) {
        let operation = self.operations[number];
        let Operation { owner, drive, block, place, writes, result, draw } = operation;
        if let Some(result) = result {
            return self.answered(&operation, result);
        }
        let result = match writes {
            Some(bytes) => self.drives[drive].write(block, place, bytes).map(|()| bytes),
            None => self.drives[drive].read(block, place),
        };
        self.operations[number].result = Some(result);
        let later = if writes.is_some() {
            let jitter = Latency::Uniform { least: 0, most: self.profile.jitter };
            self.profile.acknowledgement + self.draws.span(Purpose::Jitter, draw, jitter)
        } else {
            self.draws.span(Purpose::Completion, draw, self.profile.completion)
        };
        if owner == Owner::Rewrite {
            self.happens(What::Applied, block, drive as u64);
        }
        self.queue.after(later, Task::Operation(number));
    }

    fn answered(&mut self, operation: &Operation, result: Result<Bytes, DriveError>) {
        let Operation { owner, drive, block, .. } = *operation;
        if result.is_err() {
            self.happens(What::DriveError, block, drive as u64);
        }
        match owner {
            Owner::Fill => self.read_arrived(block, result),
            Owner::Rewrite => self.acknowledged(block, drive, result.is_err()),
            Owner::Sync => self.synced(),
            Owner::Background(began) => self.background_read(operation, began, result),
            Owner::RemapRead | Owner::RemapWrite | Owner::RemapCheck => self.remapping(operation, result),
        }
    }
}
