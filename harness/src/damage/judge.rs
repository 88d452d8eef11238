//! What may come of a damaged log.

use std::collections::{BTreeMap, BTreeSet};

use truelog_spec::Invariant;
use truelog_spec::contract::{Record, Violation};

use crate::driver::Deed;
use crate::oracle::Reading;
use crate::subject::Refusal;

/// How opening and reading a damaged log ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// It opened.
    Opened {
        /// What was read.
        records: Vec<Record>,
        /// The LSNs that were named as damaged, by the open or by a read; both ends included.
        named: Vec<(u64, u64)>,
        /// Whether the handle refuses appends.
        read_only: bool,
        /// A read failed without naming LSNs.
        other: bool,
    },
    /// It refused to open.
    Refused(Refusal),
}

impl Ending {
    /// What the driver wrote down of an open.
    #[must_use]
    pub fn of(deeds: &[Deed], refusal: Option<&Refusal>) -> Self {
        let state = deeds.iter().find_map(|deed| match deed {
            Deed::Opened(state) => Some(state),
            _ => None,
        });
        let Some(state) = state else {
            let silent = || Refusal {
                kind: truelog_spec::Failure::Io,
                lsns: None,
                says: "the open neither returned nor said why".to_owned(),
            };
            return Self::Refused(refusal.cloned().unwrap_or_else(silent));
        };
        let mut named: Vec<(u64, u64)> = state.damage.iter().map(|lsns| (lsns.first, lsns.last)).collect();
        let mut other = false;
        for deed in deeds {
            if let Deed::Read { unread, .. } = deed {
                named.extend(unread.iter().filter_map(|refusal| refusal.lsns));
                other |= unread.iter().any(|refusal| refusal.lsns.is_none());
            }
        }
        Self::Opened { records: state.records.clone(), named, read_only: state.read_only, other }
    }
}

/// How loud it was, where nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Every record came back.
    Whole,
    /// What did not come back was named.
    Named,
    /// It did not open.
    Refused,
    /// What did not come back nothing vouched for: undetectable from the log alone.
    Undetectable,
}

impl Heard {
    /// The name of the count.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Whole => "read whole",
            Self::Named => "named",
            Self::Refused => "refused",
            Self::Undetectable => "undetectable",
        }
    }
}

/// Holds the reading of a damaged log against the truth. `reading` is what an independent decoder makes of the
/// damaged disk.
///
/// # Errors
/// Something invented; or something vouched for that is missing and not named; or something intact that is
/// withheld.
pub fn judge(truth: &[Record], reading: &Reading, ending: &Ending) -> Result<Heard, Violation> {
    let (records, named, read_only, other) = match ending {
        Ending::Refused(_) => return Ok(Heard::Refused),
        Ending::Opened { records, named, read_only, other } => (records, named, *read_only, *other),
    };
    let true_ones: BTreeMap<u64, &Record> = truth.iter().map(|record| (record.lsn, record)).collect();
    for record in records {
        if true_ones.get(&record.lsn) != Some(&record) {
            return wrong(Invariant::DamageIsLoud, format!("LSN {} came back as it never was", record.lsn));
        }
    }
    let back: BTreeSet<u64> = records.iter().map(|record| record.lsn).collect();
    let intact: BTreeSet<u64> = reading
        .segments
        .values()
        .flat_map(|segment| segment.batches.iter().chain(&segment.stranded))
        .flat_map(|batch| batch.records.iter().map(|record| record.lsn))
        .collect();
    let mut heard = Heard::Whole;
    for lsn in true_ones.keys().filter(|lsn| !back.contains(lsn)) {
        let is_named = other || named.iter().any(|(first, last)| (*first..=*last).contains(lsn));
        if intact.contains(lsn) {
            return wrong(
                Invariant::DamageIsLoud,
                format!("LSN {lsn} is intact on the disk, and is withheld"),
            );
        }
        if is_named {
            heard = Heard::Named;
        } else if *lsn <= reading.vouched {
            let says = format!(
                "LSN {lsn} is gone in silence, and the disk vouches for all up to {}",
                reading.vouched
            );
            return wrong(Invariant::DamageIsLoud, says);
        } else if heard == Heard::Whole {
            heard = Heard::Undetectable;
        }
    }
    if let (Some(segment), false) = (reading.broken().first(), read_only || other) {
        let says = format!("segment {segment} is not as the manifest names it, and nobody says so");
        return wrong(Invariant::DamageIsLoud, says);
    }
    if heard == Heard::Whole && read_only {
        heard = Heard::Named;
    }
    Ok(heard)
}

fn wrong(invariant: Invariant, detail: String) -> Result<Heard, Violation> {
    Err(Violation::new(invariant, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lsn: u64) -> Record {
        Record { lsn, stream: 0, seq: lsn - 1, payload: b"payload"[..].into() }
    }

    fn opened(records: Vec<Record>, named: Vec<(u64, u64)>) -> Ending {
        let read_only = !named.is_empty();
        Ending::Opened { records, named, read_only, other: false }
    }

    #[test]
    fn silence_about_what_is_vouched_for_is_a_violation() {
        let truth = [record(1), record(2)];
        let vouched = Reading { vouched: 2, ..Reading::default() };
        let silent = opened(vec![record(1)], vec![]);
        assert_eq!(
            judge(&truth, &vouched, &silent).map_err(|found| found.invariant),
            Err(Invariant::DamageIsLoud)
        );
        assert_eq!(judge(&truth, &vouched, &opened(vec![record(1)], vec![(2, 2)])), Ok(Heard::Named));
        let unvouched = Reading { vouched: 1, ..Reading::default() };
        assert_eq!(judge(&truth, &unvouched, &silent), Ok(Heard::Undetectable));
    }

    #[test]
    fn what_never_was_is_a_violation() {
        let truth = [record(1)];
        let invented = Record { payload: b"another"[..].into(), ..record(1) };
        let ending = opened(vec![invented], vec![(1, 1)]);
        assert!(judge(&truth, &Reading::default(), &ending).is_err());
    }
}
