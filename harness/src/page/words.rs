//! Steps in plain words.

use truelog_spec::mechanism::call_of;
use truelog_spec::step::{
    Call, DamageKind, Drives, Durability, Edit, Ended, FaultKind, Lsns, OnDrive, RecordSpec, Role, Stream,
    Unit, Write, Writer,
};
use truelog_spec::{ClientStep, EngineStep, Failure, Outcome, Step, WorldStep};

use super::prefetch;

/// Who does it.
pub(super) fn who(step: &Step) -> String {
    match step {
        Step::Prefetch(step) => prefetch::who(step),
        Step::Client(_) | Step::World(_) | Step::Engine(_) => step.actor().to_string(),
    }
}

/// What is done.
pub(super) fn does(step: &Step) -> String {
    match step {
        Step::Client(step) => client(step),
        Step::World(step) => world(step),
        Step::Prefetch(step) => prefetch::does(step),
        Step::Engine(step) => {
            let does = engine(step);
            match ended(step) {
                Ended::Done => does,
                Ended::Short => format!("{does}, in part"),
                Ended::Failed => format!("{does}, which fails"),
            }
        }
    }
}

/// How a call of the file system ended; events are done.
pub(super) fn ended(step: &EngineStep) -> Ended {
    call_of(step).map_or(Ended::Done, |(_, _, ended)| ended)
}

