//! fio, which says whether the limits here are what they should be.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::BLOCK;
use crate::measure::{Meter, Sample};
use crate::payload::{LARGE, SMALL};
use crate::plan::Task;
use crate::workloads::{Workload, kept};

/// Its version, if it is here.
pub fn version() -> Option<String> {
    let output = Command::new("fio").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Does what the limit of the workload does.
pub fn run(task: &Task) -> Result<Sample> {
    let path = super::file_in(&task.dir)?;
    let file = path.to_str().context("the path is no text")?;
    let common = ["--name=limit", "--ioengine=psync", "--output-format=json", "--thread"];
    let seconds = task.scale.millis.div_ceil(1000);
    let extra = match task.workload {
        Workload::Append1 => vec![
            "--rw=write".to_owned(),
            "--direct=1".to_owned(),
            "--sync=dsync".to_owned(),
            format!("--bs={BLOCK}"),
            "--size=64M".to_owned(),
            "--overwrite=1".to_owned(),
            "--time_based".to_owned(),
            format!("--runtime={seconds}"),
        ],
        Workload::Bulk => vec![
            "--rw=write".to_owned(),
            "--bs=1M".to_owned(),
            "--fallocate=none".to_owned(),
            "--end_fsync=1".to_owned(),
            format!("--size={}", task.scale.bulk_bytes),
        ],
        Workload::Scan => {
            warm(&path, task.scale.scan_bytes)?;
            vec![
                "--rw=read".to_owned(),
                "--bs=1M".to_owned(),
                "--invalidate=0".to_owned(),
                format!("--size={}", task.scale.scan_bytes),
            ]
        }
        other => bail!("fio has no part in {}", other.name()),
    };
    let meter = Meter::start(&task.dir)?;
    let output = Command::new("fio").args(common).arg(format!("--filename={file}")).args(extra).output()?;
    ensure!(output.status.success(), "fio: {}", String::from_utf8_lossy(&output.stderr));
    let counted = meter.stop(0, 0)?;
    sample(task.workload, &serde_json::from_slice(&output.stdout)?, counted)
}

fn warm(path: &Path, len: u64) -> Result<()> {
    if path.metadata().map_or(0, |found| found.len()) < len {
        let mut file = std::fs::File::create(path)?;
        std::io::copy(&mut std::io::Read::take(std::io::repeat(1), len), &mut file)?;
    }
    kept::warm(path.parent().unwrap_or(path))
}

/// What fio reports, in our words.
fn sample(workload: Workload, report: &Value, counted: Sample) -> Result<Sample> {
    let job = &report["jobs"][0];
    let side = if workload == Workload::Scan { &job["read"] } else { &job["write"] };
    let number = |value: &Value| value.as_f64().context("fio reports no number where one is due");
    let ios = number(&side["total_ios"])?;
    let bytes = number(&side["io_bytes"])?;
    // A block of a durable append holds one record; elsewhere bytes count.
    let (ops, len) = match workload {
        Workload::Append1 => (ios, SMALL as f64),
        Workload::Bulk => (bytes / LARGE as f64, LARGE as f64),
        _ => (bytes / SMALL as f64, SMALL as f64),
    };
    let nanos = |quantile: &str| side["clat_ns"]["percentile"][quantile].as_f64().unwrap_or(0.0) / 1e3;
    Ok(Sample {
        ops: ops as u64,
        bytes: (ops * len) as u64,
        // With the final sync, which fio's own run time of the writes leaves out.
        seconds: number(&job["job_runtime"])?.max(number(&side["runtime"])?) / 1e3,
        p50_us: nanos("50.000000"),
        p99_us: nanos("99.000000"),
        cpu_us: 0.0,
        peak_rss: 0,
        allocs: 0,
        ..counted
    })
}
