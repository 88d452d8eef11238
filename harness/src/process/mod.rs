//! The operator's command as a child process: killed, traced, made to fail, and held to its receipts.
//!
//! Each check takes the path of the program, a scope and an empty directory on a real file system, and returns a
//! [`Report`]. `cargo test` runs them small, `cargo verify` larger.

pub mod acks;
pub mod archive;
pub mod inject;
pub mod kill;
pub mod lines;
pub mod program;
pub mod short;
pub mod strace;
pub mod traced;

use std::io;
use std::path::{Path, PathBuf};

use crate::report::Report;

/// The name by which the verifier's program is the operator's command.
pub const CHILD: &str = "truelog-child";

/// Why a check ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// An invariant is broken.
    #[error("{invariant}: {says}")]
    Violated {
        /// Its slug.
        invariant: &'static str,
        /// What happened.
        says: String,
    },
    /// Something that the check needs is not there.
    #[error("{0}")]
    Missing(String),
    /// The surroundings failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// On what.
        path: PathBuf,
        /// What was reported.
        source: io::Error,
    },
}

impl Trouble {
    /// A broken invariant.
    pub(crate) fn violated(invariant: &'static str, says: impl Into<String>) -> Self {
        Self::Violated { invariant, says: says.into() }
    }

    /// Wraps an operating system's error with the path it is about.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Puts it into a report; `replay` is the command that shows it again.
    pub(crate) fn into_report(self, report: &mut Report, replay: &str) {
        match self {
            Self::Violated { invariant, says } => report.find(invariant, says, replay),
            Self::Missing(what) => report.incomplete(what),
            Self::Io { .. } => report.environment(self.to_string()),
        }
    }
}

/// A directory of its own on a real disk: beside this program, since where temporary files are kept may be memory.
///
/// # Errors
/// When none can be made there.
pub fn place() -> io::Result<tempfile::TempDir> {
    let own = std::env::current_exe()?;
    tempfile::tempdir_in(own.parent().unwrap_or(Path::new(".")))
}

/// A small generator of random numbers: the checks need few, and must repeat them from a seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Begins with `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        mixed.checked_rem(bound).unwrap_or(0)
    }
}

/// Whether a program can be started under strace; `Err` says loudly what is missing.
///
/// # Errors
/// [`Trouble::Missing`].
pub fn need_strace() -> Result<(), Trouble> {
    let found = std::process::Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    match found {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => {
            Err(Trouble::Missing("strace is there, but may not trace here (ptrace is forbidden)".into()))
        }
        Err(_) => Err(Trouble::Missing("strace is not installed (Debian: apt-get install strace)".into())),
    }
}
