//! Append latency at rest, and while the archive compacts and scrubs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use truelog::{Log, Options, StreamId};

use crate::measure::Sample;
use crate::payload::SMALL;
use crate::plan::Task;
use crate::workloads::append::{Drive, drive};
use crate::workloads::archive::{drives, fill, home};

/// What is appended before, in bytes of payload: enough for the archive to be at work all the while.
const BEFORE: u64 = 128 << 20;
/// The longest that the first run may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Appends by one writer, with or without the archive at work. Both have the same log to begin with.
pub fn run(task: &Task) -> Result<Sample> {
    let busy = task.part > 0;
    // Small segments, so that some are sealed meanwhile; the archive's own rate is the default.
    let options = Options { segment_size: 4 << 20, run_bytes: 16 << 20, ..Options::default() };
    std::fs::create_dir_all(&task.dir)?;
    let log = Log::create(home(&task.dir), &options)?;
    fill(&log, BEFORE / SMALL as u64)?;
    if !busy {
        return append(task, &log);
    }
    for dir in drives(&task.dir) {
        log.add_drive(&dir, 0)?;
    }
    await_run(&log)?;
    let before = archived(&log);
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
        let (records, blocks) = (archived(&log) - before, scrubs.load(Ordering::Relaxed));
        ensure!(
            blocks > 0 && records > 0,
            "{blocks} blocks scrubbed and {records} records archived: it was not busy"
        );
        let note = format!("{records} records archived and {blocks} blocks scrubbed meanwhile");
        sample.map(|sample| Sample { note, ..sample })
    })
}

/// Waits until the archive is at work.
fn await_run(log: &Log) -> Result<()> {
    let began = Instant::now();
    while log.runs().is_empty() {
        ensure!(began.elapsed() < PATIENCE, "no run was published: it was not busy");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// How many records are in runs.
fn archived(log: &Log) -> u64 {
    log.runs().iter().map(|run| run.lsns.len()).sum()
}

fn append(task: &Task, log: &Log) -> Result<Sample> {
    drive(task, &Drive { writers: 1, batch: 1, len: SMALL, from: 0 }, &|_, numbers, payload| {
        numbers.into_iter().try_for_each(|number| {
            log.append(StreamId(1), payload.numbered(number))?;
            Ok(())
        })
    })
}
