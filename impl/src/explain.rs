//! Codes, next steps and long explanations of the errors.

use truelog_env::{IoError, IoKind};

use crate::error::{Error, NotALog, ReadOnlyWhy};
use crate::names::Name;

/// One row of the table of codes.
struct Row {
    code: &'static str,
    next: &'static str,
    long: &'static str,
}

impl Error {
    fn row(&self) -> &'static Row {
        let number = match self {
            Self::Io { .. } => 1,
            Self::Corrupt { .. } => 2,
            Self::CorruptFile { .. } => 3,
            Self::Poisoned { .. } => 4,
            Self::Abandoned => 5,
            Self::Full { .. } => 6,
            Self::Closed => 7,
            Self::Locked { .. } => 8,
            Self::Exists { .. } => 9,
            Self::Unfinished { .. } => 10,
            Self::Version { .. } => 11,
            Self::Trimmed { .. } => 12,
            Self::Absent { .. } => 13,
            Self::Lost { .. } => 14,
            Self::TooLarge { .. } => 15,
            Self::TooManyStreams { .. } => 16,
            Self::ReadOnly { .. } => 17,
            Self::NotALog { .. } => 18,
            Self::Unsafe { .. } => 19,
            Self::BadOption { .. } => 20,
            Self::Mismatch { .. } => 21,
            Self::Moved { .. } => 22,
            Self::Displaced { .. } => 23,
            Self::BadTicket => 24,
            Self::InDoubt { .. } => 25,
            Self::CorruptBlock { .. } => 26,
            Self::Unavailable { .. } => 27,
            Self::NoSuchDrive { .. } => 28,
            Self::TooFewDrives { .. } => 29,
            Self::LastCopy { .. } => 30,
            Self::ManifestReadable { .. } => 31,
            Self::BadDrive { .. } => 32,
            Self::Gap { .. } => 33,
            Self::MayBeArchived { .. } => 34,
            Self::DriveServes { .. } => 35,
            Self::ClaimViolated { .. } => 36,
        };
        &TABLE[number - 1]
    }

    /// The error's stable code, `TL-nnn`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().code
    }

    /// What to do next, in one sentence.
    #[must_use]
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Io { source: IoError { kind: IoKind::NotAFile, .. }, .. } => {
                "Move away what stands in the file's place, and put the file back from a copy."
            }
            Self::NotALog { why: NotALog::NoParent, .. } => {
                "Make the directory above it first, or mend the path."
            }
            Self::NotALog { why: NotALog::NoIdentity(_), .. } => {
                "Restore the file IDENTITY from a copy of the log's directory: nothing can make it anew."
            }
            Self::CorruptFile { path, .. } if path.ends_with(Name::Identity.to_string()) => {
                "Restore it from a copy of the log's directory; `truelog dump SEGMENT` shows the records meanwhile."
            }
            Self::CorruptFile { path, .. } if path.ends_with(Name::Drive.to_string()) => {
                "Restore it from a copy of the drive; or remove the drive from the log, empty it, and add it again."
            }
            Self::Poisoned { .. } if self.voids_receipts() => {
                "See to the cause first; `truelog verify DIR --receipts FILE` says which receipts still hold."
            }
            Self::ReadOnly { why: ReadOnlyWhy::Damaged(_) | ReadOnlyWhy::FileDamaged(_) } => {
                "See `truelog verify DIR`; restore what is damaged from a copy, or `truelog accept-loss DIR`."
            }
            _ => self.row().next,
        }
    }
}

/// The long explanation of a code such as `TL-006`; upper and lower case are the same. `None` for a code
/// that does not exist.
#[must_use]
pub fn explain(code: &str) -> Option<&'static str> {
    TABLE.iter().find(|row| row.code.eq_ignore_ascii_case(code)).map(|row| row.long)
}

/// All codes, ascending.
pub fn codes() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.code)
}

