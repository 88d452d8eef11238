//! What the auditor costs those who append: `cargo run --release -p truelog --example audit_cost [PAIRS]`.
//!
//! Two logs are open at once, one without an auditor and one with, and are appended to in turns of some milliseconds, so
//! that a slow moment of the machine meets both. What is told are medians of the ratios of neighbouring turns, with the
//! interval that has the true median in 95 of 100 cases: of the time by the clock, and of the processor's time of all
//! threads, which other programs disturb far less. A look at the sample, and one at everything, cost the same however much
//! is appended meanwhile: each is measured by itself, and told as a share of its interval.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "it measures, and tells"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use truelog::{Durability, Log, Options, Record, StreamId};

type Failed = Box<dyn std::error::Error>;

/// Pairs of turns, unless the command line says how many.
const PAIRS: usize = 300;
/// About how long a turn takes.
const TURN: Duration = Duration::from_millis(15);
/// How often the auditor looks at its sample, and at everything, by default.
const EVERY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));

fn main() -> Result<(), Failed> {
    let pairs = std::env::args().nth(1).map_or(Ok(PAIRS), |pairs| pairs.parse())?;
    let root = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR"))?;
    for (what, durability, batch) in [
        ("survive a loss of power, 100 a batch", Durability::PowerLoss, 100),
        ("survive a loss of power, one by one", Durability::PowerLoss, 1),
        ("survive the process, one by one", Durability::ProcessCrash, 1),
    ] {
        in_turns(root.path(), what, durability, batch, pairs.max(1))?;
    }
    looks(root.path())
}

fn options(audit_every: Duration) -> Options {
    Options { segment_size: 64 << 20, audit_every, ..Options::default() }
}

/// The processor's time of all threads of this process.
fn processor() -> Result<Duration, Failed> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// Appends so many batches: by the clock, and by the processor.
fn turn(log: &Log, batches: u32, batch: usize, durability: Durability) -> Result<[Duration; 2], Failed> {
    let bytes = [b'a'; 200];
    let records = vec![Record { stream: StreamId(1), payload: &bytes }; batch];
    let (began, worked) = (Instant::now(), processor()?);
    for _ in 0..batches {
        log.append_batch(&records, durability)?;
    }
    let took = [began.elapsed(), processor()?.saturating_sub(worked)];
    // What is kept would fill the disk.
    log.trim(log.stat().durable)?;
    Ok(took)
}

/// Appends with and without an auditor that keeps its sample.
fn in_turns(
    root: &Path,
    what: &str,
    durability: Durability,
    batch: usize,
    pairs: usize,
) -> Result<(), Failed> {
    let make = |name: &str, every| Log::create(root.join(format!("{name} {what}")), &options(every));
    let (off, on) = (make("off", Duration::ZERO)?, make("on", EVERY.0)?);
    // How many batches are a turn.
    let (mut batches, mut took) = (0, Duration::ZERO);
    while took < TURN * 8 {
        took += turn(&off, 8, batch, durability)?[0] + turn(&on, 8, batch, durability)?[0];
        batches += 1;
    }
    let batches = (batches * 2).max(4);
    let mut ratios = [const { Vec::new() }; 2];
    let mut without = [const { Vec::new() }; 2];
    for pair in 0..pairs {
        // In turns, who is first.
        let (first, second) = if pair % 2 == 0 { (&off, &on) } else { (&on, &off) };
        let (first, second) =
            (turn(first, batches, batch, durability)?, turn(second, batches, batch, durability)?);
        let (off, on) = if pair % 2 == 0 { (first, second) } else { (second, first) };
        for by in 0..2 {
            ratios[by].push(on[by].as_secs_f64() / off[by].as_secs_f64());
            without[by].push(off[by].as_secs_f64() / f64::from(batches) * 1e6);
        }
    }
    println!("appends that {what}: {pairs} pairs of {batches} batches");
    for (by, (ratios, without)) in ["clock", "processor"].iter().zip(ratios.iter_mut().zip(&mut without)) {
        let [low, middle, high] = median(ratios).map(|ratio| (ratio - 1.0) * 100.0);
        let micros = median(without)[1];
        println!(
            "  {by:<9} {micros:>9.1} us a batch without; with: {middle:+.2} % ({low:+.2} to {high:+.2})"
        );
    }
    Ok(())
}

/// The median, between the bounds of the interval that has the true one in 95 of 100 cases.
fn median(sample: &mut [f64]) -> [f64; 3] {
    sample.sort_by(f64::total_cmp);
    let (count, half) = (sample.len(), sample.len() / 2);
    // Of so many draws, how many fall below the median: half, give or take two deviations.
    let off = (1..count).find(|root| root * root >= count).unwrap_or(1);
    [sample[half.saturating_sub(off)], sample[half], sample[(half + off).min(count - 1)]]
}

/// One look at a full sample, and one at everything.
fn looks(root: &Path) -> Result<(), Failed> {
    const LOOKS: u32 = 40;
    let often = Duration::from_millis(1);
    let quiet = Options { background: false, ..options(often) };
    let log = Log::create(root.join("looks"), &quiet)?;
    let bytes = [b'a'; 200];
    let records = vec![Record { stream: StreamId(1), payload: &bytes }; 100];
    let (mut took, mut before) = ([Vec::new(), Vec::new()], log.audit_stat());
    let (mut receipts, mut read) = (0, 0);
    for _ in 0..LOOKS {
        for _ in 0..100 {
            log.append_batch(&records, Durability::PowerLoss)?;
        }
        std::thread::sleep(often);
        let (began, worked) = (Instant::now(), processor()?);
        while log.audit_step()?.worked {}
        took[0].push(began.elapsed().as_secs_f64());
        took[1].push((processor()? - worked).as_secs_f64());
        let now = log.audit_stat();
        (receipts, read) = (receipts + now.receipts - before.receipts, read + now.bytes - before.bytes);
        before = now;
    }
    let [clock, processor_time] = took.map(|mut took| median(&mut took)[1]);
    println!(
        "a look at the sample: {} receipts, {} bytes read back, {:.2} ms by the clock, {:.2} ms of the processor: each {} s \
         {:.0} bytes a second and {:.4} % of one processor",
        receipts / u64::from(LOOKS),
        read / u64::from(LOOKS),
        clock * 1e3,
        processor_time * 1e3,
        EVERY.0.as_secs(),
        read as f64 / f64::from(LOOKS) / EVERY.0.as_secs_f64(),
        processor_time / EVERY.0.as_secs_f64() * 100.0
    );
    let (began, worked, bytes) = (Instant::now(), processor()?, log.audit_stat().bytes);
    let stat = log.audit()?;
    let (clock, worked) = (began.elapsed().as_secs_f64(), (processor()? - worked).as_secs_f64());
    let gib = (stat.bytes - bytes) as f64 / f64::from(1 << 30);
    println!(
        "a look at everything: {:.0} MiB, {:.2} s by the clock, {:.2} s of the processor a GiB: once a day, for 100 GiB, {:.0} \
         bytes a second and {:.3} % of one processor",
        gib * 1024.0,
        clock,
        worked / gib,
        f64::from(1 << 30) * 100.0 / EVERY.1.as_secs_f64(),
        worked / gib * 100.0 / EVERY.1.as_secs_f64() * 100.0
    );
    Ok(())
}
