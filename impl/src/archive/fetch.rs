//! Reading one block from whichever copy has it: bounded retries, and nobody is blamed for a race.

use std::time::Duration;

use truelog_env::{IoKind, OpenMode};

use super::block::{ArchiveBlock, read_bytes_into};
use super::drive::read_identity;
use super::entry::{DriveFault, Evidence};
use super::run::RunEntry;
use super::{Archive, Missed};
use crate::error::{Error, Reason};
use crate::home::Home;
use crate::lsn::{DriveNo, LsnRange};
use crate::names::Name;
use crate::read_buf::ReadBuf;

/// The waits before each retry. What is still wrong behind them is not a passing trouble.
pub(crate) const BACK_OFF: [Duration; 3] =
    [Duration::from_millis(1), Duration::from_millis(4), Duration::from_millis(16)];

/// A piece of a run.
#[derive(Debug, Clone, Copy)]
struct Piece {
    index: u32,
    offset: u64,
    len: u64,
    lsns: LsnRange,
}

/// A block, and the very bytes that it was read from.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) block: ArchiveBlock,
    pub(super) bytes: ReadBuf,
}

const fn is_missing(error: &Error) -> bool {
    matches!(error, Error::CorruptBlock { reason: Reason::Missing, .. })
}

/// What one try of one copy came to.
struct Trouble {
    fault: DriveFault,
    error: Error,
}

impl Archive {
    /// Reads block `index` of `run`, `len` bytes at `offset`, with the records `lsns`, from the best copy that
    /// `run.copies` names. The caller holds a snapshot.
    pub(super) fn fetch(
        &self,
        run: &RunEntry,
        index: u32,
        offset: u64,
        len: u64,
        lsns: LsnRange,
    ) -> Result<Found, Missed> {
        let piece = Piece { index, offset, len, lsns };
        let drives = self.shelf.lock().readable(run.copies);
        // Nobody knows what a drive has that cannot be looked at: only of all copies can damage be told.
        let mut all = drives.len() >= run.copies.iter().count();
        let (mut last, mut unread) = (None, None);
        for (drive, home, serves) in drives {
            match self.fetch_from(run, &piece, drive, &home, serves) {
                Ok(found) => return Ok(found),
                Err(Missed::Race) => return Err(Missed::Race),
                Err(Missed::Failed(error @ Error::Io { .. })) => unread = Some(error),
                Err(Missed::Failed(error)) => {
                    all &= !is_missing(&error) || read_identity(&self.home, &home.dir).is_ok();
                    last = Some(error);
                }
            }
        }
        let unavailable = || Error::Unavailable { run: run.number, lsns, drives: run.copies };
        Err(Missed::Failed(unread.or_else(|| last.filter(|_| all)).unwrap_or_else(unavailable)))
    }

    /// One read and, of a drive that serves, up to three more. One that fails all of them becomes suspect, unless what
    /// was looked for is not what the catalog names any more.
    fn fetch_from(
        &self,
        run: &RunEntry,
        piece: &Piece,
        drive: DriveNo,
        home: &Home,
        serves: bool,
    ) -> Result<Found, Missed> {
        let retries = if serves { &BACK_OFF[..] } else { &[] };
        let mut trouble = match self.read_once(run, piece, home) {
            Ok(found) => return Ok(found),
            Err(trouble) => trouble,
        };
        for wait in retries {
            self.check_no_race(run, drive)?;
            self.home.env.clock.sleep(*wait);
            match self.read_once(run, piece, home) {
                Ok(found) => return Ok(found),
                Err(again) => trouble = again,
            }
        }
        let generation = self.check_no_race(run, drive)?;
        if serves {
            let evidence = Evidence {
                fault: trouble.fault,
                run: run.number,
                offset: piece.offset,
                tries: u16::try_from(1 + retries.len()).unwrap_or(u16::MAX),
                generation,
                at: self.home.env.clock.wall().as_secs(),
            };
            self.suspect(drive, evidence);
        }
        Err(Missed::Failed(trouble.error))
    }

    /// Whether the catalog still names this very run, and this drive for it; if so, its generation.
    fn check_no_race(&self, run: &RunEntry, drive: DriveNo) -> Result<u64, Missed> {
        let catalog = self.catalog.lock();
        let same = |now: &&RunEntry| (now.number, now.generation) == (run.number, run.generation);
        let named = catalog.runs().iter().find(same).is_some_and(|now| now.copies.contains(drive));
        if named { Ok(catalog.generation()) } else { Err(Missed::Race) }
    }

    fn read_once(&self, run: &RunEntry, piece: &Piece, home: &Home) -> Result<Found, Trouble> {
        let &Piece { index, offset, len, lsns } = piece;
        let path = home.path(Name::Run(run.number));
        let corrupt = |reason| Error::CorruptBlock { run: run.number, offset, lsns, reason };
        let file = home.env.fs.open(&path, OpenMode::READ).map_err(|source| match source.kind {
            IoKind::NotFound => Trouble { fault: DriveFault::Missing, error: corrupt(Reason::Missing) },
            _ => Trouble { fault: DriveFault::Read, error: Error::io(&path, source) },
        })?;
        let site = run.header(self.home.log, self.home.block).site(index, offset);
        let bytes = read_bytes_into(self.spares.take_read(), &*file, offset, len, run.len)
            .map_err(|source| Trouble { fault: DriveFault::Read, error: Error::io(&path, source) })?;
        let block = ArchiveBlock::decode_into(self.spares.take(), &bytes, &site)
            .map_err(|reason| Trouble { fault: DriveFault::Mismatch, error: corrupt(reason) })?;
        Ok(Found { block, bytes })
    }
}
