//! A run of a history that a rollback has cut off is put aside, and the process or the power goes at every call of that.
//!
//! The log's directory comes back from an older copy, and its drives do not: they have a run of whose publication no copy
//! of the manifest there has heard. The log goes on elsewhere, past the generation of that run and past its number. When
//! the drives are back, nothing proves that nobody needs what they have: whatever a crash keeps, no open removes it.

use std::collections::HashSet;
use std::path::Path;

use truelog_env::{Env, IoError, OpenMode};
use truelog_spec::contract::Violation;
use truelog_spec::step::Write;
use truelog_spec::{ClientStep, Invariant, Outcome};

use super::accept::{Losses, broken};
use super::{SECTOR, durable};
use crate::driver::{Deed, Driver, Duty};
use crate::fabric::{DriveFile, Image, LOG_DIR, Profile, SimFs, drive_dir};
use crate::oracle::{Manifest, Reading};
use crate::report::Report;
use crate::subject::{Archived, Setup};

/// The most choices of a crash point that are gone through before it is sampled.
const LIMIT: usize = 64;
/// The drives that were away, and those that took their place.
const AWAY: [u64; 2] = [1, 2];
const INSTEAD: [u64; 2] = [3, 4];
/// More steps than a publication takes.
const STEPS: usize = 50;

/// A log and its drives, before the open that puts the run aside.
struct Scene {
    image: Image,
    /// What the run is called.
    run: String,
}

/// Opens the log when its drives are back, with the sync left out that is ignored, until the run is lost.
#[must_use]
pub fn asides<S: Archived>(ignored: Option<Duty>, report: &mut Report) -> Losses {
    let mut found = Losses::default();
    match scene::<S>() {
        Ok(scene) => {
            if let Err(violation) = scene.put_aside::<S>(ignored, &mut found, report) {
                found.broken = Some((violation, "a run of a history that was cut off".to_owned()));
            }
        }
        Err(why) => report.incomplete(format!("a run to be put aside: {why}")),
    }
    found
}

/// Makes the scene.
fn scene<S: Archived>() -> Result<Scene, String> {
    let mut driver = Driver::<S>::new(SimFs::new(Profile::W.sector(SECTOR).no_garbage()), Setup::TINY);
    play(&mut driver, &[ClientStep::Create])?;
    play(&mut driver, &AWAY.map(|drive| ClientStep::AddDrive { drive }))?;
    play(&mut driver, &appends())?;
    play(&mut driver, &[ClientStep::Compact, ClientStep::Close, ClientStep::Open, ClientStep::Close])?;
    let older = durable(driver.disk())?;
    play(&mut driver, &[ClientStep::Open])?;
    play(&mut driver, &appends())?;
    let known = last_run(&driver);
    for _ in 0..STEPS {
        if last_run(&driver) > known {
            break;
        }
        play(&mut driver, &[ClientStep::Tick])?;
    }
    let run = last_run(&driver).filter(|run| Some(*run) > known).ok_or("nothing was published")?;
    let cut = driver.disk().snapshot().process_crash();
    drop(driver);

    let disk = SimFs::from_image(&cut);
    let env = disk.env();
    let failed = |error: IoError| error.to_string();
    put(&env, &older, Path::new(LOG_DIR), Path::new(LOG_DIR)).map_err(failed)?;
    for drive in AWAY {
        disk.remove_dir_all(&drive_dir(Path::new(LOG_DIR), drive)).map_err(failed)?;
    }
    let mut driver = Driver::<S>::new(disk, Setup::TINY);
    play(&mut driver, &[ClientStep::Open])?;
    play(&mut driver, &INSTEAD.map(|drive| ClientStep::AddDrive { drive }))?;
    for _ in 0..2 {
        play(&mut driver, &appends())?;
        play(&mut driver, &[ClientStep::Compact])?;
    }
    play(&mut driver, &[ClientStep::Close])?;
    for drive in AWAY {
        let dir = drive_dir(Path::new(LOG_DIR), drive);
        let env = driver.disk().env();
        env.fs.create_dir(&dir).map_err(failed)?;
        put(&env, &cut, &dir, &dir).map_err(failed)?;
    }
    let run = DriveFile::Run(run).name().ok_or("a run has a name")?;
    Ok(Scene { image: durable(driver.disk())?, run })
}

