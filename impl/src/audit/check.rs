//! What an audit holds against the device: the log's place, its files' names, and single receipts.

use std::collections::BTreeMap;

use truelog_env::{IoKind, NodeKind};

use crate::batch::FRAME_HEADER;
use crate::catalog::Lead;
use crate::codec::{Get, as_u64};
use crate::engine::Engine;
use crate::error::{Error, Reason};
use crate::home::stat_dir;
use crate::identity::read_identity;
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::manifest::{ManifestState, read_manifest};
use crate::names::Name;
use crate::read_back::read_back;
use crate::receipt::{Claim, Verdict, Violation};
use crate::segment::SegmentHeader;
use crate::snapshot::Snapshot;
use crate::types::Digest;
use crate::verify::verify;
use crate::walk::Ground;

/// Why a piece of an audit did not end well.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Acknowledged records are not there.
    Violated(LsnRange, Error),
    /// A file, the directory or the volume is not the one that it was.
    Displaced(Error),
    /// It could not be looked at: nothing is known.
    Blind(Error),
}

/// The inodes of segments, as they were when they were first looked at.
pub(super) type Inodes = BTreeMap<SegmentNo, u64>;

/// Whether the log is where it was: the directory, the volume, the identity, the manifest, and a name for each segment.
/// Which segments have another name besides.
pub(super) fn place(engine: &Engine, inodes: &mut Inodes) -> Result<Vec<SegmentNo>, Trouble> {
    let home = &engine.home;
    let identity = read_identity(&home.env, &home.dir).and_then(|identity| {
        identity.check_place(&home.env, &home.dir)?;
        Ok(identity)
    });
    match identity {
        Ok(identity) if (identity.log, identity.epoch) == (home.log, home.epoch) => {}
        Ok(_) => return Err(Trouble::Displaced(Error::Displaced { path: home.path(Name::Identity) })),
        Err(error @ Error::Io { .. }) => return Err(Trouble::Blind(error)),
        Err(error) => return Err(Trouble::Displaced(error)),
    }
    // What is read behind this is newer.
    let manifest = engine.keep(|house| Ok(house.manifest().state().clone())).map_err(Trouble::Blind)?;
    let found = read_manifest(home).map_err(Trouble::Blind)?.state;
    let older = |found: &ManifestState| {
        found.next_segment < manifest.next_segment
            || found.archive.generation < manifest.archive.generation
            || found.trimmed < manifest.trimmed
    };
    if found.as_ref().is_none_or(older) {
        return Err(Trouble::Displaced(Error::Displaced { path: home.path(Name::Manifest) }));
    }
    let spans: Vec<_> = engine.catalog.lock().spans().iter().map(|span| (span.ground, span.end)).collect();
    inodes.retain(|number, _| spans.iter().any(|(ground, _)| ground.segment == *number));
    let mut linked = Vec::new();
    for (ground, end) in spans {
        if file(engine, &ground, end, inodes)? {
            linked.push(ground.segment);
        }
    }
    Ok(linked)
}

/// Whether a segment's name leads to the file that it led to before, and that is long enough. Says whether it has
/// another name besides.
fn file(engine: &Engine, ground: &Ground, end: u64, inodes: &mut Inodes) -> Result<bool, Trouble> {
    let path = engine.home.path(Name::Segment(ground.segment));
    let found = match engine.home.env.fs.metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind == IoKind::NotFound => {
            return gone(engine, ground.segment, Error::Displaced { path }).map(|()| false);
        }
        Err(error) => return Err(Trouble::Blind(Error::io(path, error))),
    };
    let known = *inodes.entry(ground.segment).or_insert(found.inode);
    // A file that has lost its last name while it is looked at is gone, too.
    if found.kind != NodeKind::File
        || found.inode != known
        || found.len < end.max(ground.capacity)
        || found.links == 0
    {
        return gone(engine, ground.segment, Error::Displaced { path }).map(|()| false);
    }
    Ok(found.links > 1)
}

/// A file is not there: that is trouble, unless it was trimmed or archived meanwhile.
fn gone(engine: &Engine, segment: SegmentNo, error: Error) -> Result<(), Trouble> {
    let named = engine.catalog.lock().spans().iter().any(|span| span.number() == segment);
    if named { Err(Trouble::Displaced(error)) } else { Ok(()) }
}

/// Whether a segment's first block is still its header.
pub(super) fn header(engine: &Engine, ground: &Ground) -> Result<(), Trouble> {
    let name = Name::Segment(ground.segment);
    let bytes = match read_back(&engine.home, name, 0, ground.block.into()) {
        Ok(bytes) => bytes,
        Err(error) => return unread(engine, ground.segment, error),
    };
    let found = SegmentHeader::decode(&bytes).and_then(|header| {
        header.check(ground.log, ground.segment, ground.block)?;
        if header.salt == ground.salt { Ok(()) } else { Err(Reason::OtherSalt) }
    });
    found.or_else(|reason| {
        let error = Error::CorruptFile { path: engine.home.path(name), offset: 0, reason };
        gone(engine, ground.segment, error)
    })
}

