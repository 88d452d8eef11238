//! Steps of the engine that belong together, told as one: a file made under a temporary name, a commit, a publish. Only
//! what went as the design has it is folded; a step that a page is about stands for itself.

use truelog_spec::EngineStep;
use truelog_spec::step::{
    BatchSpec, Durability, Edit, EditNo, Ended, Lsns, OnDrive, PathCheck, Role, Verdict,
};

use super::words::{file, records};

/// Some steps as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fold {
    /// How many steps.
    pub len: usize,
    /// What they do, but for the answer.
    pub does: String,
    /// Whether they do it on a drive.
    pub on_drive: bool,
    /// What is different afterwards.
    pub changes: String,
    /// The batch that they commit.
    pub batch: Option<BatchSpec>,
    /// What a client is told by them.
    pub answer: Option<String>,
}

/// What the first of some steps begins, if they go on with it.
pub(super) fn fold(steps: &[&EngineStep]) -> Option<Fold> {
    made(steps).or_else(|| committed(steps)).or_else(|| published(steps))
}

/// Whether the step there is this one.
fn is(steps: &[&EngineStep], at: usize, wanted: impl Fn(&EngineStep) -> bool) -> bool {
    steps.get(at).is_some_and(|step| wanted(step))
}

/// A file that was written under a temporary name, and synced.
struct File {
    len: usize,
    /// The name that it is for.
    role: Role,
    renamed: bool,
    /// The records in it, if it is a run.
    lsns: Option<Lsns>,
    /// The number of the manifest entry in it, if it is a manifest.
    edit: Option<EditNo>,
}

fn written(steps: &[&EngineStep]) -> Option<File> {
    let EngineStep::Create(tmp, Ended::Done) = **steps.first()? else { return None };
    let role = match tmp {
        Role::SegmentTmp(number) => Role::Segment(number),
        Role::ManifestTmp => Role::Manifest,
        Role::IdentityTmp => Role::Identity,
        Role::OnDrive(drive, file) => Role::OnDrive(drive, file.published()),
        _ => return None,
    };
    let (mut lsns, mut edit) = (None::<Lsns>, None);
    let mut fills = |step: &EngineStep| match *step {
        EngineStep::Allocate(at, Ended::Done) | EngineStep::Fill(at, Ended::Done) => at == tmp,
        EngineStep::WriteEdit(number, Edit::Checkpoint, Ended::Done) => {
            edit = Some(number);
            tmp == Role::ManifestTmp
        }
        EngineStep::WriteBlocks(drive, run, more, Ended::Done) => {
            let first = lsns.map_or(more.first, |lsns| lsns.first);
            lsns = Some(Lsns { first, last: more.last });
            Role::OnDrive(drive, OnDrive::RunTmp(run)) == tmp
        }
        _ => false,
    };
    let filled = 1 + steps[1..].iter().take_while(|step| fills(step)).count();
    if !is(steps, filled, |step| matches!(step, EngineStep::Sync(_, at, Ended::Done) if *at == tmp)) {
        return None;
    }
    let renames =
        |step: &EngineStep| matches!(step, EngineStep::Rename(from, _, Ended::Done) if *from == tmp);
    let renamed = is(steps, filled + 1, renames);
    Some(File { len: filled + 1 + usize::from(renamed), role, renamed, lsns, edit })
}

