//! Drives of an archive: where they are, and what lies on them.

use std::fmt;
use std::path::{Path, PathBuf};

use super::role::numbered;

/// The most drives that a log may have.
const MOST: u64 = 64;

/// A file of a drive, by what it is for. Text: `run-1`, `run-1.tmp`, `manifest`, `identity`, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DriveFile {
    /// `DRIVE`: whose drive it is.
    Identity,
    /// `DRIVE.tmp`.
    IdentityTmp,
    /// `MANIFEST`: a copy of the log's checkpoint.
    Manifest,
    /// `MANIFEST.tmp`.
    ManifestTmp,
    /// A run, by number.
    Run(u64),
    /// A run before its rename, by number.
    RunTmp(u64),
    /// The name that says that an add has syncs under way.
    InDoubt,
}

impl DriveFile {
    /// What a name on a drive is for.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "DRIVE" => Self::Identity,
            "DRIVE.tmp" => Self::IdentityTmp,
            "MANIFEST" => Self::Manifest,
            "MANIFEST.tmp" => Self::ManifestTmp,
            _ if name.starts_with("IN-DOUBT-") => Self::InDoubt,
            _ => {
                let (number, tmp) = numbered(name, "run-")?;
                if tmp { Self::RunTmp(number) } else { Self::Run(number) }
            }
        })
    }

    /// What it is called in its directory; nothing for what is called after a boot.
    #[must_use]
    pub fn name(self) -> Option<String> {
        Some(match self {
            Self::Identity => "DRIVE".to_owned(),
            Self::IdentityTmp => "DRIVE.tmp".to_owned(),
            Self::Manifest => "MANIFEST".to_owned(),
            Self::ManifestTmp => "MANIFEST.tmp".to_owned(),
            Self::Run(number) => format!("run-{number:010}"),
            Self::RunTmp(number) => format!("run-{number:010}.tmp"),
            Self::InDoubt => return None,
        })
    }

    /// The name that it has before it is renamed to its own.
    pub(crate) const fn temporary(self) -> Self {
        match self {
            Self::Identity => Self::IdentityTmp,
            Self::Manifest => Self::ManifestTmp,
            Self::Run(number) => Self::RunTmp(number),
            other => other,
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "identity" => Self::Identity,
            "identity.tmp" => Self::IdentityTmp,
            "manifest" => Self::Manifest,
            "manifest.tmp" => Self::ManifestTmp,
            "in-doubt" => Self::InDoubt,
            _ => {
                let rest = text.strip_prefix("run-")?;
                match rest.strip_suffix(".tmp") {
                    Some(number) => Self::RunTmp(number.parse().ok()?),
                    None => Self::Run(rest.parse().ok()?),
                }
            }
        })
    }
}

impl fmt::Display for DriveFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::IdentityTmp => f.write_str("identity.tmp"),
            Self::Manifest => f.write_str("manifest"),
            Self::ManifestTmp => f.write_str("manifest.tmp"),
            Self::Run(number) => write!(f, "run-{number}"),
            Self::RunTmp(number) => write!(f, "run-{number}.tmp"),
            Self::InDoubt => f.write_str("in-doubt"),
        }
    }
}

/// What the directory of a drive is called: `drive-1` for the first.
#[must_use]
pub fn drive_name(drive: u64) -> String {
    format!("drive-{drive}")
}

/// The number of the drive whose directory is called so.
#[must_use]
pub fn drive_number(name: &str) -> Option<u64> {
    name.strip_prefix("drive-")?.parse().ok().filter(|drive| (1..=MOST).contains(drive))
}

/// Where a drive of the log in `log_dir` is: beside it.
#[must_use]
pub fn drive_dir(log_dir: &Path, drive: u64) -> PathBuf {
    log_dir.with_file_name(drive_name(drive))
}

#[cfg(test)]
mod tests {
    use super::super::Role;
    use super::*;

    #[test]
    fn what_lies_on_a_drive_has_a_role_and_a_text() {
        let log_dir = Path::new(super::super::LOG_DIR);
        let one = drive_dir(log_dir, 1);
        for (path, text) in [
            (one.clone(), "drive-1"),
            (one.join("DRIVE"), "drive-1/identity"),
            (one.join("DRIVE.tmp"), "drive-1/identity.tmp"),
            (one.join("MANIFEST"), "drive-1/manifest"),
            (one.join("MANIFEST.tmp"), "drive-1/manifest.tmp"),
            (drive_dir(log_dir, 64).join("run-0000000012"), "drive-64/run-12"),
            (one.join("run-0000000012.tmp"), "drive-1/run-12.tmp"),
            (one.join("IN-DOUBT-0"), "drive-1/in-doubt"),
        ] {
            assert_eq!(Role::of(&path, log_dir).to_string(), text);
            assert_eq!(text.parse(), Ok(Role::of(&path, log_dir)));
            if let Role::OnDrive(_, file) = Role::of(&path, log_dir) {
                let name = path.file_name().and_then(|name| name.to_str());
                assert!(file == DriveFile::InDoubt || file.name().as_deref() == name);
            }
        }
        for path in [one.join("x"), one.join("run-1"), one.join("MANIFEST/x"), drive_dir(log_dir, 65)] {
            assert_eq!(Role::of(&path, log_dir), Role::Foreign, "{}", path.display());
        }
        assert!("drive-0".parse::<Role>().is_err() && "drive-1/x".parse::<Role>().is_err());
    }
}
