//! Making one run: read records, write their blocks to every chosen drive, make each copy durable under its name, read
//! it back, and publish. One bounded step at a time.
//!
//! Nothing that this writes is of any consequence before it is published, and nothing is removed here. What does not
//! succeed before that is taken back; a publication that failed may have persisted, so that behind it nothing is.

use std::collections::VecDeque;

use truelog_env::{File, IoKind, OpenMode};

use super::check::check_copy;
use super::entry::{DriveFault, Evidence};
use super::plan::Planned;
use super::run::{RunBuilder, RunEntry, RunHeader};
use super::set::DriveSet;
use crate::codec::as_u64;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::home::{Home, write_all_at};
use crate::lsn::{DriveNo, RunNo};
use crate::names::Name;
use crate::reader::Cursor;
use crate::types::Entry;

/// What was written is synced whenever so much has gathered, so that no sync takes long.
const SYNC_EVERY: u64 = 8 << 20;

/// A copy that is being written.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) drive: DriveNo,
    pub(super) home: Home,
    file: Box<dyn File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Blocks are written.
    Build,
    /// The copy on output `at` is made durable under its name.
    Sync { at: usize },
    /// Block `block` of the copy on output `at` is read back.
    Verify { at: usize, block: usize },
    /// All copies are good.
    Good,
}

/// A run in the making.
#[derive(Debug)]
pub(crate) struct Job {
    planned: Planned,
    header: RunHeader,
    builder: RunBuilder,
    /// The run as the manifest will name it, once all of it is written.
    entry: Option<RunEntry>,
    cursor: Cursor,
    read: VecDeque<Entry>,
    outputs: Vec<Output>,
    stage: Stage,
    unsynced: u64,
}

/// Why a job cannot go on.
#[derive(Debug)]
pub(crate) enum Setback {
    /// A drive did not do what it was asked to, for a run.
    Drive(DriveNo, RunNo, Error),
    /// What was worked on is gone, by a trim or by a run that has replaced it: there is nothing to do, and nothing is
    /// wrong.
    Moot,
    /// Something else.
    Log(Error),
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        Self::Log(error)
    }
}

/// What a step of a job came to, with the bytes that it moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// There is more to do.
    More(u64),
    /// The run is durable on each of its drives, and was read back: it may be published.
    Good(RunEntry),
}

impl Job {
    /// Begins a run on the given drives: creates its files, under temporary names.
    pub(crate) fn begin(
        engine: &Engine,
        planned: Planned,
        header: RunHeader,
        drives: Vec<(DriveNo, Home)>,
    ) -> std::result::Result<Self, Setback> {
        let builder = RunBuilder::new(header, planned.lsns.first);
        let mut job = Self {
            planned,
            header,
            builder,
            entry: None,
            cursor: Cursor::default(),
            read: VecDeque::new(),
            outputs: Vec::new(),
            stage: Stage::Build,
            unsynced: 0,
        };
        for (drive, home) in drives {
            let begun = home
                .open(Name::RunTmp(header.run), OpenMode::CREATE)
                .map(|file| job.outputs.push(Output { drive, home, file }));
            if let Err(error) = begun.and_then(|()| job.write(0, &header.encode(), job.outputs.len() - 1)) {
                job.abandon(engine);
                return Err(Setback::Drive(drive, header.run, error));
            }
        }
        Ok(job)
    }

    pub(crate) const fn planned(&self) -> &Planned {
        &self.planned
    }

    /// The drives that it is made on.
    pub(crate) fn copies(&self) -> DriveSet {
        self.outputs.iter().map(|output| output.drive).collect()
    }

    /// Does the next piece of work.
    pub(crate) fn step(&mut self, engine: &Engine) -> std::result::Result<Made, Setback> {
        match self.stage {
            Stage::Build => self.build(engine),
            Stage::Sync { at } => self.publish_name(at),
            Stage::Verify { at, block } => self.verify(at, block),
            Stage::Good => self.good(),
        }
    }

    fn good(&self) -> std::result::Result<Made, Setback> {
        let entry = self.entry.ok_or(Setback::Log(Error::Closed))?;
        Ok(Made::Good(entry))
    }

