//! A path that breaks an invariant, as `corpus/INVARIANT/SLUG.trace` holds it.
//!
//! ```text
//! invariant: acked-is-durable
//! found-by: switch acknowledge-on-write, mechanism, breadth-first
//! mutant: acknowledge-on-write
//! head: refused at 4 by ack-needs-sync
//! code: refused at 3 by one-sync-method
//! with: block=256 sector=128
//! 1 client append stream=0 len=8
//! 2 engine encode 1 writer=0
//! 3 engine write batch:1 seg-1 lsns=1
//! 4 engine ack 1
//! 5 world crash power keep=none
//! 6 client open -> recovered 0 next=1  # violates
//! ```
//!
//! `head` is how the path ends on the mechanism, `code` how it ends on other code that is held against it. Without
//! `code` the path ends there at the same line. A path of the [prefetch](crate::prefetch) ends on the slot word's design,
//! and is not held against other code. `mutant` and `with` may be missing, too; the lines are numbered from
//! 1; exactly one line violates.

use std::fmt;
use std::str::FromStr;

use crate::invariant::Invariant;
use crate::mechanism::Guard;
use crate::outcome::Outcome;
use crate::step::{Actor, Step};
use crate::text::{ParseError, Words};

const VIOLATES: &str = "# violates";

/// How the path ends today, without the mutant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Head {
    /// Each step can be taken, and the invariant holds nevertheless. Text: `reached`.
    Reached,
    /// The step at `line` cannot be taken. Text: `refused at 4 by ack-needs-sync`.
    Refused {
        /// Which line.
        line: usize,
        /// What prevents it: a name of one word.
        guard: String,
    },
    /// It cannot be told there: that leaves out something that the path is about. Text: `unmodelled stream-tables`.
    Unmodelled {
        /// What is left out: a name of one word.
        part: String,
    },
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached => f.write_str("reached"),
            Self::Refused { line, guard } => write!(f, "refused at {line} by {guard}"),
            Self::Unmodelled { part } => write!(f, "unmodelled {part}"),
        }
    }
}

impl FromStr for Head {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let head = match words[..] {
            ["reached"] => Some(Self::Reached),
            ["refused", "at", line, "by", guard] => {
                line.parse().ok().map(|line| Self::Refused { line, guard: guard.to_owned() })
            }
            ["unmodelled", part] => Some(Self::Unmodelled { part: part.to_owned() }),
            _ => None,
        };
        let expected = "`reached`, `refused at LINE by GUARD` or `unmodelled PART`";
        head.ok_or_else(|| ParseError::new(text, expected))
    }
}

/// A line of a trace; its number is its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Line {
    /// The step.
    pub step: Step,
    /// How a client step ended, where that is known and matters.
    pub outcome: Option<Outcome>,
    /// Whether the invariant is broken here.
    pub violates: bool,
}

impl Line {
    /// A step that breaks nothing.
    #[must_use]
    pub fn new(step: impl Into<Step>, outcome: Option<Outcome>) -> Self {
        Self { step: step.into(), outcome, violates: false }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step)?;
        if let Some(outcome) = &self.outcome {
            write!(f, " -> {outcome}")?;
        }
        if self.violates { write!(f, "  {VIOLATES}") } else { Ok(()) }
    }
}

impl FromStr for Line {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim_end();
        let (text, violates) = text.strip_suffix(VIOLATES).map_or((text, false), |text| (text, true));
        let mut words = Words::new(text);
        let step = Step::parse(&mut words)?;
        let asks = step.actor() == Actor::Client && words.flag("->");
        let outcome = if asks { Some(Outcome::parse(&mut words)?) } else { None };
        words.end()?;
        Ok(Self { step, outcome, violates })
    }
}

/// A path that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Trace {
    /// Which.
    pub invariant: Invariant,
    /// Who found it, by what seed, in what code: provenance, one line.
    pub found_by: String,
    /// The mutant patch or mechanism switch without which the path cannot be taken, by its slug.
    pub mutant: Option<String>,
    /// How the path ends on the mechanism.
    pub head: Head,
    /// How it ends on other code, where that is not at the same line.
    pub code: Option<Head>,
    /// What it was found with, as `key=value`: sizes, a profile, a scope. A replay sets these.
    pub with: Vec<(String, String)>,
    /// The path.
    pub lines: Vec<Line>,
}

