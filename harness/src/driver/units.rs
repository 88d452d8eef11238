//! Units by the names that traces give them: which bytes of which file they are.

use std::sync::{Arc, Mutex, PoisonError};

use truelog_env::Op;
use truelog_spec::step::{Keep, Role as SpecRole, Unit as SpecUnit};

use super::world::{Impossible, fabric_role};
use crate::fabric::{Call, Edge, Role, Unit, UnitKind};

/// The bytes of one batch or one manifest entry.
#[derive(Debug, Clone, Copy)]
struct Written {
    role: Role,
    offset: u64,
    len: u64,
}

#[derive(Debug, Default)]
struct Seen {
    batches: Vec<Written>,
    edits: Vec<Written>,
}

/// The batches and manifest entries written so far, counted as traces count them: over all lives.
#[derive(Debug, Clone, Default)]
pub struct Units {
    seen: Arc<Mutex<Seen>>,
    sector: u64,
}

impl Units {
    /// Nothing is written yet, on a disk with such sectors.
    #[must_use]
    pub fn new(sector: u32) -> Self {
        Self { seen: Arc::default(), sector: u64::from(sector) }
    }

    /// Looks at a call.
    pub(crate) fn see(&self, call: &Call, edge: Edge) {
        if edge != Edge::Begin || call.op != Op::Write {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let list = match call.role {
            Role::Segment(_) => &mut seen.batches,
            Role::Manifest => &mut seen.edits,
            Role::ManifestTmp if call.offset == 0 => &mut seen.edits,
            _ => return,
        };
        // The rest of a short write belongs to what was begun.
        let rest = list.last().is_some_and(|last| {
            last.role == call.role && (last.offset + 1..last.offset + last.len).contains(&call.offset)
        });
        if !rest {
            list.push(Written { role: call.role, offset: call.offset, len: call.len });
        }
    }

    /// The file, offset and length in bytes of a unit that has any.
    pub(crate) fn place(&self, unit: SpecUnit) -> Option<(SpecRole, u64, u64)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let nth =
            |list: &[Written], number: u64| list.get(usize::try_from(number.checked_sub(1)?).ok()?).copied();
        let (written, sector) = match unit {
            SpecUnit::Batch(number, sector) => (nth(&seen.batches, number)?, sector),
            SpecUnit::Edit(number, sector) => (nth(&seen.edits, number)?, sector),
            SpecUnit::Data(role, sector) => {
                return Some((role, sector.unwrap_or(0) * self.sector, self.sector));
            }
            SpecUnit::Size(role) | SpecUnit::Name(role) => return Some((role, 0, 0)),
            SpecUnit::Gone(_) => return None,
        };
        let role = match written.role {
            Role::Segment(number) => SpecRole::Segment(number),
            _ => SpecRole::Manifest,
        };
        Some(match sector {
            Some(sector) => (role, written.offset + sector * self.sector, self.sector),
            None => (role, written.offset, written.len),
        })
    }

    /// The pending units of the disk that a trace's units name.
    pub(crate) fn resolve(&self, keep: &Keep, pending: &[Unit]) -> Result<Vec<Unit>, Impossible> {
        match keep {
            Keep::None => Ok(Vec::new()),
            Keep::All => Ok(pending
                .iter()
                .filter(|unit| !matches!(unit.kind, UnitKind::Garbage(_)))
                .copied()
                .collect()),
            Keep::These(units) => {
                let found = units.iter().map(|unit| match self.pending(*unit, pending) {
                    found if found.is_empty() => Err(Impossible::NotPending(*unit)),
                    found => Ok(found),
                });
                Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
            }
        }
    }

    fn pending(&self, unit: SpecUnit, pending: &[Unit]) -> Vec<Unit> {
        let fits: Box<dyn Fn(&Unit) -> bool> = match unit {
            SpecUnit::Name(role) => {
                Box::new(move |one| one.kind == UnitKind::Name && one.role == fabric_role(role))
            }
            SpecUnit::Gone(role) => {
                Box::new(move |one| one.kind == UnitKind::Gone && one.role == fabric_role(role))
            }
            SpecUnit::Size(role) => {
                Box::new(move |one| one.kind == UnitKind::Size && one.role == fabric_role(role))
            }
            SpecUnit::Data(role, None) => {
                Box::new(move |one| matches!(one.kind, UnitKind::Sector(_)) && one.role == fabric_role(role))
            }
            SpecUnit::Data(..) | SpecUnit::Batch(..) | SpecUnit::Edit(..) => {
                let Some((role, offset, len)) = self.place(unit) else { return Vec::new() };
                let sectors = offset / self.sector..(offset + len).div_ceil(self.sector);
                Box::new(move |one| {
                    let here = matches!(one.kind, UnitKind::Sector(number) if sectors.contains(&number));
                    here && same_file(one.role, fabric_role(role))
                })
            }
        };
        pending.iter().filter(|one| fits(one)).copied().collect()
    }
}

/// A manifest's first record is written under the temporary name, and may be pending under either.
fn same_file(one: Role, wanted: Role) -> bool {
    one == wanted || (wanted == Role::Manifest && one == Role::ManifestTmp)
}
