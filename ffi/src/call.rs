//! One call: who calls, how long it may take, and what to say meanwhile.

use std::ffi::{c_char, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use emcp_core::{Caller, CancelReason};

use crate::call_state::{answered, call, emcp_call, ended, view};
use crate::callback::{User, callback};
use crate::failure::Failure;
use crate::guard::{guard, guard_status, report};
use crate::sized::{Sized32, give};
use crate::status::{EMCP_E_CANCELED, EMCP_E_STATE, EMCP_OK};
use crate::text::{emcp_str, repaired, required};

/// The client cancelled the request.
pub const EMCP_CANCEL_CLIENT: i32 = 1;
/// The client closed the connection that the answer would have gone to.
pub const EMCP_CANCEL_GONE: i32 = 2;
/// The tool's time ran out.
pub const EMCP_CANCEL_TIMEOUT: i32 = 3;
/// The client's session ended.
pub const EMCP_CANCEL_SESSION: i32 = 4;
/// The server stops.
pub const EMCP_CANCEL_SHUTDOWN: i32 = 5;

/// Who calls. Only `principal`, `scopes`, `claims`, `transport` and `remote_addr` are facts; the
/// rest is what the client says of itself. Prepare it with EMCP_INIT. Unknown things are empty.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_who {
    /// sizeof(emcp_who); EMCP_INIT sets it.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Who the program has authenticated, as it said with the request, the connection or the peer;
    /// otherwise the name of the key that came with the request, or issuer and subject of its token.
    /// Empty: nobody. A session belongs to the principal that opened it; to all others it does not
    /// exist.
    pub principal: emcp_str,
    /// First characters of the session id, enough to tell sessions apart in a log.
    pub session: emcp_str,
    /// The client program.
    pub client_name: emcp_str,
    /// Its version.
    pub client_version: emcp_str,
    /// Revision of the protocol, for example "2025-11-25".
    pub protocol: emcp_str,
    /// "http", "sse" or "websocket".
    pub transport: emcp_str,
    /// Address and port, "unix", or what the program said of the client; "adopted" or "unknown"
    /// when it said nothing.
    pub remote_addr: emcp_str,
    /// W3C trace context, if the client sent it.
    pub traceparent: emcp_str,
    /// What vendors add to the trace context.
    pub tracestate: emcp_str,
    /// W3C baggage, if the client sent it.
    pub baggage: emcp_str,
    /// What that principal may do, comma separated; "*": everything.
    pub scopes: emcp_str,
    /// The user whose process is at the other end of a Unix socket, as the system knows it; -1 where
    /// nobody knows.
    pub uid: i64,
    /// What the issuer of its token says: a JSON object as it was signed, at most 16 levels deep.
    /// Empty where no token came.
    pub claims: emcp_str,
}

// SAFETY: `repr(C)`, begins with `size` and `reserved`, holds only numbers and raw pointers.
unsafe impl Sized32 for emcp_who {}

impl emcp_who {
    /// Views `caller`, as long as that lives.
    pub(crate) fn of(caller: &Caller) -> emcp_who {
        emcp_who {
            size: size_of::<emcp_who>() as u32,
            reserved: 0,
            principal: emcp_str::view(&caller.principal),
            session: emcp_str::view(&caller.session),
            client_name: emcp_str::view(&caller.client_name),
            client_version: emcp_str::view(&caller.client_version),
            protocol: emcp_str::view(caller.protocol),
            transport: emcp_str::view(caller.transport),
            remote_addr: emcp_str::view(&caller.remote_addr),
            traceparent: emcp_str::view(&caller.traceparent),
            tracestate: emcp_str::view(&caller.tracestate),
            baggage: emcp_str::view(&caller.baggage),
            scopes: emcp_str::view(&caller.scopes),
            uid: caller.uid.map_or(-1, i64::from),
            claims: emcp_str::view(&caller.claims),
        }
    }
}

/// A tool.
pub const EMCP_KIND_TOOL: i32 = 1;
/// A resource, or a template that a URI fits.
pub const EMCP_KIND_RESOURCE: i32 = 2;
/// A prompt.
pub const EMCP_KIND_PROMPT: i32 = 3;
/// A completion, of an argument of a prompt or a variable of a template.
pub const EMCP_KIND_COMPLETION: i32 = 4;
/// A template and what fits it; in the `allow` hook alone.
pub const EMCP_KIND_TEMPLATE: i32 = 5;

