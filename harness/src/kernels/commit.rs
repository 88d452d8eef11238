//! Scenarios over the group-commit kernel of the engine.
//!
//! The work is a model of a commit: it moves what the front holds to a disk that is plain memory. Loom's
//! cells watch that memory, so a reader that trusts a watermark without having synchronised with the commit
//! behind it is a reported race, not a matter of luck.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;
use truelog_under_loom::Lsn;
use truelog_under_loom::group_commit::{Driven, GroupCommit, Marks, Work};

/// The most records a scenario appends.
const RECORDS: usize = 5;

/// Plain memory, as loom watches it.
#[derive(Debug)]
struct Disk([UnsafeCell<u64>; RECORDS]);

// SAFETY: whether the accesses are ordered is what loom checks.
#[allow(unsafe_code)]
unsafe impl Sync for Disk {}

impl Disk {
    fn new() -> Arc<Self> {
        Arc::new(Self(std::array::from_fn(|_| UnsafeCell::new(0))))
    }

    fn write(&self, lsn: u64) {
        self.0[index(lsn)].with_mut(|cell| {
            // SAFETY: loom reports any access that is not ordered before or after this one.
            #[allow(unsafe_code)]
            unsafe {
                *cell += lsn;
            }
        });
    }

    fn read(&self, lsn: u64) -> u64 {
        self.0[index(lsn)].with(|cell| {
            // SAFETY: as above.
            #[allow(unsafe_code)]
            unsafe {
                *cell
            }
        })
    }
}

fn index(lsn: u64) -> usize {
    usize::try_from(lsn - 1).unwrap_or(RECORDS)
}

/// What writers fill: LSNs not yet taken.
#[derive(Debug, Default)]
struct Front {
    open: Vec<u64>,
    next: u64,
}

impl Front {
    fn append(&mut self) -> Lsn {
        self.next += 1;
        self.open.push(self.next);
        Lsn(self.next)
    }
}

#[derive(Debug)]
struct Commit {
    disk: Arc<Disk>,
    batch: Vec<u64>,
    /// The commit that holds this LSN fails, and all after it must not be tried.
    fails_at: u64,
    failed: bool,
}

impl Work for Commit {
    type Front = Front;
    type Failure = &'static str;

    fn is_open(front: &Front, goal: Marks) -> bool {
        front.open.contains(&goal.durable.get())
    }

    fn take(&mut self, front: &mut Front) -> bool {
        self.batch = std::mem::take(&mut front.open);
        !self.batch.is_empty()
    }

    fn carry_out(&mut self) -> Result<Marks, &'static str> {
        assert!(!self.failed, "a commit was begun after one had failed");
        if self.batch.contains(&self.fails_at) {
            self.failed = true;
            return Err("the disk failed");
        }
        for lsn in &self.batch {
            self.disk.write(*lsn);
        }
        let last = Lsn(self.batch.last().copied().unwrap_or(0));
        Ok(Marks { written: last, durable: last })
    }

    fn abandoned() -> &'static str {
        "abandoned"
    }
}

type Kernel = Arc<GroupCommit<Commit>>;

fn kernel(disk: &Arc<Disk>, fails_at: u64) -> Kernel {
    let work = Commit { disk: Arc::clone(disk), batch: Vec::new(), fails_at, failed: false };
    Arc::new(GroupCommit::new(Front::default(), work, Marks::default()))
}

/// Appends one record and waits for it: what a writer does.
fn append(kernel: &Kernel, disk: &Disk) -> Result<Lsn, &'static str> {
    let lsn = kernel.with(Front::append)?;
    match kernel.resolve(Marks::durable(lsn))? {
        Driven::Done => {
            assert_eq!(disk.read(lsn.get()), lsn.get(), "acknowledged, not written, or written twice")
        }
        Driven::Idle => panic!("a record was taken by nobody"),
    }
    Ok(lsn)
}

fn writer(kernel: &Kernel, disk: &Arc<Disk>) -> thread::JoinHandle<Result<Lsn, &'static str>> {
    let (kernel, disk) = (Arc::clone(kernel), Arc::clone(disk));
    thread::spawn(move || append(&kernel, &disk))
}

fn joined<T>(handle: thread::JoinHandle<T>) -> T {
    match handle.join() {
        Ok(value) => value,
        Err(_) => panic!("a thread of the scenario panicked"),
    }
}

pub(super) fn hand_over() {
    let disk = Disk::new();
    let kernel = kernel(&disk, u64::MAX);
    let others = [writer(&kernel, &disk), writer(&kernel, &disk)];
    let mine = append(&kernel, &disk);
    let mut lsns: Vec<_> = others.into_iter().map(joined).chain([mine]).collect();
    lsns.sort();
    assert_eq!(lsns, [Ok(Lsn(1)), Ok(Lsn(2)), Ok(Lsn(3))]);
    assert_eq!(kernel.marks(), Marks { written: Lsn(3), durable: Lsn(3) });
}

