//! Each invariant that the contract speaks of: an example that breaks it, and its nearest neighbour that does not.

use super::*;
use crate::outcome::Failure;

/// A run: each line a client step with its outcome, or a crash, or `damage LSNS`.
fn run(lines: &str) -> Result<Contract, Violation> {
    let mut contract = Contract::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(kind) = line.strip_prefix("crash ") {
            contract.crash(kind.parse().unwrap());
        } else if let Some(lsns) = line.strip_prefix("damage ") {
            contract.damage(&[Damaged { lsns: lsns.parse().unwrap(), vouched: true }]);
        } else if let Some(synced) = line.strip_prefix("write-back-failed ") {
            contract.write_back_failed(synced.parse().unwrap());
        } else if let Some(synced) = line.strip_prefix("taken-back ") {
            contract.taken_back(synced.parse().unwrap());
        } else if let Some(claimed) = line.strip_prefix("claimed ") {
            contract.claimed(claimed.parse().unwrap());
        } else {
            let (step, outcome) = line.split_once(" -> ").unwrap();
            contract.apply(&step.parse().unwrap(), &outcome.parse().unwrap())?;
        }
    }
    Ok(contract)
}

/// Records of stream 0, from LSN `first` and sequence number `first - 1` on: `indices` of writer 0, 8 bytes each.
fn records(first: Lsn, indices: &[u64]) -> Vec<Record> {
    (first..)
        .zip(indices)
        .map(|(lsn, index)| Record { lsn, stream: 0, seq: lsn - 1, payload: payload(0, *index, 8).into() })
        .collect()
}

fn state(records: Vec<Record>) -> RecoveredState {
    let next = records.last().map_or(1, |last| last.lsn + 1);
    let trimmed = records.first().map_or(1, |first| first.lsn);
    RecoveredState { records, next, trimmed, ..RecoveredState::empty() }
}

fn verdict(result: Result<(), Violation>) -> &'static str {
    result.map_or_else(|violation| violation.invariant.as_str(), |()| "holds")
}

fn judged(lines: &str, kind: CrashKind, state: &RecoveredState) -> &'static str {
    verdict(run(lines).unwrap().obligations(kind).judge(state))
}

fn breaks(lines: &str) -> &'static str {
    verdict(run(lines).map(|_| ()))
}

const TWO: &str = "create -> done
    append stream=0 len=8 -> acked 1 seq=0
    append stream=0 len=8 -> acked 2 seq=1";

#[test]
fn acked_is_durable() {
    let power = |found| judged(TWO, CrashKind::Power, &found);
    assert_eq!(power(state(records(1, &[0, 1]))), "holds");
    assert_eq!(power(state(records(1, &[0]))), "acked-is-durable");
    assert_eq!(power(state(records(1, &[1, 0]))), "acked-is-durable", "not byte for byte");
    assert_eq!(power(state(records(2, &[1]))), "acked-is-durable", "lost at the front");
}

#[test]
fn a_receipt_promises_what_its_durability_names() {
    let weak = "append stream=0 len=8 durability=process-crash -> acked 1 seq=0";
    assert_eq!(judged(weak, CrashKind::Power, &RecoveredState::empty()), "holds");
    assert_eq!(judged(weak, CrashKind::Power, &state(records(1, &[0]))), "holds");
    assert_eq!(judged(weak, CrashKind::Process, &RecoveredState::empty()), "acked-is-durable");
    let then_power = format!("{weak}\ncrash power");
    assert_eq!(judged(&then_power, CrashKind::Process, &RecoveredState::empty()), "holds");
}

#[test]
fn a_failed_sync_may_take_back_what_need_only_survive_the_process() {
    let weak = "append stream=0 len=8 durability=process-crash -> acked 1 seq=0";
    let process = |run: &str, found| judged(run, CrashKind::Process, &found);
    let none = RecoveredState::empty;
    assert_eq!(process(&format!("{weak}\ntaken-back 0"), none()), "holds");
    assert_eq!(process(&format!("{weak}\ntaken-back 0"), state(records(1, &[0]))), "holds");
    assert_eq!(process(&format!("{weak}\ntaken-back 1"), none()), "acked-is-durable", "it was synced before");
    assert_eq!(
        process(&format!("{weak}\nwrite-back-failed 0"), none()),
        "acked-is-durable",
        "a write takes back nothing"
    );
    let strong = "append stream=0 len=8 -> acked 1 seq=0\ntaken-back 0";
    assert_eq!(process(strong, none()), "acked-is-durable");
}

