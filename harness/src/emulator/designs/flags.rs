//! What the two old designs share: two flags a block, kept by two layers that know little of each other.

use crate::emulator::content::{Bytes, Meta};

/// The state of one block.
#[derive(Debug, Clone)]
pub(super) struct Flags {
    /// Kept by the backend: a rewrite was submitted, and not acknowledged yet.
    pub(super) write_pending: bool,
    /// Kept by the prefetcher: the buffer is filled.
    pub(super) cache_ready: bool,
    filling: bool,
    buffer: Bytes,
    meta: Meta,
}

/// All blocks.
#[derive(Debug, Clone)]
pub(super) struct TwoFlags(Vec<Flags>);

impl TwoFlags {
    pub(super) fn new(blocks: usize) -> Self {
        let flags = |block| Flags {
            write_pending: false,
            cache_ready: false,
            filling: false,
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
        let flags = &mut self.0[block];
        let begins = !flags.cache_ready && !flags.filling;
        flags.filling |= begins;
        begins
    }

    pub(super) fn end(&mut self, block: usize) {
        self.0[block].filling = false;
    }

    /// The prefetcher's layer: what it holds is ready. It does not know what the backend did meanwhile.
    pub(super) fn ready(&mut self, block: usize, bytes: &Bytes) {
        let flags = &mut self.0[block];
        (flags.filling, flags.buffer, flags.cache_ready) = (false, *bytes, true);
    }

    /// The buffer is dropped, if there is one. A fill on its way is not reached: there is nothing yet to drop.
    pub(super) fn drop_buffer(&mut self, block: usize) {
        self.0[block].cache_ready = false;
    }

    /// The backend's layer, at submission: the new metadata is in place at once, the bytes will follow.
    pub(super) fn submit(&mut self, block: usize) -> Meta {
        let flags = &mut self.0[block];
        flags.meta = Meta::of(block, flags.meta.generation + 1, 0);
        flags.write_pending = true;
        self.drop_buffer(block);
        self.meta(block)
    }

    /// The backend's layer, at the last acknowledgement, however late that is.
    pub(super) fn acknowledged(&mut self, block: usize) {
        self.0[block].write_pending = false;
        self.drop_buffer(block);
    }
}
