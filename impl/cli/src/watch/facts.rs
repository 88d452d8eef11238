//! What one look finds, as plain values; and what a writer claims meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;
use truelog::{Inspection, LsnRange, Metric, SyncDurations};
use truelog_env::Volume;

use super::rules::{Finding, findings};
use crate::args::Watch;
use crate::drives::Drive;
use crate::failure::Failure;
use crate::metrics_file::{self, Told};
use crate::open;

/// The numbers without which nothing can be said of a writer.
const NEEDED: [Metric; 7] = [
    Metric::Open,
    Metric::ReadOnly,
    Metric::Poisoned,
    Metric::Poisonings,
    Metric::DurableLsn,
    Metric::CommittedRecords,
    Metric::AcknowledgedRecords,
];

/// A damage, as an open would find it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Found {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) code: &'static str,
    pub(super) says: String,
    pub(super) next: &'static str,
}

/// What is in the directory.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Facts {
    pub(super) log: String,
    pub(super) first_lsn: u64,
    pub(super) next_lsn: u64,
    pub(super) vouched_lsn: u64,
    pub(super) torn_bytes: u64,
    pub(super) segments: u64,
    pub(super) segment_bytes: u64,
    pub(super) segment_size: u64,
    pub(super) damage: Vec<Found>,
    pub(super) rows: Vec<&'static str>,
    /// Records given up by accept-loss, both ends included.
    pub(super) given_up: Vec<(u64, u64)>,
    pub(super) quarantined_segments: Vec<String>,
    pub(super) runs: u64,
    pub(super) archived_lsn: u64,
    /// Records between runs that no run has, both ends included.
    pub(super) gaps: Vec<(u64, u64)>,
    pub(super) drives: Vec<Drive>,
    pub(super) free_bytes: u64,
    /// `None` where the file system does not count them.
    pub(super) free_inodes: Option<u64>,
    /// The rules of the log's health that apply.
    pub(super) findings: Vec<Finding>,
}

/// What the writer says of itself, from the file of its metrics.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Claims {
    pub(super) log: String,
    /// Seconds since the file was written.
    pub(super) age_seconds: u64,
    /// When the file was written.
    #[serde(skip)]
    pub(super) written: SystemTime,
    pub(super) values: BTreeMap<String, u64>,
    /// How long syncs took, if it says so.
    #[serde(skip)]
    pub(super) syncs: Option<SyncDurations>,
}

impl Claims {
    /// The number of a metric.
    pub(super) fn get(&self, metric: Metric) -> u64 {
        self.values.get(metric.name()).copied().unwrap_or(0)
    }
}

/// Looks once. The claims first: what is there is looked at behind them, so that it must cover them.
pub(super) fn look(args: &Watch) -> (Result<Facts, Failure>, Option<Result<Claims, Failure>>) {
    let claims = args.metrics.as_deref().map(claims);
    (facts(&args.dir), claims)
}

fn claims(path: &Path) -> Result<Claims, Failure> {
    let failed = |source| Failure::File { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed)?;
    let written = fs::metadata(path).and_then(|data| data.modified()).map_err(failed)?;
    let Told { log, numbers: values, syncs } =
        metrics_file::parse(&text).ok_or_else(|| Failure::Incomplete {
            path: path.to_owned(),
            what: "the file names no log: it is not a file that `truelog append --metrics` wrote".to_owned(),
        })?;
    // A file from the future is as old as one can be: its clock says nothing.
    let age_seconds = written.elapsed().map_or(u64::MAX, |age| age.as_secs());
    if let Some(lacks) = NEEDED.iter().find(|metric| !values.contains_key(metric.name())) {
        let what = format!("the file does not say {}: it was not written whole", lacks.name());
        return Err(Failure::Incomplete { path: path.to_owned(), what });
    }
    Ok(Claims { log, age_seconds, written, values, syncs })
}

fn facts(dir: &Path) -> Result<Facts, Failure> {
    let failed = Failure::log(dir);
    let place = truelog::os::resolve(dir).map_err(&failed)?;
    let view = open::readable(&place)?;
    let volume = truelog::os::native().fs.volume(&place);
    let volume = volume.map_err(|source| failed(truelog::Error::io(&place, source)))?;
    Ok(gather(&place, &view, &volume))
}

fn gather(dir: &Path, view: &Inspection, volume: &Volume) -> Facts {
    let drives: Vec<Drive> = view.drives().iter().map(|state| Drive::new(state, view.runs())).collect();
    Facts {
        log: view.log().to_string(),
        first_lsn: view.first().get(),
        next_lsn: view.next().get(),
        vouched_lsn: view.vouched().min(view.next().prev()).get(),
        torn_bytes: view.torn_bytes(),
        segments: view.segments().len() as u64,
        segment_bytes: view.segments().iter().map(|entry| entry.capacity).sum(),
        segment_size: view.options().segment_size,
        damage: view.damage().iter().map(found).collect(),
        rows: view.rows().iter().map(|row| row.name()).collect(),
        given_up: view.losses().iter().copied().map(both).collect(),
        quarantined_segments: open::quarantined(dir, view),
        runs: view.runs().len() as u64,
        archived_lsn: view.runs().last().map_or(0, |run| run.lsns.last.get()),
        gaps: gaps(view),
        drives,
        free_bytes: volume.free_bytes,
        free_inodes: Some(volume.free_inodes).filter(|free| *free != u64::MAX),
        findings: findings(view),
    }
}

fn found(damage: &truelog::Damage) -> Found {
    let (first, last) = both(damage.lsns);
    let error = &damage.error;
    Found { first, last, code: error.code(), says: error.to_string(), next: error.next_step() }
}

const fn both(lsns: LsnRange) -> (u64, u64) {
    (lsns.first.get(), lsns.last.get())
}

/// What no run has between two of them.
fn gaps(view: &Inspection) -> Vec<(u64, u64)> {
    let follows = view.runs().iter().zip(view.runs().iter().skip(1));
    let gaps = follows.filter(|(run, next)| run.lsns.last.next() < next.lsns.first);
    gaps.map(|(run, next)| (run.lsns.last.next().get(), next.lsns.first.prev().get())).collect()
}
