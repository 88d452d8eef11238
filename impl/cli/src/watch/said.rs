//! What an application's logs claim, line by line as they grow, held against the directory at each look.

use std::fs::{self, File};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use truelog::HealthRule as Rule;

use super::tile::{Kind, Tile, Verdict};
use crate::args::{Logs, Watch};
use crate::audit::halts::Halts;
use crate::audit::judge::Judge;
use crate::audit::scan::{Complaint, Scan, Tally};
use crate::audit::source::{At, LONGEST};
use crate::failure::{Failure, Shown};
use crate::lines::{self, Ended, Read};
use crate::output;

/// Bytes of the logs that one look reads at most.
const BYTES: u64 = 64 << 20;
/// Bytes read at a time.
const BUFFER: usize = 1 << 18;
/// Bytes before the next line by which a file is known again.
const TAIL: u64 = 4096;
/// How many claims that do not hold are named.
const NAMED: usize = 8;

/// What the logs have said so far.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Said {
    #[serde(flatten)]
    pub(super) tally: Tally,
    /// Bytes of the logs that no look has read yet.
    pub(super) unread_bytes: u64,
    /// Claims that were read, and are held at the next look: what was removed on purpose is said behind them.
    pub(super) waiting: u64,
    /// Claims on more files than are held again at each look.
    pub(super) unwatched: u64,
    /// The first claims that are false.
    pub(super) first_false: Vec<String>,
    /// The first claims that could not be held against anything.
    pub(super) first_unheld: Vec<String>,
    /// Why a log, or the directory, could not be read at the last look.
    pub(super) trouble: Option<Shown>,
    /// Lines that say that the writer halted, when, and the rule that they come under.
    #[serde(skip)]
    pub(super) halts: Vec<(Rule, String, Option<SystemTime>)>,
}

/// A log that is being read.
#[derive(Debug, Default)]
struct Followed {
    input: Option<Input>,
    /// Lines read, of all files that had this name.
    lines: u64,
    /// Lines that were looked through for what is removed on purpose; those of a file that goes on being written are ahead
    /// of `lines`.
    learned: u64,
}

#[derive(Debug)]
struct Input {
    reader: BufReader<File>,
    inode: (u64, u64),
    /// Where the next line begins.
    at: u64,
    /// Where the next line begins that is still to be looked through for what is removed on purpose.
    learned: u64,
    /// What stood before `at` at the last look. It does as long as nobody has cut the file and written it anew.
    tail: Vec<u8>,
}

/// Reads logs as they grow.
pub(super) struct Follower {
    logs: Logs,
    scan: Scan,
    followed: Vec<Followed>,
    said: Said,
}

impl Follower {
    /// Of the logs that the command line names, if it names any.
    ///
    /// # Errors
    /// The pattern file cannot be read; a log is standard input.
    pub(super) fn new(args: &Watch) -> Result<Option<Self>, Failure> {
        if args.logs.is_empty() {
            return Ok(None);
        }
        if args.logs.iter().any(|log| log == "-") {
            return Err(Failure::Usage("a watch follows files, and standard input is none".to_owned()));
        }
        let logs = Logs { logs: args.logs.clone(), patterns: args.patterns.clone(), dir: args.dir.clone() };
        let mut scan = Scan::new(&logs, Judge::blind(&logs.dir)?)?;
        scan.keeps_names = true;
        let followed = logs.logs.iter().map(|_| Followed::default()).collect();
        Ok(Some(Self { logs, scan, followed, said: Said::default() }))
    }

    /// Reads what has been written since, and holds what it claims.
    pub(super) fn look(&mut self) -> Said {
        self.said.trouble = self.round().err().map(|failure| failure.shown());
        self.said.tally = self.scan.tally.clone();
        self.said.waiting = self.scan.waiting() as u64;
        self.said.unwatched = self.scan.unwatched;
        let Halts { poisoned, violated } = self.scan.halts;
        let halts = [(Rule::Poisoned, poisoned), (Rule::ClaimViolated, violated)].into_iter();
        let halts = halts.filter_map(|(rule, halt)| {
            let halt = halt?;
            Some((
                rule,
                format!("{}: the writer says that it halted", halt.at.text(&self.logs.logs)),
                halt.time,
            ))
        });
        self.said.halts = halts.collect();
        self.said.clone()
    }

