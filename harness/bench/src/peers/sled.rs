//! sled 0.34, whose flush calls `sync_file_range`: that syncs neither metadata nor the device's cache.

use std::path::Path;

use anyhow::{Context, Result};
use sled::{Batch, Config, Db};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen, number};

/// The peer.
pub const PEER: Peer = Peer {
    name: "sled",
    package: "sled",
    standing: Standing::DoesNotSync("flush is sync_file_range only"),
    unchecked: None,
    lacks: &[],
    setup: "default; insert and flush",
    open: |dir, _: Use| Ok(Box::new(Store { db: open(dir)? })),
    scan,
};

struct Store {
    db: Db,
}

fn open(dir: &Path) -> Result<Db> {
    Ok(Config::new().path(dir).flush_every_ms(None).open()?)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    for pair in open(dir)?.iter() {
        seen.see(&pair?.1);
    }
    Ok(())
}

fn key(record: &[u8]) -> [u8; 8] {
    number(record).unwrap_or_default().to_be_bytes()
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        self.db.insert(key(record), record)?;
        self.db.flush()?;
        Ok(())
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut batch = Batch::default();
        records.iter().for_each(|record| batch.insert(&key(record), *record));
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        Ok(())
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        while let Some(item) = records.next() {
            self.db.insert(item.number.to_be_bytes(), item.bytes)?;
        }
        self.db.flush()?;
        Ok(())
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        see(&self.db.get(number.to_be_bytes())?.context("a record is missing")?);
        Ok(())
    }
}
