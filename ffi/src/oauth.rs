//! Access tokens of an authorization server.
//!
//! With emcp_oauth_set() the server is an OAuth 2.1 resource server: "Authorization: Bearer TOKEN"
//! lets in whom an issuer that the program trusts vouches for, beside the keys. Tokens are signed
//! JSON Web Tokens; emcp checks signature, issuer, audience, times and scopes of each request, and
//! ends streams and WebSockets with the token that has opened them. It opens no connection: the program fetches the keys of the
//! issuer (its "jwks_uri"), now and then and when the hook `jwks_wanted` is called, and passes them
//! to emcp_oauth_jwks().
//!
//! Clients find the metadata of the resource (RFC 9728), without a credential, under
//! "/.well-known/oauth-protected-resource", alone and with the path of the endpoint behind it;
//! challenges point there. A program with an HTTP server of its own hands both paths over too.
//!
//! `principal` of emcp_who is issuer and subject with a blank between them, which is the name of no
//! key: "https://login.example ann". Without a subject it is the client:
//! "https://login.example#client cron".
//!
//! A library that was built without tokens has these functions too, and each returns
//! EMCP_E_UNSUPPORTED.

use std::ffi::c_char;
use std::time::Duration;

use emcp_core::OAuth;

use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::text::{json, list, optional, required};

/// Take only tokens whose type is "at+jwt", as RFC 9068 has it. Many authorization servers write
/// "JWT" or nothing, which is taken too without this flag.
pub const EMCP_OAUTH_TYPED: u32 = 1;

