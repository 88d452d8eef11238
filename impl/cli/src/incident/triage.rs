//! The third section: what was looked at, and what it showed.

use truelog::Severity;

use super::evidence::NAMED;
use super::reconcile;
use super::report::Report;
use crate::audit;

/// How many rows of counts by time are shown.
const ROWS: usize = 40;

pub(super) fn triage(report: &mut Report<'_>) {
    let evidence = report.evidence;
    report.section(3, "Triage Checks");
    let audit = report.audit();
    report.say(audit::left(evidence.scan.unclaimed().as_ref()).trim(), &audit);
    reconcile::directory(report);
    of_log(report);
    reconcile::freshness(report);
    health(report);
    machine(report);
    let torn = format!(
        "{} lines are cut, {} claims could not be held",
        evidence.scan.tally.torn, evidence.scan.tally.unverifiable
    );
    report.say(&format!("contract of the lines: {torn}"), &audit);
    report.say("retries, partial failures and the orchestrator's state: UNKNOWN beyond the lines of stage G in section 1", &audit);
    reconcile::side_by_side(report);
    let rows: Vec<_> = evidence.scan.times.counts().collect();
    if rows.is_empty() {
        report.say("counts by time: UNKNOWN: no line that was counted has a time", &audit);
        return;
    }
    let cells = [evidence.scan.times.grain(), "what", "lines", "violated"];
    report.table("counts by time", &audit, &cells);
    for (time, label, count) in rows.iter().take(ROWS) {
        let name = evidence.scan.labels.get(*label).map_or("", |label| &label.name);
        report.row(&[time, name, &count.lines.to_string(), &count.violated.to_string()]);
    }
    report.line("");
    let rest = rows.len().saturating_sub(ROWS);
    report.say(
        &format!("{rest} rows are left out; {} counted lines have no time", evidence.scan.times.untimed),
        &audit,
    );
}

/// What recovery would find, and the drives.
fn of_log(report: &mut Report<'_>) {
    if let Some(error) = report.evidence.scan.judge.trouble() {
        let says = format!("UNSAFE: the log cannot be looked at: {}: {error}", error.code());
        report.say(&says, &format!("`truelog doctor {}`", report.dir()));
        return;
    }
    let Some(view) = report.evidence.view() else {
        report.say(
            "no log of truelog is in the directory: what its files should hold is UNKNOWN",
            &report.evidence.dir.display().to_string(),
        );
        return;
    };
    let cite = format!("`truelog stat {}`", report.dir());
    let last = view.next().prev();
    report.say(
        &format!(
            "log {}: first LSN {}, next LSN {}, vouched up to {}",
            view.log(),
            view.first(),
            view.next(),
            view.vouched().min(last)
        ),
        &cite,
    );
    report.say(
        &format!(
            "{} segments, {} runs, {} bytes of a torn tail",
            view.segments().len(),
            view.runs().len(),
            view.torn_bytes()
        ),
        &cite,
    );
    for row in view.rows() {
        report.say(&format!("recovery row {row:?}"), &cite);
    }
    for damage in view.damage().iter().take(NAMED) {
        report.say(&format!("UNSAFE: {}", damage.error), &cite);
    }
    for loss in view.losses().iter().take(NAMED) {
        report.say(&format!("records {loss} were given up"), &cite);
    }
    for drive in view.drives() {
        let state = crate::drives::Drive::new(&drive, view.runs());
        let word = if state.serves() { "" } else { "UNSAFE: " };
        report.say(&format!("{word}{}", state.text()), &format!("`truelog drives {}`", report.dir()));
    }
}

/// How the log's health changed: by its own lines, by what its auditor has left, and as it looks now.
fn health(report: &mut Report<'_>) {
    let evidence = report.evidence;
    let (audit, dir) = (report.audit(), report.dir());
    let history = &evidence.scan.history;
    if history.changes().next().is_none() {
        report.say("health history: UNKNOWN: no line of the logs speaks of the log's health", &audit);
    }
    for change in history.changes() {
        let time = change.time.map_or(String::new(), |time| format!("{} ", String::from_utf8_lossy(&time)));
        let word = if change.is_wrong() { "UNSAFE: " } else { "" };
        let lines = if change.lines == 1 { String::new() } else { format!(", {} lines", change.lines) };
        let span = if change.first == change.last {
            evidence.at(change.first)
        } else {
            format!("{} to {}", evidence.at(change.first), evidence.at(change.last))
        };
        report.say(&format!("health history: {word}{time}{}{lines}", change.text()), &span);
    }
    if history.left_out > 0 {
        report.say(&format!("health history: {} more lines are left out", history.left_out), &audit);
    }
    let Some(view) = evidence.view() else { return };
    let (stat, audited) = (format!("`truelog stat {dir}`"), view.audited());
    let last = match audited.at {
        0 => "no audit of everything has ended well, as far as the manifest knows".to_owned(),
        at => format!(
            "the last audit of everything ended well {at} s after 1970, up to record {}",
            audited.upto
        ),
    };
    report.say(&format!("health history: {last}"), &stat);
    if !audited.violated.is_empty() {
        let says = format!("health history: UNSAFE: an audit found records {} violated", audited.violated);
        report.say(&says, &stat);
    }
    for finding in view.health().findings {
        let word = if finding.rule.severity() == Severity::Degrade { "" } else { "UNSAFE: " };
        report.say(&format!("health now: {word}{finding}"), &format!("`truelog doctor {dir}`"));
    }
}

/// What the machine says.
fn machine(report: &mut Report<'_>) {
    let surroundings = &report.evidence.surroundings;
    let space = match &surroundings.space {
        Ok(space) => space.clone(),
        Err(why) => format!("UNKNOWN: {why}"),
    };
    let dir = report.dir();
    report.say(&format!("space of the volume now: {space}"), &format!("`df -B1 {dir}`, `df -i {dir}`"));
    match &surroundings.kernel {
        Ok(kernel) => {
            let says = format!(
                "kernel's log: {} of {} lines speak of a failing device, file system or of memory",
                kernel.telling, kernel.lines
            );
            report.say(&says, "`dmesg`");
            for line in &kernel.last {
                report.line(&format!("  - `{}`", line.replace('`', "'")));
            }
        }
        Err(why) => report.say(&format!("kernel's log: UNKNOWN: {why}"), "`dmesg`"),
    }
}
