//! Truelog itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use truelog::{Durability, Fill, Log, Lsn, Options, Record, StreamId, SyncMethod};

use super::{Peer, Standing, Use};
use crate::payload::{BATCH, Numbered, Seen};
use crate::workloads::Workload;

/// With its default options.
pub const PEER: Peer = Peer {
    name: "truelog",
    package: "truelog",
    standing: Standing::Ours,
    unchecked: None,
    lacks: &[],
    setup: "fdatasync or O_DIRECT|O_DSYNC, as the first batches find faster; appends into files of 16 MiB (option reuse) used again after a trim, which comes with each full one; in bulk segments are allocated and of 1 GiB; else default options",
    open: |dir, what| open_for(dir, what, &options(what)),
    scan,
};

const NO_OTHER: &str = "as truelog: only of appends is anything trimmed";

/// The same, and nothing is ever trimmed.
pub const KEPT: Peer = Peer {
    name: "truelog-kept",
    lacks: &[
        (Workload::Bulk, NO_OTHER),
        (Workload::Recovery, NO_OTHER),
        (Workload::Scan, NO_OTHER),
        (Workload::Get, NO_OTHER),
    ],
    setup: "as truelog, but all options are the default ones and nothing is ever trimmed",
    open: |dir, _| open_for(dir, Use::Keep, &Options::default()),
    ..PEER
};

/// The same, each write returning only once it is durable.
pub const WRITE_THROUGH: Peer = Peer {
    name: "truelog-dsync",
    setup: "as truelog, with O_DSYNC only",
    open: |dir, what| open_for(dir, what, &Options { sync: SyncMethod::WriteThrough, ..options(what) }),
    scan: |dir, seen| scan_with(dir, seen, &Options { sync: SyncMethod::WriteThrough, ..options(Use::Keep) }),
    ..PEER
};

/// The same, each batch synced behind its write.
pub const DATA_SYNC: Peer = Peer {
    name: "truelog-datasync",
    setup: "as truelog, with fdatasync only",
    open: |dir, what| open_for(dir, what, &Options { sync: SyncMethod::DataSync, ..options(what) }),
    scan: |dir, seen| scan_with(dir, seen, &Options { sync: SyncMethod::DataSync, ..options(Use::Keep) }),
    ..PEER
};

/// The options for a use.
pub fn options(what: Use) -> Options {
    match what {
        Use::Append => Options { reuse: true, segment_size: 16 << 20, ..Options::default() },
        Use::Keep => Options::default(),
        Use::Bulk => {
            Options { fill: Fill::Allocate, segment_size: truelog::MAX_SEGMENT, ..Options::default() }
        }
    }
}

/// Opens the log, or makes it where nothing is. One that is only appended to is trimmed meanwhile, as by one who has taken
/// elsewhere what is in it.
fn open_for(dir: &Path, what: Use, options: &Options) -> Result<Box<dyn super::Store>> {
    let log = Arc::new(open_log(dir, options)?);
    let trimmer = matches!(what, Use::Append).then(|| Trimmer::start(&log));
    Ok(Box::new(Store { log, trimmer }))
}

/// How often it is looked whether there is something to trim: some twenty times for each segment when all writers write.
const LOOKS: Duration = Duration::from_millis(10);

/// A thread that trims whatever is in a segment that is full.
struct Trimmer {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<truelog::Result<()>>>,
}

impl Trimmer {
    fn start(log: &Arc<Log>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (log, ends) = (Arc::clone(log), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let stat = log.stat();
                if stat.segments > 1 {
                    log.trim(stat.durable)?;
                }
                std::thread::sleep(LOOKS);
            }
            Ok(())
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Trimmer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(Ok(())))), "a trim failed");
    }
}

/// Opens the log, or makes it where nothing is.
pub fn open_log(dir: &Path, options: &Options) -> Result<Log> {
    if dir.exists() {
        let (log, _) = Log::open(dir, options)?;
        ensure!(log.read_only().is_none(), "the log opens for reading only");
        return Ok(log);
    }
    Ok(Log::create(dir, options)?)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    scan_with(dir, seen, &options(Use::Keep))
}

fn scan_with(dir: &Path, seen: &Seen, options: &Options) -> Result<()> {
    let (log, _) = Log::open(dir, options)?;
    for entry in log.iter(Lsn::FIRST) {
        seen.see(&entry?.payload);
    }
    Ok(())
}

struct Store {
    /// Before the log, which it has too.
    #[expect(dead_code, reason = "it ends with the store")]
    trimmer: Option<Trimmer>,
    log: Arc<Log>,
}

impl super::Store for Store {
    fn append(&self, writer: usize, record: &[u8]) -> Result<()> {
        self.log.append(StreamId(writer as u64), record)?;
        Ok(())
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut batch = [Record { stream: StreamId(0), payload: &[] }; BATCH];
        let batch = batch.get_mut(..records.len()).context("a batch is too long")?;
        for (record, payload) in batch.iter_mut().zip(records) {
            record.payload = payload;
        }
        self.log.append_batch(batch, Durability::PowerLoss)?;
        Ok(())
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut ticket = None;
        while let Some(item) = records.next() {
            let record = Record { stream: StreamId(0), payload: item.bytes };
            // Only the last record asks for a sync, which covers all before it.
            let lasting = if item.last { Durability::PowerLoss } else { Durability::ProcessCrash };
            ticket = Some(self.log.submit(&[record], lasting)?);
        }
        self.log.wait(ticket.context("there was nothing to put in")?)?;
        Ok(())
    }

    /// In durable batches of 64: a read at random checks a whole batch, and recovery writes all that nothing vouches
    /// for again, as one.
    fn load(&self, records: &mut Numbered) -> Result<()> {
        let mut held = vec![Vec::new(); BATCH];
        while !records.is_empty() {
            let mut count = 0;
            while let Some(slot) = held.get_mut(count)
                && let Some(item) = records.next()
            {
                slot.clear();
                slot.extend_from_slice(item.bytes);
                count += 1;
            }
            let batch: Vec<&[u8]> = held[..count].iter().map(Vec::as_slice).collect();
            self.append_batch(&batch)?;
        }
        Ok(())
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        see(&self.log.get(Lsn(Lsn::FIRST.0 + number))?.payload);
        Ok(())
    }
}
