//! `cargo verify mutants`: the harness proves that it can see.
//!
//! A mutant is a patch in corpus/mutants that puts a real bug into the engine. Its header declares, before
//! any run, which check must kill it and which invariant that check must name. Each patch is applied to a
//! copy of the tree, built, and checked there, by the cheapest check first. Surviving, surviving a check that left something out, dying
//! for another invariant, no longer applying and not building are five different errors.
//!
//! A canary is a mutant that shows that a check can fail at all. Each check has one; a header says of which.

mod campaign;
mod declared;
mod matrix;
mod workshop;

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

use super::out;
use crate::knobs::Knob;
use crate::order::MECHANISM;
use crate::report::Verdict;
use declared::{Declared, Kill, declared};
use workshop::Workshop;

/// What to build and kill.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only these mutants (comma-separated slugs).
    #[arg(long, value_delimiter = ',', value_name = "SLUG")]
    only: Vec<String>,
    /// Only so many of them, drawn by the seed.
    #[arg(long, value_name = "N", conflicts_with_all = ["only", "knobs", "campaign"])]
    sample: Option<usize>,
    /// Each check against its canary, instead of each mutant against its check; with a sample both.
    #[arg(long, conflicts_with_all = ["knobs", "campaign"])]
    canaries: bool,
    /// Each thing that the harness can do, turned off for the mutants that declare to need it.
    #[arg(long, conflicts_with = "campaign")]
    knobs: bool,
    /// Each mutant against every cheaper check as well, to see which falls before the check that it declares.
    #[arg(long, conflicts_with_all = ["canaries", "knobs", "campaign"])]
    cheaper: bool,
    /// Draw mutants by the seed, and see whether a campaign finds them that is not told what they are.
    #[arg(long)]
    campaign: bool,
    /// How many mutants are drawn for campaigns.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "campaign")]
    count: usize,
    /// How long each campaign may take, in minutes; parts of one are allowed.
    #[arg(long, value_name = "M", default_value_t = 5.0, requires = "campaign")]
    minutes: f64,
    /// How many mutants are checked at once, while the next one is built.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// The seed that the checks are given.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the table as JSON.
    #[arg(long)]
    json: bool,
}

/// How a mutant ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
enum End {
    /// Killed by the check, for the invariant, that it declares.
    Killed,
    /// The check found nothing.
    Survived,
    /// The check found nothing, and had left something out.
    Incomplete { says: String },
    /// The check found something else.
    Misnamed { named: Vec<String> },
    /// The patch no longer fits the tree.
    NoLongerApplies { says: String },
    /// The patched tree does not compile.
    DoesNotBuild { says: String },
    /// The check did not run to its end.
    Broke { says: String },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("killed"),
            Self::Survived => f.write_str("SURVIVED"),
            Self::Incomplete { says } => write!(f, "NOT SEEN: {says}"),
            Self::Misnamed { named } => write!(f, "KILLED FOR ANOTHER INVARIANT: {}", named.join(", ")),
            Self::NoLongerApplies { says } => write!(f, "NO LONGER APPLIES: {says}"),
            Self::DoesNotBuild { says } => write!(f, "DOES NOT BUILD: {says}"),
            Self::Broke { says } => write!(f, "BROKE: {says}"),
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    mutant: String,
    origin: String,
    check: String,
    invariant: String,
    /// What the check had to do without.
    #[serde(serialize_with = "name_of")]
    without: Option<Knob>,
    /// Nobody has declared that this check kills it.
    undeclared: bool,
    end: End,
    /// What the check had gone through when it ended, by its own count.
    explored: String,
    seconds: f64,
}

impl Row {
    /// Whether the check found anything.
    const fn fell(&self) -> bool {
        matches!(self.end, End::Killed | End::Misnamed { .. })
    }
}

fn name_of<S: serde::Serializer>(knob: &Option<Knob>, serializer: S) -> Result<S::Ok, S::Error> {
    knob.map(Knob::name).serialize(serializer)
}

