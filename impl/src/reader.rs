//! Reading records back: every byte is checked, memory is bounded by one batch, and nothing is ever served
//! from a buffer of another place.

use std::collections::VecDeque;

use truelog_env::{File, IoError, IoKind, OpenMode};

use crate::archive::block::ArchiveBlock;
use crate::archive::prefetch::Ahead;
use crate::archive::run::RunEntry;
use crate::archive::{Archive, Missed};
use crate::batch::{
    Batch, BatchHeader, FRAME_HEADER, Frame, Frames, frame_at, read_batch, read_head, read_rest,
};
use crate::catalog::{Catalog, Lead, SegmentLead};
use crate::error::{Error, Reason, Result};
use crate::home::Home;
use crate::lsn::{Lsn, LsnRange, SegmentNo};
use crate::mark::Mark;
use crate::names::Name;
use crate::payload::{Memory, Payload};
use crate::read_buf::ReadBuf;
use crate::segment::{SegmentHeader, read_header};
use crate::snapshot::{Snapshot, Visit};
use crate::sync::{Arc, Mutex, StdArc};
use crate::types::Entry;
use crate::walk::{Ground, find_valid};

/// Reads records of one log. Shared by all its callers.
#[derive(Debug)]
pub(crate) struct Reader {
    home: Home,
    catalog: Arc<Mutex<Catalog>>,
    archive: Arc<Archive>,
    /// A buffer longer than this is not kept, in bytes.
    keep: usize,
    /// The cursor of the last single read of a whole batch, so that the next one goes on where it ended.
    spare: Mutex<Option<Cursor>>,
}

/// A place in the log, and the batch that was read there.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    buf: ReadBuf,
    /// Which batch the buffer holds, checked.
    held: Option<BatchHeader>,
    /// The block of the archive that was read last.
    block: Option<Arc<ArchiveBlock>>,
    /// Where this cursor has been in the archive.
    ahead: Ahead,
}

impl Reader {
    pub(crate) fn new(home: Home, catalog: Arc<Mutex<Catalog>>, archive: Arc<Archive>, keep: u32) -> Self {
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        Self { home, catalog, archive, keep, spare: Mutex::new(None) }
    }

    /// The record at `lsn`.
    pub(crate) fn get(&self, lsn: Lsn) -> Result<Entry> {
        if let Some(mut visit) = Visit::begin(&self.catalog, lsn)? {
            let entry = self.get_alone(&mut visit, lsn)?;
            visit.end(self.keep);
            if let Some(entry) = entry {
                return Ok(entry);
            }
        }
        let mut cursor = self.spare.lock().take().unwrap_or_default();
        let entry = self.look_at(&mut cursor, lsn, |around| {
            let found = around.frames().find(|frame| frame.lsn == lsn);
            found.map(|frame| around.entry(&frame, frame.payload.to_vec().into()))
        })?;
        if cursor.buf.room() > self.keep {
            cursor.buf = ReadBuf::default();
            cursor.held = None;
        }
        *self.spare.lock() = Some(cursor);
        entry.ok_or(Error::Absent { lsn, next: lsn })
    }

    /// The record at `lsn`, of which no other record of its batch is read: where all frames of a batch are as long, it is
    /// known where each of them is, and a frame proves by itself what it is. `None` where that is not so, or no such frame is
    /// there: then the whole batch tells.
    fn get_alone(&self, visit: &mut Visit<'_>, lsn: Lsn) -> Result<Option<Entry>> {
        let Visit { lead, vouched, buf, .. } = visit;
        let ground = &lead.ground;
        let file = match visit.file.take() {
            Some(file) => file,
            // A trim may have been faster.
            None => match self.open(ground.segment) {
                Ok(file) => file,
                Err(_) => return Ok(None),
            },
        };
        let failed = |source| Error::io(self.home.path(Name::Segment(ground.segment)), source);
        let mut batch = lead.from;
        let known = batch.holds(lsn);
        if !known {
            let from = (batch.base, batch.offset);
            let head = approach(&*file, lead, from, lsn, buf).map_err(failed)?;
            let Some(head) = head else { return Ok(None) };
            batch = Mark::read(&head, buf);
        }
        let Some((behind, len)) = batch.guess(lsn) else { return Ok(None) };
        let len = usize::try_from(len).unwrap_or_default();
        buf.read(&*file, len, batch.offset.saturating_add(behind)).map_err(failed)?;
        let frame = frame_at(buf, &ground.site(batch.offset), behind, lsn);
        let Some(Frame { stream, seq, payload, .. }) = frame else { return Ok(None) };
        let len = payload.len();
        if !known {
            // Its record was where it said.
            self.catalog.lock().mark(ground.segment, batch);
        }
        let payload = buf.view(FRAME_HEADER, len);
        Ok(Some(Entry { lsn, stream, seq, payload, vouched: lsn <= *vouched }))
    }

