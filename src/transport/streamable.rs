//! Streamable HTTP: a POST is one message, or a batch where the revision knows them.

use std::sync::Arc;

use http_types::{Response, StatusCode};

use super::accept::{Accept, form};
use super::answer::refuse;
use super::{legacy, modern};
use crate::core::Core;
use crate::http::response::text;
use crate::http::{Final, Head, Incoming, Outcome};
use crate::policy::Route;
use crate::protocol::{Channel, Refusal, Verdict, classify};
use crate::rpc::{Malformed, Payload, parse};

/// Checks what a POST says about its body and about the answers it takes.
pub(super) fn admit(head: &Head) -> Result<(), Response> {
    let is_json = |value: &str| {
        if value == "application/json" {
            return true;
        }
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
pub(super) fn post(core: &Arc<Core>, incoming: &Incoming, route: Route) -> Outcome {
    core.env.counters.messages.up();
    let form = form(&incoming.head, route);
    let header = incoming.head.header("mcp-protocol-version");
    let message = match parse(&incoming.body, &core.env.limits) {
        Ok(Payload::One(message)) => message,
        Ok(Payload::Batch(items)) => return legacy::batch(core, incoming, form, items),
        Err(malformed) => return refuse_malformed(core, &malformed),
    };
    match classify(&message, Channel::Post(header)) {
        Verdict::Modern(revision, meta) => {
            modern::post(core, incoming, form, message, (revision, meta))
        }
        Verdict::Initialize(meta) => legacy::initialize(core, incoming, form, message, meta),
        Verdict::Legacy(meta) => legacy::post(core, incoming, form, message, meta),
        Verdict::Drop => Outcome::respond(Final::Accepted),
        Verdict::Refuse(refusal) => refuse(message.id(), &refusal),
    }
}

fn refuse_malformed(core: &Core, malformed: &Malformed) -> Outcome {
    core.env.counters.messages_malformed.up();
    refuse(malformed.id.as_ref(), &Refusal::new(malformed.code, malformed.reason.as_str()))
}