/// Tells what is called: EMCP_KIND_TOOL, EMCP_KIND_RESOURCE, EMCP_KIND_PROMPT or
/// EMCP_KIND_COMPLETION. A negative status for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_kind(call: *const emcp_call) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        Ok(unsafe { self::call(call)? }.handle.kind() as i32)
    })
}

/// Names the tool or the prompt, or gives the URI of the resource that was asked for; in a
/// completion the prompt or the template. Empty for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_name(call: *const emcp_call) -> emcp_str {
    // SAFETY: the header obliges the caller to hold a reference.
    guard(emcp_str::view(""), || unsafe { view(call, |call| call.handle.name()) })
}

/// Names the argument or variable to complete. Empty when the call is no completion.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_complete_argument(call: *const emcp_call) -> emcp_str {
    let argument = |call: &'static emcp_call| call.handle.completing().unwrap_or_default().0;
    // SAFETY: the header obliges the caller to hold a reference.
    guard(emcp_str::view(""), || unsafe { view(call, argument) })
}

/// Gives what the user has typed of it so far. What the other arguments have already is read with
/// emcp_arg_str().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_complete_value(call: *const emcp_call) -> emcp_str {
    let value = |call: &'static emcp_call| call.handle.completing().unwrap_or_default().1;
    // SAFETY: the header obliges the caller to hold a reference.
    guard(emcp_str::view(""), || unsafe { view(call, value) })
}

/// Gives params._meta as JSON text; empty when the client sent none.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_meta(call: *const emcp_call) -> emcp_str {
    let meta = |call: &'static emcp_call| call.handle.meta().unwrap_or_default();
    // SAFETY: the header obliges the caller to hold a reference.
    guard(emcp_str::view(""), || unsafe { view(call, meta) })
}

/// Tells who calls. The views live as long as the call.
///
/// Returns EMCP_OK; EMCP_E_INVALID for NULL or a size that EMCP_INIT did not set.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_who(call: *const emcp_call, out: *mut emcp_who) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let caller = unsafe { self::call(call)? }.handle.caller();
        let who = emcp_who::of(caller);
        // SAFETY: the header obliges the caller to say the struct's true size.
        unsafe { give("out", out, who)? };
        Ok(EMCP_OK)
    })
}

/// Tells why the call was cancelled: EMCP_CANCEL_*, or 0 while it was not. Cheap: ask in every
/// round of a loop. A negative status for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_cancelled(call: *const emcp_call) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        Ok(match unsafe { self::call(call)? }.handle.cancelled() {
            None => 0,
            Some(CancelReason::Client) => EMCP_CANCEL_CLIENT,
            Some(CancelReason::Gone) => EMCP_CANCEL_GONE,
            Some(CancelReason::Timeout) => EMCP_CANCEL_TIMEOUT,
            Some(CancelReason::Session) => EMCP_CANCEL_SESSION,
            Some(CancelReason::Shutdown) => EMCP_CANCEL_SHUTDOWN,
        })
    })
}

/// Tells when the call times out, in milliseconds of CLOCK_MONOTONIC. Asking and becoming a task
/// move it. 0 for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_deadline_ms(call: *const emcp_call) -> u64 {
    guard(0, || {
        // SAFETY: the header obliges the caller to hold a reference.
        match unsafe { self::call(call) } {
            Ok(call) => monotonic_ms(call.handle.deadline()),
            Err(failure) => {
                report(&failure);
                0
            }
        }
    })
}

/// Has `fn` called once when the call is cancelled; at once, on this thread, if it was already.
///
/// `fn` runs on the thread that cancels, often the I/O thread: set a flag or wake somebody, and
/// return. With EMCP_F_HOST it runs inside emcp_dispatch(), never at once. It does not run after
/// emcp_finish(), a function that fails the call or emcp_need_input() returned EMCP_OK, nor after
/// emcp_destroy(); when they return EMCP_E_CANCELED it may be running, so keep what `user` points
/// to until it has run. A function that asks registers it again when it is called again.
///
/// Returns EMCP_OK; EMCP_E_STATE the second time and when the call is answered; EMCP_E_INVALID
/// when `fn` is NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_on_cancel(
    call: *mut emcp_call,
    r#fn: Option<unsafe extern "C" fn(user: *mut c_void)>,
    user: *mut c_void,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        let function = r#fn.ok_or_else(|| Failure::invalid("fn is NULL"))?;
        if call.is_answered() {
            return Err(answered());
        }
        if call.has_on_cancel.swap(true, SeqCst) {
            return Err(Failure::new(EMCP_E_STATE, "the call has an on_cancel function"));
        }
        let user = User::new(user);
        // SAFETY: the header obliges the host to pass a function that takes this pointer.
        let run = move || callback(|| unsafe { function(user.pointer()) });
        call.handle.on_cancel(run);
        Ok(EMCP_OK)
    })
}

