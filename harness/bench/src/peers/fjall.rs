//! fjall: an LSM tree with a journal. Each append is a batch of its own that persists with `fdatasync`.

use std::path::Path;

use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen, number};

/// The peer.
pub const PEER: Peer = Peer {
    name: "fjall",
    package: "fjall",
    standing: Standing::Syncs,
    unchecked: None,
    lacks: &[],
    setup: "journal uncompressed; each append a write batch with PersistMode::SyncData",
    open: |dir, _: Use| Ok(Box::new(Store::open(dir)?)),
    scan,
};

struct Store {
    db: Database,
    records: Keyspace,
}

impl Store {
    fn open(dir: &Path) -> Result<Self> {
        let db = Database::builder(dir).journal_compression(fjall::CompressionType::None).open()?;
        let records = db.keyspace("records", KeyspaceCreateOptions::default)?;
        Ok(Self { db, records })
    }
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let store = Store::open(dir)?;
    for guard in store.records.iter() {
        seen.see(&guard.value()?);
    }
    Ok(())
}

fn key(record: &[u8]) -> [u8; 8] {
    number(record).unwrap_or_default().to_be_bytes()
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        self.append_batch(&[record])
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for record in records {
            batch.insert(&self.records, key(record), *record);
        }
        Ok(batch.commit()?)
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        while let Some(item) = records.next() {
            self.records.insert(item.number.to_be_bytes(), item.bytes)?;
        }
        Ok(self.db.persist(PersistMode::SyncData)?)
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        see(&self.records.get(number.to_be_bytes())?.context("a record is missing")?);
        Ok(())
    }
}
