//! Tickets: records that were submitted and are not acknowledged yet.

use crate::error::{Error, Result};
use crate::lsn::{Lsn, SegmentNo, Seq};
use crate::receipt::Claim;
use crate::types::{Digest, Durability, LogId, Record};

/// What will become receipts. One record needs no allocation.
#[derive(Debug, Clone)]
pub(crate) enum Claims {
    One([Claim; 1]),
    Many(Vec<Claim>),
}

/// What can be claimed of a record before it has a place.
pub(crate) fn claim(log: LogId, record: &Record<'_>, durability: Durability) -> Claim {
    Claim {
        log,
        lsn: Lsn::NONE,
        stream: record.stream,
        seq: Seq(0),
        segment: SegmentNo::NONE,
        offset: 0,
        // A longer payload fits into no batch, and is refused before this is told to anybody.
        len: u32::try_from(record.payload.len()).unwrap_or(u32::MAX),
        digest: Digest::of(record.payload),
        durability,
    }
}

impl Claims {
    /// What can be claimed of `records` before they have a place. There must be some.
    pub(crate) fn of(log: LogId, records: &[Record<'_>], durability: Durability) -> Result<Self> {
        match records {
            [] => Err(Error::BadOption {
                option: "records",
                value: "empty".to_owned(),
                why: "a batch holds one record at least",
            }),
            [one] => Ok(Self::One([claim(log, one, durability)])),
            many => Ok(Self::Many(many.iter().map(|record| claim(log, record, durability)).collect())),
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [Claim] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }

    fn as_slice(&self) -> &[Claim] {
        match self {
            Self::One(one) => one,
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
    claims: Claims,
    durability: Durability,
}

impl Ticket {
    pub(crate) const fn new(handle: u64, claims: Claims, durability: Durability) -> Self {
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

    pub(crate) const fn handle(&self) -> u64 {
        self.handle
    }

    pub(crate) fn into_claims(self) -> Vec<Claim> {
        match self.claims {
            Claims::One(one) => one.to_vec(),
            Claims::Many(many) => many,
        }
    }
}
