//! Where the production code is narrower than the mechanism, where the mechanism is blind, and what the production
//! code must be set to so that it can take a path. The one table of the names that a trace's `code` and `head` use.

use truelog_spec::step::{EngineStep, OnDrive, Role};
use truelog_spec::switches::Switch;
use truelog_spec::trace::Head;
use truelog_spec::{Step, Trace};

/// Why the production code leaves a path before the line at which the mechanism refuses it.
#[derive(Debug, Clone, Copy)]
pub struct Practice {
    /// Its name, as `code: refused at LINE by NAME` says it.
    pub name: &'static str,
    /// Why the production code never takes the step.
    pub says: &'static str,
    /// Whether it is the reason: the step that is due, and what the code did instead, if it did anything.
    pub explains: fn(due: &EngineStep, instead: Option<&EngineStep>) -> bool,
}

/// All of them.
pub const PRACTICES: &[Practice] = &[
    Practice {
        name: "one-sync-method",
        says: "a handle writes each of its batches through to the disk, or none of them",
        explains: |due, instead| match (due, instead) {
            (EngineStep::WriteBatch(due, _), Some(EngineStep::WriteBatch(instead, _))) => {
                due.lsns == instead.lsns && due.segment == instead.segment && due.through != instead.through
            }
            _ => false,
        },
    },
    Practice {
        name: READERS_FIRST,
        says: "it waits for readers before it makes any copy of the manifest, and so does not come to the removal",
        explains: |due, instead| copies_the_manifest(due) && instead.is_none(),
    },
];

const READERS_FIRST: &str = "readers-before-checkpoints";

/// Whether a step begins a drive's copy of the manifest.
fn copies_the_manifest(step: &EngineStep) -> bool {
    matches!(step, EngineStep::Create(Role::OnDrive(_, OnDrive::ManifestTmp), _))
}

/// What the mechanism leaves out, as `head: unmodelled NAME` says it.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("stream-tables", "the numbers that records have in their streams, and the table of them in a segment"),
    ("links-by-place", "that a segment's first batch says where the batch before it ends, in bytes"),
];

/// The reason of that name.
#[must_use]
pub fn practice(name: &str) -> Option<&'static Practice> {
    PRACTICES.iter().find(|practice| practice.name == name)
}

/// What of that name the mechanism leaves out.
#[must_use]
pub fn left_out(name: &str) -> Option<&'static str> {
    LEFT_OUT.iter().find(|part| part.0 == name).map(|part| part.1)
}

/// A switch's trace with what it says of the production code: how that is set up, and how the path ends on it.
#[must_use]
pub fn completed(switch: Switch, trace: Trace) -> Trace {
    let with: &[(&str, &str)] = match switch {
        // Full behind its checkpoint: the first edit makes the next one.
        Switch::CheckpointWithoutDirSync => &[("manifest", "2")],
        // Room for two batches and the idle mark.
        Switch::CutAcrossASegment
        | Switch::RewriteAckedBlock
        | Switch::WatermarkPassesHole
        | Switch::NoIdentityInChecksum
        | Switch::DamageIsTornTail => &[("segment", "1024")],
        _ => &[],
    };
    let code = match switch {
        Switch::WatermarkPassesHole => {
            first_through(&trace).map(|line| Head::Refused { line, guard: "one-sync-method".to_owned() })
        }
        Switch::ReclaimWithoutWaiting => {
            first_copy(&trace).map(|line| Head::Refused { line, guard: READERS_FIRST.to_owned() })
        }
        _ => None,
    };
    let with = with.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Trace { code, with, ..trace }
}

/// The first line that begins a drive's copy of the manifest.
fn first_copy(trace: &Trace) -> Option<usize> {
    let first = |step: &Step| matches!(step, Step::Engine(step) if copies_the_manifest(step));
    trace.numbered().find(|(_, line)| first(&line.step)).map(|(number, _)| number)
}

/// The first line that writes a batch through.
fn first_through(trace: &Trace) -> Option<usize> {
    let through =
        |step: &Step| matches!(step, Step::Engine(EngineStep::WriteBatch(batch, _)) if batch.through);
    trace.numbered().find(|(_, line)| through(&line.step)).map(|(number, _)| number)
}
