//! The command line, as clap reads it.

mod archive;
mod audit;
mod incident;
mod values;
mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::values::{DurabilityArg, Fill, InputFormat, LogFormat, LogLevel, OutputFormat, Sync};

pub use archive::{AddDrive, Drives, DrivesWhat, RebuildManifest, RemoveDrive, Scrub, Trim};
pub use audit::{Audit, AuditWhat, Logs};
pub use incident::Incident;
pub use watch::Watch;

/// Keeps a write-ahead log: records go in, receipts come out, and a receipt is printed only once it is true.
#[derive(Debug, Parser)]
#[command(
    name = "truelog",
    version,
    about,
    arg_required_else_help = true,
    after_help = "\
Examples:
  truelog create /srv/orders
  truelog append /srv/orders < lines.txt > receipts.jsonl
  truelog cat /srv/orders --from 1 --format json
  truelog verify /srv/orders --receipts receipts.jsonl
  truelog drives /srv/orders add /mnt/a/orders
  truelog compact /srv/orders

Exit codes:
  0 all holds, 1 damage or a violated receipt, 2 usage, 3 incomplete (says what was skipped),
  4 the environment failed (disk, permissions, lock), 141 the reader of standard output went away.
  Every error has a code; `truelog explain CODE` says what it means and what to do."
)]
pub struct Cli {
    /// Print machine-readable JSON: results on standard output, an error as one object on standard error.
    #[arg(long, global = true)]
    pub json: bool,

    /// Write the log's events to standard error in this format.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Off, value_name = "FORMAT")]
    pub log_format: LogFormat,

    /// The least severe event to write.
    #[arg(long, global = true, value_enum, default_value_t = LogLevel::Info, value_name = "LEVEL")]
    pub log_level: LogLevel,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an empty log in a directory, or finish a creation that was interrupted.
    #[command(after_help = "\
Examples:
  truelog create /srv/orders
  truelog create /srv/orders --segment-size 268435456 --sync write-through
  truelog create /srv/orders --copies 3")]
    Create(Create),

    /// Append records from standard input and print a receipt for each.
    #[command(after_help = "\
Line k of standard input, counted from 0, becomes record k div N of stream k mod N, without its newline, where N
is the number of writers. With --format frames a record is a length (u32, little-endian) and as many bytes.
A receipt is one JSON object a line; it is printed only once the durability that it names holds. A record whose receipt
could not be printed, because the output failed or the process was killed, may be in the log all the same: --resume
skips it, and no receipt of it is printed later. `truelog cat --format json` shows what is there.

Examples:
  truelog append /srv/orders < lines.txt > receipts.jsonl
  truelog append /srv/orders --writers 8 --resume < lines.txt >> receipts.jsonl
  producer | truelog append /srv/orders --format frames --durability process-crash")]
    Append(Append),

    /// Print the records, in the order of their LSNs, from the archive and the log. Takes no lock and writes nothing.
    #[command(after_help = "\
Format raw prints each payload and a newline. Format json prints one object a line; the payload is `payload` where
it is UTF-8, and `payload_hex` otherwise. `vouched` is false for records that nothing durable vouches for yet.

Examples:
  truelog cat /srv/orders
  truelog cat /srv/orders --from 1000 --format json | jq .payload")]
    Cat(Cat),

    /// Show what the log is and where it stands. Takes no lock and writes nothing.
    #[command(after_help = "\
Examples:
  truelog stat /srv/orders
  truelog stat /srv/orders --json | jq .next_lsn")]
    Stat(Place),

    /// Print every batch and frame of one segment, or every block of one run of the archive, with offsets and checksum
    /// verdicts.
    #[command(after_help = "\
Examples:
  truelog dump /srv/orders/segment-0000000001
  truelog dump /mnt/a/orders/run-0000000001
  truelog dump /srv/orders/segment-0000000001 --json")]
    Dump(Dump),

    /// Check every checksum and link of the log and its archive; with --receipts, hold every receipt against it.
    #[command(after_help = "\
It works beside a writer and on a read-only disk. Records that are valid but that nothing durable vouches for yet
are accepted, and counted apart. Every copy of every run of the archive is read; a damaged copy is told even where
another one has the records whole, and so is a copy that cannot be reached (exit code 3). With --receipts it exits with 3 unless every line was a receipt of this log: a file
without any receipt verifies nothing. A last line that was cut was never a receipt; it is counted as torn.

Examples:
  truelog verify /srv/orders
  truelog verify /srv/orders --receipts receipts.jsonl
  truelog append /srv/orders < lines.txt | truelog verify /srv/orders --receipts -")]
    Verify(Verify),

    /// Hold what was said to be durable against what is on the disk. Takes no lock and writes nothing.
    #[command(after_help = "\
Example:
  truelog audit logs --log app.log /srv/orders")]
    Audit(Audit),

