//! The command line of `truelog watch`.

use std::path::PathBuf;

use clap::Args;

/// `watch`.
#[derive(Debug, Clone, Args)]
pub struct Watch {
    /// The log's directory. It need not be there yet; the page is red as long as it is not.
    pub dir: PathBuf,

    /// The address and port to listen on; port 0 for any that is free.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9464")]
    pub listen: String,

    /// Seconds between two looks. They come less often where a look takes long, so that it never takes more than a tenth
    /// of the time.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub every: u64,

    /// The file to which the writer writes its metrics.
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,

    /// A log of the application, to be followed as it grows; may be given more than once. What it claims is held against
    /// the directory, as `truelog audit logs` does.
    #[arg(long = "log", value_name = "FILE")]
    pub logs: Vec<PathBuf>,

    /// What other systems' claims look like in these logs: see `truelog audit logs --help`.
    #[arg(long, value_name = "FILE", requires = "logs")]
    pub patterns: Option<PathBuf>,
}
