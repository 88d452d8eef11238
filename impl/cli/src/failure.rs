//! How the command fails: a code, what happened, where, and what to do next.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::codes;

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All holds.
    Holds = 0,
    /// Damage, or a violated receipt.
    Violated = 1,
    /// The command line, or what was fed, is wrong.
    Usage = 2,
    /// Something was skipped, and it was said what.
    Incomplete = 3,
    /// The disk, permissions, a lock, a stream: not the log's word.
    Environment = 4,
    /// The reader of standard output went away. What a shell shows for a program that SIGPIPE ended.
    ClosedPipe = 141,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The log refused.
    #[error("{source}")]
    Log {
        /// The log's directory, or the segment file.
        path: PathBuf,
        /// What it said.
        source: truelog::Error,
    },
    /// Records cannot be read, for a reason that says nothing about them.
    #[error("records {lsns} cannot be read: {source}")]
    Unread {
        /// The log's directory.
        path: PathBuf,
        /// The records.
        lsns: truelog::LsnRange,
        /// What the log said.
        source: truelog::Error,
    },
    /// Standard input cannot be read.
    #[error("standard input cannot be read behind record {after}: {source}")]
    Input {
        /// Whole records read before.
        after: u64,
        /// What was reported.
        source: io::Error,
    },
    /// The reader of standard output went away.
    #[error("standard output was closed by its reader")]
    Closed,
    /// Standard output cannot be written.
    #[error("standard output cannot be written: {0}")]
    Output(#[source] io::Error),
    /// The input of a resumed append is not the one that the log was fed.
    #[error("stream {stream} of the log holds {held} records, but the input gives it {given}")]
    OtherInput {
        /// The stream.
        stream: u64,
        /// Records that the log holds of it, trimmed ones included.
        held: u64,
        /// Records that the input has for it.
        given: u64,
    },
    /// A resumed append is fed other records than those that the log holds.
    #[error("record {seq} of stream {stream} is LSN {lsn} in the log, but the input has another one there")]
    OtherRecord {
        /// The stream.
        stream: u64,
        /// Its sequence number.
        seq: u64,
        /// Where the log has it.
        lsn: u64,
    },
    /// The input ends inside a frame.
    #[error("the input ends inside frame {record}, {got} bytes into it")]
    CutFrame {
        /// The frame, from 0.
        record: u64,
        /// Bytes of it that were there, its length included.
        got: usize,
    },
    /// A record is longer than the log takes.
    #[error("record {record} of the input is longer than {limit} bytes")]
    TooLong {
        /// The record, from 0.
        record: u64,
        /// The most bytes that the log takes.
        limit: usize,
    },
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was reported.
        source: io::Error,
    },
    /// A file to dump is neither a segment nor a run.
    #[error("{} is neither a segment nor a run of the archive", path.display())]
    NoSegment {
        /// The file.
        path: PathBuf,
    },
    /// The log does not keep receipts, or is damaged; the report on standard output says which and where.
    #[error("{what}")]
    Violated {
        /// The log's directory.
        dir: PathBuf,
        /// In one sentence.
        what: String,
    },
    /// What a log stands on is not as it should be; the report on standard output says what.
    #[error("{what}")]
    Unfit {
        /// The log's directory.
        dir: PathBuf,
        /// In one sentence.
        what: String,
    },
    /// A line of an application's log claims what is not there; the report on standard output says which.
    #[error("{what}")]
    FalseClaim {
        /// The directory that the logs speak of.
        dir: PathBuf,
        /// In one sentence.
        what: String,
    },
    /// No line of an application's logs claims anything.
    #[error("no line of {} is a claim, of {lines} lines: none was held", named(logs))]
    NoClaim {
        /// The logs.
        logs: Vec<PathBuf>,
        /// How many lines were read.
        lines: u64,
    },
    /// An application's log is compressed.
    #[error("{} is compressed ({kind}), and is not read", path.display())]
    Compressed {
        /// The log.
        path: PathBuf,
        /// How.
        kind: &'static str,
    },
    /// A line of a pattern file is no pattern.
    #[error("line {line} of {}: {why}", path.display())]
    Pattern {
        /// The pattern file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Why.
        why: String,
    },
    /// Copies in the archive are damaged; the report on standard output says which and where.
    #[error("{what}")]
    Degraded {
        /// The log's directory.
        dir: PathBuf,
        /// In one sentence.
        what: String,
    },
    /// Some of what was to be looked at could not be.
    #[error("{what}")]
    Incomplete {
        /// Where.
        path: PathBuf,
        /// In one sentence.
        what: String,
    },
    /// The command line is not one.
    #[error("{}", .0.trim_end())]
    Usage(String),
    /// What was to be listened on is no address.
    #[error("`{0}` is no address to listen on")]
    Address(String),
    /// An address cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// The address.
        address: String,
        /// What was reported.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Written {
        /// The file.
        path: PathBuf,
        /// What was reported.
        source: io::Error,
    },
    /// A code that nothing has.
    #[error("there is no code `{0}`")]
    UnknownCode(String),
    /// A thread could not be started, or ended by a panic.
    #[error("a {0} thread could not do its work")]
    Thread(&'static str),
}

