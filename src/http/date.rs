//! The `Date` header field.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Calls `use_date` with the present time as a Date field has it, formatted once per second.
pub(super) fn date<T>(use_date: impl FnOnce(&str) -> T) -> T {
    // A cache of the clock, not state: each I/O thread fills its own.
    thread_local! {
        static CACHE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let present = SystemTime::now();
    let second = present.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    CACHE.with_borrow_mut(|(cached, text)| {
        if *cached != second || text.is_empty() {
            *cached = second;
            *text = httpdate::fmt_http_date(present);
        }
        use_date(text)
    })
}
