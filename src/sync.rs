//! Locking that survives a panicking thread.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex` whatever happened to the thread that held it last.
///
/// A poisoned lock only says that some thread panicked while it held plain data. The data is
/// whole, because no lock in this crate is held while foreign code runs, and a daemon must go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
