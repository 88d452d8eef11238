//! Thread schedules times crash images: the whole engine under shuttle, on a simulated disk whose every call is
//! a point where threads change places and where a crash may come.
//!
//! A schedule runs to its end; a crash is an observation of it. At each call of the disk, each claim and each
//! return of a client, the disk is kept together with what a crash at that moment leaves owed; between two
//! schedules, outside of shuttle, every image that such a crash can leave is recovered by the plain build and
//! judged.

mod archive;
mod begun;
pub mod canary;
mod client;
mod delays;
mod judge;
pub mod kept;
mod life;
mod play;
mod preempt;
mod reads;
pub mod runner;
pub mod scene;
mod simplest;
mod spots;
mod tale;
pub mod tape;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use truelog_spec::Invariant;
use truelog_spec::step::CrashKind;

pub use archive::Work;
pub use begun::Began;
pub use judge::Judged;
pub use preempt::{NotPreempted, Preempted, Preemption};
pub use runner::{Ended, Strategy};
pub use scene::{Act, LYING, SCENES, Scene, Whole};
pub use simplest::Simplest;
pub use spots::{NotASpot, Part, Spot};
pub use tale::Line;
pub use tape::{NotATape, Tape};

use crate::command::Plan;
use crate::explore;
use crate::knobs::Knob;
use crate::order::{self, Seen};
use crate::progress::Progress;
use crate::report::Report;
use crate::share::share;
use crate::subject::{Plain, UnderShuttle};
use judge::Judge;
use play::{Tray, play};

/// How many schedules of each scene and random strategy are run.
const SCHEDULES: u64 = 24;
/// How many schedules a scene that is run to its end may take; each needs fewer.
const WHOLE: u64 = 20_000;
/// The depth of the bugs that PCT looks for.
const PCT_DEPTH: usize = 3;

/// The hook of the simulated disk under shuttle: a point where threads may change places. A load, not a
/// yield: a yield lowers the thread's priority, and some schedulers would then pass over it.
pub fn disk_point() {
    shuttle::lazy_static! {
        static ref DISK: shuttle::sync::atomic::AtomicU64 = shuttle::sync::atomic::AtomicU64::new(0);
    }
    DISK.load(shuttle::sync::atomic::Ordering::SeqCst);
}

/// Something found, and the schedule that shows it.
#[derive(Debug, Clone)]
pub struct Found {
    /// What was broken: an invariant's slug, or [`order::MECHANISM`].
    pub breaks: &'static str,
    /// The violation itself.
    pub violation: String,
    /// The crash that shows it, if it takes one.
    pub crash: Option<Crash>,
    /// What the clients did, in the order in which they began; nothing of a schedule that came to no end.
    pub began: Vec<Began>,
    /// The schedule.
    pub tape: Tape,
}

/// A crash of a schedule.
#[derive(Debug, Clone)]
pub struct Crash {
    /// Its kind.
    pub kind: CrashKind,
    /// How many moments at which one may come were before it.
    pub moment: usize,
    /// The moment, and what the disk kept.
    pub says: String,
}

impl Found {
    /// How it showed.
    #[must_use]
    pub fn says(&self) -> String {
        let crash = self.crash.as_ref().map_or("without a crash", |crash| crash.says.as_str());
        format!("{crash}: {}", self.violation)
    }

    /// The same as a run of one thread, and what it breaks there, if that is an invariant that one thread breaks.
    #[must_use]
    pub fn alone(&self, scene: &Scene) -> Option<explore::Finding> {
        let broken = self.breaks.parse().ok()?;
        let fails = scene.fails.map(|(role, op, _)| (role, op));
        explore::alone::<Plain>(scene.drives > 0, &begun::letters(scene, &self.began), fails, broken)
    }
}

/// What came of the schedules of one scene under one strategy.
#[derive(Debug, Clone)]
pub struct Explored {
    /// How many schedules were run.
    pub schedules: u64,
    /// Whether these were all.
    pub exhausted: bool,
    /// What was judged.
    pub judged: Judged,
    /// How many calls were acknowledged, over all schedules.
    pub acks: u64,
    /// How many faults fired, over all schedules.
    pub faults: u64,
    /// How many writes to segments the log's own thread made, over all schedules.
    pub worked: u64,
    /// What the archive did, over all schedules.
    pub work: Work,
    /// How many steps of the engine were found to be a path of the mechanism, over all schedules.
    pub steps: u64,
    /// The kinds of steps that these were.
    pub kinds: BTreeSet<String>,
    /// What was found; the run stops there.
    pub found: Option<Found>,
    /// The last schedule.
    pub last: Tape,
}

