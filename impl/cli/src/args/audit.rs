//! The arguments of `audit`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// What is held against the artifacts.
    #[command(subcommand)]
    pub what: AuditWhat,
}

/// What is held against the artifacts.
#[derive(Debug, Subcommand)]
pub enum AuditWhat {
    /// Find every claim of durability in the logs of an application, and hold it against the directory.
    #[command(after_help = "\
Claims are the events \"durable\" of this log, as JSON or as text, and what a pattern file says. A pattern file has one
pattern a line: a kind, a name, an artifact, and a regular expression with named groups.

  claim    B/append_packet  {path}            wal append_packet .*path=(?<path>\\S+) offset=(?<offset>\\d+) len=(?<len>\\d+)
  release  G/wal_removed    {path}            wal removed path=(?<path>\\S+)
  count    A/received       -                 packet received

claim:    the artifact was there when the line was written, and still is.
release:  the artifact was removed on purpose: claims on it before that line are trimmed, not violated. A claim behind the
          last such line, in the order of the logs as they are given, is held as any other: give a log that tells of the
          removals of another one last. Of 65536 artifacts it is remembered; a claim that does not hold on one beyond
          that is unverifiable.
count:    a line that is counted, and claims nothing.
The artifact is a path below DIR, with groups in braces: `{path}`, or `wal-{segment:08}.log`, filled up with zeros to 8.
Groups offset and len, or end, say how long the file must be. A group time is used for counts. A name may begin with a
stage, A/ to H/. Lines that begin with # are no patterns.

DIR is the log's directory, or that of another system. What a file of another system holds nobody can tell from outside:
there a claim holds if the file is there and long enough.

Exit codes: 0 every claim holds; 1 one is violated; 3 one could not be held against anything, or there was none.
Compressed logs are refused: `gunzip -c app.log.gz | truelog audit logs --log - DIR`.

Examples:
  truelog audit logs --log app.log /srv/orders
  truelog audit logs --log app.log.1 --log app.log --patterns wal.patterns /var/lib/app")]
    Logs(Logs),
}

/// Logs of an application, and the directory that they speak of.
#[derive(Debug, Args)]
pub struct Logs {
    /// A log to read; may be given more than once, the oldest first. `-` is standard input.
    #[arg(long = "log", value_name = "FILE", required = true)]
    pub logs: Vec<PathBuf>,

    /// What other systems' claims look like.
    #[arg(long, value_name = "FILE")]
    pub patterns: Option<PathBuf>,

    /// The directory that the logs speak of.
    pub dir: PathBuf,
}
