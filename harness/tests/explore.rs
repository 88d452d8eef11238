//! The explorer holds on the engine, and sees what it must see on broken ones.

use std::path::{Path, PathBuf};

use truelog_harness::driver::{Deed, Driver};
use truelog_harness::explore::{Case, Letter, Scope, alone, draw, explore, spell, strike};
use truelog_harness::fabric::{RolePattern, SimFs};
use truelog_harness::progress::Progress;
use truelog_harness::report::Report;
use truelog_harness::subject::{
    Ack, Archived, Audit, Drive, Opened, Place, Plain, ReadAhead, Refusal, Run, Scrubbed, Sent, Stepped,
    Subject, Told, Watch,
};
use truelog_spec::contract::Record;
use truelog_spec::step::Durability;
use truelog_spec::{ClientStep, Invariant};

/// Acknowledges what is only in memory.
const ACKS_EARLY: u8 = 0;
/// Loses the last record that recovery found.
const DROPS_ONE: u8 = 1;
/// Finds a record that nobody appended.
const INVENTS_ONE: u8 = 2;
/// Reports success where the engine reported a failure.
const ACKS_FAILURES: u8 = 3;

/// The engine with a bug.
#[derive(Debug)]
struct Broken<const BUG: u8>(Plain);

/// A receipt for what was never written.
fn forged(sent: &[Sent], first: u64, durability: Durability) -> Vec<Ack> {
    let one = |(lsn, sent): (u64, &Sent)| Ack {
        lsn,
        stream: sent.stream,
        seq: lsn - 1,
        segment: 1,
        offset: 352,
        len: u32::try_from(sent.payload.len()).unwrap(),
        digest: *blake3::hash(&sent.payload).as_bytes(),
        durability,
    };
    (first..).zip(sent).map(one).collect()
}

impl<const BUG: u8> Subject for Broken<BUG> {
    type Ticket = <Plain as Subject>::Ticket;

    fn create(place: &Place) -> Result<Self, Refusal> {
        Plain::create(place).map(Self)
    }

    fn open(place: &Place, watch: Watch) -> Result<(Self, Opened), Refusal> {
        let (log, mut opened) = Plain::open(place, watch)?;
        match BUG {
            DROPS_ONE if opened.next > opened.first => opened.next -= 1,
            INVENTS_ONE => opened.next += 1,
            _ => {}
        }
        Ok((Self(log), opened))
    }

    fn inspect(place: &Place) -> Result<Vec<Result<Record, Refusal>>, Refusal> {
        Plain::inspect(place)
    }

    fn adopt(place: &Place) -> Result<(), Refusal> {
        Plain::adopt(place)
    }

    fn accept_loss(place: &Place) -> Result<Vec<(u64, u64)>, Refusal> {
        Plain::accept_loss(place)
    }

    fn watch(&self, watch: Watch) {
        self.0.watch(watch);
    }

    fn submit(&self, sent: &[Sent], durability: Durability) -> Result<(Self::Ticket, u64, u64), Refusal> {
        self.0.submit(sent, durability)
    }

    fn wait(&self, ticket: Self::Ticket) -> Result<Vec<Ack>, Refusal> {
        self.0.wait(ticket)
    }

    fn append(&self, sent: &[Sent], durability: Durability) -> Result<Vec<Ack>, Refusal> {
        match BUG {
            ACKS_EARLY => {
                let (_, first, _) = self.0.submit(sent, durability)?;
                Ok(forged(sent, first, durability))
            }
            ACKS_FAILURES => {
                let next = self.0.durable() + 1;
                self.0.append(sent, durability).or_else(|_| Ok(forged(sent, next, durability)))
            }
            _ => self.0.append(sent, durability),
        }
    }

    fn trim(&self, before: u64) -> Result<u64, Refusal> {
        self.0.trim(before)
    }

    fn step(&self) -> Result<(), Refusal> {
        self.0.step()
    }

    fn close(self) -> Result<(), Refusal> {
        self.0.close()
    }

    fn read(&self, from: u64) -> Vec<Result<Record, Refusal>> {
        let mut read = self.0.read(from);
        match BUG {
            DROPS_ONE => drop(read.pop()),
            INVENTS_ONE => {
                let lsn = read.last().and_then(|last| last.as_ref().ok()).map_or(from, |last| last.lsn + 1);
                read.push(Ok(Record { lsn, stream: 7, seq: 0, payload: b"never appended"[..].into() }));
            }
            _ => {}
        }
        read
    }

