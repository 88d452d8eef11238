//! Reading, with every checksum checked.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::aligned::Aligned;
use super::{FRAMED, frame, unframe};
use crate::measure::{Meter, Sample};
use crate::payload::{Numbered, SMALL, Seen};
use crate::plan::Task;
use crate::workloads::archive::{self, Part};
use crate::workloads::kept;

const CHUNK: usize = 1 << 20;

/// Writes the file that `scan` reads.
pub fn write_scanned(dir: &Path, records: &mut Numbered) -> Result<()> {
    let mut file = std::io::BufWriter::with_capacity(CHUNK, File::create(super::file_in(dir)?)?);
    let mut framed = [0; FRAMED];
    while let Some(item) = records.next() {
        frame(item.bytes, &mut framed);
        file.write_all(&framed)?;
    }
    file.into_inner().context("writing")?.sync_all()?;
    Ok(())
}

/// Reads it whole.
pub fn scan(task: &Task) -> Result<Sample> {
    let count = task.scale.scan_bytes / SMALL as u64;
    kept::warm(&task.dir)?;
    let seen = Seen::default();
    let mut buf = Aligned::new(CHUNK / FRAMED * FRAMED);
    let meter = Meter::start(&task.dir)?;
    let mut file = File::open(task.dir.join("raw"))?;
    loop {
        let got = fill(&mut file, &mut buf)?;
        for framed in buf[..got].chunks(FRAMED) {
            seen.see(unframe(framed).context("a checksum does not match")?);
        }
        if got < buf.len() {
            break;
        }
    }
    let sample = meter.stop(count, task.scale.scan_bytes)?;
    seen.check(count, SMALL)?;
    Ok(sample)
}

/// Reads the archive's own files on one drive, as they are, in order.
pub fn archive(task: &Task) -> Result<Sample> {
    let part = Part::of(task.part);
    let (runs, records) = archive::runs(&task.dir)?;
    part.prepare(&task.dir)?;
    let mut buf = Aligned::new(CHUNK);
    let meter = Meter::start(&task.dir)?;
    let mut bytes = 0;
    for run in runs {
        let mut file = File::open(run)?;
        loop {
            let got = fill(&mut file, &mut buf)?;
            bytes += got as u64;
            if got < buf.len() {
                break;
            }
        }
    }
    let mut sample = meter.stop(records, records * SMALL as u64)?;
    sample.note = format!("{bytes} compressed bytes");
    Ok(sample)
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buf: &mut [u8]) -> Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match file.read(&mut buf[got..])? {
            0 => break,
            more => got += more,
        }
    }
    Ok(got)
}
