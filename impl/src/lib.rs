//! A write-ahead log that cannot say "durable" before it is true.
//!
//! Many threads append records to one log; a record is acknowledged by a [`Receipt`] once it survives what
//! its [`Durability`] names. One caller leads: it writes the open batch, syncs it, checks that the file is
//! still in its place, publishes the durable watermark and wakes the rest. A failed write or sync poisons the
//! handle for good: only a new open, whose recovery trusts no byte that nothing vouches for, goes on.
//!
//! All input and output goes through [`truelog_env::Env`]; [`os::native`] is the real one. All
//! synchronisation goes through one facade, so that the harness can mount these sources over loom and over
//! shuttle.

// Public in the plain build too, though no part of the library's interface: the harness runs the production slot word
// in virtual time, where neither loom nor shuttle has its runtime.
#[doc(hidden)]
pub mod archive;
mod audit;
mod backoff;
mod batch;
mod block;
mod board;
mod catalog;
mod clock;
mod codec;
mod commit;
mod create;
mod doubt;
mod engine;
mod error;
pub mod event;
mod explain;
pub mod format;
mod front;
mod health;
mod histogram;
mod home;
mod house;
mod identity;
mod inspect;
mod lanes;
mod log;
mod lsn;
mod manifest;
mod mark;
mod metrics;
mod names;
mod options;
pub mod os;
mod payload;
mod placed;
mod read_back;
mod read_buf;
mod reader;
mod receipt;
mod recovery;
mod segment;
mod snapshot;
mod span;
mod spare;
mod stat;
mod tail;
mod ticket;
mod timed;
mod types;
mod verify;
mod walk;
mod way;
mod worker;

#[cfg(any(truelog_loom, truelog_shuttle))]
pub mod group_commit;
#[cfg(not(any(truelog_loom, truelog_shuttle)))]
#[allow(unreachable_pub, reason = "public in the mounts, for the harness's scenarios")]
mod group_commit;

#[cfg(any(truelog_loom, truelog_shuttle))]
pub mod sync;
#[cfg(not(any(truelog_loom, truelog_shuttle)))]
#[allow(unreachable_pub, reason = "public in the mounts, for the harness's scenarios")]
mod sync;

pub use archive::drive::DriveOut;
pub use archive::entry::{DriveEntry, DriveFault, DriveId, DriveStatus, Evidence};
pub use archive::keeper::ArchiveProgress;
pub use archive::orphans::{Kept, Orphan};
pub use archive::prefetch::PrefetchStat;
pub use archive::run::RunEntry;
pub use archive::scrub::{BadCopy, CopyOutcome, ScrubReport};
pub use archive::set::DriveSet;
pub use archive::shelf::DriveState;
pub use audit::{AuditProgress, AuditStat, Audited};
pub use catalog::Damage;
pub use clock::ClockCheck;
pub use engine::{Progress, Trimmed};
pub use error::{Error, NotALog, ReadOnlyWhy, Reason, Result, caution_text, weakness_text};
pub use event::{Event, Observer, Place};
pub use explain::{codes, explain};
pub use health::{Condition, Finding, Health, Rule as HealthRule, Severity};
pub use histogram::SyncDurations;
pub use inspect::{Inspection, inspect, inspect_in};
pub use log::Log;
pub use lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo, Seq, StreamId};
pub use manifest::recorded_options;
pub use metrics::{Metric, MetricKind, Metrics, Snapshot};
pub use names::Name;
pub use options::{
    Fill, MAX_BATCH, MAX_BLOCK, MAX_COPIES, MAX_MANIFEST_BLOCKS, MAX_SEGMENT, MAX_STREAMS, MIN_BLOCK,
    Options, SyncMethod,
};
pub use payload::Payload;
pub use placed::PlaceCheck;
pub use reader::Iter;
pub use receipt::{Claim, Receipt, Unverifiable, Verdict, Violation};
pub use recovery::{
    LossOptions, RebuildOptions, Rebuilt, Recovered, Row, accept_loss, accept_loss_in, adopt, adopt_in,
    rebuild_manifest, rebuild_manifest_in,
};
pub use stat::Stat;
pub use sync::runtime_name;
pub use tail::Tail;
pub use ticket::Ticket;
pub use types::{Digest, Durability, Entry, LogId, ParseError, Record};
pub use verify::{Report, verify_dir, verify_dir_in};
pub use way::BatchSize;

/// The example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
