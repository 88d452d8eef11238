//! `cargo verify mutants --campaign`: engines with one mutant each, drawn by seed, and campaigns that are not told which.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::declared::{Declared, declared};
use super::workshop::{Built, Workshop};
use super::{Arguments, drawn, out};
use crate::campaign::journal::{Found, merge};
use crate::campaign::proposals;
use crate::campaign::totals::Totals;
use crate::explore::Case;
use crate::schedules::kept::{Kept as Race, SUFFIX};

/// The most steps of clients and of the world that the trace of a finding may have.
const STEPS: usize = 10;

/// The checks whose mutants a campaign has no arm for, or one that tells no trace; and why. What stands here is left out of
/// the draw, and the table says so.
const CHECKS_OUT: [(&str, &str); 7] = [
    ("mechanism", "it changes what judges"),
    ("conformance", "it changes what judges"),
    ("strace", "no arm: the real file system"),
    ("archive-kill", "no arm: the real file system"),
    ("displaced", "no arm: other programs' deeds"),
    ("damage", "no trace: durable bytes are damaged by fuzz targets alone"),
    ("fuzz", "no trace: bytes and text have no steps"),
];

/// A schedule may show it, but no trace or page of one thread does.
const THREADS: &str = "no trace: it takes two threads at once";
/// Its readers ask for more than the word, so that the engine around it may show nothing.
const WORD: &str = "no arm: the word of a slot, on its own";
/// So it was in a hunt of 2 minutes: its page tells a schedule.
const UNTOLD: &str = "no trace: schedules find it, and no run of one thread was found for it";
/// An arm may find it. It is drawn once one has been seen to.
const UNTRIED: &str = "not tried: no hunt of it has been seen to end";

/// Mutants of other checks, or of which the check's reason is not the reason; and why they are left out.
const MUTANTS_OUT: [(&str, &str); 18] = [
    ("background-sync-error-printed", UNTOLD),
    ("cache-before-write-done", WORD),
    ("dropped-run-is-damage", THREADS),
    ("leader-fails-followers-ok", THREADS),
    // A scene that hangs is found, but one thread waits for nobody who would have to wake it.
    ("gate-arrived-at-too-late", THREADS),
    ("leadership-not-handed-over", THREADS),
    ("overtaken-leader-leaves", THREADS),
    ("path-check-before-sync", "no arm: other programs' deeds"),
    ("prefetch-drops-prefix", UNTRIED),
    ("prepared-out-of-order", THREADS),
    ("purged-gap-is-end", THREADS),
    ("reclaim-under-readers", THREADS),
    ("reused-under-readers", THREADS),
    ("short-prefetch-is-eof", UNTRIED),
    ("slot-freed-under-a-pin", WORD),
    ("slot-of-older-generation-served", WORD),
    ("trim-tells-late", THREADS),
    ("trimmed-run-published", UNTRIED),
];

/// Why a campaign cannot find a mutant, if so: of the mutant itself, or else of its checks, if none of them has an arm.
fn out_of_reach(mutant: &Declared) -> Option<&'static str> {
    let why = |out: &[(&str, &'static str)], name: &str| {
        out.iter().find(|(known, _)| *known == name).map(|(_, why)| *why)
    };
    let checks = || {
        let each = mutant.kills.iter().map(|kill| why(&CHECKS_OUT, &kill.check));
        each.min_by_key(Option::is_some).flatten()
    };
    why(&MUTANTS_OUT, &mutant.slug).or_else(checks)
}

/// What a campaign on a mutant came to.
#[derive(Debug, Serialize)]
struct Hunt {
    mutant: String,
    /// What the mutant declares.
    invariant: String,
    /// The invariants of what was found.
    found: Vec<String>,
    /// Seconds of running.
    seconds: f64,
    cases: u64,
    /// The first command that shows it again.
    replay: String,
    /// What was told: a trace that has its page beside it, or the page of what no trace tells, and how many steps of clients
    /// and of the world it has.
    proposed: Vec<(String, usize)>,
    /// Why there was no campaign.
    unbuilt: Option<String>,
}

