//! What the hook and the log see of every call.

use std::path::Path;
use std::sync::Arc;

use truelog_env::{IoError, Op, OpenMode};

use super::Role;

/// One call of the engine on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Counts the calls of one life, from 1. The same at both edges.
    pub id: u64,
    /// What is asked for.
    pub op: Op,
    /// The path it is asked of; for an open file the name it has now, or had last.
    pub path: Arc<Path>,
    /// What that path is to the log.
    pub role: Role,
    /// For a rename: the new path and its role.
    pub to: Option<(Arc<Path>, Role)>,
    /// How the file is, or is to be, opened; [`OpenMode::READ`] where there is no file.
    pub mode: OpenMode,
    /// Where a read or write begins, in bytes.
    pub offset: u64,
    /// How many bytes are asked for; for an allocation the length to reach.
    pub len: u64,
}

/// Which edge of a call the hook stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Before anything was done. A write that stands here is in flight: a crash may keep any part of it.
    Begin,
    /// After everything was done: bytes read or written (0 for other calls), or the failure to be returned.
    End(Result<u64, IoError>),
}

/// One entry of the log of calls: calls of several threads overlap, so each edge has its own entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The call.
    pub call: Arc<Call>,
    /// The edge.
    pub edge: Edge,
}

/// Called at both edges of every call, with no lock of the disk held: it may use the disk, and may switch threads.
pub type Hook = Arc<dyn Fn(&Call, Edge) + Send + Sync>;
