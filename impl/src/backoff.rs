//! Waiting longer after each failure, up to a bound: for what is tried on nobody's behalf.

use std::time::Duration;

/// The wait after the first failure.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const MOST: Duration = Duration::from_secs(10);

/// When to try again. Times are those of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Backoff {
    until: Duration,
    wait: Duration,
}

impl Backoff {
    /// Whether it may be tried now.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.until <= now
    }

    /// It was tried, and failed: the next try is due after twice the wait before this one.
    pub(crate) fn failed(&mut self, now: Duration) {
        self.wait = self.wait.saturating_mul(2).clamp(FIRST, MOST);
        self.until = now.saturating_add(self.wait);
    }

    /// It succeeded, or something has changed that may make it succeed: it may be tried at once.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_twice_as_long_up_to_the_bound() {
        let mut backoff = Backoff::default();
        assert!(backoff.is_due(Duration::ZERO));
        let mut now = Duration::from_secs(7);
        for tenths in [1, 2, 4, 8, 16, 32, 64, 100, 100] {
            backoff.failed(now);
            let wait = Duration::from_millis(tenths * 100);
            assert!(!backoff.is_due(now + wait - Duration::from_nanos(1)), "{tenths}");
            now += wait;
            assert!(backoff.is_due(now), "{tenths}");
        }
        backoff.reset();
        assert!(backoff.is_due(Duration::ZERO));
        backoff.failed(now);
        assert!(backoff.is_due(now + FIRST), "it begins anew");
    }
}
