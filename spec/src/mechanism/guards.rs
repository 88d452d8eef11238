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
    }
}

impl Guard {
    /// The condition.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::NoSuchStep => "the engine has no such step here",
            Self::AckNeedsSync => {
                "a record is acknowledged only at or below the watermark that its durability names"
            }
            Self::FailedBatchFailsAll => "nobody is acknowledged out of a batch whose write or sync failed",
            Self::PublishNeedsSync => "the durable watermark moves only over batches that a sync has covered",
            Self::PublishNeedsPathCheck => {
                "the durable watermark moves only after the path was seen to lead to the synced file"
            }
            Self::CheckFollowsSync => {
                "the durable watermark moves only after a look at the path that came behind the sync"
            }
            Self::WatermarkHasNoHole => "the durable watermark moves only if every batch below it is synced",
            Self::FailedSyncIsFinal => "a sync that failed is never tried again on the same bytes",
            Self::FailurePoisons => {
                "after a failed write or sync that matters the handle writes nothing more"
            }
            Self::ShortWriteBeforeSync => "a short write is finished before the sync",
            Self::OneCommitInFlight => {
                "a batch is written only when the batch before it is published, and right behind it"
            }
            Self::AckedBlockIsNeverRewritten => "a batch starts on a block of its own",
            Self::BatchInFreshSegment => "a batch is written only to a segment that this open has made",
            Self::BatchNeedsDurableName => "a segment's name is synced before its first batch",
            Self::BatchNeedsNamedSegment => "the manifest durably names a segment before its first batch",
            Self::RewriteNeedsNamedSegment => {
                "the manifest durably names a segment before recovery writes to it"
            }
            Self::RotateNeedsSync => "a batch enters a segment only when its predecessor is wholly synced",
            Self::RenameNeedsSync => "a file is synced before it is renamed to a name that counts",
            Self::EditAfterName => {
                "the manifest names a segment only when the directory was synced since its rename"
            }
            Self::EditInFreshManifest => "edits go only to a manifest file that this open has begun",
            Self::OneEditInFlight => {
                "an edit is written only when the manifest was synced since the edit before it"
            }
            Self::EditAfterCheckpointName => "edits go only to a manifest whose own name is synced",
            Self::IdentityComesLast => "the identity gets its name only when the first checkpoint is durable",
            Self::IdentityAfterAncestors => {
                "the identity gets its name only when the directories above are synced"
            }
            Self::IdentityVouchedBeforeReady => {
                "open returns only when the manifest vouches for the identity's name, or it was published again"
            }
            Self::UnlinkNeedsDurableTrim => {
                "a segment is unlinked only below a floor that is durable in the manifest"
            }
            Self::TrimmedNeedsDurableEdit => "a trim is confirmed only when its manifest edit is durable",
            Self::OnlyTheLastSegmentIsCut => {
                "only the last segment that is not empty is judged beyond its last batch"
            }
            Self::TornTailIsCut => "bytes that nothing vouches for are cut, and are not damage",
            Self::VouchedHoleIsDamage => {
                "bytes that something durable vouches for are damage, and are not cut"
            }
            Self::BatchNamesItsPlace => {
                "a batch is valid only under the identity, segment and offset that it names"
            }
            Self::TailRewrittenBeforeReady => {
                "open returns only when the valid batches that nothing vouches for are written again and synced"
            }
            Self::TailRewrittenWhole => "the unvouched tail is written again as one batch",
            Self::RewriteKeepsLsns => "the unvouched tail is written again under the LSNs that it has",
            Self::UnlockAfterAllResolved => "the handle is let go of only when every append was answered",
        }
    }
}

/// A step that the mechanism does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("refused by {guard}: {}", guard.says())]
pub struct Refused {
    /// What stands against it.
    pub guard: Guard,
}
