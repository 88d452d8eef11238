//! What is told when a log fails, and in which order: halted first, then remembered, then said. And what an open says of
//! the clock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use truelog::{
    Condition, Error, Event, HealthRule as Rule, Log, Metric, Metrics, Observer, Options, StreamId,
    inspect_in,
};
use truelog_env::{Clock, Env, IoKind, Op, OpenMode};
use truelog_harness::fabric::{Call, Edge, Fault, Plan, Profile, Reads, Role, SimFs};

fn options() -> Options {
    Options {
        block_size: 256,
        segment_size: 768,
        max_batch_bytes: 512,
        background: false,
        ..Options::default()
    }
}

fn disk() -> SimFs {
    SimFs::new(Profile::W.sector(256))
}

fn create(disk: &SimFs) -> Log {
    Log::create_in(&disk.env(), disk.log_dir(), &options()).expect("a log")
}

/// Another program writes a byte into the first record.
fn flip(disk: &SimFs) {
    let path: PathBuf = disk.log_dir().join("segment-0000000001");
    let file = disk.env().fs.open(&path, OpenMode::WRITE).expect("a file");
    let mut byte = [0];
    file.read_at(&mut byte, 256 + 150).expect("a byte");
    file.write_at(&[byte[0] ^ 1], 256 + 150).expect("written");
    file.sync_all().expect("synced");
}

/// At each call of the disk that changes the manifest: what an append meets, as it would be at that moment.
fn met_at_the_manifest(disk: &SimFs, log: &Arc<Log>) -> Arc<Mutex<Vec<Result<(), Error>>>> {
    let met = Arc::new(Mutex::new(Vec::new()));
    let (seen, log) = (Arc::clone(&met), Arc::downgrade(log));
    disk.set_hook(Some(Arc::new(move |call: &Call, edge| {
        let changes = matches!(call.op, Op::Write | Op::SyncData) && call.role == Role::Manifest;
        if changes && edge == Edge::Begin {
            let log = log.upgrade().expect("the log lives");
            // It needs no other segment, and so nothing of whoever stands here.
            seen.lock().expect("a list").push(log.append(StreamId(0), b"behind it").map(drop));
        }
    })));
    met
}

#[test]
fn no_append_is_acknowledged_once_the_auditor_knows_and_the_evidence_is_kept_behind_that() {
    let disk = disk();
    let roomy = Options { segment_size: 8192, ..options() };
    let log = Arc::new(Log::create_in(&disk.env(), disk.log_dir(), &roomy).expect("a log"));
    log.append(StreamId(0), &[7; 100]).expect("a receipt");
    flip(&disk);
    let met = met_at_the_manifest(&disk, &log);
    let error = log.audit().expect_err("a byte differs");
    disk.set_hook(None);
    let met = met.lock().expect("a list").clone();
    assert!(!met.is_empty(), "the manifest was to be told");
    for append in met {
        assert_eq!(append, Err(error.clone()), "acknowledged while the manifest was being told");
    }
    let beside = inspect_in(&disk.env(), disk.log_dir()).expect("an inspection");
    assert!(beside.health().has(Rule::ClaimViolated), "{:?}", beside.health());
    assert!(beside.audited().violated.contains(truelog::Lsn(1)));
}

#[test]
fn a_log_that_has_failed_for_something_else_writes_no_evidence_behind_it() {
    let disk = disk();
    let log = create(&disk);
    log.append(StreamId(0), &[7; 100]).expect("a receipt");
    flip(&disk);
    // The first failure is the manifest's own: what its file holds is not known, and nothing more is written to it.
    let fault = Fault::FailSync { kind: IoKind::Device, reads: Reads::New };
    disk.faults().schedule(Plan { role: Role::Manifest.into(), op: Op::SyncData, nth: 1, fault });
    log.trim(truelog::Lsn(2)).expect_err("the sync failed");
    let calls = disk.log().len();
    log.audit().expect_err("it has failed");
    assert_eq!(disk.log().len(), calls);
}

