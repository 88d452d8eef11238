//! Truelog's archive, read in order.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use truelog::{Durability, Log, Lsn, Options, Record, StreamId};

use crate::measure::{Meter, Sample, field};
use crate::payload::{BATCH, Payload, SMALL, Seen};
use crate::peers::truelog::open_log;
use crate::plan::Task;
use crate::workloads::kept;

/// How a scan is made.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    cold: bool,
    ahead: bool,
}

/// The part whose bar is judged: cold, with reading ahead.
pub const JUDGED: u32 = 0;

impl Part {
    /// By its number.
    pub const fn of(number: u32) -> Self {
        Self { cold: number < 2, ahead: number.is_multiple_of(2) }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match (self.cold, self.ahead) {
            (true, true) => "cold, prefetch",
            (true, false) => "cold, no prefetch",
            (false, true) => "warm, prefetch",
            (false, false) => "warm, no prefetch",
        }
    }

    /// Puts the files into memory, or out of it.
    pub fn prepare(self, dir: &Path) -> Result<()> {
        if self.cold { kept::cool(dir) } else { kept::warm(dir) }
    }
}

/// The drives' directories, beside the log's.
pub fn drives(dir: &Path) -> [PathBuf; 2] {
    [dir.join("drive-a"), dir.join("drive-b")]
}

/// The log's own directory.
pub fn home(dir: &Path) -> PathBuf {
    dir.join("log")
}

/// Segments of a size that many of them are sealed.
pub fn options() -> Options {
    Options { segment_size: 16 << 20, archive_rate: 0, ..Options::default() }
}

/// Appends `count` records in batches, synced at the end.
pub fn fill(log: &Log, count: u64) -> Result<()> {
    let mut payload = Payload::new(SMALL, 1);
    let mut bytes = vec![vec![0; SMALL]; BATCH];
    for first in (0..count).step_by(BATCH) {
        for (into, number) in bytes.iter_mut().zip(first..) {
            into.copy_from_slice(payload.numbered(number));
        }
        let records: Vec<_> =
            bytes.iter().map(|payload| Record { stream: StreamId(0), payload: payload.as_slice() }).collect();
        let last = first + BATCH as u64 >= count;
        log.append_batch(&records, if last { Durability::PowerLoss } else { Durability::ProcessCrash })?;
    }
    Ok(())
}

/// Makes the log, its two drives and the archive.
pub fn make(task: &Task) -> Result<()> {
    std::fs::create_dir_all(&task.dir)?;
    let home = home(&task.dir);
    let log = open_log(&home, &options())?;
    fill(&log, task.scale.archive_bytes / SMALL as u64)?;
    log.close()?;
    // A segment is sealed once a later one is in use.
    let log = open_log(&home, &options())?;
    log.append(StreamId(1), b"a record behind all that is archived")?;
    for drive in drives(&task.dir) {
        log.add_drive(&drive, 0)?;
    }
    log.compact()?;
    log.close()?;
    Ok(())
}

/// The files of the runs on the first drive, and how many records they hold.
pub fn runs(dir: &Path) -> Result<(Vec<PathBuf>, u64)> {
    let (log, _) = Log::open(home(dir), &Options { background: false, ..options() })?;
    let records = archived(&log)?;
    let [first, _] = drives(dir);
    let mut files = kept::files(&first)?;
    let is_run =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("run-"));
    files.retain(is_run);
    ensure!(!files.is_empty(), "there are no runs on {}", first.display());
    Ok((files, records))
}

fn archived(log: &Log) -> Result<u64> {
    let runs = log.runs();
    let last = runs.last().context("there is no archive")?.lsns.last;
    Ok(last.0 - Lsn::FIRST.0 + 1)
}

/// Reads all that is archived.
pub fn scan(task: &Task) -> Result<Sample> {
    let part = Part::of(task.part);
    let (_, records) = runs(&task.dir)?;
    part.prepare(&task.dir)?;
    let prefetch_bytes = if part.ahead { Options::default().prefetch_bytes } else { 0 };
    let (log, _) = Log::open(home(&task.dir), &Options { prefetch_bytes, ..options() })?;
    let seen = Seen::default();
    let read = field("/proc/self/io", "read_bytes")?;
    let meter = Meter::start(&task.dir)?;
    for entry in log.iter(Lsn::FIRST).take(usize::try_from(records)?) {
        seen.see(&entry?.payload);
    }
    let mut sample = meter.stop(records, records * SMALL as u64)?;
    seen.check(records, SMALL)?;
    let read = field("/proc/self/io", "read_bytes")? - read;
    let stored: u64 = log.runs().iter().map(|run| run.len).sum();
    ensure!(
        part.cold == (read >= stored / 10 * 9),
        "{read} bytes of {stored} came from the device: that is not {}",
        part.name()
    );
    let stat = log.prefetch_stat();
    ensure!(part.ahead == (stat.filled > 0), "{} blocks were read ahead: not {}", stat.filled, part.name());
    sample.note = format!("{} of {} blocks found ready", stat.hits, stat.hits + stat.misses);
    Ok(sample)
}
