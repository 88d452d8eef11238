//! `truelog dump`: what is in one segment, or one run of the archive, byte range by byte range, judged by checksums alone.
//!
//! It needs no log around the file, and says nothing about what should be in it: that is `verify`'s part.

mod run;

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use serde::Serialize;
use truelog::format::{BATCH_HEADER, Batch, BatchHeader, RUN_MAGIC, SEGMENT_MAGIC, SegmentHeader, damaged};
use truelog::{Name, Reason};

use crate::args::Dump;
use crate::failure::Failure;
use crate::output;

/// The most that a block can be: enough to read any header.
const LARGEST_BLOCK: usize = 65_536;

/// One byte range of the file.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Range {
    Header {
        log: String,
        segment: u64,
        salt: u64,
        capacity: u64,
        block_size: u32,
    },
    Batch {
        offset: u64,
        end: u64,
        first_lsn: u64,
        records: u32,
        len: u32,
        watermark: u64,
        chain: u64,
        prev_segment: u64,
        prev_end: u64,
        checksum: &'static str,
    },
    StreamTable {
        offset: u64,
        streams: u64,
    },
    Frame {
        offset: u64,
        lsn: u64,
        stream: u64,
        seq: u64,
        len: usize,
        checksum: &'static str,
    },
    Zeros {
        offset: u64,
        end: u64,
    },
    /// A batch of the segment that the file was before.
    Former {
        offset: u64,
        end: u64,
        segment: u64,
    },
    Invalid {
        offset: u64,
        end: u64,
        reason: String,
    },
    /// What comes of all of it.
    Verdict {
        verdict: &'static str,
        invalid_before_a_batch: u64,
        invalid_behind_the_last: u64,
    },
}

impl Range {
    /// As one line of text.
    fn text(&self) -> String {
        match self {
            Self::Header { log, segment, salt, capacity, block_size } => format!(
                "{:>12}  header    log {log} segment {segment} salt {salt:016x} capacity {capacity} block {block_size}",
                0
            ),
            Self::Batch { offset, end, first_lsn, records: 0, watermark, .. } => format!(
                "{offset:>12}  idle mark to {end}: next LSN {first_lsn}, durable before {watermark}, checksum ok"
            ),
            Self::Batch {
                offset, end, first_lsn, records, len, watermark, prev_segment, prev_end, ..
            } => {
                let last = first_lsn + u64::from(*records) - 1;
                let behind = match prev_segment {
                    0 => String::new(),
                    segment => format!(", continues segment {segment} at {prev_end}"),
                };
                format!(
                    "{offset:>12}  batch     to {end}: LSNs {first_lsn}..={last}, {len} bytes, durable before \
                     {watermark}{behind}, checksum ok"
                )
            }
            Self::StreamTable { offset, streams } => format!("{offset:>12}    table   {streams} streams"),
            Self::Frame { offset, lsn, stream, seq, len, .. } => {
                format!(
                    "{offset:>12}    frame   LSN {lsn} stream {stream} seq {seq}: {len} bytes, checksum ok"
                )
            }
            Self::Zeros { offset, end } => format!("{offset:>12}  zeros     to {end}"),
            Self::Former { offset, end, segment } => {
                format!("{offset:>12}  former    to {end}: of segment {segment}, whose file this was")
            }
            Self::Invalid { offset, end, reason } => {
                format!("{offset:>12}  INVALID   to {end}: {reason}")
            }
            Self::Verdict { verdict, .. } => format!("verdict: {verdict}"),
        }
    }
}

/// Where ranges are printed.
struct Printer<'a> {
    out: &'a mut dyn Write,
    json: bool,
    /// A run of blocks without a batch, held back until it ends.
    held: Option<Range>,
    /// Invalid bytes with a valid batch behind them: they were whole once.
    damaged: u64,
    /// Invalid bytes since the last valid batch.
    open: u64,
}