/// Unwinds at the first event of a kind, as a faulty program would.
#[derive(Debug)]
struct Unwinds(fn(&Event) -> bool);

impl Observer for Unwinds {
    fn event(&self, event: &Event) {
        // It does so at the poisoning as well: nobody may be kept from hearing of that.
        let poisoned = matches!(event, Event::Poisoned { .. });
        assert!(!(self.0)(event) && !poisoned, "asked to");
    }
}

#[derive(Debug, Default)]
struct Hears(Mutex<Vec<Event>>);

impl Observer for Hears {
    fn event(&self, event: &Event) {
        self.0.lock().expect("a list").push(event.clone());
    }
}

impl Hears {
    fn poisonings(&self) -> Vec<Error> {
        let heard = self.0.lock().expect("a list");
        let cause =
            |event: &Event| if let Event::Poisoned { cause } = event { Some(cause.clone()) } else { None };
        heard.iter().filter_map(cause).collect()
    }
}

#[test]
fn a_leader_and_a_keeper_of_the_house_that_unwind_say_that_the_log_has_failed() {
    let commits = |event: &Event| matches!(event, Event::Durable(_));
    let keeps_house = |event: &Event| matches!(event, Event::SegmentPrepared { .. });
    for at in [commits as fn(&Event) -> bool, keeps_house] {
        let disk = disk();
        let log = create(&disk);
        let (metrics, hears) = (Arc::new(Metrics::default()), Arc::new(Hears::default()));
        log.observe(Arc::new(Unwinds(at)));
        log.observe(Arc::clone(&metrics) as Arc<dyn Observer>);
        log.observe(Arc::clone(&hears) as Arc<dyn Observer>);
        let append = || (0..9).try_for_each(|_| log.append(StreamId(0), &[7; 100]).map(drop));
        catch_unwind(AssertUnwindSafe(append)).expect_err("somebody unwinds");
        assert_eq!(hears.poisonings(), [Error::Abandoned]);
        let snapshot = metrics.snapshot();
        assert_eq!((snapshot.get(Metric::Poisoned), snapshot.get(Metric::Poisonings)), (1, 1));
        assert!(matches!(append(), Err(Error::Poisoned { cause }) if *cause == Error::Abandoned));
        assert_eq!(log.health().verdict, Condition::Halted);
        assert!(log.health().has(Rule::Poisoned));
    }
}

/// The disk's clock, with another wall clock.
#[derive(Debug)]
struct Set(Arc<dyn Clock>, Duration);

impl Clock for Set {
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn wall(&self) -> Duration {
        self.1
    }

    fn sleep(&self, time: Duration) {
        self.0.sleep(time);
    }
}

#[test]
fn an_open_says_that_the_clock_is_behind_what_was_written_and_opens() {
    const SECOND: Duration = Duration::from_secs(1);
    let disk = disk();
    let env = disk.env();
    let log = create(&disk);
    log.append(StreamId(0), b"one").expect("a receipt");
    // The disk's own time begins where no clock is believed before it.
    disk.advance(SECOND * 86_400);
    log.audit().expect("all is well");
    let audited = Duration::from_secs(log.audit_stat().at);
    log.close().expect("a close");
    for (wall, doubtful) in [
        (audited, false),
        (audited - SECOND, false),
        (audited - SECOND * 3600, true),
        (SECOND, true),
        (audited + SECOND * 3600, false),
    ] {
        let hears = Arc::new(Hears::default());
        let env = Env { clock: Arc::new(Set(Arc::clone(&env.clock), wall)), ..env.clone() };
        let observers = [Arc::clone(&hears) as Arc<dyn Observer>];
        let (log, _) =
            Log::open_observed_in(&env, disk.log_dir(), &options(), &observers).expect("no refusal");
        log.append(StreamId(0), b"more").expect("a receipt");
        log.close().expect("a close");
        let heard = hears.0.lock().expect("a list");
        let told: Vec<_> = heard.iter().filter(|event| matches!(event, Event::ClockDoubtful(_))).collect();
        assert_eq!(told.len(), usize::from(doubtful), "{wall:?}: {told:?}");
    }
}
