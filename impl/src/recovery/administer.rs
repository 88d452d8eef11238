//! What an operator does to a log that does not open as it is: adopt it at a new place, or accept a loss.

use std::path::Path;

use truelog_env::{Env, IoKind, OpenMode};

use crate::batch::FRAME_HEADER;
use crate::catalog::Damage;
use crate::codec::as_u64;
use crate::create::{ancestors, sync_dirs};
use crate::doubt::Doubt;
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::home::{self, Home};
use crate::identity::{Identity, read_identity};
use crate::lsn::{LsnRange, SegmentNo};
use crate::manifest::{ManifestState, SegmentEntry};
use crate::names::Name;
use crate::options::Options;
use crate::os;
use crate::recovery::judge::Seen;
use crate::recovery::probe::Probe;
use crate::recovery::repair::{checkpoint, remove_left_over};
use crate::recovery::survey::{Survey, survey};
use crate::recovery::table::Row;
use crate::verify::verify_dir_in;

/// As [`adopt_in`], in the real surroundings.
///
/// # Errors
/// As [`adopt_in`].
pub fn adopt(dir: impl AsRef<Path>) -> Result<()> {
    adopt_in(&os::native(), &os::resolve(dir.as_ref())?)
}

/// Makes a log that was copied or moved at home in `dir`, an absolute path: it gets a new epoch, and opens there.
///
/// A copy is usually in the page cache only, so everything is synced before the new identity says otherwise. If that
/// failed, or was cut off, the copy is of no use: a later adopt is [`Error::InDoubt`] until the machine restarts.
///
/// # Errors
/// [`Error::NotALog`], [`Error::Unfinished`], [`Error::Locked`], [`Error::CorruptFile`], [`Error::InDoubt`],
/// [`Error::Full`], [`Error::Io`].
pub fn adopt_in(env: &Env, dir: &Path) -> Result<()> {
    let metadata = home::stat_dir(env, dir)?;
    let _lock = home::lock(env, dir)?;
    let old = read_identity(env, dir)?;
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    let home = Home::new(env, dir, old.log, old.block, volume);
    let found = survey(&home)?;
    let names = names(&home)?;
    let doubt = Doubt::begin(env, dir, &names)?;
    for name in names.into_iter().filter(|name| matches!(name, Name::Manifest | Name::Segment(_))) {
        let file = home.open(name, OpenMode::READ)?;
        file.sync_all().map_err(|source| Error::io(home.path(name), source))?;
    }
    home.sync_dir()?;
    sync_dirs(env, &ancestors(env, dir, metadata.device)?)?;
    let identity = Identity { epoch: home.random()?, dir_inode: metadata.inode, volume: volume.id, ..old };
    remove_left_over(&home, &found, Name::IdentityTmp)?;
    identity.publish(&home)?;
    // Only now: an open that finds the name publishes the identity again.
    doubt.settle(env)?;
    home.emit(&Event::Adopted { log: identity.log, epoch: identity.epoch });
    Ok(())
}

/// The names in the directory that logs write.
fn names(home: &Home) -> Result<Vec<Name>> {
    let names = home.env.fs.read_dir(&home.dir).map_err(|source| Error::io(&home.dir, source))?;
    Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
}

/// As [`accept_loss_in`], in the real surroundings.
///
/// # Errors
/// As [`accept_loss_in`].
pub fn accept_loss(dir: impl AsRef<Path>, options: &Options) -> Result<Vec<Damage>> {
    accept_loss_in(&os::native(), &os::resolve(dir.as_ref())?, options)
}

