//! Accept-loss: what is damaged, or gone for good, is given up by name, so that the log opens for writing again.

use std::path::Path;

use truelog_env::{Env, IoKind};

use crate::archive::opening;
use crate::archive::set::DriveSet;
use crate::batch::FRAME_HEADER;
use crate::catalog::Damage;
use crate::codec::as_u64;
use crate::error::{Error, Reason, Result};
use crate::event::Event;
use crate::home::Home;
use crate::identity::enter;
use crate::lsn::{DriveNo, Lsn, LsnRange, SegmentNo};
use crate::manifest::{ManifestState, SegmentEntry};
use crate::names::Name;
use crate::options::Options;
use crate::os;
use crate::read_buf::ReadBuf;
use crate::recovery::judge::Seen;
use crate::recovery::probe::Probe;
use crate::recovery::repair::{checkpoint, remove_left_over};
use crate::recovery::survey::{Survey, survey};
use crate::recovery::table::Row;
use crate::segment::mend_frame;
use crate::verify::verify_dir_in;

/// What an accept-loss may be told, besides where.
#[derive(Debug, Clone, Default)]
pub struct LossOptions {
    /// Stored with the log if its manifest cannot be read; the block size is the identity's in any case.
    pub stored: Options,
    /// No drive has records of the log. Asked for only if the manifest, which would say so, cannot be read.
    pub no_archive: bool,
    /// These drives are gone for good: the log forgets them, and gives up the records of which they had the last copy.
    pub gone: Vec<DriveNo>,
}

/// As [`accept_loss_in`], in the real surroundings.
///
/// # Errors
/// As [`accept_loss_in`].
pub fn accept_loss(dir: impl AsRef<Path>, options: &LossOptions) -> Result<Vec<Damage>> {
    accept_loss_in(&os::native(), &os::resolve(dir.as_ref())?, options)
}

