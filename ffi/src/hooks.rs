//! What the program hears from the server.

use std::ffi::{CString, c_char, c_void};
use std::mem::size_of;

use emcp_core::{Audit, Caller, Hooks, Item, KeyCheck, Level, Outcome};

use crate::call::{
    EMCP_KIND_PROMPT, EMCP_KIND_RESOURCE, EMCP_KIND_TEMPLATE, EMCP_KIND_TOOL, emcp_who,
};
use crate::callback::{User, callback};
use crate::check::{emcp_check, emcp_credential};
use crate::failure::Failure;
use crate::guard::guard_status;
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::{EMCP_E_CANCELED, EMCP_E_INVALID, EMCP_E_TIMEDOUT, EMCP_NEED_INPUT, EMCP_OK};
use crate::text::emcp_str;

/// One finished call. The views are valid during the hook.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_audit {
    /// sizeof(emcp_audit) of the library: members behind it are not there.
    pub size: u32,
    /// EMCP_OK: answered with a result. EMCP_E_INVALID: answered with a failure of the tool or a
    /// protocol error. EMCP_E_CANCELED, EMCP_E_TIMEDOUT: ended before it was answered.
    /// EMCP_NEED_INPUT: answered with questions; the client comes back with another call.
    pub outcome: i32,
    /// Microseconds from the call's arrival to the start of the call function.
    pub queue_us: u64,
    /// Microseconds from the start of the call function to the answer.
    pub run_us: u64,
    /// Bytes of the answer; 0 when none was sent.
    pub bytes_out: u64,
    /// The tool or prompt, or the URI of the resource.
    pub name: emcp_str,
    /// Its arguments as JSON text, with "***" in the place of those with EMCP_P_SECRET, or of all
    /// with EMCP_T_SECRET or EMCP_F_HIDE_ARGUMENTS. The others are as the client has sent them.
    pub arguments: emcp_str,
    /// As in emcp_who.
    pub client_name: emcp_str,
    /// As in emcp_who.
    pub client_version: emcp_str,
    /// As in emcp_who.
    pub transport: emcp_str,
    /// As in emcp_who.
    pub protocol: emcp_str,
    /// As in emcp_who.
    pub session: emcp_str,
    /// As in emcp_who.
    pub remote_addr: emcp_str,
    /// As in emcp_who.
    pub traceparent: emcp_str,
    /// As in emcp_who.
    pub principal: emcp_str,
    /// As in emcp_who.
    pub tracestate: emcp_str,
    /// As in emcp_who.
    pub baggage: emcp_str,
    /// What was called: EMCP_KIND_*.
    pub kind: i32,
    /// 0.
    pub reserved: u32,
    /// As in emcp_who.
    pub scopes: emcp_str,
    /// As in emcp_who.
    pub uid: i64,
}

/// What the program wants to hear. Prepare it with EMCP_INIT; NULL: not interested.
///
/// Hooks run on any thread of the server and on those of the program that answer calls, several at
/// once; with EMCP_F_HOST inside emcp_dispatch(). They must be quick, must not call emcp_stop(),
/// emcp_drain() or emcp_destroy(), and neither longjmp() nor a C++ exception may leave them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_hooks {
    /// sizeof(emcp_hooks); EMCP_INIT sets it.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Gets a line for the program's log: EMCP_LOG_*, the part of emcp it comes from, and the text,
    /// both NUL-terminated. The text may quote what a client sent.
    pub log: Option<
        unsafe extern "C" fn(
            level: i32,
            target: *const c_char,
            message: *const c_char,
            len: usize,
            user: *mut c_void,
        ),
    >,
    /// Gets every call once, when it has ended.
    pub audit: Option<unsafe extern "C" fn(record: *const emcp_audit, user: *mut c_void)>,
    /// Runs first on each thread that the server starts, for example to register it with a runtime.
    /// Not with EMCP_F_HOST: then nothing of the program runs on them.
    pub thread_start: Option<unsafe extern "C" fn(name: *const c_char, user: *mut c_void)>,
    /// Runs last on each of these threads.
    pub thread_stop: Option<unsafe extern "C" fn(name: *const c_char, user: *mut c_void)>,
    /// Handed to every hook. Must stay valid until emcp_destroy() has returned.
    pub user: *mut c_void,
    /// Tells whether `who` may see and call something: not 0 if so. `kind` is EMCP_KIND_TOOL,
    /// EMCP_KIND_RESOURCE, EMCP_KIND_TEMPLATE or EMCP_KIND_PROMPT, `name` its name, URI or template,
    /// NUL-terminated. What `who` may not is left out of lists, and a call of it is answered as if it
    /// did not exist. Asked for each element of each list, so it must be quick. NULL: everybody may
    /// everything.
    pub allow: Option<
        unsafe extern "C" fn(
            who: *const emcp_who,
            kind: i32,
            name: *const c_char,
            user: *mut c_void,
        ) -> i32,
    >,
    /// Says whose key it is that is none of emcp_key_add() and of the file; see emcp_check_allow().
    /// From it on nobody comes in without a key. Returns EMCP_OK when it has answered, EMCP_PENDING
    /// when the program answers later, otherwise a negative status: the key is refused.
    pub check_key: Option<
        unsafe extern "C" fn(
            check: *mut emcp_check,
            credential: *const emcp_credential,
            user: *mut c_void,
        ) -> i32,
    >,
    /// A token is signed with a key that `issuer` (NUL-terminated) does not have here: fetch its
    /// keys and call emcp_oauth_jwks(), from here or later. Called at most once in 10 s for each
    /// issuer, on the I/O thread, so it must not wait for the network.
    pub jwks_wanted: Option<unsafe extern "C" fn(issuer: *const c_char, user: *mut c_void)>,
}

