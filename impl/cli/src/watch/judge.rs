//! What the last look says of each invariant and of each guardrail.
//!
//! Nothing is taken for granted: what cannot be seen from beside the writer is `unseen`, and so is all that held at a
//! look that is too old. Only what is violated stays so.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use truelog::{HealthRule as Rule, Metric, Severity};

use super::facts::{Claims, Facts};
use super::rules;
use super::said::Said;
use super::state::{Look, Seen};
use super::tile::{Kind, Tile, Verdict};
use crate::codes;
use crate::failure::Shown;

/// The invariants, by the names of docs/INVARIANTS.md, in its order.
pub const INVARIANTS: [&str; 16] = [
    "acked-is-durable",
    "claim-has-artifact",
    "no-ack-after-failed-sync",
    "recovered-is-prefix",
    "nothing-invented",
    "recovery-converges",
    "torn-tail-is-not-damage",
    "damage-is-loud",
    "reclaim-after-publish",
    "compaction-preserves-reads",
    "read-never-stale",
    "verify-sees-one-state",
    "quarantine-loses-nothing",
    "health-tells-truth",
    "books-balance",
    "append-resolves",
];

/// A writer whose numbers are older than this, in seconds, says nothing of now.
const CLAIMS_LAST: u64 = 10;

/// All tiles, the worst first.
#[derive(Debug, Serialize)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) tiles: Vec<Tile>,
}

impl Judged {
    /// Nothing is violated. What is merely unseen is nobody's fault; a look that failed or is stale is a violation.
    pub(super) fn is_ready(&self) -> bool {
        self.verdict != Verdict::Violated
    }
}

/// What stands behind a verdict.
struct Says {
    verdict: Verdict,
    says: String,
    evidence: Vec<String>,
}

impl Says {
    fn new(verdict: Verdict, says: impl Into<String>) -> Self {
        Self { verdict, says: says.into(), evidence: Vec::new() }
    }

    fn by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    fn tile(self, name: &'static str, kind: Kind, next: Option<&str>) -> Tile {
        let Self { verdict, says, evidence } = self;
        let next = next.filter(|_| verdict > Verdict::Unseen).map(str::to_owned);
        Tile { name, kind, verdict, says, evidence, next }
    }
}

use Verdict::{Degraded, Holds, Unseen, Violated};

/// Judges a look. `stale`: how old it is, if that is too old.
pub(super) fn judge(look: &Look, stale: Option<Duration>) -> Judged {
    let mut tiles = Vec::new();
    let claims = look.claims.as_ref().and_then(|claims| claims.as_ref().ok());
    match &look.facts {
        Ok(facts) => {
            tiles.extend(INVARIANTS.map(|name| invariant(name, facts, look, claims)));
            tiles.push(back(facts, &look.seen));
            tiles.extend(Rule::ALL.map(|rule| guardrail(rule, facts, look, claims)));
        }
        Err(failure) => tiles.extend(blind(failure, look, claims)),
    }
    tiles.extend(look.said.as_ref().map(Said::tile));
    if let Some(claimed) = &look.claims {
        tiles.push(claims_file(claimed, look));
    }
    if let Some(age) = stale {
        let why = format!("last looked {} s ago", age.as_secs());
        tiles.iter_mut().for_each(|tile| tile.outdate(&why));
    }
    tiles.push(looking(look, stale));
    // The worst first; else in the order in which they were judged.
    tiles.sort_by_key(|tile| std::cmp::Reverse(tile.verdict));
    let worst = tiles.iter().map(|tile| tile.verdict).filter(|verdict| *verdict != Unseen).max();
    Judged { verdict: worst.unwrap_or(Unseen), tiles }
}

/// Whether the log is looked at, at all and often enough.
fn looking(look: &Look, stale: Option<Duration>) -> Tile {
    let took = format!("the last look took {} ms", look.took.as_millis());
    let (says, next) = match (&look.facts, stale) {
        (_, Some(age)) => {
            let says = format!("the last look is {} s old: nothing here says how it is now", age.as_secs());
            (Says::new(Violated, says), "See whether the volume hangs; then start the watch again.")
        }
        (Err(failure), None) => {
            let place = failure.place.iter().map(|place| format!("where: {place}"));
            (Says::new(Violated, format!("{}: {}", failure.code, failure.what)).by(place), failure.next)
        }
        (Ok(facts), None) => {
            let log = format!("log {}", facts.log);
            (Says::new(Holds, "the log is there, and was looked at just now").by([log]), "")
        }
    };
    says.by([took]).tile("look", Kind::Guardrail, Some(next))
}