/// A failure as `--json` shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shown {
    pub(crate) code: &'static str,
    pub(crate) what: String,
    #[serde(rename = "where")]
    pub(crate) place: Option<String>,
    /// What came first, where the log only repeats it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<Box<Cause>>,
    pub(crate) next: &'static str,
    pub(crate) exit: u8,
}

/// The failure that came first, as `--json` shows it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cause {
    code: &'static str,
    what: String,
    next: &'static str,
}

/// The files by name, one behind the other.
fn named(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(", ")
}

impl Failure {
    /// Wraps a log's error with the path that was asked for.
    pub(crate) fn log(path: &Path) -> impl Fn(truelog::Error) -> Self {
        move |source| Self::Log { path: path.to_owned(), source }
    }

    /// A failed write to standard output.
    pub(crate) fn output(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe { Self::Closed } else { Self::Output(source) }
    }

    /// The stable code, for `truelog explain`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Log { source, .. } | Self::Unread { source, .. } => source.code(),
            Self::Input { .. } => codes::INPUT,
            Self::Closed => codes::CLOSED,
            Self::Output(_) => codes::OUTPUT,
            Self::OtherInput { .. } | Self::OtherRecord { .. } => codes::OTHER_INPUT,
            Self::CutFrame { .. } => codes::CUT_FRAME,
            Self::TooLong { .. } => codes::TOO_LONG,
            Self::File { .. } => codes::FILE,
            Self::NoSegment { .. } => codes::NO_SEGMENT,
            Self::Violated { .. } => codes::VIOLATED,
            Self::Unfit { .. } => codes::UNFIT,
            Self::Degraded { .. } => codes::DEGRADED,
            Self::FalseClaim { .. } => codes::FALSE_CLAIM,
            Self::NoClaim { .. } => codes::NO_CLAIM,
            Self::Compressed { .. } => codes::COMPRESSED,
            Self::Pattern { .. } => codes::PATTERN,
            Self::Incomplete { .. } => codes::INCOMPLETE,
            Self::Usage(_) => codes::USAGE,
            Self::UnknownCode(_) => codes::UNKNOWN_CODE,
            Self::Address(_) => codes::ADDRESS,
            Self::Listen { .. } => codes::LISTEN,
            Self::Written { .. } => codes::WRITTEN,
            Self::Thread(_) => codes::THREAD,
        }
    }

    /// How the command ends because of it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        use truelog::{Error, ReadOnlyWhy};
        match self {
            Self::Log { source, .. } => match source {
                Error::Corrupt { .. }
                | Error::CorruptFile { .. }
                | Error::CorruptBlock { .. }
                | Error::Gap { .. }
                | Error::MayBeArchived { .. }
                | Error::ClaimViolated { .. }
                | Error::Lost { .. } => Exit::Violated,
                Error::BadOption { .. }
                | Error::Mismatch { .. }
                | Error::TooLarge { .. }
                | Error::TooManyStreams { .. }
                | Error::NoSuchDrive { .. }
                | Error::BadDrive { .. }
                | Error::DriveServes { .. }
                | Error::ManifestReadable { .. }
                | Error::Trimmed { .. }
                | Error::Absent { .. } => Exit::Usage,
                Error::ReadOnly { why: ReadOnlyWhy::Damaged(_) | ReadOnlyWhy::FileDamaged(_) } => {
                    Exit::Violated
                }
                _ => Exit::Environment,
            },
            Self::Violated { .. } | Self::Unfit { .. } | Self::Degraded { .. } | Self::FalseClaim { .. } => {
                Exit::Violated
            }
            Self::OtherInput { .. }
            | Self::OtherRecord { .. }
            | Self::CutFrame { .. }
            | Self::TooLong { .. }
            | Self::NoSegment { .. }
            | Self::Compressed { .. }
            | Self::Pattern { .. }
            | Self::Usage(_)
            | Self::Address(_)
            | Self::UnknownCode(_) => Exit::Usage,
            Self::Incomplete { .. } | Self::NoClaim { .. } => Exit::Incomplete,
            Self::Closed => Exit::ClosedPipe,
            Self::Unread { .. }
            | Self::Input { .. }
            | Self::Output(_)
            | Self::File { .. }
            | Self::Written { .. }
            | Self::Listen { .. }
            | Self::Thread(_) => Exit::Environment,
        }
    }

    /// What to do next, in one sentence.
    fn next_step(&self) -> &'static str {
        match self {
            Self::Log { source, .. } | Self::Unread { source, .. } => source.next_step(),
            own => codes::own(own.code()).map_or("Run `truelog explain`.", |explained| explained.next),
        }
    }

    /// Where it happened.
    fn place(&self) -> Option<String> {
        match self {
            Self::Log { path, .. }
            | Self::Unread { path, .. }
            | Self::File { path, .. }
            | Self::NoSegment { path }
            | Self::Written { path, .. }
            | Self::Incomplete { path, .. }
            | Self::Compressed { path, .. }
            | Self::Pattern { path, .. } => Some(path.display().to_string()),
            Self::Violated { dir, .. }
            | Self::Unfit { dir, .. }
            | Self::Degraded { dir, .. }
            | Self::FalseClaim { dir, .. } => Some(dir.display().to_string()),
            Self::Input { .. }
            | Self::OtherInput { .. }
            | Self::OtherRecord { .. }
            | Self::CutFrame { .. }
            | Self::TooLong { .. } => Some("standard input".to_owned()),
            Self::Closed | Self::Output(_) => Some("standard output".to_owned()),
            Self::Address(_) | Self::Listen { .. } => Some("--listen".to_owned()),
            Self::NoClaim { .. } | Self::Usage(_) | Self::UnknownCode(_) | Self::Thread(_) => None,
        }
    }

    /// What came first, where the log only repeats it.
    fn cause(&self) -> Option<Box<Cause>> {
        let Self::Log { source: truelog::Error::Poisoned { cause }, .. } = self else { return None };
        Some(Box::new(Cause { code: cause.code(), what: cause.to_string(), next: cause.next_step() }))
    }

    /// As plain values.
    pub(crate) fn shown(&self) -> Shown {
        Shown {
            code: self.code(),
            what: self.to_string(),
            place: self.place(),
            cause: self.cause(),
            next: self.next_step(),
            exit: self.exit() as u8,
        }
    }

    /// Says it on `err`: as one JSON object, or in words. What cannot be said there is not said.
    pub(crate) fn show(&self, err: &mut dyn Write, json: bool) {
        let shown = self.shown();
        if json {
            if let Ok(text) = serde_json::to_string(&serde_json::json!({ "error": shown })) {
                let _ = writeln!(err, "{text}");
            }
            return;
        }
        let _ = writeln!(err, "truelog: {}: {}", shown.code, shown.what);
        if let Some(place) = shown.place {
            let _ = writeln!(err, "  where: {place}");
        }
        if let Some(cause) = shown.cause {
            let _ = writeln!(err, "  cause: {}. {}", cause.code, cause.next);
        }
        let _ = writeln!(err, "  next:  {}", shown.next);
    }
}
