//! Bearer keys.
//!
//! From the first key or key file on, every request, upgrade and peer needs a key, unless the
//! program names a principal itself: "Authorization: Bearer KEY" or "X-API-Key: KEY", with
//! EMCP_F_KEY_IN_QUERY also "?api_key=KEY". All others hear 401 and what to do. Taking all keys away
//! lets nobody in; EMCP_F_KEYS_REQUIRED does so from the start.
//!
//! The name of the key is the `principal` of emcp_who. Keys may change at any time. What is open,
//! streams, WebSockets and calls over HTTP, ends when its key is taken away or expires; a session
//! stays for the next key of the same name.

use std::ffi::c_char;
use std::path::Path;

use emcp_core::Key;

use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::text::{optional, required};

/// A key. Prepare it with EMCP_INIT. All of it is copied, of the secret a digest.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_key {
    /// sizeof(emcp_key); EMCP_INIT sets it.
    pub size: u32,
    /// 0.
    pub flags: u32,
    /// Who holds it; log lines and audit records show it. Required: 1 to 128 characters without
    /// blanks. Several keys may have one name, for example the next one and the last.
    pub name: *const c_char,
    /// What the client sends. Required: 16 to 1024 visible ASCII characters, better random ones.
    pub secret: *const c_char,
    /// What its holder may do, comma separated: "metrics:read,alerts:write". "*": everything.
    /// NULL: what needs no scope.
    pub scopes: *const c_char,
    /// When it ends, "2027-01-01T00:00:00Z"; NULL: never.
    pub expires: *const c_char,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`, holds only numbers and raw pointers.
unsafe impl Sized32 for emcp_key {}

/// Adds a key.
///
///     emcp_key key;
///     EMCP_INIT(&key);
///     key.name = "grafana";
///     key.secret = getenv("GRAFANA_KEY");
///     key.scopes = "metrics:read";
///     status = emcp_key_add(server, &key);
///
/// Returns EMCP_OK; EMCP_E_EXISTS when another key has the secret; EMCP_E_INVALID for a wrong
/// member; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_key_add(server: *mut emcp_server, key: *const emcp_key) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to say the struct's true size.
        let key = unsafe { take("key", key)? }.checked()?;
        // SAFETY: the header obliges the caller to pass strings or NULL.
        server.core.add_key(unsafe { described(&key)? })?;
        Ok(EMCP_OK)
    })
}

/// Takes away every key that emcp_key_add() has added; those in a file stay.
///
/// Returns EMCP_OK.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_keys_clear(server: *mut emcp_server) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        unsafe { self::server(server)? }.core.set_keys(Vec::new())?;
        Ok(EMCP_OK)
    })
}

/// Reads keys from a file too, in the place of the file before; NULL: from none any more.
///
/// Each line is "NAME SECRET [scopes=A,B] [expires=2027-01-01T00:00:00Z]"; lines that begin with #
/// do not count. Nobody but its owner may have rights to the file, unless EMCP_F_KEYS_FILE_SHARED
/// says so. It is read at once, and again when it has changed: emcp looks when a request comes, at
/// most once a second, and never else. A change that cannot be used leaves the old keys and is
/// logged once. Rename a new file to the name of the old one: a half-written one is read as it is.
///
/// Returns EMCP_OK; EMCP_E_IO when the file cannot be read; EMCP_E_INVALID when others have rights
/// to it or a line is wrong; emcp_last_error() says which.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_keys_file(server: *mut emcp_server, path: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let path = unsafe { optional("path", path)? };
        server.core.set_keys_file(path.map(Path::new))?;
        Ok(EMCP_OK)
    })
}

/// # Safety
/// Every text in `key` is NULL or a NUL-terminated string.
unsafe fn described(key: &emcp_key) -> Result<Key> {
    if key.flags != 0 {
        return Err(Failure::invalid(format!("key has unknown flags: {:#x}", key.flags)));
    }
    // SAFETY: passed on to our caller.
    let (name, secret) = unsafe { (required("name", key.name)?, required("secret", key.secret)?) };
    let mut described = Key::new(name, secret)?;
    // SAFETY: passed on to our caller.
    if let Some(scopes) = unsafe { optional("scopes", key.scopes)? } {
        described = described.scopes(scopes)?;
    }
    // SAFETY: passed on to our caller.
    if let Some(expires) = unsafe { optional("expires", key.expires)? } {
        described = described.expires(expires)?;
    }
    Ok(described)
}
