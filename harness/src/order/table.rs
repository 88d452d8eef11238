//! The one table that says which step of the specification a call of the production code is.
//!
//! Every call that changes anything has a row, or is an error. Reads stutter, but for those of a run: a copy that was
//! read back counts as verified. The same table maps the calls of the simulated disk and those that strace saw.

use std::fmt;

use truelog_env::Op;

use crate::fabric::{DriveFile, Role};

/// Files and directories, segments of any number being one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `IDENTITY`.
    Identity,
    /// `IDENTITY.tmp`.
    IdentityTmp,
    /// `MANIFEST`.
    Manifest,
    /// `MANIFEST.tmp`.
    ManifestTmp,
    /// `segment-N`.
    Segment,
    /// `segment-N.tmp`.
    SegmentTmp,
    /// `IN-DOUBT-…`, beside the log or on a drive.
    InDoubt,
    /// A drive's directory.
    Drive,
    /// `DRIVE` of a drive.
    DriveIdentity,
    /// `DRIVE.tmp` of a drive.
    DriveIdentityTmp,
    /// `MANIFEST` of a drive.
    DriveManifest,
    /// `MANIFEST.tmp` of a drive.
    DriveManifestTmp,
    /// `run-N` of a drive.
    Run,
    /// `run-N.tmp` of a drive.
    RunTmp,
    /// The log's directory.
    Dir,
    /// A directory above it.
    Ancestor,
    /// Anything else.
    Foreign,
}

impl From<Role> for Kind {
    fn from(role: Role) -> Self {
        match role {
            Role::Identity => Self::Identity,
            Role::IdentityTmp => Self::IdentityTmp,
            Role::Manifest => Self::Manifest,
            Role::ManifestTmp => Self::ManifestTmp,
            Role::Segment(_) => Self::Segment,
            Role::SegmentTmp(_) => Self::SegmentTmp,
            Role::InDoubt | Role::OnDrive(_, DriveFile::InDoubt) => Self::InDoubt,
            Role::Drive(_) => Self::Drive,
            Role::OnDrive(_, DriveFile::Identity) => Self::DriveIdentity,
            Role::OnDrive(_, DriveFile::IdentityTmp) => Self::DriveIdentityTmp,
            Role::OnDrive(_, DriveFile::Manifest) => Self::DriveManifest,
            Role::OnDrive(_, DriveFile::ManifestTmp) => Self::DriveManifestTmp,
            Role::OnDrive(_, DriveFile::Run(_)) => Self::Run,
            Role::OnDrive(_, DriveFile::RunTmp(_)) => Self::RunTmp,
            Role::LogDir => Self::Dir,
            Role::Ancestor => Self::Ancestor,
            Role::Foreign => Self::Foreign,
        }
    }
}

/// What a call does in the words of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// `mkdir`.
    Mkdir,
    /// `lock`.
    Lock,
    /// `create`.
    Create,
    /// `allocate`.
    Allocate,
    /// `fill`: bytes that are no batch and no edit.
    Fill,
    /// `write blocks`; a run's header and its index are a `fill`.
    Blocks,
    /// `verify`, once each byte that was written to a copy of a run was read back through the run's name.
    ReadBack,
    /// `write batch`; with write-through the sync as well.
    Batch,
    /// `write edit`: a manifest entry, the checkpoint among them.
    Edit,
    /// `sync-data`.
    SyncData,
    /// `sync-all`.
    SyncAll,
    /// `sync-dir`.
    SyncDir,
    /// `rename`, to the name that the temporary one is for.
    Rename,
    /// `unlink`.
    Unlink,
    /// `unlink`, and `create` of the next segment, by one rename: the name goes as if it were removed, and what the file holds
    /// then is for its fill and the batches' own places to rule out.
    Reuse,
    /// `check`: the look at a segment's path.
    Check,
    /// No step: the mechanism does not say what a second create or adopt may do after the syncs of the first failed, so
    /// it has no name that forbids one. That the name comes before the first such sync, and is heeded, is for the check
    /// `faults` to see.
    Doubt,
    /// No step: the mechanism has a drive's directory from the drive's first file on, and one log that adds it. That the
    /// directory's own name is durable is for the check `roles` to see.
    Ground,
}