/// Runs the mutants; fails unless each is killed as declared.
pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match strangers(&root, arguments) {
        Ok(strangers) if strangers.is_empty() => {}
        Ok(strangers) => {
            eprintln!("cargo verify mutants: not in corpus/mutants: {}", strangers.join(", "));
            return ExitCode::from(2);
        }
        Err(error) => {
            eprintln!("cargo verify mutants: {error}");
            return ExitCode::from(4);
        }
    }
    if arguments.campaign {
        return campaign::run(&root, arguments);
    }
    let rows = match rows(&root, arguments) {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("cargo verify mutants: {error}");
            return ExitCode::from(4);
        }
    };
    if rows.is_empty() {
        eprintln!("cargo verify mutants: none of these mutants has anything to be held against");
        return ExitCode::from(2);
    }
    let (says, wrong) = conclude(&rows, arguments);
    let end = ExitCode::from(u8::from(!wrong.is_empty()));
    let end = if arguments.json { out::json(&rows, end) } else { out::print(says, end) };
    wrong.iter().for_each(|one| eprintln!("WRONG: {one}"));
    end
}

/// What `--only` names and no mutant is called: beside mutants that there are, a slip of the pen would go unnoticed.
fn strangers(root: &Path, arguments: &Arguments) -> io::Result<Vec<String>> {
    let mutants = declared(&root.join("corpus/mutants"))?;
    let unknown = |slug: &&String| !mutants.iter().any(|mutant| mutant.slug == **slug);
    Ok(arguments.only.iter().filter(unknown).cloned().collect())
}

/// What a run comes to, and what is wrong with that. Of a part of the mutants the whole cannot be said.
fn conclude(rows: &[Row], arguments: &Arguments) -> (String, Vec<String>) {
    let whole = arguments.only.is_empty() && arguments.sample.is_none();
    if arguments.knobs {
        let mut wrong: Vec<String> = rows.iter().filter_map(unneeded).collect();
        let needs = matrix::needs(rows);
        let idle = Knob::value_variants().iter().filter(|knob| whole && !needs.contains_key(knob));
        wrong.extend(idle.map(|knob| format!("no mutant needs `{}`", knob.name())));
        return (format!("{}\n{}", render(rows, arguments.seed), matrix::show_needs(&needs)), wrong);
    }
    let lives = rows.iter().filter(|row| !as_it_should(row));
    let mut wrong: Vec<String> =
        lives.map(|row| format!("{}: {}: {}", row.mutant, row.check, row.end)).collect();
    let mut says = render(rows, arguments.seed);
    if whole && !arguments.canaries {
        let columns = matrix::of_rows(rows);
        wrong.extend(matrix::faults(&columns));
        says = format!("{says}\n{}", matrix::show(&columns));
    }
    if arguments.cheaper {
        says = format!("{says}\n{}", matrix::show_sooner(rows));
    }
    (says, wrong)
}

/// Whether a mutant fell as it declares; of a check that it does not declare, whether that came to an end.
const fn as_it_should(row: &Row) -> bool {
    match row.end {
        End::Killed => true,
        End::Survived | End::Incomplete { .. } | End::Misnamed { .. } => row.undeclared,
        _ => false,
    }
}

/// What is wrong with a run of a mutant with a knob turned off, or with all of them on: with all on it must be killed as
/// always, and without one that it needs it may live, or fall for something else.
fn unneeded(row: &Row) -> Option<String> {
    let Row { mutant, check, end, without, .. } = row;
    match (end, without) {
        (End::Killed, None) => None,
        (End::Survived | End::Incomplete { .. } | End::Misnamed { .. }, Some(_)) => None,
        (End::Killed, Some(knob)) => {
            Some(format!("{mutant}: {check}: killed as declared without `{}`", knob.name()))
        }
        _ => Some(format!("{mutant}: {check}: {end}")),
    }
}

