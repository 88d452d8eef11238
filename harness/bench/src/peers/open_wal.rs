//! open-wal: a write-ahead log for one writer. Many writers share it behind a lock; its commit has no other way in.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use anyhow::{Result, anyhow};
use open_wal::{Lsn, NullObserver, Wal, WalConfig};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen};
use crate::workloads::Workload;

/// The peer.
pub const PEER: Peer = Peer {
    name: "open-wal",
    package: "open-wal",
    standing: Standing::Syncs,
    unchecked: None,
    lacks: &[(Workload::Get, "it reads in order only")],
    setup: "default; one writer by design, so that many take turns behind a lock",
    open: |dir, _: Use| Ok(Box::new(Store { wal: Mutex::new(open(dir)?) })),
    scan,
};

struct Store {
    wal: Mutex<Wal<NullObserver>>,
}

fn open(dir: &Path) -> Result<Wal<NullObserver>> {
    Ok(Wal::open(dir, WalConfig::default())?.0)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let wal = open(dir)?;
    let mut reader = wal.reader_from(Lsn(0))?;
    while let Some(record) = reader.next() {
        seen.see(record?.1);
    }
    Ok(())
}

impl Store {
    fn lock(&self) -> Result<MutexGuard<'_, Wal<NullObserver>>> {
        self.wal.lock().map_err(|_| anyhow!("another writer panicked"))
    }
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        self.append_batch(&[record])
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut wal = self.lock()?;
        for record in records {
            wal.append(record)?;
        }
        wal.commit()?;
        Ok(())
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut wal = self.lock()?;
        while let Some(item) = records.next() {
            wal.append(item.bytes)?;
        }
        wal.commit()?;
        Ok(())
    }
}