/// What was seen once is not taken back.
fn back(facts: &Facts, seen: &Seen) -> Tile {
    let last = facts.next_lsn.saturating_sub(1);
    let mut wrong = Vec::new();
    if let Some(log) = seen.log.as_ref().filter(|log| **log != facts.log) {
        wrong.push(format!("log {log} was here, now it is log {}", facts.log));
    } else {
        if last < seen.vouched_lsn {
            wrong
                .push(format!("records up to {} were vouched for, now the last is {last}", seen.vouched_lsn));
        }
        if facts.first_lsn < seen.first_lsn {
            wrong.push(format!("the first record was {}, now it is {}", seen.first_lsn, facts.first_lsn));
        }
    }
    let next =
        "Stop the writer and keep the directory; see docs/OPERATING.md, \"A log that was rolled back\".";
    let says = if wrong.is_empty() {
        let since = format!("since the watch began, up to LSN {}", seen.vouched_lsn);
        Says::new(Holds, "what was vouched for once is still there").by([since])
    } else {
        Says::new(Violated, "the directory went back, or another log is in it").by(wrong)
    };
    says.tile("never-goes-back", Kind::Guardrail, Some(next))
}

/// Whether there are numbers to hold against the directory.
fn claims_file(claims: &Result<Claims, Shown>, look: &Look) -> Tile {
    let (says, next) = match claims {
        Ok(claims) if claims.get(Metric::ReadOnly) > 0 && stands(Some(claims.written), look) => {
            let says = "the writer takes no appends: its log opened for reading only";
            let by = format!("{} is 1", Metric::ReadOnly.name());
            (Says::new(Violated, says).by([by]), "Run `truelog stat DIR`: it names the damage.")
        }
        Ok(claims) if claims.get(Metric::Open) == 0 => {
            (Says::new(Holds, "the writer has closed the log"), "")
        }
        Ok(claims) if claims.age_seconds <= CLAIMS_LAST => {
            (Says::new(Holds, "the writer tells its numbers"), "")
        }
        Ok(claims) => {
            let says = format!("the writer last told its numbers {} s ago", claims.age_seconds);
            (Says::new(Degraded, says), "See whether the writer runs, and can write its file of metrics.")
        }
        Err(failure) => (Says::new(Degraded, format!("{}: {}", failure.code, failure.what)), failure.next),
    };
    let of = claims.iter().map(|claims| format!("numbers of log {}", claims.log));
    says.by(of).tile("claims-file", Kind::Guardrail, Some(next))
}

/// The log could not be looked at.
fn blind(failure: &Shown, look: &Look, claims: Option<&Claims>) -> Vec<Tile> {
    let dir = PathBuf::new;
    let no_log = truelog::Error::NotALog { dir: dir(), why: truelog::NotALog::Missing };
    let empty = truelog::Error::Unfinished { dir: dir() };
    let (gone, seen) = ([no_log.code(), empty.code()].contains(&failure.code), &look.seen);
    let why = || format!("{}: {}", failure.code, failure.what);
    let claimed = claims.map_or(0, |claims| claims.get(Metric::DurableLsn));
    let unseen = || Says::new(Unseen, "the log could not be looked at").by([why()]);
    let tile = |name| {
        let says = match name {
            "acked-is-durable" if gone && seen.vouched_lsn > 0 => Says::new(
                Violated,
                format!("records up to {} were vouched for, and are gone", seen.vouched_lsn),
            )
            .by([why()]),
            "claim-has-artifact" if gone && claimed > 0 => {
                let says = format!("the writer claims records up to {claimed}, and there is no log");
                logged(Says::new(Violated, says).by([why()]), look.said.as_ref())
            }
            "claim-has-artifact" => logged(unseen(), look.said.as_ref()),
            _ => unseen(),
        };
        let next = if name == "claim-has-artifact" { false_claim() } else { failure.next };
        says.tile(name, Kind::Invariant, Some(next))
    };
    let rules = Rule::ALL.into_iter().map(|rule| {
        let told = halted(rule, look, claims);
        let says = if told.is_empty() { unseen() } else { applied(rule, told) };
        says.tile(rule.name(), Kind::Guardrail, Some(rule.next_step()))
    });
    INVARIANTS.into_iter().map(tile).chain(rules).collect()
}

