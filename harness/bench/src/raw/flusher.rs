//! Group commit by one thread that does nothing else.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::gather::Group;
use crate::measure::Sample;
use crate::payload::{Payload, SMALL};
use crate::plan::Task;
use crate::workloads::append::{Drive, drive};

/// Appends records from many writers.
pub fn run(task: &Task) -> Result<Sample> {
    let writers = task.workload.writers();
    let group = Group::new(&super::file_in(&task.dir)?, writers)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flusher = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                group.await_arrival();
                group.commit(0)?;
            }
            Ok(())
        });
        let op = |_: usize, numbers: Range<u64>, payload: &mut Payload| {
            for number in numbers {
                let ticket = group.put(payload.numbered(number))?;
                group.announce(ticket);
                group.await_commit(ticket);
            }
            Ok(())
        };
        let sample = drive(task, &Drive { writers, batch: 1, len: SMALL, from: 0 }, &op);
        over.store(true, Ordering::Release);
        group.announce_end();
        match flusher.join() {
            Ok(done) => done.and(sample),
            Err(_) => anyhow::bail!("the flusher panicked"),
        }
    })
}
