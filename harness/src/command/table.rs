//! The closing table of a run.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};

use crate::report::{Report, Verdict};

/// The notes, a line each; then the table: check, what was explored, time, verdict.
#[must_use]
pub(crate) fn render(reports: &[Report]) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["check", "explored", "scope", "seconds", "verdict"]);
    if table.width().is_none() {
        table.set_width(140);
    }
    for report in reports {
        let explored: Vec<String> =
            report.explored.iter().map(|count| format!("{} {}", grouped(count.n), count.what)).collect();
        table.add_row([
            Cell::new(report.check),
            Cell::new(explored.join("\n")),
            Cell::new(&report.scope),
            Cell::new(format!("{:.1}", report.seconds)),
            verdict(report.verdict),
        ]);
    }
    let notes = reports
        .iter()
        .flat_map(|report| report.notes.iter().map(|note| format!("{}: {note}\n", report.check)));
    notes.collect::<String>() + &table.to_string()
}

fn verdict(verdict: Verdict) -> Cell {
    let colour = match verdict {
        Verdict::Holds => Color::Green,
        Verdict::Incomplete | Verdict::Environment => Color::Yellow,
        Verdict::Violated => Color::Red,
    };
    Cell::new(verdict.word()).fg(colour).add_attribute(Attribute::Bold)
}

/// `1234567` as `1 234 567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped() {
        assert_eq!(super::grouped(0), "0");
        assert_eq!(super::grouped(1_234_567), "1 234 567");
    }
}