    /// Fills one block and writes it; behind the last, the index.
    fn build(&mut self, engine: &Engine) -> std::result::Result<Made, Setback> {
        let target = usize::try_from(engine.options.archive_block_bytes).unwrap_or(usize::MAX);
        let last = self.planned.lsns.last;
        while self.builder.pending() < target && self.builder.due() <= last {
            if self.read.is_empty() {
                let filled = engine.reader.fill(&mut self.cursor, self.builder.due(), &mut self.read);
                filled.map_err(|error| match error {
                    // A trim came in between: what is left is planned anew.
                    Error::Trimmed { .. } => Setback::Moot,
                    error => Setback::Log(error),
                })?;
            }
            let Some(entry) = self.read.pop_front() else { break };
            if !self.builder.push(&entry) {
                return Err(Setback::Log(Error::Absent { lsn: self.builder.due(), next: entry.lsn }));
            }
        }
        let mut moved = 0;
        if let Some((offset, bytes)) = self.builder.seal() {
            moved = as_u64(bytes.len());
            write_to(&self.outputs, self.header.run, offset, bytes)?;
        }
        self.unsynced += moved;
        if self.builder.due() > last {
            let (entry, bytes) = self.builder.finish(self.copies());
            write_to(&self.outputs, self.header.run, entry.index_at, &bytes)?;
            self.entry = Some(entry);
            self.stage = Stage::Sync { at: 0 };
        } else if self.unsynced >= SYNC_EVERY {
            self.unsynced = 0;
            for output in &self.outputs {
                output.file.sync_data().map_err(|source| self.failed(output, source))?;
            }
        }
        Ok(Made::More(moved))
    }

    fn failed(&self, output: &Output, source: truelog_env::IoError) -> Setback {
        let path = output.home.path(Name::RunTmp(self.header.run));
        Setback::Drive(output.drive, self.header.run, Error::io(path, source))
    }

    /// Makes a copy durable, then its name.
    fn publish_name(&mut self, at: usize) -> std::result::Result<Made, Setback> {
        let run = self.header.run;
        let Some(output) = self.outputs.get(at) else {
            self.stage = Stage::Verify { at: 0, block: 0 };
            return Ok(Made::More(0));
        };
        output.file.sync_all().map_err(|source| self.failed(output, source))?;
        let named =
            output.home.rename(Name::RunTmp(run), Name::Run(run)).and_then(|()| output.home.sync_dir());
        named.map_err(|error| Setback::Drive(output.drive, run, error))?;
        self.stage = Stage::Sync { at: at + 1 };
        Ok(Made::More(0))
    }

    /// Reads a block of a copy back.
    fn verify(&mut self, at: usize, block: usize) -> std::result::Result<Made, Setback> {
        let (Some(output), Some(entry)) = (self.outputs.get(at), self.entry) else {
            self.stage = Stage::Good;
            return Ok(Made::More(0));
        };
        let Some(row) = self.builder.rows().get(block).copied().or(entry.index_row(block)) else {
            self.stage = Stage::Verify { at: at + 1, block: 0 };
            return Ok(Made::More(0));
        };
        let position = u32::try_from(block).unwrap_or(u32::MAX);
        check_copy(&output.home, &self.header, position, &row)
            .map_err(|error| Setback::Drive(output.drive, self.header.run, error))?;
        self.stage = Stage::Verify { at, block: block + 1 };
        Ok(Made::More(u64::from(row.len)))
    }

    fn write(&self, offset: u64, bytes: &[u8], at: usize) -> Result<()> {
        let Some(output) = self.outputs.get(at) else { return Ok(()) };
        let path = output.home.path(Name::RunTmp(self.header.run));
        write_all_at(&*output.file, bytes, offset).map_err(|source| Error::io(path, source))
    }

    /// Takes back what was written. Nobody was ever told of it; what cannot be removed is removed by the next open.
    pub(crate) fn abandon(self, engine: &Engine) {
        let run = self.header.run;
        for output in &self.outputs {
            for name in [Name::RunTmp(run), Name::Run(run)] {
                if output.home.unlink(name).is_ok() {
                    engine.home.emit(&crate::event::Event::Removed { name: name.to_string() });
                }
            }
        }
    }
}

fn write_to(outputs: &[Output], run: RunNo, offset: u64, bytes: &[u8]) -> std::result::Result<(), Setback> {
    outputs.iter().try_for_each(|output| {
        write_all_at(&*output.file, bytes, offset).map_err(|source| {
            Setback::Drive(output.drive, run, Error::io(output.home.path(Name::RunTmp(run)), source))
        })
    })
}

/// The evidence for a drive that failed while something was written to it or read back. `None` where only its space
/// has run out.
pub(super) fn write_evidence(engine: &Engine, run: RunNo, error: &Error) -> Option<Evidence> {
    let fault = match error {
        Error::Io { source, .. } if source.kind == IoKind::NoSpace => return None,
        Error::CorruptBlock { .. } | Error::CorruptFile { .. } => DriveFault::Mismatch,
        _ => DriveFault::Write,
    };
    let offset = if let Error::CorruptBlock { offset, .. } = error { *offset } else { 0 };
    let generation = engine.catalog.lock().generation();
    let at = engine.home.env.clock.wall().as_secs();
    Some(Evidence { fault, run, offset, tries: 1, generation, at })
}