/// Why a trace is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// A line is not understood.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A header line that must be there is not.
    #[error("the header has no line `{0}:`")]
    MissingHeader(&'static str),
    /// Numbers do not count from 1 upwards.
    #[error("line {line}: the step has number {found:?}, expected {expected}")]
    Number {
        /// The line of the file.
        line: usize,
        /// What stands there.
        found: String,
        /// The number that is due.
        expected: usize,
    },
    /// Exactly one step violates.
    #[error("{0} steps are marked `# violates`, expected exactly one")]
    Violations(usize),
    /// What the mechanism cannot tell, the code must.
    #[error("`{0}` needs a line `code: reached` or `code: refused …`")]
    NoCode(Head),
    /// The head's line is no line of the trace.
    #[error("the head refuses step {line}, and the trace has {steps} steps")]
    HeadLine {
        /// The head's line.
        line: usize,
        /// How many steps there are.
        steps: usize,
    },
}

impl Trace {
    /// The line that violates, with its number from 1.
    #[must_use]
    pub fn violation(&self) -> Option<(usize, &Line)> {
        self.numbered().find(|(_, line)| line.violates)
    }

    /// Whether it is a path of the [prefetch](crate::prefetch), and not one of the mechanism.
    #[must_use]
    pub fn is_of_prefetch(&self) -> bool {
        self.lines.iter().all(|line| matches!(line.step, Step::Prefetch(_)))
    }

    /// The lines, numbered from 1.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &Line)> {
        (1..).zip(&self.lines)
    }

    /// The step that decides, with its number: what the design refuses, or else the one that violates. A step that the
    /// mechanism does not have decides nothing.
    #[must_use]
    pub fn pivot(&self) -> Option<(usize, &Line)> {
        match self.head {
            Head::Refused { line, ref guard } if guard != Guard::NoSuchStep.as_str() => {
                self.numbered().find(|(number, _)| *number == line)
            }
            Head::Reached | Head::Refused { .. } | Head::Unmodelled { .. } => self.violation(),
        }
    }

    /// How the path ends on other code than the mechanism.
    #[must_use]
    pub fn code(&self) -> &Head {
        self.code.as_ref().unwrap_or(&self.head)
    }

    /// What a setting of `with` says.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.with.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Whether the parts fit each other, as they do in any trace that was read from text.
    ///
    /// # Errors
    /// [`TraceError::Violations`], [`TraceError::NoCode`] and [`TraceError::HeadLine`].
    pub fn check(&self) -> Result<(), TraceError> {
        let violations = self.lines.iter().filter(|line| line.violates).count();
        if violations != 1 {
            return Err(TraceError::Violations(violations));
        }
        if let Head::Unmodelled { .. } = self.code() {
            return Err(TraceError::NoCode(self.code().clone()));
        }
        let line = |head: &Head| match head {
            Head::Refused { line, .. } => Some(*line),
            Head::Reached | Head::Unmodelled { .. } => None,
        };
        let lines = [&self.head, self.code()].into_iter().filter_map(line);
        match lines.into_iter().find(|line| *line == 0 || *line > self.lines.len()) {
            Some(line) => Err(TraceError::HeadLine { line, steps: self.lines.len() }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "invariant: {}", self.invariant)?;
        writeln!(f, "found-by: {}", self.found_by)?;
        if let Some(mutant) = &self.mutant {
            writeln!(f, "mutant: {mutant}")?;
        }
        writeln!(f, "head: {}", self.head)?;
        if let Some(code) = &self.code {
            writeln!(f, "code: {code}")?;
        }
        if !self.with.is_empty() {
            let settings: Vec<String> =
                self.with.iter().map(|(key, value)| format!("{key}={value}")).collect();
            writeln!(f, "with: {}", settings.join(" "))?;
        }
        self.numbered().try_for_each(|(number, line)| writeln!(f, "{number} {line}"))
    }
}

#[derive(Default)]
struct Header {
    invariant: Option<Invariant>,
    found_by: Option<String>,
    mutant: Option<String>,
    head: Option<Head>,
    code: Option<Head>,
    with: Vec<(String, String)>,
}

impl Header {
    fn take(&mut self, key: &str, value: &str) -> Result<(), ParseError> {
        match key {
            "invariant" => self.invariant = Some(value.parse()?),
            "found-by" => self.found_by = Some(value.to_owned()),
            "mutant" => self.mutant = Some(value.to_owned()),
            "head" => self.head = Some(value.parse()?),
            "code" => self.code = Some(value.parse()?),
            "with" => {
                let setting = |word: &str| {
                    let (key, value) = word.split_once('=')?;
                    Some((key.to_owned(), value.to_owned()))
                };
                let settings: Option<Vec<_>> = value.split_whitespace().map(setting).collect();
                self.with =
                    settings.ok_or_else(|| ParseError::new(value, "KEY=VALUE, with blanks between"))?;
            }
            _ => {
                let expected = "a header (invariant, found-by, mutant, head, code, with) or a numbered step";
                return Err(ParseError::new(key, expected));
            }
        }
        Ok(())
    }
}

