//! The archive's work beside clients: what it may say, what it must not, and how much of it there was.

use std::ops::AddAssign;

use truelog_env::Op;
use truelog_spec::contract::Violation;
use truelog_spec::{ClientStep, Failure, Invariant, Outcome};

use super::play::Stage;
use crate::driver::files;
use crate::fabric::{Call, DriveFile, Edge, Role};
use crate::oracle::Reading;
use crate::subject::{Archived, Refusal};

/// What the archive did while clients were there, over all schedules of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Runs that were published.
    pub runs: u64,
    /// Blocks that were read ahead.
    pub filled: u64,
    /// Reads that were served from a slot.
    pub hits: u64,
    /// Reads of the archive that were not.
    pub misses: u64,
    /// Segments and runs whose names were removed.
    pub removed: u64,
    /// Those of them that went while a reader was at a file of another name: it held a snapshot then.
    pub beside_readers: u64,
    /// Steps that found something to wait for, such as a reader.
    pub waits: u64,
    /// Blocks that a scrub found whole.
    pub scrubbed: u64,
    /// Receipts that were verified.
    pub audited: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.filled += other.filled;
        self.hits += other.hits;
        self.misses += other.misses;
        self.removed += other.removed;
        self.beside_readers += other.beside_readers;
        self.waits += other.waits;
        self.scrubbed += other.scrubbed;
        self.audited += other.audited;
    }
}

impl Work {
    /// What a scene with an archive did not do, and must: it would see nothing then.
    #[must_use]
    pub const fn lacks(&self) -> Option<&'static str> {
        match self {
            Self { runs: 0, .. } => Some("no compaction ended"),
            Self { hits: 0, .. } => Some("no read was served from a slot"),
            Self { removed: 0, .. } => Some("nothing was reclaimed"),
            _ => None,
        }
    }
}

/// So many steps of the archive's thread.
pub(super) fn steps<S: Archived>(stage: &Stage, log: &S, count: usize) {
    for _ in 0..count {
        let Some(step) = work(stage, &ClientStep::Tick, || log.archive_step()) else { return };
        let mut known = stage.known();
        known.work().waits += u64::from(step.pending);
        known.work().runs += u64::from(step.published.is_some());
        drop(known);
        found(stage, step.published.as_slice());
    }
}

/// Archives all that is sealed.
pub(super) fn compact<S: Archived>(stage: &Stage, log: &S) {
    if let Some(runs) = work(stage, &ClientStep::Compact, || log.compact()) {
        stage.known().work().runs += runs.len() as u64;
        found(stage, &runs);
    }
}

/// A scrub beside everything else finds nothing wrong with healthy drives.
pub(super) fn scrub<S: Archived>(stage: &Stage, log: &S) {
    let Some(report) = work(stage, &ClientStep::Scrub, || log.scrub(false)) else { return };
    stage.known().work().scrubbed += report.blocks;
    if !report.bad.is_empty() || !report.lost.is_empty() {
        let says = format!("a scrub of healthy drives finds damage: {report:?}");
        stage.breaks(Err(Violation::new(Invariant::QuarantineLosesNothing, says)));
    }
}

/// On a disk where nothing failed every drive serves.
pub(super) fn drives<S: Archived>(stage: &Stage, log: &S) {
    if let Some(out) = log.drives().iter().find(|drive| !drive.serves) {
        let says = format!("a healthy drive is out: {out:?}");
        stage.breaks(Err(Violation::new(Invariant::QuarantineLosesNothing, says)));
    }
}

/// On a disk where nothing failed, nothing of the archive's work fails. That the log is poisoned there is not the archive's fault,
/// and is judged by itself.
fn work<T>(stage: &Stage, step: &ClientStep, deed: impl FnOnce() -> Result<T, Refusal>) -> Option<T> {
    let mut says = None;
    let told = |refusal: Refusal| {
        says = Some(refusal.says.clone()).filter(|_| refusal.kind != Failure::Poisoned);
        refusal
    };
    let done = stage.call(step, || deed().map_err(told), |_| Outcome::Done);
    if let Some(says) = says {
        let says = format!("{step} on a disk without faults: {says}");
        stage.breaks(Err(Violation::new(Invariant::QuarantineLosesNothing, says)));
    }
    done
}

/// What is said to be archived is so after a loss of power, too, unless it was trimmed since.
fn found(stage: &Stage, runs: &[(u64, u64)]) {
    if runs.is_empty() {
        return;
    }
    let reading =
        Reading::of(&stage.disk.snapshot().durable().map(|image| files(&image)).unwrap_or_default());
    let may = stage.known().told.may();
    for (first, last) in runs {
        if (*first.max(&may)..=*last).any(|lsn| !reading.archived.contains_key(&lsn)) {
            let says = format!("LSNs {first} to {last} are not sure to be in the archive");
            stage.breaks(Err(Violation::new(Invariant::ClaimHasArtifact, says)));
        }
    }
}

/// Whether a call is at a file that the archive may replace: a segment, or a run.
pub(super) const fn replaceable(call: &Call) -> bool {
    matches!(call.role, Role::Segment(_) | Role::OnDrive(_, DriveFile::Run(_)))
}

/// Whether a call has removed such a file.
pub(super) fn removes(call: &Call, edge: Edge) -> bool {
    call.op == Op::Unlink && matches!(edge, Edge::End(Ok(_))) && replaceable(call)
}
