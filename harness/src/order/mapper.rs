//! From what was seen to steps of the specification: the table applied to one run.

use std::collections::HashMap;

use truelog_env::{IoKind, Op};
use truelog_spec::Step;
use truelog_spec::step::{
    BatchSpec, DriveNo, Edit, Ended, EngineStep, Lsns, OnDrive, PathCheck, Role as Name, RunNo, SyncKind,
    Verdict,
};

use super::bytes;
use super::pieces::{Pieces, ReadBack};
use super::seen::{Call, Result as Outcome, Seen};
use super::table::{self, Deed, Unmapped};
use crate::fabric::{DriveFile, Role};

/// A step, and the entry of the run that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The entry, from 0.
    pub at: usize,
    /// Of a call, the entry where it began; else the entry.
    pub began: usize,
    /// The step.
    pub step: Step,
}

/// Why a run is no list of steps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSteps {
    /// A call that changes something and has no row in the table.
    #[error("line {at}: {unmapped}")]
    Unmapped {
        /// The entry, from 0.
        at: usize,
        /// The call.
        unmapped: Unmapped,
    },
    /// Bytes that are neither a batch nor an edit, where only those may be.
    #[error("line {at}: {call} writes bytes that are no {expected}")]
    Bytes {
        /// The entry, from 0.
        at: usize,
        /// The call.
        call: String,
        /// What they should be.
        expected: &'static str,
    },
    /// A call ended that never began.
    #[error("line {at}: a call ends that never began")]
    NoBeginning {
        /// The entry, from 0.
        at: usize,
    },
}

/// Maps a whole run.
///
/// # Errors
/// The first entry that is no step.
pub fn map(run: &[Seen]) -> Result<Vec<Mapped>, NotSteps> {
    let mut mapper = Mapper::default();
    for (at, seen) in run.iter().enumerate() {
        mapper.entry(at, seen, run.get(at + 1))?;
    }
    Ok(mapper.take())
}

/// Maps a run entry by entry. Numbers count over the whole run, as the specification's do.
#[derive(Debug, Clone, Default)]
pub struct Mapper {
    steps: Vec<Mapped>,
    calls: HashMap<u64, (usize, Call)>,
    batches: Pieces<BatchSpec>,
    edits: Pieces<(u64, Edit)>,
    /// Of a piece of a run that is no block: nothing.
    blocks: Pieces<Option<Lsns>>,
    read_back: ReadBack,
    next_batch: u64,
    next_edit: u64,
}

impl Mapper {
    fn push(&mut self, at: usize, step: impl Into<Step>) {
        self.steps.push(Mapped { at, began: at, step: step.into() });
    }

    /// The steps mapped since this was last asked.
    pub fn take(&mut self) -> Vec<Mapped> {
        std::mem::take(&mut self.steps)
    }

    /// What a call that now begins is if all of it is done, as far as that is one step.
    #[must_use]
    pub fn foresee(&self, call: &Call) -> Option<EngineStep> {
        let mut ahead = Self { steps: Vec::new(), ..self.clone() };
        let done = Outcome::Ok(call.len);
        ahead.ended(0, call, done).ok()?;
        match ahead.steps.as_slice() {
            [Mapped { step: Step::Engine(step), .. }] => Some(*step),
            _ => None,
        }
    }

    /// Maps one entry. `next` is the one behind it, where that is known: a sync that nothing else falls into is
    /// one step.
    ///
    /// # Errors
    /// When the entry is no step.
    pub fn entry(&mut self, at: usize, seen: &Seen, next: Option<&Seen>) -> Result<(), NotSteps> {
        match seen {
            Seen::Begin(number, call) => {
                // Looked up at once: a call without a row is an error even if it never ends.
                let row = table::lookup(call.role, call.op, call.through)
                    .map_err(|unmapped| NotSteps::Unmapped { at, unmapped })?;
                let alone = next.is_none_or(|next| matches!(next, Seen::End(other, _) if other == number));
                if let (Some(Deed::SyncData | Deed::SyncAll), Some(name)) =
                    (row.map(|row| row.deed), name(call.role))
                    && !alone
                {
                    self.push(at, EngineStep::SyncStart(name));
                }
                self.calls.insert(*number, (at, call.clone()));
            }
            Seen::End(number, outcome) => {
                let (began, call) = self.calls.remove(number).ok_or(NotSteps::NoBeginning { at })?;
                let before = self.steps.len();
                self.ended(at, &call, *outcome)?;
                self.steps[before..].iter_mut().for_each(|mapped| mapped.began = began);
            }
            Seen::Unlock => self.push(at, EngineStep::Unlock),
            Seen::Claim(durability, upto) => self.push(at, EngineStep::Publish(*durability, *upto)),
            Seen::Ack(lsns, durability) => self.push(at, EngineStep::Ack(*lsns, *durability)),
            Seen::Ready(next, read_only) => {
                self.push(at, EngineStep::Ready { next: *next, read_only: *read_only });
            }
            Seen::Trimmed(before) => self.push(at, EngineStep::Trimmed { before: *before }),
            Seen::Poisoned => self.push(at, EngineStep::Poison),
            Seen::Client(step) => self.push(at, step.clone()),
            Seen::World(step) => self.push(at, step.clone()),
        }
        Ok(())
    }