/// Some things, as one reads them out.
pub(super) fn join(what: &[String]) -> String {
    match what {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

pub(super) fn records(lsns: Lsns) -> String {
    if lsns.first == lsns.last {
        format!("record {}", lsns.first)
    } else if lsns.last == u64::MAX {
        format!("all from record {} on", lsns.first)
    } else {
        format!("records {} to {}", lsns.first, lsns.last)
    }
}

/// Records by their numbers, ascending; nothing of none.
pub(super) fn numbers(lsns: &[u64]) -> String {
    let mut runs: Vec<Lsns> = Vec::new();
    for &lsn in lsns {
        match runs.last_mut() {
            Some(run) if run.last + 1 == lsn => run.last = lsn,
            _ => runs.push(Lsns { first: lsn, last: lsn }),
        }
    }
    join(&runs.into_iter().map(records).collect::<Vec<_>>())
}

fn plural(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

pub(super) fn file(role: Role) -> String {
    match role {
        Role::Identity => "the identity".to_owned(),
        Role::IdentityTmp => "the temporary identity".to_owned(),
        Role::Manifest => "the manifest".to_owned(),
        Role::ManifestTmp => "the temporary manifest".to_owned(),
        Role::Segment(number) => format!("segment {number}"),
        Role::SegmentTmp(number) => format!("the temporary segment {number}"),
        Role::Dir => "the log's directory".to_owned(),
        Role::Ancestor => "a directory above".to_owned(),
        Role::Drive(drive) => format!("drive {drive}"),
        Role::OnDrive(drive, file) => {
            let what = match file {
                OnDrive::Identity => "the identity".to_owned(),
                OnDrive::IdentityTmp => "the temporary identity".to_owned(),
                OnDrive::Manifest => "the copy of the manifest".to_owned(),
                OnDrive::ManifestTmp => "the temporary copy of the manifest".to_owned(),
                OnDrive::Run(run) => format!("run {run}"),
                OnDrive::RunTmp(run) => format!("the temporary run {run}"),
            };
            format!("{what} on drive {drive}")
        }
    }
}

fn drives(drives: Drives) -> String {
    let numbers: Vec<String> = drives.iter().map(|drive| drive.to_string()).collect();
    format!("drive{} {}", if numbers.len() == 1 { "" } else { "s" }, numbers.join(" and "))
}

fn write(write: &Write, verb: &str) -> String {
    let one = |record: &RecordSpec| format!("{} bytes to stream {}", record.len, record.stream);
    let what = match &write.records[..] {
        [only] => one(only),
        [first, rest @ ..] if rest.iter().all(|record| record == first) => {
            format!("{} records of {}, as one batch", write.records.len(), one(first))
        }
        records => format!("{}, as one batch", join(&records.iter().map(one).collect::<Vec<_>>())),
    };
    let writer = if write.writer == 0 { String::new() } else { format!(", as {}", writer(write.writer)) };
    let survives = match write.durability {
        Durability::PowerLoss => "",
        Durability::ProcessCrash => ", to survive a crash of the process only",
    };
    format!("{verb} {what}{writer}{survives}")
}

/// A writer that is not the first one.
fn writer(number: Writer) -> String {
    match number {
        1 => "a second writer".to_owned(),
        2 => "a third writer".to_owned(),
        more => format!("the writer with number {more}"),
    }
}

fn client(step: &ClientStep) -> String {
    match step {
        ClientStep::Create => "creates a log".to_owned(),
        ClientStep::Open => "opens the log".to_owned(),
        ClientStep::Append(one) => write(one, "appends"),
        ClientStep::Batch(many) => write(many, "appends"),
        ClientStep::Submit { ticket, write: many } => {
            format!("{}, and gets ticket {ticket} for it", write(many, "hands in"))
        }
        ClientStep::Wait { ticket } => format!("waits for ticket {ticket}"),
        ClientStep::Trim { before } => format!("trims all records below {before}"),
        ClientStep::Tick => "lets background work go on".to_owned(),
        ClientStep::Close => "closes the log".to_owned(),
        ClientStep::Read { from, reader: None } => format!("reads from record {from} on"),
        ClientStep::Read { from, reader: Some(reader) } => {
            format!("reads from record {from} on, by the snapshot of reader {reader}")
        }
        ClientStep::Hold { reader } => format!("takes a snapshot, as reader {reader}"),
        ClientStep::Release { reader } => format!("lets go of the snapshot of reader {reader}"),
        ClientStep::AddDrive { drive } => format!("adds drive {drive}"),
        ClientStep::Compact => "asks for a compaction".to_owned(),
        ClientStep::Scrub => "scrubs the archive".to_owned(),
        ClientStep::Inspect => "inspects the log, beside its writer".to_owned(),
        ClientStep::Adopt => "adopts the log at its new place".to_owned(),
        ClientStep::AcceptLoss => "accepts the loss of what is damaged".to_owned(),
        ClientStep::RebuildManifest => "has the lost manifest written anew".to_owned(),
    }
}

/// How a call ended; of a record in this stream.
pub(super) fn outcome(outcome: &Outcome, stream: Option<Stream>) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Recovered(found) => {
            // Where none is missing in between, their count says which they are.
            let which = match found.next.checked_sub(found.trimmed) {
                _ if found.records == 0 => "no record".to_owned(),
                Some(all) if all == found.records => {
                    records(Lsns { first: found.trimmed, last: found.next - 1 })
                }
                _ => plural(found.records, "record"),
            };
            let mut text = format!("finds {which}; the next is record {}", found.next);
            if !found.damage.is_empty() {
                let damage: Vec<String> = found.damage.iter().map(|lsns| records(*lsns)).collect();
                text = format!("opens for reading only; {text}; names {} as damaged", join(&damage));
            }
            text
        }
        Outcome::Acked { lsns, seqs } => match (stream, &seqs[..]) {
            (Some(stream), [seq]) => {
                format!("acknowledged as {}, number {seq} of stream {stream}", records(*lsns))
            }
            _ => format!("acknowledged as {}", records(*lsns)),
        },
        Outcome::Submitted(lsns) => format!("will be {}", records(*lsns)),
        Outcome::Trimmed(before) => format!("records below {before} are gone"),
        Outcome::Read(count) => format!("reads {}", plural(*count, "record")),
        Outcome::Lost(lost) if lost.is_empty() => "nothing is lost".to_owned(),
        Outcome::Lost(lost) => {
            let lost: Vec<String> = lost.iter().map(|lsns| records(*lsns)).collect();
            format!("{} accepted as lost", lost.join(", "))
        }
        Outcome::Failed(Failure::NotALog) => "finds no log".to_owned(),
        Outcome::Failed(failure) => format!("fails: {failure}"),
        Outcome::Unresolved => "is never answered".to_owned(),
    }
}

fn world(step: &WorldStep) -> String {
    match step {
        WorldStep::CrashProcess => "the process dies".to_owned(),
        WorldStep::CrashPower { .. } => "the power fails".to_owned(),
        WorldStep::Fault(fault) => {
            let what = match fault.kind {
                FaultKind::Eio => "fail",
                FaultKind::Enospc => "find no space",
                FaultKind::Emfile => "find too many files open",
                FaultKind::Erofs => "find the disk read-only",
                FaultKind::Eintr => "be interrupted",
                FaultKind::Short => "do a part only",
                FaultKind::Locked => "find a lock held",
                FaultKind::Ignored => "be ignored by the device",
                FaultKind::Misdirected => "hit another place",
            };
            format!("the next {} of {} will {what}", call(fault.call), file(fault.role))
        }
        WorldStep::Damage { unit: what, kind } => {
            let how = match kind {
                DamageKind::Flip => "some bits flip",
                DamageKind::Zero => "all reads as zeros",
                DamageKind::Stale => "an older state is back",
                DamageKind::Misdirected => "other valid bytes are there instead",
                DamageKind::Unreadable => "reading fails from now on",
                DamageKind::Missing => "it is removed",
                DamageKind::Replaced => "another file is there instead",
                DamageKind::Copied => "a copy is there instead",
            };
            match (what, kind) {
                (Unit::Name(role), DamageKind::Missing) => {
                    format!("somebody removes the name of {}", file(*role))
                }
                (Unit::Name(role), DamageKind::Replaced) => {
                    format!("somebody puts another file in the place of {}", file(*role))
                }
                _ => format!("damage to {}: {how}", unit(*what)),
            }
        }
        WorldStep::Clock { ms } => format!("{ms} ms pass"),
    }
}

/// A call of the file system, as one speaks of it.
fn call(call: Call) -> String {
    match call {
        Call::SyncData | Call::SyncAll | Call::SyncDir => "sync".to_owned(),
        Call::Create | Call::Mkdir => "creation".to_owned(),
        Call::Unlink => "removal".to_owned(),
        other => other.to_string(),
    }
}

pub(super) fn unit(unit: Unit) -> String {
    let sector = |sector: Option<u64>| sector.map_or_else(String::new, |at| format!(", sector {at}"));
    match unit {
        Unit::Batch(number, Some(at)) => format!("sector {at} of batch {number}"),
        Unit::Batch(number, None) => format!("batch {number}"),
        Unit::Edit(number, at) => format!("manifest entry {number}{}", sector(at)),
        Unit::Data(role, at) => format!("the bytes of {}{}", file(role), sector(at)),
        Unit::Size(role) => format!("the length of {}", file(role)),
        Unit::Name(role) => format!("the name of {}", file(role)),
        Unit::Gone(role) => format!("the removal of {}", file(role)),
    }
}

fn engine(step: &EngineStep) -> String {
    match *step {
        EngineStep::Mkdir(role, _) => format!("makes {}", file(role)),
        EngineStep::Lock(_) => "locks the directory".to_owned(),
        EngineStep::Unlock => "gives the lock back".to_owned(),
        EngineStep::Create(role, _) => format!("creates {}", file(role)),
        EngineStep::Allocate(role, _) => format!("reserves space for {}", file(role)),
        EngineStep::Fill(role, _) => format!("fills {}", file(role)),
        EngineStep::WriteBatch(batch, _) => {
            let what = batch.lsns.map_or_else(|| "the idle mark".to_owned(), records);
            let through = if batch.through { ", through to the disk" } else { "" };
            format!("writes batch {} ({what}) to segment {}{through}", batch.batch, batch.segment)
        }
        EngineStep::WriteEdit(number, edit, _) => {
            let what = what_it_says(edit);
            format!("writes manifest entry {number}: {what}")
        }
        EngineStep::WriteBlocks(drive, run, lsns, _) => {
            format!("writes {} to {}", records(lsns), file(Role::OnDrive(drive, OnDrive::RunTmp(run))))
        }
        EngineStep::Verify(drive, run, _) => {
            format!("reads back {}", file(Role::OnDrive(drive, OnDrive::Run(run))))
        }
        EngineStep::Switch { generation } => format!("lets new readers read by generation {generation}"),
        EngineStep::Retire { generation } => {
            format!("says that no reader is older than generation {generation}")
        }
        EngineStep::SyncStart(role) => format!("begins to sync {}", file(role)),
        EngineStep::Sync(_, role, _) => format!("syncs {}", file(role)),
        EngineStep::SyncDir(role @ Role::Drive(_), _) => format!("syncs the directory of {}", file(role)),
        EngineStep::SyncDir(role, _) => format!("syncs {}", file(role)),
        EngineStep::Rename(from, to, _) => format!("renames {} to {}", file(from), file(to)),
        EngineStep::Unlink(role, _) => format!("removes {}", file(role)),
        EngineStep::Read(role, _) => format!("reads {}", file(role)),
        EngineStep::Check(segment, _) => format!("checks the path of segment {segment}"),
        // Who is the only one, or the first, is called by no number.
        EngineStep::Encode(lsns, 0, _) => format!("numbers what was appended: {}", records(lsns)),
        EngineStep::Encode(lsns, from, _) => {
            format!("numbers what {} appended: {}", writer(from), records(lsns))
        }
        EngineStep::Publish(Durability::PowerLoss, lsn) => {
            format!("moves the durable watermark to record {lsn}")
        }
        EngineStep::Publish(Durability::ProcessCrash, lsn) => {
            format!("moves the written watermark to record {lsn}")
        }
        EngineStep::Ack(lsns, _) => format!("acknowledges {}", records(lsns)),
        EngineStep::Fail(lsns) => format!("fails {}", records(lsns)),
        EngineStep::Refuse(ticket) => format!("refuses ticket {ticket}"),
        EngineStep::Poison => "gives the handle up".to_owned(),
        EngineStep::Recover(row, role) => format!("classifies {} as `{row}`", file(role)),
        EngineStep::Ready { next, read_only: false } => format!("ends the open: the next record is {next}"),
        EngineStep::Ready { next, read_only: true } => {
            format!("ends the open, for reading only: the next record would be {next}")
        }
        EngineStep::Trimmed { before } => format!("confirms the trim below {before}"),
    }
}

/// What a manifest entry says.
fn what_it_says(edit: Edit) -> String {
    match edit {
        Edit::Checkpoint => "the whole state".to_owned(),
        Edit::AddSegment(segment) => format!("segment {segment} exists"),
        Edit::Trim { before, .. } => format!("all below {before} is trimmed"),
        Edit::AcceptLoss(lsns) => format!("{} are lost", records(lsns)),
        Edit::AddDrive(drive) => format!("drive {drive} is the log's"),
        Edit::Publish(run) => {
            format!(
                "run {} on {} holds {}, in the place of segments below {}",
                run.run,
                drives(run.copies),
                records(run.lsns),
                run.floor
            )
        }
        Edit::Copies(run, copies) => format!("run {run} is on {}", drives(copies)),
        Edit::Quarantine(drive) => format!("drive {drive} is quarantined"),
        Edit::Readmit(drive) => format!("drive {drive} serves again"),
        Edit::RemoveDrive(drive) => format!("drive {drive} is the log's no more"),
        Edit::Audited => "an audit has ended".to_owned(),
    }
}
