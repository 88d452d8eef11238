//! Looking at each file of a log, without judging: what is there, and which batches can be read.

use truelog_env::{File, IoKind, OpenMode};

use crate::batch::{BatchHeader, read_batch};
use crate::error::{Error, Reason, Result};
use crate::home::Home;
use crate::identity::damaged;
use crate::lsn::SegmentNo;
use crate::manifest::{ManifestState, SegmentEntry};
use crate::names::Name;
use crate::read_buf::ReadBuf;
use crate::recovery::judge::{Break, Seen};
use crate::segment::read_header;
use crate::walk::{Ground, find_valid};

/// What was found of one segment.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) entry: SegmentEntry,
    pub(crate) ground: Ground,
    pub(crate) named: bool,
    pub(crate) file: Option<Box<dyn File>>,
    /// Its first batch, if that is valid.
    pub(crate) first: Option<BatchHeader>,
    /// The first valid batch anywhere in it. Looked for only where it matters.
    pub(crate) any: Option<BatchHeader>,
    /// It cannot be shown to be empty: its header cannot be read.
    pub(crate) opaque: bool,
    /// Why the file is not what the manifest says of it: its header and its length were durable before it was named.
    pub(crate) broken: Option<Reason>,
}

impl Probe {
    pub(crate) const fn number(&self) -> SegmentNo {
        self.entry.number
    }

    pub(crate) fn path(&self, home: &Home) -> std::path::PathBuf {
        home.path(Name::Segment(self.entry.number))
    }

    /// Whether it holds anything valid, or may.
    pub(crate) const fn has_batches(&self) -> bool {
        self.first.is_some() || self.any.is_some() || self.opaque
    }

    /// Whether records may have been cut off the end of it: it is the last that begins well, and is too short. (A header
    /// that is lost costs no records, and what a lower one lost, those above it tell.)
    pub(crate) fn is_cut(&self, base: Option<SegmentNo>) -> bool {
        base == Some(self.number()) && self.broken == Some(Reason::Short)
    }

    /// Looks for a valid batch anywhere in it.
    pub(crate) fn scan(&mut self, home: &Home, buf: &mut ReadBuf) -> Result<()> {
        if let (Some(file), None) = (&self.file, self.first) {
            let ground = &self.ground;
            let behind = find_valid(&**file, ground, ground.start(), ground.capacity, buf);
            self.any = behind.map_err(|source| Error::io(self.path(home), source))?.valid;
        }
        Ok(())
    }

    /// Walks over the batches from `from` up to `upto`.
    pub(crate) fn walk(&self, home: &Home, from: u64, upto: u64, buf: &mut ReadBuf) -> Result<Vec<Seen>> {
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let failed = |source| Error::io(self.path(home), source);
        let ground = self.ground;
        let (mut seen, mut offset, mut chain) = (Vec::new(), from, None);
        while offset < upto {
            let found = read_batch(&**file, &ground.site(offset), ground.block, upto, buf).map_err(failed)?;
            let reason = match found.map(|batch| batch.header) {
                Ok(header) if chain.is_none_or(|chain| chain == header.chain) => {
                    chain = Some(header.chain_value());
                    offset = header.end(ground.block);
                    seen.push(Seen::Batch(ground, header));
                    continue;
                }
                Ok(header) => {
                    // Whole, but it does not continue what stands before it: a valid batch at a wrong time.
                    let bytes_end = header.end(ground.block);
                    seen.push(Seen::Break(Break { ground, offset, bytes_end, reason: Reason::OtherChain }));
                    (offset, chain) = (bytes_end, None);
                    continue;
                }
                Err(reason) => reason,
            };
            let behind = find_valid(&**file, &ground, offset, upto, buf).map_err(failed)?;
            seen.push(Seen::Break(Break { ground, offset, bytes_end: behind.bytes_end, reason }));
            let Some(header) = behind.valid else { break };
            (offset, chain) = (header.site.offset, None);
        }
        Ok(seen)
    }
}

