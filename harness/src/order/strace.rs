//! From the system calls that strace saw to what was seen of a run: the same entries as from the simulated disk.

use std::collections::HashMap;
use std::path::Path;

use truelog_env::{IoKind, Op};
use truelog_spec::step::{Durability, Lsns};

use super::seen::{Call, HEAD, Result as Ended, Seen};
use crate::fabric::Role;
use crate::process::strace::{Outcome, Syscall};

/// A system call on a file of the log that nobody has said anything about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSeen {
    /// It is not known here, and it is made on a file of the log.
    #[error("line {line}: {name} on {role}, which is no call that the engine makes")]
    Unknown {
        /// The line of strace's output, from 1.
        line: usize,
        /// The call.
        name: String,
        /// The file.
        role: Role,
    },
    /// The times of a segment are asked for, so that the next sync of it writes its inode as well.
    #[error("line {line}: {role}: it is asked for its times, which makes each later sync a write dearer")]
    Times {
        /// The line of strace's output, from 1.
        line: usize,
        /// The file.
        role: Role,
    },
    /// A line of standard output is no receipt.
    #[error("line {line}: this is no receipt: {text}")]
    NoReceipt {
        /// The line of strace's output, from 1.
        line: usize,
        /// What was printed.
        text: String,
    },
}

/// What a program prints on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prints {
    /// Receipts, one a line.
    Receipts,
    /// Nothing that matters here.
    Anything,
}

/// Translates the calls of one process for the log in `dir`, an absolute path. Receipts printed on standard
/// output, one JSON object a line, are the acknowledgements: at the moment when the printing begins. Of strings strace
/// must have shown enough: a receipt's line, and the first [`HEAD`] bytes of what is written to the log.
///
/// # Errors
/// When a call on a file of the log is not known, or a line is no receipt.
pub fn seen(calls: &[Syscall], dir: &Path, prints: Prints) -> Result<Vec<Seen>, NotSeen> {
    let mut reader =
        Reader { dir, prints, through: HashMap::new(), lock: None, out: Vec::new(), entries: Vec::new() };
    for (number, call) in (1..).zip(calls) {
        reader.call(number, call)?;
    }
    // Where a call's two edges share a line, its beginning was pushed first; the sort is stable.
    reader.entries.sort_by_key(|(line, _)| *line);
    Ok(reader.entries.into_iter().map(|(_, seen)| seen).collect())
}

struct Reader<'a> {
    dir: &'a Path,
    prints: Prints,
    /// Which descriptors were opened for write-through.
    through: HashMap<i32, bool>,
    /// The descriptor that holds the directory's lock.
    lock: Option<i32>,
    /// What was printed and is no whole line yet.
    out: Vec<u8>,
    entries: Vec<(usize, Seen)>,
}

