//! simple_wal, whose flush is the one of `std::fs::File`: it does nothing.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use anyhow::{Result, anyhow};
use simple_wal::LogFile;

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen};
use crate::workloads::Workload;

/// The peer.
pub const PEER: Peer = Peer {
    name: "simple_wal",
    package: "simple_wal",
    standing: Standing::DoesNotSync("flush is File::flush, which does nothing"),
    unchecked: None,
    lacks: &[(Workload::Get, "finding a record reads all before it")],
    setup: "default; write and flush, behind a lock",
    open: |dir, _: Use| Ok(Box::new(Store { log: Mutex::new(open(dir)?) })),
    scan,
};

struct Store {
    log: Mutex<LogFile>,
}

fn open(dir: &Path) -> Result<LogFile> {
    std::fs::create_dir_all(dir)?;
    Ok(LogFile::open(dir.join("wal"))?)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let mut log = open(dir)?;
    for record in log.iter(..)? {
        seen.see(&record?);
    }
    Ok(())
}

impl Store {
    fn lock(&self) -> Result<MutexGuard<'_, LogFile>> {
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
            log.write(&mut record.to_vec())?;
        }
        Ok(log.flush()?)
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut log = self.lock()?;
        while let Some(item) = records.next() {
            log.write(&mut item.bytes.to_vec())?;
        }
        Ok(log.flush()?)
    }
}
