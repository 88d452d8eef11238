//! The bars: what Truelog's numbers have to be, as data, and whether they are.

use serde::Serialize;

use crate::measure::Sample;
use crate::results::{Results, Role, median};
use crate::workloads::Workload;
use crate::workloads::archive::JUDGED;

/// The one whose numbers are judged.
pub const SUBJECT: &str = "truelog";

/// Which side of a bound is good.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// It has to be this or more.
    AtLeast(f64),
    /// It has to be this or less.
    AtMost(f64),
}

/// How a value is found.
#[derive(Clone, Copy)]
enum Value {
    /// The rate, in the same round, to the best of a role.
    Ratio(Role),
    /// The same, or where that is missed, to the best of another role: who is held up by what the other does as well is
    /// held up by nothing else.
    RatioOr(Role, Role),
    /// Something of the subject's own.
    Own(fn(&Sample) -> f64),
    /// The p99 of this part, to that of the first.
    P99OfFirst,
}

struct Bar {
    work: &'static str,
    place: (Workload, u32),
    value: Value,
    bound: Bound,
    against: &'static str,
}

const fn limit(work: &'static str, workload: Workload, at_least: f64, against: &'static str) -> Bar {
    Bar {
        work,
        place: (workload, 0),
        value: Value::Ratio(Role::Limit),
        bound: Bound::AtLeast(at_least),
        against,
    }
}

const fn peer(work: &'static str, workload: Workload, at_least: f64) -> Bar {
    Bar {
        work,
        place: (workload, 0),
        value: Value::Ratio(Role::Peer),
        bound: Bound::AtLeast(at_least),
        against: "best honest peer",
    }
}

const fn own(work: &'static str, at_most: f64, value: fn(&Sample) -> f64) -> Bar {
    Bar {
        work,
        place: (Workload::Append1, 0),
        value: Value::Own(value),
        bound: Bound::AtMost(at_most),
        against: "itself",
    }
}

const BARS: [Bar; 19] = [
    limit("1 writer", Workload::Append1, 0.95, "one O_DIRECT|O_DSYNC writer"),
    peer("1 writer", Workload::Append1, 1.05),
    limit("16 writers", Workload::Append16, 0.85, "best raw group commit"),
    peer("16 writers", Workload::Append16, 1.25),
    limit("64 writers", Workload::Append64, 0.85, "best raw group commit"),
    peer("64 writers", Workload::Append64, 1.5),
    limit("batches of 64", Workload::Batch64, 0.9, "one O_DIRECT|O_DSYNC writer"),
    peer("batches of 64", Workload::Batch64, 1.3),
    limit("bulk 4 KiB, one sync", Workload::Bulk, 0.85, "a growing file"),
    peer("bulk 4 KiB, one sync", Workload::Bulk, 1.0),
    limit("open + scan, warm", Workload::Scan, 0.6, "a raw read with CRC-32C"),
    peer("open + scan, warm", Workload::Scan, 2.0),
    limit("random get, warm", Workload::Get, 0.8, "a pread with CRC-32C"),
    peer("random get, warm", Workload::Get, 1.3),
    Bar {
        work: "archive scan, prefetch, cold",
        place: (Workload::Archive, JUDGED),
        value: Value::RatioOr(Role::Limit, Role::Unpacking),
        bound: Bound::AtLeast(0.85),
        against: "a raw read of the compressed bytes, or one that unpacks them",
    },
    Bar {
        work: "append p99, compacting and scrubbing",
        place: (Workload::Busy, 1),
        value: Value::P99OfFirst,
        bound: Bound::AtMost(1.5),
        against: "the p99 at rest",
    },
    own("device flushes a durable append, 1 writer", 1.0 + NOISE, |sample| {
        sample.each(sample.flushes as f64)
    }),
    own("device writes a durable append, 1 writer", 2.1, |sample| sample.each(sample.writes as f64)),
    own("allocations a record, 1 writer", 0.01, |sample| sample.each(sample.allocs as f64)),
];

/// Nobody gets further beyond a limit than this, unless the limit was slowed by something else.
const BELIEVABLE: f64 = 1.1;

/// The device is the whole machine's, and the segments themselves need a few flushes.
const NOISE: f64 = 0.02;

/// How a bar came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is met.
    Met,
    /// It is missed.
    Missed,
    /// A limit was slower than what it limits: something else slowed it, and nothing follows.
    Disturbed,
    /// What it needs was not measured.
    NotMeasured,
}

/// A bar and how it came out.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The work.
    pub work: &'static str,
    /// What it is held against.
    pub against: String,
    /// The bar.
    pub bound: Bound,
    /// The value.
    pub value: Option<f64>,
    /// The lowest and the highest of the rounds, where it is a ratio.
    pub rounds: Option<(f64, f64)>,
    /// The same by the median latency: no bar, but steadier on a busy machine.
    pub by_p50: Option<f64>,
    /// Whether it is enough.
    pub outcome: Outcome,
}

/// Judges all bars of the workloads that were tried.
pub fn judge(results: &Results) -> Vec<Verdict> {
    let workloads = results.workloads();
    let due = BARS.iter().filter(|bar| workloads.contains(&bar.place.0));
    due.map(|bar| verdict(bar, results)).collect()
}