    fn ended(&mut self, at: usize, call: &Call, outcome: Outcome) -> Result<(), NotSteps> {
        // Interrupted, it has done nothing and is repeated.
        if outcome == Outcome::Failed(IoKind::Interrupted) {
            return Ok(());
        }
        let lookup = table::lookup(call.role, call.op, call.through);
        let Some(row) = lookup.map_err(|unmapped| NotSteps::Unmapped { at, unmapped })? else {
            return Ok(());
        };
        let Some(role) = name(call.role) else { return Ok(()) };
        let whole = matches!(outcome, Outcome::Ok(n) if call.op != Op::Write || n == call.len);
        let ended = match outcome {
            Outcome::Ok(_) if whole => Ended::Done,
            Outcome::Ok(_) => Ended::Short,
            Outcome::Other | Outcome::Failed(_) => Ended::Failed,
        };
        let step = match row.deed {
            // What is not there is not removed.
            Deed::Unlink if outcome == Outcome::Failed(IoKind::NotFound) => return Ok(()),
            // Somebody else's directory, taken over.
            Deed::Mkdir if outcome == Outcome::Failed(IoKind::AlreadyExists) => return Ok(()),
            Deed::Mkdir => EngineStep::Mkdir(role, ended),
            Deed::Lock => {
                // What an earlier life had in the making is not gone on with, whoever reads it.
                self.read_back = ReadBack::default();
                EngineStep::Lock(ended)
            }
            Deed::Create => {
                self.created(call.role);
                EngineStep::Create(role, ended)
            }
            Deed::Allocate => EngineStep::Allocate(role, ended),
            Deed::Fill => EngineStep::Fill(role, ended),
            Deed::SyncData => EngineStep::Sync(SyncKind::Data, role, ended),
            Deed::SyncAll => EngineStep::Sync(SyncKind::All, role, ended),
            Deed::SyncDir => EngineStep::SyncDir(role, ended),
            Deed::Rename => {
                EngineStep::Rename(role, renamed_to(at, call, |to| to == published(role))?, ended)
            }
            Deed::Unlink => EngineStep::Unlink(role, ended),
            Deed::Reuse => {
                let next = renamed_to(at, call, |to| matches!(to, Name::SegmentTmp(_)))?;
                self.push(at, EngineStep::Unlink(role, ended));
                if ended != Ended::Done {
                    return Ok(());
                }
                EngineStep::Create(next, ended)
            }
            Deed::Doubt | Deed::Ground => return Ok(()),
            Deed::Check => match check(role, outcome) {
                Some(step) => step,
                None => return Ok(()),
            },
            Deed::Blocks => match self.block(call, outcome) {
                Some((drive, run, lsns)) => EngineStep::WriteBlocks(drive, run, lsns, ended),
                None => EngineStep::Fill(role, ended),
            },
            Deed::ReadBack => match self.read_back.read(call, outcome) {
                Some((drive, run)) => EngineStep::Verify(drive, run, Verdict::Good),
                None => return Ok(()),
            },
            Deed::Batch => EngineStep::WriteBatch(self.batch(at, call)?, ended),
            Deed::Edit => {
                let (number, edit) = self.edit(at, call)?;
                EngineStep::WriteEdit(number, edit, ended)
            }
        };
        self.push(at, step);
        Ok(())
    }

    /// A file begins: nothing of an older one of that name goes on.
    fn created(&mut self, role: Role) {
        match role {
            Role::ManifestTmp => self.edits.clear(),
            Role::OnDrive(drive, DriveFile::RunTmp(run)) => {
                self.blocks.forget(role);
                self.read_back.begin(drive, run);
            }
            _ => {}
        }
    }

