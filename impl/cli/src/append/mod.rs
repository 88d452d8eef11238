//! `truelog append`: standard input in, receipts out.
//!
//! One thread reads and deals: record k, from 0, goes to writer k mod N as the next record of its stream. Each
//! writer owns its stream, keeps several submissions in flight, and prints receipts as they become true. The
//! queues between them are bounded, so memory is too, however long the input.

mod deal;
mod input;
mod write;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::thread;

use serde::Serialize;
use truelog::format::FRAME_HEADER;
use truelog::{Digest, DriveState, Log, Lsn, Metrics, Observer, Options, Recovered, StreamId};

use crate::args::{Append, DurabilityArg};
use crate::drives::Drive;
use crate::failure::Failure;
use crate::metrics_file::Keeping;
use crate::open;
use crate::output;

use deal::{Dealer, Held, Skipped};
use write::Writer;

/// Chunks that wait for a writer. A chunk is at most what one read gave, or one record.
const QUEUE: usize = 4;

/// What an append did, as `--json` shows it on standard error.
#[derive(Serialize)]
struct Summary {
    appended: u64,
    skipped: u64,
    recovered_first_lsn: u64,
    recovered_next_lsn: u64,
    rewritten: u64,
    torn_bytes: u64,
    /// Drives of the archive that did not serve, or took no writes, when the log was opened.
    drives_out: Vec<Away>,
}

/// A drive that did not serve, or took no writes.
#[derive(Serialize)]
struct Away {
    drive: u64,
    path: String,
    why: String,
}

impl Away {
    fn new(state: &DriveState) -> Self {
        let Drive { drive, path, state: word, why, .. } = Drive::new(state, &[]);
        let why = why.map_or_else(|| "read-only".to_owned(), |why| format!("{word}: {why}"));
        Self { drive, path, why }
    }
}

/// Runs it.
///
/// # Errors
/// Whatever the log, the input or the output reports. Every receipt that was printed holds regardless.
pub(crate) fn run(args: &Append, json: bool) -> Result<(), Failure> {
    let metrics = Arc::new(Metrics::default());
    let observers = args.metrics.is_some().then(|| Arc::clone(&metrics) as Arc<dyn Observer>);
    let options = |options: Options| Options {
        archive_rate: args.archive_rate.unwrap_or(options.archive_rate),
        run_bytes: args.run_bytes.unwrap_or(options.run_bytes),
        ..options
    };
    let (log, recovered) = open::observed(&args.dir, options, observers.as_slice())?;
    let keep = |path: &PathBuf| Keeping::start(path, &log, metrics);
    let keeping = args.metrics.as_ref().map(keep).transpose()?;
    let log = Arc::new(log);
    let outcome = append(&log, args);
    // Closing commits nothing new here: every writer waited for what it submitted. It writes the idle mark.
    let closed = match Arc::into_inner(log) {
        Some(log) => log.close().map_err(Failure::log(&args.dir)),
        None => Ok(()),
    };
    let kept = keeping.map_or(Ok(()), Keeping::finish);
    let (appended, skipped) = outcome?;
    closed?;
    kept?;
    summarise(&recovered, appended, skipped, json);
    Ok(())
}

/// Appends all of standard input. Returns how many records were appended, and how many skipped.
fn append(log: &Arc<Log>, args: &Append) -> Result<(u64, u64), Failure> {
    let held = held(log, args)?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut queues = Vec::new();
    let mut writers = Vec::new();
    for stream in 0..u64::from(args.writers) {
        let (sender, receiver) = sync_channel(QUEUE);
        let durability = args.durability.map_or(log.options().durability, DurabilityArg::durability);
        let writer = Writer::new(Arc::clone(log), &args.dir, stream, durability, Arc::clone(&stop));
        queues.push(sender);
        let handle = thread::Builder::new()
            .name(format!("writer-{stream}"))
            .spawn(move || writer.run(&receiver))
            .map_err(|_| Failure::Thread("writer"))?;
        writers.push(handle);
    }
    let format = args.format;
    // A record must fit into a batch with its framing.
    let limit = (log.options().max_batch_bytes as usize).saturating_sub(FRAME_HEADER);
    let reader = thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || -> Result<Skipped, Failure> {
            let mut dealer = Dealer::new(queues, held);
            let read = input::split(&mut io::stdin().lock(), format, limit, |piece| dealer.take(piece));
            // What was read whole is appended, whatever comes behind it.
            let dealt = dealer.take(input::Piece::Pause);
            read.and(dealt)?;
            dealer.finish()
        })
        .map_err(|_| Failure::Thread("reader"))?;

    let mut appended = 0;
    let mut first = None;
    for writer in writers {
        match writer.join().unwrap_or(Err(Failure::Thread("writer"))) {
            Ok(count) => appended += count,
            Err(failure) => first = first.or(Some(failure)),
        }
    }
    // A reader that waits for input which may never come is left behind: the process is about to end.
    if let Some(failure) = first {
        return Err(failure);
    }
    let skipped = reader.join().unwrap_or(Err(Failure::Thread("reader")))?;
    Ok((appended, skipped.records))
}

/// What the log holds of each stream already, if the input is fed again; else nothing.
fn held(log: &Log, args: &Append) -> Result<Vec<Held>, Failure> {
    let streams = 0..u64::from(args.writers);
    if !args.resume {
        return Ok(streams.map(|_| Held::default()).collect());
    }
    // With fewer writers than before, records would go to other streams than before.
    let more = log.next_seq(StreamId(streams.end)).get();
    if more > 0 {
        return Err(Failure::OtherInput { stream: streams.end, held: more, given: 0 });
    }
    let mut held: Vec<Held> =
        streams.map(|stream| Held { records: log.next_seq(StreamId(stream)).get(), last: None }).collect();
    // What cannot be read is not compared; whoever reads it is told.
    for entry in log.iter(Lsn::FIRST).flatten() {
        let here = usize::try_from(entry.stream.get()).ok().and_then(|stream| held.get_mut(stream));
        if let Some(here) = here.filter(|here| entry.seq.get() + 1 == here.records) {
            here.last = Some((entry.lsn, Digest::of(&entry.payload)));
        }
    }
    Ok(held)
}

/// One line on standard error: what was found, and what was done. Standard output is for receipts alone.
fn summarise(recovered: &Recovered, appended: u64, skipped: u64, json: bool) {
    let summary = Summary {
        appended,
        skipped,
        recovered_first_lsn: recovered.first.get(),
        recovered_next_lsn: recovered.next.get(),
        rewritten: recovered.rewritten,
        torn_bytes: recovered.torn_bytes,
        drives_out: recovered.drives.iter().map(Away::new).collect(),
    };
    let mut err = io::stderr().lock();
    // Whoever does not read this line misses no receipt.
    let _ = if json {
        output::json(&mut err, &summary)
    } else {
        let text = format!(
            "truelog: {} appended, {} skipped as already there",
            output::count(appended, "record"),
            output::count(skipped, "record")
        );
        let told = summary.drives_out.iter().try_for_each(|Away { drive, path, why }| {
            output::line(&mut err, &format!("truelog: drive {drive} at {path} is {why}"))
        });
        told.and_then(|()| output::line(&mut err, &text))
    };
    let _ = err.flush();
}
