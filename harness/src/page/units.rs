//! Units of the disk in words: what a crash or a sync keeps, and what it loses.

use truelog_spec::step::Unit;

use super::words::{join, unit};

/// Whether a unit is another one, or has it as a part.
pub(super) fn names(whole: Unit, unit: Unit) -> bool {
    match (whole, unit) {
        (Unit::Batch(one, None), Unit::Batch(other, _)) => one == other,
        (Unit::Edit(one, _), Unit::Edit(other, _)) => one == other,
        (one, other) => one == other,
    }
}

/// The sectors of a batch among some units; nothing if it is there as a whole.
fn sectors(units: &[Unit], batch: u64) -> Vec<u64> {
    let of = |unit: &Unit| match *unit {
        Unit::Batch(one, sector) if one == batch => sector,
        _ => None,
    };
    units.iter().filter_map(of).collect()
}

/// Whether all of it is one batch.
pub(super) fn is_one(units: &[Unit]) -> bool {
    let batch = |unit: &Unit| if let Unit::Batch(number, _) = *unit { Some(number) } else { None };
    let first = units.first().and_then(batch);
    first.is_some() && units.iter().all(|unit| batch(unit) == first)
}

/// Units in words. The sectors of a batch are told together; of `all` that there are they are the batch.
pub(super) fn grouped(units: &[Unit], all: Option<&[Unit]>) -> String {
    let mut told: Vec<String> = Vec::new();
    for one in units {
        let text = match *one {
            Unit::Batch(batch, Some(_)) => {
                let here = sectors(units, batch);
                let whole = all.is_some_and(|all| here.len() > 1 && sectors(all, batch).len() == here.len());
                let names: Vec<String> = here.iter().map(u64::to_string).collect();
                match (whole, here.len()) {
                    (true, _) => format!("batch {batch}"),
                    (false, 1) => format!("sector {} of batch {batch}", names.join("")),
                    (false, _) => format!("sectors {} of batch {batch}", join(&names)),
                }
            }
            one => unit(one),
        };
        if !told.contains(&text) {
            told.push(text);
        }
    }
    join(&told)
}
