//! Locking that survives a panicking thread, and waiting for the end of one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks `mutex` whatever happened to the thread that held it last.
///
/// A poisoned lock only says that some thread panicked while it held plain data. The data is
/// whole, because no lock in this crate is held while foreign code runs, and a daemon must go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// One live thread.
///
/// No `ThreadId`, because asking for one leaves a record of the thread behind, which a leak checker
/// finds in the host's main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadMark(usize);

impl ThreadMark {
    /// That of the calling thread.
    pub(crate) fn current() -> ThreadMark {
        thread_local! {
            static PLACE: u8 = const { 0 };
        }
        // No two live threads have theirs at the same address.
        PLACE.with(|place| ThreadMark(std::ptr::from_ref(place).addr()))
    }
}
