//! One pass over the logs: claims are found, held against the artifacts window by window, and counted.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use truelog::LsnRange;

use super::halts::Halts;
use super::history::History;
use super::judge::{Claimed, Held, Judge, Lack};
use super::own::{self, Own, Says};
use super::patterns::{Hit, Kind, Patterns};
use super::ranges::{Ranges, Unclaimed};
use super::source::{self, At};
use super::stage::Stage;
use super::times::{self, Minute, Times};
use crate::args::Logs;
use crate::failure::Failure;
use crate::lines::Ended;

/// Claims that are held at a time.
const WINDOW: usize = 65_536;
/// Files that were there by name and are held again.
const MOST_NAMES: usize = 4096;
/// Kinds of events of our own that are counted apart.
const MOST_EVENTS: usize = 64;

/// What became of the claims.
#[derive(Debug, Default, Clone, Serialize)]
pub(crate) struct Tally {
    /// Lines that were read.
    pub(crate) lines: u64,
    pub(crate) claims: u64,
    /// The bytes are there, and something durable vouches for them.
    pub(crate) verified: u64,
    /// The bytes are there, and nothing durable vouches for them yet.
    pub(crate) unvouched: u64,
    /// A file of that name is there and long enough; its bytes cannot be judged.
    pub(crate) by_name: u64,
    /// Removed on purpose.
    pub(crate) trimmed: u64,
    pub(crate) violated: u64,
    /// Files that held by name, and did no longer when they were looked at again.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) gone: u64,
    pub(crate) unverifiable: u64,
    /// Lines that were cut before they were whole: nobody claimed anything.
    pub(crate) torn: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A claim that does not simply hold.
pub(crate) struct Complaint<'a> {
    pub(crate) at: At,
    pub(crate) claim: &'a Claimed,
    /// What the artifact lacks; `None` for a claim that cannot be held against anything.
    pub(crate) lack: Option<Lack>,
    pub(crate) why: &'a str,
}

/// What is counted apart.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) stage: Option<Stage>,
    pub(crate) claims: bool,
    pub(crate) lines: u64,
    pub(crate) violated: u64,
    pub(crate) seen: Option<(At, At)>,
}

/// A claim, and where it was read.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) at: At,
    pub(crate) time: Option<Minute>,
    pub(crate) claim: Claimed,
    label: usize,
}

/// What a pass over the logs found.
pub(crate) struct Scan {
    pub(crate) judge: Judge,
    patterns: Patterns,
    pub(crate) tally: Tally,
    pub(crate) labels: Vec<Label>,
    pub(crate) times: Times,
    /// What the log's own lines say of its health.
    pub(crate) history: History,
    /// What they say of a halt, if the log was not opened since.
    pub(crate) halts: Halts,
    ranges: Ranges,
    window: Vec<Found>,
    /// Whether claims that held by name are kept, to be held again.
    pub(crate) keeps_names: bool,
    /// Claims on files that are not held again, since too many are.
    pub(crate) unwatched: u64,
    /// The claims that held by name, one a file; and whether the file was gone at the last look.
    names: BTreeMap<PathBuf, (Found, bool)>,
    /// The last claim that held before the first that did not.
    pub(crate) good: Option<Found>,
    /// The first claim that did not hold.
    pub(crate) bad: Option<Found>,
    /// The last claim that held behind that.
    pub(crate) good_again: Option<Found>,
    /// The first line whose time is before that of the line before it, and how many there are.
    pub(crate) back: Option<(At, u64)>,
    latest: Option<(usize, Minute)>,
    /// Lines without a time that can be read.
    pub(crate) untimed: u64,
}

/// Where complaints go.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&[PathBuf], &Complaint<'_>) -> Result<(), Failure>;

impl Complaint<'_> {
    /// `violated` or `unverifiable`.
    pub(crate) const fn verdict(&self) -> &'static str {
        if self.lack.is_some() { "violated" } else { "unverifiable" }
    }
}

impl Scan {
    /// Nothing read yet.
    ///
    /// # Errors
    /// The pattern file cannot be read.
    pub(crate) fn new(args: &Logs, judge: Judge) -> Result<Self, Failure> {
        let patterns = args.patterns.as_deref().map(Patterns::load).transpose()?.unwrap_or_default();
        let labels = patterns.all.iter().map(|pattern| Label {
            name: pattern.name.clone(),
            stage: pattern.stage,
            claims: pattern.kind == Kind::Claim,
            lines: 0,
            violated: 0,
            seen: None,
        });
        Ok(Self {
            judge,
            labels: labels.collect(),
            patterns,
            tally: Tally::default(),
            times: Times::default(),
            history: History::default(),
            halts: Halts::default(),
            ranges: Ranges::default(),
            window: Vec::new(),
            keeps_names: false,
            unwatched: 0,
            names: BTreeMap::new(),
            good: None,
            bad: None,
            good_again: None,
            back: None,
            latest: None,
            untimed: 0,
        })
    }

