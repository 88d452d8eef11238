//! Each step of the mechanism, seen through the contract's eyes, is a step of the contract, or none.
//!
//! What the contract sees of a state is the answer that each request has got, and the trim point that was asked
//! for. The steps that may change it, and how, are these; everything else must leave it alone. Where an open
//! returns, the contract itself judges what it returns, and must come to the same verdict as the mechanism.

mod opened;
#[cfg(test)]
mod tests;

pub use opened::verdict;

use crate::mechanism::{Request, State, Told};
use crate::step::{ClientStep, Durability, Ended, EngineStep, Step, WorldStep};

/// Whether a step is one of the contract's, or none.
#[must_use]
pub fn refines(before: &State, step: &Step, after: &State) -> bool {
    let asked =
        matches!(step, Step::Client(ClientStep::Trim { .. })) || before.trim_asked == after.trim_asked;
    let lies = before.past.damages > 0;
    let old = before.requests.len();
    let entered = after.requests.len().saturating_sub(old);
    let writes = match step {
        Step::Client(ClientStep::Append(write) | ClientStep::Batch(write))
        | Step::Client(ClientStep::Submit { write, .. }) => Some(write.records.len() as u32),
        _ => None,
    };
    let entry = match (writes, after.requests.get(old)) {
        (None, None) => true,
        (Some(count), Some(request)) => {
            entered == 1 && request.count == count && matches!(request.told, Told::Waiting | Told::Absent)
        }
        _ => false,
    };
    let returned = match (step, before.engine.as_ref().and_then(|engine| engine.found.as_ref())) {
        (Step::Engine(EngineStep::Ready { .. }), Some(found)) if !lies => {
            verdict(before, found) == after.first_broken()
        }
        _ => true,
    };
    returned
        && asked
        && entry
        && after.requests.len() >= old
        && before.requests.iter().zip(&after.requests).all(|(a, b)| told(a, step, b, lies))
}

/// Whether a step may change what one request was told, and where it is.
fn told(before: &Request, step: &Step, after: &Request, lies: bool) -> bool {
    let same = |request: &Request| (request.first, request.count, request.writer, request.durability);
    let placed = before.lsn == after.lsn
        || (before.lsn == 0
            && matches!(step, Step::Engine(EngineStep::Encode(lsns, ..)) if lsns.contains(after.lsn)));
    if same(before) != same(after) || !placed {
        return false;
    }
    if before.told == after.told {
        return true;
    }
    match (before.told, after.told) {
        // A receipt, for the durability that was asked for, by the engine's word alone.
        (Told::Waiting, Told::Acked(durability)) => {
            let named = matches!(step, Step::Engine(EngineStep::Ack(lsns, d)) if *d == durability && lsns.contains(after.lsn));
            named && durability == before.durability
        }
        // A typed error, or silence when the life ends.
        (Told::Waiting, Told::Unresolved) => {
            before.lsn != 0
                && (matches!(step, Step::Engine(EngineStep::Fail(lsns)) if lsns.contains(before.lsn))
                    || crash(step))
        }
        (Told::Waiting, Told::Absent) => {
            before.lsn == 0
                && (crash(step) || matches!(step, Step::Engine(EngineStep::Refuse(_) | EngineStep::Poison)))
        }
        // A receipt that names a crash of the process only outlives neither the power nor a failed sync.
        (Told::Acked(durability), Told::Unresolved) => {
            let power = matches!(step, Step::World(WorldStep::CrashPower { .. }));
            let failed = matches!(step, Step::Engine(EngineStep::Sync(_, _, Ended::Failed)));
            durability == Durability::ProcessCrash && (power || failed)
        }
        // An open settles what was open; what it returns is a receipt for power loss.
        (Told::Unresolved | Told::Acked(_), Told::Acked(_)) | (Told::Unresolved, Told::Absent) => {
            matches!(step, Step::Engine(EngineStep::Ready { .. }))
        }
        // Damage that nothing vouches against has taken it (gate D): no log can know.
        (Told::Acked(_), Told::Absent) => lies && matches!(step, Step::Engine(EngineStep::Ready { .. })),
        _ => false,
    }
}

const fn crash(step: &Step) -> bool {
    matches!(step, Step::World(WorldStep::CrashProcess | WorldStep::CrashPower { .. }))
}
