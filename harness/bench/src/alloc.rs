//! Counts the allocations of Rust code. What a C or C++ library allocates by itself is not seen.
#![allow(unsafe_code, reason = "a global allocator is unsafe by its trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator, with a count.
pub struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The same of one thread. A constant and a plain number, so that counting allocates nothing.
    static OF_THREAD: Cell<u64> = const { Cell::new(0) };
}

fn counted() {
    COUNT.fetch_add(1, Ordering::Relaxed);
    // A thread that ends allocates for nobody.
    let _ = OF_THREAD.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: each call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counted();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        counted();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        counted();
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(old, layout) }
    }
}

/// How many allocations there were so far.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// How many there were on this thread.
pub fn count_of_this_thread() -> u64 {
    OF_THREAD.with(Cell::get)
}