/// Looks at every segment at or above the floor: those that the manifest names, and those in the directory.
/// Ascending. `state` says what is named; without a manifest, nothing is.
pub(crate) fn segments(home: &Home, state: &ManifestState, names: &[Name]) -> Result<Vec<Probe>> {
    let mut probes = Vec::new();
    for entry in &state.segments {
        probes.push(named(home, *entry)?);
    }
    for name in names {
        match name {
            Name::Segment(number) if *number >= state.floor && state.segment(*number).is_none() => {
                probes.extend(unnamed(home, *number)?);
            }
            _ => {}
        }
    }
    probes.sort_by_key(Probe::number);
    // Above the last segment that begins well, a segment may have lost its beginning.
    let mut buf = ReadBuf::default();
    for probe in probes.iter_mut().rev() {
        if probe.first.is_some() {
            break;
        }
        probe.scan(home, &mut buf)?;
    }
    Ok(probes)
}

fn open(home: &Home, number: SegmentNo) -> Result<Option<Box<dyn File>>> {
    let path = home.path(Name::Segment(number));
    match home.env.fs.open(&path, OpenMode::READ) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind == IoKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

const fn ground(home: &Home, entry: &SegmentEntry) -> Ground {
    Ground {
        log: home.log,
        segment: entry.number,
        salt: entry.salt,
        capacity: entry.capacity,
        block: home.block,
    }
}

/// A segment that the manifest names. Its header says nothing that the manifest does not say too.
fn named(home: &Home, entry: SegmentEntry) -> Result<Probe> {
    let file = open(home, entry.number)?;
    let broken = match &file {
        Some(file) => check_frame(home, &**file, &entry)?,
        None => None,
    };
    let ground = ground(home, &entry);
    let mut probe = Probe { entry, ground, named: true, file, first: None, any: None, opaque: false, broken };
    probe.read_first(home)?;
    Ok(probe)
}

/// Holds a segment's header and length against the manifest.
fn check_frame(home: &Home, file: &dyn File, entry: &SegmentEntry) -> Result<Option<Reason>> {
    let path = home.path(Name::Segment(entry.number));
    let failed = |source| Error::io(&path, source);
    let header = read_header(file).map_err(failed)?;
    match header.and_then(|header| header.check_named(home.log, entry, home.block)) {
        Err(reason @ Reason::Newer(_)) => Err(damaged(path, 0, reason)),
        Err(reason) => Ok(Some(reason)),
        Ok(()) => Ok((file.metadata().map_err(failed)?.len < entry.capacity).then_some(Reason::Short)),
    }
}

/// A segment that the manifest does not name. `None` when it has gone meanwhile.
fn unnamed(home: &Home, number: SegmentNo) -> Result<Option<Probe>> {
    let Some(file) = open(home, number)? else { return Ok(None) };
    let path = home.path(Name::Segment(number));
    let header = read_header(&*file).map_err(|source| Error::io(&path, source))?;
    let checked = header.and_then(|header| header.check(home.log, number, home.block).map(|()| header));
    let (entry, opaque) = match checked {
        Ok(header) => (SegmentEntry { number, salt: header.salt, capacity: header.capacity }, false),
        Err(reason @ Reason::Newer(_)) => return Err(damaged(path, 0, reason)),
        Err(_) => (SegmentEntry { number, salt: 0, capacity: 0 }, true),
    };
    let ground = ground(home, &entry);
    let file = Some(file);
    let mut probe = Probe { entry, ground, named: false, file, first: None, any: None, opaque, broken: None };
    probe.read_first(home)?;
    probe.scan(home, &mut ReadBuf::default())?;
    Ok(Some(probe))
}

impl Probe {
    fn read_first(&mut self, home: &Home) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let ground = &self.ground;
        let mut buf = ReadBuf::default();
        let found =
            read_batch(&**file, &ground.site(ground.start()), ground.block, ground.capacity, &mut buf)
                .map_err(|source| Error::io(self.path(home), source))?;
        self.first = found.ok().map(|batch| batch.header);
        Ok(())
    }
}
