//! The border to C: no panic crosses it, and the last failure of each thread stays readable.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crate::failure::{Failure, Result};
use crate::status::EMCP_E_PANIC;

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Runs the body of an exported function; a panic in it becomes `default`.
pub(crate) fn guard<T>(default: T, body: impl FnOnce() -> T) -> T {
    // What the body leaves half done stays behind locks that ignore poison, or is the core's own.
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        remember(&format!("panic: {}", panic_text(&*panic)));
        default
    })
}

/// Like [`guard`] for functions that return a status or a count.
pub(crate) fn guard_status(body: impl FnOnce() -> Result<i32>) -> i32 {
    guard(EMCP_E_PANIC, || body().unwrap_or_else(|failure| report(&failure)))
}

/// Like [`guard_status`] for functions that return a count of bytes.
pub(crate) fn guard_count(body: impl FnOnce() -> Result<i64>) -> i64 {
    guard(EMCP_E_PANIC.into(), || body().unwrap_or_else(|failure| report(&failure).into()))
}

/// Keeps the text of a failure for `emcp_last_error`; returns its status.
pub(crate) fn report(failure: &Failure) -> i32 {
    remember(&failure.text);
    failure.status
}

/// The text of this thread's last failure. Valid until the next one.
pub(crate) fn last_error() -> *const c_char {
    LAST_ERROR.try_with(|text| text.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Keeps panics from printing: a library writes nothing to its host's standard error. They are
/// caught, counted and logged where they happen. The hook belongs to this library's own copy of the
/// Rust runtime, so no other Rust code in the process is affected.
pub(crate) fn silence_panics() {
    static ONCE: Once = Once::new();
    // Unit tests need theirs printed.
    ONCE.call_once(|| {
        if !cfg!(test) {
            std::panic::set_hook(Box::new(|_| {}));
        }
    });
}

/// Locks even after a panic: the fence has turned it into a status, and the host goes on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remember(text: &str) {
    let text: Vec<u8> = text.bytes().filter(|byte| *byte != 0).collect();
    let text = CString::new(text).unwrap_or_default();
    // Fails only while the thread ends; nobody can ask any more.
    let _ = LAST_ERROR.try_with(|last| last.replace(text));
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;
    use crate::status::{EMCP_E_STATE, EMCP_OK};

    fn text() -> String {
        // SAFETY: the text is static or this thread's own, which nobody replaces meanwhile.
        unsafe { CStr::from_ptr(last_error()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn a_panic_becomes_a_status_with_its_text() {
        assert_eq!(guard_status(|| panic!("impossible {}", 7)), EMCP_E_PANIC);
        assert_eq!(text(), "panic: impossible 7");
        assert_eq!(guard(3, || 4), 4);
    }

    #[test]
    fn a_success_leaves_the_last_failure_alone() {
        let failure = Failure::new(EMCP_E_STATE, "wrong\0 moment");
        assert_eq!(guard_status(|| Err(failure)), EMCP_E_STATE);
        assert_eq!(guard_status(|| Ok(EMCP_OK)), EMCP_OK);
        assert_eq!(text(), "wrong moment");
    }
}
