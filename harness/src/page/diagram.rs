//! The Mermaid sequence diagram.

use std::fmt::Write as _;

use truelog_spec::step::{Actor, Ended};
use truelog_spec::trace::Line;
use truelog_spec::{EngineStep, Outcome, Step, Trace, WorldStep};

use super::rows::{Row, ended};
use super::{MAX_DIAGRAM, PageError, prefetch, words};

const HEAD: &str = "sequenceDiagram
    participant C as client
    participant E as engine
    participant D as disk
";

pub(super) fn render(trace: &Trace, rows: &[Row]) -> Result<String, PageError> {
    let mut diagram = if trace.is_of_prefetch() { prefetch::HEAD } else { HEAD }.to_owned();
    let pivot = trace.pivot().map(|(number, _)| number);
    // A call is answered when the engine has done its part: before whatever comes next.
    let mut answer = String::new();
    for row in rows {
        let Row::Step(number) = *row else { continue };
        let line = &trace.lines[number - 1];
        if line.step.actor() != Actor::Engine {
            diagram.push_str(&std::mem::take(&mut answer));
        }
        if pivot == Some(number) {
            diagram.push_str("    rect rgb(255, 232, 190)\n");
        }
        step(&mut diagram, line);
        match (&line.step, &line.outcome) {
            (Step::Client(_), Some(outcome)) if *outcome != Outcome::Unresolved => {
                answer = format!("    E-->>C: {}\n", clean(&words::changes(line)));
            }
            (Step::Engine(EngineStep::Ack(..)), _) => answer.clear(),
            _ => {}
        }
        if line.violates {
            diagram.push_str(&std::mem::take(&mut answer));
            // Writing to a string cannot fail.
            let _ = writeln!(diagram, "    Note over C,D: breaks {}", trace.invariant);
        }
        if pivot == Some(number) {
            diagram.push_str("    end\n");
        }
    }
    diagram.push_str(&answer);
    match diagram.chars().count() {
        found if found >= MAX_DIAGRAM => Err(PageError::DiagramTooLong { found }),
        _ => Ok(diagram),
    }
}

fn step(diagram: &mut String, line: &Line) {
    let does = clean(&words::does(&line.step));
    // Writing to a string cannot fail.
    let _ = match &line.step {
        Step::Client(_) => writeln!(diagram, "    C->>E: {does}"),
        Step::World(WorldStep::CrashProcess | WorldStep::CrashPower { .. }) => {
            writeln!(diagram, "    Note over C,D: {does}, {}", clean(&words::changes(line)))
        }
        Step::World(_) => writeln!(diagram, "    Note over D: {does}"),
        Step::Engine(step) if on_disk(step) => {
            let arrow = if ended(step) == Ended::Failed { "--x" } else { "->>" };
            writeln!(diagram, "    E{arrow}D: {does}")
        }
        Step::Engine(EngineStep::Ack(..) | EngineStep::Fail(_) | EngineStep::Refuse(_)) => {
            writeln!(diagram, "    E-->>C: {does}")
        }
        Step::Engine(_) => writeln!(diagram, "    E->>E: {does}"),
        Step::Prefetch(step) => match prefetch::arrow(step) {
            Some(arrow) => writeln!(diagram, "    {arrow}: {does}"),
            None => writeln!(diagram, "    Note over D: {does}"),
        },
    };
}

fn on_disk(step: &EngineStep) -> bool {
    matches!(
        step,
        EngineStep::Mkdir(..)
            | EngineStep::Create(..)
            | EngineStep::Allocate(..)
            | EngineStep::Fill(..)
            | EngineStep::WriteBatch(..)
            | EngineStep::WriteEdit(..)
            | EngineStep::SyncStart(_)
            | EngineStep::Sync(..)
            | EngineStep::SyncDir(..)
            | EngineStep::Rename(..)
            | EngineStep::Unlink(..)
            | EngineStep::Read(..)
            | EngineStep::Check(..)
    )
}

/// A semicolon ends a statement and a number sign begins an entity: neither may stand in a message.
fn clean(text: &str) -> String {
    text.replace(';', ",").replace(['#', '`'], "")
}