    /// The batch that a write to a segment is, or goes on with.
    fn batch(&mut self, at: usize, call: &Call) -> Result<BatchSpec, NotSteps> {
        let Role::Segment(segment) = call.role else { return Err(unreadable(at, call, "batch")) };
        if let Some(begun) = self.batches.goes_on(call) {
            return Ok(begun);
        }
        let lsns = bytes::batch(&call.head).ok_or_else(|| unreadable(at, call, "batch"))?;
        self.next_batch += 1;
        let what = BatchSpec { batch: self.next_batch, segment, lsns, through: call.through };
        Ok(self.batches.begin(call, what))
    }

    /// The manifest entry that a write is, or goes on with.
    fn edit(&mut self, at: usize, call: &Call) -> Result<(u64, Edit), NotSteps> {
        if let Some(begun) = self.edits.goes_on(call) {
            return Ok(begun);
        }
        let edit = bytes::edit(&call.head).ok_or_else(|| unreadable(at, call, "manifest entry"))?;
        self.next_edit += 1;
        Ok(self.edits.begin(call, (self.next_edit, edit)))
    }

    /// The records that a write to a run is, or goes on with; nothing for a run's header and its index.
    fn block(&mut self, call: &Call, outcome: Outcome) -> Option<(DriveNo, RunNo, Lsns)> {
        let Role::OnDrive(drive, DriveFile::RunTmp(run)) = call.role else { return None };
        self.read_back.wrote(call, outcome);
        let begun = self.blocks.goes_on(call);
        let lsns = begun.unwrap_or_else(|| self.blocks.begin(call, bytes::block(&call.head)))?;
        Some((drive, run, lsns))
    }
}

/// The new name of a rename, if it is one that the table means.
fn renamed_to(at: usize, call: &Call, fits: impl Fn(Name) -> bool) -> Result<Name, NotSteps> {
    let unmapped = Unmapped { role: call.to.unwrap_or(call.role), op: call.op, through: call.through };
    call.to.and_then(name).filter(|to| fits(*to)).ok_or(NotSteps::Unmapped { at, unmapped })
}

fn unreadable(at: usize, call: &Call, expected: &'static str) -> NotSteps {
    NotSteps::Bytes { at, call: call.to_string(), expected }
}

/// The specification's word for a role; nothing for what is not the log's.
#[must_use]
pub fn name(role: Role) -> Option<Name> {
    Some(match role {
        Role::Identity => Name::Identity,
        Role::IdentityTmp => Name::IdentityTmp,
        Role::Manifest => Name::Manifest,
        Role::ManifestTmp => Name::ManifestTmp,
        Role::Segment(number) => Name::Segment(number),
        Role::SegmentTmp(number) => Name::SegmentTmp(number),
        Role::LogDir => Name::Dir,
        Role::Ancestor => Name::Ancestor,
        Role::Drive(drive) => Name::Drive(drive),
        Role::OnDrive(drive, file) => Name::OnDrive(drive, on_drive(file)?),
        Role::InDoubt | Role::Foreign => return None,
    })
}

const fn on_drive(file: DriveFile) -> Option<OnDrive> {
    Some(match file {
        DriveFile::Identity => OnDrive::Identity,
        DriveFile::IdentityTmp => OnDrive::IdentityTmp,
        DriveFile::Manifest => OnDrive::Manifest,
        DriveFile::ManifestTmp => OnDrive::ManifestTmp,
        DriveFile::Run(number) => OnDrive::Run(number),
        DriveFile::RunTmp(number) => OnDrive::RunTmp(number),
        DriveFile::InDoubt => return None,
    })
}

/// The name that a temporary one is for.
const fn published(role: Name) -> Name {
    match role {
        Name::IdentityTmp => Name::Identity,
        Name::ManifestTmp => Name::Manifest,
        Name::SegmentTmp(number) => Name::Segment(number),
        Name::OnDrive(drive, file) => Name::OnDrive(drive, file.published()),
        other => other,
    }
}

fn check(role: Name, outcome: Outcome) -> Option<EngineStep> {
    let Name::Segment(number) = role else { return None };
    Some(EngineStep::Check(
        number,
        match outcome {
            Outcome::Ok(_) => PathCheck::Same,
            Outcome::Other => PathCheck::Other,
            Outcome::Failed(IoKind::NotFound) => PathCheck::Gone,
            // Nothing was learned.
            Outcome::Failed(_) => return None,
        },
    ))
}