/// Runs a scene under at most `limit` schedules, and judges all that crashes can leave of each.
#[must_use]
pub fn explore(scene: &'static Scene, strategy: &Strategy, seed: u64, limit: u64) -> Explored {
    explore_while(scene, strategy, seed, limit, || true)
}

/// The same for as long as `goes_on`, which is asked between two schedules.
#[must_use]
pub fn explore_while(
    scene: &'static Scene,
    strategy: &Strategy,
    seed: u64,
    limit: u64,
    goes_on: impl Fn() -> bool + 'static,
) -> Explored {
    assert_eq!(truelog_under_shuttle::runtime_name(), "shuttle", "the mount is not shuttle's");
    let tray = Tray::default();
    let filled = tray.clone();
    let tally = Rc::new(RefCell::new(Tally::new(scene)));
    let kept = Rc::clone(&tally);
    let body = move || play::<UnderShuttle>(scene, &filled);
    let between = move |tape: &Tape| kept.borrow_mut().schedule(&tray.take(), tape) && goes_on();
    let ended = runner::run(strategy, seed, limit, body, between);
    let Tally { judge, acks, faults, worked, work, steps, kinds, mut found } =
        tally.replace(Tally::new(scene));
    if let Some((says, tape)) = ended.failure.clone() {
        // A call that never returns, or takes the whole process down, resolves nothing.
        let breaks = Invariant::AppendResolves.as_str();
        found = Some(Found { breaks, violation: says, crash: None, began: Vec::new(), tape });
    }
    let Judge { judged, .. } = judge;
    let Ended { schedules, exhausted, last, .. } = ended;
    Explored { schedules, exhausted, judged, acks, faults, worked, work, steps, kinds, found, last }
}

/// What the schedules of a run came to so far.
struct Tally {
    judge: Judge,
    acks: u64,
    faults: u64,
    worked: u64,
    work: Work,
    steps: u64,
    kinds: BTreeSet<String>,
    found: Option<Found>,
}

impl Tally {
    fn new(scene: &Scene) -> Self {
        let judge = Judge::new(scene);
        let (work, kinds) = (Work::default(), BTreeSet::new());
        Self { judge, acks: 0, faults: 0, worked: 0, work, steps: 0, kinds, found: None }
    }

    /// Takes in what one schedule left; whether to go on.
    fn schedule(&mut self, played: &play::Played, tape: &Tape) -> bool {
        self.acks += played.acks;
        self.faults += played.faults;
        self.worked += played.worked;
        self.work += played.work;
        let found = self.verdict(played);
        self.found = found.map(|(breaks, violation, crash)| {
            let began = played.began.clone();
            Found { breaks, violation, crash, began, tape: tape.clone() }
        });
        self.found.is_none()
    }

    fn verdict(&mut self, played: &play::Played) -> Option<(&'static str, String, Option<Crash>)> {
        if let Some(violation) = played.violations.iter().min_by_key(|violation| violation.invariant) {
            return Some((violation.invariant.as_str(), violation.detail.clone(), None));
        }
        // Of all that is broken the first row names it, as everywhere.
        let judge = &mut self.judge;
        let broken =
            played.points.iter().enumerate().filter_map(|(number, point)| judge.point(number, point));
        if let Some(broken) = broken.min_by_key(|broken| broken.violation.invariant) {
            return Some((broken.violation.invariant.as_str(), broken.violation.detail, Some(broken.crash)));
        }
        let poisoned = played.run.iter().any(|seen| matches!(seen, Seen::Poisoned));
        match order::judge_concurrent(&played.run) {
            // That a path leads elsewhere is a reason for the mechanism, and nobody moves a file here.
            Ok(_) if poisoned && played.faults == 0 => {
                let says = "the log is poisoned, on a disk where nothing failed";
                Some((order::MECHANISM, says.to_owned(), None))
            }
            Ok(walked) => {
                self.steps += walked.steps;
                self.kinds.extend(walked.kinds);
                None
            }
            Err(refused) => Some((refused.breaks(), order::context(&played.run, &refused), None)),
        }
    }
}