impl Hunt {
    /// Nothing has happened yet.
    fn new(mutant: &Declared) -> Self {
        Self {
            mutant: mutant.slug.clone(),
            invariant: mutant.invariants().collect::<Vec<_>>().join(", "),
            found: Vec::new(),
            seconds: 0.0,
            cases: 0,
            replay: String::new(),
            proposed: Vec::new(),
            unbuilt: None,
        }
    }

    /// Found is what was told: for an invariant that the mutant declares, in a trace that is short and has its page.
    fn is_found(&self) -> bool {
        self.best().is_some_and(|(_, steps)| *steps <= STEPS)
    }

    /// Of what was told for the invariant that it declares, the one of the fewest steps.
    fn best(&self) -> Option<&(String, usize)> {
        let declared = self.proposed.iter().filter(|(path, _)| {
            let folder = Path::new(path).parent().and_then(Path::file_name).and_then(|name| name.to_str());
            folder.is_some_and(|invariant| self.declares(invariant))
        });
        declared.min_by_key(|(_, steps)| *steps)
    }

    /// The invariants of what was found, each with how often.
    fn named(&self) -> String {
        let mut named = BTreeMap::<&str, usize>::new();
        for invariant in &self.found {
            *named.entry(invariant).or_default() += 1;
        }
        let lines: Vec<String> = named.iter().map(|(name, times)| format!("{name} ({times})")).collect();
        lines.join("\n")
    }

    /// Whether an invariant is one that the mutant declares.
    fn declares(&self, invariant: &str) -> bool {
        self.invariant.split(", ").any(|one| one == invariant)
    }
}

/// Runs the campaigns. 0 if each mutant was found, 1 if one was not, 4 if the surroundings failed.
pub(super) fn run(root: &Path, arguments: &Arguments) -> ExitCode {
    let hunted = match hunt(root, arguments) {
        Ok(hunted) => hunted,
        Err(error) => {
            eprintln!("cargo verify mutants: {error}");
            return ExitCode::from(4);
        }
    };
    let Hunted { hunts, left_out } = &hunted;
    if hunts.is_empty() {
        eprintln!(
            "cargo verify mutants: no mutant of corpus/mutants that a campaign can find\n{}",
            show(left_out)
        );
        return ExitCode::from(2);
    }
    let end = ExitCode::from(u8::from(!hunts.iter().all(Hunt::is_found)));
    let says = || {
        let out = if left_out.is_empty() { String::new() } else { show(left_out) + "\n" };
        out + &render(hunts)
    };
    if arguments.json { out::json(&hunted, end) } else { out::print(says(), end) }
}

/// The mutants that no campaign can find, by the reason.
type LeftOut = BTreeMap<&'static str, Vec<String>>;

/// What was hunted, and what was not.
#[derive(Debug, Serialize)]
struct Hunted {
    hunts: Vec<Hunt>,
    left_out: LeftOut,
}

/// Mutants that a campaign can find, `count` of them, as the seed says; and those that it cannot. Who names some gets just
/// these, and sees whether what leaves them out is true.
fn hidden(mut mutants: Vec<Declared>, arguments: &Arguments) -> (Vec<Declared>, LeftOut) {
    let mut left_out = LeftOut::new();
    if !arguments.only.is_empty() {
        mutants.retain(|mutant| arguments.only.contains(&mutant.slug));
        return (mutants, left_out);
    }
    mutants.retain(|mutant| {
        let why = out_of_reach(mutant);
        if let Some(why) = why {
            left_out.entry(why).or_default().push(mutant.slug.clone());
        }
        why.is_none()
    });
    let drawn = drawn(&mutants, arguments.seed, arguments.count);
    (mutants.into_iter().filter(|mutant| drawn.contains(&mutant.slug)).collect(), left_out)
}

