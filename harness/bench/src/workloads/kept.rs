//! Logs that are kept between measurements: made once, then recovered, scanned and read at random.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::measure::{Meter, Sample};
use crate::payload::{Numbered, SMALL, Seen};
use crate::peers::{Peer, Use};
use crate::plan::Task;
use crate::raw;

/// How many records a log has at a part of `recovery`; at the last, it is what `scan` and `get` read.
fn count(task: &Task, part: u32) -> u64 {
    let last = task.scale.recovery_bytes.len() - 1;
    let part = usize::try_from(part).unwrap_or(last).min(last);
    task.scale.recovery_bytes[part] / SMALL as u64
}

/// Makes the log, or makes it longer, up to the task's part. The process then ends without a close, so that the next
/// open has something to recover.
pub fn make(peer: &Peer, task: &Task) -> Result<()> {
    let from = if task.part == 0 { 0 } else { count(task, task.part - 1) };
    let mut records = Numbered::new(SMALL, from, count(task, task.part));
    std::fs::create_dir_all(task.dir.parent().context("no directory above")?)?;
    let store = (peer.open)(&task.dir, Use::Keep)?;
    store.load(&mut records)?;
    ensure!(records.is_empty(), "not all records were put in");
    // Not even a drop: the process ends as in a crash.
    std::mem::forget(store);
    Ok(())
}

/// The same for the limits, whose file is written once.
pub fn make_raw(task: &Task) -> Result<()> {
    raw::write_scanned(&task.dir, &mut Numbered::new(SMALL, 0, task.scale.scan_bytes / SMALL as u64))
}

/// The time that opening takes.
pub fn recover(peer: &Peer, task: &Task) -> Result<Sample> {
    warm(&task.dir)?;
    let meter = Meter::start(&task.dir)?;
    let store = (peer.open)(&task.dir, Use::Keep)?;
    let records = count(task, task.part);
    let sample = meter.stop(records, records * SMALL as u64)?;
    std::mem::forget(store);
    Ok(sample)
}

/// Opens it and reads all of it.
pub fn scan(peer: &Peer, task: &Task) -> Result<Sample> {
    warm(&task.dir)?;
    let seen = Seen::default();
    let records = task.scale.scan_bytes / SMALL as u64;
    let meter = Meter::start(&task.dir)?;
    (peer.scan)(&task.dir, &seen)?;
    let sample = meter.stop(records, records * SMALL as u64)?;
    seen.check(records, SMALL)?;
    Ok(sample)
}

/// All files in and below a directory.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                dirs.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Puts every file out of memory.
pub fn cool(dir: &Path) -> Result<()> {
    for path in files(dir)? {
        let file = File::open(&path)?;
        file.sync_all()?;
        posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).context("posix_fadvise")?;
    }
    Ok(())
}

/// Reads every file once, so that all of it is in memory, and in the same way for everybody: a page that is there since its file was
/// written lies in a piece as long as the write was, and what a read of it takes differs by half.
pub fn warm(dir: &Path) -> Result<()> {
    cool(dir)?;
    let mut buf = vec![0; 1 << 20];
    for path in files(dir)? {
        let mut file = File::open(path)?;
        while std::io::Read::read(&mut file, &mut buf)? > 0 {}
    }
    Ok(())
}