impl Printer<'_> {
    fn print(&mut self, range: &Range) -> Result<(), Failure> {
        if let Some(held) = self.held.take() {
            self.show(&held)?;
        }
        if matches!(range, Range::Batch { .. }) {
            self.damaged += std::mem::take(&mut self.open);
        }
        self.show(range)
    }

    fn show(&mut self, range: &Range) -> Result<(), Failure> {
        if self.json { output::json(self.out, range) } else { output::line(self.out, &range.text()) }
    }

    /// A block that is no part of a valid batch; `reason` is `None` when it is all zeros.
    fn skip(&mut self, from: u64, to: u64, reason: Option<Reason>) -> Result<(), Failure> {
        if reason.is_some() {
            self.open += to - from;
        }
        let next = match reason {
            None => Range::Zeros { offset: from, end: to },
            Some(reason) => Range::Invalid { offset: from, end: to, reason: reason.to_string() },
        };
        self.held = match (self.held.take(), next) {
            (Some(Range::Zeros { offset, .. }), Range::Zeros { end, .. }) => {
                Some(Range::Zeros { offset, end })
            }
            (Some(Range::Invalid { offset, reason: before, .. }), Range::Invalid { end, reason, .. })
                if before == reason =>
            {
                Some(Range::Invalid { offset, end, reason })
            }
            (before, next) => {
                if let Some(before) = before {
                    self.show(&before)?;
                }
                Some(next)
            }
        };
        Ok(())
    }
}

/// Runs it.
///
/// # Errors
/// The file cannot be read, is neither a segment nor a run, its header is damaged, it is damaged before a valid batch, or
/// bytes behind the last one leave it open whether that is damage.
pub(crate) fn run(args: &Dump, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let path = &args.file;
    let unreadable = |source| Failure::File { path: path.clone(), source };
    // A pipe would be waited for.
    let file =
        File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(unreadable)?;
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(Failure::NoSegment { path: path.clone() });
    }
    let len = found.len();
    let mut bytes = Vec::new();
    read(&file, &mut bytes, 0, LARGEST_BLOCK.min(usize::try_from(len).unwrap_or(LARGEST_BLOCK)))
        .map_err(unreadable)?;
    if bytes.starts_with(&RUN_MAGIC) {
        return run::run(path, &file, len, &bytes, json, out);
    }
    if !bytes.starts_with(&SEGMENT_MAGIC) && !has_name(path) {
        return Err(Failure::NoSegment { path: path.clone() });
    }
    let header = SegmentHeader::decode(&bytes)
        .map_err(|reason| Failure::Log { path: path.clone(), source: damaged(path.clone(), 0, reason) })?;
    let mut printer = Printer { out, json, held: None, damaged: 0, open: 0 };
    printer.print(&Range::Header {
        log: header.log.to_string(),
        segment: header.segment.get(),
        salt: header.salt,
        capacity: header.capacity,
        block_size: header.block,
    })?;
    let block = u64::from(header.block);
    let mut offset = block;
    while offset < len {
        offset =
            step(&file, &mut bytes, &header, offset, len, &mut printer).map_err(|error| match error {
                Stopped::Read(source) => unreadable(source),
                Stopped::Print(failure) => failure,
            })?;
    }
    if let Some(held) = printer.held.take() {
        printer.show(&held)?;
    }
    let (damaged, open) = (printer.damaged, printer.open);
    let verdict = match (damaged, open) {
        (0, 0) => "whole",
        (0, _) => "torn or damaged behind the last valid batch: this file alone does not tell which",
        _ => "damaged",
    };
    printer.show(&Range::Verdict {
        verdict,
        invalid_before_a_batch: damaged,
        invalid_behind_the_last: open,
    })?;
    output::flush(printer.out)?;
    judge(path, damaged, open)
}

/// Whether a file has the name of a segment or a run: then what it begins with is damage.
fn has_name(path: &Path) -> bool {
    use Name::{Quarantined, QuarantinedRun, Run, RunTmp, Segment, SegmentTmp};
    let name = path.file_name().and_then(Name::parse);
    name.is_some_and(|name| {
        matches!(name, Segment(_) | SegmentTmp(_) | Quarantined(_) | Run(_) | RunTmp(_) | QuarantinedRun(_))
    })
}