    /// Write the report of an incident, in thirteen sections, from logs and artifacts. Takes no lock and writes nothing
    /// but the report.
    #[command(after_help = "\
Each statement names what it rests on; what is not proven is UNSAFE or UNKNOWN. Exit codes are those of `audit logs`.

Example:
  truelog incident --log app.log /srv/orders --out report.md")]
    Incident(Incident),

    /// Show, add and remove the drives of the log's archive.
    #[command(after_help = "\
A drive is a directory that holds copies of the archive's runs; it knows its log and has an identity of its own. Each
run is kept on as many drives as `create --copies` said. A drive that moved is added again under its new path.

Examples:
  truelog drives /srv/orders add /mnt/a/orders
  truelog drives /srv/orders add /mnt/b/orders --capacity 500000000000
  truelog drives /srv/orders
  truelog drives /srv/orders remove 1 && truelog compact /srv/orders")]
    Drives(Drives),

    /// Archive all that is sealed: segments become runs on the drives, short runs are merged, lost copies made again.
    #[command(after_help = "\
It goes on until nothing is left to do, as fast as it can. While an append runs, the append archives by itself.

Examples:
  truelog compact /srv/orders
  truelog compact /srv/orders --json")]
    Compact(Place),

    /// Give up all records before an LSN, for good, in the log and in its archive.
    #[command(after_help = "\
Examples:
  truelog trim /srv/orders --before 100000")]
    Trim(Trim),

    /// Read every block of every copy in the archive, and write damaged copies anew from good ones.
    #[command(after_help = "\
Exits with 1 while damage remains that was not repaired, and with 3 when a copy could not be looked at. A drive that
was quarantined is readmitted only by a scrub that finds nothing wrong with it: one that has just been repaired needs
a second one.

Examples:
  truelog scrub /srv/orders
  truelog scrub /srv/orders --drive 1 --readmit
  truelog scrub /srv/orders --rate 10000000")]
    Scrub(Scrub),

    /// Write a lost or unreadable manifest anew, from the drives of the archive and the log's segments.
    #[command(after_help = "\
It begins with the newest copy of the manifest on the drives, reads every block of every run, and names what it found.
Records that nothing has are a gap: it is named, and nothing is written. It never touches a manifest that can be read.

Examples:
  truelog rebuild-manifest /srv/orders --drive /mnt/a/orders --drive /mnt/b/orders --dry-run
  truelog rebuild-manifest /srv/orders --drive /mnt/a/orders --drive /mnt/b/orders")]
    RebuildManifest(RebuildManifest),

    /// Accept a log that was copied or moved: a new identity epoch begins.
    #[command(after_help = "\
Example:
  cp -a /srv/orders /backup/orders && truelog adopt /backup/orders")]
    Adopt(Place),

    /// Accept that damaged records are lost, so that appends can go on. The loss is recorded for good.
    #[command(after_help = "\
The options are stored only if the manifest cannot be read, and are printed then: give those that the log was created
with. A segment that cannot be read is kept as quarantined-segment-N: it is named here and by
`truelog stat`, and no log reads it or removes it. Records on a drive that is away are not given up, unless --drive-gone says
that it never comes back. If the manifest
cannot be read and the oldest records are not in the log's segments, they may be on drives: then it is refused, for
`truelog rebuild-manifest` finds them there, unless --no-archive says that there are none.

Examples:
  truelog verify /srv/orders; truelog accept-loss /srv/orders
  truelog drives /srv/orders; truelog accept-loss /srv/orders --drive-gone 1")]
    AcceptLoss(AcceptLoss),

    /// Watch a log: metrics, health checks and a status page over HTTP. Takes no lock and writes nothing.
    #[command(after_help = "\
It looks at the directory again and again, beside the writer, and answers from the last look:
  /              the status page: a tile for each invariant and each guardrail, red when violated
  /status.json   the same for programs
  /metrics       for Prometheus
  /livez         200 as long as the command runs
  /readyz        200 if nothing is violated and the last look is fresh, else 503; with ?verbose, each check
What cannot be seen, or was last seen too long ago, is never shown as if it held. With --metrics, the numbers that a
writer claims (`truelog append --metrics FILE`) are held against the directory, and passed on.
It ends by SIGTERM or SIGINT. Whoever can reach the address can read the page: it names files, but shows no record.

Examples:
  truelog watch /srv/orders
  truelog watch /srv/orders --listen 0.0.0.0:9464 --metrics /run/orders.prom")]
    Watch(Watch),

    /// Check what a log stands on: identity, volume, options, permissions, space, mount, clock, left-overs, drives, audits.
    #[command(after_help = "\
It takes no lock and writes nothing, so that it works beside a writer and on a full or read-only disk. Each check has a
verdict, its evidence and a next step. It exits with 1 if a check fails, with 3 if one could not be carried out, and
with 0 otherwise, warnings included. Options that are given are held against those that are stored with the log.

Examples:
  truelog doctor /srv/orders
  truelog doctor /srv/orders --segment-size 268435456
  truelog doctor /srv/orders --json | jq 'select(.verdict != \"ok\")'")]
    Doctor(Doctor),

