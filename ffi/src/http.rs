//! Requests of the program's own HTTP server.
//!
//! The server gives what it has parsed and pulls the response. emcp decides late whether that is
//! one JSON document or a stream of events; the program need not know.
//!
//!     emcp_http *http;
//!     emcp_response head;
//!     char buf[4096];
//!     int64_t got;
//!
//!     EMCP_INIT(&head);
//!     if (emcp_http_open(server, &request, &http) != EMCP_OK)
//!         return;
//!     emcp_http_body(http, body, body_len, 1);
//!     while ((got = emcp_http_head(http, &head)) == EMCP_E_AGAIN)
//!         emcp_http_wait(http, 1000);
//!     if (got == EMCP_OK)
//!         send_head(client, &head);
//!     while (got >= 0 && (got = emcp_http_read(http, buf, sizeof buf)) != 0) {
//!         if (got > 0)
//!             got = send_all(client, buf, (size_t)got);     negative when the client has left
//!         else if (got == EMCP_E_AGAIN)
//!             got = emcp_http_wait(http, 1000);
//!     }
//!     emcp_http_close(http);
//!
//! A server with an event loop does not wait: on EMCP_E_AGAIN it turns to other work until `ready`
//! has been called. Ask until a function says EMCP_E_AGAIN, or 0 at the end: before that emcp takes
//! it that the program is not done. What was not taken for emcp_config.write_timeout_ms is given up
//! as if the client had left.
//!
//! One emcp_http is for one thread at a time. A tool with EMCP_T_INLINE runs inside
//! emcp_http_body(). emcp_stop() waits for no emcp_http: each still gives its last bytes and its
//! end, and `ready` has been called for it before emcp_stop() returns.

use std::ffi::c_void;
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emcp_core::{Error, HttpExchange, ResponseHead};

use crate::callback::refuse_inside;
use crate::descriptor::duplicate;
use crate::failure::{Failure, Result};
use crate::fork::Process;
use crate::guard::{guard, guard_count, guard_status, lock};
use crate::request::{Taken, emcp_header, emcp_request};
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, give};
use crate::status::{EMCP_E_AGAIN, EMCP_E_CANCELED, EMCP_E_EOF, EMCP_OK};
use crate::text::{data, emcp_str, room};

/// One request and its response.
pub struct emcp_http {
    core: Arc<HttpExchange>,
    process: Process,
    /// What `emcp_http_head` has handed out; stays until the end.
    head: Mutex<Option<Head>>,
}

/// The head of a response. Prepare it with EMCP_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_response {
    /// sizeof(emcp_response); EMCP_INIT sets it.
    pub size: u32,
    /// 200, 404, ...; 101 for a WebSocket, see emcp_adopt.upgrade; it does not come with
    /// EMCP_F_NO_WEBSOCKET.
    pub status: i32,
    /// Names are in lower case, names and values NUL-terminated. What frames or dates a response
    /// is not among them: Connection (but for 101), Content-Length, Transfer-Encoding, Date.
    pub headers: *const emcp_header,
    /// How many.
    pub header_count: usize,
    /// Bytes of the body, which do not come when the method is HEAD; -1: a stream. A 101 has none:
    /// send no Content-Length with it.
    pub content_length: i64,
}

// SAFETY: `repr(C)`, begins with `size` and `status`, holds only numbers and a raw pointer.
unsafe impl Sized32 for emcp_response {}

/// A head in the memory that C looks at.
struct Head {
    /// What `fields` points into: names and values, a NUL behind each. Not a
    /// `Box`, which would claim to hold the only pointer.
    _texts: Vec<u8>,
    fields: Vec<emcp_header>,
    status: i32,
    content_length: i64,
}

/// Takes a request that the program's HTTP server has parsed. Everything is copied.
///
/// A request that may not come in has its answer at once, as has one above max_connections and one
/// to a server that drains: emcp_http_body() and emcp_http_head() say so. `ready` may run before
/// this returns. With watch_fd close the emcp_http before the socket: the duplicate keeps the
/// connection open.
///
/// Returns EMCP_OK and the handle in `*out`, to be closed with emcp_http_close(); EMCP_E_INVALID
/// for a struct that makes no sense or a watch_fd that is not a socket; EMCP_E_STATE unless the
/// server runs; EMCP_E_IO when the process has no descriptor left; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_http_open(
    server: *mut emcp_server,
    request: *const emcp_request,
    out: *mut *mut emcp_http,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        // SAFETY: the header obliges the caller to pass a struct of its stated size, whose members
        // stay as they are during the call.
        let taken = unsafe { Taken::new(request)? };
        // SAFETY: as above.
        let parsed = unsafe { taken.parsed()? };
        let watch = taken.watch_fd().map(|fd| duplicate("watch_fd", fd)).transpose()?;
        let core = Arc::new(server.core.open_http(&parsed, watch, taken.ready())?);
        let http = emcp_http { core, process: Process::current(), head: Mutex::default() };
        // SAFETY: not NULL; the header obliges the caller to pass room for a pointer.
        unsafe { out.write(Box::into_raw(Box::new(http))) };
        Ok(EMCP_OK)
    })
}

/// Gives a piece of the body, which is copied. The last one may be empty and must come, also for a
/// GET; the request is answered then.
///
/// Returns EMCP_OK; EMCP_E_EOF when the answer is there already, for example 403, 413, 415 or 503:
/// the rest is not wanted; EMCP_E_STATE after the last piece; EMCP_E_CANCELED when the client has
/// gone; EMCP_E_BUSY while another thread uses the handle.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_http_body(
    http: *mut emcp_http,
    data: *const c_void,
    len: usize,
    last: i32,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the handle alive.
        let http = unsafe { exchange(http)? };
        // SAFETY: the header obliges the caller to pass `len` bytes.
        let piece = unsafe { self::data("data", data, len)? };
        // A clone: a tool function that runs inside might close the handle.
        let core = http.core.clone();
        Ok(if core.body(piece, last != 0).map_err(failure)? { EMCP_OK } else { EMCP_E_EOF })
    })
}

