//! What the bytes of a write are: the header of a batch, of a manifest entry, or of an archive's block. Decoded here
//! by themselves, so that the engine's own decoder is not what it is judged by.

use truelog_spec::step::{DriveNo, Drives, Edit, Lsn, Lsns, RunSpec};

/// Where the payload of a manifest entry begins.
const PAYLOAD: usize = 72;
/// The number that says of a block of a run that it is the run's index.
const INDEX: u16 = 2;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn counted(base: Lsn, count: u32) -> Option<Lsns> {
    Lsns::new(base, base.checked_add(u64::from(count))?.checked_sub(1)?)
}

/// The records of the batch whose header this is; `Some(None)` for an idle mark.
pub(super) fn batch(head: &[u8]) -> Option<Option<Lsns>> {
    if head.get(..4)? != b"TLB1" {
        return None;
    }
    match (u64_at(head, 48)?, u32_at(head, 56)?) {
        (_, 0) => Some(None),
        (base, count) => Some(Some(counted(base, count)?)),
    }
}

/// The records of the block of a run whose header this is; nothing for what is no such block: a run's header, its
/// index.
pub(super) fn block(head: &[u8]) -> Option<Lsns> {
    if head.get(..4)? != b"TLA1" || u16_at(head, 80)? == INDEX {
        return None;
    }
    counted(u64_at(head, 56)?, u32_at(head, 68)?)
}

/// What the manifest entry whose header this is says. Of a drive's row it says that the drive is added, or that it is
/// quarantined: whether one that is added was the log's before is not in it.
pub(super) fn edit(head: &[u8]) -> Option<Edit> {
    if head.get(..4)? != b"TLM1" {
        return None;
    }
    let field = |number: usize| u64_at(head, PAYLOAD + 8 * number);
    Some(match u16_at(head, 64)? {
        0 => Edit::Checkpoint,
        1 => Edit::AddSegment(field(0)?),
        2 => Edit::Trim { before: field(0)?, floor: field(1)? },
        3 => Edit::AcceptLoss(Lsns::new(field(0)?, field(1)?)?),
        4 => {
            let number = drive(u16_at(head, PAYLOAD)?.into())?;
            match u16_at(head, PAYLOAD + 2)? {
                0 => Edit::AddDrive(number),
                1 => Edit::Quarantine(number),
                _ => return None,
            }
        }
        5 => Edit::RemoveDrive(drive(field(0)?)?),
        6 => Edit::Publish(RunSpec {
            run: field(0)?,
            lsns: Lsns::new(field(3)?, field(4)?)?,
            copies: drives(field(7)?),
            floor: field(9)?,
        }),
        7 => Edit::Copies(field(0)?, drives(field(1)?)),
        8 => Edit::Audited,
        _ => return None,
    })
}

/// The engine counts drives from 0, the specification from 1.
fn drive(number: u64) -> Option<DriveNo> {
    number.checked_add(1).filter(|number| Drives::may_be(*number))
}

fn drives(bits: u64) -> Drives {
    Drives::these((0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| bit + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, payload: &[u64]) -> Vec<u8> {
        let mut bytes = vec![0; PAYLOAD];
        bytes[..4].copy_from_slice(b"TLM1");
        bytes[64..66].copy_from_slice(&kind.to_le_bytes());
        payload.iter().for_each(|field| bytes.extend(field.to_le_bytes()));
        bytes
    }

    #[test]
    fn each_kind_of_manifest_record_is_an_edit() {
        let quarantined = 1 | 1 << 16;
        let run = [3, 0, 0, 5, 9, 0, 0, 0b101, 0, 4];
        for (kind, payload, text) in [
            (0, &[][..], "Checkpoint"),
            (1, &[2], "AddSegment(2)"),
            (4, &[1], "AddDrive(2)"),
            (4, &[quarantined], "Quarantine(2)"),
            (5, &[0], "RemoveDrive(1)"),
            (7, &[3, 0b11], "Copies(3, Drives(3))"),
            (8, &[1, 2, 1, 0], "Audited"),
        ] {
            let found = edit(&record(kind, payload));
            assert_eq!(found.map(|edit| format!("{edit:?}")).as_deref(), Some(text));
        }
        let found = edit(&record(6, &run)).map(|edit| edit.to_string());
        assert_eq!(found.as_deref(), Some("publish run-3 lsns=5..9 drives=1,3 floor=4"));
        assert_eq!(edit(&record(4, &[64])), None, "no drive has that number");
        assert_eq!(edit(&record(4, &[2 << 16])), None, "a drive is healthy or quarantined");
        assert_eq!(edit(&record(9, &[1, 1])), None);
        assert_eq!(edit(&record(6, &run[..9])), None, "cut short");
    }

    #[test]
    fn a_block_of_records_is_told_from_an_index() {
        let mut head = vec![0; 96];
        head[..4].copy_from_slice(b"TLA1");
        head[56..64].copy_from_slice(&7_u64.to_le_bytes());
        head[68..72].copy_from_slice(&3_u32.to_le_bytes());
        assert_eq!(block(&head), Lsns::new(7, 9));
        head[80] = 2;
        assert_eq!(block(&head), None);
        assert_eq!(block(b"TLRUN001"), None);
    }
}