/// Bytes before a valid batch were whole once. Those behind the last one may never have been acknowledged, which only the
/// log around the file knows.
fn judge(path: &Path, damaged: u64, open: u64) -> Result<(), Failure> {
    if damaged > 0 {
        let what = format!("{} stand before a valid batch and are not valid", output::count(damaged, "byte"));
        return Err(Failure::Violated { dir: path.to_owned(), what });
    }
    if open > 0 {
        let what = format!(
            "{} behind the last valid batch are a torn tail or damage: `truelog verify` of the log tells which",
            output::count(open, "byte")
        );
        return Err(Failure::Incomplete { path: path.to_owned(), what });
    }
    Ok(())
}

/// Why a step did not end.
enum Stopped {
    Read(io::Error),
    Print(Failure),
}

/// Prints what is at `offset`, and returns where the next thing may be.
fn step(
    file: &File,
    bytes: &mut Vec<u8>,
    header: &SegmentHeader,
    offset: u64,
    len: u64,
    printer: &mut Printer<'_>,
) -> Result<u64, Stopped> {
    let left = usize::try_from(len - offset).unwrap_or(usize::MAX);
    let block = usize::try_from(header.block).unwrap_or(LARGEST_BLOCK);
    read(file, bytes, offset, block.min(left)).map_err(Stopped::Read)?;
    let zeros = bytes.iter().all(|&byte| byte == 0);
    let here = offset + bytes.len() as u64;
    let site = header.site(offset);
    let batch = match BatchHeader::decode(bytes, &site) {
        Err(_) if zeros => return printer.skip(offset, here, None).map_err(Stopped::Print).map(|()| here),
        Err(reason) => {
            if let Some(former) = BatchHeader::decode_former(bytes, &site) {
                read(file, bytes, offset, whole(&former).min(left)).map_err(Stopped::Read)?;
                if Batch::decode(bytes, &former.site).is_ok() {
                    let (end, segment) = (former.end(header.block), former.site.segment.get());
                    let range = Range::Former { offset, end, segment };
                    return printer.print(&range).map_err(Stopped::Print).map(|()| end);
                }
            }
            return printer.skip(offset, here, Some(reason)).map_err(Stopped::Print).map(|()| here);
        }
        Ok(found) => {
            read(file, bytes, offset, whole(&found).min(left)).map_err(Stopped::Read)?;
            Batch::decode(bytes, &site)
        }
    };
    match batch {
        Err(reason) => printer.skip(offset, here, Some(reason)).map_err(Stopped::Print).map(|()| here),
        Ok(batch) => {
            print_batch(&batch, header.block, printer).map_err(Stopped::Print)?;
            Ok(batch.header.end(header.block))
        }
    }
}

/// The length of a batch, without padding, in bytes.
fn whole(header: &BatchHeader) -> usize {
    BATCH_HEADER + usize::try_from(header.len).unwrap_or(usize::MAX - BATCH_HEADER)
}

fn print_batch(batch: &Batch<'_>, block: u32, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let header = &batch.header;
    let offset = header.site.offset;
    printer.print(&Range::Batch {
        offset,
        end: header.end(block),
        first_lsn: header.base.get(),
        records: header.count,
        len: header.len,
        watermark: header.watermark.get(),
        chain: header.chain,
        prev_segment: header.prev_segment.get(),
        prev_end: header.prev_end,
        checksum: "ok",
    })?;
    if let Some(streams) = batch.streams() {
        printer.print(&Range::StreamTable {
            offset: offset + BATCH_HEADER as u64,
            streams: streams.count() as u64,
        })?;
    }
    for frame in batch.records() {
        printer.print(&Range::Frame {
            offset: offset + u64::from(frame.offset),
            lsn: frame.lsn.get(),
            stream: frame.stream.get(),
            seq: frame.seq.get(),
            len: frame.payload.len(),
            checksum: "ok",
        })?;
    }
    Ok(())
}

/// Makes `bytes` the `len` bytes at `offset`.
fn read(file: &File, bytes: &mut Vec<u8>, offset: u64, len: usize) -> io::Result<()> {
    bytes.resize(len, 0);
    file.read_exact_at(bytes, offset)
}
