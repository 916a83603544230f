//! Locking that survives a panicking thread, and waiting for the end of one.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks `mutex` whatever happened to the thread that held it last.
///
/// A poisoned lock only says that some thread panicked while it held plain data. The data is
/// whole, because no lock in this crate is held while foreign code runs, and a daemon must go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thread of the process.
///
/// Not that of std, because asking std leaves a record of the asking thread behind, which a leak
/// checker finds in the host's main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadId(u64);

impl ThreadId {
    pub(crate) fn current() -> ThreadId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            /// 0 until the thread is asked for the first time.
            static ID: Cell<u64> = const { Cell::new(0) };
        }
        if ID.get() == 0 {
            ID.set(LAST.fetch_add(1, Relaxed) + 1);
        }
        ThreadId(ID.get())
    }
}

/// Something that happens once, and those who wait for it.
///
/// No channel, because receiving from one leaves a record of the waiting thread behind, which a
/// leak checker finds in the host's main thread.
#[derive(Default)]
pub(crate) struct Latch {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Latch {
    /// Opens the latch when the returned guard is dropped.
    pub(crate) fn open_on_drop(self: Arc<Self>) -> LatchGuard {
        LatchGuard(self)
    }

    /// Waits until the latch opens; tells whether it did within `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let wait = self.opened.wait_timeout_while(lock(&self.is_open), patience, |open| !*open);
        *wait.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Opens its latch when dropped.
pub(crate) struct LatchGuard(Arc<Latch>);

impl Drop for LatchGuard {
    fn drop(&mut self) {
        *lock(&self.0.is_open) = true;
        self.0.opened.notify_all();
    }
}
