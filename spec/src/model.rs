//! The mechanism as a model for stateright. The only file that names it, but for those below it.
//!
//! Pinned to 0.30.2: its breadth-first search finds shortest paths, and a run that is neither given a target nor
//! a timeout ends only when all is explored.

pub mod explorer;
pub mod prefetch;

use std::fmt::Debug;
use std::hash::Hash;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::invariant::{Invariant, Status};
use crate::mechanism::{Mark, Mechanism, State};
use crate::refinement;
use crate::scopes::Scope;
use crate::step::Step;

/// A state with what the refinement says of the step that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    state: State,
    refines: bool,
}

/// A scope, explored on a mechanism.
struct Machine {
    mechanism: Mechanism,
    scope: Scope,
    start: State,
    /// Only a violation that is named so ends the search; nothing means that each invariant is a property.
    hunted: Option<Invariant>,
}

impl Machine {
    fn new(mechanism: Mechanism, scope: &Scope, hunted: Option<Invariant>) -> Self {
        Self { mechanism, scope: scope.clone(), start: scope.start(), hunted }
    }
}

impl Model for Machine {
    type State = Node;
    type Action = Step;

    fn init_states(&self) -> Vec<Node> {
        vec![Node { state: self.start.clone(), refines: true }]
    }

    fn actions(&self, node: &Node, actions: &mut Vec<Step>) {
        // What has broken an invariant is not followed any further: a trace violates in its last line.
        if node.state.broken == 0 {
            actions.extend(self.mechanism.actions(&node.state, &self.scope.menu));
        }
    }

    fn next_state(&self, node: &Node, step: Step) -> Option<Node> {
        let state = self.mechanism.apply(&node.state, &step).ok()?;
        let refines = refinement::refines(&node.state, &step, &state);
        Some(Node { state, refines })
    }

    fn format_action(&self, step: &Step) -> String {
        step.to_string()
    }

    fn properties(&self) -> Vec<Property<Self>> {
        if self.hunted.is_some() {
            return vec![Property::always("hunted", |machine: &Self, node: &Node| {
                machine.hunted != machine.mechanism.violated(&node.state)
            })];
        }
        let mut properties = vec![
            Property::always("refinement", |_, node: &Node| node.refines),
            Property::always(Invariant::AppendResolves.as_str(), |machine: &Self, node: &Node| {
                machine.mechanism.violated(&node.state) != Some(Invariant::AppendResolves)
            }),
        ];
        properties.extend(Invariant::ALL.iter().filter_map(|one| always(*one)));
        properties.extend(self.scope.witnesses.iter().map(|mark| sometimes(*mark)));
        properties
    }

    fn within_boundary(&self, node: &Node) -> bool {
        self.scope.menu.limits.hold(&node.state)
    }
}

/// The property of an invariant that some step can break.
fn always(invariant: Invariant) -> Option<Property<Machine>> {
    const fn holds<const BIT: u16>(_: &Machine, node: &Node) -> bool {
        node.state.broken & (1 << BIT) == 0
    }
    macro_rules! holds {
        ($($variant:ident),+) => {
            match invariant {
                $(Invariant::$variant => Some(holds::<{ Invariant::$variant as u16 }> as fn(&Machine, &Node) -> bool),)+
                _ => None,
            }
        };
    }
    let condition = holds!(
        AckedIsDurable,
        ClaimHasArtifact,
        NoAckAfterFailedSync,
        RecoveredIsPrefix,
        NothingInvented,
        RecoveryConverges,
        TornTailIsNotDamage,
        DamageIsLoud,
        ReclaimAfterPublish,
        CompactionPreservesReads
    );
    condition.map(|condition| Property::always(invariant.as_str(), condition))
}

