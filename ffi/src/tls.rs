//! TLS on the listeners.
//!
//! For clients on other machines, without a proxy. TLS 1.2 and 1.3, one certificate for each
//! listener, and HTTP/1.1 over it: keys, Host, Origin and every transport are as without. When the
//! certificate is renewed, call emcp_tls_reload(); a daemon does so where it handles SIGHUP, in its
//! loop and not in the signal handler. docs/tls.md says more.
//!
//! A library that was built without TLS has these functions too, and each returns
//! EMCP_E_UNSUPPORTED.

use std::ffi::c_char;

use crate::failure::Result;
use crate::guard::guard_status;
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::text::required;

/// With client_ca: clients may come without a certificate. One that is shown must be good.
pub const EMCP_TLS_CLIENT_OPTIONAL: u32 = 1;
/// With client_ca: a certificate stands in the place of a key, and its holder has client_scopes.
/// From then on whoever has neither stays outside, on the other listeners too.
pub const EMCP_TLS_CLIENT_IS_KEY: u32 = 2;
/// Others than its owner may have rights to the key file.
pub const EMCP_TLS_KEY_SHARED: u32 = 4;

/// TLS of one listener. Prepare it with EMCP_INIT. All files are PEM; their names are copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_tls {
    /// sizeof(emcp_tls); EMCP_INIT sets it.
    pub size: u32,
    /// EMCP_TLS_*.
    pub flags: u32,
    /// File of the certificate, and behind it in the same file those that lead to a root which
    /// clients know. Required.
    pub certificate: *const c_char,
    /// File of its private key, not encrypted: PKCS #8, PKCS #1 or SEC 1; RSA of 2048 bits or more,
    /// ECDSA or Ed25519. Required. Nobody but its owner may have rights to it, unless
    /// EMCP_TLS_KEY_SHARED says so.
    pub key: *const c_char,
    /// File with the certificates of those who vouch for clients. With it every client must show a
    /// certificate. Whoever comes with one and without a key has as principal "cert:" and the first
    /// URI in the certificate, else its first DNS name, else "sha256:" and its fingerprint. It is no
    /// key by itself: see EMCP_TLS_CLIENT_IS_KEY. NULL: clients are asked for none.
    pub client_ca: *const c_char,
    /// With EMCP_TLS_CLIENT_IS_KEY: what the holder of a certificate may do, comma separated; "*":
    /// everything. NULL: what needs no scope.
    pub client_scopes: *const c_char,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`, holds only numbers and raw pointers.
unsafe impl Sized32 for emcp_tls {}

/// Adds an address to listen on with TLS, before the first start. Addresses are those of
/// emcp_listen(), and so are the rules for a descriptor.
///
///     emcp_tls tls;
///     EMCP_INIT(&tls);
///     tls.certificate = "/etc/sysmond/tls.pem";
///     tls.key = "/etc/sysmond/tls.key";
///     status = emcp_listen_tls(server, "tcp:0.0.0.0:8443", &tls);
///
/// Reads the files at once: a daemon may give up its rights to them afterwards, and needs them
/// again for emcp_tls_reload(). A certificate that has expired, or does not count yet, is served
/// all the same, and the `log` hook hears of it; emcp_tls_certificate_expiry_seconds in
/// emcp_metrics_text() tells beforehand.
///
/// Returns EMCP_OK; EMCP_E_IO when a file cannot be read; EMCP_E_INVALID when the address or a
/// file makes no sense, key and certificate do not belong together, others have rights to the key,
/// or a flag or client_scopes comes without what it needs: emcp_last_error() names the file and
/// what is wrong; EMCP_E_STATE after the first start; EMCP_E_ABI; EMCP_E_UNSUPPORTED.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_listen_tls(
    server: *mut emcp_server,
    address: *const c_char,
    tls: *const emcp_tls,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let address = unsafe { required("address", address)? };
        // SAFETY: the header obliges the caller to say the struct's true size.
        let tls = unsafe { take("tls", tls)? }.checked()?;
        // SAFETY: the header obliges the caller to pass strings or NULL.
        unsafe { built::listen(&server.core, address, &tls)? };
        Ok(EMCP_OK)
    })
}

/// Reads the files of all TLS listeners again, at any time. Handshakes from here on use what is in
/// them; open connections go on as they are.
///
/// All of it or nothing: when something is wrong with one of the files, everything stays as it was.
/// Reads from disk on the calling thread. Without TLS listeners there is nothing to do.
///
/// Returns EMCP_OK; EMCP_E_IO and EMCP_E_INVALID as emcp_listen_tls(), and EMCP_E_INVALID for a
/// certificate that has expired or does not count yet; EMCP_E_UNSUPPORTED.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_tls_reload(server: *mut emcp_server) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        built::reload(&unsafe { self::server(server)? }.core)?;
        Ok(EMCP_OK)
    })
}

#[cfg(feature = "tls")]
mod built {
    use std::ffi::c_char;

    use emcp_core::{Server, TlsConfig};

    use super::*;
    use crate::descriptor;
    use crate::failure::Failure;
    use crate::text::optional;

    /// # Safety
    /// Every text in `tls` is NULL or a NUL-terminated string.
    pub(super) unsafe fn listen(server: &Server, address: &str, tls: &emcp_tls) -> Result<()> {
        // SAFETY: passed on to our caller.
        let config = unsafe { config(tls)? };
        match address.strip_prefix("fd:") {
            None => server.listen_tls(address, config)?,
            Some(number) => {
                descriptor::listener(number, |socket| server.listen_tls_inherited(socket, config))?
            }
        }
        Ok(())
    }

    pub(super) fn reload(server: &Server) -> Result<()> {
        Ok(server.tls_reload()?)
    }

    /// # Safety
    /// As for [`listen`].
    unsafe fn config(tls: &emcp_tls) -> Result<TlsConfig> {
        let known = EMCP_TLS_CLIENT_OPTIONAL | EMCP_TLS_CLIENT_IS_KEY | EMCP_TLS_KEY_SHARED;
        if tls.flags & !known != 0 {
            return Err(Failure::invalid(format!("tls has unknown flags: {:#x}", tls.flags)));
        }
        // SAFETY: passed on to our caller.
        let text = |what: &str, text: *const c_char| unsafe { optional(what, text) };
        let scopes = text("client_scopes", tls.client_scopes)?;
        let is_key = tls.flags & EMCP_TLS_CLIENT_IS_KEY != 0;
        if scopes.is_some() && !is_key {
            return Err(Failure::invalid("client_scopes needs EMCP_TLS_CLIENT_IS_KEY"));
        }
        Ok(TlsConfig {
            // SAFETY: passed on to our caller.
            certificate: unsafe { required("certificate", tls.certificate)? }.into(),
            // SAFETY: passed on to our caller.
            key: unsafe { required("key", tls.key)? }.into(),
            key_shared: tls.flags & EMCP_TLS_KEY_SHARED != 0,
            client_ca: text("client_ca", tls.client_ca)?.map(Into::into),
            client_optional: tls.flags & EMCP_TLS_CLIENT_OPTIONAL != 0,
            client_scopes: is_key.then(|| scopes.unwrap_or_default().to_owned()),
        })
    }
}

#[cfg(not(feature = "tls"))]
mod built {
    use emcp_core::Server;

    use super::*;
    use crate::failure::Failure;
    use crate::status::EMCP_E_UNSUPPORTED;

    /// # Safety
    /// None is needed.
    pub(super) unsafe fn listen(_: &Server, _: &str, _: &emcp_tls) -> Result<()> {
        Err(missing())
    }

    pub(super) fn reload(_: &Server) -> Result<()> {
        Err(missing())
    }

    fn missing() -> Failure {
        let text = "this libemcp was built without TLS; make FEATURES=tls builds it in";
        Failure::new(EMCP_E_UNSUPPORTED, text)
    }
}
