//! How a path ends: where it breaks its invariant, what stands against it elsewhere, and whether it is as short as it can be.

use truelog_spec::switches::Switch;
use truelog_spec::trace::Head;
use truelog_spec::{Step, Trace, WorldStep, prefetch};

use crate::replay::{keeps, practice};
use crate::traces::demand;
use crate::traces::shrink::{Unshrinkable, shrink};

/// Why a path is not replayed on a real file system.
pub(super) fn not_on_real(trace: &Trace) -> &'static str {
    let any = |wanted: fn(&WorldStep) -> bool| {
        trace.lines.iter().any(|line| matches!(&line.step, Step::World(step) if wanted(step)))
    };
    if any(|step| matches!(step, WorldStep::CrashPower { .. })) {
        "nobody can choose there what a loss of power keeps"
    } else if any(|step| matches!(step, WorldStep::Fault(_) | WorldStep::Damage { .. })) {
        "a replay has the simulated disk bring about what goes wrong"
    } else {
        "a replay drives the simulated disk only"
    }
}

/// The rule that a path breaks, what comes of it where the rule is turned off, and where it is kept.
pub(super) fn of_switch(trace: &Trace) -> String {
    let (Head::Refused { line, guard }, Some(switch)) = (&trace.head, &trace.mutant) else {
        return String::new();
    };
    let steps = trace.lines.len();
    let rule = format!("**The rule against it** is `{guard}`: {}.", demand(guard));
    if trace.is_of_prefetch() {
        return format!("{rule} {}", of_slots(switch, *line, guard, steps));
    }
    let others: Vec<String> = switch.parse::<Switch>().map_or_else(
        |_| Vec::new(),
        |switch| {
            let others = switch.guards().iter().map(|one| one.as_str()).filter(|one| one != guard);
            others.map(|one| format!("`{one}`")).collect()
        },
    );
    let with = match &others[..] {
        [] => String::new(),
        others => format!(" and without what repeats it later ({})", others.join(", ")),
    };
    let code = match &trace.code {
        None => format!(
            "So does the production code: replayed on a simulated disk, it comes to step {line} and does not take it."
        ),
        Some(Head::Refused { line, guard }) => {
            let why = practice::practice(guard).map_or("it has a rule of its own", |one| one.says);
            format!(
                "The production code, replayed on a simulated disk, leaves the path earlier, at step {line}: {why} \
                 (`{guard}`)."
            )
        }
        Some(Head::Reached | Head::Unmodelled { .. }) => {
            "The production code, replayed on a simulated disk, takes each step, and nothing breaks."
                .to_owned()
        }
    };
    format!(
        "{rule} Without it{with}, the design's model (switch `{switch}`) takes all {steps} steps, and breaks. With \
         it, the model refuses step {line}, in bold above. {code} On a real file system the path was not replayed: {}.",
        not_on_real(trace)
    )
}

/// The same of a path of the prefetch.
fn of_slots(switch: &str, line: usize, guard: &str, steps: usize) -> String {
    let flags = matches!(switch.parse(), Ok(prefetch::Switch::ReadyFirst | prefetch::Switch::BackOff));
    let without = if flags {
        format!(
            "The model of the incident's design, with two flags (`{switch}`), takes all {steps} steps, and breaks."
        )
    } else {
        format!("Without it, the design's model (switch `{switch}`) takes all {steps} steps, and breaks.")
    };
    let code = if keeps(guard) {
        "So does the slot word of the production code, on which the path was replayed."
    } else {
        "On the slot word of the production code the steps before it were replayed, and it stood as the model's. This rule \
         is not the word's, but is kept by the code around it, which this replay does not run: the checks `schedules` \
         and `archive` do."
    };
    format!("{without} The design as it is refuses step {line}, in bold above. {code}")
}

/// Whether a step can be left out.
pub(super) fn needed(trace: &Trace) -> String {
    match shrink(trace) {
        Ok(shrunk) if shrunk.left_out == 0 => "**No step can be left out.** Every path with one or two steps fewer was \
            tried, and none is a case of this bug: nothing breaks, another rule stands in the way, a step has nothing to act \
            on, or the production code cannot be led along it."
            .to_owned(),
        Ok(shrunk) => {
            let numbers: Vec<String> = shrunk.removed.iter().map(usize::to_string).collect();
            let steps = if numbers.len() == 1 { "Step" } else { "Steps" };
            format!("**It could be shorter.** {steps} {} can be left out: see `cargo verify shrink`.", numbers.join(", "))
        }
        Err(why @ Unshrinkable::Otherwise { .. }) => {
            format!("**Whether each step is needed** cannot be told: {why}.")
        }
        Err(why) => format!("**Whether each step is needed** was not tried: {why}."),
    }
}
