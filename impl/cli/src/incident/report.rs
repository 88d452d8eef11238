//! The report: thirteen sections, in order, each statement with the artifact that it rests on.

use std::fmt::Write;

use super::evidence::{Evidence, NAMED, shell};
use super::hypotheses::{self, Likelihood};
use super::{standing, triage};
use crate::audit;
use crate::audit::judge::Lack;
use crate::audit::scan::Found;
use crate::audit::stage::Stage;

/// How every report begins.
pub(super) const HEADING: &str = "# Incident report: ";

/// A report under way. What cannot be written to memory is not written.
pub(super) struct Report<'a> {
    pub(super) evidence: &'a Evidence,
    text: String,
}

impl Report<'_> {
    /// A line.
    pub(super) fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A list's entry, with what it rests on.
    pub(super) fn say(&mut self, text: &str, cites: &str) {
        let _ = writeln!(self.text, "- {text} [{cites}]");
    }

    /// A row of a table.
    pub(super) fn row(&mut self, cells: &[&str]) {
        let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    /// The head of a table, behind what its rows are and what they rest on.
    pub(super) fn table(&mut self, text: &str, cites: &str, cells: &[&str]) {
        self.say(text, cites);
        self.line("");
        self.row(cells);
        self.row(&vec!["---"; cells.len()]);
    }

    /// The head of a section.
    pub(super) fn section(&mut self, number: u8, name: &str) {
        let _ = writeln!(self.text, "\n## {number}. {name}\n");
    }

    /// The command that shows the claims again.
    pub(super) fn audit(&self) -> String {
        let logs = self.evidence.logs.iter().map(|log| format!("--log {}", shell(log)));
        let patterns = self.evidence.patterns.iter().map(|path| format!("--patterns {}", shell(path)));
        let logs: Vec<_> = logs.chain(patterns).collect();
        format!("`truelog audit logs {} {}`", logs.join(" "), self.dir())
    }

    /// The directory, as a shell takes it.
    pub(super) fn dir(&self) -> String {
        shell(&self.evidence.dir)
    }

    /// The command that copies all that is evidence.
    pub(super) fn copy(&self) -> String {
        let files = self.evidence.logs.iter().chain(&self.evidence.patterns).map(|path| shell(path));
        let files: Vec<_> = files.collect();
        format!("`mkdir COPY && cp -a {} {} COPY`", files.join(" "), self.dir())
    }

    pub(super) fn found(&self, found: &Found) -> String {
        let time = found.time.map_or(String::new(), |time| format!("{} ", String::from_utf8_lossy(&time)));
        format!("{time}{} [{}]", found.claim.text(), self.evidence.at(found.at))
    }
}

/// Writes it.
pub(super) fn write(evidence: &Evidence, verdict: &str) -> String {
    let mut report = Report { evidence, text: String::new() };
    report.line(&format!("{HEADING}{}", evidence.dir.display()));
    report.line("");
    report.line(&format!(
        "Verdict: **{verdict}**. Every statement names in brackets what it rests on: a line of a log, a file, or a \
         command. UNSAFE: contradicted by an artifact. UNKNOWN: nothing that was looked at proves it or disproves it."
    ));
    failure_map(&mut report);
    hypotheses(&mut report);
    triage::triage(&mut report);
    findings(&mut report);
    standing::fix(&mut report);
    standing::verification(&mut report);
    modes(&mut report);
    standing::invariants(&mut report);
    standing::detection(&mut report);
    standing::strategy(&mut report);
    standing::architecture(&mut report);
    standing::actions(&mut report);
    standing::risks(&mut report);
    report.text
}

