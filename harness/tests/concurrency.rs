//! Loom, shuttle, the order of calls, and the corpus: the small versions that every `cargo test` runs.

use std::path::Path;

use truelog_env::IoKind;
use truelog_harness::kernels::{Explored, SCENARIOS};
use truelog_harness::order::runs::{SCRIPTS, run};
use truelog_harness::order::seen::{Call, Result as Ended, Seen};
use truelog_harness::order::{judge, table};
use truelog_harness::replay::{check_one, corpus, read, traces};
use truelog_harness::schedules::{SCENES, Scene, Strategy, blind, explore};
use truelog_spec::trace::Head;

#[test]
fn loom_explores_the_kernel_and_finds_its_canaries() {
    let verifier = Path::new(env!("CARGO_BIN_EXE_verify"));
    let mut canaries = 0;
    for scenario in SCENARIOS {
        match scenario.judge(verifier) {
            Ok(Explored::Holds { executions }) => println!("{}: {executions} executions", scenario.name),
            Ok(Explored::CanaryFound) => canaries += 1,
            Err(says) => panic!("{says}"),
        }
    }
    assert_eq!(canaries, 8);
}

#[test]
fn the_whole_engine_holds_under_a_few_schedules_of_each_scene() {
    for scene in SCENES {
        let mut schedules = 3 * scene.times.min(4);
        let mut explored = explore(scene, &Strategy::Random, 1, schedules);
        // What a scene is about may be rare under random schedules. Never is too rare.
        while blind(scene, &explored).is_some() && !scene.worked && schedules < 200 {
            schedules *= 2;
            explored = explore(scene, &Strategy::Random, 1, schedules);
        }
        assert!(explored.found.is_none(), "{}: {:?}", scene.name, explored.found);
        // That thread is asked for more schedules of its own, below.
        assert!(scene.worked || blind(scene, &explored).is_none(), "{}: {explored:?}", scene.name);
        let judged = explored.judged;
        assert!(explored.schedules == schedules && explored.steps > 0, "{explored:?}");
        assert!(judged.whole > 0, "{explored:?}");
        println!(
            "{}: {} crash points, {} images, {} pairs, {} writes of the log's own thread, {:?}",
            scene.name, judged.points, judged.images, judged.pairs, explored.worked, explored.work
        );
        assert!(scene.worked || explored.worked == 0, "{}: who is this thread?", scene.name);
    }
}

#[test]
fn the_logs_own_thread_commits_what_nobody_waits_for() {
    let mut scenes = 0;
    for scene in SCENES.iter().filter(|scene| scene.worked) {
        for strategy in [Strategy::Random, Strategy::Pct(3)] {
            let explored = explore(scene, &strategy, 7, 6 * scene.times);
            assert!(explored.found.is_none(), "{} under {strategy}: {:?}", scene.name, explored.found);
            assert!(explored.worked > 0, "{} under {strategy}: it never wrote", scene.name);
            println!("{} under {strategy}: {} writes", scene.name, explored.worked);
        }
        scenes += 1;
    }
    assert!(scenes >= 2, "there are scenes with such a thread");
}

#[test]
fn the_tiny_scene_is_exhausted() {
    let scene = Scene::named("tiny").expect("there is a tiny scene");
    let explored = explore(scene, &Strategy::DepthFirst, 1, 20_000);
    assert!(explored.found.is_none(), "{:?}", explored.found);
    assert!(explored.exhausted, "{} schedules were not enough", explored.schedules);
    println!("{} schedules", explored.schedules);
}

#[test]
fn what_the_engine_does_is_a_path_of_the_mechanism() {
    for script in SCRIPTS {
        let seen = run(script);
        match judge(&seen) {
            Ok(walked) => {
                assert!(walked.steps > 10, "{}: {walked:?}", script.name);
                for kind in script.shows {
                    assert!(walked.kinds.contains(*kind), "{} never came to `{kind}`", script.name);
                }
            }
            Err(refused) => panic!("{}: {}", script.name, truelog_harness::order::context(&seen, &refused)),
        }
    }
}

