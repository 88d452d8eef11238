//! What a path is to a log: the word that faults, traces and units use instead of a path.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

use super::drive::{DriveFile, drive_name, drive_number};

/// What a path is to a log. Traces and units name files so, and replay in any directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The identity file.
    Identity,
    /// The identity file before its rename.
    IdentityTmp,
    /// The manifest.
    Manifest,
    /// The manifest before its rename.
    ManifestTmp,
    /// A segment, by number.
    Segment(u64),
    /// A segment before its rename, by number.
    SegmentTmp(u64),
    /// The name that says that a create or an adopt has syncs under way.
    InDoubt,
    /// The log's own directory.
    LogDir,
    /// The directory of a drive, by number: it is beside the log's.
    Drive(u64),
    /// A file of a drive.
    OnDrive(u64, DriveFile),
    /// A directory above the log's.
    Ancestor,
    /// Anything else.
    Foreign,
}

impl Role {
    /// The role of `path` for the log in `log_dir`. Both absolute.
    #[must_use]
    pub fn of(path: &Path, log_dir: &Path) -> Self {
        if let Some(name) = name_within(path, log_dir) {
            return Self::of_name(name);
        }
        if path == log_dir {
            return Self::LogDir;
        }
        if log_dir.starts_with(path) {
            return Self::Ancestor;
        }
        if path.parent() != Some(log_dir) {
            return Self::beside(path, log_dir).unwrap_or(Self::Foreign);
        }
        path.file_name().and_then(|name| name.to_str()).map_or(Self::Foreign, Self::of_name)
    }

    /// The role of a path that is not the log's own: a drive is a directory beside it, called `drive-N`.
    fn beside(path: &Path, log_dir: &Path) -> Option<Self> {
        let inside = path.strip_prefix(log_dir.parent()?).ok()?;
        let mut names = inside.iter().map(|name| name.to_str());
        let drive = drive_number(names.next()??)?;
        match (names.next(), names.next()) {
            (None, _) => Some(Self::Drive(drive)),
            (Some(name), None) => DriveFile::of_name(name?).map(|file| Self::OnDrive(drive, file)),
            _ => None,
        }
    }

    /// The role of a file name inside the log's directory.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        match name {
            "IDENTITY" => Self::Identity,
            "IDENTITY.tmp" => Self::IdentityTmp,
            "MANIFEST" => Self::Manifest,
            "MANIFEST.tmp" => Self::ManifestTmp,
            _ if name.starts_with("IN-DOUBT-") => Self::InDoubt,
            _ => Self::of_segment(name).unwrap_or(Self::Foreign),
        }
    }

    fn of_segment(name: &str) -> Option<Self> {
        let (number, tmp) = numbered(name, "segment-")?;
        Some(if tmp { Self::SegmentTmp(number) } else { Self::Segment(number) })
    }
}

/// The name of a file right inside the directory, told by its bytes: most calls are of one, and to compare paths part by part
/// is slow.
fn name_within<'a>(path: &'a Path, dir: &Path) -> Option<&'a str> {
    let name = path.to_str()?.strip_prefix(dir.to_str()?)?.strip_prefix('/')?;
    (!matches!(name, "" | "." | "..") && !name.contains('/')).then_some(name)
}

/// The number in a name of ten digits, and whether `.tmp` follows it.
pub(super) fn numbered(name: &str, prefix: &str) -> Option<(u64, bool)> {
    let rest = name.strip_prefix(prefix)?;
    let (digits, tmp) = rest.strip_suffix(".tmp").map_or((rest, false), |digits| (digits, true));
    if digits.len() != 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, tmp))
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::IdentityTmp => f.write_str("identity.tmp"),
            Self::Manifest => f.write_str("manifest"),
            Self::ManifestTmp => f.write_str("manifest.tmp"),
            Self::Segment(number) => write!(f, "seg-{number}"),
            Self::SegmentTmp(number) => write!(f, "seg-{number}.tmp"),
            Self::InDoubt => f.write_str("in-doubt"),
            Self::LogDir => f.write_str("dir"),
            Self::Drive(drive) => f.write_str(&drive_name(*drive)),
            Self::OnDrive(drive, file) => write!(f, "{}/{file}", drive_name(*drive)),
            Self::Ancestor => f.write_str("ancestor"),
            Self::Foreign => f.write_str("foreign"),
        }
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` names no role: one of identity, manifest, seg-N (each also with .tmp), in-doubt, dir, drive-N, drive-N/FILE \
     (FILE one of identity, manifest, run-N, each also with .tmp, in-doubt), ancestor, foreign"
)]
pub struct NoSuchRole(pub String);

impl FromStr for Role {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, NoSuchRole> {
        Ok(match text {
            "identity" => Self::Identity,
            "identity.tmp" => Self::IdentityTmp,
            "manifest" => Self::Manifest,
            "manifest.tmp" => Self::ManifestTmp,
            "in-doubt" => Self::InDoubt,
            "dir" => Self::LogDir,
            "ancestor" => Self::Ancestor,
            "foreign" => Self::Foreign,
            _ => {
                let wrong = || NoSuchRole(text.to_owned());
                let (drive, file) =
                    text.split_once('/').map_or((text, None), |(drive, file)| (drive, Some(file)));
                if let Some(drive) = drive_number(drive) {
                    let Some(file) = file else { return Ok(Self::Drive(drive)) };
                    return DriveFile::parse(file).map(|file| Self::OnDrive(drive, file)).ok_or_else(wrong);
                }
                let rest = text.strip_prefix("seg-").ok_or_else(wrong)?;
                match rest.strip_suffix(".tmp") {
                    Some(number) => Self::SegmentTmp(number.parse().map_err(|_| wrong())?),
                    None => Self::Segment(rest.parse().map_err(|_| wrong())?),
                }
            }
        })
    }
}

/// Which roles a fault or an ignored sync is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RolePattern {
    /// Every role.
    Any,
    /// One role.
    Is(Role),
    /// Every segment, whatever its number.
    AnySegment,
    /// Every segment before its rename, whatever its number.
    AnySegmentTmp,
}

impl RolePattern {
    /// Whether `role` is meant.
    #[must_use]
    pub fn matches(self, role: Role) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => wanted == role,
            Self::AnySegment => matches!(role, Role::Segment(_)),
            Self::AnySegmentTmp => matches!(role, Role::SegmentTmp(_)),
        }
    }
}

impl From<Role> for RolePattern {
    fn from(role: Role) -> Self {
        Self::Is(role)
    }
}

impl fmt::Display for RolePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Is(role) => role.fmt(f),
            Self::AnySegment => f.write_str("seg-*"),
            Self::AnySegmentTmp => f.write_str("seg-*.tmp"),
        }
    }
}

impl FromStr for RolePattern {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, NoSuchRole> {
        Ok(match text {
            "*" => Self::Any,
            "seg-*" => Self::AnySegment,
            "seg-*.tmp" => Self::AnySegmentTmp,
            _ => Self::Is(text.parse()?),
        })
    }
}