fn failure_map(report: &mut Report<'_>) {
    let evidence = report.evidence;
    let tally = &evidence.scan.tally;
    report.section(1, "Failure Map");
    let audit = report.audit();
    let cells = ["stage", "expected", "observed", "state"];
    report.table("what the lines of each stage say, and what became of their claims", &audit, &cells);
    for stage in Stage::all() {
        let observed: Vec<_> = evidence
            .of_stage(stage)
            .map(|label| {
                let violated =
                    if label.claims { format!(", {} violated", label.violated) } else { String::new() };
                format!("{}: {} lines{violated} [{}]", label.name, label.lines, evidence.span(label))
            })
            .collect();
        let claims = evidence.of_stage(stage).any(|label| label.claims);
        let violated = evidence.of_stage(stage).any(|label| label.violated > 0);
        let (expected, state) = match (claims, violated) {
            (_, true) => ("each claim has its artifact", "UNSAFE"),
            (true, false) if tally.unverifiable == 0 => {
                ("each claim has its artifact", "no claim is violated")
            }
            (true, false) => ("each claim has its artifact", "UNKNOWN: some claims could not be held"),
            (false, false) => ("not stated by a pattern", "UNKNOWN"),
        };
        let seen = if observed.is_empty() { "no line speaks of it".to_owned() } else { observed.join("; ") };
        report.row(&[&stage.to_string(), expected, &seen, state]);
    }
    report.line("");
    report.say(audit::sums(tally).trim(), &audit);
    for ((artifact, lack), broken) in &evidence.broken {
        let word = if lack.is_some() { "UNSAFE" } else { "UNKNOWN" };
        let span = format!("{} to {}", evidence.at(broken.first), evidence.at(broken.last));
        report.say(&format!("{word}: {artifact}: {}; {} claims", broken.why, broken.claims), &span);
    }
    if evidence.more_broken > 0 {
        report.say(
            &format!(
                "and {} claims on further artifacts (the first {NAMED} are named)",
                evidence.more_broken
            ),
            &audit,
        );
    }
    let (good, bad) = (evidence.scan.good.as_ref(), evidence.scan.bad.as_ref());
    let good = good
        .map_or_else(|| format!("UNKNOWN: no claim before it holds [{audit}]"), |good| report.found(good));
    report.line(&format!("- Last known good: {good}"));
    let told = || evidence.scan.history.changes().find(|change| change.is_grave());
    let bad = match (bad, told()) {
        (Some(bad), _) => report.found(bad),
        (None, Some(told)) => {
            format!("no claim; the log's own line {} [{}]", told.text(), evidence.at(told.first))
        }
        (None, None) => match evidence.damaged() {
            Some(damaged) => format!("no line says since when: UNKNOWN; the files have {damaged}"),
            None => format!("none was found [{audit}]"),
        },
    };
    report.line(&format!("- First known bad: {bad}"));
    if let Some(again) = &evidence.scan.good_again {
        report.line(&format!("- A claim holds again behind that: {}", report.found(again)));
    }
    severity(report);
}

fn severity(report: &mut Report<'_>) {
    let (evidence, audit) = (report.evidence, report.audit());
    let tally = &evidence.scan.tally;
    let severity = match (tally.violated, tally.unverifiable) {
        (1.., _) => "a breach of data integrity: what was called durable is not there",
        _ if evidence.is_grave() => {
            "UNSAFE: no claim is violated, but the log's own lines or files tell of a failure (section 3)"
        }
        (_, 0) if tally.claims > 0 => "no breach of integrity was found",
        _ => "UNKNOWN: not every claim could be held against an artifact",
    };
    report.say(&format!("Severity: {severity}"), &audit);
    if tally.violated > 0 {
        let artifacts = evidence.broken.keys().filter(|(_, lack)| lack.is_some()).count();
        let more = if evidence.more_broken > 0 { " at least" } else { "" };
        let radius = format!(
            "Blast radius: {} of {} claims, on{more} {artifacts} artifacts; what was never claimed is not in it",
            tally.violated, tally.claims
        );
        report.say(&radius, &audit);
    }
    let health = if tally.violated > 0 {
        "Health as the logs tell it is not what the disk shows: lines say that something is durable, and it is not there now. \
         Whether it was there when they were written is UNKNOWN from the lines alone"
    } else {
        "Whether health was misrepresented is UNKNOWN beyond the claims that were held"
    };
    report.say(health, &audit);
    if let Some(told) = evidence.scan.history.changes().find(|change| change.is_wrong()) {
        let says = format!("The log's own lines first say that something is wrong with {}", told.text());
        report.say(&says, &evidence.at(told.first));
    }
}

