//! One suite for every `Fs`: the same calls on two of them must give the same answers, one by one.
//!
//! It holds the simulated disk against the real file system as long as nothing crashes or fails. Sequences are
//! random, by a seed; a disagreement is shrunk to the fewest calls that show it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use thiserror::Error;
use truelog_env::{DirLock, File, Fs, IoError, NodeKind, Op, OpenMode};

/// Names that are used for files. `d/…` lies in a directory that may be missing, `a/z` may lead through a file.
const FILES: [&str; 6] = ["a", "b", "c", "d/x", "d/y", "a/z"];
/// Names that are used for directories.
const DIRS: [&str; 4] = ["", "d", "e", "d/e"];
/// Names that are only asked about or written over.
const ANY: [&str; 10] = ["a", "b", "c", "d/x", "d/y", "a/z", "", "d", "e", "d/e"];
/// Descriptors open at once.
const HANDLES: usize = 4;
/// No offset or length is greater, in bytes. More than two pages, so that writes leave gaps.
const MOST: u64 = 10_000;

/// One call of a sequence. Handles are places in a table; what is there before is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the calls of `Fs` and `File`, with the arguments they take there")]
pub enum Step {
    Open { name: &'static str, mode: OpenMode, handle: usize },
    Close { handle: usize },
    Read { handle: usize, offset: u64, len: u64 },
    Write { handle: usize, offset: u64, len: u64, byte: u8 },
    SyncData { handle: usize },
    SyncAll { handle: usize },
    Allocate { handle: usize, len: u64 },
    FileMetadata { handle: usize, name: &'static str },
    CreateDir { name: &'static str },
    ReadDir { name: &'static str },
    Metadata { name: &'static str },
    Rename { from: &'static str, to: &'static str },
    Unlink { name: &'static str },
    SyncDir { name: &'static str },
    Lock { name: &'static str, handle: usize },
    Unlock { handle: usize },
    Volume { name: &'static str },
    Boot,
}

/// What a call gave, without what may differ from disk to disk (inode numbers, a directory's length).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// So many bytes were written, or these were read.
    Bytes(usize, Vec<u8>),
    /// The names in a directory.
    Names(Vec<String>),
    /// A file's length and links, and for an open file whether the name asked about leads to it.
    File(u64, u64, Option<bool>),
    /// It is a directory.
    Dir,
    /// There is no descriptor or lock in that place.
    Nothing,
    /// It failed.
    Failed(IoError),
}

/// Two file systems answered differently.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Disagreement {
    /// The calls, the last of which was answered differently.
    pub steps: Vec<Step>,
    /// The answer of the first file system.
    pub one: Answer,
    /// The answer of the second.
    pub other: Answer,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "two file systems answer differently: {:?} and {:?}, at the end of",
            self.one, self.other
        )?;
        self.steps.iter().enumerate().try_for_each(|(at, step)| writeln!(f, "{:>3} {step:?}", at + 1))
    }
}

/// What a run went through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Sequences that were run.
    pub sequences: u64,
    /// Calls on each of the two file systems.
    pub calls: u64,
    /// How often each operation succeeded, and how often it failed.
    pub by_op: BTreeMap<&'static str, (u64, u64)>,
}

/// A file system and an empty directory of it.
pub struct Place<'a> {
    /// The file system.
    pub fs: &'a dyn Fs,
    /// The directory; absolute, and there.
    pub root: PathBuf,
}

/// The state of one sequence on one file system.
struct Run<'a> {
    place: &'a Place<'a>,
    files: [Option<Box<dyn File>>; HANDLES],
    locks: [Option<Box<dyn DirLock>>; HANDLES],
    boot: Option<u128>,
}

impl<'a> Run<'a> {
    fn new(place: &'a Place<'a>) -> Self {
        Self { place, files: Default::default(), locks: Default::default(), boot: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.place.root.clone() } else { self.place.root.join(name) }
    }

    fn step(&mut self, step: Step) -> Answer {
        self.try_step(step).unwrap_or_else(|error| Answer::Failed(IoError { errno: None, ..error }))
    }

    fn try_step(&mut self, step: Step) -> Result<Answer, IoError> {
        let fs = self.place.fs;
        match step {
            Step::Open { name, mode, handle } => self.files[handle] = Some(fs.open(&self.path(name), mode)?),
            Step::Close { handle } => self.files[handle] = None,
            Step::CreateDir { name } => fs.create_dir(&self.path(name))?,
            Step::Rename { from, to } => fs.rename(&self.path(from), &self.path(to))?,
            Step::Unlink { name } => fs.unlink(&self.path(name))?,
            Step::SyncDir { name } => fs.sync_dir(&self.path(name))?,
            Step::Lock { name, handle } => {
                self.locks[handle] = None;
                self.locks[handle] = Some(fs.lock_dir(&self.path(name))?);
            }
            Step::Unlock { handle } => self.locks[handle] = None,
            Step::ReadDir { name } => {
                let names = fs.read_dir(&self.path(name))?;
                let text = names.into_iter().map(|name| name.to_string_lossy().into_owned());
                return Ok(Answer::Names(text.collect()));
            }
            Step::Metadata { name } => {
                let found = fs.metadata(&self.path(name))?;
                return Ok(match found.kind {
                    NodeKind::File => Answer::File(found.len, found.links, None),
                    NodeKind::Dir | NodeKind::Other => Answer::Dir,
                });
            }
            Step::Volume { name } => {
                let volume = fs.volume(&self.path(name))?;
                return Ok(if volume.read_only { Answer::Nothing } else { Answer::Done });
            }
            Step::Boot => {
                // The number differs from machine to machine; that it stays does not.
                let boot = fs.boot()?;
                let stays = boot != 0 && *self.boot.get_or_insert(boot) == boot;
                return Ok(if stays { Answer::Done } else { Answer::Nothing });
            }
            Step::Read { .. }
            | Step::Write { .. }
            | Step::SyncData { .. }
            | Step::SyncAll { .. }
            | Step::Allocate { .. }
            | Step::FileMetadata { .. } => return self.on_file(step),
        }
        Ok(Answer::Done)
    }

    fn on_file(&self, step: Step) -> Result<Answer, IoError> {
        let (Step::Read { handle, .. }
        | Step::Write { handle, .. }
        | Step::SyncData { handle }
        | Step::SyncAll { handle }
        | Step::Allocate { handle, .. }
        | Step::FileMetadata { handle, .. }) = step
        else {
            return Ok(Answer::Nothing);
        };
        let Some(file) = &self.files[handle] else { return Ok(Answer::Nothing) };
        match step {
            Step::Read { offset, len, .. } => {
                let mut buf = vec![0; len as usize];
                let got = file.read_at(&mut buf, offset)?;
                buf.truncate(got);
                Ok(Answer::Bytes(got, buf))
            }
            Step::Write { offset, len, byte, .. } => {
                Ok(Answer::Bytes(file.write_at(&vec![byte; len as usize], offset)?, Vec::new()))
            }
            Step::SyncData { .. } => file.sync_data().map(|()| Answer::Done),
            Step::SyncAll { .. } => file.sync_all().map(|()| Answer::Done),
            Step::Allocate { len, .. } => file.allocate(len).map(|()| Answer::Done),
            Step::FileMetadata { name, .. } => {
                let (here, named) = (file.metadata()?, self.place.fs.metadata(&self.path(name)));
                let same = named.is_ok_and(|named| (named.device, named.inode) == (here.device, here.inode));
                Ok(Answer::File(here.len, here.links, Some(same)))
            }
            _ => Ok(Answer::Nothing),
        }
    }
}

/// Runs one sequence on two file systems and compares each answer.
///
/// # Errors
/// The first disagreement.
pub fn compare(
    steps: &[Step],
    one: &Place<'_>,
    other: &Place<'_>,
    tally: &mut Tally,
) -> Result<(), Disagreement> {
    let (mut left, mut right) = (Run::new(one), Run::new(other));
    tally.sequences += 1;
    for (at, step) in steps.iter().enumerate() {
        let (one, other) = (left.step(*step), right.step(*step));
        if one != other {
            return Err(Disagreement { steps: steps[..=at].to_vec(), one, other });
        }
        tally.calls += 1;
        let count = tally.by_op.entry(step.name()).or_default();
        match one {
            Answer::Failed(_) => count.1 += 1,
            Answer::Nothing => {}
            _ => count.0 += 1,
        }
    }
    Ok(())
}

/// Compares two file systems over so many random sequences. `places` makes two empty directories for each.
///
/// # Errors
/// The shortest disagreement that was found.
pub fn check(
    seed: u64,
    sequences: u32,
    mut places: impl FnMut(&mut dyn FnMut(&Place<'_>, &Place<'_>)),
) -> Result<Tally, Disagreement> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { cases: sequences, failure_persistence: None, ..Config::default() };
    let (tally, last) = (std::cell::RefCell::new(Tally::default()), std::cell::RefCell::new(None));
    let places = std::cell::RefCell::new(&mut places);
    let done = TestRunner::new_with_rng(config, rng).run(&sequence(), |steps| {
        let mut found = Ok(());
        (places.borrow_mut())(&mut |one, other| found = compare(&steps, one, other, &mut tally.borrow_mut()));
        found.map_err(|disagreement| {
            *last.borrow_mut() = Some(disagreement);
            TestCaseError::fail("disagreement")
        })
    });
    match (done, last.into_inner()) {
        (Err(TestError::Fail(_, steps)), Some(shown)) => {
            // What was shrunk to is run once more, for its answers; failing that, the last one seen stands.
            let mut again = Err(shown);
            (places.borrow_mut())(&mut |one, other| {
                if let Err(found) = compare(&steps, one, other, &mut Tally::default()) {
                    again = Err(found);
                }
            });
            again
        }
        (_, Some(shown)) => Err(shown),
        _ => Ok(tally.into_inner()),
    }
}

/// Random sequences of calls.
pub fn sequence() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..60)
}

