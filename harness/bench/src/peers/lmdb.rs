//! LMDB, through heed: a copy-on-write tree in a memory map. Each append is a transaction of its own.
#![allow(unsafe_code, reason = "opening a memory map is unsafe by heed's interface")]

use std::path::Path;

use anyhow::{Context, Result};
use heed::byteorder::BigEndian;
use heed::types::{Bytes, U64};
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions, PutFlags};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen, number};

/// The peer.
pub const PEER: Peer = Peer {
    name: "lmdb",
    package: "heed",
    standing: Standing::Syncs,
    unchecked: Some("pages have no checksum"),
    lacks: &[],
    setup: "default flags (each commit syncs); records are put in order where they come in order",
    open: |dir, _: Use| Ok(Box::new(Store::open(dir)?)),
    scan,
};

struct Store {
    /// Never let go of: its databases borrow it, and the process ends with the measurement.
    env: &'static Env,
    records: Database<'static, U64<BigEndian>, Bytes>,
}

impl Store {
    fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        // SAFETY: nobody else touches the files meanwhile.
        let env = unsafe { EnvOpenOptions::new().map_size(8 << 30).open(dir)? };
        let env: &'static Env = Box::leak(Box::new(env));
        let records = env
            .create_databases_and_commit(env.write_txn()?, |opener, txn| {
                opener.create_database(txn, None).map(CommitOrAbort::<_, ()>::Commit)
            })?
            .unwrap_commit();
        Ok(Self { env, records })
    }
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let store = Store::open(dir)?;
    let txn = store.env.read_txn()?;
    for pair in store.records.iter(&txn)? {
        seen.see(pair?.1);
    }
    Ok(())
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        self.append_batch(&[record])
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        for record in records {
            self.records.put(&mut txn, &number(record).unwrap_or_default(), record)?;
        }
        Ok(txn.commit()?)
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut txn = self.env.write_txn()?;
        while let Some(item) = records.next() {
            self.records.put_with_flags(&mut txn, PutFlags::APPEND, &item.number, item.bytes)?;
        }
        Ok(txn.commit()?)
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let txn = self.env.read_txn()?;
        see(self.records.get(&txn, &number)?.context("a record is missing")?);
        Ok(())
    }
}
