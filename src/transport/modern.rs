//! A modern POST: everything about the request is in it, and leaving its stream cancels it.

use std::sync::Arc;

use http_types::StatusCode;

use super::accept::takes_stream;
use super::event_stream::{Presence, StreamSlot};
use super::exchange::{Exchange, Form};
use super::{answer, header};
use crate::core::Core;
use crate::dispatch::{Request, dispatch, is_known};
use crate::http::response::{json, set_header};
use crate::http::{HalfClose, Incoming, Outcome};
use crate::protocol::{Meta, Refusal, Revision};
use crate::rpc::{Message, code, write};
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
    // An unknown method is 404 whatever else is wrong with it: that tells a client the era.
    if is_known(&method, revision)
        && let Err(refusal) = header::check_params(core, head, &method, &params)
    {
        return answer::refuse(Some(&id), &refusal);
    }
    let form = match &*method {
        "subscriptions/listen" if takes_stream(head) => Form::Stream,
        "subscriptions/listen" => {
            let refusal = Refusal::new(code::INVALID_REQUEST, "accept text/event-stream to listen");
            let status = StatusCode::NotAcceptable;
            return answer::refuse_with(status, Some(&id), &refusal);
        }
        _ => form,
    };
    // A call without a stream is still answered as JSON; a listen would be silent for ever.
    if method == "subscriptions/listen" && StreamSlot::take(&core.env).is_none() {
        // In JSON-RPC: a bare status would look like a server of the older era.
        let text = write::error(Some(&id), code::INTERNAL_ERROR, "too many open streams", None);
        let mut response = json(StatusCode::ServiceUnavailable, text);
        set_header(&mut response, "retry-after", "5");
        return Outcome::Respond(response);
    }
    let exchange = Exchange::modern(&core.env, form);
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
    };
    dispatch(core, request);
    answer::conclude(exchange, Presence::Exchange(scope), HalfClose::Gone)
}
