//! One message of a session, whichever transport brought it.

use std::sync::Arc;

use crate::auth::Scopes;
use crate::core::Core;
use crate::dispatch::{Request, cancelled, dispatch};
use crate::http::Incoming;
use crate::peer::Peer;
use crate::protocol::{Meta, Refusal, Revision};
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, Message, code, write};
use crate::session::{Rejected, Session};

/// Where a message came from and where its answer goes.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) sink: Arc<dyn ReplySink>,
    pub(super) transport: &'static str,
    pub(super) remote: Arc<str>,
    pub(super) uid: Option<u32>,
    pub(super) account: Arc<str>,
    pub(super) principal: Option<Arc<str>>,
    pub(super) scopes: Scopes,
    pub(super) claims: Option<Arc<str>>,
}

impl Origin {
    pub(super) fn post(incoming: &Incoming, sink: Arc<dyn ReplySink>) -> Origin {
        Origin::of(&incoming.peer, "http", sink)
    }

    pub(super) fn of(peer: &Peer, transport: &'static str, sink: Arc<dyn ReplySink>) -> Origin {
        Origin {
            sink,
            transport,
            remote: peer.address.clone(),
            uid: peer.user.map(|user| user.uid),
            account: peer.account(),
            principal: peer.principal.clone(),
            scopes: peer.scopes.clone(),
            claims: peer.claims(),
        }
    }
}

/// Takes one legacy message of `session`.
pub(super) fn take(
    core: &Arc<Core>,
    session: &Arc<Session>,
    message: Message,
    meta: Box<Meta>,
    origin: &Origin,
) {
    match message {
        Message::Request { .. } => {
            run(core, session, message, (session.revision(), meta), origin);
        }
        Message::Notification { method, params } => match &*method {
            "notifications/initialized" => session.mark_initialized(),
            "notifications/cancelled" => cancelled(&params, &session.in_flight),
            // Others concern features that this server does not use; the specification has
            // receivers ignore what they do not know.
            _ => {}
        },
        Message::Response { id, outcome } => {
            if let Some(id) = id {
                session.asked.answer(&id, outcome.as_deref().map_err(|error| &**error));
            }
        }
    }
}

/// Answers with an error.
pub(super) fn refuse(origin: &Origin, id: Option<&Id>, refusal: &Refusal) {
    let text = write::error(id, refusal.code, &refusal.message, refusal.data.as_deref());
    origin.sink.reply(Reply { text, error: Some(refusal.code) });
}

/// Runs one request of `session`, in whichever era it speaks.
pub(super) fn run(
    core: &Arc<Core>,
    session: &Arc<Session>,
    message: Message,
    (revision, meta): (Revision, Box<Meta>),
    origin: &Origin,
) {
    let Message::Request { id, method, params } = message else { return };
    // Calls check again when they enter the list; the other methods answer at once.
    if session.in_flight.contains(&id) {
        let refusal = Refusal::new(code::INVALID_REQUEST, Rejected::DUPLICATE);
        return refuse(origin, Some(&id), &refusal);
    }
    let request = Request {
        id,
        method,
        params,
        revision,
        meta,
        session: Some(session.clone()),
        scope: session.in_flight.clone(),
        sink: origin.sink.clone(),
        transport: origin.transport,
        remote: origin.remote.clone(),
        uid: origin.uid,
        account: origin.account.clone(),
        principal: origin.principal.clone(),
        scopes: origin.scopes.clone(),
        claims: origin.claims.clone(),
        mismatch: None,
    };
    dispatch(core, request);
}
