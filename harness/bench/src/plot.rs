//! The plots: rates beside the limit, latencies, and recovery against size.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::measure::Sample;
use crate::results::{Results, Role, role};
use crate::workloads::Workload;

const WIDTH: u32 = 760;
const LINE: i32 = 22;
const LEFT: i32 = 210;
const RIGHT: i32 = 90;
const TOP: i32 = 40;

/// A bar of a plot.
struct Bar {
    name: String,
    value: f64,
    color: RGBColor,
}

/// Writes all of them into `dir`.
pub fn all(dir: &Path, results: &Results) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for workload in Workload::ALL {
        let path = dir.join(format!("perf-{}.svg", workload.name()));
        match workload {
            Workload::Recovery => recovery(&path, results)?,
            Workload::Busy => latency(&path, results)?,
            other => rates(&path, results, other)?,
        }
    }
    Ok(())
}

fn color(contender: &str, workload: Workload) -> RGBColor {
    match role(contender, workload) {
        Role::Limit | Role::Unpacking => RGBColor(90, 90, 90),
        Role::Reference => RGBColor(150, 150, 150),
        Role::Ours => RGBColor(31, 119, 180),
        Role::Peer => RGBColor(174, 199, 232),
        Role::Shown => RGBColor(224, 205, 190),
    }
}

/// Operations a second.
fn rates(path: &Path, results: &Results, workload: Workload) -> Result<()> {
    let mut bars = Vec::new();
    for part in 0..workload.parts() {
        for name in results.contenders(workload, part) {
            let value = results.median((workload, part), name, Sample::rate).unwrap_or(0.0);
            let part = workload.part_name(part);
            let label = if part.is_empty() { name.to_owned() } else { format!("{name}, {part}") };
            bars.push(Bar { name: label, value, color: color(name, workload) });
        }
    }
    horizontal(path, &format!("{}: records a second", workload.title()), &bars)
}

/// p99 at rest and not.
fn latency(path: &Path, results: &Results) -> Result<()> {
    let workload = Workload::Busy;
    let mut bars = Vec::new();
    for part in 0..workload.parts() {
        for (what, of) in [("p50", (|s| s.p50_us) as fn(&Sample) -> f64), ("p99", |s| s.p99_us)] {
            if let Some(value) = results.median((workload, part), "truelog", of) {
                let name = format!("{what} {}", workload.part_name(part));
                bars.push(Bar { name, value, color: color("truelog", workload) });
            }
        }
    }
    horizontal(path, &format!("{}: microseconds", workload.title()), &bars)
}

/// How long opening takes, by size.
fn recovery(path: &Path, results: &Results) -> Result<()> {
    let workload = Workload::Recovery;
    let mut bars = Vec::new();
    for part in 0..workload.parts() {
        for name in results.contenders(workload, part) {
            let place = (workload, part);
            let seconds = results.median(place, name, |sample| sample.seconds).unwrap_or(0.0);
            let mib = results.median(place, name, |sample| sample.bytes as f64).unwrap_or(0.0) / 1048576.0;
            bars.push(Bar {
                name: format!("{name}, {mib:.0} MiB"),
                value: seconds * 1e3,
                color: color(name, workload),
            });
        }
    }
    horizontal(path, &format!("{}: milliseconds", workload.title()), &bars)
}

fn horizontal(path: &Path, title: &str, bars: &[Bar]) -> Result<()> {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    if most <= 0.0 {
        return Ok(());
    }
    let height = TOP + LINE * i32::try_from(bars.len())? + 10;
    let area = SVGBackend::new(path, (WIDTH, u32::try_from(height)?)).into_drawing_area();
    let drawn = draw(&area, title, bars, most);
    drawn.and_then(|()| area.present()).map_err(|error| anyhow!("{}: {error}", path.display()))
}

type Drawn<'a> = std::result::Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a>(area: &DrawingArea<SVGBackend<'a>, Shift>, title: &str, bars: &[Bar], most: f64) -> Drawn<'a> {
    area.fill(&WHITE)?;
    let font = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
    area.draw_text(title, &font(16), (10, 10))?;
    let room = f64::from(i32::try_from(WIDTH).unwrap_or(0) - LEFT - RIGHT);
    for (bar, top) in bars.iter().zip((TOP..).step_by(22)) {
        let middle = top + LINE / 2;
        let right = font(12).pos(Pos::new(HPos::Right, VPos::Center));
        let left = font(12).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw_text(&bar.name, &right, (LEFT - 8, middle))?;
        // Within the picture, so that it fits.
        let len = (room * bar.value / most).round() as i32;
        area.draw(&Rectangle::new([(LEFT, top + 3), (LEFT + len, top + LINE - 3)], bar.color.filled()))?;
        let value =
            if bar.value >= 100.0 { format!("{:.0}", bar.value) } else { format!("{:.2}", bar.value) };
        area.draw_text(&value, &left, (LEFT + len + 6, middle))?;
    }
    Ok(())
}
