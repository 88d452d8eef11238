//! What goes before a compaction on each page of one, and as it should: told as one row.

use truelog_spec::step::{BatchSpec, Lsns};
use truelog_spec::{ClientStep, Step, Trace};

use super::rows::Row;
use super::words;

/// So many rows are not worth it.
const FEW: usize = 6;

/// A log that is ready to be compacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scene {
    /// What the client asked for.
    pub does: String,
    /// What stands where, afterwards.
    pub changes: String,
}

/// Puts one row in the place of those before the compaction, if all of them go as they always do.
pub(super) fn set(trace: &Trace, rows: Vec<Row>, matters: impl Fn(usize) -> bool) -> Vec<Row> {
    let client = |number: usize| match &trace.lines[number - 1].step {
        Step::Client(step) if !matters(number) => Some(step),
        _ => None,
    };
    let compacts = |row: &Row| match row {
        Row::Step(number) => matches!(client(*number), Some(ClientStep::Compact)),
        _ => false,
    };
    let Some(upto) = rows.iter().position(compacts).filter(|upto| *upto >= FEW) else { return rows };
    let (mut does, mut batches, mut drives, mut last) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for row in &rows[..upto] {
        match row {
            Row::Step(number) => {
                let Some(step) = client(*number) else { return rows };
                if let ClientStep::AddDrive { drive } = step {
                    drives.push(format!("drive {drive} is one of the log's"));
                }
                does.push(words::does(&trace.lines[number - 1].step));
                last = *number;
            }
            Row::Fold(first, fold) => {
                let synced = fold.changes.starts_with("durable");
                match (fold.batch, fold.batch.and_then(|batch| batch.lsns)) {
                    (Some(batch), Some(lsns)) if synced => batches.push((batch, lsns, fold.answer.is_some())),
                    (Some(_), _) => return rows,
                    (None, _) => {}
                }
                last = first + fold.len - 1;
            }
            Row::Again(..) | Row::Gap(..) | Row::Scene(..) => return rows,
        }
    }
    let newest = batches.iter().map(|(batch, ..)| batch.segment).max();
    let stands = batches.iter().map(|batch| stands(batch, newest));
    let changes: Vec<String> = stands.chain(drives).collect();
    let scene = Scene { does: does.join("; "), changes: changes.join("; ") };
    std::iter::once(Row::Scene(last, scene)).chain(rows.into_iter().skip(upto)).collect()
}

/// Where the records of a batch are.
fn stands((batch, lsns, acked): &(BatchSpec, Lsns, bool), newest: Option<u64>) -> String {
    let are = if lsns.first == lsns.last { "is" } else { "are" };
    let acked = if *acked { " and acknowledged" } else { "" };
    let sealed = if Some(batch.segment) < newest { ", which is sealed" } else { "" };
    format!("{} {are} durable{acked}, in segment {}{sealed}", words::records(*lsns), batch.segment)
}
