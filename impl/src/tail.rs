//! Following a log: the records from an LSN on, each once it is durable.

use std::time::Duration;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::group_commit::Marks;
use crate::lsn::Lsn;
use crate::reader::Iter;
use crate::sync::Arc;
use crate::types::Entry;

/// Follows a log. Shows a record only once it survives a loss of power.
#[derive(Debug)]
pub struct Tail {
    engine: Arc<Engine>,
    iter: Iter,
}

impl Tail {
    pub(crate) fn new(engine: Arc<Engine>, from: Lsn) -> Self {
        let iter = Iter::new(Arc::clone(&engine.reader), from);
        Self { engine, iter }
    }

    /// The LSN of the record that comes next.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.iter.position()
    }

    /// The next record, or `None` if it has not become durable within `timeout`.
    ///
    /// # Errors
    /// As [`Iter`] for records that cannot be read; [`Error::Closed`] or [`Error::Poisoned`] once everything
    /// durable has been shown and nothing more can become durable; [`Error::ReadOnly`] likewise.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Entry>> {
        loop {
            let position = self.iter.position();
            let durable = self.engine.kernel.marks().durable;
            if position > durable {
                self.engine.check_writable()?;
                if !self.engine.kernel.watch(Marks::durable(position), timeout)? {
                    return Ok(None);
                }
                continue;
            }
            self.iter.bound(durable);
            // A run of records given up may reach up to the bound: then look again.
            match self.iter.next() {
                Some(found) => return found.map(Some),
                None if self.iter.position() > position => {}
                None => return Err(Error::Absent { lsn: position, next: durable.next() }),
            }
        }
    }
}
