//! Which part of an invariant a path breaks: most promise several things.

use std::path::Path;

use truelog_spec::Invariant;

/// The part that a path of this name breaks; nothing where the invariant is one promise, or nobody has said.
fn broken(invariant: Invariant, path: &str) -> &'static str {
    let name = Path::new(path).file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    match (invariant, name) {
        (Invariant::AckedIsDurable, "trust-cached-bytes-at-recovery") => {
            "What `open` returned counts as acknowledged."
        }
        (Invariant::ClaimHasArtifact, "no-path-check" | "path-check-before-sync") => "name",
        (Invariant::ClaimHasArtifact, "claim-before-sync" | "watermark-passes-hole") => "bytes",
        (Invariant::RecoveredIsPrefix, "rotate-without-sync") => "a gapless run of LSNs",
        (Invariant::RecoveredIsPrefix, "recovery-rewrites-half-the-tail") => "whole batches only",
        (Invariant::NothingInvented, "no-identity-in-checksum") => "misattributed",
        (Invariant::NothingInvented, "recovery-appends-the-tail-again") => "duplicated",
        (Invariant::NothingInvented, "trim-takes-the-stream-table") => "sequence",
        (Invariant::RecoveryConverges, "rewrite-into-unnamed-segment") => "Recovery is idempotent",
        (Invariant::RecoveryConverges, "mark-continued-from-the-cache") => {
            "an append after it is as safe as the first"
        }
        (Invariant::TornTailIsNotDamage, "torn-tail-is-fatal") => "torn",
        (Invariant::TornTailIsNotDamage, "edit-behind-torn-edit" | "manifest-before-name") => "missing",
        (
            Invariant::TornTailIsNotDamage,
            "batch-before-manifest-edit" | "identity-first" | "rename-before-sync",
        ) => "half made",
        (Invariant::DamageIsLoud, "damage-is-torn-tail") => "never silently cut",
        (Invariant::ReclaimAfterPublish, "reclaim-before-checkpoints") => "in a copy on each healthy drive",
        (
            Invariant::ReclaimAfterPublish,
            "outputs-deleted-when-publish-fails"
            | "reclaim-before-publish"
            | "recovery-deletes-named-run"
            | "unlink-before-trim-durable",
        ) => "in the log's directory",
        (Invariant::CompactionPreservesReads, "given-up-means-done") => "after a crash anywhere in it",
        (
            Invariant::CompactionPreservesReads,
            "publish-unverified-copy"
            | "reclaim-under-a-reader"
            | "reclaim-without-waiting-for-readers"
            | "run-drops-records"
            | "run-leaves-a-gap",
        ) => "after a compaction",
        (Invariant::ReadNeverStale, "slot-taken-on-trust") => "another block",
        (Invariant::ReadNeverStale, "no-generation-in-the-word") => "generation",
        (
            Invariant::ReadNeverStale,
            "prefetch-drops-prefix" | "short-prefetch-is-eof" | "pin-by-add" | "retire-ignores-pins",
        ) => "length",
        (Invariant::VerifySeesOneState, "cache-before-write-done" | "back-off-before-ready") => {
            "never the bytes of one write with the checksum of another"
        }
        (Invariant::VerifySeesOneState, "verify-reads-in-wrong-order") => "never observed together",
        (Invariant::QuarantineLosesNothing, "publish-before-verify") => {
            "with one healthy copy left every read is byte-exact"
        }
        (Invariant::QuarantineLosesNothing, "quarantine-at-first-fault") => "Retries are bounded",
        (Invariant::QuarantineLosesNothing, "race-counts-as-fault") => "no race quarantines a healthy drive",
        _ => "",
    }
}

/// What an invariant says, with the part in bold that the trace of this path breaks.
pub(super) fn marked(invariant: Invariant, path: &str) -> String {
    match broken(invariant, path) {
        "" => invariant.says().to_owned(),
        part => invariant.says().replacen(part, &format!("**{part}**"), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is marked must be there; a path of the corpus that breaks a promise of many parts says which.
    #[test]
    fn each_path_of_the_corpus_marks_what_it_breaks() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
        let paths = crate::replay::traces(&corpus).unwrap();
        assert!(!paths.is_empty());
        for path in paths {
            let name = path.display().to_string();
            let folder = path.parent().and_then(Path::file_name).and_then(|folder| folder.to_str());
            let invariant: Invariant = folder.unwrap().parse().unwrap();
            let part = broken(invariant, &name);
            assert!(invariant.says().contains(part), "{name}: {part}");
            let one = matches!(
                invariant,
                Invariant::AckedIsDurable | Invariant::NoAckAfterFailedSync | Invariant::AppendResolves
            );
            assert!(one || !part.is_empty(), "{name}: which part of {invariant}?");
        }
    }
}
