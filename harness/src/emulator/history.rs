//! What happened in one attempt: a digest always, every moment on request.

use super::random::Nanos;
use crate::fabric::mix;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// A read transaction arrived (who: the reader).
    Read,
    /// The prefetcher asked a drive for the block (who: the drive).
    Fill,
    /// What it asked for arrived (who: the generation of the bytes' metadata).
    Filled,
    /// The prefetch buffer was marked ready.
    Ready,
    /// What was filled was thrown away.
    Dropped,
    /// The compaction submitted the block's rewrite (who: how many copies).
    Submitted,
    /// A drive holds the rewrite (who: the drive).
    Applied,
    /// The last acknowledgement of the rewrite arrived.
    Acknowledged,
    /// Every drive's sync returned, and the compaction was published.
    Published,
    /// What the compaction replaced was destroyed.
    Reclaimed,
    /// Verification found bytes that the metadata does not vouch for (who: the reader).
    Mismatch,
    /// The retry limit is exceeded: FPRE004 (who: the reader).
    Fault,
    /// A drive answered with an error (who: the drive).
    DriveError,
    /// A drive was quarantined (who: the drive).
    Quarantined,
    /// A block has its copies again (who: the drive).
    Remapped,
    /// A read transaction ended with bytes (who: the reader).
    Served,
    /// A read transaction ended with an error (who: the reader).
    Refused,
}

/// One moment of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// When, in virtual time.
    pub at: Nanos,
    /// What the node's wall clock showed.
    pub wall: Nanos,
    /// What.
    pub what: What,
    /// Which block.
    pub block: usize,
    /// Who, as [`What`] says.
    pub who: u64,
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// A digest over all that happened, in order.
    pub digest: u64,
    /// Every moment, if they are kept.
    pub moments: Option<Vec<Moment>>,
}

impl History {
    /// A history without anything in it; whether it keeps its moments.
    #[must_use]
    pub fn new(keeps: bool) -> Self {
        Self { digest: 0, moments: keeps.then(Vec::new) }
    }

    /// Adds a moment.
    pub fn add(&mut self, moment: Moment) {
        let Moment { at, wall, what, block, who } = moment;
        let one = mix(at ^ ((what as u64) << 56)) ^ wall;
        self.digest = mix(self.digest ^ one).wrapping_add(mix(who ^ ((block as u64) << 32)));
        if let Some(moments) = &mut self.moments {
            moments.push(moment);
        }
    }
}
