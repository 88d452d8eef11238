//! Health tells the truth: what a log says of itself is held against what the disk has done to it and holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Deed, Driver};
use crate::oracle::Reading;
use crate::subject::{AUDIT_EVERYTHING, Archived, Told};

/// What the disk has done to the log that is open.
#[derive(Debug, Clone, Default)]
pub(super) struct Harm {
    /// A write or a sync of what the log consists of has failed in this life, or its caller has unwound.
    write_back: Arc<AtomicBool>,
    /// Damage was named, by the open or by a read.
    damage: Arc<AtomicBool>,
    /// The world has damaged something, or has the disk lie: what an open finds then is not said here.
    world: bool,
    /// When this life began, by the wall clock.
    since: Duration,
}

impl Harm {
    /// A write or a sync failed, or its caller unwound.
    pub(super) fn write_back_failed(&self) {
        self.write_back.store(true, Ordering::Relaxed);
    }

    /// Damage was named.
    pub(super) fn damage_named(&self) {
        self.damage.store(true, Ordering::Relaxed);
    }

    /// The world did it.
    pub(super) const fn by_the_world(&mut self) {
        self.world = true;
    }

    /// Another life begins.
    pub(super) fn begin_life(&mut self, now: Duration) {
        self.write_back.store(false, Ordering::Relaxed);
        self.damage.store(false, Ordering::Relaxed);
        self.since = now;
    }
}

impl<S: Archived> Driver<S> {
    /// Holds what the open log says of its health against the facts.
    pub(super) fn look_at_health(&self) {
        let Some(log) = &self.log else { return };
        let told = log.health();
        if let Some(says) = self.untrue(&told, !log.drives().is_empty()) {
            self.diary.note(Deed::Untrue(format!("{says}; health says {:?}", told.rules)));
        }
    }

    /// What is not as the log says.
    fn untrue(&self, told: &Told, drives: bool) -> Option<String> {
        if told.good != told.rules.is_empty() || (told.halted && told.good) {
            return Some("the verdict does not follow from the findings".to_owned());
        }
        if self.harm.write_back.load(Ordering::Relaxed) && !told.halted {
            return Some("a write or a sync of the log has failed".to_owned());
        }
        if self.harm.damage.load(Ordering::Relaxed) && !told.halted {
            return Some("damage was named".to_owned());
        }
        let late = self.disk.env().clock.wall().saturating_sub(self.harm.since) > AUDIT_EVERYTHING * 2;
        if !(drives || late && told.good) {
            return self.worse(told);
        }
        let reading = Reading::of(&self.visible_files());
        let manifest = reading.manifest.clone().unwrap_or_default();
        if manifest.drives.values().any(|drive| !drive.healthy) && !told.has("drive-quarantined") {
            return Some("a drive is quarantined".to_owned());
        }
        if manifest.violated.is_some() && !told.halted {
            return Some("an audit has found a violated claim".to_owned());
        }
        // Nobody audits here, but for tests of their own.
        let unaudited =
            manifest.audited == 0 && reading.records().any(|record| record.lsn >= manifest.before);
        if late && told.good && unaudited {
            return Some("nobody has looked at everything for too long".to_owned());
        }
        self.worse(told)
    }

    /// That the log says that it has halted, although nothing has happened to it.
    fn worse(&self, told: &Told) -> Option<String> {
        let unharmed = !self.struck && !self.harm.world && self.disk.faults().fired().is_empty();
        // Damage that was named is for others to judge.
        let named = self.harm.damage.load(Ordering::Relaxed);
        (unharmed && !named && told.halted).then(|| "nothing has failed, and nothing is damaged".to_owned())
    }
}
