//! Who calls, as far as the server knows.

use crate::protocol::{Meta, Revision};
use crate::session::Session;

/// The other side of one call. Only `principal`, `remote_addr` and `transport` are facts; the names
/// are what the client says of itself.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Caller {
    /// Who the host has authenticated, as it said with the request, the connection or the peer.
    /// Empty for nobody: the library itself authenticates nobody.
    pub principal: String,
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
    /// W3C trace context from `_meta`, if the client sent it.
    pub traceparent: String,
    /// What vendors add to the trace context.
    pub tracestate: String,
    /// W3C baggage from `_meta`, if the client sent it.
    pub baggage: String,
}

impl Caller {
    pub(crate) fn new(
        session: Option<&Session>,
        revision: Revision,
        meta: &Meta,
        transport: &'static str,
        remote: &str,
        principal: Option<&str>,
    ) -> Caller {
        // A modern request says who it is itself; nothing may be inferred from earlier ones.
        let client = match session.filter(|_| !revision.is_modern()) {
            Some(session) => session.handshake().map(|settled| settled.client),
            None => Some(meta.client.clone()),
        };
        let client = client.unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Caller {
            principal: principal.unwrap_or_default().into(),
            session: session
                .map(|session| session.id.chars().take(8).collect())
                .unwrap_or_default(),
            client_name: client.name,
            client_version: client.version,
            protocol: revision.as_str(),
            transport,
            remote_addr: remote.into(),
            traceparent: text(&meta.traceparent),
            tracestate: text(&meta.tracestate),
            baggage: text(&meta.baggage),
        }
    }
}
