//! Holding claims against what is there, and a whole log against itself.

use std::ops::ControlFlow;
use std::path::Path;

use truelog_env::{Env, OpenMode};

use crate::archive::orphans::Orphan;
use crate::archive::run::RunEntry;
use crate::archive::scrub::BadCopy;
use crate::batch::{Batch, BatchHeader, read_batch};
use crate::catalog::Damage;
use crate::codec::as_u64;
use crate::error::{Error, Reason, Result};
use crate::inspect::{Inspection, inspect_in};
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};
use crate::names::Name;
use crate::os;
use crate::read_buf::ReadBuf;
use crate::reader::Reader;
use crate::receipt::{Claim, Unverifiable, Verdict, Violation};
use crate::span::Span;
use crate::types::{Digest, LogId};
use crate::walk::find_valid;

/// Holds a claim against the record that is there.
pub(crate) fn verify(reader: &Reader, log: LogId, claim: &Claim) -> Result<Verdict> {
    if claim.log != log {
        return Ok(Verdict::Unverifiable { why: Unverifiable::OtherLog { found: log } });
    }
    let entry = match reader.get(claim.lsn) {
        Ok(entry) => entry,
        Err(error) => return refused(error),
    };
    let found = Digest::of(&entry.payload);
    Ok(if entry.stream != claim.stream {
        violated(Violation::OtherStream { found: entry.stream })
    } else if entry.seq != claim.seq {
        violated(Violation::OtherSeq { found: entry.seq })
    } else if found != claim.digest || entry.payload.len() != usize::try_from(claim.len).unwrap_or(usize::MAX)
    {
        violated(Violation::OtherPayload { found })
    } else if entry.vouched {
        Verdict::Verified
    } else {
        Verdict::Unvouched
    })
}

/// The verdict on records that the log does not serve.
///
/// # Errors
/// What says nothing about them.
pub(crate) fn refused(error: Error) -> Result<Verdict> {
    Ok(match error {
        Error::Trimmed { .. } => Verdict::Trimmed,
        Error::Absent { next, .. } => violated(Violation::Absent { next }),
        Error::Lost { lsns } => violated(Violation::Lost { lsns }),
        Error::Corrupt { lsns, .. } | Error::CorruptBlock { lsns, .. } => {
            violated(Violation::Damaged { lsns })
        }
        error => return Err(error),
    })
}

pub(crate) const fn violated(why: Violation) -> Verdict {
    Verdict::Violated { why }
}

/// What a verification of a whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// The log's identity.
    pub log: LogId,
    /// How many segments the manifest names.
    pub segments: u64,
    /// How many batches were read and are whole.
    pub batches: u64,
    /// How many records were read and are whole.
    pub records: u64,
    /// How many bytes their payloads have.
    pub payload_bytes: u64,
    /// How many of the records nothing vouches for yet.
    pub unvouched: u64,
    /// The first record that is kept.
    pub first: Lsn,
    /// The LSN behind the last record.
    pub next: Lsn,
    /// How many copies of runs of the archive were read, all of their blocks.
    pub copies: u64,
    /// The copies of runs that could not be read, because their drive cannot be reached.
    pub unreachable: Vec<(DriveNo, RunNo)>,
    /// The copies that are damaged, each at its first bad block. Records of which another copy is whole are no damage.
    pub bad_copies: Vec<BadCopy>,
    /// The files on drives that are no part of the log. None of them is damage.
    pub orphans: Vec<Orphan>,
    /// Everything that is damaged, sealed segments included. If it is empty, and nothing was left unread, the log holds.
    pub damage: Vec<Damage>,
    /// The records of a segment that were not read, because a call of the file system failed there. Nothing says that
    /// they are damaged.
    pub unread: Vec<Damage>,
}

