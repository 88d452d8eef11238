//! The fuzz targets on what is checked in: seeds, and regressions, which are inputs that once broke something. Each
//! input is kept in words, too, in the snapshots beside this file.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use peak_alloc::PeakAlloc;
use truelog_harness::fuzzing::{TARGETS, Target};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How long the processor may be busy with an input: some hundred times what the slowest takes, so that this is about
/// what never ends, and not about speed.
const BUSY: Duration = Duration::from_secs(2);

/// What the words of an input say where nothing of it was taken.
const REFUSED: [&str; 7] = ["refused", "Err(", "no input", "no text", "no block", "Foreign", "Torn"];

/// One test at a time: what is counted is counted of the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long the processor was busy with this process.
fn busy() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("it is always known");
    let parts = [usage.user_time(), usage.system_time()];
    parts.iter().map(|part| Duration::from_micros(part.num_microseconds().unsigned_abs())).sum()
}

/// What an input costs: bytes held at once, beyond what was held before, and time of the processor.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    held: usize,
    busy: Duration,
}

/// Runs an input, and demands that it stays within what its target allows.
fn bounded(target: &Target, input: &[u8]) -> Cost {
    let (before, began) = (ALLOCATOR.current_usage(), busy());
    ALLOCATOR.reset_peak_usage();
    (target.run)(input);
    let held = ALLOCATOR.peak_usage().saturating_sub(before);
    let cost = Cost { held, busy: busy().saturating_sub(began) };
    let at_most = target.holds(input.len());
    let again = || input.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(
        cost.held <= at_most,
        "{}: holds {held} bytes, at most {at_most} are allowed: {}",
        target.name,
        again()
    );
    assert!(cost.busy <= BUSY, "{}: busy for {:?}: {}", target.name, cost.busy, again());
    cost
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

/// The inputs of a target, seeds first, in the order of their names.
fn inputs(target: &Target) -> Vec<(String, Vec<u8>)> {
    let mut inputs = Vec::new();
    for kind in ["seeds", "regressions"] {
        let dir = root().join(kind).join(target.name);
        // Most targets have broken nothing yet.
        let Ok(found) = fs::read_dir(&dir) else { continue };
        let mut paths: Vec<PathBuf> = found.map(|entry| entry.expect("a directory entry").path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            inputs.push((format!("{kind}/{name}"), fs::read(&path).expect("an input")));
        }
    }
    assert!(inputs.iter().any(|(name, _)| name.starts_with("seeds/")), "{} has no seed", target.name);
    inputs
}

#[test]
fn every_fuzz_target_runs_on_its_seeds_and_regressions() {
    let _alone = alone();
    for target in TARGETS {
        for (_, input) in inputs(target) {
            (target.run)(&input);
        }
    }
}

#[test]
fn every_input_is_kept_in_words() {
    let _alone = alone();
    for target in TARGETS {
        let mut text = String::new();
        for (name, input) in inputs(target) {
            let _ = writeln!(text, "== {name}, {} bytes\n{}", input.len(), (target.tells)(&input));
        }
        // A seed that stands for nothing shows nothing.
        assert!(!text.contains("no case") && !text.contains("changes nothing"), "{}:\n{text}", target.name);
        // Where each is refused at the first look, nothing behind that is ever reached.
        let mut told = text.split("== ").skip(1);
        let taken = told.any(|told| REFUSED.iter().all(|word| !told.contains(word)));
        assert!(taken, "{}:\n{text}", target.name);
        let has_records = ["batch", "archive_block"].contains(&target.name);
        assert!(!has_records || text.contains("[Frame {"), "no record is in any:\n{text}");
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("fuzz_{}", target.name), text);
        });
    }
}

/// The workspace of the targets, the files there and the table here name the same.
#[test]
fn every_fuzz_target_is_built() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let built = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    let known: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(built.collect::<BTreeSet<_>>(), known);
    for name in known {
        let text = fs::read_to_string(root().join(format!("fuzz_targets/{name}.rs"))).expect("a target");
        assert!(
            text.contains(&format!("truelog_harness::fuzzing::{name}(data)")),
            "{name} calls another function"
        );
        assert!(text.lines().count() <= 20, "{name} is more than a call");
    }
}

/// The targets on bytes that nobody chose: any of them, and any cut of them.
#[test]
fn no_fuzz_target_minds_arbitrary_bytes() {
    use proptest::prelude::*;
    let _alone = alone();
    proptest!(ProptestConfig::with_cases(256), |(bytes in proptest::collection::vec(any::<u8>(), 0..600))| {
        for target in TARGETS {
            bounded(target, &bytes);
        }
    });
}

/// Every target, in every state of a seed that is cut or has one byte changed, within its bounds.
#[test]
fn no_fuzz_target_minds_a_seed_that_was_damaged() {
    let _alone = alone();
    let mut held = 0;
    for target in TARGETS {
        let (mut runs, mut most) = (0_u64, Cost::default());
        for (_, bytes) in inputs(target) {
            // What is made once is nobody's cost.
            (target.run)(&bytes);
            for at in 0..bytes.len().min(512) {
                let mut changed = bytes.clone();
                changed[at] = changed[at].wrapping_add(1 + (at % 250) as u8);
                for input in [&bytes[..at], &changed] {
                    let cost = bounded(target, input);
                    most = Cost { held: most.held.max(cost.held), busy: most.busy.max(cost.busy) };
                    runs += 1;
                }
            }
        }
        assert!(runs > 0, "{}: nothing was run", target.name);
        held += most.held;
        println!(
            "{}: {runs} damaged seeds, at most {} bytes held, busy for at most {:?}",
            target.name, most.held, most.busy
        );
    }
    assert!(held > 0, "nothing was counted");
}

/// The bound is one: what holds more than its target allows is told.
#[test]
fn an_input_that_holds_too_much_is_told() {
    let _alone = alone();
    let greedy = Target { run: |_| drop(std::hint::black_box(vec![1_u8; 1 << 30])), ..TARGETS[0] };
    assert!(std::panic::catch_unwind(|| bounded(&greedy, &[])).is_err());
    bounded(&Target { run: |_| {}, ..TARGETS[0] }, &[]);
}
