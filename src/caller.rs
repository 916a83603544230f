//! Who calls, as far as the server knows.

use std::sync::Arc;

/// The other side of one call. Only `principal`, `scopes`, `claims`, `remote_addr`, `uid` and
/// `transport` are facts; the names are what the client says of itself.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Caller {
    /// Who the host has authenticated, as it said with the request, the connection or the peer;
    /// otherwise the name of the key that came with the request, or issuer and subject of the token
    /// with a blank between them. Empty for nobody.
    pub principal: String,
    /// What that one may do, comma separated; `*` for everything.
    pub scopes: String,
    /// What the issuer of its token says of it: a JSON object as it was signed. Empty where no
    /// token came.
    pub claims: Arc<str>,
    /// First characters of the session id, enough to tell sessions apart in a log and too few to
    /// use one. Empty when there is no session.
    pub session: String,
    /// The client's name.
    pub client_name: String,
    /// The client's version.
    pub client_version: String,
    /// The revision of the protocol, for example `2026-07-28`.
    pub protocol: &'static str,
    /// `http`, `sse` or `websocket`.
    pub transport: &'static str,
    /// Address and port of the peer, `unix` for a Unix socket, or what the host said.
    pub remote_addr: String,
    /// The user whose process is at the other end of a Unix socket, as the system knows it; `None`
    /// where nobody knows.
    pub uid: Option<u32>,
    /// W3C trace context from `_meta`, if the client sent it.
    pub traceparent: String,
    /// What vendors add to the trace context.
    pub tracestate: String,
    /// W3C baggage from `_meta`, if the client sent it.
    pub baggage: String,
}
