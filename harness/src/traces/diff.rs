//! Two traces, side by side: which steps and outcomes differ, and where first.

use std::fmt;

use truelog_spec::Trace;
use truelog_spec::trace::Line;

use super::{Ground, steps, told};

/// A row of the comparison. Numbers count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// The same in both.
    Same(usize, usize, String),
    /// The same step, and another outcome, or only one of the two breaks the invariant.
    Ends(usize, usize, String, String),
    /// Only in the first.
    First(usize, String),
    /// Only in the second.
    Second(usize, String),
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// Header lines that differ: the name, and what stands there in each.
    pub headers: Vec<(&'static str, String, String)>,
    /// All rows.
    pub rows: Vec<Row>,
    /// How each ends on the specification as it is.
    pub endings: [String; 2],
}

impl Diff {
    /// Compares two traces.
    #[must_use]
    pub fn of(first: &Trace, second: &Trace) -> Self {
        let fields = [fields(first), fields(second)];
        let [left, right] = &fields;
        let unlike = left.iter().zip(right).filter(|(left, right)| left != right);
        let ending = |trace: &Trace| told(&Ground::designed(trace).run(&steps(trace)), &steps(trace));
        Self {
            headers: unlike.map(|(left, right)| (left.0, left.1.clone(), right.1.clone())).collect(),
            rows: rows(&first.lines, &second.lines),
            endings: [ending(first), ending(second)],
        }
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.first().is_none()
    }

    /// The first row in which they differ.
    #[must_use]
    pub fn first(&self) -> Option<&Row> {
        self.rows.iter().find(|row| !matches!(row, Row::Same(..)))
    }
}

/// The header as text, but for provenance: who found a path does not make it another one.
fn fields(trace: &Trace) -> Vec<(&'static str, String)> {
    let with: Vec<String> = trace.with.iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        ("invariant", trace.invariant.to_string()),
        ("mutant", trace.mutant.clone().unwrap_or_default()),
        ("head", trace.head.to_string()),
        ("code", trace.code.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("with", with.join(" ")),
    ]
}

/// The rows, by a longest common subsequence of the steps.
fn rows(first: &[Line], second: &[Line]) -> Vec<Row> {
    let same = |left: usize, right: usize| first[left].step == second[right].step;
    // common[l][r]: how many steps of first[l..] and second[r..] can be laid side by side.
    let mut common = vec![vec![0_usize; second.len() + 1]; first.len() + 1];
    for left in (0..first.len()).rev() {
        for right in (0..second.len()).rev() {
            common[left][right] = if same(left, right) {
                common[left + 1][right + 1] + 1
            } else {
                common[left + 1][right].max(common[left][right + 1])
            };
        }
    }
    let (mut left, mut right, mut rows) = (0, 0, Vec::new());
    while left < first.len() || right < second.len() {
        if left < first.len() && right < second.len() && same(left, right) {
            let (one, other) = (first[left].to_string(), second[right].to_string());
            rows.push(if one == other {
                Row::Same(left + 1, right + 1, one)
            } else {
                Row::Ends(left + 1, right + 1, one, other)
            });
            (left, right) = (left + 1, right + 1);
        } else if left < first.len()
            && (right == second.len() || common[left + 1][right] >= common[left][right + 1])
        {
            rows.push(Row::First(left + 1, first[left].to_string()));
            left += 1;
        } else {
            rows.push(Row::Second(right + 1, second[right].to_string()));
            right += 1;
        }
    }
    rows
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(left, right, line) => write!(f, "  {left:>3} {right:>3}  {line}"),
            Self::Ends(left, right, one, other) => {
                write!(f, "- {left:>3}      {one}\n+     {right:>3}  {other}")
            }
            Self::First(left, line) => write!(f, "- {left:>3}      {line}"),
            Self::Second(right, line) => write!(f, "+     {right:>3}  {line}"),
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, one, other) in &self.headers {
            writeln!(f, "- {name}: {one}\n+ {name}: {other}")?;
        }
        for row in &self.rows {
            writeln!(f, "{row}")?;
        }
        match self.first() {
            None => writeln!(f, "the steps and outcomes are the same")?,
            Some(Row::Ends(left, right, ..)) => {
                writeln!(
                    f,
                    "they differ first in how step {left} of the first, {right} of the second, ends"
                )?;
            }
            Some(Row::First(left, _)) => {
                writeln!(
                    f,
                    "they differ first at step {left} of the first, which the second does not have there"
                )?;
            }
            Some(Row::Second(right, _) | Row::Same(_, right, _)) => {
                writeln!(
                    f,
                    "they differ first at step {right} of the second, which the first does not have there"
                )?;
            }
        }
        let [one, other] = &self.endings;
        write!(f, "as it is, the specification ends\n- {one}\n+ {other}")
    }
}
