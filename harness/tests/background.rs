//! Background work on the simulated disk: the worker's end, and what it does when there is no space.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use truelog::{Durability, Error, Log, Lsn, Options, Record, StreamId, SyncMethod};
use truelog_env::{Clock, Op};
use truelog_harness::fabric::{Call, Edge, LogRecord, Profile, Role, SimFs};

const PATIENCE: Duration = Duration::from_secs(20);

/// Segments of a header and two blocks: a record of one block fills more than half of one.
fn options() -> Options {
    Options {
        block_size: 256,
        segment_size: 768,
        max_batch_bytes: 512,
        background: false,
        // Who counts syncs must know which call is one.
        sync: SyncMethod::DataSync,
        ..Options::default()
    }
}

/// Whether this is the log's own thread.
fn is_worker() -> bool {
    thread::current().name() == Some("truelog")
}

/// Holds one thread until it is let go.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Arrives, and waits to be let go.
    fn hold(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_timeout_while(state, PATIENCE, |(_, open)| !*open).unwrap());
    }

    /// Waits until somebody is held.
    fn expect(&self) {
        let state = self.state.lock().unwrap();
        let (state, _) = self.changed.wait_timeout_while(state, PATIENCE, |(held, _)| !*held).unwrap();
        assert!(state.0, "nobody came to the gate");
    }

    fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

#[test]
fn a_dropped_log_lets_go_of_its_directory_only_once_its_worker_has_ended() {
    let disk = SimFs::new(Profile::W.sector(128));
    let worked = Options { background: true, ..options() };
    let log = Log::create_in(&disk.env(), disk.log_dir(), &worked).expect("a log");
    log.append(StreamId(0), b"one").expect("a receipt");
    let (gate, freed, late) =
        (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (hold, is_free, count) = (Arc::clone(&gate), Arc::clone(&freed), Arc::clone(&late));
    disk.set_hook(Some(Arc::new(move |call: &Call, edge| {
        if is_worker() && is_free.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
        }
        if is_worker()
            && edge == Edge::Begin
            && call.op == Op::SyncData
            && matches!(call.role, Role::Segment(_))
        {
            hold.hold();
        }
    })));
    let two = [Record { stream: StreamId(0), payload: b"two" }];
    drop(log.submit(&two, Durability::PowerLoss).expect("a ticket that nobody waits for"));
    disk.advance(worked.max_delay);
    gate.expect();
    // The worker is in the middle of a commit.
    let dropping = thread::spawn(move || drop(log));
    for _ in 0..100 {
        let second = Log::open_in(&disk.env(), disk.log_dir(), &options());
        assert!(matches!(second, Err(Error::Locked { .. })), "the worker still writes: {second:?}");
        thread::sleep(Duration::from_millis(2));
    }
    assert!(!dropping.is_finished(), "the drop must wait for the worker");
    gate.open();
    dropping.join().expect("the drop ends");
    freed.store(true, Ordering::SeqCst);
    let (second, recovered) = Log::open_in(&disk.env(), disk.log_dir(), &options()).expect("a second life");
    assert_eq!(recovered.next, Lsn(3), "the worker had written it");
    second.append(StreamId(0), b"three").expect("a receipt");
    assert_eq!(late.load(Ordering::SeqCst), 0, "calls of a worker whose handle is gone");
}

#[test]
fn the_worker_ends_with_its_handle_although_it_has_nothing_to_do() {
    let disk = SimFs::new(Profile::W.sector(128));
    let worked = Options { background: true, ..options() };
    let log = Log::create_in(&disk.env(), disk.log_dir(), &worked).expect("a log");
    // Long enough for it to fall asleep for good.
    thread::sleep(Duration::from_millis(50));
    let (began, dropping) = (Instant::now(), thread::spawn(move || drop(log)));
    while !dropping.is_finished() {
        assert!(began.elapsed() < PATIENCE, "nobody woke it");
        thread::sleep(Duration::from_millis(1));
    }
    let (log, _) = Log::open_in(&disk.env(), disk.log_dir(), &worked).expect("a second life");
    log.close().expect("a close");
}

