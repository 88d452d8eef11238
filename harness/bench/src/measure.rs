//! What is measured around a piece of work, and how.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use crate::alloc;
use crate::disk::{self, Counters, Device};

/// What came of one measurement.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sample {
    /// The unit that is counted: a record, unless the workload says otherwise.
    pub ops: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// Seconds.
    pub seconds: f64,
    /// Microseconds; 0 where single operations are not timed.
    pub p50_us: f64,
    /// Microseconds; 0 where single operations are not timed.
    pub p99_us: f64,
    /// Microseconds of this process' user and system time.
    pub cpu_us: f64,
    /// Flushes of the whole block device, whoever asked for them.
    pub flushes: u64,
    /// Writes of the whole block device, whoever asked for them.
    pub writes: u64,
    /// Bytes written to the whole block device, whoever asked for them. (What the kernel counts for a process is by the pages
    /// that it makes dirty, where a large one counts whole for each small write.)
    pub written_bytes: u64,
    /// Allocations of Rust code; in appends, on the writers' own threads.
    pub allocs: u64,
    /// The most memory that the process had resident, in bytes.
    pub peak_rss: u64,
    /// What else there is to say.
    pub note: String,
}

impl Sample {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.ops as f64 / self.seconds } else { 0.0 }
    }

    /// How many of its middle operations fit into a second, one behind the other: what other programs that take the
    /// processor now and then change least. Not a number where single operations are not timed.
    pub fn quickness(&self) -> f64 {
        if self.p50_us > 0.0 { 1e6 / self.p50_us } else { f64::NAN }
    }

    /// Bytes a second.
    pub fn throughput(&self) -> f64 {
        if self.seconds > 0.0 { self.bytes as f64 / self.seconds } else { 0.0 }
    }

    /// `total` for each operation.
    pub fn each(&self, total: f64) -> f64 {
        if self.ops > 0 { total / self.ops as f64 } else { 0.0 }
    }
}

/// A measurement under way.
pub struct Meter {
    device: Device,
    began: Instant,
    cpu: Duration,
    disk: Counters,
    allocs: u64,
}

/// Nanoseconds up to ten seconds, to three digits. Small, since each writer has one.
pub type Times = Histogram<u32>;

/// An empty one.
pub fn times() -> Result<Times> {
    Histogram::new_with_bounds(16, 10_000_000_000, 3).context("no histogram")
}

fn cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("getrusage")?;
    let micros = |time: nix::sys::time::TimeVal| {
        let whole = u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000;
        whole + u64::try_from(time.tv_usec()).unwrap_or(0)
    };
    Ok(Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time())))
}

/// A line `name: number` of a file below /proc/self.
pub fn field(file: &str, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(file).with_context(|| file.to_owned())?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("{file} has no number {name}"))
}

impl Meter {
    /// Begins. The peak of memory counts from now on.
    pub fn start(dir: &std::path::Path) -> Result<Self> {
        let device = Device::of(dir)?;
        // 5 resets the peak to what is resident now.
        std::fs::write("/proc/self/clear_refs", "5").context("/proc/self/clear_refs")?;
        Ok(Self {
            disk: device.counters()?,
            device,
            allocs: alloc::count(),
            cpu: cpu()?,
            began: Instant::now(),
        })
    }

    /// Ends. `ops` operations were done, with `bytes` of payload.
    pub fn stop(self, ops: u64, bytes: u64) -> Result<Sample> {
        let seconds = self.began.elapsed().as_secs_f64();
        let cpu_us = (cpu()? - self.cpu).as_secs_f64() * 1e6;
        let allocs = alloc::count() - self.allocs;
        let disk = disk::since(self.disk, self.device.counters()?);
        Ok(Sample {
            ops,
            bytes,
            seconds,
            cpu_us,
            flushes: disk.flushes,
            writes: disk.writes,
            written_bytes: disk.written_bytes,
            allocs,
            peak_rss: field("/proc/self/status", "VmHWM")? * 1024,
            ..Sample::default()
        })
    }
}

/// Puts what the histogram says into the sample.
pub fn with_times(mut sample: Sample, times: &Times) -> Sample {
    let micros = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    (sample.p50_us, sample.p99_us) = (micros(0.5), micros(0.99));
    sample
}
