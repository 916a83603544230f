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

/// What the calling thread runs of the host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Outside,
    Call,
    /// A hook, `on_cancel` or `free_user`: it may run on the I/O thread or in the middle of
    /// another operation.
    Hook,
}

thread_local! {
    static PLACE: Cell<Place> = const { Cell::new(Place::Outside) };
}

/// Runs a function that serves a call.
pub(crate) fn call_callback<T>(run: impl FnOnce() -> T) -> T {
    let _inside = Inside::enter(Place::Call);
    run()
}

/// Runs any other function of the host.
pub(crate) fn callback<T>(run: impl FnOnce() -> T) -> T {
    let _inside = Inside::enter(Place::Hook);
    run()
}

/// # Errors
/// `EMCP_E_BUSY` inside a callback: whoever waits for callbacks to end would wait for itself.
pub(crate) fn refuse_inside() -> Result<()> {
    if is_inside() { Err(busy()) } else { Ok(()) }
}

/// # Errors
/// `EMCP_E_BUSY` inside a callback that serves no call: the calls waited for may wait for it.
pub(crate) fn refuse_inside_hook() -> Result<()> {
    if place() == Place::Hook { Err(busy()) } else { Ok(()) }
}

/// Tells whether the calling thread is inside a callback.
pub(crate) fn is_inside() -> bool {
    place() != Place::Outside
}

fn place() -> Place {
    // A thread that is ending is inside nothing.
    PLACE.try_with(Cell::get).unwrap_or(Place::Outside)
}

fn busy() -> Failure {
    Failure::new(EMCP_E_BUSY, "a callback cannot wait for callbacks to end")
}

/// Puts the thread back where it was, even if the callback is left by a panic.
struct Inside(Place);

impl Inside {
    fn enter(place: Place) -> Inside {
        let outer = self::place();
        // A call that runs inside a hook is still inside the hook.
        let _ = PLACE.try_with(|inner| inner.set(outer.max(place)));
        Inside(outer)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = PLACE.try_with(|place| place.set(self.0));
    }
}
