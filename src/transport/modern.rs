//! A modern POST: everything about the request is in it, and leaving its stream cancels it.

use std::sync::Arc;

use http_types::StatusCode;

use super::accept::takes_stream;
use super::event_stream::StreamSlot;
use super::exchange::{Exchange, Form};
use super::{answer, header};
use crate::core::Core;
use crate::dispatch::{Request, dispatch};
use crate::http::{Incoming, Outcome};
use crate::protocol::{Meta, Refusal, Revision};
use crate::rpc::{Message, code};
use crate::session::InFlight;

/// Serves one modern request.
pub(super) fn post(
    core: &Arc<Core>,
    incoming: &Incoming,
    form: Form,
    message: Message,
    (revision, meta): (Revision, Box<Meta>),
) -> Outcome {
    // Only requests are classified as modern.
    let Message::Request { id, method, params } = message else {
        return answer::refuse(None, &Refusal::new(code::INVALID_REQUEST, "not a request"));
    };
    let head = &incoming.head;
    if let Err(refusal) = header::check(head, &method, &params) {
        return answer::refuse(Some(&id), &refusal);
    }
    let mismatch = header::check_params(core, head, &method, &params).err();
    let is_listen = method == "subscriptions/listen";
    if is_listen && !takes_stream(head) {
        let refusal = Refusal::new(code::INVALID_REQUEST, "accept text/event-stream to listen");
        return answer::refuse_with(StatusCode::NotAcceptable, Some(&id), &refusal);
    }
    // Taken at once and kept: a call without a stream is still answered as JSON, but a listen
    // would be silent for ever.
    let slot = is_listen.then(|| StreamSlot::take(&core.env)).flatten();
    if is_listen && slot.is_none() {
        return Outcome::respond(answer::no_stream_for(&id));
    }
    let form = if is_listen { Form::Stream } else { form };
    let exchange = Exchange::modern(&core.env, form);
    exchange.end_with_pass(core, &incoming.peer);
    let scope: Arc<InFlight> = Arc::default();
    let request = Request {
        id,
        method,
        params,
        revision,
        meta,
        session: None,
        scope: scope.clone(),
        sink: exchange.clone(),
        transport: "http",
        remote: incoming.peer.address.clone(),
        uid: incoming.peer.user.map(|user| user.uid),
        account: incoming.peer.account(),
        principal: incoming.peer.principal.clone(),
        scopes: incoming.peer.scopes.clone(),
        claims: incoming.peer.claims(),
        mismatch,
    };
    dispatch(core, request);
    answer::conclude_modern(exchange, scope, slot)
}
