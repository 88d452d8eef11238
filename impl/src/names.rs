//! The names of a log's files, and what each is for.

use std::ffi::OsStr;
use std::fmt;

use crate::lsn::SegmentNo;

/// How many digits a segment's number has in its name. Ten digits outlast any log.
const DIGITS: usize = 10;
const TMP: &str = ".tmp";
const QUARANTINED: &str = "quarantined-";

/// A name in a log's directory.
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
    /// `segment-0000000001`: a segment.
    Segment(SegmentNo),
    /// `segment-0000000001.tmp`: a segment being prepared.
    SegmentTmp(SegmentNo),
    /// `quarantined-segment-0000000001`: a segment that cannot be read and that accept-loss put aside. No log reads
    /// it, and none removes it.
    Quarantined(SegmentNo),
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
            "lost+found" => return Some(Self::LostFound),
            _ => {}
        }
        if let Some(Self::Segment(number)) =
            name.strip_prefix(QUARANTINED).and_then(|rest| Self::parse(OsStr::new(rest)))
        {
            return Some(Self::Quarantined(number));
        }
        let rest = name.strip_prefix("segment-")?;
        let (digits, tmp) = rest.strip_suffix(TMP).map_or((rest, false), |digits| (digits, true));
        if digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = SegmentNo(digits.parse().ok().filter(|number| *number > 0)?);
        Some(if tmp { Self::SegmentTmp(number) } else { Self::Segment(number) })
    }

    /// Whether this name is only ever a file that was not finished.
    #[must_use]
    pub const fn is_tmp(self) -> bool {
        matches!(self, Self::IdentityTmp | Self::ManifestTmp | Self::SegmentTmp(_))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("IDENTITY"),
            Self::IdentityTmp => f.write_str("IDENTITY.tmp"),
            Self::Manifest => f.write_str("MANIFEST"),
            Self::ManifestTmp => f.write_str("MANIFEST.tmp"),
            Self::Segment(number) => write!(f, "segment-{:010}", number.get()),
            Self::SegmentTmp(number) => write!(f, "segment-{:010}{TMP}", number.get()),
            Self::Quarantined(number) => write!(f, "{QUARANTINED}{}", Self::Segment(*number)),
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
            Name::Segment(SegmentNo(1)),
            Name::SegmentTmp(SegmentNo(42)),
            Name::Quarantined(SegmentNo(7)),
            Name::LostFound,
        ] {
            assert_eq!(Name::parse(OsStr::new(&name.to_string())), Some(name));
        }
    }

    #[test]
    fn other_names_have_no_role() {
        for name in [
            "segment-1",
            "segment-0000000000",
            "segment-+000000001",
            "segment-00000000012",
            "quarantined-segment-0000000001.tmp",
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
