//! What the auditor costs those who append: `cargo run --release -p truelog --example audit_cost`. It measures in turns, so
//! that a slow minute of the machine slows all alike; a busy machine still says little.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "it measures, and tells"
)]

use std::time::{Duration, Instant};

use truelog::{Durability, Log, Options, Record, StreamId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const TURNS: usize = 12;
    const TURN: Duration = Duration::from_millis(400);
    let every = |millis| Options {
        background: true,
        segment_size: 64 << 20,
        audit_every: Duration::from_millis(millis),
        ..Options::default()
    };
    // Off; a sample kept and hardly ever looked at; a sample looked at every 100 ms, 600 times as often as by default.
    let ways = [every(0), every(60_000), every(100)];
    for (what, durability, batch) in [
        ("appends that survive a loss of power, 100 a batch", Durability::PowerLoss, 100),
        ("appends that survive the process, one by one", Durability::ProcessCrash, 1),
    ] {
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..TURNS {
            for (options, rates) in ways.iter().zip(&mut rates) {
                let root = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR"))?;
                let log = Log::create(root.path().join("log"), options)?;
                let bytes = [b'a'; 200];
                let records = vec![Record { stream: StreamId(1), payload: &bytes }; batch];
                let (began, mut count) = (Instant::now(), 0_u32);
                while began.elapsed() < TURN {
                    log.append_batch(&records, durability)?;
                    count += u32::try_from(batch)?;
                }
                rates.push(f64::from(count) / began.elapsed().as_secs_f64());
            }
        }
        let medians = rates.map(|mut rates| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        });
        let percent = |rate: f64| (1.0 - rate / medians[0]) * 100.0;
        println!(
            "{what}: {:.0} a second without, {:+.2} % with samples, {:+.2} % with a look every 100 ms",
            medians[0],
            -percent(medians[1]),
            -percent(medians[2])
        );
    }
    Ok(())
}