    /// Say what an error code means and what to do.
    #[command(after_help = "\
Examples:
  truelog explain TL-902
  truelog explain FPRE004")]
    Explain(Explain),

    /// Print a completion script for a shell.
    #[command(after_help = "\
Example:
  truelog completions bash > /etc/bash_completion.d/truelog")]
    Completions(Completions),
}

/// A log's directory, and nothing else.
#[derive(Debug, Args)]
pub struct Place {
    /// The log's directory.
    pub dir: PathBuf,
}

/// `create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The directory: missing, or empty.
    pub dir: PathBuf,

    /// What is stored with the log.
    #[command(flatten)]
    pub stored: Stored,
}

/// `accept-loss`.
#[derive(Debug, Args)]
pub struct AcceptLoss {
    /// The log's directory.
    pub dir: PathBuf,

    /// The manifest cannot be read, and no drive has any records of the log: give up all that no segment has.
    #[arg(long)]
    pub no_archive: bool,

    /// A drive, by its number, that cannot be reached and never will be: the log forgets it, and gives up the records
    /// of which it had the last copy. May be given more than once.
    #[arg(long, value_name = "N")]
    pub drive_gone: Vec<u64>,

    /// What is stored with the log if its manifest cannot be read.
    #[command(flatten)]
    pub stored: Stored,
}

/// The options that are stored with a log.
#[derive(Debug, Args)]
pub struct Stored {
    /// Unit of writing, in bytes: a power of two, not below the device's own. No block that holds acknowledged
    /// bytes is ever written again.
    #[arg(long, value_name = "BYTES")]
    pub block_size: Option<u32>,

    /// Bytes of a full segment. Opening reads at most one segment.
    #[arg(long, value_name = "BYTES")]
    pub segment_size: Option<u64>,

    /// The most payload and frame bytes that one commit writes.
    #[arg(long, value_name = "BYTES")]
    pub max_batch_bytes: Option<u32>,

    /// The most streams that the log may have.
    #[arg(long, value_name = "STREAMS")]
    pub max_streams: Option<u32>,

    /// Blocks of the manifest at least: how many edits fit before it is written anew.
    #[arg(long, value_name = "BLOCKS")]
    pub manifest_blocks: Option<u32>,

    /// How a commit becomes durable: a sync after the write, or a write that returns only when it is durable.
    #[arg(long, value_enum)]
    pub sync: Option<Sync>,

    /// How a segment's space is made: written with zeros, or allocated.
    #[arg(long, value_enum)]
    pub fill: Option<Fill>,

    /// What a receipt promises when an append does not say.
    #[arg(long, value_enum)]
    pub durability: Option<DurabilityArg>,

    /// On how many drives each block of the archive is kept.
    #[arg(long, value_name = "N")]
    pub copies: Option<u16>,
}

/// `append`.
#[derive(Debug, Args)]
pub struct Append {
    /// The log's directory.
    pub dir: PathBuf,

    /// How standard input is cut into records.
    #[arg(long, value_enum, default_value_t = InputFormat::Lines)]
    pub format: InputFormat,

    /// How many threads append; each owns one stream, numbered from 0.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub writers: u16,

    /// The input is fed again from its beginning: skip, in each stream, what the log already holds.
    #[arg(long)]
    pub resume: bool,

    /// What a receipt's record survives; by default what the log was created with.
    #[arg(long, value_enum)]
    pub durability: Option<DurabilityArg>,

    /// How many bytes the archive reads, and as many writes, in a second at most; 0 for as many as it can.
    #[arg(long, value_name = "BYTES")]
    pub archive_rate: Option<u64>,

    /// How long a run of the archive gets at most, about.
    #[arg(long, value_name = "BYTES")]
    pub run_bytes: Option<u64>,

    /// Write the log's metrics to this file, once a second and at the end, in Prometheus' text format: for
    /// `truelog watch --metrics`, or for the textfile collector of node_exporter.
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}

/// `cat`.
#[derive(Debug, Args)]
pub struct Cat {
    /// The log's directory.
    pub dir: PathBuf,

    /// The first LSN to print; by default the first that is not trimmed.
    #[arg(long, value_name = "LSN")]
    pub from: Option<u64>,

    /// How a record is printed. With --json it is json.
    #[arg(long, value_enum, default_value_t = OutputFormat::Raw)]
    pub format: OutputFormat,
}

/// `dump`.
#[derive(Debug, Args)]
pub struct Dump {
    /// The segment file, or the file of a run.
    pub file: PathBuf,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The log's directory.
    pub dir: PathBuf,

    /// A file of receipts as `append` prints them; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub receipts: Option<PathBuf>,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The log's directory.
    pub dir: PathBuf,

    /// The options that whoever opens the log gives.
    #[command(flatten)]
    pub stored: Stored,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The code, such as TL-902, or FPRE004; without one, all codes are listed.
    pub code: Option<String>,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
