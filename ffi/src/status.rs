//! What functions return, and how to read it.

use std::ffi::{CStr, c_char};

use crate::guard::{guard, last_error};

/// Done.
pub const EMCP_OK: i32 = 0;
/// From a call function: the answer comes later, from any thread.
pub const EMCP_PENDING: i32 = 1;
/// From a call function: send what emcp_need_*() has noted; the function runs again with the answers.
pub const EMCP_NEED_INPUT: i32 = 2;
/// An argument is wrong: NULL, bad JSON, a bad schema, a bad name, an unknown flag.
pub const EMCP_E_INVALID: i32 = -1;
/// The right call at the wrong moment.
pub const EMCP_E_STATE: i32 = -2;
/// The name is taken.
pub const EMCP_E_EXISTS: i32 = -3;
/// Nothing has that name.
pub const EMCP_E_NOT_FOUND: i32 = -4;
/// A bound was reached.
pub const EMCP_E_LIMIT: i32 = -5;
/// The call has ended: the client left or cancelled, its time is over, the server stops.
pub const EMCP_E_CANCELED: i32 = -6;
/// The work did not end in its time.
pub const EMCP_E_TIMEDOUT: i32 = -7;
/// The operating system refused: an address in use, a missing permission.
pub const EMCP_E_IO: i32 = -8;
/// A struct is larger than this library knows and has non-zero bytes there.
pub const EMCP_E_ABI: i32 = -9;
/// Called in a forked child of a started server.
pub const EMCP_E_FORK: i32 = -10;
/// Called from a callback that the operation would have to wait for.
pub const EMCP_E_BUSY: i32 = -11;
/// A bug in emcp, caught at its border. emcp_last_error() has the details: please report them.
pub const EMCP_E_PANIC: i32 = -12;
/// There is nothing to take at the moment. No failure: the `ready` function will be called.
pub const EMCP_E_AGAIN: i32 = -13;
/// Nothing more will come, or nothing more is wanted. No failure.
pub const EMCP_E_EOF: i32 = -14;
/// The client may not come in.
pub const EMCP_E_DENIED: i32 = -15;
/// The client did not declare what is needed to do that.
pub const EMCP_E_CAPABILITY: i32 = -16;
/// The client answered a question with an error.
pub const EMCP_E_REFUSED: i32 = -17;
/// The library was built without it. emcp_last_error() says how to build it in.
pub const EMCP_E_UNSUPPORTED: i32 = -18;

/// Describes a status in a few words, for example "not found". Never NULL, also for numbers that
/// are no status.
///
/// The text is static.   Since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn emcp_strerror(status: i32) -> *const c_char {
    guard(c"".as_ptr(), || message(status).as_ptr())
}

/// Tells what exactly was wrong in the last function that failed on this thread, for example
/// `tool "cpu" exists already`; "" when none has failed. Never NULL.
///
/// A function that succeeds leaves the text alone: ask only after a failure. The text is valid
/// until the next emcp function that this thread calls.   Since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn emcp_last_error() -> *const c_char {
    guard(c"".as_ptr(), last_error)
}

/// Names the version of the library that runs, which may be newer than EMCP_VERSION of the header.
///
/// The text is static.   Since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn emcp_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns the ABI that the library keeps: EMCP_ABI of the header it was built with. It changes
/// only together with the name of the shared object.   Since 0.1
#[unsafe(no_mangle)]
pub extern "C" fn emcp_abi_version() -> u32 {
    1
}

/// What `emcp_strerror` says.
pub(crate) fn message(status: i32) -> &'static CStr {
    match status {
        EMCP_OK => c"ok",
        EMCP_PENDING => c"answer pending",
        EMCP_NEED_INPUT => c"input needed",
        EMCP_E_INVALID => c"invalid argument",
        EMCP_E_STATE => c"wrong state",
        EMCP_E_EXISTS => c"already exists",
        EMCP_E_NOT_FOUND => c"not found",
        EMCP_E_LIMIT => c"limit reached",
        EMCP_E_CANCELED => c"call has ended",
        EMCP_E_TIMEDOUT => c"timed out",
        EMCP_E_IO => c"i/o error",
        EMCP_E_ABI => c"struct is newer than the library",
        EMCP_E_FORK => c"forked after start",
        EMCP_E_BUSY => c"busy: called from a callback",
        EMCP_E_PANIC => c"internal error",
        EMCP_E_AGAIN => c"nothing yet",
        EMCP_E_EOF => c"no more",
        EMCP_E_DENIED => c"not allowed in",
        EMCP_E_CAPABILITY => c"the client cannot do that",
        EMCP_E_REFUSED => c"the client refused to answer",
        EMCP_E_UNSUPPORTED => c"not built in",
        _ => c"unknown status",
    }
}