// SAFETY: `repr(C)`, begins with `size` and `reserved`; a raw pointer and optional function
// pointers may all be zero.
unsafe impl Sized32 for emcp_hooks {}

/// Sets the hooks, once and before the first start.
///
/// Returns EMCP_OK; EMCP_E_STATE when they are set already or the server has been started;
/// EMCP_E_INVALID; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_set_hooks(server: *mut emcp_server, hooks: *const emcp_hooks) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to say the struct's true size.
        let hooks = unsafe { take("hooks", hooks)? }.checked()?;
        if hooks.reserved != 0 {
            return Err(Failure::invalid("reserved is not 0"));
        }
        server.core.set_hooks(closures(&hooks))?;
        Ok(EMCP_OK)
    })
}

fn closures(hooks: &emcp_hooks) -> Hooks {
    let user = User::new(hooks.user);
    let mut closures = Hooks::default();
    if let Some(log) = hooks.log {
        closures.log = Some(Box::new(move |level: Level, target: &str, message: &str| {
            let (target, message) = (terminated(target), terminated(message));
            let len = message.as_bytes().len();
            // SAFETY: the header obliges the host to pass a function of this type; both texts live
            // until it returns.
            callback(|| unsafe {
                log(level as i32, target.as_ptr(), message.as_ptr(), len, user.pointer());
            });
        }));
    }
    if let Some(audit) = hooks.audit {
        closures.audit = Some(Box::new(move |record: &Audit<'_>| {
            let record = view(record);
            // SAFETY: as above for the record and what it views.
            callback(|| unsafe { audit(&record, user.pointer()) });
        }));
    }
    if let Some(allow) = hooks.allow {
        closures.allow = Some(Box::new(move |caller: &Caller, item: Item, name: &str| {
            let (who, name) = (emcp_who::of(caller), terminated(name));
            // SAFETY: as above for the caller and the name.
            let is_allowed =
                callback(|| unsafe { allow(&who, kind(item), name.as_ptr(), user.pointer()) });
            is_allowed != 0
        }));
    }
    if let Some(check_key) = hooks.check_key {
        closures.check_key = Some(Box::new(move |check: KeyCheck| {
            emcp_check::ask(check, |check, credential| {
                // SAFETY: as above for the credential; the check is good until it is answered.
                callback(|| unsafe { check_key(check, credential, user.pointer()) })
            });
        }));
    }
    closures.jwks_wanted = hooks.jwks_wanted.map(|hook| named_hook(hook, user));
    closures.thread_start = hooks.thread_start.map(|hook| named_hook(hook, user));
    closures.thread_stop = hooks.thread_stop.map(|hook| named_hook(hook, user));
    closures
}

/// A hook that gets the name of something.
fn named_hook(
    hook: unsafe extern "C" fn(name: *const c_char, user: *mut c_void),
    user: User,
) -> Box<dyn Fn(&str) + Send + Sync> {
    Box::new(move |name| {
        let name = terminated(name);
        // SAFETY: the header obliges the host to pass a function of this type; the name lives until
        // it returns.
        callback(|| unsafe { hook(name.as_ptr(), user.pointer()) });
    })
}

fn view(record: &Audit<'_>) -> emcp_audit {
    let caller = record.caller;
    emcp_audit {
        size: size_of::<emcp_audit>() as u32,
        outcome: match record.outcome {
            Outcome::Succeeded => EMCP_OK,
            Outcome::Failed => EMCP_E_INVALID,
            Outcome::Cancelled => EMCP_E_CANCELED,
            Outcome::TimedOut => EMCP_E_TIMEDOUT,
            Outcome::InputRequired => EMCP_NEED_INPUT,
        },
        queue_us: record.queued.as_micros() as u64,
        run_us: record.ran.as_micros() as u64,
        bytes_out: record.bytes_out,
        name: emcp_str::view(record.name),
        arguments: emcp_str::view(record.arguments),
        client_name: emcp_str::view(&caller.client_name),
        client_version: emcp_str::view(&caller.client_version),
        transport: emcp_str::view(caller.transport),
        protocol: emcp_str::view(caller.protocol),
        session: emcp_str::view(&caller.session),
        remote_addr: emcp_str::view(&caller.remote_addr),
        traceparent: emcp_str::view(&caller.traceparent),
        principal: emcp_str::view(&caller.principal),
        tracestate: emcp_str::view(&caller.tracestate),
        baggage: emcp_str::view(&caller.baggage),
        kind: record.kind as i32,
        reserved: 0,
        scopes: emcp_str::view(&caller.scopes),
        uid: caller.uid.map_or(-1, i64::from),
    }
}

fn kind(item: Item) -> i32 {
    match item {
        Item::Tool => EMCP_KIND_TOOL,
        Item::Resource => EMCP_KIND_RESOURCE,
        Item::Template => EMCP_KIND_TEMPLATE,
        Item::Prompt => EMCP_KIND_PROMPT,
    }
}

/// A text as C wants it. A NUL inside, which only a client can have sent, is left out.
fn terminated(text: &str) -> CString {
    let bytes: Vec<u8> = text.bytes().filter(|byte| *byte != 0).collect();
    CString::new(bytes).unwrap_or_default()
}
