//! What is in one run of the archive: header, blocks, index, judged by checksums alone.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use truelog::Reason;
use truelog::format::{ArchiveBlock, BlockHeader, BlockKind, RunHeader, RunIndex, damaged};

use super::read;
use crate::failure::Failure;
use crate::output;

/// One byte range of a run.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Range {
    RunHeader {
        log: String,
        run: u64,
        salt: u64,
        generation: u64,
        block_size: u32,
    },
    Block {
        offset: u64,
        end: u64,
        index: u32,
        first_lsn: u64,
        last_lsn: u64,
        generation: u64,
        packed: bool,
        stored: u32,
        raw: u32,
        checksum: &'static str,
    },
    Index {
        offset: u64,
        end: u64,
        first_lsn: u64,
        last_lsn: u64,
        generation: u64,
        blocks: u32,
        checksum: &'static str,
    },
    Invalid {
        offset: u64,
        end: u64,
        reason: String,
    },
}

impl Range {
    /// As one line of text.
    fn text(&self) -> String {
        match self {
            Self::RunHeader { log, run, salt, generation, block_size } => format!(
                "{:>12}  header    log {log} run {run} salt {salt:016x} generation {generation} block {block_size}",
                0
            ),
            Self::Block {
                offset, end, index, first_lsn, last_lsn, generation, packed, stored, raw, ..
            } => {
                let how = if *packed { "packed into" } else { "as they are," };
                format!(
                    "{offset:>12}  block     {index} to {end}: LSNs {first_lsn}..={last_lsn}, generation \
                     {generation}, {raw} bytes {how} {stored}, checksum ok"
                )
            }
            Self::Index { offset, end, first_lsn, last_lsn, generation, blocks, .. } => format!(
                "{offset:>12}  index     to {end}: LSNs {first_lsn}..={last_lsn} in {blocks} blocks, generation \
                 {generation}, checksum ok"
            ),
            Self::Invalid { offset, end, reason } => {
                format!("{offset:>12}  INVALID   to {end}: {reason}")
            }
        }
    }
}

/// Where ranges are printed.
struct Printer<'a> {
    out: &'a mut dyn Write,
    json: bool,
    /// Invalid bytes that are held back until they end: where they begin, where they end so far, and why.
    held: Option<(u64, u64, Reason)>,
    damaged: u64,
    /// The position that the next block should have.
    due: u32,
    /// The index was found, and it is whole.
    indexed: bool,
}

impl Printer<'_> {
    fn print(&mut self, range: &Range) -> Result<(), Failure> {
        self.let_go()?;
        if self.json { output::json(self.out, range) } else { output::line(self.out, &range.text()) }
    }

    fn let_go(&mut self) -> Result<(), Failure> {
        let Some((offset, end, reason)) = self.held.take() else { return Ok(()) };
        self.print(&Range::Invalid { offset, end, reason: reason.to_string() })
    }

    /// A block that is not valid. In a run, which never changes, that is always damage.
    fn skip(&mut self, from: u64, to: u64, reason: Reason) {
        self.damaged += to - from;
        self.held = match self.held.take() {
            // What follows a broken header block by block begins as nothing does: it belongs to the same damage.
            Some((offset, _, before)) => Some((offset, to, before)),
            None => Some((from, to, reason)),
        };
    }
}

/// Prints the run in `file`, which has `len` bytes and begins with `first`.
///
/// # Errors
/// The file cannot be read, or is damaged anywhere.
pub(super) fn run(
    path: &Path,
    file: &File,
    len: u64,
    first: &[u8],
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let header = RunHeader::decode(first).map_err(|reason| Failure::Log {
        path: path.to_owned(),
        source: damaged(path.to_owned(), 0, reason),
    })?;
    let mut printer = Printer { out, json, held: None, damaged: 0, due: 0, indexed: false };
    printer.print(&Range::RunHeader {
        log: header.log.to_string(),
        run: header.run.get(),
        salt: header.salt,
        generation: header.generation,
        block_size: header.block,
    })?;
    let mut offset = u64::from(header.block);
    let mut bytes = Vec::new();
    while offset < len {
        offset = step(path, file, &mut bytes, &header, offset, len, &mut printer)?;
    }
    printer.let_go()?;
    output::flush(printer.out)?;
    let what = match (printer.damaged, printer.indexed) {
        (0, true) => return Ok(()),
        (0, false) => "the run ends before its index".to_owned(),
        (damaged, _) => format!("{} of the run are not valid", output::count(damaged, "byte")),
    };
    Err(Failure::Violated { dir: path.to_owned(), what })
}

/// Prints what is at `offset`, and returns where the next thing may be.
fn step(
    path: &Path,
    file: &File,
    bytes: &mut Vec<u8>,
    header: &RunHeader,
    offset: u64,
    len: u64,
    printer: &mut Printer<'_>,
) -> Result<u64, Failure> {
    let unreadable = |source| Failure::File { path: path.to_owned(), source };
    let left = len - offset;
    let short = |wanted: u64| usize::try_from(wanted.min(left)).unwrap_or(usize::MAX);
    read(file, bytes, offset, short(header.block.into())).map_err(unreadable)?;
    let here = offset + bytes.len() as u64;
    // A block behind damage says itself which one it is; which comes next is known until then.
    let site = |found: &BlockHeader| header.site(found.site.index, offset);
    let found = BlockHeader::parse(bytes).and_then(|found| BlockHeader::decode(bytes, &site(&found)));
    let block = match found {
        Ok(found) => {
            read(file, bytes, offset, short(found.padded_len(header.block))).map_err(unreadable)?;
            ArchiveBlock::decode(bytes, &site(&found))
        }
        Err(reason) => Err(reason),
    };
    let out_of_place = |block: &ArchiveBlock| block.header.site.index < printer.due;
    match block {
        Ok(block) if !out_of_place(&block) => {
            let end = offset.saturating_add(block.header.padded_len(header.block));
            show(&block, header, end, printer)?;
            Ok(end)
        }
        Ok(_) => {
            printer.skip(offset, here, Reason::Field("index"));
            Ok(here)
        }
        Err(reason) => {
            printer.skip(offset, here, reason);
            Ok(here)
        }
    }
}

fn show(
    block: &ArchiveBlock,
    header: &RunHeader,
    end: u64,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let BlockHeader { site, kind, raw, stored, .. } = block.header;
    let offset = site.offset;
    printer.due = site.index.saturating_add(1);
    if kind != BlockKind::Index {
        let lsns = block.header.lsns();
        return printer.print(&Range::Block {
            offset,
            end,
            index: site.index,
            first_lsn: lsns.first.get(),
            last_lsn: lsns.last.get(),
            generation: site.generation,
            packed: kind == BlockKind::Compressed,
            stored,
            raw,
            checksum: "ok",
        });
    }
    match RunIndex::unnamed(block, header) {
        Ok((entry, _)) => {
            printer.indexed = true;
            printer.print(&Range::Index {
                offset,
                end,
                first_lsn: entry.lsns.first.get(),
                last_lsn: entry.lsns.last.get(),
                generation: site.generation,
                blocks: entry.blocks,
                checksum: "ok",
            })
        }
        Err(reason) => {
            printer.skip(offset, end, reason);
            Ok(())
        }
    }
}
