//! `cargo verify promote`: a finding becomes a trace of the corpus, with its page.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{out, schedule};
use crate::campaign::{
    FIRST_SEEN, RaceWanted, Unproposed, Wanted, case_of, hash, promote_race, propose, put, steps,
};
use crate::caught::caught;
use crate::fuzzing::Input;

/// Which finding, and where it goes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The case that a finding prints behind `cargo verify case`, or what it prints behind `cargo verify`: `input TARGET HEX`,
    /// or `schedule SCENE SCHEDULE`.
    #[arg(value_name = "CASE")]
    case: String,
    /// Its name in the corpus. Without it the steps of the case are its name, with a hash.
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,
    /// The folder that has a folder for each invariant, or for each fuzz target. Without it, that of the tree.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where it was first seen, as `schedule SCENE TAPE`, if one thread tells what was met under several.
    #[arg(long, value_name = "WHERE")]
    first_seen: Option<String>,
    /// What goes wrong, in a sentence: the title of a schedule's page.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The mutant that has the bug which a schedule shows.
    #[arg(long, value_name = "SLUG", default_value = "none")]
    mutant: String,
    /// Take the place of what already has this name.
    #[arg(long)]
    replace: bool,
}

/// Writes trace and page, or the bytes of an input. Exit codes: 0 written, 1 it holds on this engine, 2 it is no case or its
/// name is taken, 3 it cannot be told as a trace, 4 the files cannot be written.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let text = arguments.case.strip_prefix("cargo verify ").unwrap_or(&arguments.case);
    if let Some(input) = text.strip_prefix("input ") {
        return promote_input(input, arguments);
    }
    if let Some(schedule) = text.strip_prefix("schedule ") {
        return promote_schedule(schedule, arguments);
    }
    let dir = arguments.out.clone().unwrap_or_else(|| tree().join("corpus"));
    let case = case_of(&arguments.case).unwrap_or(&arguments.case);
    let seen = arguments.first_seen.as_ref().map(|seen| format!("{FIRST_SEEN} {seen}"));
    let seen = seen.as_deref().unwrap_or("random");
    let wanted = Wanted { slug: arguments.slug.as_deref(), breaks: None, seen, replace: arguments.replace };
    match propose(case, wanted, &dir) {
        Ok(proposal) => {
            let steps = steps(&proposal.trace);
            let lines = proposal.trace.lines.len();
            let says = format!(
                "{}: {steps} steps of clients and of the world, {lines} with those of the engine; it breaks {} when it is \
                 replayed\npage: {}\nnext: docs/TESTING.md, \"Promoting a failure\"",
                proposal.path.display(),
                proposal.trace.invariant,
                proposal.path.with_extension("md").display(),
            );
            out::print(says, ExitCode::SUCCESS)
        }
        Err(why) => refused(&why),
    }
}

fn refused(why: &Unproposed) -> ExitCode {
    eprintln!("cargo verify promote: {why}");
    ExitCode::from(match why {
        Unproposed::Holds => 1,
        Unproposed::NotACase(_) | Unproposed::Exists(_) => 2,
        Unproposed::Differs(..) | Unproposed::Untold(_) | Unproposed::NoRace(_) | Unproposed::Page(_) => 3,
        Unproposed::Unwritten(..) => 4,
    })
}

/// Keeps a schedule that breaks a promise, by the simplest way to it, for `cargo verify --only schedules` to run from then on.
fn promote_schedule(text: &str, arguments: &Arguments) -> ExitCode {
    let parsed = schedule::Arguments::of(text);
    let chosen = parsed.as_ref().map_err(Clone::clone).and_then(schedule::Arguments::chosen);
    let (scene, acts, strategy) = match chosen {
        Ok(chosen) => chosen,
        Err(why) => {
            eprintln!("cargo verify promote: {why}");
            return ExitCode::from(2);
        }
    };
    let wanted = RaceWanted {
        slug: arguments.slug.as_deref(),
        title: arguments.title.as_deref(),
        mutant: &arguments.mutant,
        found_by: arguments.first_seen.as_deref().unwrap_or("schedules"),
        replace: arguments.replace,
    };
    let dir = arguments.out.clone().unwrap_or_else(|| tree().join("corpus"));
    match promote_race(scene, &acts, strategy, wanted, &dir) {
        Ok(path) => {
            let page = path.with_extension("md");
            let says = format!("{}\npage: {}\nnext: `cargo verify corpus`", path.display(), page.display());
            out::print(says, ExitCode::SUCCESS)
        }
        Err(why) => refused(&why),
    }
}

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Keeps an input that breaks a promise, for `cargo test` to run from then on.
fn promote_input(text: &str, arguments: &Arguments) -> ExitCode {
    let says = |code: u8, why: &dyn std::fmt::Display| {
        eprintln!("cargo verify promote: {why}");
        ExitCode::from(code)
    };
    let (target, hex) = text.trim().split_once(' ').unwrap_or((text, ""));
    let input = match Input::new(target, hex.trim()) {
        Ok(input) => input,
        Err(why) => return says(2, &why),
    };
    if caught(|| (input.target.run)(&input.bytes)).is_ok() {
        return says(1, &Unproposed::Holds);
    }
    let dir = arguments.out.clone().unwrap_or_else(|| tree().join("fuzz/regressions"));
    let slug = arguments.slug.clone().unwrap_or_else(|| hash(&input.bytes));
    let path = dir.join(input.target.name).join(slug);
    if !arguments.replace && std::fs::read(&path).is_ok_and(|there| there != input.bytes) {
        return says(2, &Unproposed::Exists(path));
    }
    match put(&path, &input.bytes) {
        Err(error) => says(4, &format_args!("{}: {error}", path.display())),
        Ok(()) => out::print(
            format!(
                "{}\nnext: `INSTA_UPDATE=always cargo test -p truelog-harness --test fuzz` writes it down in words",
                path.display()
            ),
            ExitCode::SUCCESS,
        ),
    }
}