#[test]
fn segments_grow_although_somebody_always_waits_for_the_next() {
    let disk = SimFs::new(Profile::W.sector(512));
    let unhelped = Options { background: false, ..Options::default() };
    let log = Log::create_in(&disk.env(), disk.log_dir(), &unhelped).expect("a log");
    let payload = vec![7; 60 << 10];
    for _ in 0..40 {
        log.append(StreamId(0), &payload).expect("a receipt");
    }
    let named = |record: &&LogRecord| record.edge == Edge::Begin && record.call.op == Op::Rename;
    let segments = disk.log().iter().filter(named).filter(|record| is_segment(&record.call)).count();
    // 64, 128, 256 KiB and so on: six for 2.4 MiB, and one for the odd ends.
    assert!((4..=7).contains(&segments), "{segments} segments for 40 batches");
}

fn is_segment(call: &Call) -> bool {
    matches!(call.role, Role::SegmentTmp(_))
}

/// The disk's clock, which counts how often the log's own thread looks at it.
#[derive(Debug)]
struct Watched(Arc<dyn Clock>, AtomicU64);

impl Clock for Watched {
    fn monotonic(&self) -> Duration {
        self.1.fetch_add(u64::from(is_worker()), Ordering::Relaxed);
        self.0.monotonic()
    }

    fn wall(&self) -> Duration {
        self.0.wall()
    }

    fn sleep(&self, time: Duration) {
        self.0.sleep(time);
    }
}