/// Reports progress, if the client asked for it; otherwise nothing is sent.
///
/// `done` must grow; values that do not, or that follow each other within progress_ms, are dropped,
/// except the one that reaches `total`. `total` 0: unknown. `message`: for people, or NULL.
///
/// Returns EMCP_OK; EMCP_E_CANCELED when the call has ended; EMCP_E_STATE when it is answered.
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_progress(
    call: *mut emcp_call,
    done: f64,
    total: f64,
    message: *const c_char,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        call.check_open()?;
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let message = unsafe { repaired("message", message)? };
        if call.handle.progress(done, total, message.as_deref()) {
            Ok(EMCP_OK)
        } else {
            Err(ended())
        }
    })
}

/// Checks that the client declared a capability, for example "sampling"; otherwise fails the call
/// in the protocol's words.
///
/// Returns EMCP_OK; EMCP_E_CANCELED when the call has been failed or has ended: return EMCP_OK from
/// the call function then; EMCP_E_STATE when it is answered.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_require(call: *mut emcp_call, capability: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let capability = unsafe { required("capability", capability)? };
        call.check_open()?;
        if call.handle.has_capability(capability) {
            return Ok(EMCP_OK);
        }
        call.answer(|call, _| call.fail_missing_capability(capability))?;
        let text = format!("the client did not declare {capability}");
        Err(Failure::new(EMCP_E_CANCELED, text))
    })
}

/// Tells whether the client declared an extension, for example "io.modelcontextprotocol/ui": 1 or
/// 0. A negative status for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_has_extension(call: *const emcp_call, id: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        Ok(i32::from(call.handle.has_extension(unsafe { required("id", id)? })))
    })
}

/// Closes the client's connection and keeps the call: the client comes back for the answer after
/// `retry_ms`. For long calls behind proxies that cut silent connections.
///
/// Returns EMCP_OK; EMCP_E_STATE where that is not possible, which is everywhere but on Streamable
/// HTTP of revision 2025-11-25: harmless, go on.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_disconnect(call: *mut emcp_call, retry_ms: u32) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        if call.handle.disconnect(Duration::from_millis(retry_ms.into())) {
            return Ok(EMCP_OK);
        }
        Err(Failure::new(EMCP_E_STATE, "this client's connection cannot be closed and resumed"))
    })
}

/// Takes one more reference, so that the call may be used after the call function has returned
/// EMCP_PENDING. Returns `call`; NULL for NULL.
///
///     static int32_t measure(emcp_call *call, void *user)
///     {
///         queue_push(user, emcp_call_ref(call));
///         return EMCP_PENDING;
///     }
///
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_ref(call: *mut emcp_call) -> *mut emcp_call {
    guard(ptr::null_mut(), || {
        if !call.is_null() {
            // SAFETY: not NULL; the pointer comes from `emcp_call::pointer`, and the header obliges
            // the caller to hold a reference.
            unsafe { Arc::increment_strong_count(call) };
        }
        call
    })
}

/// Gives a reference back. The last one frees the call; if nobody has answered it the client gets
/// an error result. NULL is fine.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_unref(call: *mut emcp_call) {
    guard((), || {
        // In a forked child the call belongs to the parent's threads: leave it alone.
        // SAFETY: the header obliges the caller to hold a reference.
        if unsafe { self::call(call) }.is_ok() {
            // SAFETY: as in `emcp_call_ref`; the header obliges the caller to give back only
            // references that it has taken.
            unsafe { Arc::decrement_strong_count(call) };
        }
    });
}

fn monotonic_ms(deadline: Instant) -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is valid, and the system fills it: this clock always exists.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    let now = Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32);
    let instant = Instant::now();
    let due = match deadline.checked_duration_since(instant) {
        Some(ahead) => now + ahead,
        None => now.saturating_sub(instant - deadline),
    };
    due.as_millis() as u64
}
