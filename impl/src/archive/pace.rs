//! Keeping background work from taking the device away from appends.

use std::time::Duration;

/// Lets a number of bytes pass each second, and no burst behind an idle time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Bytes a second; 0 for no limit.
    rate: u64,
    /// Before this, on the monotonic clock, nothing more may pass.
    until: Duration,
}

impl Pace {
    pub(crate) const fn new(rate: u64) -> Self {
        Self { rate, until: Duration::ZERO }
    }

    /// How long to wait before the next piece.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        self.until.checked_sub(now).filter(|left| !left.is_zero())
    }

    /// A piece of so many bytes has passed.
    pub(crate) fn passed(&mut self, bytes: u64, now: Duration) {
        if let Some(nanos) = bytes.saturating_mul(1_000_000_000).checked_div(self.rate) {
            self.until = self.until.max(now).saturating_add(Duration::from_nanos(nanos));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_bytes_a_second_and_no_more() {
        let mut pace = Pace::new(1000);
        let at = Duration::from_secs;
        assert_eq!(pace.wait(at(5)), None);
        pace.passed(2000, at(5));
        pace.passed(1000, at(5));
        assert_eq!(pace.wait(at(5)), Some(at(3)));
        assert_eq!((pace.wait(at(8)), pace.wait(at(100))), (None, None));
        let mut free = Pace::new(0);
        free.passed(u64::MAX, at(1));
        assert_eq!(free.wait(at(1)), None);
    }
}
