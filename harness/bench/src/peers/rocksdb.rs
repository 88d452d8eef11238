//! RocksDB, its write-ahead log synced at each write.

use std::path::Path;

use anyhow::{Context, Result};
use rocksdb::{DB, IteratorMode, Options, ReadOptions, WriteBatch, WriteOptions};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen, number};

/// The peer.
pub const PEER: Peer = Peer {
    name: "rocksdb",
    package: "librocksdb-sys",
    standing: Standing::Syncs,
    unchecked: None,
    lacks: &[],
    setup: "default, uncompressed; WriteOptions::sync",
    open: |dir, _: Use| Ok(Box::new(Store { db: open(dir)? })),
    scan,
};

struct Store {
    db: DB,
}

fn open(dir: &Path) -> Result<DB> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(rocksdb::DBCompressionType::None);
    Ok(DB::open(&options, dir)?)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let db = open(dir)?;
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.set_readahead_size(1 << 20);
    for pair in db.iterator_opt(IteratorMode::Start, options) {
        seen.see(&pair?.1);
    }
    Ok(())
}

fn options(sync: bool) -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(sync);
    options
}

fn key(record: &[u8]) -> [u8; 8] {
    number(record).unwrap_or_default().to_be_bytes()
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        Ok(self.db.put_opt(key(record), record, &options(true))?)
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut batch = WriteBatch::default();
        records.iter().for_each(|record| batch.put(key(record), record));
        Ok(self.db.write_opt(batch, &options(true))?)
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let plain = options(false);
        while let Some(item) = records.next() {
            self.db.put_opt(item.number.to_be_bytes(), item.bytes, &plain)?;
        }
        Ok(self.db.flush_wal(true)?)
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        see(&self.db.get_pinned(number.to_be_bytes())?.context("a record is missing")?);
        Ok(())
    }
}