/// The check `schedules`.
#[must_use]
pub fn check(plan: &Plan, progress: &Progress) -> Report {
    let scope = "2 to 6 clients on tiny segments, worst-case disk with 128-byte sectors; every crash image (at most \
                 1,024 choices a point, 16 beside an archive) at every disk call, claim and return of each schedule";
    let mut report = Report::new("schedules", scope);
    let seed = plan.seed();
    report.note(format!("seed {seed}"));
    canaries(seed, &mut report);
    kept::replay(&mut report);
    let limit = if plan.deep { SCHEDULES * 50 } else { SCHEDULES };
    let mut jobs: Vec<(&'static Scene, Strategy, u64)> = Vec::new();
    for scene in SCENES {
        if let Some(whole) = scene.whole {
            jobs.push((scene, whole.strategy(), WHOLE));
        } else {
            jobs.extend(
                [Strategy::Random, Strategy::Pct(PCT_DEPTH)]
                    .map(|strategy| (scene, strategy, limit * scene.times)),
            );
        }
    }
    progress.expect(jobs.len() as u64);
    // Those with drives take longest, and are begun first. Shuttle keeps each run to one thread of the system, so runs
    // go side by side.
    let mut order: Vec<_> = jobs.iter().enumerate().collect();
    order.sort_by_key(|(_, (scene, ..))| Reverse(scene.drives));
    let explored = share(&order, |(at, (scene, strategy, limit))| {
        let explored = explore(scene, strategy, seed, *limit);
        progress.advance(1);
        (*at, explored)
    });
    for (at, explored) in explored.into_iter().collect::<BTreeMap<_, _>>() {
        let (scene, strategy, _) = &jobs[at];
        tell(scene, strategy, explored, &mut report);
    }
    report
}

/// Each strategy must find the race that is there.
pub(crate) fn canaries(seed: u64, report: &mut Report) {
    let again = || format!("cargo verify --only schedules --seed {seed}");
    for strategy in [Strategy::Random, Strategy::Pct(PCT_DEPTH), Strategy::DepthFirst, Strategy::Delays(1)] {
        match canary::find(&strategy, seed) {
            (_, Some(_)) => report.count("canaries found", 1),
            (ended, None) => {
                let says = format!("{strategy} missed the canary's race in {} schedules", ended.schedules);
                report.find("harness", says, again());
            }
        }
        match explore(&LYING, &strategy, seed, 3).found {
            Some(found) if found.breaks == Invariant::AckedIsDurable.as_str() => {
                report.count("canaries found", 1)
            }
            other => {
                report.find("harness", format!("{strategy}: a lying disk loses nothing: {other:?}"), again())
            }
        }
    }
}

/// Puts what came of a scene into a report.
pub(crate) fn tell(scene: &Scene, strategy: &Strategy, explored: Explored, report: &mut Report) {
    let Judged { points, distinct, whole, images, pairs, recoveries } = explored.judged;
    report.count("schedules", explored.schedules);
    report.count("crash points", points);
    report.count("distinct points", distinct);
    report.count("of them whole", whole);
    report.count("images", images);
    report.count("pairs judged", pairs);
    report.count("recoveries", recoveries);
    report.count("acknowledgements", explored.acks);
    report.count("steps in order", explored.steps);
    report.count("faults fired", explored.faults);
    report.count("writes of the log's own thread", explored.worked);
    count_archive(&explored.work, report);
    let is_whole = scene.whole.is_some_and(|whole| whole.strategy() == *strategy);
    if is_whole {
        report.count("scenes exhausted", u64::from(explored.exhausted));
    }
    let cut = (is_whole && !explored.exhausted).then_some("more schedules than it may take");
    let blind = blind(scene, &explored).or(cut);
    if let Some(found) = explored.found {
        let says = format!("{} ({}) under {strategy}: {}", scene.name, scene.says, found.says());
        report.find(found.breaks, says, format!("cargo verify schedule {} {}", scene.name, found.tape));
    } else if let Some(why) = blind {
        let says = format!("{} under {strategy}: {why}", scene.name);
        report.find("harness", says, "cargo verify --only schedules");
    }
}

fn count_archive(work: &Work, report: &mut Report) {
    report.count("runs published", work.runs);
    report.count("blocks read ahead", work.filled);
    report.count("reads served from a slot", work.hits);
    report.count("reads of the archive past the slots", work.misses);
    report.count("segments and runs removed", work.removed);
    report.count("of them beside a reader's snapshot", work.beside_readers);
    report.count("steps of the archive that had to wait", work.waits);
    report.count("blocks scrubbed", work.scrubbed);
    report.count("receipts verified", work.audited);
}

/// Why what was explored of a scene says nothing, if it does not: what the scene is about never happened.
#[must_use]
pub fn blind(scene: &Scene, explored: &Explored) -> Option<&'static str> {
    let Explored { schedules, judged, faults, worked, work, .. } = explored;
    if *schedules == 0 || judged.images == 0 || judged.pairs == 0 {
        Some("nothing was judged")
    } else if scene.fails.is_some() && *faults == 0 && Knob::FailsUnderSchedule.is_on() {
        Some("the fault never fired")
    } else if scene.worked && *worked == 0 {
        Some("the log's own thread never wrote a batch")
    } else if scene.drives > 0 {
        work.lacks()
    } else {
        None
    }
}
