//! Answers in HTTP that the transports share.

use std::sync::Arc;

use http_types::{Response, StatusCode};

use super::event_stream::Presence;
use super::exchange::{Exchange, modern_status};
use crate::http::response::{json, set_header, text};
use crate::http::{HalfClose, Outcome};
use crate::protocol::Refusal;
use crate::rpc::{Id, write};

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

/// The answer to a stream above `limits.streams`.
pub(super) fn no_stream() -> Response {
    let mut response = text(StatusCode::ServiceUnavailable, "too many open streams");
    set_header(&mut response, "retry-after", "5");
    response
}

/// The answer to a method that the path does not serve in this way; `allow` lists those it does.
pub(super) fn not_allowed(allow: &str, reason: &str) -> Outcome {
    let mut response = text(StatusCode::MethodNotAllowed, reason);
    set_header(&mut response, "allow", allow);
    Outcome::Respond(response)
}
