//! A thread that stands still at its first call of the file system, until it is let go on: a reader that holds its
//! snapshot for as long as it is wanted to.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

thread_local! {
    static GATE: Cell<Option<Gate>> = const { Cell::new(None) };
}

#[derive(Debug)]
struct Gate {
    stands: Sender<()>,
    go: Receiver<()>,
}

/// A call of this thread begins: it stands still here if it is to.
pub(super) fn pass() {
    if let Some(Gate { stands, go }) = GATE.take() {
        // Whoever waits for this thread, or lets it go on, may be gone: then it goes on.
        let _ = stands.send(());
        let _ = go.recv();
    }
}

/// A deed on a thread of its own, at its first call through a [`Tap`](super::Tap).
#[derive(Debug)]
pub struct Held<T> {
    thread: JoinHandle<T>,
    go: Sender<()>,
}

impl<T: Send + 'static> Held<T> {
    /// Begins a deed; returns when it stands still, or has ended without a call.
    #[must_use]
    pub fn begin(deed: impl FnOnce() -> T + Send + 'static) -> Self {
        let ((stands, standing), (go, gone)) = (channel(), channel());
        let thread = thread::spawn(move || {
            GATE.set(Some(Gate { stands, go: gone }));
            let done = deed();
            GATE.set(None);
            done
        });
        let _ = standing.recv();
        Self { thread, go }
    }

    /// Lets it go on; what came of it, unless it panicked.
    #[must_use]
    pub fn end(self) -> Option<T> {
        drop(self.go);
        self.thread.join().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_deed_stands_still_at_its_first_call_only() {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let held = Held::begin(move || {
            for _ in 0..2 {
                pass();
                counted.fetch_add(1, Ordering::SeqCst);
            }
            7
        });
        assert_eq!(calls.load(Ordering::SeqCst), 0);
        assert_eq!((held.end(), calls.load(Ordering::SeqCst)), (Some(7), 2));
        assert_eq!(Held::begin(|| 1).end(), Some(1), "it has no call");
    }
}
