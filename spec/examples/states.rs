//! How many unlike states a second the checker explores, beside a breadth-first search of the same scope that was written by
//! hand, in the same run: `cargo run --release -p truelog-spec --example states -- [SCOPE]`.
//!
//! The search here has no properties with names, no threads and no paths. It keeps states in one of two forms: whole, with a
//! set of 64-bit fingerprints; or packed, as the numbers of their eight parts, each part stored once, so that a state takes
//! 32 bytes and the set is exact. Seconds are the processor's, of all threads, so that neighbours disturb them little. Both judge every step by the refinement and the invariants. The last lines say where the
//! time of the packed search goes.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::mem::take;
use std::rc::Rc;
use std::time::{Duration, Instant};

use truelog_spec::mechanism::{Batch, Drive, Engine, Manifest, Mechanism, Request, Segment, State};
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

/// How the search keeps states.
trait Form: Default {
    type Kept;
    /// `None` for a state that was kept before.
    fn keep(&mut self, state: State) -> Option<Self::Kept>;
    fn state<'a>(&self, kept: &'a Self::Kept) -> Cow<'a, State>;
    fn len(&self) -> usize;
}

/// As they are; those seen before are known by their fingerprints.
#[derive(Default)]
struct Whole(HashSet<u64, BuildHasherDefault<Same>>);

impl Form for Whole {
    type Kept = State;

    fn keep(&mut self, state: State) -> Option<State> {
        self.0.insert(fingerprint(&state)).then_some(state)
    }

    fn state<'a>(&self, kept: &'a State) -> Cow<'a, State> {
        Cow::Borrowed(kept)
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

type Table<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// Values, each stored once and known by its number.
struct Interned<T> {
    numbers: Table<Rc<T>, u32>,
    values: Vec<Rc<T>>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { numbers: Table::default(), values: Vec::new() }
    }
}

impl<T: Eq + Hash + Clone> Interned<T> {
    fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let Ok(number) = u32::try_from(self.values.len()) else { panic!("more parts than numbers") };
        let value = Rc::new(value);
        self.values.push(Rc::clone(&value));
        self.numbers.insert(value, number);
        number
    }

    fn value(&self, number: u32) -> T {
        T::clone(&self.values[number as usize])
    }
}

/// As the numbers of their parts.
#[derive(Default)]
struct Packed {
    seen: HashSet<[u32; 8], BuildHasherDefault<Mix>>,
    manifests: Interned<Option<Manifest>>,
    segments: Interned<Vec<Segment>>,
    batches: Interned<Vec<Batch>>,
    drives: Interned<Vec<Drive>>,
    engines: Interned<Option<Engine>>,
    requests: Interned<Vec<Request>>,
    /// What is left of a state without the others.
    rests: Interned<State>,
}

impl Form for Packed {
    type Kept = [u32; 8];

    fn keep(&mut self, mut state: State) -> Option<[u32; 8]> {
        let packed = [
            self.manifests.number(take(&mut state.disk.manifest)),
            self.manifests.number(take(&mut state.disk.older)),
            self.segments.number(take(&mut state.disk.segments)),
            self.batches.number(take(&mut state.disk.batches)),
            self.drives.number(take(&mut state.disk.drives)),
            self.engines.number(take(&mut state.engine)),
            self.requests.number(take(&mut state.requests)),
            self.rests.number(state),
        ];
        self.seen.insert(packed).then_some(packed)
    }

    fn state<'a>(&self, kept: &'a [u32; 8]) -> Cow<'a, State> {
        let [manifest, older, segments, batches, drives, engine, requests, rest] = *kept;
        let mut state = self.rests.value(rest);
        state.disk.manifest = self.manifests.value(manifest);
        state.disk.older = self.manifests.value(older);
        state.disk.segments = self.segments.value(segments);
        state.disk.batches = self.batches.value(batches);
        state.disk.drives = self.drives.value(drives);
        state.engine = self.engines.value(engine);
        state.requests = self.requests.value(requests);
        Cow::Owned(state)
    }

    fn len(&self) -> usize {
        self.seen.len()
    }
}

/// Where the time of the search went.
#[derive(Default)]
struct Spent {
    offers: Duration,
    steps: Duration,
    judging: Duration,
    keeping: Duration,
}

/// How many unlike states there are. `spent` costs time of its own.
fn search<F: Form>(scope: &Scope, mut spent: Option<&mut Spent>) -> usize {
    let mechanism = Mechanism::default();
    let mut form = F::default();
    let mut level: Vec<F::Kept> = form.keep(scope.start()).into_iter().collect();
    let mut clock = Instant::now();
    let mut lap = |of: fn(&mut Spent) -> &mut Duration| {
        if let Some(spent) = &mut spent {
            *of(spent) += clock.elapsed();
            clock = Instant::now();
        }
    };
    while !level.is_empty() {
        let mut next = Vec::new();
        for kept in &level {
            let state = form.state(kept);
            lap(|spent| &mut spent.keeping);
            let steps = mechanism.actions(&state, &scope.menu);
            lap(|spent| &mut spent.offers);
            for step in steps {
                let taken = mechanism.apply(&state, &step);
                lap(|spent| &mut spent.steps);
                let Ok(after) = taken else { continue };
                assert!(refinement::refines(&state, &step, &after), "{step}");
                assert_eq!(mechanism.violated(&after), None, "{step}");
                let inside = scope.menu.limits.hold(&after);
                lap(|spent| &mut spent.judging);
                if inside {
                    next.extend(form.keep(after));
                }
                lap(|spent| &mut spent.keeping);
            }
        }
        level = next;
    }
    form.len()
}

/// The processor's time of this process so far, in seconds, as Linux counts it: by the hundredth.
fn processor() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { panic!("no /proc/self/stat") };
    // Behind the name in parentheses the fields are numbers: user and system time are the 12th and 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// The states a second of the processor that `explore` finds, and how many there are.
fn rate(explore: impl FnOnce() -> usize) -> (usize, f64) {
    let began = processor();
    let found = explore();
    (found, found as f64 / (processor() - began).max(0.01))
}

fn main() {
    let wanted = std::env::args().nth(1);
    let scopes = [small(), large()].concat();
    for scope in scopes.iter().filter(|scope| wanted.as_deref().is_none_or(|name| name == scope.name)) {
        let (found, checker) = rate(|| model::explore(scope, 1).unique);
        let (in_whole, whole) = rate(|| search::<Whole>(scope, None));
        let (in_packed, packed) = rate(|| search::<Packed>(scope, None));
        assert!(in_whole == found && in_packed == found, "{}: all must find the same states", scope.name);
        println!(
            "{}: {found} states; stateright {checker:.0}/s, search whole {whole:.0}/s, packed {packed:.0}/s; packed by \
             stateright: {:.2}",
            scope.name,
            packed / checker
        );
        let mut spent = Spent::default();
        search::<Packed>(scope, Some(&mut spent));
        let Spent { offers, steps, judging, keeping } = spent;
        let parts = [offers, steps, judging, keeping].map(|part| part.as_secs_f64());
        let all: f64 = parts.iter().sum();
        let share = parts.map(|part| 100.0 * part / all);
        println!(
            "    offering steps {:.0} %, taking them {:.0} %, judging them {:.0} %, packing and the set {:.0} %",
            share[0], share[1], share[2], share[3]
        );
    }
}
