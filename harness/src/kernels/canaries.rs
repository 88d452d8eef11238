//! Kernels that are wrong on purpose, each in one way. Loom must find each, and say why.

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// Plain memory beside a watermark that is to cover it.
#[derive(Debug)]
struct Published {
    record: UnsafeCell<u64>,
    durable: AtomicU64,
}

// SAFETY: whether the accesses are ordered is what loom checks; here they are not.
#[allow(unsafe_code)]
unsafe impl Sync for Published {}

/// The engine publishes its watermark with release and reads it with acquire. This one does neither.
pub(super) fn relaxed_watermark() {
    let log = Arc::new(Published { record: UnsafeCell::new(0), durable: AtomicU64::new(0) });
    let writer = {
        let log = Arc::clone(&log);
        thread::spawn(move || {
            // SAFETY: loom reports the race before anything comes of it.
            #[allow(unsafe_code)]
            log.record.with_mut(|cell| unsafe { *cell = 1 });
            log.durable.store(1, Ordering::Relaxed);
        })
    };
    if log.durable.load(Ordering::Relaxed) == 1 {
        // SAFETY: as above.
        #[allow(unsafe_code)]
        let record = log.record.with(|cell| unsafe { *cell });
        assert_eq!(record, 1);
    }
    let _ = writer.join();
}

/// The engine looks at what it waits for under the lock that it then waits with. This one looks first.
pub(super) fn lost_wake_up() {
    let shared = Arc::new((Mutex::new(()), Condvar::new(), AtomicBool::new(false)));
    let leader = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            let (_, ended, done) = &*shared;
            done.store(true, Ordering::SeqCst);
            ended.notify_all();
        })
    };
    let (lock, ended, done) = &*shared;
    if !done.load(Ordering::SeqCst)
        && let Ok(guard) = lock.lock()
    {
        drop(ended.wait(guard));
    }
    let _ = leader.join();
}

/// The engine's leader holds the work itself. This one sets a flag that it has looked at before.
pub(super) fn two_leaders() {
    let shared = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
    let lead = |shared: &(AtomicBool, AtomicBool)| {
        let (led, in_flight) = shared;
        if !led.load(Ordering::SeqCst) {
            led.store(true, Ordering::SeqCst);
            assert!(!in_flight.swap(true, Ordering::SeqCst), "two commits in flight");
            in_flight.store(false, Ordering::SeqCst);
            led.store(false, Ordering::SeqCst);
        }
    };
    let other = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || lead(&shared))
    };
    lead(&shared);
    let _ = other.join();
}
