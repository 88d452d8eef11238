//! The hot paths. Each prepares what it needs, and then does one thing many times inside [`measured`].

use std::hint::black_box;
use std::path::Path as FilePath;
use std::time::Duration;

use truelog::{Durability, Log, Lsn, Options, Record, Result, StreamId, SyncMethod};

/// One hot path.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Its name.
    pub name: &'static str,
    /// What one of its operations is.
    pub says: &'static str,
    /// How many operations [`Path::run`] counts.
    pub times: u64,
    run: fn(&FilePath, u64) -> Result<()>,
}

/// All of them.
pub const PATHS: &[Path] = &[
    Path { name: "append", says: "one durable append of 1 KiB, alone", times: 400, run: append },
    Path { name: "batch", says: "one durable batch of 64 records of 1 KiB", times: 100, run: batch },
    Path { name: "get", says: "one get at random among 8,192 records, 64 in a batch", times: 1000, run: get },
    Path {
        name: "scan",
        says: "one record of 1 KiB out of an iterator over the log",
        times: 8192,
        run: scan,
    },
    Path {
        name: "archive-scan",
        says: "one record of 1 KiB out of an iterator over the archive",
        times: 8192,
        run: archive_scan,
    },
    Path { name: "open", says: "one open of a closed log of 8,192 records of 1 KiB", times: 20, run: open },
];

impl Path {
    /// The path of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PATHS.iter().find(|path| path.name == name)
    }

    /// Runs it once, in `dir`, an empty directory.
    ///
    /// # Errors
    /// The log's.
    pub fn run(&self, dir: &FilePath) -> Result<()> {
        (self.run)(dir, self.times)
    }
}

const STREAM: StreamId = StreamId(1);
const RECORDS: u64 = 8192;
const BATCH: u64 = 64;

/// What is counted: all that is done in here, on the thread that calls it. Its name is what callgrind looks for.
#[inline(never)]
pub(super) fn measured(work: impl FnOnce() -> Result<()>) -> Result<()> {
    black_box(work())
}

/// Without a thread of its own, so that nothing happens but what is counted; and synced in one way, whichever is faster.
fn options() -> Options {
    Options {
        background: false,
        quiet: Duration::from_secs(3600),
        archive_rate: 0,
        sync: SyncMethod::DataSync,
        ..Options::default()
    }
}

fn payload(number: u64) -> Vec<u8> {
    // Not compressible to nothing, not random: like text.
    (0..1024_u64).map(|at| b'a' + ((number.wrapping_mul(31) ^ at.wrapping_mul(at >> 3)) % 24) as u8).collect()
}

fn filled(dir: &FilePath) -> Result<Log> {
    let log = Log::create(dir.join("log"), &options())?;
    let payloads: Vec<Vec<u8>> = (0..RECORDS).map(payload).collect();
    for chunk in payloads.chunks(BATCH as usize) {
        log.append_batch(&records(chunk), Durability::PowerLoss)?;
    }
    Ok(log)
}

fn records(payloads: &[Vec<u8>]) -> Vec<Record<'_>> {
    payloads.iter().map(|payload| Record { stream: STREAM, payload }).collect()
}

fn append(dir: &FilePath, times: u64) -> Result<()> {
    let log = Log::create(dir.join("log"), &options())?;
    let payload = payload(1);
    log.append(STREAM, &payload)?;
    measured(|| (0..times).try_for_each(|_| log.append(STREAM, &payload).map(drop)))
}

fn batch(dir: &FilePath, times: u64) -> Result<()> {
    let log = Log::create(dir.join("log"), &options())?;
    let payloads: Vec<Vec<u8>> = (0..BATCH).map(payload).collect();
    let records = records(&payloads);
    log.append_batch(&records, Durability::PowerLoss)?;
    measured(|| (0..times).try_for_each(|_| log.append_batch(&records, Durability::PowerLoss).map(drop)))
}

fn get(dir: &FilePath, times: u64) -> Result<()> {
    let log = filled(dir)?;
    // Where each batch begins is known behind the first pass.
    log.iter(Lsn(1)).try_for_each(|entry| entry.map(drop))?;
    measured(|| (0..times).try_for_each(|at| log.get(Lsn(at * 5077 % RECORDS + 1)).map(drop)))
}

fn scan(dir: &FilePath, _: u64) -> Result<()> {
    let log = filled(dir)?;
    measured(|| log.iter(Lsn(1)).try_for_each(|entry| entry.map(drop)))
}

fn archive_scan(dir: &FilePath, _: u64) -> Result<()> {
    let log = filled(dir)?;
    for drive in ["drive-1", "drive-2"] {
        log.add_drive(&dir.join(drive), 1 << 30)?;
    }
    log.append(STREAM, b"the last segment is not archived")?;
    log.close()?;
    // A segment is archived once it is sealed, which an open does.
    let (log, _) = Log::open(dir.join("log"), &options())?;
    log.append(STREAM, b"into a segment of its own")?;
    log.compact()?;
    assert!(!log.runs().is_empty(), "nothing was archived");
    measured(|| log.iter(Lsn(1)).take(RECORDS as usize).try_for_each(|entry| entry.map(drop)))
}

fn open(dir: &FilePath, times: u64) -> Result<()> {
    filled(dir)?.close()?;
    for _ in 0..times {
        let mut log = None;
        measured(|| {
            log = Some(Log::open(dir.join("log"), &options())?.0);
            Ok(())
        })?;
        log.map_or(Ok(()), Log::close)?;
    }
    Ok(())
}