fn appends() -> [ClientStep; 4] {
    [0, 1, 0, 1].map(|stream| ClientStep::Append(Write::one(stream, 60)))
}

fn play<S: Archived>(driver: &mut Driver<S>, steps: &[ClientStep]) -> Result<(), String> {
    for step in steps {
        if let Outcome::Failed(failure) = driver.client(step) {
            return Err(format!("{step} failed: {failure}"));
        }
    }
    Ok(())
}

/// The highest number of a run that the manifest names.
fn last_run<S: Archived>(driver: &Driver<S>) -> Option<u64> {
    let manifest: Manifest = Reading::of(&driver.visible_files()).manifest?;
    manifest.runs.keys().max().copied()
}

/// Makes the directory `to` hold what `from` holds in `image`, durably.
fn put(env: &Env, image: &Image, from: &Path, to: &Path) -> Result<(), IoError> {
    for name in env.fs.read_dir(to)? {
        env.fs.unlink(&to.join(name))?;
    }
    for name in image.names(from).unwrap_or_default() {
        let file = env.fs.open(&to.join(&name), OpenMode::CREATE)?;
        file.write_at(&image.read(&from.join(&name)).unwrap_or_default(), 0)?;
        file.sync_all()?;
    }
    env.fs.sync_dir(to)?;
    to.ancestors().skip(1).try_for_each(|above| env.fs.sync_dir(above))
}

impl Scene {
    /// Opens, crashes at every call, and opens again. The parts that the syncs play are added to `found`.
    ///
    /// # Errors
    /// The first invariant that breaks.
    fn put_aside<S: Archived>(
        &self,
        ignored: Option<Duty>,
        found: &mut Losses,
        report: &mut Report,
    ) -> Result<(), Violation> {
        let mut driver = Driver::<S>::new(SimFs::from_image(&self.image), Setup::TINY);
        driver.ignore(ignored);
        driver.client(&ClientStep::Open);
        found.duties.extend(driver.duties().into_keys());
        let left = driver.disk().snapshot().process_crash();
        self.judge(&left)?;
        if AWAY.iter().all(|drive| left.exists(&self.at(*drive, &self.run))) {
            report.incomplete("a run of which nothing is proved was not put aside");
        }
        let mut judged = HashSet::new();
        for deed in driver.deeds() {
            let Deed::Moment(moment) = deed else { continue };
            report.count("crash points", 1);
            let powers = moment.powers(LIMIT).images.into_iter().map(|(image, _)| image);
            for image in powers.chain([moment.snapshot.process_crash()]) {
                if judged.insert(image.fingerprint()) {
                    report.count("images", 1);
                    self.again::<S>(&image, ignored)?;
                }
            }
        }
        Ok(())
    }

    /// What a crash left is opened.
    fn again<S: Archived>(&self, image: &Image, ignored: Option<Duty>) -> Result<(), Violation> {
        let mut driver = Driver::<S>::new(SimFs::from_image(image), Setup::TINY);
        driver.ignore(ignored);
        driver.deaf();
        let outcome = driver.client(&ClientStep::Open);
        if matches!(outcome, Outcome::Failed(_)) {
            return broken(Invariant::RecoveryConverges, format!("it does not open again: {outcome}"));
        }
        self.judge(&driver.disk().snapshot().process_crash())
    }

    /// Both drives still have the run, under its own name or put aside, byte for byte.
    fn judge(&self, image: &Image) -> Result<(), Violation> {
        for drive in AWAY {
            let wanted = self.image.read(&self.at(drive, &self.run));
            let names = [self.run.clone(), format!("quarantined-{}", self.run)];
            if names.iter().all(|name| image.read(&self.at(drive, name)) != wanted) {
                let says =
                    format!("{} of drive-{drive} is gone, and no other history of the log has it", self.run);
                return broken(Invariant::DamageIsLoud, says);
            }
        }
        Ok(())
    }

    fn at(&self, drive: u64, name: &str) -> std::path::PathBuf {
        drive_dir(Path::new(LOG_DIR), drive).join(name)
    }
}
