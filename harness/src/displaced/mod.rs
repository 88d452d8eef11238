//! Gate E: what another program does to a log under its writer. A name is removed, replaced, renamed or cut, or the whole
//! directory goes; a second writer comes, whatever was removed to let it in.
//!
//! An append that begins behind that and ends in a receipt claims what nobody can find: the writer must refuse it, say
//! why, and be halted to its own account.

mod change;
mod second;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use truelog::{Condition, Durability, Error, Log, Options, Receipt, Record, StreamId};
use truelog_spec::Invariant;

pub use change::Change;

use crate::command::Plan;
use crate::driver::files;
use crate::fabric::{Call, Edge, Profile, SimFs};
use crate::oracle::Reading;
use crate::progress::Progress;
use crate::report::Report;

/// How many records are appended before the change, at most: several segments are filled by them.
const BEFORE: u64 = 5;
/// How many appends begin behind the change.
const BEHIND: u64 = 3;
const REPLAY: &str = "cargo verify --only displaced";

/// Segments of a header and a few batches: every few records begin another.
fn options() -> Options {
    Options {
        block_size: 256,
        segment_size: 1024,
        max_batch_bytes: 512,
        background: false,
        audit_every: std::time::Duration::ZERO,
        ..Options::default()
    }
}

/// A disk with a log that its writer has open, and so many records in it.
fn written(records: u64, durability: Durability) -> Result<(SimFs, Log), Error> {
    let disk = SimFs::new(Profile::W.sector(256));
    let log = Log::create_in(&disk.env(), disk.log_dir(), &options())?;
    for number in 0..records {
        append(&log, number, durability)?;
    }
    Ok((disk, log))
}

fn append(log: &Log, number: u64, durability: Durability) -> Result<Receipt, Error> {
    let payload = format!("record {number}");
    log.append_with(Record { stream: StreamId(0), payload: payload.as_bytes() }, durability)
}

/// Where in the life of a log the change comes.
#[derive(Debug, Clone, Copy)]
struct Scene {
    change: Change,
    durability: Durability,
    /// How many records there are before it.
    before: u64,
    /// At the beginning of which call of the next append it comes, from 0; `None`: between two appends.
    call: Option<u64>,
}

/// What came of a scene.
enum Came {
    /// There was nothing yet to change, or the append ended before that call.
    Nothing,
    /// So many appends were judged.
    Judged(u64),
    /// An invariant is broken.
    Broken(Invariant, String),
}

/// Runs every scene, and every second writer.
#[must_use]
pub fn check(_: &Plan, progress: &Progress) -> Report {
    explore(progress)
}

/// The same, whatever is planned: the scope is pinned.
#[must_use]
pub fn explore(progress: &Progress) -> Report {
    let scope = format!(
        "each change of the active segment or of the directory, behind 0 to {BEFORE} records and at each call of the \
         append behind these; a second writer, each file removed or renamed before it"
    );
    let mut report = Report::new("displaced", scope);
    progress.says("changes");
    for change in Change::ALL {
        let mut judged = 0;
        for durability in [Durability::PowerLoss, Durability::ProcessCrash] {
            judged += all_moments(change, durability, &mut report);
        }
        if judged == 0 {
            report.incomplete(format!("no append was judged behind: {change}"));
        }
        report.count("appends judged", judged);
    }
    progress.says("second writers");
    second::check(&mut report);
    report
}

/// One change at every moment; how many appends were judged.
fn all_moments(change: Change, durability: Durability, report: &mut Report) -> u64 {
    let mut judged = 0;
    for before in 0..=BEFORE {
        // Between two appends, and then at each call, until the append has no more of them.
        for call in std::iter::once(None).chain((0..).map(Some)) {
            let scene = Scene { change, durability, before, call };
            report.count("scenes", 1);
            match scene.play() {
                Ok(Came::Nothing) if call.is_some_and(|call| call >= scene.calls()) => break,
                Ok(Came::Nothing) => {}
                Ok(Came::Judged(appends)) => judged += appends,
                Ok(Came::Broken(invariant, says)) => {
                    report.find(invariant.to_string(), says, REPLAY);
                    return judged;
                }
                Err(says) => {
                    report.find("harness", says, REPLAY);
                    return judged;
                }
            }
        }
    }
    judged
}

