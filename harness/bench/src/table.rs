//! The report on standard output: the machine, a table a workload, what is missing, the bars.

use std::fmt::Write;

use comfy_table::presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED};
use comfy_table::{Cell, CellAlignment, Table};

use crate::Report;
use crate::bars::{Bound, Outcome, Verdict};
use crate::measure::Sample;
use crate::peers::{PEERS, Peer, Standing};
use crate::raw::RAWS;
use crate::results::{Results, Role, role};
use crate::workloads::Workload;

/// The names of all peers.
pub fn names() -> String {
    PEERS.iter().map(|peer| peer.name).collect::<Vec<_>>().join(", ")
}

/// How tables and headings look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// With lines.
    Terminal,
    /// As Markdown.
    Markdown,
}

/// The whole report.
pub fn report(report: &Report, verdicts: &[Verdict], style: Style) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_report(&mut text, report, verdicts, style);
    text
}

fn write_report(text: &mut String, report: &Report, verdicts: &[Verdict], style: Style) -> std::fmt::Result {
    let Report { machine, scale, results, .. } = report;
    let mut line = |name: &str, value: &str| match style {
        Style::Terminal => writeln!(text, "{name}: {value}"),
        Style::Markdown => writeln!(text, "- {name}: {value}"),
    };
    line(
        "processor",
        &format!("{}, {} of them; memory {}", machine.processor, machine.processors, machine.memory),
    )?;
    line("system", &format!("Linux {}, {}; {}", machine.kernel, machine.volume, machine.compiler))?;
    line("load when it began", &machine.load)?;
    line("rounds", &format!("{}, of reads {}", scale.rounds, scale.kept_rounds))?;
    line("fio", machine.fio.as_deref().unwrap_or("MISSING: the limits are held against nothing"))?;
    if style == Style::Markdown {
        write_verdicts(text, verdicts, style)?;
    }
    for workload in results.workloads() {
        for part in 0..workload.parts() {
            write_part(text, results, (workload, part), style)?;
        }
    }
    write_missing(text, results, style)?;
    write_contenders(text, style)?;
    if style == Style::Terminal { write_verdicts(text, verdicts, style) } else { Ok(()) }
}

/// A heading, and the empty lines around it.
fn heading(text: &mut String, words: &str, style: Style) -> std::fmt::Result {
    match style {
        Style::Terminal => writeln!(text, "\n{words}"),
        Style::Markdown => writeln!(text, "\n### {words}\n"),
    }
}

const COLUMNS: [&str; 14] = [
    "contender",
    "op/s",
    "MiB/s",
    "of limit",
    "of peer",
    "ms in all",
    "p50 us",
    "p99 us",
    "CPU us/op",
    "flushes/op",
    "writes/op",
    "written B/op",
    "allocs/op",
    "peak MiB",
];

