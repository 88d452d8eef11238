//! What is known of audits: durably, by the manifest, and of this handle.

use std::time::Duration;

use crate::error::Error;
use crate::lsn::{Lsn, LsnRange, SegmentNo};

/// What the manifest says of the last audit of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Audited {
    /// When it ended, in seconds since the Unix epoch, by a clock that may have been wrong.
    pub at: u64,
    /// The last record that it looked at; [`Lsn::NONE`] for none.
    pub upto: Lsn,
    /// Acknowledged records that were found not to be there as their receipts say; empty for none.
    pub violated: LsnRange,
}

impl Audited {
    /// No audit.
    pub(crate) const NEVER: Self = Self { at: 0, upto: Lsn::NONE, violated: LsnRange::EMPTY };

    /// How long ago it ended, by the wall clock. `None`: there was none, or it ended in the future, which nobody knows
    /// anything of.
    pub(crate) fn age(&self, wall: Duration) -> Option<Duration> {
        wall.checked_sub(Duration::from_secs(self.at)).filter(|_| self.at > 0)
    }

    /// What a reader beside a writer knows, who has not seen any audit itself, of a log that there has been since `born`.
    pub(crate) fn stat(
        &self,
        wall: Duration,
        born: Option<Duration>,
        needed: bool,
        interval: Duration,
    ) -> AuditStat {
        let Self { at, upto, violated } = *self;
        let (walked, open) = (self.age(wall), born.and_then(|born| wall.checked_sub(born)));
        AuditStat { walked, open, at, upto, violated, needed, interval, ..AuditStat::default() }
    }
}

/// How the auditor got on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditStat {
    /// How long ago an audit of everything succeeded. `None`: as far as is known, never.
    pub walked: Option<Duration>,
    /// For how long this handle has been open; for a reader, for how long there has been a log. `None`: nobody knows.
    pub open: Option<Duration>,
    /// How often everything is to be looked at. Twice as long without it is too long.
    pub interval: Duration,
    /// Whether there is anything to look at.
    pub needed: bool,
    /// When the last audit of everything succeeded, in seconds since the Unix epoch, by a clock that may have been wrong;
    /// 0 for never.
    pub at: u64,
    /// The last record that it looked at.
    pub upto: Lsn,
    /// How many receipts this handle has held against the disk.
    pub receipts: u64,
    /// How many bytes this handle has read for it, those of the archive not counted.
    pub bytes: u64,
    /// Why the last piece of an audit could not be carried out.
    pub trouble: Option<Error>,
    /// Acknowledged records that are not there as their receipts say.
    pub violated: LsnRange,
    /// Segments that had another name besides their own when they were last looked at. A reader does not look.
    pub linked: Vec<SegmentNo>,
}

impl Default for AuditStat {
    fn default() -> Self {
        Self {
            walked: None,
            open: None,
            interval: Duration::ZERO,
            needed: false,
            at: 0,
            upto: Lsn::NONE,
            receipts: 0,
            bytes: 0,
            trouble: None,
            violated: LsnRange::EMPTY,
            linked: Vec::new(),
        }
    }
}

impl AuditStat {
    /// Whether nobody has looked at everything for too long.
    #[must_use]
    pub fn is_late(&self) -> bool {
        let limit = self.interval.saturating_mul(2);
        self.needed && self.walked.or(self.open).is_none_or(|age| age > limit)
    }

    /// How late, in words.
    pub(crate) fn lateness(&self) -> String {
        let last = match self.walked {
            Some(age) => {
                format!("everything was last looked at {} s ago, up to record {}", age.as_secs(), self.upto)
            }
            None => "everything was never looked at, as far as is known".to_owned(),
        };
        format!("{last}; it should be every {} s", self.interval.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn too_long_is_twice_the_interval_and_a_time_to_come_counts_for_nothing() {
        let audited = Audited { at: 1000, upto: Lsn(7), ..Audited::NEVER };
        let at = |secs| audited.stat(Duration::from_secs(secs), None, true, HOUR);
        assert_eq!(
            (at(1000).is_late(), at(1000 + 7200).is_late(), at(1000 + 7201).is_late()),
            (false, false, true)
        );
        assert!(at(999).is_late(), "the clock went back");
        assert!(Audited::NEVER.stat(HOUR, None, true, HOUR).is_late());
        let young = |born| Audited::NEVER.stat(HOUR * 3, Some(born), true, HOUR).is_late();
        assert_eq!((young(HOUR), young(HOUR / 2), young(HOUR * 4)), (false, true, true), "a log may be new");
        assert!(!Audited::NEVER.stat(HOUR, None, false, HOUR).is_late(), "there is nothing to look at");
    }

    #[test]
    fn a_handle_has_the_same_time_from_its_beginning() {
        let stat = AuditStat { needed: true, interval: HOUR, ..AuditStat::default() };
        assert!(!AuditStat { open: Some(HOUR * 2), ..stat.clone() }.is_late());
        assert!(AuditStat { open: Some(HOUR * 2 + HOUR), ..stat.clone() }.is_late());
        assert!(!AuditStat { open: Some(HOUR * 9), walked: Some(HOUR), ..stat }.is_late());
    }
}
