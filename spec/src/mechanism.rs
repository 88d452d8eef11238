//! How the engine keeps its promises, at the grain of file-system calls. Deterministic: every choice, the
//! engine's, the clients' and the world's, is in the [`Step`](crate::Step). The model checker explores it, a corpus trace
//! replays on it, and the operation log of the production engine must be a path of it.
//!
//! What it leaves out: payloads (a record is its identity), sectors beyond "the first" and "the rest" of a
//! batch, lengths (segments are filled before they are named), leftovers under temporary names (they are
//! removed unread).

mod actions;
mod apply;
mod archive;
mod clients;
mod commit;
mod crash;
mod disk;
mod files;
mod guards;
mod judge;
mod moves;
mod opening;
mod replay;
mod state;
mod survey;

pub use actions::{Limits, Menu};
pub use apply::call_of;
pub use archive::{Archive, Catalog, Copying, Drive, Life, Pending, Run, RunFile, made};
pub use disk::Cell;
pub use guards::{Guard, Refused};
pub use replay::{Ending, Walked, replay, walk, walk_past};
pub use state::{
    Batch, Disk, Engine, Flight, LastOpen, Listing, Manifest, Mark, Past, Phase, RecordId, Request, Segment,
    State, Told, Trim, stage,
};
pub use survey::{Found, is_damage};

use crate::invariant::Invariant;

/// The mechanism, with some of its guards turned off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mechanism {
    off: u64,
}

impl Mechanism {
    /// The design as it is, but for these guards. None turned off is the design.
    #[must_use]
    pub fn without(guards: &[Guard]) -> Self {
        Self { off: guards.iter().fold(0, |off, guard| off | 1 << *guard as u64) }
    }

    /// Whether a guard is turned off.
    #[must_use]
    pub const fn is_off(self, guard: Guard) -> bool {
        self.off & (1 << guard as u64) != 0
    }

    /// The first invariant, in the order of the table, that the last step broke.
    #[must_use]
    pub fn violated(self, state: &State) -> Option<Invariant> {
        state.first_broken().or_else(|| self.stuck(state).then_some(Invariant::AppendResolves))
    }

    /// An append waits, and nothing that the engine can do will ever answer it.
    fn stuck(self, state: &State) -> bool {
        state.requests.iter().any(|request| request.told == Told::Waiting)
            && state.armed.is_none()
            && self.engine_steps(state, &Menu::default()).is_empty()
    }

    /// A condition on the step at hand.
    fn guard(self, guard: Guard, holds: bool) -> Result<(), Refused> {
        if holds || self.is_off(guard) { Ok(()) } else { Err(Refused { guard }) }
    }
}

/// The step makes no sense here, whatever the design.
const fn nonsense<T>() -> Result<T, Refused> {
    Err(Refused { guard: Guard::NoSuchStep })
}

/// A condition that no switch turns off.
const fn sense(holds: bool) -> Result<(), Refused> {
    if holds { Ok(()) } else { nonsense() }
}