    fn round(&mut self) -> Result<(), Failure> {
        let before = self.scan.waiting();
        let mut left = BYTES;
        let mut unread = 0;
        let mut first = Ok(());
        if self.scan.has_releases() {
            // One log may tell of the removals of another.
            (0..self.followed.len()).for_each(|log| drop(self.open(log)));
        }
        for log in 0..self.followed.len() {
            // One that cannot be read keeps no other from being read.
            match self.follow(log, &mut left) {
                Ok(more) => unread += more,
                Err(failure) => first = first.and(Err(failure)),
            }
        }
        self.said.unread_bytes = unread;
        // Newer than the lines.
        self.scan.judge.look_again();
        if let Some(error) = self.scan.judge.trouble() {
            return Err(Failure::log(&self.logs.dir)(error.clone()));
        }
        let due = if self.scan.has_releases() { before } else { self.scan.waiting() };
        let Self { logs, scan, said, .. } = self;
        scan.settle(&logs.logs, due, &mut |logs, complaint| said.add(logs, complaint))?;
        scan.settle_again(&logs.logs, &mut |logs, complaint| said.add(logs, complaint))?;
        first
    }

    /// Reads one log on, through files that were put in its place. Says how many bytes are left to read.
    fn follow(&mut self, log: usize, left: &mut u64) -> Result<u64, Failure> {
        let path = self.logs.logs.get(log).cloned().unwrap_or_default();
        let failed = |source| Failure::File { path: path.clone(), source };
        let now = fs::metadata(&path);
        let Some(followed) = self.followed.get_mut(log) else { return Ok(0) };
        let renamed = |input: &Input| !now.as_ref().is_ok_and(|now| input.inode == inode(now));
        let renamed = followed.input.as_ref().is_some_and(renamed);
        // What was written to the file before another took its name; the last line gets no longer any more.
        if renamed && self.read(log, left, true)? > 0 {
            return Ok(1);
        }
        if let Some(followed) = self.followed.get_mut(log) {
            followed.input = followed.input.take().filter(|input| !renamed && input.goes_on());
        }
        let now = now.map_err(failed)?;
        self.open(log).map_err(failed)?;
        self.read(log, left, false)?;
        if let Some(input) = self.followed.get_mut(log).and_then(|followed| followed.input.as_mut()) {
            input.tail = input.before().unwrap_or_default();
        }
        let read = self.followed.get(log).and_then(|followed| Some(followed.input.as_ref()?.at));
        // The beginning of a line is not unread: the line has not been written.
        Ok(if *left == 0 { now.len().saturating_sub(read.unwrap_or(0)) } else { 0 })
    }

    /// Opens a log that is not open, and looks through it for what is removed on purpose.
    fn open(&mut self, log: usize) -> io::Result<()> {
        let Some(path) = self.logs.logs.get(log) else { return Ok(()) };
        if let Some(followed) = self.followed.get_mut(log).filter(|followed| followed.input.is_none()) {
            followed.input = Some(Input::open(path)?);
            followed.learned = followed.lines;
        }
        if self.scan.has_releases() { self.learn(log, false) } else { Ok(()) }
    }

    /// Looks through all that has been written for what is removed on purpose: a claim that is held must not be newer than
    /// what is known of that, however much is still to be read.
    fn learn(&mut self, log: usize, last: bool) -> io::Result<()> {
        let mut line = Vec::new();
        let Some(Followed { input: Some(input), learned, .. }) = self.followed.get_mut(log) else {
            return Ok(());
        };
        input.reader.seek(SeekFrom::Start(input.learned))?;
        while let Some(Read { ended, bytes }) = lines::read(&mut input.reader, &mut line, LONGEST)? {
            if ended == Ended::File && !last {
                break;
            }
            input.learned += bytes;
            *learned += 1;
            self.scan.learn(At { log, line: *learned }, &line, ended);
        }
        input.reader.seek(SeekFrom::Start(input.at)).map(drop)
    }

    /// Reads lines of an open log while there are any and bytes are left. `last`: nothing more will be written to it.
    /// Says how many bytes of it are left; 0 if none but of an unfinished line.
    fn read(&mut self, log: usize, left: &mut u64, last: bool) -> Result<u64, Failure> {
        let path = self.logs.logs.get(log).cloned().unwrap_or_default();
        let failed = |source| Failure::File { path: path.clone(), source };
        let mut line = Vec::new();
        if self.scan.has_releases() {
            self.learn(log, last).map_err(failed)?;
        }
        loop {
            let Some(Followed { input: Some(input), lines, .. }) = self.followed.get_mut(log) else {
                return Ok(0);
            };
            if *left == 0 {
                return Ok(input.reader.get_ref().metadata().map_err(failed)?.len().saturating_sub(input.at));
            }
            let Some(Read { ended, bytes }) =
                lines::read(&mut input.reader, &mut line, LONGEST).map_err(failed)?
            else {
                return Ok(0);
            };
            if ended == Ended::File && !last {
                input.reader.seek(SeekFrom::Start(input.at)).map_err(failed)?;
                return Ok(0);
            }
            *left = left.saturating_sub(bytes);
            input.at += bytes;
            *lines += 1;
            let at = At { log, line: *lines };
            self.scan.line(at, &line, ended);
            if self.scan.is_full() {
                let Self { logs, scan, said, .. } = self;
                // The newest may be on files of which it is only about to be said that they are removed.
                let due = if scan.has_releases() { scan.waiting() / 2 } else { usize::MAX };
                scan.settle(&logs.logs, due, &mut |logs, complaint| said.add(logs, complaint))?;
            }
        }
    }
}

