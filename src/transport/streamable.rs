//! Streamable HTTP: a POST is one message, or a batch where the revision knows them.

use std::sync::Arc;

use http_types::{Response, StatusCode};

use super::event_stream::Presence;
use super::exchange::{Exchange, Form, modern_status};
use super::{legacy, modern};
use crate::core::Core;
use crate::http::response::{json, response, text};
use crate::http::{HalfClose, Head, Incoming, Outcome};
use crate::policy::Route;
use crate::protocol::{Channel, Refusal, Verdict, classify};
use crate::rpc::{Id, Malformed, Message, Payload, code, parse, write};

/// Checks what a POST says about its body and about the answers it takes.
pub(super) fn admit(head: &Head) -> Result<(), Response> {
    let is_json = |value: &str| {
        let media = value.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("application/json")
    };
    if !head.header("content-type").is_some_and(is_json) {
        let reason = "send the message with Content-Type: application/json";
        return Err(text(StatusCode::UnsupportedMediaType, reason));
    }
    let accept = Accept::of(head);
    if !accept.json && !accept.stream {
        let reason = "accept application/json, text/event-stream or both";
        return Err(text(StatusCode::NotAcceptable, reason));
    }
    Ok(())
}

/// Takes a POST to the endpoint.
pub(super) fn post(core: &Arc<Core>, incoming: Incoming, route: Route) -> Outcome {
    core.env.counters.messages.up();
    let form = form(&incoming.head, route);
    let header = incoming.head.header("mcp-protocol-version");
    let message = match parse(&incoming.body, &core.env.limits) {
        Ok(Payload::One(message)) => message,
        Ok(Payload::Batch(items)) => return legacy::batch(core, &incoming, form, items),
        Err(malformed) => return refuse_malformed(core, &malformed),
    };
    match classify(&message, Channel::Post(header)) {
        Verdict::Modern(revision, meta) => {
            modern::post(core, &incoming, form, message, (revision, meta))
        }
        Verdict::Initialize(meta) => legacy::initialize(core, &incoming, form, message, meta),
        Verdict::Legacy(meta) => legacy::post(core, &incoming, form, message, meta),
        Verdict::Drop => Outcome::Respond(response(StatusCode::Accepted)),
        Verdict::Refuse(refusal) => refuse(message_id(&message), &refusal),
    }
}

/// What happens to an exchange after dispatch has run.
pub(super) fn conclude(
    exchange: Arc<Exchange>,
    presence: Presence,
    half_close: HalfClose,
) -> Outcome {
    match exchange.ready() {
        Some(response) => Outcome::Respond(response),
        None => Outcome::Wait { reply: Box::pin(exchange.respond(presence)), half_close },
    }
}

/// An error reply with the status that its code calls for; 400 for those that have none.
pub(super) fn refuse(id: Option<&Id>, refusal: &Refusal) -> Outcome {
    let status = match modern_status(Some(refusal.code)) {
        StatusCode::Ok => StatusCode::BadRequest,
        status => status,
    };
    refuse_with(status, id, refusal)
}

/// An error reply with a status.
pub(super) fn refuse_with(status: StatusCode, id: Option<&Id>, refusal: &Refusal) -> Outcome {
    let data = refusal.data.as_deref();
    Outcome::Respond(json(status, write::error(id, refusal.code, &refusal.message, data)))
}

fn refuse_malformed(core: &Core, malformed: &Malformed) -> Outcome {
    core.env.counters.messages_malformed.up();
    refuse(malformed.id.as_ref(), &Refusal::new(malformed.code, malformed.reason.as_str()))
}

/// The id to echo in an error about `message`.
pub(super) fn message_id(message: &Message) -> Option<&Id> {
    match message {
        Message::Request { id, .. } => Some(id),
        Message::Notification { .. } | Message::Response => None,
    }
}

/// The refusal of an array where none belongs.
pub(super) fn no_batch() -> Refusal {
    Refusal::new(code::INVALID_REQUEST, "batches exist in sessions of revision 2025-03-26 only")
}

/// Which form of answer to give: the query and the alias path force a stream, `Accept` allows
/// one, the default is JSON.
fn form(head: &Head, route: Route) -> Form {
    let accept = Accept::of(head);
    let is_forced = route == Route::Sse
        || head.query_parameter("transport").is_some_and(|value| value == "sse");
    match accept.names_stream {
        _ if is_forced || !accept.json => Form::Stream,
        true => Form::Either,
        false => Form::Json,
    }
}

/// Tells whether the client takes a stream if that is the only form there is: a wildcard that does
/// not name it still allows it.
pub(super) fn takes_stream(head: &Head) -> bool {
    Accept::of(head).stream
}

/// What the `Accept` header allows (RFC 9110 section 12.5.1); weights are not looked at, because
/// clients list both types and mean both.
struct Accept {
    json: bool,
    /// Also for a wildcard and when there is no such header.
    stream: bool,
    names_stream: bool,
}

impl Accept {
    fn of(head: &Head) -> Accept {
        let mut accept = Accept { json: false, stream: false, names_stream: false };
        let mut is_absent = true;
        for range in head.headers("accept").flat_map(|value| value.split(',')) {
            let range = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            is_absent &= range.is_empty();
            accept.json |= matches!(&*range, "application/json" | "application/*" | "*/*");
            accept.stream |= matches!(&*range, "text/event-stream" | "text/*" | "*/*");
            accept.names_stream |= range == "text/event-stream";
        }
        accept.json |= is_absent;
        accept.stream |= is_absent;
        accept
    }
}