fn verdict(bar: &Bar, results: &Results) -> Verdict {
    let mut verdict = Verdict {
        work: bar.work,
        against: bar.against.to_owned(),
        bound: bar.bound,
        value: None,
        rounds: None,
        by_p50: None,
        outcome: Outcome::NotMeasured,
    };
    match bar.value {
        Value::Ratio(role) => hold_against(&mut verdict, bar, results, role),
        Value::RatioOr(first, other) => {
            hold_against(&mut verdict, bar, results, first);
            if outcome(bar.bound, verdict.value) == Outcome::Missed {
                hold_against(&mut verdict, bar, results, other);
            }
        }
        Value::Own(of) => verdict.value = results.median(bar.place, SUBJECT, of),
        Value::P99OfFirst => {
            settle(&mut verdict, results.against_first_part(bar.place, SUBJECT, |sample| sample.p99_us));
        }
    }
    verdict.outcome = outcome(bar.bound, verdict.value);
    if matches!(bar.value, Value::Ratio(Role::Limit)) && verdict.value.is_some_and(|value| value > BELIEVABLE)
    {
        verdict.outcome = Outcome::Disturbed;
    }
    verdict
}

/// Puts the ratios to the best of a role into a verdict.
fn hold_against(verdict: &mut Verdict, bar: &Bar, results: &Results, role: Role) {
    settle(verdict, results.ratios(bar.place, SUBJECT, role, Sample::rate));
    verdict.by_p50 = results.ratio(bar.place, SUBJECT, role, Sample::quickness);
    if let Some(best) = results.best(bar.place, role) {
        verdict.against = format!("{} ({best})", bar.against);
    }
}

/// Puts the ratios of the rounds into a verdict.
fn settle(verdict: &mut Verdict, ratios: Vec<f64>) {
    let ends = (f64::INFINITY, 0.0_f64);
    let (low, high) = ratios.iter().fold(ends, |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
    verdict.rounds = Some((low, high)).filter(|_| !ratios.is_empty());
    verdict.value = median(ratios);
}

fn outcome(bound: Bound, value: Option<f64>) -> Outcome {
    let holds = match (bound, value) {
        (_, None) => return Outcome::NotMeasured,
        (Bound::AtLeast(least), Some(value)) => value >= least,
        (Bound::AtMost(most), Some(value)) => value <= most,
    };
    if holds { Outcome::Met } else { Outcome::Missed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Missing, Row};

    #[test]
    fn a_bar_is_met_missed_or_not_measured() {
        assert_eq!(outcome(Bound::AtLeast(0.9), Some(0.9)), Outcome::Met);
        assert_eq!(outcome(Bound::AtLeast(0.9), Some(0.89)), Outcome::Missed);
        assert_eq!(outcome(Bound::AtMost(2.1), Some(2.2)), Outcome::Missed);
        assert_eq!(outcome(Bound::AtMost(2.1), Some(f64::NAN)), Outcome::Missed);
        assert_eq!(outcome(Bound::AtMost(2.1), None), Outcome::NotMeasured);
    }

    #[test]
    fn what_failed_meets_nothing() {
        let failed =
            |workload| Missing { workload, contender: SUBJECT.to_owned(), why: String::new(), failed: true };
        let missing = Workload::ALL.map(failed).to_vec();
        let verdicts = judge(&Results { rows: Vec::new(), missing });
        assert_eq!(verdicts.len(), BARS.len());
        assert!(verdicts.iter().all(|verdict| verdict.outcome == Outcome::NotMeasured));
    }

    #[test]
    fn who_unpacks_as_fast_as_that_alone_is_held_up_by_nothing_else() {
        let row = |contender: &str, ops| Row {
            workload: Workload::Archive,
            part: JUDGED,
            contender: contender.to_owned(),
            round: 0,
            sample: Sample { ops, seconds: 1.0, ..Sample::default() },
        };
        let judged = |ours| {
            let rows = vec![row("raw-archive", 100), row("raw-unpack", 50), row(SUBJECT, ours)];
            let verdict = judge(&Results { rows, missing: Vec::new() }).swap_remove(0);
            (verdict.outcome, verdict.value)
        };
        assert_eq!(judged(90), (Outcome::Met, Some(0.9)));
        assert_eq!(judged(45), (Outcome::Met, Some(0.9)));
        assert_eq!(judged(40), (Outcome::Missed, Some(0.8)));
    }

    #[test]
    fn who_is_faster_than_the_limit_has_met_nothing() {
        let row = |contender: &str, ops| Row {
            workload: Workload::Scan,
            part: 0,
            contender: contender.to_owned(),
            round: 0,
            sample: Sample { ops, seconds: 1.0, ..Sample::default() },
        };
        let judged = |ours| {
            let rows = vec![row("raw-read", 100), row(SUBJECT, ours)];
            judge(&Results { rows, missing: Vec::new() })[0].outcome
        };
        assert_eq!(judged(59), Outcome::Missed);
        assert_eq!(judged(105), Outcome::Met);
        assert_eq!(judged(200), Outcome::Disturbed);
    }
}
