//! One run as text, to see it again: `SCOPE: append append @ 17 power name:seg-1 @ 3 process`.
//!
//! After the scope come the letters of the first life. Each `@` is a crash: the number of the moment in that
//! life, and what the crash keeps; `here` means that the moment itself is what to look at.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use arbitrary::Unstructured;
use truelog_spec::contract::Contract;
use truelog_spec::step::CrashKind;

use super::alphabet::Situation;
use super::recovery::{GoesOn, Recovery};
use super::walk::follow;
use super::{Letter, Scope, Sequence, Struck};
use crate::driver::{Deed, Moment};
use crate::fabric::{Image, Unit};
use crate::oracle;
use crate::subject::Archived;

/// The most letters of a chosen case.
const LETTERS: usize = 8;
/// The last moment at which a chosen case ends a second life.
const AGAIN: usize = 40;

/// The text of a first life.
pub(super) fn first_life(scope: &Scope, sequence: &Sequence) -> String {
    let mut text = format!("{}:", scope.name);
    for letter in &sequence.letters {
        let _ = write!(text, " {letter}");
    }
    if let Some(fault) = sequence.fault {
        let _ = write!(text, " {fault}");
    }
    text
}

/// A run as text gives it.
#[derive(Debug, Clone)]
pub struct Case {
    pub(super) scope: &'static Scope,
    pub(super) sequence: Sequence,
    pub(super) crashes: Vec<(usize, Crash)>,
}

/// What a crash keeps.
#[derive(Debug, Clone)]
pub(super) enum Crash {
    Here,
    Process,
    Power(Vec<Unit>),
}

impl Crash {
    /// In a word.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Here => "no crash",
            Self::Process => "process",
            Self::Power(_) => "power",
        }
    }
}

/// A text that is no case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACase {
    /// The scope is unknown.
    #[error("no scope is called `{0}`")]
    Scope(String),
    /// A letter is unknown.
    #[error("no letter is called `{0}`")]
    Letter(String),
    /// A crash is malformed.
    #[error("`{0}` is no crash: NUMBER here, NUMBER process, or NUMBER power UNITS")]
    Crash(String),
    /// The run has no such moment, or no such image.
    #[error("the run has no {0}")]
    Nowhere(String),
}

impl std::str::FromStr for Case {
    type Err = NotACase;

    fn from_str(text: &str) -> Result<Self, NotACase> {
        let (scope, rest) = text.split_once(':').ok_or_else(|| NotACase::Scope(text.to_owned()))?;
        let scope = Scope::named(scope.trim()).ok_or_else(|| NotACase::Scope(scope.to_owned()))?;
        let mut lives = rest.split('@');
        let mut sequence = Sequence { letters: Vec::new(), fault: None };
        for word in lives.next().unwrap_or_default().split_whitespace() {
            let letter = Letter::ALL.into_iter().find(|letter| letter.to_string() == word);
            match (letter, word.parse()) {
                (Some(letter), _) => sequence.letters.push(letter),
                (None, Ok(fault)) => sequence.fault = Some(fault),
                (None, Err(())) => return Err(NotACase::Letter(word.to_owned())),
            }
        }
        let crashes = lives.map(|life| crash(life).ok_or_else(|| NotACase::Crash(life.trim().to_owned())));
        Ok(Self { scope, sequence, crashes: crashes.collect::<Result<_, _>>()? })
    }
}

fn crash(text: &str) -> Option<(usize, Crash)> {
    let mut words = text.split_whitespace();
    let number = words.next()?.parse().ok()?;
    let crash = match (words.next()?, words.next()) {
        ("here", None) => Crash::Here,
        ("process", None) => Crash::Process,
        ("power", Some("none")) => Crash::Power(Vec::new()),
        ("power", Some(units)) => {
            Crash::Power(units.split(',').map(|unit| unit.parse().ok()).collect::<Option<_>>()?)
        }
        _ => return None,
    };
    Some((number, crash))
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&first_life(self.scope, &self.sequence))?;
        for (number, crash) in &self.crashes {
            match crash {
                Crash::Here => write!(f, " @ {number} here")?,
                Crash::Process => write!(f, " @ {number} process")?,
                Crash::Power(units) if units.is_empty() => write!(f, " @ {number} power none")?,
                Crash::Power(units) => {
                    let units: Vec<String> = units.iter().map(ToString::to_string).collect();
                    write!(f, " @ {number} power {}", units.join(","))?;
                }
            }
        }
        Ok(())
    }
}

