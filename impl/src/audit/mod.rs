//! The auditor: receipts and everything that is stored, held against what the device holds.

mod state;

use std::time::Duration;

use truelog_env::Volume;

pub use state::{AuditStat, Audited};

use crate::home::Home;
use crate::sync::Mutex;

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

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Auditor {
    seen: Mutex<Seen>,
}

impl Auditor {
    /// The auditor of a handle that was just opened; `audited` is what its manifest says.
    pub(crate) fn new(home: &Home, audited: &Audited, interval: Duration) -> Self {
        let opened = home.env.clock.monotonic();
        let stat = audited.stat(home.env.clock.wall(), false, interval);
        let walked = stat.walked.map(|age| (age, opened));
        Self { seen: Mutex::new(Seen { stat, opened, walked, volume: home.volume }) }
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
