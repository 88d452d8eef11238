//! Deals records to the writers.

use std::sync::mpsc::SyncSender;

use truelog::{Digest, Lsn};

use crate::failure::Failure;

use super::input::Piece;

/// Bytes of records that a chunk holds at most, unless a single record is longer.
const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes of records that wait at most until the input is known to be the right one.
const MOST_WAITING: usize = 64 << 20;

/// Records of one stream, in order, one behind the other.
#[derive(Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    /// Where each record ends in `bytes`.
    ends: Vec<usize>,
}

impl Chunk {
    fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }

    /// How many records it holds.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Record `index`, from 0.
    pub(crate) fn record(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

/// What the log holds of a stream already.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    /// How many records, trimmed ones included.
    pub(crate) records: u64,
    /// The last of them, if it can be read: where it is, and its digest.
    pub(crate) last: Option<(Lsn, Digest)>,
}

/// What a resumed append did not append again.
pub(crate) struct Skipped {
    /// Records that the log held already.
    pub(crate) records: u64,
}

/// Deals record k, from 0, to writer k mod N.
pub(crate) struct Dealer {
    queues: Vec<SyncSender<Chunk>>,
    open: Vec<Chunk>,
    /// What is to be skipped, by stream.
    held: Vec<Held>,
    /// Records skipped so far, by stream.
    skipped: Vec<u64>,
    /// The writer that the next record goes to.
    turn: usize,
    /// A writer has gone: it failed, and will say why. What is dealt from now on goes nowhere.
    abandoned: bool,
    /// The first record of the input that is not the one that the log has there.
    other: Option<Failure>,
    /// How many streams' last records have not been compared yet.
    unsure: usize,
    /// What waits for that, in order, and its bytes.
    waiting: (Vec<(usize, Chunk)>, usize),
}

impl Dealer {
    /// Deals to the writers behind `queues`, of which each skips what the log holds of its stream.
    pub(crate) fn new(queues: Vec<SyncSender<Chunk>>, held: Vec<Held>) -> Self {
        let count = queues.len();
        let open = std::iter::repeat_with(Chunk::default).take(count).collect();
        let unsure = held.iter().filter(|held| held.last.is_some()).count();
        let (waiting, skipped) = ((Vec::new(), 0), vec![0; count]);
        Self { queues, open, held, skipped, turn: 0, abandoned: false, other: None, unsure, waiting }
    }

    /// Takes a piece of the input.
    ///
    /// # Errors
    /// [`Failure::Thread`] when a writer has gone, so that reading ends; [`Failure::OtherRecord`] when what is skipped
    /// is not what the log holds.
    pub(crate) fn take(&mut self, piece: Piece<'_>) -> Result<(), Failure> {
        match piece {
            Piece::Record(record) => self.deal(record),
            Piece::Pause => (0..self.queues.len()).for_each(|writer| self.send(writer)),
        }
        match self.other.take() {
            Some(other) => Err(other),
            None if self.abandoned => Err(Failure::Thread("writer")),
            None => Ok(()),
        }
    }

    /// The input has ended.
    ///
    /// # Errors
    /// [`Failure::OtherInput`] when the log holds more of a stream than the input had.
    pub(crate) fn finish(self) -> Result<Skipped, Failure> {
        for (stream, (held, &given)) in (0..).zip(self.held.iter().zip(&self.skipped)) {
            if given < held.records {
                return Err(Failure::OtherInput { stream, held: held.records, given });
            }
        }
        Ok(Skipped { records: self.skipped.iter().sum() })
    }

    fn deal(&mut self, record: &[u8]) {
        let writer = self.turn;
        self.turn = (writer + 1) % self.queues.len();
        if self.skipped[writer] < self.held[writer].records {
            self.skip(writer, record);
            return;
        }
        if self.open[writer].bytes.len() + record.len() > CHUNK_BYTES {
            self.send(writer);
        }
        self.open[writer].push(record);
    }

    /// The log has the record already. The last one that it has of a stream is looked at: with another number of writers,
    /// or another input, it is another one.
    fn skip(&mut self, writer: usize, record: &[u8]) {
        let (held, seq) = (self.held[writer], self.skipped[writer]);
        self.skipped[writer] += 1;
        if let Some((lsn, digest)) = held.last.filter(|_| seq + 1 == held.records) {
            if Digest::of(record) != digest {
                self.other = Some(Failure::OtherRecord { stream: writer as u64, seq, lsn: lsn.get() });
                return;
            }
            self.unsure -= 1;
            if self.unsure == 0 {
                self.release();
            }
        }
    }