    /// Reads the logs, and holds what they claim. Complaints go to `tell` in the order of the lines.
    ///
    /// # Errors
    /// A log, the pattern file or the directory cannot be read; whatever `tell` reports.
    pub(crate) fn run(args: &Logs, tell: Tell<'_>) -> Result<Self, Failure> {
        let mut scan = Self::new(args, Judge::new(&args.dir)?)?;
        scan.learn_releases(&args.logs)?;
        source::each_line(&args.logs, &mut |at, line, ended| {
            scan.line(at, line, ended);
            if scan.is_full() { scan.settle(&args.logs, WINDOW, tell) } else { Ok(()) }
        })?;
        scan.settle(&args.logs, WINDOW, tell)?;
        Ok(scan)
    }

    /// What was removed on purpose is known before any claim is judged: it may stand behind its claims.
    fn learn_releases(&mut self, logs: &[PathBuf]) -> Result<(), Failure> {
        if !self.has_releases() {
            return Ok(());
        }
        if logs.iter().any(|log| log == "-") {
            let why = "a pattern file with a release needs logs that can be read twice, not standard input";
            return Err(Failure::Usage(why.to_owned()));
        }
        source::each_line(logs, &mut |at, line, ended| {
            self.learn(at, line, ended);
            Ok(())
        })
    }

    /// Whether claims wait for what may be released behind them.
    pub(crate) fn has_releases(&self) -> bool {
        self.patterns.have_releases()
    }

    /// What a line says was removed on purpose.
    pub(crate) fn learn(&mut self, at: At, line: &[u8], ended: Ended) {
        for (number, hit) in self.patterns.hits(line) {
            let release = self.patterns.all.get(number).is_some_and(|it| it.kind == Kind::Release);
            if let Some(path) = hit.path.filter(|_| release && ended == Ended::Newline) {
                self.judge.release(at, &path);
            }
        }
    }

    /// Whether there are as many claims to judge as are judged at a time.
    pub(crate) const fn is_full(&self) -> bool {
        self.window.len() >= WINDOW
    }

    /// Takes a line in. What it claims waits until the window is judged.
    pub(crate) fn line(&mut self, at: At, line: &[u8], ended: Ended) {
        self.tally.lines += 1;
        let time = times::minute(line);
        self.look_back(at, time);
        // The end of a line that is not there may have been part of a number or of a name.
        let whole = match ended {
            Ended::Newline => true,
            Ended::File => line.trim_ascii_end().ends_with(b"}"),
            Ended::TooLong => false,
        };
        let Own { behind_torn, says } = own::read(line);
        self.tally.torn += u64::from(behind_torn);
        match says {
            Says::Durable(place) if whole => {
                self.ranges.add(place.lsns);
                let label = self.event("durable", true);
                self.found(at, time, Claimed::Batch(place), label);
            }
            Says::Durable(_) | Says::Garbled if ended == Ended::File => self.tally.torn += 1,
            Says::Durable(_) | Says::Garbled => {
                let label = self.event("garbled", true);
                self.found(
                    at,
                    time,
                    Claimed::Unread("the line is cut, too long or mixed up: it may have been a claim"),
                    label,
                );
            }
            Says::Other(told) => {
                self.history.add(at, time, &told);
                self.halts.add(at, line, &told.event);
                let label = self.event(&told.event, false);
                self.count(at, time, label);
            }
            Says::Nothing => {}
        }
        let hits: Vec<_> = self.patterns.hits(line).collect();
        for (label, hit) in hits {
            self.hit(at, time, label, hit, whole, ended);
        }
    }

    fn hit(&mut self, at: At, time: Option<Minute>, label: usize, hit: Hit, whole: bool, ended: Ended) {
        let time = hit.time.as_deref().map_or(time, times::minute);
        if self.patterns.all.get(label).is_none_or(|pattern| pattern.kind != Kind::Claim) {
            self.count(at, time, label);
            return;
        }
        if !whole && ended == Ended::File {
            self.tally.torn += 1;
            return;
        }
        let claim = match hit.path {
            _ if !whole => Claimed::Unread("the line is too long, and may be cut inside the claim"),
            _ if hit.bad_number => Claimed::Unread("a number in the line cannot be read"),
            None => Claimed::Unread("the line names no artifact"),
            Some(path) => Claimed::File(super::files::FileClaim { path, need: hit.need }),
        };
        self.found(at, time, claim, label);
    }

    fn found(&mut self, at: At, time: Option<Minute>, claim: Claimed, label: usize) {
        self.see(at, label);
        self.window.push(Found { at, time, claim, label });
    }

    fn count(&mut self, at: At, time: Option<Minute>, label: usize) {
        self.see(at, label);
        self.times.add(time, label, false);
    }

    fn see(&mut self, at: At, label: usize) {
        if let Some(label) = self.labels.get_mut(label) {
            label.lines += 1;
            label.seen = Some((label.seen.map_or(at, |(first, _)| first), at));
        }
    }

    /// The label of an event of our own. Of too many kinds the rest is one.
    fn event(&mut self, message: &str, claims: bool) -> usize {
        let own = self.patterns.all.len();
        let known = |message: &str, labels: &[Label]| {
            labels.iter().skip(own).position(|label| label.name == message).map(|at| own + at)
        };
        if let Some(at) = known(message, &self.labels) {
            return at;
        }
        let message = if self.labels.len() - own < MOST_EVENTS { message } else { "other events" };
        known(message, &self.labels).unwrap_or_else(|| {
            let (name, stage) = (message.to_owned(), Some(Stage::of_event(message)));
            self.labels.push(Label { name, stage, claims, lines: 0, violated: 0, seen: None });
            self.labels.len() - 1
        })
    }

