//! The one place where the engine takes its locks, atomics and threads from.
//!
//! The plain build uses the standard library. The harness mounts the same sources twice more, once over
//! loom and once over shuttle, by a cfg that each mount's build script sets for itself. Nothing else in
//! the engine knows which of the three it is built for.
//!
//! Locks here do not report poisoning: a commit leader that unwinds poisons the log itself, through a
//! guard of its own, and that is what callers must see.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this is the facade that all others must go through"
)]

#[cfg(truelog_loom)]
use loom as runtime;
#[cfg(truelog_shuttle)]
use shuttle as runtime;
#[cfg(not(any(truelog_loom, truelog_shuttle)))]
use std as runtime;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

// Aliases, not re-exports: clippy forbids the originals by whatever name they are imported, and sees an
// alias as a type of its own.
/// A shared pointer that the runtime watches. For trait objects use [`StdArc`].
pub type Arc<T> = runtime::sync::Arc<T>;
/// A shared pointer for what no runtime needs to watch, such as trait objects.
pub type StdArc<T> = std::sync::Arc<T>;
/// An atomic number of the runtime.
pub type AtomicU64 = runtime::sync::atomic::AtomicU64;
pub use runtime::sync::atomic::Ordering;

/// Which runtime this build of the engine takes its synchronisation from.
#[must_use]
pub const fn runtime_name() -> &'static str {
    if cfg!(truelog_loom) {
        "loom"
    } else if cfg!(truelog_shuttle) {
        "shuttle"
    } else {
        "std"
    }
}

/// Mutual exclusion that does not report poisoning.
pub struct Mutex<T>(runtime::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A mutex around `value`.
    pub fn new(value: T) -> Self {
        Self(runtime::sync::Mutex::new(value))
    }

    /// Waits for the lock and takes it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { inner: self.0.lock().unwrap_or_else(PoisonError::into_inner), lock: self }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

/// Holds a [`Mutex`] until dropped.
pub struct MutexGuard<'a, T> {
    inner: runtime::sync::MutexGuard<'a, T>,
    #[cfg_attr(not(truelog_shuttle), allow(dead_code, reason = "shuttle's `wait_timeout` needs it"))]
    lock: &'a Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A condition variable. Wake-ups may be spurious: callers loop.
pub struct Condvar {
    inner: runtime::sync::Condvar,
    #[cfg(truelog_loom)]
    expired: runtime::sync::atomic::AtomicBool,
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

impl Condvar {
    /// A condition variable that nobody waits on.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: runtime::sync::Condvar::new(),
            #[cfg(truelog_loom)]
            expired: runtime::sync::atomic::AtomicBool::new(false),
        }
    }

    /// Releases the lock, waits to be woken, takes the lock again.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let MutexGuard { inner, lock } = guard;
        MutexGuard { inner: self.inner.wait(inner).unwrap_or_else(PoisonError::into_inner), lock }
    }

    /// Wakes all waiters.
    pub fn notify_all(&self) {
        self.inner.notify_all();
    }

    /// Wakes one waiter, if there is any.
    pub fn notify_one(&self) {
        self.inner.notify_one();
    }

    /// As [`Condvar::wait`], but for about `timeout` at most. The second value says whether the time ran out.
    #[cfg(not(any(truelog_loom, truelog_shuttle)))]
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> (MutexGuard<'a, T>, bool) {
        let MutexGuard { inner, lock } = guard;
        let (inner, result) = self.inner.wait_timeout(inner, timeout).unwrap_or_else(PoisonError::into_inner);
        (MutexGuard { inner, lock }, result.timed_out())
    }

    /// As [`Condvar::wait`], but the time may run out. Shuttle has no time: its scheduler's coin decides
    /// between "the time ran out before anything else happened" and "it never does". A scenario whose
    /// waiter nobody wakes must therefore expect a reported deadlock.
    #[cfg(truelog_shuttle)]
    pub fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, _: Duration) -> (MutexGuard<'a, T>, bool) {
        use shuttle::rand::Rng as _;
        if shuttle::rand::thread_rng().gen_bool(0.5) {
            // The lock is given up for a moment, as it is when time runs out.
            let lock = guard.lock;
            drop(guard);
            (lock.lock(), true)
        } else {
            (self.wait(guard), false)
        }
    }

    /// As [`Condvar::wait`], but the time may run out. Loom has neither time nor coins: the time runs out
    /// when a scenario's thread calls [`Condvar::expire`], and loom tries every moment for that.
    #[cfg(truelog_loom)]
    pub fn wait_timeout<'a, T>(&self, guard: MutexGuard<'a, T>, _: Duration) -> (MutexGuard<'a, T>, bool) {
        if self.expired.load(Ordering::Acquire) {
            return (guard, true);
        }
        let guard = self.wait(guard);
        (guard, self.expired.load(Ordering::Acquire))
    }

    /// Lets the time of all present and later waiters run out. The caller holds the waiters' lock.
    #[cfg(truelog_loom)]
    pub fn expire(&self) {
        self.expired.store(true, Ordering::Release);
        self.inner.notify_all();
    }
}

