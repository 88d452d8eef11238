//! Time and entropy: part of the disk's state, so that equal images have equal futures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use truelog_env::{Clock, Entropy, IoError, IoKind, Op};

use super::content::mix;
use super::world::Inner;

/// 2020-01-01, in seconds since the Unix epoch: where the wall clock of every simulated disk begins.
const EPOCH: Duration = Duration::from_secs(1_577_836_800);

/// The clock of a simulated disk. It moves only when it is told to.
pub(super) struct SimClock(pub(super) Arc<Inner>);

impl Clock for SimClock {
    fn monotonic(&self) -> Duration {
        self.0.world().disk.clock
    }

    fn wall(&self) -> Duration {
        EPOCH + self.monotonic()
    }

    fn sleep(&self, time: Duration) {
        self.0.world().disk_mut().clock += time;
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimClock")
    }
}

/// Entropy by a seed.
pub(super) struct SimEntropy(pub(super) Arc<Inner>);

impl Entropy for SimEntropy {
    fn fill(&self, buf: &mut [u8]) -> Result<(), IoError> {
        let mut world = self.0.world();
        if world.off {
            return Err(IoError::new(Op::Entropy, IoKind::Device));
        }
        let disk = world.disk_mut();
        for piece in buf.chunks_mut(8) {
            disk.entropy = disk.entropy.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let bytes = mix(disk.entropy).to_le_bytes();
            piece.copy_from_slice(&bytes[..piece.len()]);
        }
        Ok(())
    }
}

impl fmt::Debug for SimEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimEntropy")
    }
}