/// A patch, and the checks that it is held against.
type Trial = (Declared, Vec<Kill>);

fn rows(root: &Path, arguments: &Arguments) -> io::Result<Vec<Row>> {
    let trials = trials(declared(&root.join("corpus/mutants"))?, arguments);
    let workshop = Mutex::new(Workshop::new(root)?);
    let (next, rows) = (Mutex::new(trials.iter().enumerate()), Mutex::new(Vec::new()));
    let work = || -> io::Result<()> {
        while let Some((index, (mutant, kills))) = lock(&next).next() {
            let done = attempt(&workshop, mutant, kills, arguments.seed)?;
            lock(&rows).push((index, done));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..arguments.jobs).map(|_| scope.spawn(work)).collect();
        let ended = work();
        others.into_iter().fold(ended, |ended, other| {
            let broke = |_| Err(io::Error::other("a mutant's thread did not come to its end"));
            ended.and(other.join().unwrap_or_else(broke))
        })
    })?;
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|(index, _)| *index);
    Ok(rows.into_iter().flat_map(|(_, rows)| rows).collect())
}

/// What is asked for: each mutant once, with all that it is to be held against, so that it is built once.
fn trials(mutants: Vec<Declared>, arguments: &Arguments) -> Vec<Trial> {
    let drawn = arguments.sample.map(|count| drawn(&mutants, arguments.seed, count));
    let trial = |mutant: Declared| {
        let own = match &drawn {
            Some(drawn) => drawn.contains(&mutant.slug),
            None => !arguments.canaries,
        };
        let mut kills = if arguments.canaries { mutant.canaries.clone() } else { Vec::new() };
        if arguments.cheaper {
            kills.extend(mutant.cheaper());
        }
        if own {
            kills.extend(if arguments.knobs { without(&mutant) } else { mutant.kills.clone() });
        }
        (mutant, kills)
    };
    mutants
        .into_iter()
        .filter(|mutant| arguments.only.is_empty() || arguments.only.contains(&mutant.slug))
        .map(trial)
        .filter(|(_, kills)| !kills.is_empty())
        .collect()
}

/// So many of the mutants, the same ones for the same seed.
fn drawn(mutants: &[Declared], seed: u64, count: usize) -> Vec<String> {
    let rank = |slug: &String| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes()).update(slug.as_bytes());
        *hasher.finalize().as_bytes()
    };
    let mut slugs: Vec<String> = mutants.iter().map(|mutant| mutant.slug.clone()).collect();
    slugs.sort_by_cached_key(rank);
    slugs.truncate(count);
    slugs
}

/// The cheapest check of a mutant without each knob that it declares to need; with all of them first, for what lives then
/// needs none. One that needs none is not run.
fn without(mutant: &Declared) -> Vec<Kill> {
    let Some(kill) = mutant.kills.first().filter(|_| !mutant.needs.is_empty()) else { return Vec::new() };
    let off = std::iter::once(None).chain(mutant.needs.iter().copied().map(Some));
    off.map(|without| Kill { without, ..kill.clone() }).collect()
}

