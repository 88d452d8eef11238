//! What an open returns and what a read finds, record by record, as the specification has it.

use truelog_spec::Outcome;
use truelog_spec::mechanism::{Batch, Catalog, Found, State, Told};
use truelog_spec::step::{Durability, Lsn, ReaderNo};

use super::words::{join, numbers};

/// The records that recovery has found, and those that it has not.
pub(super) fn held(found: &Found) -> String {
    let of = |there: bool| {
        let all = (found.first..).zip(&found.records);
        numbers(&all.filter(|(_, record)| record.is_some() == there).map(|(lsn, _)| lsn).collect::<Vec<_>>())
    };
    let (there, missing) = (of(true), of(false));
    match (there.is_empty(), missing.is_empty()) {
        (true, _) => "no record".to_owned(),
        (false, true) => there,
        (false, false) => format!("{there} only, and not {missing}"),
    }
}

/// That what was appended once is found twice; nothing otherwise.
pub(super) fn twice(found: &Found) -> String {
    let all: Vec<_> = (found.first..).zip(&found.records).filter(|(_, record)| record.is_some()).collect();
    let again = all.iter().enumerate().filter_map(|(index, (lsn, record))| {
        let (first, _) = all[..index].iter().find(|(_, other)| other == record)?;
        Some(format!("; what it takes for record {lsn} is record {first} once more"))
    });
    again.collect()
}

/// Whether it is what a client was told: the specification may know less of a path than who took it.
pub(super) fn is(found: &Found, told: &Outcome) -> bool {
    let count = found.records.iter().flatten().count() as u64;
    matches!(told, Outcome::Recovered(told) if (told.records, told.next) == (count, found.next()))
}

/// How a client sees an open that has found this, if the log stood so before.
pub(super) fn opened(found: &Found, before: &State) -> String {
    let held = format!("finds {}{}{}", held(found), promised(found, before), twice(found));
    match found.damage {
        None => format!("{held}; the next is record {}", found.next()),
        Some(_) => format!("opens for reading only: {held}{}", lost(found)),
    }
}

/// What an open returns, in the row in which it does.
pub(super) fn ready(found: &Found, before: &State) -> String {
    let acked = if found.records.iter().any(Option::is_some) {
        " (what an open returns counts as acknowledged)"
    } else {
        ""
    };
    let promised = promised(found, before);
    format!("it returns {}{acked}{promised}{}{}", held(found), twice(found), lost(found))
}

/// What was promised, and is not found.
fn promised(found: &Found, before: &State) -> String {
    let from = found.first.max(before.trim_asked);
    let acked = before.requests.iter().filter(|request| matches!(request.told, Told::Acked(_)));
    let records = acked.flat_map(|request| (request.lsn..=request.last()).zip(request.first..));
    let gone = records.filter(|(lsn, id)| *lsn >= from && found.at(*lsn) != Some(*id));
    let acked: Vec<Lsn> = gone.map(|(lsn, _)| lsn).collect();
    let claimed = (from..=before.claimed).filter(|lsn| found.at(*lsn).is_none() && !acked.contains(lsn));
    let claimed: Vec<Lsn> = claimed.collect();
    let told = [(acked, "acknowledged"), (claimed, "said to be durable")];
    let told = told.iter().filter(|(lsns, _)| !lsns.is_empty());
    let told: Vec<String> = told.map(|(lsns, what)| format!("{} had been {what}", numbers(lsns))).collect();
    if told.is_empty() { String::new() } else { format!(", though {}", join(&told)) }
}

/// What is named as damaged. Where nothing can be read, that is everything: nobody can say how much there was.
fn lost(found: &Found) -> String {
    match found.damage {
        None => String::new(),
        Some((first, Lsn::MAX)) => format!("; names everything from record {first} on as damaged"),
        Some((first, last)) => format!("; names {} as damaged", numbers(&(first..=last).collect::<Vec<_>>())),
    }
}