#[test]
fn what_open_returned_is_acknowledged() {
    let mut contract =
        run("append stream=0 len=8 durability=process-crash -> acked 1 seq=0\ncrash process").unwrap();
    contract.opened(&state(records(1, &[0]))).unwrap();
    let owed = contract.obligations(CrashKind::Power);
    assert_eq!(verdict(owed.judge(&RecoveredState::empty())), "acked-is-durable");
    assert_eq!(verdict(owed.judge(&state(records(1, &[0])))), "holds");
}

#[test]
fn what_open_did_not_return_never_comes_back() {
    let mut contract = run("append stream=0 len=8 -> unresolved\ncrash power").unwrap();
    assert_eq!(verdict(contract.obligations(CrashKind::Power).judge(&state(records(1, &[0])))), "holds");
    contract.opened(&RecoveredState::empty()).unwrap();
    let owed = contract.obligations(CrashKind::Power);
    assert_eq!(verdict(owed.judge(&state(records(1, &[0])))), "nothing-invented");
}

#[test]
fn claim_has_artifact() {
    let claimed = "submit ticket=1 records=0:8 -> submitted 1\nclaimed 1";
    assert_eq!(judged(claimed, CrashKind::Power, &RecoveredState::empty()), "claim-has-artifact");
    assert_eq!(judged(claimed, CrashKind::Power, &state(records(1, &[0]))), "holds");
}

#[test]
fn no_ack_after_failed_sync() {
    let submitted = "submit ticket=1 records=0:8 -> submitted 1
        submit ticket=2 records=0:8 -> submitted 2
        write-back-failed 1";
    assert_eq!(breaks(&format!("{submitted}\nwait ticket=1 -> acked 1 seq=0")), "holds");
    assert_eq!(breaks(&format!("{submitted}\nwait ticket=2 -> error poisoned")), "holds");
    assert_eq!(breaks(&format!("{submitted}\nwait ticket=2 -> acked 2 seq=1")), "no-ack-after-failed-sync");
    // Another handle, without any crash in between.
    let appended = "append stream=0 len=8 -> acked 1 seq=0\nwrite-back-failed 1\nclose -> error poisoned";
    let again = "append stream=0 len=8 -> acked 2 seq=1";
    assert_eq!(breaks(&format!("{appended}\nopen -> recovered 1 next=2\n{again}")), "holds");
    assert_eq!(breaks(&format!("{appended}\n{again}")), "no-ack-after-failed-sync");
    // Beside a handle that lives, an open is refused, and forgives it nothing.
    let beside = "append stream=0 len=8 -> acked 1 seq=0\nwrite-back-failed 1\nopen -> error locked";
    assert_eq!(breaks(&format!("{beside}\n{again}")), "no-ack-after-failed-sync");
}

#[test]
fn recovered_is_prefix() {
    let three = "submit ticket=1 records=0:8 -> submitted 1
        submit ticket=2 records=0:8 -> submitted 2
        submit ticket=3 records=0:8 -> submitted 3";
    let [one, two, last] = <[Record; 3]>::try_from(records(1, &[0, 1, 2])).unwrap();
    let power = |found| judged(three, CrashKind::Power, &found);
    assert_eq!(power(state(vec![one.clone(), two])), "holds");
    assert_eq!(power(state(vec![one, last])), "recovered-is-prefix");
    let ahead = RecoveredState { next: 3, ..state(records(1, &[0])) };
    assert_eq!(power(ahead), "recovered-is-prefix", "2 is neither there nor free");
}

#[test]
fn batches_are_whole() {
    let told = "submit ticket=1 records=0:8,0:8 -> submitted 1..2";
    let untold = "batch records=0:8,0:8 -> unresolved";
    for batch in [told, untold] {
        let power = |found| judged(batch, CrashKind::Power, &found);
        assert_eq!(power(RecoveredState::empty()), "holds");
        assert_eq!(power(state(records(1, &[0, 1]))), "holds");
        assert_eq!(power(state(records(1, &[0]))), "recovered-is-prefix", "{batch}");
    }
    assert_eq!(judged(untold, CrashKind::Power, &state(records(1, &[1, 0]))), "recovered-is-prefix");
}

