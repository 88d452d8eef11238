//! What the engine does, at the grain of file-system calls.

use std::fmt;

use super::client::{TicketNo, Writer};
use super::drive::{self, DriveNo, Drives, OnDrive, RunNo, RunSpec};
use super::name::{BatchNo, Durability, EditNo, Lsn, Lsns, Role, SegmentNo};
use crate::text::{ParseError, Words, words};

words! {
    /// How a call ended. Left out of the text where it is `done`.
    Ended, "how a call ended" {
        /// It did what it was asked to.
        Done = "done",
        /// It did a part (of a write), or was interrupted, and says so: the rest is another step.
        Short = "short",
        /// It failed.
        Failed = "failed",
    }
}

words! {
    /// What a sync of a file covers.
    SyncKind, "a kind of sync" {
        /// Data, length and extents: `fdatasync`.
        Data = "sync-data",
        /// All of the file: `fsync`.
        All = "sync-all",
    }
}

words! {
    /// What the look at the path after a sync found.
    PathCheck, "what a path leads to" {
        /// The same file, long enough.
        Same = "same",
        /// No file.
        Gone = "gone",
        /// Another file.
        Other = "other",
        /// The same file, too short.
        Short = "short",
    }
}

words! {
    /// What reading a copy back has shown.
    Verdict, "a verdict on a copy" {
        /// Each byte is what was to be written.
        Good = "good",
        /// It is not.
        Bad = "bad",
    }
}

words! {
    /// A row of recovery's decision table. Exactly one row matches each invalid point, segment and name met.
    Row, "a row of the recovery table" {
        /// The segment holds no valid batch: it is empty, and void.
        EmptySegment = "empty-segment",
        /// Only zeros follow the last valid batch, and something else durable vouches for all of it.
        CleanEnd = "clean-end",
        /// The bytes at the end are invalid, and nothing vouches for them: a torn tail, cut.
        TornTail = "torn-tail",
        /// Valid batches that nothing vouches for: written again before open returns.
        UnvouchedTail = "unvouched-tail",
        /// An invalid point at or below what a later batch or watermark vouches for: damage.
        VouchedHole = "vouched-hole",
        /// The tail ends below what a watermark outside it vouches for: damage.
        VouchedTailMissing = "vouched-tail-missing",
        /// The segments do not link up: the predecessor does not end where the next segment says.
        BrokenLink = "broken-link",
        /// The manifest names a segment that is not there: damage.
        SegmentMissing = "segment-missing",
        /// A segment that the manifest does not name holds a valid batch: the manifest is damaged.
        UnnamedSegment = "unnamed-segment",
        /// The manifest's checkpoint, or an edit with a valid edit behind it, is invalid: damage.
        ManifestDamage = "manifest-damage",
        /// The manifest ends in an invalid edit with nothing behind it: cut.
        ManifestTornTail = "manifest-torn-tail",
        /// A file that no state of the log names or needs: removed.
        Orphan = "orphan",
        /// The manifest names a run of which no copy is there: damage.
        RunMissing = "run-missing",
    }
}

/// What a manifest entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Edit {
    /// The whole state; written to `manifest.tmp`. Text: `checkpoint`.
    Checkpoint,
    /// A segment exists. Text: `add-segment seg-2`.
    AddSegment(SegmentNo),
    /// Records below are gone; segments below the floor may be unlinked. Text: `trim before=5 floor=2`.
    Trim {
        /// The first LSN that stays.
        before: Lsn,
        /// The lowest segment that stays.
        floor: SegmentNo,
    },
    /// These are lost. Text: `accept-loss 3..5`.
    AcceptLoss(Lsns),
    /// A drive belongs to the log. Text: `add-drive drive-1`.
    AddDrive(DriveNo),
    /// A run holds these records: runs and segments wholly inside are replaced. A generation more.
    /// Text: `publish run-1 lsns=1..4 drives=1,2 floor=3`.
    Publish(RunSpec),
    /// These drives have a copy of a run, and no others. Text: `copies run-1 drives=2,3`.
    Copies(RunNo, Drives),
    /// Nothing is read from a drive any more. Text: `quarantine drive-1`.
    Quarantine(DriveNo),
    /// A drive was scrubbed and serves again. Text: `readmit drive-1`.
    Readmit(DriveNo),
    /// A drive is the log's no more. Text: `remove-drive drive-1`.
    RemoveDrive(DriveNo),
    /// An audit has ended. It changes nothing that anybody is owed. Text: `audited`.
    Audited,
}