/// The entry where the n-th call that `fits` begins, from 0.
fn nth(run: &[Seen], n: usize, fits: impl Fn(&Call) -> bool) -> (usize, u64) {
    let begins = run.iter().enumerate().filter_map(|(at, seen)| match seen {
        Seen::Begin(number, call) if fits(call) => Some((at, *number)),
        _ => None,
    });
    begins.into_iter().nth(n).expect("the run has such a call")
}

#[test]
fn a_run_in_another_order_is_refused_by_the_guard_that_says_so() {
    use truelog_env::Op;
    use truelog_harness::fabric::Role;
    let life = run(&SCRIPTS[0]);
    let guard = |run: &[Seen]| judge(run).expect_err("this order is wrong").to_string();
    // Without a call that the order needs: all its entries are taken out.
    let without = |n: usize, fits: &dyn Fn(&Call) -> bool| {
        let (_, number) = nth(&life, n, fits);
        let of = |seen: &Seen| matches!(seen, Seen::Begin(one, _) | Seen::End(one, _) if *one == number);
        life.iter().filter(|seen| !of(seen)).cloned().collect::<Vec<_>>()
    };
    let data = without(0, &|call| call.op == Op::SyncData && matches!(call.role, Role::Segment(_)));
    assert!(guard(&data).contains("publish-needs-sync"), "{}", guard(&data));
    let look = without(0, &|call| call.op == Op::Metadata && matches!(call.role, Role::Segment(_)));
    assert!(guard(&look).contains("publish-needs-path-check"), "{}", guard(&look));
    let manifest = without(0, &|call| call.op == Op::SyncData && call.role == Role::Manifest);
    assert!(guard(&manifest).contains("batch-needs-named-segment"), "{}", guard(&manifest));
    let renamed = without(0, &|call| call.op == Op::SyncAll && matches!(call.role, Role::SegmentTmp(_)));
    assert!(guard(&renamed).contains("rename-needs-sync"), "{}", guard(&renamed));
    let ancestors = {
        let gone: Vec<u64> = life
            .iter()
            .filter_map(|seen| match seen {
                Seen::Begin(number, call) if call.op == Op::SyncDir && call.role == Role::Ancestor => {
                    Some(*number)
                }
                _ => None,
            })
            .collect();
        let of = |seen: &Seen| matches!(seen, Seen::Begin(one, _) | Seen::End(one, _) if gone.contains(one));
        life.iter().filter(|seen| !of(seen)).cloned().collect::<Vec<_>>()
    };
    assert!(guard(&ancestors).contains("identity-after-ancestors"), "{}", guard(&ancestors));
    // An acknowledgement before the watermark.
    let ack = life.iter().position(|seen| matches!(seen, Seen::Ack(..))).expect("the run has a receipt");
    let write = nth(&life, 0, |call| call.op == Op::Write && matches!(call.role, Role::Segment(_))).0;
    let mut early = life.clone();
    let receipt = early.remove(ack);
    early.insert(write + 2, receipt);
    assert!(guard(&early).contains("ack-needs-sync"), "{}", guard(&early));
    // A call that nobody has a step for.
    let mut unknown = life.clone();
    unknown.insert(ack, Seen::Begin(u64::MAX, Call::plain(Op::SetLen, Role::Segment(1))));
    unknown.insert(ack + 1, Seen::End(u64::MAX, Ended::Failed(IoKind::Device)));
    assert!(guard(&unknown).contains("no row"), "{}", guard(&unknown));
    assert!(table::TABLE.len() > 20);
}

#[test]
fn every_trace_of_the_corpus_ends_as_it_states() {
    let found = traces(&corpus()).expect("the corpus can be read");
    assert!(found.len() > 30, "a corpus of {} traces has lost some", found.len());
    let mut early = Vec::new();
    for path in &found {
        let trace = read(path).unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display()));
        if let Err(wrong) = check_one(&trace) {
            panic!("{}: {wrong}", path.display());
        }
        if matches!(trace.code, Some(Head::Refused { .. })) {
            early.extend(trace.mutant);
        }
    }
    // One more needs a reason in the table of practices.
    early.sort();
    let known = ["reclaim-without-waiting-for-readers", "watermark-passes-hole"];
    assert_eq!(early, known, "the code leaves these before the mechanism does");
}
