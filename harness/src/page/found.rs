//! What is known about any trace, wherever it lies: of one that the corpus holds, what the corpus says; of another one,
//! what can be shown here and now.

use std::fmt;
use std::path::Path;

use truelog_spec::mechanism::{Ending, Guard};
use truelog_spec::step::{Edit, EngineStep};
use truelog_spec::switches::Switch;
use truelog_spec::trace::{Head, Line};
use truelog_spec::{Invariant, Step, Trace, WorldStep};

use super::kept::KEPT;
use super::{Facts, NEAREST, ending, words};
use crate::campaign::FIRST_SEEN;
use crate::explore::{Case, Holds, Needs};
use crate::replay::{End, check_one, follow};
use crate::subject::Plain;
use crate::traces::{AnySwitch, Ground, demand, steps, told};

/// Why a path of the prefetch is not replayed on the production code as a whole.
const GRAIN: &str = "a path of single actions in memory is not one of calls";

/// Where a trace was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    /// The mechanism of the specification.
    Mechanism,
    /// The specification's model of the prefetch.
    Prefetch,
    /// The production code on the simulated disk.
    Simulator,
    /// The production code on a real file system.
    RealFileSystem,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mechanism => "The design's model",
            Self::Prefetch => "The model of the prefetch",
            Self::Simulator => "The production code on a simulated disk",
            Self::RealFileSystem => "The same on a real file system",
        })
    }
}

/// What a replay showed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Replayed {
    /// The invariant is broken there, with the mutant or switch.
    Violates,
    /// It is, if this is done.
    ViolatesIf(String),
    /// It cannot be broken there, for this reason.
    Cannot(String),
    /// It was not tried, for this reason.
    NotTried(String),
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Violates => f.write_str("yes"),
            Self::ViolatesIf(what) => write!(f, "yes, if {what}"),
            Self::Cannot(why) => write!(f, "no: {why}"),
            Self::NotTried(why) => write!(f, "not tried: {why}"),
        }
    }
}

/// Where a trace breaks, as far as that was tried, and whether the code as it is has the bug.
fn ends(trace: &Trace, replayed: &[(Place, Replayed)]) -> String {
    let places: Vec<String> =
        replayed.iter().map(|(place, replayed)| format!("{place}: {replayed}.")).collect();
    let broken = replayed.contains(&(Place::Simulator, Replayed::Violates)) && trace.mutant.is_none();
    let now = if broken { " **The code as it is has this bug.**" } else { "" };
    format!("**Where it breaks.** {}{now}", places.join(" "))
}

/// What stands around a case that no trace tells, in Markdown: which of its steps are needed, and the nearest that passes.
/// Nothing where it does not break the invariant here and now.
pub(crate) fn around(case: &str, broken: Invariant) -> Option<String> {
    let case: Case = case.parse().ok()?;
    let breaks = case.breaks::<Plain>(broken);
    breaks.then(|| {
        let (needs, passing) =
            (needs(&case.needs::<Plain>(broken)), passing(case.holds_near::<Plain>(), None));
        format!("{needs}\n\n{NEAREST} {passing}")
    })
}

impl Facts {
    /// What is known about the trace at `path`.
    #[must_use]
    pub fn of_any(trace: &Trace, path: &Path) -> Self {
        if let Some(kept) = KEPT.iter().find(|kept| path.ends_with(kept.path)) {
            return Self::of_kept(kept, trace);
        }
        match AnySwitch::of(trace) {
            Some(AnySwitch::Calls(switch)) if path.ends_with(switch.path()) => Self::of_switch(switch, trace),
            Some(AnySwitch::Slots(switch)) if path.ends_with(switch.path()) => {
                Self::of_prefetch(switch, trace)
            }
            switch => Self::of_case(trace, path).unwrap_or_else(|| Self::shown(trace, switch, path)),
        }
    }

    /// What is known about a trace that tells a case of the explorer, which this engine breaks; nothing of another one.
    fn of_case(trace: &Trace, path: &Path) -> Option<Self> {
        let (_, text) = trace.found_by.split_once("case=")?;
        let case: Case = text.parse().ok()?;
        let says = match follow(trace, None) {
            Ok(End::Violated { invariant, says, .. }) if invariant == trace.invariant => says,
            Ok(_) | Err(_) => return None,
        };
        let rule = Rule::of(trace);
        Some(Self {
            title: format!("{}{says}.", crashes(trace)),
            explanation: format!("{}{}", threads(trace), rule.as_ref().map(Rule::says).unwrap_or_default()),
            breaks: "",
            shows: String::new(),
            ends: ends(
                trace,
                &[
                    (Place::Simulator, Replayed::Violates),
                    (Place::Mechanism, on_mechanism(trace, rule.as_ref())),
                    (Place::RealFileSystem, on_real(trace, &case)),
                ],
            ),
            fault: None,
            notes: &[],
            minimal: needs(&case.needs::<Plain>(trace.invariant)),
            passing: passing(case.holds_near::<Plain>(), rule.as_ref()),
            path: path.display().to_string(),
        })
    }

