//! Gate D: bytes that were durable are damaged. Nothing invented may come back, and nothing that something
//! else vouches for may go in silence.
//!
//! Short stories leave a log on the simulated disk. Every sector of every file is then damaged in every way,
//! one at a time, and the log is opened and read. This gate is never mixed with crashes of an honest disk:
//! an oracle that had to allow for lies would see nothing else.

mod accept;
mod archive;
mod aside;
mod beneath;
mod judge;
mod repair;
mod ways;

use truelog_spec::contract::Record;
use truelog_spec::step::{Durability, Write};
use truelog_spec::{ClientStep, Invariant};

pub use accept::{Losses, losses};
pub(crate) use archive::DRIVES;
pub use archive::judge_copies;
pub use aside::asides;
pub use beneath::beneath;
pub use judge::{Ending, Heard, judge};
pub use repair::repairs;
pub use ways::{Case, cases};

use crate::command::Plan;
use crate::driver::{Driver, files};
use crate::fabric::{Image, LOG_DIR, Profile, SimFs};
use crate::oracle::Reading;
use crate::progress::Progress;
use crate::report::Report;
use crate::subject::{Archived, Plain, Setup};

/// The sector of the disk, half a block of [`Setup::TINY`]: a batch can be damaged in part.
const SECTOR: u32 = 128;

/// A log's life before it is damaged.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    /// Its name.
    pub name: &'static str,
    /// What is done.
    steps: fn() -> Vec<ClientStep>,
    /// It ends with the process, and what was not synced is in the page cache; else it ends with the power.
    cached: bool,
}

/// The stories: closed and cut off, one life and two, trimmed.
pub const STORIES: &[Story] = &[
    Story { name: "closed", steps: || with_end(appends(6), ClientStep::Close), cached: false },
    Story { name: "cut-off", steps: || appends(5), cached: false },
    Story { name: "two-lives", steps: two_lives, cached: false },
    Story {
        name: "trimmed",
        steps: || [appends(6), vec![ClientStep::Trim { before: 3 }], appends(1).split_off(1)].concat(),
        cached: false,
    },
    Story { name: "unsynced", steps: unsynced, cached: true },
];

/// The last records are only in the page cache.
fn unsynced() -> Vec<ClientStep> {
    let light = Write { durability: Durability::ProcessCrash, ..Write::one(0, 8) };
    // The tick prepares a segment ahead, which can be damaged too.
    [appends(3), vec![ClientStep::Append(light.clone()), ClientStep::Append(light), ClientStep::Tick]]
        .concat()
}

/// The story whose drives are damaged.
pub const ARCHIVED: Story = Story { name: "archived", steps: archive::story, cached: false };

fn appends(count: u32) -> Vec<ClientStep> {
    let append = |index: u32| ClientStep::Append(Write::one(u64::from(index % 2), 8 + index));
    std::iter::once(ClientStep::Create).chain((0..count).map(append)).collect()
}

fn with_end(mut steps: Vec<ClientStep>, end: ClientStep) -> Vec<ClientStep> {
    steps.push(end);
    steps
}

fn two_lives() -> Vec<ClientStep> {
    let mut steps = with_end(appends(3), ClientStep::Close);
    steps.push(ClientStep::Open);
    steps.extend(appends(3).split_off(1));
    steps
}

/// What a story leaves.
#[derive(Debug)]
pub struct Left {
    /// The disk, everything durable.
    pub image: Image,
    /// The same disk, some steps earlier: what a stale sector may go back to.
    pub older: Image,
    /// The records that were acknowledged and not trimmed, in order.
    pub truth: Vec<Record>,
    /// Those of them that a loss of power does not take.
    pub synced: Vec<Record>,
}

impl Story {
    /// Runs it.
    ///
    /// # Errors
    /// What went wrong, if the story could not be told to its end: it would damage nothing worth having.
    pub fn tell<S: Archived>(&self) -> Result<Left, String> {
        let disk = SimFs::new(Profile::W.sector(SECTOR).no_garbage());
        let mut driver = Driver::<S>::new(disk, Setup::TINY);
        let steps = (self.steps)();
        let earlier = steps.len() / 2;
        let mut older = None;
        for (index, step) in steps.iter().enumerate() {
            let outcome = driver.client(step);
            if let truelog_spec::Outcome::Failed(failure) = outcome {
                return Err(format!("story {}: step {index}, {step}, failed: {failure}", self.name));
            }
            if index + 1 == earlier {
                older = Some(durable(driver.disk())?);
            }
        }
        let power = durable(driver.disk())?;
        let image = if self.cached { driver.disk().snapshot().process_crash() } else { power.clone() };
        let (truth, synced) = (kept(&image), kept(&power));
        if truth.is_empty() {
            return Err(format!("story {}: no record is left to be damaged", self.name));
        }
        let older = older.unwrap_or_else(|| image.clone());
        Ok(Left { image, older, truth, synced })
    }
}

