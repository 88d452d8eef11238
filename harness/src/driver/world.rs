//! What the world does to a log under test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use truelog_env::{IoError, IoKind, Op};
use truelog_spec::WorldStep;
use truelog_spec::step::{
    Cache, Call as CallName, CrashKind, DamageKind, Fault, FaultKind, Keep, OnDrive, Role as SpecRole,
    Unit as SpecUnit,
};

use super::{Deed, Driver, Units};
use crate::fabric::{
    self, Call, Damage, DriveFile, Image, LOG_DIR, Plan, Reads, Role, SimFs, Snapshot, Unit, drive_dir,
};
use crate::knobs;
use crate::order::Seen;
use crate::order::mapper::name;
use crate::subject::Archived;

/// Why the world cannot do what a step says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// A unit that is to be kept was never written, or is durable already.
    #[error("`{0}` is not pending here")]
    NotPending(SpecUnit),
    /// The disk refuses.
    #[error("{0}")]
    Disk(String),
    /// This cannot happen to this call.
    #[error("`{0}` cannot happen to such a call")]
    NoSuchFault(Fault),
    /// This cannot happen to this unit.
    #[error("`{0}` cannot be damaged so")]
    NoSuchDamage(SpecUnit),
}

impl<S: Archived> Driver<S> {
    /// A deed of the world.
    ///
    /// # Errors
    /// When the step cannot happen here.
    pub fn world(&mut self, step: &WorldStep) -> Result<(), Impossible> {
        if matches!(step, WorldStep::Damage { .. }) {
            self.harm.by_the_world();
        }
        let done = carry_out(step, &self.units, &self.disk, self.log.is_some())?;
        self.saw(Seen::World(step.clone()));
        if let Some((kind, image)) = done {
            self.crash(kind, image);
            if matches!(step, WorldStep::Damage { kind: DamageKind::Copied, .. }) {
                self.diary.note(Deed::Copied);
            }
        }
        Ok(())
    }

    /// The handle is gone; `image` is what the next life finds.
    fn crash(&mut self, kind: CrashKind, image: Image) {
        self.struck |= !self.disk.faults().fired().is_empty();
        self.diary.note(Deed::Crash(kind));
        self.unseen(Self::end);
        self.disk = SimFs::from_image(&image);
        self.disk.set_logging(false);
        self.place.env = self.disk.env();
        self.tap();
        self.listen();
    }
}

/// Does to a disk what a step of the world says. `open`: a log on it is open. Where the step ends a life, says how,
/// and what the next one finds.
///
/// # Errors
/// When the step cannot happen here.
pub(crate) fn carry_out(
    step: &WorldStep,
    units: &Units,
    disk: &SimFs,
    open: bool,
) -> Result<Option<(CrashKind, Image)>, Impossible> {
    match step {
        WorldStep::CrashProcess => {
            return Ok(Some((CrashKind::Process, disk.snapshot().process_crash())));
        }
        WorldStep::CrashPower { keep, garbage } => {
            let image = after_power(units, &disk.snapshot(), keep, garbage)?;
            return Ok(Some((CrashKind::Power, image)));
        }
        WorldStep::Fault(fault) => {
            disk.faults().schedule(plan(fault)?);
        }
        // Somebody else removes the name, and the log goes on writing to the file.
        WorldStep::Damage { unit: unit @ SpecUnit::Name(role), kind: DamageKind::Missing } if open => {
            let path = path_of(*role).ok_or(Impossible::NoSuchDamage(*unit))?;
            let removed = disk.env().fs.unlink(&path);
            removed.map_err(|error| Impossible::Disk(error.to_string()))?;
        }
        WorldStep::Damage { unit, kind } => {
            let image = damaged(units, &disk.snapshot(), *unit, *kind)?;
            return Ok(Some((CrashKind::Process, image)));
        }
        WorldStep::Clock { ms } => disk.advance(Duration::from_millis(*ms)),
    }
    Ok(None)
}

