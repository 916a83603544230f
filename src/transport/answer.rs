//! Answers in HTTP that the transports share.

use std::sync::Arc;

use http_types::{Response, StatusCode};

use super::event_stream::{Presence, StreamSlot};
use super::exchange::{Exchange, modern_status};
use crate::http::response::{json, set_header, text};
use crate::http::{HalfClose, Outcome};
use crate::protocol::Refusal;
use crate::rpc::{Id, code, write};
use crate::session::InFlight;

/// What happens to a modern exchange after dispatch has run: a client that leaves has cancelled.
pub(super) fn conclude_modern(
    exchange: Arc<Exchange>,
    scope: Arc<InFlight>,
    slot: Option<StreamSlot>,
) -> Outcome {
    let presence = |_: &Exchange| Presence::Exchange(scope);
    conclude(exchange, presence, slot, HalfClose::Gone)
}

/// What happens to a legacy exchange after dispatch has run: it outlives its connection.
pub(super) fn conclude_legacy(exchange: Arc<Exchange>) -> Outcome {
    conclude(exchange, Exchange::presence, None, HalfClose::Tolerate)
}

fn conclude(
    exchange: Arc<Exchange>,
    presence: impl FnOnce(&Exchange) -> Presence,
    slot: Option<StreamSlot>,
    half_close: HalfClose,
) -> Outcome {
    match exchange.ready() {
        Some(answer) => Outcome::Respond(answer),
        None => {
            let presence = presence(&exchange);
            Outcome::Wait { reply: Box::pin(exchange.respond(presence, slot)), half_close }
        }
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
    Outcome::respond(json(status, write::error(id, refusal.code, &refusal.message, data)))
}

/// The answer to a stream above `limits.streams`.
pub(super) fn no_stream() -> Response {
    later(text(StatusCode::ServiceUnavailable, NO_STREAM))
}

/// The same in JSON-RPC: to a modern client a bare status looks like a server of the older era.
pub(super) fn no_stream_for(id: &Id) -> Response {
    let body = write::error(Some(id), code::INTERNAL_ERROR, NO_STREAM, None);
    later(json(StatusCode::ServiceUnavailable, body))
}

pub(super) const NO_STREAM: &str = "too many open streams";

fn later(mut response: Response) -> Response {
    set_header(&mut response, "retry-after", "5");
    response
}

/// The answer to a method that the path does not serve in this way; `allow` lists those it does.
pub(super) fn not_allowed(allow: &str, reason: &str) -> Outcome {
    let mut response = text(StatusCode::MethodNotAllowed, reason);
    set_header(&mut response, "allow", allow);
    Outcome::respond(response)
}