/// Gives up what is damaged in the log in `dir`, an absolute path, durably and by name, so that it opens for writing
/// again. Sealed segments and runs are read for it, all of them. Says what was given up; nothing is written if nothing
/// is damaged and no drive is gone.
///
/// No bytes are removed that were not named: a segment that cannot be read is renamed to [`Name::Quarantined`], and as
/// many LSNs as it may have held are given up with it, so that none is used again.
///
/// Records in the archive of which a copy cannot be reached are not given up: nothing says that they are lost, until
/// [`LossOptions::gone`] does.
///
/// The log keeps its stored options, unless its manifest cannot be read.
///
/// # Errors
/// As [`Log::open_in`](crate::Log::open_in), but options that differ from those stored are no error;
/// [`Error::MayBeArchived`] when the manifest cannot be read and the oldest records are in no segment;
/// [`Error::NoSuchDrive`] and [`Error::DriveServes`] for a drive that is said to be gone and is not.
pub fn accept_loss_in(env: &Env, dir: &Path, options: &LossOptions) -> Result<Vec<Damage>> {
    let (_lock, identity, home) = enter(env, dir)?;
    identity.check_place(env, dir)?;
    let mut found = survey(&home)?;
    refuse_archived(&found, options)?;
    let away = away(&home, &found, &options.gone)?;
    part_with(&mut found, &options.gone);
    // An open reads neither sealed segments nor runs, so their damage is found only by reading all of them.
    let report = verify_dir_in(env, dir)?;
    // What cannot be read is not lost: it may be read again.
    if let Some(unread) = report.unread.into_iter().next() {
        return Err(unread.error);
    }
    for damage in report.damage {
        let known =
            |known: &Damage| known.lsns.first <= damage.lsns.first && damage.lsns.last <= known.lsns.last;
        // A drive that is away is no loss: it may come back.
        let may_return = matches!(&damage.error, Error::Unavailable { drives, .. } if drives.iter().any(|drive| away.contains(drive)));
        if !damage.lsns.is_empty() && !may_return && !found.damage.iter().any(known) {
            found.damage.push(damage);
        }
    }
    if found.damage.is_empty() && options.gone.is_empty() {
        return Ok(Vec::new());
    }
    if found.rows.contains(&Row::ManifestUnreadable) {
        let options = Options { block_size: home.block, ..options.stored.clone() };
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

/// Without a manifest nothing says whether records that no segment has were trimmed or are in the archive. Were they
/// given up, they would never be returned again, though they may be whole on the drives.
fn refuse_archived(found: &Survey, options: &LossOptions) -> Result<()> {
    if options.no_archive || !found.rows.contains(&Row::ManifestUnreadable) {
        return Ok(());
    }
    let oldest = found.damage.iter().find(|damage| {
        let nowhere = matches!(damage.error, Error::Corrupt { segment: SegmentNo::NONE, .. });
        nowhere && damage.lsns.first == Lsn::FIRST
    });
    oldest.map_or(Ok(()), |damage| Err(Error::MayBeArchived { lsns: damage.lsns }))
}

/// The drives that cannot be reached and may come back. One that can be is not `gone`, whatever is said.
fn away(home: &Home, found: &Survey, gone: &[DriveNo]) -> Result<DriveSet> {
    let drives = opening::look(home, &found.state).states();
    for drive in gone {
        let known = drives.iter().find(|state| state.entry.number == *drive);
        let known = known.ok_or(Error::NoSuchDrive { drive: *drive })?;
        if known.out.is_none() {
            return Err(Error::DriveServes { drive: *drive, dir: known.entry.path.clone() });
        }
    }
    let away = drives.iter().filter(|state| state.out.is_some()).map(|state| state.entry.number);
    Ok(away.filter(|drive| !gone.contains(drive)).collect())
}

/// Forgets the drives that are gone, and the runs of which no other drive has a copy.
fn part_with(found: &mut Survey, gone: &[DriveNo]) {
    let archive = &mut found.state.archive;
    archive.drives.retain(|drive| !gone.contains(&drive.number));
    for run in &mut archive.runs {
        let drives = run.copies;
        run.copies = drives.iter().filter(|drive| !gone.contains(drive)).collect();
        if run.copies.is_empty() {
            let error = Error::Unavailable { run: run.number, lsns: run.lsns, drives };
            found.damage.push(Damage { lsns: run.lsns, error });
        }
    }
    archive.runs.retain(|run| !run.copies.is_empty());
}

/// The segments in the directory that hold something, or may, but nothing that can be read: those without a readable
/// header, those that are not as the manifest named them, and those that no manifest names and that have bytes; all of
/// them without a valid batch.
fn unreadable(home: &Home, found: &Survey) -> Result<Vec<SegmentNo>> {
    let mut numbers = Vec::new();
    let mut buf = ReadBuf::default();
    for probe in found.probes.iter().filter(|probe| probe.file.is_some()) {
        let seen = match (probe.named, probe.broken) {
            (true, None) => continue,
            _ => probe.walk(home, probe.ground.start(), probe.ground.capacity, &mut buf)?,
        };
        let batches = seen.iter().any(|item| matches!(item, Seen::Batch(..)));
        let hidden = seen.iter().any(|item| matches!(item, Seen::Break(at) if at.offset < at.bytes_end));
        if probe.opaque || !batches && (probe.broken.is_some() || hidden) {
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
        let cut = probe.is_cut(base);
        if !aside && !cut && probe.file.is_some() {
            continue;
        }
        let path = probe.path(home);
        let len = match &probe.file {
            Some(_) if cut => probe.entry.capacity.saturating_sub(end_of(found, number)),
            Some(file) if !probe.named => {
                file.metadata().map_err(|source| Error::io(&path, source))?.len.max(longest)
            }
            _ => probe.entry.capacity,
        };
        // Below, the batches above say which LSNs are missing. What was given up once is not given up again.
        let given_up = cut && found.state.losses.iter().any(|loss| loss.last.next() == start);
        let above = base.is_none_or(|base| number > base) || cut && !given_up;
        let lsns = LsnRange::of(next, if above { records(len) } else { 0 });
        if above {
            next = lsns.last.next();
        }
        let lost = if aside { Reason::Unnamed } else { Reason::Missing };
        let reason = probe.broken.unwrap_or(lost);
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

/// Where the records of a segment end that can be read.
fn end_of(found: &Survey, number: SegmentNo) -> u64 {
    found.spans.iter().find(|span| span.number() == number).map_or(0, |span| span.end)
}

/// Makes the segments that have records, but are not as they were named, what the manifest says of them. Says whether
/// there are any.
fn mend(home: &Home, found: &Survey, unreadable: &[SegmentNo]) -> Result<bool> {
    let mut mended = false;
    for probe in found.probes.iter().filter(|probe| probe.broken.is_some()) {
        if let Some(file) = probe.file.as_ref().filter(|_| !unreadable.contains(&probe.number())) {
            remove_left_over(home, found, Name::SegmentTmp(probe.number()))?;
            mend_frame(home, &**file, &probe.entry)?;
            mended = true;
        }
    }
    Ok(mended)
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
    // Only now: a segment that is whole again tells of no loss.
    let mended = mend(home, found, unreadable)?;
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
    if unreadable.is_empty() && !mended { Ok(()) } else { home.sync_dir() }
}
