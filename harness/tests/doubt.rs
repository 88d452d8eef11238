//! A create or an adopt that did not end well: refused in the same boot, and what ends the doubt.

use std::sync::Arc;

use truelog_env::{Fs, IoKind, Op};
use truelog_harness::explore::{Scope, explore};
use truelog_harness::fabric::{Fault, LOG_DIR, Plan, Profile, Reads, Role, SimFs};
use truelog_harness::report::Report;
use truelog_harness::subject::{Place, Plain, Refusal, Sent, Setup, Subject};
use truelog_spec::Failure;
use truelog_spec::step::Durability;

fn place(sim: &SimFs) -> Place {
    Place { env: sim.env(), dir: LOG_DIR.into(), setup: Setup::TINY }
}

fn create(sim: &SimFs) -> Result<Plain, Refusal> {
    Plain::create(&place(sim))
}

/// Every image that a loss of power can leave opens, with so many records.
fn holds(sim: &SimFs, records: usize) {
    let mut images = 0;
    for crash in sim.snapshot().images(1024, 0) {
        let (log, _) = Plain::open(&place(&SimFs::from_image(&crash.image)), Arc::new(|_| {}))
            .unwrap_or_else(|refusal| panic!("{}", refusal.says));
        assert_eq!(log.read(1).len(), records);
        images += 1;
    }
    assert!(images > 0);
}

fn append(log: &Plain) {
    let sent = [Sent { stream: 0, payload: vec![1; 8] }];
    log.append(&sent, Durability::PowerLoss).unwrap();
}

/// A disk on which the sync of a directory above the log has failed, and create was refused for it.
fn in_doubt() -> SimFs {
    let sim = SimFs::new(Profile::W.sector(128));
    let fault = Fault::FailSync { kind: IoKind::Device, reads: Reads::New };
    sim.faults().schedule(Plan { role: Role::Ancestor.into(), op: Op::SyncDir, nth: 1, fault });
    assert_eq!(create(&sim).err().map(|refusal| refusal.kind), Some(Failure::Io));
    for _ in 0..2 {
        assert_eq!(create(&sim).err().map(|refusal| refusal.kind), Some(Failure::InDoubt));
    }
    sim
}

#[test]
fn a_new_directory_ends_the_doubt() {
    let sim = in_doubt();
    sim.remove_dir_all(LOG_DIR.as_ref()).unwrap();
    let log = create(&sim).unwrap();
    append(&log);
    holds(&sim, 1);
}

#[test]
fn the_end_of_the_process_does_not_end_it() {
    let sim = SimFs::from_image(&in_doubt().snapshot().process_crash());
    assert_eq!(create(&sim).err().map(|refusal| refusal.kind), Some(Failure::InDoubt));
}

#[test]
fn a_loss_of_power_ends_it_whatever_it_keeps() {
    let mut kept = 0;
    for crash in in_doubt().snapshot().images(1024, 0) {
        let sim = SimFs::from_image(&crash.image);
        kept += u64::from(sim.read_dir(LOG_DIR.as_ref()).is_ok_and(|names| !names.is_empty()));
        let log = create(&sim).unwrap_or_else(|refusal| panic!("{}", refusal.says));
        append(&log);
        holds(&sim, 1);
    }
    assert!(kept > 0, "no image keeps the name of the boot before");
}

#[test]
fn a_create_that_was_not_disturbed_leaves_nothing_behind() {
    let sim = SimFs::new(Profile::W.sector(128));
    let log = create(&sim).unwrap();
    let names = sim.read_dir(LOG_DIR.as_ref()).unwrap();
    assert_eq!(names, ["IDENTITY", "MANIFEST"]);
    drop(log);
    Plain::adopt(&place(&sim)).unwrap();
    assert_eq!(sim.read_dir(LOG_DIR.as_ref()).unwrap(), names);
}

#[test]
fn a_copy_is_durable_once_it_is_adopted_and_opens_only_whole_before() {
    let scope = Scope::named("ignored-restored").unwrap();
    let mut report = Report::new("test", "");
    assert!(explore::<Plain>(scope, 0..=scope.depth, &mut report, &|| true, &|| {}));
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}