fn hunt(root: &Path, arguments: &Arguments) -> io::Result<Hunted> {
    let (mutants, left_out) = hidden(declared(&root.join("corpus/mutants"))?, arguments);
    if mutants.is_empty() {
        return Ok(Hunted { hunts: Vec::new(), left_out });
    }
    let workshop = Workshop::new(root)?;
    let hunts = mutants
        .iter()
        .map(|mutant| {
            eprintln!("{}: building", mutant.slug);
            let hunt = match workshop.build(mutant)? {
                Ok(built) => {
                    on(&workshop.base().join("campaign").join(&mutant.slug), mutant, &built, arguments)?
                }
                Err(end) => Hunt { unbuilt: Some(end.to_string()), ..Hunt::new(mutant) },
            };
            eprintln!("{}: {}", mutant.slug, if hunt.is_found() { "found" } else { "NOT FOUND" });
            Ok(hunt)
        })
        .collect::<io::Result<_>>()?;
    Ok(Hunted { hunts, left_out })
}

/// A campaign on one mutant, from nothing, into `dir`.
fn on(dir: &Path, mutant: &Declared, built: &Built, arguments: &Arguments) -> io::Result<Hunt> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(dir)?;
    let minutes = arguments.minutes.to_string();
    let seed = arguments.seed.to_string();
    let jobs = arguments.jobs.to_string();
    let mut command = Command::new(built.program());
    command.args([
        "campaign",
        "--until-found",
        "--minutes",
        &minutes,
        "--seed",
        &seed,
        "--jobs",
        &jobs,
        "--out",
    ]);
    command.arg(dir).stdout(Stdio::null());
    let status = command.status()?;
    if !matches!(status.code(), Some(0 | 1 | 3)) {
        return Err(io::Error::other(format!("{}: the campaign ended with {status}", mutant.slug)));
    }
    let totals = Totals::of(&merge(&[dir.to_owned()])?);
    let mut hunt = Hunt { cases: totals.cases, seconds: totals.seconds, ..Hunt::new(mutant) };
    for (first, _) in totals.findings.values() {
        if hunt.replay.is_empty() || hunt.declares(&first.invariant) {
            hunt.replay.clone_from(&first.replay);
        }
        hunt.found.push(first.invariant.clone());
    }
    hunt.proposed = proposals(dir)?;
    hunt.proposed.retain(|(path, _)| Path::new(path).with_extension("md").exists());
    hunt.proposed.extend(totals.findings.values().filter_map(|(first, _)| page_of(first, dir)));
    Ok(hunt)
}

/// The page of what no trace tells, and how many steps that is: of a race, or of what one thread does, such as a write whose
/// bits flip.
fn page_of(found: &Found, dir: &Path) -> Option<(String, usize)> {
    let page = dir.join(found.page.as_deref()?);
    let race =
        fs::read_to_string(page.with_extension(SUFFIX)).ok().and_then(|text| text.parse::<Race>().ok());
    let case = || found.case.as_deref().filter(|_| !found.is_told())?.parse::<Case>().ok();
    let steps = race.map(|race| race.steps()).or_else(|| case().map(|case| case.steps()))?;
    page.exists().then(|| (page.display().to_string(), steps))
}

/// What is left out of the draw, as a table.
fn show(left_out: &LeftOut) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(["left out of the draw", "mutants"]);
    for (why, mutants) in left_out {
        table.add_row([(*why).to_owned(), mutants.join("\n")]);
    }
    table.to_string()
}