/// A row: a kind of file, a call, whether each write is its own sync, and what that is.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What the call is made on.
    pub kind: Kind,
    /// The call.
    pub op: Op,
    /// Write-through: `None` where it makes no difference.
    pub through: Option<bool>,
    /// What it is.
    pub deed: Deed,
}

const fn row(kind: Kind, op: Op, deed: Deed) -> Row {
    Row { kind, op, through: None, deed }
}

/// The table.
pub const TABLE: &[Row] = &[
    row(Kind::Dir, Op::CreateDir, Deed::Mkdir),
    row(Kind::Dir, Op::Lock, Deed::Lock),
    row(Kind::Dir, Op::SyncDir, Deed::SyncDir),
    row(Kind::Ancestor, Op::SyncDir, Deed::SyncDir),
    row(Kind::InDoubt, Op::Create, Deed::Doubt),
    row(Kind::InDoubt, Op::Unlink, Deed::Doubt),
    row(Kind::IdentityTmp, Op::Create, Deed::Create),
    Row { through: Some(false), ..row(Kind::IdentityTmp, Op::Write, Deed::Fill) },
    row(Kind::IdentityTmp, Op::SyncAll, Deed::SyncAll),
    row(Kind::IdentityTmp, Op::Rename, Deed::Rename),
    row(Kind::IdentityTmp, Op::Unlink, Deed::Unlink),
    row(Kind::ManifestTmp, Op::Create, Deed::Create),
    Row { through: Some(false), ..row(Kind::ManifestTmp, Op::Write, Deed::Edit) },
    row(Kind::ManifestTmp, Op::SyncAll, Deed::SyncAll),
    row(Kind::ManifestTmp, Op::Rename, Deed::Rename),
    row(Kind::ManifestTmp, Op::Unlink, Deed::Unlink),
    Row { through: Some(false), ..row(Kind::Manifest, Op::Write, Deed::Edit) },
    row(Kind::Manifest, Op::SyncData, Deed::SyncData),
    row(Kind::Manifest, Op::SyncAll, Deed::SyncAll),
    row(Kind::SegmentTmp, Op::Create, Deed::Create),
    row(Kind::SegmentTmp, Op::Allocate, Deed::Allocate),
    // Its header may be durable at once, which nothing stands on: the sync behind the fill has it once more.
    row(Kind::SegmentTmp, Op::Write, Deed::Fill),
    row(Kind::SegmentTmp, Op::SyncAll, Deed::SyncAll),
    row(Kind::SegmentTmp, Op::Rename, Deed::Rename),
    row(Kind::SegmentTmp, Op::Unlink, Deed::Unlink),
    row(Kind::Segment, Op::Write, Deed::Batch),
    row(Kind::Segment, Op::SyncData, Deed::SyncData),
    row(Kind::Segment, Op::SyncAll, Deed::SyncAll),
    row(Kind::Segment, Op::Metadata, Deed::Check),
    row(Kind::Segment, Op::Unlink, Deed::Unlink),
    row(Kind::Segment, Op::Rename, Deed::Reuse),
    row(Kind::Drive, Op::CreateDir, Deed::Ground),
    row(Kind::Drive, Op::Lock, Deed::Ground),
    row(Kind::Drive, Op::SyncDir, Deed::SyncDir),
    row(Kind::DriveIdentityTmp, Op::Create, Deed::Create),
    Row { through: Some(false), ..row(Kind::DriveIdentityTmp, Op::Write, Deed::Fill) },
    row(Kind::DriveIdentityTmp, Op::SyncAll, Deed::SyncAll),
    row(Kind::DriveIdentityTmp, Op::Rename, Deed::Rename),
    row(Kind::DriveIdentityTmp, Op::Unlink, Deed::Unlink),
    row(Kind::DriveManifestTmp, Op::Create, Deed::Create),
    Row { through: Some(false), ..row(Kind::DriveManifestTmp, Op::Write, Deed::Fill) },
    row(Kind::DriveManifestTmp, Op::SyncAll, Deed::SyncAll),
    row(Kind::DriveManifestTmp, Op::Rename, Deed::Rename),
    row(Kind::DriveManifestTmp, Op::Unlink, Deed::Unlink),
    row(Kind::RunTmp, Op::Create, Deed::Create),
    Row { through: Some(false), ..row(Kind::RunTmp, Op::Write, Deed::Blocks) },
    row(Kind::RunTmp, Op::SyncData, Deed::SyncData),
    row(Kind::RunTmp, Op::SyncAll, Deed::SyncAll),
    row(Kind::RunTmp, Op::Rename, Deed::Rename),
    row(Kind::RunTmp, Op::Unlink, Deed::Unlink),
    row(Kind::Run, Op::Read, Deed::ReadBack),
    row(Kind::Run, Op::Unlink, Deed::Unlink),
];

