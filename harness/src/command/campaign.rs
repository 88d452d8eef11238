//! `cargo verify campaign` and `cargo verify merge`.

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::time::{Duration, Instant};
use std::{fs, io};

use clap::Args;

use super::out;
use crate::campaign::journal::{Totals, merge};
use crate::campaign::{Shard, page, proposals, run as run_shard};

/// How often a campaign says how far it is.
const EVERY: Duration = Duration::from_secs(10);
/// The file that holds a campaign's seed.
const SEED: &str = "seed";

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

/// What to run, for how long, and where it is kept.
#[derive(Debug, Args)]
pub(super) struct Campaign {
    /// How long to go on, in minutes; parts of one are allowed.
    #[arg(long, value_name = "M")]
    minutes: f64,
    /// How many processes go side by side, each with a shard of its own.
    #[arg(long, value_name = "J", default_value_t = 1)]
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
}

/// Which campaigns to put together.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// Directories of shards, in any order.
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Where the summary goes.
    #[arg(long, value_name = "DIR", default_value = "target/campaign-merged")]
    out: PathBuf,
}

/// Runs a campaign; 0 if nothing was found, 1 if something was, 4 if the surroundings failed.
pub(super) fn run(arguments: &Campaign, drawn: u64) -> ExitCode {
    match campaign(arguments, drawn) {
        Ok(totals) => conclude(&totals, &arguments.out),
        Err(error) => failed(&error),
    }
}

/// Merges shards and writes their summary.
pub(super) fn run_merge(arguments: &Merge) -> ExitCode {
    let merged = merge(&arguments.dirs).and_then(|lines| {
        let totals = Totals::of(&lines);
        page::write(&totals, &arguments.out).map(|()| totals)
    });
    match merged {
        Ok(totals) => conclude(&totals, &arguments.out),
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> ExitCode {
    eprintln!("cargo verify campaign: {error}");
    ExitCode::from(if error.kind() == io::ErrorKind::InvalidInput { 2 } else { 4 })
}

fn conclude(totals: &Totals, out: &std::path::Path) -> ExitCode {
    for (signature, (found, times)) in &totals.findings {
        eprintln!("\nFOUND {times} times: {signature}\n{}\nagain: {}", found.says, found.replay);
    }
    let text =
        format!("{}\nsummary: {}", page::line(totals, totals.seconds), out.join("summary.md").display());
    let nothing = totals.cases == 0 || totals.reached.is_empty();
    out::print(text, ExitCode::from(if nothing { 3 } else { u8::from(!totals.findings.is_empty()) }))
}

fn campaign(arguments: &Campaign, drawn: u64) -> io::Result<Totals> {
    let seed = seed(arguments, drawn)?;
    eprintln!("seed {seed}, shard {}/{}", arguments.shard.shard, arguments.shard.of);
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, format!("--minutes: {error}")))?;
    if arguments.jobs > 1 {
        spread(arguments, seed)?;
    } else {
        let shard = Shard { seed, shard: arguments.shard.shard, of: arguments.shard.of };
        let (began, mut last) = (Instant::now(), Instant::now());
        run_shard(shard, &arguments.out, time, &mut |totals| {
            if last.elapsed() >= EVERY {
                last = Instant::now();
                eprintln!(
                    "shard {}/{}: {}",
                    shard.shard,
                    shard.of,
                    page::line(totals, began.elapsed().as_secs_f64())
                );
            }
            // Whichever process has found it: all of them write to the same place.
            !arguments.until_found || proposals(&arguments.out).is_ok_and(|proposed| proposed.is_empty())
        })?;
    }
    let totals = Totals::of(&merge(std::slice::from_ref(&arguments.out))?);
    page::write(&totals, &arguments.out)?;
    Ok(totals)
}

/// The campaign's seed: that of the directory, once there is one.
fn seed(arguments: &Campaign, drawn: u64) -> io::Result<u64> {
    fs::create_dir_all(&arguments.out)?;
    let path = arguments.out.join(SEED);
    let kept = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
    match (kept, arguments.seed) {
        (Some(kept), Some(asked)) if kept != asked => {
            let says = format!("{} is of the campaign with seed {kept}", arguments.out.display());
            Err(io::Error::new(io::ErrorKind::InvalidInput, says))
        }
        (Some(kept), _) => Ok(kept),
        (None, asked) => {
            let seed = asked.unwrap_or(drawn);
            fs::write(path, format!("{seed}\n"))?;
            Ok(seed)
        }
    }
}

/// A process for each part of this part. One that dies is said to have died; its cases are kept.
fn spread(arguments: &Campaign, seed: u64) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let mut children = Vec::new();
    for job in 0..arguments.jobs {
        let (shard, of) = (arguments.shard.shard * arguments.jobs + job, arguments.shard.of * arguments.jobs);
        let mut command = Command::new(&program);
        command.arg("campaign").arg("--minutes").arg(arguments.minutes.to_string());
        command.arg("--shard").arg(format!("{shard}/{of}")).arg("--seed").arg(seed.to_string());
        if arguments.until_found {
            command.arg("--until-found");
        }
        command.arg("--out").arg(&arguments.out).stdout(std::process::Stdio::null());
        children.push(command.spawn()?);
    }
    for mut child in children {
        let status = child.wait()?;
        if !matches!(status.code(), Some(0 | 1)) {
            eprintln!(
                "a shard ended with {status}; run the same command again to go on behind its last case"
            );
        }
    }
    Ok(())
}