/// The records in an image that were not trimmed.
fn kept(image: &Image) -> Vec<Record> {
    let reading = Reading::of(&files(image));
    let trimmed = reading.manifest.as_ref().map_or(1, |manifest| manifest.before);
    reading.records().filter(|record| record.lsn >= trimmed).cloned().collect()
}

/// What is there after a loss of power that keeps nothing unsynced.
fn durable(disk: &SimFs) -> Result<Image, String> {
    disk.snapshot().durable().map_err(|error| error.to_string())
}

/// Opens a damaged image and says how that ended.
fn open<S: Archived>(image: &Image) -> Ending {
    let mut driver = Driver::<S>::new(SimFs::from_image(image), Setup::TINY);
    driver.deaf();
    driver.client(&ClientStep::Open);
    Ending::of(&driver.deeds(), driver.refusal())
}

/// Opens an image twice, the second time as the first open leaves it, and says how each ended.
#[must_use]
pub fn opened_twice<S: Archived>(image: &Image) -> (Ending, Ending) {
    let mut driver = Driver::<S>::new(SimFs::from_image(image), Setup::TINY);
    driver.deaf();
    driver.client(&ClientStep::Open);
    let first = Ending::of(&driver.deeds(), driver.refusal());
    let left = driver.disk().snapshot().process_crash();
    (first, open::<S>(&left))
}

/// Damages one story's log in every way, and judges each.
pub fn explore<S: Archived>(story: &Story, report: &mut Report, progress: &Progress) {
    let left = match story.tell::<S>() {
        Ok(left) => left,
        Err(why) => return report.incomplete(why),
    };
    let dir = std::path::Path::new(LOG_DIR);
    // Where nothing is left nothing vouches for anything: only a refusal is loud.
    if let Some(case) = ways::emptied(&left.image, dir)
        && !matches!(open::<S>(&case.image), Ending::Refused(_))
    {
        let says = format!("story {}, {}: and yet a log opens", story.name, case.says);
        return report.find(Invariant::DamageIsLoud.as_str(), says, "cargo verify --only damage");
    }
    for case in cases(&left.image, &left.older, dir, SECTOR) {
        progress.advance(1);
        report.count("damages", 1);
        let ending = open::<S>(&case.image);
        let reading = Reading::of(&files(&case.image));
        match judge(&left.truth, &reading, &ending) {
            Ok(heard) => report.count(heard.word(), 1),
            Err(violation) => {
                let says = format!("story {}, {}: {}", story.name, case.says, violation.detail);
                report.find(violation.invariant.as_str(), says, "cargo verify --only damage");
                return;
            }
        }
    }
}

/// The check: every story, every sector, every way.
#[must_use]
pub fn check(_plan: &Plan, progress: &Progress) -> Report {
    let ways = "bit flipped, zeroed, moved, stale; files cut, rolled back, removed";
    let stories = STORIES.len();
    let scope = format!(
        "{stories} stories, each sector of each file: {ways}; the same on each drive, and on both; bytes under an open log"
    );
    let mut report = Report::new("damage", scope);
    for story in STORIES {
        progress.says(story.name);
        explore::<Plain>(story, &mut report, progress);
    }
    if !report.findings.is_empty() {
        // A log that is broken already says nothing about accepting.
        return report;
    }
    progress.says(ARCHIVED.name);
    explore_archive::<Plain>(&mut report, progress);
    progress.says("accepted");
    let losses = losses::<Plain>(None, &mut report);
    progress.says("put aside");
    let asides = asides::<Plain>(None, &mut report);
    progress.says("repaired");
    let repairs = repairs::<Plain>(&mut report).err();
    progress.says("beneath");
    let beneath = beneath::<Plain>(&mut report).err();
    for (violation, says) in losses.broken.into_iter().chain(asides.broken).chain(repairs).chain(beneath) {
        let says = format!("{says}: {}", violation.detail);
        report.find(violation.invariant.as_str(), says, "cargo verify --only damage");
    }
    report
}

/// Damages the drives of an archive: each copy on its own, then all copies of a block.
pub fn explore_archive<S: Archived>(report: &mut Report, progress: &Progress) {
    match ARCHIVED.tell::<S>() {
        Ok(left) => archive::explore::<S>(&left, report, progress),
        Err(why) => report.incomplete(why),
    }
}