/// A thread that is about to sleep until somebody wakes it.
///
/// In the plain build a thread sleeps without a lock, and may wake up for no reason: callers loop. Loom and shuttle have
/// no such sleep that suits (loom's wakes a thread that waits for a lock as well, shuttle has none): there it is a flag
/// of its own, which only its own waker sets.
#[derive(Debug)]
pub struct Sleeper(Token);

/// Wakes a [`Sleeper`], once; before it sleeps as well as behind that.
#[derive(Debug)]
pub struct Waker(Token);

#[cfg(not(any(truelog_loom, truelog_shuttle)))]
type Token = std::thread::Thread;
#[cfg(any(truelog_loom, truelog_shuttle))]
type Token = Arc<(Mutex<bool>, Condvar)>;

impl Sleeper {
    /// This thread.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it stands for the thread that calls")]
    pub fn new() -> Self {
        #[cfg(not(any(truelog_loom, truelog_shuttle)))]
        return Self(std::thread::current());
        #[cfg(any(truelog_loom, truelog_shuttle))]
        return Self(Arc::new((Mutex::new(false), Condvar::new())));
    }

    /// What wakes it.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(self.0.clone())
    }

    /// Sleeps until woken. Whatever the waker had done before is seen then.
    pub fn sleep(self) {
        #[cfg(not(any(truelog_loom, truelog_shuttle)))]
        std::thread::park();
        #[cfg(any(truelog_loom, truelog_shuttle))]
        {
            let (woken, changed) = &*self.0;
            let mut woken = woken.lock();
            while !*woken {
                woken = changed.wait(woken);
            }
        }
    }
}

impl Waker {
    /// Wakes it.
    pub fn wake(self) {
        #[cfg(not(any(truelog_loom, truelog_shuttle)))]
        self.0.unpark();
        #[cfg(any(truelog_loom, truelog_shuttle))]
        {
            *self.0.0.lock() = true;
            self.0.1.notify_all();
        }
    }
}

/// A moment until which somebody waits, however often they are woken before it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    #[cfg(not(any(truelog_loom, truelog_shuttle)))]
    began: std::time::Instant,
    timeout: Duration,
}

impl Deadline {
    /// The moment `timeout` from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        Self {
            #[cfg(not(any(truelog_loom, truelog_shuttle)))]
            began: std::time::Instant::now(),
            timeout,
        }
    }

    /// What is left of the time. Loom and shuttle have no time: there, all of it.
    #[must_use]
    pub fn left(&self) -> Duration {
        #[cfg(not(any(truelog_loom, truelog_shuttle)))]
        return self.timeout.saturating_sub(self.began.elapsed());
        #[cfg(any(truelog_loom, truelog_shuttle))]
        return self.timeout;
    }
}

/// Threads of the runtime.
pub mod thread {
    /// A started thread.
    pub type JoinHandle<T> = super::runtime::thread::JoinHandle<T>;

    /// Starts a thread with a name.
    ///
    /// # Errors
    /// When the system cannot start another thread.
    pub fn spawn_named<F, T>(name: &str, body: F) -> std::io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        super::runtime::thread::Builder::new().name(name.to_owned()).spawn(body)
    }
}
