//! Each recovered record that nobody acknowledged is one of the unresolved appends, in its writer's order.

use std::collections::BTreeMap;

use super::Violation;
use super::judge::View;
use super::obligations::{Group, Obligations, Record};
use crate::invariant::Invariant;
use crate::step::{Lsn, Writer};

/// A search for a way to see the extra records as unresolved appends. Usually there is at most one candidate at
/// each point, since payloads differ; records too short to differ are tried in turn.
struct Search<'a> {
    owed: &'a Obligations,
    view: &'a View<'a>,
    extras: Vec<&'a Record>,
    /// How many records the best way explained.
    explained: usize,
}

pub(super) fn check(owed: &Obligations, view: &View<'_>) -> Result<(), Violation> {
    let known: BTreeMap<Lsn, &Record> = owed.must().map(|record| (record.lsn, record)).collect();
    let mut extras: Vec<&Record> = view.state.records.iter().collect();
    extras.retain(|record| record.lsn >= view.state.trimmed && !known.contains_key(&record.lsn));
    extras.sort_by_key(|record| record.lsn);
    extras.dedup_by_key(|record| record.lsn);
    let mut search = Search { owed, view, extras, explained: 0 };
    if search.explain(0, &BTreeMap::new()) {
        return Ok(());
    }
    let record = search.extras[search.explained];
    // Short payloads may be equal: it is one too many only if all that are like it are there already.
    let like = |one: &Record| one.stream == record.stream && one.payload == record.payload;
    let known = known.values().filter(|one| like(one)).count();
    let there = search.extras[..search.explained].iter().filter(|one| like(one)).count() + known;
    let wanted = owed.may.iter().flat_map(|group| &group.records).filter(|wanted| wanted.is(record)).count();
    let duplicate = there >= wanted + known;
    let part = |group: &Group| {
        group.lsns.is_none()
            && group.records.len() > 1
            && group.records.iter().any(|wanted| wanted.is(record))
    };
    let (invariant, why) = if !duplicate && owed.may.iter().any(part) {
        (Invariant::RecoveredIsPrefix, "is there without the rest of its batch")
    } else {
        (Invariant::NothingInvented, "is no record that was appended, once, in this order")
    };
    let detail = format!("{} (stream {}, seq {}) {why}", record.lsn, record.stream, record.seq);
    Err(Violation::new(invariant, detail))
}

impl Search<'_> {
    /// Whether all extras from `index` on can be explained; `taken` says how many of its unresolved appends each
    /// writer has behind it.
    fn explain(&mut self, index: usize, taken: &BTreeMap<Writer, usize>) -> bool {
        self.explained = self.explained.max(index);
        let Some(record) = self.extras.get(index).copied() else { return true };
        let owed = self.owed;
        let bound = |group: &&Group| group.lsns.is_some_and(|lsns| lsns.contains(record.lsn));
        let mut places: BTreeMap<Writer, usize> = BTreeMap::new();
        for group in &owed.may {
            let place = places.entry(group.writer).or_default();
            let here = *place;
            *place += 1;
            let behind = taken.get(&group.writer).copied().unwrap_or(0);
            let next = match group.lsns {
                // A batch whose LSNs are known is met once per record: the writer may stand in it.
                Some(lsns) if bound(&group) && here + 1 >= behind => {
                    let offset = usize::try_from(record.lsn - lsns.first).unwrap_or(usize::MAX);
                    let fits = group.records.get(offset).is_some_and(|wanted| wanted.is(record));
                    fits.then_some(index + 1)
                }
                None if here >= behind && !owed.may.iter().any(|other| bound(&other)) => {
                    self.whole(group, index)
                }
                _ => None,
            };
            let Some(next) = next else { continue };
            let mut taken = taken.clone();
            taken.insert(group.writer, here + 1);
            if self.explain(next, &taken) {
                return true;
            }
        }
        false
    }

    /// Whether the extras from `index` on begin with this group as a whole, except where it is trimmed or named as damage;
    /// if so, the index of the first extra behind it.
    fn whole(&self, group: &Group, index: usize) -> Option<usize> {
        let lsn = self.extras[index].lsn;
        let state = self.view.state;
        let gone = |lsn: Lsn| lsn < state.trimmed || state.names(lsn) || self.owed.lost(lsn);
        (0..group.records.len()).find_map(|skipped| {
            let first = lsn.checked_sub(skipped as u64).filter(|first| *first > group.after)?;
            let mut next = index;
            for (place, wanted) in (first..).zip(&group.records) {
                match self.extras.get(next).filter(|record| record.lsn == place) {
                    Some(record) if wanted.is(record) && place < group.before => next += 1,
                    None if gone(place) => {}
                    _ => return None,
                }
            }
            Some(next)
        })
    }
}