/// One that was chosen to lead is overtaken by a whole commit, and takes the turn of another that waits for a later one:
/// the first does not lead, and must see to it that the other does.
pub(super) fn overtaken() {
    let disk = Disk::new();
    let kernel = kernel(&disk, u64::MAX);
    let twice = {
        let (kernel, disk) = (Arc::clone(&kernel), Arc::clone(&disk));
        thread::spawn(move || [append(&kernel, &disk), append(&kernel, &disk)].iter().all(Result::is_ok))
    };
    let others = [writer(&kernel, &disk), writer(&kernel, &disk)];
    assert!(append(&kernel, &disk).is_ok());
    assert!(joined(twice) && others.into_iter().map(joined).all(|lsn| lsn.is_ok()));
    assert_eq!(kernel.marks(), Marks { written: Lsn(5), durable: Lsn(5) });
}

/// The reader is the thread that starts last: loom forgets a load that another load follows before the store
/// that both compete with, so what it runs first must be the stores.
pub(super) fn publication() {
    let disk = Disk::new();
    let kernel = kernel(&disk, u64::MAX);
    let reader = {
        let (kernel, disk) = (Arc::clone(&kernel), Arc::clone(&disk));
        thread::spawn(move || {
            let mut before = Marks::default();
            for _ in 0..2 {
                let marks = kernel.marks();
                assert!(marks.durable <= marks.written, "durable before written");
                assert!(
                    marks.durable >= before.durable && marks.written >= before.written,
                    "a watermark went back"
                );
                for lsn in 1..=marks.durable.get() {
                    assert_eq!(disk.read(lsn), lsn, "the watermark covers what is not written");
                }
                before = marks;
            }
        })
    };
    assert_eq!([append(&kernel, &disk), append(&kernel, &disk)], [Ok(Lsn(1)), Ok(Lsn(2))]);
    joined(reader);
}

pub(super) fn wake_up() {
    let disk = Disk::new();
    let kernel = kernel(&disk, u64::MAX);
    let watcher = {
        let (kernel, disk) = (Arc::clone(&kernel), Arc::clone(&disk));
        thread::spawn(move || {
            let reached = kernel.watch(Marks::durable(Lsn(1)), std::time::Duration::MAX);
            assert_eq!(reached, Ok(true), "nobody lets the time run out here");
            assert_eq!(disk.read(1), 1);
        })
    };
    assert_eq!(append(&kernel, &disk), Ok(Lsn(1)));
    joined(watcher);
}

pub(super) fn back_pressure() {
    let disk = Disk::new();
    let kernel = kernel(&disk, u64::MAX);
    let writers: [_; 2] = std::array::from_fn(|_| {
        let (kernel, disk) = (Arc::clone(&kernel), Arc::clone(&disk));
        thread::spawn(move || {
            // Room for one record only: look for it and take it under one lock, or wait for it.
            loop {
                let taken = kernel.with(|front| front.open.is_empty().then(|| front.append()));
                match taken {
                    Ok(Some(lsn)) => {
                        assert_eq!(kernel.resolve(Marks::durable(lsn)), Ok(Driven::Done));
                        assert_eq!(disk.read(lsn.get()), lsn.get());
                        break;
                    }
                    Ok(None) => assert_eq!(kernel.make_room(|front| front.open.is_empty()), Ok(Driven::Done)),
                    Err(failure) => panic!("{failure}"),
                }
            }
        })
    });
    writers.into_iter().for_each(joined);
    assert_eq!(kernel.marks().durable, Lsn(2));
}

pub(super) fn failure() {
    let disk = Disk::new();
    let kernel = kernel(&disk, 2);
    let other = writer(&kernel, &disk);
    let mine = append(&kernel, &disk);
    let mut results = [joined(other), mine];
    results.sort();
    // Together in one commit both fail; in two commits the first holds. Never does the second hold.
    let apart = [Ok(Lsn(1)), Err("the disk failed")];
    assert!(results == apart || results == [Err("the disk failed"); 2], "{results:?}");
    let durable = kernel.marks().durable;
    assert_eq!(durable, if results == apart { Lsn(1) } else { Lsn(0) });
    assert_eq!(kernel.resolve(Marks::durable(durable)), Ok(Driven::Done), "what held holds on");
    assert_eq!(append(&kernel, &disk), Err("the disk failed"));
}

pub(super) fn poisoned_from_outside() {
    let disk = Disk::new();
    let kernel = kernel(&disk, u64::MAX);
    let other = writer(&kernel, &disk);
    kernel.fail("the directory failed");
    let after = kernel.marks().durable;
    assert_eq!(append(&kernel, &disk), Err("the directory failed"));
    let told = joined(other);
    assert!(told == Ok(Lsn(1)) || told == Err("the directory failed"), "{told:?}");
    assert_eq!(kernel.marks().durable, after, "a commit was acknowledged after the failure");
}

pub(super) fn worker() {
    let disk = Disk::new();
    let kernel = kernel(&disk, u64::MAX);
    let other = writer(&kernel, &disk);
    let led = [kernel.lead_once(), kernel.lead_once()];
    assert!(led.iter().all(Result::is_ok));
    assert_eq!(joined(other), Ok(Lsn(1)));
    assert_eq!(kernel.lead_once(), Ok(false), "a record was left behind");
}