fn table(columns: &[&str], style: Style) -> Table {
    let mut table = Table::new();
    let lines = if style == Style::Markdown { ASCII_MARKDOWN } else { UTF8_FULL_CONDENSED };
    table.load_style(lines).set_header(columns);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn write_part(
    text: &mut String,
    results: &Results,
    place: (Workload, u32),
    style: Style,
) -> std::fmt::Result {
    let (workload, part) = place;
    let part_name = workload.part_name(part);
    let of_part = if part_name.is_empty() { String::new() } else { format!(": {part_name}") };
    heading(text, &format!("{}{of_part} ({})", workload.title(), workload.name()), style)?;
    let mut shown = table(&COLUMNS, style);
    for contender in results.contenders(workload, part) {
        shown.add_row(row(results, place, contender));
    }
    writeln!(text, "{shown}")?;
    for contender in results.contenders(workload, part) {
        let note = results.rows.iter().rev().find(|row| {
            (row.workload, row.part) == place && row.contender == contender && !row.sample.note.is_empty()
        });
        if let Some(row) = note {
            writeln!(text, "\n{contender}, in the last round: {}", row.sample.note)?;
        }
    }
    Ok(())
}

fn row(results: &Results, place: (Workload, u32), contender: &str) -> Vec<Cell> {
    let role_here = role(contender, place.0);
    let mark = match (role_here, Peer::named(contender)) {
        (Role::Limit, _) => " =",
        (Role::Shown, Some(Peer { standing: Standing::DoesNotSync(_), .. })) => " (does not sync)",
        (Role::Shown, Some(_)) => " (no checksum)",
        _ => "",
    };
    let value = |of: &dyn Fn(&Sample) -> f64| results.median(place, contender, of);
    let ratio = |best| match role_here {
        Role::Ours | Role::Peer => results.ratio(place, contender, best, Sample::rate),
        Role::Reference | Role::Unpacking if best == Role::Limit => {
            results.ratio(place, contender, best, Sample::rate)
        }
        _ => None,
    };
    let each = |total: fn(&Sample) -> f64| value(&move |sample| sample.each(total(sample)));
    let cells = [
        short(value(&Sample::rate)),
        short(value(&|sample| sample.throughput() / f64::from(1 << 20))),
        fixed(ratio(Role::Limit)),
        fixed(ratio(Role::Peer)),
        short(value(&|sample| if sample.p50_us > 0.0 { 0.0 } else { sample.seconds * 1e3 })),
        short(value(&|sample| sample.p50_us)),
        short(value(&|sample| sample.p99_us)),
        short(each(|sample| sample.cpu_us)),
        fixed(each(|sample| sample.flushes as f64)),
        fixed(each(|sample| sample.writes as f64)),
        short(each(|sample| sample.written_bytes as f64)),
        fixed(each(|sample| sample.allocs as f64)),
        short(value(&|sample| sample.peak_rss as f64 / f64::from(1 << 20))),
    ];
    std::iter::once(Cell::new(format!("{contender}{mark}"))).chain(cells.map(Cell::new)).collect()
}

/// To three digits or so; nothing for what is not measured, which is 0 here.
fn short(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(0.0) => "-".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn fixed(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.2}"))
}

fn write_missing(text: &mut String, results: &Results, style: Style) -> std::fmt::Result {
    if results.missing.is_empty() {
        return Ok(());
    }
    heading(text, "not measured", style)?;
    for missing in &results.missing {
        let failed = if missing.failed { "FAILED: " } else { "" };
        writeln!(text, "- {}, {}: {failed}{}", missing.contender, missing.workload.name(), missing.why)?;
    }
    Ok(())
}

fn write_contenders(text: &mut String, style: Style) -> std::fmt::Result {
    heading(text, "the limits (=)", style)?;
    for raw in RAWS {
        writeln!(text, "- {}: {}", raw.name, raw.about)?;
    }
    heading(text, "the peers", style)?;
    for peer in PEERS.iter().copied() {
        write!(text, "- {} {}: {}", peer.name, peer.version(), peer.setup)?;
        if let Standing::DoesNotSync(why) = peer.standing {
            write!(text, "; DOES NOT SYNC before it acknowledges: {why}")?;
        }
        if let Some(why) = peer.unchecked {
            write!(text, "; its reads are in no ratio: {why}")?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn write_verdicts(text: &mut String, verdicts: &[Verdict], style: Style) -> std::fmt::Result {
    heading(text, "the bars (medians of the ratios within a round)", style)?;
    let mut shown = table(&["work", "against", "bar", "measured", "rounds", "verdict", "by p50"], style);
    for verdict in verdicts {
        let bound = match verdict.bound {
            Bound::AtLeast(least) => format!(">= {least}"),
            Bound::AtMost(most) => format!("<= {most}"),
        };
        let outcome = match verdict.outcome {
            Outcome::Met => "met",
            Outcome::Missed => "MISSED",
            Outcome::Disturbed => "DISTURBED",
            Outcome::NotMeasured => "not measured",
        };
        let (measured, by_p50) = (fixed(verdict.value), fixed(verdict.by_p50));
        // A bar would end the cell.
        let against = verdict.against.replace('|', if style == Style::Markdown { "\\|" } else { "|" });
        let rounds = verdict.rounds.map_or_else(String::new, |(low, high)| format!("{low:.2} to {high:.2}"));
        shown.add_row([verdict.work, &against, &bound, &measured, &rounds, outcome, &by_p50]);
    }
    writeln!(text, "{shown}")
}
