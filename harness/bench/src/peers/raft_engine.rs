//! raft-engine: TiKV's log. Each writer has a raft group of its own, since its entries must be in order.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use super::{Peer, Standing, Use};
use crate::payload::{BATCH, Numbered, Seen};

/// The peer.
pub const PEER: Peer = Peer {
    name: "raft-engine",
    package: "raft-engine",
    standing: Standing::Syncs,
    unchecked: None,
    lacks: &[],
    setup: "default, uncompressed; a raft group for each writer, which raft-engine needs; kept logs in batches of 64",
    open: |dir, _: Use| Ok(Box::new(Store::open(dir)?)),
    scan,
};

/// How many writers there may be.
const GROUPS: usize = 64;
/// The group of whoever writes alone.
const ALONE: u64 = 1;
/// How many entries are read at a time.
const CHUNK: u64 = 256;

/// An entry whose index is in its first eight bytes.
struct Indexed;

impl MessageExt for Indexed {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        entry.value.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

fn entry(index: u64, record: &[u8]) -> BytesValue {
    let mut value = Vec::with_capacity(8 + record.len());
    value.extend_from_slice(&index.to_le_bytes());
    value.extend_from_slice(record);
    BytesValue { value, ..BytesValue::default() }
}

/// The record in an entry.
fn record(entry: &BytesValue) -> &[u8] {
    entry.value.get(8..).unwrap_or_default()
}

struct Store {
    engine: Engine,
    /// The last index of each group.
    last: Vec<Mutex<u64>>,
}

impl Store {
    fn open(dir: &Path) -> Result<Self> {
        let engine = Engine::open(Config {
            dir: dir.to_str().context("the path is no text")?.to_owned(),
            batch_compression_threshold: ReadableSize::kb(0),
            ..Config::default()
        })?;
        let last = |group| Mutex::new(engine.last_index(ALONE + group).unwrap_or(0));
        let last = (0..GROUPS as u64).map(last).collect();
        Ok(Self { engine, last })
    }

    fn put<'a>(&self, writer: usize, records: impl Iterator<Item = &'a [u8]>) -> Result<()> {
        let last = self.last.get(writer).context("too many writers")?;
        let mut last = last.lock().map_err(|_| anyhow!("another writer panicked"))?;
        let entries: Vec<_> = (*last + 1..).zip(records).map(|(index, bytes)| entry(index, bytes)).collect();
        let mut batch = LogBatch::default();
        batch.add_entries::<Indexed>(ALONE + writer as u64, &entries)?;
        self.engine.write(&mut batch, true)?;
        *last += entries.len() as u64;
        Ok(())
    }
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let store = Store::open(dir)?;
    let last = store.engine.last_index(ALONE).context("the log is empty")?;
    let mut entries = Vec::new();
    for from in (1..=last).step_by(usize::try_from(CHUNK)?) {
        entries.clear();
        let end = (from + CHUNK).min(last + 1);
        store.engine.fetch_entries_to::<Indexed>(ALONE, from, end, None, &mut entries)?;
        entries.iter().for_each(|entry| seen.see(record(entry)));
    }
    Ok(())
}

impl super::Store for Store {
    fn append(&self, writer: usize, record: &[u8]) -> Result<()> {
        self.put(writer, std::iter::once(record))
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        self.put(0, records.iter().copied())
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut batch = LogBatch::default();
        while let Some(item) = records.next() {
            batch.add_entries::<Indexed>(ALONE, &[entry(item.number + 1, item.bytes)])?;
            if batch.approximate_size() >= 1 << 20 || item.last {
                self.engine.write(&mut batch, item.last)?;
            }
        }
        Ok(())
    }

    /// In durable batches of 64, as Truelog: a read at random takes a whole batch.
    fn load(&self, records: &mut Numbered) -> Result<()> {
        let mut batch = LogBatch::default();
        while let Some(item) = records.next() {
            batch.add_entries::<Indexed>(ALONE, &[entry(item.number + 1, item.bytes)])?;
            if (item.number + 1).is_multiple_of(BATCH as u64) || item.last {
                self.engine.write(&mut batch, true)?;
            }
        }
        Ok(())
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let found = self.engine.get_entry::<Indexed>(ALONE, number + 1)?;
        see(record(&found.context("a record is missing")?));
        Ok(())
    }
}