impl Reader<'_> {
    fn call(&mut self, number: u64, call: &Syscall) -> Result<(), NotSeen> {
        if call.name == "write" && call.descriptor(0) == Some(1) {
            return self.printed(call);
        }
        if call.name == "close" {
            self.closed(call);
            return Ok(());
        }
        let Some(seen) = self.translate(call)? else { return Ok(()) };
        self.entries.push((call.begin, Seen::Begin(number, seen)));
        if let Some(line) = call.end {
            self.entries.push((line, Seen::End(number, ended(call))));
        }
        Ok(())
    }

    fn closed(&mut self, call: &Syscall) {
        if let Some(descriptor) = call.descriptor(0) {
            self.through.remove(&descriptor);
            if self.lock.take_if(|lock| *lock == descriptor).is_some() {
                self.entries.push((call.begin, Seen::Unlock));
            }
        }
    }

    /// What the call is; nothing if it is none of the log's business.
    fn translate(&mut self, call: &Syscall) -> Result<Option<Call>, NotSeen> {
        let at = |index: usize| call.path(index).map(|path| Role::of(&path, self.dir));
        let of = |index: usize| call.file(index).map(|path| Role::of(path, self.dir));
        let plain = |op: Op, role: Option<Role>| role.map(|role| Call::plain(op, role));
        let seen = match call.name.as_str() {
            "openat" => {
                let op = if call.has_flag(2, "O_CREAT") { Op::Create } else { Op::Open };
                let through = call.has_flag(2, "O_DSYNC") || call.has_flag(2, "O_SYNC");
                if let Some(descriptor) = call.value().and_then(|value| i32::try_from(value).ok()) {
                    self.through.insert(descriptor, through);
                }
                plain(op, at(1))
            }
            "mkdir" => plain(Op::CreateDir, at(0)),
            "mkdirat" => plain(Op::CreateDir, at(1)),
            "unlink" => plain(Op::Unlink, at(0)),
            "unlinkat" => plain(Op::Unlink, at(1)),
            "rename" => plain(Op::Rename, at(0)).map(|rename| Call { to: at(1), ..rename }),
            "renameat" | "renameat2" => plain(Op::Rename, at(1)).map(|rename| Call { to: at(3), ..rename }),
            "fsync" => of(0).map(|role| match role {
                Role::LogDir | Role::Ancestor => Call::plain(Op::SyncDir, role),
                _ => Call::plain(Op::SyncAll, role),
            }),
            "fdatasync" => plain(Op::SyncData, of(0)),
            "fallocate" => plain(Op::Allocate, of(0)),
            "ftruncate" => plain(Op::SetLen, of(0)),
            "pwrite64" | "write" => of(0).map(|role| self.write(call, role)),
            "flock" => {
                if call.succeeded() && of(0) == Some(Role::LogDir) {
                    self.lock = call.descriptor(0);
                }
                plain(Op::Lock, of(0))
            }
            "statx" | "newfstatat" | "stat" | "lstat" | "fstat" => return self.look(call),
            "read" | "pread64" => plain(Op::Read, of(0)),
            "getdents64" => plain(Op::ReadDir, of(0)),
            // Nor does a hint: what it has on its way is no more durable than before.
            "sync_file_range" => None,
            // Questions about a descriptor change nothing and order nothing.
            "statfs" | "fstatfs" | "fcntl" | "lseek" | "readlink" | "readlinkat" | "access" | "faccessat"
            | "faccessat2" | "fadvise64" | "execve" | "chdir" | "getcwd" => None,
            _ => {
                let roles = (0..call.args.len()).filter_map(|index| of(index).or_else(|| at(index)));
                match roles.into_iter().find(|role| {
                    !matches!(role, Role::Foreign | Role::Ancestor | Role::Drive(_) | Role::OnDrive(..))
                }) {
                    Some(role) => {
                        return Err(NotSeen::Unknown { line: call.begin, name: call.name.clone(), role });
                    }
                    None => None,
                }
            }
        };
        Ok(seen.filter(Self::is_ours))
    }

    /// What is outside of the log's directory is somebody else's, but for the names that lead to it.
    const fn is_ours(call: &Call) -> bool {
        !matches!(call.role, Role::Foreign | Role::Drive(_) | Role::OnDrive(..))
    }

    /// A question about a name, or about a descriptor. The latter changes nothing and orders nothing.
    fn look(&self, call: &Syscall) -> Result<Option<Call>, NotSeen> {
        let path = match call.name.as_str() {
            "fstat" => None,
            "stat" | "lstat" => call.path(0),
            _ => call.path(1).filter(|_| call.bytes(1).is_some_and(|path| !path.is_empty())),
        };
        let file = path.clone().or_else(|| call.file(0).map(Path::to_path_buf));
        let role = file.map(|path| Role::of(&path, self.dir));
        let times = ["STATX_ATIME", "STATX_MTIME", "STATX_CTIME", "STATX_BASIC_STATS", "STATX_ALL"];
        let asks = call.name != "statx" || times.iter().any(|time| call.has_flag(3, time));
        if let Some(role) = role.filter(|role| asks && matches!(role, Role::Segment(_) | Role::SegmentTmp(_)))
        {
            return Err(NotSeen::Times { line: call.begin, role });
        }
        let seen = path.map(|path| Call::plain(Op::Metadata, Role::of(&path, self.dir)));
        Ok(seen.filter(Self::is_ours))
    }

    fn write(&self, call: &Syscall, role: Role) -> Call {
        let through =
            call.descriptor(0).and_then(|number| self.through.get(&number)).copied().unwrap_or(false);
        let number =
            |index: usize| call.number(index).and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        let head = call.bytes(1).map(|bytes| bytes[..bytes.len().min(HEAD)].to_vec()).unwrap_or_default();
        Call { through, offset: number(3), len: number(2), head, ..Call::plain(Op::Write, role) }
    }

    fn printed(&mut self, call: &Syscall) -> Result<(), NotSeen> {
        if self.prints == Prints::Anything {
            return Ok(());
        }
        let written = call.value().and_then(|value| usize::try_from(value).ok()).unwrap_or(0);
        let bytes = call.bytes(1).unwrap_or_default();
        self.out.extend_from_slice(&bytes[..bytes.len().min(written)]);
        while let Some(end) = self.out.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.out.drain(..=end).collect();
            let ack = receipt(&line).ok_or_else(|| NotSeen::NoReceipt {
                line: call.begin,
                text: String::from_utf8_lossy(&line).trim().to_owned(),
            })?;
            self.entries.push((call.begin, ack));
        }
        Ok(())
    }
}

/// The acknowledgement that a printed receipt is.
fn receipt(line: &[u8]) -> Option<Seen> {
    let receipt: serde_json::Value = serde_json::from_slice(line).ok()?;
    let durability: Durability = match receipt.get("durability") {
        Some(named) => named.as_str()?.parse().ok()?,
        None => Durability::PowerLoss,
    };
    Some(Seen::Ack(Lsns::one(receipt.get("lsn")?.as_u64()?), durability))
}

fn ended(call: &Syscall) -> Ended {
    match &call.outcome {
        Outcome::Value(value) => Ended::Ok(u64::try_from(*value).unwrap_or(0)),
        Outcome::Unknown => Ended::Ok(0),
        Outcome::Error(name) => Ended::Failed(match name.as_str() {
            "ENOENT" => IoKind::NotFound,
            "EEXIST" => IoKind::AlreadyExists,
            "ENOSPC" | "EDQUOT" => IoKind::NoSpace,
            "EROFS" => IoKind::ReadOnly,
            "EINTR" => IoKind::Interrupted,
            "EAGAIN" => IoKind::Locked,
            "EIO" => IoKind::Device,
            _ => IoKind::Unknown,
        }),
    }
}
