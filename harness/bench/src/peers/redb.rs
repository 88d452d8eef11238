//! redb: a copy-on-write tree. Each append is a transaction of its own, with immediate durability.

use std::path::Path;

use anyhow::{Context, Result};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen, number};

/// The peer.
pub const PEER: Peer = Peer {
    name: "redb",
    package: "redb",
    standing: Standing::Syncs,
    unchecked: Some("checksums are verified at recovery only, not by a read"),
    lacks: &[],
    setup: "default (Durability::Immediate)",
    open: |dir, _: Use| Ok(Box::new(Store { db: open(dir)? })),
    scan,
};

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

struct Store {
    db: Database,
}

fn open(dir: &Path) -> Result<Database> {
    std::fs::create_dir_all(dir)?;
    Ok(Database::create(dir.join("redb"))?)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let db = open(dir)?;
    let txn = db.begin_read()?;
    for pair in txn.open_table(RECORDS)?.iter()? {
        seen.see(pair?.1.value());
    }
    Ok(())
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        self.append_batch(&[record])
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let txn = self.db.begin_write()?;
        let mut table = txn.open_table(RECORDS)?;
        for record in records {
            table.insert(number(record).unwrap_or_default(), *record)?;
        }
        drop(table);
        Ok(txn.commit()?)
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let txn = self.db.begin_write()?;
        let mut table = txn.open_table(RECORDS)?;
        while let Some(item) = records.next() {
            table.insert(item.number, item.bytes)?;
        }
        drop(table);
        Ok(txn.commit()?)
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let txn = self.db.begin_read()?;
        see(txn.open_table(RECORDS)?.get(number)?.context("a record is missing")?.value());
        Ok(())
    }
}