#[test]
fn nothing_invented() {
    let unresolved = format!("{TWO}\nappend stream=0 len=8 -> unresolved");
    let power = |found| judged(&unresolved, CrashKind::Power, &found);
    assert_eq!(power(state(records(1, &[0, 1]))), "holds");
    assert_eq!(power(state(records(1, &[0, 1, 2]))), "holds");
    assert_eq!(power(state(records(1, &[0, 1, 2, 2]))), "nothing-invented", "twice");
    assert_eq!(power(state(records(1, &[0, 1, 1]))), "nothing-invented", "an acknowledged one again");
    assert_eq!(power(state(records(1, &[0, 1, 9]))), "nothing-invented", "never appended");
    let mut skipped = records(1, &[0, 1, 2]);
    skipped[2].seq = 7;
    assert_eq!(power(state(skipped)), "nothing-invented", "a sequence number left out");
    let again = RecoveredState { next: 2, ..state(records(1, &[0, 1])) };
    assert_eq!(power(again), "nothing-invented", "an LSN given twice");
}

#[test]
fn unresolved_appends_keep_their_writers_order() {
    let failed = "append stream=0 len=8 -> error io\nappend stream=0 len=8 -> unresolved";
    let power = |found| judged(failed, CrashKind::Power, &found);
    for held in [&[][..], &[0], &[1], &[0, 1]] {
        assert_eq!(power(state(records(1, held))), "holds", "{held:?}");
    }
    assert_eq!(power(state(records(1, &[1, 0]))), "nothing-invented");
    let two_writers = "append stream=0 len=8 -> unresolved\nappend stream=0 len=8 writer=1 -> unresolved";
    let mut found = records(1, &[0, 0]);
    found[1].payload = payload(1, 0, 8).into();
    let power = |found: &[Record]| judged(two_writers, CrashKind::Power, &state(found.to_vec()));
    assert_eq!(power(&found), "holds");
    let (first, second) = (found[0].payload.clone(), found[1].payload.clone());
    found[0].payload = second;
    assert_eq!(power(&found[..1]), "holds", "writers have no order among them");
    found[1].payload = first;
    assert_eq!(power(&found), "holds");
}

#[test]
fn a_failed_append_stays_before_what_its_writer_appended_next() {
    let lines = "append stream=0 len=8 -> error io\nappend stream=0 len=8 -> acked 1 seq=0";
    assert_eq!(judged(lines, CrashKind::Power, &state(records(1, &[1]))), "holds");
    assert_eq!(judged(lines, CrashKind::Power, &state(records(1, &[1, 0]))), "nothing-invented");
}

#[test]
fn a_refused_append_is_absent() {
    for (failure, holds) in [(Failure::Full, false), (Failure::TooLarge, false), (Failure::Io, true)] {
        let lines = format!("append stream=0 len=8 -> error {failure}");
        let verdict = judged(&lines, CrashKind::Process, &state(records(1, &[0])));
        assert_eq!(verdict, if holds { "holds" } else { "nothing-invented" }, "{failure}");
    }
}

#[test]
fn records_that_are_too_short_to_differ_are_tried_in_turn() {
    let lines = "append stream=0 len=0 -> error io
        append stream=0 len=0 writer=1 -> unresolved
        batch records=0:0,1:0 writer=2 -> unresolved";
    let short = |lsn, stream, seq| Record { lsn, stream, seq, payload: [].into() };
    let found = vec![short(1, 0, 0), short(2, 1, 0), short(3, 0, 1), short(4, 0, 2)];
    assert_eq!(judged(lines, CrashKind::Power, &state(found.clone())), "holds");
    let cut = vec![short(1, 0, 0), short(2, 0, 1), short(3, 0, 2)];
    assert_eq!(judged(lines, CrashKind::Power, &state(cut)), "recovered-is-prefix");
}