static TABLE: [Row; 36] = [
    Row {
        code: "TL-001",
        next: "See what the operating system reports, mend it, and open the log again.",
        long: "\
An operation of the file system failed. The message names the operation, the path and the number that \
the operating system gave. If it was a write or a sync of the active segment, the manifest or the \
directory, the log is poisoned too (TL-004): nothing more is written through the handle, and nothing \
that was in flight is acknowledged. What was acknowledged before is not affected. Mend the cause and \
open the log again; recovery decides what is there. A read that fails says nothing about the records: \
they are not called damaged, and `truelog accept-loss` gives up nothing meanwhile. `truelog verify` and \
`truelog cat` name them and go on behind their segment, unless what failed is what every look begins \
with: the manifest, a segment's header and first batch, or the last segment.",
    },
    Row {
        code: "TL-002",
        next: "Restore the segment from a copy, or give up the named records: `truelog accept-loss DIR`.",
        long: "\
Records that something else durable vouches for (a later batch, the manifest, an idle mark) cannot be \
read from their segment. This is damage, not the end of a write that a crash cut short: those bytes were \
whole once. The LSN range is named, and nothing is cut or overwritten. Every record outside the range \
stays readable; the log opens for reading only. If you have a copy of the segment file, put it back. \
Otherwise `truelog accept-loss DIR` records durably that the range is given up, and appends go on behind \
it.",
    },
    Row {
        code: "TL-003",
        next: "Restore the named file from a copy of the log's directory, or give it up: `truelog accept-loss DIR`.",
        long: "\
The identity, the manifest or a segment's header is damaged, missing, or not the one that belongs here. \
These files are replaced by rename after a sync, so no crash leaves them half written: the bytes were \
damaged later, or a file was copied into the directory. Nothing is guessed in their place. Restore the \
file from a copy. If there is none, the records can still be read with `truelog cat DIR` and `truelog dump \
SEGMENT`, and `truelog accept-loss DIR` gives up a manifest or a segment, but not the identity: it writes \
the manifest anew, with the options of its command line; of a segment that still has records it writes the header and \
the length anew; one that has none it puts aside as `quarantined-segment-N`, and never uses the LSNs again that may have \
been in it.",
    },
    Row {
        code: "TL-004",
        next: "Close this handle and open the log again; receipts already handed out still hold.",
        long: "\
A write or a sync failed earlier, or the written file lost its name. After a failed sync the operating \
system may have dropped the data and may report the next sync as a success, so trying again would prove \
nothing. The handle therefore refuses everything that writes, for ever, and repeats the first cause. \
Receipts handed out before still hold, unless the cause is that a file lost its name (TL-023) or that an audit did \
not find what a receipt says (TL-036): then `truelog verify DIR --receipts FILE` says which do. Appends that were in \
flight are unresolved: after the next open each of them is either there, whole, or absent.",
    },
    Row {
        code: "TL-005",
        next: "Find the panic in the program's output, mend it, and open the log again.",
        long: "\
The thread that led a commit panicked while it wrote. What it wrote is unknown, so the log is poisoned \
and everybody who waited is told. Open the log again; recovery decides what is there.",
    },
    Row {
        code: "TL-006",
        next: "Free space on the volume, or trim the log; then append again.",
        long: "\
No space could be made ready for the record: the volume or a quota is full. This is found out before the \
record gets an LSN, so nothing was appended, nothing has to be undone, and the log is not poisoned. Free \
space, or trim the log. A log does not take the last space of its volume: it leaves enough for another open, \
which writes a new manifest, so that `truelog trim` works behind this error. Where others have taken that, too, \
a trim works only through a handle that is open; an open reads only (TL-017), and space must be freed first.",
    },
    Row {
        code: "TL-007",
        next: "Open the log again.",
        long: "\
The log was closed through another reference to the same handle.",
    },
    Row {
        code: "TL-008",
        next: "Stop the other process, or read beside it with `truelog cat`, which takes no lock.",
        long: "\
The directory's lock is held by another handle, in this process or in another. Two writers would destroy \
the log, so there is one at a time. The lock is the operating system's, goes by inode and ends with the \
process that holds it: there is no lock file to remove. Inspection takes no lock and works beside a \
writer.",
    },
    Row {
        code: "TL-009",
        next: "Open it instead of creating it, or choose another directory.",
        long: "\
The directory holds a log already, and a create never touches a log.",
    },
    Row {
        code: "TL-010",
        next: "If a log with records should be here, see first whether its volume is mounted; do not create. \
               Otherwise run `truelog create DIR` again; it resumes.",
        long: "\
The directory has no identity yet: a create began and did not end, or never began. Nobody was ever told \
of a record in it. Create resumes in a directory that is empty or holds only what a create writes \
itself. If you expect a log with records here, do not create: look whether the right volume is mounted.",
    },
    Row {
        code: "TL-011",
        next: "Use the program that wrote it.",
        long: "\
The file was written in a version of the format that this program does not know: a newer one, or, where version 0 is \
named, one from before the first release, which no released program reads. Its checksum holds, so it is not damaged. It \
is refused by name, rather than read by guessing. Nothing was changed.",
    },
    Row {
        code: "TL-012",
        next: "Read from the first record that is kept.",
        long: "\
The record was removed by an explicit trim. The message names the first record that is kept.",
    },
    Row {
        code: "TL-013",
        next: "Wait for the record with a tailing reader, or read up to the last one.",
        long: "\
There is no record with this LSN, or it is not durable yet: an open log serves only what is durable.",
    },
    Row {
        code: "TL-014",
        next: "Restore the records from elsewhere if you need them.",
        long: "\
The records were damaged, and an operator gave them up with `truelog accept-loss`, which is recorded \
durably in the manifest. They will never be returned as data.",
    },
    Row {
        code: "TL-015",
        next: "Split the record, or create the log with a larger `max_batch_bytes`.",
        long: "\
The record, or the batch of records that must go in together, is larger than the option \
`max_batch_bytes` allows. Each record takes 32 bytes of framing besides its payload.",
    },
    Row {
        code: "TL-016",
        next: "Use fewer streams, or create the log with a larger `max_streams`.",
        long: "\
The append would have begun a new stream, and the log has as many as the option `max_streams` allows. \
The table of all streams is repeated in each segment, so it is bounded.",
    },
    Row {
        code: "TL-017",
        next: "Do what the reason asks for, then open the log again.",
        long: "\
The handle only reads. The log is damaged (see TL-002 and TL-003), or recovery could not write because \
the disk is full or read-only. Reading works, outside of what is damaged. Appends, trims and everything \
else that writes are refused.",
    },
    Row {
        code: "TL-018",
        next: "If a log with records should be here, see first whether its volume is mounted; do not create. \
               Otherwise check the path; `truelog create DIR` makes a new log.",
        long: "\
The directory does not exist, is not a directory, holds a name that no log writes, or holds segments \
without an identity. Nothing is created when a log is opened: an empty directory where a log should be \
is most often a volume that is not mounted.",
    },
    Row {
        code: "TL-019",
        next: "Use a volume that honours syncs, or ask for `process-crash` and say so.",
        long: "\
Durability `power-loss` was asked for on a volume that cannot give it: a file system in memory, an \
overlay mounted `volatile`, or one mounted without barriers. The promise is refused rather than \
weakened. Durability `process-crash` is possible there.",
    },
    Row {
        code: "TL-020",
        next: "Change the option as the message says.",
        long: "\
An option has a value that cannot be, on its own or together with the others or with the volume. All \
options are checked before anything is touched.",
    },
    Row {
        code: "TL-021",
        next: "Open the log with the stored value, or create a new log with the other.",
        long: "\
The option is stored with the log since its creation, and the one given is different. The message says \
both values. Opening with another value would change what the log promises without saying so.",
    },
    Row {
        code: "TL-022",
        next: "If this copy is to be the log from now on, run `truelog adopt DIR`.",
        long: "\
The identity records the directory's inode and its file system, and the log is elsewhere now: it was \
copied, restored or moved. Two copies that are both written to would give out the same LSNs twice. If \
this copy is the one that goes on, `truelog adopt DIR` says so durably, and begins a new epoch. Reading \
by inspection works without.",
    },
    Row {
        code: "TL-023",
        next: "Find out who removed or replaced the file, then open the log again.",
        long: "\
After the sync, the segment's path did not lead to the file that had been written, or that file had \
become shorter. Bytes in a file without a name are lost when it is closed, so they were not \
acknowledged, and the log is poisoned. Something outside of this program removed, replaced or cut the \
file. What had been acknowledged in it before is gone with it, unless the file is put back: \
`truelog verify DIR --receipts FILE` says which receipts still hold.",
    },
    Row {
        code: "TL-024",
        next: "Wait for a ticket once, at the handle that gave it out.",
        long: "\
The ticket was given out by another handle, or was waited for already.",
    },
    Row {
        code: "TL-025",
        next: "Make the directory anew (`truelog explain TL-025` says how), or try again after a restart of the machine.",
        long: "\
An earlier create or adopt of this directory began to make names and bytes durable, and did not end: a \
sync failed, or the process was killed. After a failed sync the operating system may call the next one a \
success although nothing reached the disk, so trying again would prove nothing, and a log might be \
acknowledged whose name a loss of power takes. For a create: remove the directory, and any directory above \
it that was new and could not be synced (the first failure named it), make them again, and create. For an \
adopt: remove the copy, and copy the log again. After a restart of the machine only what the disk holds can \
be seen, so there the same command may simply be tried again. The name IN-DOUBT-... in the directory carries \
the boot that this is about; do not remove it by hand.",
    },
    Row {
        code: "TL-026",
        next: "Run `truelog scrub DIR`: it says which copies are damaged, and repairs what it can.",
        long: "\
A block of the archive was read from every copy that can be reached, and none of them is what was written. The \
message names the records, and no others are affected. Nothing was returned in their place. If a drive that has \
another copy is away (`truelog drives DIR` says so), bring it back and read again; otherwise a scrub \
lists what is lost.",
    },
    Row {
        code: "TL-027",
        next: "Bring one of the named drives back: `truelog drives DIR` says where each was and why it does not serve.",
        long: "\
The records are in the archive, in a run of which no whole copy can be reached: each drive that has one is missing, is \
another one than it should be, is stale, or has a copy that is damaged, and at least one of them cannot be looked at. \
Nothing says that the records are lost. Mount the drive again at its \
path, or add its directory under the new path with `truelog drives DIR add DRIVE_DIR`, which knows it by its identity.",
    },
    Row {
        code: "TL-028",
        next: "Use a number that `truelog drives DIR` lists.",
        long: "\
A command named a drive by a number that the log's manifest does not know. Drives are numbered from 0 in the order \
in which they were added; a number whose drive was removed may have been given again.",
    },
    Row {
        code: "TL-029",
        next: "Add a drive (`truelog drives DIR add DRIVE_DIR`), free space on one, or bring back one that does not serve.",
        long: "\
The archive keeps a number of copies of each block, each on a drive of its own, and fewer drives than that serve, \
can be written to and have room. Nothing is archived with fewer copies than were asked for: the segments stay where \
they are, and appends go on as long as the log's own volume has space.",
    },
    Row {
        code: "TL-030",
        next: "Let the archive make another copy first (`truelog compact DIR`), or bring another drive back.",
        long: "\
The drive cannot be removed from the log: it has the last copy that serves of at least one run. Once another drive \
serves, the archive copies that run to it, and the drive can go. Nothing on the drive was touched.",
    },
    Row {
        code: "TL-031",
        next: "Open the log as it is.",
        long: "\
A rebuild of the manifest was asked for, but the manifest can be read. What it says is worth more than what could be \
put together from drives, so nothing was changed.",
    },
    Row {
        code: "TL-032",
        next: "Give the directories of this log's own drives, each with the file DRIVE in it; if the log was rolled back, see docs/OPERATING.md.",
        long: "\
A rebuild or an add was given a directory that is no drive, or a drive of another log or of another copy of this log, \
or a drive that knows of another history of this log: its copy of the manifest is newer than the log's, or is not one \
that this log has written. Were it added, runs would be removed from it that are the last copies of what a rollback \
has cut off. The message says which. Nothing was changed.",
    },
    Row {
        code: "TL-033",
        next: "Give the drives that have these records too; if they were trimmed, say so with --trimmed-before.",
        long: "\
The manifest cannot be rebuilt from what was found: the named records are in no run on the given drives and in no \
segment. Most often a drive was left out. If all records before one were given up by a trim, and the copies of the \
manifest on the drives are older than that, only the operator knows: `--trimmed-before LSN` says so. If a drive with \
the only copy is gone for good, `truelog accept-loss DIR --no-archive` gives up everything that is not in the log's \
own segments. Nothing was changed.",
    },
    Row {
        code: "TL-034",
        next: "Run `truelog rebuild-manifest DIR --drive DRIVE_DIR`; only if the log never had drives, or they are gone \
               for good, `truelog accept-loss DIR --no-archive`.",
        long: "\
The manifest cannot be read, and the oldest records are in none of the log's segments. Only the manifest knows whether \
such records were trimmed or are in the archive. Were they given up now, they would never be returned again, though \
they may be whole on the drives. A rebuild reads the drives and puts the manifest together again. Nothing was changed.",
    },
    Row {
        code: "TL-035",
        next: "To forget a drive that can be reached, run `truelog drives DIR remove N`.",
        long: "\
An accept-loss was told that a drive is gone for good, but the drive is there. Records of which it has the only copy \
are not lost, so they are not given up. Nothing was changed.",
    },
    Row {
        code: "TL-036",
        next: "Keep the directory as it is and copy it, then run `truelog verify DIR`; do not go on writing before that.",
        long: "\
The log's auditor read acknowledged records again, through a fresh descriptor and past the page cache, and \
they are not there as their receipts say. A disk lost or changed bytes that it had said were stored, or somebody \
changed, cut or replaced a file under the running writer. The log has stopped: nothing more is acknowledged \
through the handle, and the manifest entries which records it is about, so that a reader beside it and the next \
open know. Copy the directory before anything else. `truelog verify DIR` reads everything and names all that is \
damaged; restore the segment from a copy, or give the records up by `truelog accept-loss DIR`.",
    },
];

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use truelog_env::{Op, Weakness};

    use super::*;
    use crate::archive::set::DriveSet;
    use crate::error::Reason;
    use crate::lsn::{DriveNo, Lsn, LsnRange, RunNo, SegmentNo};

    /// One of each; the match in [`Error::row`] makes the compiler ask for a code for any new one.
    fn one_of_each() -> Vec<Error> {
        let path = PathBuf::from("/log");
        let dir = path.clone();
        let source = IoError::new(Op::Write, IoKind::Device);
        let lsns = LsnRange::new(Lsn(1), Lsn(2));
        vec![
            Error::io(&path, source),
            Error::Corrupt { segment: SegmentNo(1), offset: 0, lsns, reason: Reason::Checksum },
            Error::CorruptFile { path: path.clone(), offset: 0, reason: Reason::Checksum },
            Error::Closed.poisoned(),
            Error::Abandoned,
            Error::Full { path: path.clone(), source },
            Error::Closed,
            Error::Locked { dir: dir.clone() },
            Error::Exists { dir: dir.clone() },
            Error::Unfinished { dir: dir.clone() },
            Error::Version { path: path.clone(), found: 2, supported: 1 },
            Error::Trimmed { lsn: Lsn(1), first: Lsn(2) },
            Error::Absent { lsn: Lsn(1), next: Lsn(1) },
            Error::Lost { lsns },
            Error::TooLarge { len: 2, limit: 1 },
            Error::TooManyStreams { limit: 1 },
            Error::ReadOnly { why: ReadOnlyWhy::Inspection },
            Error::NotALog { dir: dir.clone(), why: NotALog::Missing },
            Error::Unsafe { dir: dir.clone(), why: Weakness::Memory },
            Error::BadOption { option: "block_size", value: "1".into(), why: "it is too small" },
            Error::Mismatch { option: "block_size", expected: "1".into(), found: "2".into() },
            Error::Moved { dir, what: "inode", expected: 1, found: 2 },
            Error::Displaced { path },
            Error::BadTicket,
            Error::InDoubt { dir: "/log".into() },
            Error::CorruptBlock { run: RunNo(1), offset: 0, lsns, reason: Reason::Checksum },
            Error::Unavailable { run: RunNo(1), lsns, drives: DriveSet::EMPTY },
            Error::NoSuchDrive { drive: DriveNo(1) },
            Error::TooFewDrives { found: 1, copies: 2 },
            Error::LastCopy { drive: DriveNo(1), run: RunNo(1) },
            Error::ManifestReadable { path: "/log/MANIFEST".into() },
            Error::BadDrive { dir: "/drive".into(), why: crate::archive::drive::DriveOut::Empty },
            Error::Gap { lsns },
            Error::MayBeArchived { lsns },
            Error::DriveServes { drive: DriveNo(1), dir: "/drive".into() },
            Error::ClaimViolated { lsns, cause: Box::new(Error::Displaced { path: "/log".into() }) },
        ]
    }

    #[test]
    fn a_log_that_lost_its_bytes_does_not_say_that_receipts_hold() {
        let displaced = Error::Displaced { path: "/log".into() }.poisoned().next_step();
        assert!(displaced.contains("says which receipts still hold"), "{displaced}");
        let other = Error::Abandoned.poisoned().next_step();
        assert!(other.contains("receipts already handed out still hold"), "{other}");
    }

    #[test]
    fn every_variant_has_a_code_of_its_own_a_next_step_and_an_explanation() {
        let errors = one_of_each();
        let found: Vec<_> = errors.iter().map(Error::code).collect();
        assert_eq!(found, codes().collect::<Vec<_>>(), "one of each, in the order of the codes");
        for (number, error) in (1..).zip(&errors) {
            assert_eq!(error.code(), format!("TL-{number:03}"));
            assert!(error.next_step().ends_with('.'), "{}", error.code());
            assert!(!error.to_string().is_empty());
            assert_eq!(explain(error.code()), Some(error.row().long));
            assert!(error.row().long.len() > 60, "{}", error.code());
        }
        assert_eq!(explain("tl-001"), explain("TL-001"));
        assert_eq!(explain("TL-999"), None);
    }
}
