//! Moments at which a crash may come, and what each crash leaves.

use std::path::Path;
use std::sync::Arc;

use truelog_env::Op;

use super::{At, Deed, Diary, Driver, is_taken_back, is_write_back};
use crate::fabric::{
    Call, Choice, Coverage, Edge, Hook, Image, LOG_DIR, SimFs, Snapshot, drive_dir, drive_name, drive_number,
};
use crate::knobs;
use crate::oracle::Files;
use crate::subject::Archived;

/// A moment at which a crash may come.
#[derive(Debug)]
pub struct Moment {
    /// Where it is.
    pub at: At,
    /// The disk then.
    pub snapshot: Snapshot,
}

/// What a loss of power can leave.
#[derive(Debug)]
pub struct Powers {
    /// The distinct images, each with what it keeps.
    pub images: Vec<(Image, Choice)>,
    /// How much of what is possible that is.
    pub coverage: Coverage,
}

impl Moment {
    /// What a loss of power can leave: everything up to `limit` choices, else a sample.
    #[must_use]
    pub fn powers(&self, limit: usize) -> Powers {
        let mut images = self.snapshot.images(limit, 0);
        let list = images.by_ref().filter_map(|crash| {
            let Some(_) = knobs::off() else { return Some((crash.image, crash.choice)) };
            let kept = knobs::kept(&self.snapshot, &self.snapshot.kept(&crash.choice))?;
            Some((self.snapshot.image(&kept).ok()?, crash.choice))
        });
        let list = list.collect();
        Powers { images: list, coverage: images.coverage() }
    }
}

impl<S: Archived> Driver<S> {
    /// From now on every call of the file system is written down, with the moments around it.
    pub(super) fn listen(&mut self) {
        let (diary, disk, synced) = (self.diary.clone(), self.disk.clone(), Arc::clone(&self.synced));
        let (units, duties, harm) = (self.units.clone(), self.duties.clone(), self.harm.clone());
        let tells = self.journal.is_some();
        self.disk.set_hook(Some(Arc::new(move |call: &Call, edge: Edge| {
            units.see(call, edge);
            if tells && edge == Edge::Begin {
                diary.note(Deed::Call(call.role, call.op));
            }
            if duties.see(&disk, call, edge) {
                diary.note(Deed::LeftOut);
            }
            match edge {
                // What a write has in flight may be torn in ways that its end no longer shows.
                Edge::Begin if call.op == Op::Write => note(&diary, &disk, At::During(call.id, call.op)),
                Edge::Begin => {}
                Edge::End(result) => {
                    if result.is_err() && is_write_back(call, result) {
                        harm.write_back_failed();
                        let synced = synced.load(std::sync::atomic::Ordering::Relaxed);
                        diary.note(Deed::WriteBackFailed(synced));
                        if is_taken_back(call) {
                            diary.note(Deed::TakenBack(synced));
                        }
                    }
                    if changes(call.op) {
                        note(&diary, &disk, At::After(call.id, call.op));
                    }
                }
            }
        })));
    }

    /// From now on nothing is written down of the calls of the file system but what its syncs are for.
    pub fn deaf(&mut self) {
        let (disk, duties) = (self.disk.clone(), self.duties.clone());
        let hook: Hook = Arc::new(move |call: &Call, edge: Edge| {
            duties.see(&disk, call, edge);
        });
        self.disk.set_hook(Some(hook));
    }

    /// What the disk is sure to hold after a loss of power.
    #[must_use]
    pub fn durable_files(&self) -> Files {
        durable_files(&self.disk)
    }

    /// What whoever looks sees, durable or not.
    #[must_use]
    pub fn visible_files(&self) -> Files {
        cached_files(&self.disk)
    }

    /// Ends the life of whatever is open: its last deeds are void.
    pub(super) fn end(&mut self) {
        self.disk.set_hook(None);
        self.disk.power_off();
        self.log = None;
        self.tickets.clear();
    }

    /// A crash may come now.
    pub(super) fn moment(&self, at: At) {
        note(&self.diary, &self.disk, at);
    }
}

/// Writes down that a crash may come now.
pub(super) fn note(diary: &Diary, disk: &SimFs, at: At) {
    let moment = Moment { at, snapshot: disk.snapshot() };
    diary.note(Deed::Moment(Arc::new(moment)));
}

/// Whether a call changes what a crash can leave.
const fn changes(op: Op) -> bool {
    !matches!(
        op,
        Op::Open | Op::ReadDir | Op::Metadata | Op::Statvfs | Op::Lock | Op::Read | Op::Entropy | Op::Boot
    )
}

/// The files of the log's directory in an image, and those of the drives beside it.
#[must_use]
pub fn files(image: &Image) -> Files {
    let dir = Path::new(LOG_DIR);
    let mut files = Files::new();
    let mut read = |dir: &Path, prefix: &str| {
        for name in image.names(dir).unwrap_or_default() {
            files.extend(image.read(&dir.join(&name)).map(|bytes| (format!("{prefix}{name}"), bytes)));
        }
    };
    read(dir, "");
    let beside = dir.parent().and_then(|parent| image.names(parent)).unwrap_or_default();
    for drive in beside.iter().filter_map(|name| drive_number(name)) {
        read(&drive_dir(dir, drive), &format!("{}/", drive_name(drive)));
    }
    files
}

/// What is there after a loss of power, whatever else it keeps.
pub(super) fn durable_files(disk: &SimFs) -> Files {
    disk.snapshot().durable().map(|image| files(&image)).unwrap_or_default()
}

/// What is there after the end of the process.
pub(super) fn cached_files(disk: &SimFs) -> Files {
    files(&disk.snapshot().process_crash())
}
