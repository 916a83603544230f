//! Streamable HTTP of 2025-03-26 to 2025-11-25: sessions, the GET stream, resumption, DELETE.

use std::sync::Arc;

use http_types::{Response, StatusCode};

use super::accept::takes_stream;
use super::batch::Batch;
use super::event_stream::{self, EventStream, Presence, StreamSlot};
use super::exchange::{Exchange, Form};
use super::message::Origin;
use super::{answer, batch, message, revoked};
use crate::core::Core;
use crate::http::response::{response, set_header, text};
use crate::http::{Final, Incoming, Outcome};
use crate::level::Level;
use crate::protocol::{Channel, Meta, Refusal, Verdict, check_header, classify};
use crate::rpc::{Malformed, Message, code};
use crate::session::{
    Close, EventId, Link, Outbox, Resumed, STANDALONE, Session, Streams, WhenFull,
};

/// Opens a session. Every client gets one: without its id, the GET that follows could not be told
/// from one that starts HTTP+SSE.
pub(super) fn initialize(
    core: &Arc<Core>,
    incoming: &Incoming,
    form: Form,
    message: Message,
    meta: Box<Meta>,
) -> Outcome {
    let link = Link::Streams(Box::new(Streams::new(core.env.clone())));
    let session = match core.sessions.prepare(link, incoming.peer.principal.clone()) {
        Ok(session) => session,
        Err(error) => {
            core.env.log(Level::Error, "session", format_args!("{error}"));
            return Outcome::respond(text(StatusCode::ServiceUnavailable, "no session available"));
        }
    };
    // A plain exchange: a client that loses this answer initializes again.
    let exchange = Exchange::plain(&core.env, form);
    message::take(core, &session, message, meta, &Origin::post(incoming, exchange.clone()));
    // Kept only now: a handshake that fails must not cost somebody else's session its place.
    if session.handshake().is_none() {
        return answer::conclude_legacy(exchange);
    }
    core.sessions.keep(&session);
    core.changes.subscribe(Arc::downgrade(&session) as _);
    match answer::conclude_legacy(exchange) {
        Outcome::Respond(answer) => Outcome::respond(name(answer, &session)),
        Outcome::Wait { reply, half_close } => {
            let reply = Box::pin(async move { name(reply.await, &session) });
            Outcome::Wait { reply, half_close }
        }
        other => other,
    }
}

/// Serves one message of a session.
pub(super) fn post(
    core: &Arc<Core>,
    incoming: &Incoming,
    form: Form,
    message: Message,
    meta: Box<Meta>,
) -> Outcome {
    let session = match find(core, incoming) {
        Ok(session) => session,
        Err((status, refusal)) => {
            return answer::refuse_with(status, message.id(), &refusal);
        }
    };
    if !matches!(message, Message::Request { .. }) {
        let sink = Exchange::plain(&core.env, Form::Json);
        message::take(core, &session, message, meta, &Origin::post(incoming, sink));
        return Outcome::respond(Final::Accepted);
    }
    let exchange = Exchange::resumable(&core.env, form, &session);
    exchange.end_with_pass(core, &incoming.peer);
    message::take(core, &session, message, meta, &Origin::post(incoming, exchange.clone()));
    answer::conclude_legacy(exchange)
}

/// Serves an array of messages.
pub(super) fn batch(
    core: &Arc<Core>,
    incoming: &Incoming,
    form: Form,
    items: Vec<Result<Message, Malformed>>,
) -> Outcome {
    let session = match find(core, incoming) {
        Ok(session) if session.revision().allows_batch() => session,
        Ok(_) => return answer::refuse(None, &batch::refusal()),
        // Without a session the array itself is what is wrong, whoever sent it.
        Err((StatusCode::BadRequest, _)) => {
            return answer::refuse(None, &batch::refusal());
        }
        Err((status, refusal)) => return answer::refuse_with(status, None, &refusal),
    };
    let header = incoming.head.header("mcp-protocol-version");
    let is_legacy = |item: &Result<Message, Malformed>| match item {
        Ok(message) => matches!(classify(message, Channel::Post(header)), Verdict::Legacy(_)),
        Err(_) => true,
    };
    if !items.iter().all(is_legacy) {
        return answer::refuse(None, &batch::misplaced());
    }
    if !items.iter().any(batch::wants_answer) {
        let sink = Exchange::plain(&core.env, Form::Json);
        Batch::run(core, &session, items, &Origin::post(incoming, sink));
        return Outcome::respond(Final::Accepted);
    }
    let exchange = Exchange::resumable(&core.env, form, &session);
    exchange.end_with_pass(core, &incoming.peer);
    Batch::run(core, &session, items, &Origin::post(incoming, exchange.clone()));
    answer::conclude_legacy(exchange)
}

