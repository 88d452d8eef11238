//! Recovery: a survey that only reads, a decision table over plain facts, and a repair that trusts nothing that
//! is not vouched for.

mod adopt;
mod chain;
mod judge;
mod loss;
mod lost_runs;
mod probe;
mod rebuild;
mod recheck;
mod repair;
mod runs;
mod survey;
mod table;

use crate::archive::shelf::DriveState;
use crate::catalog::Damage;
use crate::lsn::Lsn;

pub use adopt::{adopt, adopt_in};
pub(crate) use judge::uncovered;
pub use loss::{LossOptions, accept_loss, accept_loss_in};
pub use rebuild::{RebuildOptions, Rebuilt, rebuild_manifest, rebuild_manifest_in};
pub(crate) use repair::{Opened, open_fresh, open_surveyed};
pub(crate) use survey::survey;
pub use table::Row;

/// What an open found, and what it did about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The rows of the decision table that applied, in order.
    pub rows: Vec<Row>,
    /// The first record that is kept.
    pub first: Lsn,
    /// The LSN that the next record gets.
    pub next: Lsn,
    /// The last record that survives a loss of power; 0 for none.
    pub durable: Lsn,
    /// What is damaged. If anything is, nothing was written and the log is open for reading only.
    pub damage: Vec<Damage>,
    /// How many records were written again, because nothing vouched for their bytes.
    pub rewritten: u64,
    /// How many bytes were cut that had never been acknowledged.
    pub torn_bytes: u64,
    /// How many files were removed that nothing needs.
    pub orphans_removed: u64,
    /// The drives of the archive that do not serve, or cannot be written to, each with the reason.
    pub drives: Vec<DriveState>,
    /// Whether the log is open for reading only.
    pub read_only: bool,
}