/// Builds a mutant while nobody else builds, and checks it beside others.
fn attempt(workshop: &Mutex<Workshop>, mutant: &Declared, kills: &[Kill], seed: u64) -> io::Result<Vec<Row>> {
    let slug = &mutant.slug;
    let built = {
        let workshop = lock(workshop);
        let began = Instant::now();
        let built = workshop.build(mutant)?;
        eprintln!("{slug}: built in {:.1} s", began.elapsed().as_secs_f64());
        built
    };
    let mut rows = Vec::new();
    for kill in kills {
        let began = Instant::now();
        let (end, explored) = match &built {
            Ok(built) => built.check(kill, seed)?,
            Err(end) => (end.clone(), String::new()),
        };
        let seconds = began.elapsed().as_secs_f64();
        let without = kill.without.map_or_else(String::new, |knob| format!(" without {}", knob.name()));
        eprintln!("{slug}: {}{without}: {end} in {seconds:.1} s, {explored}", kill.check);
        rows.push(Row {
            mutant: slug.clone(),
            origin: mutant.origin.clone(),
            check: kill.check.clone(),
            invariant: kill.invariants.join(", "),
            without: kill.without,
            undeclared: kill.undeclared,
            end,
            explored,
            seconds,
        });
    }
    Ok(rows)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn render(rows: &[Row], seed: u64) -> String {
    let mut table = Table::new();
    let header = ["mutant", "origin", "check", "invariant", "end", "explored until then", "seconds"];
    table.load_style(UTF8_BORDERS_ONLY).set_header(header);
    for row in rows {
        let without = row.without.map_or_else(String::new, |knob| format!(" without {}", knob.name()));
        table.add_row([
            row.mutant.clone(),
            row.origin.clone(),
            format!("{}{without}", row.check),
            row.invariant.clone(),
            row.end.to_string(),
            row.explored.clone(),
            format!("{:.1}", row.seconds),
        ]);
    }
    let declared = rows.iter().filter(|row| !row.undeclared);
    let killed = declared.clone().filter(|row| row.end == End::Killed).count();
    format!("{table}\nkilled as declared: {killed} of {}, with seed {seed}", declared.count())
}

/// What a check's report says of the mutant, and what the check had explored.
fn judge(kill: &Kill, code: Option<i32>, stdout: &[u8], stderr: &[u8]) -> (End, String) {
    match serde_json::from_slice::<serde_json::Value>(stdout) {
        Ok(reports) => (ended(kill, code, &reports, stderr), explored(&reports)),
        Err(_) => (End::Broke { says: format!("exit {code:?}: {}", tail(stderr)) }, String::new()),
    }
}

/// What says best how far a check had to go; of a check that counts none of these its first count does.
const EFFORT: [&str; 8] =
    ["schedules", "changed inputs", "damages", "images", "states", "traces", "kills", "runs"];

/// The count of a report that says how far its check has come.
fn explored(reports: &serde_json::Value) -> String {
    let counts: Vec<(&str, u64)> = reports[0]["explored"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|count| Some((count["what"].as_str()?, count["n"].as_u64()?)))
        .collect();
    let told = EFFORT.iter().find_map(|effort| counts.iter().find(|(what, n)| what == effort && *n > 0));
    told.or(counts.first()).map_or_else(String::new, |(what, n)| format!("{n} {what}"))
}

/// How a check ends that left something out.
const INCOMPLETE: i32 = Verdict::Incomplete.exit_code() as i32;

/// What checks say that they left out.
fn left_out(reports: &serde_json::Value) -> String {
    let notes = reports.as_array().into_iter().flatten().filter_map(|report| report["notes"].as_array());
    let notes = notes.flatten().filter_map(serde_json::Value::as_str);
    notes.filter(|note| note.starts_with("incomplete")).collect::<Vec<_>>().join("; ")
}

fn ended(kill: &Kill, code: Option<i32>, reports: &serde_json::Value, stderr: &[u8]) -> End {
    let mut named: Vec<String> = reports
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|report| report["findings"].as_array())
        .flatten()
        .filter_map(|finding| finding["invariant"].as_str().map(str::to_owned))
        .collect();
    named.sort();
    named.dedup();
    // Beside a broken promise, a run that only leaves the mechanism says nothing more; alone it names no promise.
    if named.iter().any(|name| name != MECHANISM) {
        named.retain(|name| name != MECHANISM);
    }
    match named.as_slice() {
        [] if code == Some(0) => End::Survived,
        [] if code == Some(INCOMPLETE) => End::Incomplete { says: left_out(reports) },
        [] => End::Broke { says: format!("exit {code:?}: {}", tail(stderr)) },
        all if *all == kill.invariants[..] => End::Killed,
        _ => End::Misnamed { named },
    }
}

/// The last line that says something.
fn tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim().to_owned()
}

#[cfg(test)]
mod tests;
