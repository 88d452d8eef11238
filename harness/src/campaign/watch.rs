//! A case without an end: the process is ended, so that the campaign can go on behind it.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often the time of a case is looked at, at the most.
const OFTEN: Duration = Duration::from_secs(1);

/// Watches the cases of a process.
#[derive(Debug)]
pub(super) struct Watchdog(Arc<Mutex<Option<Instant>>>);

impl Watchdog {
    /// Aborts the process once a case has run for longer than `limit`. That the case had begun is on the disk by then.
    pub(super) fn new(limit: Duration) -> Self {
        let since = Arc::new(Mutex::new(None));
        let watched = Arc::downgrade(&since);
        thread::spawn(move || {
            while let Some(since) = watched.upgrade() {
                let since: Option<Instant> = *since.lock().unwrap_or_else(PoisonError::into_inner);
                if since.is_some_and(|since| since.elapsed() > limit) {
                    eprintln!(
                        "a case has run for more than {:.0} s: the process is ended",
                        limit.as_secs_f64()
                    );
                    std::process::abort();
                }
                thread::sleep(OFTEN.min(limit / 2));
            }
        });
        Self(since)
    }

    /// A case begins.
    pub(super) fn begins(&self) {
        self.set(Some(Instant::now()));
    }

    /// It has ended.
    pub(super) fn ended(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}
