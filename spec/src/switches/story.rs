//! What each switch is about, for readers.

use super::Switch;

/// A switch, told to a reader who knows storage and not Truelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Story {
    /// What goes wrong, in one line.
    pub title: &'static str,
    /// How it comes about, and what it costs.
    pub says: &'static str,
    /// The nearest path that passes: what the design does instead.
    pub passing: &'static str,
}

/// All of them, in the order of the switches.
#[rustfmt::skip]
const STORIES: &[(Switch, Story)] = &[
    (Switch::AckOnWrite, Story {
        title: "A record is acknowledged when it is written, before it is synced",
        says: "The receipt goes out while the batch is only in the page cache. A loss of power then \
                keeps none of its sectors, and the acknowledged record is gone.",
        passing: "The receipt waits for the sync: the same crash finds the record on the device.",
    }),
    (Switch::NoDirSyncOnSegment, Story {
        title: "A segment's bytes are synced, its name is not",
        says: "The segment is renamed into place, and the directory is never synced. Syncing the \
                file makes its bytes durable and not its entry: after a loss of power nothing leads \
                to them.",
        passing: "The directory is synced after the rename: the name is on the device before the first \
                batch.",
    }),
    (Switch::NoAncestorSync, Story {
        title: "The log's own directory is not durable",
        says: "The directory is made, and its parent is never synced. A loss of power takes the \
                entry of the whole directory, with all that was synced inside.",
        passing: "Each directory up to the mount point is synced before the identity makes the \
                directory a log.",
    }),
    (Switch::IdentityNotVouched, Story {
        title: "An identity whose directory sync had failed is taken on trust",
        says: "Creation fails at its last directory sync. The name is still seen in the cache, so a \
                second open goes on; but after a failed sync the entry is clean, and no later sync \
                writes it. The power fails, and no log is there.",
        passing: "Open publishes the identity again unless the manifest vouches for its name.",
    }),
    (Switch::CheckpointWithoutDirSync, Story {
        title: "Edits go to a manifest whose name is not durable",
        says: "A checkpoint is renamed over the old manifest, and the directory is not synced. The \
                next edits are durable in a file that a loss of power makes unreachable: the old \
                manifest is back, and knows nothing of the segment.",
        passing: "The directory is synced after the rename, before the next edit.",
    }),
    (Switch::TrustCachedBytes, Story {
        title: "Recovery returns what only the page cache holds",
        says: "The process dies after a write that was never synced. The next open reads a valid \
                batch from the page cache and returns it, which counts as an acknowledgement. The \
                power fails, and the batch was never on the device.",
        passing: "Valid batches that nothing vouches for are written again and synced before open \
                returns.",
    }),
    (Switch::AppendBehindTornTail, Story {
        title: "New batches are written behind torn ones",
        says: "A crash leaves a torn batch at the end. The next life appends behind it. A later \
                recovery stops at the torn batch and never reaches what was acknowledged behind.",
        passing: "Each open writes to a segment of its own: its first batch says where the one before \
                ends.",
    }),
    (Switch::CutAcrossASegment, Story {
        title: "An invalid point in an older segment ends the log",
        says: "Recovery meets invalid bytes behind the end of an older segment, and cuts there, \
                across the segment that follows it and holds acknowledged records.",
        passing: "Bytes behind the end that the next segment's first batch states are not judged.",
    }),
    (Switch::RewriteAckedBlock, Story {
        title: "A batch is written over the block of the one before",
        says: "The last block has room, so the next commit rewrites it with the old and the new \
                records. The power fails half way: neither the old batch nor the new one is whole, \
                and the old one was acknowledged.",
        passing: "Each batch starts on a block of its own.",
    }),
    (Switch::TwoCommitsInFlight, Story {
        title: "A second batch is committed while the first is still missing",
        says: "Two leaders write at once. The second batch is whole, synced and acknowledged; the \
                first never reached the disk. Recovery stops at the hole.",
        passing: "A batch is written only when the one before it is published.",
    }),
    (Switch::ShortWriteFinishedLater, Story {
        title: "The rest of a short write is written after the sync",
        says: "A write does only a part, the sync covers that part, the rest follows and is \
                acknowledged. A loss of power takes the rest, and with it the batch.",
        passing: "A short write is finished before the sync begins.",
    }),
    (Switch::ClaimBeforeSync, Story {
        title: "The durable watermark moves before the sync",
        says: "The watermark, the log line and the metric say durable while the bytes are in the \
                page cache. A loss of power shows that they lied.",
        passing: "The watermark moves after the sync has succeeded.",
    }),
    (Switch::WatermarkPassesHole, Story {
        title: "The durable watermark passes a batch that was never synced",
        says: "An append that survives only a crash of the process is written and not synced. The \
                next batch is written through, and the watermark moves to its end, over the hole.",
        passing: "The watermark moves only when all batches below are synced: one sync of the file \
                covers both.",
    }),
    (Switch::NoPathCheck, Story {
        title: "Durability is claimed for a file that nobody can find",
        says: "Somebody removes the segment's name while the log is open. The descriptor still \
                takes writes and syncs, and the watermark still moves; nothing of it can be opened \
                again.",
        passing: "After the sync the path is looked at: it must lead to the same file.",
    }),
    (Switch::PathCheckBeforeSync, Story {
        title: "The path is looked at before the sync, and not again behind it",
        says: "A batch that nobody asked to be durable is written, and its path is looked at. Then \
                somebody removes the segment's name. Before the log rotates it syncs the old segment, \
                and claims that all of it is durable: synced it is, and nothing leads to it.",
        passing: "Each sync is followed by a look at the path of its own, the one at a rotation too.",
    }),
    (Switch::RetryFailedSync, Story {
        title: "A failed sync is tried again, and succeeds",
        says: "The kernel reports a write-back error once and marks the pages clean. The second \
                sync has nothing to write and succeeds, and the batch is acknowledged though it is \
                not on the device.",
        passing: "A failed sync poisons the handle; only a new open recovers.",
    }),
    (Switch::SyncFailureForgotten, Story {
        title: "A later sync makes an earlier failure look durable",
        says: "After a failed sync the log takes the next batch. Its sync succeeds, the watermark \
                moves over both, and a receipt goes out by a handle that has failed.",
        passing: "After the failure nothing is written by this handle.",
    }),
    (Switch::LeaderFailsFollowersOk, Story {
        title: "Only the leader of a commit hears of its failure",
        says: "Two writers share a batch whose sync fails. One is told; the other is acknowledged \
                out of the same batch.",
        passing: "A failed batch has failed for everybody who waits for it.",
    }),
    (Switch::RotateWithoutSync, Story {
        title: "The log rotates while the old segment is not synced",
        says: "A batch in the new segment states where the old one ends, and so vouches for it. The \
                power keeps the new batch and not the old one: there is a gap in the middle.",
        passing: "The predecessor is wholly synced before the first batch of its successor.",
    }),
    (Switch::RewriteHalfTheTail, Story {
        title: "Recovery writes the tail again in pieces",
        says: "The tail holds one batch of two records. Recovery writes the first alone into a new \
                segment, and is interrupted. The new segment's word now cuts the old one, and half a \
                batch is recovered.",
        passing: "The tail is written again as one batch: all of it or nothing.",
    }),
    (Switch::RewriteUnderNewLsns, Story {
        title: "Recovery appends the tail a second time",
        says: "Valid batches that nothing vouches for are written again under new LSNs, behind the \
                old ones. The next open finds each record twice.",
        passing: "The tail is written again under the LSNs that it has.",
    }),
    (Switch::NoIdentityInChecksum, Story {
        title: "A batch is valid wherever it lies",
        says: "A misdirected write puts a copy of one batch in the place of another. Its checksum \
                is right, and recovery returns the same record under a second LSN.",
        passing: "A batch names its log, segment and offset under its checksum: a copy elsewhere is \
                invalid.",
    }),
    (Switch::RewriteIntoUnnamedSegment, Story {
        title: "Recovery writes to a segment that the manifest does not name",
        says: "Recovery writes the tail again before the manifest durably names the new segment, \
                and is interrupted. The next open finds a batch in a segment that no manifest knows, \
                and calls it damage: recovery has broken what it was to mend.",
        passing: "The manifest names the new segment durably before recovery writes to it.",
    }),
    (Switch::BatchIntoUnnamedSegment, Story {
        title: "A batch is written to a segment that the manifest does not name",
        says: "The first batch goes out before the manifest's edit is synced. After a crash the \
                segment holds a valid batch and no manifest names it: that looks like a damaged \
                manifest, though nothing was damaged.",
        passing: "The edit is synced before the segment's first batch.",
    }),
    (Switch::ManifestBeforeName, Story {
        title: "The manifest names a segment that is not there",
        says: "The manifest's edit is synced before the directory. A loss of power takes the name \
                and keeps the edit: a named segment is missing, which is damage.",
        passing: "The directory is synced before the edit is written.",
    }),
    (Switch::RenameBeforeSync, Story {
        title: "A file is renamed before its bytes are synced",
        says: "The name reaches the device, the bytes do not. What is found under the name is no \
                segment and no manifest.",
        passing: "The file is synced under its temporary name, then renamed.",
    }),
    (Switch::EditBehindTornEdit, Story {
        title: "Manifest edits are appended behind a torn one",
        says: "A crash leaves a torn edit at the end of the manifest. The next life appends behind \
                it: a valid edit behind an invalid one is what damage looks like.",
        passing: "Each open begins a manifest file of its own.",
    }),
    (Switch::TwoEditsInFlight, Story {
        title: "Two manifest edits wait for one sync",
        says: "A second edit is written before the first is synced. The power keeps the second and \
                not the first: a valid edit behind an invalid one is what damage looks like.",
        passing: "An edit is written only when the one before it is synced.",
    }),
    (Switch::IdentityFirst, Story {
        title: "The identity is there before the manifest",
        says: "The identity makes the directory a log. A crash right after it leaves a log without \
                a manifest, which open must call damaged.",
        passing: "The identity is renamed last, when the first checkpoint is durable.",
    }),
    (Switch::TornTailIsFatal, Story {
        title: "A torn tail keeps the log from opening",
        says: "A crash leaves half of a batch that nobody was promised. Recovery calls it damage \
                and opens the log for reading only.",
        passing: "What nothing vouches for is cut.",
    }),
    (Switch::DamageIsTornTail, Story {
        title: "Damage is cut like a torn tail",
        says: "A bit of a durable batch flips. The batch behind it carries a watermark that vouches \
                for it; recovery cuts all the same, and nobody hears of the loss.",
        passing: "What something durable vouches for is named as damage, kept, and the log opens for \
                reading only.",
    }),
    (Switch::UnlinkBeforeTrimDurable, Story {
        title: "A segment is removed before the trim is durable",
        says: "The name goes while the manifest that a loss of power would leave still names the \
                segment.",
        passing: "The trim's edit is synced before anything is unlinked.",
    }),
    (Switch::CloseForgetsWaiting, Story {
        title: "A handle is closed with an append unanswered",
        says: "Close lets go of the log while a writer still waits. Nothing will ever answer it.",
        passing: "Close commits or fails what waits before it lets go.",
    }),
    (Switch::PublishBeforeRunDurable, Story {
        title: "The manifest names a run whose name is not durable",
        says: "A run is synced and renamed on its drive, and the manifest names it before the drive's \
                directory is synced. The power fails: the manifest says that the records are in the \
                run, and no longer where they were; and the run is not there.",
        passing: "The drive's directory is synced before the publish is written.",
    }),
    (Switch::ReclaimBeforePublish, Story {
        title: "A segment is removed before the publish of its run is durable",
        says: "The manifest's edit is written and not synced when the segment goes. The manifest that \
                a loss of power would leave knows nothing of the run, and names a segment that is not \
                there.",
        passing: "The publish is synced before anything that it replaces is removed.",
    }),
    (Switch::ReclaimBeforeCheckpoints, Story {
        title: "A segment is removed before the drive knows of its run",
        says: "The publish is durable in the log's directory alone. Should that be lost, the drive \
                holds a run, and nothing durable says that it counts; and the segment is gone.",
        passing: "Each healthy drive durably holds a checkpoint that names the run before a source goes.",
    }),
    (Switch::OutputsDeletedWhenPublishFails, Story {
        title: "A failed publish deletes the run that it was to publish",
        says: "The sync of the manifest fails, so the compaction cleans up behind itself. But a sync \
                that fails may have written all the same: the manifest on the device names the run, \
                which is gone, and no longer the segment.",
        passing: "The handle poisons and removes nothing: the next open finds out what the manifest says.",
    }),
    (Switch::RecoveryDeletesNamedRun, Story {
        title: "Recovery removes a run that the manifest names",
        says: "An open looks for runs that were never published, and judges by a view that is older \
                than the manifest, as a drive's own copy of it may be. A run that counts is taken for \
                a leftover.",
        passing: "A run is a leftover only if the log's manifest, durable and whole, does not name it.",
    }),
    (Switch::ReclaimWithoutWaiting, Story {
        title: "A segment is removed while a reader still reads by it",
        says: "A reader took its snapshot before the publish, and looks for the record in the segment. \
                The compaction does not wait for it, and the record cannot be read.",
        passing: "What was replaced stays until no reader of an older generation is left.",
    }),
    (Switch::RunDropsRecords, Story {
        title: "A run is published for more records than it holds",
        says: "The compaction writes the first of two sealed records, and publishes the run for both. \
                Readers look for the second one in the run, and it is not there.",
        passing: "The manifest names a run by exactly the records that its blocks hold.",
    }),
    (Switch::RunLeavesGap, Story {
        title: "A run begins behind a record that no run holds",
        says: "The archive holds nothing yet, and the first run begins at record 2. Its publish \
                replaces both segments, and record 1 is in none of what is left.",
        passing: "A run begins where the archive ends, or before.",
    }),
    (Switch::PublishUnverifiedCopy, Story {
        title: "A copy that was never read back is published",
        says: "The drive says that it has written, and has not. Every call succeeded; only reading the \
                copy back would show it. The manifest names the copy, and the record cannot be read.",
        passing: "Each copy is read back and compared before the manifest names it.",
    }),
    (Switch::GivenUpMeansDone, Story {
        title: "A sync that was given up is taken for done",
        says: "The sync of a run fails, and the compaction goes on as if it had succeeded. The copy \
                reads well, out of the page cache. The segment is removed, and the only bytes of the \
                record are ones that no loss of power would leave.",
        passing: "A copy of which a call has failed is given up, and the segment stays.",
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
        for switch in Switch::ALL {
            let story = switch.story();
            assert!(!story.title.ends_with('.') && story.says.ends_with('.') && story.passing.ends_with('.'));
        }
    }
}