impl Report {
    fn new(inspection: &Inspection) -> Self {
        Self {
            log: inspection.log(),
            segments: 0,
            batches: 0,
            records: 0,
            payload_bytes: 0,
            unvouched: 0,
            first: inspection.first(),
            next: inspection.next(),
            copies: 0,
            unreachable: Vec::new(),
            bad_copies: Vec::new(),
            orphans: Vec::new(),
            damage: Vec::new(),
            unread: Vec::new(),
        }
    }
}

/// As [`verify_dir_in`], in the real surroundings.
///
/// # Errors
/// As [`verify_dir_in`].
pub fn verify_dir(dir: impl AsRef<Path>) -> Result<Report> {
    verify_dir_in(&os::native(), &os::resolve(dir.as_ref())?)
}

/// Reads every record of the log in `dir`, an absolute path, and checks all of it: headers, checksums, chains, and
/// that the LSNs have no gap. Takes no lock and writes nothing.
///
/// Where a writer beside has replaced files meanwhile it looks again, and goes on behind what it has read. Where a
/// segment cannot be read it goes on behind that segment.
///
/// # Errors
/// As [`inspect_in`].
pub fn verify_dir_in(env: &Env, dir: &Path) -> Result<Report> {
    let mut inspection = inspect_in(env, dir)?;
    let mut report = Report::new(&inspection);
    let mut from = Lsn::FIRST;
    while let ControlFlow::Break(at) = check_from(&inspection, from, &mut report)? {
        from = at;
        inspection = inspect_in(env, dir)?;
        (report.first, report.next) = (inspection.first(), inspection.next());
    }
    report.orphans = inspection.orphans();
    Ok(report)
}

/// Checks what has records from `from` on, piece by piece, ascending. Breaks at the first record of a piece that was
/// replaced meanwhile.
fn check_from(inspection: &Inspection, from: Lsn, report: &mut Report) -> Result<ControlFlow<Lsn>> {
    let known = |report: &mut Report| {
        inspection.damage().iter().for_each(|damage| note(report, damage.lsns, damage.error.clone()));
        report.segments = as_u64(inspection.segments().len());
    };
    let mut reached = piece(inspection, report, from, known)?;
    for run in inspection.runs().iter().filter(|run| run.lsns.last >= from) {
        if reached.is_continue() {
            let check = |report: &mut Report| check_run(inspection, run, from, report);
            reached = piece(inspection, report, from.max(run.lsns.first), check)?;
        }
    }
    let mut walk = Walk { inspection, from, buf: ReadBuf::default(), before: None };
    for span in inspection.spans().iter().filter(|span| span.lsns.last >= from) {
        if reached.is_continue() {
            let check = |report: &mut Report| walk.segment(span, report);
            reached = piece(inspection, report, from.max(span.lsns.first), check)?;
        }
    }
    Ok(reached)
}

/// Checks a piece that begins with the record `at`. If there is trouble, and files were replaced meanwhile, it proves
/// nothing: it is taken back.
fn piece(
    inspection: &Inspection,
    report: &mut Report,
    at: Lsn,
    check: impl FnOnce(&mut Report),
) -> Result<ControlFlow<Lsn>> {
    let before = report.clone();
    check(report);
    let same = report.damage == before.damage
        && report.bad_copies == before.bad_copies
        && report.unread == before.unread;
    if !same && inspection.is_outdated()? {
        *report = before;
        return Ok(ControlFlow::Break(at));
    }
    Ok(ControlFlow::Continue(()))
}

/// Reads all copies of a run, and from one of them its records from `from` on.
fn check_run(inspection: &Inspection, run: &RunEntry, from: Lsn, report: &mut Report) {
    let kept = LsnRange::new(run.lsns.first.max(report.first).max(from), run.lsns.last);
    let checked = inspection.archive().check(run, kept);
    report.copies += checked.copies;
    report.unreachable.extend(checked.unreachable.into_iter().map(|drive| (drive, run.number)));
    report.bad_copies.extend(checked.bad);
    report.records += checked.records;
    report.payload_bytes += checked.payload_bytes;
    for Damage { lsns, error } in checked.damage {
        note(report, lsns, error);
    }
}