    /// Opens a segment's file, which stays open for the reads to come.
    fn open(&self, segment: SegmentNo) -> Result<StdArc<dyn File>> {
        let file: StdArc<dyn File> = self.home.open(Name::Segment(segment), OpenMode::READ)?.into();
        self.catalog.lock().keep_open(segment, StdArc::clone(&file));
        Ok(file)
    }

    /// Collects the records from `lsn` on that are in the same batch, or in the same block of the archive.
    pub(crate) fn fill(&self, cursor: &mut Cursor, lsn: Lsn, into: &mut VecDeque<Entry>) -> Result<()> {
        self.look_at(cursor, lsn, |around| {
            let frames = around.frames().filter(|frame| frame.lsn >= lsn);
            into.extend(frames.map(|frame| around.entry(&frame, around.view(&frame))));
        })
    }

    /// Looks at the records around `lsn`. As long as that takes nobody removes a file that is looked at, but for a trim.
    /// Damage that is met is remembered.
    fn look_at<R>(&self, cursor: &mut Cursor, lsn: Lsn, look: impl FnMut(Around<'_>) -> R) -> Result<R> {
        let found = self.look_around(cursor, lsn, look);
        if let Err(error @ (Error::Corrupt { .. } | Error::CorruptBlock { .. })) = &found {
            self.catalog.lock().meet(error);
        }
        found
    }

    fn look_around<R>(
        &self,
        cursor: &mut Cursor,
        lsn: Lsn,
        mut look: impl FnMut(Around<'_>) -> R,
    ) -> Result<R> {
        loop {
            let (lead, vouched, _snapshot) = Snapshot::find(&self.catalog, lsn)?;
            match lead {
                Lead::Segment(lead) => {
                    let (batch, buf) = self.batch(cursor, lsn, &lead)?;
                    let (memory, start) = buf.memory();
                    return Ok(look(Around { frames: batch.records(), memory, start, vouched }));
                }
                Lead::Run(run) => match self.block(cursor, lsn, &run) {
                    Ok(block) => {
                        let (frames, memory) = (block.records(), block.memory());
                        return Ok(look(Around { frames, memory, start: 0, vouched }));
                    }
                    Err(Missed::Failed(error)) => return Err(error),
                    // The archive has moved on: look again.
                    Err(Missed::Race) => {}
                },
            }
        }
    }

    /// The block of a run that holds `lsn`: the one that the cursor was at, if it is of this very run.
    fn block(
        &self,
        cursor: &mut Cursor,
        lsn: Lsn,
        run: &RunEntry,
    ) -> std::result::Result<Arc<ArchiveBlock>, Missed> {
        let same = |block: &&Arc<ArchiveBlock>| {
            let site = block.header.site;
            (site.run, site.generation) == (run.number, run.generation) && block.header.lsns().contains(lsn)
        };
        if let Some(block) = cursor.block.as_ref().filter(same) {
            return Ok(Arc::clone(block));
        }
        // Before the next is read: it may use the memory.
        if let Some(block) = cursor.block.take() {
            self.archive.done_with(block);
        }
        let block = self.archive.block(run, lsn, &mut cursor.ahead)?;
        cursor.block = Some(Arc::clone(&block));
        Ok(block)
    }

    /// The batch that holds `lsn`, and the cursor's buffer that it is at the beginning of.
    fn batch<'a>(
        &self,
        cursor: &'a mut Cursor,
        lsn: Lsn,
        lead: &SegmentLead,
    ) -> Result<(Batch<'a>, &'a ReadBuf)> {
        let header = match cursor.held {
            Some(held) if held.lsns().contains(lsn) && held.site == lead.ground.site(held.site.offset) => {
                held
            }
            _ => self.load(cursor, lsn, lead)?,
        };
        let buf = &cursor.buf;
        let batch = Batch::again(header, buf).ok_or(Error::Corrupt {
            segment: header.site.segment,
            offset: header.site.offset,
            lsns: LsnRange::of(lsn, 1),
            reason: Reason::Short,
        })?;
        Ok((batch, buf))
    }

    /// Reads the batch that holds `lsn` into the cursor, checks it, and returns its header.
    fn load(&self, cursor: &mut Cursor, lsn: Lsn, lead: &SegmentLead) -> Result<BatchHeader> {
        let ground = lead.ground;
        let failed = |source| Error::io(self.home.path(Name::Segment(ground.segment)), source);
        let open = self.catalog.lock().file(ground.segment);
        let file = open.map_or_else(|| self.open(ground.segment), Ok).map_err(|error| {
            // A trim may have been faster.
            self.catalog.lock().find(lsn).err().unwrap_or(error)
        })?;
        let mut from = (lead.from.base, lead.from.offset);
        if let Some(held) = cursor.held.take()
            && held.site == ground.site(held.site.offset)
            && (from.0..=lsn).contains(&held.next())
        {
            from = (held.next(), held.end(ground.block));
        }
        let head = approach(&*file, lead, from, lsn, &mut cursor.buf).map_err(failed)?;
        let rest = head.map(|head| read_rest(&*file, &head, &mut cursor.buf)).transpose().map_err(failed)?;
        let header = match rest.and_then(std::result::Result::ok) {
            Some(batch) => batch.header,
            None => {
                let walked = self.walk(&*file, lead, from, lsn, &mut cursor.buf);
                walked.map_err(|error| self.unless_reused(&*file, &ground, error))?
            }
        };
        self.catalog.lock().mark(ground.segment, Mark::read(&header, &cursor.buf));
        cursor.held = Some(header);
        Ok(header)
    }

    /// What a damaged segment is whose file has become a later one: gone, and its name is. It happens to those only who look at a
    /// log beside its writer, since nobody waits for them.
    fn unless_reused(&self, file: &dyn File, ground: &Ground, error: Error) -> Error {
        let later = |header: SegmentHeader| header.log == ground.log && header.segment > ground.segment;
        match (read_header(file), self.home.open(Name::Segment(ground.segment), OpenMode::READ)) {
            (Ok(Ok(header)), Err(gone @ Error::Io { source, .. }))
                if later(header) && source.kind == IoKind::NotFound =>
            {
                gone
            }
            _ => error,
        }
    }

    /// Goes from batch to batch, each of them checked, up to that which holds `lsn`; says what is damaged if it does not
    /// get there.
    fn walk(
        &self,
        file: &dyn File,
        lead: &SegmentLead,
        (mut due, mut offset): (Lsn, u64),
        lsn: Lsn,
        buf: &mut ReadBuf,
    ) -> Result<BatchHeader> {
        let ground = lead.ground;
        let failed = |source| Error::io(self.home.path(Name::Segment(ground.segment)), source);
        loop {
            let site = ground.site(offset);
            let reason = match read_batch(file, &site, ground.block, lead.end, buf).map_err(failed)? {
                Ok(batch) if batch.header.base == due && offset < lead.end => {
                    if batch.header.lsns().contains(lsn) {
                        return Ok(batch.header);
                    }
                    (due, offset) = (batch.header.next(), batch.header.end(ground.block));
                    continue;
                }
                Ok(batch) => Reason::OtherLsn(batch.header.base),
                Err(reason) => reason,
            };
            // Not what is due: everything up to the next valid batch is damaged.
            let from = offset.saturating_add(u64::from(ground.block));
            let behind = find_valid(file, &ground, from, lead.end, buf).map_err(failed)?;
            let next = behind.valid.filter(|header| header.base > due);
            let lsns = LsnRange::new(due, next.map_or(lead.lsns.last, |header| header.base.prev()));
            match next {
                Some(header) if header.base <= lsn => (due, offset) = (header.base, header.site.offset),
                _ => return Err(Error::Corrupt { segment: ground.segment, offset, lsns, reason }),
            }
        }
    }
}

/// Goes from header to header up to that of the batch that holds `lsn`, and checks none of them: the record is what it is,
/// wherever they led from. The header's first block is in `buf` then. `None` where something is not what is due, which is
/// for the walk to judge.
fn approach(
    file: &dyn File,
    lead: &SegmentLead,
    (mut due, mut offset): (Lsn, u64),
    lsn: Lsn,
    buf: &mut ReadBuf,
) -> std::result::Result<Option<BatchHeader>, IoError> {
    let block = lead.ground.block;
    while offset < lead.end {
        let head = match read_head(file, &lead.ground.site(offset), block, lead.end, buf)? {
            Ok(head) if head.base == due => head,
            _ => return Ok(None),
        };
        if head.lsns().contains(lsn) {
            return Ok(Some(head));
        }
        (due, offset) = (head.next(), head.end(block));
    }
    Ok(None)
}

/// What a look at a record sees: the records of its batch, or of its block of the archive.
struct Around<'a> {
    frames: Frames<'a>,
    /// What the frames are in.
    memory: &'a Memory,
    /// Where in the memory what they are in begins, in bytes.
    start: usize,
    /// The last LSN that is vouched for.
    vouched: Lsn,
}

