//! Whole logs and archives: recovered from bytes that nobody wrote, and damaged.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use arbitrary::{Arbitrary, Unstructured};
use truelog::LogId;
use truelog::format::{Identity, SegmentHeader};

use super::formats::{mend, mend_record};
use crate::damage::{
    ARCHIVED, DRIVES, Ending, Heard, Left, STORIES, Story, judge, judge_copies, opened_twice,
};
use crate::driver::files;
use crate::fabric::{Damage, Image, LOG_DIR, drive_dir};
use crate::oracle::Reading;
use crate::subject::Plain;

/// What each story leaves.
static LEFT: LazyLock<Vec<Result<Left, String>>> =
    LazyLock::new(|| STORIES.iter().map(Story::tell::<Plain>).collect());

/// What the story of an archive leaves.
static ARCHIVE_LEFT: LazyLock<Result<Left, String>> = LazyLock::new(|| ARCHIVED.tell::<Plain>());

/// A story that cannot be told is a defect of the harness, each time that it is asked for.
fn told(left: &Result<Left, String>) -> &Left {
    left.as_ref().unwrap_or_else(|why| panic!("{why}"))
}

/// The most changes to one log.
const CHANGES: usize = 4;
/// Bytes of a block in the stories' logs.
const BLOCK: u64 = 256;

/// Bytes in the place of a log's own.
#[derive(Debug, Arbitrary)]
struct Placed<'a> {
    story: u8,
    /// Which segment, the last one first.
    segment: u8,
    /// At which block.
    block: u8,
    /// Put the right place and checksum in, so that recovery takes them for what an engine wrote.
    mend: bool,
    bytes: &'a [u8],
}

/// One change of bytes that were durable.
#[derive(Debug, Arbitrary)]
struct Change {
    file: u8,
    at: u16,
    with: [u8; 2],
}

/// A log that was changed, and what that was.
struct Changed {
    says: String,
    left: &'static Left,
    image: Image,
    /// The bytes may be ones that an engine could have written, so that they may be believed.
    forged: bool,
}

fn left(story: u8) -> (&'static str, &'static Left) {
    let at = usize::from(story) % LEFT.len();
    (STORIES[at].name, told(&LEFT[at]))
}

/// Overwrites a file of a story's log; nothing if that changes nothing.
fn over(story: u8, name: &str, offset: u64, bytes: Vec<u8>, forged: bool) -> Option<Changed> {
    let (told, left) = left(story);
    let says = format!("story {told}: {} bytes of {name} from {offset} on, forged: {forged}", bytes.len());
    let path = Path::new(LOG_DIR).join(name);
    let image = left.image.damage(&path, &Damage::Overwrite { offset, bytes }).ok()?;
    Some(Changed { says, left, image, forged })
}

fn placed(data: &[u8]) -> Option<Placed<'_>> {
    Placed::arbitrary_take_rest(Unstructured::new(data)).ok()
}

/// A segment whose bytes, from some block on, are the input's.
fn in_segment(data: &[u8]) -> Option<Changed> {
    let input = placed(data)?;
    let image = &left(input.story).1.image;
    let dir = Path::new(LOG_DIR);
    let mut names = image.names(dir)?;
    names.retain(|name| name.starts_with("segment-"));
    names.sort();
    let name = names.get((names.len() - 1).checked_sub(usize::from(input.segment) % names.len())?)?;
    let whole = image.read(&dir.join(name))?;
    let offset = u64::from(input.block) % (whole.len() as u64 / BLOCK).max(1) * BLOCK;
    let mut bytes = input.bytes.to_vec();
    if let (true, Ok(header)) = (input.mend && offset > 0, SegmentHeader::decode(&whole)) {
        mend(&mut bytes, &header.site(offset));
    }
    over(input.story, name, offset, bytes, input.mend)
}

/// A manifest whose bytes, from some block on, are the input's.
fn in_manifest(data: &[u8]) -> Option<Changed> {
    let input = placed(data)?;
    let image = &left(input.story).1.image;
    let dir = Path::new(LOG_DIR);
    let log = Identity::decode(&image.read(&dir.join("IDENTITY"))?).map_or(LogId([0; 16]), |one| one.log);
    let blocks = (image.len_of(&dir.join("MANIFEST"))? / BLOCK).max(1);
    let mut bytes = input.bytes.to_vec();
    if input.mend {
        mend_record(&mut bytes, log);
    }
    over(input.story, "MANIFEST", u64::from(input.block) % blocks * BLOCK, bytes, input.mend)
}

/// Changes some bytes of some of these files, and says which.
fn change(image: &mut Image, input: &mut Unstructured<'_>, paths: &[PathBuf]) -> Option<String> {
    let mut says = String::new();
    for _ in 0..CHANGES {
        let Ok(change) = Change::arbitrary(input) else { break };
        if input.is_empty() && change.with == [0, 0] {
            break;
        }
        let path = paths.get(usize::from(change.file) % paths.len().max(1))?;
        let offset = u64::from(change.at) % image.len_of(path)?.max(1);
        let bytes = change.with.to_vec();
        if let Ok(changed) = image.damage(path, &Damage::Overwrite { offset, bytes }) {
            let place = path.strip_prefix(LOG_DIR).unwrap_or(path).display();
            says.push_str(&format!("; {place} at {offset}: {:?}", change.with));
            *image = changed;
        }
    }
    Some(says)
}

