//! Checking the copies of a run, without a word about the drives: what a scrub and a verification have in common.

use truelog_env::{IoKind, OpenMode};

use super::Archive;
use super::block::{ArchiveBlock, read_bytes};
use super::entry::DriveFault;
use super::run::{IndexRow, RunEntry, RunHeader, RunIndex};
use super::scrub::{BadCopy, CopyOutcome};
use crate::catalog::Damage;
use crate::codec::as_u64;
use crate::error::{Error, Reason, Result};
use crate::home::Home;
use crate::lsn::{DriveNo, LsnRange};
use crate::names::Name;
use crate::read_back::read_back;

/// What all copies of a run were found to be.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// How many copies were read.
    pub(crate) copies: u64,
    /// The drives that cannot be reached.
    pub(crate) unreachable: Vec<DriveNo>,
    /// The damaged copies, each at its first bad block.
    pub(crate) bad: Vec<BadCopy>,
    /// Records that no copy has whole, as far as can be seen: where a copy cannot be reached, the error says so.
    pub(crate) damage: Vec<Damage>,
    /// How many of the asked records are whole, those not counted that were given up.
    pub(crate) records: u64,
    /// How many bytes their payloads have.
    pub(crate) payload_bytes: u64,
}

impl Archive {
    /// Reads one block of one copy, once, and with the first block the run's header.
    pub(super) fn check_block(
        &self,
        home: &Home,
        run: &RunEntry,
        position: u32,
        row: &IndexRow,
    ) -> std::result::Result<ArchiveBlock, DriveFault> {
        let file = home.env.fs.open(&home.path(Name::Run(run.number)), OpenMode::READ).map_err(|error| {
            if error.kind == IoKind::NotFound { DriveFault::Missing } else { DriveFault::Read }
        })?;
        let bytes =
            read_bytes(&*file, row.offset, u64::from(row.len), run.len).map_err(|_| DriveFault::Read)?;
        let header = run.header(self.home.log, self.home.block);
        if position == 0 {
            let block = u64::from(header.block);
            let first = read_bytes(&*file, 0, block, block).map_err(|_| DriveFault::Read)?;
            header.check(&first).map_err(|_| DriveFault::Mismatch)?;
        }
        let site = header.site(position, row.offset);
        ArchiveBlock::decode(&bytes, &site).map_err(|_| DriveFault::Mismatch)
    }

    /// Reads all copies of a run, every block of which something was not given up, and counts those of the records `asked`
    /// that are whole.
    pub(crate) fn check(&self, run: &RunEntry, asked: LsnRange) -> Checked {
        let mut checked = Checked::default();
        if self.catalog.lock().is_given_up(run.lsns) {
            return checked;
        }
        let losses = self.catalog.lock().losses.clone();
        let counts = |lsn| asked.contains(lsn) && !losses.iter().any(|loss| loss.contains(lsn));
        let mut homes = Vec::new();
        for drive in run.copies.iter() {
            // One that is out may be another's, or of another time: what it holds is not this log's to judge.
            match self.shelf.lock().reachable(drive) {
                Some(home) => homes.push((drive, home)),
                None => checked.unreachable.push(drive),
            }
        }
        checked.copies = as_u64(homes.len());
        let Some(index) = self.check_index(run, &homes, &mut checked) else { return checked };
        for (position, row) in (0..).zip(index.rows()) {
            if self.catalog.lock().is_given_up(row.lsns()) {
                continue;
            }
            let mut whole = None;
            let mut last = DriveFault::Missing;
            for (drive, home) in &homes {
                match self.check_block(home, run, position, row) {
                    Ok(block) => whole = whole.or(Some(block)),
                    Err(fault) => {
                        last = fault;
                        bad(&mut checked, *drive, run, row.offset, fault);
                    }
                }
            }
            match whole {
                Some(block) => {
                    for frame in block.records().filter(|frame| counts(frame.lsn)) {
                        checked.records += 1;
                        checked.payload_bytes += as_u64(frame.payload.len());
                    }
                }
                None => checked.damage.push(damage(
                    run,
                    row.offset,
                    row.lsns(),
                    last,
                    !checked.unreachable.is_empty(),
                )),
            }
        }
        checked
    }

    /// The index, from any copy; each copy's is read. Without one nothing else can be found.
    fn check_index(
        &self,
        run: &RunEntry,
        homes: &[(DriveNo, Home)],
        checked: &mut Checked,
    ) -> Option<RunIndex> {
        let position = usize::try_from(run.blocks).unwrap_or(usize::MAX);
        let row = run.index_row(position)?;
        let mut index = None;
        let mut last = DriveFault::Missing;
        for (drive, home) in homes {
            let found = self.check_block(home, run, run.blocks, &row).and_then(|block| {
                RunIndex::decode(&block, run, self.home.block).map_err(|_| DriveFault::Mismatch)
            });
            match found {
                Ok(found) => index = index.or(Some(found)),
                Err(fault) => {
                    last = fault;
                    bad(checked, *drive, run, row.offset, fault);
                }
            }
        }
        if index.is_none() {
            checked.damage.push(damage(run, row.offset, run.lsns, last, !checked.unreachable.is_empty()));
        }
        index
    }
}

fn bad(checked: &mut Checked, drive: DriveNo, run: &RunEntry, offset: u64, fault: DriveFault) {
    if !checked.bad.iter().any(|bad| bad.drive == drive) {
        checked.bad.push(BadCopy { drive, run: run.number, offset, fault, outcome: CopyOutcome::Left });
    }
}

fn damage(run: &RunEntry, offset: u64, lsns: LsnRange, fault: DriveFault, unreachable: bool) -> Damage {
    let error = if unreachable {
        Error::Unavailable { run: run.number, lsns, drives: run.copies }
    } else {
        let reason = if fault == DriveFault::Missing { Reason::Missing } else { Reason::Checksum };
        Error::CorruptBlock { run: run.number, offset, lsns, reason }
    };
    Damage { lsns, error }
}

/// Reads a block of a copy that was just written back, through its name and past the page cache, and with the first one
/// the run's header.
pub(super) fn check_copy(home: &Home, header: &RunHeader, position: u32, row: &IndexRow) -> Result<()> {
    let name = Name::Run(header.run);
    let corrupt = |offset, reason| Error::CorruptBlock { run: header.run, offset, lsns: row.lsns(), reason };
    if position == 0 {
        let first = read_back(home, name, 0, header.block.into())?;
        header.check(&first).map_err(|reason| corrupt(0, reason))?;
    }
    let bytes = read_back(home, name, row.offset, row.len.into())?;
    let block = ArchiveBlock::decode(&bytes, &header.site(position, row.offset));
    block.map(|_| ()).map_err(|reason| corrupt(row.offset, reason))
}
