//! A campaign in a page: what was run, what it reached and when, and what was found.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use plotters::prelude::{BLACK, BLUE, ChartBuilder, IntoDrawingArea, LineSeries, SVGBackend, WHITE};

use super::arms::all;
use super::journal::Found;
use super::totals::{ALIVE, Canary, DUE, Totals};
use crate::explore::point;
use crate::order::KINDS;

/// Writes `summary.md` and `coverage.svg` into a directory.
///
/// # Errors
/// They cannot be written.
pub fn write(totals: &Totals, out: &Path) -> io::Result<()> {
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("summary.md"), page(totals))?;
    draw(totals, &out.join("coverage.svg")).map_err(io::Error::other)
}

/// The page.
#[must_use]
pub fn page(totals: &Totals) -> String {
    let Totals { cases, counts, reached, arms, findings, .. } = totals;
    let mut text = format!(
        "# A campaign\n\n{cases} cases and {} executions in {:.0} s of running, {} points reached, {} findings.\n\n",
        totals.executions(),
        totals.seconds,
        reached.len(),
        findings.len()
    );
    text.push_str("| commit | seed | shard | cases | seconds |\n|---|---|---|---|---|\n");
    for ((commit, seed, of, shard), (seconds, cases)) in &totals.shards {
        let _ = writeln!(text, "| {commit} | {seed} | {shard}/{of} | {cases} | {seconds:.0} |");
    }
    for shards in totals.missing() {
        let _ = write!(text, "\nA part: {shards}.\n");
    }
    if let Some(why) = totals.blind() {
        let _ = write!(text, "\n**Incomplete: {why}.**\n");
    }
    text.push_str("\n![what was reached, over time](coverage.svg)\n\n## Findings\n\n");
    if findings.is_empty() {
        text.push_str("None.\n");
    }
    for (signature, (found, times)) in findings {
        finding(&mut text, signature, found, *times);
    }
    text.push_str("\n## Canaries\n\n| | found | due | last all of them, in case |\n|---|---|---|---|\n");
    for (name, Canary { due, found, last }) in &totals.canaries {
        let last = last.map_or_else(
            || "never".to_owned(),
            |(shard, of, index)| format!("{index} of shard {shard}/{of}"),
        );
        let _ = writeln!(text, "| {name} | {found} | {due} | {last} |");
    }
    text.push_str("\n## What was run\n\n| | cases | reached first by it |\n|---|---|---|\n");
    for (arm, tally) in arms {
        let _ = writeln!(text, "| {arm} | {} | {} |", tally.cases, tally.reached);
    }
    for arm in all().iter().filter(|arm| !arms.contains_key(&arm.name)) {
        let _ = writeln!(text, "| {} | none | |", arm.name);
    }
    text.push_str("\n## What was counted\n\n| | |\n|---|---|\n");
    for (what, n) in counts {
        let _ = writeln!(text, "| {what} | {n} |");
    }
    text.push_str("\n## Kinds of the mechanism's steps that nothing took\n\n");
    for kind in KINDS.iter().filter(|kind| !reached.contains(&point(kind))) {
        let _ = writeln!(text, "- {kind}");
    }
    text.push_str("\n## What was reached\n\n");
    for point in reached {
        let _ = writeln!(text, "- {point}");
    }
    text
}

/// A finding: what happened, where its page is, and whether there is a trace of it.
fn finding(text: &mut String, signature: &str, found: &Found, times: u64) {
    let _ = write!(
        text,
        "### {signature}\n\n{times} times; again in {} of 2 more runs of that case. ",
        found.again
    );
    if let Some(page) = &found.page {
        let _ = write!(text, "[Its page]({page})");
        text.push_str(if found.is_told() { ", beside what is told. " } else { ". " });
    }
    if let Some(why) = &found.untold {
        let _ = write!(text, "It has no trace: {why}.");
    }
    let _ = write!(text, "\n\n```text\n{}\n```\n\n```sh\n{}\n```\n\n", found.says.trim_end(), found.replay);
}

/// One line for whoever waits.
#[must_use]
pub fn line(totals: &Totals) -> String {
    let count = |what: &str| totals.counts.get(what).copied().unwrap_or_default();
    let rate = |n: u64| n as f64 / totals.elapsed().max(0.001);
    let taken = KINDS.iter().filter(|kind| totals.reached.contains(&point(kind))).count();
    format!(
        "{} cases, {:.1}/s, {:.0} executions/s; {} points reached, {taken} of {} kinds of the mechanism's steps; {} schedules, {} \
         images, {} faults fired, {} fuzz inputs; {} of {} canaries found; {} findings",
        totals.cases,
        rate(totals.cases),
        rate(totals.executions()),
        totals.reached.len(),
        KINDS.len(),
        count("schedules"),
        count("images"),
        count("faults fired"),
        count("fuzz inputs"),
        count(ALIVE),
        count(DUE),
        totals.findings.len()
    )
}

fn draw(totals: &Totals, path: &Path) -> Result<(), String> {
    let says = |error: &dyn std::fmt::Display| error.to_string();
    let area = SVGBackend::new(path, (720, 360)).into_drawing_area();
    area.fill(&WHITE).map_err(|error| says(&error))?;
    let (width, height) = (totals.elapsed().max(1.0), totals.reached.len().max(1));
    let mut chart = ChartBuilder::on(&area)
        .caption("points reached, over seconds of each shard's running", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..width, 0..height)
        .map_err(|error| says(&error))?;
    chart.configure_mesh().axis_style(BLACK).draw().map_err(|error| says(&error))?;
    let end = (totals.elapsed(), totals.reached.len());
    let points = std::iter::once((0.0, 0)).chain(totals.growth.iter().copied()).chain([end]);
    chart.draw_series(LineSeries::new(points, &BLUE)).map_err(|error| says(&error))?;
    area.present().map_err(|error| says(&error))
}
