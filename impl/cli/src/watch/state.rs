//! Who looks, and what the last look found.

use std::fs;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use truelog::Name;

use super::facts::{self, Claims, Facts};
use super::lasts;
use super::said::{Follower, Said};
use crate::args::Watch;
use crate::failure::{Failure, Shown};

/// One look, and when it was.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) at: SystemTime,
    pub(super) began: Instant,
    pub(super) took: Duration,
    /// What is there; or why that cannot be said.
    pub(super) facts: Result<Facts, Shown>,
    /// What is claimed to be there; `None` when nobody said where claims are.
    pub(super) claims: Option<Result<Claims, Shown>>,
    /// What logs of the application claim; `None` when nobody named any.
    pub(super) said: Option<Said>,
    /// When the manifest was written last: each open does so, and a handle that halted never again.
    pub(super) opened: Option<SystemTime>,
    /// What looks before this one found.
    pub(super) seen: Seen,
}

/// What has been seen since the watch began. What was vouched for once stays so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The log that was there first.
    pub(super) log: Option<String>,
    /// The last record that anything vouched for.
    pub(super) vouched_lsn: u64,
    /// The first record that is kept, at the most.
    pub(super) first_lsn: u64,
}

impl Seen {
    fn add(&mut self, facts: &Facts) {
        if self.log.get_or_insert_with(|| facts.log.clone()) == &facts.log {
            self.vouched_lsn = self.vouched_lsn.max(facts.vouched_lsn);
            self.first_lsn = self.first_lsn.max(facts.first_lsn);
        }
    }
}

/// The last look, for those who answer.
#[derive(Debug)]
pub(super) struct State {
    /// The log's directory, as it was named.
    pub(super) dir: String,
    /// How long a look is worth something.
    lasts: Duration,
    look: Mutex<Arc<Look>>,
}

impl State {
    pub(super) fn new(args: &Watch, look: Look) -> Self {
        let lasts = lasts(Duration::from_secs(args.every));
        Self { dir: args.dir.display().to_string(), lasts, look: Mutex::new(Arc::new(look)) }
    }

    /// The last look.
    pub(super) fn look(&self) -> Arc<Look> {
        Arc::clone(&self.look.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, look: Look) {
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(look);
    }

    /// How old a look is, if it is too old to say anything of now.
    pub(super) fn stale(&self, look: &Look) -> Option<Duration> {
        // A look that took long is followed by a rest that is longer.
        let lasts = self.lasts.max(look.took.saturating_mul(3 * REST));
        Some(look.began.elapsed()).filter(|age| *age > lasts)
    }
}

/// Looks again and again.
pub(super) struct Looker {
    args: Watch,
    follower: Option<Follower>,
    seen: Seen,
}

/// The rest behind a look is at least as many times as long as the look.
const REST: u32 = 10;

impl Looker {
    /// Nothing looked at yet.
    ///
    /// # Errors
    /// The logs of the application, or the patterns, that the command line names are none.
    pub(super) fn new(args: &Watch) -> Result<Self, Failure> {
        Ok(Self { args: args.clone(), follower: Follower::new(args)?, seen: Seen::default() })
    }

    /// The look before the first: nothing is known, so that nothing is well.
    pub(super) fn unlooked(&self) -> Look {
        let what = "nobody has looked yet".to_owned();
        let failure = Failure::Incomplete { path: self.args.dir.clone(), what };
        Look {
            at: SystemTime::now(),
            began: Instant::now(),
            took: Duration::ZERO,
            facts: Err(failure.shown()),
            claims: None,
            said: None,
            opened: None,
            seen: Seen::default(),
        }
    }

    /// Looks once.
    fn look(&mut self) -> Look {
        let (at, began) = (SystemTime::now(), Instant::now());
        // What is claimed is read first, and held against what is there behind it.
        let said = self.follower.as_mut().map(Follower::look);
        let (facts, claims) = facts::look(&self.args);
        let (facts, claims) = (
            facts.map_err(|failure| failure.shown()),
            claims.map(|claims| claims.map_err(|failure| failure.shown())),
        );
        let manifest = self.args.dir.join(Name::Manifest.to_string());
        let opened = fs::metadata(manifest).and_then(|found| found.modified()).ok();
        let seen = self.seen.clone();
        if let Ok(facts) = &facts {
            self.seen.add(facts);
        }
        Look { at, began, took: began.elapsed(), facts, claims, said, opened, seen }
    }

    /// Looks for good. `first` is told when it has looked once.
    pub(super) fn run(mut self, state: &State, first: &SyncSender<()>) {
        loop {
            let look = self.look();
            let rest = Duration::from_secs(self.args.every).max(look.took.saturating_mul(REST));
            state.set(look);
            // Nobody may wait for it any more.
            let _ = first.try_send(());
            thread::sleep(rest);
        }
    }
}
