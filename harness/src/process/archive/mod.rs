//! The archive under fire: writers append and readers scan while compaction runs onto two drives, one drive is
//! overwritten with random bytes meanwhile, and the process is killed at random moments.
//!
//! The other drive is left alone, so that every record has a whole copy somewhere at any time: every receipt must
//! verify, every read must give the very bytes, and a scrub must say what it repaired.

mod assault;
mod readers;
mod text;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use self::assault::{Assault, has_published};
use self::readers::{Readers, scan};
use self::text::Text;
use super::program::{Append, Desk, Program};
use super::{Random, Trouble};
use crate::progress::Progress;
use crate::report::Report;

/// How much, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// Bytes of lines to append, about.
    pub bytes: u64,
    /// Bytes of a line, about.
    pub line: u64,
    /// Bytes of a full segment.
    pub segment: u64,
    /// Kills; each must hit a running program.
    pub kills: u64,
    /// What lines, places and moments follow from.
    pub seed: u64,
}

/// Threads that append; each owns a stream.
const WRITERS: u64 = 4;
/// Processes that scan.
const READERS: u64 = 4;
/// Bytes of a printed receipt, roughly: it only spreads the kills.
const RECEIPT_BYTES: u64 = 250;
/// No run may take longer without a single new receipt.
const PATIENCE: Duration = Duration::from_secs(120);
/// The signal that cannot be caught.
const SIGKILL: i32 = 9;
/// Places that are overwritten when nobody writes any more, so that the last scrub has something to repair.
const LAST_BURST: u64 = 8;

/// What `scrub --json` says at its end.
#[derive(Debug, Deserialize)]
struct Scrubbed {
    verdict: String,
    blocks: u64,
    damaged: u64,
    repaired: u64,
    lost: u64,
    readmitted: Vec<u64>,
}

/// A drive, as `drives --json` shows it.
#[derive(Debug, Deserialize)]
struct Drive {
    drive: u64,
    state: String,
    runs: u64,
}

/// Runs the check in `dir`, which must exist and be empty.
#[must_use]
pub fn check(program: &Program, scope: &Scope, dir: &Path, progress: &Progress) -> Report {
    let words = format!(
        "{} bytes, {WRITERS} writers, {READERS} readers, two drives of which one is overwritten, {} kills, seed {}",
        scope.bytes, scope.kills, scope.seed
    );
    let mut report = Report::new("archive-kill", words);
    report.note(format!("seed {}", scope.seed));
    let stage = Stage {
        program,
        desk: Desk::new(dir),
        drives: [dir.join("drive-a"), dir.join("drive-b")],
        text: Text::new(scope.seed, scope.line, scope.bytes),
        run_bytes: scope.segment * 4,
    };
    if let Err(trouble) = stage.run(scope, progress, &mut report) {
        trouble.into_report(&mut report, &format!("cargo verify --only archive-kill --seed {}", scope.seed));
    }
    report
}

/// Where it happens.
struct Stage<'a> {
    program: &'a Program,
    desk: Desk,
    /// The one that is left alone, and the one that is not.
    drives: [PathBuf; 2],
    text: Text,
    /// Bytes of the longest runs.
    run_bytes: u64,
}