fn render(hunts: &[Hunt]) -> String {
    let mut table = Table::new();
    let header = ["mutant", "invariant", "found", "cases", "seconds", "steps"];
    table.load_style(UTF8_BORDERS_ONLY).set_header(header);
    let mut pages = String::new();
    for hunt in hunts {
        let best = hunt.best();
        if let Some((path, _)) = best {
            let page = Path::new(path).with_extension("md");
            pages.push_str(&format!("\n{}: {}", hunt.mutant, page.display()));
        }
        let found = match &hunt.unbuilt {
            Some(end) => end.clone(),
            None if hunt.found.is_empty() => "NOTHING".to_owned(),
            None => hunt.named(),
        };
        table.add_row([
            hunt.mutant.clone(),
            hunt.invariant.clone(),
            found,
            hunt.cases.to_string(),
            format!("{:.0}", hunt.seconds),
            best.map_or_else(String::new, |(_, steps)| steps.to_string()),
        ]);
    }
    let found = hunts.iter().filter(|hunt| hunt.is_found()).count();
    format!(
        "{table}{pages}\nfound for the invariant that it declares, with a page and at most {STEPS} steps: {found} of {}",
        hunts.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunt(proposed: &[(&str, usize)]) -> Hunt {
        Hunt {
            mutant: "ack-before-sync".to_owned(),
            invariant: "acked-is-durable".to_owned(),
            found: vec!["acked-is-durable".to_owned()],
            seconds: 1.0,
            cases: 1,
            replay: String::new(),
            proposed: proposed.iter().map(|(path, steps)| ((*path).to_owned(), *steps)).collect(),
            unbuilt: None,
        }
    }

    #[test]
    fn found_is_what_is_told_in_few_steps_for_the_invariant_that_is_declared() {
        let right = "out/found/acked-is-durable/append.trace";
        assert!(hunt(&[(right, STEPS)]).is_found());
        assert!(!hunt(&[]).is_found(), "a finding alone tells nobody");
        assert!(!hunt(&[(right, STEPS + 1)]).is_found());
        assert!(!hunt(&[("out/found/nothing-invented/append.trace", 3)]).is_found());
        assert!(hunt(&[("out/found/nothing-invented/append.trace", 3), (right, 4)]).is_found());
    }

    fn all() -> Vec<Declared> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/mutants");
        declared(&dir).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A check or a mutant that is no more would be left out for nothing, and so would what another line leaves out already.
    #[test]
    fn every_line_that_leaves_something_out_leaves_some_mutant_out() {
        let is_out = |slug: &str| MUTANTS_OUT.iter().any(|(out, _)| *out == slug);
        for (check, why) in CHECKS_OUT {
            let leaves = |mutant: &Declared| !is_out(&mutant.slug) && out_of_reach(mutant) == Some(why);
            let by = |mutant: &&Declared| mutant.kills.iter().any(|kill| kill.check == check);
            assert!(all().iter().filter(by).any(leaves), "{check}");
        }
        for (slug, why) in MUTANTS_OUT {
            let mutant = all().into_iter().find(|mutant| mutant.slug == slug);
            let mutant = mutant.unwrap_or_else(|| panic!("no mutant is called {slug}"));
            assert!(
                !mutant.kills.iter().all(|kill| CHECKS_OUT.contains(&(kill.check.as_str(), why))),
                "{slug}: its checks say so"
            );
        }
    }

    #[test]
    fn what_is_named_is_hunted_although_the_draw_leaves_it_out() {
        let hunted = |line: &[&str]| {
            let (mutants, left_out) = hidden(all(), &super::super::tests::arguments(line));
            (mutants.into_iter().map(|mutant| mutant.slug).collect::<Vec<_>>(), left_out.len())
        };
        let named = ["--campaign", "--count", "1", "--only", "ack-before-sync,warn-then-delete"];
        // The cheapest check first.
        assert_eq!(hunted(&named), (vec!["warn-then-delete".to_owned(), "ack-before-sync".to_owned()], 0));
        let (drawn, reasons) = hunted(&["--campaign", "--count", "2"]);
        assert!(drawn.len() == 2 && reasons > 4, "{drawn:?}, {reasons} reasons");
    }

    /// What is left out of the draw is accepted by a review, mutant by mutant.
    #[test]
    fn what_is_left_out_of_the_draw_is_pinned() {
        let out = |mutant: &Declared| Some(format!("{}: {}\n", mutant.slug, out_of_reach(mutant)?));
        let (mut left_out, mutants) = (all().iter().filter_map(out).collect::<Vec<_>>(), all().len());
        left_out.sort();
        assert!(mutants - left_out.len() >= 20, "{} of {mutants} are left out", left_out.len());
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!("left_out_of_the_draw", left_out.concat());
        });
    }
}
