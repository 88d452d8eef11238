//! The report on standard output: the machine, a table a workload, what is missing, the bars.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use crate::args::Args;
use crate::bars::{Bound, Outcome, Verdict};
use crate::machine::Machine;
use crate::measure::Sample;
use crate::peers::{PEERS, Peer, Standing};
use crate::raw::RAWS;
use crate::results::{Results, Role, role};
use crate::workloads::Workload;

/// The names of all peers.
pub fn names() -> String {
    PEERS.map(|peer| peer.name).join(", ")
}

/// The whole report.
pub fn report(args: &Args, machine: &Machine, results: &Results, verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_report(&mut text, args, machine, results, verdicts);
    text
}

fn write_report(
    text: &mut String,
    args: &Args,
    machine: &Machine,
    results: &Results,
    verdicts: &[Verdict],
) -> std::fmt::Result {
    let scale = args.scale();
    writeln!(text, "{}, {} of them, {}", machine.processor, machine.processors, machine.memory)?;
    writeln!(text, "Linux {}, {}; {}", machine.kernel, machine.volume, machine.compiler)?;
    writeln!(
        text,
        "load when it began: {}; rounds: {}, of reads {}",
        machine.load, scale.rounds, scale.kept_rounds
    )?;
    let fio = machine.fio.as_deref().unwrap_or("FIO IS MISSING: the limits are held against nothing");
    writeln!(text, "{fio}")?;
    for workload in args.workloads() {
        for part in 0..workload.parts() {
            write_part(text, results, workload, part)?;
        }
    }
    write_missing(text, results)?;
    write_contenders(text)?;
    write_verdicts(text, verdicts)
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

fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(columns);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn write_part(text: &mut String, results: &Results, workload: Workload, part: u32) -> std::fmt::Result {
    let place = (workload, part);
    let part_name = workload.part_name(part);
    let heading = if part_name.is_empty() { String::new() } else { format!(": {part_name}") };
    writeln!(text, "\n{}{heading}  [{}]", workload.title(), workload.name())?;
    let mut shown = table(&COLUMNS);
    for contender in results.contenders(workload, part) {
        shown.add_row(row(results, place, contender));
    }
    writeln!(text, "{shown}")?;
    for contender in results.contenders(workload, part) {
        let note = results.rows.iter().rev().find(|row| {
            (row.workload, row.part) == place && row.contender == contender && !row.sample.note.is_empty()
        });
        if let Some(row) = note {
            writeln!(text, "  {contender}: {}", row.sample.note)?;
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
        Role::Reference if best == Role::Limit => results.ratio(place, contender, best, Sample::rate),
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

fn write_missing(text: &mut String, results: &Results) -> std::fmt::Result {
    if !results.missing.is_empty() {
        writeln!(text, "\nnot measured:")?;
    }
    for missing in &results.missing {
        let failed = if missing.failed { "FAILED: " } else { "" };
        writeln!(text, "  {} {}: {failed}{}", missing.workload.name(), missing.contender, missing.why)?;
    }
    Ok(())
}

fn write_contenders(text: &mut String) -> std::fmt::Result {
    writeln!(text, "\nlimits (=):")?;
    for raw in RAWS {
        writeln!(text, "  {:<12} {}", raw.name, raw.about)?;
    }
    writeln!(text, "peers:")?;
    for peer in PEERS {
        write!(text, "  {:<14} {:<18} {}", peer.name, peer.version(), peer.setup)?;
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

fn write_verdicts(text: &mut String, verdicts: &[Verdict]) -> std::fmt::Result {
    writeln!(text, "\nthe bars (medians of the ratios within a round):")?;
    let mut shown = table(&["work", "against", "bar", "measured", "verdict", "by p50"]);
    for verdict in verdicts {
        let bound = match verdict.bound {
            Bound::AtLeast(least) => format!(">= {least}"),
            Bound::AtMost(most) => format!("<= {most}"),
        };
        let outcome = match verdict.outcome {
            Outcome::Met => "met",
            Outcome::Missed => "MISSED",
            Outcome::NotMeasured => "not measured",
        };
        let measured = fixed(verdict.value);
        let by_p50 = fixed(verdict.by_p50);
        shown.add_row([verdict.work, &verdict.against, &bound, &measured, outcome, &by_p50]);
    }
    writeln!(text, "{shown}")
}
