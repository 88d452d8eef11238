//! One writer that waits for nobody.

use std::sync::Mutex;

use anyhow::{Result, anyhow};

use super::aligned::{Aligned, Ring};
use super::{BLOCK, FRAMED, frame};
use crate::measure::Sample;
use crate::payload::{BATCH, SMALL};
use crate::plan::Task;
use crate::workloads::Workload;
use crate::workloads::append::{Drive, drive};

/// Appends records one by one, or by the batch.
pub fn run(task: &Task) -> Result<Sample> {
    let batch = if task.workload == Workload::Batch64 { BATCH } else { 1 };
    let len = (batch * FRAMED).next_multiple_of(BLOCK);
    let ring = Ring::new(&super::file_in(&task.dir)?, 64 << 20)?;
    let state = Mutex::new((ring, Aligned::new(len)));
    let op = |_: usize, numbers: std::ops::Range<u64>, payload: &mut crate::payload::Payload| {
        let mut state = state.lock().map_err(|_| anyhow!("another writer panicked"))?;
        let (ring, block) = &mut *state;
        for (number, into) in numbers.zip(block.chunks_exact_mut(FRAMED)) {
            frame(payload.numbered(number), into);
        }
        ring.write(block)
    };
    drive(task, &Drive { writers: 1, batch, len: SMALL, from: 0 }, &op)
}
