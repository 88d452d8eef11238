//! `cargo verify campaign` and `cargo verify merge`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use clap::Args;

use super::{COMMIT, commit, out};
use crate::campaign::journal::{Journal, Line, MERGED, merge};
use crate::campaign::live::Live;
use crate::campaign::totals::Totals;
use crate::campaign::{Shard, again, gather, page, proposals, put, run as run_shard};
use crate::report::Verdict;

/// How often a campaign says how far it is.
const EVERY: Duration = Duration::from_secs(10);
/// The file that holds a campaign's seed.
const SEED: &str = "seed";
/// How often in a row a shard may end before any case of it has, until it is given up.
const DEATHS: u32 = 4;

/// One of several parts: `i/n`, from 0.
#[derive(Debug, Clone, Copy)]
struct Part {
    shard: u64,
    of: u64,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = text.split_once('/').and_then(|(shard, of)| Some((shard.parse().ok()?, of.parse().ok()?)));
        match part {
            Some((shard, of)) if shard < of => Ok(Self { shard, of }),
            _ => Err("a shard is i/n, with i from 0 to n - 1".to_owned()),
        }
    }
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| format!("`{text}` is no number of minutes"))?;
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())
}

/// A time in which something can happen.
fn some_minutes(text: &str) -> Result<Duration, String> {
    let time = minutes(text)?;
    if time.is_zero() { Err("nothing ends in no time".to_owned()) } else { Ok(time) }
}

/// What to run, for how long, and where it is kept.
#[derive(Debug, Clone, Args)]
pub(super) struct Campaign {
    /// How long to go on, in minutes; parts of one are allowed.
    #[arg(long, value_name = "M", required_unless_present = "case", value_parser = minutes)]
    minutes: Option<Duration>,
    /// How many processes go side by side, each with a shard of its own.
    #[arg(long, value_name = "J", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    jobs: u64,
    /// Which part of the campaign this is, as i/n from 0.
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    shard: Part,
    /// Where the cases are kept. A campaign that finds cases there goes on behind them.
    #[arg(long, value_name = "DIR", default_value = "target/campaign")]
    out: PathBuf,
    /// End with the first finding that could be told as a trace.
    #[arg(long)]
    until_found: bool,
    /// The seed. Without it the directory's own is taken, or one is drawn.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long one case may take, in minutes; beyond that its process is ended.
    #[arg(long, value_name = "M", default_value = "10", value_parser = some_minutes)]
    case_minutes: Duration,
    /// Run only this case of the shard again; those before it are in the directory.
    #[arg(long, value_name = "K", conflicts_with_all = ["minutes", "jobs", "until_found"])]
    case: Option<u64>,
    /// Run the shard in this process, until standard input ends.
    #[arg(long, hide = true)]
    worker: bool,
}

/// Which campaigns to put together.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// Directories of shards, or of merges, in any order.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Where the cases, what was found and the summary go.
    #[arg(long, value_name = "DIR", default_value = "target/campaign-merged")]
    out: PathBuf,
}

/// Runs a campaign. 0 if nothing was found, 1 if something was, 3 if a shard came to no end or nothing was reached, 4 if the
/// surroundings failed.
pub(super) fn run(arguments: &Campaign, drawn: u64) -> ExitCode {
    let ended = match (arguments.case, arguments.worker) {
        (Some(case), _) => one(arguments, case),
        (None, true) => work(arguments),
        (None, false) => campaign(arguments, drawn),
    };
    ended.unwrap_or_else(|error| failed(&error))
}

