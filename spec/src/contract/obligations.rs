//! What a crash leaves owed, and what a recovery shows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Violation;
use crate::invariant::Invariant;
use crate::step::{Durability, Lsn, Lsns, Seq, Stream, Writer};

/// A record with its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// Its LSN.
    pub lsn: Lsn,
    /// Its stream.
    pub stream: Stream,
    /// Its number in the stream.
    pub seq: Seq,
    /// Its bytes.
    pub payload: Arc<[u8]>,
}

/// A record that was handed in, and has perhaps no place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Its stream.
    pub stream: Stream,
    /// Its number in the stream, if a receipt said it.
    pub seq: Option<Seq>,
    /// Its bytes.
    pub payload: Arc<[u8]>,
}

impl Wanted {
    /// Whether `record` can be this.
    #[must_use]
    pub fn is(&self, record: &Record) -> bool {
        self.stream == record.stream
            && self.payload == record.payload
            && self.seq.is_none_or(|seq| seq == record.seq)
    }
}

/// Records that were handed in together: all of them are there, one after the other, or none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// Who handed them in.
    pub writer: Writer,
    /// What their receipt survives, if they get one.
    pub durability: Durability,
    /// Their LSNs, if anybody was told.
    pub lsns: Option<Lsns>,
    /// What the same writer appended before was acknowledged up to here: this comes later.
    pub after: Lsn,
    /// What the same writer appended later was acknowledged from here on: this comes before.
    pub before: Lsn,
    /// The records.
    pub records: Vec<Wanted>,
}

impl Group {
    /// The records at their places, if all of that is known.
    pub(super) fn records_at(&self) -> Option<Vec<Record>> {
        let lsns = self.lsns?;
        let placed = lsns.iter().zip(&self.records);
        placed
            .map(|(lsn, wanted)| {
                let payload = Arc::clone(&wanted.payload);
                Some(Record { lsn, stream: wanted.stream, seq: wanted.seq?, payload })
            })
            .collect()
    }
}

/// LSNs whose bytes, or the bytes that lead to them, were damaged after they were durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Damaged {
    /// The LSNs.
    pub lsns: Lsns,
    /// Whether something else durable vouches for them. If not, they may vanish in silence.
    pub vouched: bool,
}

/// What a recovery shows: the log as the new handle returns it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecoveredState {
    /// The records, in the order in which they are returned.
    pub records: Vec<Record>,
    /// The LSN that the next record will get.
    pub next: Lsn,
    /// Records below are gone; 1 if none are.
    pub trimmed: Lsn,
    /// What it names as damaged or lost.
    pub damage: Vec<Lsns>,
    /// Whether it refuses appends.
    pub read_only: bool,
}

impl RecoveredState {
    /// An empty log.
    #[must_use]
    pub fn empty() -> Self {
        Self { records: Vec::new(), next: 1, trimmed: 1, damage: Vec::new(), read_only: false }
    }

    /// Whether it names `lsn` as damaged or lost.
    #[must_use]
    pub fn names(&self, lsn: Lsn) -> bool {
        self.damage.iter().any(|range| range.contains(lsn))
    }

    /// A second recovery of the same log, nothing having been appended, finds the same.
    ///
    /// # Errors
    /// [`Invariant::RecoveryConverges`] if it does not.
    pub fn converges(&self, again: &Self) -> Result<(), Violation> {
        if self == again {
            return Ok(());
        }
        let pairs = self.records.iter().zip(&again.records);
        let same = pairs.take_while(|(first, second)| first == second).count();
        let detail = format!(
            "the first recovery: {} records, next {}, from {}; the second: {} records, next {}, from {}; the first \
             {same} records are equal",
            self.records.len(),
            self.next,
            self.trimmed,
            again.records.len(),
            again.next,
            again.trimmed
        );
        Err(Violation::new(Invariant::RecoveryConverges, detail))
    }
}

/// What is owed after a crash: equal for situations that no recovery can tell apart by right.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Obligations {
    /// Whether the log's creation was acknowledged: if not, it need not be there.
    pub created: bool,
    /// The records that the last open returned: must be there.
    pub settled: Arc<Vec<Record>>,
    /// The next number of each stream behind all that is settled, trimmed or lost.
    pub(super) heads: Arc<BTreeMap<Stream, Seq>>,
    /// The records acknowledged since, as far as this crash may not take them: must be there. In order of LSN.
    pub acked: Vec<Record>,
    /// Unresolved appends, and those whose receipt this crash outdoes: may be there. By writer, in its order.
    pub may: Vec<Group>,
    /// The first LSN that the last open left free.
    pub next: Lsn,
    /// The trim point is at least this.
    pub trimmed_must: Lsn,
    /// The trim point is at most this.
    pub trimmed_may: Lsn,
    /// The engine has claimed that all up to here is durable.
    pub claimed: Lsn,
    /// What was accepted as lost.
    pub losses: Vec<Lsns>,
    /// What was damaged.
    pub damaged: Vec<Damaged>,
    /// The directory is a copy that was not adopted: it need not open, but what opens is whole.
    pub away: bool,
}

impl Obligations {
    /// The records that must be there, unless trimmed, lost or damaged. In order of LSN.
    pub fn must(&self) -> impl Iterator<Item = &Record> {
        self.settled.iter().chain(&self.acked)
    }

    /// The same, on a disk whose durable bytes were damaged as well.
    #[must_use]
    pub fn with_damage(mut self, damaged: &[Damaged]) -> Self {
        self.damaged.extend_from_slice(damaged);
        self
    }

    /// Whether `lsn` was accepted as lost.
    pub(super) fn lost(&self, lsn: Lsn) -> bool {
        self.losses.iter().any(|lost| lost.contains(lsn))
    }

    /// The damage that `lsn` may have suffered.
    pub(super) fn damage_of(&self, lsn: Lsn) -> Option<Damaged> {
        let mut meeting = self.damaged.iter().filter(|damaged| damaged.lsns.contains(lsn));
        let first = meeting.next()?;
        // An excuse for silence outweighs.
        Some(*meeting.find(|damaged| !damaged.vouched).unwrap_or(first))
    }
}
