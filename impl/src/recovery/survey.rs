//! The survey: everything that recovery knows, gathered by reading only.

use std::collections::BTreeMap;

use crate::batch::{Batch, BatchHeader, read_batch};
use crate::catalog::{Catalog, Damage};
use crate::commit::Last;
use crate::error::{Error, Reason, Result};
use crate::home::Home;
use crate::lsn::{Lsn, LsnRange, SegmentNo, Seq, StreamId};
use crate::manifest::{ManifestRead, ManifestState, ManifestVerdict, read_manifest};
use crate::mark::Mark;
use crate::names::Name;
use crate::options::Options;
use crate::read_buf::ReadBuf;
use crate::recovery::chain::{self, Chain};
use crate::recovery::judge::{Hole, Judgement, Seen, judge};
use crate::recovery::lost_runs;
use crate::recovery::probe::{self, Probe};
use crate::recovery::recheck::recheck;
use crate::recovery::table::{self, ManifestFacts, NameFacts, Row};
use crate::span::Span;
use crate::walk::Ground;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) rows: Vec<Row>,
    /// What the manifest says; made up from the segments when it cannot be read.
    pub(crate) state: ManifestState,
    /// Where the valid records are, those that nothing vouches for included.
    pub(crate) spans: Vec<Span>,
    /// The last LSN that something durable vouches for.
    pub(crate) vouched: Lsn,
    /// The LSN behind everything valid.
    pub(crate) next: Lsn,
    /// The last vouched batch.
    pub(crate) last: Last,
    /// The batches that nothing vouches for, in order.
    pub(crate) tail: Vec<(Ground, BatchHeader)>,
    /// Each stream's next sequence number, before the tail.
    pub(crate) streams: BTreeMap<StreamId, Seq>,
    pub(crate) damage: Vec<Damage>,
    pub(crate) torn_bytes: u64,
    /// Names that can be removed once a checkpoint without them is durable.
    pub(crate) orphans: Vec<Name>,
    pub(crate) probes: Vec<Probe>,
    /// The segments that were put aside, ascending.
    pub(crate) quarantined: Vec<SegmentNo>,
    /// No segment file above this number has ever been seen.
    pub(crate) highest: SegmentNo,
}

impl Survey {
    /// A catalog of what was found, for reading only.
    pub(crate) fn catalog(&self) -> Catalog {
        let mut catalog = Catalog::new(self.spans.clone(), self.state.trimmed, self.next);
        catalog.archived(&self.state.archive.runs, self.state.archive.generation, self.state.floor);
        catalog.vouched = self.vouched;
        catalog.losses.clone_from(&self.state.losses);
        catalog.damage.clone_from(&self.damage);
        catalog
    }
}

/// Surveys the log. Reads only.
///
/// # Errors
/// [`Error::Io`] and [`Error::Version`]: what cannot be read is not judged. Damage is not an error here.
pub(crate) fn survey(home: &Home) -> Result<Survey> {
    let mut survey = survey_of(home, read_manifest(home)?)?;
    lost_runs::find(home, &mut survey);
    recheck(home, &mut survey)?;
    Ok(survey)
}

/// Surveys the log as if `read` were what its manifest says. Reads only.
///
/// # Errors
/// As [`survey`].
pub(crate) fn survey_of(home: &Home, read: ManifestRead) -> Result<Survey> {
    let mut rows = vec![manifest_row(&read)];
    let mut damage = manifest_damage(home, &read);
    // Without a manifest nobody knows the trim point. What is below the oldest segment is named as a gap: it may have
    // been lost as well as trimmed, and a receipt of it must not be told that it was trimmed.
    let state = read
        .state
        .unwrap_or_else(|| ManifestState::new(&Options { block_size: home.block, ..Options::default() }));
    let names = list(home)?;
    let probes = probe::segments(home, &state, &names)?;
    let mut chain = chain::follow(home, &state, &probes)?;
    let seen = look_at_end(home, &chain, &probes)?;
    let vouched = highest_voucher(read.watermark, &chain, &seen);
    // What was trimmed, or is in the archive, is not missed.
    let mut gone = state.losses.clone();
    gone.insert(0, LsnRange::of(Lsn::FIRST, state.segments_from().get().saturating_sub(1)));
    let found = judge(chain.expected, vouched, &gone, &seen);
    let vouched = vouched.min(found.next.prev());
    for hole in chain.gaps.iter().chain(&found.holes) {
        rows.push(hole.row);
        damage.extend(hole_damage(hole));
    }
    damage.extend(missing(home, &probes, &chain, found.next, read.watermark));
    damage.extend(unnamed(home, &probes));
    add_spans(&mut chain, &found);
    let (name_rows, orphans) = judge_names(&state, &names, &probes, &chain.spans);
    rows.extend(name_rows);
    rows.extend(found.end);
    let (kept, tail) = found.kept.split_at(found.vouched);
    Ok(Survey {
        rows,
        vouched,
        next: found.next.max(past_damage(&damage)),
        last: last_kept(proven(kept, tail), &chain),
        tail: tail.to_vec(),
        streams: streams(home, &chain, kept, &probes)?,
        spans: chain.spans,
        damage,
        torn_bytes: found.torn_bytes,
        orphans,
        quarantined: quarantined(&names),
        highest: highest(&state, &names),
        state,
        probes,
    })
}