    /// Hands over what has waited.
    fn release(&mut self) {
        self.unsure = 0;
        for (writer, chunk) in std::mem::take(&mut self.waiting.0) {
            self.hand(writer, chunk);
        }
    }

    /// Hands the writer what it has. While it is not sure that the input is the one that the log was fed, that waits: an
    /// input that is refused leaves nothing behind.
    fn send(&mut self, writer: usize) {
        if self.open[writer].len() == 0 {
            return;
        }
        let chunk = std::mem::take(&mut self.open[writer]);
        if self.unsure == 0 {
            self.hand(writer, chunk);
            return;
        }
        self.waiting.1 += chunk.bytes.len();
        self.waiting.0.push((writer, chunk));
        // Writers never are so far apart that so much comes before the last record that the log holds.
        if self.waiting.1 > MOST_WAITING {
            self.release();
        }
    }

    /// Waits while the writer's queue is full.
    fn hand(&mut self, writer: usize, chunk: Chunk) {
        self.abandoned |= self.queues[writer].send(chunk).is_err();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// Deals `records` to `writers`, skipping, and returns what each got.
    fn deal(records: &[&[u8]], skip: Vec<u64>) -> (Vec<Vec<Vec<u8>>>, Result<u64, Failure>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = skip.iter().map(|_| sync_channel(16)).unzip();
        let held = skip.into_iter().map(|records| Held { records, last: None }).collect();
        let mut dealer = Dealer::new(senders, held);
        for record in records {
            dealer.take(Piece::Record(record)).unwrap();
        }
        dealer.take(Piece::Pause).unwrap();
        let skipped = dealer.finish().map(|skipped| skipped.records);
        let got = receivers
            .iter()
            .map(|queue| {
                queue.iter().flat_map(|c| (0..c.len()).map(|i| c.record(i).to_vec()).collect::<Vec<_>>())
            })
            .map(Iterator::collect)
            .collect();
        (got, skipped)
    }

    #[test]
    fn record_k_goes_to_writer_k_mod_n_and_what_is_held_is_skipped() {
        let records: [&[u8]; 7] = [b"0", b"1", b"", b"3", b"4", b"5", b"6"];
        let (got, skipped) = deal(&records, vec![0, 0, 0]);
        assert_eq!(
            got,
            [
                vec![b"0".to_vec(), b"3".to_vec(), b"6".to_vec()],
                vec![b"1".to_vec(), b"4".to_vec()],
                vec![b"".to_vec(), b"5".to_vec()]
            ]
        );
        assert_eq!(skipped.unwrap(), 0);
        let (got, skipped) = deal(&records, vec![1, 2, 0]);
        assert_eq!(got, [vec![b"3".to_vec(), b"6".to_vec()], vec![], vec![b"".to_vec(), b"5".to_vec()]]);
        assert_eq!(skipped.unwrap(), 3);
    }

    #[test]
    fn an_input_with_less_than_the_log_holds_is_refused() {
        let (_, skipped) = deal(&[b"0", b"1"], vec![1, 3]);
        let failure = skipped.unwrap_err();
        assert!(matches!(failure, Failure::OtherInput { stream: 1, held: 3, given: 1 }), "{failure}");
    }

    #[test]
    fn an_input_with_another_last_record_than_the_log_is_refused() {
        let (sender, _receiver) = sync_channel(16);
        let held = Held { records: 2, last: Some((Lsn(7), Digest::of(b"b"))) };
        let mut dealer = Dealer::new(vec![sender], vec![held]);
        dealer.take(Piece::Record(b"a")).unwrap();
        let failure = dealer.take(Piece::Record(b"c")).unwrap_err();
        assert!(matches!(failure, Failure::OtherRecord { stream: 0, seq: 1, lsn: 7 }), "{failure}");
    }

    #[test]
    fn long_records_travel_alone() {
        let long = vec![7; CHUNK_BYTES + 1];
        let (got, _) = deal(&[b"a", &long, b"b"], vec![0]);
        assert_eq!(got, [vec![b"a".to_vec(), long, b"b".to_vec()]]);
    }
}