fn step() -> impl Strategy<Value = Step> {
    let file = || proptest::sample::select(&FILES[..]);
    let dir = || proptest::sample::select(&DIRS[..]);
    let any = || proptest::sample::select(&ANY[..]);
    let handle = || 0..HANDLES;
    // Around page and sector bounds, where things go wrong.
    let place = || prop_oneof![0..MOST, Just(0), Just(511), Just(512), Just(4095), Just(4096), Just(4097)];
    let mode = || {
        prop_oneof![
            1 => Just(OpenMode::READ),
            2 => Just(OpenMode::WRITE),
            3 => Just(OpenMode::CREATE),
            1 => Just(OpenMode { write_through: true, ..OpenMode::WRITE }),
        ]
    };
    let write = (handle(), place(), place(), 1..=255_u8);
    prop_oneof![
        6 => (file(), mode(), handle()).prop_map(|(name, mode, handle)| Step::Open { name, mode, handle }),
        1 => handle().prop_map(|handle| Step::Close { handle }),
        4 => (handle(), place(), place()).prop_map(|(handle, offset, len)| Step::Read { handle, offset, len }),
        6 => write.prop_map(|(handle, offset, len, byte)| Step::Write { handle, offset, len, byte }),
        1 => handle().prop_map(|handle| Step::SyncData { handle }),
        1 => handle().prop_map(|handle| Step::SyncAll { handle }),
        1 => (handle(), place()).prop_map(|(handle, len)| Step::Allocate { handle, len }),
        3 => (handle(), any()).prop_map(|(handle, name)| Step::FileMetadata { handle, name }),
        2 => dir().prop_map(|name| Step::CreateDir { name }),
        3 => any().prop_map(|name| Step::ReadDir { name }),
        3 => any().prop_map(|name| Step::Metadata { name }),
        4 => (file(), any()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => any().prop_map(|name| Step::Unlink { name }),
        1 => dir().prop_map(|name| Step::SyncDir { name }),
        1 => (dir(), handle()).prop_map(|(name, handle)| Step::Lock { name, handle }),
        1 => handle().prop_map(|handle| Step::Unlock { handle }),
        1 => any().prop_map(|name| Step::Volume { name }),
        1 => Just(Step::Boot),
    ]
}

impl Step {
    /// The operation's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open { mode, .. } if mode.create => "create",
            Self::Open { .. } => "open",
            Self::Close { .. } => "close",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::SyncData { .. } => "sync data",
            Self::SyncAll { .. } => "sync",
            Self::Allocate { .. } => "allocate",
            Self::FileMetadata { .. } => "stat file",
            Self::CreateDir { .. } => "create directory",
            Self::ReadDir { .. } => "list directory",
            Self::Metadata { .. } => "stat",
            Self::Rename { .. } => "rename",
            Self::Unlink { .. } => "unlink",
            Self::SyncDir { .. } => "sync directory",
            Self::Lock { .. } => "lock",
            Self::Unlock { .. } => "unlock",
            Self::Volume { .. } => "statvfs",
            Self::Boot => "get the boot",
        }
    }
}

