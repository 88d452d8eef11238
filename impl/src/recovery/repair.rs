//! The repair: what an open writes before it returns. Every step may be cut off by a crash, any number of times.
//!
//! The order matters. A new manifest comes first, so that no byte of the old one, which may be in the page
//! cache only, is built upon. What nothing needs is removed only then. Records that nothing vouches for are
//! written again last, as one batch: until that is durable the old ones are still there, and still found.

use truelog_env::IoKind;

use crate::archive::opening;
use crate::archive::shelf::Shelf;
use crate::audit::Audited;
use crate::batch::BatchBuilder;
use crate::catalog::Catalog;
use crate::codec::as_u64;
use crate::commit::{Commit, Last};
use crate::error::{Error, Failure, ReadOnlyWhy, Result};
use crate::event::{Event, Place};
use crate::front::{Front, Taken};
use crate::group_commit::Marks;
use crate::home::Home;
use crate::house::House;
use crate::identity::Identity;
use crate::lsn::Lsn;
use crate::manifest::{ManifestFile, ManifestState};
use crate::names::Name;
use crate::options::Options;
use crate::read_buf::ReadBuf;
use crate::recovery::Recovered;
use crate::recovery::survey::{self, Survey};
use crate::span::Span;
use crate::sync::{Arc, Mutex};

/// What a handle is made of.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) front: Front,
    pub(crate) commit: Commit,
    pub(crate) marks: Marks,
    pub(crate) catalog: Arc<Mutex<Catalog>>,
    /// `None` when nothing may be written.
    pub(crate) house: Option<House>,
    pub(crate) shelf: Shelf,
    pub(crate) read_only: Option<ReadOnlyWhy>,
    pub(crate) recovered: Recovered,
    /// What the manifest says of the last audit.
    pub(crate) audited: Audited,
}

/// Opens a log that was just created by this very handle, so that its identity is known to be durable.
///
/// # Errors
/// As [`open_surveyed`].
pub(crate) fn open_fresh(home: &Home, options: &Options) -> Result<Opened> {
    let survey = survey::survey(home)?;
    open_surveyed(home, options, survey, None)
}

/// Opens a log as its survey says: for reading only if anything is damaged, else after repairing it. `identity`
/// is published again if nothing says that its name is durable.
///
/// # Errors
/// [`Error::Full`] and [`Error::Io`]; the next open begins anew.
pub(crate) fn open_surveyed(
    home: &Home,
    options: &Options,
    survey: Survey,
    identity: Option<&Identity>,
) -> Result<Opened> {
    for row in &survey.rows {
        home.emit(&Event::RecoveryRow { number: row.number(), name: row.name() });
    }
    if !survey.damage.is_empty() {
        return Ok(damaged(home, options, &survey));
    }
    free_room(home, &survey)?;
    let adopting = survey.orphans.iter().any(|name| matches!(name, Name::InDoubt(_)));
    let mut orphans = survey.orphans.clone();
    orphans.retain(|name| *name != Name::ManifestTmp);
    if let Some(identity) = identity.filter(|_| !survey.state.identity_vouched || adopting) {
        remove_left_over(home, &survey, Name::IdentityTmp)?;
        // The directory sync of an earlier life may have failed, or never been done. The manifest vouches for the
        // identity of a create; it was copied with the log that an adopt then gave another.
        identity.publish(home).map_err(refused)?;
        orphans.retain(|name| *name != Name::IdentityTmp);
    }
    let manifest = checkpoint(home, &survey, kept_state(&survey))?;
    let mut house = House::new(manifest, options);
    // Every drive learns what the manifest says before a segment goes that the archive has replaced.
    let durable = survey.vouched.min(survey.next.prev());
    let shelf = opening::settle(home, &mut house, durable, survey.next);
    remove(home, &orphans)?;
    rebuild(home, options, survey, house, shelf)
}

/// Where there is little room left: removes the segments that were never made ready, which nothing names, before anything is
/// written, and not behind it.
fn free_room(home: &Home, survey: &Survey) -> Result<()> {
    let Options { manifest_blocks, max_batch_bytes, block_size, segment_size, .. } = survey.state.options;
    let manifest = u64::from(manifest_blocks) * u64::from(block_size);
    let reserve = manifest.saturating_add(u64::from(max_batch_bytes)).saturating_add(segment_size);
    // Who cannot tell has enough.
    if home.env.fs.volume(&home.dir).is_ok_and(|volume| volume.free_bytes < reserve) {
        let unmade = survey.orphans.iter().filter(|name| matches!(name, Name::SegmentTmp(_)));
        unmade.copied().try_for_each(|name| remove_one(home, name))?;
    }
    Ok(())
}