impl Stage<'_> {
    fn run(&self, scope: &Scope, progress: &Progress, report: &mut Report) -> Result<(), Trouble> {
        progress.expect(scope.kills + 3);
        self.text.save(&self.desk.input)?;
        let segment = scope.segment.to_string();
        self.program.create(&self.desk.log, &["--segment-size", &segment, "--max-batch-bytes", "65536"])?;
        for drive in &self.drives {
            self.tell("drives", &["add", &drive.display().to_string()])?;
        }
        let assault = Assault::begin(&self.drives[1], scope.seed);
        let readers = Readers::begin(self.program, &self.desk.log, &self.text, READERS, scope.seed);
        let lived = self.lives(scope, &assault, progress, report);
        let read = readers.end();
        let repaired = lived?;
        let read = read?;
        report.count("records read while it happened", read.records);
        report.count("scans while it happened", read.scans);
        if read.records == 0 {
            return Err(Trouble::Missing("no reader read anything while the archive was made".into()));
        }
        progress.advance(1);
        self.aftermath(&assault, repaired, progress, report)
    }

    /// Appends, is killed, and is begun again, until all lines are there.
    fn lives(
        &self,
        scope: &Scope,
        assault: &Assault,
        progress: &Progress,
        report: &mut Report,
    ) -> Result<u64, Trouble> {
        let mut random = Random::new(scope.seed);
        let append = self.desk.append(WRITERS);
        let (mut killed, mut repaired, mut runs) = (0, 0, 0);
        let share = self.text.lines() * RECEIPT_BYTES / (scope.kills + 1);
        while killed < scope.kills {
            if runs == scope.kills * 4 + 20 {
                let says = format!("{runs} runs, but only {killed} kills hit a running program");
                return Err(Trouble::Missing(says));
            }
            runs += 1;
            let bytes = share / 4 + random.below(share / 2);
            let delay = Duration::from_micros(random.below(20_000));
            if self.live(&append, assault, Some((bytes, share, delay)))? {
                killed += 1;
                progress.advance(1);
            }
            // What was quarantined serves again, so that the archive goes on in the next life.
            repaired += self.scrub()?.repaired;
            self.clean()?;
        }
        progress.says("finishing");
        self.live(&append, assault, None)?;
        report.count("kills", killed);
        Ok(repaired)
    }

    /// One life of the program, while the drive is overwritten, which ends behind so many bytes of receipts: at least, and
    /// at most. Says whether it was killed.
    fn live(
        &self,
        append: &Append<'_>,
        assault: &Assault,
        until: Option<(u64, u64, Duration)>,
    ) -> Result<bool, Trouble> {
        let failed = Trouble::io(self.program.path());
        let before = printed(append);
        let mut command = self.program.command();
        let command = self.program.append(&mut command, append)?;
        command.args(["--archive-rate", "0", "--run-bytes", &self.run_bytes.to_string()]);
        let mut child = command.spawn().map_err(&failed)?;
        assault.go_on();
        let mut latest = (before, Instant::now());
        let mut stuck = false;
        while child.try_wait().map_err(&failed)?.is_none() {
            let now = printed(append);
            // Without a run on the drive there would be nothing to overwrite in this life; but one that was put out for what
            // was overwritten gets none any more, and the input must outlast the kills.
            let due = |(least, most, _): (u64, u64, Duration)| {
                now >= before + most || now >= before + least && has_published(&self.drives[1])
            };
            if until.is_some_and(due) {
                break;
            }
            if now > latest.0 {
                latest = (now, Instant::now());
            }
            if latest.1.elapsed() > PATIENCE {
                stuck = true;
                break;
            }
            thread::sleep(Duration::from_micros(300));
        }
        if let Some((.., delay)) = until {
            thread::sleep(delay);
            // One that has ended cannot be killed, which is no error.
            child.kill().map_err(&failed)?;
        } else if stuck {
            child.kill().map_err(&failed)?;
        }
        let status = child.wait().map_err(&failed)?;
        assault.pause();
        let wrong = |says: String| Err(Trouble::violated("append-resolves", says));
        match status.signal() {
            _ if stuck => wrong(format!("no receipt for {PATIENCE:?}")),
            Some(SIGKILL) => Ok(true),
            None if status.success() => Ok(false),
            _ => wrong(format!("append ended with {status}: {}", append.complaint())),
        }
    }

    /// When all is quiet: damage that is surely there, a scrub that repairs it, and everything held against the text.
    fn aftermath(
        &self,
        assault: &Assault,
        repaired: u64,
        progress: &Progress,
        report: &mut Report,
    ) -> Result<(), Trouble> {
        // The first repairs what the last life left behind, the second readmits.
        let before = self.scrub()?.repaired;
        self.clean()?;
        report.count("copies repaired between the lives", repaired + before);
        self.tell("compact", &[])?;
        assault.strike(LAST_BURST)?;
        report.count("places overwritten", assault.places());
        let first = self.scrub()?;
        if first.repaired == 0 || first.repaired != first.damaged || first.lost > 0 {
            let says = format!("a scrub of a drive that was just damaged says {first:?}");
            return Err(Trouble::violated("quarantine-loses-nothing", says));
        }
        if self.clean()?.blocks == 0 {
            return Err(Trouble::violated("health-tells-truth", "behind a repair a scrub finds no block"));
        }
        report.count("copies repaired at the end", first.repaired);
        progress.advance(1);
        let drives: Vec<Drive> = self.lines("drives", &["status"])?;
        if let Some(drive) = drives.iter().find(|drive| drive.state != "serves" || drive.runs == 0) {
            let says = format!("behind two scrubs drive {} is {drive:?}", drive.drive);
            return Err(Trouble::violated("quarantine-loses-nothing", says));
        }
        let append = self.desk.append(WRITERS);
        let held = self.program.verify(append.dir, append.receipts)?.receipts;
        if held.violated > 0 || held.verified + held.unvouched < self.text.lines() / 2 {
            return Err(Trouble::violated("acked-is-durable", format!("{held:?}")));
        }
        report.count("receipts verified", held.verified + held.unvouched);
        let found = scan(self.program, &self.desk.log, &self.text, 1)?;
        if found != self.text.lines() {
            let says = format!("{} lines were fed until the end, but {found} were read", self.text.lines());
            return Err(Trouble::violated("compaction-preserves-reads", says));
        }
        report.count("records byte-exact", found);
        progress.advance(1);
        Ok(())
    }

    /// Scrubs, and readmits what it may. Records that are lost, or damage that stays, are a finding.
    fn scrub(&self) -> Result<Scrubbed, Trouble> {
        let printed = self.tell("scrub", &["--readmit", "--rate", "0"])?;
        let last = printed.lines().last().unwrap_or_default();
        let scrubbed: Scrubbed = parse(last)?;
        match scrubbed.readmitted.first() {
            Some(0) => Err(Trouble::violated("quarantine-loses-nothing", "the healthy drive was out")),
            _ => Ok(scrubbed),
        }
    }

    /// Scrubs behind a scrub that has repaired what there was: nobody overwrites anything meanwhile, so that nothing is left to find.
    fn clean(&self) -> Result<Scrubbed, Trouble> {
        let second = self.scrub()?;
        if second.verdict == "whole" && second.damaged == 0 {
            return Ok(second);
        }
        Err(Trouble::violated("health-tells-truth", format!("behind a repair a scrub says {second:?}")))
    }

    fn lines<T: serde::de::DeserializeOwned>(&self, what: &str, more: &[&str]) -> Result<Vec<T>, Trouble> {
        self.tell(what, more)?.lines().map(parse).collect()
    }

    /// `truelog WHAT LOG MORE --json`: what it printed.
    fn tell(&self, what: &str, more: &[&str]) -> Result<String, Trouble> {
        let mut command = self.program.command();
        command.arg(what).arg(&self.desk.log).args(more).arg("--json");
        let output = command.output().map_err(Trouble::io(self.program.path()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let says = format!("`truelog {what}` ended with {}: {error}{text}", output.status);
        Err(Trouble::violated("quarantine-loses-nothing", says))
    }
}

fn parse<T: serde::de::DeserializeOwned>(line: &str) -> Result<T, Trouble> {
    serde_json::from_str(line)
        .map_err(|error| Trouble::violated("health-tells-truth", format!("{line:?}: {error}")))
}

/// Bytes of receipts so far.
fn printed(append: &Append<'_>) -> u64 {
    fs::metadata(append.receipts).map_or(0, |metadata| metadata.len())
}