/// A file that gets its name, and what makes it count.
fn made(steps: &[&EngineStep]) -> Option<Fold> {
    let File { mut len, role, renamed, lsns, edit } = written(steps)?;
    let what = match (role, lsns) {
        (Role::OnDrive(drive, OnDrive::Run(run)), Some(lsns)) => {
            format!("run {run} ({}) on drive {drive}", records(lsns))
        }
        (Role::OnDrive(drive, OnDrive::Manifest), _) => format!("a copy of the manifest on drive {drive}"),
        (Role::OnDrive(drive, OnDrive::Identity), _) => format!("drive {drive} a drive of the log"),
        (Role::Manifest, _) => {
            let record = edit
                .map_or_else(String::new, |number| format!(" (manifest entry {number}: the whole state)"));
            format!("a new manifest{record}")
        }
        _ => file(role),
    };
    let on_drive = matches!(role, Role::OnDrive(..));
    let fold =
        |len, does, changes: String| Some(Fold { len, does, on_drive, changes, batch: None, answer: None });
    if !renamed {
        let does = format!("writes {what} under a temporary name, and syncs that");
        return fold(len, does, "its bytes are durable, and it has no name that counts".to_owned());
    }
    let dir = match role {
        Role::OnDrive(drive, _) => Role::Drive(drive),
        _ => Role::Dir,
    };
    if !is(steps, len, |step| *step == EngineStep::SyncDir(dir, Ended::Done)) {
        let does = format!("writes {what} under a temporary name, syncs it, and renames it");
        return fold(len, does, "its bytes are durable, its name is not yet".to_owned());
    }
    len += 1;
    let listed = match (role, steps.get(len).map(|step| **step)) {
        (Role::Segment(number), Some(EngineStep::WriteEdit(edit, Edit::AddSegment(one), Ended::Done))) => {
            Some(edit).filter(|_| one == number)
        }
        (
            Role::OnDrive(drive, OnDrive::Identity),
            Some(EngineStep::WriteEdit(edit, Edit::AddDrive(one), Ended::Done)),
        ) => Some(edit).filter(|_| one == drive),
        _ => None,
    };
    let synced = |step: &EngineStep| matches!(step, EngineStep::Sync(_, Role::Manifest, Ended::Done));
    if let Some(edit) = listed.filter(|_| is(steps, len + 1, synced)) {
        let changes = format!("bytes, name and manifest entry {edit}, which names it, are durable");
        return fold(len + 2, format!("makes {what}, and names it in the manifest"), changes);
    }
    let verified = |step: &EngineStep| match *step {
        EngineStep::Verify(drive, run, Verdict::Good) => role == Role::OnDrive(drive, OnDrive::Run(run)),
        _ => false,
    };
    if is(steps, len, verified) {
        let changes = "bytes and name are durable; what is read back is what was written".to_owned();
        return fold(len + 1, format!("makes {what}, and reads it back"), changes);
    }
    fold(len, format!("makes {what}"), "bytes and name are durable".to_owned())
}

/// A batch that is written and synced, or only written, and claimed.
fn committed(steps: &[&EngineStep]) -> Option<Fold> {
    let EngineStep::Encode(..) = steps.first()? else { return None };
    let EngineStep::WriteBatch(batch, Ended::Done) = **steps.get(1)? else { return None };
    let lsns = batch.lsns.filter(|_| !batch.through)?;
    let here = |step: &EngineStep| *step == EngineStep::Check(batch.segment, PathCheck::Same);
    let mut len = 2;
    let synced = is(steps, len, |step| match *step {
        EngineStep::Sync(_, role, Ended::Done) => role == Role::Segment(batch.segment),
        _ => false,
    });
    len += usize::from(synced);
    let looked = is(steps, len, here);
    len += usize::from(looked);
    let durability = if synced { Durability::PowerLoss } else { Durability::ProcessCrash };
    if !is(steps, len, |step| *step == EngineStep::Publish(durability, lsns.last)) {
        return None;
    }
    len += 1;
    let acked = is(steps, len, |step| *step == EngineStep::Ack(lsns, durability));
    len += usize::from(acked);
    let mut deeds =
        vec![format!("writes {} to segment {} (batch {})", records(lsns), batch.segment, batch.batch)];
    deeds.extend(synced.then(|| "syncs it".to_owned()));
    deeds.extend(looked.then(|| "checks its path".to_owned()));
    let watermark = if synced { "the durable watermark" } else { "the written watermark" };
    deeds.push(format!("moves {watermark} to record {}", lsns.last));
    let answer = acked.then(|| format!("acknowledges {}", records(lsns)));
    let changes = match (synced, acked) {
        (true, true) => "durable; promised to survive a loss of power",
        (true, false) => "durable",
        (false, true) => "in the page cache only; promised to survive a crash of the process",
        (false, false) => "in the page cache only",
    };
    let changes = changes.to_owned();
    Some(Fold { len, does: deeds.join(", "), on_drive: false, changes, batch: Some(batch), answer })
}

/// A run that counts from now on.
fn published(steps: &[&EngineStep]) -> Option<Fold> {
    let EngineStep::WriteEdit(edit, Edit::Publish(run), Ended::Done) = **steps.first()? else { return None };
    let synced = |step: &EngineStep| matches!(step, EngineStep::Sync(_, Role::Manifest, Ended::Done));
    if !is(steps, 1, synced) {
        return None;
    }
    let switched = is(steps, 2, |step| matches!(step, EngineStep::Switch { .. }));
    let does = format!("publishes run {} with {}: manifest entry {edit}", run.run, records(run.lsns));
    let mut changes = format!("durable: the run counts, and segments below {} no longer do", run.floor);
    if switched {
        changes.push_str("; new readers read by it");
    }
    Some(Fold { len: 2 + usize::from(switched), does, on_drive: false, changes, batch: None, answer: None })
}