impl<'a> Around<'a> {
    fn frames(&self) -> Frames<'a> {
        self.frames.clone()
    }

    /// A record's bytes, where they are.
    fn view(&self, frame: &Frame<'_>) -> Payload {
        let from = usize::try_from(frame.offset).unwrap_or(usize::MAX).saturating_add(FRAME_HEADER);
        Payload::view(self.memory, self.start.saturating_add(from), frame.payload.len())
    }

    fn entry(&self, frame: &Frame<'_>, payload: Payload) -> Entry {
        let vouched = frame.lsn <= self.vouched;
        Entry { lsn: frame.lsn, stream: frame.stream, seq: frame.seq, payload, vouched }
    }
}

/// The records from an LSN on, in order, up to the last that is there when asked.
///
/// Damaged, unreachable and trimmed records come as one error a run, after which the iterator goes on behind the run. Records
/// that were given up by accept-loss are passed over. After an error of the file system it ends.
#[derive(Debug)]
pub struct Iter {
    reader: Arc<Reader>,
    cursor: Cursor,
    next: Lsn,
    /// Records beyond this are not shown.
    bound: Option<Lsn>,
    pending: VecDeque<Entry>,
    ended: bool,
}

impl Iter {
    pub(crate) fn new(reader: Arc<Reader>, from: Lsn) -> Self {
        let next = from.max(Lsn::FIRST);
        Self { reader, cursor: Cursor::default(), next, bound: None, pending: VecDeque::new(), ended: false }
    }

