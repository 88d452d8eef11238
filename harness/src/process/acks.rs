//! Holds printed receipts against the calls that came before them.
//!
//! A receipt for a loss of power may be printed only when, before the printing began, all of this had ended well:
//! the writes of its frame; for each of them a sync of that file which began after it, or the write itself went
//! through; the rename that gave the segment its name; and a sync of the directory that began after that. A sync
//! says nothing any more once a sync or a write of the same file has failed.
//!
//! Behind a failed call that poisons the handle all of it must have ended well before that call returned: then the
//! receipt is of a record at or below the watermark, and may come late.

use crate::oracle::FRAME_HEADER;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::strace::{Arg, Syscall};

/// What was held against what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Receipts.
    pub receipts: u64,
    /// Writes to segments that a receipt rests on, each counted for each receipt.
    pub writes: u64,
    /// Of those, writes that went through by themselves.
    pub through: u64,
    /// Segments that receipts name.
    pub segments: u64,
    /// Receipts that were printed after the failed call, if there was one.
    pub late: u64,
}

/// The fields of a receipt that say where its record is.
#[derive(Debug, Deserialize)]
struct Place {
    lsn: u64,
    segment: u64,
    offset: u64,
    len: u64,
    durability: String,
}

/// A write to a segment under its final name.
struct Write {
    from: u64,
    to: u64,
    ended: usize,
    through: bool,
}

/// A call that makes a file or a directory durable, and succeeded.
struct Sync {
    began: usize,
    ended: usize,
}

/// What happened to one path, up to now.
#[derive(Default)]
struct History {
    writes: Vec<Write>,
    syncs: Vec<Sync>,
    /// The line at which a write or a sync failed for the first time.
    failed: Option<usize>,
    /// The line at which the path got its name by a rename.
    named: Option<usize>,
}

/// Holds every receipt that `calls` print on standard output against the calls before it. `dir` is the log's
/// directory, absolute and without symbolic links. `failed` is the line at which a call returned whose failure
/// poisons the handle: what ends behind it makes no receipt true.
///
/// # Errors
/// What is wrong, with the line of the trace at which the receipt was printed.
pub fn check(calls: &[Syscall], dir: &Path, failed: Option<usize>) -> Result<Checked, String> {
    let mut histories: HashMap<PathBuf, History> = HashMap::new();
    let mut through: HashMap<i32, bool> = HashMap::new();
    let mut checked = Checked::default();
    let mut segments = std::collections::BTreeSet::new();
    // A call takes effect for others when it ends, a print when it begins.
    let mut order: Vec<&Syscall> = calls.iter().collect();
    order.sort_by_key(|call| if prints(call) { call.begin } else { call.end.unwrap_or(usize::MAX) });
    for call in order {
        if prints(call) {
            for place in receipts(call)? {
                let path = dir.join(format!("segment-{:010}", place.segment));
                let complain =
                    |why: String| format!("line {}: receipt for LSN {}: {why}", call.begin, place.lsn);
                // What counts is what had ended by then.
                let by = failed.unwrap_or(usize::MAX).min(call.begin);
                judge(&place, by, histories.get(&path), histories.get(dir), &mut checked)
                    .map_err(|why| {
                        if by < call.begin { format!("{why} before the failure at line {by}") } else { why }
                    })
                    .map_err(complain)?;
                checked.late += u64::from(by < call.begin);
                segments.insert(place.segment);
            }
        } else {
            note(call, &mut histories, &mut through);
        }
    }
    checked.segments = segments.len() as u64;
    Ok(checked)
}

/// Whether `call` writes to standard output.
fn prints(call: &Syscall) -> bool {
    call.name == "write" && call.descriptor(0) == Some(1)
}

/// The receipts that a call to print holds. It may be a part of what was meant to be printed; half a line at its
/// end says nothing yet, and half a line at its beginning began in a call that is judged by itself.
fn receipts(call: &Syscall) -> Result<Vec<Place>, String> {
    let Some(Arg::Bytes { bytes, cut }) = call.args.get(1) else {
        return Err(format!("line {}: a write whose bytes are not shown", call.begin));
    };
    if *cut {
        return Err(format!("line {}: strace cut what was printed; trace with a larger -s", call.begin));
    }
    let parsed =
        bytes.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice::<Place>(line).ok());
    Ok(parsed.filter(|place| place.durability == "power-loss").collect())
}

/// Remembers what `call` did.
fn note(call: &Syscall, histories: &mut HashMap<PathBuf, History>, through: &mut HashMap<i32, bool>) {
    let Some(ended) = call.end else { return };
    match call.name.as_str() {
        "openat" => {
            if let Some(descriptor) = call.value().and_then(|value| i32::try_from(value).ok()) {
                through.insert(descriptor, call.has_flag(2, "O_DSYNC") || call.has_flag(2, "O_SYNC"));
            }
        }
        "pwrite64" => {
            let (Some(path), Some(offset)) = (call.file(0), call.number(3)) else { return };
            let history = histories.entry(path.to_owned()).or_default();
            match (call.value(), u64::try_from(offset)) {
                (Some(len), Ok(from)) => {
                    let through =
                        call.descriptor(0).is_some_and(|d| through.get(&d).copied().unwrap_or(false));
                    history.writes.push(Write { from, to: from + len.unsigned_abs(), ended, through });
                }
                // An interrupted write did nothing.
                _ if call.outcome == super::strace::Outcome::Error("EINTR".into()) => {}
                _ => history.fail(ended),
            }
        }
        "fsync" | "fdatasync" => {
            let Some(path) = call.file(0) else { return };
            let history = histories.entry(path.to_owned()).or_default();
            if !call.succeeded() {
                history.fail(ended);
            } else if history.failed.is_none() {
                history.syncs.push(Sync { began: call.begin, ended });
            }
        }
        "rename" | "renameat" | "renameat2" if call.succeeded() => {
            let target = if call.name == "rename" { 1 } else { 3 };
            if let Some(path) = call.path(target) {
                histories.entry(path).or_default().named = Some(ended);
            }
        }
        _ => {}
    }
}

impl History {
    fn fail(&mut self, at: usize) {
        self.failed.get_or_insert(at);
    }

    /// Whether a sync that began after line `since` had ended before line `until`.
    fn synced(&self, since: usize, until: usize) -> bool {
        self.syncs.iter().any(|sync| sync.began > since && sync.ended < until)
    }
}

/// Holds one receipt against what had happened to its segment and its directory by line `by`.
fn judge(
    place: &Place,
    by: usize,
    segment: Option<&History>,
    dir: Option<&History>,
    checked: &mut Checked,
) -> Result<(), String> {
    let Some(segment) = segment else { return Err("its segment was never touched".into()) };
    let (from, to) = (place.offset, place.offset + FRAME_HEADER as u64 + place.len);
    let touching: Vec<&Write> =
        segment.writes.iter().filter(|write| write.from < to && from < write.to).collect();
    let mut reached = from;
    for write in &touching {
        let covered = if write.through { write.ended < by } else { segment.synced(write.ended, by) };
        if !covered {
            return Err(format!("no sync covers the write of {}..{}", write.from, write.to));
        }
        checked.writes += 1;
        checked.through += u64::from(write.through);
        if write.from <= reached {
            reached = reached.max(write.to);
        }
    }
    if reached < to {
        return Err(format!("its bytes {reached}..{to} were never written"));
    }
    let Some(named) = segment.named else { return Err("its segment was never given its name".into()) };
    match dir {
        Some(dir) if dir.synced(named, by) => {}
        _ => return Err("its directory was not synced after the segment was named".into()),
    }
    checked.receipts += 1;
    Ok(())
}