/// The names in the directory that mean something. A log does not mind what others put there.
fn list(home: &Home) -> Result<Vec<Name>> {
    let names = home.env.fs.read_dir(&home.dir).map_err(|source| Error::io(&home.dir, source))?;
    Ok(names.iter().filter_map(|name| Name::parse(name)).collect())
}

fn quarantined(names: &[Name]) -> Vec<SegmentNo> {
    let number = |name: &Name| match name {
        Name::Quarantined(number) => Some(*number),
        _ => None,
    };
    let mut numbers: Vec<_> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
}

fn manifest_row(read: &ManifestRead) -> Row {
    let facts = match read.verdict {
        ManifestVerdict::Whole => ManifestFacts { readable: true, invalid: false, valid_behind: false },
        ManifestVerdict::Torn { .. } => ManifestFacts { readable: true, invalid: true, valid_behind: false },
        ManifestVerdict::Damaged { .. } => {
            ManifestFacts { readable: read.state.is_some(), invalid: true, valid_behind: true }
        }
    };
    table::manifest(&facts)
}

fn manifest_damage(home: &Home, read: &ManifestRead) -> Vec<Damage> {
    match read.verdict {
        ManifestVerdict::Damaged { offset, reason } => {
            let error = Error::CorruptFile { path: home.path(Name::Manifest), offset, reason };
            vec![Damage { lsns: LsnRange::of(Lsn::FIRST, 0), error }]
        }
        _ => Vec::new(),
    }
}

/// Walks over the last segment with records, and over those above it that have lost their beginning.
fn look_at_end(home: &Home, chain: &Chain, probes: &[Probe]) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    let mut buf = ReadBuf::default();
    for probe in probes {
        let is_base = chain.base.is_some_and(|base| base == probe.number());
        let above = chain.base.is_none_or(|base| probe.number() > base) && probe.any.is_some();
        if is_base || above {
            seen.extend(probe.walk(home, probe.ground.start(), probe.ground.capacity, &mut buf)?);
        }
    }
    Ok(seen)
}

/// The last LSN that anything durable vouches for.
fn highest_voucher(manifest: Lsn, chain: &Chain, seen: &[Seen]) -> Lsn {
    let batches = seen.iter().filter_map(|item| match item {
        Seen::Batch(_, header) => Some(header.watermark),
        Seen::Break(_) => None,
    });
    // A segment's first batch is written only once its predecessor is wholly durable.
    batches.fold(manifest.max(chain.expected.prev()), Lsn::max)
}

fn hole_damage(hole: &Hole) -> Option<Damage> {
    let (segment, offset, reason) =
        hole.at.map_or((SegmentNo::NONE, 0, Reason::Missing), |at| (at.ground.segment, at.offset, at.reason));
    let error = Error::Corrupt { segment, offset, lsns: hole.lsns, reason };
    hole.row.is_damage().then_some(Damage { lsns: hole.lsns, error })
}

/// Segments that are named, but are not there, or not as they were named. Above all that was found, nobody knows what such
/// a segment held: the next record at least.
fn missing(home: &Home, probes: &[Probe], chain: &Chain, next: Lsn, watermark: Lsn) -> Vec<Damage> {
    let damage = probes.iter().filter(|probe| probe.named).filter_map(|probe| {
        let reason = if probe.file.is_some() { probe.broken? } else { Reason::Missing };
        let error = Error::CorruptFile { path: probe.path(home), offset: 0, reason };
        let above = chain.base.is_none_or(|base| probe.number() > base);
        let unknown = above || probe.is_cut(chain.base);
        let lsns =
            if unknown { LsnRange::new(next, next.max(watermark)) } else { LsnRange::of(Lsn::FIRST, 0) };
        Some(Damage { lsns, error })
    });
    damage.collect()
}

/// Segments that hold records, or may, but are not named.
fn unnamed(home: &Home, probes: &[Probe]) -> Vec<Damage> {
    let lost = probes.iter().filter(|probe| !probe.named && probe.has_batches());
    let damage = lost.map(|probe| {
        let error = Error::CorruptFile { path: probe.path(home), offset: 0, reason: Reason::Unnamed };
        Damage { lsns: LsnRange::of(Lsn::FIRST, 0), error }
    });
    damage.collect()
}

fn past_damage(damage: &[Damage]) -> Lsn {
    damage
        .iter()
        .filter(|damage| !damage.lsns.is_empty())
        .map(|damage| damage.lsns.last.next())
        .max()
        .unwrap_or_default()
}

