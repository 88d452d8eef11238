//! The books between append, batch and receipt: what a log tells of its batches, held against what came in and went out,
//! by each record's own number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The records that a log has told of in one life, each of which it may tell of once.
#[derive(Debug, Clone, Default)]
pub(super) struct Books(Arc<Mutex<BTreeMap<u64, u64>>>);

impl Books {
    fn told(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another life begins.
    pub(super) fn begin_life(&self) {
        self.told().clear();
    }

    /// A batch is told of. Says what is wrong with that: one of its records was told of before.
    pub(super) fn batch(&self, first: u64, last: u64) -> Option<String> {
        let mut told = self.told();
        let before = told.range(..=last).next_back().filter(|(_, end)| **end >= first);
        let twice =
            before.map(|before| format!("LSNs {first}..{last} are told of, and {before:?} were before"));
        told.insert(first, last);
        twice
    }

    /// A receipt goes out. Says what is wrong with that: no batch was told of that has its record.
    pub(super) fn receipt(&self, lsn: u64) -> Option<String> {
        let told = self.told();
        let batch = told.range(..=lsn).next_back().filter(|(_, last)| **last >= lsn);
        batch.is_none().then(|| format!("LSN {lsn} has a receipt, and no batch was told of that has it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_is_told_of_once_before_its_receipt() {
        let books = Books::default();
        assert_eq!((books.batch(1, 3), books.batch(4, 4)), (None, None));
        assert_eq!((books.receipt(1), books.receipt(3), books.receipt(4)), (None, None, None));
        assert!(books.receipt(5).is_some() && books.batch(3, 5).is_some());
        books.begin_life();
        assert!(books.receipt(1).is_some());
        assert_eq!(books.batch(1, 3), None);
    }
}
