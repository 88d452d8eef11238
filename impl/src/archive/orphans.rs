//! Orphans: files on drives that the manifest does not name there. A crash leaves some, and the next open removes them;
//! but only where it is proved that nothing hangs on them.

use truelog_env::OpenMode;

use super::block::{BlockHeader, Kind, read_bytes};
use super::opening::names;
use super::run::{RunEntry, RunHeader};
use super::shelf::Shelf;
use crate::home::Home;
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo};
use crate::names::Name;

/// A file on a drive that is no part of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The drive.
    pub drive: DriveNo,
    /// What it is called there.
    pub name: Name,
    /// Its length, in bytes.
    pub bytes: u64,
    /// Why the next open leaves it where it is; nothing where the next open removes it.
    pub kept: Option<Kept>,
}

/// Why a file that the manifest does not name on a drive is not removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Kept {
    /// Its drive does not serve, or cannot be written to.
    #[error("its drive does not serve, or is read-only")]
    DriveOut,
    /// The manifest names the run elsewhere, on drives that do not serve.
    #[error("no drive that serves has a copy of this run")]
    LastCopy,
    /// It has records behind the log's last one: the log was rolled back.
    #[error("it has records up to LSN {0}, which the log does not have")]
    Beyond(Lsn),
    /// It has records that were given up.
    #[error("it has some of the records {0}, which were given up")]
    GivenUp(LsnRange),
    /// Nobody knows which records it has.
    #[error("which records it has cannot be read")]
    Unreadable,
}

/// What the manifest and the segments have.
#[derive(Debug)]
pub(crate) struct Owned<'a> {
    pub(crate) runs: &'a [RunEntry],
    pub(crate) losses: &'a [LsnRange],
    /// The first record that was not trimmed.
    pub(crate) first: Lsn,
    /// The LSN behind the last record.
    pub(crate) next: Lsn,
}

/// The orphans on all drives that can be reached. Reads only. What a writer beside has in the making is one, too.
pub(crate) fn list(shelf: &Shelf, owned: &Owned<'_>) -> Vec<Orphan> {
    let writable: Vec<DriveNo> = shelf.writable().into_iter().map(|(entry, _)| entry.number).collect();
    let drives = shelf.states().into_iter().map(|state| state.entry.number);
    let listed = drives.filter_map(|drive| Some((drive, shelf.home(drive)?))).flat_map(|(drive, home)| {
        let names = names(&home).unwrap_or_default();
        let mut found = on_drive(&home, &names, drive, shelf, owned);
        if !writable.contains(&drive) {
            found.iter_mut().for_each(|orphan| orphan.kept = Some(Kept::DriveOut));
        }
        found
    });
    listed.collect()
}

/// The orphans among the names on one drive, as if it could be written to.
pub(super) fn on_drive(
    home: &Home,
    names: &[Name],
    drive: DriveNo,
    shelf: &Shelf,
    owned: &Owned<'_>,
) -> Vec<Orphan> {
    let named = |number: &RunNo| owned.runs.iter().find(|run| run.number == *number);
    let mut found = Vec::new();
    for &name in names {
        let kept = match name {
            Name::Run(number) => match named(&number) {
                Some(run) if run.copies.contains(drive) => continue,
                Some(run) if run.copies.iter().any(|other| shelf.serving().contains(other)) => None,
                Some(_) => Some(Kept::LastCopy),
                None => hangs_on(home, number, owned),
            },
            name if name.is_tmp() => None,
            _ => continue,
        };
        let bytes = home.env.fs.metadata(&home.path(name)).map_or(0, |metadata| metadata.len);
        found.push(Orphan { drive, name, bytes, kept });
    }
    found.sort_by_key(|orphan| orphan.name);
    found
}

/// What hangs on a run that the manifest does not name at all. The log has all records from the first to the last one, but
/// for those that were given up; so nothing hangs on a run that has no others.
fn hangs_on(home: &Home, number: RunNo, owned: &Owned<'_>) -> Option<Kept> {
    let Some(lsns) = lsns_of(home, number) else { return Some(Kept::Unreadable) };
    let kept = LsnRange::new(lsns.first.max(owned.first), lsns.last);
    let lost = owned.losses.iter().find(|loss| loss.first <= kept.last && kept.first <= loss.last);
    if lsns.last >= owned.next {
        Some(Kept::Beyond(lsns.last))
    } else {
        lost.map(|loss| Kept::GivenUp(*loss))
    }
}

/// The records of a run, as the headers of its blocks say.
fn lsns_of(home: &Home, number: RunNo) -> Option<LsnRange> {
    let file = home.open(Name::Run(number), OpenMode::READ).ok()?;
    let len = file.metadata().ok()?.len;
    let header = RunHeader::decode(&read_bytes(&*file, 0, home.block.into(), len).ok()?).ok()?;
    if header.log != home.log || header.run != number || header.block != home.block {
        return None;
    }
    let (mut offset, mut lsns) = (u64::from(home.block), None::<LsnRange>);
    for index in 0.. {
        let head = read_bytes(&*file, offset, home.block.into(), len).ok()?;
        let block = BlockHeader::decode(&head, &header.site(index, offset)).ok()?;
        if block.kind == Kind::Index {
            break;
        }
        let first = lsns.map_or(block.base, |lsns| lsns.first);
        lsns = Some(LsnRange::new(first, block.lsns().last));
        offset = offset.saturating_add(block.padded_len(home.block));
    }
    lsns
}
