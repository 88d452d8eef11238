//! The auditor: receipts and everything that is stored, held against what the device holds.
//!
//! Every so often it looks whether the log and its files are where they were, and holds a sample of the receipts that
//! were issued since against the device; and once in a longer while it reads everything. A claim that does not hold
//! fails the log at once, and the manifest says which. What it could not look at is told, and tried again; nobody
//! having looked for too long is a matter of the log's health.

mod check;
mod sampler;
mod state;
mod walk;

use std::time::Duration;

use truelog_env::Volume;

pub use state::{AuditStat, Audited};

use crate::archive::bell::Bell;
use crate::archive::pace::Pace;
use crate::backoff::Backoff;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::home::Home;
use crate::lsn::{Lsn, LsnRange};
use crate::manifest::Edit;
use crate::options::Options;
use crate::receipt::Claim;
use crate::sync::Mutex;
use check::{Inodes, Trouble};
use sampler::Sampler;
use walk::{Walk, Walked};

/// How soon what waits for the archive is looked at again.
const SOON: Duration = Duration::from_millis(20);
/// How soon it is looked whether what failed may be tried again.
const LATER: Duration = Duration::from_millis(250);
/// When nothing is ever due.
const NEVER: Duration = Duration::MAX;

/// What an [`audit_step`](crate::Log::audit_step) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditProgress {
    /// Something was looked at; another step may find more.
    pub worked: bool,
    /// An audit of everything has ended well, and the manifest says so.
    pub completed: bool,
    /// After this time another step may have something to do. `None`: not before something changes.
    pub next: Option<Duration>,
}

/// What health is told of.
#[derive(Debug)]
struct Seen {
    stat: AuditStat,
    /// When the handle was opened, on the monotonic clock.
    opened: Duration,
    /// When everything was last looked at: its age when that was, and when that was on the monotonic clock.
    walked: Option<(Duration, Duration)>,
    volume: Volume,
}

/// What only whoever takes a step may touch.
#[derive(Debug)]
struct Turn {
    /// Receipts that are still to be looked at.
    left: Vec<Claim>,
    inodes: Inodes,
    walk: Option<Walk>,
    pace: Pace,
    /// When the next look at a sample is due, and the next at everything.
    due: (Duration, Duration),
    /// When it may be tried again, after it has failed.
    again: Backoff,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Auditor {
    /// Nothing if nobody is to look at samples.
    sampler: Option<Sampler>,
    /// Taken before the keeper.
    turn: Mutex<Turn>,
    seen: Mutex<Seen>,
    bell: Bell,
}

impl Auditor {
    /// The auditor of a handle that was just opened; `audited` is what its manifest says.
    pub(crate) fn new(home: &Home, audited: &Audited, options: &Options) -> Self {
        let opened = home.env.clock.monotonic();
        let every = options.audit_every;
        let stat = audited.stat(home.env.clock.wall(), None, false, options.audit_all_every);
        let walked = stat.walked.map(|age| (age, opened));
        // What was never looked at is not put off.
        let wait = stat.walked.map_or(every, |age| options.audit_all_every.saturating_sub(age).max(every));
        let off = every.is_zero();
        let at = |wait| if off { NEVER } else { opened.saturating_add(wait) };
        let turn = Turn {
            left: Vec::new(),
            inodes: Inodes::new(),
            walk: None,
            pace: Pace::new(options.archive_rate),
            due: (at(every), at(wait)),
            again: Backoff::default(),
        };
        Self {
            sampler: (!off).then(Sampler::new),
            turn: Mutex::new(turn),
            seen: Mutex::new(Seen { stat, opened, walked, volume: home.volume }),
            bell: Bell::default(),
        }
    }

    pub(crate) const fn bell(&self) -> &Bell {
        &self.bell
    }

    /// A receipt is about to be issued.
    pub(crate) fn issued(&self, claim: &Claim) {
        if let Some(sampler) = &self.sampler {
            sampler.issued(claim);
        }
    }