#[test]
fn receipts_do_not_contradict_each_other() {
    let and = |line: &str| breaks(&format!("{TWO}\n{line}"));
    assert_eq!(and("append stream=0 len=8 -> acked 3 seq=2"), "holds");
    assert_eq!(and("append stream=0 len=8 -> acked 2 seq=2"), "nothing-invented");
    assert_eq!(and("append stream=0 len=8 -> acked 3 seq=1"), "nothing-invented");
    assert_eq!(and("append stream=0 len=8 -> acked 3..4 seq=2,3"), "nothing-invented");
    assert_eq!(and("batch records=0:8,1:8 -> acked 3..4 seq=2,0"), "holds");
}

#[test]
fn recovery_converges() {
    let once = state(records(1, &[0, 1]));
    assert_eq!(verdict(once.converges(&once.clone())), "holds");
    assert_eq!(verdict(once.converges(&state(records(1, &[0])))), "recovery-converges");
    let mut contract = run(TWO).unwrap();
    contract.crash(CrashKind::Process);
    contract.opened(&once).unwrap();
    let back = contract.apply(&ClientStep::Open, &"recovered 1 next=2".parse().unwrap());
    assert_eq!(verdict(back), "recovery-converges");
}

#[test]
fn torn_tail_is_not_damage() {
    let torn = format!("{TWO}\nappend stream=0 len=8 -> unresolved");
    let alarm = RecoveredState { damage: vec![Lsns::one(3)], read_only: true, ..state(records(1, &[0, 1])) };
    assert_eq!(judged(&torn, CrashKind::Power, &alarm), "torn-tail-is-not-damage");
    assert_eq!(judged(&torn, CrashKind::Power, &state(records(1, &[0, 1]))), "holds");
    let refused = |lines: &str, failure| {
        verdict(run(lines).unwrap().obligations(CrashKind::Power).judge_refusal(failure))
    };
    assert_eq!(refused("create -> done", Failure::Corrupt), "torn-tail-is-not-damage");
    assert_eq!(refused("create -> unresolved", Failure::Unfinished), "holds");
    assert_eq!(refused("create -> unresolved", Failure::InDoubt), "holds");
    assert_eq!(refused("create -> done", Failure::InDoubt), "torn-tail-is-not-damage");
    assert_eq!(refused(&torn, Failure::Corrupt), "acked-is-durable");
    assert_eq!(refused(&format!("{TWO}\ndamage 1"), Failure::Corrupt), "holds");
}

#[test]
fn damage_is_loud() {
    let damaged = format!("{TWO}\ndamage 2");
    let named = RecoveredState { damage: vec![Lsns::one(2)], read_only: true, ..state(records(1, &[0])) };
    let power = |found: &RecoveredState| judged(&damaged, CrashKind::Power, found);
    assert_eq!(power(&named), "holds");
    assert_eq!(power(&state(records(1, &[0]))), "damage-is-loud", "cut in silence");
    assert_eq!(power(&state(records(1, &[0, 7]))), "damage-is-loud", "returned as data");
    let too_wide = RecoveredState { records: Vec::new(), damage: vec!["1..2".parse().unwrap()], ..named };
    assert_eq!(power(&too_wide), "acked-is-durable", "1 is healthy");
    let unvouched = run(TWO).unwrap().obligations(CrashKind::Power);
    let unvouched = unvouched.with_damage(&[Damaged { lsns: Lsns::one(2), vouched: false }]);
    assert_eq!(verdict(unvouched.judge(&state(records(1, &[0])))), "holds", "nothing can tell");
}

#[test]
fn damage_is_owed_until_it_is_accepted() {
    let mut contract = run(&format!("{TWO}\ncrash process\ndamage 1")).unwrap();
    let named =
        RecoveredState { damage: vec![Lsns::one(1)], read_only: true, trimmed: 1, ..state(records(2, &[1])) };
    contract.opened(&named).unwrap();
    let silent = RecoveredState { damage: Vec::new(), ..named.clone() };
    assert_eq!(verdict(contract.clone().opened(&silent)), "recovered-is-prefix");
    let healed = state(records(1, &[0, 1]));
    assert_eq!(verdict(contract.clone().opened(&healed)), "holds");
    let healthy = contract.clone().apply(&ClientStep::AcceptLoss, &"lost 1..2".parse().unwrap());
    assert_eq!(verdict(healthy), "acked-is-durable", "2 is healthy");
    contract.apply(&ClientStep::AcceptLoss, &"lost 1".parse().unwrap()).unwrap();
    assert_eq!(verdict(contract.opened(&RecoveredState { read_only: false, ..named })), "holds");
    contract.apply(&"append stream=0 len=8".parse().unwrap(), &"acked 3 seq=2".parse().unwrap()).unwrap();
}

