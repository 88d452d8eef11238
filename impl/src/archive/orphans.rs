//! Orphans: files on drives that the manifest does not name there. A crash leaves some, and the next open removes them;
//! but only where it is proved that nothing hangs on them.

use truelog_env::OpenMode;

use super::block::{BlockHeader, Kind, read_bytes};
use super::opening::names;
use super::run::{RunEntry, RunHeader};
use super::shelf::Shelf;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::home::Home;
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo};
use crate::manifest::ArchiveState;
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
    /// Its drive was away when the log went on to its generation: it may be of a history that a rollback has cut off.
    #[error("nothing proves that it was never published")]
    Unproven,
    /// Nobody knows which records it has.
    #[error("which records it has cannot be read")]
    Unreadable,
    /// An earlier open has put it aside.
    #[error("it was put aside, since something may hang on it")]
    PutAside,
}

impl Kept {
    /// Whether an open gives it another name, under which no log ever removes it: what is not proved now cannot be proved
    /// later.
    const fn is_put_aside(self) -> bool {
        matches!(self, Self::Beyond(_) | Self::GivenUp(_) | Self::Unproven | Self::Unreadable)
    }
}

/// What the manifest and the segments have.
#[derive(Debug)]
pub(crate) struct Owned<'a> {
    pub(crate) archive: &'a ArchiveState,
    pub(crate) losses: &'a [LsnRange],
    /// The first record that was not trimmed.
    pub(crate) first: Lsn,
    /// The LSN behind the last record.
    pub(crate) next: Lsn,
}

/// A drive that is looked at for orphans.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) drive: DriveNo,
    pub(super) home: Home,
    /// The generation of its copy of the manifest, as it was found.
    pub(super) heard: u64,
}

/// The orphans on all drives that can be reached. Reads only. What a writer beside has in the making is one, too.
pub(crate) fn list(shelf: &Shelf, owned: &Owned<'_>) -> Vec<Orphan> {
    let writable: Vec<DriveNo> = shelf.writable().into_iter().map(|(entry, _)| entry.number).collect();
    let drives = shelf.states().into_iter().map(|state| state.entry.number);
    let listed = drives.filter_map(|drive| shelf.home(drive).map(|home| (drive, home)));
    let listed = listed.flat_map(|(drive, home)| {
        let place = Place { drive, home, heard: shelf.edition(drive).generation };
        let names = names(&place.home).unwrap_or_default();
        let mut found = on_drive(&place, &names, shelf, owned);
        if !writable.contains(&drive) {
            found.iter_mut().for_each(|orphan| orphan.kept = Some(Kept::DriveOut));
        }
        found
    });
    listed.collect()
}

/// The orphans among the names on one drive, as if it could be written to.
pub(super) fn on_drive(place: &Place, names: &[Name], shelf: &Shelf, owned: &Owned<'_>) -> Vec<Orphan> {
    let Place { drive, home, heard } = place;
    let mut found = Vec::new();
    for &name in names {
        let kept = match name {
            Name::Run(number) => match owned.archive.run(number) {
                Some(run) if run.copies.contains(*drive) => continue,
                Some(run) if is_copy(home, run) => {
                    let elsewhere = run.copies.iter().any(|other| shelf.serving().contains(other));
                    (!elsewhere).then_some(Kept::LastCopy)
                }
                _ => hangs_on(home, number, *heard, owned),
            },
            Name::QuarantinedRun(_) => Some(Kept::PutAside),
            name if name.is_tmp() => None,
            _ => continue,
        };
        let bytes = home.env.fs.metadata(&home.path(name)).map_or(0, |metadata| metadata.len);
        found.push(Orphan { drive: *drive, name, bytes, kept });
    }
    found.sort_by_key(|orphan| orphan.name);
    found
}

/// Gives the orphans on which something may hang another name, durably: before the drive hears anything new, which would
/// look like a proof.
pub(super) fn put_aside(place: &Place, shelf: &Shelf, owned: &Owned<'_>) -> Result<()> {
    let (home, names) = (&place.home, names(&place.home)?);
    let mut renamed = false;
    for orphan in on_drive(place, &names, shelf, owned) {
        if let (Name::Run(number), Some(true)) = (orphan.name, orphan.kept.map(Kept::is_put_aside)) {
            let aside = Name::QuarantinedRun(number);
            if names.contains(&aside) {
                return Err(Error::Exists { dir: home.path(aside) });
            }
            home.rename(orphan.name, aside)?;
            home.emit(&Event::OrphanKept(orphan));
            renamed = true;
        }
    }
    if renamed { home.sync_dir() } else { Ok(()) }
}

/// Whether the file under a run's number is a copy of that very run. A history of the log that a rollback has cut off may
/// have given the number to another one.
fn is_copy(home: &Home, run: &RunEntry) -> bool {
    look(home, run.number)
        .is_some_and(|(header, _)| (header.salt, header.generation) == (run.salt, run.generation))
}

/// What hangs on a run that the manifest does not name at all. The log has all records from the first to the last one, but
/// for those that were given up; so nothing hangs on a run of its own that has no others. It is its own if the drive has
/// heard of its generation or the log remembers it; or if the log has not come to its generation yet, so that nothing
/// but this log's last life can have made it.
fn hangs_on(home: &Home, number: RunNo, heard: u64, owned: &Owned<'_>) -> Option<Kept> {
    let Some((header, lsns)) = look(home, number) else { return Some(Kept::Unreadable) };
    let RunHeader { generation, salt, .. } = header;
    let kept = LsnRange::new(lsns.first.max(owned.first), lsns.last);
    let lost = owned.losses.iter().find(|loss| loss.first <= kept.last && kept.first <= loss.last);
    let archive = owned.archive;
    let proved =
        generation <= heard || generation > archive.generation || archive.has_published(generation, salt);
    match lost {
        _ if lsns.last >= owned.next => Some(Kept::Beyond(lsns.last)),
        Some(loss) => Some(Kept::GivenUp(*loss)),
        None => (!proved).then_some(Kept::Unproven),
    }
}

/// A run's header, and its records as the headers of its blocks say.
fn look(home: &Home, number: RunNo) -> Option<(RunHeader, LsnRange)> {
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
    Some((header, lsns?))
}
