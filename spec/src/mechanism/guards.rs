//! The conditions under which the mechanism takes a step. Each has a name, so that a refusal says which rule
//! of the design stands against the step, and so that a [switch](crate::switches) can turn it off.

mod texts;

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

impl Guard {
    const fn texts(self) -> texts::Texts {
        texts::TEXTS[self as usize].1
    }

    /// The condition.
    #[must_use]
    pub const fn says(self) -> &'static str {
        self.texts().says
    }

    /// What is missing where it stands against a step, as it goes on after "but".
    #[must_use]
    pub const fn lacks(self) -> &'static str {
        self.texts().lacks
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
        let order: Vec<Guard> = texts::TEXTS.iter().map(|(guard, _)| *guard).collect();
        assert_eq!(order, Guard::ALL);
        let texts: std::collections::BTreeSet<&str> = Guard::ALL.iter().map(|guard| guard.says()).collect();
        assert_eq!(texts.len(), Guard::ALL.len());
        for guard in Guard::ALL.iter().filter(|guard| **guard != Guard::NoSuchStep) {
            assert!(!guard.lacks().is_empty(), "{guard}");
        }
    }
}
