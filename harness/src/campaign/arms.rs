//! What a case may run: a run of the engine on the simulated disk, schedules of a scene, a fuzz target, a canary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use truelog_spec::step::CrashKind;

use super::fuzz;
use super::journal::Found;
use super::propose::{FIRST_SEEN, case_of};
use super::race::{Race, scenery};
use super::totals::{ALIVE, DUE};
use crate::caught::HARNESS;
use crate::explore::{self, Case, Swarm};
use crate::fuzzing::TARGETS;
use crate::report::Report;
use crate::schedules::{self, SCENES, Scene, Strategy};
use crate::subject::Plain;

/// Schedules of a case.
const SCHEDULES: u64 = 8;

/// What came of a case.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) counts: BTreeMap<String, u64>,
    /// What it went through, of what is counted as coverage.
    pub(super) reached: BTreeSet<String>,
    pub(super) found: Option<Found>,
    pub(super) story: Option<Story>,
}

/// What else is known of a finding, for its page.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// What goes wrong, in a sentence; without it, what was broken is the title.
    pub(super) title: String,
    /// What it was found in, as the name of a file.
    pub(super) name: String,
    /// Where it was first seen.
    pub(super) seen: String,
    /// How, in Markdown.
    pub(super) says: String,
    /// The input of a fuzz target.
    pub(super) bytes: Vec<u8>,
    /// What schedules found, to be told more simply.
    pub(super) race: Option<Race>,
}

/// Runs a case from a seed, and from what the shard has reached so far.
pub(super) type Run = Box<dyn Fn(u64, &BTreeSet<String>) -> Ran>;

/// A kind of case.
pub(super) struct Arm {
    pub(super) name: String,
    pub(super) run: Run,
}

impl fmt::Debug for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Every kind of case there is; the canaries first, so that they are run first.
pub(super) fn all() -> Vec<Arm> {
    let mut arms = vec![
        arm("canary schedules".to_owned(), |seed, _| canary_of_schedules(seed)),
        arm("canary run".to_owned(), |seed, _| canary_of_runs(seed)),
        arm("canary fuzz".to_owned(), |seed, _| fuzz::canary(seed)),
    ];
    arms.extend(Swarm::ALL.map(|swarm| {
        arm(swarm.name().to_owned(), move |seed, known| {
            let mut report = Report::new("random", "");
            let reached = explore::one_random::<Plain>(swarm, seed, known, &mut report);
            told(swarm, report, reached)
        })
    }));
    for scene in SCENES.iter().filter(|scene| scene.whole.is_none()) {
        for strategy in [Strategy::Random, Strategy::Pct(3)] {
            arms.push(arm(format!("{} {strategy}", scene.name), move |seed, _| {
                schedule(scene, &strategy, seed)
            }));
        }
    }
    arms.extend(
        TARGETS.iter().map(|target| arm(format!("fuzz {}", target.name), |seed, _| fuzz::fuzz(target, seed))),
    );
    arms
}

pub(super) fn arm(name: String, run: impl Fn(u64, &BTreeSet<String>) -> Ran + 'static) -> Arm {
    Arm { name, run: Box::new(run) }
}

impl Found {
    /// A defect of the harness.
    pub(super) fn harness(says: String) -> Self {
        Self { invariant: HARNESS.to_owned(), says, ..Self::default() }
    }
}

fn counts(report: &Report) -> BTreeMap<String, u64> {
    report.explored.iter().map(|count| (count.what.to_owned(), count.n)).collect()
}

fn canary_of_schedules(seed: u64) -> Ran {
    let mut report = Report::new("schedules", "");
    schedules::canaries(seed, &mut report);
    let mut counts = counts(&report);
    // Each that lives is told.
    let lives = report.findings.len() as u64;
    let found = *counts.entry(ALIVE.to_owned()).or_default();
    counts.insert(DUE.to_owned(), found + lives);
    let found = report.findings.into_iter().next();
    let found = found.map(|finding| Found { replay: finding.replay, ..Found::harness(finding.says) });
    Ran { counts, found, ..Ran::default() }
}

fn canary_of_runs(seed: u64) -> Ran {
    let mut report = Report::new("random", "");
    let seen = explore::canary::<Plain>(seed, &mut report);
    let mut counts = counts(&report);
    counts.extend([(DUE.to_owned(), 1), (ALIVE.to_owned(), u64::from(seen))]);
    let says = "the runs' canary lives: a disk that leaves out the data syncs of appends loses nothing";
    Ran { counts, found: (!seen).then(|| Found::harness(says.to_owned())), ..Ran::default() }
}

