//! What is known about any trace, wherever it lies: of one that the corpus holds, what the corpus says; of another one,
//! what can be shown here and now.

use std::path::Path;

use truelog_spec::Trace;
use truelog_spec::mechanism::Ending;
use truelog_spec::trace::Head;

use super::kept::KEPT;
use super::{Facts, GRAIN, NO_CHOICE, Place, Replayed};
use crate::replay::{End, check_one, follow};
use crate::traces::shrink::{Unshrinkable, shrink};
use crate::traces::{AnySwitch, Ground, steps, told};

impl Facts {
    /// What is known about the trace at `path`.
    #[must_use]
    pub fn of_any(trace: &Trace, path: &Path) -> Self {
        if let Some(kept) = KEPT.iter().find(|kept| path.ends_with(kept.path)) {
            return Self::of_kept(kept, trace);
        }
        match AnySwitch::of(trace) {
            Some(AnySwitch::Calls(switch)) if path.ends_with(switch.path()) => Self::of_switch(switch, trace),
            Some(AnySwitch::Slots(switch)) if path.ends_with(switch.path()) => Self::of_prefetch(switch),
            switch => Self::shown(trace, switch, path),
        }
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
            replayed: replayed(trace),
            minimal: needed(trace),
            passing: story.map_or("None was looked for.", |story| story.passing).to_owned(),
            path: path.display().to_string(),
        }
    }
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
        (Place::RealFileSystem, Replayed::NotTried(NO_CHOICE.to_owned())),
    ]
}

fn needed(trace: &Trace) -> String {
    match shrink(trace) {
        Ok(shrunk) if shrunk.left_out == 0 => {
            "Without any one of them, and without any two, the path breaks the invariant no more.".to_owned()
        }
        Ok(shrunk) => format!("No: {} can be left out, as `cargo verify shrink` shows.", shrunk.left_out),
        Err(why @ Unshrinkable::Otherwise { .. }) => format!("That cannot be told: {why}."),
        Err(why) => format!("That was not tried: {why}."),
    }
}