fn hypotheses(report: &mut Report<'_>) {
    report.section(2, "Hypotheses (Ranked)");
    let says = "rank is likelihood (0 disproved, 1 unknown, 2 fits, 3 shown) times impact (1 to 3), by the claims and what is \
                named in each row";
    let cells =
        ["rank", "hypothesis", "why it fits", "what would disprove it", "the fastest check", "its result"];
    report.table(says, &report.audit(), &cells);
    for it in hypotheses::ranked(report.evidence) {
        let rank = it.likelihood as u8 * it.impact;
        let fits = match it.likelihood {
            Likelihood::Disproved => "it does not: the result contradicts it".to_owned(),
            Likelihood::Unknown => format!("UNKNOWN; {}", it.fits),
            _ => it.fits,
        };
        let result = it.result.unwrap_or_else(|| "not run: UNKNOWN".to_owned());
        report.row(&[&rank.to_string(), it.what, &fits, it.disproof, it.check, &result]);
    }
}

fn findings(report: &mut Report<'_>) {
    let evidence = report.evidence;
    let audit = report.audit();
    report.section(4, "Findings / Root Cause");
    let tally = &evidence.scan.tally;
    let sentence = if tally.violated > 0 {
        format!(
            "{} of {} claims of durability have no artifact that bears them out",
            tally.violated, tally.claims
        )
    } else {
        format!("no violated claim was found among {} claims", tally.claims)
    };
    report.say(&sentence, &audit);
    let shown: Vec<_> =
        hypotheses::ranked(evidence).into_iter().filter(|it| it.likelihood >= Likelihood::Fits).collect();
    report.say(
        "Root cause: UNKNOWN. The evidence says that, where and since when; it does not say why",
        &audit,
    );
    for it in &shown {
        report.line(&format!("  - goes with the evidence: {} ({})", it.what, it.fits));
    }
    let introduced = match (&evidence.scan.good, &evidence.scan.bad) {
        (_, None) if evidence.is_grave() => {
            format!(
                "UNKNOWN since when: no claim dates what the log's lines or files tell (section 3) [{audit}]"
            )
        }
        (_, None) => format!("nothing was found that was introduced [{audit}]"),
        (good, Some(bad)) => {
            let held = good.as_ref().map_or_else(String::new, |good| {
                format!("; the last before it that holds is {}", report.found(good))
            });
            format!(
                "when it ceased to hold is UNKNOWN, between its line and now; the first claim that does not hold now is {}{held} [{audit}]",
                report.found(bad)
            )
        }
    };
    report.line(&format!("- Timeline: {introduced}"));
    report.say("Detected: by this audit. Whether anybody noticed before, and why not: UNKNOWN", &audit);
    report.say("Evidence bundle: the logs, the directory and the pattern file, as they were read", &audit);
}

fn modes(report: &mut Report<'_>) {
    let evidence = report.evidence;
    let audit = report.audit();
    report.section(7, "Failure Mode Enumeration");
    let cells = ["mode", "found", "what was not looked at"];
    report.table("violated claims, by what their artifact lacks", &audit, &cells);
    let count = |lack| evidence.lacking(lack).to_string();
    let unseen = evidence
        .scan
        .unclaimed()
        .map_or("UNKNOWN".to_owned(), |left| format!("{} records were never claimed", left.records));
    for (mode, found, blind) in [
        ("lost", count(Lack::Missing), format!("packets that no line speaks of; {unseen}")),
        (
            "partly persisted",
            count(Lack::Short),
            "bytes of other systems' files inside their length: UNKNOWN".to_owned(),
        ),
        (
            "corrupted",
            count(Lack::Damaged),
            format!("{} claims hold by name and length only: UNKNOWN", evidence.scan.tally.by_name),
        ),
        ("duplicated", "UNKNOWN".to_owned(), "a claim says nothing about its packet's identity".to_owned()),
        (
            "misattributed",
            count(Lack::Other),
            "streams and sequence numbers: `truelog verify --receipts` holds them".to_owned(),
        ),
    ] {
        report.row(&[mode, &found, &blind]);
    }
    report.line("");
    report.say(
        "crashes, full disks and adversarial timing leave no line by themselves: UNKNOWN from logs alone",
        &audit,
    );
}
