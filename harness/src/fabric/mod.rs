//! A disk that loses what it may lose: the file system of tests, with every crash that POSIX allows.
//!
//! [`SimFs`] implements the engine's `Fs` over memory. Nothing is durable until a sync says so (Gate W): each
//! sector, each length and each name persists on its own, by the numbered rules of DESIGN 6; a [`Profile`] narrows
//! that by the [`Rule`]s that a real file system was seen to keep. [`Snapshot`] is the disk at one moment,
//! [`Images`] all that a loss of power can make of it, [`Image`] one of these, from which the next life begins.
//! [`Damage`] and the lying [`Fault`]s are Gate D: to be detected, never to be survived.
//!
//! Everything is deterministic: one seed, one history.

mod call;
mod content;
mod damage;
mod disk;
mod drive;
mod durable;
mod fault;
mod image;
mod images;
mod ops;
mod role;
mod rules;
mod simfs;
mod snapshot;
mod space;
mod surroundings;
mod unit;
mod world;

pub(crate) use content::mix;

pub use call::{Call, Edge, Hook, LogRecord};
pub use damage::{Damage, DamageError};
pub use drive::{DriveFile, drive_dir, drive_name, drive_number};
pub use fault::{Fault, FaultId, Plan, Reads, SyncOp, Unwound};
pub use image::Image;
pub use images::{Choice, Coverage, Images, PowerCrash};
pub use role::{NoSuchRole, Role, RolePattern};
pub use rules::{Profile, Rule};
pub use simfs::{Faults, LOG_DIR, SimFs};
pub use snapshot::{KeepError, Snapshot};
pub use unit::{NoSuchUnit, Unit, UnitKind};
