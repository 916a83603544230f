//! Calls from emcp into the host.

use std::cell::Cell;
use std::ffi::c_void;

use crate::failure::{Failure, Result};
use crate::status::EMCP_E_BUSY;

/// The host's pointer, which comes back with every callback.
#[derive(Clone, Copy)]
pub(crate) struct User(*mut c_void);

// SAFETY: emcp never looks behind the pointer; the header tells the host that its callbacks run on
// any thread, several at once.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    pub(crate) fn new(user: *mut c_void) -> User {
        User(user)
    }

    pub(crate) fn pointer(self) -> *mut c_void {
        self.0
    }
}

thread_local! {
    /// Callbacks that this thread is inside of; hooks run inside tool functions.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs a callback of the host, and remembers meanwhile that this thread is inside one.
pub(crate) fn callback<T>(run: impl FnOnce() -> T) -> T {
    let _inside = Inside::enter();
    run()
}

/// # Errors
/// `EMCP_E_BUSY` inside a callback: whoever waits for callbacks to end would wait for itself.
pub(crate) fn refuse_inside() -> Result<()> {
    if !is_inside() {
        return Ok(());
    }
    Err(Failure::new(EMCP_E_BUSY, "a callback cannot wait for callbacks to end"))
}

/// Tells whether the calling thread is inside a callback.
pub(crate) fn is_inside() -> bool {
    DEPTH.try_with(Cell::get).is_ok_and(|depth| depth > 0)
}

/// Counts the callback out even if it is left by a panic.
struct Inside;

impl Inside {
    fn enter() -> Inside {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() + 1));
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = DEPTH.try_with(|depth| depth.set(depth.get() - 1));
    }
}