/// Merges shards, and writes their cases, what they found, and their summary.
pub(super) fn run_merge(arguments: &Merge) -> ExitCode {
    let merged = merge(&arguments.dirs).and_then(|lines| {
        let mut totals = Totals::of(&lines);
        for (found, _) in totals.findings.values_mut() {
            found.replay = found.replay_in(&arguments.out);
        }
        let texts = lines.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        gather(&arguments.dirs, &arguments.out)?;
        let cases = texts.iter().map(|text| format!("{text}\n")).collect::<String>();
        fs::write(arguments.out.join(MERGED), cases)?;
        page::write(&totals, &arguments.out)?;
        Ok(totals)
    });
    match merged {
        Ok(totals) => {
            let missing = totals.missing();
            missing.iter().for_each(|shards| eprintln!("incomplete: {shards}"));
            let whole = if missing.is_empty() { Verdict::Holds } else { Verdict::Incomplete };
            conclude(&totals, whole, &arguments.out)
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> ExitCode {
    eprintln!("cargo verify campaign: {error}");
    ExitCode::from(if error.kind() == io::ErrorKind::InvalidInput { 2 } else { 4 })
}

/// Says what cases come to. `shards` is the worst end of a shard.
fn conclude(totals: &Totals, shards: Verdict, out: &Path) -> ExitCode {
    for (signature, (found, times)) in &totals.findings {
        eprintln!("\nFOUND {times} times: {signature}\n{}\nagain: {}", found.says, found.replay);
        if let Some(page) = &found.page {
            eprintln!("page: {}", out.join(page).display());
        }
    }
    let blind = totals.blind();
    if let Some(why) = blind {
        eprintln!("incomplete: {why}");
    }
    let cases = match (totals.findings.is_empty(), blind) {
        (false, _) => Verdict::Violated,
        (true, Some(_)) => Verdict::Incomplete,
        (true, None) => Verdict::Holds,
    };
    let text = format!("{}\nsummary: {}", page::line(totals), out.join("summary.md").display());
    out::print(text, ExitCode::from(cases.max(shards).exit_code()))
}

fn shard(arguments: &Campaign, seed: u64) -> Shard {
    Shard { seed, commit: commit(), shard: arguments.shard.shard, of: arguments.shard.of }
}

/// Runs one case again.
fn one(arguments: &Campaign, case: u64) -> io::Result<ExitCode> {
    let seed = match (kept_seed(&arguments.out)?, arguments.seed) {
        (Some(kept), Some(asked)) if kept != asked => return Err(other_seed(&arguments.out, kept)),
        (Some(seed), _) | (None, Some(seed)) => seed,
        (None, None) => {
            let says = format!("{} holds no campaign: say its --seed", arguments.out.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, says));
        }
    };
    let (arm, found) = again(&shard(arguments, seed), case, &arguments.out)?;
    Ok(match found {
        None => out::print(format!("case {case} ({arm}) finds nothing"), ExitCode::SUCCESS),
        Some(found) => {
            let says = format!("case {case} ({arm})\nVIOLATED {}: {}", found.invariant, found.says);
            out::print(says, ExitCode::from(1))
        }
    })
}

/// Runs a shard in this process.
fn work(arguments: &Campaign) -> io::Result<ExitCode> {
    // Whoever started it holds the other end: when that is gone, nobody waits for this one.
    thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(i32::from(Verdict::Incomplete.exit_code()));
    });
    let shard = shard(arguments, arguments.seed.unwrap_or_default());
    let time = arguments.minutes.unwrap_or_default();
    run_shard(&shard, &arguments.out, time, arguments.case_minutes, &mut |_| {
        // Whichever process has found it: all of them write to the same place.
        !arguments.until_found || proposals(&arguments.out).is_ok_and(|proposed| proposed.is_empty())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn campaign(arguments: &Campaign, drawn: u64) -> io::Result<ExitCode> {
    let commit = commit();
    let seed = seed(arguments, drawn)?;
    let Part { shard, of } = arguments.shard;
    eprintln!("seed {seed} commit {commit}, shard {shard}/{of}, {} process(es)", arguments.jobs);
    let Some(all) = of.checked_mul(arguments.jobs) else {
        let says = format!("{of} shards of {} processes are more than can be counted", arguments.jobs);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, says));
    };
    let jobs: Vec<Part> =
        (0..arguments.jobs).map(|job| Part { shard: shard * arguments.jobs + job, of: all }).collect();
    let own = |part: &Part| Shard { seed, commit: commit.clone(), shard: part.shard, of: part.of };
    let own: Vec<Shard> = jobs.iter().map(own).collect();
    for shard in &own {
        // A directory of another campaign is refused before anything runs.
        Journal::open(shard, &arguments.out)?;
    }
    let until = Instant::now() + arguments.minutes.unwrap_or_default();
    let worst = thread::scope(|scope| -> io::Result<Verdict> {
        let (ended, told) = mpsc::channel();
        scope.spawn(move || tell(Live::of(&own, &arguments.out), &told));
        let begin = |part| scope.spawn(move || run_shard_apart(arguments, part, seed, until));
        let shards: Vec<_> = jobs.into_iter().map(begin).collect();
        let worst = shards.into_iter().try_fold(Verdict::Holds, |worst, shard| {
            let broke = |_| Err(io::Error::other("what watches a shard broke"));
            Ok(worst.max(shard.join().unwrap_or_else(broke)?))
        });
        drop(ended);
        worst
    })?;
    let lines: Vec<Line> = merge(std::slice::from_ref(&arguments.out))?;
    let totals = Totals::of(&lines);
    page::write(&totals, &arguments.out)?;
    Ok(conclude(&totals, worst, &arguments.out))
}

/// Says every now and then how far all shards of this machine are, until they have ended.
fn tell(mut live: Live, ended: &Receiver<()>) {
    while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        match live.look() {
            Ok(totals) => eprintln!("{}", page::line(totals)),
            Err(error) => eprintln!("how far it is cannot be told: {error}"),
        }
    }
}

