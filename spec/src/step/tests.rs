//! Every step is one line of text, and comes back from it.

use quickcheck::{Arbitrary, Gen, quickcheck};

use super::*;
use crate::outcome::{Failure, Found, Outcome};

fn pick<T: Copy>(g: &mut Gen, from: &[T]) -> T {
    *g.choose(from).expect("something to choose from")
}

fn small(g: &mut Gen) -> u64 {
    pick(g, &[0, 1, 2, 3, 10, 4096, u64::MAX])
}

impl Arbitrary for Lsns {
    fn arbitrary(g: &mut Gen) -> Self {
        let (one, two) = (small(g), small(g));
        Self { first: one.min(two), last: one.max(two) }
    }
}

impl Arbitrary for Role {
    fn arbitrary(g: &mut Gen) -> Self {
        let number = small(g);
        let fixed =
            [Self::Identity, Self::IdentityTmp, Self::Manifest, Self::ManifestTmp, Self::Dir, Self::Ancestor];
        let drive = pick(g, &[1, 2, Drives::MAX]);
        let files = [
            OnDrive::Identity,
            OnDrive::IdentityTmp,
            OnDrive::Manifest,
            OnDrive::ManifestTmp,
            OnDrive::Run(number),
            OnDrive::RunTmp(number),
        ];
        match pick(g, &[0, 1, 2, 3, 4]) {
            0 => Self::Segment(number),
            1 => Self::SegmentTmp(number),
            2 => Self::Drive(drive),
            3 => Self::OnDrive(drive, pick(g, &files)),
            _ => pick(g, &fixed),
        }
    }
}

impl Arbitrary for Unit {
    fn arbitrary(g: &mut Gen) -> Self {
        let (number, role) = (small(g), Role::arbitrary(g));
        let sector = bool::arbitrary(g).then(|| small(g));
        match pick(g, &[0, 1, 2, 3, 4, 5]) {
            0 => Self::Batch(number, sector),
            1 => Self::Edit(number, sector),
            2 => Self::Data(role, sector),
            3 => Self::Size(role),
            4 => Self::Name(role),
            _ => Self::Gone(role),
        }
    }
}

impl Arbitrary for Keep {
    fn arbitrary(g: &mut Gen) -> Self {
        if bool::arbitrary(g) { Self::All } else { Self::these(Vec::arbitrary(g)) }
    }
}

impl Arbitrary for Write {
    fn arbitrary(g: &mut Gen) -> Self {
        let count = pick(g, &[1, 2, 3]);
        let record = |g: &mut Gen| RecordSpec { stream: small(g), len: u32::arbitrary(g) };
        Self {
            writer: pick(g, &[0, 1, 7]),
            records: (0..count).map(|_| record(g)).collect(),
            durability: pick(g, Durability::ALL),
        }
    }
}

impl Arbitrary for ClientStep {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut write = Write::arbitrary(g);
        match pick(g, &[0, 1, 2, 3, 4, 5, 6]) {
            0 => {
                write.records.truncate(1);
                Self::Append(write)
            }
            1 => Self::Batch(write),
            2 => Self::Submit { ticket: small(g), write },
            3 => Self::Wait { ticket: small(g) },
            4 => Self::Trim { before: small(g) },
            5 => {
                let reader = pick(g, &[None, Some(1), Some(2)]);
                let reads = [
                    Self::Read { from: small(g), reader },
                    Self::Hold { reader: small(g) },
                    Self::Release { reader: small(g) },
                    Self::AddDrive { drive: small(g) },
                    Self::Compact,
                    Self::Scrub,
                ];
                g.choose(&reads).cloned().unwrap_or(Self::Compact)
            }
            _ => {
                let rest = [
                    Self::Create,
                    Self::Open,
                    Self::Tick,
                    Self::Close,
                    Self::Inspect,
                    Self::Adopt,
                    Self::AcceptLoss,
                ];
                g.choose(&rest).cloned().unwrap_or(Self::RebuildManifest)
            }
        }
    }
}

