//! Campaigns: cases without end, kept on the disk one by one, and merged from any number of shards.
//!
//! A case is a number. What it runs follows from the campaign's seed, the shard, and the cases of that shard before it:
//! a killed campaign goes on where it was, and two runs of a shard are the same. No engine is needed to spread shards:
//! each writes a file of its own, and [`merge`](journal::merge) takes them in any order, any number of times.

mod arms;
pub mod journal;
pub mod page;
mod propose;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arms::{Arm, Ran};
use journal::{Journal, Line, Totals};
pub use propose::{Proposal, Unproposed, case_of, found, proposals, propose, steps};

/// Which part of which campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// The campaign's seed.
    pub seed: u64,
    /// The shard, from 0.
    pub shard: u64,
    /// How many shards there are.
    pub of: u64,
}

impl Shard {
    /// The file that its cases are kept in.
    #[must_use]
    pub fn file(&self, out: &Path) -> PathBuf {
        out.join(format!("shard-{}-of-{}.jsonl", self.shard, self.of))
    }

    /// The seed of one of its cases.
    fn seed_of(&self, index: u64) -> u64 {
        let mut hasher = blake3::Hasher::new();
        for number in [self.seed, self.shard, self.of, index] {
            hasher.update(&number.to_le_bytes());
        }
        let mut seed = [0; 8];
        seed.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        u64::from_le_bytes(seed)
    }
}

/// Runs cases of a shard until time ends, and keeps each in `out`. `told` hears how far it is after each, and says whether
/// to go on. What is found and can be told as a trace is proposed there, too.
///
/// # Errors
/// The directory cannot be read or written, or holds another campaign.
pub fn run(
    shard: Shard,
    out: &Path,
    time: Duration,
    told: &mut dyn FnMut(&Totals) -> bool,
) -> io::Result<Totals> {
    let until = Instant::now() + time;
    let arms = arms::all();
    let mut journal = Journal::open(shard, out)?;
    let mut totals = Totals::of(journal.lines());
    while Instant::now() < until {
        let index = journal.next();
        let arm = choose(&arms, &totals, index);
        let line = match journal.begin(index, &arm.name)? {
            // The process ended inside this very case, the last time: that is what is found.
            journal::Begun::Again => died(shard, index, &arm.name),
            journal::Begun::First => attempt(shard, index, arm, &totals),
        };
        let known = totals.findings.len();
        totals.add(&line);
        let case = line.found.as_ref().and_then(|found| case_of(&found.replay)).map(str::to_owned);
        journal.end(line)?;
        if let Some(case) = case.filter(|_| totals.findings.len() > known) {
            match found(&case, out) {
                Ok(proposal) => eprintln!("proposed: {}", proposal.path.display()),
                Err(why) => eprintln!("not proposed: {case}: {why}"),
            }
        }
        if !told(&totals) {
            break;
        }
    }
    Ok(totals)
}

/// Every fourth case goes to the arm that had the fewest; the others to the one that has reached the most that was new for
/// its cases. Both follow from what the shard has run so far.
fn choose<'a>(arms: &'a [Arm], totals: &Totals, index: u64) -> &'a Arm {
    let cases = |arm: &Arm| totals.arms.get(&arm.name).map_or(0, |tally| tally.cases);
    let fewest = arms.iter().min_by_key(|arm| cases(arm));
    let promising = arms.iter().max_by(|one, other| {
        let promise = |arm: &Arm| {
            let new = totals.arms.get(&arm.name).map_or(0, |tally| tally.reached);
            (new + 1) as f64 / (cases(arm) + 1) as f64
        };
        promise(one).total_cmp(&promise(other)).then_with(|| other.name.cmp(&one.name))
    });
    let chosen = if index.is_multiple_of(4) { fewest } else { promising };
    chosen.unwrap_or(&arms[0])
}

/// Runs a case, and what is found twice more: a finding that does not come back is told as such.
fn attempt(shard: Shard, index: u64, arm: &Arm, totals: &Totals) -> Line {
    let began = Instant::now();
    let seed = shard.seed_of(index);
    let mut ran = (arm.run)(seed, &totals.reached);
    if let Some(found) = &mut ran.found {
        let same = |again: &Ran| again.found.as_ref().is_some_and(|one| one.invariant == found.invariant);
        found.again = (0..2).filter(|_| same(&(arm.run)(seed, &totals.reached))).count() as u64;
    }
    let Ran { counts, reached, found } = ran;
    let reached = reached.into_iter().filter(|point| !totals.reached.contains(point)).collect();
    Line {
        seed: shard.seed,
        shard: shard.shard,
        of: shard.of,
        index,
        arm: arm.name.clone(),
        seconds: began.elapsed().as_secs_f64(),
        counts,
        reached,
        found,
    }
}

fn died(shard: Shard, index: u64, arm: &str) -> Line {
    let says = format!("the process ended inside case {index} ({arm}, seed {})", shard.seed_of(index));
    let again = format!("cargo verify campaign --seed {} --shard {}/{}", shard.seed, shard.shard, shard.of);
    Line {
        seed: shard.seed,
        shard: shard.shard,
        of: shard.of,
        index,
        arm: arm.to_owned(),
        seconds: 0.0,
        counts: std::collections::BTreeMap::new(),
        reached: Vec::new(),
        found: Some(journal::Found { invariant: "harness".to_owned(), says, replay: again, again: 0 }),
    }
}

#[cfg(test)]
mod tests;