/// Adds the spans of the segments at the end: all their batches that count.
fn add_spans(chain: &mut Chain, found: &Judgement) {
    for (ground, header) in &found.kept {
        let end = header.end(ground.block);
        match chain.spans.last_mut().filter(|span| span.ground == *ground) {
            Some(span) => {
                span.lsns.last = span.lsns.last.max(header.next().prev());
                span.end = end;
                span.mark_part(Mark::of(header, 0));
            }
            None => chain.spans.push(Span::new(*ground, header.lsns(), header.site.offset, end)),
        }
    }
}

fn judge_names(
    state: &ManifestState,
    names: &[Name],
    probes: &[Probe],
    spans: &[Span],
) -> (Vec<Row>, Vec<Name>) {
    let top = spans.last().map_or(SegmentNo::NONE, Span::number);
    let (mut rows, mut orphans) = (Vec::new(), Vec::new());
    let none = NameFacts {
        tmp: false,
        below_floor: false,
        named: false,
        present: true,
        broken: false,
        batches: false,
        kept: false,
        above: false,
    };
    let mut decide = |name: Name, facts: &NameFacts| {
        let row = table::name(facts);
        if matches!(row, Row::LeftOver | Row::BelowFloor | Row::UnnamedEmpty | Row::NamedUnused) {
            orphans.push(name);
        }
        rows.push(row);
    };
    for name in names {
        match name {
            Name::Segment(number) if *number < state.floor => {
                decide(*name, &NameFacts { below_floor: true, ..none })
            }
            name if name.is_tmp() => decide(*name, &NameFacts { tmp: true, ..none }),
            _ => {}
        }
    }
    for probe in probes {
        let number = probe.number();
        let facts = NameFacts {
            named: probe.named,
            present: probe.file.is_some(),
            broken: probe.broken.is_some(),
            batches: probe.has_batches(),
            kept: spans.iter().any(|span| span.number() == number),
            above: number > top,
            ..none
        };
        decide(Name::Segment(number), &facts);
    }
    (rows, orphans)
}

/// The batches that are surely on the device. An idle mark at the very end vouches for what is before it, but
/// nothing vouches for the mark: the page cache may hold one whose write failed. So the next batch does not
/// continue it. A mark with a batch behind it was synced before that batch was written.
fn proven<'a>(
    kept: &'a [(Ground, BatchHeader)],
    tail: &[(Ground, BatchHeader)],
) -> &'a [(Ground, BatchHeader)] {
    let marks =
        kept.iter().rev().take_while(|(_, header)| tail.is_empty() && header.lsns().is_empty()).count();
    &kept[..kept.len() - marks]
}

/// The batch that the next one continues.
fn last_kept(kept: &[(Ground, BatchHeader)], chain: &Chain) -> Last {
    match kept.last() {
        Some((ground, header)) => {
            Last { chain: header.chain_value(), segment: ground.segment, end: header.end(ground.block) }
        }
        // The last segment has nothing that counts: its first batch says what came before it.
        None => chain.before,
    }
}

/// Each stream's next sequence number behind `kept`: from the table in the segment's first batch, and the
/// records since.
fn streams(
    home: &Home,
    chain: &Chain,
    kept: &[(Ground, BatchHeader)],
    probes: &[Probe],
) -> Result<BTreeMap<StreamId, Seq>> {
    let mut streams = BTreeMap::new();
    let mut buf = ReadBuf::default();
    if let Some(first) = chain.first.filter(|first| kept.first() != Some(first)) {
        // Its records do not count, but its table speaks of what was before them.
        read(home, probes, &first, &mut buf, |batch| {
            streams.extend(batch.streams().into_iter().flatten());
        })?;
    }
    for place in kept {
        read(home, probes, place, &mut buf, |batch| {
            streams.extend(batch.streams().into_iter().flatten());
            for frame in batch.records() {
                streams.insert(frame.stream, frame.seq.next());
            }
        })?;
    }
    Ok(streams)
}

/// Reads a batch that was seen before.
pub(crate) fn read(
    home: &Home,
    probes: &[Probe],
    (ground, header): &(Ground, BatchHeader),
    buf: &mut ReadBuf,
    look: impl FnOnce(&Batch<'_>),
) -> Result<()> {
    let path = home.path(Name::Segment(ground.segment));
    let corrupt = |reason| Error::Corrupt {
        segment: ground.segment,
        offset: header.site.offset,
        lsns: header.lsns(),
        reason,
    };
    let file =
        probes.iter().find(|probe| probe.number() == ground.segment).and_then(|probe| probe.file.as_deref());
    let file = file.ok_or_else(|| corrupt(Reason::Missing))?;
    let batch = read_batch(file, &header.site, ground.block, ground.capacity, buf)
        .map_err(|source| Error::io(path, source))?
        .map_err(corrupt)?;
    look(&batch);
    Ok(())
}

/// The highest number of any segment that was ever seen or named.
fn highest(state: &ManifestState, names: &[Name]) -> SegmentNo {
    let seen = names.iter().filter_map(|name| match name {
        Name::Segment(number) | Name::SegmentTmp(number) | Name::Quarantined(number) => Some(*number),
        _ => None,
    });
    seen.fold(state.next_segment.prev(), SegmentNo::max)
}
