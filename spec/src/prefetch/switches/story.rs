//! What each switch of the prefetch is about, for readers who know storage and not Truelog.

use super::Switch;
use crate::switches::Story;

/// All of them, in the order of the switches.
#[rustfmt::skip]
const STORIES: &[(Switch, Story)] = &[
    (Switch::ReadyFirst, Story {
        title: "Two flags are read in the wrong order, and a healthy drive is blamed for it (FPRE004)",
        breaks: "never observed together",
        says: "FPRE004 is the error code of the incident: a healthy drive was quarantined for it. A compaction \
               rewrites a block in its place. Its new checksum counts from the moment the write is submitted, the \
               bytes are on the device a little later, and the acknowledgement is later still: in between, \"last \
               write pending\" is set. A prefetch of the same block reads the old bytes meanwhile, and sets \"cache \
               ready\". Verification asks \"cache ready\" first: there is a buffer, so the comparison is settled. \
               That a write is pending it asks second, and too late: the answer does not stop the comparison any \
               more, and the old bytes are held against the new checksum. Each retry compares the same buffer, as \
               long as the acknowledgement, which would drop it, is late; after three retries the drive is \
               quarantined (which is in no row: the path ends at the first comparison). (The order is what the \
               incident saw. That there are two flags is what the design forbids: with the order turned round \
               another race is left, see back-off-before-ready.)",
        shows: "Old bytes are compared with the new checksum: a mismatch, and nothing is wrong with the drive.",
        passing: "There is no flag to set: a slot's phase, pins and generation are one word, a buffer is verified \
               under the generation that it was filled for, before it is ready, and a generation whose write is \
               pending has no name in the catalog yet.",
    }),
    (Switch::BackOff, Story {
        title: "The patch of FPRE004 leaves the race open: an acknowledgement within the back-off finds nothing to \
               drop",
        breaks: "never the bytes of one write with the checksum of another",
        says: "FPRE004 is the error code of the incident: a buffer with old bytes was held against a new checksum, \
               and a healthy drive was quarantined for it. The patch asks \"last write pending\" first, submits \
               nothing while a verification is under way, and lets a buffer wait a little before it is marked ready, \
               so that the acknowledgement may come first. Here the prefetch reads the old bytes while a write is \
               pending, and waits: that is the back-off, between the fill and \"cache ready\". The bytes land and \
               the acknowledgement comes: it clears \"pending\", and would drop the block's buffer were that ready. \
               It is not, not yet, so that nothing is dropped. Then the back-off ends and the old bytes are marked \
               ready. The two flags are not set at once any more, and still the comparison is of two states. Nothing \
               drops this buffer before the next rewrite, so that every retry compares it again, and fails, too. The \
               patch made the race rare, and did not close it.",
        shows: "No write is pending, the buffer is ready, and it holds the old bytes: they are compared with the new \
               checksum, and nothing is wrong with the drive.",
        passing: "What is under way when its generation ends is doomed: the same transition that retires a ready \
               slot makes a slot that is being filled a doomed one, whose publication is refused. (A design with two \
               flags can be saved in the same way, by an acknowledgement that drops the reads under way, too: of \
               that the checker finds no path either.)",
    }),
    (Switch::SwitchAtSubmit, Story {
        title: "The catalog names rewritten blocks before their write is done",
        breaks: "never the bytes of one write with the checksum of another",
        says: "The compactor switches the catalog to the new generation when it has submitted the blocks. The next \
               read is prefetched from a place that is not written yet, and verified against the new metadata: a \
               mismatch on a healthy drive.",
        shows: "The buffer is compared with the metadata of a write that is not acknowledged: a mismatch, and \
               nothing is wrong with the drive.",
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
        passing: "The generation is in the word, and the pin compares it: the newer reader finds that nothing fits, \
               and reads the drive itself.",
    }),
    (Switch::RetireIgnoresPins, Story {
        title: "A slot is emptied while a reader has it pinned",
        breaks: "length",
        says: "The catalog has switched; the snapshot of reader 1 is older, and its block is read ahead for it all \
               the same. Then the slot is emptied at once, as one of an old generation. The reader that has it \
               pinned goes on reading, from a buffer that is being filled again, with whatever block comes next (in \
               the shortest path the same one).",
        shows: "Reader 1 asked for block 1, and gets a buffer of length 0: it was emptied under the reader, and is \
               being filled anew.",
        passing: "A slot with pins only stops taking new ones: the last reader that has it pinned empties it.",
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
               each half of a block has a checksum of its own: this half is right, so that verification lets it \
               pass. Reader 1 asks for all of it, and is served the second half as if it were the whole.",
        shows: "Reader 1 asked for the whole of block 1, and is served its second half.",
        passing: "A buffer serves only what lies within it: what begins where the buffer begins, or later, and ends \
               where it ends, or earlier.",
    }),
    (Switch::ShortIsEnd, Story {
        title: "A short read ahead is taken for the end",
        breaks: "length",
        says: "The device gives less than was asked for, which it may. In the model each half of a block has a \
               checksum of its own: the half that has arrived is right, so that verification lets it pass. The \
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
               prefetched; reader 1, whose snapshot is the old generation, is done with it by then. The freed place \
               is used again: the read finds other bytes there, and so does each retry; after three retries a \
               healthy drive is quarantined.",
        shows: "The drive is quarantined, and nothing is wrong with it: the blocks that were read had been removed.",
        passing: "After a mismatch the generation is read again: it has moved, so that the mismatch is a race, and \
               nothing is held against the drive.",
    }),
    (Switch::NoRetries, Story {
        title: "A drive is quarantined for one bad read",
        breaks: "Retries are bounded",
        says: "One read is garbled on its way. It is not tried again, and a healthy drive is quarantined. That \
               retries are bounded fixes their number: three are made, no more, and no fewer.",
        shows: "The drive is quarantined for one garbled read, and nothing is wrong with what it holds.",
        passing: "A mismatch is read again three times before the drive is quarantined.",
    }),
    (Switch::ReclaimUnderReader, Story {
        title: "Old blocks are removed under a reader's snapshot",
        breaks: "after a compaction",
        says: "A reader has asked under the old generation. The compactor switches the catalog and removes what it \
               replaced; the reader finds nothing where its snapshot leads.",
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