/// Gives up what is damaged in the log in `dir`, an absolute path, durably and by name, so that it opens for writing
/// again. Sealed segments are read for it, all of them. Says what was given up; nothing is written if nothing is
/// damaged.
///
/// No bytes are removed that were not named: a segment that cannot be read is renamed to [`Name::Quarantined`], and as
/// many LSNs as it may have held are given up with it, so that none is used again.
///
/// Records in the archive of which no copy can be reached are not given up: nothing says that they are lost.
///
/// The log keeps its stored options. If its manifest cannot be read, `options` are stored instead; the block size is
/// the identity's in any case.
///
/// # Errors
/// As [`Log::open_in`](crate::Log::open_in); but options that differ from those stored are no error.
pub fn accept_loss_in(env: &Env, dir: &Path, options: &Options) -> Result<Vec<Damage>> {
    home::stat_dir(env, dir)?;
    let _lock = home::lock(env, dir)?;
    let identity = read_identity(env, dir)?;
    identity.check_place(env, dir)?;
    let volume = env.fs.volume(dir).map_err(|source| Error::io(dir, source))?;
    let home = Home::new(env, dir, identity.log, identity.block, volume);
    let mut found = survey(&home)?;
    // An open does not read sealed segments, so their damage is found only by reading all of them.
    for damage in verify_dir_in(env, dir)?.damage {
        let known =
            |known: &Damage| known.lsns.first <= damage.lsns.first && damage.lsns.last <= known.lsns.last;
        // A drive that is away is no loss: it may come back.
        let away = matches!(damage.error, Error::Unavailable { .. });
        if !damage.lsns.is_empty() && !away && !found.damage.iter().any(known) {
            found.damage.push(damage);
        }
    }
    if found.damage.is_empty() {
        return Ok(Vec::new());
    }
    if found.rows.contains(&Row::ManifestUnreadable) {
        let options = Options { block_size: home.block, ..options.clone() };
        options.validate()?;
        found.state.options = ManifestState::new(&options).options;
    }
    let unreadable = unreadable(&home, &found)?;
    widen(&home, &mut found, &unreadable)?;
    give_up(&home, &found, &unreadable)?;
    for damage in found.damage.iter().filter(|damage| !damage.lsns.is_empty()) {
        home.emit(&Event::LossAccepted { lsns: damage.lsns });
    }
    Ok(found.damage)
}

/// The segments in the directory that hold something, but nothing that can be read: those without a readable header,
/// and those that no manifest names and that have bytes, but no valid batch.
fn unreadable(home: &Home, found: &Survey) -> Result<Vec<SegmentNo>> {
    let mut numbers = Vec::new();
    let mut buf = Vec::new();
    for probe in found.probes.iter().filter(|probe| !probe.named && probe.file.is_some()) {
        let hidden = !probe.has_batches() && {
            let seen = probe.walk(home, probe.ground.start(), probe.ground.capacity, &mut buf)?;
            seen.iter().any(|item| matches!(item, Seen::Break(at) if at.offset < at.bytes_end))
        };
        if probe.opaque || hidden {
            // A rename must not replace what was put aside before.
            if aside(home, probe.number())? == Aside::Another {
                return Err(Error::Exists { dir: home.path(Name::Quarantined(probe.number())) });
            }
            numbers.push(probe.number());
        }
    }
    Ok(numbers)
}

/// What has the name under which a segment would be put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aside {
    Nothing,
    /// The segment itself: a crash kept the new name of an earlier rename, and not the removal of the old one.
    Itself,
    Another,
}

fn aside(home: &Home, number: SegmentNo) -> Result<Aside> {
    let metadata = |name| {
        let path = home.path(name);
        home.env.fs.metadata(&path).map_err(|error| (path, error))
    };
    let there = match metadata(Name::Quarantined(number)) {
        Ok(there) => there,
        Err((_, error)) if error.kind == IoKind::NotFound => return Ok(Aside::Nothing),
        Err((path, error)) => return Err(Error::io(path, error)),
    };
    let here = metadata(Name::Segment(number)).map_err(|(path, error)| Error::io(path, error))?;
    let same = (here.device, here.inode) == (there.device, there.inode);
    Ok(if same { Aside::Itself } else { Aside::Another })
}

