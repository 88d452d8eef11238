//! What a path is to a log: the word that faults, traces and units use instead of a path.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use thiserror::Error;

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
    /// A directory above the log's.
    Ancestor,
    /// Anything else.
    Foreign,
}

impl Role {
    /// The role of `path` for the log in `log_dir`. Both absolute.
    #[must_use]
    pub fn of(path: &Path, log_dir: &Path) -> Self {
        if path == log_dir {
            return Self::LogDir;
        }
        if log_dir.starts_with(path) {
            return Self::Ancestor;
        }
        if path.parent() != Some(log_dir) {
            return Self::Foreign;
        }
        path.file_name().and_then(|name| name.to_str()).map_or(Self::Foreign, Self::of_name)
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
        let rest = name.strip_prefix("segment-")?;
        let (digits, tmp) = rest.strip_suffix(".tmp").map_or((rest, false), |digits| (digits, true));
        if digits.len() != 10 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = digits.parse().ok()?;
        Some(if tmp { Self::SegmentTmp(number) } else { Self::Segment(number) })
    }
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
            Self::Ancestor => f.write_str("ancestor"),
            Self::Foreign => f.write_str("foreign"),
        }
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` names no role: one of identity, manifest, seg-N (each also with .tmp), in-doubt, dir, ancestor, foreign"
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