    fn get(&self, lsn: u64) -> Result<Record, Refusal> {
        let got = self.0.get(lsn);
        if BUG == INVENTS_ONE && got.is_err() {
            return Ok(Record { lsn, stream: 7, seq: 0, payload: b"never appended"[..].into() });
        }
        got
    }

    fn verify(&self, ack: &Ack) -> Result<Audit, Refusal> {
        self.0.verify(ack)
    }

    fn health(&self) -> Told {
        self.0.health()
    }

    fn durable(&self) -> u64 {
        self.0.durable()
    }
}

impl<const BUG: u8> Archived for Broken<BUG> {
    fn rebuild_manifest(place: &Place, drives: &[PathBuf]) -> Result<(), Refusal> {
        Plain::rebuild_manifest(place, drives)
    }

    fn add_drive(&self, dir: &Path) -> Result<u64, Refusal> {
        self.0.add_drive(dir)
    }

    fn archive_step(&self) -> Result<Stepped, Refusal> {
        self.0.archive_step()
    }

    fn compact(&self) -> Result<Vec<(u64, u64)>, Refusal> {
        self.0.compact()
    }

    fn scrub(&self, readmit: bool) -> Result<Scrubbed, Refusal> {
        self.0.scrub(readmit)
    }

    fn drives(&self) -> Vec<Drive> {
        self.0.drives()
    }

    fn read_ahead(&self) -> ReadAhead {
        self.0.read_ahead()
    }

    fn runs(&self) -> Vec<Run> {
        self.0.runs()
    }
}

fn explored<S: Archived>(scope: &Scope) -> Report {
    let mut report = Report::new("test", scope.says());
    assert!(
        explore::<S>(scope, 0..=scope.depth, &mut report, &|| true, &|| {}) || !report.findings.is_empty()
    );
    report
}

fn count(report: &Report, what: &str) -> u64 {
    report.explored.iter().find(|count| count.what == what).map_or(0, |count| count.n)
}

fn named(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.invariant.as_str()).collect()
}

/// The pinned scope of this name, less deep.
fn scope(name: &str, depth: usize) -> Scope {
    Scope { depth, ..*Scope::named(name).unwrap() }
}

#[test]
fn the_engine_holds_in_small_scopes_and_each_crash_point_is_gone_through_wholly() {
    for pinned in Scope::PINNED {
        let report = explored::<Plain>(&scope(pinned.name, 1));
        assert_eq!(named(&report), [] as [&str; 0], "{:?}", report.findings);
        assert!(count(&report, "pairs judged") > 100, "{report:?}");
        assert_eq!(count(&report, "crash points"), count(&report, "of them whole"), "{}", pinned.name);
    }
}

#[test]
fn an_archive_loses_nothing_and_leaves_no_orphan() {
    for pinned in Scope::ARCHIVE.iter().filter(|scope| scope.crashes == 1) {
        let report = explored::<Plain>(&scope(pinned.name, 2));
        assert_eq!(named(&report), [] as [&str; 0], "{:?}", report.findings);
        let runs = count(&report, "of them with runs");
        assert!(runs > 100 || !pinned.compacts(), "{report:?}");
        let sampled = count(&report, "crash points") - count(&report, "of them whole");
        assert!(sampled == 0 || pinned.name == "archive-blocks" && sampled < 20, "{report:?}");
    }
}

#[test]
fn drives_whose_add_was_cut_off_are_added_by_the_next_life() {
    let report = explored::<Plain>(&scope("archive-half-made", 1));
    assert_eq!(named(&report), [] as [&str; 0], "{:?}", report.findings);
    // Only behind a second add is there a run to be found by the second recovery.
    assert!(count(&report, "of them with runs") > 100, "{report:?}");
}

#[test]
fn canaries_of_the_crash_check_are_found_and_named() {
    let scope = scope("everything", 1);
    assert_eq!(named(&explored::<Broken<ACKS_EARLY>>(&scope)), ["acked-is-durable"]);
    assert_eq!(named(&explored::<Broken<DROPS_ONE>>(&scope)), ["acked-is-durable"]);
    assert_eq!(named(&explored::<Broken<INVENTS_ONE>>(&scope)), ["nothing-invented"]);
}

