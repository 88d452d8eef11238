//! The log on the real file system: no crash here, but everything that a caller can see without one.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "tests use threads of their own")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Dir, options, payload, segments};
use truelog::{
    Claim, Durability, Error, Log, Lsn, Options, Record, Row, Seq, StreamId, SyncMethod, Verdict, inspect,
    verify_dir,
};

const A: StreamId = StreamId(7);
const B: StreamId = StreamId(9);

#[test]
fn what_was_appended_is_read_back_after_a_close_and_an_open() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    let first = log.append(A, b"one").expect("a receipt");
    let second = log.append(B, b"").expect("a receipt");
    let third = log.append(A, b"three").expect("a receipt");
    assert_eq!((first.lsn(), second.lsn(), third.lsn()), (Lsn(1), Lsn(2), Lsn(3)));
    assert_eq!((first.seq(), second.seq(), third.seq()), (Seq(0), Seq(0), Seq(1)));
    assert_eq!(first.durability(), Durability::PowerLoss);
    assert_eq!(log.get(Lsn(3)).expect("the record").payload, b"three");
    log.close().expect("a close");

    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!((recovered.first, recovered.next, recovered.rewritten), (Lsn(1), Lsn(4), 0));
    assert!(recovered.rows.contains(&Row::CleanEnd), "{:?}", recovered.rows);
    let all: Vec<_> = log.iter(Lsn(1)).map(|entry| entry.expect("a record").payload).collect();
    assert_eq!(all, [b"one".to_vec(), vec![], b"three".to_vec()]);
    assert_eq!(log.append(A, b"four").expect("a receipt").seq(), Seq(2));
    for receipt in [first, second, third] {
        assert_eq!(log.verify(&Claim::from(&receipt)), Ok(Verdict::Verified));
    }
}

#[test]
fn a_log_dropped_without_a_close_writes_its_last_batch_again() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    for number in 0..5 {
        log.append(A, &payload(number, 100)).expect("a receipt");
    }
    drop(log);
    for life in 0..4 {
        let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
        assert_eq!(recovered.next, Lsn(6), "life {life}");
        assert_eq!(recovered.rewritten, 1, "life {life}");
        let entries: Vec<_> = log.iter(Lsn(1)).map(|entry| entry.expect("a record")).collect();
        assert_eq!(entries.len(), 5);
        for (number, entry) in entries.iter().enumerate() {
            assert_eq!((entry.lsn, entry.seq), (Lsn(number as u64 + 1), Seq(number as u64)));
            assert_eq!(entry.payload, payload(number as u64, 100));
            assert!(entry.vouched);
        }
    }
}

#[test]
fn the_idle_mark_vouches_for_the_last_batch() {
    let dir = Dir::new();
    let quiet = Options { quiet: Duration::ZERO, ..options() };
    let log = Log::create(dir.path(), &quiet).expect("a log");
    log.append(A, b"one").expect("a receipt");
    assert!(!log.stat().unvouched.is_empty());
    let progress = log.step().expect("a step");
    assert!(progress.marked && progress.next.is_none(), "{progress:?}");
    assert!(log.stat().unvouched.is_empty());
    assert!(!log.step().expect("a step").marked);
    drop(log);
    let (_, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!((recovered.next, recovered.rewritten), (Lsn(2), 0));
}

#[test]
fn a_step_commits_what_nobody_waits_for() {
    let dir = Dir::new();
    let hasty = Options { max_delay: Duration::ZERO, ..options() };
    let log = Log::create(dir.path(), &hasty).expect("a log");
    let ticket =
        log.submit(&[Record { stream: A, payload: b"one" }], Durability::PowerLoss).expect("a ticket");
    assert_eq!((ticket.first(), log.stat().written), (Lsn(1), Lsn(0)));
    assert!(matches!(log.get(Lsn(1)), Err(Error::Absent { .. })));
    assert!(log.step().expect("a step").committed);
    assert_eq!(log.stat().durable, Lsn(1));
    assert_eq!(log.wait(ticket).expect("a receipt").len(), 1);
}

#[test]
fn segments_rotate_and_grow_and_all_records_stay_readable() {
    for sync in [SyncMethod::DataSync, SyncMethod::WriteThrough] {
        let dir = Dir::new();
        let options = Options { sync, ..options() };
        let log = Log::create(dir.path(), &options).expect("a log");
        for number in 0..400 {
            log.append(StreamId(number % 3), &payload(number, 1000)).expect("a receipt");
        }
        assert!(segments(dir.path()).len() > 2, "{:?}", segments(dir.path()));
        log.close().expect("a close");
        let (log, recovered) = Log::open(dir.path(), &options).expect("the log");
        assert_eq!((recovered.next, recovered.rewritten), (Lsn(401), 0));
        for number in [399, 0, 200, 201, 10] {
            let entry = log.get(Lsn(number + 1)).expect("a record");
            assert_eq!((entry.payload, entry.seq), (payload(number, 1000).into(), Seq(number / 3)));
        }
        assert_eq!(log.iter(Lsn(1)).filter(Result::is_ok).count(), 400);
        assert_eq!(log.append(StreamId(1), b"x").expect("a receipt").seq(), Seq(133));
        log.close().expect("a close");
        let report = verify_dir(dir.path()).expect("a report");
        assert_eq!((report.records, &report.damage[..]), (401, &[][..]));
    }
}

#[test]
fn a_trim_removes_whole_segments_and_is_remembered() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    for number in 0..400 {
        log.append(A, &payload(number, 1000)).expect("a receipt");
    }
    let before = segments(dir.path()).len();
    let trimmed = log.trim(Lsn(300)).expect("a trim");
    assert_eq!(trimmed.before, Lsn(300));
    assert_eq!(segments(dir.path()).len() as u64, before as u64 - trimmed.segments);
    assert!(trimmed.segments > 0);
    let gone = Error::Trimmed { lsn: Lsn(299), first: Lsn(300) };
    assert_eq!(log.get(Lsn(299)), Err(gone.clone()));
    assert_eq!(log.get(Lsn(300)).expect("a record").payload, payload(299, 1000));
    assert_eq!(log.trim(Lsn(10)).expect("nothing to do").before, Lsn(300));
    drop(log);
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!((recovered.first, recovered.next), (Lsn(300), Lsn(401)));
    assert_eq!(log.iter(Lsn(299)).next(), Some(Err(gone)));
    assert_eq!(log.iter(Lsn(300)).filter(Result::is_ok).count(), 101);
    // Everything may go, and the numbers go on.
    assert_eq!(log.trim(Lsn(9999)).expect("a trim").before, Lsn(401));
    log.close().expect("a close");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!((recovered.first, recovered.next), (Lsn(401), Lsn(401)));
    let receipt = log.append(A, b"on").expect("a receipt");
    assert_eq!((receipt.lsn(), receipt.seq()), (Lsn(401), Seq(400)));
}