impl Arbitrary for WorldStep {
    fn arbitrary(g: &mut Gen) -> Self {
        match pick(g, &[0, 1, 2, 3, 4]) {
            0 => Self::CrashProcess,
            1 => Self::CrashPower { keep: Keep::arbitrary(g), garbage: Keep::arbitrary(g) },
            2 => Self::Fault(Fault {
                bytes: small(g),
                keep: Keep::arbitrary(g),
                cache: pick(g, Cache::ALL),
                ..Fault::new(Role::arbitrary(g), pick(g, Call::ALL), pick(g, FaultKind::ALL))
            }),
            3 => Self::Damage { unit: Unit::arbitrary(g), kind: pick(g, DamageKind::ALL) },
            _ => Self::Clock { ms: small(g) },
        }
    }
}

impl Arbitrary for EngineStep {
    fn arbitrary(g: &mut Gen) -> Self {
        let (role, to, ended) = (Role::arbitrary(g), Role::arbitrary(g), pick(g, Ended::ALL));
        let (lsns, number, durability) = (Lsns::arbitrary(g), small(g), pick(g, Durability::ALL));
        let (drive, copies) = (pick(g, &[1, 3, Drives::MAX]), Drives::these([pick(g, &[1, 2]), 64]));
        let edits = [
            Edit::Checkpoint,
            Edit::AddSegment(number),
            Edit::Trim { before: lsns.first, floor: number },
            Edit::AcceptLoss(lsns),
            Edit::AddDrive(drive),
            Edit::Publish(RunSpec { run: number, lsns, copies, floor: 3 }),
            Edit::Copies(number, copies),
            Edit::Quarantine(drive),
            Edit::Readmit(drive),
            Edit::RemoveDrive(drive),
            Edit::Audited,
        ];
        let lsns_or_mark = bool::arbitrary(g).then_some(lsns);
        let batch = BatchSpec { batch: number, segment: 3, lsns: lsns_or_mark, through: bool::arbitrary(g) };
        let steps = [
            Self::Mkdir(role, ended),
            Self::Lock(ended),
            Self::Unlock,
            Self::Create(role, ended),
            Self::Allocate(role, ended),
            Self::Fill(role, ended),
            Self::WriteBatch(batch, ended),
            Self::WriteEdit(number, pick(g, &edits), ended),
            Self::WriteBlocks(drive, number, lsns, ended),
            Self::Verify(drive, number, pick(g, Verdict::ALL)),
            Self::Switch { generation: number },
            Self::Retire { generation: number },
            Self::SyncStart(role),
            Self::Sync(pick(g, SyncKind::ALL), role, ended),
            Self::SyncDir(role, ended),
            Self::Rename(role, to, ended),
            Self::Unlink(role, ended),
            Self::Read(role, ended),
            Self::Check(number, pick(g, PathCheck::ALL)),
            Self::Encode(lsns, 1, durability),
            Self::Publish(durability, number),
            Self::Ack(lsns, durability),
            Self::Fail(lsns),
            Self::Refuse(number),
            Self::Poison,
            Self::Recover(pick(g, Row::ALL), role),
            Self::Ready { next: number, read_only: bool::arbitrary(g) },
            Self::Trimmed { before: number },
        ];
        pick(g, &steps)
    }
}

