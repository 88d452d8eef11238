//! Design decisions, each of which can be turned off. A switch names the one invariant that its decision
//! protects, and the guard of the mechanism that stands for the decision; with the guard off, the checker finds
//! a shortest path to that invariant's violation.

mod story;

pub use story::Story;

use crate::invariant::Invariant;
use crate::mechanism::{Ending, Guard, Mechanism, replay, walk};
use crate::model;
use crate::scopes::{self, Scope};
use crate::step::{ClientStep, Step};
use crate::text::words;
use crate::trace::{Head, Line, Trace};

words! {
    /// A design decision, by what the engine does without it.
    Switch, "a switch" {
        /// See [`Switch::story`], as for all of them.
        AckOnWrite = "ack-on-write",
        /// The directory is not synced after a segment's rename.
        NoDirSyncOnSegment = "no-dir-sync-on-segment",
        /// The directory above is not synced.
        NoAncestorSync = "no-ancestor-sync",
        /// The identity is taken on trust.
        IdentityNotVouched = "identity-not-vouched",
        /// A checkpoint's rename is not made durable.
        CheckpointWithoutDirSync = "checkpoint-without-dir-sync",
        /// Valid bytes in the cache are returned as they are.
        TrustCachedBytes = "trust-cached-bytes-at-recovery",
        /// New batches follow the torn ones.
        AppendBehindTornTail = "append-behind-torn-tail",
        /// Recovery cuts in any segment.
        CutAcrossASegment = "cut-across-a-segment",
        /// The last block is filled up.
        RewriteAckedBlock = "rewrite-block-with-acked-bytes",
        /// Two leaders at once.
        TwoCommitsInFlight = "two-commits-in-flight",
        /// The rest of a short write comes late.
        ShortWriteFinishedLater = "short-write-finished-after-sync",
        /// The watermark moves with the write.
        ClaimBeforeSync = "claim-before-sync",
        /// The watermark is the highest that was synced.
        WatermarkPassesHole = "watermark-passes-hole",
        /// The path is never looked at.
        NoPathCheck = "no-path-check",
        /// The path is looked at once, before the sync.
        PathCheckBeforeSync = "path-check-before-sync",
        /// A failed sync is tried again.
        RetryFailedSync = "retry-failed-sync",
        /// The next commit forgets the failure.
        SyncFailureForgotten = "sync-failure-forgotten",
        /// Only the leader hears of the failure.
        LeaderFailsFollowersOk = "leader-fails-followers-ok",
        /// The old segment is left unsynced.
        RotateWithoutSync = "rotate-without-sync",
        /// The tail is written again bit by bit.
        RewriteHalfTheTail = "recovery-rewrites-half-the-tail",
        /// The tail gets new LSNs.
        RewriteUnderNewLsns = "recovery-appends-the-tail-again",
        /// A batch does not say where it belongs.
        NoIdentityInChecksum = "no-identity-in-checksum",
        /// Recovery writes before the manifest knows where.
        RewriteIntoUnnamedSegment = "rewrite-into-unnamed-segment",
        /// A batch is written before the manifest names its segment.
        BatchIntoUnnamedSegment = "batch-before-manifest-edit",
        /// The manifest is ahead of the directory.
        ManifestBeforeName = "manifest-before-name",
        /// A file is renamed with its bytes in flight.
        RenameBeforeSync = "rename-before-sync",
        /// Edits follow the torn one.
        EditBehindTornEdit = "edit-behind-torn-edit",
        /// Two edits wait for one sync.
        TwoEditsInFlight = "two-edits-in-flight",
        /// The identity is there before the manifest.
        IdentityFirst = "identity-first",
        /// A torn tail is an error.
        TornTailIsFatal = "torn-tail-is-fatal",
        /// Damage is cut.
        DamageIsTornTail = "damage-is-torn-tail",
        /// A segment goes before the manifest says so.
        UnlinkBeforeTrimDurable = "unlink-before-trim-durable",
        /// A handle ends with appends unanswered.
        CloseForgetsWaiting = "close-forgets-waiting",
        /// The manifest names a run whose name may go.
        PublishBeforeRunDurable = "publish-before-run-durable",
        /// Sources go before their replacement is named.
        ReclaimBeforePublish = "reclaim-before-publish",
        /// Sources go before the drives know of their replacement.
        ReclaimBeforeCheckpoints = "reclaim-before-checkpoints",
        /// A failed publish cleans up behind itself.
        OutputsDeletedWhenPublishFails = "outputs-deleted-when-publish-fails",
        /// Recovery takes an old view for the newest.
        RecoveryDeletesNamedRun = "recovery-deletes-named-run",
        /// Sources go while they are read.
        ReclaimWithoutWaiting = "reclaim-without-waiting-for-readers",
        /// A run leaves records out.
        RunDropsRecords = "run-drops-records",
        /// A run begins behind a record that no run holds.
        RunLeavesGap = "run-leaves-a-gap",
        /// A copy counts unread.
        PublishUnverifiedCopy = "publish-unverified-copy",
        /// A sync that failed is taken for done.
        GivenUpMeansDone = "given-up-means-done",
    }
}

