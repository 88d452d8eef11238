//! What may have happened, ranked by likelihood times impact. The likelihood follows from the evidence alone.

use truelog::{Error, Reason};

use super::evidence::Evidence;
use crate::audit::judge::Lack;

/// How well a hypothesis goes with the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likelihood {
    /// The evidence contradicts it.
    Disproved = 0,
    /// Nothing speaks for it, and nothing against it.
    Unknown = 1,
    /// The evidence goes with it, and with others.
    Fits = 2,
    /// The evidence shows just this.
    Shown = 3,
}

/// What may have happened.
pub(crate) struct Hypothesis {
    pub(crate) what: &'static str,
    pub(crate) likelihood: Likelihood,
    /// 3 for records that are lost, 2 for records that may be, 1 for less.
    pub(crate) impact: u8,
    pub(crate) fits: String,
    pub(crate) disproof: &'static str,
    pub(crate) check: &'static str,
    /// The check's result, with its artifact; `None` where it was not run.
    pub(crate) result: Option<String>,
}

/// The codes of a file or directory that is no longer where the log made it.
const DISPLACED: &[&str] = &["TL-018", "TL-022", "TL-023"];
/// The codes of bytes that are not what was written.
const DAMAGED: &[&str] = &["TL-002", "TL-003", "TL-036"];
/// The codes of calls of the file system that failed.
const FAILED: &[&str] = &["TL-001", "TL-004", "TL-006"];

/// Whether what is damaged is not there at all.
pub(super) const fn is_missing(error: &Error) -> bool {
    matches!(
        error,
        Error::Corrupt { reason: Reason::Missing, .. }
            | Error::CorruptFile { reason: Reason::Missing, .. }
            | Error::CorruptBlock { reason: Reason::Missing, .. }
    )
}

/// `Shown` or `Fits` if so, else as given.
const fn if_so(so: bool, then: Likelihood, otherwise: Likelihood) -> Likelihood {
    if so { then } else { otherwise }
}

/// All of them, the most pressing first.
pub(crate) fn ranked(evidence: &Evidence) -> Vec<Hypothesis> {
    let mut all: Vec<_> = of_place(evidence).into_iter().chain(of_cause(evidence)).collect();
    all.sort_by_key(|it| std::cmp::Reverse(it.likelihood as u8 * it.impact));
    all
}

/// Those that the directory speaks about.
fn of_place(evidence: &Evidence) -> [Hypothesis; 5] {
    use Likelihood::{Disproved, Fits, Shown, Unknown};
    let (missing, short) = (evidence.lacking(Lack::Missing), evidence.lacking(Lack::Short));
    let (damaged, other) = (evidence.lacking(Lack::Damaged), evidence.lacking(Lack::Other));
    let clean = evidence.is_clean();
    let (displaced, harmed) =
        (evidence.told_of(DISPLACED), evidence.told_of(DAMAGED).or_else(|| evidence.damaged_bytes()));
    let names = match &evidence.files {
        Ok(files) => format!("{} names in the directory", files.len()),
        Err(why) => format!("the directory cannot be listed: {why}"),
    };
    let result = |count: u64, what: &str| Some(format!("{count} claims on artifacts that are {what}"));
    let otherwise = if clean { Disproved } else { Unknown };
    [
        Hypothesis {
            what: "The line was written before, or without, the write that it speaks of.",
            // That a claim holds by now does not show what came first.
            likelihood: if_so(missing + short > 0, Fits, Unknown),
            impact: 3,
            fits: format!("{} claims on artifacts that are missing or too short", missing + short),
            disproof: "The artifact of each claim is found, byte for byte, under another name.",
            check: "`strace -f -e trace=openat,pwrite64,fdatasync,rename` of the writer: no write and sync before the line",
            result: None,
        },
        elsewhere(evidence, &names),
        Hypothesis {
            what: "The artifact was removed, renamed or replaced behind the claim.",
            likelihood: if_so(displaced.is_some(), Shown, if_so(missing + other > 0, Fits, otherwise)),
            impact: 3,
            fits: displaced.unwrap_or_else(|| {
                format!("{} claims on artifacts that are missing or other than claimed", missing + other)
            }),
            disproof: "The audit of each line as it is written finds the artifact missing already then.",
            check: "list the directory, and look for the artifact under another name",
            result: Some(names.clone()),
        },
        Hypothesis {
            what: "The artifact was cut, or its end was never synced.",
            likelihood: if_so(short > 0, Fits, if_so(clean, Disproved, Unknown)),
            impact: 3,
            fits: format!("{short} claims on artifacts that are too short"),
            disproof: "No artifact is shorter than what is claimed of it.",
            check: "hold the length of each artifact against its claims",
            result: result(short, "too short"),
        },
        Hypothesis {
            what: "The bytes were damaged at rest.",
            likelihood: if_so(
                damaged > 0 || harmed.is_some(),
                Fits,
                if_so(clean && evidence.view().is_some(), Disproved, Unknown),
            ),
            impact: 3,
            fits: harmed.unwrap_or_else(|| format!("{damaged} claims on artifacts whose bytes are damaged")),
            disproof: "Every checksum holds.",
            check: "`truelog verify DIR`, which reads every byte; of another system's files nothing says what they should hold",
            result: evidence.view().and(result(damaged, "damaged")),
        },
    ]
}