/// The property that something is met.
fn sometimes(mark: Mark) -> Property<Machine> {
    fn saw<const BIT: u32>(_: &Machine, node: &Node) -> bool {
        node.state.past.marks & (1 << BIT) != 0
    }
    macro_rules! saw {
        ($($variant:ident),+ $(,)?) => {
            match mark { $(Mark::$variant => saw::<{ Mark::$variant as u32 }> as fn(&Machine, &Node) -> bool),+ }
        };
    }
    let condition = saw!(
        Power, Process, InRecovery, Reopened, Cut, Rewritten, Named, Unlinked, Rotated, Failed, Full, Idle,
        Through, Acked, Closed, Published, Merged, Reclaimed, Orphaned, TrimmedRun, Abandoned, HeldAcross,
        Persisted,
    );
    Property::sometimes(mark.as_str(), condition)
}

/// What exploring a scope has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explored {
    /// The scope's name.
    pub scope: &'static str,
    /// Unlike states.
    pub unique: usize,
    /// States met, those met again included.
    pub total: usize,
    /// The longest of the shortest paths to a state, in states.
    pub depth: usize,
    /// The invariants and other properties that were violated, with a shortest path for each.
    pub violated: Vec<(&'static str, Vec<Step>)>,
    /// The properties that held in all states.
    pub held: Vec<&'static str>,
    /// What had to be met, and was.
    pub met: Vec<&'static str>,
    /// What had to be met, and was not.
    pub missed: Vec<&'static str>,
    /// How long it took.
    pub time: Duration,
}

impl Explored {
    /// Whether everything held, and everything was met that had to be.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violated.is_empty() && self.missed.is_empty() && self.unique > 1 && !self.held.is_empty()
    }
}

/// Explores a scope to its end.
#[must_use]
pub fn explore(scope: &Scope, threads: usize) -> Explored {
    let started = Instant::now();
    let machine = Machine::new(Mechanism::default(), scope, None);
    let witnesses: Vec<&'static str> = scope.witnesses.iter().map(|mark| mark.as_str()).collect();
    explored(machine, scope.name, &witnesses, threads, started)
}

/// Explores a machine to its end.
fn explored<M>(
    machine: M,
    scope: &'static str,
    witnesses: &[&'static str],
    threads: usize,
    started: Instant,
) -> Explored
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Ord + Into<Step>,
{
    let names: Vec<&'static str> = machine.properties().iter().map(|property| property.name).collect();
    let checker = machine.checker().threads(threads.max(1)).spawn_bfs().join();
    let steps = |path: stateright::Path<M::State, M::Action>| -> Vec<Step> {
        path.into_actions().into_iter().map(Into::into).collect()
    };
    let mut found: Vec<(&'static str, Vec<Step>)> =
        checker.discoveries().into_iter().map(|(name, path)| (name, steps(path))).collect();
    found.sort();
    let (met, violated): (Vec<_>, Vec<_>) = found.into_iter().partition(|(name, _)| witnesses.contains(name));
    let met: Vec<&'static str> = met.into_iter().map(|(name, _)| name).collect();
    let broken = |name: &&'static str| violated.iter().any(|(other, _)| other == name);
    Explored {
        scope,
        unique: checker.unique_state_count(),
        total: checker.state_count(),
        depth: checker.max_depth(),
        held: names.iter().copied().filter(|n| !witnesses.contains(n) && !broken(n)).collect(),
        missed: witnesses.iter().copied().filter(|name| !met.contains(name)).collect(),
        violated,
        met,
        time: started.elapsed(),
    }
}

/// A shortest path, in a scope, to a state whose first broken invariant is this one: the scope's own steps, without
/// those that lead to its start.
#[must_use]
pub fn hunt(scope: &Scope, mechanism: Mechanism, invariant: Invariant) -> Option<Vec<Step>> {
    debug_assert!(invariant.status() == Status::Checked);
    let machine = Machine::new(mechanism, scope, Some(invariant));
    // One thread: which of several shortest paths is found must not depend on luck.
    let checker = machine.checker().finish_when(HasDiscoveries::Any).spawn_bfs().join();
    checker.discovery("hunted").map(stateright::Path::into_actions)
}
