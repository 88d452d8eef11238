//! A trace for a terminal: every step, in its own words and in those of a page.

use comfy_table::{Cell, ContentArrangement, Table, presets::NOTHING};
use truelog_spec::Trace;
use truelog_spec::trace::Head;

use super::effects::Effects;
use super::words;
use crate::traces::{AnySwitch, Ground, demand, steps, told};

/// Columns, where the terminal does not say how many it has.
const WIDTH: u16 = 120;

/// Shows it: what it breaks, each step, and how it ends on the specification.
#[must_use]
pub fn show(trace: &Trace) -> String {
    let pivot = trace.pivot().map(|(number, _)| number);
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    let changes = Effects::of(trace).changes;
    for ((number, line), changes) in trace.numbered().zip(changes) {
        let mark = match (pivot == Some(number), line.violates) {
            (_, true) => "!",
            (true, false) => ">",
            (false, false) => "",
        };
        let who = if trace.is_of_prefetch() { format!("{} ", words::who(&line.step)) } else { String::new() };
        let mut says = [format!("{who}{}", words::does(&line.step)), changes].join("; ").replace('`', "");
        if says.ends_with("; ") {
            says.truncate(says.len() - 2);
        }
        if line.violates {
            says.push_str(&format!("; breaks {}", trace.invariant));
        }
        let text = line.to_string();
        let text = text.split("  # violates").next().unwrap_or_default().to_owned();
        table.add_row([Cell::new(mark), Cell::new(number), Cell::new(text), Cell::new(says)]);
    }
    format!("{}\n\n{table}\n\n{}", about(trace), endings(trace))
}

fn about(trace: &Trace) -> String {
    let mut text = format!("{}: {}\n", trace.invariant, trace.invariant.says());
    text.push_str(&format!("found by {}", trace.found_by));
    if let Some(mutant) = &trace.mutant {
        text.push_str(&format!("; open only with {mutant}"));
    }
    if let Some(switch) = AnySwitch::of(trace) {
        text.push_str(&format!(": {}", switch.story().title));
    }
    text
}

fn endings(trace: &Trace) -> String {
    let steps = steps(trace);
    let mut lines = Vec::new();
    match &trace.head {
        Head::Unmodelled { part } => {
            lines.push(format!("the mechanism has no such path: it leaves out {part}"))
        }
        Head::Reached | Head::Refused { .. } => {
            if let Some(switch) = AnySwitch::of(trace) {
                lines.push(format!("with its switch off: {}", told(&switch.ground().run(&steps), &steps)));
            }
            lines.push(format!("as it is: {}", told(&Ground::designed(trace).run(&steps), &steps)));
        }
    }
    if let Some(code) = &trace.code {
        let demand = match code {
            Head::Refused { guard, .. } => demand(guard),
            Head::Reached | Head::Unmodelled { .. } => "",
        };
        let colon = if demand.is_empty() { "" } else { ": " };
        lines.push(format!("stated of the production code: {code}{colon}{demand}"));
    }
    lines.push("! breaks the invariant   > is what is refused today".to_owned());
    lines.join("\n")
}