/// What is to be done about a false claim, wherever it was found.
fn false_claim() -> &'static str {
    codes::own(codes::FALSE_CLAIM).map_or("See `truelog audit logs`.", |explained| explained.next)
}

/// The evidence for these rules.
fn applies(facts: &Facts, rules: &[Rule]) -> Vec<String> {
    let applies = facts.findings.iter().filter(|finding| rules.contains(&finding.rule));
    applies.map(|finding| finding.evidence.clone()).collect()
}

fn applied(rule: Rule, evidence: Vec<String>) -> Says {
    Says::new(rules::verdict(rule), rule.when()).by(evidence)
}

/// Whether the log was not opened since then, as far as can be seen.
fn stands(then: Option<SystemTime>, look: &Look) -> bool {
    // A time that is still to come says nothing.
    let opened = look.opened.filter(|opened| *opened <= look.at);
    opened.zip(then).is_none_or(|(opened, then)| opened <= then)
}

/// That the writer halted, by its own word. It stands however old it is, until the log is opened again.
fn halted(rule: Rule, look: &Look, claims: Option<&Claims>) -> Vec<String> {
    let poisoned = claims.filter(|claims| rule == Rule::Poisoned && claims.get(Metric::Poisoned) > 0);
    let poisoned = poisoned.filter(|claims| stands(Some(claims.written), look));
    let lines = look.said.iter().flat_map(|said| &said.halts);
    let lines = lines.filter(|(of, _, time)| *of == rule && stands(*time, look));
    let told = poisoned.map(|_| format!("{} is 1", Metric::Poisoned.name()));
    told.into_iter().chain(lines.map(|(_, says, _)| says.clone())).collect()
}

/// A rule of the log's health: by what is found; for what only the writer knows, by what it claims, if it does.
fn guardrail(rule: Rule, facts: &Facts, look: &Look, claims: Option<&Claims>) -> Tile {
    let mut evidence = applies(facts, &[rule]);
    let told = claims.filter(|claims| claims.age_seconds <= CLAIMS_LAST && rule == Rule::Poisoned);
    evidence.extend(halted(rule, look, claims));
    let says = if !evidence.is_empty() {
        applied(rule, evidence)
    } else if rules::is_writers_own(rule) && told.is_none() {
        Says::new(Unseen, format!("only the writer knows whether {}", rule.when()))
    } else if rule == Rule::ClaimViolated && !applies(facts, &[Rule::AuditLate]).is_empty() {
        Says::new(Unseen, "nobody has looked at everything for too long")
    } else {
        Says::new(Holds, format!("no sign that {}", rule.when()))
    };
    says.tile(rule.name(), Kind::Guardrail, Some(rule.next_step()))
}

fn invariant(name: &'static str, facts: &Facts, look: &Look, claims: Option<&Claims>) -> Tile {
    let last = facts.next_lsn.saturating_sub(1);
    let damage = || facts.damage.iter().map(|damage| format!("{}: {}", damage.code, damage.says));
    let lacks = facts.damage.iter().map(|damage| damage.next).next();
    let says = match name {
        "acked-is-durable" => acked(facts, &look.seen),
        "claim-has-artifact" => logged(claim(facts, claims), look.said.as_ref()),
        "no-ack-after-failed-sync" => {
            match claims.map(|claims| (claims.age_seconds, claims.get(Metric::Poisonings))) {
                Some((..=CLAIMS_LAST, 0)) => Says::new(Holds, "the writer saw no write or sync fail"),
                _ => Says::new(Unseen, "only the writer sees its syncs fail"),
            }
        }
        "recovered-is-prefix" if facts.damage.is_empty() => {
            Says::new(Holds, format!("LSNs {} to {last} follow one another", facts.first_lsn))
        }
        "recovered-is-prefix" => {
            Says::new(Degraded, "LSNs follow one another, but for what is damaged").by(damage())
        }
        "torn-tail-is-not-damage" if facts.damage.is_empty() => {
            Says::new(Holds, format!("{} torn bytes at the end, and the log opens", facts.torn_bytes))
        }
        "damage-is-loud" if facts.damage.is_empty() => Says::new(Holds, "no damage was found"),
        "damage-is-loud" => {
            Says::new(Degraded, format!("{} damaged, each named", facts.damage.len())).by(damage())
        }
        "reclaim-after-publish" if facts.rows.contains(&"named-missing") => {
            Says::new(Violated, "a segment that the manifest names is not there").by(damage())
        }
        "reclaim-after-publish" => {
            Says::new(Holds, format!("all {} segments that the manifest names are there", facts.segments))
        }
        "compaction-preserves-reads" if facts.runs == 0 => Says::new(Unseen, "there is no archive"),
        "compaction-preserves-reads" if facts.gaps.is_empty() => Says::new(
            Holds,
            format!("{} runs follow one another, up to LSN {}", facts.runs, facts.archived_lsn),
        ),
        "compaction-preserves-reads" => {
            let gaps = facts.gaps.iter().map(|(first, last)| format!("no run has {first}..={last}"));
            Says::new(Violated, "there are gaps in the archive").by(gaps)
        }
        "quarantine-loses-nothing" => quarantine(facts),
        "health-tells-truth" => health(facts, claims),
        "books-balance" => books(claims),
        // What happens inside the writer, or only behind a crash.
        _ => Says::new(Unseen, "cannot be seen from beside a writer; `cargo verify` checks it"),
    };
    let lacks = if name == "claim-has-artifact" { Some(false_claim()) } else { lacks };
    says.tile(name, Kind::Invariant, lacks.or(Some("See `truelog verify DIR`.")))
}

