//! The simulated disk keeps the crash model, rule by rule (DESIGN 6, Gate W).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use truelog_env::{File, Fs, IoError, IoKind, Op, OpenMode};
use truelog_harness::fabric::{
    Edge, Fault, Image, KeepError, LOG_DIR, Plan, Profile, Reads, Role, RolePattern, Rule, SimFs, SyncOp,
    Unit,
};

pub(super) const SECTOR: usize = 128;

pub(super) fn sim() -> SimFs {
    with(Profile::W)
}

/// A disk whose log directory is there, durably.
fn with(profile: Profile) -> SimFs {
    let sim = SimFs::new(profile.sector(SECTOR as u32));
    sim.create_dir(Path::new(LOG_DIR)).expect("the log directory");
    sim.sync_dir(Path::new("/vol")).expect("its entry");
    sim
}

pub(super) fn at(name: &str) -> PathBuf {
    Path::new(LOG_DIR).join(name)
}

/// A segment with `sectors` sectors of `a`, durable in all respects.
pub(super) fn durable(sim: &SimFs, sectors: usize) -> Box<dyn File> {
    let file = sim.open(&at("segment-0000000001"), OpenMode::CREATE).expect("a new file");
    file.write_at(&vec![b'a'; sectors * SECTOR], 0).expect("its bytes");
    file.sync_all().expect("its sync");
    sim.sync_dir(Path::new(LOG_DIR)).expect("its name");
    file
}

pub(super) fn all(sim: &SimFs) -> Vec<Image> {
    let mut images = sim.snapshot().images(100_000, 0);
    let all = images.by_ref().map(|crash| crash.image).collect();
    assert!(images.coverage().exhausted, "{:?}", images.coverage());
    all
}

/// What the segment may hold after a crash; sectors by their first byte.
pub(super) fn contents(sim: &SimFs) -> BTreeSet<Option<String>> {
    let of = |image: &Image| {
        let bytes = image.read(&at("segment-0000000001"))?;
        let letter = |sector: &[u8]| if sector[0] == 0 { '_' } else { char::from(sector[0]) };
        Some(bytes.chunks(SECTOR).map(letter).collect())
    };
    all(sim).iter().map(of).collect()
}

pub(super) fn set(texts: &[&str]) -> BTreeSet<Option<String>> {
    texts.iter().map(|text| (*text != "-").then(|| (*text).to_owned())).collect()
}

fn units(sim: &SimFs) -> Vec<String> {
    sim.snapshot().pending().iter().map(Unit::to_string).collect()
}

pub(super) fn fault(sim: &SimFs, role: impl Into<RolePattern>, op: Op, fault: Fault) {
    sim.faults().schedule(Plan { role: role.into(), op, nth: 1, fault });
}

#[test]
fn rule_1_each_sector_is_any_version_since_its_last_sync() {
    let sim = sim();
    let file = durable(&sim, 2);
    assert_eq!(contents(&sim), set(&["aa"]));
    file.write_at(&[b'b'; 2 * SECTOR], 0).unwrap();
    file.write_at(&[b'c'; SECTOR], SECTOR as u64).unwrap();
    assert_eq!(contents(&sim), set(&["aa", "ab", "ac", "ba", "bb", "bc"]));
    assert_eq!(units(&sim), ["seg-1.sector:0", "seg-1.sector:1", "seg-1.sector:1#2"]);
    file.sync_data().unwrap();
    assert_eq!(contents(&sim), set(&["bc"]));
    // The same bytes again are no other version.
    file.write_at(&[b'b'; SECTOR], 0).unwrap();
    assert_eq!(contents(&sim), set(&["bc"]));
}

#[test]
fn rule_1_garbage_only_in_sectors_in_flight() {
    for (profile, images) in [(Profile::W, 9), (Profile::W.no_garbage(), 4)] {
        let sim = with(profile);
        let file = durable(&sim, 3);
        let (seen, watch) = (Arc::new(Mutex::new(Vec::new())), sim.clone());
        let into = seen.clone();
        sim.set_hook(Some(Arc::new(move |call, edge| {
            if call.op == Op::Write {
                let count = watch.snapshot().images(1000, 0).count();
                into.lock().unwrap().push((edge == Edge::Begin, count));
            }
        })));
        file.write_at(&[b'b'; 2 * SECTOR], 0).unwrap();
        assert_eq!(*seen.lock().unwrap(), [(true, images), (false, 4)], "the third sector is never touched");
    }
}