impl Switch {
    /// The guards that it turns off. The first one is the decision; others only repeat it later on the path.
    #[must_use]
    pub const fn guards(self) -> &'static [Guard] {
        match self {
            Self::AckOnWrite => &[Guard::AckNeedsSync],
            Self::NoDirSyncOnSegment => &[Guard::EditAfterName, Guard::BatchNeedsDurableName],
            Self::NoAncestorSync => &[Guard::IdentityAfterAncestors],
            Self::IdentityNotVouched => &[Guard::IdentityVouchedBeforeReady],
            Self::CheckpointWithoutDirSync => &[Guard::EditAfterCheckpointName],
            Self::TrustCachedBytes => &[Guard::TailRewrittenBeforeReady],
            Self::AppendBehindTornTail => &[Guard::BatchInFreshSegment],
            Self::CutAcrossASegment => &[Guard::OnlyTheLastSegmentIsCut],
            Self::RewriteAckedBlock => &[Guard::AckedBlockIsNeverRewritten],
            Self::TwoCommitsInFlight => &[Guard::OneCommitInFlight],
            Self::ShortWriteFinishedLater => &[Guard::ShortWriteBeforeSync],
            Self::ClaimBeforeSync => &[Guard::PublishNeedsSync],
            Self::WatermarkPassesHole => &[Guard::WatermarkHasNoHole],
            Self::NoPathCheck => &[Guard::PublishNeedsPathCheck],
            Self::PathCheckBeforeSync => &[Guard::CheckFollowsSync],
            Self::RetryFailedSync => &[Guard::FailedSyncIsFinal],
            Self::SyncFailureForgotten => &[Guard::FailurePoisons],
            Self::LeaderFailsFollowersOk => &[Guard::FailedBatchFailsAll],
            Self::RotateWithoutSync => &[Guard::RotateNeedsSync],
            Self::RewriteHalfTheTail => &[Guard::TailRewrittenWhole],
            Self::RewriteUnderNewLsns => &[Guard::RewriteKeepsLsns],
            Self::NoIdentityInChecksum => &[Guard::BatchNamesItsPlace],
            Self::RewriteIntoUnnamedSegment => &[Guard::RewriteNeedsNamedSegment],
            Self::BatchIntoUnnamedSegment => &[Guard::BatchNeedsNamedSegment],
            Self::ManifestBeforeName => &[Guard::EditAfterName],
            Self::RenameBeforeSync => &[Guard::RenameNeedsSync],
            Self::EditBehindTornEdit => &[Guard::EditInFreshManifest],
            Self::TwoEditsInFlight => &[Guard::OneEditInFlight],
            Self::IdentityFirst => &[Guard::IdentityComesLast],
            Self::TornTailIsFatal => &[Guard::TornTailIsCut],
            Self::DamageIsTornTail => &[Guard::VouchedHoleIsDamage],
            Self::UnlinkBeforeTrimDurable => &[Guard::UnlinkNeedsDurableTrim],
            Self::CloseForgetsWaiting => &[Guard::UnlockAfterAllResolved],
            Self::PublishBeforeRunDurable => &[Guard::PublishNeedsDurableRun],
            Self::ReclaimBeforePublish => &[
                Guard::ReclaimNeedsDurablePublish,
                Guard::ReclaimNeedsCheckpoints,
                Guard::ReclaimWaitsForReaders,
            ],
            Self::ReclaimBeforeCheckpoints => &[Guard::ReclaimNeedsCheckpoints],
            Self::OutputsDeletedWhenPublishFails => &[Guard::OutputsStayWhenPublishFails],
            Self::RecoveryDeletesNamedRun => &[Guard::OrphanIsUnnamed],
            Self::ReclaimWithoutWaiting => &[Guard::ReclaimWaitsForReaders],
            Self::RunDropsRecords => &[Guard::RunHoldsItsRecords],
            Self::RunLeavesGap => &[Guard::RunsLeaveNoGap],
            Self::PublishUnverifiedCopy => &[Guard::PublishNeedsVerifiedCopy],
            Self::GivenUpMeansDone => &[Guard::FailedCopyIsAbandoned],
        }
    }

    /// The invariant that the decision protects.
    #[must_use]
    pub const fn invariant(self) -> Invariant {
        match self {
            Self::AckOnWrite
            | Self::NoDirSyncOnSegment
            | Self::NoAncestorSync
            | Self::IdentityNotVouched
            | Self::CheckpointWithoutDirSync
            | Self::TrustCachedBytes
            | Self::AppendBehindTornTail
            | Self::CutAcrossASegment
            | Self::RewriteAckedBlock
            | Self::TwoCommitsInFlight
            | Self::ShortWriteFinishedLater
            | Self::TwoEditsInFlight
            | Self::PublishBeforeRunDurable => Invariant::AckedIsDurable,
            Self::ClaimBeforeSync
            | Self::WatermarkPassesHole
            | Self::NoPathCheck
            | Self::PathCheckBeforeSync => Invariant::ClaimHasArtifact,
            Self::RetryFailedSync | Self::SyncFailureForgotten | Self::LeaderFailsFollowersOk => {
                Invariant::NoAckAfterFailedSync
            }
            Self::RotateWithoutSync | Self::RewriteHalfTheTail => Invariant::RecoveredIsPrefix,
            Self::RewriteUnderNewLsns | Self::NoIdentityInChecksum => Invariant::NothingInvented,
            Self::RewriteIntoUnnamedSegment => Invariant::RecoveryConverges,
            Self::BatchIntoUnnamedSegment
            | Self::ManifestBeforeName
            | Self::RenameBeforeSync
            | Self::EditBehindTornEdit
            | Self::IdentityFirst
            | Self::TornTailIsFatal => Invariant::TornTailIsNotDamage,
            Self::DamageIsTornTail => Invariant::DamageIsLoud,
            Self::UnlinkBeforeTrimDurable
            | Self::ReclaimBeforePublish
            | Self::ReclaimBeforeCheckpoints
            | Self::OutputsDeletedWhenPublishFails
            | Self::RecoveryDeletesNamedRun => Invariant::ReclaimAfterPublish,
            Self::ReclaimWithoutWaiting
            | Self::RunDropsRecords
            | Self::RunLeavesGap
            | Self::PublishUnverifiedCopy
            | Self::GivenUpMeansDone => Invariant::CompactionPreservesReads,
            Self::CloseForgetsWaiting => Invariant::AppendResolves,
        }
    }

    /// The mechanism without the decision.
    #[must_use]
    pub fn mechanism(self) -> Mechanism {
        Mechanism::without(self.guards())
    }

    /// Where the corpus keeps its trace, from the root of the repository.
    #[must_use]
    pub fn path(self) -> String {
        format!("corpus/{}/{self}.trace", self.invariant())
    }

    /// The world in which the path is looked for.
    #[must_use]
    pub fn scope(self) -> Scope {
        scopes::hunting_ground(self)
    }
}

