//! What each guard says, to a reader who knows storage and not Truelog.

use super::Guard;

/// A guard, told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Texts {
    /// The condition.
    pub says: &'static str,
    /// What is missing where it stands against a step: it goes on after "but".
    pub lacks: &'static str,
}

const fn texts(says: &'static str, lacks: &'static str) -> Texts {
    Texts { says, lacks }
}

/// All of them, in the order of the guards.
#[rustfmt::skip]
pub(super) const TEXTS: &[(Guard, Texts)] = &[
    (Guard::NoSuchStep, texts("the engine has no such step here", "")),
    (Guard::AckNeedsSync, texts(
        "a record whose batch has not failed is acknowledged only when the watermark that its durability names has come so far",
        "what is promised does not hold yet: the watermark that shows it has not come so far")),
    (Guard::FailedBatchFailsAll, texts(
        "nobody is acknowledged out of a batch whose write or sync failed",
        "the write or the sync of its batch has failed")),
    (Guard::PublishNeedsSync, texts(
        "the durable watermark moves to a batch only when a sync has covered that batch",
        "no sync that succeeded has covered it")),
    (Guard::PublishNeedsPathCheck, texts(
        "the durable watermark moves only after a check that the path leads to the synced file",
        "nobody has checked the path since the sync")),
    (Guard::CheckFollowsSync, texts(
        "the durable watermark moves only after a check of the path that came after the sync",
        "the path was only checked before the sync")),
    (Guard::WatermarkHasNoHole, texts(
        "the durable watermark moves over a batch only when that is synced, too",
        "the batch of a record below is not synced")),
    (Guard::FailedSyncIsFinal, texts(
        "a sync that failed is never tried again on the same bytes",
        "a sync of the same bytes has failed: the kernel may have nothing left to write")),
    (Guard::FailurePoisons, texts(
        "after a failed write or sync of a segment, the manifest or the log's directory the handle writes nothing more",
        "a write or a sync has failed before")),
    (Guard::ShortWriteBeforeSync, texts(
        "a short write is finished before the sync",
        "the rest of the batch is not written yet")),
    (Guard::OneCommitInFlight, texts(
        "a batch of new records is written only when the one before it is committed, and right behind it",
        "the record before it is not committed yet")),
    (Guard::AckedBlockIsNeverRewritten, texts(
        "a batch starts on a block of its own, and holds no record that was written before",
        "it is laid over a block that holds a batch already")),
    (Guard::BatchInFreshSegment, texts(
        "a batch is written only to a segment that this open has made",
        "an earlier life has made this segment, and what it left behind stands in front")),
    (Guard::BatchNeedsDurableName, texts(
        "a segment's name is synced before its first batch",
        "the directory was not synced since the segment got its name")),
    (Guard::BatchNeedsNamedSegment, texts(
        "the manifest durably names a segment before its first batch",
        "no durable manifest entry names the segment")),
    (Guard::RewriteNeedsNamedSegment, texts(
        "the manifest durably names a segment before recovery writes to it",
        "no durable manifest entry names the segment")),
    (Guard::RotateNeedsSync, texts(
        "a batch enters a segment only when its predecessor is wholly synced",
        "the segment before it is not synced")),
    (Guard::RenameNeedsSync, texts(
        "a file is synced before it is renamed to a name that counts",
        "its bytes are not synced")),
    (Guard::EditAfterName, texts(
        "the manifest names a segment only when the directory was synced since its rename",
        "the directory was not synced since the segment got its name")),
    (Guard::EditInFreshManifest, texts(
        "manifest entries go only to a manifest file that this open has begun",
        "it has made no manifest of its own: its entries will follow what the life before left")),
    (Guard::OneEditInFlight, texts(
        "a manifest entry is written only when the manifest was synced since the one before it",
        "the manifest was not synced since the entry before")),
    (Guard::EditAfterCheckpointName, texts(
        "manifest entries go only to a manifest whose own name is synced",
        "the directory was not synced since the new manifest got its name")),
    (Guard::IdentityComesLast, texts(
        "the identity gets its name only when the first manifest is durable",
        "there is no durable manifest yet")),
    (Guard::IdentityAfterAncestors, texts(
        "the identity gets its name only when the directories above are synced",
        "the directory above was not synced")),
    (Guard::IdentityVouchedBeforeReady, texts(
        "open returns only when the manifest vouches for the identity's name, or the identity was made again",
        "nothing shows that the identity's name is durable, and it was not made again")),
    (Guard::UnlinkNeedsDurableTrim, texts(
        "a segment is unlinked only below a floor that is durable in the manifest",
        "no durable manifest entry lets go of it")),
    (Guard::TrimmedNeedsDurableEdit, texts(
        "a trim is confirmed only when its manifest entry is durable",
        "the manifest's entry of the trim is not durable")),
    (Guard::OnlyTheLastSegmentIsCut, texts(
        "only the last segment that is not empty is judged beyond its last batch",
        "a later segment holds a valid batch")),
    (Guard::TornTailIsCut, texts(
        "bytes that nothing vouches for are cut, and are not damage",
        "nothing vouches for what is torn: nobody was promised it")),
    (Guard::VouchedHoleIsDamage, texts(
        "bytes that something else vouches for are damage, and are not cut",
        "something else vouches for what is cut")),
    (Guard::BatchNamesItsPlace, texts(
        "a batch is valid only in the log, segment and offset that it names",
        "one batch lies in the place of another, and is taken for that one")),
    (Guard::TailRewrittenBeforeReady, texts(
        "open returns only when the valid batches that nothing vouches for are written again and synced",
        "the batches that nothing vouches for were not written again")),
    (Guard::TailRewrittenWhole, texts(
        "the unvouched tail is written again as one batch",
        "the tail holds more than that")),
    (Guard::RewriteKeepsLsns, texts(
        "the unvouched tail is written again under the LSNs that it has",
        "what it writes again has a number already")),
    (Guard::UnlockAfterAllResolved, texts(
        "the handle is let go of only when every append was answered",
        "an append still waits for its answer")),
    (Guard::FailedCopyIsAbandoned, texts(
        "a copy of which a write, a sync or a rename has failed is given up, and never published",
        "a call on this copy has failed")),
    (Guard::PublishNeedsDurableRun, texts(
        "the manifest names a copy of a run only when the drive was synced since its rename",
        "the drive's directory was not synced since the run got its name")),
    (Guard::PublishNeedsVerifiedCopy, texts(
        "the manifest names a copy of a run only when it was read back, and was right",
        "nobody has read the copy back")),
    (Guard::RunHoldsItsRecords, texts(
        "the manifest names a run by the records that its blocks hold",
        "the run's blocks do not hold all of these")),
    (Guard::RunsLeaveNoGap, texts(
        "a run begins at or before the end of the archive, or at the trim point if that is above",
        "no run holds the records in front of it, which are in the segments that it replaces")),
    (Guard::OutputsStayWhenPublishFails, texts(
        "a run is not removed by the handle whose publish of it did not succeed",
        "the entry that names it may be durable all the same")),
    (Guard::ReclaimNeedsDurablePublish, texts(
        "what a run replaces is removed only when the publish is durable in the manifest",
        "the manifest's entry of the run is not synced")),
    (Guard::ReclaimNeedsCheckpoints, texts(
        "what a run replaces is removed only when each healthy drive durably holds a copy of the manifest \
        that names the run",
        "a drive has no durable copy of the manifest that names the run")),
    (Guard::ReclaimWaitsForReaders, texts(
        "what a run replaces is removed only when no reader of an older generation is left",
        "a reader still reads by the manifest that names it")),
    (Guard::OrphanIsUnnamed, texts(
        "recovery removes a run only when the log's manifest does not name it",
        "the log's manifest names it")),
];
