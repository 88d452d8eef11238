//! The facts that the rules judge: of a running log, and of an inspection.

use std::time::Duration;

use truelog_env::Volume;

use super::{Finding, Health, Rule};
use crate::archive::entry::DriveStatus;
use crate::archive::opening::Missing;
use crate::archive::run::RunEntry;
use crate::archive::set::DriveSet;
use crate::archive::shelf::DriveState;
use crate::audit::AuditStat;
use crate::catalog::Damage;
use crate::engine::Engine;
use crate::error::{Error, ReadOnlyWhy, Reason, weakness_text};
use crate::group_commit::Marks;
use crate::inspect::Inspection;
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::names::Name;
use crate::options::Options;

/// How long the durable watermark may stand still while records wait.
const STILL: Duration = Duration::from_secs(1);
/// How many sealed segments may wait to be archived.
const WAITING: usize = 8;
/// The inodes that should be free: a few segments and manifests.
const INODES: u64 = 64;

/// Since when the durable watermark has stood still while records wait, as far as anybody has looked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lag {
    durable: Lsn,
    since: Option<Duration>,
}

impl Lag {
    /// Looks again. `waits`: there are records beyond the mark.
    fn look(&mut self, mark: Lsn, waits: bool, now: Duration) -> Duration {
        if self.durable != mark || !waits {
            *self = Self { durable: mark, since: None };
        }
        if !waits {
            return Duration::ZERO;
        }
        now.saturating_sub(*self.since.get_or_insert(now))
    }
}

/// All that the rules judge.
#[derive(Debug, Default)]
struct Facts {
    failure: Option<Error>,
    read_only: Option<ReadOnlyWhy>,
    damage: Vec<Damage>,
    /// What the last audit found violated, if nothing has covered it since.
    violated: Vec<LsnRange>,
    /// Why the log is not where it was.
    moved: Option<Error>,
    volume: Option<Volume>,
    segment_size: u64,
    drives: Vec<DriveState>,
    runs: Vec<RunEntry>,
    /// What whoever looks from beside finds not to be on the drives. The writer learns that from its reads and scrubs.
    missing: Missing,
    copies: u16,
    refused: Option<Error>,
    audit: AuditStat,
    /// The last record, and the mark that stands still for that long.
    lag: (Lsn, Lsn, Duration),
    /// How many sealed segments the archive does not have.
    waiting: usize,
}

impl Engine {
    /// How the log is.
    pub(crate) fn health(&self) -> Health {
        let next = self.kernel.peek(|front, _| front.next());
        let marks = self.kernel.marks();
        let catalog = self.catalog.lock();
        let archived = catalog.runs().last().map_or(Lsn::NONE, |run| run.lsns.last);
        let sealed = catalog.spans().len().saturating_sub(1);
        let damage = catalog.damage.iter().chain(&catalog.seen).cloned().collect();
        let waiting = catalog.spans().iter().take(sealed).filter(|span| span.lsns.last > archived).count();
        let runs = kept_runs(catalog.runs(), &catalog.losses);
        let (trimmed, losses) = (catalog.trimmed, catalog.losses.clone());
        drop(catalog);
        let drives = self.drives();
        let audit = self.audit.stat(self.home.env.clock.monotonic(), next > trimmed);
        let facts = Facts {
            failure: self.kernel.failure(),
            read_only: self.read_only.clone(),
            damage,
            violated: uncovered(audit.violated, trimmed, &losses),
            moved: None,
            volume: Some(self.audit.volume()),
            segment_size: self.options.segment_size,
            waiting: if drives.is_empty() { 0 } else { waiting },
            drives,
            runs,
            missing: Missing::default(),
            copies: self.options.copies,
            refused: self.refused.lock().clone(),
            lag: self.lag(next, marks),
            audit,
        };
        facts.judge()
    }

    fn lag(&self, next: Lsn, marks: Marks) -> (Lsn, Lsn, Duration) {
        // Where nothing is ever called durable, what is written is all there is to move.
        let mark = if self.home.volume.weakness.is_some() { marks.written } else { marks.durable };
        let now = self.home.env.clock.monotonic();
        (next.prev(), mark, self.lag.lock().look(mark, mark < next.prev(), now))
    }
}