/// A switch that yields no path: the decision protects nothing, or the scope is too small.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTrace {
    /// The search ended without a violation.
    #[error("switch {0}: no path in scope {1} breaks {2}")]
    NotFound(Switch, &'static str, Invariant),
    /// The path is not what it should be.
    #[error("switch {switch}: with it {with:?}, without it {without:?}")]
    WrongEnding {
        /// Which.
        switch: Switch,
        /// How the path ends with the guards off.
        with: Ending,
        /// How it ends on the design.
        without: Ending,
    },
}

/// The shortest counterexample of a switch, as the corpus holds it, but for what the corpus says of other code.
///
/// # Errors
/// [`NoTrace`], if there is none.
pub fn counterexample(switch: Switch) -> Result<Trace, NoTrace> {
    let (scope, invariant) = (switch.scope(), switch.invariant());
    let path = model::hunt(&scope, switch.mechanism(), invariant);
    let path = path.ok_or(NoTrace::NotFound(switch, scope.name, invariant))?;
    let steps = shorten(switch.mechanism(), scope.prefix.iter().cloned().chain(path).collect());
    let mut lines: Vec<Line> = steps.iter().map(|step| Line::new(step.clone(), None)).collect();
    if let Some(last) = lines.last_mut() {
        last.violates = true;
    }
    let trace = Trace {
        invariant,
        found_by: format!("stateright scope={}", scope.name),
        mutant: Some(switch.to_string()),
        head: Head::Reached,
        code: None,
        with: Vec::new(),
        lines,
    };
    stated(switch, trace)
}

