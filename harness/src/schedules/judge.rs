//! Crash images, judged by the plain build and outside of any schedule.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use truelog_spec::Invariant;
use truelog_spec::contract::{Obligations, Violation};
use truelog_spec::step::CrashKind;

use super::Crash;
use super::play::Point;
use super::scene::Scene;
use crate::driver::{files, recover};
use crate::fabric::{Image, SimFs, Unit};
use crate::oracle::{self, Case, Ended, Reading};
use crate::subject::{Archived, Drive, Place, Plain, Setup};

/// What was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Judged {
    /// Moments at which a crash may come.
    pub points: u64,
    /// Those of them that no earlier schedule had shown, with the same obligations.
    pub distinct: u64,
    /// Those of them of which every image was gone through.
    pub whole: u64,
    /// Images that crashes left, each distinct within its crash point.
    pub images: u64,
    /// Pairs of an image and what is owed on it, judged.
    pub pairs: u64,
    /// Recoveries that were run.
    pub recoveries: u64,
}

/// A recovery of one image: what the disk held before it, how it ended, and what the disk is sure to hold then.
#[derive(Debug)]
struct Recovered {
    before: Reading,
    ended: Ended,
    after: Reading,
    /// A drive that does not serve. Nothing has failed on this disk.
    out: Option<Drive>,
}

impl Recovered {
    fn of(image: &Image, setup: Setup) -> Self {
        let disk = SimFs::from_image(image);
        disk.set_logging(false);
        let place = Place { env: disk.env(), dir: disk.log_dir().to_owned(), setup };
        let (log, ended) = recover::<Plain>(&place, Arc::new(|_| {}));
        // Nothing kept: what is there whatever the device did on its own account.
        let sure = disk.snapshot().durable().map(|image| files(&image)).unwrap_or_default();
        let out = log.iter().flat_map(Plain::drives).find(|drive| !drive.serves);
        drop(log);
        Self { before: Reading::of(&files(image)), ended, after: Reading::of(&sure), out }
    }
}

/// Judges moments of many schedules of one scene. Remembers what it has seen.
#[derive(Debug)]
pub(super) struct Judge {
    setup: Setup,
    choices: usize,
    hashes: RandomState,
    recoveries: HashMap<u64, Arc<Recovered>>,
    pairs: HashSet<(u64, u64)>,
    points: HashSet<(u64, u64, u64, u64)>,
    /// What was judged so far.
    pub(super) judged: Judged,
}

/// A broken invariant, and the crash that shows it.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    /// What was broken.
    pub(super) violation: Violation,
    /// The crash.
    pub(super) crash: Crash,
}

impl Judge {
    /// Nothing is judged yet.
    #[must_use]
    pub(super) fn new(scene: &Scene) -> Self {
        Self {
            setup: scene.setup,
            choices: scene.choices,
            hashes: RandomState::new(),
            recoveries: HashMap::new(),
            pairs: HashSet::new(),
            points: HashSet::new(),
            judged: Judged::default(),
        }
    }

    /// Crashes at a moment in every way. The first violation found, if there is one.
    pub(super) fn point(&mut self, number: usize, point: &Point) -> Option<Broken> {
        self.judged.points += 1;
        let (power, process) = (self.hashes.hash_one(&point.power), self.hashes.hash_one(&point.process));
        // With a write in flight the page cache holds none of it, or all. Either image holds all that is pending.
        let caches = [point.disk.process_crash(), point.disk.process_crash_after()];
        if !self.points.insert((caches[0].fingerprint(), caches[1].fingerprint(), power, process)) {
            return None;
        }
        self.judged.distinct += 1;
        for cache in &caches {
            self.judged.images += 1;
            if let Some(violation) = self.image(cache, &point.process, process) {
                let (kind, says) = (CrashKind::Process, format!("moment {number}, {}", CrashKind::Process));
                return Some(Broken { violation, crash: Crash { kind, moment: number, says } });
            }
        }
        let mut images = point.disk.images(self.choices, 0);
        let mut broken = None;
        for crash in images.by_ref() {
            self.judged.images += 1;
            if let Some(violation) = self.image(&crash.image, &point.power, power) {
                let kept = point.disk.kept(&crash.choice);
                let says = format!("moment {number}, power keep={}", units(&kept));
                let crash = Crash { kind: CrashKind::Power, moment: number, says };
                broken = Some(Broken { violation, crash });
                break;
            }
        }
        self.judged.whole += u64::from(images.coverage().exhausted);
        broken
    }

    fn image(&mut self, image: &Image, owed: &Obligations, digest: u64) -> Option<Violation> {
        let fingerprint = image.fingerprint();
        if !self.pairs.insert((fingerprint, digest)) {
            return None;
        }
        self.judged.pairs += 1;
        let (setup, recoveries) = (self.setup, &mut self.judged.recoveries);
        let recovered = self.recoveries.entry(fingerprint).or_insert_with(|| {
            *recoveries += 1;
            Arc::new(Recovered::of(image, setup))
        });
        let Recovered { before, ended, after, out } = &**recovered;
        let judged = oracle::judge(&Case { owed, before, ended, after });
        judged.err().or_else(|| out.map(|out| quarantined(&out)))
    }
}

fn quarantined(out: &Drive) -> Violation {
    Violation::new(
        Invariant::QuarantineLosesNothing,
        format!("behind a crash a healthy drive is out: {out:?}"),
    )
}

fn units(units: &[Unit]) -> String {
    let words: Vec<String> = units.iter().map(ToString::to_string).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(",") }
}
