//! What the program's own HTTP server knows of a request.

use std::ffi::c_void;
use std::{ptr, slice};

use emcp_core::ParsedRequest;

use crate::callback::{User, callback};
use crate::failure::{Failure, Result};
use crate::sized::{Sized32, take};
use crate::text::{bytes, check_string, emcp_str, json, reserved};

/// No browser can have sent the request, for example because it came to the program itself through a
/// Unix socket: Host is not checked.
pub const EMCP_R_LOCAL: u32 = 1;

/// One header field.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_header {
    /// In any case.
    pub name: emcp_str,
    /// Without the line end.
    pub value: emcp_str,
}

/// Says that there is something to take: ask again.
///
/// Runs on a thread of emcp or inside emcp_stop(), with EMCP_F_HOST inside emcp_dispatch(). emcp
/// holds no lock then; at most one call is under way; it may come without a reason. It may ask the
/// handle at once, or close it. It does not run any more once the handle has been closed: closing
/// waits for a call that runs on another thread, so hold no lock then that the function takes.
pub type emcp_ready_fn = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// A request as the program's HTTP server has parsed it. Prepare it with EMCP_INIT. All of it is
/// copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_request {
    /// sizeof(emcp_request); EMCP_INIT sets it.
    pub size: u32,
    /// EMCP_R_*.
    pub flags: u32,
    /// "GET", "POST", ...
    pub method: emcp_str,
    /// As in the request line, still escaped: "/mcp?x=y".
    pub target: emcp_str,
    /// "1.0" or "HTTP/1.0" for such a client; everything else, and nothing, is 1.1.
    pub http_version: emcp_str,
    /// The header fields, all of them. HTTP/2 servers pass :authority as "host".
    pub headers: *const emcp_header,
    /// How many.
    pub header_count: usize,
    /// Names the client in logs and audit.
    pub remote_addr: emcp_str,
    /// Who the program has authenticated; emcp asks for no key then. Empty: nobody.
    pub principal: emcp_str,
    /// The client's socket, or 0. emcp keeps a duplicate and watches it for hang-up while the
    /// client waits for its answer, never reads. With it a client that leaves is noticed at once,
    /// although most HTTP servers do not tell.
    pub watch_fd: i32,
    /// 0.
    pub reserved: u32,
    /// Says when to ask again. NULL for programs that wait instead.
    pub ready: emcp_ready_fn,
    /// Handed to `ready`.
    pub user: *mut c_void,
    /// What the principal may do, comma separated, as in emcp_tool.scope. NULL or "*": everything;
    /// a text of no length: what needs no scope.
    pub scopes: emcp_str,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`; numbers, raw pointers and an optional function
// pointer may all be zero.
unsafe impl Sized32 for emcp_request {}

/// A request of C as the core takes it. Borrows from memory of C.
pub(crate) struct Taken<'a> {
    raw: emcp_request,
    headers: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Taken<'a> {
    /// # Errors
    /// `EMCP_E_INVALID`, `EMCP_E_ABI`.
    ///
    /// # Safety
    /// `request` is NULL or a struct of its stated size, and all that it points to stays unchanged
    /// for `'a`.
    pub(crate) unsafe fn new(request: *const emcp_request) -> Result<Taken<'a>> {
        // SAFETY: passed on to our caller.
        let raw = unsafe { take("request", request)? }.checked()?;
        if raw.flags & !EMCP_R_LOCAL != 0 || raw.reserved != 0 {
            return Err(Failure::invalid(format!("request has unknown flags: {:#x}", raw.flags)));
        }
        if raw.headers.is_null() && raw.header_count > 0 {
            return Err(Failure::invalid("headers is NULL"));
        }
        let fields = match raw.header_count {
            0 => &[],
            count if count > isize::MAX as usize / size_of::<emcp_header>() => {
                return Err(Failure::invalid(format!(
                    "{count} headers are more than memory holds"
                )));
            }
            // SAFETY: not NULL; our caller vouches for `header_count` of them.
            count => unsafe { slice::from_raw_parts(raw.headers, count) },
        };
        let mut headers = reserved("headers", fields.len())?;
        for field in fields {
            // SAFETY: passed on to our caller.
            let value = unsafe { bytes("header value", field.value.p, field.value.n)? };
            // SAFETY: passed on to our caller.
            headers.push((unsafe { text("header name", field.name)? }, value));
        }
        Ok(Taken { raw, headers })
    }

    /// # Errors
    /// `EMCP_E_INVALID` for text that is not UTF-8.
    ///
    /// # Safety
    /// As for [`Taken::new`].
    pub(crate) unsafe fn parsed(&'a self) -> Result<ParsedRequest<'a>> {
        let raw = &self.raw;
        // SAFETY: passed on to our caller, who keeps the texts for `'a`.
        unsafe {
            Ok(ParsedRequest {
                method: text("method", raw.method)?,
                target: text("target", raw.target)?,
                version: text("http_version", raw.http_version)?,
                headers: &self.headers,
                remote: short("remote_addr", raw.remote_addr)?,
                is_local: raw.flags & EMCP_R_LOCAL != 0,
                principal: short("principal", raw.principal)?,
                scopes: match raw.scopes.p.is_null() {
                    true => None,
                    false => Some(short("scopes", raw.scopes)?),
                },
            })
        }
    }

    /// The descriptor to watch, if any.
    pub(crate) fn watch_fd(&self) -> Option<i32> {
        (self.raw.watch_fd != 0).then_some(self.raw.watch_fd)
    }

    /// The function that says when to ask again, as the core calls it.
    pub(crate) fn ready(&self) -> Option<Box<dyn Fn() + Send + Sync>> {
        ready(self.raw.ready, self.raw.user)
    }
}

/// A `ready` function of C as the core calls it.
pub(crate) fn ready(
    function: emcp_ready_fn,
    user: *mut c_void,
) -> Option<Box<dyn Fn() + Send + Sync>> {
    let (function, user) = (function?, User::new(user));
    Some(Box::new(move || {
        // SAFETY: the header obliges the host to pass a function of this type.
        callback(|| unsafe { function(user.pointer()) });
    }))
}

/// A text that the core copies as it is; it measures all others itself.
///
/// # Safety
/// As for [`text`].
unsafe fn short<'a>(what: &str, view: emcp_str) -> Result<&'a str> {
    check_string(what, view.n)?;
    // SAFETY: passed on to our caller.
    unsafe { text(what, view) }
}

/// # Safety
/// `view` has as many bytes as it says, unchanged for `'a`.
unsafe fn text<'a>(what: &str, view: emcp_str) -> Result<&'a str> {
    let p = if view.n == 0 { ptr::null() } else { view.p };
    // SAFETY: passed on to our caller.
    unsafe { json(what, p, view.n) }
}
