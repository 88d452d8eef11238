//! SQLite with its write-ahead log, synchronous FULL. One connection, which writers share behind a lock.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use anyhow::{Result, anyhow};
use rusqlite::{Connection, config::DbConfig, params};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen, number};

/// The peer.
pub const PEER: Peer = Peer {
    name: "sqlite",
    package: "rusqlite",
    standing: Standing::Syncs,
    unchecked: None,
    lacks: &[],
    setup: "WAL, synchronous FULL; a kept log stays in the WAL, whose checksums are verified when it is opened",
    open: |dir, what| Ok(Box::new(Store { connection: Mutex::new(open(dir, what)?) })),
    scan,
};

struct Store {
    connection: Mutex<Connection>,
}

fn open(dir: &Path, what: Use) -> Result<Connection> {
    std::fs::create_dir_all(dir)?;
    let connection = Connection::open(dir.join("sqlite"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if what == Use::Keep {
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    }
    connection.execute("CREATE TABLE IF NOT EXISTS records (number INTEGER PRIMARY KEY, bytes BLOB)", [])?;
    Ok(connection)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let connection = open(dir, Use::Keep)?;
    let mut statement = connection.prepare("SELECT bytes FROM records ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        seen.see(row.get_ref(0)?.as_blob()?);
    }
    Ok(())
}

impl Store {
    fn lock(&self) -> Result<MutexGuard<'_, Connection>> {
        self.connection.lock().map_err(|_| anyhow!("another writer panicked"))
    }
}

const INSERT: &str = "INSERT INTO records VALUES (?1, ?2)";

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        let connection = self.lock()?;
        connection.prepare_cached(INSERT)?.execute(params![number(record).map(u64::cast_signed), record])?;
        Ok(())
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut connection = self.lock()?;
        let txn = connection.transaction()?;
        for record in records {
            txn.prepare_cached(INSERT)?.execute(params![number(record).map(u64::cast_signed), record])?;
        }
        Ok(txn.commit()?)
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut connection = self.lock()?;
        let txn = connection.transaction()?;
        let mut insert = txn.prepare(INSERT)?;
        while let Some(item) = records.next() {
            insert.execute(params![item.number.cast_signed(), item.bytes])?;
        }
        drop(insert);
        Ok(txn.commit()?)
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let connection = self.lock()?;
        let mut statement = connection.prepare_cached("SELECT bytes FROM records WHERE number = ?1")?;
        let mut rows = statement.query([number.cast_signed()])?;
        let row = rows.next()?.ok_or_else(|| anyhow!("a record is missing"))?;
        see(row.get_ref(0)?.as_blob()?);
        Ok(())
    }
}