/// Whose tokens a server takes, and what it tells clients that need one. Prepare it with EMCP_INIT.
/// All of it is copied.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_oauth {
    /// sizeof(emcp_oauth); EMCP_INIT sets it.
    pub size: u32,
    /// EMCP_OAUTH_*.
    pub flags: u32,
    /// The URL of the endpoint as clients have it, for example "https://monitor.example/mcp": what
    /// they ask a token for, and what its `aud` must name (RFC 8707). Required.
    pub resource: *const c_char,
    /// The authorization servers that are trusted, comma separated, at most 16: what `iss` must be,
    /// character by character. Each has keys of its own. URLs of https, or of http on a loopback
    /// address. Required.
    pub issuers: *const c_char,
    /// What else `aud` may be, comma separated, for authorization servers that name resources in
    /// their own way, for example "api://monitor". Never the client id of an application: the
    /// identity tokens of its users would come in.
    pub audiences: *const c_char,
    /// What tokens may be signed with, comma separated: RS256, RS384, RS512, PS256, PS384, PS512,
    /// ES256, ES384, EdDSA (Ed25519). NULL: "RS256,PS256,ES256,ES384,EdDSA".
    pub algorithms: *const c_char,
    /// What clients are told to ask for, comma separated: enough to begin with. They hear of others
    /// where they lack one.
    pub scopes: *const c_char,
    /// Without all of these, comma separated, nobody comes in with a token.
    pub required_scopes: *const c_char,
    /// Scopes that imply others: "units:admin>units:read,units:write;units:write>units:read".
    pub scopes_implied: *const c_char,
    /// The name of the resource for people. NULL: the name of the server.
    pub title: *const c_char,
    /// Where developers can read how to use the resource: a URL.
    pub documentation_url: *const c_char,
    /// Seconds by which clocks may differ. Default 60, at most 600.
    pub leeway_s: u32,
    /// Bytes of the longest token. Default 16 KiB, as max_head_bytes; at least 256, at most 64 KiB.
    pub max_token_bytes: u32,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`, holds only numbers and raw pointers.
unsafe impl Sized32 for emcp_oauth {}

/// Takes tokens by these rules, in the place of those before; NULL: none any more. At any time.
///
///     emcp_oauth oauth;
///     EMCP_INIT(&oauth);
///     oauth.resource = "https://monitor.example/mcp";
///     oauth.issuers = "https://login.example/realms/ops";
///     oauth.scopes = "metrics:read";
///     if (emcp_oauth_set(server, &oauth) == EMCP_OK)
///         emcp_oauth_jwks(server, NULL, jwks, EMCP_NUL);
///
/// From here on every request, upgrade and peer needs a token or a key, also after NULL. Keys of
/// issuers that stay are kept. When the rules have changed, and not only what clients are told, who
/// came in by the old ones must come again: streams and WebSockets end.
///
/// What has the form of a token in "Authorization", three parts of base64url between dots, is never
/// compared with keys, nor is `check_key` asked about it.
///
/// Returns EMCP_OK; EMCP_E_INVALID, EMCP_E_EXISTS or EMCP_E_LIMIT for a wrong member;
/// EMCP_E_ABI; EMCP_E_UNSUPPORTED.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_oauth_set(server: *mut emcp_server, oauth: *const emcp_oauth) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        let oauth = if oauth.is_null() {
            None
        } else {
            // SAFETY: the header obliges the caller to say the struct's true size.
            let oauth = unsafe { take("oauth", oauth)? }.checked()?;
            // SAFETY: the header obliges the caller to pass strings or NULL.
            Some(unsafe { described(&oauth)? })
        };
        server.core.set_oauth(oauth)?;
        Ok(EMCP_OK)
    })
}

/// Trusts the keys of `issuer` in a JSON Web Key Set (RFC 7517) of `len` bytes, in the place of
/// those before; NULL: of the only issuer. At any time, also inside the hook `jwks_wanted`.
///
/// Keys that stay are not touched. Who came in by one that has gone must come again: streams and
/// WebSockets end. Keys that should sign nothing are ignored, and the log says why: for encryption,
/// with weak or unknown parameters, shared secrets, private ones.
///
/// Returns how many keys are trusted; EMCP_E_INVALID when the text is no set, larger than 256 KiB,
/// has keys and none that can be used, or NULL could mean several issuers; EMCP_E_NOT_FOUND for an
/// issuer that emcp_oauth_set() has not named; EMCP_E_STATE before it; EMCP_E_UNSUPPORTED. Nothing
/// changes then.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_oauth_jwks(
    server: *mut emcp_server,
    issuer: *const c_char,
    jwks: *const c_char,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let issuer = unsafe { optional("issuer", issuer)? };
        // SAFETY: the header obliges the caller to pass `len` readable bytes.
        let jwks = unsafe { json("jwks", jwks, len)? };
        let report = server.core.set_jwks(issuer, jwks)?;
        // A set has 128 keys at most.
        Ok(i32::try_from(report.keys).unwrap_or(i32::MAX))
    })
}

/// # Safety
/// Every text in `oauth` is NULL or a NUL-terminated string.
unsafe fn described(oauth: &emcp_oauth) -> Result<OAuth> {
    if oauth.flags & !EMCP_OAUTH_TYPED != 0 {
        return Err(Failure::invalid(format!("oauth has unknown flags: {:#x}", oauth.flags)));
    }
    // SAFETY: passed on to our caller.
    let text = |what, text| unsafe { optional(what, text) };
    // SAFETY: passed on to our caller.
    let resource = unsafe { required("resource", oauth.resource)? };
    // SAFETY: passed on to our caller.
    let issuers = list(unsafe { required("issuers", oauth.issuers)? });
    let (first, more) =
        issuers.split_first().ok_or_else(|| Failure::invalid("issuers are empty"))?;
    let mut rules = OAuth::new(resource, first)?;
    for issuer in more {
        rules = rules.issuer(issuer)?;
    }
    for audience in list(text("audiences", oauth.audiences)?.unwrap_or_default()) {
        rules = rules.audience(&audience)?;
    }
    if let Some(algorithms) = text("algorithms", oauth.algorithms)? {
        rules = rules.algorithms(algorithms)?;
    }
    if let Some(scopes) = text("scopes", oauth.scopes)? {
        rules = rules.scopes(scopes)?;
    }
    if let Some(scopes) = text("required_scopes", oauth.required_scopes)? {
        rules = rules.required_scopes(scopes)?;
    }
    for rule in text("scopes_implied", oauth.scopes_implied)?.unwrap_or_default().split(';') {
        if rule.trim().is_empty() {
            continue;
        }
        let (broad, narrow) = rule.split_once('>').ok_or_else(|| {
            Failure::invalid(format!(
                "scopes_implied: {:?} is not BROAD>NARROW,NARROW",
                rule.trim()
            ))
        })?;
        rules = rules.implies(broad.trim(), narrow)?;
    }
    if let Some(title) = text("title", oauth.title)? {
        rules = rules.title(title);
    }
    if let Some(url) = text("documentation_url", oauth.documentation_url)? {
        rules = rules.documentation(url)?;
    }
    if oauth.leeway_s > 0 {
        rules = rules.leeway(Duration::from_secs(oauth.leeway_s.into()))?;
    }
    if oauth.max_token_bytes > 0 {
        rules = rules.token_bytes(oauth.max_token_bytes as usize)?;
    }
    Ok(rules.typed_only(oauth.flags & EMCP_OAUTH_TYPED != 0))
}
