//! Holding claims against what is there, and a whole log against itself.

use std::path::Path;

use truelog_env::{Env, IoKind, OpenMode};

use crate::archive::scrub::BadCopy;
use crate::batch::{Batch, BatchHeader, read_batch};
use crate::catalog::{Damage, Span};
use crate::codec::as_u64;
use crate::error::{Error, Reason, Result};
use crate::identity::damaged;
use crate::inspect::{Inspection, inspect_in};
use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};
use crate::names::Name;
use crate::os;
use crate::reader::Reader;
use crate::receipt::{Claim, Unverifiable, Verdict, Violation};
use crate::segment::read_header;
use crate::types::{Digest, LogId};
use crate::walk::find_valid;

/// Holds a claim against the record that is there.
pub(crate) fn verify(reader: &Reader, log: LogId, claim: &Claim) -> Result<Verdict> {
    if claim.log != log {
        return Ok(Verdict::Unverifiable { why: Unverifiable::OtherLog { found: log } });
    }
    let entry = match reader.get(claim.lsn) {
        Ok(entry) => entry,
        Err(Error::Trimmed { .. }) => return Ok(Verdict::Trimmed),
        Err(Error::Absent { next, .. }) => return Ok(violated(Violation::Absent { next })),
        Err(Error::Lost { lsns }) => return Ok(violated(Violation::Lost { lsns })),
        Err(Error::Corrupt { lsns, .. } | Error::CorruptBlock { lsns, .. }) => {
            return Ok(violated(Violation::Damaged { lsns }));
        }
        Err(error) => return Err(error),
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

const fn violated(why: Violation) -> Verdict {
    Verdict::Violated { why }
}

/// What a verification of a whole log found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// The log's identity.
    pub log: LogId,
    /// How many segments were read.
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
    /// Everything that is damaged, sealed segments included. Empty: the log holds.
    pub damage: Vec<Damage>,
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
/// # Errors
/// As [`inspect_in`].
pub fn verify_dir_in(env: &Env, dir: &Path) -> Result<Report> {
    let inspection = inspect_in(env, dir)?;
    let mut report = Report {
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
        damage: inspection.damage().to_vec(),
    };
    check_headers(&inspection, &mut report)?;
    check_archive(&inspection, &mut report);
    check_batches(&inspection, &mut report)?;
    Ok(report)
}

/// Checks the segments' headers. What they say stands in the manifest too, so no record is affected.
fn check_headers(inspection: &Inspection, report: &mut Report) -> Result<()> {
    let home = inspection.home();
    for entry in inspection.segments() {
        let path = home.path(Name::Segment(entry.number));
        let file = match home.env.fs.open(&path, OpenMode::READ) {
            Ok(file) => file,
            // That it is missing is known by now, unless it was trimmed meanwhile.
            Err(error) if error.kind == IoKind::NotFound => continue,
            Err(error) => return Err(Error::io(path, error)),
        };
        let header = read_header(&*file).map_err(|source| Error::io(&path, source))?;
        if let Err(reason) = header.and_then(|header| header.check_named(home.log, entry, home.block)) {
            note(report, LsnRange::of(Lsn::FIRST, 0), damaged(path, 0, reason));
        }
        report.segments += 1;
    }
    Ok(())
}

/// Reads all copies of all runs, and the records that they hold from one of them.
fn check_archive(inspection: &Inspection, report: &mut Report) {
    for run in inspection.runs() {
        let checked = inspection.archive().check(run);
        report.copies += checked.copies;
        report.unreachable.extend(checked.unreachable.into_iter().map(|drive| (drive, run.number)));
        report.bad_copies.extend(checked.bad);
        let kept = LsnRange::new(run.lsns.first.max(report.first), run.lsns.last);
        let damaged: u64 = checked.damage.iter().map(|damage| damage.lsns.len()).sum();
        report.records += kept.len().saturating_sub(damaged + checked.given_up);
        report.payload_bytes += checked.payload_bytes;
        for Damage { lsns, error } in checked.damage {
            note(report, lsns, error);
        }
    }
}

/// Walks over all kept batches, in order, and checks that each continues the one before it.
fn check_batches(inspection: &Inspection, report: &mut Report) -> Result<()> {
    let mut walk = Walk { inspection, report, buf: Vec::new(), before: None };
    for span in inspection.spans() {
        walk.segment(&span)?;
    }
    Ok(())
}

/// Adds damage that is not known yet.
fn note(report: &mut Report, lsns: LsnRange, error: Error) {
    let known = |known: &Damage| known.error == error || (!lsns.is_empty() && known.lsns == lsns);
    if !report.damage.iter().any(known) {
        report.damage.push(Damage { lsns, error });
    }
}

struct Walk<'a> {
    inspection: &'a Inspection,
    report: &'a mut Report,
    buf: Vec<u8>,
    /// The last batch, if the next one follows it without a gap.
    before: Option<BatchHeader>,
}

impl Walk<'_> {
    fn segment(&mut self, span: &Span) -> Result<()> {
        let ground = span.ground;
        let home = self.inspection.home();
        let path = home.path(Name::Segment(ground.segment));
        let failed = |source| Error::io(&path, source);
        let file = home.env.fs.open(&path, OpenMode::READ).map_err(failed)?;
        let (mut due, mut offset) = (span.lsns.first, span.start);
        while offset < span.end {
            let site = ground.site(offset);
            let mut buf = std::mem::take(&mut self.buf);
            let found = read_batch(&*file, &site, ground.block, span.end, &mut buf).map_err(failed)?;
            let step = match found {
                Ok(batch) if batch.header.base == due => Ok(self.batch(&batch)),
                Ok(batch) => Err(Reason::OtherLsn(batch.header.base)),
                Err(reason) => Err(reason),
            };
            self.buf = buf;
            match step {
                Ok(header) => (due, offset) = (header.next(), header.end(ground.block)),
                Err(reason) => {
                    let from = offset.saturating_add(u64::from(ground.block));
                    let behind =
                        find_valid(&*file, &ground, from, span.end, &mut self.buf).map_err(failed)?;
                    let next = behind.valid.filter(|header| header.base >= due);
                    let last = next.map_or(span.lsns.last, |header| header.base.prev());
                    self.hole(ground.segment, offset, LsnRange::new(due, last), reason);
                    let Some(header) = next else { break };
                    (due, offset) = (header.base, header.site.offset);
                }
            }
        }
        Ok(())
    }

    fn batch(&mut self, batch: &Batch<'_>) -> BatchHeader {
        let header = batch.header;
        self.report.batches += 1;
        for frame in batch.records().filter(|frame| frame.lsn >= self.report.first) {
            self.report.records += 1;
            self.report.payload_bytes += as_u64(frame.payload.len());
            self.report.unvouched += u64::from(frame.lsn > self.inspection.vouched());
        }
        if self
            .before
            .is_some_and(|before| before.next() == header.base && before.chain_value() != header.chain)
        {
            let (segment, offset) = (header.site.segment, header.site.offset);
            let error = Error::Corrupt { segment, offset, lsns: header.lsns(), reason: Reason::OtherChain };
            note(self.report, header.lsns(), error);
        }
        self.before = Some(header);
        header
    }

    fn hole(&mut self, segment: SegmentNo, offset: u64, lsns: LsnRange, reason: Reason) {
        self.before = None;
        let lost = |loss: &LsnRange| loss.first <= lsns.first && lsns.last <= loss.last;
        if !lsns.is_empty() && lsns.last >= self.report.first && !self.inspection.losses().iter().any(lost) {
            note(self.report, lsns, Error::Corrupt { segment, offset, lsns, reason });
        }
    }
}
