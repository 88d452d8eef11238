//! What is judged in a minute of the whole engine: two writers, a compactor, a prefetcher and a verifier under shuttle's
//! random schedules, and at each call of the disk and each acknowledgement every image that a crash leaves.
//!
//! `cargo run --release -p truelog-harness --example engine_minute -- [SECONDS] [SEED] [THREADS]`
//!
//! Each thread of the system runs schedules of a seed of its own, from SEED on, and remembers what it has judged itself.

use std::time::{Duration, Instant};

use truelog_harness::schedules::{Act, Explored, SCENES, Scene, Strategy, explore, explore_while};

/// More schedules than anybody waits for.
const MANY: u64 = 1 << 20;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut number = |otherwise: u64| match numbers.next() {
        Some(Ok(number)) => number,
        Some(Err(error)) => panic!("{error}"),
        None => otherwise,
    };
    let (seconds, seed, threads) = (number(60), number(1), number(2));
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
    let until = began + Duration::from_secs(seconds);
    let of =
        |seed| move || explore_while(scene, &Strategy::Random, seed, MANY, move || Instant::now() < until);
    let explored: Vec<Explored> = std::thread::scope(|scope| {
        let threads: Vec<_> = (seed..seed + threads).map(|seed| scope.spawn(of(seed))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    let took = began.elapsed().as_secs_f64();
    for one in &explored {
        assert!(one.found.is_none(), "{:?}", one.found);
    }
    println!("seeds {seed} to {}, {took:.1} s: {}", seed + threads - 1, counts(&explored));
    for (scene, whole) in SCENES.iter().filter_map(|scene| Some((scene, scene.whole?))) {
        let began = Instant::now();
        let all = explore(scene, &whole.strategy(), seed, MANY);
        let took = began.elapsed().as_secs_f64();
        assert!(all.exhausted && all.found.is_none(), "{:?}", all.found);
        println!("scene {}, {}, exhausted in {took:.1} s: {}", scene.name, whole.strategy(), counts(&[all]));
    }
}

/// What was explored, added up.
fn counts(explored: &[Explored]) -> String {
    let sum = |count: fn(&Explored) -> u64| explored.iter().map(count).sum::<u64>();
    format!(
        "{} schedules, {} crash points, {} of them unlike, {} images, {} pairs of image and obligations judged, {} recoveries \
         run, {} steps held against the mechanism",
        sum(|one| one.schedules),
        sum(|one| one.judged.points),
        sum(|one| one.judged.distinct),
        sum(|one| one.judged.images),
        sum(|one| one.judged.pairs),
        sum(|one| one.judged.recoveries),
        sum(|one| one.steps),
    )
}
