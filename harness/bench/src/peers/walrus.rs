//! walrus-rust: a log of topics, in files of 1 GB, synced at each entry.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen};
use crate::workloads::Workload;

/// The peer.
pub const PEER: Peer = Peer {
    name: "walrus-rust",
    package: "walrus-rust",
    standing: Standing::Syncs,
    unchecked: None,
    lacks: &[
        (Workload::Bulk, "each entry is written with O_SYNC: there is no one sync behind many"),
        (Workload::Get, "it reads in order only"),
    ],
    setup: "FsyncSchedule::SyncEach; a kept log is made with NoFsync",
    open: |dir, what| Ok(Box::new(Store { log: open(dir, schedule(what))? })),
    scan,
};

const TOPIC: &str = "records";

struct Store {
    log: Walrus,
}

const fn schedule(what: Use) -> FsyncSchedule {
    match what {
        Use::Append | Use::Bulk => FsyncSchedule::SyncEach,
        Use::Keep => FsyncSchedule::NoFsync,
    }
}

fn open(dir: &Path, schedule: FsyncSchedule) -> Result<Walrus> {
    std::fs::create_dir_all(dir)?;
    // It takes its directory from the environment only, which whoever started this process has set.
    let told = std::env::var_os("WALRUS_DATA_DIR").context("WALRUS_DATA_DIR is not set")?;
    ensure!(Path::new(&told) == dir, "WALRUS_DATA_DIR is not {}", dir.display());
    let consistency = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
    Ok(Walrus::with_consistency_and_schedule(consistency, schedule)?)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let log = open(dir, schedule(Use::Keep))?;
    loop {
        let entries = log.batch_read_for_topic(TOPIC, 1 << 20, true)?;
        if entries.is_empty() {
            return Ok(());
        }
        entries.iter().for_each(|entry| seen.see(&entry.data));
    }
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        Ok(self.log.append_for_topic(TOPIC, record)?)
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        Ok(self.log.batch_append_for_topic(TOPIC, records)?)
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut held: Vec<Vec<u8>> = Vec::with_capacity(1000);
        while let Some(item) = records.next() {
            held.push(item.bytes.to_vec());
            if held.len() == held.capacity() || item.last {
                let batch: Vec<&[u8]> = held.iter().map(Vec::as_slice).collect();
                self.log.batch_append_for_topic(TOPIC, &batch).context("a batch")?;
                held.clear();
            }
        }
        Ok(())
    }
}
