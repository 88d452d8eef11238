//! commitlog, whose flush is the one of `std::fs::File`: it does nothing.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use anyhow::{Context, Result, anyhow};
use commitlog::message::MessageSet;
use commitlog::{CommitLog, LogOptions, ReadLimit};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen};

/// The peer.
pub const PEER: Peer = Peer {
    name: "commitlog",
    package: "commitlog",
    standing: Standing::DoesNotSync("flush is File::flush, which does nothing; only the index is synced"),
    unchecked: None,
    lacks: &[],
    setup: "default; append and flush, behind a lock",
    open: |dir, _: Use| Ok(Box::new(Store { log: Mutex::new(open(dir)?) })),
    scan,
};

struct Store {
    log: Mutex<CommitLog>,
}

fn open(dir: &Path) -> Result<CommitLog> {
    Ok(CommitLog::new(LogOptions::new(dir))?)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let log = open(dir)?;
    let mut next = 0;
    while next < log.next_offset() {
        let messages = log.read(next, ReadLimit::max_bytes(1 << 20)).map_err(|error| anyhow!("{error}"))?;
        for message in messages.iter() {
            seen.see(message.payload());
            next = message.offset() + 1;
        }
    }
    Ok(())
}

impl Store {
    fn lock(&self) -> Result<MutexGuard<'_, CommitLog>> {
        self.log.lock().map_err(|_| anyhow!("another writer panicked"))
    }
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        self.append_batch(&[record])
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut log = self.lock()?;
        for record in records {
            log.append_msg(record).map_err(|error| anyhow!("{error}"))?;
        }
        Ok(log.flush()?)
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut log = self.lock()?;
        while let Some(item) = records.next() {
            log.append_msg(item.bytes).map_err(|error| anyhow!("{error}"))?;
        }
        Ok(log.flush()?)
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let log = self.lock()?;
        let messages = log.read(number, ReadLimit::max_bytes(2048)).map_err(|error| anyhow!("{error}"))?;
        see(messages.iter().next().context("a record is missing")?.payload());
        Ok(())
    }
}