    /// What can be shown about a trace that nobody has told a story of.
    fn shown(trace: &Trace, switch: Option<AnySwitch>, path: &Path) -> Self {
        let story = switch.map(AnySwitch::story);
        let title = story.map_or_else(
            || format!("A path that breaks {}.", trace.invariant),
            |story| format!("{}.", story.title),
        );
        Self {
            title,
            explanation: story.map(|story| story.says.to_owned()).unwrap_or_default(),
            breaks: story.map_or("", |story| story.breaks),
            shows: story.map(|story| story.shows.to_owned()).unwrap_or_default(),
            ends: ends(trace, &replayed(trace)),
            fault: None,
            notes: &[],
            minimal: ending::needed(trace),
            passing: story.map_or("None was looked for.", |story| story.passing).to_owned(),
            path: path.display().to_string(),
        }
    }
}

/// What was met under threads, and is told by one.
fn threads(trace: &Trace) -> &'static str {
    if trace.found_by.starts_with(FIRST_SEEN) {
        "This was first seen under threads. This path is one thread's, and breaks the same invariant; it is not that \
         schedule. "
    } else {
        ""
    }
}

/// The rule of the design that stands against a path which this engine takes.
struct Rule<'a> {
    line: usize,
    step: &'a Step,
    guard: &'a str,
    /// Without this decision of the design the mechanism breaks the same invariant.
    switch: Option<Switch>,
}

impl<'a> Rule<'a> {
    fn of(trace: &'a Trace) -> Option<Self> {
        let Head::Refused { line, guard } = &trace.head else { return None };
        let steps = steps(trace);
        // What the mechanism has no step for says nothing of the design; nor what it must think of a segment that a new
        // manifest names, since it has no edit that comes in a checkpoint.
        let checkpoint =
            |step: &Step| matches!(step, Step::Engine(EngineStep::WriteEdit(_, Edit::Checkpoint, _)));
        let unnamed = guard == Guard::BatchNeedsNamedSegment.as_str();
        if guard == Guard::NoSuchStep.as_str() || unnamed && steps.iter().take(*line).any(checkpoint) {
            return None;
        }
        let opens = |switch: &&Switch| {
            let ending = Ground::Calls(switch.mechanism()).run(&steps);
            switch.guards().iter().any(|one| one.as_str() == guard)
                && matches!(ending, Ending::Violated { invariant, .. } if invariant == trace.invariant)
        };
        let step = &trace.lines.get(line.checked_sub(1)?)?.step;
        Some(Self { line: *line, step, guard, switch: Switch::ALL.iter().find(opens).copied() })
    }

    fn says(&self) -> String {
        let Self { line, step, guard, switch } = self;
        let (does, demand) = (words::does(step), demand(guard));
        let mut text = format!("In step {line} the engine {does}. The design has a rule against that");
        text.push_str(&if demand.is_empty() {
            format!(", `{guard}`.")
        } else {
            format!(" (`{guard}`): {demand}.")
        });
        if let Some(switch) = switch {
            text = format!("{text} {}", switch.story().says);
        }
        text
    }
}

/// What came before what broke, as the beginning of a sentence.
fn crashes(trace: &Trace) -> String {
    let crash = |line: &Line| match line.step {
        Step::World(WorldStep::CrashPower { .. }) => Some("a loss of power"),
        Step::World(WorldStep::CrashProcess) => Some("the end of the process"),
        _ => None,
    };
    let crashes: Vec<&str> = trace.lines.iter().filter_map(crash).collect();
    if crashes.is_empty() {
        return "Without any crash: ".to_owned();
    }
    format!("After {}: ", crashes.join(", then "))
}

fn on_mechanism(trace: &Trace, rule: Option<&Rule<'_>>) -> Replayed {
    match rule {
        Some(Rule { switch: Some(switch), .. }) => {
            Replayed::ViolatesIf(format!("its rule is taken out (`{switch}`)"))
        }
        Some(Rule { line, guard, .. }) => Replayed::Cannot(format!(
            "it refuses step {line} by `{guard}`, and without that rule breaks nothing"
        )),
        None => match Ground::of(trace).run(&steps(trace)) {
            Ending::Violated { invariant, .. } if invariant == trace.invariant => Replayed::Violates,
            Ending::Refused { line, .. } => {
                Replayed::Cannot(format!("it leaves out what step {line} is about"))
            }
            _ => Replayed::Cannot("it leaves out what goes wrong".to_owned()),
        },
    }
}