/// A call that changes something and has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Unmapped {
    /// What it was made on.
    pub role: Role,
    /// The call.
    pub op: Op,
    /// Whether the file was opened for write-through.
    pub through: bool,
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let through = if self.through { " through" } else { "" };
        write!(f, "the table has no row for {} of {}{through}", self.op, self.role)
    }
}

/// What a call is: a row of the table, or nothing if it only looks.
///
/// # Errors
/// When it changes something and has no row.
pub fn lookup(role: Role, op: Op, through: bool) -> Result<Option<&'static Row>, Unmapped> {
    let kind = Kind::from(role);
    let fits =
        |row: &&Row| row.kind == kind && row.op == op && row.through.is_none_or(|wanted| wanted == through);
    match TABLE.iter().find(fits) {
        Some(row) => Ok(Some(row)),
        None if looks(op) => Ok(None),
        None => Err(Unmapped { role, op, through }),
    }
}

/// Whether a call changes nothing, and makes nothing durable.
const fn looks(op: Op) -> bool {
    matches!(op, Op::Open | Op::ReadDir | Op::Metadata | Op::Statvfs | Op::Read | Op::Entropy | Op::Boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_has_at_most_one_row() {
        for (i, row) in TABLE.iter().enumerate() {
            for other in &TABLE[i + 1..] {
                assert!((row.kind, row.op) != (other.kind, other.op), "{row:?} {other:?}");
            }
        }
    }

    #[test]
    fn what_has_no_row_is_an_error_unless_it_only_looks() {
        assert!(lookup(Role::Segment(1), Op::SetLen, false).is_err());
        assert!(lookup(Role::Foreign, Op::Write, false).is_err());
        assert!(lookup(Role::Identity, Op::Write, false).is_err());
        assert!(lookup(Role::InDoubt, Op::Write, false).is_err());
        assert!(lookup(Role::Manifest, Op::Write, true).is_err());
        assert!(lookup(Role::Manifest, Op::Unlink, false).is_err());
        let on_drive = |file| Role::OnDrive(1, file);
        assert!(lookup(on_drive(DriveFile::Run(1)), Op::Write, false).is_err(), "a run never changes");
        assert!(lookup(on_drive(DriveFile::RunTmp(1)), Op::Write, true).is_err());
        assert!(lookup(on_drive(DriveFile::Manifest), Op::Write, false).is_err());
        assert!(lookup(on_drive(DriveFile::Identity), Op::Unlink, false).is_err());
        assert!(matches!(lookup(on_drive(DriveFile::Manifest), Op::Read, false), Ok(None)));
        assert!(matches!(lookup(Role::Foreign, Op::Metadata, false), Ok(None)));
        assert!(matches!(lookup(Role::Segment(3), Op::Write, true), Ok(Some(Row { deed: Deed::Batch, .. }))));
    }
}
