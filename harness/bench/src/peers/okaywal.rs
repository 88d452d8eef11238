//! okaywal: a write-ahead log with group commit and files that are used again.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use okaywal::{
    Configuration, Entry, EntryId, LogManager, LogPosition, LogVoid, SegmentReader, WriteAheadLog,
};
use std::io::Read as _;

use super::{Peer, Standing, Use};
use crate::payload::{Numbered, Seen};

/// The peer.
pub const PEER: Peer = Peer {
    name: "okaywal",
    package: "okaywal",
    standing: Standing::Syncs,
    unchecked: None,
    lacks: &[],
    setup: "files of 16 MiB used again after a checkpoint that does nothing, a buffer of 128 KiB; kept logs are never checkpointed",
    open,
    scan,
};

struct Store {
    wal: WriteAheadLog,
    /// Where each record of a kept log is: okaywal finds a record by its position only.
    places: Mutex<Vec<LogPosition>>,
}

/// Is shown each record and where it is.
type See = Box<dyn FnMut(LogPosition, &[u8]) + Send + Sync>;

/// Recovers a log that is to stay as it is.
struct Keeper {
    see: See,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}

impl LogManager for Keeper {
    fn recover(&mut self, entry: &mut Entry<'_>) -> io::Result<()> {
        let mut bytes = Vec::new();
        while let okaywal::ReadChunkResult::Chunk(mut chunk) = entry.read_chunk()? {
            bytes.clear();
            let place = chunk.log_position();
            chunk.read_to_end(&mut bytes)?;
            if !chunk.check_crc()? {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a checksum does not match"));
            }
            (self.see)(place, &bytes);
        }
        Ok(())
    }

    fn checkpoint_to(&mut self, _: EntryId, _: &mut SegmentReader, _: &WriteAheadLog) -> io::Result<()> {
        // What was checkpointed cannot be read any more.
        Err(io::Error::other("this log is kept"))
    }
}

fn open(dir: &Path, what: Use) -> Result<Box<dyn super::Store>> {
    let places = Arc::new(Mutex::new(Vec::new()));
    let wal = match what {
        Use::Append => Configuration::default_for(dir)
            .preallocate_bytes(16 << 20)
            .checkpoint_after_bytes(15 << 20)
            // A batch is one write then, not five.
            .buffer_bytes(128 << 10)
            .open(LogVoid)?,
        Use::Bulk | Use::Keep => {
            let found = Arc::clone(&places);
            keep(
                dir,
                Box::new(move |place, _| found.lock().unwrap_or_else(PoisonError::into_inner).push(place)),
            )?
        }
    };
    let found = std::mem::take(&mut *places.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(Box::new(Store { wal, places: Mutex::new(found) }))
}

fn keep(dir: &Path, see: See) -> Result<WriteAheadLog> {
    Ok(Configuration::default_for(dir)
        .preallocate_bytes(64 << 20)
        .checkpoint_after_bytes(u64::MAX)
        .buffer_bytes(1 << 20)
        .open(Keeper { see })?)
}

fn scan(dir: &Path, seen: &Seen) -> Result<()> {
    let shared = Arc::new(Seen::default());
    let inside = Arc::clone(&shared);
    let _wal = keep(dir, Box::new(move |_, bytes| inside.see(bytes)))?;
    seen.take_over(&shared);
    Ok(())
}

impl super::Store for Store {
    fn append(&self, _writer: usize, record: &[u8]) -> Result<()> {
        self.append_batch(&[record])
    }

    fn append_batch(&self, records: &[&[u8]]) -> Result<()> {
        let mut entry = self.wal.begin_entry()?;
        for record in records {
            entry.write_chunk(record)?;
        }
        entry.commit()?;
        Ok(())
    }

    fn bulk(&self, records: &mut Numbered) -> Result<()> {
        let mut entry = self.wal.begin_entry()?;
        while let Some(item) = records.next() {
            entry.write_chunk(item.bytes)?;
        }
        entry.commit()?;
        Ok(())
    }

    fn get(&self, number: u64, see: &mut dyn FnMut(&[u8])) -> Result<()> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = *places.get(usize::try_from(number)?).context("a record is missing")?;
        drop(places);
        let mut chunk = self.wal.read_at(place)?;
        let mut bytes = Vec::new();
        chunk.read_to_end(&mut bytes)?;
        ensure!(chunk.crc_is_valid()?, "a checksum does not match");
        see(&bytes);
        Ok(())
    }
}
