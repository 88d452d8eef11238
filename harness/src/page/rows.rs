//! Which steps a page shows: all of clients and the world, and those of the engine that matter; what goes as it always does
//! is told as one.

use std::fmt::Write as _;

use truelog_spec::step::{Actor, Ended, OnDrive, Role, Row as Decision};
use truelog_spec::trace::{Head, Line};
use truelog_spec::{ClientStep, EngineStep, Step, Trace};

use super::effects::Effects;
use super::fold::{Fold, fold};
use super::scene::Scene;
use super::words::ended;
use super::{Facts, PageError, prefetch, scene, words};
use crate::traces::lacks;

/// How many client and world steps a page shows at most. A trace with more is not shrunk.
pub const MAX_CLIENT_AND_WORLD: usize = 10;
/// How many engine steps a page shows one by one at most; the others are counted.
pub const MAX_ENGINE: usize = 16;

/// The weight of a step that matters only next to the pivotal one.
const MINOR: u8 = 3;
/// How many steps away is next to it.
const NEAR: usize = 3;
/// So many steps are named in one row, and not counted.
const FEW: usize = 3;

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// A step, by its number.
    Step(usize),
    /// Engine steps that belong together, from this number on.
    Fold(usize, Fold),
    /// Everything up to a step, before a compaction.
    Scene(usize, Scene),
    /// Steps that are those before them once more, from one number to another, and how many they are each time.
    Again(usize, usize, usize),
    /// Engine steps that are left out, from one number to another.
    Gap(usize, usize),
}

/// A trace as its page tells it.
pub(super) struct Told<'a> {
    pub trace: &'a Trace,
    pub rows: Vec<Row>,
    /// What is different after each line.
    pub changes: Vec<String>,
    /// Of each line that syncs a file: that the file's name is not durable.
    nameless: Vec<String>,
    /// The step that decides.
    pub pivot: usize,
    /// The step that breaks the invariant.
    pub violating: usize,
    /// What is missing in the step that decides.
    lacks: &'static str,
    /// What single steps do beyond that, by their numbers.
    notes: &'static [(usize, &'static str)],
}

impl<'a> Told<'a> {
    /// Tells a trace, with what its facts know of single steps.
    pub(super) fn of(trace: &'a Trace, facts: &Facts) -> Result<Self, PageError> {
        let found = trace.lines.iter().filter(|line| line.step.actor() != Actor::Engine).count();
        if found > MAX_CLIENT_AND_WORLD {
            return Err(PageError::TooManySteps { found });
        }
        let (violating, _) = trace.violation().ok_or(PageError::NoViolation)?;
        let pivot = facts.fault.or_else(|| trace.pivot().map(|(number, _)| number)).unwrap_or(violating);
        let Effects { changes, met, nameless } = Effects::of(trace);
        let lacks = match &trace.head {
            Head::Refused { line, guard } if *line == pivot => lacks(guard),
            _ => "",
        };
        let rows = Vec::new();
        let mut told = Self { trace, rows, changes, nameless, pivot, violating, lacks, notes: facts.notes };
        let matters = |number| told.matters(number, &met);
        told.rows = scene::set(trace, told.fitting(told.all(&met)), matters);
        Ok(told)
    }

    /// Whether the production code leaves the path at a step, before the model does.
    fn code_leaves(&self, number: usize) -> bool {
        matches!(&self.trace.code, Some(Head::Refused { line, .. }) if *line == number)
    }

    /// Whether a page is about a step itself.
    fn matters(&self, number: usize, met: &[bool]) -> bool {
        let failed =
            matches!(&self.trace.lines[number - 1].step, Step::Engine(step) if ended(step) != Ended::Done);
        let decides = number == self.pivot || number == self.violating;
        decides || failed || met[number - 1] || self.follows_a_failure(number)
    }