/// A batch as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchSpec {
    /// Its number.
    pub batch: BatchNo,
    /// Where.
    pub segment: SegmentNo,
    /// Its records. `None` for an idle mark.
    pub lsns: Option<Lsns>,
    /// Whether the file was opened so that the write itself is the sync (`O_DSYNC`).
    pub through: bool,
}

/// A deed of the engine. Calls of the file system carry how they [`Ended`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineStep {
    /// `mkdir`. Text: `mkdir dir`.
    Mkdir(Role, Ended),
    /// The directory's lock. Text: `lock dir`.
    Lock(Ended),
    /// The lock is given back. Text: `unlock dir`.
    Unlock,
    /// A file is created or emptied. Text: `create seg-1.tmp`.
    Create(Role, Ended),
    /// Space is reserved. Text: `allocate seg-1.tmp`.
    Allocate(Role, Ended),
    /// Bytes that are no batch and no edit: header, zeros, identity. Text: `fill seg-1.tmp`.
    Fill(Role, Ended),
    /// A batch is written. Text: `write batch:2 seg-1 lsns=3..4 through`, an idle mark without `lsns=`.
    WriteBatch(BatchSpec, Ended),
    /// A manifest entry is written. Text: `write edit:3 add-segment seg-2`.
    WriteEdit(EditNo, Edit, Ended),
    /// Blocks of a run are written. Text: `write blocks drive-1/run-1.tmp lsns=1..2`. Its header and its index
    /// are a `fill`.
    WriteBlocks(DriveNo, RunNo, Lsns, Ended),
    /// A sync begins that [`EngineStep::Sync`] ends: it covers what was written before now. Text: `sync-start seg-1`.
    SyncStart(Role),
    /// A sync ends. Without a start before it, it is one step. Text: `sync-data seg-1 failed`.
    Sync(SyncKind, Role, Ended),
    /// The entries of a directory are made durable. Text: `sync-dir dir`.
    SyncDir(Role, Ended),
    /// `rename`. Text: `rename seg-1.tmp seg-1`.
    Rename(Role, Role, Ended),
    /// `unlink`. Text: `unlink seg-1`.
    Unlink(Role, Ended),
    /// A file, or a directory's list, is read by recovery. Text: `read manifest`.
    Read(Role, Ended),
    /// A copy of a run is read back and held against what was to be written. Text: `verify drive-1/run-1 good`.
    Verify(DriveNo, RunNo, Verdict),
    /// Who reads from now on reads by the newest manifest. Text: `switch generation=2`.
    Switch {
        /// Its generation.
        generation: u64,
    },
    /// No reader of an older generation is left. Text: `retire generation=2`.
    Retire {
        /// The oldest generation that may still be read.
        generation: u64,
    },
    /// The absolute path is looked at after a sync. Text: `check seg-1 same`.
    Check(SegmentNo, PathCheck),
    /// Records enter the open batch and get their LSNs. Text: `encode 3..4 writer=1 process-crash`.
    Encode(Lsns, Writer, Durability),
    /// The durable or the written watermark moves. Text: `publish power-loss=4`.
    Publish(Durability, Lsn),
    /// Appends are acknowledged. Logged before the call returns. Text: `ack 3..4`, or `ack 3 process-crash`.
    Ack(Lsns, Durability),
    /// Appends are told that they failed or are not known to be durable. Text: `fail 3..4`.
    Fail(Lsns),
    /// A ticket is refused, before it has an LSN. Text: `refuse ticket=2`.
    Refuse(TicketNo),
    /// The handle will never acknowledge anything new. Text: `poison`.
    Poison,
    /// Recovery decides. Text: `recover torn-tail seg-2`.
    Recover(Row, Role),
    /// Open or create is about to return. Text: `ready next=4`, or `ready next=4 read-only`.
    Ready {
        /// The next LSN.
        next: Lsn,
        /// Damage was found: nothing is written.
        read_only: bool,
    },
    /// A trim is about to return. Text: `trimmed before=3`.
    Trimmed {
        /// The first LSN that stays.
        before: Lsn,
    },
}

