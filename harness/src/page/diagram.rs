//! The Mermaid sequence diagram: what the table's column "does" says, with the numbers of its rows. What changes is the
//! table's to tell, but for what the power's failure takes and what is wrong in the step that decides.

use truelog_spec::mechanism::call_of;
use truelog_spec::step::{Actor, Ended, Role};
use truelog_spec::trace::Line;
use truelog_spec::{EngineStep, Outcome, Step, WorldStep};

use super::fold::Fold;
use super::rows::{Row, Told};
use super::words::{self, ended};
use super::{MAX_DIAGRAM, PageError, prefetch};

/// Who talks, in the order in which they stand there. Who has nothing to say is not there.
const PARTICIPANTS: &[(char, &str)] = &[('C', "client"), ('E', "engine"), ('D', "disk"), ('V', "drive")];

/// What stands behind the step that decides: readable on light and on dark ground.
const PIVOT: &str = "rgba(255, 170, 0, 0.25)";

/// How long a line of a message may become, in characters.
const WIDTH: usize = 72;

pub(super) fn render(told: &Told<'_>) -> Result<String, PageError> {
    let participants = if told.trace.is_of_prefetch() { prefetch::PARTICIPANTS } else { PARTICIPANTS };
    let messages = Messages::of(told);
    let talks = |who: char| {
        let named = |line: &str| {
            let line =
                line.trim_start().trim_start_matches("Note over ").trim_start_matches("Note right of ");
            let (who_and_whom, _) = line.split_once(": ").unwrap_or_default();
            !line.starts_with("rect") && who_and_whom.contains(who)
        };
        messages.lines().any(named)
    };
    let there: Vec<&(char, &str)> = participants.iter().filter(|(who, _)| talks(*who)).collect();
    let mut diagram = "sequenceDiagram\n".to_owned();
    for (who, name) in &there {
        diagram.push_str(&format!("    participant {who} as {name}\n"));
    }
    let all: Vec<String> =
        [there.first(), there.last()].iter().flatten().map(|one| one.0.to_string()).collect();
    diagram.push_str(&messages.replace("over *", &format!("over {}", all.join(","))));
    match diagram.chars().count() {
        found if found >= MAX_DIAGRAM => Err(PageError::DiagramTooLong { found }),
        _ => Ok(diagram),
    }
}

/// The messages, line by line.
#[derive(Default)]
struct Messages {
    text: String,
    /// A call is answered when the engine has done its part: before whatever comes next.
    answer: String,
}

impl Messages {
    fn of(told: &Told<'_>) -> String {
        let mut messages = Self::default();
        for row in &told.rows {
            match row {
                Row::Step(number) => messages.step(told, *number),
                Row::Fold(first, fold) => messages.fold(*first, fold),
                Row::Scene(last, scene) => {
                    messages.say("C->>E", &span(1, *last), &format!("{}; all goes as it should", scene.does));
                }
                Row::Again(first, last, _) => {
                    messages.say("Note over *", &span(*first, *last), "the same again")
                }
                Row::Gap(first, last) => {
                    if let Some(does) = told.named(*first, *last) {
                        messages.say("E->>D", &span(*first, *last), &does);
                    }
                }
            }
        }
        messages.text + &messages.answer
    }

    /// A message, behind the number of what is told by it.
    fn say(&mut self, arrow: &str, number: &str, says: &str) {
        self.text.push_str(&message(arrow, &format!("{number} · {says}")));
    }

    fn fold(&mut self, first: usize, fold: &Fold) {
        let number = span(first, first + fold.len - 1);
        self.say(if fold.on_drive { "E->>V" } else { "E->>D" }, &number, &fold.does);
        if let Some(text) = &fold.answer {
            self.answer.clear();
            self.text.push_str(&message("E-->>C", text));
        }
    }

