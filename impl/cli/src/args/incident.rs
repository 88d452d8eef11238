//! The arguments of `incident`.

use std::path::PathBuf;

use clap::Args;

use super::Logs;

/// `incident`.
#[derive(Debug, Args)]
pub struct Incident {
    /// The logs, and the directory that they speak of.
    #[command(flatten)]
    pub logs: Logs,

    /// Write the report to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
