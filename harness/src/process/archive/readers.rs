//! Processes that scan the log while it is written and archived, and hold every record against the text.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::super::program::{Program, Shown};
use super::super::{Random, Trouble};
use super::WRITERS;
use super::text::Text;

/// What the readers have read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) records: u64,
    pub(super) scans: u64,
}

/// The readers; they end when told to.
pub(super) struct Readers {
    over: Arc<AtomicBool>,
    records: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<u64, Trouble>>>,
}

impl Readers {
    /// Begins so many, each scanning from a random place again and again.
    pub(super) fn begin(program: &Program, log: &Path, text: &Text, count: u64, seed: u64) -> Self {
        let (over, records) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..count).map(|reader| {
            let (over, records) = (Arc::clone(&over), Arc::clone(&records));
            let (program, log, text) = (program.clone(), log.to_owned(), *text);
            let mut random = Random::new(seed ^ (reader + 1));
            thread::spawn(move || {
                let mut scans = 0;
                let mut most = 1;
                while !over.load(Ordering::Relaxed) {
                    let from = 1 + if scans % 2 == 0 { 0 } else { random.below(most) };
                    let read = scan(&program, &log, &text, from)?;
                    most = most.max(from + read);
                    records.fetch_add(read, Ordering::Relaxed);
                    scans += u64::from(read > 0);
                    thread::sleep(Duration::from_millis(random.below(100)));
                }
                Ok(scans)
            })
        });
        let threads = threads.collect();
        Self { over, records, threads }
    }

    /// Ends them, each behind its scan.
    pub(super) fn end(self) -> Result<Seen, Trouble> {
        self.over.store(true, Ordering::Relaxed);
        let mut scans = 0;
        let mut first = None;
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(count)) => scans += count,
                Ok(Err(trouble)) => first = first.or(Some(trouble)),
                Err(_) => first = first.or_else(|| Some(Trouble::violated("harness", "a reader panicked"))),
            }
        }
        match first {
            Some(trouble) => Err(trouble),
            None => Ok(Seen { records: self.records.load(Ordering::Relaxed), scans }),
        }
    }
}

/// Scans the log once, from an LSN to its end, as it is then. Every record must be what was fed, and none be left out.
pub(super) fn scan(program: &Program, log: &Path, text: &Text, from: u64) -> Result<u64, Trouble> {
    let failed = Trouble::io(program.path());
    let mut command = program.command();
    command.args(["cat", "--format", "json", "--from", &from.to_string()]).arg(log);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(&failed)?;
    let mut due = from;
    let mut verdict = Ok(());
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::with_capacity(1 << 18, stdout).lines() {
            let line = line.map_err(&failed)?;
            verdict = compare(&line, due, text);
            if verdict.is_err() {
                break;
            }
            due += 1;
        }
    }
    let mut complaint = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut complaint).map_err(&failed)?;
    }
    let status = child.wait().map_err(&failed)?;
    verdict?;
    if !status.success() {
        let says = format!("a scan from {from} ended at {due} with {status}: {complaint}");
        return Err(Trouble::violated("compaction-preserves-reads", says));
    }
    Ok(due - from)
}

/// Holds one record against the line that it should be.
fn compare(line: &str, lsn: u64, text: &Text) -> Result<(), Trouble> {
    let wrong = |why: &str| Err(Trouble::violated("compaction-preserves-reads", format!("{why}: {line}")));
    let Ok(shown) = serde_json::from_str::<Shown>(line) else { return wrong("this is no record") };
    if shown.lsn != lsn {
        return wrong(&format!("LSN {lsn} should be next"));
    }
    let index = shown.seq * WRITERS + shown.stream;
    let mut due = Vec::new();
    text.get(index, &mut due);
    let same = shown.payload.is_some_and(|payload| payload.as_bytes() == due);
    if shown.stream < WRITERS && index < text.lines() && same {
        return Ok(());
    }
    wrong(&format!("line {index} is {:?}", String::from_utf8_lossy(&due)))
}