    /// How it got on. `needed`: there are records.
    pub(crate) fn stat(&self, now: Duration, needed: bool) -> AuditStat {
        let seen = self.seen.lock();
        AuditStat {
            walked: seen.walked.map(|(age, at)| age.saturating_add(now.saturating_sub(at))),
            open: Some(now.saturating_sub(seen.opened)),
            needed,
            ..seen.stat.clone()
        }
    }

    /// The volume as it was when somebody last looked.
    pub(crate) fn volume(&self) -> Volume {
        self.seen.lock().volume
    }
}

impl Engine {
    /// The bounded piece of the audit that is due now.
    pub(crate) fn audit_step(&self) -> Result<AuditProgress> {
        if self.read_only.is_some() {
            return Ok(AuditProgress::default());
        }
        if let Some(failure) = self.kernel.failure() {
            return Err(failure);
        }
        let mut turn = self.audit.turn.lock();
        let now = self.home.env.clock.monotonic();
        if !turn.again.is_due(now) {
            return Ok(AuditProgress { next: Some(LATER), ..AuditProgress::default() });
        }
        match turn.step(self, now) {
            Ok(progress) => Ok(progress),
            Err(trouble) => {
                let error = self.audit_trouble(trouble)?;
                self.home.emit(&Event::AuditFailed { error: error.clone() });
                self.audit.seen.lock().stat.trouble = Some(error);
                turn.again.failed(now);
                Ok(AuditProgress { next: Some(LATER), ..AuditProgress::default() })
            }
        }
    }

    /// Whether everything is in its place when the log is closed: a writer may live for less than an interval of the audit.
    /// What cannot be looked at says nothing.
    pub(crate) fn last_look(&self) -> Result<()> {
        if self.audit.sampler.is_none() {
            return Ok(());
        }
        let mut turn = self.audit.turn.lock();
        match check::place(self, &mut turn.inodes) {
            Ok(_) => Ok(()),
            Err(trouble) => self.audit_trouble(trouble).map(drop),
        }
    }

    /// Fails the log for what an audit has found; returns what says nothing of the log.
    fn audit_trouble(&self, trouble: Trouble) -> Result<Error> {
        let (cause, violated) = match trouble {
            Trouble::Blind(error) => match self.kernel.failure() {
                Some(failure) => return Err(failure),
                None => return Ok(error),
            },
            Trouble::Displaced(error) => (error, None),
            Trouble::Violated(lsns, error) => {
                self.audit.seen.lock().stat.violated = lsns;
                (Error::ClaimViolated { lsns, cause: Box::new(error) }, Some(lsns))
            }
        };
        let first = self.kernel.fail(cause.clone().poisoned());
        // Not before: whoever hears of it must find nothing acknowledged any more.
        if let Some(lsns) = violated {
            if first {
                let known = Audited { violated: lsns, ..self.audit.persisted() };
                self.keep_last(|house| house.edit(&self.home, &Edit::Audited(known), self.durable()));
            }
            self.home.emit(&Event::ClaimViolated { lsns, error: cause.clone() });
        }
        self.home.emit(&Event::Poisoned { cause: cause.clone() });
        Err(cause.poisoned())
    }

    /// Everything was looked at, up to this record, and is as it should be.
    fn audited(&self, upto: Lsn) -> std::result::Result<(), Trouble> {
        let now = self.home.env.clock.monotonic();
        let known = Audited { at: self.home.env.clock.wall().as_secs(), upto, violated: LsnRange::EMPTY };
        self.keep(|house| house.edit(&self.home, &Edit::Audited(known), self.durable()))
            .map_err(Trouble::Blind)?;
        let mut seen = self.audit.seen.lock();
        seen.walked = Some((Duration::ZERO, now));
        (seen.stat.at, seen.stat.upto, seen.stat.violated) = (known.at, upto, LsnRange::EMPTY);
        drop(seen);
        self.home.emit(&Event::Audited { upto });
        Ok(())
    }

