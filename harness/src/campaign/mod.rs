//! Campaigns: cases without end, kept on the disk one by one, and merged from any number of shards.
//!
//! A case is a number. What it runs follows from the campaign's seed, the shard, and the cases of that shard before it:
//! a killed campaign goes on where it was, and two runs of a shard are the same. No engine is needed to spread shards:
//! each writes a file of its own, and [`merge`](journal::merge) takes them in any order, any number of times.

mod arms;
mod fuzz;
pub mod journal;
pub mod live;
pub mod page;
mod plain;
mod propose;
mod race;
mod signature;
pub mod totals;
mod watch;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arms::{Arm, Ran, Story};
use journal::{Found, Journal, Line, OUT, kept};
pub use plain::gather;
pub use propose::{FIRST_SEEN, Proposal, Unproposed, Wanted, case_of, proposals, propose, steps};
pub(crate) use propose::{hash, put};
pub use race::{Wanted as RaceWanted, promote as promote_race};
pub(crate) use signature::signature;
use totals::Totals;
use watch::Watchdog;

use crate::caught::caught;
use crate::schedules::kept::Kept;

/// How often a case may end the process before that is what is found: the first time a person may have killed it.
const DEATHS: u64 = 2;

/// Which part of which campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// The campaign's seed.
    pub seed: u64,
    /// The commit that is run.
    pub commit: String,
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

    /// The command that runs one of its cases again. The directory says what the shard had reached before.
    fn replay(&self, index: u64, out: &Path) -> String {
        let Self { seed, shard, of, .. } = self;
        let out = out.display();
        format!("cargo verify campaign --seed {seed} --shard {shard}/{of} --case {index}{OUT}{out}")
    }

    fn line(&self, index: u64, arm: &str, ran: Ran, took: Duration) -> Line {
        Line {
            commit: self.commit.clone(),
            seed: self.seed,
            shard: self.shard,
            of: self.of,
            index,
            arm: arm.to_owned(),
            seconds: took.as_secs_f64(),
            counts: ran.counts,
            reached: ran.reached.into_iter().collect(),
            found: ran.found,
        }
    }
}

/// Runs cases of a shard until time ends, and keeps each in `out`. `told` hears how far it is after each, and says whether
/// to go on. Each finding gets its page there, and a trace if it can be told as one. A case that runs for longer than `limit`
/// ends the process.
///
/// # Errors
/// The directory cannot be read or written, or holds another campaign.
pub fn run(
    shard: &Shard,
    out: &Path,
    time: Duration,
    limit: Duration,
    told: &mut dyn FnMut(&Totals) -> bool,
) -> io::Result<Totals> {
    run_arms(&arms::all(), shard, out, time, limit, told)
}

fn run_arms(
    arms: &[Arm],
    shard: &Shard,
    out: &Path,
    time: Duration,
    limit: Duration,
    told: &mut dyn FnMut(&Totals) -> bool,
) -> io::Result<Totals> {
    let until = Instant::now() + time;
    let mut journal = Journal::open(shard, out)?;
    let mut totals = Totals::of(journal.lines());
    let watchdog = Watchdog::new(limit);
    while Instant::now() < until {
        let index = journal.next();
        let arm = choose(arms, &totals, index);
        let begun = journal.begin(index, &arm.name)?;
        let began = Instant::now();
        // What is found is told and written before the case has ended: a kill between the two runs it again, and loses nothing.
        let mut ran = if begun > DEATHS {
            died(shard, index, arm)
        } else {
            watchdog.begins();
            let ran = attempt(shard, index, arm, &totals.reached);
            // What tells what is found has as long again.
            watchdog.begins();
            ran
        };
        hand_in(&mut ran, arm, shard.replay(index, out), &totals, out);
        watchdog.ended();
        ran.reached.retain(|point| !totals.reached.contains(point));
        let line = shard.line(index, &arm.name, ran, began.elapsed());
        totals.add(&line);
        journal.end(line)?;
        if !told(&totals) {
            break;
        }
    }
    Ok(totals)
}

