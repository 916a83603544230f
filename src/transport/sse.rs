//! HTTP+SSE of 2024-11-05: one GET opens the stream for everything, messages are posted beside it.

use std::sync::Arc;

use http_types::StatusCode;

use super::answer;
use super::duplex::{self, SharedStream};
use super::event_stream::{self, EventStream, Presence, StreamSlot};
use super::message::Origin;
use super::revoked;
use crate::core::Core;
use crate::http::response::text;
use crate::http::{Final, Head, Incoming, Outcome};
use crate::level::Level;
use crate::session::{Link, Outbox, WhenFull};

/// Opens a stream whose first event says where to post.
pub(super) fn open(core: &Arc<Core>, incoming: &Incoming) -> Outcome {
    let head = &incoming.head;
    let accepts = head.headers("accept").flat_map(|value| value.split(','));
    let mut ranges = accepts.map(|range| range.split(';').next().unwrap_or_default().trim());
    if !core.options.legacy_sse {
        return answer::not_allowed("POST", "open a session with POST first");
    }
    if !ranges.any(|range| range.eq_ignore_ascii_case("text/event-stream")) {
        return answer::not_allowed("POST, DELETE", "GET serves streams; accept text/event-stream");
    }
    let Some(slot) = StreamSlot::take(&core.env) else {
        return Outcome::respond(answer::no_stream());
    };
    let outbox = Outbox::new(core.env.clone(), WhenFull::Close);
    let session = match core
        .sessions
        .open(Link::Duplex(outbox.clone()), incoming.peer.principal.clone())
    {
        Ok(session) => session,
        Err(error) => {
            core.env.log(Level::Error, "session", format_args!("{error}"));
            return Outcome::respond(text(StatusCode::ServiceUnavailable, "no session available"));
        }
    };
    core.changes.subscribe(Arc::downgrade(&session) as _);
    revoked::watch(core, &incoming.peer, &outbox);
    let presence = Presence::Session { core: core.clone(), id: session.id.clone() };
    let mut body = EventStream::new(&core.env, outbox, presence, slot);
    // Relative, so that it stays on the origin that the client chose, whatever proxies do.
    body.announce(&format!("{}?sessionId={}", head.path, session.id));
    Outcome::respond(event_stream::answer(body))
}

/// The session that a POST names in its query; `session_id` is the Python SDK's spelling.
pub(super) fn session_id(head: &Head) -> Option<String> {
    head.query_parameter("sessionId").or_else(|| head.query_parameter("session_id"))
}

/// Takes one message; the answer rides the stream.
pub(super) fn post(core: &Arc<Core>, incoming: &Incoming, id: &str) -> Outcome {
    let session = core.sessions.find(id, incoming.peer.principal.as_deref());
    let Some((session, outbox)) = session.and_then(|session| match &session.link {
        Link::Duplex(outbox) => Some((session.clone(), outbox.clone())),
        Link::Streams(_) => None,
    }) else {
        return Outcome::respond(text(StatusCode::NotFound, "session not found; open a stream"));
    };
    let origin = Origin::of(&incoming.peer, "sse", Arc::new(SharedStream(outbox)));
    duplex::receive(core, &session, &incoming.body, &origin);
    Outcome::respond(Final::Accepted)
}