fn acked(facts: &Facts, seen: &Seen) -> Says {
    let last = facts.next_lsn.saturating_sub(1);
    let lost = last < seen.vouched_lsn && seen.log.as_ref() == Some(&facts.log);
    if !facts.damage.is_empty() || lost {
        let lost = lost.then(|| format!("records up to {} were vouched for once", seen.vouched_lsn));
        let damage = facts.damage.iter().map(|damage| format!("{}: {}", damage.code, damage.says));
        return Says::new(Violated, "records that were acknowledged are damaged or gone")
            .by(damage.chain(lost));
    }
    let gone = applies(facts, &[Rule::Damaged]);
    if !gone.is_empty() {
        return Says::new(Violated, "records that were acknowledged are damaged or gone").by(gone);
    }
    Says::new(Holds, format!("records {} to {last} are in their place", facts.first_lsn)).by([
        format!("something durable vouches for those up to {}", facts.vouched_lsn),
        "the manifest, every name and the last segment were looked at; the rest is for the auditor and `truelog verify`"
            .to_owned(),
    ])
}

fn claim(facts: &Facts, claims: Option<&Claims>) -> Says {
    let Some(claims) = claims else {
        return Says::new(Unseen, "no claims of a writer are given: see --metrics");
    };
    let (claimed, last) = (claims.get(Metric::DurableLsn), facts.next_lsn.saturating_sub(1));
    let evidence = [format!("claimed durable: LSN {claimed}"), format!("the last record found: LSN {last}")];
    if claims.log != facts.log {
        let of = format!("the claims are of log {}, this is log {}", claims.log, facts.log);
        return Says::new(Violated, "records are claimed of a log that is not here").by([of]);
    }
    let lost = facts.damage.iter().filter(|damage| damage.first <= damage.last && damage.first <= claimed);
    let lost: Vec<_> = lost.map(|damage| format!("{}: {}", damage.code, damage.says)).collect();
    if claimed > last || !lost.is_empty() {
        let evidence = evidence.into_iter().chain(lost);
        return Says::new(Violated, "records are claimed durable that are not there").by(evidence);
    }
    Says::new(Holds, format!("what the writer claims, up to LSN {claimed}, is there")).by(evidence)
}

/// The same, and what the logs of the application claim.
fn logged(says: Says, said: Option<&Said>) -> Says {
    let Some(said) = said else { return says };
    if said.lies() > 0 {
        let claims = format!("{} do not hold, of {}", said.lies(), said.claims());
        let text = if says.verdict == Violated { format!("{}; {claims}", says.says) } else { claims };
        return Says { verdict: Violated, says: text, ..says }.by(said.false_ones());
    }
    let held = said.is_whole() && said.tally.claims > 0;
    match says.verdict {
        Unseen if held => Says::new(Holds, format!("{}: each holds", said.claims())),
        Holds if !said.is_whole() => {
            Says::new(Unseen, "not all claims in the logs are held yet").by(says.evidence)
        }
        _ => says.by([said.claims()]),
    }
}

