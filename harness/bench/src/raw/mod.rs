//! The limits: what the disk and the processor give to loops that do nothing but the work.
//!
//! Each puts its records into blocks with a CRC-32C, as any log must, and nothing else.

pub mod aligned;
mod direct;
mod fio;
mod flusher;
mod gather;
mod growing;
mod pread;
mod read;
mod unpack;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::bars::SUBJECT;
use crate::measure::Sample;
use crate::payload::SMALL;
use crate::plan::Task;
use crate::results::Role;
use crate::workloads::Workload;

pub use read::write_scanned;

/// The bytes in front of a record: its length and its CRC-32C.
pub const HEADER: usize = 16;
/// A record with its header.
pub const FRAMED: usize = HEADER + SMALL;
/// The unit that the disk writes.
pub const BLOCK: usize = 4096;

/// One of the limits, as data.
pub struct Raw {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// The workloads whose limit it is, or, for fio, that it is held against.
    pub workloads: &'static [Workload],
    /// What it is in the tables: a limit, most often.
    pub role: Role,
    /// Runs it.
    pub run: fn(&Task) -> Result<Sample>,
}

/// All of them.
pub const RAWS: [Raw; 9] = [
    Raw {
        name: "raw-direct",
        about: "one writer, O_DIRECT|O_DSYNC, into zeroed space",
        workloads: &[Workload::Append1, Workload::Batch64],
        role: Role::Limit,
        run: direct::run,
    },
    Raw {
        name: "raw-flusher",
        about: "one flusher writes all that waits, O_DIRECT|O_DSYNC into zeroed space; writers sleep on a futex",
        workloads: &[Workload::Append16, Workload::Append64],
        role: Role::Limit,
        run: flusher::run,
    },
    Raw {
        name: "raw-gather",
        about: "a writer leads and waits up to 100 us for the others, else as raw-flusher",
        workloads: &[Workload::Append16, Workload::Append64],
        role: Role::Limit,
        run: gather::run,
    },
    Raw {
        name: "raw-growing",
        about: "a growing file, written by the MiB, one fdatasync",
        workloads: &[Workload::Bulk],
        role: Role::Limit,
        run: growing::run,
    },
    Raw {
        name: "raw-read",
        about: "a file read by the MiB into aligned memory, the CRC-32C of each record checked",
        workloads: &[Workload::Scan],
        role: Role::Limit,
        run: read::scan,
    },
    Raw {
        name: "raw-pread",
        about: "pread of a record of truelog's own files at random, by one who knows where it is, its CRC-32C checked",
        workloads: &[Workload::Get],
        role: Role::Limit,
        run: pread::run,
    },
    Raw {
        name: "raw-archive",
        about: "the compressed bytes of the archive read in order by the MiB",
        workloads: &[Workload::Archive],
        role: Role::Limit,
        run: read::archive,
    },
    Raw {
        name: "raw-unpack",
        about: "the same, each block's CRC-32C checked and its LZ4 unpacked on as many threads as processors",
        workloads: &[Workload::Archive],
        role: Role::Unpacking,
        run: unpack::run,
    },
    Raw {
        name: "fio",
        about: "fio doing what the limit does, without checksums",
        workloads: &[Workload::Append1, Workload::Bulk, Workload::Scan],
        role: Role::Reference,
        run: fio::run,
    },
];

/// Whose log a contender reads: its own, but for the limit of reads at random, which reads the very files of Truelog.
pub fn log_of(contender: &str) -> &str {
    if contender == "raw-pread" { SUBJECT } else { contender }
}

/// Whether fio can be run here.
pub fn has_fio() -> bool {
    fio::version().is_some()
}

/// fio's own version.
pub fn fio_version() -> Option<String> {
    fio::version()
}

/// Puts a record and its header into `into`, which has room for exactly both.
pub fn frame(record: &[u8], into: &mut [u8]) {
    let (header, body) = into.split_at_mut(HEADER);
    header[..8].copy_from_slice(&(record.len() as u64).to_le_bytes());
    header[8..].copy_from_slice(&u64::from(crc32c::crc32c(record)).to_le_bytes());
    body.copy_from_slice(record);
}

/// The record in a frame, if its header is true.
pub fn unframe(framed: &[u8]) -> Option<&[u8]> {
    let (header, body) = framed.split_at_checked(HEADER)?;
    let (len, crc) = header.split_at(8);
    let len = usize::try_from(u64::from_le_bytes(len.try_into().ok()?)).ok()?;
    let record = body.get(..len)?;
    (u64::from_le_bytes(crc.try_into().ok()?) == u64::from(crc32c::crc32c(record))).then_some(record)
}

/// The file of a limit in its directory, which is made.
fn file_in(dir: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(dir)?;
    Ok(dir.join("raw"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_and_a_damaged_one_does_not() {
        let record = [7; 100];
        let mut framed = [0; HEADER + 100];
        frame(&record, &mut framed);
        assert_eq!(unframe(&framed), Some(&record[..]));
        for at in [0, 8, 50] {
            let mut damaged = framed;
            damaged[at] ^= 1;
            assert_eq!(unframe(&damaged), None, "byte {at}");
        }
    }
}
