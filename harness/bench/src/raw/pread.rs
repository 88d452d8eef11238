//! Records of a log at random, by whoever knows where they are: one `pread` of the same bytes, and their CRC-32C.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use truelog::format::{BATCH_HEADER, Batch, FRAME_HEADER, SegmentHeader};

use crate::measure::{Meter, Sample, times, with_times};
use crate::payload::{SMALL, number};
use crate::plan::Task;
use crate::workloads::get::Picks;
use crate::workloads::kept;

/// A record's frame, whose length is known.
const FRAMED: usize = FRAME_HEADER + SMALL;

/// So many reads are known ahead, one behind the other, so that nobody waits for memory to know where the next record is. Then
/// they come again.
const KNOWN: usize = 1 << 20;

/// Where a record is.
#[derive(Clone, Copy)]
struct Place {
    /// Which of the files.
    file: u32,
    /// The CRC-32C of its frame.
    crc: u32,
    /// In bytes.
    offset: u64,
}

/// Reads the log's own files.
pub fn run(task: &Task) -> Result<Sample> {
    let (files, places) = survey(&task.dir)?;
    ensure!(places.len() as u64 == task.scale.scan_bytes / SMALL as u64, "{} records", places.len());
    let ahead =
        Picks::records(task).take(KNOWN).map(|record| places.get(usize::try_from(record).ok()?).copied());
    let ahead: Vec<Place> = ahead.collect::<Option<_>>().context("a record that is not there")?;
    drop(places);
    kept::warm(&task.dir)?;
    let mut places = ahead.iter().cycle();
    let mut times = times()?;
    let mut framed = [0; FRAMED];
    let mut picks = Picks::new(task);
    let mut meter = Meter::start(&task.dir)?;
    let mut ops = 0;
    while let (Some(pick), Some(place)) = (picks.next(), places.next()) {
        if pick.first {
            meter = Meter::start(&task.dir)?;
        }
        let began = Instant::now();
        files[place.file as usize].read_exact_at(&mut framed, place.offset)?;
        ensure!(crc32c::crc32c(&framed) == place.crc, "a checksum does not match");
        if pick.counted {
            times.saturating_record(u64::try_from(began.elapsed().as_nanos())?);
            ops += 1;
        }
    }
    Ok(with_times(meter.stop(ops, ops * SMALL as u64)?, &times))
}

/// The segments, and where in them each record is, by its number.
fn survey(dir: &Path) -> Result<(Vec<File>, Vec<Place>)> {
    let (mut files, mut places) = (Vec::new(), Vec::new());
    for path in kept::files(dir)? {
        let bytes = std::fs::read(&path)?;
        // The identity and the manifest are none.
        let Ok(header) = SegmentHeader::decode(&bytes) else { continue };
        let unit = u64::from(header.block);
        let file = u32::try_from(files.len())?;
        let mut at = unit;
        while let Some(rest) = bytes.get(usize::try_from(at)?..)
            && let Ok(batch) = Batch::decode(rest, &header.site(at))
        {
            for frame in batch.records() {
                let from = usize::try_from(frame.offset)?;
                let framed = rest.get(from..from + FRAMED).context("a record of another length")?;
                let found = usize::try_from(number(frame.payload).context("a record without a number")?)?;
                ensure!(found <= places.len(), "record {found} where {} is due", places.len());
                // What a recovery wrote again stands where it wrote it.
                places.truncate(found);
                places.push(Place {
                    file,
                    crc: crc32c::crc32c(framed),
                    offset: at + u64::from(frame.offset),
                });
            }
            at += (BATCH_HEADER as u64 + u64::from(batch.header.len)).next_multiple_of(unit);
        }
        files.push(File::open(&path)?);
    }
    Ok((files, places))
}
