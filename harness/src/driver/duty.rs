//! What a sync is for: the part it plays, so that a disk can leave out that part and no other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use truelog_env::Op;
use truelog_spec::ClientStep;

use crate::fabric::{Call, DriveFile, Edge, Role, SimFs, SyncOp};

/// The phase of an open.
const OPEN: &str = "open";
/// The phase in which the archive does its own work: a step of it, a compaction and a scrub take the same path.
const ARCHIVE: &str = "archive";

/// The part that a sync plays: on which kind of file, in which phase and, for a directory, after which change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duty {
    /// What the client is doing.
    pub phase: &'static str,
    /// The kind of file.
    pub file: &'static str,
    /// How it is synced.
    pub sync: SyncOp,
    /// The last change of a name before it; empty for what is no directory.
    pub after: &'static str,
}

impl Duty {
    /// Whether an open can play this part.
    #[must_use]
    pub fn is_of_open(self) -> bool {
        self.phase == OPEN
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sync = match self.sync {
            SyncOp::Data => "sync-data",
            SyncOp::All => "sync-all",
            SyncOp::Dir => "sync-dir",
            SyncOp::WriteThrough => "write-through",
        };
        write!(f, "{}: {sync} {}", self.phase, self.file)?;
        if self.after.is_empty() { Ok(()) } else { write!(f, " after {}", self.after) }
    }
}

/// Watches the syncs of a life, and has one kind of them left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Duties(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    phase: &'static str,
    changed: &'static str,
    ignored: Option<Duty>,
    seen: BTreeMap<Duty, u64>,
}

impl Duties {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ignore(&self, duty: Option<Duty>) {
        self.state().ignored = duty;
    }

    pub(super) fn seen(&self) -> BTreeMap<Duty, u64> {
        self.state().seen.clone()
    }

    pub(super) fn forget(&self) {
        self.state().seen.clear();
    }

    /// A client's call begins.
    pub(super) fn enter(&self, step: &ClientStep) {
        let mut state = self.state();
        state.changed = "";
        state.phase = match step {
            ClientStep::Create => "create",
            ClientStep::Open => OPEN,
            ClientStep::Trim { .. } => "trim",
            ClientStep::Close => "close",
            ClientStep::Adopt => "adopt",
            ClientStep::AcceptLoss => "accept-loss",
            ClientStep::RebuildManifest => "rebuild",
            ClientStep::AddDrive { .. } => "add-drive",
            ClientStep::Compact | ClientStep::Scrub => ARCHIVE,
            ClientStep::Append(_)
            | ClientStep::Batch(_)
            | ClientStep::Submit { .. }
            | ClientStep::Wait { .. }
            | ClientStep::Tick
            | ClientStep::Read { .. }
            | ClientStep::Hold { .. }
            | ClientStep::Release { .. }
            | ClientStep::Inspect => "append",
        };
    }

    /// The archive works, whatever the client is doing besides.
    pub(super) fn enter_archive(&self) {
        let mut state = self.state();
        state.changed = "";
        state.phase = ARCHIVE;
    }

    /// Looks at a call; leaves out the sync if it is the one, and says so.
    pub(super) fn see(&self, disk: &SimFs, call: &Call, edge: Edge) -> bool {
        match edge {
            Edge::Begin => {
                let Some(sync) = sync_of(call) else { return false };
                let mut state = self.state();
                let after = if sync == SyncOp::Dir { state.changed } else { "" };
                let duty = Duty { phase: state.phase, file: file(call.role), sync, after };
                *state.seen.entry(duty).or_default() += 1;
                let ignored = state.ignored == Some(duty);
                if ignored {
                    disk.ignore_sync(call.role, sync);
                }
                ignored
            }
            Edge::End(_) => {
                let mut state = self.state();
                if state.ignored.is_some() && sync_of(call).is_some() {
                    disk.honour_syncs();
                }
                let to = call.to.as_ref().map_or(call.role, |(_, role)| *role);
                state.changed = match (call.op, file(to)) {
                    (Op::Rename, "manifest" | "drive/manifest") => "rename manifest",
                    (Op::Rename, "identity" | "drive/identity") => "rename identity",
                    (Op::Rename, "drive/run") => "rename run",
                    (Op::Rename, _) if file(call.role) == "drive/run" => "putting a run aside",
                    (Op::Rename, "segment.tmp") => "keeping a segment's file",
                    (Op::Rename, _) => "rename segment",
                    (Op::Unlink, _) => "unlink",
                    (Op::CreateDir, _) => "mkdir",
                    _ => state.changed,
                };
                false
            }
        }
    }
}

fn sync_of(call: &Call) -> Option<SyncOp> {
    match call.op {
        Op::SyncData => Some(SyncOp::Data),
        Op::SyncAll => Some(SyncOp::All),
        Op::SyncDir => Some(SyncOp::Dir),
        Op::Write if call.mode.write_through => Some(SyncOp::WriteThrough),
        _ => None,
    }
}

const fn file(role: Role) -> &'static str {
    match role {
        Role::Identity => "identity",
        Role::IdentityTmp => "identity.tmp",
        Role::Manifest => "manifest",
        Role::ManifestTmp => "manifest.tmp",
        Role::Segment(_) => "segment",
        Role::SegmentTmp(_) => "segment.tmp",
        Role::InDoubt => "in-doubt",
        Role::LogDir => "dir",
        Role::Drive(_) => "drive",
        Role::OnDrive(_, file) => match file {
            DriveFile::Identity => "drive/identity",
            DriveFile::IdentityTmp => "drive/identity.tmp",
            DriveFile::Manifest => "drive/manifest",
            DriveFile::ManifestTmp => "drive/manifest.tmp",
            DriveFile::Run(_) => "drive/run",
            DriveFile::RunTmp(_) => "drive/run.tmp",
            DriveFile::InDoubt => "drive/in-doubt",
        },
        Role::Ancestor => "ancestor",
        Role::Foreign => "foreign",
    }
}
