//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::plan::Scale;
use crate::workloads::Workload;

/// Measures Truelog beside the raw limits of the disk and beside other logs, with the same durability.
#[derive(Debug, Parser)]
#[command(name = "truelog-bench", version)]
pub struct Args {
    /// The small form: about two minutes instead of a quarter of an hour.
    #[arg(long)]
    pub quick: bool,
    /// How many interleaved rounds; medians are shown.
    #[arg(long)]
    pub rounds: Option<u32>,
    /// Where the logs are made. It must be on the disk to measure; it is emptied of what the run made.
    #[arg(long, default_value = "bench-data")]
    pub dir: PathBuf,
    /// Only these contenders, by name; the raw limits are always measured.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only these workloads.
    #[arg(long, value_delimiter = ',')]
    pub workload: Vec<Workload>,
    /// Write all that was measured to this file.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Measure nothing: show what a former run wrote with --json.
    #[arg(long, conflicts_with_all = ["json", "quick", "rounds", "only", "workload"])]
    pub from: Option<PathBuf>,
    /// Write the tables, as Markdown, to this file.
    #[arg(long)]
    pub markdown: Option<PathBuf>,
    /// Write plots (SVG) into this directory.
    #[arg(long)]
    pub plots: Option<PathBuf>,
    /// Exit with 1 if a bar is missed.
    #[arg(long)]
    pub strict: bool,
    /// One measurement in a process of its own: what the program starts itself with.
    #[arg(long, hide = true)]
    pub one: Option<String>,
}

impl Args {
    /// The sizes of the run.
    pub fn scale(&self) -> Scale {
        let mut scale = if self.quick { Scale::QUICK } else { Scale::FULL };
        if let Some(rounds) = self.rounds {
            (scale.rounds, scale.kept_rounds) = (rounds.max(1), rounds.max(1));
        }
        scale
    }

    /// The workloads of the run, in their order.
    pub fn workloads(&self) -> Vec<Workload> {
        Workload::ALL
            .into_iter()
            .filter(|workload| self.workload.is_empty() || self.workload.contains(workload))
            .collect()
    }

    /// Whether a contender is part of the run.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}