/// Runs one case of a shard again, whose cases before it are in `out`. Returns what it runs, and what it finds.
///
/// # Errors
/// The cases before it cannot be read, or are not there.
pub fn again(shard: &Shard, index: u64, out: &Path) -> io::Result<(String, Option<Found>)> {
    let mut lines = kept(shard, out)?;
    let before = usize::try_from(index).ok().filter(|before| *before <= lines.len());
    let before = before.ok_or_else(|| {
        let says = format!("{} has {} cases, and none before case {index}", out.display(), lines.len());
        io::Error::new(io::ErrorKind::InvalidInput, says)
    })?;
    if let Some(Line { commit, .. }) = lines.iter().find(|line| line.commit != shard.commit) {
        eprintln!(
            "these cases were run on commit {commit}, and this is {}: the same case may be another one",
            shard.commit
        );
    }
    lines.truncate(before);
    let totals = Totals::of(&lines);
    let arms = arms::all();
    let arm = choose(&arms, &totals, index);
    let ran = once(arm, shard.seed_of(index), &totals.reached);
    Ok((arm.name.clone(), ran.found))
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
fn attempt(shard: &Shard, index: u64, arm: &Arm, known: &BTreeSet<String>) -> Ran {
    let seed = shard.seed_of(index);
    let mut ran = once(arm, seed, known);
    if let Some(found) = &mut ran.found {
        let same = |again: &Ran| again.found.as_ref().is_some_and(|one| one.invariant == found.invariant);
        found.again = (0..2).filter(|_| same(&once(arm, seed, known))).count() as u64;
    }
    ran
}

/// Runs a case. A panic is what it finds.
fn once(arm: &Arm, seed: u64, known: &BTreeSet<String>) -> Ran {
    caught(|| (arm.run)(seed, known)).unwrap_or_else(|panicked| {
        let found = Found {
            invariant: panicked.breaks().to_owned(),
            says: format!("{} (seed {seed}) panics at {}: {}", arm.name, panicked.at, panicked.says),
            violation: format!("a panic: {}", panicked.line()),
            kinds: panicked.at,
            ..Found::default()
        };
        Ran { found: Some(found), ..Ran::default() }
    })
}

/// The process has ended inside this very case, again and again: that is what is found.
fn died(shard: &Shard, index: u64, arm: &Arm) -> Ran {
    let seed = shard.seed_of(index);
    let says = format!("the process ended {DEATHS} times inside case {index} ({}, seed {seed})", arm.name);
    let violation = format!("the process ended inside a case of {}", arm.name);
    Ran { found: Some(Found { violation, ..Found::harness(says) }), ..Ran::default() }
}

/// Tells a finding as a trace with its page; if it cannot, writes a page without one. Of findings of one signature one trace
/// is enough.
fn hand_in(ran: &mut Ran, arm: &Arm, replay: String, totals: &Totals, out: &Path) {
    let Some(found) = &mut ran.found else { return };
    if found.replay.is_empty() {
        found.replay = replay;
    }
    if totals.findings.get(&found.signature()).is_some_and(|(known, _)| known.is_told()) {
        return;
    }
    let mut story = ran.story.take().unwrap_or_else(|| Story {
        name: arm.name.replace(' ', "-"),
        seen: "random".to_owned(),
        ..Story::default()
    });
    let told = match &found.case {
        None => Err("no case of the explorer shows it".to_owned()),
        Some(case) => caught(|| propose::found(case, found.invariant.parse().ok(), &story.seen, out))
            .map_err(|panicked| format!("what tells it panics at {}: {}", panicked.at, panicked.line()))
            .and_then(|proposed| proposed.map_err(|why| why.to_string())),
    };
    match told {
        Ok(proposal) => {
            eprintln!("proposed: {}", proposal.path.display());
            let page = proposal.path.with_extension("md");
            found.page = Some(page.strip_prefix(out).unwrap_or(&page).display().to_string());
            if !story.bytes.is_empty()
                && let Err(error) = plain::write(found, &story, None, out)
            {
                eprintln!("the input is not kept: {error}");
            }
        }
        Err(why) => {
            let race = more_simply(found, &mut story);
            found.untold = race.is_none().then_some(why);
            match plain::write(found, &story, race.as_ref(), out) {
                Ok(page) => found.page = Some(page),
                Err(error) => eprintln!("no page of a finding is written: {error}"),
            }
        }
    }
}

/// Tells what takes several threads by the simplest way to it, if that can be found and kept: then other schedules that show it
/// are the same.
fn more_simply(found: &mut Found, story: &mut Story) -> Option<Kept> {
    let race = story.race.take().filter(|_| found.case.is_none())?;
    let simplest = match caught(|| race.simplest()) {
        Ok(simplest) => simplest?,
        Err(panicked) => {
            eprintln!("the search for the simplest way panics at {}: {}", panicked.at, panicked.line());
            return None;
        }
    };
    let kept = Kept::of(&simplest, &simplest.found.violation, "campaign", "none")?;
    race::tell(found, story, &simplest);
    story.title.clone_from(&kept.title);
    Some(kept)
}

#[cfg(test)]
mod tests;