/// What the crash leaves, laid on a real file system and opened there.
fn on_real(trace: &Trace, case: &Case) -> Replayed {
    match case.on_real::<Plain>() {
        Ok(Some(Err(invariant))) if invariant == trace.invariant => {
            Replayed::ViolatesIf("what the last crash leaves is laid there and opened".to_owned())
        }
        Ok(Some(Err(invariant))) => {
            Replayed::Cannot(format!("what the last crash leaves, opened there, breaks {invariant}"))
        }
        Ok(Some(Ok(()))) => Replayed::Cannot(
            "what the last crash leaves was opened there, and nothing shows: what a further crash would take is not seen there"
                .to_owned(),
        ),
        Ok(None) => Replayed::NotTried("no crash leaves anything to be opened there".to_owned()),
        Err(error) => Replayed::NotTried(format!("there is no place for it: {error}")),
    }
}

fn needs(needs: &Needs) -> String {
    let Needs { idle, tried, too_deep, images, process, all_kept } = needs;
    let mut text = if *too_deep {
        "**Which steps are needed was not searched for.** It has more crashes than a run is searched for."
            .to_owned()
    } else if *tried == 0 {
        "**Which steps are needed was not searched for.** It has no step that was drawn.".to_owned()
    } else if idle.is_empty() {
        let each = match tried {
            1 => "The one step that was drawn was left out".to_owned(),
            _ => format!("Each of the {tried} steps that were drawn was left out in turn"),
        };
        let judged = match images {
            0 => "and the mechanism follows the rest".to_owned(),
            _ => format!(
                "and all that a crash can leave of the rest was judged: nothing breaks it ({images} images)"
            ),
        };
        format!("**No step can be left out.** {each}, {judged}.")
    } else {
        let without = idle.join(", or without ");
        format!("**It could be shorter.** Without {without} it is broken all the same ({images} images).")
    };
    let harmless = [
        (process, "only the process dies"),
        (all_kept, "the power fails and the disk keeps all that was pending"),
    ];
    for (breaks, what) in harmless {
        text.push_str(&match breaks {
            Some(true) => format!(" It is broken, too, if {what}."),
            Some(false) => format!(" Nothing is broken if {what}."),
            None => String::new(),
        });
    }
    text
}

fn passing(holds: Option<Holds>, rule: Option<&Rule<'_>>) -> String {
    let found = match holds {
        Some(Holds::Keeping(unit)) => {
            format!("The same crash, if the disk also keeps {}.", words::unit(unit))
        }
        Some(Holds::At { later, away, step }) => {
            let (moments, when) =
                (if away == 1 { "moment" } else { "moments" }, if later { "later" } else { "earlier" });
            let where_then = match step {
                Some(step) => format!("right behind where the {} {}", step.actor(), words::does(&step)),
                None if later => "while the next step has begun".to_owned(),
                None => "before the step in front of it is done".to_owned(),
            };
            format!("The same crash {away} {moments} {when}, {where_then}.")
        }
        Some(Holds::Honest) => "The same, if no call of it fails.".to_owned(),
        None => "None was found near by.".to_owned(),
    };
    let design = rule.and_then(|rule| rule.switch).map(|switch| switch.story().passing);
    design.map_or(found.clone(), |design| format!("{found} As designed: {design}"))
}

fn replayed(trace: &Trace) -> Vec<(Place, Replayed)> {
    let specification = if trace.is_of_prefetch() { Place::Prefetch } else { Place::Mechanism };
    let there = match &trace.head {
        Head::Unmodelled { part } => Replayed::NotTried(format!("it leaves out {part}")),
        Head::Reached | Head::Refused { .. } => {
            let steps = steps(trace);
            let ending = Ground::of(trace).run(&steps);
            match &ending {
                Ending::Violated { invariant, .. } if *invariant == trace.invariant => Replayed::Violates,
                _ => Replayed::Cannot(told(&ending, &steps)),
            }
        }
    };
    if trace.is_of_prefetch() {
        return vec![(specification, there), (Place::Simulator, Replayed::NotTried(GRAIN.to_owned()))];
    }
    let code = match follow(trace, None) {
        Ok(End::Violated { invariant, .. }) if invariant == trace.invariant => Replayed::Violates,
        Ok(_) | Err(_) => Replayed::Cannot(match check_one(trace) {
            Ok(_) => format!("it ends as stated, {}", trace.code()),
            Err(wrong) => wrong.to_string(),
        }),
    };
    vec![
        (specification, there),
        (Place::Simulator, code),
        (Place::RealFileSystem, Replayed::NotTried(ending::not_on_real(trace).to_owned())),
    ]
}
