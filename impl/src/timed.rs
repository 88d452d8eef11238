//! A segment's file, which tells how long its syncs take.

use std::time::Duration;

use truelog_env::{Clock, File, IoError, Metadata};

use crate::event::{Event, Events};
use crate::home::Home;
use crate::lsn::SegmentNo;
use crate::sync::StdArc;

/// See the module's text. The clock is read twice a sync, not once a record.
#[derive(Debug)]
pub(crate) struct Timed {
    file: Box<dyn File>,
    segment: SegmentNo,
    /// Where a write is the sync.
    through: bool,
    clock: StdArc<dyn Clock>,
    events: StdArc<Events>,
}

impl Timed {
    /// The file of a segment of this log, where each write is a sync if it is written `through`.
    pub(crate) fn new(file: Box<dyn File>, home: &Home, segment: SegmentNo, through: bool) -> Self {
        let (clock, events) = (StdArc::clone(&home.env.clock), StdArc::clone(&home.events));
        Self { file, segment, through, clock, events }
    }

    /// Does it, and tells how long it took. A sync that failed took no time that says anything.
    fn tell<T>(&self, sync: impl FnOnce() -> Result<T, IoError>) -> Result<T, IoError> {
        let began: Duration = self.clock.monotonic();
        let done = sync()?;
        let took = self.clock.monotonic().saturating_sub(began);
        self.events.emit(&Event::Synced { segment: self.segment, took });
        Ok(done)
    }
}

impl File for Timed {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> Result<usize, IoError> {
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> Result<usize, IoError> {
        let write = || self.file.write_at(buf, offset);
        if self.through { self.tell(write) } else { write() }
    }

    fn write_out(&self, offset: u64, len: u64) {
        self.file.write_out(offset, len);
    }

    fn wait_out(&self, offset: u64, len: u64) -> Result<(), IoError> {
        self.file.wait_out(offset, len)
    }

    fn sync_data(&self) -> Result<(), IoError> {
        self.tell(|| self.file.sync_data())
    }

    fn sync_all(&self) -> Result<(), IoError> {
        self.tell(|| self.file.sync_all())
    }

    fn allocate(&self, len: u64) -> Result<(), IoError> {
        self.file.allocate(len)
    }

    fn metadata(&self) -> Result<Metadata, IoError> {
        self.file.metadata()
    }
}
