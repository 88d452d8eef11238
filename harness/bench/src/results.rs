//! All that was measured, and what follows from it: medians, and ratios within a round.

use serde::{Deserialize, Serialize};

use crate::measure::Sample;
use crate::peers::{Peer, Standing};
use crate::raw::RAWS;
use crate::workloads::Workload;

/// One measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    /// Doing what.
    pub workload: Workload,
    /// Which part of it.
    pub part: u32,
    /// Who.
    pub contender: String,
    /// In which round.
    pub round: u32,
    /// What came of it.
    pub sample: Sample,
}

/// What could not be measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Missing {
    /// Doing what.
    pub workload: Workload,
    /// Who.
    pub contender: String,
    /// Why.
    pub why: String,
    /// Whether it failed, rather than having no such thing.
    pub failed: bool,
}

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// What was measured.
    pub rows: Vec<Row>,
    /// What was not.
    pub missing: Vec<Missing>,
}

/// What somebody is in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A limit.
    Limit,
    /// A limit of what has to be unpacked as well: that of the processor, where decompression is slower than the disk.
    Unpacking,
    /// Held against a limit, and part of no ratio.
    Reference,
    /// Truelog.
    Ours,
    /// A peer that may be the best.
    Peer,
    /// Shown, and part of no ratio.
    Shown,
}

/// What `contender` is in a workload.
pub fn role(contender: &str, workload: Workload) -> Role {
    if let Some(raw) = RAWS.iter().find(|raw| raw.name == contender) {
        return raw.role;
    }
    match Peer::named(contender) {
        Some(peer) if peer.standing == Standing::Ours => Role::Ours,
        Some(peer) if peer.competes(workload) => Role::Peer,
        _ => Role::Shown,
    }
}

/// The middle of some values; of two middle ones, the mean.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

impl Results {
    /// The workloads that were tried, in the order of a run.
    pub fn workloads(&self) -> Vec<Workload> {
        let tried = |workload: &Workload| {
            self.rows.iter().any(|row| row.workload == *workload)
                || self.missing.iter().any(|missing| missing.workload == *workload)
        };
        Workload::ALL.into_iter().filter(tried).collect()
    }

    /// Who was measured in a part, in the order of the run.
    pub fn contenders(&self, workload: Workload, part: u32) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for row in self.of(workload, part) {
            if !names.contains(&row.contender.as_str()) {
                names.push(&row.contender);
            }
        }
        names
    }

    fn of(&self, workload: Workload, part: u32) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| (row.workload, row.part) == (workload, part))
    }

    /// The median of what `value` says.
    pub fn median(
        &self,
        (workload, part): (Workload, u32),
        contender: &str,
        value: impl Fn(&Sample) -> f64,
    ) -> Option<f64> {
        let rows = self.of(workload, part).filter(|row| row.contender == contender);
        median(rows.map(|row| value(&row.sample)).collect())
    }

    /// The ratios that `contender` had, in each round, to the best of that round in a role. `good` is the larger the
    /// better.
    pub fn ratios(
        &self,
        (workload, part): (Workload, u32),
        contender: &str,
        best: Role,
        good: fn(&Sample) -> f64,
    ) -> Vec<f64> {
        let mine = self.of(workload, part).filter(|row| row.contender == contender);
        let ratios = mine.filter_map(|row| {
            let rivals = self.of(workload, part).filter(|other| {
                other.round == row.round
                    && other.contender != contender
                    && role(&other.contender, workload) == best
            });
            let best = rivals.map(|other| good(&other.sample)).max_by(f64::total_cmp)?;
            Some(good(&row.sample) / best)
        });
        ratios.filter(|ratio| ratio.is_finite()).collect()
    }

    /// Their median.
    pub fn ratio(
        &self,
        place: (Workload, u32),
        contender: &str,
        best: Role,
        good: fn(&Sample) -> f64,
    ) -> Option<f64> {
        median(self.ratios(place, contender, best, good))
    }

    /// What `value` says of a part, in each round, by what it says of the first part in that round.
    pub fn against_first_part(
        &self,
        (workload, part): (Workload, u32),
        contender: &str,
        value: impl Fn(&Sample) -> f64,
    ) -> Vec<f64> {
        let mine = |part| self.of(workload, part).filter(|row| row.contender == contender);
        let ratios = mine(part).filter_map(|row| {
            let first = mine(0).find(|first| first.round == row.round)?;
            Some(value(&row.sample) / value(&first.sample))
        });
        // Nothing by nothing says nothing; something by nothing is the worst there is.
        ratios.filter(|ratio| !ratio.is_nan()).collect()
    }

    /// Who is best in a role, by the median.
    pub fn best(&self, place: (Workload, u32), wanted: Role) -> Option<&str> {
        let names = self.contenders(place.0, place.1);
        let able = names.into_iter().filter(|name| role(name, place.0) == wanted);
        able.max_by(|a, b| {
            let rate = |name| self.median(place, name, Sample::rate).unwrap_or(0.0);
            rate(a).total_cmp(&rate(b))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contender: &str, round: u32, ops: u64) -> Row {
        let sample = Sample { ops, seconds: 1.0, ..Sample::default() };
        Row { workload: Workload::Append1, part: 0, contender: contender.to_owned(), round, sample }
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0]), Some(5.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn a_part_is_held_against_the_first_of_its_round() {
        let row = |part, round, p99_us| {
            let sample = Sample { p99_us, ..Sample::default() };
            Row { workload: Workload::Busy, part, contender: "truelog".to_owned(), round, sample }
        };
        // The last round has no first part.
        let rows =
            vec![row(0, 0, 100.0), row(1, 0, 150.0), row(0, 1, 10.0), row(1, 1, 10.0), row(1, 2, 10.0)];
        let results = Results { rows, missing: Vec::new() };
        let ratios = results.against_first_part((Workload::Busy, 1), "truelog", |sample| sample.p99_us);
        assert_eq!(ratios, [1.5, 1.0]);
    }

    #[test]
    fn ratios_are_of_one_round_and_leave_out_who_does_not_sync() {
        let rows = vec![
            row("raw-direct", 0, 100),
            row("truelog", 0, 90),
            row("okaywal", 0, 60),
            row("sled", 0, 1000),
            row("raw-direct", 1, 10),
            row("truelog", 1, 9),
            row("okaywal", 1, 6),
        ];
        let results = Results { rows, missing: Vec::new() };
        let place = (Workload::Append1, 0);
        assert_eq!(results.ratio(place, "truelog", Role::Limit, Sample::rate), Some(0.9));
        assert_eq!(results.ratio(place, "truelog", Role::Peer, Sample::rate), Some(1.5));
        assert_eq!(results.best(place, Role::Peer), Some("okaywal"));
        assert_eq!(role("lmdb", Workload::Append1), Role::Peer);
        assert_eq!(role("lmdb", Workload::Get), Role::Shown);
    }
}