#[test]
fn the_worker_sleeps_while_another_commits_however_old_a_record_is() {
    let disk = SimFs::new(Profile::W.sector(128));
    let mut env = disk.env();
    let clock = Arc::new(Watched(Arc::clone(&env.clock), AtomicU64::new(0)));
    env.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let worked = Options { background: true, max_batch_bytes: 1024, segment_size: 8192, ..options() };
    let log = Log::create_in(&env, disk.log_dir(), &worked).expect("a log");
    let gate = Arc::new(Gate::default());
    let hold = Arc::clone(&gate);
    disk.set_hook(Some(Arc::new(move |call: &Call, edge| {
        if edge == Edge::Begin && call.op == Op::SyncData && matches!(call.role, Role::Segment(_)) {
            hold.hold();
        }
    })));
    thread::scope(|scope| {
        scope.spawn(|| log.append(StreamId(0), b"one").expect("a receipt"));
        gate.expect();
        let two = [Record { stream: StreamId(1), payload: b"two" }];
        drop(log.submit(&two, Durability::PowerLoss).expect("a ticket that nobody waits for"));
        disk.advance(Duration::from_secs(3600));
        let before = clock.1.load(Ordering::Relaxed);
        thread::sleep(Duration::from_millis(300));
        let looks = clock.1.load(Ordering::Relaxed) - before;
        gate.open();
        assert!(looks < 100, "{looks} looks at the clock while there is nothing to do");
    });
    let began = Instant::now();
    while log.stat().durable < Lsn(2) {
        assert!(began.elapsed() < PATIENCE, "the end of the commit did not rouse the worker");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_worker_is_not_roused_for_records_that_somebody_waits_for() {
    let disk = SimFs::new(Profile::W.sector(128));
    let mut env = disk.env();
    let clock = Arc::new(Watched(Arc::clone(&env.clock), AtomicU64::new(0)));
    env.clock = Arc::clone(&clock) as Arc<dyn Clock>;
    let worked = Options { background: true, max_batch_bytes: 1024, segment_size: 1 << 20, ..options() };
    let log = Log::create_in(&env, disk.log_dir(), &worked).expect("a log");
    log.append(StreamId(0), b"the first tells it when to look again").expect("a receipt");
    let (before, began) = (clock.1.load(Ordering::Relaxed), Instant::now());
    for _ in 0..1000 {
        log.append(StreamId(0), b"another").expect("a receipt");
    }
    let looks = clock.1.load(Ordering::Relaxed) - before;
    // It looks after each quiet time on its own, at three places in a step, and now and then prepares a segment.
    let rounds = began.elapsed().as_millis() / worked.quiet.as_millis() + 10;
    assert!(u128::from(looks) < 8 * rounds, "{looks} looks at the clock in {:?}", began.elapsed());
    let one = [Record { stream: StreamId(0), payload: b"one that nobody waits for" }];
    drop(log.submit(&one, Durability::PowerLoss).expect("a ticket"));
    disk.advance(worked.max_delay);
    let began = Instant::now();
    while log.stat().durable < Lsn(1002) {
        assert!(began.elapsed() < PATIENCE, "the worker slept through it");
        thread::sleep(Duration::from_millis(1));
    }
}

/// How often space for a segment was asked for since this was last asked.
fn tries(disk: &SimFs) -> usize {
    let asked = |op: Op, edge: Edge| op == Op::Statvfs && edge == Edge::Begin;
    disk.take_log().iter().filter(|one| asked(one.call.op, one.edge)).count()
}

/// A log that wants its next segment, on a disk that is full from now on.
fn hungry(disk: &SimFs) -> Log {
    let log = Log::create_in(&disk.env(), disk.log_dir(), &options()).expect("a log");
    for _ in 0..2 {
        log.append(StreamId(0), &[7; 150]).expect("a receipt");
    }
    disk.fill_after(Some(0));
    tries(disk);
    log
}

#[test]
fn on_a_full_disk_the_next_segment_is_tried_for_less_and_less_often() {
    let disk = SimFs::new(Profile::W.sector(128));
    let log = hungry(&disk);
    // A minute in steps of 10 ms: after 0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7 s, and then every 10 s.
    let mut seen = Vec::new();
    for step in 0..6_000_u64 {
        let progress = log.step().expect("a full disk hurts nobody yet");
        assert!(!progress.prepared);
        seen.extend(std::iter::repeat_n(step * 10, tries(&disk)));
        disk.advance(Duration::from_millis(10));
    }
    assert_eq!(seen, [0, 100, 300, 700, 1_500, 3_100, 6_300, 12_700, 22_700, 32_700, 42_700, 52_700]);
    // Whoever needs the space is told at once, each time.
    for _ in 0..3 {
        assert!(matches!(log.append(StreamId(0), &[7; 150]), Err(Error::Full { .. })));
    }
    assert_eq!(tries(&disk), 3);
    disk.fill_after(None);
    disk.advance(Duration::from_secs(10));
    assert!(log.step().expect("a step").prepared, "space is there again, and it is found");
}

#[test]
fn a_trim_that_frees_space_makes_the_next_segment_at_once() {
    for trims in [true, false] {
        let disk = SimFs::new(Profile::W.sector(128));
        let log = hungry(&disk);
        assert!(!log.step().expect("a step").prepared);
        disk.fill_after(None);
        if trims {
            assert_eq!(log.trim(Lsn(2)).expect("a trim").segments, 1);
        }
        assert_eq!(log.step().expect("a step").prepared, trims, "without a trim it is not time yet");
    }
}

#[test]
fn a_log_that_fills_its_disk_leaves_itself_the_space_for_a_trim() {
    let disk = SimFs::new(Profile::W.sector(128));
    let log = Log::create_in(&disk.env(), disk.log_dir(), &options()).expect("a log");
    disk.fill_after(Some(40_000));
    let fill = |log: &Log| {
        let refused = (0..1_000).find_map(|_| log.append(StreamId(0), &[7; 150]).err());
        assert!(matches!(refused, Some(Error::Full { .. })), "{refused:?}");
    };
    fill(&log);
    log.close().expect("closed");
    // As whoever tries again and again: each open takes some space, and gives as much back.
    let open = || Log::open_in(&disk.env(), disk.log_dir(), &options()).expect("space for an open").0;
    for _ in 0..10 {
        let log = open();
        fill(&log);
        log.close().expect("closed");
    }
    let log = open();
    assert_eq!(log.read_only(), None);
    let next = log.stat().next;
    assert!(log.trim(next).expect("space for a trim").segments > 10);
    assert_eq!(log.append(StreamId(0), &[7; 150]).expect("space again").lsn(), next);
}