fn quarantine(facts: &Facts) -> Says {
    let lost = applies(facts, &[Rule::RecordsUnavailable, Rule::Damaged]);
    let thin = applies(facts, &[Rule::DriveQuarantined, Rule::DriveMissing, Rule::CopiesShort]);
    if facts.drives.is_empty() {
        Says::new(Unseen, "there are no drives")
    } else if !lost.is_empty() {
        Says::new(Violated, "no copy of some records can be reached").by(lost)
    } else if !thin.is_empty() {
        Says::new(Degraded, "each record has a copy that can be reached, some have too few").by(thin)
    } else {
        let drives = facts.drives.iter().map(super::super::drives::Drive::text);
        Says::new(Holds, "each record of the archive has all its copies, by their names").by(drives)
    }
}

/// A writer that feels well is not believed against what is there.
fn health(facts: &Facts, claims: Option<&Claims>) -> Says {
    let Some(claims) = claims.filter(|claims| claims.age_seconds <= CLAIMS_LAST) else {
        return Says::new(Unseen, "no writer tells how it is");
    };
    let halts: Vec<_> = facts
        .findings
        .iter()
        .filter(|finding| finding.rule.severity() == Severity::Halt)
        .map(|finding| format!("{}: {}", finding.rule, finding.evidence))
        .collect();
    let well = claims.get(Metric::Open) > 0
        && claims.get(Metric::Poisoned) == 0
        && claims.get(Metric::ReadOnly) == 0;
    if well && !halts.is_empty() {
        return Says::new(Violated, "the writer says that it is well, and the log is not").by(halts);
    }
    Says::new(Holds, "the writer does not say that it is better than it is").by(halts)
}

fn books(claims: Option<&Claims>) -> Says {
    let Some(claims) = claims else { return Says::new(Unseen, "the writer tells no numbers") };
    let (acked, committed) = (claims.get(Metric::AcknowledgedRecords), claims.get(Metric::CommittedRecords));
    let evidence = [Metric::CommittedRecords, Metric::AcknowledgedRecords, Metric::RejectedRecords]
        .map(|metric| format!("{} {}", metric.name(), claims.get(metric)));
    if acked > committed {
        return Says::new(Violated, "more was acknowledged than committed").by(evidence);
    }
    Says::new(Holds, format!("{committed} committed, {acked} of them acknowledged")).by(evidence)
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    fn look(facts: Facts, seen: Seen) -> Look {
        let (at, began, took) = (SystemTime::now(), Instant::now(), Duration::from_millis(1));
        Look { at, began, took, facts: Ok(facts), claims: None, said: None, opened: None, seen }
    }

    fn facts() -> Facts {
        Facts { log: "a".into(), first_lsn: 1, next_lsn: 11, vouched_lsn: 10, ..Facts::default() }
    }

    fn of<'a>(judged: &'a Judged, name: &str) -> &'a Tile {
        judged.tiles.iter().find(|tile| tile.name == name).unwrap()
    }

    #[test]
    fn a_look_that_is_too_old_is_never_green() {
        let look = look(facts(), Seen::default());
        assert_eq!(judge(&look, None).verdict, Holds);
        let stale = judge(&look, Some(Duration::from_secs(60)));
        assert_eq!(stale.verdict, Violated);
        assert!(stale.tiles.iter().all(|tile| tile.verdict == Unseen || tile.name == "look"));
        assert_eq!(of(&stale, "look").verdict, Violated);
    }

    #[test]
    fn each_invariant_and_each_rule_has_one_tile() {
        let judged = judge(&look(facts(), Seen::default()), None);
        let mut names: Vec<_> = judged.tiles.iter().map(|tile| tile.name).collect();
        for name in INVARIANTS.into_iter().chain(Rule::ALL.map(Rule::name)) {
            assert!(names.contains(&name), "{name}");
        }
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn what_was_vouched_for_once_is_not_taken_back() {
        let seen = Seen { log: Some("a".into()), vouched_lsn: 11, first_lsn: 1 };
        let judged = judge(&look(facts(), seen.clone()), None);
        assert_eq!(of(&judged, "never-goes-back").verdict, Violated);
        assert_eq!(of(&judged, "acked-is-durable").verdict, Violated);
        let judged = judge(&look(Facts { log: "b".into(), ..facts() }, seen), None);
        assert_eq!(of(&judged, "never-goes-back").verdict, Violated);
    }
}