/// Gives up the LSNs that may have been in files of which nothing is known: segments that cannot be read or are
/// missing, above all that can be read, and the bytes behind the last batch when no manifest tells whether they were
/// vouched for. A file of so many bytes holds at most one record for each [`FRAME_HEADER`] bytes; one that
/// may have been cut is taken for as long as any.
fn widen(home: &Home, found: &mut Survey, unreadable: &[SegmentNo]) -> Result<()> {
    let records = |bytes: u64| bytes.div_ceil(as_u64(FRAME_HEADER));
    let options = &found.state.options;
    let longest = options.segment_size.max(u64::from(options.max_batch_bytes));
    let base = found.probes.iter().rfind(|probe| probe.first.is_some()).map(Probe::number);
    let start = found.next;
    let mut next = start;
    if found.rows.contains(&Row::ManifestUnreadable) && found.torn_bytes > 0 {
        let lsns = LsnRange::of(next, records(found.torn_bytes));
        next = lsns.last.next();
        let (path, reason) = (home.path(Name::Manifest), Reason::Vouched);
        found.damage.push(Damage { lsns, error: Error::CorruptFile { path, offset: 0, reason } });
    }
    for probe in &found.probes {
        let number = probe.number();
        let aside = unreadable.contains(&number);
        if !aside && probe.file.is_some() {
            continue;
        }
        let path = probe.path(home);
        let len = match &probe.file {
            Some(file) => file.metadata().map_err(|source| Error::io(&path, source))?.len.max(longest),
            None => probe.entry.capacity,
        };
        // Below, the batches above say which LSNs are missing.
        let above = base.is_none_or(|base| number > base);
        let lsns = LsnRange::of(next, if above { records(len) } else { 0 });
        if above {
            next = lsns.last.next();
        }
        let reason = if aside { Reason::Unnamed } else { Reason::Missing };
        let error = Error::CorruptFile { path, offset: 0, reason };
        match found.damage.iter_mut().find(|known| known.error == error) {
            Some(known) if known.lsns.is_empty() => known.lsns = lsns,
            Some(known) if above => known.lsns.last = known.lsns.last.max(lsns.last),
            Some(_) => {}
            None => found.damage.push(Damage { lsns, error }),
        }
    }
    if next > start && !found.tail.is_empty() {
        // Records that nothing vouches for would be written again right behind the last, where now the loss is. They
        // are made durable where they are, and the manifest vouches for them.
        for probe in &found.probes {
            if let Some(file) = &probe.file {
                file.sync_all().map_err(|source| Error::io(probe.path(home), source))?;
            }
        }
        found.vouched = start.prev();
    }
    Ok(())
}

/// Writes the manifest that names the losses, and what is left of the segments.
fn give_up(home: &Home, found: &Survey, unreadable: &[SegmentNo]) -> Result<()> {
    let mut state = found.state.clone();
    let lost = found.damage.iter().map(|damage| damage.lsns).filter(|lsns| !lsns.is_empty());
    state.losses.extend(lost);
    state.losses.sort();
    state.losses.dedup();
    let left =
        found.probes.iter().filter(|probe| probe.file.is_some() && !unreadable.contains(&probe.number()));
    let entries: Vec<SegmentEntry> = left.map(|probe| probe.entry).collect();
    state.segments = entries;
    state.segments.sort_by_key(|entry| entry.number);
    state.next_segment = found.highest.next();
    checkpoint(home, found, state)?;
    // Only now: once put aside, a segment is not damage any more, and its LSNs must be given up by then.
    for number in unreadable {
        match aside(home, *number)? {
            // A rename between two names of one file does nothing.
            Aside::Itself => home.unlink(Name::Segment(*number))?,
            Aside::Nothing | Aside::Another => {
                home.rename(Name::Segment(*number), Name::Quarantined(*number))?;
            }
        }
    }
    if unreadable.is_empty() { Ok(()) } else { home.sync_dir() }
}