impl Inspection {
    /// How the log is, as far as it can be seen from beside: by the same rules as [`Log::health`](crate::Log::health),
    /// without what only the writer knows, which are its failures and its lag. The sealed segments were not read: what
    /// is wrong with them is known from the writer's last audit, or to `verify`.
    pub fn health(&self) -> Health {
        let home = self.home();
        let born = home.env.fs.modified(&home.path(Name::Identity)).ok().flatten();
        let audit = self.audited().stat(
            home.env.clock.wall(),
            born,
            self.next() > self.first(),
            Options::default().audit_all_every,
        );
        let runs = kept_runs(self.runs(), self.losses());
        let missing = self.missing(&runs);
        let facts = Facts {
            damage: self.damage().to_vec(),
            violated: uncovered(audit.violated, self.first(), self.losses()),
            moved: self.moved().cloned(),
            volume: Some(home.volume),
            segment_size: self.options().segment_size,
            drives: self.drives(),
            runs,
            missing,
            copies: self.options().copies,
            audit,
            ..Facts::default()
        };
        facts.judge()
    }
}

/// What was found violated and is neither trimmed nor given up.
fn uncovered(violated: LsnRange, trimmed: Lsn, losses: &[LsnRange]) -> Vec<LsnRange> {
    let kept = LsnRange::new(violated.first.max(trimmed), violated.last);
    if kept.is_empty() { Vec::new() } else { crate::recovery::uncovered(kept, losses) }
}

/// The runs of which something was not given up.
fn kept_runs(runs: &[RunEntry], losses: &[LsnRange]) -> Vec<RunEntry> {
    let kept = |run: &&RunEntry| !crate::recovery::uncovered(run.lsns, losses).is_empty();
    runs.iter().filter(kept).copied().collect()
}

/// The rule that a failure comes under.
const fn rule_of(error: &Error) -> Rule {
    match error {
        Error::ClaimViolated { .. } => Rule::ClaimViolated,
        Error::Displaced { .. } => Rule::FileDisplaced,
        Error::Moved { .. } | Error::NotALog { .. } => Rule::IdentityMismatch,
        Error::CorruptFile { .. } => Rule::Damaged,
        _ => Rule::Poisoned,
    }
}

/// Whether it is a file of the log that is not there. A hole in the numbers names no file.
const fn is_gone(error: &Error) -> bool {
    match error {
        Error::CorruptFile { reason: Reason::Missing, .. } => true,
        Error::Corrupt { segment, reason: Reason::Missing, .. } => segment.0 != SegmentNo::NONE.0,
        _ => false,
    }
}

fn coded(error: &Error) -> String {
    format!("{}: {error}", error.code())
}

impl Facts {
    fn judge(&self) -> Health {
        let mut findings = Vec::new();
        let mut find = |rule, evidence: String| findings.push(Finding { rule, evidence });
        if let Some(failure) = &self.failure {
            let cause = failure.poison();
            find(rule_of(cause), coded(cause));
        }
        for lsns in &self.violated {
            find(Rule::ClaimViolated, format!("records {lsns} are not as they were acknowledged"));
        }
        match &self.read_only {
            Some(ReadOnlyWhy::CannotWrite(error)) => find(Rule::CannotWrite, error.to_string()),
            Some(why @ (ReadOnlyWhy::Damaged(_) | ReadOnlyWhy::FileDamaged(_))) if self.damage.is_empty() => {
                find(Rule::Damaged, why.to_string());
            }
            Some(_) | None => {}
        }
        for damage in &self.damage {
            find(Rule::Damaged, coded(&damage.error));
            if is_gone(&damage.error) {
                find(Rule::FileDisplaced, coded(&damage.error));
            }
        }
        if let Some(error) = &self.moved {
            find(rule_of(error), coded(error));
        }
        if let Some(error) = &self.refused {
            find(Rule::SpaceRefused, coded(error));
        }
        self.judge_volume(&mut find);
        self.judge_drives(&mut find);
        self.judge_progress(&mut find);
        Health::of(findings)
    }