#[test]
fn trims_bound_what_is_there() {
    let acked = format!("{TWO}\ntrim before=2 -> trimmed 2");
    let open = format!("{TWO}\ntrim before=2 -> unresolved");
    let (all, rest) = (state(records(1, &[0, 1])), state(records(2, &[1])));
    assert_eq!(judged(&acked, CrashKind::Power, &rest), "holds");
    assert_eq!(judged(&acked, CrashKind::Power, &all), "nothing-invented", "what was trimmed is back");
    assert_eq!(judged(&open, CrashKind::Power, &rest), "holds");
    assert_eq!(judged(&open, CrashKind::Power, &all), "holds");
    assert_eq!(judged(TWO, CrashKind::Power, &rest), "acked-is-durable", "nobody trimmed");
    let empty = RecoveredState { trimmed: 3, next: 3, ..RecoveredState::empty() };
    assert_eq!(judged(&open, CrashKind::Power, &empty), "acked-is-durable", "trimmed too far");
    let everything = format!("{TWO}\ntrim before=3 -> trimmed 3");
    assert_eq!(judged(&everything, CrashKind::Power, &empty), "holds");
}

#[test]
fn sequence_numbers_go_on_behind_what_is_trimmed() {
    let mut contract = run(&format!("{TWO}\ntrim before=3 -> trimmed 3\ncrash power")).unwrap();
    contract.opened(&RecoveredState { trimmed: 3, next: 3, ..RecoveredState::empty() }).unwrap();
    let step = "append stream=0 len=8".parse().unwrap();
    let again = contract.clone().apply(&step, &"acked 3 seq=1".parse().unwrap());
    assert_eq!(verdict(again), "nothing-invented");
    assert_eq!(verdict(contract.apply(&step, &"acked 3 seq=2".parse().unwrap())), "holds");
}

#[test]
fn append_resolves() {
    let mut contract = Contract::new();
    let call = contract.begin(&"append stream=0 len=8".parse().unwrap());
    assert_eq!(verdict(contract.quiescent()), "append-resolves");
    contract.finish(call, &"acked 1 seq=0".parse().unwrap()).unwrap();
    assert_eq!(verdict(contract.quiescent()), "holds");
    assert_eq!(breaks("append stream=0 len=8 -> done"), "append-resolves");
}

#[test]
fn the_outcomes_of_a_former_life_are_void() {
    let mut contract = Contract::new();
    let call = contract.begin(&"append stream=0 len=8".parse().unwrap());
    contract.crash(CrashKind::Process);
    contract.finish(call, &"acked 1 seq=0".parse().unwrap()).unwrap();
    assert_eq!(verdict(contract.obligations(CrashKind::Process).judge(&RecoveredState::empty())), "holds");
}

#[test]
fn a_create_is_in_doubt_only_where_an_earlier_one_of_this_boot_did_not_end_well() {
    let create = "create".parse().unwrap();
    let doubt = "error in-doubt".parse().unwrap();
    let refused = |mut contract: Contract| verdict(contract.apply(&create, &doubt));
    assert_eq!(refused(Contract::new()), "torn-tail-is-not-damage");
    let mut failed = Contract::new();
    failed.apply(&create, &"error io".parse().unwrap()).unwrap();
    assert_eq!(refused(failed.clone()), "holds");
    failed.crash(CrashKind::Process);
    assert_eq!(refused(failed.clone()), "holds");
    failed.crash(CrashKind::Power);
    assert_eq!(refused(failed), "torn-tail-is-not-damage");
    let mut killed = Contract::new();
    let _killed = killed.begin(&create);
    killed.crash(CrashKind::Process);
    assert_eq!(refused(killed.clone()), "holds");
    killed.apply(&create, &Outcome::Done).unwrap();
    assert_eq!(refused(killed), "torn-tail-is-not-damage");
    let mut exists = Contract::new();
    exists.apply(&create, &"error exists".parse().unwrap()).unwrap();
    assert_eq!(refused(exists), "torn-tail-is-not-damage");
}

