//! The bytes of a record that was read back.

use std::fmt;
use std::ops::Deref;

use crate::sync::StdArc;

/// What was read, for as many as look at it.
pub(crate) type Memory = StdArc<Vec<u8>>;

/// The bytes of a record. A clone is cheap, and so is what an iterator returns: it is a view into the checked batch that
/// the record came with, and keeps that batch in memory as long as it lives (as much as `max_batch_bytes`, or one block of
/// the archive). Whoever keeps few records of many for long makes a copy: [`Payload::into_vec`].
#[derive(Clone)]
pub struct Payload {
    memory: Memory,
    from: usize,
    len: usize,
}

impl Payload {
    /// A view of `len` bytes of `memory`, from `from` on. They must be there.
    pub(crate) fn view(memory: &Memory, from: usize, len: usize) -> Self {
        Self { memory: Memory::clone(memory), from, len }
    }

    /// A copy of these bytes, in memory of its own.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self { memory: Memory::new(bytes), from: 0, len }
    }
}

impl From<Payload> for Vec<u8> {
    fn from(payload: Payload) -> Self {
        payload.into_vec()
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[self.from..self.from + self.len]
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Eq for Payload {}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Payload {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_the_bytes_it_was_made_of_and_keeps_them() {
        let memory = Memory::new(b"one two".to_vec());
        let view = Payload::view(&memory, 4, 3);
        drop(memory);
        assert_eq!(view, b"two");
        assert_eq!((view.len(), format!("{view:?}")), (3, format!("{:?}", b"two")));
        assert_eq!(Payload::from(b"two".to_vec()), view.clone());
        assert_eq!(Vec::from(view), b"two");
    }
}
