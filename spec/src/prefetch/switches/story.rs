//! What each switch of the prefetch is about, for readers who know storage and not Truelog.

use super::Switch;
use crate::switches::Story;

/// The incident.
const READY_FIRST: Story = Story {
    title: "Two flags are read in the wrong order, and a healthy drive is blamed for it (FPRE004)",
    says: "A compaction rewrites a block. Its new checksum is in place the moment the write is submitted, the bytes \
           are on the device a little later, and the acknowledgement is later still: in between, \"last write pending\" \
           is set. A prefetch of the same block reads the old bytes meanwhile, and sets \"cache ready\". Two layers, two \
           flags, and now both are set. Verification asks \"cache ready\" first: there is a buffer, so it will be \
           compared. That a write is pending it learns second, too late: the old bytes are held against the new \
           checksum. The mismatch looks like a bad drive; each retry meets the same two flags as long as the \
           acknowledgement is late, and after three of them the drive is quarantined. Nothing was wrong with it.",
    passing: "There is no flag to set: a slot's phase, pins and generation are one word, a buffer is verified under the \
              generation that it was filled for, before it is ready, and a generation whose write is pending has no \
              name in the catalog yet.",
};

/// The incident's patch.
const BACK_OFF: Story = Story {
    title: "The patch of FPRE004 leaves the race open: an acknowledgement within the back-off finds nothing to drop",
    says: "\"Last write pending\" is now asked first, nothing is submitted while a verification is under way, and a \
           buffer waits a little before it is marked ready, so that the acknowledgement may come first. The prefetch \
           reads the old bytes while a write is pending, and backs off. The bytes land and the acknowledgement comes: \
           it clears \"pending\" and drops the block's buffer if that is ready. It is not, not yet. Then the back-off \
           ends and the old bytes are marked ready. From here on both checks pass in either order, and the comparison \
           fails. Nothing drops this buffer before the next rewrite, so that every retry fails, too. The window is the \
           back-off itself: the patch made the race rare, and did not close it.",
    passing: "What is under way when its generation ends is doomed: the same transition that retires a ready slot \
              turns `Filling` into `Doomed`, and its publication is refused. Two flags can be saved in the same way: \
              with the barrier, the new order, and a drop that reaches reads under way, the checker finds no path.",
};

/// What the incident's script did.
const RACE_IS_FAULT: Story = Story {
    title: "A race is counted against the drive until it is quarantined",
    says: "A compaction replaces the blocks and removes the old ones while one of them is being \
           prefetched. The read finds other bytes, each retry again, and after three of them a healthy \
           drive is quarantined.",
    passing: "After a mismatch the generation is read again: it has moved, so that the mismatch is a race, \
              and nothing is held against the drive.",
};

/// What the script's three retries were for.
const NO_RETRIES: Story = Story {
    title: "A drive is quarantined for one bad read",
    says: "One read is garbled on its way. It is not tried again, and a healthy drive is quarantined.",
    passing: "A mismatch is read again three times before the drive is quarantined.",
};

impl Switch {
    /// What it is about.
    #[must_use]
    pub const fn story(self) -> Story {
        match self {
            Self::ReadyFirst => READY_FIRST,
            Self::BackOff => BACK_OFF,
            Self::SwitchAtSubmit => Story {
                title: "The catalog names rewritten blocks before their write is done",
                says: "The compactor switches the catalog to the new generation when it has submitted the blocks. The \
                       next read is prefetched from where the bytes are not yet, and verified against the new \
                       metadata: a mismatch on a healthy drive.",
                passing: "The catalog is switched when the write is acknowledged; until then the old generation serves.",
            },
            Self::PinByAdd => Story {
                title: "A pin is added without a look at the phase",
                says: "A reader adds one to the pins and believes that the slot is ready. It is being filled: the \
                       reader is served what the buffer holds at that moment.",
                passing: "A pin is a compare-exchange on the whole word: it succeeds on `Ready` alone, and the reader \
                          reads past the slot otherwise.",
            },
            Self::NoGeneration => Story {
                title: "A pin does not name the generation that it expects",
                says: "A slow prefetch for an older snapshot is published behind the switch of the catalog. A newer \
                       reader finds the slot ready, with its block, and is served the older generation: ready is not \
                       the same ready.",
                passing: "The generation is in the word, and the pin compares it: the newer reader misses, and reads \
                          past the slot.",
            },
            Self::RetireIgnoresPins => Story {
                title: "A slot is freed while a reader has it pinned",
                says: "The catalog has switched, and the slot of the old generation is emptied at once. The reader \
                       that has it pinned goes on reading, from a buffer that is being filled again.",
                passing: "With pins the slot is only retired: it refuses new pins, and the last reader frees it.",
            },
            Self::SlotOnTrust => Story {
                title: "A reader takes the slot's block on trust",
                says: "The slot was filled ahead, with the block behind the one that is asked for. The reader pins it, \
                       which is right, and does not compare the block: it is served another one.",
                passing: "The block is compared under the pin, where it cannot change; another block is a miss.",
            },
            Self::DropsPrefix => Story {
                title: "A buffer that begins behind the request serves it",
                says: "One reader begins in the middle of a block, and the block is prefetched from there on. Another \
                       asks for all of it and is served the second half as if it were the whole.",
                passing: "A buffer serves only what begins at its own beginning, or behind it.",
            },
            Self::ShortIsEnd => Story {
                title: "A short read ahead is taken for the end",
                says: "The device gives less than was asked for, which it may. The buffer holds the block's first \
                       half; the reader takes the end of the buffer for the end of the data.",
                passing: "A buffer that ends too early does not serve: the reader reads past the slot.",
            },
            Self::PublishUnverified => Story {
                title: "A buffer serves before it was verified",
                says: "The copy on the first drive has rotted. What was read from it is ready at once, and is served, \
                       though a healthy copy was there.",
                passing: "A buffer is compared with its metadata before it is ready; a mismatch is read again, and \
                          then from the other copy.",
            },
            Self::RaceIsFault => RACE_IS_FAULT,
            Self::NoRetries => NO_RETRIES,
            Self::ReclaimUnderReader => Story {
                title: "Old blocks are removed under a reader's snapshot",
                says: "A reader has asked under the old generation. The compactor switches the catalog and removes \
                       what it replaced; the reader finds nothing where its snapshot leads.",
                passing: "Old blocks are removed when no reader has a snapshot that old.",
            },
        }
    }
}
