//! The program's own check of a key.
//!
//! With a `check_key` hook nobody comes in without a key. A key of emcp_key_add() or of the file is
//! good as it is; about all others the program is asked, which knows the keys that it has given out
//! itself or asks PAM, LDAP or a web service.
//!
//! The hook must not block: it runs where requests are read. It answers with emcp_check_allow() and
//! returns EMCP_OK, or returns EMCP_E_DENIED; or it returns EMCP_PENDING and the program answers
//! later, from any thread. After check_timeout_ms the client hears 503, after a refusal 401. No
//! more are open at once than max_connections. Where emcp is to open a peer (emcp_peer_open) nobody
//! can be waited for: an answer that is not there at once is 503, so such a program checks first
//! and names the principal.
//!
//!     static int32_t check_key(emcp_check *check, const emcp_credential *key, void *user)
//!     {
//!         struct job *job = job_new(check, key->secret.p, key->secret.n);
//!         return queue_push(user, job) ? EMCP_PENDING : EMCP_E_DENIED;
//!     }
//!
//!     static void checker(struct job *job)
//!     {
//!         if (ldap_knows(job))
//!             emcp_check_allow(job->check, job->name, "metrics:read", 60 * 1000);
//!         else
//!             emcp_check_refuse(job->check);
//!     }

use std::ffi::c_char;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emcp_core::{KeyCheck, KeyGrant};

use crate::failure::{Failure, Result};
use crate::fork::Process;
use crate::guard::{guard_status, lock};
use crate::server::{emcp_server, server};
use crate::status::{EMCP_E_CANCELED, EMCP_OK, EMCP_PENDING};
use crate::text::{emcp_str, optional, required};

/// A key that the program is asked about.
pub struct emcp_check {
    /// Absent once it is answered.
    core: Mutex<Option<KeyCheck>>,
    process: Process,
}

/// A key and where it comes from. The views are valid during the hook.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_credential {
    /// sizeof(emcp_credential) of the library: members behind it are not there.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// What the client has sent as "Authorization: Bearer" or "X-API-Key". Never log it. Compare it
    /// in constant time.
    pub secret: emcp_str,
    /// As in emcp_who.
    pub remote_addr: emcp_str,
    /// The path that is asked for, without the query.
    pub path: emcp_str,
    /// As in emcp_who.
    pub uid: i64,
}

impl emcp_check {
    /// Asks `hook`, which gets the check and what it is about.
    pub(crate) fn ask(core: KeyCheck, hook: impl FnOnce(*mut emcp_check, &emcp_credential) -> i32) {
        // Copied: the hook may answer, which frees what the views would be of.
        let (secret, remote_addr, path) =
            (core.credential().to_owned(), core.remote_addr().to_owned(), core.path().to_owned());
        let credential = emcp_credential {
            size: size_of::<emcp_credential>() as u32,
            reserved: 0,
            secret: emcp_str::view(&secret),
            remote_addr: emcp_str::view(&remote_addr),
            path: emcp_str::view(&path),
            uid: core.uid().map_or(-1, i64::from),
        };
        let core = Mutex::new(Some(core));
        let check = Arc::new(emcp_check { core, process: Process::current() });
        // The program's reference: given back by the answer, or below.
        let pointer = Arc::into_raw(check.clone());
        if hook(pointer.cast_mut(), &credential) == EMCP_PENDING || lock(&check.core).is_none() {
            return;
        }
        // SAFETY: the reference of the line above; the header obliges a program that has not
        // answered and does not return EMCP_PENDING to forget the pointer.
        drop(unsafe { Arc::from_raw(pointer) });
        // Dropping it refuses the key.
        drop(lock(&check.core).take());
    }
}

/// Takes the program's reference back.
///
/// # Safety
/// `check` is NULL or was handed to a `check_key` hook and not answered before.
unsafe fn taken(check: *mut emcp_check) -> Result<KeyCheck> {
    // SAFETY: passed on to our caller.
    let alive = unsafe { check.as_ref() }.ok_or_else(|| Failure::invalid("check is NULL"))?;
    alive.process.check()?;
    // The reference has ended with the first answer; a second one inside the hook finds it so.
    let core = lock(&alive.core).take();
    let core = core.ok_or_else(|| Failure::invalid("check was answered before"))?;
    // SAFETY: as above; the answer ends the program's reference.
    drop(unsafe { Arc::from_raw(check) });
    Ok(core)
}

/// Lets the holder of the key in, as `principal`, with these scopes: comma separated, "*" for
/// everything, NULL for what needs no scope. For `keep_ms` milliseconds the program is not asked
/// about this key again, at most for 1024 keys; 0: it is asked with each request. Streams and
/// WebSockets that were opened with it stay until emcp_keys_forget().
///
/// `check` is consumed on every return value: do not touch it again. Also inside the hook. Answer
/// each check once, also after the server has ended: that frees it.
///
/// Returns EMCP_OK; EMCP_E_CANCELED when the client has left or was told that it takes too long,
/// which is no mistake, and `keep_ms` counts then too; EMCP_E_INVALID for an empty principal or an
/// impossible scope: the key is refused then.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_check_allow(
    check: *mut emcp_check,
    principal: *const c_char,
    scopes: *const c_char,
    keep_ms: u32,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to answer once.
        let check = unsafe { taken(check)? };
        // SAFETY: the header obliges the caller to pass strings or NULL.
        let principal = unsafe { required("principal", principal)? };
        // SAFETY: as above.
        let scopes = unsafe { optional("scopes", scopes)? }.unwrap_or_default();
        let keep = Duration::from_millis(keep_ms.into());
        match check.allow(KeyGrant { principal, scopes, keep })? {
            true => Ok(EMCP_OK),
            false => Err(Failure::new(EMCP_E_CANCELED, "nobody waits for the answer any more")),
        }
    })
}

/// Refuses the key: the client hears 401. `check` is consumed.
///
/// Returns EMCP_OK.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_check_refuse(check: *mut emcp_check) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to answer once.
        unsafe { taken(check)? }.refuse();
        Ok(EMCP_OK)
    })
}

/// Takes back what the program has said of the keys of `principal`; NULL: of all keys that it was
/// asked about. It is asked again with the next request, and streams and WebSockets that were
/// opened with them end.
///
/// Returns EMCP_OK.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_keys_forget(
    server: *mut emcp_server,
    principal: *const c_char,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        server.core.forget_keys(unsafe { optional("principal", principal)? });
        Ok(EMCP_OK)
    })
}