/// Opens the standalone stream of a session, or resumes a cut one.
pub(super) fn stream(core: &Arc<Core>, incoming: &Incoming) -> Outcome {
    let session = match find(core, incoming) {
        Ok(session) => session,
        Err((status, refusal)) => return Outcome::respond(text(status, &refusal.message)),
    };
    let Link::Streams(streams) = &session.link else {
        return answer::not_allowed("POST", "this session has a stream already");
    };
    if !takes_stream(&incoming.head) {
        return answer::not_allowed("POST, DELETE", "GET serves streams; accept text/event-stream");
    }
    let Some(slot) = StreamSlot::take(&core.env) else {
        return Outcome::respond(answer::no_stream());
    };
    let outbox = Outbox::new(core.env.clone(), WhenFull::DropNotifications);
    revoked::watch(core, &incoming.peer, &outbox);
    let attached = |stream: u32| {
        let (session, outbox) = (session.clone(), outbox.clone());
        let presence = Presence::Attached { session, stream, outbox: outbox.clone() };
        EventStream::new(&core.env, outbox, presence, slot)
    };
    let body = match incoming.head.header("last-event-id") {
        Some(last) => {
            let last = EventId::parse(last);
            let resumed = last.and_then(|id| Some((id, streams.resume(id, outbox.clone())?)));
            // Not the standalone stream instead: it would be taken from the connection that has
            // it, which comes back and takes it again, for ever.
            let Some((id, Resumed { missed, finished })) = resumed else {
                let reason = "Last-Event-ID names no stream that can be resumed";
                return Outcome::respond(text(StatusCode::BadRequest, reason));
            };
            let mut body = attached(id.stream);
            body.extend(missed);
            if finished {
                body.end();
            }
            body
        }
        None => {
            streams.open_standalone(outbox.clone());
            let mut body = attached(STANDALONE);
            if session.revision().primes_streams() {
                body.prime_at(streams.reserve(STANDALONE));
            }
            body
        }
    };
    Outcome::respond(event_stream::answer(body))
}

/// Ends a session.
pub(super) fn delete(core: &Core, incoming: &Incoming) -> Outcome {
    let response = match find(core, incoming) {
        Ok(session) => {
            core.sessions.end(&session.id, Close::Session);
            response(StatusCode::NoContent)
        }
        Err((status, refusal)) => text(status, &refusal.message),
    };
    Outcome::respond(response)
}

/// Finds the session that a request names. An unknown one is 404, which makes clients start anew;
/// on 400 they would show the error to the model. So is one that somebody else has opened.
fn find(core: &Core, incoming: &Incoming) -> Result<Arc<Session>, (StatusCode, Refusal)> {
    let head = &incoming.head;
    check_header(head.header("mcp-protocol-version"))
        .map_err(|refusal| (StatusCode::BadRequest, refusal))?;
    let Some(id) = head.header("mcp-session-id") else {
        let reason = "header Mcp-Session-Id is missing; send initialize first";
        return Err((StatusCode::BadRequest, Refusal::new(code::INVALID_REQUEST, reason)));
    };
    let session = core.sessions.find(id, incoming.peer.principal.as_deref());
    session.filter(|session| matches!(session.link, Link::Streams(_))).ok_or_else(|| {
        let reason = "session not found; send initialize to open one";
        (StatusCode::NotFound, Refusal::new(code::INVALID_REQUEST, reason))
    })
}

const SESSION_ID: &str = "mcp-session-id";

fn name(answer: Final, session: &Session) -> Final {
    if let Final::Document(text) = answer {
        return Final::Headed(text, (SESSION_ID, session.id.clone()));
    }
    let mut response = Response::from(answer);
    set_header(&mut response, SESSION_ID, &session.id);
    response.into()
}
