//! How many unlike states a second the checker explores, beside a plain breadth-first search of the same scope in the same
//! run: `cargo run --release -p truelog-spec --example states -- [SCOPE]`.
//!
//! The search here has no properties with names, no threads and no paths: a set of 64-bit fingerprints, and two lists of
//! states. Both judge every step by the refinement and the invariants. The last lines say where the time of the search goes.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::{Duration, Instant};

use truelog_spec::mechanism::{Mechanism, State};
use truelog_spec::scopes::{Scope, large, small};
use truelog_spec::{model, refinement};

/// Takes a fingerprint for its own hash.
#[derive(Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// A multiplication and a rotation for each word.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(23) ^ n).wrapping_mul(0xff51_afd7_ed55_8ccd);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

fn fingerprint(state: &State) -> u64 {
    let mut mix = Mix::default();
    state.hash(&mut mix);
    mix.finish()
}

/// Where the time of the search went.
#[derive(Default)]
struct Spent {
    offers: Duration,
    steps: Duration,
    judging: Duration,
    hashing: Duration,
}

/// How many unlike states there are. `spent` costs time of its own.
fn search(scope: &Scope, mut spent: Option<&mut Spent>) -> usize {
    let mechanism = Mechanism::default();
    let mut seen: HashSet<u64, BuildHasherDefault<Same>> = HashSet::default();
    let mut level = vec![scope.start()];
    seen.extend(level.iter().map(fingerprint));
    let mut clock = Instant::now();
    let mut lap = |of: fn(&mut Spent) -> &mut Duration| {
        if let Some(spent) = &mut spent {
            *of(spent) += clock.elapsed();
            clock = Instant::now();
        }
    };
    while !level.is_empty() {
        let mut next = Vec::new();
        for state in &level {
            let steps = mechanism.actions(state, &scope.menu);
            lap(|spent| &mut spent.offers);
            for step in steps {
                let taken = mechanism.apply(state, &step);
                lap(|spent| &mut spent.steps);
                let Ok(after) = taken else { continue };
                assert!(refinement::refines(state, &step, &after), "{step}");
                assert_eq!(mechanism.violated(&after), None, "{step}");
                let inside = scope.menu.limits.hold(&after);
                lap(|spent| &mut spent.judging);
                if inside && seen.insert(fingerprint(&after)) {
                    next.push(after);
                }
                lap(|spent| &mut spent.hashing);
            }
        }
        level = next;
    }
    seen.len()
}

fn main() {
    let wanted = std::env::args().nth(1);
    let scopes = [small(), large()].concat();
    for scope in scopes.iter().filter(|scope| wanted.as_deref().is_none_or(|name| name == scope.name)) {
        let checked = model::explore(scope, 1);
        let began = Instant::now();
        let found = search(scope, None);
        let (checker, plain) = (checked.time.as_secs_f64(), began.elapsed().as_secs_f64());
        assert_eq!(found, checked.unique, "{}: both must find the same states", scope.name);
        let rate = |seconds: f64| found as f64 / seconds;
        println!(
            "{}: {found} states; stateright {:.0}/s, plain search {:.0}/s: {:.2} times",
            scope.name,
            rate(checker),
            rate(plain),
            checker / plain
        );
        let mut spent = Spent::default();
        search(scope, Some(&mut spent));
        let Spent { offers, steps, judging, hashing } = spent;
        let parts = [offers, steps, judging, hashing].map(|part| part.as_secs_f64());
        let whole: f64 = parts.iter().sum();
        let share = parts.map(|part| 100.0 * part / whole);
        println!(
            "    offering steps {:.0} %, taking them {:.0} %, judging them {:.0} %, hash and set {:.0} %",
            share[0], share[1], share[2], share[3]
        );
    }
}
