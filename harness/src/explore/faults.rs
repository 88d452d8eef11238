//! The check `faults`: short sequences, every call of their last step, everything that can go wrong with it.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::check::{conclude, note};
use super::fault::{Kind, Struck};
use super::run::Sequence;
use super::{Explorer, Scope};
use crate::command::Plan;
use crate::progress::Progress;
use crate::report::Report;
use crate::share::THREADS;
use crate::subject::{Archived, Plain};

/// What a report calls the faults by which a drive lied.
const LIES: &str = "of them lies of a drive";

/// Strikes every call of the last step of every sequence of the fault scopes, in every way.
#[must_use]
pub fn check(_: &Plan, progress: &Progress) -> Report {
    let mut report = Report::new("faults", "");
    let mut says = Vec::new();
    for scope in Scope::FAULTS {
        says.push(scope.says());
        report.note(scope.lists());
        progress.says(scope.name);
        strike::<Plain>(scope, &mut report, progress);
        if !report.findings.is_empty() {
            break;
        }
    }
    report.scope = says.join("; ");
    if report.findings.is_empty() && report.explored.iter().all(|count| count.what != LIES) {
        report.incomplete("no drive lied");
    }
    report
}

/// Strikes all that one scope offers.
pub fn strike<S: Archived>(scope: &Scope, report: &mut Report, progress: &Progress) {
    let list: Vec<_> = (0..=scope.depth).flat_map(|depth| scope.sequences(depth)).collect();
    progress.expect(list.len() as u64);
    let explorer = Explorer::new(scope);
    let (next, silent) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(letters) = list.get(next.fetch_add(1, Ordering::Relaxed)) {
            if explorer.finding().is_some() {
                break;
            }
            let plain = Sequence { letters: letters.clone(), fault: None };
            let calls = plain.calls::<S>(scope);
            let struck = calls.iter().enumerate();
            for (call, kind) in struck.flat_map(|(at, call)| Kind::of(call).map(move |kind| (at, kind))) {
                let sequence = Sequence { fault: Some(Struck { call, kind }), ..plain.clone() };
                if !explorer.sequence::<S>(letters.len(), &sequence) {
                    silent.fetch_add(1, Ordering::Relaxed);
                }
            }
            progress.advance(1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..THREADS {
            scope.spawn(work);
        }
        work();
    });
    note(&explorer, report);
    conclude(&explorer, report, explorer.finding());
    report.count("faults fired", explorer.counts().faults.get());
    if explorer.counts().lies.get() > 0 {
        report.count(LIES, explorer.counts().lies.get());
    }
    let silent = silent.into_inner();
    if silent > 0 {
        report.incomplete(format!("{}: {silent} faults never fired", scope.name));
    }
}
