//! `cargo verify schedule`: one schedule of one scene, again.

use std::process::ExitCode;

use clap::{Args, FromArgMatches as _};

use super::out;
use crate::schedules::{SCENES, Scene, Spot, Strategy, explore};

/// What to run again.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The scene.
    scene: String,
    /// The schedule, as a finding prints it: a tape, such as `7:0x12,1,r`, or the switches, such as `7+1@17/2`.
    #[arg(value_parser = schedule)]
    schedule: Strategy,
    /// The acts of the scene that are left out, such as `before.2,1.1`.
    #[arg(long, value_name = "ACTS", value_delimiter = ',')]
    without: Vec<Spot>,
}

fn schedule(text: &str) -> Result<Strategy, String> {
    match text.contains(':') {
        true => text.parse().map(Strategy::Replay).map_err(|why: crate::schedules::NotATape| why.to_string()),
        false => text
            .parse()
            .map(Strategy::Preempted)
            .map_err(|why: crate::schedules::NotPreempted| why.to_string()),
    }
}

impl Arguments {
    /// What stands behind `cargo verify schedule`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let command = Self::augment_args(clap::Command::new("schedule"));
        let words = ["schedule"].into_iter().chain(text.split_whitespace());
        let matches = command.try_get_matches_from(words).map_err(|error| error.to_string())?;
        Self::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    /// The scene, those of its acts that are not left out, and the schedule.
    ///
    /// # Errors
    /// What is not known, and what is.
    pub(super) fn chosen(&self) -> Result<(&'static Scene, Vec<Spot>, &Strategy), String> {
        let Some(scene) = Scene::named(&self.scene) else {
            let known: Vec<&str> = SCENES.iter().map(|scene| scene.name).collect();
            return Err(format!("no scene is called {:?}: {}", self.scene, known.join(", ")));
        };
        let mut acts = scene.spots();
        if let Some(unknown) = self.without.iter().find(|spot| !acts.contains(spot)) {
            let known: Vec<String> = acts.iter().map(Spot::to_string).collect();
            return Err(format!("{} has no act {unknown}: {}", scene.name, known.join(", ")));
        }
        acts.retain(|spot| !self.without.contains(spot));
        Ok((scene, acts, &self.schedule))
    }
}

/// Runs it; says what it shows.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (scene, acts, strategy) = match arguments.chosen() {
        Ok(chosen) => chosen,
        Err(why) => {
            eprintln!("cargo verify schedule: {why}");
            return ExitCode::from(2);
        }
    };
    let explored = explore(scene.only(&acts), strategy, 0, 1);
    match explored.found {
        Some(found) => out::print(format!("VIOLATED {}\n{}", found.breaks, found.says()), ExitCode::from(1)),
        None if explored.schedules == 0 || explored.judged.points == 0 => {
            out::print("the schedule does not fit the scene any more: nothing was judged", ExitCode::from(3))
        }
        None => {
            let judged = explored.judged;
            let (points, images, pairs) = (judged.points, judged.images, judged.pairs);
            out::print(
                format!("holds: {points} crash points, {images} images, {pairs} pairs"),
                ExitCode::SUCCESS,
            )
        }
    }
}
