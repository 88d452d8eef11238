//! `cargo verify speed`: how much the checks explore in a second.
//!
//! Rounds go over all of the checks in turn, so that what slows the machine for a while slows each of them; the table has
//! the median of the rounds, and the slowest and the fastest.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::checks::{CHECKS, Check, Plan, run as run_check};
use super::out;
use crate::report::{Report, Verdict};

/// The checks that explore by computing, and wait for nothing.
const COMPUTING: [&str; 5] = ["mechanism", "crash", "archive", "faults", "schedules"];

/// How often to measure.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many rounds to go over the checks.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

/// What a check does in a second.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    check: &'static str,
    what: &'static str,
    /// How many of them a round has, in the last round.
    n: u64,
    /// Each second: the median of the rounds.
    median: f64,
    slowest: f64,
    fastest: f64,
    rounds: usize,
}

/// Measures. Exit codes as those of the checks: what does not hold has not been measured.
pub(super) fn run(arguments: &Arguments, plan: &Plan) -> ExitCode {
    let chosen: Vec<&Check> = CHECKS.iter().filter(|check| is_wanted(check.name, plan)).collect();
    if chosen.is_empty() {
        eprintln!("cargo verify speed: none of these checks: {}", COMPUTING.join(", "));
        return ExitCode::from(2);
    }
    let mut reports = Vec::new();
    for _ in 0..arguments.rounds {
        reports.extend(chosen.iter().map(|check| run_check(check, plan)));
    }
    let worst = reports.iter().map(|report| report.verdict).max().unwrap_or(Verdict::Incomplete);
    let end = ExitCode::from(worst.exit_code());
    let rows = rows(&reports);
    if arguments.json { out::json(&rows, end) } else { out::print(table(&rows), end) }
}

fn is_wanted(name: &str, plan: &Plan) -> bool {
    COMPUTING.contains(&name) && (plan.only.is_empty() || plan.only.iter().any(|only| only == name))
}

/// The rates of the reports, by check and by what was counted, in the order of their first appearance.
fn rows(reports: &[Report]) -> Vec<Row> {
    let mut found: Vec<(&'static str, &'static str, u64, Vec<f64>)> = Vec::new();
    for report in reports {
        for (what, n, rate) in report.rates() {
            match found.iter_mut().find(|row| (row.0, row.1) == (report.check, what)) {
                Some(row) => {
                    row.2 = n;
                    row.3.push(rate);
                }
                None => found.push((report.check, what, n, vec![rate])),
            }
        }
    }
    found.into_iter().map(|(check, what, n, rates)| row(check, what, n, rates)).collect()
}

fn row(check: &'static str, what: &'static str, n: u64, mut rates: Vec<f64>) -> Row {
    rates.sort_by(f64::total_cmp);
    let at = |index: usize| rates.get(index).copied().unwrap_or_default();
    let middle = rates.len() / 2;
    let median = if rates.len().is_multiple_of(2) {
        at(middle.wrapping_sub(1)).midpoint(at(middle))
    } else {
        at(middle)
    };
    let (slowest, fastest) = (at(0), at(rates.len().saturating_sub(1)));
    Row { check, what, n, median, slowest, fastest, rounds: rates.len() }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["check", "what", "in a round", "a second", "rounds"]);
    for row in rows {
        table.add_row([
            row.check.to_owned(),
            row.what.to_owned(),
            row.n.to_string(),
            format!("{:.0}", row.median),
            format!("{:.0} to {:.0} ({})", row.slowest, row.fastest, row.rounds),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(check: &'static str, images: u64, seconds: u64) -> Report {
        let mut report = Report::new(check, "");
        report.count("images", images);
        report.count("witnesses met", 1);
        report.finish(Duration::from_secs(seconds))
    }

    #[test]
    fn a_rate_is_the_median_of_the_rounds() {
        let rounds = [report("crash", 60, 2), report("archive", 8, 2), report("crash", 60, 6)];
        let rows = rows(&rounds);
        let seen: Vec<_> = rows.iter().map(|row| (row.check, row.what, row.median, row.rounds)).collect();
        assert_eq!(seen, [("crash", "images", 20.0, 2), ("archive", "images", 4.0, 1)]);
        assert_eq!((rows[0].slowest, rows[0].fastest, rows[0].n), (10.0, 30.0, 60));
    }

    #[test]
    fn what_computes_is_a_check() {
        assert!(COMPUTING.iter().all(|name| CHECKS.iter().any(|check| check.name == *name)));
    }
}
