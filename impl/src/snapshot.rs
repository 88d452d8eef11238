//! What a reader takes along from the catalog: one state of it, whose files stay until the reader has left.

use truelog_env::File;

use crate::catalog::{Catalog, Lead, SegmentLead};
use crate::error::Error;
use crate::lsn::Lsn;
use crate::read_buf::ReadBuf;
use crate::sync::{Mutex, StdArc};

/// Keeps the files that a reader may look at from being removed, as long as it lives.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    catalog: &'a Mutex<Catalog>,
    version: u64,
    /// Memory that the next visit may read into.
    spare: Option<ReadBuf>,
}

impl<'a> Snapshot<'a> {
    /// Where to look for a record, the last record that is vouched for, and the snapshot that keeps it there.
    ///
    /// # Errors
    /// As [`Catalog::find`].
    pub(crate) fn find(catalog: &'a Mutex<Catalog>, lsn: Lsn) -> Result<(Lead, Lsn, Self), Error> {
        let mut locked = catalog.lock();
        let lead = locked.find(lsn)?;
        let version = locked.enter();
        Ok((lead, locked.vouched, Self { catalog, version, spare: None }))
    }

    /// A snapshot of everything.
    pub(crate) fn take(catalog: &'a Mutex<Catalog>) -> Self {
        let version = catalog.lock().enter();
        Self { catalog, version, spare: None }
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let mut catalog = self.catalog.lock();
        catalog.leave(self.version);
        if self.spare.is_some() {
            catalog.spare = self.spare.take();
        }
    }
}

/// All that a read of one record takes along: a lock when it begins and one when it ends are the only ones it waits for.
#[derive(Debug)]
pub(crate) struct Visit<'a> {
    pub(crate) lead: SegmentLead,
    /// The last record that is vouched for.
    pub(crate) vouched: Lsn,
    /// The segment's file, if that is open.
    pub(crate) file: Option<StdArc<dyn File>>,
    /// Memory to read into: that of the visit before, unless another reader has it.
    pub(crate) buf: ReadBuf,
    snapshot: Snapshot<'a>,
}

impl<'a> Visit<'a> {
    /// Begins to look for a record; `None` if it is in the archive.
    ///
    /// # Errors
    /// As [`Catalog::find`].
    pub(crate) fn begin(catalog: &'a Mutex<Catalog>, lsn: Lsn) -> Result<Option<Self>, Error> {
        let mut locked = catalog.lock();
        let Lead::Segment(lead) = locked.find(lsn)? else { return Ok(None) };
        let snapshot = Snapshot { catalog, version: locked.enter(), spare: None };
        let file = locked.file(lead.ground.segment);
        let buf = locked.spare.take().unwrap_or_default();
        Ok(Some(Self { lead, vouched: locked.vouched, file, buf, snapshot }))
    }

    /// Leaves the memory to the next visit, unless it is more than `keep` bytes.
    pub(crate) fn end(mut self, keep: usize) {
        self.snapshot.spare = Some(self.buf).filter(|buf| buf.room() <= keep);
    }
}
