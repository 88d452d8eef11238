//! What cases come to.

use std::collections::{BTreeMap, BTreeSet};

use super::journal::{Found, Line, ShardKey};

/// How the count of what is being run is called, for each kind of execution.
pub(super) const EXECUTIONS: [&str; 3] = ["schedules", "sequences", "fuzz inputs"];
/// What a canary counts: what it had to find, and what of that it did.
pub(super) const DUE: &str = "canaries due";
/// See [`DUE`].
pub(super) const ALIVE: &str = "canaries found";

/// How many missing shards are named.
const NAMED: usize = 8;

/// The cases of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many.
    pub cases: u64,
    /// How much they reached that was new then.
    pub reached: u64,
}

/// What shows that a kind of case can find anything at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Canary {
    /// How much it had to find.
    pub due: u64,
    /// How much of that it did.
    pub found: u64,
    /// The last case of a shard in which it found all: shard, of how many, case.
    pub last: Option<(u64, u64, u64)>,
}

/// What cases come to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Totals {
    /// How many cases.
    pub cases: u64,
    /// How long they took, all together, in seconds.
    pub seconds: f64,
    /// How long the cases of each shard took, in seconds, and how many they are.
    pub shards: BTreeMap<ShardKey, (f64, u64)>,
    /// What they counted.
    pub counts: BTreeMap<String, u64>,
    /// What they reached.
    pub reached: BTreeSet<String>,
    /// Each kind of case.
    pub arms: BTreeMap<String, Tally>,
    /// Each canary.
    pub canaries: BTreeMap<String, Canary>,
    /// What was found, one of each signature, and how often: the first of which there is a trace, or else the first.
    pub findings: BTreeMap<String, (Found, u64)>,
    /// When each shard had run for so many seconds, so much was reached.
    pub growth: Vec<(f64, usize)>,
}

impl Totals {
    /// Of lines, those of each shard in their order. Shards run side by side: what each had reached by some time counts as
    /// reached by then.
    #[must_use]
    pub fn of(lines: &[Line]) -> Self {
        let mut elapsed: BTreeMap<ShardKey, f64> = BTreeMap::new();
        let mut timed: Vec<(f64, &Line)> = lines
            .iter()
            .map(|line| {
                let elapsed = elapsed.entry(line.shard_key()).or_default();
                *elapsed += line.seconds;
                (*elapsed, line)
            })
            .collect();
        // A stable sort: what ended at once stays in the order of the shards.
        timed.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut totals = Self::default();
        timed.iter().for_each(|(_, line)| totals.add(line));
        totals
    }

    /// Adds a case.
    pub fn add(&mut self, line: &Line) {
        self.cases += 1;
        self.seconds += line.seconds;
        let shard = self.shards.entry(line.shard_key()).or_default();
        *shard = (shard.0 + line.seconds, shard.1 + 1);
        let elapsed = shard.0;
        for (what, n) in &line.counts {
            *self.counts.entry(what.clone()).or_default() += n;
        }
        let before = self.reached.len();
        self.reached.extend(line.reached.iter().cloned());
        let new = self.reached.len() - before;
        let tally = self.arms.entry(line.arm.clone()).or_default();
        tally.cases += 1;
        tally.reached += new as u64;
        if new > 0 {
            self.growth.push((elapsed, self.reached.len()));
        }
        self.add_canary(line);
        if let Some(found) = &line.found {
            let kept = self.findings.entry(found.signature()).or_insert_with(|| (found.clone(), 0));
            kept.1 += 1;
            if found.is_told() && !kept.0.is_told() {
                kept.0 = found.clone();
            }
        }
    }

    fn add_canary(&mut self, line: &Line) {
        let Some(due) = line.counts.get(DUE) else { return };
        let found = line.counts.get(ALIVE).copied().unwrap_or_default();
        let canary = self.canaries.entry(line.arm.clone()).or_default();
        canary.due += due;
        canary.found += found;
        if found == *due {
            canary.last = canary.last.max(Some((line.shard, line.of, line.index)));
        }
    }

    /// How long the shard that ran longest ran, in seconds.
    #[must_use]
    pub fn elapsed(&self) -> f64 {
        self.shards.values().map(|(seconds, _)| *seconds).fold(0.0, f64::max)
    }

    /// What was run: sequences of steps, schedules, inputs.
    #[must_use]
    pub fn executions(&self) -> u64 {
        EXECUTIONS.iter().filter_map(|what| self.counts.get(*what)).sum()
    }