impl Arbitrary for PrefetchStep {
    fn arbitrary(g: &mut Gen) -> Self {
        let (slot, reader, generation) = (u8::arbitrary(g), u8::arbitrary(g), u8::arbitrary(g));
        let from = Range { block: u8::arbitrary(g), half: u8::arbitrary(g) };
        let steps = [
            Self::Read { reader, from },
            Self::Land(generation),
            Self::Acknowledge(generation),
            Self::Rot(slot),
            Self::Submit(generation),
            Self::Switch(generation),
            Self::Reclaim(generation),
            Self::Retire { slot, before: generation, did: pick(g, Retired::ALL) },
            Self::Begin { slot, from, generation },
            Self::Fill { slot, got: pick(g, Got::ALL) },
            Self::Verify(slot),
            Self::Excuse(slot),
            Self::Count(slot),
            Self::Quarantine(slot),
            Self::Publish(slot),
            Self::Abandon(slot),
            Self::Pin { reader, slot },
            Self::Serve { reader, slot },
            Self::Unpin { reader, slot },
            Self::Through(reader),
            Self::Mark(slot),
            Self::Look { slot, flag: pick(g, Flag::ALL) },
        ];
        pick(g, &steps)
    }
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        if u8::arbitrary(g) % 4 == 0 {
            return Self::Prefetch(PrefetchStep::arbitrary(g));
        }
        match pick(g, Actor::ALL) {
            Actor::Client => Self::Client(ClientStep::arbitrary(g)),
            Actor::World => Self::World(WorldStep::arbitrary(g)),
            Actor::Engine => Self::Engine(EngineStep::arbitrary(g)),
        }
    }
}

impl Arbitrary for Outcome {
    fn arbitrary(g: &mut Gen) -> Self {
        let seqs: Vec<u64> = (0..pick(g, &[1, 2, 3])).map(|_| small(g)).collect();
        match pick(g, &[0, 1, 2, 3, 4, 5, 6, 7, 8]) {
            0 => Self::Done,
            1 => Self::Recovered(Found {
                records: small(g),
                next: small(g),
                trimmed: small(g),
                damage: Vec::arbitrary(g),
            }),
            2 => Self::Acked { lsns: Lsns::arbitrary(g), seqs },
            3 => Self::Submitted(Lsns::arbitrary(g)),
            4 => Self::Trimmed(small(g)),
            5 => Self::Read(small(g)),
            6 => Self::Lost(Vec::arbitrary(g)),
            7 => Self::Failed(pick(g, Failure::ALL)),
            _ => Self::Unresolved,
        }
    }
}

quickcheck! {
    fn steps_come_back_from_their_text(step: Step) -> bool {
        step.to_string().parse() == Ok(step)
    }

    fn outcomes_come_back_from_their_text(outcome: Outcome) -> bool {
        outcome.to_string().parse() == Ok(outcome)
    }
}

/// One line for each form that a trace may hold: the text is a format that files are kept in.
const FORMS: &str = "client create
client append stream=0 len=8
client append stream=3 len=0 writer=1 durability=process-crash
client batch records=0:8,1:16
client submit ticket=1 records=0:8 writer=2
client wait ticket=1
client trim before=5
client read from=1
client read from=1 reader=2
client hold reader=2
client release reader=2
client add-drive drive=1
client compact
client accept-loss
world crash process
world crash power keep=none
world crash power keep=batch:1.sector:0,size:seg-1,name:seg-3,gone:seg-1.tmp garbage=batch:1.sector:1
world crash power keep=all
world fault seg-1 sync-data eio keep=batch:2,edit:3.sector:0,data:manifest.tmp cache=old
world fault manifest.tmp write enospc bytes=512
world fault dir sync-dir ignored
world crash power keep=name:drive-1/run-1,data:drive-2/manifest
world damage data:drive-1/run-2 flip
world damage batch:2.sector:0 flip
world damage name:seg-1 missing
world clock ms=50
engine mkdir dir
engine lock dir failed
engine unlock dir
engine create seg-1.tmp
engine allocate seg-1.tmp failed
engine fill identity.tmp
engine write batch:1 seg-1 lsns=1..3
engine write batch:2 seg-1 lsns=4 through short
engine write batch:3 seg-1
engine write edit:1 checkpoint
engine write edit:2 add-segment seg-1
engine write edit:3 trim before=5 floor=2 failed
engine write edit:4 accept-loss 3..5
engine write edit:5 add-drive drive-1
engine write edit:6 publish run-1 lsns=1..4 drives=1,2 floor=3
engine write edit:7 copies run-1 drives=2
engine write edit:8 quarantine drive-1
engine write edit:9 readmit drive-1
engine write edit:10 remove-drive drive-1
engine create drive-1/identity.tmp
engine create drive-1/run-1.tmp
engine write blocks drive-1/run-1.tmp lsns=1..2 failed
engine rename drive-1/run-1.tmp drive-1/run-1
engine sync-dir drive-1 failed
engine verify drive-1/run-1 bad
engine switch generation=1
engine retire generation=1
engine sync-start seg-1
engine sync-data seg-1 failed
engine sync-all manifest.tmp
engine sync-dir ancestor
engine rename seg-1.tmp seg-1
engine unlink seg-1
engine read manifest
engine check seg-1 gone
engine encode 3..4 writer=0
engine encode 5 writer=1 process-crash
engine publish power-loss=4
engine ack 3..4
engine ack 5 process-crash
engine fail 6
engine refuse ticket=2
engine poison
engine recover torn-tail seg-2
engine ready next=4 read-only
engine trimmed before=5
client prefetch read reader=1 block=2 from=1
world prefetch land gen=1
world prefetch acknowledge gen=1
world prefetch rot block=1
engine prefetch submit gen=1
engine prefetch switch gen=1
engine prefetch reclaim before=1
engine prefetch retire slot=1 before=1 freed
engine prefetch retire slot=1 before=1 pending
engine prefetch begin slot=1 block=1 from=0 gen=0
engine prefetch fill slot=1 whole
engine prefetch fill slot=1 short
engine prefetch verify slot=1
engine prefetch excuse slot=1
engine prefetch count slot=1
engine prefetch quarantine slot=1
engine prefetch publish slot=1
engine prefetch abandon slot=1
engine prefetch pin reader=1 slot=1
engine prefetch serve reader=1 slot=1
engine prefetch unpin reader=1 slot=1
engine prefetch through reader=1
engine prefetch mark slot=1
engine prefetch look slot=1 ready
engine prefetch look slot=1 not-pending";