impl Case {
    /// A case of a scope all of whose choices come from bytes: the letters, what goes wrong with a call of the last one, the
    /// moment of a crash, what it keeps, and, if nothing went wrong, a moment in the life behind it. Nothing where the bytes
    /// are too few.
    #[must_use]
    pub fn chosen<S: Archived>(scope: &'static Scope, bytes: &[u8]) -> Option<Self> {
        let mut input = Unstructured::new(bytes);
        let (mut situation, mut letters) = (Situation::behind(scope.prefix), Vec::new());
        for _ in 0..input.int_in_range(1..=LETTERS).ok()? {
            let possible: Vec<Letter> = scope
                .alphabet
                .iter()
                .copied()
                .filter(|letter| situation.clone().take(*letter).is_some())
                .collect();
            let letter = *input.choose(&possible).ok()?;
            situation.take(letter);
            letters.push(letter);
        }
        let mut sequence = Sequence { letters, fault: None };
        sequence.fault = struck::<S>(scope, &sequence, &mut input);
        let deeds = sequence.run::<S>(scope).deeds;
        let moments: Vec<&Arc<Moment>> = deeds
            .iter()
            .filter_map(|deed| match deed {
                Deed::Moment(moment) => Some(moment),
                _ => None,
            })
            .collect();
        let number = input.choose_index(moments.len()).ok()?;
        let crash = if input.ratio(1, 4).ok()? {
            Crash::Process
        } else {
            let pending = moments[number].snapshot.pending();
            let keep = |_: &Unit| input.arbitrary().unwrap_or(false);
            Crash::Power(pending.into_iter().filter(keep).collect())
        };
        let mut crashes = vec![(number, crash)];
        // What comes of two crashes and a failing call is known of no scope to be judged right.
        let twice = sequence.fault.is_none() && !input.is_empty();
        if let (true, Ok(again)) = (twice, input.int_in_range(0..=AGAIN)) {
            crashes.push((again, if again % 2 == 0 { Crash::Power(Vec::new()) } else { Crash::Process }));
        }
        Some(Self { scope, sequence, crashes })
    }

    /// How many steps of clients and of the world it is: the create, what is done, what goes wrong, and each crash with the open
    /// behind it.
    #[must_use]
    pub fn steps(&self) -> usize {
        let Sequence { letters, fault } = &self.sequence;
        1 + letters.len() + usize::from(fault.is_some()) + 2 * self.crashes.len()
    }

    /// Moves the last crash to an earlier moment; false if there is none.
    pub fn earlier(&mut self) -> bool {
        match self.crashes.last_mut() {
            Some((number, _)) if *number > 0 => {
                *number /= 2;
                true
            }
            _ => false,
        }
    }

    /// Runs it, and says what happened, line by line; the last line is the verdict. Without a crash what the engine does is
    /// held against the mechanism.
    ///
    /// # Errors
    /// When the text names a moment or units that the run does not have.
    pub fn run<S: Archived>(&self) -> Result<(Vec<String>, bool), NotACase> {
        if self.crashes.is_empty() {
            return Ok(match self.sequence.walked::<S>(self.scope) {
                Ok(walked) => {
                    (vec![format!("{} steps of the mechanism", walked.steps), "holds".to_owned()], true)
                }
                Err((refused, says)) => (vec![format!("VIOLATED {}: {says}", refused.breaks())], false),
            });
        }
        let mut lines = Vec::new();
        let mut deeds = self.sequence.run::<S>(self.scope).deeds;
        let mut contract = Contract::new();
        for (life, (number, crash)) in self.crashes.iter().enumerate() {
            lines.push(format!("life {}", life + 1));
            let moment = live(&mut contract, &deeds, *number, &mut lines)?;
            let Some((kind, image)) = crashed(&moment, crash)? else { break };
            lines.push(format!("crash: {kind}"));
            let owed = contract.obligations(kind);
            contract.crash(kind);
            let recovery = self.recovered::<S>(life, &image, false);
            lines.push(format!("the disk holds: {}", summary(&recovery.before)));
            lines.push(format!("open: {}", end(&recovery.ended)));
            if let Err(violation) = recovery.judge(&owed) {
                lines.push(format!("VIOLATED {violation}"));
                return Ok((lines, false));
            }
            deeds = recovery.deeds;
        }
        let broken = lines.iter().any(|line| line.starts_with("VIOLATED"));
        lines.push(if broken { "violated" } else { "holds" }.to_owned());
        Ok((lines, !broken))
    }

