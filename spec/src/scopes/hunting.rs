//! The worlds in which the counterexamples of the switches are looked for: as little as each path needs.

use super::{
    Scope, accepted, accepted_write as soft, archive, asked, limits, one, prepared, second_segment, then,
    write,
};
use crate::mechanism::{Limits, Menu};
use crate::step::{Call, ClientStep, DamageKind, Durability, FaultKind, Step};
use crate::switches::Switch;

/// The ground on which a switch's counterexample is looked for.
#[must_use]
pub fn hunting_ground(switch: Switch) -> Scope {
    let (name, prefix, menu) = ground(switch);
    let says = "what one switch's counterexample needs";
    Scope { name, says, prefix, menu, witnesses: Vec::new() }
}

impl Menu {
    fn power(limits: Limits) -> Self {
        Self { power: true, ..Self::calm(limits) }
    }

    fn calm(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    fn process(self) -> Self {
        Self { process: true, ..self }
    }

    fn pair(self) -> Self {
        Self { writes: vec![one(1)], ..self }
    }

    fn again(self) -> Self {
        Self { writes: vec![one(0)], ..self }
    }

    fn rotating(self) -> Self {
        Self { rotate: true, ..self }
    }

    fn trimming(self) -> Self {
        Self { trim: true, ..self }
    }

    fn faulty(self, call: Call, kind: FaultKind) -> Self {
        Self { faults: vec![(call, kind)], limits: Limits { faults: 1, ..self.limits }, ..self }
    }

    fn damaged(self, kind: DamageKind) -> Self {
        Self { damage: vec![kind], limits: Limits { damages: 1, ..self.limits }, ..self }
    }
}

/// The first record is committed.
const COMMITTED: &[&str] = &[
    "engine encode 1 writer=0",
    "engine write batch:1 seg-1 lsns=1",
    "engine sync-data seg-1",
    "engine check seg-1 same",
    "engine publish power-loss=1",
    "engine ack 1",
];
/// The first batch is written, and half of it reaches the device.
const TORN: &[&str] = &[
    "engine encode 1 writer=0",
    "engine write batch:1 seg-1 lsns=1",
    "world crash power keep=batch:1.sector:0",
];
/// Two records are committed at once.
const COMMITTED_TOGETHER: &[&str] = &[
    "engine encode 1..2 writer=0",
    "engine write batch:1 seg-1 lsns=1..2",
    "engine sync-data seg-1",
    "engine check seg-1 same",
    "engine publish power-loss=2",
    "engine ack 1..2",
];
/// The second one, in the second segment.
const COMMITTED_BEHIND: &[&str] = &[
    "engine encode 2 writer=1",
    "engine write batch:2 seg-2 lsns=2",
    "engine sync-data seg-2",
    "engine check seg-2 same",
    "engine publish power-loss=2",
    "engine ack 2",
];

/// Two batches in one segment, the second one synced and not yet claimed; then the process died.
fn two_batches() -> Vec<Step> {
    let mut steps = then(prepared(one(0)), COMMITTED);
    steps.push(Step::Client(ClientStep::Append(one(1))));
    then(
        steps,
        &[
            "engine encode 2 writer=1",
            "engine write batch:2 seg-1 lsns=2",
            "engine sync-data seg-1",
            "world crash process",
        ],
    )
}

/// Two durable records, and a second segment that the manifest is about to name.
fn edit_in_flight() -> Vec<Step> {
    let two = then(prepared(write(0, Durability::PowerLoss, 2)), COMMITTED_TOGETHER);
    let mut steps = second_segment(two, one(1));
    steps.pop();
    steps
}

/// A durable record in each of two segments.
fn two_segments() -> Vec<Step> {
    then(second_segment(then(prepared(one(0)), COMMITTED), one(1)), COMMITTED_BEHIND)
}

/// A record is accepted, and one is to survive a loss of power.
fn both_durabilities() -> Vec<Step> {
    let mut steps = accepted();
    steps.push(Step::Client(ClientStep::Append(one(1))));
    steps
}

/// A record is accepted, and the next one goes to a second segment.
fn rotating() -> Vec<Step> {
    then(second_segment(accepted(), one(1)), &["engine encode 2 writer=1"])
}

/// A record is handed in, and nobody waits for it yet: a handle can be closed.
fn handed_in() -> Vec<Step> {
    let mut steps = prepared(one(0));
    steps[1] = Step::Client(ClientStep::Submit { ticket: 1, write: one(0) });
    steps
}

/// The name, the way to the start, and what may happen.
fn ground(switch: Switch) -> (&'static str, Vec<Step>, Menu) {
    let ready = prepared(one(0));
    match switch {
        Switch::AckOnWrite | Switch::ClaimBeforeSync => ("commit", ready, Menu::power(limits(1, 1, 1, 2))),
        Switch::TornTailIsFatal => ("commit", then(ready, TORN), Menu::power(limits(1, 1, 1, 2))),
        Switch::RewriteAckedBlock | Switch::TwoCommitsInFlight => {
            ("commit", ready, Menu::power(limits(2, 1, 2, 3)).pair())
        }
        Switch::TrustCachedBytes | Switch::RewriteUnderNewLsns => {
            ("recovery", ready, Menu::power(limits(1, 2, 3, 3)).process())
        }
        Switch::RewriteIntoUnnamedSegment => ("recovery", ready, Menu::calm(limits(1, 2, 3, 3)).process()),
        Switch::RewriteHalfTheTail => {
            let batch = write(0, Durability::PowerLoss, 2);
            ("recovery", prepared(batch), Menu::power(limits(1, 2, 3, 4)).process())
        }
        Switch::AppendBehindTornTail => {
            ("recovery", then(ready, TORN), Menu::power(limits(2, 2, 3, 4)).again())
        }
        Switch::CutAcrossASegment => ("recovery", ready, Menu::power(limits(2, 2, 3, 4)).again()),
        Switch::EditBehindTornEdit => ("prepare", asked(one(0)), Menu::power(limits(2, 2, 3, 2)).again()),
        Switch::NoDirSyncOnSegment
        | Switch::ManifestBeforeName
        | Switch::RenameBeforeSync
        | Switch::BatchIntoUnnamedSegment => ("prepare", asked(one(0)), Menu::power(limits(1, 1, 2, 2))),
        Switch::TwoEditsInFlight => ("trim", edit_in_flight(), Menu::power(limits(2, 1, 2, 2)).trimming()),
        Switch::UnlinkBeforeTrimDurable => {
            ("trim", two_segments(), Menu::calm(limits(2, 0, 2, 3)).trimming())
        }
        Switch::CheckpointWithoutDirSync => {
            let menu = Menu { checkpoint: true, ..Menu::power(limits(1, 1, 2, 2)) };
            ("checkpoint", asked(one(0)), menu)
        }
        Switch::NoAncestorSync | Switch::IdentityFirst => {
            ("create", Vec::new(), Menu::power(limits(1, 1, 1, 2)).again())
        }
        Switch::IdentityNotVouched => {
            let menu = Menu::power(limits(1, 1, 1, 2)).again();
            ("create", Vec::new(), menu.faulty(Call::SyncDir, FaultKind::Eio))
        }
        Switch::ShortWriteFinishedLater => {
            ("faults", ready, Menu::power(limits(1, 1, 1, 2)).faulty(Call::Write, FaultKind::Short))
        }
        Switch::RetryFailedSync | Switch::SyncFailureForgotten | Switch::LeaderFailsFollowersOk => {
            let menu = Menu::calm(limits(2, 0, 1, 3)).pair();
            ("faults", ready, menu.faulty(Call::SyncData, FaultKind::Eio))
        }
        Switch::WatermarkPassesHole => {
            ("durabilities", both_durabilities(), Menu { through: true, ..Menu::power(limits(2, 1, 2, 3)) })
        }
        Switch::RotateWithoutSync => {
            let menu = Menu { writes: vec![soft(1)], ..Menu::power(limits(2, 1, 3, 4)).rotating() };
            ("rotation", prepared(soft(0)), menu)
        }
        Switch::PathCheckBeforeSync => {
            ("rotation", rotating(), Menu::calm(limits(2, 0, 2, 3)).damaged(DamageKind::Missing))
        }
        Switch::NoPathCheck => ("path", ready, Menu::calm(limits(1, 0, 1, 2)).damaged(DamageKind::Missing)),
        Switch::NoIdentityInChecksum => {
            ("damage", two_batches(), Menu::calm(limits(2, 1, 2, 3)).damaged(DamageKind::Misdirected))
        }
        Switch::DamageIsTornTail => {
            ("damage", two_batches(), Menu::calm(limits(2, 1, 2, 3)).damaged(DamageKind::Flip))
        }
        Switch::CloseForgetsWaiting => {
            ("close", handed_in(), Menu { close: true, ..Menu::calm(limits(1, 0, 1, 2)) })
        }
        // A switch without a ground of its own would find no path there, and a test would say so.
        _ => archive::ground(switch),
    }
}