    /// Looks at everything, as fast as it may.
    pub(crate) fn audit_all(&self) -> Result<AuditStat> {
        self.check_writable()?;
        let now = self.home.env.clock.monotonic();
        let mut turn = self.audit.turn.lock();
        (turn.due, turn.again) = ((now, now), Backoff::default());
        drop(turn);
        self.audit.seen.lock().stat.trouble = None;
        loop {
            let progress = self.audit_step()?;
            let stat = self.audit.stat(self.home.env.clock.monotonic(), true);
            if let Some(error) = stat.trouble {
                return Err(error);
            }
            if progress.completed {
                return Ok(stat);
            }
            // Its own thread may not be there to read the copies.
            if !progress.worked && !self.archive_step(false)?.worked {
                self.home.env.clock.sleep(progress.next.unwrap_or(SOON).min(SOON));
            }
        }
    }
}

impl Auditor {
    /// What the manifest says of the last audit of everything, as far as this handle has put it there.
    fn persisted(&self) -> Audited {
        let seen = self.seen.lock();
        Audited { at: seen.stat.at, upto: seen.stat.upto, violated: seen.stat.violated }
    }
}

impl Turn {
    /// The first of these that has something to do does it.
    fn step(&mut self, engine: &Engine, now: Duration) -> std::result::Result<AuditProgress, Trouble> {
        let worked = AuditProgress { worked: true, next: Some(Duration::ZERO), ..AuditProgress::default() };
        if check::met(engine)? {
            return Ok(worked);
        }
        if let Some(claim) = self.left.last().copied() {
            // What survives less may not be on the device yet.
            if claim.lsn <= engine.durable() || engine.home.volume.weakness.is_some() {
                let bytes = check::receipt(engine, &claim)?;
                let mut seen = engine.audit.seen.lock();
                seen.stat.receipts += 1;
                seen.stat.bytes += bytes;
            }
            self.left.pop();
            return Ok(worked);
        }
        if self.due.0 > now {
            return self.walk(engine, now);
        }
        let volume = check::volume(engine)?;
        let linked = check::place(engine, &mut self.inodes)?;
        let mut seen = engine.audit.seen.lock();
        (seen.volume, seen.stat.trouble, seen.stat.linked) = (volume, None, linked);
        drop(seen);
        self.due.0 = NEVER;
        if let Some(sampler) = &engine.audit.sampler {
            sampler.take(&mut self.left);
            self.due.0 = now.saturating_add(engine.options.audit_every);
        }
        self.again.reset();
        Ok(worked)
    }

    /// The next piece of a look at everything, if it is due and its pace allows it.
    fn walk(&mut self, engine: &Engine, now: Duration) -> std::result::Result<AuditProgress, Trouble> {
        let mut progress = AuditProgress::default();
        if self.walk.is_none() && self.due.1 > now {
            let due = self.due.0.min(self.due.1);
            return Ok(AuditProgress { next: (due < NEVER).then(|| due.saturating_sub(now)), ..progress });
        }
        if let Some(wait) = self.pace.wait(now) {
            return Ok(AuditProgress { next: Some(wait), ..progress });
        }
        let walk = self.walk.get_or_insert_with(|| Walk::begin(engine));
        match walk.step(engine) {
            Ok(Walked::More(bytes)) => {
                self.pace.passed(bytes, now);
                engine.audit.seen.lock().stat.bytes += bytes;
                (progress.worked, progress.next) = (true, Some(Duration::ZERO));
            }
            Ok(Walked::Pending) => progress.next = Some(SOON),
            Ok(Walked::Done) => {
                let upto = walk.upto;
                self.walk = None;
                engine.audited(upto)?;
                engine.audit.seen.lock().stat.trouble = None;
                self.again.reset();
                let on = engine.audit.sampler.is_some();
                self.due.1 = if on { now.saturating_add(engine.options.audit_all_every) } else { NEVER };
                progress = AuditProgress { worked: true, completed: true, next: Some(Duration::ZERO) };
            }
            Err(trouble) => {
                // It begins anew.
                self.walk = None;
                return Err(trouble);
            }
        }
        Ok(progress)
    }
}