struct End(Ended);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Ended::Done { Ok(()) } else { write!(f, " {}", self.0) }
    }
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::AddSegment(number) => write!(f, "add-segment seg-{number}"),
            Self::Trim { before, floor } => write!(f, "trim before={before} floor={floor}"),
            Self::AcceptLoss(lsns) => write!(f, "accept-loss {lsns}"),
            Self::AddDrive(drive) => write!(f, "add-drive drive-{drive}"),
            Self::Publish(run) => write!(f, "publish {run}"),
            Self::Copies(run, drives) => write!(f, "copies run-{run} drives={drives}"),
            Self::Quarantine(drive) => write!(f, "quarantine drive-{drive}"),
            Self::Readmit(drive) => write!(f, "readmit drive-{drive}"),
            Self::RemoveDrive(drive) => write!(f, "remove-drive drive-{drive}"),
            Self::Audited => f.write_str("audited"),
        }
    }
}

impl fmt::Display for BatchSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch:{} seg-{}", self.batch, self.segment)?;
        if let Some(lsns) = self.lsns {
            write!(f, " lsns={lsns}")?;
        }
        if self.through { f.write_str(" through") } else { Ok(()) }
    }
}

struct Survives(Durability);

impl fmt::Display for Survives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Durability::PowerLoss { Ok(()) } else { write!(f, " {}", self.0) }
    }
}

impl fmt::Display for EngineStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Mkdir(role, ended) => write!(f, "mkdir {role}{}", End(ended)),
            Self::Lock(ended) => write!(f, "lock dir{}", End(ended)),
            Self::Unlock => f.write_str("unlock dir"),
            Self::Create(role, ended) => write!(f, "create {role}{}", End(ended)),
            Self::Allocate(role, ended) => write!(f, "allocate {role}{}", End(ended)),
            Self::Fill(role, ended) => write!(f, "fill {role}{}", End(ended)),
            Self::WriteBatch(batch, ended) => write!(f, "write {batch}{}", End(ended)),
            Self::WriteEdit(number, edit, ended) => write!(f, "write edit:{number} {edit}{}", End(ended)),
            Self::WriteBlocks(drive, run, lsns, ended) => {
                write!(f, "write blocks drive-{drive}/run-{run}.tmp lsns={lsns}{}", End(ended))
            }
            Self::Verify(drive, run, found) => write!(f, "verify drive-{drive}/run-{run} {found}"),
            Self::Switch { generation } => write!(f, "switch generation={generation}"),
            Self::Retire { generation } => write!(f, "retire generation={generation}"),
            Self::SyncStart(role) => write!(f, "sync-start {role}"),
            Self::Sync(kind, role, ended) => write!(f, "{kind} {role}{}", End(ended)),
            Self::SyncDir(role, ended) => write!(f, "sync-dir {role}{}", End(ended)),
            Self::Rename(from, to, ended) => write!(f, "rename {from} {to}{}", End(ended)),
            Self::Unlink(role, ended) => write!(f, "unlink {role}{}", End(ended)),
            Self::Read(role, ended) => write!(f, "read {role}{}", End(ended)),
            Self::Check(segment, found) => write!(f, "check seg-{segment} {found}"),
            Self::Encode(lsns, writer, durability) => {
                write!(f, "encode {lsns} writer={writer}{}", Survives(durability))
            }
            Self::Publish(durability, lsn) => write!(f, "publish {durability}={lsn}"),
            Self::Ack(lsns, durability) => write!(f, "ack {lsns}{}", Survives(durability)),
            Self::Fail(lsns) => write!(f, "fail {lsns}"),
            Self::Refuse(ticket) => write!(f, "refuse ticket={ticket}"),
            Self::Poison => f.write_str("poison"),
            Self::Recover(row, role) => write!(f, "recover {row} {role}"),
            Self::Ready { next, read_only } => {
                write!(f, "ready next={next}{}", if read_only { " read-only" } else { "" })
            }
            Self::Trimmed { before } => write!(f, "trimmed before={before}"),
        }
    }
}

