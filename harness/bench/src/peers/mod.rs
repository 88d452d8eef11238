//! Those that are measured beside the raw limits: Truelog and what people would pick instead. One file each.

mod commitlog;
mod fjall;
mod lmdb;
mod okaywal;
mod open_wal;
mod raft_engine;
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod simple_wal;
mod sled;
mod sqlite;
pub mod truelog;
mod walrus;

use std::path::Path;

use anyhow::{Result, bail};

use crate::payload::{Numbered, Seen};
use crate::workloads::Workload;

/// What an acknowledgement of a peer is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The log that is measured.
    Ours,
    /// It syncs before it acknowledges.
    Syncs,
    /// It does not, for this reason. It is shown, and left out of every ratio.
    DoesNotSync(&'static str),
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Durable appends, each synced.
    Append,
    /// Many records and one sync.
    Bulk,
    /// A log that is kept, to be opened and read again.
    Keep,
}

/// An open store. Each call ends once what it wrote survives a loss of power, as far as the peer is able to.
pub trait Store: Send + Sync {
    /// Appends one record. Writers have numbers from 0 on.
    fn append(&self, writer: usize, record: &[u8]) -> Result<()>;

    /// Appends records as one unit.
    fn append_batch(&self, records: &[&[u8]]) -> Result<()>;

    /// Appends all that there are, and syncs once, behind the last.
    fn bulk(&self, records: &mut Numbered) -> Result<()>;

    /// As `bulk`, the way that suits a log which will be read at random.
    fn load(&self, records: &mut Numbered) -> Result<()> {
        self.bulk(records)
    }

    /// Shows the record with this number.
    fn get(&self, _number: u64, _see: &mut dyn FnMut(&[u8])) -> Result<()> {
        bail!("there is no random read")
    }
}

/// A peer, as data.
pub struct Peer {
    /// Its name here.
    pub name: &'static str,
    /// Its package, for the version.
    pub package: &'static str,
    /// What its acknowledgement is worth.
    pub standing: Standing,
    /// Why its reads verify no checksum, if so. They are shown, and left out of the ratios of reads.
    pub unchecked: Option<&'static str>,
    /// What it cannot do, and why.
    pub lacks: &'static [(Workload, &'static str)],
    /// How it is set up, in a few words.
    pub setup: &'static str,
    /// Opens it, or makes it where nothing is.
    pub open: fn(&Path, Use) -> Result<Box<dyn Store>>,
    /// Opens it and shows every record, in order, every checksum verified.
    pub scan: fn(&Path, &Seen) -> Result<()>,
}

/// All of them, ours first.
pub const PEERS: &[&Peer] = &[
    &truelog::PEER,
    &truelog::KEPT,
    &truelog::DATA_SYNC,
    &truelog::WRITE_THROUGH,
    &okaywal::PEER,
    &open_wal::PEER,
    &raft_engine::PEER,
    &fjall::PEER,
    #[cfg(feature = "rocksdb")]
    &rocksdb::PEER,
    &lmdb::PEER,
    &redb::PEER,
    &sqlite::PEER,
    &walrus::PEER,
    &sled::PEER,
    &commitlog::PEER,
    &simple_wal::PEER,
];

impl Peer {
    /// The peer of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PEERS.iter().copied().find(|peer| peer.name == name)
    }

    /// Why it is not part of a workload, if so.
    pub fn lack(&self, workload: Workload) -> Option<&'static str> {
        self.lacks.iter().find(|(lacking, _)| *lacking == workload).map(|(_, why)| *why)
    }

    /// The version that was built.
    pub fn version(&self) -> &'static str {
        // Blocks of `name = "…"` and `version = "…"` lines.
        let lock = include_str!("../../Cargo.lock");
        let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{}\"", self.package));
        lines
            .nth(1)
            .and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
            .unwrap_or("of an unknown version")
    }

    /// Whether it may count as the best honest peer in a workload.
    pub fn competes(&self, workload: Workload) -> bool {
        self.standing == Standing::Syncs && !(workload.reads() && self.unchecked.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_a_name_and_a_version_of_its_own() {
        for (position, peer) in PEERS.iter().enumerate() {
            assert!(peer.version().starts_with(|c: char| c.is_ascii_digit()), "{}", peer.name);
            assert!(PEERS[..position].iter().all(|other| other.name != peer.name), "{}", peer.name);
        }
    }
}
