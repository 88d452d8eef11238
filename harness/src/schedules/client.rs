//! What a client does, act by act.

use truelog_spec::contract::payload;
use truelog_spec::step::{Lsns, Write, Writer};
use truelog_spec::{ClientStep, Outcome};

use super::begun::Began;
use super::play::Stage;
use super::scene::Act;
use super::{archive, reads};
use crate::subject::{Ack, Archived, Sent};

/// Does all of this, and then waits for what was handed in.
pub(super) fn client<S: Archived>(stage: &Stage, log: &S, writer: Writer, acts: &[Act]) {
    let mut tickets = Vec::new();
    for (number, act) in (0_u64..).zip(acts) {
        stage.begins(writer, Began::Act(writer, *act));
        if let Some(write) = act.write(writer) {
            let sent = sent(stage, &write);
            if matches!(act, Act::Submit(_) | Act::Leave(_)) {
                let ticket = u64::from(writer) << 32 | number;
                let step = ClientStep::Submit { ticket, write: write.clone() };
                let taken = stage.call(
                    &step,
                    || log.submit(&sent, write.durability),
                    |(_, first, last)| Lsns::new(*first, *last).map_or(Outcome::Done, Outcome::Submitted),
                );
                let waits = matches!(act, Act::Submit(_));
                tickets.extend(taken.filter(|_| waits).map(|(taken, ..)| (ticket, taken, sent)));
            } else {
                let step = match write.records.len() {
                    1 => ClientStep::Append(write.clone()),
                    _ => ClientStep::Batch(write.clone()),
                };
                let acks = stage.call(&step, || log.append(&sent, write.durability), |acks| acked(acks));
                told(stage, &sent, acks);
            }
            continue;
        }
        match *act {
            Act::Trim(before) => trim(stage, log, before),
            Act::Step => {
                stage.call(&ClientStep::Tick, || log.step(), |()| Outcome::Done);
            }
            Act::Sleep(ms) => stage.disk.advance(std::time::Duration::from_millis(ms)),
            Act::Read => reads::forwards(stage, log),
            Act::Back => reads::backwards(stage, log),
            Act::Audit => reads::audit(stage, log),
            Act::Archive(count) => archive::steps(stage, log, count),
            Act::Compact => archive::compact(stage, log),
            Act::Scrub => archive::scrub(stage, log),
            Act::Append(_) | Act::Accept(_) | Act::Batch(_) | Act::Submit(_) | Act::Leave(_) => {}
        }
    }
    for (ticket, taken, sent) in tickets {
        stage.begins(writer, Began::Wait(writer));
        let acks = stage.call(&ClientStep::Wait { ticket }, || log.wait(taken), |acks| acked(acks));
        told(stage, &sent, acks);
    }
}

fn trim<S: Archived>(stage: &Stage, log: &S, before: u64) {
    stage.known().told.trims(before);
    let trimmed =
        stage.call(&ClientStep::Trim { before }, || log.trim(before), |trimmed| Outcome::Trimmed(*trimmed));
    if let Some(trimmed) = trimmed {
        stage.known().told.trimmed(trimmed);
    }
}

/// Receipts are out for what was sent.
fn told(stage: &Stage, sent: &[Sent], acks: Option<Vec<Ack>>) {
    let told = stage.known().told.receipts(sent, &acks.unwrap_or_default());
    stage.breaks(told);
}

/// The bytes that this writer hands in next: the contract's own.
fn sent(stage: &Stage, write: &Write) -> Vec<Sent> {
    let first = stage.known().takes(write);
    let records = (first..).zip(&write.records);
    records
        .map(|(index, record)| Sent {
            stream: record.stream,
            payload: payload(write.writer, index, record.len),
        })
        .collect()
}

fn acked(acks: &[Ack]) -> Outcome {
    let first = acks.first().map_or(0, |ack| ack.lsn);
    let last = acks.last().map_or(0, |ack| ack.lsn);
    match Lsns::new(first, last) {
        Some(lsns) => Outcome::Acked { lsns, seqs: acks.iter().map(|ack| ack.seq).collect() },
        None => Outcome::Done,
    }
}