fn elsewhere(evidence: &Evidence, names: &str) -> Hypothesis {
    use Likelihood::{Disproved, Fits, Unknown};
    let (missing, holding) = (evidence.lacking(Lack::Missing), evidence.holding());
    let moved = missing > 0 && evidence.scan.good_again.is_none();
    let here = holding > 0 && missing == 0 || evidence.is_clean();
    Hypothesis {
        what: "The writer writes elsewhere: another directory or volume than the one looked at.",
        likelihood: if_so(moved, Fits, if_so(here, Disproved, Unknown)),
        impact: 2,
        fits: if moved && holding > 0 {
            "no claim holds behind the first that does not: it may have moved then".to_owned()
        } else {
            format!("{missing} claims are on artifacts that are not in this directory")
        },
        disproof: "No claim on an artifact that is missing here, and one that holds.",
        check: "`truelog audit logs` on this directory: does any claim hold, and behind the first that does not?",
        result: Some(format!("{holding} claims hold, {missing} are on what is missing; {names}")),
    }
}

/// Those that the lines speak about.
fn of_cause(evidence: &Evidence) -> [Hypothesis; 4] {
    use Likelihood::{Disproved, Fits, Unknown};
    let seen = |name: &str| {
        evidence
            .event(name)
            .map(|label| format!("{} lines \"{name}\" [{}]", label.lines, evidence.span(label)))
    };
    let clean = evidence.is_clean();
    let gone = evidence.view().is_some_and(|view| view.damage().iter().any(|it| is_missing(&it.error)));
    let failed = evidence.told_of(FAILED).or_else(|| seen("no space"));
    let restarted = seen("opened").or_else(|| seen("recovery row"));
    let none = |what: &str| Some(format!("no line {what}"));
    // Of a file of another system only the name and the length were held.
    let whole = clean && evidence.scan.tally.by_name == 0;
    let held = || if whole { "every claim holds, byte for byte; " } else { "" };
    [
        Hypothesis {
            what: "A write or a sync failed, and what was called durable went with it.",
            likelihood: if_so(failed.is_some(), Fits, if_so(whole, Disproved, Unknown)),
            impact: 3,
            fits: failed.clone().unwrap_or_else(|| "nothing in the logs speaks for it".to_owned()),
            disproof: "No call fails before the first false claim (kernel log, strace).",
            check: "look for failures in the logs, and for I/O errors in the kernel's log (`dmesg`)",
            result: Some(format!(
                "{}{}; {}",
                held(),
                failed.unwrap_or_else(|| "no line of the log's own tells of a failed call".to_owned()),
                evidence.surroundings.of_failures()
            )),
        },
        Hypothesis {
            what: "A crash took what was written and never synced, or a name that was never synced.",
            likelihood: if_so(whole, Disproved, if_so(restarted.is_some(), Fits, Unknown)),
            impact: 3,
            fits: restarted.clone().unwrap_or_else(|| "nothing in the logs speaks for it".to_owned()),
            disproof: "The machine and the writer ran without a break since the first false claim.",
            check: "`last -x reboot`, and the lines \"opened\" behind the first false claim",
            result: restarted
                .or_else(|| none("\"opened\" or \"recovery row\"; they are logged at DEBUG only"))
                .map(|found| format!("{}{found}", held())),
        },
        Hypothesis {
            what: "A clean-up removed the artifact on purpose, and no pattern says so.",
            likelihood: if_so(
                evidence.lacking(Lack::Missing) > 0 || gone,
                Unknown,
                if_so(clean, Disproved, Unknown),
            ),
            impact: 1,
            fits: "what is missing may have been removed by somebody's clean-up".to_owned(),
            disproof: "A release of the artifact is logged, or is known never to happen.",
            check: "add a pattern of the kind `release`, and audit again",
            result: Some(format!(
                "{} claims are on artifacts that are known to have been removed",
                evidence.scan.tally.trimmed
            )),
        },
        back_in_time(evidence),
    ]
}

fn back_in_time(evidence: &Evidence) -> Hypothesis {
    use Likelihood::{Disproved, Shown, Unknown};
    let untimed = evidence.scan.untimed;
    let back = evidence.scan.back.map(|(at, count)| {
        format!("{count} lines are older than the line before them, the first is {}", evidence.at(at))
    });
    let none = || format!("no line is older than the line before it; {untimed} lines have no time");
    Hypothesis {
        what: "Time went back: the lines' order is not what happened.",
        likelihood: if_so(back.is_some(), Shown, if_so(untimed == 0, Disproved, Unknown)),
        impact: 1,
        fits: back.clone().unwrap_or_else(none),
        disproof: "Every line has its time, and none is older than the line before it.",
        check: "compare the times of neighbouring lines, by the minute",
        result: Some(back.unwrap_or_else(none)),
    }
}