impl EngineStep {
    pub(crate) fn parse(words: &mut Words<'_>) -> Result<Self, ParseError> {
        let mut ahead = words.clone();
        let step = match ahead.word(KNOWN)? {
            "mkdir" => Self::Mkdir(role(&mut ahead)?, ended(&mut ahead)),
            "lock" => {
                directory(&mut ahead)?;
                Self::Lock(ended(&mut ahead))
            }
            "unlock" => {
                directory(&mut ahead)?;
                Self::Unlock
            }
            "create" => Self::Create(role(&mut ahead)?, ended(&mut ahead)),
            "allocate" => Self::Allocate(role(&mut ahead)?, ended(&mut ahead)),
            "fill" => Self::Fill(role(&mut ahead)?, ended(&mut ahead)),
            "write" => write(&mut ahead)?,
            "sync-start" => Self::SyncStart(role(&mut ahead)?),
            "sync-data" => Self::Sync(SyncKind::Data, role(&mut ahead)?, ended(&mut ahead)),
            "sync-all" => Self::Sync(SyncKind::All, role(&mut ahead)?, ended(&mut ahead)),
            "sync-dir" => Self::SyncDir(role(&mut ahead)?, ended(&mut ahead)),
            "rename" => Self::Rename(role(&mut ahead)?, role(&mut ahead)?, ended(&mut ahead)),
            "unlink" => Self::Unlink(role(&mut ahead)?, ended(&mut ahead)),
            "read" => Self::Read(role(&mut ahead)?, ended(&mut ahead)),
            _ => Self::parse_event(words.clone(), &mut ahead)?,
        };
        *words = ahead;
        Ok(step)
    }

    /// The steps that are no calls of the file system.
    fn parse_event<'a>(mut words: Words<'a>, rest: &mut Words<'a>) -> Result<Self, ParseError> {
        let start = words.clone();
        let step = match words.word(KNOWN)? {
            "check" => Self::Check(segment(&mut words)?, words.one()?),
            "verify" => {
                let (drive, run) = copy(&mut words)?;
                Self::Verify(drive, run, words.one()?)
            }
            "switch" => Self::Switch { generation: words.key("generation", "NUMBER")? },
            "retire" => Self::Retire { generation: words.key("generation", "NUMBER")? },
            "encode" => {
                let lsns = words.one()?;
                Self::Encode(lsns, words.key("writer", "NUMBER")?, survives(&mut words))
            }
            "publish" => match words.key_if("power-loss", "LSN")? {
                Some(lsn) => Self::Publish(Durability::PowerLoss, lsn),
                None => Self::Publish(Durability::ProcessCrash, words.key("process-crash", "LSN")?),
            },
            "ack" => Self::Ack(words.one()?, survives(&mut words)),
            "fail" => Self::Fail(words.one()?),
            "refuse" => Self::Refuse(words.key("ticket", "NUMBER")?),
            "poison" => Self::Poison,
            "recover" => Self::Recover(words.one()?, role(&mut words)?),
            "ready" => Self::Ready { next: words.key("next", "LSN")?, read_only: words.flag("read-only") },
            "trimmed" => Self::Trimmed { before: words.key("before", "LSN")? },
            _ => return Err(start.error(KNOWN)),
        };
        *rest = words;
        Ok(step)
    }
}