#[test]
fn the_forms_are_pinned() {
    for line in FORMS.lines() {
        let step: Step = line.parse().unwrap();
        assert_eq!(step.to_string(), line);
    }
}

#[test]
fn errors_say_where_and_what_is_expected() {
    for (line, word, found, expected) in [
        ("servant append", 1, "servant", "an actor (client, world, engine)"),
        ("client append stream=x len=8", 3, "stream=x", "stream=NUMBER"),
        ("client append stream=0", 4, "", "len=BYTES"),
        ("client open now", 3, "now", "the end of the line"),
        ("client fly", 2, "fly", "a client step (create, open, append"),
        ("engine write page:1", 3, "page:1", "batch:N, edit:N or blocks"),
        ("engine sync-data seg-x", 3, "seg-x", "a role (identity, manifest, seg-N"),
        ("engine sync-dir drive-65", 3, "drive-65", "a role (identity, manifest, seg-N"),
        ("engine verify drive-1/run-1.tmp good", 3, "drive-1/run-1.tmp", "drive-N/run-N"),
        ("engine write edit:5 quarantine dir", 5, "dir", "drive-N"),
        ("engine write edit:5 copies run-1 drives=0", 6, "drives=0", "drives=numbers of drives, from 1"),
        ("engine check seg-1.tmp same", 3, "seg-1.tmp", "seg-N"),
        ("engine prefetch read reader=1 block=1 from=0", 3, "read", "an action (submit, switch"),
        ("world prefetch melt", 3, "melt", "what the world does to blocks (land"),
        ("engine prefetch look slot=1 red", 5, "red", "what a flag says (ready"),
        ("engine prefetch fill", 4, "", "slot=NUMBER"),
        ("engine explode", 2, "explode", "an engine step (mkdir, lock"),
        ("world crash power", 4, "", "keep=none, all or UNITS"),
        ("world fault seg-1 sync-data melt", 5, "melt", "a fault (eio, enospc"),
        ("engine ack 5..3", 3, "5..3", "an LSN `3` or a run `3..5`, both ends included"),
    ] {
        let error = line.parse::<Step>().unwrap_err();
        assert_eq!((error.word, error.found.as_str()), (word, found), "{line}: {error}");
        assert!(error.expected.starts_with(expected), "{line}: {error}");
    }
}