#[test]
fn a_copy_need_not_open_before_it_is_adopted() {
    let mut contract = run(TWO).unwrap();
    contract.copied();
    let owed = contract.obligations(CrashKind::Power);
    assert_eq!(verdict(owed.judge_refusal(crate::Failure::Mismatch)), "holds");
    assert_eq!(verdict(owed.judge(&RecoveredState::empty())), "acked-is-durable", "what opens is whole");
    contract.apply(&"adopt".parse().unwrap(), &"error io".parse().unwrap()).unwrap();
    assert!(contract.obligations(CrashKind::Power).away);
    contract.apply(&"adopt".parse().unwrap(), &Outcome::Done).unwrap();
    let owed = contract.obligations(CrashKind::Power);
    assert_eq!(verdict(owed.judge_refusal(crate::Failure::Mismatch)), "acked-is-durable");
}

#[test]
fn reads_return_what_is_acknowledged_and_nothing_else() {
    let owed = run(TWO).unwrap().obligations(CrashKind::Process);
    assert_eq!(verdict(owed.judge_read(1, &records(1, &[0, 1]))), "holds");
    assert_eq!(verdict(owed.judge_read(2, &records(2, &[1]))), "holds");
    assert_eq!(verdict(owed.judge_read(3, &[])), "holds");
    assert_eq!(verdict(owed.judge_read(1, &records(1, &[0]))), "acked-is-durable");
    assert_eq!(verdict(owed.judge_read(1, &records(2, &[1]))), "acked-is-durable");
    assert_eq!(verdict(owed.judge_read(1, &records(1, &[0, 1, 2]))), "nothing-invented");
}

#[test]
fn equal_situations_have_equal_obligations() {
    let one = "append stream=0 len=8 writer=1 -> unresolved\nappend stream=1 len=8 -> unresolved";
    let two = "append stream=1 len=8 -> unresolved\nappend stream=0 len=8 writer=1 -> unresolved";
    let owed = |lines| run(lines).unwrap().obligations(CrashKind::Power);
    assert_eq!(owed(one), owed(two));
    assert_ne!(owed(one), owed("append stream=1 len=8 -> unresolved"));
}

#[test]
fn payloads_differ() {
    let mut seen = BTreeSet::new();
    for writer in 0..8 {
        assert!((0..512).all(|index| seen.insert(payload(writer, index, 8))));
    }
    assert_eq!(payload(1, 2, 19).len(), 19);
}

#[test]
fn what_vanished_unvouched_may_be_given_again() {
    let mut contract = run(TWO).unwrap();
    contract.crash(CrashKind::Power);
    contract.opened(&state(records(1, &[0, 1]))).unwrap();
    contract.crash(CrashKind::Power);
    contract.damage(&[Damaged { lsns: Lsns::one(2), vouched: false }]);
    contract.opened(&state(records(1, &[0]))).unwrap();
    let step = "append stream=0 len=8".parse().unwrap();
    assert_eq!(verdict(contract.clone().apply(&step, &"acked 2 seq=1".parse().unwrap())), "holds");
    assert_eq!(verdict(contract.apply(&step, &"acked 2 seq=0".parse().unwrap())), "nothing-invented");
}

#[test]
fn records_that_were_trimmed_unseen_leave_their_numbers() {
    let mut contract = run("append stream=0 len=8 -> unresolved\ntrim before=2 -> trimmed 2").unwrap();
    contract.opened(&RecoveredState { trimmed: 2, next: 2, ..RecoveredState::empty() }).unwrap();
    let mut found = RecoveredState { trimmed: 2, ..state(records(2, &[1])) };
    contract.apply(&"append stream=0 len=8".parse().unwrap(), &Outcome::Unresolved).unwrap();
    let owed = contract.obligations(CrashKind::Process);
    assert_eq!(verdict(owed.judge(&found)), "holds", "one record was trimmed unseen");
    found.records[0].seq = 0;
    assert_eq!(verdict(owed.judge(&found)), "holds", "of which stream, nobody knows");
    found.records[0].seq = 2;
    assert_eq!(verdict(owed.judge(&found)), "nothing-invented", "it was only one");
}
