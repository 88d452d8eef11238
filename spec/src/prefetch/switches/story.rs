//! What each switch of the prefetch is about, for readers who know storage and not Truelog.

use super::Switch;
use crate::switches::Story;

/// All of them, in the order of the switches.
#[rustfmt::skip]
const STORIES: &[(Switch, Story)] = &[
    (Switch::ReadyFirst, Story {
        title: "Two flags are read in the wrong order, and a healthy drive is blamed for it (FPRE004)",
        breaks: "never the bytes of one write with the checksum of another",
        says: "A compaction rewrites a block in its place. Its new checksum counts as soon as the write is \
               submitted, while the drive may still give the old bytes. \"Last write pending\" is set from then \
               until the acknowledgement. A prefetch of the block reads the old bytes meanwhile, and sets \"cache \
               ready\". Verification asks \"cache ready\" first: there is a buffer, and so the comparison is \
               settled. Whether a write is pending it asks second, and too late: the old bytes are held against \
               the new checksum. So it was in the incident, whose error code is FPRE004: each retry compared the \
               same buffer, and after three of them a healthy drive was quarantined. (The order failed here, but \
               with it turned round another race is left, see back-off-before-ready: so what the design forbids is \
               the flag itself, step 5.)",
        shows: "Both flags were seen set (steps 6 and 7), and the old bytes are compared with the new checksum all \
               the same: a mismatch, and nothing is wrong with the drive.",
        passing: "There is no flag to set: a slot's phase, pins and generation are one word, a buffer is verified \
               under the generation that it was filled for, before it is ready, and a generation whose write is \
               pending has no name in the catalog yet.",
    }),
    (Switch::BackOff, Story {
        title: "The patch of FPRE004 leaves the race open: an acknowledgement within the back-off finds nothing to \
               drop",
        breaks: "never the bytes of one write with the checksum of another",
        says: "In the incident FPRE004 a healthy drive was quarantined. In its design a compaction rewrites blocks \
               in place, and the new checksum counts at once. The patch asks \"last write pending\" before \"cache \
               ready\", and marks a buffer ready only after a pause (the back-off), so that the acknowledgement \
               may come first and drop what is stale. But it drops only buffers that are ready. Here it comes \
               within the pause, and finds none. Then the old bytes are marked ready, no write is pending, and \
               they are compared with the new checksum. Each retry compares the same buffer, and after three of \
               them the drive is quarantined. The patch made the race rare, and did not close it.",
        shows: "No write is pending, the buffer is ready, and it holds the old bytes: they are compared with the new \
               checksum, and nothing is wrong with the drive.",
        passing: "Phase and generation are one word. When the generation ends, a slot that is still being filled is \
               marked doomed in that word, and so can never become ready. (Two flags would do, too, if the \
               acknowledgement also dropped the reads under way: for that design the checker finds no failing \
               path.)",
    }),
    (Switch::SwitchAtSubmit, Story {
        title: "The catalog names rewritten blocks before their write is done",
        breaks: "never the bytes of one write with the checksum of another",
        says: "The compactor switches the catalog to the new generation when it has submitted the blocks, and \
               before their write is acknowledged. The next read is prefetched from a place that is not written \
               yet: what is there are the bytes of something older. They are verified against the new metadata: a \
               mismatch on a healthy drive.",
        shows: "The bytes are what lay in that place before, and the metadata is of the write that is not \
               acknowledged: two states, a mismatch, and nothing is wrong with the drive.",
        passing: "The catalog is switched when the write is acknowledged; until then the old generation serves.",
    }),
    (Switch::PinByAdd, Story {
        title: "A pin is added without a look at the phase",
        breaks: "length",
        says: "A reader adds one to the pins and believes that the slot is ready. It is being filled: the reader is \
               served a buffer of length 0, as if it were its block.",
        shows: "Reader 1 is served from a buffer into which nothing has been read yet.",
        passing: "A pin is a compare-exchange on the whole word, with phase, pins and generation together: it \
               succeeds on `Ready` alone, and the reader reads the drive itself otherwise.",
    }),
    (Switch::NoGeneration, Story {
        title: "A pin does not name the generation that it expects",
        breaks: "generation",
        says: "Reader 1 still has a snapshot of the old generation when the catalog has switched, and a block is \
               prefetched for it. Reader 2, who asks under the new generation, finds the slot ready, with the block \
               that it wants, and is served the older generation's: the word says which one it is, and here the pin \
               does not compare it.",
        shows: "Reader 2 asked for block 1 of generation 1, and is served that of generation 0.",
        passing: "The pin compares the generation in the word with the one that it expects: they differ, nothing \
               fits, and the newer reader reads the drive itself.",
    }),
    (Switch::RetireIgnoresPins, Story {
        title: "A slot is emptied while a reader has it pinned",
        breaks: "length",
        says: "The catalog has switched; the snapshot of reader 1 is older, and its block is read ahead for it all \
               the same. Then the slot is emptied at once, as one of an old generation. The reader that has it \
               pinned reads from a buffer that is being filled again, with whatever block comes next (in the \
               shortest path the same one).",
        shows: "Reader 1 asked for block 1, and gets a buffer of length 0: it was emptied under the reader, and is \
               being filled anew.",
        passing: "A slot that has pins is only closed to new ones, and the last reader that has it pinned empties \
               it.",
    }),
    (Switch::SlotOnTrust, Story {
        title: "A reader takes the slot's block on trust",
        breaks: "another block",
        says: "The slot was filled ahead, with the block after the one that is asked for. The reader pins it, which \
               is right, and does not compare the block: it is served block 2 for block 1.",
        shows: "Reader 1 asked for block 1, and is served block 2.",
        passing: "The block is compared under the pin, where it cannot change; another block does not serve, and the \
               reader reads the drive itself.",
    }),
    (Switch::DropsPrefix, Story {
        title: "A buffer that holds only the second half of a block is served as the whole",
        breaks: "length",
        says: "Reader 2 begins in the middle of a block, and the block is prefetched from there on. In the model \
               each half of a block has a checksum of its own: this half is right, and so verification lets it \
               pass. Reader 1 asks for all of it, and is served the second half as if it were the whole.",
        shows: "Reader 1 asked for the whole of block 1, and is served its second half.",
        passing: "A buffer serves only what lies within it: what begins where the buffer begins, or later, and ends \
               where it ends, or earlier.",
    }),
    (Switch::ShortIsEnd, Story {
        title: "A short read ahead is taken for the end",
        breaks: "length",
        says: "The device gives less than was asked for, which it may. In the model each half of a block has a \
               checksum of its own: the half that has arrived is right, and so verification lets it pass. The \
               reader takes the end of the buffer for the end of the data.",
        shows: "Reader 1 asked for the whole of block 1, and is served its first half.",
        passing: "A buffer that ends too early does not serve: the reader reads the drive itself.",
    }),
    (Switch::PublishUnverified, Story {
        title: "A buffer serves before it was verified",
        breaks: "with one healthy copy left every read is byte-exact",
        says: "The copy on the first drive has rotted. What was read from it is ready at once, and is served, though \
               a healthy copy was there.",
        shows: "Reader 1 is served rotten bytes, though another drive has a healthy copy.",
        passing: "A buffer is compared with its metadata before it is ready; on a mismatch the block is read again, \
               and then from the other copy.",
    }),
    (Switch::RaceIsFault, Story {
        title: "A race is counted against the drive until it is quarantined",
        breaks: "no race quarantines a healthy drive",
        says: "A compaction writes new blocks and removes the old ones while one of the old ones is being \
               prefetched; reader 1, whose snapshot is the old generation, no longer needs that block by then. A \
               read ahead does not keep its block from being removed: only a reader does. The freed place is used \
               again: the read finds other bytes there, and so does each retry; after three retries a healthy \
               drive is quarantined.",
        shows: "The drive is quarantined, and nothing is wrong with it: the blocks that were read had been removed.",
        passing: "After a mismatch the catalog's generation is read again: it has moved, and so the mismatch is a \
               race, and nothing is held against the drive.",
    }),
    (Switch::NoRetries, Story {
        title: "A drive is quarantined for one bad read",
        breaks: "Retries are bounded",
        says: "One read is garbled on its way. It is not tried again, and a healthy drive is quarantined. The \
               invariant's \"retries are bounded\" means both: a mismatch is read again three times, no more and \
               no fewer, and only then is the drive quarantined.",
        shows: "No retry was made, and the drive is quarantined for one garbled read; nothing is wrong with what it \
               holds.",
        passing: "A mismatch is read again three times before the drive is quarantined.",
    }),
    (Switch::ReclaimUnderReader, Story {
        title: "Old blocks are removed under a reader's snapshot",
        breaks: "after a compaction",
        says: "A block of a generation holds the records of some LSNs; a compaction writes the same records into \
               the blocks of the next generation. A reader has asked under the old generation. The compactor \
               switches the catalog and removes what it replaced; the reader finds nothing where its snapshot \
               leads. (In reclaim-without-waiting-for-readers a segment of the log goes in this way, and not the \
               blocks of a drive.)",
        shows: "Reader 1 asked for block 1 of generation 0, and finds it removed.",
        passing: "Old blocks are removed when no reader has a snapshot that old.",
    }),
];

impl Switch {
    /// What it is about.
    #[must_use]
    pub const fn story(self) -> Story {
        STORIES[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_switch_has_its_own_story() {
        let order: Vec<Switch> = STORIES.iter().map(|(switch, _)| *switch).collect();
        assert_eq!(order, Switch::ALL);
    }
}
