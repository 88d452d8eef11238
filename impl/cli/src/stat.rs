//! `truelog stat`: what the log is, and where it stands.

use std::io::Write;

use comfy_table::{Table, presets};
use serde::Serialize;
use truelog::{DriveOut, DriveState, Error, Inspection, RunEntry};

use crate::archive::Run;
use crate::args::Place;
use crate::drives::{Drive, Orphan};
use crate::failure::Failure;
use crate::open;
use crate::output;

/// All of it, as `--json` shows it.
#[derive(Serialize)]
struct Shown {
    log: String,
    dir: String,
    first_lsn: u64,
    next_lsn: u64,
    /// The last record that something durable vouches for.
    vouched_lsn: u64,
    /// Records behind it: valid, but damage to them could not be told from a torn tail.
    unvouched_records: u64,
    /// Bytes behind the last valid batch that the next open will cut.
    torn_bytes: u64,
    segments: Vec<Segment>,
    /// The runs of the archive.
    runs: Vec<Run>,
    /// The drives of the archive.
    drives: Vec<Drive>,
    /// The files on drives that are no part of the log.
    orphans: Vec<Orphan>,
    /// Records in the archive of which no copy can be reached.
    unavailable: Vec<(u64, u64)>,
    options: Stored,
    losses: Vec<(u64, u64)>,
    /// The segments that accept-loss put aside, by path.
    quarantined: Vec<String>,
    damage: Vec<String>,
}

/// A segment that the manifest names.
#[derive(Serialize)]
struct Segment {
    number: u64,
    capacity: u64,
}

/// The options stored with the log.
#[derive(Serialize)]
struct Stored {
    block_size: u32,
    segment_size: u64,
    max_batch_bytes: u32,
    max_streams: u32,
    manifest_blocks: u32,
    sync: String,
    fill: String,
    durability: String,
    copies: u16,
}

/// Runs it.
///
/// # Errors
/// Whatever the log or standard output reports.
pub(crate) fn run(args: &Place, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let view = open::readable(&args.dir)?;
    let shown = gather(args, &view);
    if json {
        output::json(out, &shown)?;
    } else {
        output::line(out, &table(&shown).to_string())?;
        for damage in &shown.damage {
            output::line(out, &format!("DAMAGED  {damage}"))?;
        }
        for drive in shown.drives.iter().filter(|drive| !drive.serves()) {
            output::line(out, &format!("NOT SERVING  {}", drive.text()))?;
        }
        for orphan in &shown.orphans {
            output::line(out, &orphan.text())?;
        }
        for (first, last) in &shown.unavailable {
            output::line(
                out,
                &format!("UNAVAILABLE  {first}..={last}: no drive that has them can be reached"),
            )?;
        }
    }
    output::flush(out)?;
    match shown.damage.len() as u64 {
        0 => match unreached(&view).next() {
            None => Ok(()),
            Some(run) => Err(Failure::log(&args.dir)(Error::Unavailable {
                run: run.number,
                lsns: run.lsns,
                drives: run.copies,
            })),
        },
        count => {
            Err(Failure::Violated { dir: args.dir.clone(), what: output::count(count, "damaged range") })
        }
    }
}

/// The runs of which no copy can be reached.
fn unreached(view: &Inspection) -> impl Iterator<Item = &RunEntry> {
    let drives = view.drives();
    let is_read = |drive: &&DriveState| drive.out.is_none_or(DriveOut::is_mended_by_scrub);
    let reached: Vec<_> = drives.iter().filter(is_read).map(|drive| drive.entry.number).collect();
    view.runs().iter().filter(move |run| !reached.iter().any(|drive| run.copies.contains(*drive)))
}

fn gather(args: &Place, view: &Inspection) -> Shown {
    let options = view.options();
    let last = view.next().prev();
    Shown {
        log: view.log().to_string(),
        dir: args.dir.display().to_string(),
        first_lsn: view.first().get(),
        next_lsn: view.next().get(),
        vouched_lsn: view.vouched().min(last).get(),
        unvouched_records: last.get().saturating_sub(view.vouched().get()),
        torn_bytes: view.torn_bytes(),
        segments: view
            .segments()
            .iter()
            .map(|entry| Segment { number: entry.number.get(), capacity: entry.capacity })
            .collect(),
        runs: view.runs().iter().map(Run::new).collect(),
        unavailable: unreached(view).map(|run| (run.lsns.first.get(), run.lsns.last.get())).collect(),
        drives: view.drives().iter().map(|state| Drive::new(state, view.runs())).collect(),
        orphans: view.orphans().iter().map(Orphan::new).collect(),
        options: Stored {
            block_size: options.block_size,
            segment_size: options.segment_size,
            max_batch_bytes: options.max_batch_bytes,
            max_streams: options.max_streams,
            manifest_blocks: options.manifest_blocks,
            sync: options.sync.to_string(),
            fill: options.fill.to_string(),
            durability: options.durability.to_string(),
            copies: options.copies,
        },
        losses: view.losses().iter().map(|loss| (loss.first.get(), loss.last.get())).collect(),
        quarantined: open::quarantined(&args.dir, view),
        damage: view.damage().iter().map(|damage| damage.error.to_string()).collect(),
    }
}

fn table(shown: &Shown) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut row = |name: &str, value: String| {
        table.add_row([name, &value]);
    };
    let bytes: u64 = shown.segments.iter().map(|segment| segment.capacity).sum();
    row("log", shown.log.clone());
    row("directory", shown.dir.clone());
    row("first LSN", shown.first_lsn.to_string());
    row("next LSN", shown.next_lsn.to_string());
    row(
        "vouched",
        format!(
            "up to LSN {}; {} not yet",
            shown.vouched_lsn,
            output::count(shown.unvouched_records, "record")
        ),
    );
    row("torn tail", output::count(shown.torn_bytes, "byte"));
    row("segments", format!("{}, {bytes} bytes", shown.segments.len()));
    if !shown.drives.is_empty() {
        let archived: u64 = shown.runs.iter().map(|run| run.bytes).sum();
        let last = shown.runs.last().map_or(0, |run| run.last_lsn);
        row(
            "archive",
            format!(
                "{}, {archived} bytes a copy, up to LSN {last}",
                output::count(shown.runs.len() as u64, "run")
            ),
        );
        let serving = shown.drives.iter().filter(|drive| drive.serves()).count();
        row(
            "drives",
            format!("{}, of which {serving} serve; {} copies", shown.drives.len(), shown.options.copies),
        );
    }
    let options = &shown.options;
    row("durability", options.durability.clone());
    row("sync, fill", format!("{}, {}", options.sync, options.fill));
    row("block size", options.block_size.to_string());
    row("segment size", options.segment_size.to_string());
    row("max batch bytes", options.max_batch_bytes.to_string());
    row("max streams", options.max_streams.to_string());
    row("manifest blocks", options.manifest_blocks.to_string());
    let lost: Vec<_> = shown.losses.iter().map(|(first, last)| format!("{first}..={last}")).collect();
    if !lost.is_empty() {
        row("given up", lost.join(", "));
    }
    if !shown.quarantined.is_empty() {
        row("quarantined", shown.quarantined.join("\n"));
    }
    table
}