#[test]
fn without_cache_and_collapse_the_verdicts_are_the_same() {
    let plain = Scope { collapse: false, alphabet: &[Letter::Append, Letter::Die], ..scope("twice", 1) };
    let collapsed = Scope { collapse: true, ..plain };
    let (slow, fast) = (explored::<Plain>(&plain), explored::<Plain>(&collapsed));
    assert_eq!(named(&slow), named(&fast));
    assert!(count(&slow, "recoveries") > count(&fast, "recoveries"));
    assert_eq!(count(&slow, "pairs judged"), count(&slow, "recoveries"));
    let (slow, fast) = (explored::<Broken<ACKS_EARLY>>(&plain), explored::<Broken<ACKS_EARLY>>(&collapsed));
    assert_eq!((named(&slow), &slow.findings[0].replay), (named(&fast), &fast.findings[0].replay));
}

#[test]
fn a_finding_replays_from_its_text() {
    let report = explored::<Broken<ACKS_EARLY>>(&scope("everything", 1));
    let replay = &report.findings[0].replay;
    let case: Case =
        replay.strip_prefix("cargo verify case \"").unwrap().trim_end_matches('"').parse().unwrap();
    let (lines, holds) = case.run::<Broken<ACKS_EARLY>>().unwrap();
    assert!(!holds && lines.iter().any(|line| line.contains("VIOLATED acked-is-durable")), "{lines:#?}");
    assert!(case.run::<Plain>().is_err() || case.run::<Plain>().unwrap().1, "{replay}");
    assert!("nowhere: append".parse::<Case>().is_err());
    assert!("everything: apend".parse::<Case>().is_err());
    assert!("everything: append @ 3 maybe".parse::<Case>().is_err());
}

#[test]
fn every_fault_on_every_call_is_survived_and_the_canary_is_found() {
    let scope = Scope { alphabet: &[Letter::Append, Letter::Die], ..scope("struck", 1) };
    let mut report = Report::new("test", "");
    strike::<Plain>(&scope, &mut report, &Progress::silent());
    assert_eq!(named(&report), [] as [&str; 0], "{:?}", report.findings);
    assert!(count(&report, "faults fired") > 150, "{report:?}");
    assert_eq!(count(&report, "faults fired"), count(&report, "sequences"));
    let mut report = Report::new("test", "");
    strike::<Broken<ACKS_FAILURES>>(&scope, &mut report, &Progress::silent());
    assert_eq!(named(&report), ["acked-is-durable"]);
}

#[test]
fn random_runs_hold_and_their_canary_is_found() {
    let time = std::time::Duration::from_secs(2);
    let mut report = Report::new("test", "");
    draw::<Plain>(7, time, &mut report, &Progress::silent());
    assert_eq!(named(&report), [] as [&str; 0], "seed 7: {:?}", report.findings);
    assert!(count(&report, "sequences") > 0);
    let mut report = Report::new("test", "");
    draw::<Broken<DROPS_ONE>>(7, time * 5, &mut report, &Progress::silent());
    assert!(named(&report).contains(&"acked-is-durable"), "{report:?}");
}

#[test]
fn a_sync_that_the_disk_leaves_out_is_seen() {
    let scope = scope("ignored", 1);
    let duties = truelog_harness::explore::duties::<Plain>(&scope, &mut Report::new("test", ""));
    let segment = duties.iter().find(|duty| duty.to_string() == "append: sync-data segment").unwrap();
    let report = explored::<Plain>(&Scope { ignored: Some(*segment), ..scope });
    assert_eq!(named(&report), ["acked-is-durable"]);
}