    /// The LSN of the record that comes next.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.pending.front().map_or(self.next, |entry| entry.lsn)
    }

    /// Shows no records beyond `bound` from now on.
    pub(crate) fn bound(&mut self, bound: Lsn) {
        self.bound = Some(bound);
    }

    /// What to do about a failed read: tell it, pass over it, or end.
    fn pass(&mut self, error: Error) -> Option<Result<Entry>> {
        match &error {
            Error::Absent { .. } => return None,
            Error::Lost { lsns } => {
                self.next = lsns.last.next();
                return self.next();
            }
            Error::Trimmed { first, .. } => self.next = (*first).max(self.next.next()),
            Error::Corrupt { lsns, .. }
            | Error::CorruptBlock { lsns, .. }
            | Error::Unavailable { lsns, .. } => {
                self.next = lsns.last.next().max(self.next.next());
            }
            _ => self.ended = true,
        }
        Some(Err(error))
    }
}

impl Iterator for Iter {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if let Some(entry) = self.pending.pop_front() {
            return Some(Ok(entry));
        }
        if self.ended || self.bound.is_some_and(|bound| self.next > bound) {
            return None;
        }
        let reader = Arc::clone(&self.reader);
        match reader.fill(&mut self.cursor, self.next, &mut self.pending) {
            Ok(()) => {
                let entry = self.pending.pop_front()?;
                self.next = self.pending.back().map_or(entry.lsn, |last| last.lsn).next();
                Some(Ok(entry))
            }
            Err(error) => self.pass(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lsn::StreamId;
    use crate::{Log, Options, inspect};

    #[test]
    fn the_next_record_is_not_read_over_one_that_is_kept() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
        let log = Log::create(dir.path().join("log"), &Options::default()).expect("a log");
        for number in 0..3_u8 {
            log.append(StreamId(1), &[number; 500]).expect("a receipt");
        }
        let kept: Vec<Entry> = (1..=3).map(|lsn| log.get(Lsn(lsn)).expect("a record")).collect();
        let bytes: Vec<u8> = kept.iter().map(|entry| entry.payload[499]).collect();
        assert_eq!(bytes, [0, 1, 2]);
        // Once nobody has a look at it any more, the memory is the next one's.
        let at = |lsn| log.get(Lsn(lsn)).expect("a record").payload.as_ptr();
        let _one = at(1);
        assert_eq!(at(2), at(3));
    }

    /// So that the next read of it is one call of the file system.
    #[test]
    fn where_a_read_found_its_batch_is_remembered() {
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
        let path = dir.path().join("log");
        let options = Options { segment_size: 64 << 10, background: false, ..Options::default() };
        let log = Log::create(&path, &options).expect("a log");
        for _ in 0..60 {
            log.append(StreamId(1), &[7; 500]).expect("a receipt");
        }
        log.close().expect("a close");
        let view = inspect(&path).expect("an inspection");
        let knows = |lsn| match view.find(lsn) {
            Ok(Lead::Segment(lead)) => lead.from.holds(lsn),
            other => panic!("{other:?}"),
        };
        let sealed = view.spans()[0].lsns.last;
        assert!(!knows(sealed));
        view.get(sealed).expect("a record");
        assert!(knows(sealed));
    }
}