/// The seed of the campaign in a directory, if it holds one.
fn kept_seed(out: &Path) -> io::Result<Option<u64>> {
    let path = out.join(SEED);
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map(Some).map_err(|error| {
            let says =
                format!("{} holds no seed: {error}; write it there, or remove the file", path.display());
            io::Error::new(io::ErrorKind::InvalidInput, says)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn other_seed(out: &Path, kept: u64) -> io::Error {
    let says = format!("{} is of the campaign with seed {kept}", out.display());
    io::Error::new(io::ErrorKind::InvalidInput, says)
}

/// The campaign's seed: that of the directory, once there is one.
fn seed(arguments: &Campaign, drawn: u64) -> io::Result<u64> {
    fs::create_dir_all(&arguments.out)?;
    match (kept_seed(&arguments.out)?, arguments.seed) {
        (Some(kept), Some(asked)) if kept != asked => Err(other_seed(&arguments.out, kept)),
        (Some(kept), _) => Ok(kept),
        (None, asked) => {
            let seed = asked.unwrap_or(drawn);
            // Others may look at the same directory: they see no seed, or all of it.
            put(&arguments.out.join(SEED), format!("{seed}\n").as_bytes())?;
            Ok(seed)
        }
    }
}

/// Runs a shard in a process of its own until time ends.
fn run_shard_apart(arguments: &Campaign, part: Part, seed: u64, until: Instant) -> io::Result<Verdict> {
    let Part { shard, of } = part;
    let file = Shard { seed, commit: String::new(), shard, of }.file(&arguments.out);
    let cases = || fs::metadata(&file).map_or(0, |file| file.len());
    see_through(&format!("shard {shard}/{of}"), until, cases, || begin(arguments, part, seed, until))
}

/// Sees a shard through. A process that dies is begun again, behind its last case; a case that it dies in again and again is
/// a finding then. `cases` grows with each case.
fn see_through(
    name: &str,
    until: Instant,
    cases: impl Fn() -> u64,
    begin: impl Fn() -> io::Result<Child>,
) -> io::Result<Verdict> {
    let mut deaths = 0;
    loop {
        let before = cases();
        let mut child = begin()?;
        // Held until it has ended: it ends by itself once nobody holds this.
        let held = child.stdin.take();
        let status = child.wait()?;
        drop(held);
        match status.code() {
            Some(0) => return Ok(Verdict::Holds),
            Some(2 | 4) => return Ok(Verdict::Environment),
            _ => eprintln!("{name} ended with {status}; its cases are kept"),
        }
        deaths = if cases() > before { 1 } else { deaths + 1 };
        if Instant::now() >= until || deaths >= DEATHS {
            eprintln!("{name} came to no end: the same command goes on behind its last case");
            return Ok(Verdict::Incomplete);
        }
    }
}

fn begin(arguments: &Campaign, part: Part, seed: u64, until: Instant) -> io::Result<Child> {
    let left = until.saturating_duration_since(Instant::now());
    let minutes = |time: Duration| (time.as_secs_f64() / 60.0).to_string();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["campaign", "--worker", "--minutes", &minutes(left)]);
    command.args(["--case-minutes", &minutes(arguments.case_minutes)]);
    command.arg("--shard").arg(format!("{}/{}", part.shard, part.of)).arg("--seed").arg(seed.to_string());
    if arguments.until_found {
        command.arg("--until-found");
    }
    // The tree may change meanwhile; the program does not.
    command.env(COMMIT, commit());
    command.arg("--out").arg(&arguments.out).stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn ends(script: &str, time: Duration, grows: u64) -> (Verdict, u64) {
        let begun = Cell::new(0);
        let begin = || {
            begun.set(begun.get() + 1);
            Command::new("sh").args(["-c", script]).spawn()
        };
        let ended = see_through("a shard", Instant::now() + time, || begun.get() * grows, begin);
        (ended.expect("a shell runs"), begun.get())
    }

    #[test]
    fn a_shard_that_dies_is_begun_again_and_is_incomplete_if_that_does_not_help() {
        let long = Duration::from_secs(600);
        assert_eq!(ends("exit 0", long, 0), (Verdict::Holds, 1));
        assert_eq!(ends("exit 4", long, 0), (Verdict::Environment, 1));
        assert_eq!(ends("kill -9 $$", long, 0), (Verdict::Incomplete, u64::from(DEATHS)));
        assert_eq!(ends("exit 101", Duration::ZERO, 1), (Verdict::Incomplete, 1), "its time is over");
        let (ended, begun) = ends("kill -9 $$", Duration::from_millis(200), 1);
        assert!(
            ended == Verdict::Incomplete && begun > u64::from(DEATHS),
            "it goes on while cases come: {begun}"
        );
    }

    #[test]
    fn the_worst_end_is_that_of_the_campaign() {
        let code = |totals: &Totals, shards| format!("{:?}", conclude(totals, shards, Path::new("out")));
        let exit = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(&Totals::default(), Verdict::Holds), exit(3));
        let mut totals = Totals { cases: 1, ..Totals::default() };
        totals.reached.insert("a point".to_owned());
        totals.canaries.insert("canary run".to_owned(), Default::default());
        assert_eq!(code(&totals, Verdict::Holds), exit(3), "no kind of case was run");
        totals.counts.extend(["schedules", "sequences", "fuzz inputs"].map(|what| (what.to_owned(), 1)));
        assert_eq!(code(&totals, Verdict::Holds), exit(0));
        assert_eq!(code(&totals, Verdict::Incomplete), exit(3));
        totals.findings.insert("a signature".to_owned(), Default::default());
        assert_eq!(code(&totals, Verdict::Incomplete), exit(1));
    }
}
