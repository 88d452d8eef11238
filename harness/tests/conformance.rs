//! The simulated disk answers as the real file system does, and the suite sees it when it does not.

use std::ffi::OsString;
use std::path::Path;

use truelog_env::{DirLock, File, Fs, IoError, Metadata, OpenMode, Volume};
use truelog_harness::conformance::{Disagreement, OPERATIONS, Tally, check_sim};
use truelog_harness::fabric::{Profile, SimFs};

const SEED: u64 = 20_240_607;

fn real(seed: u64, sequences: u32) -> Result<Tally, Disagreement> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    check_sim(&*truelog::os::native().fs, dir.path(), seed, sequences)
}

#[test]
fn the_simulated_disk_answers_as_the_real_one() {
    let tally = real(SEED, 400).unwrap_or_else(|disagreement| panic!("seed {SEED}: {disagreement}"));
    assert_eq!(tally.sequences, 400);
    for op in OPERATIONS {
        let (succeeded, _) = tally.by_op.get(op).copied().unwrap_or_default();
        assert!(succeeded > 0, "seed {SEED}: no {op} ever succeeded: {tally:?}");
    }
    let failures: u64 = tally.by_op.values().map(|(_, failed)| failed).sum();
    assert!(failures > 100, "seed {SEED}: only {failures} failures were compared");
}

/// A simulated disk with one planted difference.
#[derive(Debug)]
struct Wrong(SimFs, Kind);

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A rename leaves the source.
    RenameCopies,
    /// An open for writing creates.
    OpenCreates,
    /// The lock is always granted.
    LockAlways,
    /// Names come in reverse.
    Unsorted,
    /// Each call is another boot.
    RestlessBoot,
}

impl Fs for Wrong {
    fn open(&self, path: &Path, mode: OpenMode) -> Result<Box<dyn File>, IoError> {
        match self.1 {
            Kind::OpenCreates if mode.write && self.0.metadata(path).is_err() => {
                self.0.open(path, OpenMode::CREATE)
            }
            _ => self.0.open(path, mode),
        }
    }
    fn create_dir(&self, path: &Path) -> Result<(), IoError> {
        self.0.create_dir(path)
    }
    fn read_dir(&self, path: &Path) -> Result<Vec<OsString>, IoError> {
        let mut names = self.0.read_dir(path)?;
        if matches!(self.1, Kind::Unsorted) {
            names.reverse();
        }
        Ok(names)
    }
    fn metadata(&self, path: &Path) -> Result<Metadata, IoError> {
        self.0.metadata(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        self.0.rename(from, to)?;
        if matches!(self.1, Kind::RenameCopies) && from != to {
            self.0.open(from, OpenMode::CREATE)?;
        }
        Ok(())
    }
    fn unlink(&self, path: &Path) -> Result<(), IoError> {
        self.0.unlink(path)
    }
    fn sync_dir(&self, path: &Path) -> Result<(), IoError> {
        self.0.sync_dir(path)
    }
    fn lock_dir(&self, path: &Path) -> Result<Box<dyn DirLock>, IoError> {
        match self.1 {
            Kind::LockAlways => Ok(Box::new(NoLock)),
            _ => self.0.lock_dir(path),
        }
    }
    fn volume(&self, path: &Path) -> Result<Volume, IoError> {
        self.0.volume(path)
    }
    fn boot(&self) -> Result<u128, IoError> {
        let boot = self.0.boot()?;
        Ok(if matches!(self.1, Kind::RestlessBoot) { boot + u128::from(self.0.calls()) } else { boot })
    }
}

#[derive(Debug)]
struct NoLock;

impl DirLock for NoLock {}

#[test]
fn a_planted_disagreement_is_found_and_shrunk() {
    for (kind, most) in [
        (Kind::RenameCopies, 5),
        (Kind::OpenCreates, 2),
        (Kind::LockAlways, 3),
        (Kind::Unsorted, 5),
        (Kind::RestlessBoot, 2),
    ] {
        let wrong = Wrong(SimFs::new(Profile::W), kind);
        let found = check_sim(&wrong, Path::new("/vol"), SEED, 400);
        let found = found.expect_err(&format!("seed {SEED}: {kind:?} was not seen"));
        assert!(found.steps.len() <= most, "{kind:?} was not shrunk to {most} calls: {found}");
    }
}
