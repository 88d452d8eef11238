//! The simulated disk lies only when it is told to (DESIGN 6, Gate D).

use truelog_env::{Op, OpenMode};
use truelog_harness::fabric::{Damage, DamageError, Fault, Role};

use super::fabric::{SECTOR, all, at, contents, durable, fault, set, sim};

#[test]
fn gate_d_lies_only_when_told_to() {
    let sim = sim();
    let file = durable(&sim, 3);
    fault(&sim, Role::Segment(1), Op::Write, Fault::LostWrite);
    file.write_at(&[b'b'; SECTOR], 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(contents(&sim), set(&["aaa"]));
    fault(&sim, Role::Segment(1), Op::Write, Fault::MisdirectedWrite { by: 2 });
    file.write_at(&[b'c'; SECTOR], 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(contents(&sim), set(&["aac"]));
    fault(&sim, Role::Segment(1), Op::SyncAll, Fault::LyingSync);
    file.write_at(&[b'd'; SECTOR], SECTOR as u64).unwrap();
    file.sync_all().unwrap();
    assert_eq!(contents(&sim), set(&["aac", "adc"]));
    assert!(sim.faults().fired().iter().all(|(_, plan)| plan.fault.is_lie()));
}

#[test]
fn a_write_that_was_a_lie_is_seen_past_the_page_cache_only() {
    let sim = sim();
    let file = durable(&sim, 3);
    let read = |direct| {
        let mode = OpenMode { direct, ..OpenMode::READ };
        let file = sim.env().fs.open(&at("segment-0000000001"), mode).unwrap();
        let mut buf = [0; 3 * SECTOR];
        assert_eq!(file.read_at(&mut buf, 0), Ok(buf.len()));
        buf
    };
    for (lie, stored) in
        [(Fault::LostWrite, b'a'), (Fault::FlippedWrite { byte: SECTOR as u64 + 1 }, b'b' ^ 1)]
    {
        fault(&sim, Role::Segment(1), Op::Write, lie);
        file.write_at(&[b'b'; 2 * SECTOR], 0).unwrap();
        for synced in [false, true] {
            assert_eq!((read(false)[SECTOR + 1], read(true)[SECTOR + 1]), (b'b', stored), "{lie:?} {synced}");
            assert_eq!(read(true)[2 * SECTOR..], [b'a'; SECTOR]);
            file.sync_all().unwrap();
        }
        assert_eq!(all(&sim).len(), 1);
        file.write_at(&[b'a'; 2 * SECTOR], 0).unwrap();
        assert_eq!(read(true), [b'a'; 3 * SECTOR], "an honest write is written back before it is read");
        file.sync_all().unwrap();
    }
    assert!(sim.faults().fired().iter().all(|(_, plan)| plan.fault.is_lie()));
}

#[test]
fn gate_d_damages_an_image_or_says_that_it_did_not() {
    let sim = sim();
    let path = at("segment-0000000001");
    let file = durable(&sim, 2);
    let older = all(&sim).remove(0);
    file.write_at(&[b'b'; 2 * SECTOR], 0).unwrap();
    file.sync_data().unwrap();
    let image = all(&sim).remove(0);
    let first = |damage: Damage| image.damage(&path, &damage).map(|image| image.read(&path).unwrap()[0]);
    let len = SECTOR as u64;
    assert_eq!(first(Damage::Flip { bit: 1 }), Ok(b'b' ^ 2));
    assert_eq!(first(Damage::Zero { offset: 0, len }), Ok(0));
    assert_eq!(first(Damage::Stale { older: older.clone(), offset: 0, len }), Ok(b'a'));
    assert_eq!(first(Damage::Misplace { from: 0, to: len, len }), Err(DamageError::NoChange(path.clone())));
    let rolled = image.damage(&path, &Damage::RollBack { older, from: len }).unwrap().read(&path).unwrap();
    assert_eq!((rolled[0], rolled[SECTOR]), (b'b', b'a'));
    let gone = image.damage(&path, &Damage::Remove).unwrap();
    assert!(!gone.exists(&path) && gone != image);
    assert_eq!(image.damage(&at("x"), &Damage::Remove), Err(DamageError::NoFile(at("x"))));
}
