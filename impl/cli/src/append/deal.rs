//! Deals records to the writers.

use std::sync::mpsc::SyncSender;

use crate::failure::Failure;

use super::input::Piece;

/// Bytes of records that a chunk holds at most, unless a single record is longer.
const CHUNK_BYTES: usize = 64 * 1024;

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

/// What a resumed append did not append again.
pub(crate) struct Skipped {
    /// Records that the log held already.
    pub(crate) records: u64,
}

/// Deals record k, from 0, to writer k mod N.
pub(crate) struct Dealer {
    queues: Vec<SyncSender<Chunk>>,
    open: Vec<Chunk>,
    /// Records still to be skipped, by stream.
    skip: Vec<u64>,
    /// Records skipped so far, by stream.
    skipped: Vec<u64>,
    /// The writer that the next record goes to.
    turn: usize,
    /// A writer has gone: it failed, and will say why. What is dealt from now on goes nowhere.
    abandoned: bool,
}

impl Dealer {
    /// Deals to the writers behind `queues`, of which each skips its first `skip` records.
    pub(crate) fn new(queues: Vec<SyncSender<Chunk>>, skip: Vec<u64>) -> Self {
        let count = queues.len();
        let open = std::iter::repeat_with(Chunk::default).take(count).collect();
        Self { queues, open, skip, skipped: vec![0; count], turn: 0, abandoned: false }
    }

    /// Takes a piece of the input.
    ///
    /// # Errors
    /// [`Failure::Thread`] when a writer has gone, so that reading ends.
    pub(crate) fn take(&mut self, piece: Piece<'_>) -> Result<(), Failure> {
        match piece {
            Piece::Record(record) => self.deal(record),
            Piece::Pause => (0..self.queues.len()).for_each(|writer| self.send(writer)),
        }
        if self.abandoned { Err(Failure::Thread("writer")) } else { Ok(()) }
    }

    /// The input has ended.
    ///
    /// # Errors
    /// [`Failure::OtherInput`] when the log holds more of a stream than the input had.
    pub(crate) fn finish(self) -> Result<Skipped, Failure> {
        for (stream, (&missing, &given)) in (0..).zip(self.skip.iter().zip(&self.skipped)) {
            if missing > 0 {
                return Err(Failure::OtherInput { stream, held: given + missing, given });
            }
        }
        Ok(Skipped { records: self.skipped.iter().sum() })
    }

    fn deal(&mut self, record: &[u8]) {
        let writer = self.turn;
        self.turn = (writer + 1) % self.queues.len();
        if self.skip[writer] > 0 {
            self.skip[writer] -= 1;
            self.skipped[writer] += 1;
            return;
        }
        if self.open[writer].bytes.len() + record.len() > CHUNK_BYTES {
            self.send(writer);
        }
        self.open[writer].push(record);
    }

    /// Hands the writer what it has; waits while its queue is full.
    fn send(&mut self, writer: usize) {
        if self.open[writer].len() == 0 {
            return;
        }
        let chunk = std::mem::take(&mut self.open[writer]);
        if self.queues[writer].send(chunk).is_err() {
            self.abandoned = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// Deals `records` to `writers`, skipping, and returns what each got.
    fn deal(records: &[&[u8]], skip: Vec<u64>) -> (Vec<Vec<Vec<u8>>>, Result<u64, Failure>) {
        let (senders, receivers): (Vec<_>, Vec<_>) = skip.iter().map(|_| sync_channel(16)).unzip();
        let mut dealer = Dealer::new(senders, skip);
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
    fn long_records_travel_alone() {
        let long = vec![7; CHUNK_BYTES + 1];
        let (got, _) = deal(&[b"a", &long, b"b"], vec![0]);
        assert_eq!(got, [vec![b"a".to_vec(), long, b"b".to_vec()]]);
    }
}
