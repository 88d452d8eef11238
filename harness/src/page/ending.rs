//! How a path ends: where it breaks its invariant, what stands against it elsewhere, and whether it is as short as it can be.

use truelog_spec::mechanism::Ending;
use truelog_spec::switches::Switch;
use truelog_spec::trace::Head;
use truelog_spec::{Invariant, Step, Trace, WorldStep, prefetch};

use super::words::join;
use crate::replay::{keeps, practice};
use crate::traces::demand;
use crate::traces::shrink::{ALL, Unshrinkable, Without, shrink};

/// What both models call a step that makes no sense where it stands.
const NO_SUCH_STEP: &str = "no-such-step";

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
        [other] => {
            format!(
                ", and without the other one that would refuse this step or a later one for the same reason ({other})"
            )
        }
        others => {
            format!(
                ", and without the others that would refuse this step or a later one for the same reason ({})",
                others.join(", ")
            )
        }
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
        "{rule} Without the rule{with}, the design's model (switch `{switch}`) takes all {steps} steps, and breaks the \
         invariant. With it, the model refuses step {line}, in bold above. {code}"
    )
}

/// The same of a path of the prefetch.
fn of_slots(switch: &str, line: usize, guard: &str, steps: usize) -> String {
    let flags = matches!(switch.parse(), Ok(prefetch::Switch::ReadyFirst | prefetch::Switch::BackOff));
    let without = if flags {
        format!(
            "The model of the incident's design, with two flags (`{switch}`), takes all {steps} steps, and breaks the invariant."
        )
    } else {
        format!(
            "Without the rule, the design's model (switch `{switch}`) takes all {steps} steps, and breaks the invariant."
        )
    };
    let code = if keeps(guard) {
        "So does the slot word of the production code, on which the path was replayed."
    } else {
        "The steps before it were replayed on one part of the production code, the atomic word of a slot (a buffer for a block that is read ahead), which went as the model did. The rule itself is kept by the code around that word, which the checks `schedules` and `archive` run."
    };
    format!("{without} The design as it is refuses step {line}, in bold above. {code}")
}

/// Whether a step can be left out, and how the path ends without each.
pub(super) fn needed(trace: &Trace) -> String {
    match shrink(trace) {
        Ok(shrunk) if shrunk.left_out == 0 => format!(
            "**No step can be left out**: leave out any one{}, and the rest either no longer breaks this invariant in this \
             way, or is a path along which the production code cannot be led. Each was tried.\n\n\
             <details><summary>What comes of it without each step</summary>\n\n{}\n\n</details>",
            if trace.lines.len() > ALL { "" } else { ", any two, or any that follow one another" },
            reasons(trace.invariant, &shrunk.without)
        ),
        Ok(shrunk) => {
            let steps = if shrunk.removed.len() == 1 { "Step" } else { "Steps" };
            let numbers = spans(&shrunk.removed);
            format!("**It could be shorter.** {steps} {numbers} can be left out: see `cargo verify shrink`.")
        }
        Err(why @ Unshrinkable::Otherwise { .. }) => {
            format!("**Whether each step is needed** cannot be told: {why}.")
        }
        Err(why) => format!("**Whether each step is needed** was not tried: {why}."),
    }
}

/// How a path ends without each of its steps, those together that end alike; the first that are met stand first.
fn reasons(invariant: Invariant, without: &[Without]) -> String {
    let mut told: Vec<(String, Vec<usize>)> = Vec::new();
    for (number, without) in (1..).zip(without) {
        let reason = reason(invariant, without);
        match told.iter_mut().find(|(one, _)| *one == reason) {
            Some((_, numbers)) => numbers.push(number),
            None => told.push((reason, vec![number])),
        }
    }
    let texts = told.iter().map(|(reason, numbers)| {
        let any = if numbers.len() > 1 { "any one of " } else { "" };
        format!("- without {any}{}: {reason}", spans(numbers))
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn reason(invariant: Invariant, without: &Without) -> String {
    match without {
        Without::NotOffered(_) => "the engine would not take a later step".to_owned(),
        Without::Ends { ending: Ending::Reached, .. } => "nothing breaks".to_owned(),
        Without::Ends { ending: Ending::Violated { invariant: other, .. }, .. } if *other != invariant => {
            format!("it breaks {other} instead")
        }
        Without::Ends { ending: Ending::Violated { .. }, .. } => {
            "the invariant breaks in another way, or on a path along which the production code cannot be led"
                .to_owned()
        }
        Without::Ends { ending: Ending::Refused { guard, .. }, .. } if *guard == NO_SUCH_STEP => {
            "a later step has nothing to act on".to_owned()
        }
        Without::Ends { ending: Ending::Refused { guard, .. }, .. } => {
            format!("`{guard}` refuses a later step")
        }
    }
}

/// Numbers, ascending, with those that follow one another as one.
fn spans(numbers: &[usize]) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match spans.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let text = |(first, last): &(usize, usize)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    };
    join(&spans.iter().map(text).collect::<Vec<_>>())
}
