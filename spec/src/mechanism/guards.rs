//! The conditions under which the mechanism takes a step. Each has a name, so that a refusal says which rule
//! of the design stands against the step, and so that a [switch](crate::switches) can turn it off.

use crate::text::words;

words! {
    /// A condition on a step. [`Guard::says`] states it.
    Guard, "a guard" {
        /// Not one of the design's decisions: the step makes no sense here at all.
        NoSuchStep = "no-such-step",
        /// See [`Guard::says`], as for all of them.
        AckNeedsSync = "ack-needs-sync",
        /// A failed batch has failed for all who wait for it.
        FailedBatchFailsAll = "failed-batch-fails-all",
        /// The watermark follows the sync.
        PublishNeedsSync = "publish-needs-sync",
        /// The watermark follows the look at the path.
        PublishNeedsPathCheck = "publish-needs-path-check",
        /// A look at the path before the sync is none.
        CheckFollowsSync = "check-follows-sync",
        /// The watermark passes nothing that is not durable.
        WatermarkHasNoHole = "watermark-has-no-hole",
        /// A sync that failed is not tried again.
        FailedSyncIsFinal = "failed-sync-is-final",
        /// Nothing is written by a handle that has failed.
        FailurePoisons = "failure-poisons",
        /// The rest of a short write comes before the sync.
        ShortWriteBeforeSync = "short-write-before-sync",
        /// One commit at a time.
        OneCommitInFlight = "one-commit-in-flight",
        /// A block with acknowledged bytes is never written again.
        AckedBlockIsNeverRewritten = "acked-block-is-never-rewritten",
        /// Each open appends to segments of its own.
        BatchInFreshSegment = "batch-in-fresh-segment",
        /// A segment's name is durable before its first batch.
        BatchNeedsDurableName = "batch-needs-durable-name",
        /// A segment is named by the durable manifest before its first batch.
        BatchNeedsNamedSegment = "batch-needs-named-segment",
        /// As above, for what recovery writes again.
        RewriteNeedsNamedSegment = "rewrite-needs-named-segment",
        /// The predecessor is wholly synced first.
        RotateNeedsSync = "rotate-needs-sync",
        /// What is renamed to a name that counts is synced first.
        RenameNeedsSync = "rename-needs-sync",
        /// The manifest names only what the directory durably holds.
        EditAfterName = "edit-after-name",
        /// The manifest is a file of this open.
        EditInFreshManifest = "edit-in-fresh-manifest",
        /// One edit at a time.
        OneEditInFlight = "one-edit-in-flight",
        /// The manifest's own name is durable before it is relied upon.
        EditAfterCheckpointName = "edit-after-checkpoint-name",
        /// The identity comes last.
        IdentityComesLast = "identity-comes-last",
        /// The directories above are synced before the directory is a log.
        IdentityAfterAncestors = "identity-after-ancestors",
        /// An identity whose name may not be durable is published again.
        IdentityVouchedBeforeReady = "identity-vouched-before-ready",
        /// Nothing is unlinked before the manifest that replaces it is durable.
        UnlinkNeedsDurableTrim = "unlink-needs-durable-trim",
        /// A trim is confirmed once it is durable.
        TrimmedNeedsDurableEdit = "trimmed-needs-durable-edit",
        /// Only the last segment that is not empty has a tail.
        OnlyTheLastSegmentIsCut = "only-the-last-segment-is-cut",
        /// What nothing vouches for is cut.
        TornTailIsCut = "torn-tail-is-cut",
        /// What something durable vouches for is not cut.
        VouchedHoleIsDamage = "vouched-hole-is-damage",
        /// A batch is valid only in its place.
        BatchNamesItsPlace = "batch-names-its-place",
        /// What open returns is durable.
        TailRewrittenBeforeReady = "tail-rewritten-before-ready",
        /// The tail is written again as one batch.
        TailRewrittenWhole = "tail-rewritten-whole",
        /// The tail is written again under its own LSNs.
        RewriteKeepsLsns = "rewrite-keeps-lsns",
        /// A handle is let go of once everybody was told.
        UnlockAfterAllResolved = "unlock-after-all-resolved",
        /// A copy of which a call has failed is not gone on with.
        FailedCopyIsAbandoned = "failed-copy-is-abandoned",
        /// The manifest names only copies whose names their drives durably hold.
        PublishNeedsDurableRun = "publish-needs-durable-run",
        /// A copy is read back before it counts.
        PublishNeedsVerifiedCopy = "publish-needs-verified-copy",
        /// A run holds what the manifest says.
        RunHoldsItsRecords = "run-holds-its-records",
        /// Runs follow one another.
        RunsLeaveNoGap = "runs-leave-no-gap",
        /// What a failed publish has made is kept.
        OutputsStayWhenPublishFails = "outputs-stay-when-publish-fails",
        /// Sources go only when their replacement is durable.
        ReclaimNeedsDurablePublish = "reclaim-needs-durable-publish",
        /// Sources go only when each drive knows of their replacement.
        ReclaimNeedsCheckpoints = "reclaim-needs-checkpoints",
        /// Sources go only when nobody reads them.
        ReclaimWaitsForReaders = "reclaim-waits-for-readers",
        /// Recovery removes only runs that the manifest does not name.
        OrphanIsUnnamed = "orphan-is-unnamed",
    }
}