    /// What is not here although other shards of the same campaign are: a sentence for each campaign.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut here: BTreeMap<(&str, u64, u64), BTreeSet<u64>> = BTreeMap::new();
        for (commit, seed, of, shard) in self.shards.keys() {
            here.entry((commit, *seed, *of)).or_default().insert(*shard);
        }
        let missing = here.into_iter().filter_map(|((commit, seed, of), here)| {
            let lack = (0..of).filter(|shard| !here.contains(shard)).take(NAMED + 1);
            let mut lack: Vec<String> = lack.map(|shard| shard.to_string()).collect();
            if lack.len() > NAMED {
                lack[NAMED] = "and more".to_owned();
            }
            (!lack.is_empty()).then(|| {
                format!(
                    "of the {of} shards with seed {seed} on commit {commit} these are not here: {}",
                    lack.join(", ")
                )
            })
        });
        missing.collect()
    }

    /// Why this says nothing, if it does not.
    #[must_use]
    pub fn blind(&self) -> Option<&'static str> {
        if self.cases == 0 {
            Some("no case was run")
        } else if self.reached.is_empty() {
            Some("nothing was reached")
        } else if self.canaries.is_empty() {
            Some("no canary was run")
        } else if EXECUTIONS.iter().any(|what| self.counts.get(*what).is_none_or(|n| *n == 0)) {
            Some("no schedule, no sequence of steps or no fuzz input was run: give it more time")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(shard: u64, index: u64, seconds: f64, reached: &str) -> Line {
        Line {
            commit: "abc".to_owned(),
            seed: 7,
            shard,
            of: 2,
            index,
            arm: "canary run".to_owned(),
            seconds,
            counts: [(DUE.to_owned(), 2), (ALIVE.to_owned(), 2 - index % 2)].into(),
            reached: vec![reached.to_owned()],
            found: None,
        }
    }

    #[test]
    fn shards_grow_side_by_side() {
        let lines = [line(0, 0, 1.0, "a"), line(0, 1, 9.0, "b"), line(1, 0, 2.0, "c"), line(1, 1, 2.0, "d")];
        let totals = Totals::of(&lines);
        assert_eq!(totals.growth, [(1.0, 1), (2.0, 2), (4.0, 3), (10.0, 4)]);
        assert_eq!((totals.elapsed(), totals.seconds), (10.0, 14.0));
    }

    #[test]
    fn a_shard_that_is_not_there_is_named() {
        let both = Totals::of(&[line(0, 0, 1.0, "a"), line(1, 0, 1.0, "a")]);
        assert!(both.missing().is_empty());
        let one = Totals::of(&[line(1, 0, 1.0, "a")]);
        assert_eq!(one.missing(), ["of the 2 shards with seed 7 on commit abc these are not here: 0"]);
        let many = Totals::of(&[Line { of: u64::MAX, ..line(1, 0, 1.0, "a") }]);
        assert!(many.missing()[0].ends_with("0, 2, 3, 4, 5, 6, 7, 8, and more"), "{:?}", many.missing());
    }

    #[test]
    fn canaries_are_told_with_what_was_due_and_when_they_lived_last() {
        let totals = Totals::of(&[line(0, 0, 1.0, "a"), line(0, 1, 1.0, "b"), line(0, 2, 1.0, "c")]);
        let canary = totals.canaries.get("canary run").expect("it was run");
        assert_eq!(*canary, Canary { due: 6, found: 5, last: Some((0, 2, 2)) });
        assert!(
            totals.blind().is_some_and(|why| why.starts_with("no schedule")),
            "of no kind anything was run"
        );
        let mut counted = totals.clone();
        counted.counts.extend(EXECUTIONS.map(|what| (what.to_owned(), 1)));
        assert_eq!(counted.blind(), None);
        assert_eq!(Totals::default().blind(), Some("no case was run"));
    }

    #[test]
    fn a_finding_that_is_told_stands_for_those_that_are_not() {
        let found = |page: Option<&str>, untold: Option<&str>| {
            let says = "LSN 1 is gone".to_owned();
            let (page, untold) = (page.map(str::to_owned), untold.map(str::to_owned));
            Some(Found { invariant: "acked-is-durable".to_owned(), says, page, untold, ..Found::default() })
        };
        let why = Some("a failing call that is no step, and then a crash");
        let finds = [found(Some("a.md"), why), found(Some("b.md"), None), found(Some("c.md"), None)];
        let lines: Vec<Line> =
            (0..).zip(finds).map(|(index, found)| Line { found, ..line(0, index, 1.0, "a") }).collect();
        let totals = Totals::of(&lines);
        let (kept, times) = totals.findings.values().next().expect("a finding");
        assert_eq!((kept.page.as_deref(), *times), (Some("b.md"), 3));
    }
}
