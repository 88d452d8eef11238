//! `cargo verify schedule`: one schedule of one scene, again.

use std::process::ExitCode;

use clap::Args;

use super::out;
use crate::schedules::{SCENES, Scene, Strategy, Tape, explore};

/// What to run again.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The scene.
    scene: String,
    /// The schedule, as a finding prints it.
    schedule: Tape,
}

/// Runs it; says what it shows.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(scene) = Scene::named(&arguments.scene) else {
        let known: Vec<&str> = SCENES.iter().map(|scene| scene.name).collect();
        eprintln!("cargo verify schedule: no scene is called {:?}: {}", arguments.scene, known.join(", "));
        return ExitCode::from(2);
    };
    let explored = explore(scene, &Strategy::Replay(arguments.schedule.clone()), 0, 1);
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
