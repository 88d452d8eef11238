//! The clocks of the nodes: each goes a little wrong, and its wall clock may jump back. Timers run by the monotonic
//! clock, skew included; the wall clock only stamps what is told to people.

use super::profile::Profile;
use super::random::{Draws, Nanos, Purpose};

/// Where every wall clock begins, so that a jump back has somewhere to go.
const EPOCH: Nanos = 1_000_000_000_000;
const MILLION: u64 = 1_000_000;

/// The clock of one node.
#[derive(Debug, Clone, Copy)]
pub struct NodeClock {
    /// How fast it goes: so many local nanoseconds in a million true ones.
    rate: u64,
    /// When its wall clock jumps back, and how far.
    jump: Option<(Nanos, Nanos)>,
}

impl NodeClock {
    /// The clock of the node of that number.
    #[must_use]
    pub fn drawn(draws: Draws, node: u64, profile: &Profile) -> Self {
        let skew = u64::from(profile.skew_ppm);
        let rate = MILLION - skew + draws.below(Purpose::Skew, node, 2 * skew + 1);
        let jumps = draws.below(Purpose::Jump, 4 * node, 2) == 1 && profile.jump > 0;
        let jump = jumps.then(|| {
            let at = draws.below(Purpose::Jump, 4 * node + 1, 2 * profile.apart + 1);
            (at, 1 + draws.below(Purpose::Jump, 4 * node + 2, profile.jump))
        });
        Self { rate, jump }
    }

    /// How long a timer of this node really lasts.
    #[must_use]
    pub const fn lasts(&self, span: Nanos) -> Nanos {
        span * MILLION / self.rate
    }

    /// What its monotonic clock shows.
    #[must_use]
    pub const fn monotonic(&self, now: Nanos) -> Nanos {
        now * self.rate / MILLION
    }

    /// What its wall clock shows.
    #[must_use]
    pub fn wall(&self, now: Nanos) -> Nanos {
        let back = self.jump.filter(|(at, _)| now >= *at).map_or(0, |(_, back)| back);
        EPOCH + self.monotonic(now) - back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_clocks_go_wrong_and_some_jump_back_but_no_timer_minds() {
        let profile = Profile::default();
        let (mut skewed, mut back) = (0, 0);
        for seed in 0..100 {
            let clock = NodeClock::drawn(Draws::new(seed, 0), 0, &profile);
            let times: Vec<Nanos> = (0..100).map(|step| step * profile.apart / 25).collect();
            assert!(times.windows(2).all(|two| clock.monotonic(two[0]) < clock.monotonic(two[1])));
            back += u32::from(times.windows(2).any(|two| clock.wall(two[0]) > clock.wall(two[1])));
            let second = clock.lasts(1_000_000_000);
            skewed += u32::from(second != 1_000_000_000);
            assert!(second.abs_diff(1_000_000_000) <= 1_001 * u64::from(profile.skew_ppm), "{second}");
        }
        assert!(skewed > 90 && (25..75).contains(&back), "{skewed} skewed, {back} jumped back");
    }
}