const WRITES: &str = "batch:N, edit:N or blocks";
const LSNS: &str = "an LSN `3` or a run `3..5`, both ends included";
const KNOWN: &str = "an engine step (mkdir, lock, unlock, create, allocate, fill, write, sync-start, sync-data, \
                     sync-all, sync-dir, rename, unlink, read, verify, switch, retire, check, encode, publish, ack, \
                     fail, refuse, poison, recover, ready, trimmed)";

fn role(words: &mut Words<'_>) -> Result<Role, ParseError> {
    words.one()
}

fn directory(words: &mut Words<'_>) -> Result<(), ParseError> {
    if words.flag("dir") { Ok(()) } else { Err(words.error("dir")) }
}

fn segment(words: &mut Words<'_>) -> Result<SegmentNo, ParseError> {
    let mut ahead = words.clone();
    match ahead.one()? {
        Role::Segment(number) => {
            *words = ahead;
            Ok(number)
        }
        _ => Err(words.error("seg-N")),
    }
}

fn drive_no(words: &mut Words<'_>) -> Result<DriveNo, ParseError> {
    let start = words.clone();
    match words.one()? {
        Role::Drive(drive) => Ok(drive),
        _ => Err(start.error("drive-N")),
    }
}

fn copy(words: &mut Words<'_>) -> Result<(DriveNo, RunNo), ParseError> {
    let start = words.clone();
    match words.one()? {
        Role::OnDrive(drive, OnDrive::Run(run)) => Ok((drive, run)),
        _ => Err(start.error("drive-N/run-N")),
    }
}

fn ended(words: &mut Words<'_>) -> Ended {
    if words.flag("short") {
        Ended::Short
    } else if words.flag("failed") {
        Ended::Failed
    } else {
        Ended::Done
    }
}

fn survives(words: &mut Words<'_>) -> Durability {
    if words.flag("process-crash") { Durability::ProcessCrash } else { Durability::PowerLoss }
}

fn write(words: &mut Words<'_>) -> Result<EngineStep, ParseError> {
    let what = words.clone();
    if words.flag("blocks") {
        let start = words.clone();
        let Role::OnDrive(drive, OnDrive::RunTmp(run)) = words.one()? else {
            return Err(start.error("drive-N/run-N.tmp"));
        };
        return Ok(EngineStep::WriteBlocks(drive, run, words.key("lsns", LSNS)?, ended(words)));
    }
    match words.word(WRITES)?.split_once(':') {
        Some(("batch", number)) => {
            let batch = number.parse().map_err(|_| what.error("batch:N"))?;
            let segment = segment(words)?;
            let lsns = words.key_if("lsns", LSNS)?;
            let through = words.flag("through");
            Ok(EngineStep::WriteBatch(BatchSpec { batch, segment, lsns, through }, ended(words)))
        }
        Some(("edit", number)) => {
            let number = number.parse().map_err(|_| what.error("edit:N"))?;
            let edit = edit(words)?;
            Ok(EngineStep::WriteEdit(number, edit, ended(words)))
        }
        _ => Err(what.error(WRITES)),
    }
}

fn edit(words: &mut Words<'_>) -> Result<Edit, ParseError> {
    let expected = "checkpoint, add-segment, trim, accept-loss, add-drive, publish, copies, quarantine, readmit, \
                    remove-drive or audited";
    let what = words.clone();
    Ok(match words.word(expected)? {
        "checkpoint" => Edit::Checkpoint,
        "add-segment" => Edit::AddSegment(segment(words)?),
        "trim" => Edit::Trim { before: words.key("before", "LSN")?, floor: words.key("floor", "SEGMENT")? },
        "accept-loss" => Edit::AcceptLoss(words.one()?),
        "add-drive" => Edit::AddDrive(drive_no(words)?),
        "publish" => Edit::Publish(RunSpec::parse(words)?),
        "copies" => Edit::Copies(drive::run(words)?, drive::copies(words)?),
        "quarantine" => Edit::Quarantine(drive_no(words)?),
        "readmit" => Edit::Readmit(drive_no(words)?),
        "remove-drive" => Edit::RemoveDrive(drive_no(words)?),
        "audited" => Edit::Audited,
        _ => return Err(what.error(expected)),
    })
}
