//! Messages of a session, whichever way they came in: the part that WebSocket, HTTP+SSE and
//! legacy Streamable HTTP have in common.

use std::sync::Arc;

use super::batch::Batch;
use crate::core::Core;
use crate::dispatch::{Request, cancelled, dispatch};
use crate::http::Incoming;
use crate::protocol::{Channel, Meta, Refusal, Revision, Verdict, classify};
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, Message, Payload, code, parse, write};
use crate::session::{Frame, Outbox, Rejected, Session};

use super::streamable::{message_id, no_batch};

/// Where a message came from and where its answer goes.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) sink: Arc<dyn ReplySink>,
    pub(super) transport: &'static str,
    pub(super) remote: Arc<str>,
}

impl Origin {
    pub(super) fn post(incoming: &Incoming, sink: Arc<dyn ReplySink>) -> Origin {
        Origin { sink, transport: "http", remote: incoming.peer.address.clone() }
    }
}

/// Takes one text from a channel without headers. Every answer goes to `origin`, also the one to
/// text that is no message: the channel stays open.
pub(super) fn receive(core: &Arc<Core>, session: &Arc<Session>, text: &[u8], origin: &Origin) {
    core.env.counters.messages.up();
    session.touch(&core.env);
    let message = match parse(text, &core.env.limits) {
        Ok(Payload::One(message)) => message,
        // Only after the handshake: a peer that has agreed on no revision has agreed on no batches.
        Ok(Payload::Batch(items))
            if session.handshake().is_some_and(|settled| settled.revision.allows_batch()) =>
        {
            return Batch::run(core, session, items, origin);
        }
        Ok(Payload::Batch(_)) => return refuse(origin, None, &no_batch()),
        Err(malformed) => {
            core.env.counters.messages_malformed.up();
            let refusal = Refusal::new(malformed.code, malformed.reason);
            return refuse(origin, malformed.id.as_ref(), &refusal);
        }
    };
    match classify(&message, Channel::Duplex) {
        Verdict::Modern(revision, meta) => run(core, session, message, (revision, meta), origin),
        Verdict::Initialize(meta) | Verdict::Legacy(meta) => {
            take(core, session, message, meta, origin);
        }
        Verdict::Drop => {}
        Verdict::Refuse(refusal) => refuse(origin, message_id(&message), &refusal),
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
        // This server asks nothing, so a response answers nothing.
        Message::Response => {}
    }
}

/// Answers with an error.
pub(super) fn refuse(origin: &Origin, id: Option<&Id>, refusal: &Refusal) {
    let text = write::error(id, refusal.code, &refusal.message, refusal.data.as_deref());
    origin.sink.reply(Reply { text, error: Some(refusal.code) });
}

fn run(
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
    };
    dispatch(core, request);
}

/// The way back on a stream that carries the answers to many requests.
pub(super) struct SharedStream(pub(super) Arc<Outbox>);

impl SharedStream {
    fn push(&self, text: String) {
        self.0.push(Frame::Message { event: None, text: text.into() });
    }
}

impl ReplySink for SharedStream {
    fn notify(&self, message: String) {
        self.push(message);
    }

    fn reply(&self, reply: Reply) {
        self.push(reply.text);
    }

    fn abandon(&self) {}

    fn notify_teardown(&self, id: &Id) {
        let params = format!(r#"{{"requestId":{},"reason":"server is stopping"}}"#, id.as_json());
        self.push(write::notification("notifications/cancelled", &params));
    }
}