/// States how the path ends on the design, and makes sure that it ends as the switch says.
///
/// # Errors
/// [`NoTrace::WrongEnding`].
pub fn stated(switch: Switch, mut trace: Trace) -> Result<Trace, NoTrace> {
    let steps: Vec<Step> = trace.lines.iter().map(|line| line.step.clone()).collect();
    let replayed = walk(switch.mechanism(), &steps);
    let (without, _) = replay(Mechanism::default(), &steps);
    let with = replayed.ending.clone();
    let broken = Ending::Violated { line: steps.len(), invariant: trace.invariant };
    match (&with, &without) {
        (ending, Ending::Refused { line, guard }) if *ending == broken && switch.guards().contains(guard) => {
            trace.head = Head::Refused { line: *line, guard: guard.to_string() };
            if let Some(last) = trace.lines.last_mut().filter(|last| opens(&last.step)) {
                last.outcome = replayed.recovered();
            }
            Ok(trace)
        }
        _ => Err(NoTrace::WrongEnding { switch, with, without }),
    }
}

const fn opens(step: &Step) -> bool {
    matches!(step, Step::Client(ClientStep::Create | ClientStep::Open))
}

/// Leaves out the engine steps of creates and opens that ran undisturbed: a replay fills them in.
fn shorten(mechanism: Mechanism, mut steps: Vec<Step>) -> Vec<Step> {
    let Ending::Violated { invariant, .. } = replay(mechanism, &steps).0 else { return steps };
    for index in (0..steps.len()).rev().filter(|&index| index < steps.len()).collect::<Vec<_>>() {
        if !opens(&steps[index]) {
            continue;
        }
        let run = steps[index + 1..].iter().take_while(|step| matches!(step, Step::Engine(_))).count();
        let mut tried = steps.clone();
        tried.drain(index + 1..index + 1 + run);
        if replay(mechanism, &tried).0 == (Ending::Violated { line: tried.len(), invariant }) {
            steps = tried;
        }
    }
    steps
}

#[cfg(test)]
mod tests;