#[test]
fn a_batch_is_one_and_too_large_ones_are_refused_before_they_get_a_number() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    let big = payload(0, 40_000);
    let records = [Record { stream: A, payload: &big }, Record { stream: B, payload: &big }];
    assert!(matches!(log.append_batch(&records, Durability::PowerLoss), Err(Error::TooLarge { .. })));
    assert!(matches!(log.append_batch(&[], Durability::PowerLoss), Err(Error::BadOption { .. })));
    let receipts =
        log.append_batch(&[records[0], Record { stream: B, payload: b"b" }], Durability::PowerLoss);
    let receipts = receipts.expect("receipts");
    assert_eq!((receipts[0].lsn(), receipts[1].lsn()), (Lsn(1), Lsn(2)));
    assert_eq!(receipts[0].segment(), receipts[1].segment());
    let few = Options { max_streams: 1, ..options() };
    let other = Dir::new();
    let log = Log::create(other.path(), &few).expect("a log");
    log.append(A, b"a").expect("a receipt");
    assert_eq!(log.append(B, b"b"), Err(Error::TooManyStreams { limit: 1 }));
    assert_eq!(log.append(A, b"a").expect("a receipt").lsn(), Lsn(2));
}

#[test]
fn a_process_crash_promise_is_written_but_not_called_durable() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    let record = Record { stream: A, payload: b"one" };
    let receipt = log.append_with(record, Durability::ProcessCrash).expect("a receipt");
    assert_eq!(receipt.durability(), Durability::ProcessCrash);
    assert_eq!((log.stat().written, log.stat().durable), (Lsn(1), Lsn(0)));
    log.append(A, b"two").expect("a receipt");
    assert_eq!((log.stat().written, log.stat().durable), (Lsn(2), Lsn(2)));
    log.append_with(record, Durability::ProcessCrash).expect("a receipt");
    drop(log);
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!((recovered.next, recovered.durable), (Lsn(4), Lsn(3)));
    assert_eq!(log.verify(&Claim::from(&receipt)), Ok(Verdict::Verified));
}

#[test]
fn eight_writers_share_one_log() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &Options { background: true, ..options() }).expect("a log");
    let receipts: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let log = &log;
                scope.spawn(move || {
                    let append =
                        |number| log.append(StreamId(writer), &payload(number, 300)).expect("a receipt");
                    (0..100).map(append).collect::<Vec<_>>()
                })
            })
            .collect();
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect()
    });
    let mut lsns: Vec<_> = receipts.iter().map(truelog::Receipt::lsn).collect();
    lsns.sort();
    assert_eq!(lsns, (1..=800).map(Lsn).collect::<Vec<_>>());
    log.close().expect("a close");
    let (log, recovered) = Log::open(dir.path(), &options()).expect("the log");
    assert_eq!((recovered.next, recovered.rewritten), (Lsn(801), 0));
    for receipt in &receipts {
        assert_eq!(log.verify(&Claim::from(receipt)), Ok(Verdict::Verified));
        assert_eq!(log.get(receipt.lsn()).expect("a record").payload, payload(receipt.seq().get(), 300));
    }
}

