//! Durable appends, and bulk.

use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::alloc;
use crate::measure::{Meter, Sample, Times, times, with_times};
use crate::payload::{BATCH, LARGE, Numbered, Payload, SMALL};
use crate::peers::{Peer, Use};
use crate::plan::Task;
use crate::workloads::Workload;

/// How a loop of appends is driven.
pub struct Drive {
    /// How many threads.
    pub writers: usize,
    /// How many records an operation has.
    pub batch: usize,
    /// The length of a record.
    pub len: usize,
    /// The number of the first.
    pub from: u64,
}

/// One operation: the writer, the numbers of its records, and what makes them.
pub type Op<'a> = dyn Fn(usize, Range<u64>, &mut Payload) -> Result<()> + Sync + 'a;

const WARM: u8 = 0;
const COUNTED: u8 = 1;
const OVER: u8 = 2;

/// Calls `op` from each writer for as long as the task says, behind a warm-up of a fifth of that.
pub fn drive(task: &Task, drive: &Drive, op: &Op<'_>) -> Result<Sample> {
    let phase = AtomicU8::new(WARM);
    let numbers = AtomicU64::new(drive.from);
    let ready = Barrier::new(drive.writers + 1);
    let writer = |index: usize| -> Result<(u64, u64, Times)> {
        let mut times = times()?;
        let mut payload = Payload::new(drive.len, index as u64 + 1);
        let (mut ops, mut allocs) = (0, 0);
        ready.wait();
        loop {
            let counted = phase.load(Ordering::Relaxed);
            if counted == OVER {
                return Ok((ops, allocs, times));
            }
            let first = numbers.fetch_add(drive.batch as u64, Ordering::Relaxed);
            let (began, before) = (Instant::now(), alloc::count_of_this_thread());
            op(index, first..first + drive.batch as u64, &mut payload)?;
            if counted == COUNTED {
                allocs += alloc::count_of_this_thread() - before;
                times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
                ops += drive.batch as u64;
            }
        }
    };
    std::thread::scope(|scope| {
        let writer = &writer;
        let writers: Vec<_> = (0..drive.writers).map(|index| scope.spawn(move || writer(index))).collect();
        ready.wait();
        std::thread::sleep(Duration::from_millis(task.scale.millis / 5));
        let meter = Meter::start(&task.dir);
        phase.store(COUNTED, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(task.scale.millis));
        phase.store(OVER, Ordering::Relaxed);
        let (mut ops, mut allocs, mut all) = (0, 0, times()?);
        for writer in writers {
            let (more, allocated, times) = writer.join().map_err(|_| anyhow!("a writer panicked"))??;
            ops += more;
            allocs += allocated;
            all.add(&times).context("adding times")?;
        }
        ensure!(ops > 0, "no append ended in time");
        // Of the writers alone: what is made ready beside them is no part of an append.
        let sample = Sample { allocs, ..meter?.stop(ops, ops * drive.len as u64)? };
        Ok(with_times(sample, &all))
    })
}

/// Appends by one writer or many.
pub fn run(peer: &Peer, task: &Task) -> Result<Sample> {
    let store = (peer.open)(&task.dir, Use::Append)?;
    let batch = |numbers: Range<u64>, payload: &mut Payload| {
        let mut records: [&[u8]; BATCH] = [&[]; BATCH];
        for (record, made) in records.iter_mut().zip(payload.batch(numbers)) {
            *record = made;
        }
        store.append_batch(&records)
    };
    let mut payload = Payload::new(SMALL, 0);
    let mut from = 0;
    while from < task.scale.before_bytes / SMALL as u64 {
        batch(from..from + BATCH as u64, &mut payload)?;
        from += BATCH as u64;
    }
    let writers = task.workload.writers();
    if task.workload == Workload::Batch64 {
        return drive(task, &Drive { writers, batch: BATCH, len: SMALL, from }, &|_, numbers, payload| {
            batch(numbers, payload)
        });
    }
    drive(task, &Drive { writers, batch: 1, len: SMALL, from }, &|writer, numbers, payload| {
        numbers.into_iter().try_for_each(|number| store.append(writer, payload.numbered(number)))
    })
}

/// Many records, one sync. Opening is part of it, since that is where some prepare their space.
pub fn bulk(peer: &Peer, task: &Task) -> Result<Sample> {
    let count = task.scale.bulk_bytes / LARGE as u64;
    let mut records = Numbered::new(LARGE, 0, count);
    std::fs::create_dir_all(task.dir.parent().context("no directory above")?)?;
    let meter = Meter::start(task.dir.parent().context("no directory above")?)?;
    let store = (peer.open)(&task.dir, Use::Bulk)?;
    store.bulk(&mut records)?;
    ensure!(records.is_empty(), "not all records were put in");
    meter.stop(count, count * LARGE as u64)
}
