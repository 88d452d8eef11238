//! What is judged in a minute of the whole engine: two writers, a compactor, a prefetcher and a verifier under shuttle's
//! random schedules, and at each call of the disk and each acknowledgement every image that a crash leaves.
//!
//! `cargo run --release -p truelog-harness --example engine_minute -- [SECONDS] [SEED]`

use std::time::Instant;

use truelog_harness::schedules::{Act, Scene, Strategy, explore};

/// Schedules by which the pace is found.
const FIRST: u64 = 20;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut number = |otherwise: u64| match numbers.next() {
        Some(Ok(number)) => number,
        Some(Err(error)) => panic!("{error}"),
        None => otherwise,
    };
    let (seconds, seed) = (number(60), number(1));
    let Some(archived) = Scene::named("compaction") else { panic!("the scene with a compaction is gone") };
    let scene: &'static Scene = Box::leak(Box::new(Scene {
        name: "engine",
        says: "two writers, a compactor, a prefetcher, a verifier",
        clients: &[
            &[Act::Append(200), Act::Append(8)],
            &[Act::Append(200)],
            &[Act::Compact],
            &[Act::Read, Act::Archive(4)],
            &[Act::Audit],
        ],
        ..*archived
    }));
    let began = Instant::now();
    let first = explore(scene, &Strategy::Random, seed, FIRST);
    let pace = began.elapsed().as_secs_f64() / FIRST as f64;
    assert!(first.found.is_none(), "{:?}", first.found);
    let wanted = (seconds as f64 / pace).max(1.0) as u64;
    let began = Instant::now();
    let explored = explore(scene, &Strategy::Random, seed, wanted);
    let took = began.elapsed().as_secs_f64();
    assert!(explored.found.is_none(), "{:?}", explored.found);
    let judged = explored.judged;
    println!(
        "seed {seed}: {} schedules in {took:.1} s on one thread: {} crash points, {} of them unlike, {} images, {} pairs of \
         image and obligations judged, {} recoveries run, {} steps held against the mechanism",
        explored.schedules,
        judged.points,
        judged.distinct,
        judged.images,
        judged.pairs,
        judged.recoveries,
        explored.steps,
    );
}
