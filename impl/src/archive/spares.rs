//! Memory that blocks were read into, to be used again: to get fresh memory from the system, page by page, and to give it
//! back, which interrupts the other processors, costs a scan as much as half of what it takes to unpack.

use super::block::ArchiveBlock;
use crate::read_buf::ReadBuf;
use crate::sync::{Arc, Mutex};

/// So many of each are kept: for a reader and for the prefetcher.
const MOST: usize = 2;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Spares {
    /// For what was read.
    read: Mutex<Vec<ReadBuf>>,
    /// For what that unpacks to.
    unpacked: Mutex<Vec<Vec<u8>>>,
    /// How long each is, in bytes: a longer one, or a shorter one, is not kept.
    longest: usize,
}

impl Spares {
    /// For blocks that unpack to so many bytes, or fewer.
    pub(crate) fn new(longest: usize) -> Self {
        Self { read: Mutex::new(Vec::new()), unpacked: Mutex::new(Vec::new()), longest }
    }

    /// Memory that any block of that length can be read into.
    pub(crate) fn take_read(&self) -> ReadBuf {
        let kept = self.read.lock().pop();
        kept.unwrap_or_else(|| ReadBuf::with_room(self.longest))
    }

    /// Memory that any block of that length fits into: whoever takes it writes over all that is in it, or cuts it off.
    pub(crate) fn take(&self) -> Vec<u8> {
        let kept = self.unpacked.lock().pop();
        kept.unwrap_or_else(|| Vec::with_capacity(self.longest))
    }

    /// Nobody needs what was read any more.
    pub(crate) fn give_read(&self, buf: ReadBuf) {
        let mut kept = self.read.lock();
        if buf.room() == self.longest && kept.len() < MOST {
            kept.push(buf);
        }
    }

    /// Nobody needs what was unpacked any more.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut kept = self.unpacked.lock();
        if buffer.capacity() == self.longest && kept.len() < MOST {
            kept.push(buffer);
        }
    }

    /// Its last owner needs a block no more: its memory is used again if no record of it is looked at.
    pub(crate) fn give_block(&self, block: Arc<ArchiveBlock>) {
        if let Some(memory) = Arc::try_unwrap(block).ok().and_then(ArchiveBlock::into_memory) {
            self.give(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_and_no_more_than_a_few_are_kept() {
        let spares = Spares::new(100);
        for other in [99, 101] {
            spares.give(vec![1; other]);
            assert_eq!(
                (spares.take().capacity(), spares.take().len()),
                (100, 0),
                "{other} bytes are not kept"
            );
        }
        for _ in 0..9 {
            let mut used = Vec::with_capacity(100);
            used.push(1);
            spares.give(used);
        }
        let kept = (0..9).filter(|_| !spares.take().is_empty()).count();
        assert_eq!(kept, MOST);
        let buf = spares.take_read();
        let at = buf.as_ptr();
        spares.give_read(buf);
        spares.give_read(ReadBuf::with_room(99));
        assert_eq!((spares.take_read().as_ptr(), spares.take_read().room()), (at, 100));
    }
}