/// Removes a name, if it is there still.
fn remove_one(home: &Home, name: Name) -> Result<()> {
    match home.unlink(name) {
        Ok(()) => home.emit(&Event::Removed { name: name.to_string() }),
        Err(Error::Io { source, .. }) if source.kind == IoKind::NotFound => {}
        Err(error) => return Err(refused(error)),
    }
    Ok(())
}

/// Writes the manifest anew. The temporary name goes first: after a crash it may still lead to the very file
/// that is the manifest now, which must not be emptied.
pub(super) fn checkpoint(home: &Home, survey: &Survey, state: ManifestState) -> Result<ManifestFile> {
    free_room(home, survey)?;
    remove_left_over(home, survey, Name::ManifestTmp)?;
    let watermark = survey.vouched.min(survey.next.prev());
    ManifestFile::checkpoint(home, state, watermark).map_err(|failure| refused(failure.error))
}

/// Removes a temporary name, if the survey saw it.
pub(super) fn remove_left_over(home: &Home, survey: &Survey, name: Name) -> Result<()> {
    if survey.orphans.contains(&name) { remove_one(home, name) } else { Ok(()) }
}

/// The error of a recovery that could not write: a full or a read-only file system have their own.
fn refused(error: Error) -> Error {
    match error {
        Error::Io { source, .. } if source.kind == IoKind::ReadOnly => {
            Error::ReadOnly { why: ReadOnlyWhy::CannotWrite(source) }
        }
        error => Failure::harmless(error).error,
    }
}

/// The manifest's state without what is of no use, and with what is known by now.
fn kept_state(survey: &Survey) -> ManifestState {
    let mut state = survey.state.clone();
    state.identity_vouched = true;
    state.segments.retain(|entry| !survey.orphans.contains(&Name::Segment(entry.number)));
    state.next_segment = survey.highest.next();
    state
}

fn remove(home: &Home, orphans: &[Name]) -> Result<()> {
    orphans.iter().try_for_each(|name| remove_one(home, *name))?;
    if orphans.is_empty() { Ok(()) } else { home.sync_dir() }
}

/// Reading only: everything outside the damage can be read.
fn damaged(home: &Home, options: &Options, survey: &Survey) -> Opened {
    for damage in &survey.damage {
        home.emit(&Event::Damage { lsns: damage.lsns, error: damage.error.clone() });
    }
    let why = survey.damage.iter().find(|damage| !damage.lsns.is_empty()).or(survey.damage.first());
    let why = why.map(|damage| match &damage.error {
        Error::CorruptFile { path, .. } if damage.lsns.is_empty() => ReadOnlyWhy::FileDamaged(path.clone()),
        _ => ReadOnlyWhy::Damaged(damage.lsns),
    });
    let catalog = Arc::new(Mutex::new(survey.catalog()));
    let marks = Marks { written: survey.next.prev(), durable: survey.vouched };
    let front = Front::new(options, survey.next, survey.streams.clone());
    let spare = BatchBuilder::new(home.block, options.max_batch_bytes);
    let commit = Commit::new(home.clone(), options, Arc::clone(&catalog), spare, survey.last, marks);
    let shelf = opening::look(home, &survey.state);
    let recovered = Recovered { durable: marks.durable, read_only: true, ..recovered(survey, &shelf) };
    let audited = survey.state.audited.unwrap_or(Audited::NEVER);
    Opened { front, commit, marks, catalog, house: None, shelf, read_only: why, recovered, audited }
}

fn recovered(survey: &Survey, shelf: &Shelf) -> Recovered {
    Recovered {
        drives: shelf.states().into_iter().filter(|drive| !drive.serves() || drive.read_only).collect(),
        rows: survey.rows.clone(),
        first: survey.state.trimmed,
        next: survey.next,
        durable: survey.next.prev(),
        damage: survey.damage.clone(),
        rewritten: 0,
        torn_bytes: survey.torn_bytes,
        orphans_removed: as_u64(survey.orphans.len()),
        read_only: false,
    }
}