impl FromStr for Trace {
    type Err = TraceError;

    fn from_str(text: &str) -> Result<Self, TraceError> {
        let mut header = Header::default();
        let mut lines: Vec<Line> = Vec::new();
        for (number, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            if let Some((key, value)) = text.split_once(": ").filter(|(key, _)| !key.contains(' ')) {
                header.take(key, value.trim()).map_err(|error| error.at_line(number))?;
                continue;
            }
            let (found, step) = text.trim_start().split_once(' ').unwrap_or((text, ""));
            if found.parse() != Ok(lines.len() + 1) {
                let (found, expected) = (found.to_owned(), lines.len() + 1);
                return Err(TraceError::Number { line: number, found, expected });
            }
            lines.push(step.parse().map_err(|error: ParseError| error.at_line(number))?);
        }
        let missing = TraceError::MissingHeader;
        let trace = Self {
            invariant: header.invariant.ok_or(missing("invariant"))?,
            found_by: header.found_by.ok_or(missing("found-by"))?,
            mutant: header.mutant,
            head: header.head.ok_or(missing("head"))?,
            code: header.code,
            with: header.with,
            lines,
        };
        trace.check()?;
        Ok(trace)
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::{Arbitrary, Gen, quickcheck};

    use super::*;

    impl Arbitrary for Trace {
        fn arbitrary(g: &mut Gen) -> Self {
            let mut lines: Vec<Line> = (0..=usize::arbitrary(g) % 12)
                .map(|_| {
                    let step = Step::arbitrary(g);
                    let ends = step.actor() == Actor::Client && bool::arbitrary(g);
                    Line::new(step, ends.then(|| Outcome::arbitrary(g)))
                })
                .collect();
            let (count, violating, refused) = (lines.len(), usize::arbitrary(g), usize::arbitrary(g));
            lines[violating % count].violates = true;
            let refused = Head::Refused { line: refused % count + 1, guard: "ack-needs-sync".to_owned() };
            let earlier = Head::Refused { line: 1, guard: "one-sync-method".to_owned() };
            let (head, code) = match u8::arbitrary(g) % 5 {
                0 => (Head::Reached, None),
                1 => (Head::Reached, Some(earlier)),
                2 => (refused, None),
                3 => (refused, Some(earlier)),
                _ => (Head::Unmodelled { part: "stream-tables".to_owned() }, Some(Head::Reached)),
            };
            let setting = ("block".to_owned(), "256".to_owned());
            Self {
                invariant: *g.choose(Invariant::ALL).expect("there are invariants"),
                found_by: "exhaustive depth=3: commit=abc".to_owned(),
                mutant: bool::arbitrary(g).then(|| "ack-before-sync".to_owned()),
                head,
                code,
                with: if bool::arbitrary(g) { vec![setting] } else { Vec::new() },
                lines,
            }
        }
    }

    quickcheck! {
        fn traces_come_back_from_their_text(trace: Trace) -> bool {
            trace.to_string().parse() == Ok(trace)
        }
    }

    const TEXT: &str = "invariant: acked-is-durable
found-by: shuttle seed=1
head: refused at 2 by ack-needs-sync
1 client append stream=0 len=8
2 engine ack 1
3 client open -> recovered 0 next=1  # violates
";

    #[test]
    fn the_violation_and_the_pivot_are_found() {
        let trace: Trace = TEXT.parse().unwrap();
        assert_eq!(trace.to_string(), TEXT);
        assert_eq!(trace.violation().map(|(number, _)| number), Some(3));
        assert_eq!(trace.pivot().map(|(number, _)| number), Some(2));
    }

    #[test]
    fn what_is_no_trace_is_refused_by_line() {
        for (from, to, says) in [
            ("1 client", "2 client", "line 4: the step has number \"2\", expected 1"),
            ("len=8", "len=", "line 4, word 4: found \"len=\", expected len=BYTES"),
            ("  # violates", "", "0 steps are marked"),
            ("ack 1", "ack 1  # violates", "2 steps are marked"),
            ("at 2", "at 4", "the head refuses step 4, and the trace has 3 steps"),
            ("-sync\n", "-sync\ncode: refused at 9 by x\n", "the head refuses step 9"),
            ("refused at 2 by ack-needs-sync", "unmodelled x", "`unmodelled x` needs a line `code: reached`"),
            ("found-by: shuttle seed=1\n", "", "the header has no line `found-by:`"),
            ("found-by", "found-in", "line 2, word 1: found \"found-in\", expected a header"),
            ("ack 1", "ack 1 -> done", "line 5, word 4: found \"->\", expected the end of the line"),
        ] {
            let error = TEXT.replace(from, to).parse::<Trace>().unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
