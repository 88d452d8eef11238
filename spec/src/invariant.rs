//! What Truelog promises, each promise with its one spelling.

use crate::text::words;

words! {
    /// A promise. Its name here is the property's name in the checker, the assertion's text, the heading in
    /// `docs/INVARIANTS.md` and the folder in `corpus/`. The order counts: a violation is named by the first
    /// row that it breaks.
    Invariant, "an invariant" {
        /// See [`Invariant::says`], as for all of them.
        AckedIsDurable = "acked-is-durable",
        /// Claims of durability point to what is durable.
        ClaimHasArtifact = "claim-has-artifact",
        /// A failed sync is final for the handle that saw it.
        NoAckAfterFailedSync = "no-ack-after-failed-sync",
        /// Recovery finds a gapless run.
        RecoveredIsPrefix = "recovered-is-prefix",
        /// Recovery finds only what was appended.
        NothingInvented = "nothing-invented",
        /// Recovery may be repeated and interrupted.
        RecoveryConverges = "recovery-converges",
        /// Torn bytes that nobody was promised are no damage.
        TornTailIsNotDamage = "torn-tail-is-not-damage",
        /// Damage is named.
        DamageIsLoud = "damage-is-loud",
        /// A name goes only after what replaces it is durable.
        ReclaimAfterPublish = "reclaim-after-publish",
        /// Compaction changes no read.
        CompactionPreservesReads = "compaction-preserves-reads",
        /// Prefetch serves what was asked for.
        ReadNeverStale = "read-never-stale",
        /// FPRE004 is unreachable.
        VerifySeesOneState = "verify-sees-one-state",
        /// Quarantine is bounded, durable and deserved.
        QuarantineLosesNothing = "quarantine-loses-nothing",
        /// Health is never better than the worst part.
        HealthTellsTruth = "health-tells-truth",
        /// What goes in comes out, is refused or is pending.
        BooksBalance = "books-balance",
        /// No append is dropped in silence.
        AppendResolves = "append-resolves",
    }
}

words! {
    /// Whether some check can see an invariant broken.
    Status, "a status" {
        /// Checked by the checks that `docs/INVARIANTS.md` names.
        Checked = "checked",
        /// No check can see it broken yet: what it speaks of is not built, or not modelled.
        Unchecked = "UNCHECKED",
    }
}

impl Invariant {
    /// What it says, in one paragraph.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::AckedIsDurable => {
                "Every acknowledged record is recovered, byte for byte, after any crash that its receipt's \
                 durability names, a crash inside recovery included, any number of times. What `open` returned \
                 counts as acknowledged."
            }
            Self::ClaimHasArtifact => {
                "When a receipt, a log line, a metric or a health report claims durability, the artifact (its \
                 name and its bytes) is already durable."
            }
            Self::NoAckAfterFailedSync => {
                "No append whose sync had not succeeded before a failed write-back is ever acknowledged by that \
                 handle; only a new open recovers."
            }
            Self::RecoveredIsPrefix => {
                "From the trim point on, outside named damage, what is recovered is a gapless run of LSNs, whole \
                 batches only."
            }
            Self::NothingInvented => {
                "Every recovered record was appended, once, under that LSN, stream, sequence and payload: nothing \
                 duplicated, resurrected, misattributed. An unresolved append appears at most once, in its \
                 writer's order, its batch whole."
            }
            Self::RecoveryConverges => {
                "Recovery is idempotent, and an append after it is as safe as the first."
            }
            Self::TornTailIsNotDamage => {
                "What a crash alone leaves torn, missing or half made is never taken for damage: the log opens, for \
                 appends too."
            }
            Self::DamageIsLoud => {
                "Damage to bytes that something else durable vouches for is never returned as data and never \
                 silently cut: the LSN range is named, kept, quarantined."
            }
            Self::ReclaimAfterPublish => {
                "A segment or a run is removed only when the manifest that no longer needs it is durable: in \
                 the log's directory and, where a run takes its place, in a copy on each healthy drive."
            }
            Self::CompactionPreservesReads => {
                "Each LSN not trimmed reads the same bytes before, during and after a compaction, and after a \
                 crash anywhere in it."
            }
            Self::ReadNeverStale => {
                "No read is served from a buffer of another block, generation or length than asked for."
            }
            Self::VerifySeesOneState => {
                "Verification compares the bytes and the metadata of one state, never the bytes of one write \
                 with the checksum of another; \"last write pending\" and \"cache ready\" are never observed \
                 together (FPRE004 is unreachable)."
            }
            Self::QuarantineLosesNothing => {
                "Retries are bounded; a quarantine is durable; no race quarantines a healthy drive; with one \
                 healthy copy left every read is byte-exact; a remapped block is verified before it serves."
            }
            Self::HealthTellsTruth => {
                "Health is never better than the worst of: poisoned, damaged, quarantined, unaudited for too long."
            }
            Self::BooksBalance => {
                "On every edge between two stages: in = out + rejected + pending, by packet identity, not by count."
            }
            Self::AppendResolves => {
                "Every append ends in a receipt or a typed error; overload pushes back, nothing is dropped in \
                 silence."
            }
        }
    }

    /// Whether a trace can show it broken. A trace's lines are calls and what becomes of the disk; what a log says of itself
    /// has none, so that mutants of the engine show those two.
    #[must_use]
    pub const fn is_shown_by_traces(self) -> bool {
        !matches!(self, Self::HealthTellsTruth | Self::BooksBalance)
    }

    /// Whether a check exists that can see it broken. The list is pinned by a test.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::AckedIsDurable
            | Self::ClaimHasArtifact
            | Self::NoAckAfterFailedSync
            | Self::RecoveredIsPrefix
            | Self::NothingInvented
            | Self::RecoveryConverges
            | Self::TornTailIsNotDamage
            | Self::DamageIsLoud
            | Self::ReclaimAfterPublish
            | Self::CompactionPreservesReads
            | Self::ReadNeverStale
            | Self::VerifySeesOneState
            | Self::QuarantineLosesNothing
            | Self::HealthTellsTruth
            | Self::BooksBalance
            | Self::AppendResolves => Status::Checked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_unchecked() {
        let unchecked: Vec<&str> = Invariant::ALL
            .iter()
            .filter(|one| one.status() == Status::Unchecked)
            .map(|one| one.as_str())
            .collect();
        assert_eq!(unchecked, [""; 0]);
    }

    #[test]
    fn each_is_spelled_as_its_variant() {
        assert_eq!(Invariant::ALL.len(), 16);
        for one in Invariant::ALL {
            let camel: String =
                one.as_str().split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
            assert_eq!(format!("{one:?}"), camel);
            assert_eq!(one.as_str().parse::<Invariant>().as_ref(), Ok(one));
        }
        let error = "acked".parse::<Invariant>().unwrap_err().to_string();
        assert!(error.contains("acked-is-durable") && error.contains("\"acked\""), "{error}");
    }
}
