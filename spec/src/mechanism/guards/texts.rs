//! What each guard says, to a reader who knows storage and not Truelog.

use super::Guard;

/// A guard, told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Texts {
    /// The condition.
    pub says: &'static str,
    /// What is missing where it stands against a step: it goes on after "but".
    pub lacks: &'static str,
    /// What the engine does instead of that step: it goes on after "it".
    pub instead: &'static str,
}

const fn texts(says: &'static str, lacks: &'static str, instead: &'static str) -> Texts {
    Texts { says, lacks, instead }
}

/// All of them, in the order of the guards.
#[rustfmt::skip]
pub(super) const TEXTS: &[(Guard, Texts)] = &[
    (Guard::NoSuchStep, texts("the engine has no such step here", "", "")),
    (Guard::AckNeedsSync, texts(
        "a record is acknowledged only at or below the watermark that its durability names",
        "what is promised here is not done yet: no watermark has come so far",
        "syncs the batch, looks at the path, moves the watermark, and acknowledges then")),
    (Guard::FailedBatchFailsAll, texts(
        "nobody is acknowledged out of a batch whose write or sync failed",
        "the write or the sync of its batch has failed",
        "fails every append of that batch, and gives the handle up")),
    (Guard::PublishNeedsSync, texts(
        "the durable watermark moves only over batches that a sync has covered",
        "no sync that succeeded has covered it",
        "syncs the batch first")),
    (Guard::PublishNeedsPathCheck, texts(
        "the durable watermark moves only after the path was seen to lead to the synced file",
        "nobody has looked at the path since the sync",
        "looks at the path behind the sync; where that leads elsewhere, it gives the handle up")),
    (Guard::CheckFollowsSync, texts(
        "the durable watermark moves only after a look at the path that came after the sync",
        "the only look at the path came before the sync",
        "looks at the path again, behind the sync; where that leads elsewhere, it gives the handle up")),
    (Guard::WatermarkHasNoHole, texts(
        "the durable watermark moves only if every batch below it is synced",
        "the batch of a record below is not synced",
        "syncs the whole file first, which covers every batch in it")),
    (Guard::FailedSyncIsFinal, texts(
        "a sync that failed is never tried again on the same bytes",
        "a sync of the same bytes has failed: the kernel may have nothing left to write",
        "gives the handle up: only the next open recovers")),
    (Guard::FailurePoisons, texts(
        "after a failed write or sync that matters the handle writes nothing more",
        "a write or a sync has failed before",
        "gives the handle up: only the next open recovers")),
    (Guard::ShortWriteBeforeSync, texts(
        "a short write is finished before the sync",
        "the rest of the batch is not written yet",
        "writes the rest first")),
    (Guard::OneCommitInFlight, texts(
        "a batch is written only when the one before it is committed, and right behind it",
        "the record before it is not committed yet",
        "commits the record before it first: write, sync, look, watermark")),
    (Guard::AckedBlockIsNeverRewritten, texts(
        "a batch starts on a block of its own",
        "it is laid over a block that holds a batch already",
        "starts the batch on the next block")),
    (Guard::BatchInFreshSegment, texts(
        "a batch is written only to a segment that this open has made",
        "an earlier life has made this segment, and what it left behind stands in front",
        "makes a segment of its own, which says where the one before ends")),
    (Guard::BatchNeedsDurableName, texts(
        "a segment's name is synced before its first batch",
        "the directory was not synced since the segment got its name",
        "syncs the directory first")),
    (Guard::BatchNeedsNamedSegment, texts(
        "the manifest durably names a segment before its first batch",
        "no durable manifest record names the segment",
        "writes the manifest's record of the segment, and syncs it, first")),
    (Guard::RewriteNeedsNamedSegment, texts(
        "the manifest durably names a segment before recovery writes to it",
        "no durable manifest record names the segment",
        "writes the manifest's record of the segment, and syncs it, first")),
    (Guard::RotateNeedsSync, texts(
        "a batch enters a segment only when its predecessor is wholly synced",
        "the segment before it is not synced",
        "syncs the old segment first")),
    (Guard::RenameNeedsSync, texts(
        "a file is synced before it is renamed to a name that counts",
        "its bytes are not synced",
        "syncs the file under its temporary name first")),
    (Guard::EditAfterName, texts(
        "the manifest names a segment only when the directory was synced since its rename",
        "the directory was not synced since the segment got its name",
        "syncs the directory first")),
    (Guard::EditInFreshManifest, texts(
        "manifest records go only to a manifest file that this open has begun",
        "it has made no manifest of its own: its records will follow what the life before left",
        "makes a manifest file of its own first, from all that is valid in the old one")),
    (Guard::OneEditInFlight, texts(
        "a manifest record is written only when the manifest was synced since the one before it",
        "the manifest was not synced since the record before",
        "syncs the manifest first")),
    (Guard::EditAfterCheckpointName, texts(
        "manifest records go only to a manifest whose own name is synced",
        "the directory was not synced since the new manifest got its name",
        "syncs the directory first")),
    (Guard::IdentityComesLast, texts(
        "the identity gets its name only when the first manifest is durable",
        "there is no durable manifest yet",
        "makes the manifest first, and gives the identity its name last")),
    (Guard::IdentityAfterAncestors, texts(
        "the identity gets its name only when the directories above are synced",
        "the directory above was not synced",
        "syncs each directory above first, up to the mount point")),
    (Guard::IdentityVouchedBeforeReady, texts(
        "open returns only when the manifest vouches for the identity's name, or the identity was made again",
        "nothing shows that the identity's name is durable, and it was not made again",
        "makes the identity again before it returns: a new file, a new rename, a new sync")),
    (Guard::UnlinkNeedsDurableTrim, texts(
        "a segment is unlinked only below a floor that is durable in the manifest",
        "no durable manifest record lets go of it",
        "syncs the manifest first")),
    (Guard::TrimmedNeedsDurableEdit, texts(
        "a trim is confirmed only when its manifest record is durable",
        "the manifest's record of the trim is not durable",
        "syncs the manifest first")),
    (Guard::OnlyTheLastSegmentIsCut, texts(
        "only the last segment that is not empty is judged beyond its last batch",
        "a later segment holds a valid batch",
        "goes on in the next segment, whose first batch says where this one ends")),
    (Guard::TornTailIsCut, texts(
        "bytes that nothing vouches for are cut, and are not damage",
        "nothing vouches for what is torn: nobody was promised it",
        "cuts the torn batch (`torn-tail`), and opens for appends")),
    (Guard::VouchedHoleIsDamage, texts(
        "bytes that something else vouches for are damage, and are not cut",
        "something else vouches for what is cut",
        "names the records as damaged, keeps the bytes, and opens for reading only")),
    (Guard::BatchNamesItsPlace, texts(
        "a batch is valid only in the log, segment and offset that it names",
        "one batch lies in the place of another, and is taken for that one",
        "holds each batch against the place that it names: a copy elsewhere is invalid")),
    (Guard::TailRewrittenBeforeReady, texts(
        "open returns only when the valid batches that nothing vouches for are written again and synced",
        "the batches that nothing vouches for were not written again",
        "writes them again to a segment of its own, and syncs it, before it returns")),
    (Guard::TailRewrittenWhole, texts(
        "the unvouched tail is written again as one batch",
        "the tail holds more than that",
        "writes the whole tail again as one batch: all of it or nothing")),
    (Guard::RewriteKeepsLsns, texts(
        "the unvouched tail is written again under the LSNs that it has",
        "the record has a number already",
        "writes the record again under the number that it has")),
    (Guard::UnlockAfterAllResolved, texts(
        "the handle is let go of only when every append was answered",
        "an append still waits for its answer",
        "commits what waits, or fails it, and lets go then")),
    (Guard::FailedCopyIsAbandoned, texts(
        "a copy of which a write, a sync or a rename has failed is given up, and never published",
        "a call on this copy has failed",
        "gives the copy up, and the segment stays")),
    (Guard::PublishNeedsDurableRun, texts(
        "the manifest names a copy of a run only when the drive was synced since its rename",
        "the drive's directory was not synced since the run got its name",
        "syncs the drive's directory first")),
    (Guard::PublishNeedsVerifiedCopy, texts(
        "the manifest names a copy of a run only when it was read back, and was right",
        "nobody has read the copy back",
        "reads the copy back first, and gives up one that is wrong")),
    (Guard::RunHoldsItsRecords, texts(
        "the manifest names a run by the records that its blocks hold",
        "the run's blocks do not hold all of these",
        "names the run by exactly what its blocks hold")),
    (Guard::RunsLeaveNoGap, texts(
        "a run begins at or before the end of the archive, or at the trim point if that is above",
        "no run holds the records in front of it, which are in the segments that it replaces",
        "begins the run where the archive ends, here at the first record")),
    (Guard::OutputsStayWhenPublishFails, texts(
        "a run is not removed by the handle whose publish of it did not succeed",
        "the record that names it may be durable all the same",
        "gives the handle up and removes nothing: the next open sees what the manifest says")),
    (Guard::ReclaimNeedsDurablePublish, texts(
        "what a run replaces is removed only when the publish is durable in the manifest",
        "the manifest's record of the run is not synced",
        "syncs the manifest first")),
    (Guard::ReclaimNeedsCheckpoints, texts(
        "what a run replaces is removed only when each healthy drive durably holds a copy of the manifest \
        that names the run",
        "a drive has no durable copy of the manifest that names the run",
        "makes a copy of the manifest on each healthy drive first")),
    (Guard::ReclaimWaitsForReaders, texts(
        "what a run replaces is removed only when no reader of an older generation is left",
        "a reader still reads by the manifest that names it",
        "waits until that reader has let go")),
    (Guard::OrphanIsUnnamed, texts(
        "recovery removes a run only when the log's manifest does not name it",
        "the log's manifest names it",
        "looks into the manifest that it has just made, and lets the run stay")),
];
