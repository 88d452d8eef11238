//! What the numbers were measured on.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::peers::PEERS;
use crate::raw;

/// A machine, and the programs that were measured.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The processor.
    pub processor: String,
    /// How many of them.
    pub processors: usize,
    /// Memory.
    pub memory: String,
    /// The kernel.
    pub kernel: String,
    /// The file system and its options.
    pub volume: String,
    /// The compiler.
    pub compiler: String,
    /// The average load when the run began: what else was going on.
    pub load: String,
    /// fio, if it is here.
    pub fio: Option<String>,
    /// Names and versions of the peers.
    pub peers: Vec<(String, String)>,
}

impl Machine {
    /// The one that this runs on. What cannot be found out is said to be unknown.
    pub fn here(dir: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let line = |text: &str, name: &str| {
            let found = text.lines().find(|line| line.starts_with(name));
            found
                .and_then(|line| line.split_once(':'))
                .map_or_else(unknown, |(_, rest)| rest.trim().to_owned())
        };
        Self {
            processor: line(&read("/proc/cpuinfo"), "model name"),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory: line(&read("/proc/meminfo"), "MemTotal"),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            volume: volume(&read("/proc/self/mounts"), dir),
            compiler: said("rustc", &["--version"]),
            load: read("/proc/loadavg").split_whitespace().take(3).collect::<Vec<_>>().join(" "),
            fio: raw::fio_version(),
            peers: PEERS.iter().map(|peer| (peer.name.to_owned(), peer.version().to_owned())).collect(),
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().ok();
    output.map_or_else(unknown, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The kind and the options of the volume that holds `dir`.
fn volume(mounts: &str, dir: &Path) -> String {
    let holds = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (point, kind, options) = (words.next()?, words.next()?, words.next()?);
        dir.starts_with(point).then_some((point.len(), format!("{kind} ({options})")))
    });
    holds.max_by_key(|(len, _)| *len).map_or_else(unknown, |(_, volume)| volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_is_the_nearest_above() {
        let mounts = "/dev/a / ext4 rw 0 0\n/dev/b /data xfs rw,noatime 0 0\n";
        assert_eq!(volume(mounts, Path::new("/data/x")), "xfs (rw,noatime)");
        assert_eq!(volume(mounts, Path::new("/datax")), "ext4 (rw)");
        assert_eq!(volume("", Path::new("/")), "unknown");
    }
}