/// A log with some bytes of some files changed.
fn damaged(data: &[u8]) -> Option<Changed> {
    let mut input = Unstructured::new(data);
    let (told, left) = left(u8::arbitrary(&mut input).ok()?);
    let dir = Path::new(LOG_DIR);
    let mut image = left.image.clone();
    let paths: Vec<PathBuf> = image.names(dir)?.iter().map(|name| dir.join(name)).collect();
    let says = format!("story {told}{}", change(&mut image, &mut input, &paths)?);
    Some(Changed { says, left, image, forged: false })
}

/// The archive of a log with some bytes of the copies of its runs changed.
fn damaged_copies(data: &[u8]) -> Option<(String, Image)> {
    let mut image = told(&ARCHIVE_LEFT).image.clone();
    let mut paths = Vec::new();
    for dir in DRIVES.map(|drive| drive_dir(Path::new(LOG_DIR), drive)) {
        let names = image.names(&dir)?;
        paths.extend(names.iter().filter(|name| name.starts_with("run-")).map(|name| dir.join(name)));
    }
    let says = change(&mut image, &mut Unstructured::new(data), &paths)?;
    (!says.is_empty()).then(|| (format!("story {}{says}", ARCHIVED.name), image))
}

impl Changed {
    /// Opens it twice, and judges.
    ///
    /// # Panics
    /// If something came back that was never there, something that is vouched for went in silence, or the second open
    /// found another log than the first.
    fn judge(&self) -> String {
        let (first, second) = opened_twice::<Plain>(&self.image);
        let found = |ending: &Ending| match ending {
            Ending::Opened { records, .. } => Some(records.clone()),
            Ending::Refused(_) => None,
        };
        if let Some(records) = found(&first) {
            let dense = records.windows(2).all(|pair| pair[0].lsn < pair[1].lsn);
            assert!(dense, "nothing-invented: {}: records come back in order, once each", self.says);
            assert_eq!(
                Some(records),
                found(&second),
                "recovery-converges: {}: a second open finds the same",
                self.says
            );
        }
        if self.forged {
            // What was forged well enough is a log like any other.
            return format!("{}\n{}", self.says, word(&first));
        }
        let reading = Reading::of(&files(&self.image));
        match judge(&self.left.truth, &reading, &first) {
            Ok(heard) => format!("{}\n{}: {}", self.says, word(&first), Heard::word(heard)),
            Err(violation) => panic!("{}: {} {}", self.says, violation.invariant, violation.detail),
        }
    }
}

fn word(ending: &Ending) -> String {
    match ending {
        Ending::Opened { records, named, read_only, .. } => {
            let lsns: Vec<u64> = records.iter().map(|record| record.lsn).collect();
            format!("opened, records {lsns:?}, damage {named:?}, read-only {read_only}")
        }
        Ending::Refused(refusal) => format!("refused: {}", refusal.says),
    }
}

fn tell(changed: Option<Changed>) -> String {
    changed.map_or_else(|| "changes nothing".to_owned(), |changed| changed.judge())
}

/// Recovery of a log with a segment from arbitrary bytes.
pub fn segment_recovery(data: &[u8]) {
    tell_segment(data);
}

/// Recovery of a log with a manifest from arbitrary bytes.
pub fn manifest_recovery(data: &[u8]) {
    tell_manifest(data);
}

/// Damage to a valid log.
pub fn damaged_log(data: &[u8]) {
    tell_damaged(data);
}

/// Damage to the archive of a valid log.
pub fn damaged_archive(data: &[u8]) {
    tell_damaged_archive(data);
}

/// See [`segment_recovery`].
pub(super) fn tell_segment(data: &[u8]) -> String {
    tell(in_segment(data))
}

/// See [`manifest_recovery`].
pub(super) fn tell_manifest(data: &[u8]) -> String {
    tell(in_manifest(data))
}

/// See [`damaged_log`].
pub(super) fn tell_damaged(data: &[u8]) -> String {
    tell(damaged(data))
}

/// See [`damaged_archive`].
pub(super) fn tell_damaged_archive(data: &[u8]) -> String {
    let Some((says, image)) = damaged_copies(data) else { return "changes nothing".to_owned() };
    match judge_copies::<Plain>(told(&ARCHIVE_LEFT), &image) {
        Ok(word) => format!("{says}\n{word}"),
        Err(violation) => panic!("{says}: {} {}", violation.invariant, violation.detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that differs from what it is said to hold: the record is invented, or it went in silence.
    fn judged(change: impl FnOnce(&mut Left)) -> Result<String, Box<dyn std::any::Any + Send>> {
        let whole = told(&LEFT[0]);
        let (truth, synced) = (whole.truth.clone(), whole.synced.clone());
        let mut left = Left { image: whole.image.clone(), older: whole.older.clone(), truth, synced };
        change(&mut left);
        let image = left.image.clone();
        let left: &'static Left = Box::leak(Box::new(left));
        let changed = Changed { says: "said otherwise".to_owned(), left, image, forged: false };
        std::panic::catch_unwind(|| changed.judge())
    }

    #[test]
    fn a_log_that_holds_something_else_is_told() {
        assert!(judged(|_| ()).is_ok_and(|says| says.ends_with("read whole")));
        assert!(judged(|left| left.truth[0].payload = b"another"[..].into()).is_err());
        let more = |left: &mut Left| {
            let mut record = left.truth[0].clone();
            // Something vouches for all that is there; this one was never written.
            record.lsn = left.truth.len() as u64;
            left.truth.pop();
            left.truth.push(record);
        };
        assert!(judged(more).is_err());
    }
}
