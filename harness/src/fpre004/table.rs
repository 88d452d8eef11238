//! The figures, for people.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};

use super::broken::Broken;
use super::experiment::{ATTEMPTS, Series};
use super::response::Latencies;
use super::stats::Share;
use super::{Figures, Setting};
use crate::emulator::random::MILLI;

/// A few lines: what Historical, its controls, Patched and Packed came to.
#[must_use]
pub fn summary(figures: &Figures) -> Vec<String> {
    let mut lines = vec![format!(
        "historical: FPRE004 within {ATTEMPTS} attempts in {}; in one attempt {}",
        share(&figures.historical.failing),
        share(&figures.historical.per_attempt)
    )];
    lines.push(format!(
        "historical: {} of {} failed verifications saw \"last write pending\" and \"cache ready\" at once",
        figures.historical.both, figures.historical.mismatches
    ));
    for (name, control) in &figures.controls {
        lines.push(format!("historical, {name}: {}", share(&control.failing)));
    }
    let patched = &figures.patched;
    lines.push(format!(
        "patched: {} ({} FPRE004 in {} reads)",
        if patched.faults > 0 { "FPRE004 is rarer, not gone" } else { "no FPRE004 seen" },
        patched.faults,
        patched.success.of
    ));
    let packed = &figures.packed;
    lines.push(format!(
        "packed: {} FPRE004, {} healthy drives quarantined in {} overlapping reads (95 %: below {:.1e})",
        packed.faults, packed.deceived, packed.overlapping, figures.packed_bound
    ));
    lines
}

/// All of it.
#[must_use]
pub fn render(figures: &Figures) -> String {
    let mut text = format!("{}\n\n", profile(figures));
    let mut table = plain();
    let header = [
        "design",
        "scenario",
        "fails within 27 attempts (95 %)",
        "per attempt",
        "FPRE004",
        "healthy drives quarantined",
        "overlapping reads",
        "reads served, without FPRE004",
    ];
    table.set_header(header);
    row(&mut table, "the incident's", &figures.historical);
    for (name, control) in &figures.controls {
        row(&mut table, name, control);
    }
    row(&mut table, "the incident's", &figures.patched);
    row(&mut table, "where historical fails", &figures.packed);
    let _ = writeln!(text, "{table}\n");
    for line in summary(figures) {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(
        text,
        "\n{}\n\n{}\n\n{}\n\n{}",
        histogram(&figures.historical),
        latency(figures),
        response(figures),
        broken(figures)
    );
    if !figures.sweep.is_empty() {
        let _ = write!(text, "\n{}", sweep(&figures.sweep));
    }
    text
}

fn plain() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(150);
    }
    table
}

fn row(table: &mut Table, scenario: &str, series: &Series) {
    table.add_row([
        series.design.to_owned(),
        scenario.to_owned(),
        share(&series.failing),
        format!("{:.3} %", 100.0 * series.per_attempt.value()),
        series.faults.to_string(),
        series.deceived.to_string(),
        series.overlapping.to_string(),
        format!("{:.5} % of {}", 100.0 * series.success.value(), series.success.of),
    ]);
}

fn share(share: &Share) -> String {
    let Share { hits, of, low, high } = share;
    format!("{hits} of {of} = {:.2} % ({:.2} to {:.2})", 100.0 * share.value(), 100.0 * low, 100.0 * high)
}

fn profile(figures: &Figures) -> String {
    let profile = &figures.profile;
    let ms = |span: u64| span as f64 / MILLI as f64;
    let Figures { size, .. } = figures;
    format!(
        "seeds 0 to {}; an attempt: {} reads (incident), {} apart, during a rewrite of {} blocks; burst and \
         compaction begin within {} ms\nacknowledgement {} ms + jitter 0 to {} ms (incident); read {} at the head + {}; \
         write {}; sync {}\nprefetch {} ahead; {} retries, {} ms before each; between two looks {}; patched backs off \
         {} ms; clocks wrong by up to {} ppm, one in two jumps back by up to {} ms",
        size.histories - 1,
        profile.burst,
        profile.arrival,
        profile.hot(),
        ms(profile.apart),
        ms(profile.acknowledgement),
        ms(profile.jitter),
        profile.read,
        profile.completion,
        profile.write,
        profile.sync,
        profile.distance,
        profile.retries,
        ms(profile.retry),
        profile.gap,
        ms(profile.back_off),
        profile.skew_ppm,
        ms(profile.jump),
    )
}