    fn judge_volume(&self, find: &mut impl FnMut(Rule, String)) {
        let Some(volume) = &self.volume else { return };
        if volume.read_only {
            find(Rule::CannotWrite, "the volume is mounted read-only".to_owned());
        }
        if volume.free_bytes < self.segment_size.saturating_mul(2) || volume.free_inodes < INODES {
            let inodes = if volume.free_inodes == u64::MAX {
                String::new()
            } else {
                format!(", {} inodes free", volume.free_inodes)
            };
            find(
                Rule::SpaceLow,
                format!("{} bytes free{inodes}, a segment has {}", volume.free_bytes, self.segment_size),
            );
        }
        if let Some(why) = volume.weakness {
            find(Rule::VolumeWeak, weakness_text(why).to_owned());
        }
    }

    fn judge_drives(&self, find: &mut impl FnMut(Rule, String)) {
        for state in &self.drives {
            let at = format!("drive {} at {}", state.entry.number, state.entry.path.display());
            let failed = match state.entry.status {
                DriveStatus::Quarantined(evidence) => Some(evidence),
                DriveStatus::Healthy => state.suspect,
            };
            match (failed, state.out) {
                (Some(evidence), _) => {
                    find(Rule::DriveQuarantined, format!("{at}: {evidence}"));
                }
                (None, Some(why)) => find(Rule::DriveMissing, format!("{at}: {why}")),
                _ if state.read_only => {
                    find(Rule::DriveMissing, format!("{at}: its volume is mounted read-only"));
                }
                _ => {}
            }
        }
        let set = |fits: fn(&DriveState) -> bool| -> DriveSet {
            self.drives.iter().filter(|state| fits(state)).map(|state| state.entry.number).collect()
        };
        let serving = set(DriveState::serves);
        // One that failed elsewhere is still asked when no other copy is left.
        let reachable = set(|state| state.out.is_none());
        let reachable: DriveSet =
            reachable.iter().filter(|drive| !self.missing.away.contains(*drive)).collect();
        let of = |run: &RunEntry, drives: DriveSet| {
            let gone = |drive| self.missing.copies.contains_key(&(run.number, drive));
            run.copies.iter().filter(|drive| drives.contains(*drive) && !gone(*drive)).count()
        };
        // If each of its drives is there and none has anything of a run, that is damage, and named as such.
        let (away, rest): (Vec<&RunEntry>, Vec<&RunEntry>) = self.runs.iter().partition(|run| {
            of(run, reachable) == 0 && !run.copies.iter().all(|drive| reachable.contains(drive))
        });
        for run in away {
            let says = format!("records {} are in run {}, on drives {}", run.lsns, run.number, run.copies);
            find(Rule::RecordsUnavailable, says);
        }
        let short = rest.into_iter().filter(|run| of(run, serving) < usize::from(self.copies));
        let short: Vec<_> = short.collect();
        if let Some(run) = short.first() {
            let says = format!(
                "{} runs have too few copies; records {} have {} of {} on drives that serve",
                short.len(),
                run.lsns,
                of(run, serving),
                self.copies
            );
            find(Rule::CopiesShort, says);
        }
    }

    fn judge_progress(&self, find: &mut impl FnMut(Rule, String)) {
        if let Some(error) = &self.audit.trouble {
            find(Rule::AuditFailed, coded(error));
        }
        if self.audit.is_late() {
            find(Rule::AuditLate, self.audit.lateness());
        }
        if let Some(first) = self.audit.linked.first() {
            let count = self.audit.linked.len();
            find(Rule::FileLinked, format!("{count} segments have another name; the first is {first}"));
        }
        let (last, mark, still) = self.lag;
        if still >= STILL {
            find(
                Rule::DurableLags,
                format!(
                    "the last record is {last}, the mark has stood at {mark} for {} ms",
                    still.as_millis()
                ),
            );
        }
        if self.waiting > WAITING {
            find(Rule::ArchiveLags, format!("{} sealed segments wait", self.waiting));
        }
    }
}
