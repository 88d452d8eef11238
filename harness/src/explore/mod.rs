//! Every sequence of a small scope, every crash point, everything that a crash can leave: recovered and judged.

mod alone;
mod alphabet;
mod around;
mod case;
mod check;
mod counts;
mod fault;
mod faults;
mod guided;
mod laid;
mod pinned;
mod random;
mod recovery;
mod roles;
mod run;
mod scope;
mod teller;
mod told;
mod unseen;
mod walk;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use truelog_spec::Invariant;
use truelog_spec::contract::{Contract, Violation};

pub use alone::{Fails, alone};
pub use alphabet::{Letter, spell};
pub use around::{Holds, Needs};
pub use case::{Case, NotACase};
pub use check::{check, check_archive, explore};
pub use counts::Counts;
pub use fault::{Kind, Struck};
pub use faults::{check as check_faults, strike};
pub use guided::point;
pub use random::{Swarm, canary, check as check_random, draw, one as one_random};
pub use roles::{check as check_roles, duties};
pub use run::Sequence;
pub use scope::{LIMIT, Scope};
pub use told::Untold;

use crate::driver::Duty;
use crate::fabric::{Image, SimFs};
use crate::oracle::Readings;
use crate::subject::Archived;
use recovery::Recovery;

/// A broken invariant, and how to see it again.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What was broken.
    pub violation: Violation,
    /// How: what `cargo verify case` takes.
    pub case: String,
    /// How many crashes it took.
    pub crashes: usize,
}

/// What came of each image, in each life that it was recovered in.
type Recoveries = HashMap<(Image, Option<u32>), Arc<Recovery>>;

/// An exploration under way. Shared by its threads.
#[derive(Debug)]
pub struct Explorer<'a> {
    scope: &'a Scope,
    /// The same scope on a disk that leaves out nothing, explored before.
    honest: Option<&'a Explorer<'a>>,
    counts: Counts,
    recoveries: Mutex<Recoveries>,
    readings: Readings,
    judged: Mutex<HashSet<(u64, u64, usize)>>,
    findings: Mutex<Vec<(usize, Finding)>>,
    duties: Mutex<BTreeSet<Duty>>,
}

impl<'a> Explorer<'a> {
    /// Nothing is explored yet.
    #[must_use]
    pub fn new(scope: &'a Scope) -> Self {
        Self {
            scope,
            honest: None,
            counts: Counts::default(),
            recoveries: Mutex::default(),
            readings: Readings::default(),
            judged: Mutex::default(),
            findings: Mutex::default(),
            duties: Mutex::default(),
        }
    }

    /// Nothing is explored yet. Of what the disk leaves out in this scope, `honest` has left out nothing: its recoveries
    /// without that part are recoveries of this one, too.
    fn beside(scope: &'a Scope, honest: &'a Explorer<'a>) -> Self {
        Self { honest: Some(honest), ..Self::new(scope) }
    }

    /// What was explored so far.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Explores all sequences of the scope, shortest first, on `threads` threads. `wanted` is asked before each
    /// sequence whether to go on; `done` is told of each. Stops after the first sequence with a finding.
    pub fn run<S: Archived>(
        &self,
        depths: std::ops::RangeInclusive<usize>,
        threads: usize,
        wanted: impl Fn() -> bool + Sync,
        done: impl Fn() + Sync,
    ) -> bool {
        let mut list: Vec<Vec<Letter>> = Vec::new();
        for depth in depths {
            list.extend(self.scope.sequences(depth));
        }
        let next = AtomicUsize::new(0);
        let whole = AtomicUsize::new(0);
        let work = || loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(letters) = list.get(at) else { break };
            if !wanted() || !self.visit::<S>(at, letters) {
                break;
            }
            whole.fetch_add(1, Ordering::Relaxed);
            done();
        };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(work);
            }
            work();
        });
        whole.into_inner() == list.len()
    }

    /// Runs the sequence of this number, unless one before it has a finding. Whether it ran.
    fn visit<S: Archived>(&self, at: usize, letters: &[Letter]) -> bool {
        let wanted = !self.found_before(at);
        if wanted {
            self.sequence::<S>(at, &Sequence { letters: letters.to_vec(), fault: None });
        }
        wanted
    }

    /// The finding of the first sequence that has one: the one whose invariant comes first in the list, of these
    /// the one with the fewest crashes.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        let findings = lock(&self.findings);
        let first = findings.iter().min_by_key(|(at, one)| (*at, one.violation.invariant, one.crashes));
        first.map(|(_, finding)| finding.clone())
    }

    /// The same of those that break this invariant, whatever else is broken.
    #[must_use]
    pub fn breaking(&self, invariant: Invariant) -> Option<Finding> {
        let findings = lock(&self.findings);
        let breaking = findings.iter().filter(|(_, one)| one.violation.invariant == invariant);
        breaking.min_by_key(|(at, one)| (*at, one.crashes)).map(|(_, finding)| finding.clone())
    }

    /// The parts that syncs played so far, in recoveries too.
    #[must_use]
    pub fn duties(&self) -> Vec<Duty> {
        lock(&self.duties).iter().copied().collect()
    }

    fn found_before(&self, at: usize) -> bool {
        lock(&self.findings).iter().any(|(found, _)| *found <= at)
    }

    /// Runs one sequence, and judges all that any of its letters can come to.
    pub fn run_whole<S: Archived>(&self, sequence: &Sequence) {
        let ran = sequence.run::<S>(self.scope);
        self.counts.sequences.add(1);
        lock(&self.duties).extend(ran.duties.keys());
        let path = walk::Path::new(self.scope, sequence);
        self.life::<S>(
            walk::Start { at: 0, crashes: 0, from: 0, lied: false },
            Contract::new(),
            &ran.deeds,
            &path,
        );
    }

    /// Runs one sequence, and judges all that its last letter can come to. Whether the fault fired, if there is one.
    fn sequence<S: Archived>(&self, at: usize, sequence: &Sequence) -> bool {
        let ran = sequence.run::<S>(self.scope);
        self.counts.sequences.add(1);
        lock(&self.duties).extend(ran.duties.keys());
        self.counts.faults.add(u64::from(ran.fired));
        let lies = sequence.fault.is_some_and(|struck| struck.kind.is_lie());
        self.counts.lies.add(u64::from(ran.fired && lies));
        let path = walk::Path::new(self.scope, sequence);
        self.life::<S>(
            walk::Start { at, crashes: 0, from: ran.from, lied: false },
            Contract::new(),
            &ran.deeds,
            &path,
        );
        ran.fired
    }
}

/// An empty disk, mounted where the log will be.
#[must_use]
pub fn new_disk(scope: &Scope) -> SimFs {
    SimFs::new(scope.profile)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
