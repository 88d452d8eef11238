//! The records that everybody writes: each carries its number, and about half of its bytes can be compressed.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The length of a small record.
pub const SMALL: usize = 1024;
/// The length of a record in bulk.
pub const LARGE: usize = 4096;
/// How many small records a batch has.
pub const BATCH: usize = 64;

/// Makes records.
pub struct Payload {
    bytes: Vec<u8>,
    /// Those of a batch, one behind the other.
    many: Vec<u8>,
    fresh: u64,
}

impl Payload {
    /// Records of `len` bytes, at least 16. `seed` tells writers apart.
    pub fn new(len: usize, seed: u64) -> Self {
        let fresh = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { bytes: vec![b'.'; len.max(16)], many: Vec::new(), fresh }
    }

    /// The record with this number. Only the number and a few random words change, so that making it costs nothing
    /// that would be measured.
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        self.fresh = fill(self.fresh, number, &mut self.bytes);
        &self.bytes
    }

    /// The records with these numbers, made where they stay: nobody is measured who copies them.
    pub fn batch(&mut self, numbers: Range<u64>) -> impl Iterator<Item = &[u8]> {
        let len = self.bytes.len();
        let count = numbers.end.saturating_sub(numbers.start) as usize;
        if self.many.len() != count * len {
            self.many = self.bytes.repeat(count);
        }
        for (number, into) in numbers.zip(self.many.chunks_exact_mut(len)) {
            self.fresh = fill(self.fresh, number, into);
        }
        self.many.chunks_exact(len)
    }
}

/// Makes of a record the one with this number. What the next one is made of.
fn fill(fresh: u64, number: u64, record: &mut [u8]) -> u64 {
    let fresh = xorshift(fresh);
    let half = record.len() / 2;
    let mut word = fresh;
    for chunk in record[8..half].chunks_exact_mut(8) {
        word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1_442_695_040_888_963_407);
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    record[..8].copy_from_slice(&number.to_le_bytes());
    fresh
}

/// The next pseudo-random number.
pub const fn xorshift(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ (state << 17)
}

/// The number that a record carries.
pub fn number(record: &[u8]) -> Option<u64> {
    record.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// What a reader was shown, so that no reader passes by reading nothing.
#[derive(Debug, Default)]
pub struct Seen {
    records: AtomicU64,
    bytes: AtomicU64,
    numbers: AtomicU64,
}

impl Seen {
    /// A record was read.
    pub fn see(&self, record: &[u8]) {
        // One reader at a time, so that plain additions do.
        let add = |count: &AtomicU64, more: u64| {
            count.store(count.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        };
        add(&self.records, 1);
        add(&self.bytes, record.len() as u64);
        add(&self.numbers, number(record).unwrap_or(u64::MAX));
    }

    /// Adds what another reader was shown.
    pub fn take_over(&self, other: &Self) {
        for (count, more) in
            [(&self.records, &other.records), (&self.bytes, &other.bytes), (&self.numbers, &other.numbers)]
        {
            count.fetch_add(more.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Holds what was seen against the records 0 to `count`.
    pub fn check(&self, count: u64, len: usize) -> anyhow::Result<()> {
        let (records, bytes) = (self.records.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let numbers = self.numbers.load(Ordering::Relaxed);
        let sum = count * count.saturating_sub(1) / 2;
        anyhow::ensure!(
            (records, bytes, numbers) == (count, count * len as u64, sum),
            "{records} records of {bytes} bytes came back, their numbers adding up to {numbers}; \
             {count} of {len} bytes each were written, adding up to {sum}"
        );
        Ok(())
    }
}

/// Records one behind the other, each with its number.
pub struct Numbered {
    payload: Payload,
    next: u64,
    end: u64,
}

impl Numbered {
    /// The records from `from` on, up to but not including `end`.
    pub fn new(len: usize, from: u64, end: u64) -> Self {
        Self { payload: Payload::new(len, from + 1), next: from, end }
    }

    /// Whether all were taken.
    pub const fn is_empty(&self) -> bool {
        self.next >= self.end
    }

    /// The next record.
    pub fn next(&mut self) -> Option<Item<'_>> {
        let number = self.next;
        if number >= self.end {
            return None;
        }
        self.next += 1;
        Some(Item { number, bytes: self.payload.numbered(number), last: self.next == self.end })
    }
}

/// One of the records of a [`Numbered`].
pub struct Item<'a> {
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether none follows.
    pub last: bool,
}
