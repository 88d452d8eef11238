//! A run as JUnit's XML: what build servers count. A test case is a check.

use std::fmt::Write as _;

use super::{Report, Verdict};

/// The whole run.
#[must_use]
pub fn junit(reports: &[Report]) -> String {
    let of = |verdict: Verdict| reports.iter().filter(|report| report.verdict == verdict).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"",
        reports.len(),
        of(Verdict::Violated),
        of(Verdict::Environment) + of(Verdict::Incomplete),
        0,
        reports.iter().map(|report| report.seconds).sum::<f64>(),
    );
    let cases: String = reports.iter().map(case).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"cargo verify\" {counts}>\n  \
         <testsuite name=\"cargo verify\" {counts}>\n{cases}  </testsuite>\n</testsuites>\n"
    )
}

fn case(report: &Report) -> String {
    let mut text = format!(
        "    <testcase classname=\"cargo verify\" name=\"{}\" time=\"{:.3}\">\n",
        escaped(report.check),
        report.seconds
    );
    for finding in &report.findings {
        let says = format!("{}\nagain: {}", finding.says, finding.replay);
        let _ = writeln!(
            text,
            "      <failure type=\"{0}\" message=\"{0}\">{1}</failure>",
            escaped(&finding.invariant),
            escaped(&says)
        );
    }
    // What was left out counts as an error: a build server takes what is skipped for good.
    if matches!(report.verdict, Verdict::Incomplete | Verdict::Environment) {
        let word = report.verdict.word();
        let _ = writeln!(text, "      <error type=\"{word}\">{}</error>", escaped(&report.notes.join("\n")));
    }
    let explored: Vec<String> =
        report.explored.iter().map(|count| format!("{} {}", count.n, count.what)).collect();
    let says: Vec<&str> = std::iter::once(report.scope.as_str())
        .chain(explored.iter().map(String::as_str))
        .chain(report.notes.iter().map(String::as_str))
        .collect();
    let _ = writeln!(text, "      <system-out>{}</system-out>\n    </testcase>", escaped(&says.join("\n")));
    text
}

/// Text that stands for itself in XML, in attributes too. What XML cannot hold at all becomes a question mark.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\n' | '\t' => safe.push(one),
            '\u{fffe}' | '\u{ffff}' => safe.push('?'),
            _ if one.is_control() => safe.push('?'),
            _ => safe.push(one),
        }
    }
    safe
}