    /// What comes of the life behind a crash; crashes are counted from 0. `told` makes each step of the engine a deed.
    pub(super) fn recovered<S: Archived>(&self, crash: usize, image: &Image, told: bool) -> Recovery {
        let life = u32::try_from(crash + 1).unwrap_or(u32::MAX);
        let struck = self.sequence.fault.is_some();
        let goes_on = Some(GoesOn { life, told });
        Recovery::run::<S>(self.scope, image, goes_on, struck, &oracle::Readings::default())
    }
}

/// What the input says goes wrong with a call of the last step, if anything.
fn struck<S: Archived>(scope: &Scope, sequence: &Sequence, input: &mut Unstructured<'_>) -> Option<Struck> {
    let may = sequence.letters.last().is_some_and(|last| Scope::struck(*last));
    let ways = if may { Struck::ways(&sequence.calls::<S>(scope)) } else { Vec::new() };
    let chosen: usize = input.int_in_range(0..=ways.len()).ok()?;
    ways.get(chosen.checked_sub(1)?).copied()
}

/// Follows a life up to a moment.
pub(super) fn live(
    contract: &mut Contract,
    deeds: &[Deed],
    number: usize,
    lines: &mut Vec<String>,
) -> Result<Arc<Moment>, NotACase> {
    let mut call = None;
    let mut moments = 0;
    for deed in deeds {
        if let Err(violation) = follow(contract, &mut call, deed) {
            lines.push(format!("VIOLATED {violation}"));
        }
        match deed {
            Deed::Moment(moment) => {
                lines.push(format!("  @ {moments} {:?}", moment.at));
                if moments == number {
                    return Ok(Arc::clone(moment));
                }
                moments += 1;
            }
            Deed::Begin(step) => lines.push(format!("client {step}")),
            Deed::Finish(outcome) => lines.push(format!("-> {outcome}")),
            other => lines.push(format!("  {other:?}")),
        }
    }
    Err(NotACase::Nowhere(format!("moment {number}")))
}

pub(super) fn crashed(moment: &Moment, crash: &Crash) -> Result<Option<(CrashKind, Image)>, NotACase> {
    Ok(match crash {
        Crash::Here => None,
        Crash::Process => Some((CrashKind::Process, moment.snapshot.process_crash())),
        Crash::Power(units) => {
            let image = moment.snapshot.image(units).map_err(|error| NotACase::Nowhere(error.to_string()))?;
            Some((CrashKind::Power, image))
        }
    })
}

fn summary(reading: &oracle::Reading) -> String {
    let batches = reading.kept.iter().map(|batch| {
        format!(
            "seg-{}@{}: {}..{} after {}",
            batch.segment,
            batch.offset,
            batch.base,
            batch.next(),
            batch.watermark
        )
    });
    let segments: Vec<u64> = reading.segments.keys().copied().collect();
    let named = reading.manifest.as_ref().map(|manifest| &manifest.segments);
    format!(
        "segments {segments:?}, named {named:?}, vouched {}, {:?}",
        reading.vouched,
        batches.collect::<Vec<_>>()
    )
}

fn end(ended: &oracle::Ended) -> String {
    match ended {
        oracle::Ended::Opened { state, unread } => format!(
            "records {:?}, next {}, trimmed {}, damage {:?}, read-only {}, unread {unread:?}",
            state.records.iter().map(|record| record.lsn).collect::<Vec<_>>(),
            state.next,
            state.trimmed,
            state.damage,
            state.read_only
        ),
        oracle::Ended::Refused(refusal) => refusal.says.clone(),
    }
}
