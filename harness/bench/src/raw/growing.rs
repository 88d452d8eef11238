//! A file that grows, and one sync.

use std::fs::File;
use std::io::Write;

use anyhow::Result;

use super::aligned::Aligned;
use super::{HEADER, frame};
use crate::measure::{Meter, Sample};
use crate::payload::{LARGE, Numbered};
use crate::plan::Task;

/// Writes the records of bulk.
pub fn run(task: &Task) -> Result<Sample> {
    let path = super::file_in(&task.dir)?;
    let count = task.scale.bulk_bytes / LARGE as u64;
    let mut records = Numbered::new(LARGE, 0, count);
    let framed = HEADER + LARGE;
    let mut buf = Aligned::new((1 << 20) / framed * framed);
    let meter = Meter::start(&task.dir)?;
    let mut file = File::create(path)?;
    let mut used = 0;
    while let Some(item) = records.next() {
        frame(item.bytes, &mut buf[used..used + framed]);
        used += framed;
        if used == buf.len() || item.last {
            file.write_all(&buf[..used])?;
            used = 0;
        }
    }
    file.sync_data()?;
    meter.stop(count, count * LARGE as u64)
}
