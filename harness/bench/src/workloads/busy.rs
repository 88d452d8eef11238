//! Append latency at rest, and while the archive compacts and scrubs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Result, anyhow, ensure};
use truelog::{Log, Options, StreamId};

use crate::measure::Sample;
use crate::payload::SMALL;
use crate::plan::Task;
use crate::workloads::append::{Drive, drive};
use crate::workloads::archive::{drives, fill, home};

/// Appends by one writer, with or without the archive at work. Both have the same log to begin with.
pub fn run(task: &Task) -> Result<Sample> {
    let busy = task.part > 0;
    // Small segments, so that some are sealed meanwhile; the archive's own rate is the default.
    let options = Options { segment_size: 4 << 20, run_bytes: 16 << 20, ..Options::default() };
    std::fs::create_dir_all(&task.dir)?;
    let log = Log::create(home(&task.dir), &options)?;
    fill(&log, task.scale.archive_bytes / 4 / SMALL as u64)?;
    if !busy {
        return append(task, &log);
    }
    for dir in drives(&task.dir) {
        log.add_drive(&dir, 0)?;
    }
    let (over, scrubs) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let scrubber = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                let report = log.scrub(None, false)?;
                ensure!(report.bad.is_empty(), "a scrub found {:?}", report.bad);
                scrubs.fetch_add(report.blocks, Ordering::Relaxed);
            }
            Ok(())
        });
        let sample = append(task, &log);
        over.store(true, Ordering::Relaxed);
        scrubber.join().map_err(|_| anyhow!("the scrubber panicked"))??;
        let (runs, blocks) = (log.runs().len(), scrubs.load(Ordering::Relaxed));
        ensure!(runs > 0 && blocks > 0, "{runs} runs and {blocks} scrubbed blocks: it was not busy");
        sample.map(|sample| Sample { note: format!("{runs} runs, {blocks} blocks scrubbed"), ..sample })
    })
}

fn append(task: &Task, log: &Log) -> Result<Sample> {
    drive(task, &Drive { writers: 1, batch: 1, len: SMALL }, &|_, numbers, payload| {
        numbers.into_iter().try_for_each(|number| {
            log.append(StreamId(1), payload.numbered(number))?;
            Ok(())
        })
    })
}