/// How a log stands that was just made.
pub(super) fn created(state: &State) -> String {
    let Some(engine) = &state.engine else { return String::new() };
    match state.disk.edits {
        1 => format!("it is open, with manifest entry 1; the next record is {}", engine.next),
        last => format!("it is open, with manifest entries 1 to {last}; the next record is {}", engine.next),
    }
}

/// Of a claim that all up to a record is durable: that it is false, if it is, and what shows it.
pub(super) fn falsely(state: &State, last: Lsn, shows: &str) -> String {
    let Some(engine) = &state.engine else { return String::new() };
    let batches = &state.disk.batches;
    let holds = |batch: &Batch, lsn: Lsn| batch.base <= lsn && lsn <= batch.last();
    // What another batch lies over is at risk with that one.
    let synced = |lsn: Lsn, named: bool| {
        (1_u64..).zip(batches).any(|(number, batch)| {
            let whole = batch.durable() && !batches.iter().any(|later| later.over == Some(number));
            holds(batch, lsn) && whole && (!named || state.disk.shows(batch.segment))
        })
    };
    let gone: Vec<Lsn> = (engine.durable + 1..=last).filter(|lsn| !synced(*lsn, true)).collect();
    if gone.is_empty() {
        return String::new();
    }
    let which = numbers(&gone);
    if gone.iter().all(|lsn| synced(*lsn, false)) {
        format!(", though no name leads to the bytes of {which}{shows}")
    } else if gone.iter().all(|lsn| !batches.iter().any(|batch| holds(batch, *lsn))) {
        format!(", though nobody has written {which}{shows}")
    } else {
        format!(", though a loss of power may take {which}{shows}")
    }
}

/// What a read from a record on finds of what was acknowledged, by the manifest that it reads by.
pub(super) fn read(state: &State, from: Lsn, reader: Option<ReaderNo>) -> String {
    let Some(engine) = &state.engine else { return String::new() };
    let held = reader.and_then(|reader| engine.archive.readers.iter().find(|one| one.0 == reader));
    let catalog = held.map_or(&engine.archive.catalog, |one| &one.1);
    let acked = state.requests.iter().filter(|one| one.told == Told::Acked(Durability::PowerLoss));
    let lsns = acked.flat_map(|request| request.lsn..=request.last());
    let lsns = lsns.filter(|lsn| *lsn >= from.max(state.trim_asked) && *lsn <= engine.durable);
    lsns.filter_map(|lsn| missing(state, catalog, lsn)).next().unwrap_or_default()
}

/// Why a record is not found; nothing where it is.
fn missing(state: &State, catalog: &Catalog, lsn: Lsn) -> Option<String> {
    let disk = &state.disk;
    if let Some(run) = catalog.runs.iter().find(|run| run.lsns.contains(lsn)) {
        let copies = disk.drives.iter().filter(|drive| run.copies.contains(drive.number));
        let there = copies.filter_map(|drive| drive.run(run.number)).any(|copy| copy.at(lsn).is_some());
        let number = run.number;
        return (!there).then(|| {
            format!("record {lsn} is not found: it should be in run {number}, which does not hold it")
        });
    }
    let holds =
        |number: &u64| disk.batch(*number).is_some_and(|batch| batch.base <= lsn && lsn <= batch.last());
    let number = (1..=disk.batches.len() as u64).rfind(holds)?;
    let segment = disk.batch(number)?.segment;
    if segment < catalog.floor {
        let runs = if catalog.runs.is_empty() { "" } else { ", and no run holds it" };
        let floor = catalog.floor;
        return Some(format!(
            "record {lsn} is not found: of the segments only those from {floor} on are read{runs}"
        ));
    }
    let why = if disk.shows(segment) { "does not hold it any more" } else { "is gone" };
    (!disk.valid(number))
        .then(|| format!("record {lsn} is not found: it should be in segment {segment}, which {why}"))
}