/// What a loss of power leaves that keeps these units, and garbles those; where no power can fail, what the end of the process
/// leaves.
fn after_power(units: &Units, snapshot: &Snapshot, keep: &Keep, garbage: &Keep) -> Result<Image, Impossible> {
    let mut kept = units.resolve(keep, &snapshot.pending())?;
    kept.extend(units.resolve(garbage, &snapshot.pending())?.into_iter().map(garbled));
    if knobs::off().is_some() {
        match knobs::kept(snapshot, &kept) {
            Some(with) => kept = with,
            None => return Ok(snapshot.process_crash()),
        }
    }
    snapshot.image(&kept).map_err(|error| Impossible::Disk(error.to_string()))
}

/// What the end of the process leaves, with a unit damaged.
fn damaged(
    units: &Units,
    snapshot: &Snapshot,
    unit: SpecUnit,
    kind: DamageKind,
) -> Result<Image, Impossible> {
    let image = snapshot.process_crash();
    let unfit = || Impossible::NoSuchDamage(unit);
    if (unit, kind) == (SpecUnit::Name(SpecRole::Dir), DamageKind::Copied) {
        return image.copied().ok_or_else(unfit);
    }
    let (role, offset, len) = units.place(unit).ok_or_else(unfit)?;
    let path = path_of(role).ok_or_else(unfit)?;
    let damage = match kind {
        DamageKind::Flip => Damage::Flip { bit: offset * 8 },
        DamageKind::Zero => Damage::Zero { offset, len },
        DamageKind::Missing => Damage::Remove,
        DamageKind::Misdirected => Damage::Misplace { from: offset.saturating_sub(len), to: offset, len },
        DamageKind::Stale | DamageKind::Unreadable | DamageKind::Replaced | DamageKind::Copied => {
            return Err(unfit());
        }
    };
    image.damage(&path, &damage).map_err(|error| Impossible::Disk(error.to_string()))
}

/// A sector in flight, garbled instead of kept.
fn garbled(unit: Unit) -> Unit {
    match unit.kind {
        fabric::UnitKind::Sector(number) => Unit { kind: fabric::UnitKind::Garbage(number), ..unit },
        _ => unit,
    }
}

/// Whether a failed call leaves it unknown what is durable, so that the handle must not acknowledge any more.
/// Files under a temporary name are thrown away instead.
pub(crate) fn is_write_back(call: &Call, result: Result<u64, IoError>) -> bool {
    let writes = matches!(call.op, Op::Write | Op::SyncData | Op::SyncAll | Op::SyncDir);
    let counts = matches!(call.role, Role::Segment(_) | Role::Manifest | Role::LogDir);
    writes && counts && result.is_err_and(|error| error.kind != IoKind::Interrupted)
}

/// Whether a failed call may have taken back what was written to a segment and not synced.
pub(crate) const fn is_taken_back(call: &Call) -> bool {
    let syncs = matches!(call.op, Op::SyncData | Op::SyncAll)
        || matches!(call.op, Op::Write) && call.mode.write_through;
    syncs && matches!(call.role, Role::Segment(_))
}

/// A role of the spec as the disk knows it.
#[must_use]
pub(super) const fn fabric_role(role: SpecRole) -> Role {
    match role {
        SpecRole::Identity => Role::Identity,
        SpecRole::IdentityTmp => Role::IdentityTmp,
        SpecRole::Manifest => Role::Manifest,
        SpecRole::ManifestTmp => Role::ManifestTmp,
        SpecRole::Segment(number) => Role::Segment(number),
        SpecRole::SegmentTmp(number) => Role::SegmentTmp(number),
        SpecRole::Dir => Role::LogDir,
        SpecRole::Ancestor => Role::Ancestor,
        SpecRole::Drive(drive) => Role::Drive(drive),
        SpecRole::OnDrive(drive, file) => Role::OnDrive(drive, on_drive(file)),
    }
}

const fn on_drive(file: OnDrive) -> DriveFile {
    match file {
        OnDrive::Identity => DriveFile::Identity,
        OnDrive::IdentityTmp => DriveFile::IdentityTmp,
        OnDrive::Manifest => DriveFile::Manifest,
        OnDrive::ManifestTmp => DriveFile::ManifestTmp,
        OnDrive::Run(number) => DriveFile::Run(number),
        OnDrive::RunTmp(number) => DriveFile::RunTmp(number),
    }
}

