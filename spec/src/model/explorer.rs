//! stateright's Explorer: a scope in a browser, state by state.

use std::net::SocketAddr;

use stateright::Model;

use super::{Machine, prefetch};
use crate::mechanism::Mechanism;
use crate::prefetch::{Design, scopes as slots};
use crate::scopes::{self, Scope};

/// What the Explorer can show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum World {
    /// A scope of the mechanism.
    Mechanism(Scope),
    /// A scope of the prefetch, with the design that it is shown on.
    Prefetch(slots::Scope, Design),
}

impl World {
    /// All of them: the scopes of the mechanism, then those of the prefetch, then the two designs of FPRE004.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let calls = scopes::small().into_iter().map(Self::Mechanism);
        let word = slots::small().into_iter().map(|scope| Self::Prefetch(scope, Design::PACKED));
        let flags = [Design::HISTORICAL, Design::PATCHED].map(|one| Self::Prefetch(slots::two_flags(), one));
        calls.chain(word).chain(flags).collect()
    }

    /// Its name, used once.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Mechanism(scope) => scope.name.to_owned(),
            Self::Prefetch(_, design) if *design == Design::HISTORICAL => "prefetch-historical".to_owned(),
            Self::Prefetch(_, design) if *design == Design::PATCHED => "prefetch-patched".to_owned(),
            Self::Prefetch(scope, _) => format!("prefetch-{}", scope.name),
        }
    }

    /// What is in it, in one sentence.
    #[must_use]
    pub const fn says(&self) -> &'static str {
        match self {
            Self::Mechanism(scope) => scope.says,
            Self::Prefetch(scope, _) => scope.says,
        }
    }

    /// Serves it at an address of this machine, until the process ends.
    ///
    /// # Panics
    /// If the address cannot be bound: whoever calls has tried.
    pub fn serve(&self, address: SocketAddr) {
        match self {
            Self::Mechanism(scope) => {
                Machine::new(Mechanism::default(), scope, None).checker().serve(address);
            }
            Self::Prefetch(scope, design) => {
                prefetch::machine(scope, *design).checker().serve(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_world_has_a_name_of_its_own() {
        let all = World::all();
        let names: BTreeSet<String> = all.iter().map(World::name).collect();
        assert_eq!(names.len(), all.len(), "{names:?}");
        assert!(all.len() > 20);
    }

    #[test]
    fn an_action_is_shown_as_a_trace_writes_it() {
        let scope = scopes::small().swap_remove(0);
        let machine = Machine::new(Mechanism::default(), &scope, None);
        let mut actions = Vec::new();
        machine.actions(&machine.init_states()[0], &mut actions);
        assert!(!actions.is_empty());
        for action in actions {
            assert_eq!(machine.format_action(&action), action.to_string());
        }
    }
}