#[test]
fn a_tail_shows_only_what_is_durable_and_waits_for_more() {
    let dir = Dir::new();
    let log = Arc::new(Log::create(dir.path(), &options()).expect("a log"));
    let mut tail = log.tail(Lsn(1)).expect("a tail");
    assert_eq!(tail.next(Duration::from_millis(1)), Ok(None));
    log.append_with(Record { stream: A, payload: b"one" }, Durability::ProcessCrash).expect("a receipt");
    assert_eq!(tail.next(Duration::from_millis(1)), Ok(None));
    let writer = std::thread::spawn({
        let log = Arc::clone(&log);
        move || log.append(A, b"two").expect("a receipt")
    });
    let mut next = || tail.next(Duration::from_secs(20)).expect("a record").expect("in time");
    assert_eq!((next().payload, next().payload), (b"one".to_vec().into(), b"two".to_vec().into()));
    writer.join().expect("the writer");
    Arc::into_inner(log).expect("the last handle").close().expect("a close");
    assert_eq!(tail.next(Duration::from_secs(20)), Err(Error::Closed));
}

#[test]
fn an_inspection_beside_a_writer_marks_what_nothing_vouches_for() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    log.append(A, b"one").expect("a receipt");
    let receipt = log.append(A, b"two").expect("a receipt");
    assert_eq!(Log::open(dir.path(), &options()).map(|_| ()), Err(Error::Locked { dir: dir.path() }));
    let inspection = inspect(dir.path()).expect("an inspection");
    assert_eq!((inspection.next(), inspection.vouched()), (Lsn(3), Lsn(1)));
    let vouched: Vec<_> = inspection.iter(Lsn(1)).map(|entry| entry.expect("a record").vouched).collect();
    assert_eq!(vouched, [true, false]);
    assert_eq!(inspection.verify(&Claim::from(&receipt)), Ok(Verdict::Unvouched));
    log.close().expect("a close");
    let inspection = inspect(dir.path()).expect("an inspection");
    assert_eq!((inspection.next(), inspection.vouched()), (Lsn(3), Lsn(2)));
}

#[test]
fn a_claim_that_does_not_hold_says_why() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    let claim = Claim::from(&log.append(A, b"one").expect("a receipt"));
    let verdict = |claim| format!("{:?}", log.verify(&claim).expect("a verdict"));
    assert!(verdict(Claim { stream: B, ..claim }).contains("OtherStream"));
    assert!(verdict(Claim { seq: Seq(5), ..claim }).contains("OtherSeq"));
    assert!(verdict(Claim { len: 4, ..claim }).contains("OtherPayload"));
    assert!(verdict(Claim { digest: truelog::Digest::of(b"two"), ..claim }).contains("OtherPayload"));
    assert!(verdict(Claim { lsn: Lsn(2), ..claim }).contains("Absent"));
    assert!(verdict(Claim { log: truelog::LogId([0; 16]), ..claim }).contains("OtherLog"));
    assert!(verdict(Claim { segment: truelog::SegmentNo(9), offset: 0, ..claim }).contains("Verified"));
}

#[test]
fn a_ticket_of_another_handle_is_refused() {
    let (one, other) = (Dir::new(), Dir::new());
    let log = Log::create(one.path(), &options()).expect("a log");
    let ticket =
        log.submit(&[Record { stream: A, payload: b"one" }], Durability::PowerLoss).expect("a ticket");
    let stranger = Log::create(other.path(), &options()).expect("a log");
    assert_eq!(stranger.wait(ticket), Err(Error::BadTicket));
}

#[test]
fn whoever_waits_for_a_ticket_has_its_last_record_committed_first() {
    let dir = Dir::new();
    let log = Log::create(dir.path(), &options()).expect("a log");
    let records = [Record { stream: A, payload: b"one" }, Record { stream: B, payload: b"two" }];
    let ticket = log.submit(&records, Durability::PowerLoss).expect("a ticket");
    assert_eq!((ticket.first(), ticket.last(), ticket.durability()), (Lsn(1), Lsn(2), Durability::PowerLoss));
    assert_eq!(log.stat().durable, Lsn(0));
    let receipts = log.wait(ticket).expect("receipts");
    assert_eq!(receipts.iter().map(truelog::Receipt::lsn).collect::<Vec<_>>(), [Lsn(1), Lsn(2)]);
    assert_eq!(log.stat().durable, Lsn(2));
    assert_eq!(log.get(Lsn(2)).expect("a record").payload, b"two");
}
