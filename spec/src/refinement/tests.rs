//! The two notions of right agree on what is wrong, too.

use super::*;
use crate::invariant::Invariant;
use crate::mechanism::walk;
use crate::model::hunt;
use crate::switches::Switch;

#[test]
fn the_contract_sees_each_violation_at_an_open_as_the_mechanism_does() {
    let mut judged = 0;
    for switch in Switch::ALL {
        let (scope, mechanism) = (switch.scope(), switch.mechanism());
        let path = hunt(&scope, mechanism, switch.invariant()).expect("a path");
        let steps: Vec<Step> = scope.prefix.iter().cloned().chain(path).collect();
        let (last, way) = steps.split_last().expect("a step");
        let before = walk(mechanism, way).state;
        let found = before.engine.as_ref().and_then(|engine| engine.found.clone());
        if !matches!(last, Step::Engine(EngineStep::Ready { .. })) || before.past.damages > 0 {
            continue;
        }
        let expected = match switch.invariant() {
            // The contract compares two recoveries of one log by `RecoveredState::converges`.
            Invariant::RecoveryConverges => Invariant::TornTailIsNotDamage,
            other => other,
        };
        let found = found.expect("what recovery found");
        assert_eq!(verdict(&before, &found), Some(expected), "{switch}");
        judged += 1;
    }
    assert!(judged >= 20, "{judged}");
}

#[test]
fn an_answer_that_nobody_gave_is_no_refinement() {
    let scope = Switch::AckOnWrite.scope();
    let before = scope.start();
    let step: Step = "engine encode 1 writer=0".parse().expect("a step");
    let after = Switch::AckOnWrite.mechanism().apply(&before, &step).expect("the design encodes");
    assert!(refines(&before, &step, &after));
    let mut wrong = after.clone();
    wrong.requests[0].told = Told::Acked(Durability::PowerLoss);
    assert!(!refines(&before, &step, &wrong));
    let mut lost = after;
    lost.requests.clear();
    assert!(!refines(&before, &step, &lost));
}
