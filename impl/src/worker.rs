//! The log's own threads: each loops over a step, and sleeps while there is nothing to do.
#![allow(clippy::disallowed_methods, reason = "the one module that starts a thread")]

use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::group_commit::Nap;
use crate::sync::{Arc, thread};

/// A thread. Ends when it is stopped or the log fails.
#[derive(Debug)]
pub(crate) struct Worker(thread::JoinHandle<()>);

impl Worker {
    /// Starts the thread that commits what nobody waits for.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start(engine: &Arc<Engine>) -> Result<Self> {
        Self::spawn(engine, "truelog", round)
    }

    /// Starts the thread that keeps the archive, beside the other, since its work takes longer.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start_archive(engine: &Arc<Engine>) -> Result<Self> {
        Self::spawn(engine, "truelog-archive", archive_round)
    }

    /// Starts the thread that audits, beside the others, since it reads for long.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(crate) fn start_audit(engine: &Arc<Engine>) -> Result<Self> {
        Self::spawn(engine, "truelog-audit", audit_round)
    }

    fn spawn(engine: &Arc<Engine>, name: &str, round: fn(&Engine) -> Result<bool>) -> Result<Self> {
        let shared = Arc::clone(engine);
        let body = move || while round(&shared).is_ok_and(|goes_on| goes_on) {};
        thread::spawn_named(name, body).map(Self).map_err(|error| {
            Error::io(&engine.home.dir, truelog_env::IoError::from_std(truelog_env::Op::Open, &error))
        })
    }

    /// Stops the thread and waits for its end.
    pub(crate) fn stop(self, engine: &Engine) {
        // A failure stops it just as well.
        let _ = engine.kernel.with(|front| front.stopping = true);
        engine.kernel.rouse();
        engine.archive.bell().stop();
        engine.audit.bell().stop();
        // A worker that unwound has poisoned the log, which is all there is to say.
        let _ = self.0.join();
    }
}

/// One step of the archive and one sleep.
fn archive_round(engine: &Engine) -> Result<bool> {
    let next = engine.archive_step(false)?.next;
    Ok(engine.archive.bell().wait(next))
}

/// One step of the audit and one sleep.
fn audit_round(engine: &Engine) -> Result<bool> {
    let next = engine.audit_step()?.next;
    Ok(engine.audit.bell().wait(next))
}

/// One step and one sleep. Says whether to go on. An error has poisoned the log, and all its callers get it.
fn round(engine: &Engine) -> Result<bool> {
    engine.step()?;
    let now = engine.home.env.clock.monotonic();
    let mut stopping = false;
    engine.kernel.nap(|front, work| {
        stopping = front.stopping;
        let nap = if stopping || front.wants_segment(now) {
            Nap::Not
        } else {
            match engine.next_due(front, work, now) {
                // Nothing can be led before its end, however old a record is by then.
                Some(Duration::ZERO) if work.is_none() => Nap::Flight,
                Some(Duration::ZERO) => Nap::Not,
                Some(time) => Nap::For(time),
                None => Nap::Roused,
            }
        };
        front.worker_naps(nap, now);
        nap
    })?;
    engine.kernel.with(|front| front.worker_naps(Nap::Not, now))?;
    Ok(!stopping)
}