/// What is sure to be there is laid out by itself, without all that else may be.
#[test]
fn what_is_sure_is_what_is_there_when_nothing_pending_is_kept() {
    let mut compared = 0;
    for name in ["everything", "ext4", "archive", "archive-ext4"] {
        let scope = Scope::named(name).unwrap();
        for letters in scope.sequences(2) {
            let mut driver = Driver::<Plain>::new(SimFs::new(scope.profile), scope.setup);
            driver.client(&ClientStep::Create);
            for step in spell(&[scope.prefix, letters.as_slice()].concat()).concat() {
                let _ = driver.step(&step);
            }
            for deed in driver.deeds() {
                let Deed::Moment(moment) = deed else { continue };
                let (sure, least) = (moment.snapshot.durable(), moment.snapshot.image(&[]));
                assert_eq!(sure, least, "{name}: {letters:?} at {:?}", moment.at);
                compared += usize::from(sure.is_ok());
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// What is within a scope's reach is pinned: a letter that became impossible, or a sequence that nobody runs any more, is seen.
#[test]
fn every_scope_lists_its_alphabet_and_has_all_of_its_sequences() {
    let mut text = String::new();
    for (check, scopes) in [
        ("crash", Scope::PINNED),
        ("archive", Scope::ARCHIVE),
        ("faults", Scope::FAULTS),
        ("roles", Scope::ROLES),
    ] {
        for scope in scopes {
            let all: Vec<_> = (0..=scope.depth).flat_map(|depth| scope.sequences(depth)).collect();
            let used = |letter: &&Letter| all.iter().any(|sequence| sequence.contains(letter));
            let unused: Vec<_> = scope.alphabet.iter().filter(|letter| !used(letter)).collect();
            assert!(unused.is_empty(), "{check} {}: {unused:?} is never possible", scope.name);
            text += &format!("{check}: {}: {} sequences\n  {}\n", scope.says(), all.len(), scope.lists());
        }
    }
    insta::assert_snapshot!(text);
}

/// What several threads did, done by one: it breaks the same invariant or is nothing.
#[test]
fn one_thread_tells_what_was_met_under_several_if_it_breaks_the_same_invariant() {
    use Letter::{Append, AppendLarge, Compact, Read, Submit, Wait};
    let letters = [Append, Submit, AppendLarge, Compact, Read, Append, Wait];
    let found = |drives| alone::<Broken<DROPS_ONE>>(drives, &letters, None, Invariant::AckedIsDurable);
    // Without drives nothing is compacted; what needs no drives is told without them.
    for drives in [false, true] {
        let found = found(drives).expect("one thread breaks it");
        assert_eq!(found.violation.invariant, Invariant::AckedIsDurable);
        let (run, _) = found.case.split_once(" @ ").expect("a crash");
        assert!(["random: append", "random: append-large"].contains(&run), "{}", found.case);
        assert_eq!(found.case, found_again(&letters, drives), "it shrinks to the same");
    }
    assert!(alone::<Broken<DROPS_ONE>>(false, &letters, None, Invariant::ReadNeverStale).is_none());
    assert!(alone::<Plain>(true, &letters, None, Invariant::AckedIsDurable).is_none());
    // A sync that fails under one of several writers fails under the one.
    let fails = Some((RolePattern::AnySegment, truelog_env::Op::SyncData));
    let two = [Append, Append];
    let struck = |broken: &Invariant| alone::<Broken<ACKS_FAILURES>>(false, &two, fails, *broken);
    let found = Invariant::ALL.iter().find_map(struck).expect("a failed sync is acknowledged");
    let broken = found.violation.invariant;
    assert_eq!(broken, Invariant::ClaimHasArtifact, "{}", found.violation.detail);
    assert!(found.case.contains(":eio @"), "{}", found.case);
    assert!(alone::<Plain>(false, &two, fails, broken).is_none());
}

fn found_again(letters: &[Letter], drives: bool) -> String {
    let found = alone::<Broken<DROPS_ONE>>(drives, letters, None, Invariant::AckedIsDurable);
    found.expect("one thread breaks it").case
}

#[test]
fn a_case_with_two_crashes_is_told_by_one_of_them_if_that_breaks_the_same() {
    let report = explored::<Broken<ACKS_EARLY>>(&scope("everything", 1));
    let replay = report.findings[0].replay.clone();
    let case = replay.strip_prefix("cargo verify case \"").unwrap().trim_end_matches('"');
    let twice: Case = format!("{case} @ 3 process").parse().unwrap();
    let once = twice.with_fewer_crashes::<Broken<ACKS_EARLY>>(Invariant::AckedIsDurable);
    assert_eq!(once.as_deref(), Some(case));
    assert_eq!(twice.with_fewer_crashes::<Plain>(Invariant::AckedIsDurable), None);
    // Where the first crash by itself shows nothing, its letters are run.
    let late: Case = "random: append append @ 0 process @ 3 process".parse().unwrap();
    let once =
        late.with_fewer_crashes::<Broken<ACKS_EARLY>>(Invariant::AckedIsDurable).expect("its letters do");
    assert!(once.starts_with("random: append @ ") && once.matches('@').count() == 1, "{once}");
    let kinds = |case: &str| case.parse::<Case>().unwrap().kinds();
    assert_eq!(kinds(&once), "append, power");
    // What is handed in, and which call fails how, does not part findings.
    assert_eq!(kinds("random: trim-all append-large @ 7 process"), kinds("random: batch @ 9 process"));
    assert_eq!(kinds("random: append !3:eio @ 7 process"), kinds("random: batch !9:short @ 1 process"));
    assert_eq!(kinds("random: !3:eio @ 7 here"), "create, a failed call, no crash");
}