/// Adds damage that is not known yet.
fn note(report: &mut Report, lsns: LsnRange, error: Error) {
    let known = |known: &Damage| known.error == error || (!lsns.is_empty() && known.lsns == lsns);
    if !report.damage.iter().any(known) {
        report.damage.push(Damage { lsns, error });
    }
}

/// Walks over kept batches, in order, and checks that each continues the one before it.
struct Walk<'a> {
    inspection: &'a Inspection,
    /// Records before this one were counted already.
    from: Lsn,
    buf: ReadBuf,
    /// The last batch, if the next one follows it without a gap.
    before: Option<BatchHeader>,
}

impl Walk<'_> {
    fn segment(&mut self, span: &Span, report: &mut Report) {
        let mut due = span.lsns.first;
        if let Err(error) = self.batches(span, &mut due, report) {
            // Where the next batch begins is not known, so the rest of the segment is unread.
            self.before = None;
            let lsns = LsnRange::new(due.max(report.first).max(self.from), span.lsns.last);
            report.unread.push(Damage { lsns, error });
        }
    }

    /// Checks the batches of a segment. `due` is the record that comes next.
    fn batches(&mut self, span: &Span, due: &mut Lsn, report: &mut Report) -> Result<()> {
        let ground = span.ground;
        let home = self.inspection.home();
        let path = home.path(Name::Segment(ground.segment));
        let failed = |source| Error::io(&path, source);
        let file = home.env.fs.open(&path, OpenMode::READ).map_err(failed)?;
        let mut offset = span.start;
        while offset < span.end {
            let site = ground.site(offset);
            let mut buf = std::mem::take(&mut self.buf);
            let found = read_batch(&*file, &site, ground.block, span.end, &mut buf).map_err(failed)?;
            let step = match found {
                Ok(batch) if batch.header.base == *due => Ok(self.batch(&batch, report)),
                Ok(batch) => Err(Reason::OtherLsn(batch.header.base)),
                Err(reason) => Err(reason),
            };
            self.buf = buf;
            match step {
                Ok(header) => (*due, offset) = (header.next(), header.end(ground.block)),
                Err(reason) => {
                    let from = offset.saturating_add(u64::from(ground.block));
                    let behind =
                        find_valid(&*file, &ground, from, span.end, &mut self.buf).map_err(failed)?;
                    let next = behind.valid.filter(|header| header.base >= *due);
                    let last = next.map_or(span.lsns.last, |header| header.base.prev());
                    self.hole(ground.segment, offset, LsnRange::new(*due, last), reason, report);
                    let Some(header) = next else { break };
                    (*due, offset) = (header.base, header.site.offset);
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch<'_>, report: &mut Report) -> BatchHeader {
        let header = batch.header;
        report.batches += 1;
        for frame in batch.records().filter(|frame| frame.lsn >= report.first.max(self.from)) {
            report.records += 1;
            report.payload_bytes += as_u64(frame.payload.len());
            report.unvouched += u64::from(frame.lsn > self.inspection.vouched());
        }
        if self
            .before
            .is_some_and(|before| before.next() == header.base && before.chain_value() != header.chain)
        {
            let (segment, offset) = (header.site.segment, header.site.offset);
            let error = Error::Corrupt { segment, offset, lsns: header.lsns(), reason: Reason::OtherChain };
            note(report, header.lsns(), error);
        }
        self.before = Some(header);
        header
    }

    fn hole(&mut self, segment: SegmentNo, offset: u64, lsns: LsnRange, reason: Reason, report: &mut Report) {
        self.before = None;
        let lost = |loss: &LsnRange| loss.first <= lsns.first && lsns.last <= loss.last;
        if !lsns.is_empty() && lsns.last >= report.first && !self.inspection.losses().iter().any(lost) {
            note(report, lsns, Error::Corrupt { segment, offset, lsns, reason });
        }
    }
}
