//! Tickets: records that were submitted and are not acknowledged yet.

use crate::board::Board;
use crate::codec::as_u64;
use crate::error::{Error, Result};
use crate::lanes::digest_each;
use crate::lsn::{Lsn, LsnRange, SegmentNo, Seq};
use crate::receipt::Claim;
use crate::types::{Digest, Durability, LogId, Record};

/// Where a record went: what its receipt says of it, but for what only the record's own bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spot {
    pub(crate) lsn: Lsn,
    pub(crate) seq: Seq,
    pub(crate) segment: SegmentNo,
    /// Where its frame begins in the segment's file, in bytes.
    pub(crate) offset: u64,
}

impl Spot {
    /// What can be claimed of the record that went here.
    pub(crate) fn claim(
        self,
        log: LogId,
        record: &Record<'_>,
        digest: Digest,
        durability: Durability,
    ) -> Claim {
        let Self { lsn, seq, segment, offset } = self;
        Claim {
            log,
            lsn,
            stream: record.stream,
            seq,
            segment,
            offset,
            // A longer payload fits into no batch, and is refused before it has a place.
            len: u32::try_from(record.payload.len()).unwrap_or(u32::MAX),
            digest,
            durability,
        }
    }
}

/// One or many, of which one needs no allocation.
#[derive(Debug, Clone)]
pub(crate) enum Few<T> {
    One([T; 1]),
    Many(Vec<T>),
}

impl Few<Spot> {
    /// The places of `records`, of which there must be some, before they have any.
    pub(crate) fn of(records: &[Record<'_>]) -> Result<Self> {
        match records {
            [] => Err(Error::BadOption {
                option: "records",
                value: "empty".to_owned(),
                why: "a batch holds one record at least",
            }),
            [_] => Ok(Self::One([Spot::default()])),
            many => Ok(Self::Many(vec![Spot::default(); many.len()])),
        }
    }

    /// The records that went here.
    pub(crate) fn lsns(&self) -> LsnRange {
        let spots = self.as_slice();
        LsnRange::of(spots.first().map_or(Lsn::NONE, |spot| spot.lsn), as_u64(spots.len()))
    }

    /// What can be claimed of `records`, which went here. Their digests may be on the board.
    pub(crate) fn claims(
        &self,
        log: LogId,
        records: &[Record<'_>],
        durability: Durability,
        board: &Board,
    ) -> Few<Claim> {
        match (self, records) {
            (Self::One([spot]), [record]) => {
                let digest = board.digest_of(spot.lsn, record.payload);
                Few::One([spot.claim(log, record, digest, durability)])
            }
            (spots, records) => {
                let mut digests = Vec::with_capacity(records.len());
                if !board.find(spots.lsns(), &mut digests) {
                    digest_each(records.iter().map(|record| record.payload), &mut digests);
                }
                let all = spots.as_slice().iter().zip(records).zip(digests);
                let claim = |((spot, record), digest): ((&Spot, &Record<'_>), _)| {
                    spot.claim(log, record, digest, durability)
                };
                Few::Many(all.map(claim).collect())
            }
        }
    }
}

impl<T: Copy> Few<T> {
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => one.to_vec(),
            Self::Many(many) => many,
        }
    }
}

/// Stands for records that were submitted: give it to [`Log::wait`](crate::Log::wait) to get their receipts.
/// Dropped, it changes nothing for the records.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    handle: u64,
    claims: Few<Claim>,
    durability: Durability,
}

impl Ticket {
    pub(crate) const fn new(handle: u64, claims: Few<Claim>, durability: Durability) -> Self {
        Self { handle, claims, durability }
    }

    /// The first record's LSN. Not acknowledged yet.
    #[must_use]
    pub fn first(&self) -> Lsn {
        self.claims.as_slice().first().map_or(Lsn::NONE, |claim| claim.lsn)
    }

    /// The last record's LSN. Not acknowledged yet.
    #[must_use]
    pub fn last(&self) -> Lsn {
        self.claims.as_slice().last().map_or(Lsn::NONE, |claim| claim.lsn)
    }

    /// The durability that is waited for.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        self.durability
    }

    /// All records.
    pub(crate) fn lsns(&self) -> LsnRange {
        LsnRange::new(self.first(), self.last())
    }

    pub(crate) const fn handle(&self) -> u64 {
        self.handle
    }

    pub(crate) fn into_claims(self) -> Few<Claim> {
        self.claims
    }
}