    fn look_back(&mut self, at: At, time: Option<Minute>) {
        let Some(time) = time else {
            self.untimed += 1;
            return;
        };
        if self.latest.is_some_and(|(log, latest)| log == at.log && time < latest) {
            let (first, count) = self.back.unwrap_or((at, 0));
            self.back = Some((first, count + 1));
        }
        self.latest = Some((at.log, time));
    }

    /// How many claims wait to be judged.
    pub(crate) const fn waiting(&self) -> usize {
        self.window.len()
    }

    /// Judges so many claims of the window, the oldest.
    ///
    /// # Errors
    /// The directory cannot be looked at: then the window is as it was. Whatever `tell` reports.
    pub(crate) fn settle(&mut self, logs: &[PathBuf], most: usize, tell: Tell<'_>) -> Result<(), Failure> {
        let due = most.min(self.window.len());
        let claims: Vec<_> = self.window.iter().take(due).map(|found| (found.at, &found.claim)).collect();
        let held = self.judge.hold(&claims)?;
        let window: Vec<_> = self.window.drain(..due).collect();
        let mut good: Option<&Found> = None;
        for (found, held) in window.iter().zip(&held) {
            self.tally.claims += 1;
            let violated = matches!(held, Held::Violated(..));
            self.times.add(found.time, found.label, violated);
            let (lack, why) = match held {
                Held::Violated(lack, why) => {
                    self.tally.violated += 1;
                    if let Some(label) = self.labels.get_mut(found.label) {
                        label.violated += 1;
                    }
                    if self.bad.is_none() {
                        self.good = good.take().cloned().or_else(|| self.good.take());
                        self.bad = Some(found.clone());
                    }
                    (Some(*lack), why)
                }
                Held::Unverifiable(why) => {
                    self.tally.unverifiable += 1;
                    (None, why)
                }
                holds => {
                    self.holds(found, holds);
                    good = Some(found);
                    continue;
                }
            };
            tell(logs, &Complaint { at: found.at, claim: &found.claim, lack, why })?;
        }
        let place = if self.bad.is_none() { &mut self.good } else { &mut self.good_again };
        if let Some(good) = good {
            *place = Some(good.clone());
        }
        Ok(())
    }

    /// Holds the files that were there by name against the directory again: what was there once must stay. Where a
    /// pattern says what is removed on purpose, that may be written just behind the removal: it is asked twice.
    ///
    /// # Errors
    /// The directory cannot be looked at; whatever `tell` reports.
    pub(crate) fn settle_again(&mut self, logs: &[PathBuf], tell: Tell<'_>) -> Result<(), Failure> {
        let claims: Vec<_> = self.names.values().map(|(found, _)| (found.at, &found.claim)).collect();
        let held = self.judge.hold(&claims)?;
        let names = std::mem::take(&mut self.names);
        let patient = self.has_releases();
        for ((path, (found, suspect)), held) in names.into_iter().zip(held) {
            match held {
                Held::Violated(..) if patient && !suspect => drop(self.names.insert(path, (found, true))),
                Held::Violated(lack, why) => {
                    self.tally.gone += 1;
                    let why = format!("it was there when it was claimed, and no longer is: {why}");
                    tell(
                        logs,
                        &Complaint { at: found.at, claim: &found.claim, lack: Some(lack), why: &why },
                    )?;
                }
                Held::Trimmed => {}
                _ => drop(self.names.insert(path, (found, false))),
            }
        }
        Ok(())
    }

    fn holds(&mut self, found: &Found, held: &Held) {
        match held {
            Held::Verified => self.tally.verified += 1,
            Held::Unvouched => self.tally.unvouched += 1,
            Held::ByName => {
                self.tally.by_name += 1;
                if self.keeps_names {
                    self.remember(found);
                }
            }
            _ => self.tally.trimmed += 1,
        }
    }

    /// Of the claims on a file the one that needs most of it; but not one from before it was removed on purpose.
    fn remember(&mut self, found: &Found) {
        let Claimed::File(claim) = &found.claim else { return };
        let more = match self.names.get(&claim.path) {
            Some((Found { at, claim: Claimed::File(known), .. }, _)) => {
                claim.need > known.need || self.judge.is_released(&claim.path, *at)
            }
            _ if self.names.len() < MOST_NAMES => true,
            _ => {
                self.unwatched += 1;
                false
            }
        };
        if more {
            self.names.insert(claim.path.clone(), (found.clone(), false));
        }
    }

    /// The records that are durable and that no line claimed: with a log in the directory, and if they could be
    /// counted.
    pub(crate) fn unclaimed(&self) -> Option<Unclaimed> {
        let view = self.judge.view()?;
        self.ranges.without(LsnRange::new(view.first(), view.vouched().min(view.next().prev())))
    }
}