/// The path of a file of the log, or of one of its drives.
fn path_of(role: SpecRole) -> Option<PathBuf> {
    let dir = Path::new(LOG_DIR);
    let name = match role {
        SpecRole::OnDrive(drive, file) => return Some(drive_dir(dir, drive).join(on_drive(file).name()?)),
        SpecRole::Identity => "IDENTITY".to_owned(),
        SpecRole::IdentityTmp => "IDENTITY.tmp".to_owned(),
        SpecRole::Manifest => "MANIFEST".to_owned(),
        SpecRole::ManifestTmp => "MANIFEST.tmp".to_owned(),
        SpecRole::Segment(number) => format!("segment-{number:010}"),
        SpecRole::SegmentTmp(number) => format!("segment-{number:010}.tmp"),
        SpecRole::Dir | SpecRole::Ancestor | SpecRole::Drive(_) => return None,
    };
    Some(dir.join(name))
}

const fn op(call: CallName) -> Op {
    match call {
        CallName::Open => Op::Open,
        CallName::Create => Op::Create,
        CallName::Mkdir => Op::CreateDir,
        CallName::List => Op::ReadDir,
        CallName::Stat => Op::Metadata,
        CallName::Statvfs => Op::Statvfs,
        CallName::Read => Op::Read,
        CallName::Write => Op::Write,
        CallName::Allocate => Op::Allocate,
        CallName::SyncData => Op::SyncData,
        CallName::SyncAll => Op::SyncAll,
        CallName::SyncDir => Op::SyncDir,
        CallName::Rename => Op::Rename,
        CallName::Unlink => Op::Unlink,
        CallName::Lock => Op::Lock,
    }
}

/// A call in the words of traces, if they have any for it: what it is made on, and what it is.
pub(crate) fn spelled(call: &Call) -> Option<(SpecRole, CallName)> {
    let what = CallName::ALL.iter().copied().find(|what| op(*what) == call.op)?;
    let role = name(call.to.as_ref().map_or(call.role, |(_, to)| *to))?;
    (struck(role, what) == call.role).then_some((role, what))
}

/// What the disk has such a call on. A rename is one of the name that is given up, and traces give the new one.
const fn struck(role: SpecRole, call: CallName) -> Role {
    let fabric = fabric_role(role);
    match (call, fabric) {
        (CallName::Rename, Role::Identity) => Role::IdentityTmp,
        (CallName::Rename, Role::Manifest) => Role::ManifestTmp,
        (CallName::Rename, Role::Segment(number)) => Role::SegmentTmp(number),
        (CallName::Rename, Role::OnDrive(drive, file)) => Role::OnDrive(drive, file.temporary()),
        _ => fabric,
    }
}

/// A fault of the spec as the disk schedules it. What a failed sync keeps is not chosen here: each crash behind
/// it is judged with every choice.
pub(crate) fn plan(fault: &Fault) -> Result<Plan, Impossible> {
    let op = op(fault.call);
    let syncs = matches!(op, Op::SyncData | Op::SyncAll | Op::SyncDir);
    let fails = |kind: IoKind| {
        if syncs {
            let reads = if fault.cache == Cache::Old { Reads::Old } else { Reads::New };
            fabric::Fault::FailSync { kind, reads }
        } else {
            fabric::Fault::Fail { kind, done: fault.bytes }
        }
    };
    let what = match fault.kind {
        FaultKind::Eio => fails(IoKind::Device),
        FaultKind::Enospc => fails(IoKind::NoSpace),
        FaultKind::Emfile => fabric::Fault::Fail { kind: IoKind::TooManyFiles, done: 0 },
        FaultKind::Erofs => fabric::Fault::Fail { kind: IoKind::ReadOnly, done: 0 },
        FaultKind::Eintr => fabric::Fault::Fail { kind: IoKind::Interrupted, done: 0 },
        FaultKind::Locked => fabric::Fault::Fail { kind: IoKind::Locked, done: 0 },
        FaultKind::Short => fabric::Fault::Short(fault.bytes.max(1)),
        FaultKind::Ignored if syncs => fabric::Fault::LyingSync,
        FaultKind::Ignored => fabric::Fault::LostWrite,
        FaultKind::Misdirected => fabric::Fault::MisdirectedWrite { by: -2 },
    };
    if !what.fits(op) {
        return Err(Impossible::NoSuchFault(fault.clone()));
    }
    Ok(Plan { role: struck(fault.role, fault.call).into(), op, nth: 1, fault: what })
}
