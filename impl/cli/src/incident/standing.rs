//! The sections that say what to do and what to hold: few of them depend on the evidence.

use super::report::Report;

pub(super) fn fix(report: &mut Report<'_>) {
    report.section(5, "Fix");
    let (dir, audit) = (report.dir(), report.audit());
    let violated = report.evidence.scan.tally.violated > 0;
    if !violated && !report.evidence.is_grave() {
        report.say(nothing_to_mend(report), &audit);
        return;
    }
    report.say(
        "1. Stop the writer, unless it has halted itself. Each further acknowledgement may be false",
        &audit,
    );
    report.say("2. Copy the logs and the directory before anything else touches them", &report.copy());
    if report.evidence.view().is_some() {
        report.say(
            "3. Read every byte and hold every receipt",
            &format!("`truelog verify {dir} --receipts FILE`"),
        );
        report.say(
            "4. Bring each file that is gone, cut or damaged back from a copy or a drive; where a call failed, mend what the operating system reports. Only what no copy has is given up, by name",
            &format!("`truelog accept-loss {dir}`"),
        );
    } else {
        report.say("3. The writer's code must say \"appended\" only behind a write, a sync of the file, a sync of its directory and a look at its name. That code is no part of the evidence: as a diff the fix is UNKNOWN", &audit);
        report.say("4. Feed the packets of the violated lines again from where they came from, if that still has them: UNKNOWN", &audit);
    }
    report.say("Roll-out: audit the new writer's first lines before it takes load. Roll-back: stop it; an older writer makes the same claims", &audit);
}

