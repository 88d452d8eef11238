//! The arguments of the commands that are about the archive.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `drives`.
#[derive(Debug, Args)]
pub struct Drives {
    /// The log's directory.
    pub dir: PathBuf,

    /// What to do with them; by default their status is shown.
    #[command(subcommand)]
    pub what: Option<DrivesWhat>,
}

/// What to do with drives.
#[derive(Debug, Subcommand)]
pub enum DrivesWhat {
    /// Show each drive: where it is, whether it serves, and why not. Takes no lock and writes nothing.
    Status,
    /// Make a directory a drive of the log: missing, empty, or a drive of this log already that has moved.
    Add(AddDrive),
    /// Forget a drive. Nothing on it is touched; what it had copies of gets others by the next compaction.
    Remove(RemoveDrive),
}

/// `drives DIR add`.
#[derive(Debug, Args)]
pub struct AddDrive {
    /// The drive's directory, best on a volume of its own.
    pub drive_dir: PathBuf,

    /// The most bytes of runs that it takes; 0 for as many as its volume does.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub capacity: u64,
}

/// `drives DIR remove`.
#[derive(Debug, Args)]
pub struct RemoveDrive {
    /// The drive's number, as the status shows it.
    pub drive: u64,
}

/// `trim`.
#[derive(Debug, Args)]
pub struct Trim {
    /// The log's directory.
    pub dir: PathBuf,

    /// The first LSN that is kept.
    #[arg(long, value_name = "LSN")]
    pub before: u64,
}

/// `rebuild-manifest`.
#[derive(Debug, Args)]
pub struct RebuildManifest {
    /// The log's directory.
    pub dir: PathBuf,

    /// A drive's directory. Give it once for each drive of the log that there still is.
    #[arg(long = "drive", value_name = "DRIVE_DIR", required = true)]
    pub drives: Vec<PathBuf>,

    /// Find and check everything, say what would be written, and write nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// All records before this one were trimmed. Needed only where they are missing from all that is found.
    #[arg(long, value_name = "LSN")]
    pub trimmed_before: Option<u64>,

    /// What is stored with the log if no drive has a copy of the manifest that can be read.
    #[command(flatten)]
    pub stored: super::Stored,
}

/// `scrub`.
#[derive(Debug, Args)]
pub struct Scrub {
    /// The log's directory.
    pub dir: PathBuf,

    /// Look at the copies on this drive only.
    #[arg(long, value_name = "DRIVE")]
    pub drive: Option<u64>,

    /// Let drives that do not serve do so again, if nothing at all was wrong with their copies.
    #[arg(long)]
    pub readmit: bool,

    /// How many bytes are read in a second at most; 0 for as many as the drives give.
    #[arg(long, value_name = "BYTES")]
    pub rate: Option<u64>,
}