impl Scene {
    /// How many calls the append has that is not disturbed.
    fn calls(self) -> u64 {
        let Ok((disk, log)) = written(self.before, self.durability) else { return 0 };
        let before = disk.calls();
        drop(append(&log, self.before, self.durability));
        disk.calls() - before
    }

    fn play(self) -> Result<Came, String> {
        let wrong = |error: Error| format!("{self:?}: the log could not be written: {error}");
        let (disk, log) = written(self.before, self.durability).map_err(wrong)?;
        let changed = match self.call {
            None => self.change.make(&disk)?,
            Some(call) => self.during(call, &disk, &log)?,
        };
        if !changed {
            return Ok(Came::Nothing);
        }
        for number in 0..BEHIND {
            match append(&log, 100 + number, self.durability) {
                Ok(receipt) if self.call.is_none() || !is_there(&disk, &receipt) => {
                    let says = format!(
                        "{}: an append that began behind it was acknowledged as record {} in segment {}",
                        self.words(),
                        receipt.lsn(),
                        receipt.segment()
                    );
                    return Ok(Came::Broken(Invariant::ClaimHasArtifact, says));
                }
                // The change came too early, or too late, to concern the segment that is written now.
                Ok(_) => {}
                Err(_) if log.health().verdict < Condition::Halted || !log.health().pages() => {
                    let says = format!("{}: refused, and its health is {:?}", self.words(), log.health());
                    return Ok(Came::Broken(Invariant::HealthTellsTruth, says));
                }
                Err(_) => {}
            }
        }
        Ok(Came::Judged(BEHIND))
    }

    /// Makes the change at the beginning of a call of an append. Whether that append is acknowledged is not judged: the
    /// change may come behind its last look.
    fn during(self, call: u64, disk: &SimFs, log: &Log) -> Result<bool, String> {
        let (calls, changed) = (AtomicU64::new(0), Arc::new(AtomicBool::new(false)));
        let (to, made, change) = (disk.clone(), Arc::clone(&changed), self.change);
        disk.set_hook(Some(Arc::new(move |_: &Call, edge| {
            if edge == Edge::Begin && calls.fetch_add(1, Ordering::SeqCst) == call {
                made.store(change.make(&to).unwrap_or(false), Ordering::SeqCst);
            }
        })));
        drop(append(log, self.before, self.durability));
        disk.set_hook(None);
        Ok(changed.load(Ordering::SeqCst))
    }

    fn words(self) -> String {
        let when = self.call.map_or_else(
            || "between two appends".to_owned(),
            |call| format!("at call {call} of the append behind these"),
        );
        format!("{}, behind {} records ({}), {when}", self.change, self.before, self.durability)
    }
}

/// Whether the record of a receipt is where the receipt says, under the log's own name.
fn is_there(disk: &SimFs, receipt: &Receipt) -> bool {
    let image = disk.snapshot();
    let image = match receipt.durability() {
        Durability::PowerLoss => image.durable().ok(),
        Durability::ProcessCrash => Some(image.process_crash()),
    };
    let reading = image.map(|image| Reading::of(&files(&image))).unwrap_or_default();
    let segment = reading.segments.get(&receipt.segment().get());
    let batches = segment.into_iter().flat_map(|segment| segment.batches.iter().chain(&segment.stranded));
    batches
        .flat_map(|batch| batch.records.iter().zip(&batch.places))
        .any(|(record, place)| (record.lsn, *place) == (receipt.lsn().get(), receipt.offset()))
}
