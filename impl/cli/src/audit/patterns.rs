//! What other systems' claims look like: a file of patterns, one a line.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use regex::bytes::{Captures, Regex, RegexSet};

use super::stage::Stage;
use crate::failure::Failure;

/// Groups that say something by themselves; every other one must be part of the artifact.
const MEANINGFUL: [&str; 4] = ["offset", "len", "end", "time"];
/// The widest field of an artifact that is filled up with zeros.
const WIDEST: usize = 32;

/// What a line that matches says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The artifact is there.
    Claim,
    /// The artifact was removed on purpose.
    Release,
    /// Something that is counted.
    Count,
}

/// A line of the pattern file.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) stage: Option<Stage>,
    /// The artifact's path below the directory; `None` if the line names none.
    artifact: Option<Vec<Piece>>,
    regex: Regex,
}

/// A piece of an artifact's path.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A group, filled up to a width with zeros.
    Group(String, usize),
}

/// What a pattern makes of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The artifact, below the directory or absolute.
    pub(crate) path: Option<PathBuf>,
    /// How many bytes the artifact must have.
    pub(crate) need: Option<u64>,
    /// What the line says of the time.
    pub(crate) time: Option<Vec<u8>>,
    /// A number of the line cannot be read.
    pub(crate) bad_number: bool,
}

/// All patterns.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    pub(crate) all: Vec<Pattern>,
    set: RegexSet,
}

impl Patterns {
    /// Reads a pattern file.
    ///
    /// # Errors
    /// [`Failure::File`], [`Failure::Pattern`].
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Failure::File { path: path.to_owned(), source })?;
        let bad =
            |line: usize, why: String| Failure::Pattern { path: path.to_owned(), line: line as u64 + 1, why };
        let mut all: Vec<Pattern> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pattern = Pattern::parse(line).map_err(|why| bad(number, why))?;
            if all.iter().any(|known| known.name == pattern.name) {
                return Err(bad(number, format!("the name {} is used twice", pattern.name)));
            }
            all.push(pattern);
        }
        if all.is_empty() {
            return Err(bad(0, "there is no pattern in the file".to_owned()));
        }
        let set = RegexSet::new(all.iter().map(|pattern| pattern.regex.as_str()))
            .map_err(|error| bad(0, error.to_string()))?;
        Ok(Self { all, set })
    }

    /// The patterns that match a line, by number, and what they make of it: once for each place where they do.
    pub(crate) fn hits(&self, line: &[u8]) -> impl Iterator<Item = (usize, Hit)> {
        let matches = self.set.matches(line);
        self.all.iter().enumerate().filter(move |(number, _)| matches.matched(*number)).flat_map(
            move |(number, pattern)| {
                pattern.regex.captures_iter(line).map(move |captures| (number, pattern.hit(&captures)))
            },
        )
    }

    /// Whether any pattern says that artifacts go.
    pub(crate) fn have_releases(&self) -> bool {
        self.all.iter().any(|pattern| pattern.kind == Kind::Release)
    }
}

impl Pattern {
    fn parse(line: &str) -> Result<Self, String> {
        let mut rest = line;
        let mut word = || {
            let (word, behind) = rest.split_once(char::is_whitespace)?;
            rest = behind.trim_start();
            Some(word)
        };
        let (Some(kind), Some(name), Some(artifact)) = (word(), word(), word()) else {
            return Err("a pattern is a kind, a name, an artifact and a regular expression".to_owned());
        };
        let kind = match kind {
            "claim" => Kind::Claim,
            "release" => Kind::Release,
            "count" => Kind::Count,
            other => return Err(format!("{other} is no kind; there are claim, release and count")),
        };
        let regex = Regex::new(rest).map_err(|error| error.to_string())?;
        let artifact = if artifact == "-" { None } else { Some(pieces(artifact)?) };
        let pattern = Self { kind, stage: Stage::of_name(name), name: name.to_owned(), artifact, regex };
        pattern.check()?;
        Ok(pattern)
    }