    fn step(&mut self, told: &Told<'_>, number: usize) {
        let (line, changes) = (&told.trace.lines[number - 1], &told.changes[number - 1]);
        if line.step.actor() != Actor::Engine {
            self.text.push_str(&std::mem::take(&mut self.answer));
        }
        if told.pivot == number {
            self.text.push_str(&format!("    rect {PIVOT}\n"));
        }
        let (arrow, mut says) = told_by(line, changes);
        if !told.lacks(number).is_empty() {
            says.push_str(&format!(", but {}", told.lacks(number)));
        }
        self.say(arrow, &number.to_string(), &says);
        match (&line.step, &line.outcome) {
            (Step::Client(_), outcome) if *outcome != Some(Outcome::Unresolved) && !changes.is_empty() => {
                self.answer = message("E-->>C", changes);
            }
            (Step::Engine(EngineStep::Ack(..) | EngineStep::Ready { .. }), _) => self.answer.clear(),
            _ => {}
        }
        if line.violates {
            self.text.push_str(&std::mem::take(&mut self.answer));
            self.text.push_str(&message("Note over *", &format!("breaks {}", told.trace.invariant)));
        }
        if told.pivot == number {
            self.text.push_str("    end\n");
        }
    }
}

/// Who tells a step to whom, and what.
fn told_by(line: &Line, changes: &str) -> (&'static str, String) {
    let mut does = words::does(&line.step);
    if matches!(line.step, Step::World(WorldStep::CrashPower { .. })) {
        does.push_str(&format!("; {changes}"));
    }
    let arrow = match &line.step {
        Step::Client(_) => "C->>E",
        Step::World(WorldStep::CrashProcess | WorldStep::CrashPower { .. }) => "Note over *",
        Step::World(WorldStep::Fault(fault)) if is_on_drive(fault.role) => "Note over V",
        Step::World(_) => "Note over D",
        Step::Engine(step) => of_engine(step),
        Step::Prefetch(step) => {
            let who = if prefetch::is_a_readers(step) { prefetch::who(step) + " " } else { String::new() };
            // What a comparison holds against what stands in the table.
            let result = changes.split(':').next().unwrap_or_default();
            let result = if prefetch::tells(step) { format!(", {result}") } else { String::new() };
            return (prefetch::arrow(step).unwrap_or("Note over D"), format!("{who}{does}{result}"));
        }
    };
    (arrow, does)
}

fn of_engine(step: &EngineStep) -> &'static str {
    let call = call_of(step);
    match step {
        EngineStep::Verify(..) => "E->>V",
        EngineStep::SyncStart(_) | EngineStep::Check(..) | EngineStep::Unlock => "E->>D",
        EngineStep::Ack(..)
        | EngineStep::Fail(_)
        | EngineStep::Refuse(_)
        | EngineStep::Ready { .. }
        | EngineStep::Trimmed { .. } => "E-->>C",
        _ => match call.map(|(_, role, _)| (is_on_drive(role), ended(step))) {
            // An arrow to itself has its words on the line of the engine, which strikes them through.
            None => "Note right of E",
            Some((false, Ended::Failed)) => "E--xD",
            Some((true, Ended::Failed)) => "E--xV",
            Some((false, Ended::Done | Ended::Short)) => "E->>D",
            Some((true, Ended::Done | Ended::Short)) => "E->>V",
        },
    }
}

const fn is_on_drive(role: Role) -> bool {
    matches!(role, Role::Drive(_) | Role::OnDrive(..))
}

fn span(first: usize, last: usize) -> String {
    if first == last { first.to_string() } else { format!("{first}–{last}") }
}

fn message(arrow: &str, says: &str) -> String {
    format!("    {arrow}: {}\n", broken(&clean(says)))
}

/// A text in lines that are not too long.
fn broken(text: &str) -> String {
    let (mut lines, mut length) = (String::new(), 0);
    for word in text.split(' ') {
        let more = word.chars().count();
        if length > 0 && length + 1 + more > WIDTH {
            lines.push_str("<br/>");
            length = 0;
        } else if length > 0 {
            lines.push(' ');
            length += 1;
        }
        lines.push_str(word);
        length += more;
    }
    lines
}

/// A semicolon ends a statement and a number sign begins an entity: neither may stand in a message.
fn clean(text: &str) -> String {
    text.replace(';', ",").replace(['#', '`'], "")
}