/// Makes the handle, after writing again what nothing vouches for.
fn rebuild(home: &Home, options: &Options, survey: Survey, house: House, shelf: Shelf) -> Result<Opened> {
    let mut recovered = recovered(&survey, &shelf);
    let (spans, first_unvouched) = vouched_spans(&survey);
    let next = first_unvouched.unwrap_or(survey.next);
    let mut catalog = Catalog::new(spans, survey.state.trimmed, next);
    catalog.archived(&survey.state.archive.runs, survey.state.archive.generation, survey.state.floor);
    catalog.losses.clone_from(&survey.state.losses);
    let catalog = Arc::new(Mutex::new(catalog));
    // On a volume that keeps no promise nothing is ever called durable.
    let durable = if home.volume.weakness.is_none() { next.prev() } else { Lsn::NONE };
    let marks = Marks { written: next.prev(), durable };
    let mut front = Front::new(options, next, survey.streams.clone());
    let mut opened = Fresh { home, options, catalog: &catalog, house, last: survey.last, marks };
    let commit = match first_unvouched {
        None => opened.commit(BatchBuilder::new(home.block, options.max_batch_bytes)),
        Some(first) => {
            recovered.rewritten = survey.next.get() - first.get();
            opened.rewrite(&survey, &mut front)?
        }
    };
    let marks = commit.marks();
    recovered.durable = marks.durable;
    let house = Some(opened.house);
    let audited = survey.state.audited.unwrap_or(Audited::NEVER);
    Ok(Opened { front, commit, marks, house, shelf, catalog, read_only: None, recovered, audited })
}

/// The spans without what nothing vouches for, and the first such record.
fn vouched_spans(survey: &Survey) -> (Vec<Span>, Option<Lsn>) {
    let mut spans = survey.spans.clone();
    let mut tail = survey.tail.iter().filter(|(_, header)| header.count > 0);
    let Some((_, first)) = tail.next() else { return (spans, None) };
    spans.retain(|span| span.lsns.first < first.base);
    if let Some(span) = spans.last_mut()
        && span.lsns.last >= first.base
    {
        (span.lsns.last, span.end) = (first.base.prev(), first.site.offset);
    }
    (spans, Some(first.base))
}

/// The pieces of a handle that is being made.
struct Fresh<'a> {
    home: &'a Home,
    options: &'a Options,
    catalog: &'a Arc<Mutex<Catalog>>,
    house: House,
    last: Last,
    marks: Marks,
}

impl Fresh<'_> {
    fn commit(&self, spare: BatchBuilder) -> Commit {
        let catalog = Arc::clone(self.catalog);
        Commit::new(self.home.clone(), self.options, catalog, spare, self.last, self.marks)
    }

    /// Writes all records of the tail again, as one batch in a new segment, by the same path as any commit. A
    /// crash inside it keeps all of them or none, and if none, the old ones are still found.
    fn rewrite(&mut self, survey: &Survey, front: &mut Front) -> Result<Commit> {
        let home = self.home;
        let len: u64 = survey.tail.iter().map(|(_, header)| u64::from(header.len)).sum();
        let limit = u32::try_from(len).map_err(|_| Error::TooLarge { len, limit: u64::from(u32::MAX) })?;
        let mut batch = BatchBuilder::new(home.block, limit);
        batch.begin(front.next());
        let needed = front.capacity_for(len);
        batch.push_table(survey.streams.iter().map(|(stream, next)| (*stream, *next)));
        let mut buf = ReadBuf::default();
        for place in &survey.tail {
            let mut pushed = Ok(());
            survey::read(home, &survey.probes, place, &mut buf, |records| {
                pushed = records.records().try_for_each(|frame| {
                    front.recovered(frame.stream, frame.seq.next());
                    batch.push(frame.stream, frame.seq, frame.payload).map(|_| ())
                });
            })?;
            pushed?;
        }
        let lsns = batch.lsns();
        let durable = self.marks.durable;
        let size = (needed, self.house.size(needed));
        let prepared = self.house.prepare(home, self.options, size, None, durable);
        let segment = prepared.map_err(|failure| refused(failure.error))?;
        let place = Place {
            lsns,
            segment: segment.number,
            offset: u64::from(home.block),
            end: u64::from(home.block) + batch.padded_len(),
        };
        front.resume(&segment, place.end, lsns.last.next());
        let mut commit = self.commit(batch);
        commit.commit(Taken {
            entering: Some(segment),
            offset: place.offset,
            power: true,
            awaited: false,
        })?;
        commit.replace_buffer(BatchBuilder::new(home.block, self.options.max_batch_bytes));
        home.emit(&Event::Rewritten(place));
        Ok(commit)
    }
}
