//! The units that a loss of power keeps or loses, one by one.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{NoSuchRole, Role};

/// What of a file or name a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnitKind {
    /// The name leads to another file than before (a create or the target of a rename).
    Name,
    /// The name is gone (an unlink or the source of a rename).
    Gone,
    /// The length; choosing it also carries out the truncations up to it.
    Size,
    /// The bytes of one sector, by number.
    Sector(u64),
    /// One sector of a write in flight, by number: neither old nor new.
    Garbage(u64),
}

/// Something written and not yet synced: a crash of power keeps it or not, on its own.
///
/// The text is `name:seg-1`, `gone:seg-1.tmp`, `seg-1.size`, `seg-1.sector:3`, `seg-1.garbage:3`. The second and
/// later versions since the last sync end in `#2`, `#3`. A file whose name was taken or removed is written
/// with `~1` (the last one that had the name), `~2` and so on: `manifest~1.sector:3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Unit {
    /// What the file or name is to the log.
    pub role: Role,
    /// Which of the files that had this role: 0 is the one that has it now.
    pub ago: u32,
    /// What of it.
    pub kind: UnitKind,
    /// Which version since the last sync, from 1, oldest first.
    pub version: u32,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            UnitKind::Name => f.write_str("name:")?,
            UnitKind::Gone => f.write_str("gone:")?,
            _ => {}
        }
        write!(f, "{}", self.role)?;
        if self.ago > 0 {
            write!(f, "~{}", self.ago)?;
        }
        match self.kind {
            UnitKind::Name | UnitKind::Gone => {}
            UnitKind::Size => f.write_str(".size")?,
            UnitKind::Sector(number) => write!(f, ".sector:{number}")?,
            UnitKind::Garbage(number) => write!(f, ".garbage:{number}")?,
        }
        if self.version > 1 {
            write!(f, "#{}", self.version)?;
        }
        Ok(())
    }
}

/// A text that names no unit.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoSuchUnit {
    /// The file's role is unknown.
    #[error(transparent)]
    Role(#[from] NoSuchRole),
    /// The form is wrong.
    #[error("`{0}` names no unit: name:ROLE, gone:ROLE, ROLE.size, ROLE.sector:N or ROLE.garbage:N")]
    Form(String),
}

impl FromStr for Unit {
    type Err = NoSuchUnit;

    fn from_str(text: &str) -> Result<Self, NoSuchUnit> {
        let wrong = || NoSuchUnit::Form(text.to_owned());
        let (body, version) = match text.split_once('#') {
            Some((body, version)) => (body, version.parse().map_err(|_| wrong())?),
            None => (text, 1),
        };
        let (role, kind) = if let Some(role) = body.strip_prefix("name:") {
            (role, UnitKind::Name)
        } else if let Some(role) = body.strip_prefix("gone:") {
            (role, UnitKind::Gone)
        } else {
            let (role, part) = body.rsplit_once('.').ok_or_else(wrong)?;
            let kind = match part.split_once(':') {
                None if part == "size" => UnitKind::Size,
                Some(("sector", number)) => UnitKind::Sector(number.parse().map_err(|_| wrong())?),
                Some(("garbage", number)) => UnitKind::Garbage(number.parse().map_err(|_| wrong())?),
                _ => return Err(wrong()),
            };
            (role, kind)
        };
        let (role, ago) = match role.split_once('~') {
            Some((role, ago)) => (role, ago.parse().map_err(|_| wrong())?),
            None => (role, 0),
        };
        Ok(Self { role: role.parse()?, ago, kind, version })
    }
}
