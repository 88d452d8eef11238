//! Running a path under callgrind.

use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::process::Command;

use super::paths::Path;

/// The C library's plain copy loops, whatever this processor could do better: `rep movsb` counts each byte as an
/// instruction on one machine, and is not used on another.
const PLAIN_COPIES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX,-ERMS,-FSRM,-Fast_Unaligned_Copy";

/// Why a path's instructions could not be counted.
#[derive(Debug, thiserror::Error)]
pub enum Uncounted {
    /// Valgrind is not there.
    #[error("valgrind is not installed (a Debian package); nothing was counted")]
    Missing,
    /// A program could not be run, or a file not be read.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The path failed.
    #[error("{path} under callgrind: {says}")]
    Failed {
        /// Its name.
        path: &'static str,
        /// What it said.
        says: String,
    },
    /// Callgrind counted nothing: it did not find the function, so that the number would mean nothing.
    #[error("{path}: callgrind counted nothing")]
    Nothing {
        /// The path's name.
        path: &'static str,
    },
}

/// Counts the instructions of one operation of `path`, in a directory of its own below `scratch`.
///
/// # Errors
/// See [`Uncounted`].
pub fn count(path: &Path, scratch: &FilePath) -> Result<u64, Uncounted> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source| Uncounted::Io { what, source }
    };
    let program = std::env::current_exe().map_err(io("this program"))?;
    let dir = tempfile::tempdir_in(scratch).map_err(io("a directory to work in"))?;
    let out: PathBuf = dir.path().join("callgrind.out");
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--toggle-collect=*instructions::paths::measured*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .env("GLIBC_TUNABLES", PLAIN_COPIES)
        .arg(program)
        .args(["hot-path", path.name])
        .arg(dir.path())
        .output();
    let ran = match ran {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Uncounted::Missing),
        other => other.map_err(io("valgrind"))?,
    };
    if !ran.status.success() {
        return Err(Uncounted::Failed {
            path: path.name,
            says: String::from_utf8_lossy(&ran.stderr).trim().to_owned(),
        });
    }
    let text = std::fs::read_to_string(&out).map_err(io("callgrind's output"))?;
    match total(&text) {
        Some(total) if total >= path.times => Ok(total / path.times),
        _ => Err(Uncounted::Nothing { path: path.name }),
    }
}

/// The sum over all functions, out of callgrind's file.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: "))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_and_its_lack_is_no_zero() {
        assert_eq!(total("version: 1\nsummary: 7\n\nfn=a\n1 7\ntotals: 4711\n"), Some(4711));
        assert_eq!(total("version: 1\n"), None);
    }
}
