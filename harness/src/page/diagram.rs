//! The Mermaid sequence diagram.

use std::fmt::Write as _;

use truelog_spec::mechanism::call_of;
use truelog_spec::step::{Actor, Ended};
use truelog_spec::trace::Line;
use truelog_spec::{EngineStep, Outcome, Step, WorldStep};

use super::rows::{Row, Told};
use super::words::{self, ended};
use super::{MAX_DIAGRAM, PageError, prefetch};

/// Who talks, in the order in which they stand there.
const PARTICIPANTS: &[(char, &str)] = &[('C', "client"), ('E', "engine"), ('D', "disk")];

/// What stands behind the step that decides: readable on light and on dark ground.
const PIVOT: &str = "rgba(255, 170, 0, 0.25)";

pub(super) fn render(told: &Told<'_>) -> Result<String, PageError> {
    let of_prefetch = told.trace.is_of_prefetch();
    let participants = if of_prefetch { prefetch::PARTICIPANTS } else { PARTICIPANTS };
    let messages = messages(told);
    // Whoever has nothing to say in a path of the prefetch is not there.
    let talks = |who: char| {
        let named = |line: &str| {
            let line = line.trim_start().trim_start_matches("Note over ");
            let (who_and_whom, _) = line.split_once(": ").unwrap_or_default();
            !line.starts_with("rect") && who_and_whom.contains(who)
        };
        !of_prefetch || messages.lines().any(named)
    };
    let there: Vec<&(char, &str)> = participants.iter().filter(|(who, _)| talks(*who)).collect();
    let mut diagram = "sequenceDiagram\n".to_owned();
    for (who, name) in &there {
        diagram.push_str(&format!("    participant {who} as {name}\n"));
    }
    let all: Vec<String> =
        [there.first(), there.last()].iter().flatten().map(|one| one.0.to_string()).collect();
    diagram.push_str(&messages.replace("over ALL", &format!("over {}", all.join(","))));
    match diagram.chars().count() {
        found if found >= MAX_DIAGRAM => Err(PageError::DiagramTooLong { found }),
        _ => Ok(diagram),
    }
}

fn messages(told: &Told<'_>) -> String {
    let mut diagram = String::new();
    // A call is answered when the engine has done its part: before whatever comes next.
    let mut answer = String::new();
    for row in &told.rows {
        let number = match row {
            Row::Step(number) => *number,
            Row::Fold(_, fold) => {
                diagram.push_str(&format!("    E->>D: {}\n", clean(&fold.does)));
                if let Some(text) = &fold.answer {
                    answer.clear();
                    diagram.push_str(&format!("    E-->>C: {}\n", clean(text)));
                }
                continue;
            }
            Row::Again(..) => {
                diagram.push_str("    Note over ALL: the same again\n");
                continue;
            }
            Row::Gap(..) => continue,
        };
        let line = &told.trace.lines[number - 1];
        if line.step.actor() != Actor::Engine {
            diagram.push_str(&std::mem::take(&mut answer));
        }
        if told.pivot == number {
            diagram.push_str(&format!("    rect {PIVOT}\n"));
        }
        step(&mut diagram, line, &told.changes[number - 1]);
        match (&line.step, &line.outcome) {
            (Step::Client(_), Some(outcome)) if *outcome != Outcome::Unresolved => {
                answer = format!("    E-->>C: {}\n", clean(&told.changes[number - 1]));
            }
            (Step::Engine(EngineStep::Ack(..) | EngineStep::Ready { .. }), _) => answer.clear(),
            _ => {}
        }
        if line.violates {
            diagram.push_str(&std::mem::take(&mut answer));
            // Writing to a string cannot fail.
            let _ = writeln!(diagram, "    Note over ALL: breaks {}", told.trace.invariant);
        }
        if told.pivot == number {
            diagram.push_str("    end\n");
        }
    }
    diagram.push_str(&answer);
    diagram
}

fn step(diagram: &mut String, line: &Line, changes: &str) {
    let does = clean(&words::does(&line.step));
    let changes = clean(changes);
    // Writing to a string cannot fail.
    let _ = match &line.step {
        Step::Client(_) => writeln!(diagram, "    C->>E: {does}"),
        Step::World(WorldStep::CrashProcess | WorldStep::CrashPower { .. }) => {
            writeln!(diagram, "    Note over ALL: {does}, {changes}")
        }
        Step::World(_) => writeln!(diagram, "    Note over D: {does}"),
        Step::Engine(step) if on_disk(step) => match ended(step) {
            Ended::Failed => writeln!(diagram, "    E--xD: {does}, {changes}"),
            Ended::Done | Ended::Short => writeln!(diagram, "    E->>D: {does}"),
        },
        Step::Engine(
            EngineStep::Ack(..)
            | EngineStep::Fail(_)
            | EngineStep::Refuse(_)
            | EngineStep::Ready { .. }
            | EngineStep::Trimmed { .. },
        ) => writeln!(diagram, "    E-->>C: {does}"),
        Step::Engine(_) => writeln!(diagram, "    E->>E: {does}"),
        Step::Prefetch(step) => {
            let who = prefetch::who(step);
            let result = if prefetch::tells(step) && !changes.is_empty() {
                format!(", {changes}")
            } else {
                String::new()
            };
            match prefetch::arrow(step) {
                Some(arrow) => writeln!(diagram, "    {arrow}: {who} {does}{result}"),
                None => writeln!(diagram, "    Note over D: {who} {does}"),
            }
        }
    };
}

/// Whether it is a call of the file system, or a read of a copy.
fn on_disk(step: &EngineStep) -> bool {
    call_of(step).is_some()
        || matches!(
            step,
            EngineStep::SyncStart(_) | EngineStep::Check(..) | EngineStep::Verify(..) | EngineStep::Unlock
        )
}

/// A semicolon ends a statement and a number sign begins an entity: neither may stand in a message.
fn clean(text: &str) -> String {
    text.replace(';', ",").replace(['#', '`'], "")
}