/// What each guard says, in the order of the guards.
#[rustfmt::skip]
const SAYS: &[(Guard, &str)] = &[
    (Guard::NoSuchStep, "the engine has no such step here"),
    (Guard::AckNeedsSync,
        "a record is acknowledged only at or below the watermark that its durability names"),
    (Guard::FailedBatchFailsAll, "nobody is acknowledged out of a batch whose write or sync failed"),
    (Guard::PublishNeedsSync, "the durable watermark moves only over batches that a sync has covered"),
    (Guard::PublishNeedsPathCheck,
        "the durable watermark moves only after the path was seen to lead to the synced file"),
    (Guard::CheckFollowsSync,
        "the durable watermark moves only after a look at the path that came after the sync"),
    (Guard::WatermarkHasNoHole, "the durable watermark moves only if every batch below it is synced"),
    (Guard::FailedSyncIsFinal, "a sync that failed is never tried again on the same bytes"),
    (Guard::FailurePoisons, "after a failed write or sync that matters the handle writes nothing more"),
    (Guard::ShortWriteBeforeSync, "a short write is finished before the sync"),
    (Guard::OneCommitInFlight,
        "a batch is written only when the batch before it is published, and right after it"),
    (Guard::AckedBlockIsNeverRewritten, "a batch starts on a block of its own"),
    (Guard::BatchInFreshSegment, "a batch is written only to a segment that this open has made"),
    (Guard::BatchNeedsDurableName, "a segment's name is synced before its first batch"),
    (Guard::BatchNeedsNamedSegment, "the manifest durably names a segment before its first batch"),
    (Guard::RewriteNeedsNamedSegment, "the manifest durably names a segment before recovery writes to it"),
    (Guard::RotateNeedsSync, "a batch enters a segment only when its predecessor is wholly synced"),
    (Guard::RenameNeedsSync, "a file is synced before it is renamed to a name that counts"),
    (Guard::EditAfterName,
        "the manifest names a segment only when the directory was synced since its rename"),
    (Guard::EditInFreshManifest, "edits go only to a manifest file that this open has begun"),
    (Guard::OneEditInFlight, "an edit is written only when the manifest was synced since the edit before it"),
    (Guard::EditAfterCheckpointName, "edits go only to a manifest whose own name is synced"),
    (Guard::IdentityComesLast, "the identity gets its name only when the first checkpoint is durable"),
    (Guard::IdentityAfterAncestors, "the identity gets its name only when the directories above are synced"),
    (Guard::IdentityVouchedBeforeReady,
        "open returns only when the manifest vouches for the identity's name, or it was published again"),
    (Guard::UnlinkNeedsDurableTrim,
        "a segment is unlinked only below a floor that is durable in the manifest"),
    (Guard::TrimmedNeedsDurableEdit, "a trim is confirmed only when its manifest edit is durable"),
    (Guard::OnlyTheLastSegmentIsCut,
        "only the last segment that is not empty is judged beyond its last batch"),
    (Guard::TornTailIsCut, "bytes that nothing vouches for are cut, and are not damage"),
    (Guard::VouchedHoleIsDamage, "bytes that something durable vouches for are damage, and are not cut"),
    (Guard::BatchNamesItsPlace, "a batch is valid only under the identity, segment and offset that it names"),
    (Guard::TailRewrittenBeforeReady,
        "open returns only when the valid batches that nothing vouches for are written again and synced"),
    (Guard::TailRewrittenWhole, "the unvouched tail is written again as one batch"),
    (Guard::RewriteKeepsLsns, "the unvouched tail is written again under the LSNs that it has"),
    (Guard::UnlockAfterAllResolved, "the handle is let go of only when every append was answered"),
    (Guard::FailedCopyIsAbandoned,
        "a copy of which a write, a sync or a rename has failed is given up, and never published"),
    (Guard::PublishNeedsDurableRun,
        "the manifest names a copy of a run only when the drive was synced since its rename"),
    (Guard::PublishNeedsVerifiedCopy,
        "the manifest names a copy of a run only when it was read back, and was right"),
    (Guard::RunHoldsItsRecords, "the manifest names a run by the records that its blocks hold"),
    (Guard::RunsLeaveNoGap,
        "a run begins at or before the end of the archive, or at the trim point if that is above"),
    (Guard::OutputsStayWhenPublishFails,
        "a run is not removed by the handle whose publish of it did not succeed"),
    (Guard::ReclaimNeedsDurablePublish,
        "what a run replaces is removed only when the publish is durable in the manifest"),
    (Guard::ReclaimNeedsCheckpoints,
        "what a run replaces is removed only when each healthy drive durably holds a checkpoint that names \
        the run"),
    (Guard::ReclaimWaitsForReaders,
        "what a run replaces is removed only when no reader of an older generation is left"),
    (Guard::OrphanIsUnnamed, "recovery removes a run only when the log's manifest does not name it"),
];

impl Guard {
    /// The condition.
    #[must_use]
    pub const fn says(self) -> &'static str {
        SAYS[self as usize].1
    }
}

/// A step that the mechanism does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refused by {guard}: {}", guard.says())]
pub struct Refused {
    /// What stands against it.
    pub guard: Guard,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_guard_says_something_of_its_own() {
        let order: Vec<Guard> = SAYS.iter().map(|(guard, _)| *guard).collect();
        assert_eq!(order, Guard::ALL);
        let texts: std::collections::BTreeSet<&str> = Guard::ALL.iter().map(|guard| guard.says()).collect();
        assert_eq!(texts.len(), Guard::ALL.len());
    }
}