/// Every operation's name: a run that leaves one out has not gone through the suite.
pub const OPERATIONS: [&str; 19] = [
    "allocate",
    "close",
    "create",
    "create directory",
    "get the boot",
    "list directory",
    "lock",
    "open",
    "read",
    "rename",
    "stat",
    "stat file",
    "statvfs",
    "sync",
    "sync data",
    "sync directory",
    "unlink",
    "unlock",
    "write",
];

impl Place<'_> {
    /// A file system and a directory of it that is made now.
    ///
    /// # Errors
    /// Whatever creating the directory gives.
    pub fn make<'a>(fs: &'a dyn Fs, root: &Path) -> Result<Place<'a>, IoError> {
        match fs.create_dir(root) {
            Err(error) if error.kind != truelog_env::IoKind::AlreadyExists => {
                Err(IoError { op: Op::CreateDir, ..error })
            }
            _ => Ok(Place { fs, root: root.to_owned() }),
        }
    }
}

/// Holds a fresh simulated disk against `fs` over random sequences, each in a new directory below `root`.
///
/// # Errors
/// The shortest disagreement, in which the first answers are the simulated disk's; the directories that were
/// made stay.
pub fn check_sim(fs: &dyn Fs, root: &Path, seed: u64, sequences: u32) -> Result<Tally, Disagreement> {
    let mut made = 0_u32;
    check(seed, sequences, |both| {
        made += 1;
        let sim = crate::fabric::SimFs::new_seeded(crate::fabric::Profile::W, seed);
        let sim_root = sim.log_dir();
        if let (Ok(one), Ok(other)) =
            (Place::make(&sim, sim_root), Place::make(fs, &root.join(format!("conformance-{made}"))))
        {
            both(&one, &other);
        }
    })
}