fn told(swarm: Swarm, report: Report, reached: Vec<String>) -> Ran {
    let counts = counts(&report);
    let found = report.findings.into_iter().next().map(|finding| {
        let case = case_of(&finding.replay).map(str::to_owned);
        let parsed = case.as_deref().and_then(|case| case.parse::<Case>().ok());
        Found {
            kinds: parsed.as_ref().map(Case::kinds).unwrap_or_default(),
            invariant: finding.invariant,
            violation: finding.says.clone(),
            says: finding.says,
            replay: finding.replay,
            case,
            ..Found::default()
        }
    });
    let story = found.as_ref().map(|found| Story {
        name: swarm.name().replace(' ', "-"),
        seen: "random".to_owned(),
        says: found.case.as_deref().map(lives).unwrap_or_default(),
        ..Story::default()
    });
    Ran { counts, reached: reached.into_iter().collect(), found, story }
}

/// What happens in a case, as `cargo verify case` prints it.
fn lives(case: &str) -> String {
    let ran = case.parse::<Case>().and_then(|case| case.run::<Plain>());
    let lines = ran.map_or_else(|why| vec![why.to_string()], |(lines, _)| lines);
    format!("What happens in it:\n\n```text\n{}\n```\n", lines.join("\n"))
}

fn schedule(scene: &'static Scene, strategy: &Strategy, seed: u64) -> Ran {
    let explored = schedules::explore(scene, strategy, seed, SCHEDULES);
    let reached = explored.kinds.iter().map(|kind| explore::point(kind)).collect();
    let found = explored.found.clone().map(|found| of_schedule(scene, strategy, &found));
    let (found, story) = found.unzip();
    let mut report = Report::new("schedules", "");
    // A few schedules need not come to what a scene is about: that is asked of the check `schedules`.
    if schedules::blind(scene, &explored).is_none() || explored.found.is_some() {
        schedules::tell(scene, strategy, explored, &mut report);
    } else {
        report.count("schedules", explored.schedules);
        report.count("images", explored.judged.images);
    }
    Ran { counts: counts(&report), reached, found, story }
}

/// A finding of a schedule. If one thread breaks the same invariant by the same kinds of steps, that is what is told of it.
pub(super) fn of_schedule(
    scene: &'static Scene,
    strategy: &Strategy,
    found: &schedules::Found,
) -> (Found, Story) {
    let alone = found.alone(scene);
    let crash = found.crash.as_ref().map_or("no crash", |crash| match crash.kind {
        CrashKind::Power => "power",
        CrashKind::Process => "process",
    });
    let case = alone.as_ref().map(|alone| alone.case.clone());
    let parsed = case.as_deref().and_then(|case| case.parse::<Case>().ok());
    let told = Found {
        invariant: found.breaks.to_owned(),
        says: format!("{} ({}) under {strategy}: {}", scene.name, scene.says, found.says()),
        violation: alone.map_or_else(|| found.violation.clone(), |alone| alone.violation.detail),
        kinds: parsed.map_or_else(|| crash.to_owned(), |case| case.kinds()),
        replay: format!("cargo verify schedule {} {}", scene.name, found.tape),
        case,
        ..Found::default()
    };
    let story = Story {
        title: String::new(),
        name: scene.name.to_owned(),
        seen: format!("{FIRST_SEEN} schedule {} {}", scene.name, found.tape),
        says: order(scene, found),
        bytes: Vec::new(),
        race: Some(Race { scene, found: found.clone() }),
    };
    (told, story)
}

/// Who does what in a scene, and in which order that began.
fn order(scene: &Scene, found: &schedules::Found) -> String {
    let mut text = format!("The scene `{}`: {}.\n\n{}", scene.name, scene.says, scenery(scene));
    if !found.began.is_empty() {
        text.push_str("\nIn this schedule they began in this order:\n\n");
        for (number, began) in found.began.iter().enumerate() {
            let _ = writeln!(text, "{}. {began}", number + 1);
        }
    }
    if let Some(crash) = &found.crash {
        let _ = write!(text, "\nThe crash: {}.\n", crash.says);
    }
    text
}
