//! What the two old designs share: two flags a block, kept by two layers that know little of each other. They are
//! atomic, as they must be between threads, so that what they cost can be measured; nothing hangs on that here.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};

use crate::emulator::content::{Bytes, Meta};

/// The state of one block.
#[derive(Debug)]
pub(super) struct Flags {
    write_pending: AtomicBool,
    cache_ready: AtomicBool,
    filling: AtomicBool,
    buffer: Bytes,
    meta: Meta,
}

impl Flags {
    /// Kept by the backend: a rewrite was submitted, and not acknowledged yet.
    pub(super) fn write_pending(&self) -> bool {
        self.write_pending.load(Acquire)
    }

    /// Kept by the prefetcher: the buffer is filled.
    pub(super) fn cache_ready(&self) -> bool {
        self.cache_ready.load(Acquire)
    }
}

/// All blocks.
#[derive(Debug)]
pub(super) struct TwoFlags(Vec<Flags>);

impl TwoFlags {
    pub(super) fn new(blocks: usize) -> Self {
        let flags = |block| Flags {
            write_pending: AtomicBool::new(false),
            cache_ready: AtomicBool::new(false),
            filling: AtomicBool::new(false),
            buffer: Bytes::default(),
            meta: Meta::of(block, 1, 0),
        };
        Self((0..blocks).map(flags).collect())
    }

    pub(super) fn of(&self, block: usize) -> &Flags {
        &self.0[block]
    }

    pub(super) fn meta(&self, block: usize) -> Meta {
        self.0[block].meta
    }

    /// The buffer, if it is what the metadata says.
    pub(super) fn verified(&self, block: usize) -> Option<Bytes> {
        let Flags { buffer, meta, .. } = &self.0[block];
        meta.vouches(block, buffer).then_some(*buffer)
    }

    pub(super) fn begin(&mut self, block: usize) -> bool {
        let flags = &self.0[block];
        !flags.cache_ready() && flags.filling.compare_exchange(false, true, AcqRel, Acquire).is_ok()
    }

    pub(super) fn end(&mut self, block: usize) {
        self.0[block].filling.store(false, Release);
    }

    /// The prefetcher's layer: what it holds is ready. It does not know what the backend did meanwhile.
    pub(super) fn ready(&mut self, block: usize, bytes: &Bytes) {
        let flags = &mut self.0[block];
        flags.buffer = *bytes;
        flags.cache_ready.store(true, Release);
        flags.filling.store(false, Release);
    }

    /// The buffer is dropped, if there is one. A fill on its way is not reached: there is nothing yet to drop.
    pub(super) fn drop_buffer(&mut self, block: usize) {
        self.0[block].cache_ready.store(false, Release);
    }

    /// The backend's layer, at submission: the new metadata is in place at once, the bytes will follow.
    pub(super) fn submit(&mut self, block: usize) -> Meta {
        let flags = &mut self.0[block];
        flags.meta = Meta::of(block, flags.meta.generation + 1, 0);
        flags.write_pending.store(true, Release);
        self.drop_buffer(block);
        self.meta(block)
    }

    /// The backend's layer, at the last acknowledgement, however late that is.
    pub(super) fn acknowledged(&mut self, block: usize) {
        self.0[block].write_pending.store(false, Release);
        self.drop_buffer(block);
    }
}
