//! What each switch is about, for readers.

use super::Switch;

/// A switch, told to a reader who knows storage and not Truelog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Story {
    /// What goes wrong, in one line.
    pub title: &'static str,
    /// The part of the invariant that its path breaks, in the invariant's words; empty where that is one promise.
    pub breaks: &'static str,
    /// How it comes about, and what it costs.
    pub says: &'static str,
    /// What the last step of its path shows to be wrong.
    pub shows: &'static str,
    /// The nearest path that passes: what the design does instead.
    pub passing: &'static str,
}

/// All of them, in the order of the switches.
#[rustfmt::skip]
const STORIES: &[(Switch, Story)] = &[
    (Switch::AckOnWrite, Story {
        title: "A record is acknowledged when it is written, before it is synced",
        breaks: "",
        says: "The receipt goes out while the batch is only in the page cache. The loss of power keeps none of it, \
                and the acknowledged record is gone.",
        shows: "Record 1 was acknowledged, and is gone.",
        passing: "The receipt waits for the sync: the same crash finds the record on the device.",
    }),
    (Switch::NoDirSyncOnSegment, Story {
        title: "A segment's bytes are synced, its name is not",
        breaks: "",
        says: "The segment is renamed into place, and the directory is never synced. Syncing the file makes its \
                bytes durable and not its entry in the directory: after the loss of power nothing leads to them.",
        shows: "Record 1 was acknowledged, and is gone: the manifest names segment 1, and no such file is there.",
        passing: "The directory is synced after the rename: the name is on the device before the manifest names \
                the segment.",
    }),
    (Switch::NoAncestorSync, Story {
        title: "The log's own directory is not durable",
        breaks: "",
        says: "The directory is made, and its parent is never synced: its name in there is in the page cache only, \
                whatever is synced inside. The loss of power takes that name, and with it the whole log. (A create \
                makes two manifests: the second one vouches for the identity, once that is there.)",
        shows: "Record 1 was acknowledged, and no log is there any more.",
        passing: "Each directory up to the mount point is synced before the identity makes the directory a log.",
    }),
    (Switch::IdentityNotVouched, Story {
        title: "An identity whose directory sync had failed is taken on trust",
        breaks: "",
        says: "The identity is the file that makes a directory a log. Create renames the identity into place, and \
                the sync of the directory after that fails. The identity's name is still seen in the cache, and so \
                the next open goes on. But after a failed sync the kernel counts that name as written, and no \
                later sync writes it: only a new file, renamed anew, would be. A manifest entry vouches for the \
                name only if it was written by one who knew that the name was durable. Nobody did: entry 1 was \
                written before there was an identity, and entry 2 by this open, which took the name on trust. The \
                power fails, and no log is there.",
        shows: "Record 1 was acknowledged, and no log is there any more.",
        passing: "Open makes the identity again, unless the manifest vouches for its name.",
    }),
    (Switch::CheckpointWithoutDirSync, Story {
        title: "Manifest entries go to a manifest whose name is not durable",
        breaks: "",
        says: "The manifest is full, and so the entry for a new segment needs a new manifest file. It is renamed \
                over the old one, and the directory is not synced. The next manifest entry is durable in a file \
                that the loss of power makes unreachable: the old manifest is back, and knows nothing of the \
                segment.",
        shows: "Record 1 was acknowledged. Segment 1 is there, but the old manifest does not name it, which looks \
                like damage: the log opens for reading only, without the record.",
        passing: "The directory is synced after the rename, before the next manifest entry.",
    }),
    (Switch::TrustCachedBytes, Story {
        title: "Recovery returns what only the page cache holds",
        breaks: "What `open` returned counts as acknowledged.",
        says: "The process dies after a write that was never synced. The next open reads a valid batch from the \
                page cache and returns it, which counts as an acknowledgement. Nothing shows that this batch was \
                ever durable: nothing vouches for it. The power fails, and the batch was never on the device.",
        shows: "The first open returned record 1, which counts as acknowledged; the second one does not find it.",
        passing: "Valid batches that nothing vouches for are written again and synced before open returns. (To sync \
                them alone would not do: what an earlier failed write-back has lost counts as written.)",
    }),
    (Switch::AppendBehindTornTail, Story {
        title: "New batches are written after a torn one",
        breaks: "",
        says: "A loss of power leaves a torn batch at the end of the segment. The next life appends after it. A \
                later recovery stops at the torn batch and never reaches what was acknowledged after it.",
        shows: "The record that the second life acknowledged is gone: recovery stops at the torn batch before it.",
        passing: "Each open writes to a segment of its own, whose first batch says where the segment before ends.",
    }),
    (Switch::CutAcrossASegment, Story {
        title: "The end of an older segment is taken for the end of the log",
        breaks: "",
        says: "A first life leaves record 1, unsynced, in segment 1. The open after the loss of power writes it \
                again to a segment of its own, segment 2, where record 2 follows and is acknowledged. The next \
                recovery comes to where the batches of segment 1 end. Behind them there is only empty space, and \
                nothing is torn there. But it takes this end of a segment for the torn end of the whole log, and \
                cuts the log here. It never reads segment 2, and so no row of the table shows segment 2 being \
                read.",
        shows: "Record 2 was acknowledged, and is gone: the next record would be 2 again.",
        passing: "Only the last segment that is not empty is judged at its end; an older one ends where the next \
                one's first batch says.",
    }),
    (Switch::RewriteAckedBlock, Story {
        title: "A batch is written over the block of the one before",
        breaks: "",
        says: "Batch 1 is synced. The last block has room, so the next commit writes it again: batch 2, with the \
                old record and the new one, lies over batch 1, whose record is acknowledged on the strength of \
                that first sync. The fault is to write over it: bytes that were durable are put at risk. (Here \
                record 1 is acknowledged after the overwrite; that order is not the fault.) The loss of power \
                keeps one sector of batch 2: neither batch is whole.",
        shows: "Record 1 was synced and acknowledged, and is gone: half of another batch lies over it.",
        passing: "Each batch starts on a block of its own.",
    }),
    (Switch::TwoCommitsInFlight, Story {
        title: "A record is committed while the one before it is not written",
        breaks: "",
        says: "Two writers append. Their records get numbers 1 and 2. The batch of record 2 is written first (it is \
                batch 1 by the order of writing), behind an empty block, which is left for record 1. It is synced, \
                the watermark moves to 2, over the hole, and record 1, which was never written, is acknowledged. \
                After the loss of power recovery stops at the hole.",
        shows: "Record 1 was acknowledged, and is gone; record 2, which was synced, is not reached either.",
        passing: "A batch is written only when the one before it is committed.",
    }),
    (Switch::ShortWriteFinishedLater, Story {
        title: "The rest of a short write is written after the sync",
        breaks: "",
        says: "A write does only a part, and the sync covers that part. The rest follows, is not synced, and the \
                record is acknowledged. The loss of power takes the rest, and with it the batch.",
        shows: "Record 1 was acknowledged, and is gone: only a part of its batch is on the device.",
        passing: "A short write is finished before the sync begins.",
    }),
    (Switch::ClaimBeforeSync, Story {
        title: "The durable watermark moves before the sync",
        breaks: "bytes",
        says: "The watermark, the log line and the metric say durable while the bytes are in the page cache. The \
                loss of power shows that they were wrong.",
        shows: "Record 1 was said to be durable, and is gone.",
        passing: "The watermark moves after the sync has succeeded.",
    }),
    (Switch::WatermarkPassesHole, Story {
        title: "The durable watermark passes a batch that was never synced",
        breaks: "bytes",
        says: "Record 1 need only survive a crash of the process, and so it is written and not synced. The next \
                batch is written through to the disk, and the watermark moves to its end, over the hole.",
        shows: "All up to record 2 was said to be durable; the batch of record 1 is gone, and behind that hole \
                recovery returns nothing, not even record 2.",
        passing: "The watermark moves only when all batches below are synced: one sync of the file covers both. (The \
                production code never mixes the two ways: a handle writes each of its batches through, or none.)",
    }),
    (Switch::NoPathCheck, Story {
        title: "Durability is claimed for a file that nobody can find",
        breaks: "name",
        says: "Somebody removes the segment's name while the log is open. The descriptor still takes writes and \
                syncs, and the watermark still moves; nothing of it can be opened again.",
        shows: "Record 1 is said to be durable, and no name leads to the file that holds it.",
        passing: "After the sync the path is checked: it must lead to the same file.",
    }),
    (Switch::PathCheckBeforeSync, Story {
        title: "The path is checked before the sync, and not again after it",
        breaks: "name",
        says: "A batch that need only survive a crash of the process is written, and the path of its segment, \
                segment 1, is checked. A second append, which is to survive a loss of power, begins segment 2. \
                Then somebody removes the name of segment 1. Before the second batch is written, segment 1 is \
                synced, and the durable watermark moves to record 1. The sync has succeeded, and nothing leads to \
                the file.",
        shows: "Record 1 is said to survive a loss of power, and no name leads to the file that holds it.",
        passing: "Each sync is followed by a check of its path.",
    }),
    (Switch::RetryFailedSync, Story {
        title: "A failed sync is tried again, and succeeds",
        breaks: "",
        says: "The kernel reports a write-back error once and counts the pages as written. The second sync has \
                nothing to write and succeeds, and the record is acknowledged though it is not on the device.",
        shows: "Record 1 is acknowledged, and the only sync that could have made it durable has failed.",
        passing: "A failed sync poisons the handle; only a new open recovers.",
    }),
    (Switch::SyncFailureForgotten, Story {
        title: "A later sync makes an earlier failure look durable",
        breaks: "",
        says: "After the failed sync of the first batch the log goes on, and writes the next. The sync of that \
                succeeds, and is taken to cover the first batch, too: the watermark moves over it, and its record is \
                acknowledged.",
        shows: "Record 1 is acknowledged, and the only sync that could have made it durable has failed.",
        passing: "After the failure nothing is written by this handle.",
    }),
    (Switch::LeaderFailsFollowersOk, Story {
        title: "A record is acknowledged out of a batch whose sync has failed",
        breaks: "",
        says: "Appends that come together share a batch, and one of the writers, the leader, writes and syncs it \
                for all. The sync fails, and the failure stays with the leader: a writer that waits for the same \
                batch is acknowledged. The model has no leaders: its path shows what such a follower sees, an \
                acknowledgement after the failed sync of its batch. That the production code tells its followers \
                is checked with threads; so is a broken version of it, the mutant of this name, which forgets \
                them.",
        shows: "Record 1 is acknowledged, and the sync of its batch has failed.",
        passing: "A failed batch has failed for everybody who waits for it.",
    }),
    (Switch::RotateWithoutSync, Story {
        title: "The log goes on in a new segment while the old one is not synced",
        breaks: "a gapless run of LSNs",
        says: "By the design, whoever finds a batch in a new segment may rely on the old one having been synced \
                before. Here it was not. The loss of power keeps the new batch and not the old one: there is a gap \
                in the middle. (To lose both would be allowed: neither was to survive more than a crash of the \
                process.) Nobody is told: the open relies on that sync, too, and names no damage.",
        shows: "Record 2 is recovered, and record 1, before it, is not.",
        passing: "The old segment is wholly synced before the first batch of the new one.",
    }),
    (Switch::RewriteHalfTheTail, Story {
        title: "Recovery writes the tail again in pieces",
        breaks: "whole batches only",
        says: "The tail holds one batch of two records that nothing vouches for. Recovery writes the first record \
                alone into a new segment, and is interrupted. The new batch stands in for batch 1, and so says that \
                segment 1 ends before batch 1. Record 2, still whole in segment 1, is not read any more: half a \
                batch is recovered.",
        shows: "Of a batch of two records one is recovered, and not the other.",
        passing: "The tail is written again as one batch: all of it or nothing.",
    }),
    (Switch::RewriteUnderNewLsns, Story {
        title: "Recovery appends the tail a second time",
        breaks: "duplicated",
        says: "An open writes again, to a segment of its own, the last valid batches that nothing vouches for. \
                Here their records get new numbers, after the old ones, and the next open, after the process has \
                died, finds each record twice.",
        shows: "One record was appended, and two are recovered: it is record 1, and record 2 as well.",
        passing: "The tail is written again under the numbers that it has: the new batch stands in for the old one, \
                which is not read any more.",
    }),
    (Switch::NoIdentityInChecksum, Story {
        title: "A batch is valid wherever it lies",
        breaks: "misattributed",
        says: "The disk has put a copy of batch 1 in the place of batch 2. This overwrites the record that was \
                appended second. A batch here says nothing of where it belongs: its checksum is right in any \
                place, and its place alone gives its record a number. So recovery takes the copy for record 2, and \
                finds the log whole. Nothing that is left on the disk proves that either batch was durable, and so \
                the open writes both again to a new segment, as it does with all such batches.",
        shows: "The open returns records 1 and 2, which are one and the same; the record that was appended second is \
                not there.",
        passing: "A batch names its log, segment and offset under its checksum: a copy elsewhere is invalid.",
    }),
    (Switch::RewriteIntoUnnamedSegment, Story {
        title: "Recovery writes to a segment that the manifest does not name",
        breaks: "Recovery is idempotent",
        says: "Recovery writes the tail again before the manifest durably names the new segment, and is \
                interrupted. The next open finds a batch in a segment that the manifest does not know, and takes the \
                manifest for damaged. It believes nothing that such a manifest says, and so returns nothing, not \
                even record 1, which lies in segment 1 as before. The open that was interrupted would have returned \
                it: recovery has broken what it was to mend.",
        shows: "Nothing was damaged, and the log opens for reading only: the interrupted recovery has made it look \
                damaged.",
        passing: "The manifest names the new segment durably before recovery writes to it.",
    }),
    (Switch::BatchIntoUnnamedSegment, Story {
        title: "A batch is written to a segment that the manifest does not name",
        breaks: "half made",
        says: "The first batch goes out before the manifest durably names its segment. After the loss of power the \
                segment holds a valid batch and no manifest names it: that looks like a damaged manifest, though \
                nothing was damaged.",
        shows: "Nothing was damaged, and the log opens for reading only.",
        passing: "The manifest's entry of the segment is synced before the segment's first batch.",
    }),
    (Switch::ManifestBeforeName, Story {
        title: "The manifest names a segment that is not there",
        breaks: "missing",
        says: "The manifest's entry of the segment is written before the directory is synced. The loss of power \
                happens to keep the entry and not the segment's name: a named segment is missing, which looks like \
                damage.",
        shows: "Nothing was damaged, and the log opens for reading only.",
        passing: "The directory is synced before the manifest's entry is written.",
    }),
    (Switch::RenameBeforeSync, Story {
        title: "A file is renamed before its bytes are synced",
        breaks: "half made",
        says: "The file is renamed before it is synced, and the power fails: the segment's name is on the device, \
                its bytes are not. What is found under the name, which the manifest lists, is no segment, and looks \
                damaged.",
        shows: "Nothing was damaged, and the log opens for reading only.",
        passing: "The file is synced under its temporary name, then renamed.",
    }),
    (Switch::EditBehindTornEdit, Story {
        title: "An open goes on writing to the manifest file that it finds",
        breaks: "missing",
        says: "A loss of power takes manifest entry 3, which was written and not synced. Half of it may be left; \
                nobody then knows how long it was, and so its place is never used again. The next open goes on \
                with the same file, behind that gap: 1, 2, gap, 4 (step 19). But a valid entry behind a missing \
                one is what the design takes for damage: an entry is written only when the one before it is \
                synced, and so a crash can cost only the last one of a file, as long as each open begins a new \
                file. Here one did not, and a manifest that looks damaged is not believed at all. (In the steps \
                nothing is left of entry 3. The model skips its place and its number all the same, as an engine \
                must where half is left.)",
        shows: "Nothing was damaged, and the log opens for reading only: a valid manifest entry follows one that is \
                not there.",
        passing: "Each open begins a manifest file of its own.",
    }),
    (Switch::TwoEditsInFlight, Story {
        title: "Two manifest entries wait for one sync",
        breaks: "",
        says: "A second manifest entry is written before the first is synced. The loss of power keeps the second and \
                not the first: a valid entry behind an invalid one is what damage looks like, and a damaged manifest \
                is not believed at all: whatever was appended counts as lost. (The append has two records so that \
                one is left when the other is trimmed.)",
        shows: "Record 2 was acknowledged and not trimmed; the log opens for reading only, and cannot give it.",
        passing: "A manifest entry is written only when the one before it is synced.",
    }),
    (Switch::IdentityFirst, Story {
        title: "The identity is there before the manifest",
        breaks: "half made",
        says: "The identity is the file that makes a directory a log. Here it gets its name before there is a \
                manifest. A crash after step 9 leaves just that to the next open, which finds a log without a \
                manifest, and must call it damaged. (The steps show no crash: the model lets the create itself \
                look at the directory, step 10, and it finds what a crash after step 9 would leave.)",
        shows: "Nothing was damaged, and the new log opens for reading only: it has an identity and no manifest, \
                which is all that a crash after step 9 would leave.",
        passing: "The identity is renamed last, when the first manifest is durable.",
    }),
    (Switch::TornTailIsFatal, Story {
        title: "A torn tail keeps the log from opening for appends",
        breaks: "torn",
        says: "A loss of power leaves half of a batch that was never acknowledged. Recovery calls it damage and \
                opens the log for reading only.",
        shows: "The torn batch was never acknowledged, and because of it the log opens for reading only.",
        passing: "Torn bytes that nothing vouches for are cut.",
    }),
    (Switch::DamageIsTornTail, Story {
        title: "Damage is cut like a torn tail",
        breaks: "never silently cut",
        says: "Some bits of batch 1, which is durable, flip, on the disk and in all that is read of it. Batch 2 \
                stands behind it, and can be read: only the process has died, and the page cache lives on. A batch \
                is written with how far the log was durable by then. So batch 2 shows that record 1 was durable, \
                and that its bytes are damaged, not unfinished: it vouches for record 1. (Batch 2 itself was never \
                synced, step 17, but it can be read, and it was written only after record 1 had become durable: \
                that is proof enough.) Recovery takes batch 1 for the unfinished end of the log all the same, cuts \
                it and what is behind it, and nobody hears of the loss.",
        shows: "Record 1 was said to be durable (step 14: the durable watermark). The log opens without it, names no \
                damage, and would give its number to another record. (Record 2 was promised to nobody.)",
        passing: "What something vouches for is named as damage and kept, and the log opens for reading only.",
    }),
    (Switch::UnlinkBeforeTrimDurable, Story {
        title: "A segment is removed before the trim is durable",
        breaks: "in the log's directory",
        says: "A trim lets go of all records below 2, and so of segment 1. The segment is removed while the \
                manifest's entry of the trim is only written: the manifest that a loss of power would leave still \
                names it. (The second append begins segment 2: the last segment is never removed.)",
        shows: "Segment 1 is removed, and the manifest on the device still names it.",
        passing: "The manifest's entry of the trim is synced before anything is removed.",
    }),
    (Switch::CloseForgetsWaiting, Story {
        title: "A handle is closed with an append unanswered",
        breaks: "",
        says: "An append was handed in, and the client has a ticket, by which it will wait for the answer. Close \
                gives the log's lock back, which ends the handle, and has neither committed nor failed the append. \
                Nothing will ever answer it.",
        shows: "The append of ticket 1 is neither acknowledged nor failed, and nothing is left that could answer it.",
        passing: "Close commits or fails what waits before it lets go.",
    }),
    (Switch::PublishBeforeRunDurable, Story {
        title: "The manifest names a run whose name is not durable",
        breaks: "",
        says: "Compaction copies segment 1 into a run on a drive. The run is synced and renamed there, and the \
                manifest names it before the drive's directory is synced. The power fails. It happens to keep the \
                manifest's entry, which was not synced yet, and to lose the run's name. Segment 1 still holds the \
                record, but the manifest now says to look in the run alone, and so nobody reads segment 1. (The \
                second append begins segment 2: only a segment that has a successor is compacted.)",
        shows: "Record 1 was acknowledged; the manifest says that it is in run 1, and no run 1 is there.",
        passing: "The drive's directory is synced before the manifest names the run.",
    }),
    (Switch::ReclaimBeforePublish, Story {
        title: "A segment is removed before the publish of its run is durable",
        breaks: "in the log's directory",
        says: "Compaction has copied segment 1 into a run. The manifest's entry that names the run instead of the \
                segment is written and not synced when the segment goes. The manifest that a loss of power would \
                leave knows nothing of the run, and names a segment that is not there. (The second append begins \
                segment 2: only a segment that has a successor is compacted.)",
        shows: "Segment 1 is removed, and the manifest on the device names it, and not the run.",
        passing: "The publish is synced before anything that it replaces is removed.",
    }),
    (Switch::ReclaimBeforeCheckpoints, Story {
        title: "A segment is removed before the drive knows of its run",
        breaks: "in a copy on each healthy drive",
        says: "Compaction has copied segment 1 into a run on drive 1, and the manifest in the log's directory \
                durably names it. No reader needs the segment any more (step 46), but the drive has no copy of that \
                manifest yet. Should the one manifest be lost, nothing durable says that the run counts: its records \
                could then be read from segment 1 alone, and that is gone now, too. (The second append begins \
                segment 2: only a segment that has a successor is compacted.)",
        shows: "Segment 1 is removed, and drive 1 holds no manifest that names the run in its place.",
        passing: "Each healthy drive durably holds a copy of the manifest that names the run before a source goes.",
    }),
    (Switch::OutputsDeletedWhenPublishFails, Story {
        title: "A failed publish deletes the run that it was to publish",
        breaks: "in the log's directory",
        says: "The sync of the manifest fails, so the compaction cleans up after itself. But a sync that fails may \
                have written all the same: then the manifest on the device names the run, which is gone, in the \
                place of segment 1, and nobody looks for record 1 in segment 1 any more. (The second append begins \
                segment 2: only a segment that has a successor is compacted.)",
        shows: "Run 1 is removed, and the manifest on the device names it.",
        passing: "The handle is given up and removes nothing: the next open finds out what the manifest says.",
    }),
    (Switch::RecoveryDeletesNamedRun, Story {
        title: "Recovery removes a run that the manifest names",
        breaks: "in the log's directory",
        says: "The process dies after the publish of a run was written. The next open reads it and takes it into its \
                own manifest, entry 7, which it makes durable. Then it removes runs that were never published, and \
                judges by an older view: the manifest as it was before entry 6. There run 1 is not named, and a run \
                that counts is taken for a leftover. (The look at the older view is in no row: only the removal is a \
                call.) Segment 1 may still be there, but by the manifest it counts no more. (The second append \
                begins segment 2: only a segment that has a successor is compacted.)",
        shows: "Run 1 is removed, and the manifest that this open has made durable names it.",
        passing: "A run is a leftover only if the log's manifest, durable and whole, does not name it.",
    }),
    (Switch::ReclaimWithoutWaiting, Story {
        title: "A segment is removed while a reader's snapshot still leads to it",
        breaks: "after a compaction",
        says: "Reader 1 took its snapshot before the run was published, and by it record 1 is in segment 1. The \
                compaction does not wait for the reader, and removes the segment. The record is in the run, too, but \
                this reader does not know of the run. (The second append begins segment 2: only a segment that has a \
                successor is compacted.)",
        shows: "Reader 1 looks for record 1 in segment 1, as its snapshot says, and the segment is gone.",
        passing: "What was replaced stays until no reader of an older snapshot is left.",
    }),
    (Switch::RunDropsRecords, Story {
        title: "A run is published for more records than it holds",
        breaks: "after a compaction",
        says: "Two sealed segments hold one record each. Compaction writes only the first record into the run, and \
                the manifest names the run for both records, in the place of both segments. Readers look for the \
                second one in the run, and it is not there. (The third append begins segment 3, so that segments 1 \
                and 2 may be compacted.)",
        shows: "Record 2 was acknowledged; the manifest says that it is in run 1, which does not hold it.",
        passing: "The manifest names a run by exactly the records that its blocks hold.",
    }),
    (Switch::RunLeavesGap, Story {
        title: "A run begins after a record that no run holds",
        breaks: "after a compaction",
        says: "The archive holds nothing yet, and the first run is made from segment 2 alone: it begins at record 2. \
                Its publish replaces segments 1 and 2, and record 1 is in nothing that the manifest still names. \
                (The third append begins segment 3, so that segments 1 and 2 may be compacted.)",
        shows: "Record 1 was acknowledged, and nothing that the manifest names holds it.",
        passing: "A run begins where the archive ends, or before; the first one begins with the first record that is \
                not trimmed.",
    }),
    (Switch::PublishUnverifiedCopy, Story {
        title: "A copy that was never read back is published",
        breaks: "after a compaction",
        says: "The drive says that it has written the record, and has not. Every call succeeds; only reading the \
                copy back would show it. The manifest names the copy in the place of segment 1. Segment 1 still \
                holds the record, and nobody looks for it there any more. (The second append begins segment 2: only \
                a segment that has a successor is compacted.)",
        shows: "Record 1 was acknowledged; the manifest says that it is in run 1, which does not hold it.",
        passing: "Each copy is read back past the page cache, and compared, before the manifest names it.",
    }),
    (Switch::GivenUpMeansDone, Story {
        title: "A failed sync of a run is taken for done",
        breaks: "after a crash anywhere in it",
        says: "The sync of a run fails, and the compaction goes on as if it had succeeded. The copy is read back, \
                and reads well: what answers is the page cache. (The engine reads past it wherever the file system \
                lets it; here it does not.) The manifest names the copy, segment 1 is removed, and the only bytes \
                left of the record would not survive a loss of power. No crash is needed to see it: the promise \
                holds for a crash at any moment, and it is broken when the segment goes. (The second append begins \
                segment 2: only a segment that has a successor is compacted.)",
        shows: "Segment 1 is removed, and no device durably holds record 1 any more.",
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
            assert!(!story.title.ends_with('.'), "{switch}");
            for text in [story.says, story.shows, story.passing] {
                assert!(text.trim_end_matches(')').ends_with('.'), "{switch}: {text}");
            }
        }
    }
}