#[test]
fn rule_2_length_persists_on_its_own() {
    let sim = sim();
    let file = durable(&sim, 1);
    file.write_at(&[b'b'; SECTOR], SECTOR as u64).unwrap();
    file.write_at(&[b'c'; SECTOR], 3 * SECTOR as u64).unwrap();
    assert_eq!(contents(&sim), set(&["a", "a_", "ab", "a___", "ab__", "a__c", "ab_c"]));
}

#[test]
fn rule_3_a_sync_of_a_file_covers_no_name() {
    let sim = sim();
    let file = sim.open(&at("segment-0000000001"), OpenMode::CREATE).unwrap();
    file.write_at(&[b'a'; SECTOR], 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(contents(&sim), set(&["-", "a"]));
    sim.sync_dir(Path::new(LOG_DIR)).unwrap();
    assert_eq!(contents(&sim), set(&["a"]));
}

#[test]
fn rule_3_a_datasync_covers_the_length_that_its_data_needs() {
    let sim = sim();
    let file = durable(&sim, 1);
    file.allocate(2 * SECTOR as u64).unwrap();
    file.sync_data().unwrap();
    assert_eq!(contents(&sim), set(&["a", "a_"]), "no data needs the allocated length");
    file.write_at(&[b'b'; SECTOR], SECTOR as u64).unwrap();
    file.sync_data().unwrap();
    assert_eq!(contents(&sim), set(&["ab"]));
}

#[test]
fn rule_3_a_write_through_is_durable_by_itself_and_nothing_else() {
    let sim = sim();
    let file = durable(&sim, 2);
    let through = OpenMode { write_through: true, ..OpenMode::WRITE };
    let through = sim.open(&at("segment-0000000001"), through).unwrap();
    file.write_at(&[b'b'; SECTOR], 0).unwrap();
    through.write_at(&[b'c'; SECTOR], SECTOR as u64).unwrap();
    assert_eq!(contents(&sim), set(&["ac", "bc"]));
    through.write_at(&[b'd'; SECTOR], 0).unwrap();
    assert_eq!(contents(&sim), set(&["dc"]));
}

#[test]
fn rule_4_a_sync_of_a_directory_covers_its_entries_only() {
    let sim = SimFs::new(Profile::W.sector(128));
    sim.create_dir(Path::new(LOG_DIR)).unwrap();
    let file = sim.open(&at("segment-0000000001"), OpenMode::CREATE).unwrap();
    file.write_at(&[b'a'; SECTOR], 0).unwrap();
    sim.sync_dir(Path::new(LOG_DIR)).unwrap();
    assert_eq!(
        contents(&sim),
        set(&["-", "", "_", "a"]),
        "neither the file's bytes nor the directory's name"
    );
    sim.sync_dir(Path::new("/vol")).unwrap();
    assert_eq!(contents(&sim), set(&["", "_", "a"]));
}

#[test]
fn rule_5_any_subset_of_names_persists_and_a_rename_never_loses_its_file() {
    let sim = sim();
    drop(durable(&sim, 1));
    sim.open(&at("segment-0000000002.tmp"), OpenMode::CREATE).unwrap();
    sim.sync_dir(Path::new(LOG_DIR)).unwrap();
    sim.rename(&at("segment-0000000002.tmp"), &at("segment-0000000002")).unwrap();
    sim.unlink(&at("segment-0000000001")).unwrap();
    assert_eq!(units(&sim), ["gone:seg-1", "name:seg-2", "gone:seg-2.tmp"]);
    let names: BTreeSet<String> =
        all(&sim).iter().map(|image| image.names(Path::new(LOG_DIR)).unwrap().join(" ")).collect();
    let short = |text: &str| text.replace("segment-000000000", "");
    let names: Vec<_> = names.iter().map(|names| short(names)).collect();
    assert_eq!(names, ["1 2", "1 2 2.tmp", "1 2.tmp", "2", "2 2.tmp", "2.tmp"]);
}

#[test]
fn rule_6_a_failed_sync_leaves_clean_pages_that_no_later_sync_writes() {
    let kind = IoKind::Device;
    let sim = sim();
    let file = durable(&sim, 2);
    file.write_at(&[b'b'; SECTOR], 0).unwrap();
    fault(&sim, Role::Segment(1), Op::SyncData, Fault::FailSync { kind, reads: Reads::New });
    assert_eq!(file.sync_data(), Err(IoError::new(Op::SyncData, kind)));
    let mut byte = [0];
    file.read_at(&mut byte, 0).unwrap();
    assert_eq!(byte, *b"b", "the cache keeps the new bytes");
    file.sync_data().unwrap();
    assert_eq!(contents(&sim), set(&["aa", "ba"]), "the sync that succeeded wrote nothing");
    file.write_at(&[b'c'; SECTOR], SECTOR as u64).unwrap();
    file.sync_all().unwrap();
    assert_eq!(contents(&sim), set(&["ac", "bc"]));
    file.write_at(&[b'd'; SECTOR], 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(contents(&sim), set(&["dc"]), "written again, the sector is durable");

    file.write_at(&[b'e'; 2 * SECTOR], 0).unwrap();
    fault(&sim, Role::Segment(1), Op::SyncData, Fault::FailSync { kind, reads: Reads::Old });
    file.sync_data().unwrap_err();
    file.read_at(&mut byte, 0).unwrap();
    assert_eq!(byte, *b"d", "the cache was dropped");
    assert_eq!(contents(&sim), set(&["dc"]));
    assert_eq!((sim.faults().fired().len(), sim.faults().unfired().len()), (2, 0));
}

#[test]
fn rule_6_holds_for_directories() {
    let sim = sim();
    let file = sim.open(&at("segment-0000000001"), OpenMode::CREATE).unwrap();
    file.sync_all().unwrap();
    let failure = Fault::FailSync { kind: IoKind::Device, reads: Reads::New };
    fault(&sim, Role::LogDir, Op::SyncDir, failure);
    sim.sync_dir(Path::new(LOG_DIR)).unwrap_err();
    sim.sync_dir(Path::new(LOG_DIR)).unwrap();
    assert_eq!(contents(&sim), set(&["-", ""]));
}

#[test]
fn rule_7_short_transfers_interruptions_and_errors() {
    let sim = sim();
    let file = durable(&sim, 2);
    let cases = [
        (Op::Write, Fault::Short(5), Ok(5)),
        (Op::Write, Fault::Fail { kind: IoKind::Interrupted, done: 0 }, Err(IoKind::Interrupted)),
        (Op::Write, Fault::Fail { kind: IoKind::NoSpace, done: 3 }, Err(IoKind::NoSpace)),
        (Op::Read, Fault::Short(7), Ok(7)),
        (Op::Read, Fault::Fail { kind: IoKind::Device, done: 0 }, Err(IoKind::Device)),
    ];
    for (op, what, expected) in cases {
        fault(&sim, RolePattern::AnySegment, op, what);
        let got = match op {
            Op::Write => file.write_at(&[b'b'; SECTOR], 0),
            _ => file.read_at(&mut [0; SECTOR], 0),
        };
        assert_eq!(got.map_err(|error| error.kind), expected, "{what:?}");
    }
    let mut bytes = [0; 6];
    file.read_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"bbbbba", "what a failed write wrote is there");
}

#[test]
fn rule_7_a_full_a_read_only_and_a_busy_system() {
    let sim = sim();
    let file = durable(&sim, 8);
    sim.fill_after(Some(1000));
    assert_eq!(file.write_at(&[b'b'; 2048], 1024), Ok(1000));
    assert_eq!(file.write_at(&[b'b'; 2048], 4096).map_err(|error| error.kind), Err(IoKind::NoSpace));
    assert_eq!(file.write_at(&[b'c'; SECTOR], 0), Ok(SECTOR), "what has room is overwritten");
    assert_eq!(file.allocate(1 << 20).map_err(|error| error.kind), Err(IoKind::NoSpace));
    assert_eq!(sim.volume(Path::new(LOG_DIR)).unwrap().free_bytes, 0);
    sim.unlink(&at("segment-0000000001")).unwrap();
    assert!(sim.volume(Path::new(LOG_DIR)).unwrap().free_bytes > 0, "an unlink gives room back");
    sim.limit_handles(Some(1));
    let create = || sim.open(&at("MANIFEST"), OpenMode::CREATE).map(drop).map_err(|error| error.kind);
    assert_eq!(create(), Err(IoKind::TooManyFiles));
    drop(file);
    sim.set_read_only(true);
    assert_eq!(create(), Err(IoKind::ReadOnly));
    sim.set_read_only(false);
    assert_eq!(create(), Ok(()));
}

#[test]
fn rule_7_unlinked_files_live_on_and_locks_go_by_inode() {
    let sim = sim();
    let file = durable(&sim, 1);
    sim.unlink(&at("segment-0000000001")).unwrap();
    sim.sync_dir(Path::new(LOG_DIR)).unwrap();
    assert_eq!(file.write_at(b"b", 0), Ok(1));
    assert_eq!(file.metadata().unwrap().links, 0);
    let lock = sim.lock_dir(Path::new(LOG_DIR)).unwrap();
    assert_eq!(sim.lock_dir(Path::new(LOG_DIR)).unwrap_err().kind, IoKind::Locked);
    let next = SimFs::from_image(&sim.snapshot().process_crash());
    next.lock_dir(Path::new(LOG_DIR)).expect("the lock died with its process");
    drop(lock);
    sim.lock_dir(Path::new(LOG_DIR)).expect("the lock was dropped");
}

#[test]
fn rule_8_what_a_process_leaves_behind_can_still_be_lost() {
    let sim = sim();
    let file = durable(&sim, 1);
    file.write_at(&[b'b'; SECTOR], 0).unwrap();
    let next = SimFs::from_image(&sim.snapshot().process_crash());
    let again = next.open(&at("segment-0000000001"), OpenMode::WRITE).unwrap();
    let mut byte = [0];
    again.read_at(&mut byte, 0).unwrap();
    assert_eq!(byte, *b"b");
    assert_eq!(contents(&next), set(&["a", "b"]));
    again.sync_data().unwrap();
    assert_eq!(contents(&next), set(&["b"]), "any descriptor's sync covers it");
    sim.power_off();
    assert_eq!(file.write_at(b"c", 0).map_err(|error| error.kind), Err(IoKind::Device));
}

#[test]
fn a_sync_covers_only_writes_that_ended_before_it_began() {
    let sim = sim();
    let file: Arc<dyn File> = Arc::from(durable(&sim, 2));
    file.write_at(&[b'b'; SECTOR], 0).unwrap();
    let late = Mutex::new(Some(file.clone()));
    sim.set_hook(Some(Arc::new(move |call, edge| {
        if call.op == Op::SyncData && edge == Edge::Begin {
            let file = late.lock().unwrap().take();
            file.map(|file| file.write_at(&[b'c'; SECTOR], SECTOR as u64).unwrap());
        }
    })));
    file.sync_data().unwrap();
    assert_eq!(contents(&sim), set(&["ba", "bc"]));
}

#[test]
fn an_ignored_sync_does_nothing_and_is_counted() {
    let sim = sim();
    let file = durable(&sim, 1);
    sim.ignore_sync(RolePattern::AnySegment, SyncOp::Data);
    file.write_at(&[b'b'; SECTOR], 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!((contents(&sim), sim.ignored()), (set(&["a", "b"]), 1));
    sim.honour_syncs();
    file.sync_data().unwrap();
    assert_eq!((contents(&sim), sim.ignored()), (set(&["b"]), 1));
}

#[test]
fn the_hook_sees_both_edges_of_every_call_and_so_does_the_log() {
    let sim = sim();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (into, inside) = (seen.clone(), sim.clone());
    sim.set_logging(true);
    drop(sim.take_log());
    sim.set_hook(Some(Arc::new(move |call, edge| {
        // No lock is held: the disk can be used here.
        drop(inside.snapshot());
        into.lock().unwrap().push((call.clone(), edge));
    })));
    drop(durable(&sim, 1));
    let log: Vec<_> =
        sim.log().into_iter().map(|record| (record.call.as_ref().clone(), record.edge)).collect();
    assert_eq!(*seen.lock().unwrap(), log);
    let ops: Vec<_> = log.iter().map(|(call, _)| (call.op, call.role)).collect();
    let seg = Role::Segment(1);
    let calls = [(Op::Create, seg), (Op::Write, seg), (Op::SyncAll, seg), (Op::SyncDir, Role::LogDir)];
    assert_eq!(ops, calls.iter().flat_map(|call| [*call, *call]).collect::<Vec<_>>());
}

#[test]
fn a_choice_told_by_its_units_gives_the_same_image() {
    for profile in Profile::ALL {
        let sim = with(profile);
        let file = durable(&sim, 2);
        file.write_at(&[b'b'; 2 * SECTOR], SECTOR as u64).unwrap();
        let tmp = sim.open(&at("MANIFEST.tmp"), OpenMode::CREATE).unwrap();
        tmp.write_at(b"manifest", 0).unwrap();
        sim.rename(&at("MANIFEST.tmp"), &at("MANIFEST")).unwrap();
        let snapshot = sim.snapshot();
        let mut count = 0;
        for crash in snapshot.images(10_000, 0) {
            let kept = snapshot.kept(&crash.choice);
            let texts: Vec<Unit> = kept.iter().map(|unit| unit.to_string().parse().unwrap()).collect();
            assert_eq!(snapshot.image(&texts), Ok(crash.image), "{profile}: {kept:?}");
            count += 1;
        }
        assert!(count > 10, "{profile}: only {count} images");
        let unknown: Unit = "seg-9.size".parse().unwrap();
        assert_eq!(snapshot.image(&[unknown]), Err(KeepError::NotPending(unknown)));
        let both: Vec<Unit> =
            ["name:manifest", "name:manifest.tmp"].iter().map(|u| u.parse().unwrap()).collect();
        let forbidden = snapshot.image(&both) == Err(KeepError::Forbidden);
        assert_eq!(forbidden, profile.keeps(Rule::AtomicRename), "{profile}: both names of a rename");
    }
}

#[test]
fn a_sample_says_so_and_holds_both_extremes() {
    let sim = sim();
    let file = durable(&sim, 40);
    file.write_at(&[b'b'; 40 * SECTOR], 0).unwrap();
    let mut images = sim.snapshot().images(100, 7);
    let sample: Vec<_> = images.by_ref().map(|crash| crash.image).collect();
    let coverage = images.coverage();
    assert_eq!((coverage.total, coverage.exhausted, coverage.given), (1 << 40, false, 100));
    let read = |image: &Image| image.read(&at("segment-0000000001")).unwrap();
    assert_eq!(read(&sample[0]), [b'a'; 40 * SECTOR]);
    assert_eq!(read(&sample[1]), [b'b'; 40 * SECTOR]);
    let again: Vec<_> = sim.snapshot().images(100, 7).map(|crash| crash.image).collect();
    assert_eq!(sample, again, "one seed, one sample");
    let distinct: BTreeSet<_> = sample.iter().map(Image::fingerprint).collect();
    assert_eq!(distinct.len(), 100);
}

#[test]
fn the_boot_is_another_after_each_loss_of_power_and_only_then() {
    let sim = sim();
    let boot = |sim: &SimFs| sim.boot().unwrap();
    let first = boot(&sim);
    let process = SimFs::from_image(&sim.snapshot().process_crash());
    assert_eq!(boot(&process), first);
    let power = process.snapshot().image(&[]).unwrap();
    assert_ne!(power, sim.snapshot().process_crash(), "another boot is another future");
    let second = boot(&SimFs::from_image(&power));
    let third = boot(&SimFs::from_image(&SimFs::from_image(&power).snapshot().image(&[]).unwrap()));
    assert_eq!(BTreeSet::from([first, second, third]).len(), 3);
}

#[test]
fn a_copy_has_the_bytes_and_nothing_of_it_is_durable() {
    let sim = sim();
    let _file = durable(&sim, 2);
    let before = sim.snapshot().process_crash();
    let copy = SimFs::from_image(&before.copied().unwrap());
    let cached = copy.snapshot().process_crash();
    let path = at("segment-0000000001");
    assert!(before.read(&path).is_some());
    assert_eq!(cached.read(&path), before.read(&path));
    assert_ne!(cached.inode(&path), before.inode(&path));
    assert_ne!(cached.inode(sim.log_dir()), before.inode(sim.log_dir()));
    assert!(!copy.snapshot().image(&[]).unwrap().exists(sim.log_dir()));
    copy.remove_dir_all(sim.log_dir()).unwrap();
    assert!(!copy.snapshot().process_crash().exists(sim.log_dir()));
}

#[test]
fn clock_and_entropy_are_part_of_the_image() {
    let draw = |sim: &SimFs| {
        let mut bytes = [0; 12];
        sim.env().entropy.fill(&mut bytes).unwrap();
        (bytes, sim.env().clock.monotonic())
    };
    let sim = sim();
    let image = all(&sim).remove(0);
    let (one, other) = (SimFs::from_image(&image), SimFs::from_image(&image));
    assert_eq!(draw(&one), draw(&other));
    assert_ne!(draw(&one).0, draw(&sim).0, "the first life's draw was the second one's first");
    one.advance(Duration::from_secs(1));
    assert_ne!(all(&one), all(&other));
    assert_eq!(all(&other).remove(0), all(&other).remove(0));
}