    /// Whether its groups and its artifact fit.
    fn check(&self) -> Result<(), String> {
        let groups: Vec<&str> = self.regex.capture_names().flatten().collect();
        let wanted: Vec<&str> = self.artifact.iter().flatten().filter_map(Piece::group).collect();
        if let Some(missing) = wanted.iter().find(|name| !groups.contains(name)) {
            return Err(format!("the regular expression has no group `{missing}`"));
        }
        if let Some(unknown) = groups.iter().find(|name| !wanted.contains(name) && !MEANINGFUL.contains(name))
        {
            return Err(format!("the group `{unknown}` is used for nothing"));
        }
        if groups.contains(&"len") && !groups.contains(&"offset") {
            return Err("the group `len` says nothing without `offset`".to_owned());
        }
        match (self.kind, &self.artifact) {
            (Kind::Release, None) => Err("a release names an artifact".to_owned()),
            (Kind::Count, Some(_)) => Err("a line that is counted has no artifact: write -".to_owned()),
            _ => Ok(()),
        }
    }

    fn hit(&self, captures: &Captures<'_>) -> Hit {
        let mut bad_number = false;
        let mut number = |name: &str| {
            let text = captures.name(name)?;
            let number = std::str::from_utf8(text.as_bytes()).ok().and_then(|text| text.parse::<u64>().ok());
            bad_number |= number.is_none();
            number
        };
        let (offset, len, end) = (number("offset"), number("len"), number("end"));
        let need = end.or_else(|| offset.map(|offset| offset.saturating_add(len.unwrap_or(0))));
        let time = captures.name("time").map(|time| time.as_bytes().to_vec());
        Hit { path: self.path(captures), need, time, bad_number }
    }

    /// The artifact's path; `None` if a group of it is not part of the line.
    fn path(&self, captures: &Captures<'_>) -> Option<PathBuf> {
        let mut path = Vec::new();
        for piece in self.artifact.as_ref()? {
            match piece {
                Piece::Text(text) => path.extend_from_slice(text.as_bytes()),
                Piece::Group(name, width) => {
                    let text = captures.name(name)?.as_bytes();
                    path.extend(std::iter::repeat_n(b'0', width.saturating_sub(text.len())));
                    path.extend_from_slice(text);
                }
            }
        }
        Some(PathBuf::from(OsStr::from_bytes(&path)))
    }
}

impl Piece {
    fn group(&self) -> Option<&str> {
        match self {
            Self::Group(name, _) => Some(name),
            Self::Text(_) => None,
        }
    }
}

/// The pieces of an artifact such as `wal-{segment:08}.log`.
fn pieces(artifact: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = artifact;
    while let Some((text, behind)) = rest.split_once('{') {
        let Some((group, behind)) = behind.split_once('}') else {
            return Err("a brace of the artifact is not closed".to_owned());
        };
        pieces.push(Piece::Text(text.to_owned()));
        let (name, width) = group.split_once(":0").unwrap_or((group, "0"));
        match width.parse::<usize>() {
            Ok(width) if width <= WIDEST => pieces.push(Piece::Group(name.to_owned(), width)),
            _ => return Err(format!("{width} is no width from 0 to {WIDEST}")),
        }
        rest = behind;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(pattern: &str, line: &[u8]) -> Option<Hit> {
        let pattern = Pattern::parse(pattern).unwrap();
        pattern.regex.captures(line).map(|captures| pattern.hit(&captures))
    }

    #[test]
    fn a_line_becomes_a_path_and_a_length() {
        let pattern = r"claim B/append wal-{segment:04}.log append segment=(?<segment>\d+) offset=(?<offset>\d+) len=(?<len>\d+)";
        let found = hit(pattern, b"x append segment=7 offset=10 len=5\xff").unwrap();
        assert_eq!(found.path, Some(PathBuf::from("wal-0007.log")));
        assert_eq!((found.need, found.bad_number), (Some(15), false));
        let huge = hit(pattern, b"append segment=70000 offset=99999999999999999999 len=5").unwrap();
        assert_eq!(huge.path, Some(PathBuf::from("wal-70000.log")));
        assert!(huge.bad_number);
        assert_eq!(hit(pattern, b"append"), None);
    }

    #[test]
    fn a_pattern_that_cannot_mean_anything_is_refused() {
        for (line, why) in [
            ("claim a", "a kind, a name"),
            ("assert a - x", "no kind"),
            ("claim a - (", "unclosed"),
            ("claim a {path} x", "no group `path`"),
            (r"claim a - x(?<pathh>\d)", "used for nothing"),
            (r"claim a - x(?<len>\d)", "without `offset`"),
            ("release a - x", "names an artifact"),
            ("count a b x", "no artifact"),
            (r"claim a {n x(?<n>\d)", "not closed"),
            (r"claim a {n:099} x(?<n>\d)", "no width"),
        ] {
            let error = Pattern::parse(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
