//! The incident's first response: a drive is quarantined, and the cluster makes its copies anew on a spare, from the
//! copies that are left. Readers of other archives on those drives feel it.

use super::content::{Bytes, Meta, content};
use super::designs::Design;
use super::drive::DriveError;
use super::history::What;
use super::random::{Latency, MILLI, Nanos, Purpose};
use super::world::{Operation, Owner, Task, World};

/// How many blocks are made anew at once.
const LANES: usize = 8;
/// How long after one the next reader of another archive arrives, at most.
const ARRIVAL: Latency = Latency::Uniform { least: 0, most: 4 * MILLI };

/// One read of another archive.
#[derive(Debug, Clone, Copy)]
pub struct Other {
    /// When it arrived.
    pub began: Nanos,
    /// How long it took.
    pub took: Nanos,
    /// Whether it got the right bytes.
    pub right: bool,
}

/// What the response has done so far.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// When the drive was quarantined.
    pub began: Option<Nanos>,
    /// When the last of its blocks had its copies again.
    pub ended: Option<Nanos>,
    /// How many blocks were made anew, each read back and verified before it serves.
    pub remapped: u64,
    /// The reads of other archives.
    pub others: Vec<Other>,
    todo: Vec<usize>,
    busy: usize,
}

impl<D: Design> World<'_, D> {
    /// What the first response did.
    #[must_use]
    pub const fn response(&self) -> &Response {
        &self.response
    }

    /// Takes a drive out of service, unless another one is: the last copy of a block is never given up. Whether it is
    /// out of service now.
    pub(super) fn quarantine(&mut self, drive: usize) -> bool {
        if let Some(before) = self.quarantined {
            return before == drive;
        }
        self.quarantined = Some(drive);
        let deceived = self.drives[drive].is_healthy();
        self.outcome.deceived += u64::from(deceived);
        self.outcome.justified += u64::from(!deceived);
        self.happens(What::Quarantined, 0, drive as u64);
        if self.scene.cold > 0 {
            let lost = |block: &usize| self.blocks[*block].copies.contains(&drive);
            self.response.todo = (0..self.blocks.len()).rev().filter(lost).collect();
            self.response.began = Some(self.queue.now());
            (0..LANES).for_each(|_| self.queue.after(0, Task::Remap));
        }
        true
    }

    /// A lane takes the next block.
    pub(super) fn remap(&mut self) {
        let Some(drive) = self.quarantined else { return };
        let Some(block) = self.response.todo.pop() else {
            if self.response.busy == 0 {
                self.response.ended.get_or_insert(self.queue.now());
            }
            return;
        };
        if self.compacting(block) {
            // The backend knows its own writes: this block is for later.
            self.response.todo.insert(0, block);
            return self.queue.after(self.backend.lasts(self.profile.poll), Task::Remap);
        }
        let copies = self.blocks[block].copies;
        let left = if copies[0] == drive { copies[1] } else { copies[0] };
        self.response.busy += 1;
        self.reads(Owner::RemapRead, left, block, self.meta(block).place);
    }

    /// Whether a block is being rewritten.
    fn compacting(&self, block: usize) -> bool {
        let unfinished = self.profile.compaction && self.compaction.is_none_or(|(_, end)| end == Nanos::MAX);
        block < self.profile.hot() && unfinished
    }

    fn meta(&self, block: usize) -> Meta {
        if block < self.profile.hot() { self.design.meta(block) } else { Meta::of(block, 1, 0) }
    }

    pub(super) fn remapping(&mut self, operation: &Operation, result: Result<Bytes, DriveError>) {
        let Operation { owner, block, place, .. } = *operation;
        let spare = self.profile.drives;
        let verified = result.ok().filter(|bytes| self.meta(block).vouches(block, bytes));
        match (owner, verified) {
            (Owner::RemapRead, Some(bytes)) => self.writes(Owner::RemapWrite, spare, block, place, bytes),
            (Owner::RemapWrite, Some(_)) => self.reads(Owner::RemapCheck, spare, block, place),
            (Owner::RemapCheck, Some(_)) => {
                for copy in &mut self.blocks[block].copies {
                    if self.quarantined == Some(*copy) {
                        *copy = spare;
                    }
                }
                self.response.remapped += 1;
                self.happens(What::Remapped, block, spare as u64);
                self.response.busy -= 1;
                self.remap();
            }
            // What does not verify is not made a copy of; it is left as it is.
            _ => {
                self.response.busy -= 1;
                self.remap();
            }
        }
    }

    /// A reader of another archive arrives.
    pub(super) fn background(&mut self, number: u64) {
        let hot = self.profile.hot();
        let block = hot + self.draws.below(Purpose::Background, 2 * number, self.scene.cold as u64) as usize;
        let copies = self.blocks[block].copies;
        let drive = if self.quarantined == Some(copies[0]) { copies[1] } else { copies[0] };
        let now = self.queue.now();
        self.reads(Owner::Background(now), drive, block, 0);
        if now < self.scene.background {
            let next = self.draws.span(Purpose::Background, 2 * number + 1, ARRIVAL);
            self.queue.after(next, Task::Background(number + 1));
        }
    }

    pub(super) fn background_read(
        &mut self,
        operation: &Operation,
        began: Nanos,
        result: Result<Bytes, DriveError>,
    ) {
        let right = result == Ok(content(operation.block, 1));
        self.response.others.push(Other { began, took: self.queue.now() - began, right });
    }
}