/// What is said where neither the claims nor the log tell of a failure.
fn nothing_to_mend(report: &Report<'_>) -> &'static str {
    if report.evidence.is_clean() {
        "no violated claim was found, and the log tells of no failure: there is nothing to mend here"
    } else {
        "UNKNOWN: no violated claim was found, but not every claim could be held"
    }
}

pub(super) fn verification(report: &mut Report<'_>) {
    report.section(6, "Verification");
    let (tally, audit) = (&report.evidence.scan.tally, report.audit());
    report.say("A fix holds when this ends with exit code 0 on the lines written since", &audit);
    report.say("A false alarm is kept away: a claim that does not hold is held again against a look that is newer than the claim", &audit);
    report.say(
        "A silent failure of the check is kept away: logs without a claim end with exit code 3",
        "`truelog explain TL-909`",
    );
    report.say(
        &format!(
            "Cost of one audit: one pass over {} lines, and one read of each batch that is claimed",
            tally.lines
        ),
        &audit,
    );
}

pub(super) fn invariants(report: &mut Report<'_>) {
    report.section(8, "Required Invariants");
    let (tally, audit) = (&report.evidence.scan.tally, report.audit());
    let artifact = match (tally.violated, tally.unverifiable + tally.by_name) {
        (0, 0) if tally.claims > 0 => format!("held for all {} claims", tally.claims),
        (0, _) => "UNKNOWN: not every claim's bytes could be judged".to_owned(),
        (count, _) => format!("UNSAFE: {count} violations"),
    };
    let ours = report.evidence.view().is_some();
    let enforced = |how: &'static str| if ours { how } else { "UNKNOWN: not this program's writer" };
    let cells = ["invariant", "state", "enforced by", "monitored by"];
    report.table("what must hold, and what the claims show of it", &audit, &cells);
    report.row(&[
        "claim-has-artifact",
        &artifact,
        enforced("the commit path: sync, name and path are checked before the line"),
        &audit,
    ]);
    report.row(&[
        "acked-is-durable",
        "UNKNOWN: logs do not hold acknowledgements",
        enforced("the commit path"),
        "`truelog verify DIR --receipts FILE`",
    ]);
    report.row(&[
        "no-ack-after-failed-sync",
        "UNKNOWN: not shown by logs alone",
        enforced("a failed sync poisons the handle"),
        "the event \"poisoned\"",
    ]);
    report.row(&[
        "damage-is-loud",
        "UNKNOWN: only what was claimed was read",
        enforced("recovery and every read"),
        "`truelog verify DIR`",
    ]);
}

pub(super) fn detection(report: &mut Report<'_>) {
    report.section(9, "Detection & Observability Design");
    let audit = report.audit();
    report.say(
        "divergence of logs and disk: run this on every rotation of the log, and page on exit code 1",
        &audit,
    );
    report.say(
        "an audit that did not run, or found nothing to hold, pages too: exit codes 2, 3 and 4",
        "`truelog audit logs --help`",
    );
    report.say(
        "false acknowledgements: keep receipts away from the log, and hold them once a day",
        "`truelog verify DIR --receipts FILE`",
    );
    let stages: Vec<_> = crate::audit::stage::Stage::all()
        .filter(|stage| report.evidence.of_stage(*stage).next().is_none())
        .map(|stage| stage.letter().to_string())
        .collect();
    let blind = if stages.is_empty() { "none".to_owned() } else { stages.join(", ") };
    report.say(&format!("blind: stages that no line speaks of: {blind}"), &audit);
}

pub(super) fn strategy(report: &mut Report<'_>) {
    report.section(10, "Verification & Audit Strategy");
    let audit = report.audit();
    report.say(
        "one packet end to end: its line, the artifact that the line names, the packet's bytes in it",
        &audit,
    );
    report.say("inputs against what was persisted: count the lines of stage A with a pattern of the kind `count`, and compare", &audit);
    report.say("fault injection: remove, cut and flip an artifact of a copy of the directory: each must end with exit code 1", &audit);
    report.say("chaos: kill the writer with SIGKILL at random moments, fill its volume, unmount it: behind each, the lines written before must still hold", &audit);
}

pub(super) fn architecture(report: &mut Report<'_>) {
    report.section(11, "Optimal System Architecture");
    report.say("states of a packet: taken, written, durable, acknowledged; only \"durable\" may be claimed, and it names its artifact", "docs/ARCHITECTURE.md in the sources of truelog");
    report.say(
        "one owner of the log's files and their life cycle; a failure is final until a new open",
        "docs/ARCHITECTURE.md in the sources of truelog",
    );
    report.say(
        "whether the system at hand is built so: UNKNOWN, it is no part of the evidence",
        &report.audit(),
    );
}

pub(super) fn actions(report: &mut Report<'_>) {
    report.section(12, "Immediate Actions vs Long-Term Redesign");
    let audit = report.audit();
    let now = if report.evidence.scan.tally.violated > 0 || report.evidence.is_grave() {
        "now: section 5, steps 1 to 4"
    } else if report.evidence.is_clean() {
        "now: nothing was found that calls for it"
    } else {
        "now: UNKNOWN: hold the claims that could not be held (section 1)"
    };
    report.say(now, &audit);
    report.say(
        "long term: no line claims durability but behind the artifact; the audit runs by itself",
        &audit,
    );
    report.say(
        "halts: a violated claim, a failed sync, a file that is gone or replaced",
        "`truelog explain TL-920`",
    );
    report.say("degrades: a claim that cannot be held", "`truelog explain TL-909`");
    report.say(
        "degrades: a drive that does not serve, an audit that is late, little space",
        "docs/OPERATING.md in the sources of truelog",
    );
    report.say("pages at once: any exit code of the audit but 0", &audit);
    report.say(
        "never at INFO: a claim without its artifact; what survives only the end of the process",
        "docs/ARCHITECTURE.md in the sources of truelog",
    );
}

pub(super) fn risks(report: &mut Report<'_>) {
    report.section(13, "Residual Risks");
    let (tally, audit) = (&report.evidence.scan.tally, report.audit());
    for (count, what) in [
        (tally.unverifiable, "claims could not be held against anything"),
        (tally.by_name, "claims hold by the name and the length of a file only; its bytes are not judged"),
        (tally.unvouched, "claims hold by bytes that nothing else vouches for yet"),
        (tally.trimmed, "claims are on what was removed: they can no longer be proven"),
        (tally.torn, "lines were cut: what they would have claimed is not known"),
    ] {
        if count > 0 {
            report.say(&format!("UNKNOWN: {count} {what}"), &audit);
        }
    }
    report.say("UNKNOWN: what the page cache shows may not be on the device; only a restart of the machine, or a read past the cache, tells", &audit);
    report.say("UNKNOWN: packets that were lost before any line spoke of them", &audit);
}
