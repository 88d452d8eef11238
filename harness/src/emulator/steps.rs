//! The steps of the readers, the prefetcher and the compaction.

use super::content::{Bytes, content};
use super::designs::{Design, Filled, Look, Pause, Reclaim};
use super::drive::DriveError;
use super::history::What;
use super::random::{Nanos, Purpose};
use super::world::{Filling, Owner, Reader, Task, World};

/// How many looks of one reader have a draw of their own.
const LOOKS: u64 = 1 << 20;

impl<D: Design> World<'_, D> {
    /// A read transaction arrives: the prefetcher sees it, verification looks.
    pub(super) fn arrive(&mut self, number: usize) {
        let block = number % self.profile.hot();
        self.readers.push(Reader {
            block,
            began: self.queue.now(),
            from_generation: self.design.meta(block).generation,
            stage: D::Stage::default(),
            looks: 0,
            strikes: 0,
            faulted: false,
            ended: None,
        });
        self.happens(What::Read, block, number as u64);
        for ahead in block..(block + self.profile.distance + 1).min(self.profile.hot()) {
            self.want(ahead);
        }
        self.look(number);
    }

    pub(super) fn look(&mut self, number: usize) {
        let reader = &mut self.readers[number];
        let block = reader.block;
        reader.looks += 1;
        let draw = number as u64 * LOOKS + reader.looks;
        match self.design.look(block, &mut reader.stage) {
            Look::Next => {
                let gap = self.draws.span(Purpose::Gap, draw, self.profile.gap);
                self.queue.after(gap, Task::Look(number));
            }
            Look::Serve(bytes) => self.serve(number, &bytes),
            Look::Mismatch => self.strike(number),
            Look::Pending => self.later(self.profile.poll, Task::Look(number)),
            Look::Miss => {
                self.want(block);
                if self.blocks[block].filling.is_some() {
                    self.blocks[block].waiting.push(number);
                } else {
                    self.later(self.profile.poll, Task::Look(number));
                }
            }
        }
    }

    /// Sets a timer of the node.
    fn later(&mut self, span: Nanos, task: Task) {
        self.queue.after(self.node.lasts(span), task);
    }

    fn serve(&mut self, number: usize, bytes: &Bytes) {
        let reader = &mut self.readers[number];
        let block = reader.block;
        reader.ended = Some(self.queue.now());
        let generations = reader.from_generation..=self.design.meta(block).generation;
        let right = generations.into_iter().any(|generation| *bytes == content(block, generation));
        self.outcome.reads += 1;
        self.outcome.wrong += u64::from(!right);
        self.outcome.clean += u64::from(right && !reader.faulted);
        self.happens(What::Served, block, number as u64);
    }

    fn refuse(&mut self, number: usize) {
        let block = self.readers[number].block;
        self.readers[number].ended = Some(self.queue.now());
        self.outcome.reads += 1;
        self.outcome.refused += 1;
        self.happens(What::Refused, block, number as u64);
    }

    /// Verification failed: it is tried again, and then it is FPRE004.
    fn strike(&mut self, number: usize) {
        let reader = &mut self.readers[number];
        let block = reader.block;
        reader.strikes += 1;
        let exceeded = reader.strikes > self.profile.retries;
        self.outcome.mismatches += 1;
        self.outcome.both += u64::from(self.blocks[block].unacknowledged > 0);
        self.happens(What::Mismatch, block, number as u64);
        if !exceeded {
            return self.later(self.profile.retry, Task::Look(number));
        }
        let reader = &mut self.readers[number];
        let again = std::mem::replace(&mut reader.faulted, true);
        reader.strikes = 0;
        self.outcome.faults += 1;
        self.happens(What::Fault, block, number as u64);
        if again {
            // No drive is left to blame.
            return self.refuse(number);
        }
        let drive = self.blocks[block].source;
        self.quarantine(drive);
        self.design.distrust(block);
        self.later(self.profile.poll, Task::Look(number));
    }

    /// The block is wanted in its buffer.
    pub(super) fn want(&mut self, block: usize) {
        if self.blocks[block].filling.is_some() {
            return;
        }
        let Some(fill) = self.design.begin(block) else { return };
        let now = self.queue.now();
        let state = &mut self.blocks[block];
        state.wanted.get_or_insert(now);
        let drive = state.copies[0];
        state.filling = Some(Filling { fill: Some(fill), drive, bytes: Bytes::default(), strikes: 0 });
        self.read_for_fill(block);
    }

    /// The prefetcher reads a block, from a copy that is trusted.
    pub(super) fn read_for_fill(&mut self, block: usize) {
        let quarantined = self.quarantined;
        let state = &mut self.blocks[block];
        let Some(filling) = &mut state.filling else { return };
        let Some(fill) = &filling.fill else { return };
        let place = self.design.place(block, fill);
        // At most one drive is quarantined at a time, so one copy is always trusted.
        let trusted = state.copies.into_iter().find(|drive| quarantined != Some(*drive));
        filling.drive = trusted.unwrap_or(state.copies[0]);
        let drive = filling.drive;
        self.happens(What::Fill, block, drive as u64);
        self.reads(Owner::Fill, drive, block, place);
    }

    pub(super) fn read_arrived(&mut self, block: usize, result: Result<Bytes, DriveError>) {
        match result {
            Ok(bytes) => {
                if let Some(filling) = &mut self.blocks[block].filling {
                    filling.bytes = bytes;
                }
                self.happens(What::Filled, block, self.design.meta(block).generation);
                self.fill(block);
            }
            Err(_) => self.fill_failed(block),
        }
    }

    /// The prefetcher has bytes, and goes on with them.
    pub(super) fn fill(&mut self, block: usize) {
        let Some(filling) = &mut self.blocks[block].filling else { return };
        let (Some(fill), bytes) = (filling.fill.take(), filling.bytes) else { return };
        let wait = match self.design.filled(block, fill, &bytes) {
            Filled::Ready => {
                let state = &mut self.blocks[block];
                let now = self.queue.now();
                self.outcome.prefetches += 1;
                self.outcome.prefetching += now - state.wanted.take().unwrap_or(now);
                return self.filled(block, What::Ready);
            }
            Filled::Dropped => return self.filled(block, What::Dropped),
            Filled::Wait(fill, Pause::BackOff) => (fill, self.profile.back_off, Task::Fill(block)),
            Filled::Wait(fill, Pause::Verify) => {
                let gap = self.draws.span(Purpose::Gap, block as u64, self.profile.gap);
                (fill, gap, Task::Fill(block))
            }
            Filled::Again(fill) => (fill, 0, Task::Refill(block)),
            Filled::Wrong(fill) => {
                filling.fill = Some(fill);
                self.outcome.mismatches += 1;
                return self.fill_failed(block);
            }
        };
        let (fill, span, task) = wait;
        filling.fill = Some(fill);
        self.later(span, task);
    }

    /// A fill ended: its readers look again.
    fn filled(&mut self, block: usize, what: What) {
        self.happens(what, block, 0);
        let state = &mut self.blocks[block];
        state.source = state.filling.take().map_or(state.source, |filling| filling.drive);
        for reader in std::mem::take(&mut self.blocks[block].waiting) {
            self.queue.after(0, Task::Look(reader));
        }
    }

    /// A drive gave an error, or bytes that the metadata does not vouch for and nothing overtook.
    fn fill_failed(&mut self, block: usize) {
        let Some(filling) = &mut self.blocks[block].filling else { return };
        filling.strikes += 1;
        let drive = filling.drive;
        if filling.strikes <= self.profile.retries {
            return self.later(self.profile.retry, Task::Refill(block));
        }
        filling.strikes = 0;
        self.outcome.faults += u64::from(self.drives[drive].is_healthy());
        if self.quarantine(drive) {
            return self.read_for_fill(block);
        }
        // No copy is left that is trusted: the readers are told.
        let fill = filling_of(&mut self.blocks[block].filling);
        if let Some(fill) = fill {
            self.design.abandon(block, fill);
        }
        for reader in std::mem::take(&mut self.blocks[block].waiting) {
            self.refuse(reader);
        }
    }

    /// The compaction submits the rewrite of one block after the other.
    pub(super) fn compact(&mut self, block: usize) {
        let now = self.queue.now();
        self.compaction.get_or_insert((now, Nanos::MAX));
        let Some(meta) = self.design.submit(block) else {
            // The barrier is up; it is fleeting.
            return self.queue.after(self.profile.poll, Task::Compact(block));
        };
        self.unsubmitted -= 1;
        let copies = self.blocks[block].copies;
        self.blocks[block].unacknowledged = copies.len();
        self.happens(What::Submitted, block, copies.len() as u64);
        for drive in copies {
            self.writes(Owner::Rewrite, drive, block, meta.place, content(block, meta.generation));
        }
        if self.unsubmitted > 0 {
            self.queue.after(self.backend.lasts(self.profile.pace), Task::Compact(block + 1));
        }
    }

    /// One copy of a rewrite is acknowledged, or refused: then that copy is gone, and its drive with it.
    pub(super) fn acknowledged(&mut self, block: usize, drive: usize, failed: bool) {
        if failed {
            self.quarantine(drive);
        }
        self.blocks[block].unacknowledged -= 1;
        if self.blocks[block].unacknowledged > 0 {
            return;
        }
        self.design.acknowledged(block);
        self.happens(What::Acknowledged, block, 0);
        let unacknowledged = self.blocks.iter().any(|state| state.unacknowledged > 0);
        if self.unsubmitted == 0 && !unacknowledged {
            self.unsynced = self.profile.drives;
            (0..self.profile.drives).for_each(|drive| self.syncs(drive));
        }
    }

    pub(super) fn synced(&mut self) {
        self.unsynced -= 1;
        if self.unsynced > 0 {
            return;
        }
        self.design.compacted();
        self.happens(What::Published, 0, 0);
        self.queue.after(0, Task::Reclaim);
    }

    pub(super) fn reclaim(&mut self) {
        match self.design.reclaim() {
            Reclaim::Pending => {
                return self.queue.after(self.backend.lasts(self.profile.poll), Task::Reclaim);
            }
            Reclaim::Nothing => {}
            Reclaim::Free(places) => {
                for (block, place) in places {
                    self.drives.iter_mut().for_each(|drive| drive.destroy(block, place));
                }
            }
        }
        self.happens(What::Reclaimed, 0, 0);
        let now = self.queue.now();
        if let Some((_, end)) = &mut self.compaction {
            *end = now;
        }
    }
}

/// Takes what is being filled, for good.
fn filling_of<F>(filling: &mut Option<Filling<F>>) -> Option<F> {
    filling.take().and_then(|filling| filling.fill)
}