/// Reads the head of the response. It may be asked for again; what it points to stays valid until
/// emcp_http_close().
///
/// Returns EMCP_OK; EMCP_E_AGAIN while the head is undecided: `ready` will be called;
/// EMCP_E_CANCELED when the client has gone or the program has stopped asking; EMCP_E_BUSY while
/// another thread uses the handle.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_http_head(http: *mut emcp_http, out: *mut emcp_response) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the handle alive.
        let http = unsafe { exchange(http)? };
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        let core = http.core.clone();
        let Some(head) = core.head().map_err(failure)? else { return Ok(EMCP_E_AGAIN) };
        let mut known = lock(&http.head);
        let known = known.get_or_insert_with(|| Head::new(&head));
        let response = emcp_response {
            size: 0,
            status: known.status,
            headers: known.fields.as_ptr(),
            header_count: known.fields.len(),
            content_length: known.content_length,
        };
        // SAFETY: the header obliges the caller to say the struct's true size.
        unsafe { give("out", out, response)? };
        Ok(EMCP_OK)
    })
}

/// Reads what is there of the body, at most `cap` bytes.
///
/// Returns how many bytes; 0 at the end; EMCP_E_AGAIN when more will come: `ready` will be called;
/// EMCP_E_CANCELED when the client has gone or the program has stopped asking; EMCP_E_STATE before
/// the head was taken; EMCP_E_INVALID when there is no room; EMCP_E_BUSY while another thread uses
/// the handle.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_http_read(http: *mut emcp_http, buf: *mut c_void, cap: usize) -> i64 {
    guard_count(|| {
        // SAFETY: the header obliges the caller to keep the handle alive.
        let http = unsafe { exchange(http)? };
        // SAFETY: the header obliges the caller to pass `cap` writable bytes.
        let room = unsafe { room(buf, cap, READ_BYTES_MAX)? };
        // A clone: what ends here runs functions of the host, which may close the handle.
        let core = http.core.clone();
        Ok(core.read(room).map_err(failure)?.map_or(EMCP_E_AGAIN.into(), |length| length as i64))
    })
}

/// Waits until it makes sense to ask for the head or to read again. For programs with a thread per
/// connection; it works with and without `ready`.
///
/// Returns 1 then, also when the client has gone; 0 when `timeout_ms` is over; EMCP_E_BUSY from a
/// callback.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_http_wait(http: *mut emcp_http, timeout_ms: u32) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the handle alive.
        let http = unsafe { exchange(http)? };
        refuse_inside()?;
        let core = http.core.clone();
        Ok(core.wait(Duration::from_millis(timeout_ms.into())).into())
    })
}

/// Closes the handle, once, at any time, also after emcp_destroy(). NULL is fine.
///
/// Before the end of the response it means that the client has left: that cancels a request of
/// revision 2026-07-28, and without EMCP_F_HOST on_cancel functions may run inside. `ready` does
/// not run any more once this has returned; see emcp_ready_fn.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_http_close(http: *mut emcp_http) {
    guard((), || {
        if http.is_null() {
            return;
        }
        // SAFETY: not NULL; it comes from `Box::into_raw` in `emcp_http_open`, and the header
        // obliges the caller to close it once.
        let http = unsafe { Box::from_raw(http) };
        // The child of a fork has none of the threads that may hold the locks.
        if http.process.is_foreign() {
            return mem::forget(http);
        }
        // Not by dropping: a function that is on the stack below may have a clone.
        http.core.close();
    });
}

impl Head {
    fn new(head: &ResponseHead) -> Head {
        let parts = || head.headers.iter().flat_map(|(name, value)| [name, value]);
        let mut texts = Vec::with_capacity(parts().map(|part| part.len() + 1).sum());
        for part in parts() {
            // The core lets no NUL into a header.
            texts.extend_from_slice(part.as_bytes());
            texts.push(0);
        }
        let mut at = 0;
        let mut view = |part: &str| {
            let view = emcp_str { p: texts[at..].as_ptr().cast(), n: part.len() };
            at += part.len() + 1;
            view
        };
        let field =
            |(name, value): &(String, String)| emcp_header { name: view(name), value: view(value) };
        Head {
            fields: head.headers.iter().map(field).collect(),
            status: head.status.into(),
            content_length: head.content_length.map_or(-1, |n| i64::try_from(n).unwrap_or(-1)),
            _texts: texts,
        }
    }
}

/// The exchange behind a handle of C.
///
/// # Safety
/// `http` is NULL or comes from `emcp_http_open` and is not closed before `'a` ends.
unsafe fn exchange<'a>(http: *const emcp_http) -> Result<&'a emcp_http> {
    // SAFETY: passed on to our caller.
    let http = unsafe { http.as_ref() }.ok_or_else(|| Failure::invalid("http is NULL"))?;
    http.process.check()?;
    Ok(http)
}

/// The exchange whose connection somebody takes over.
///
/// # Errors
/// As for [`exchange`].
///
/// # Safety
/// As for [`exchange`].
pub(crate) unsafe fn upgrade<'a>(http: *const emcp_http) -> Result<&'a HttpExchange> {
    // SAFETY: passed on to our caller.
    Ok(&unsafe { exchange(http)? }.core)
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Cancelled => Failure::new(EMCP_E_CANCELED, "the client has gone or was given up"),
        error => error.into(),
    }
}

/// Most that one read gives: clearing a huge buffer would cost more than it brings.
const READ_BYTES_MAX: usize = 64 * 1024;