    /// Every step, one by one or with those that it belongs to.
    fn all(&self, met: &[bool]) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut number = 1;
        while let Some(line) = self.trace.lines.get(number - 1) {
            let again = self.again(number, met);
            if let Some((times, length)) = again {
                rows.push(Row::Again(number, number + times * length - 1, length));
                number += times * length;
                continue;
            }
            let begins = number;
            let here = self.trace.lines[number - 1..].iter().zip(number..);
            let run = here.map_while(|(line, number)| match &line.step {
                Step::Engine(step)
                    if !self.matters(number, met) && (number == begins || !self.code_leaves(number)) =>
                {
                    Some(step)
                }
                _ => None,
            });
            let run: Vec<&EngineStep> = run.collect();
            match fold(&run) {
                Some(fold) => {
                    number += fold.len;
                    rows.push(Row::Fold(number - fold.len, fold));
                }
                None => {
                    let shown = self.matters(number, met) || self.code_leaves(number);
                    let plain = line.step.actor() == Actor::Engine && !shown;
                    rows.push(if plain { Row::Gap(number, number) } else { Row::Step(number) });
                    number += 1;
                }
            }
        }
        rows
    }

    /// Whether it is the first sync of something of which one has failed: it makes less durable than it seems.
    fn follows_a_failure(&self, number: usize) -> bool {
        let synced = |line: &Line| match line.step {
            Step::Engine(EngineStep::Sync(_, role, ended) | EngineStep::SyncDir(role, ended)) => {
                Some((role, ended))
            }
            _ => None,
        };
        let lines = &self.trace.lines;
        let Some((role, _)) = synced(&lines[number - 1]) else { return false };
        let before = lines[..number - 1].iter().rev().filter_map(synced).find(|(other, _)| *other == role);
        before.is_some_and(|(_, ended)| ended != Ended::Done)
    }

    /// How often the actions before a line come again there, and how many they are.
    fn again(&self, number: usize, met: &[bool]) -> Option<(usize, usize)> {
        if !self.trace.is_of_prefetch() {
            return None;
        }
        let lines = &self.trace.lines;
        let same = |length: usize, times: &usize| {
            let from = number - 1 + (times - 1) * length;
            let (first, here) =
                (lines.get(number.checked_sub(length + 1)?..number - 1)?, lines.get(from..from + length)?);
            let shown = (from..from + length).any(|index| self.matters(index + 1, met));
            (!shown && first.iter().zip(here).all(|(a, b)| a.step == b.step)).then_some(())
        };
        (2..=4).find_map(|length| {
            let times = (1..).take_while(|times| same(length, times).is_some()).count();
            (times > 0).then_some((times, length))
        })
    }

    /// The rows that a page has room for: the steps of the engine that weigh most, and what is left out.
    fn fitting(&self, rows: Vec<Row>) -> Vec<Row> {
        let mut weighed: Vec<(u8, usize, usize)> = rows
            .iter()
            .filter_map(|row| match row {
                Row::Gap(number, _) => Some(*number),
                Row::Step(_) | Row::Fold(..) | Row::Scene(..) | Row::Again(..) => None,
            })
            .filter_map(|number| {
                let distance = number.abs_diff(self.pivot);
                let weight = match &self.trace.lines[number - 1].step {
                    Step::Engine(step) => weight(step)?,
                    Step::Prefetch(step) => prefetch::weight(step),
                    Step::Client(_) | Step::World(_) => 0,
                };
                Some((weight, distance, number)).filter(|_| weight < MINOR || distance <= NEAR)
            })
            .collect();
        weighed.sort_unstable();
        weighed.truncate(MAX_ENGINE);
        let mut fitting: Vec<Row> = Vec::new();
        for row in rows {
            match (row, fitting.last_mut()) {
                (Row::Gap(number, _), _) if weighed.iter().any(|one| one.2 == number) => {
                    fitting.push(Row::Step(number));
                }
                (Row::Gap(number, _), Some(Row::Gap(_, last))) => *last = number,
                (row, _) => fitting.push(row),
            }
        }
        for row in &mut fitting {
            if let Row::Gap(first, last) = *row
                && first == last
            {
                *row = Row::Step(first);
            }
        }
        fitting
    }

    /// What steps that are left out do.
    fn left_out(&self, first: usize, last: usize) -> String {
        self.named(first, last).unwrap_or_else(|| format!("… {} more steps", last - first + 1))
    }

    /// What is different behind them, if they are few.
    fn after_all(&self, first: usize, last: usize) -> String {
        let changes = self.changes[first - 1..last].iter().map(String::as_str);
        if last - first < FEW { joined(&changes.collect::<Vec<_>>()) } else { String::new() }
    }

    /// What they do, if they are few.
    pub(super) fn named(&self, first: usize, last: usize) -> Option<String> {
        let does = self.trace.lines[first - 1..last].iter().map(|line| words::does(&line.step));
        (last - first < FEW).then(|| does.collect::<Vec<_>>().join(", "))
    }

    /// What is wrong in the step that decides, as a sentence; nothing where nobody has said.
    pub(super) fn wrong(&self) -> Option<String> {
        let step = &self.trace.lines[self.pivot - 1].step;
        let who = words::who(step);
        let the = if who.starts_with("reader") { "" } else { "the " };
        let does = format!("Step {}: {the}{who} {}", self.pivot, words::does(step));
        match (self.lacks, self.note(self.pivot)) {
            ("", "") => None,
            ("", note) => Some(format!("{does}: {note}.")),
            (lacks, _) => Some(format!("{does}, but {lacks}.")),
        }
    }

    fn note(&self, number: usize) -> &'static str {
        self.notes.iter().find(|note| note.0 == number).map_or("", |note| note.1)
    }

    /// What stands against the step that decides; nothing where nobody has said, or at another step.
    pub(super) fn lacks(&self, number: usize) -> &'static str {
        if number == self.pivot { self.lacks } else { "" }
    }

    /// What is different after a step, what is missing in it, and whether it breaks the invariant.
    fn cell(&self, number: usize) -> String {
        let line = &self.trace.lines[number - 1];
        let answers = matches!(line.step, Step::Client(_)) && !self.changes[number - 1].is_empty();
        let changes = format!("{}{}", if answers { "→ " } else { "" }, self.changes[number - 1]);
        let lacks = match self.lacks(number) {
            "" => String::new(),
            lacks => format!("**but {lacks}**"),
        };
        let breaks = match self.violating {
            last if last == number => format!("**breaks `{}`**", self.trace.invariant),
            _ => String::new(),
        };
        joined(&[&changes, self.note(number), &lacks, self.leaves(number), &breaks])
    }

    /// A mark where the production code leaves the path before the model does.
    fn leaves(&self, number: usize) -> &'static str {
        if self.code_leaves(number) { "(the production code leaves the path here)" } else { "" }
    }

    /// What is different after steps that are told as one.
    fn folded(&self, number: usize, fold: &Fold) -> String {
        let before = &self.trace.lines[..number - 1];
        let written = |segment: u64| {
            before.iter().any(|line| {
                matches!(&line.step, Step::Engine(EngineStep::WriteBatch(batch, _)) if batch.segment == segment)
            })
        };
        let compacts = |line: &Line| matches!(line.step, Step::Client(ClientStep::Compact));
        let nameless = self.nameless[number - 1..number - 1 + fold.len].iter().find(|text| !text.is_empty());
        match fold.batch.map(|batch| batch.segment) {
            // Bytes that nothing leads to are not there after a loss of power.
            Some(_) if nameless.is_some() => {
                let name = nameless.map_or("", String::as_str);
                format!("its bytes are durable, {name}{}", fold.changes.trim_start_matches("durable"))
            }
            Some(segment)
                if segment > 1
                    && !written(segment)
                    && written(segment - 1)
                    && self.trace.lines.iter().any(compacts) =>
            {
                format!("{}; segment {} is sealed, and may be compacted", fold.changes, segment - 1)
            }
            _ => fold.changes.clone(),
        }
    }

    /// The table, in Markdown. The pivotal step is bold.
    pub(super) fn table(&self) -> String {
        let mut table = "| step | who | does | what changes |\n|--:|---|---|---|\n".to_owned();
        for row in &self.rows {
            // Writing to a string cannot fail.
            let _ = match row {
                Row::Gap(first, last) => {
                    let changes = self.after_all(*first, *last);
                    writeln!(
                        table,
                        "| {first}–{last} | engine | {} | {changes} |",
                        self.left_out(*first, *last)
                    )
                }
                Row::Scene(last, scene) => {
                    let Scene { does, changes } = scene;
                    writeln!(
                        table,
                        "| 1–{last} | client, engine | {does}; all goes as it should | {changes} |"
                    )
                }
                Row::Again(first, last, length) => {
                    let times = match (last - first + 1) / length {
                        1 => "once more".to_owned(),
                        2 => "twice more".to_owned(),
                        times => format!("{times} times more"),
                    };
                    let lines = &self.trace.lines[first - 1..first - 1 + length];
                    let does: Vec<String> = lines.iter().map(|line| words::does(&line.step)).collect();
                    let who = words::who(&lines[0].step);
                    let who = if lines.iter().all(|line| words::who(&line.step) == who) {
                        who
                    } else {
                        String::new()
                    };
                    writeln!(table, "| {first}–{last} | {who} | {times}: {} | |", does.join(", "))
                }
                Row::Fold(first, fold) => {
                    let last = first + fold.len - 1;
                    let answer = fold.answer.as_ref().map_or_else(String::new, |text| format!(", {text}"));
                    writeln!(
                        table,
                        "| {first}–{last} | engine | {}{answer} | {} |",
                        fold.does,
                        joined(&[&self.folded(*first, fold), self.leaves(*first)])
                    )
                }
                Row::Step(number) => {
                    let line = &self.trace.lines[number - 1];
                    let bold = if self.pivot == *number { "**" } else { "" };
                    let (does, who) = (words::does(&line.step), words::who(&line.step));
                    let changes = self.cell(*number);
                    writeln!(
                        table,
                        "| {bold}{number}{bold} | {bold}{who}{bold} | {bold}{does}{bold} | {changes} |"
                    )
                }
            };
        }
        table
    }
}

/// What there is of some texts, as one.
fn joined(texts: &[&str]) -> String {
    texts.iter().filter(|text| !text.is_empty()).copied().collect::<Vec<_>>().join("; ")
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
