//! What decompression leaves of the limit: the archive's blocks read in order, checked and unpacked, and nothing else.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context, Result, ensure};
use truelog::format::{BLOCK_HEADER, BlockHeader, BlockKind, RunHeader};

use super::aligned::Aligned;
use crate::measure::{Meter, Sample};
use crate::payload::SMALL;
use crate::plan::Task;
use crate::workloads::archive::{self, Part};

/// How many blocks may be read and not unpacked.
const AHEAD: usize = 64;
/// No block is longer, unless it holds a single record that is.
const LONGEST: usize = 512 << 10;
/// The checksum is of what follows it, by docs/FORMAT.md.
const CHECKED_FROM: usize = 8;

/// What a block is read into. It begins at a page, since reading is many times slower where it does not.
type Stored = (Aligned, usize);
/// Memory that was read into, to be used again.
type Spare = Arc<Mutex<Vec<Aligned>>>;

/// Reads on one thread and unpacks on as many as there are processors.
pub fn run(task: &Task) -> Result<Sample> {
    let part = Part::of(task.part);
    let (runs, records) = archive::runs(&task.dir)?;
    part.prepare(&task.dir)?;
    let unpackers = thread::available_parallelism()?.get();
    let (to, from) = sync_channel(AHEAD);
    let (from, spare) = (Arc::new(Mutex::new(from)), Spare::default());
    let meter = Meter::start(&task.dir)?;
    let unpacking: Vec<_> = (0..unpackers)
        .map(|_| {
            let (from, spare) = (Arc::clone(&from), Arc::clone(&spare));
            thread::spawn(move || unpack_all(&from, &spare))
        })
        .collect();
    drop(from);
    runs.iter().try_for_each(|run| read(&File::open(run)?, &to, &spare))?;
    drop(to);
    let mut found = 0;
    for thread in unpacking {
        found += thread.join().map_err(|_| anyhow::anyhow!("an unpacker panicked"))??;
    }
    let sample = meter.stop(records, records * SMALL as u64)?;
    ensure!(found == records, "{found} records were unpacked of {records}");
    Ok(sample)
}

/// Unpacks what comes. Says how many records were in it.
fn unpack_all(from: &Mutex<Receiver<Stored>>, spare: &Spare) -> Result<u64> {
    let (mut unpacked, mut found) = (Vec::new(), 0);
    loop {
        let next = from.lock().map_err(|_| anyhow::anyhow!("another unpacker panicked"))?.recv();
        let Ok((stored, len)) = next else { return Ok(found) };
        found += unpack(&stored[..len], &mut unpacked)?;
        spare.lock().map_err(|_| anyhow::anyhow!("another unpacker panicked"))?.push(stored);
    }
}

/// Hands over a run's blocks, each with its header.
fn read(run: &File, to: &SyncSender<Stored>, spare: &Spare) -> Result<()> {
    let mut first = vec![0; 4096];
    run.read_exact_at(&mut first, 0)?;
    let unit = u64::from(RunHeader::decode(&first).map_err(|reason| anyhow::anyhow!("{reason}"))?.block);
    let (mut at, end) = (unit, run.metadata()?.len());
    let mut head = [0; BLOCK_HEADER];
    while at < end {
        run.read_exact_at(&mut head, at)?;
        let header = BlockHeader::parse(&head).map_err(|reason| anyhow::anyhow!("{reason} at {at}"))?;
        let len = BLOCK_HEADER as u64 + u64::from(header.stored);
        let used = spare.lock().map_err(|_| anyhow::anyhow!("an unpacker panicked"))?.pop();
        let whole = usize::try_from(len)?;
        let mut block =
            used.filter(|used| used.len() >= whole).unwrap_or_else(|| Aligned::new(whole.max(LONGEST)));
        run.read_exact_at(&mut block[..whole], at)?;
        if to.send((block, whole)).is_err() {
            break;
        }
        at += len.next_multiple_of(unit);
    }
    Ok(())
}

/// Checks and unpacks a block. Says how many records are in it.
fn unpack(block: &[u8], into: &mut Vec<u8>) -> Result<u64> {
    let header = BlockHeader::parse(block).map_err(|reason| anyhow::anyhow!("{reason}"))?;
    ensure!(crc32c::crc32c(&block[CHECKED_FROM..]) == header.crc, "a checksum does not match");
    if header.kind == BlockKind::Index {
        return Ok(0);
    }
    into.resize(usize::try_from(header.raw)?, 0);
    match header.kind {
        BlockKind::Compressed => {
            let len = lz4_flex::block::decompress_into(&block[BLOCK_HEADER..], into).context("unpacking")?;
            ensure!(len == into.len(), "{len} bytes instead of {}", into.len());
        }
        BlockKind::Plain | BlockKind::Index => into.copy_from_slice(&block[BLOCK_HEADER..]),
    }
    Ok(u64::from(header.count))
}
