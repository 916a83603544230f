//! Puts together what is known of the other side of a call.

use std::borrow::Cow;
use std::sync::Arc;

use crate::auth::Scopes;
use crate::caller::Caller;
use crate::protocol::{Meta, Revision};
use crate::session::Session;

/// Who sent a request.
pub(crate) fn caller(
    session: Option<&Session>,
    revision: Revision,
    meta: &Meta,
    transport: &'static str,
    (remote, uid): (&str, Option<u32>),
    (principal, scopes, claims): (Option<&str>, &Scopes, Option<&Arc<str>>),
) -> Caller {
    // A modern request says who it is itself; nothing may be inferred from earlier ones.
    let client = match session.filter(|_| !revision.is_modern()) {
        Some(session) => session.handshake().map(|settled| settled.client()),
        None => Some(meta.client()),
    };
    let client = client.unwrap_or_default();
    let text = |text: Option<Cow<'_, str>>| text.unwrap_or_default().into_owned();
    Caller {
        principal: principal.unwrap_or_default().into(),
        scopes: scopes.as_str().into(),
        claims: claims.cloned().unwrap_or_default(),
        session: session.map(|session| session.id.chars().take(8).collect()).unwrap_or_default(),
        client_name: client.name,
        client_version: client.version,
        protocol: revision.as_str(),
        transport,
        remote_addr: remote.into(),
        uid,
        traceparent: text(meta.traceparent()),
        tracestate: text(meta.tracestate()),
        baggage: text(meta.baggage()),
    }
}