fn inode(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

impl Input {
    fn open(path: &Path) -> io::Result<Self> {
        // Whoever opens a pipe waits until somebody writes to it.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other(
                "it is no regular file, and a watch reads what was written before, too",
            ));
        }
        let file = File::open(path)?;
        let inode = inode(&file.metadata()?);
        let reader = BufReader::with_capacity(BUFFER, file);
        Ok(Self { reader, inode, at: 0, learned: 0, tail: Vec::new() })
    }

    /// What stands before the next line now. `None`: the file is shorter.
    fn before(&self) -> Option<Vec<u8>> {
        let mut found = vec![0; usize::try_from(self.at.min(TAIL)).unwrap_or(0)];
        let from = self.at - found.len() as u64;
        self.reader.get_ref().read_exact_at(&mut found, from).ok()?;
        Some(found)
    }

    /// Whether what was read still stands where it was read.
    fn goes_on(&self) -> bool {
        self.before().is_some_and(|before| before == self.tail)
    }
}

impl Said {
    fn add(&mut self, logs: &[PathBuf], complaint: &Complaint<'_>) -> Result<(), Failure> {
        let Complaint { at, claim, lack, why } = complaint;
        let named = if lack.is_some() { &mut self.first_false } else { &mut self.first_unheld };
        if named.len() < NAMED {
            named.push(format!("{}: {}: {why}", at.text(logs), claim.text()));
        }
        Ok(())
    }

    /// How many claims are false, or no longer true.
    pub(super) const fn lies(&self) -> u64 {
        self.tally.violated + self.tally.gone
    }

    /// Everything that was written was read and held, and could be.
    pub(super) const fn is_whole(&self) -> bool {
        let left = self.unread_bytes + self.waiting + self.unwatched + self.tally.unverifiable;
        left == 0 && self.trouble.is_none()
    }

    /// What the claims come to, in one sentence.
    pub(super) fn claims(&self) -> String {
        let Tally { lines, claims, .. } = self.tally;
        format!("{} in {} of the logs", output::count(claims, "claim"), output::count(lines, "line"))
    }

    /// The claims that are false, and how many more there are.
    pub(super) fn false_ones(&self) -> Vec<String> {
        named(&self.first_false, self.lies())
    }

    /// Whether the logs are read, up to their end, and what they claim can be held against anything.
    pub(super) fn tile(&self) -> Tile {
        let mut evidence = vec![self.claims()];
        let (verdict, says, next) = if let Some(trouble) = &self.trouble {
            (Verdict::Degraded, format!("{}: {}", trouble.code, trouble.what), trouble.next)
        } else if self.tally.unverifiable > 0 {
            evidence.extend(named(&self.first_unheld, self.tally.unverifiable));
            let next = "See `truelog audit logs`, and the pattern file.";
            (Verdict::Degraded, "some claims could not be held against anything".to_owned(), next)
        } else if self.unwatched > 0 {
            let says = format!(
                "{} claims held once, and are on more files than are looked at again",
                self.unwatched
            );
            (Verdict::Degraded, says, "See `truelog audit logs`, which holds each claim.")
        } else if self.unread_bytes > 0 {
            (Verdict::Unseen, format!("{} bytes of the logs are still to be read", self.unread_bytes), "")
        } else {
            (Verdict::Holds, "the logs are read up to their end".to_owned(), "")
        };
        let next = Some(next).filter(|_| verdict > Verdict::Unseen).map(str::to_owned);
        Tile { name: "claims-in-logs", kind: Kind::Guardrail, verdict, says, evidence, next }
    }
}

/// The first few, and how many more there are.
fn named(first: &[String], all: u64) -> Vec<String> {
    let more = all.saturating_sub(first.len() as u64);
    first.iter().cloned().chain((more > 0).then(|| format!("and {more} more"))).collect()
}
