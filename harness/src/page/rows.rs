//! Which steps a page shows: all of clients and the world, and those of the engine that matter.

use std::fmt::Write as _;

use truelog_spec::step::{Actor, Ended, OnDrive, Role, Row as Decision};
use truelog_spec::trace::Line;
use truelog_spec::{EngineStep, Step, Trace};

use super::{PageError, prefetch, words};

/// How many client and world steps a page shows at most. A trace with more is not shrunk.
pub const MAX_CLIENT_AND_WORLD: usize = 10;
/// How many engine steps a page shows at most; the others are counted.
pub const MAX_ENGINE: usize = 8;

/// The weight of a step that matters only next to the pivotal one.
const MINOR: u8 = 3;
/// How many steps away is next to it.
const NEAR: usize = 3;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    /// A step, by its number.
    Step(usize),
    /// Engine steps that are left out, from one number to another.
    Gap(usize, usize),
}

pub(super) fn rows(trace: &Trace) -> Result<Vec<Row>, PageError> {
    let found = trace.lines.iter().filter(|line| line.step.actor() != Actor::Engine).count();
    if found > MAX_CLIENT_AND_WORLD {
        return Err(PageError::TooManySteps { found });
    }
    let (violating, _) = trace.violation().ok_or(PageError::NoViolation)?;
    let pivot = trace.pivot().map_or(violating, |(number, _)| number);
    let mut engine: Vec<(u8, usize, usize)> = trace
        .numbered()
        .filter_map(|(number, line)| match &line.step {
            Step::Engine(_) | Step::Prefetch(_) if number == pivot || number == violating => {
                Some((0, 0, number))
            }
            Step::Engine(step) => Some((weight(step)?, number.abs_diff(pivot), number))
                .filter(|(weight, distance, _)| *weight < MINOR || *distance <= NEAR),
            Step::Prefetch(step) if step.actor() == Actor::Engine => {
                Some((prefetch::weight(step), number.abs_diff(pivot), number))
            }
            Step::Client(_) | Step::World(_) | Step::Prefetch(_) => None,
        })
        .collect();
    engine.sort_unstable();
    engine.truncate(MAX_ENGINE);
    let shown = |number: usize, line: &Line| {
        line.step.actor() != Actor::Engine || engine.iter().any(|(_, _, one)| *one == number)
    };
    let mut rows = Vec::new();
    for (number, line) in trace.numbered() {
        match rows.last_mut() {
            _ if shown(number, line) => rows.push(Row::Step(number)),
            Some(Row::Gap(_, last)) => *last = number,
            _ => rows.push(Row::Gap(number, number)),
        }
    }
    Ok(rows)
}

/// How much an engine step matters to a reader: the lower, the more. `None` for what each run does alike.
fn weight(step: &EngineStep) -> Option<u8> {
    match step {
        EngineStep::Ack(..) | EngineStep::Poison | EngineStep::Fail(_) | EngineStep::Refuse(_) => Some(1),
        EngineStep::WriteBatch(..) | EngineStep::Unlink(..) | EngineStep::Trimmed { .. } => Some(1),
        EngineStep::Recover(row, _) => match row {
            Decision::EmptySegment | Decision::CleanEnd => Some(MINOR),
            _ => Some(1),
        },
        EngineStep::Ready { .. } | EngineStep::Verify(..) | EngineStep::Retire { .. } => Some(1),
        step if ended(step) != Ended::Done => Some(1),
        EngineStep::Publish(..) | EngineStep::Check(..) | EngineStep::WriteEdit(..) => Some(2),
        EngineStep::WriteBlocks(..) | EngineStep::Switch { .. } => Some(2),
        EngineStep::Sync(_, role, _) | EngineStep::Rename(_, role, _) if counts(*role) => Some(2),
        EngineStep::SyncDir(..) | EngineStep::SyncStart(_) => Some(2),
        EngineStep::Sync(..) | EngineStep::Rename(..) | EngineStep::Fill(..) | EngineStep::Encode(..) => {
            Some(MINOR)
        }
        EngineStep::Mkdir(..)
        | EngineStep::Lock(_)
        | EngineStep::Unlock
        | EngineStep::Create(..)
        | EngineStep::Allocate(..)
        | EngineStep::Read(..) => None,
    }
}

/// Whether it is what it is for, under this name.
fn counts(role: Role) -> bool {
    matches!(role, Role::Segment(_) | Role::Manifest | Role::Identity | Role::OnDrive(_, OnDrive::Run(_)))
}

/// How a call of the file system ended; events are done.
pub(super) fn ended(step: &EngineStep) -> Ended {
    match *step {
        EngineStep::Mkdir(_, ended)
        | EngineStep::Lock(ended)
        | EngineStep::Create(_, ended)
        | EngineStep::Allocate(_, ended)
        | EngineStep::Fill(_, ended)
        | EngineStep::WriteBatch(_, ended)
        | EngineStep::WriteEdit(_, _, ended)
        | EngineStep::WriteBlocks(_, _, _, ended)
        | EngineStep::Sync(_, _, ended)
        | EngineStep::SyncDir(_, ended)
        | EngineStep::Rename(_, _, ended)
        | EngineStep::Unlink(_, ended)
        | EngineStep::Read(_, ended) => ended,
        _ => Ended::Done,
    }
}

/// The table, in Markdown. The pivotal step is bold; the step that violates says so.
pub(super) fn table(trace: &Trace, rows: &[Row]) -> String {
    let pivot = trace.pivot().map(|(number, _)| number);
    let mut table = "| step | who | does | what changes |\n|--:|---|---|---|\n".to_owned();
    for row in rows {
        // Writing to a string cannot fail.
        let _ = match *row {
            Row::Gap(first, last) if first == last => {
                writeln!(table, "| {first} | engine | … 1 more step | |")
            }
            Row::Gap(first, last) => {
                let count = last - first + 1;
                writeln!(table, "| {first}–{last} | engine | … {count} more steps | |")
            }
            Row::Step(number) => {
                let line = &trace.lines[number - 1];
                let mut changes = words::changes(line);
                if line.outcome.is_some() {
                    changes.insert_str(0, "→ ");
                }
                if line.violates {
                    changes = format!("{changes}{}**breaks {}**", gap(&changes), trace.invariant);
                }
                let (bold, does) = (if pivot == Some(number) { "**" } else { "" }, words::does(&line.step));
                let actor = line.step.actor();
                writeln!(
                    table,
                    "| {bold}{number}{bold} | {bold}{actor}{bold} | {bold}{does}{bold} | {changes} |"
                )
            }
        };
    }
    table
}

fn gap(text: &str) -> &'static str {
    if text.is_empty() { "" } else { "; " }
}