/// In how many histories each attempt was the first to fail.
fn histogram(series: &Series) -> String {
    let most = series.first_failure.iter().copied().max().unwrap_or(0).max(1);
    let mut text = format!("{}: the first attempt that fails, by histories", series.design);
    for (attempt, histories) in series.first_failure.iter().enumerate() {
        let bar = "#".repeat((50 * histories).div_ceil(most) as usize);
        let _ = write!(text, "\n{:>4} {histories:>6} {bar}", attempt + 1);
    }
    let never = series.failing.of - series.failing.hits;
    let _ = write!(text, "\nnone {never:>6}");
    text
}

fn latency(figures: &Figures) -> String {
    let [before, later @ ..] = &figures.prefetch;
    let mut text = format!(
        "prefetch latency, {}: {:.3} ms at rest, {:.3} ms during compactions (virtual); {} ns for a prefetch and its \
         first read (measured)",
        before.design, before.quiet_ms, before.compacting_ms, before.measured_ns
    );
    for prefetch in later {
        let _ = write!(
            text,
            "\n{} adds: {:+.3} ms at rest, {:+.3} ms during compactions (virtual); {:+} ns (measured)",
            prefetch.design,
            prefetch.quiet_ms - before.quiet_ms,
            prefetch.compacting_ms - before.compacting_ms,
            prefetch.measured_ns.cast_signed() - before.measured_ns.cast_signed()
        );
    }
    text
}

fn response(figures: &Figures) -> String {
    let Some(shown) = &figures.response else { return "first response: no attempt fails".to_owned() };
    let line = |latencies: &Latencies| {
        let Latencies { reads, median_ms, p99_ms, worst_ms } = latencies;
        format!("{reads} reads, median {median_ms:.2} ms, p99 {p99_ms:.2} ms, worst {worst_ms:.2} ms")
    };
    format!(
        "first response (historical, seed {} attempt {}): {} retries, then at {:.2} ms a healthy drive is quarantined; \
         {} blocks remapped and verified in {:.0} ms\n  other archives' readers meanwhile: {}\n  before and after:      \
                      {}\n  the same, packed:                   {}\n  byte-exact: {} of {} reads",
        shown.seed,
        shown.attempt + 1,
        figures.profile.retries,
        shown.quarantined_ms,
        shown.remapped,
        shown.remapping_ms,
        line(&shown.during),
        line(&shown.otherwise),
        line(&shown.packed),
        shown.exact,
        shown.reads,
    )
}

fn broken(figures: &Figures) -> String {
    let line = |broken: &Broken| {
        let Broken { fault, attempts, quarantined, deceived, reads, exact, .. } = broken;
        format!(
            "packed, a drive that {fault}: quarantined in {quarantined} of {attempts} attempts, {deceived} healthy ones \
             with it; {exact} of {reads} reads byte-exact"
        )
    };
    figures.broken.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn sweep(settings: &[Setting]) -> String {
    let mut table = plain();
    table.set_header([
        "sweep",
        "historical fails within 27 (95 %)",
        "historical per attempt",
        "patched: FPRE004",
        "patched: reads served",
        "packed: FPRE004, quarantined",
        "packed: overlapping reads",
    ]);
    for Setting { name, series: [historical, patched, packed] } in settings {
        table.add_row([
            name.clone(),
            share(&historical.failing),
            format!("{:.2} %", 100.0 * historical.per_attempt.value()),
            patched.faults.to_string(),
            format!("{:.5} %", 100.0 * patched.success.value()),
            format!("{}, {}", packed.faults, packed.deceived),
            packed.overlapping.to_string(),
        ]);
    }
    table.to_string()
}
