//! The names of a log's files and of its drives' files, and what each is for.

use std::ffi::OsStr;
use std::fmt;

use crate::lsn::{RunNo, SegmentNo};

/// How many digits a segment's number has in its name. Ten digits outlast any log.
const DIGITS: usize = 10;
const TMP: &str = ".tmp";
const QUARANTINED: &str = "quarantined-";
const IN_DOUBT: &str = "IN-DOUBT-";
/// How many hexadecimal digits a boot has in a name.
const BOOT_DIGITS: usize = 32;

/// A name in a log's directory, or in that of one of its drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// `IDENTITY`: makes the directory a log.
    Identity,
    /// `IDENTITY.tmp`: the identity before its rename.
    IdentityTmp,
    /// `MANIFEST`: what the log consists of.
    Manifest,
    /// `MANIFEST.tmp`: the manifest before its rename.
    ManifestTmp,
    /// `IN-DOUBT-0123456789abcdef0123456789abcdef`: a create or an adopt of this boot has syncs under way. Empty.
    InDoubt(u128),
    /// `segment-0000000001`: a segment.
    Segment(SegmentNo),
    /// `segment-0000000001.tmp`: a segment being prepared, or the file of a removed one that is kept to become it.
    SegmentTmp(SegmentNo),
    /// `quarantined-segment-0000000001`: a segment that cannot be read and that accept-loss put aside. No log reads
    /// it, and none removes it.
    Quarantined(SegmentNo),
    /// `DRIVE`: makes the directory a drive of a log's archive.
    Drive,
    /// `DRIVE.tmp`: the drive's identity before its rename.
    DriveTmp,
    /// `run-0000000001`: a run of the archive. On drives only.
    Run(RunNo),
    /// `run-0000000001.tmp`: a run being made. On drives only.
    RunTmp(RunNo),
    /// `quarantined-run-0000000001`: a run that no manifest names and that an open put aside, since something may hang on
    /// it. On drives only; no log reads it, and none removes it.
    QuarantinedRun(RunNo),
    /// `lost+found`: the file system's own; tolerated and ignored.
    LostFound,
}

impl Name {
    /// The role of a name; `None` for a name that no log writes.
    #[must_use]
    pub fn parse(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        match name {
            "IDENTITY" => return Some(Self::Identity),
            "IDENTITY.tmp" => return Some(Self::IdentityTmp),
            "MANIFEST" => return Some(Self::Manifest),
            "MANIFEST.tmp" => return Some(Self::ManifestTmp),
            "DRIVE" => return Some(Self::Drive),
            "DRIVE.tmp" => return Some(Self::DriveTmp),
            "lost+found" => return Some(Self::LostFound),
            _ => {}
        }
        if let Some(rest) = name.strip_prefix(QUARANTINED) {
            return match Self::parse(OsStr::new(rest))? {
                Self::Segment(number) => Some(Self::Quarantined(number)),
                Self::Run(number) => Some(Self::QuarantinedRun(number)),
                _ => None,
            };
        }
        if let Some(boot) = name.strip_prefix(IN_DOUBT) {
            let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            let whole = boot.len() == BOOT_DIGITS && boot.bytes().all(hex);
            return u128::from_str_radix(boot, 16).ok().filter(|_| whole).map(Self::InDoubt);
        }
        if let Some((number, tmp)) = numbered(name, "run-") {
            return Some(if tmp { Self::RunTmp(RunNo(number)) } else { Self::Run(RunNo(number)) });
        }
        let (number, tmp) = numbered(name, "segment-")?;
        let number = SegmentNo(number);
        Some(if tmp { Self::SegmentTmp(number) } else { Self::Segment(number) })
    }

    /// Whether this name is only ever left over from what was not finished.
    #[must_use]
    pub const fn is_tmp(self) -> bool {
        matches!(
            self,
            Self::IdentityTmp
                | Self::ManifestTmp
                | Self::SegmentTmp(_)
                | Self::InDoubt(_)
                | Self::DriveTmp
                | Self::RunTmp(_)
        )
    }
}

/// The number in a name such as `segment-0000000001`, and whether `.tmp` follows it.
fn numbered(name: &str, prefix: &str) -> Option<(u64, bool)> {
    let rest = name.strip_prefix(prefix)?;
    let (digits, tmp) = rest.strip_suffix(TMP).map_or((rest, false), |digits| (digits, true));
    if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok().filter(|number| *number > 0)?, tmp))
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("IDENTITY"),
            Self::IdentityTmp => f.write_str("IDENTITY.tmp"),
            Self::Manifest => f.write_str("MANIFEST"),
            Self::ManifestTmp => f.write_str("MANIFEST.tmp"),
            Self::InDoubt(boot) => write!(f, "{IN_DOUBT}{boot:032x}"),
            Self::Segment(number) => write!(f, "segment-{:010}", number.get()),
            Self::SegmentTmp(number) => write!(f, "segment-{:010}{TMP}", number.get()),
            Self::Quarantined(number) => write!(f, "{QUARANTINED}{}", Self::Segment(*number)),
            Self::Drive => f.write_str("DRIVE"),
            Self::DriveTmp => f.write_str("DRIVE.tmp"),
            Self::Run(number) => write!(f, "run-{:010}", number.get()),
            Self::RunTmp(number) => write!(f, "run-{:010}{TMP}", number.get()),
            Self::QuarantinedRun(number) => write!(f, "{QUARANTINED}{}", Self::Run(*number)),
            Self::LostFound => f.write_str("lost+found"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_round_trips() {
        for name in [
            Name::Identity,
            Name::IdentityTmp,
            Name::Manifest,
            Name::ManifestTmp,
            Name::InDoubt(0),
            Name::InDoubt(u128::MAX - 1),
            Name::Segment(SegmentNo(1)),
            Name::SegmentTmp(SegmentNo(42)),
            Name::Quarantined(SegmentNo(7)),
            Name::Drive,
            Name::DriveTmp,
            Name::Run(RunNo(3)),
            Name::RunTmp(RunNo(1_000_000)),
            Name::QuarantinedRun(RunNo(5)),
            Name::LostFound,
        ] {
            assert_eq!(Name::parse(OsStr::new(&name.to_string())), Some(name));
        }
    }

    #[test]
    fn other_names_have_no_role() {
        for name in [
            "IN-DOUBT-",
            "IN-DOUBT-0123456789abcdef0123456789abcde",
            "IN-DOUBT-0123456789ABCDEF0123456789abcdef",
            "IN-DOUBT-+123456789abcdef0123456789abcdef",
            "segment-1",
            "segment-0000000000",
            "segment-+000000001",
            "segment-00000000012",
            "quarantined-segment-0000000001.tmp",
            "quarantined-run-0000000001.tmp",
            "quarantined-quarantined-segment-0000000001",
            "quarantined-MANIFEST",
            "identity",
            "x",
            "",
        ] {
            assert_eq!(Name::parse(OsStr::new(name)), None, "{name}");
        }
    }
}