/// A segment could not be read.
pub(super) fn unread(engine: &Engine, segment: SegmentNo, error: Error) -> Result<(), Trouble> {
    match error {
        Error::Io { source, path, .. } if source.kind == IoKind::NotFound => {
            gone(engine, segment, Error::Displaced { path })
        }
        error => Err(Trouble::Blind(error)),
    }
}

/// Holds a receipt that was issued against the device. How many bytes were read for it.
pub(super) fn receipt(engine: &Engine, claim: &Claim) -> Result<u64, Trouble> {
    let lead = match Snapshot::find(&engine.catalog, claim.lsn) {
        Ok((Lead::Segment(lead), _, snapshot)) if lead.ground.segment == claim.segment => (lead, snapshot),
        // In the archive by now, trimmed, or given up; or not there at all.
        _ => return elsewhere(engine, claim),
    };
    let name = Name::Segment(claim.segment);
    let len = as_u64(FRAME_HEADER).saturating_add(claim.len.into());
    let bytes = match read_back(&engine.home, name, claim.offset, len) {
        Ok(bytes) => bytes,
        Err(error) => return unread(engine, claim.segment, error).map(|()| 0),
    };
    drop(lead);
    if is_frame_of(&bytes, claim) {
        return Ok(len);
    }
    let lsns = LsnRange::of(claim.lsn, 1);
    let (segment, offset) = (claim.segment, claim.offset);
    let error = Error::Corrupt { segment, offset, lsns, reason: Reason::NotAsWritten };
    still(engine, claim.lsn, lsns, error).map(|()| len)
}

/// Whether these bytes are the frame of the record that a receipt speaks of.
fn is_frame_of(bytes: &[u8], claim: &Claim) -> bool {
    let mut get = Get::new(bytes);
    let mut same = |due: u64| get.u64() == Some(due);
    let numbers = same(claim.lsn.get()) && same(claim.stream.get()) && same(claim.seq.get());
    numbers
        && get.u32() == Some(claim.len)
        && bytes.get(FRAME_HEADER..).is_some_and(|payload| Digest::of(payload) == claim.digest)
}

/// A record that is not where it was born.
fn elsewhere(engine: &Engine, claim: &Claim) -> Result<u64, Trouble> {
    let lsns = LsnRange::of(claim.lsn, 1);
    match verify(&engine.reader, engine.home.log, claim) {
        Ok(Verdict::Violated { why: Violation::Lost { .. } }) | Err(Error::Unavailable { .. }) => Ok(0),
        Ok(Verdict::Violated { why }) => {
            let error = engine.reader.get(claim.lsn).err();
            let (segment, offset) = (claim.segment, claim.offset);
            let told = Error::Corrupt { segment, offset, lsns, reason: Reason::NotAsWritten };
            let lsns = if let Violation::Damaged { lsns } = why { lsns } else { lsns };
            still(engine, claim.lsn, lsns, error.unwrap_or(told)).map(|()| 0)
        }
        Ok(Verdict::Verified | Verdict::Unvouched | Verdict::Trimmed | Verdict::Unverifiable { .. }) => Ok(0),
        Err(error) => Err(Trouble::Blind(error)),
    }
}

/// Records are not as they should be: that is a violation, unless they were trimmed or given up meanwhile.
pub(super) fn still(engine: &Engine, lsn: Lsn, lsns: LsnRange, error: Error) -> Result<(), Trouble> {
    match engine.catalog.lock().find(lsn) {
        Err(Error::Trimmed { .. } | Error::Lost { .. }) => Ok(()),
        _ => Err(Trouble::Violated(lsns, error)),
    }
}

/// Looks again at the first damage that reads have met; says whether there was any.
pub(super) fn met(engine: &Engine) -> Result<bool, Trouble> {
    let Some(damage) = engine.catalog.lock().seen.first().cloned() else { return Ok(false) };
    match engine.reader.get(damage.lsns.first) {
        Err(error @ (Error::Corrupt { .. } | Error::CorruptBlock { .. })) => {
            still(engine, damage.lsns.first, damage.lsns, error)?;
        }
        Err(error @ Error::Io { .. }) => return Err(Trouble::Blind(error)),
        // A passing trouble, or gone since.
        _ => {}
    }
    engine.catalog.lock().seen.retain(|seen| *seen != damage);
    Ok(true)
}

/// The volume as it is now.
pub(super) fn volume(engine: &Engine) -> Result<truelog_env::Volume, Trouble> {
    let home = &engine.home;
    stat_dir(&home.env, &home.dir).map_err(|error| match error {
        Error::Io { .. } => Trouble::Blind(error),
        error => Trouble::Displaced(error),
    })?;
    home.env.fs.volume(&home.dir).map_err(|source| Trouble::Blind(Error::io(&home.dir, source)))
}
