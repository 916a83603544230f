//! Channels without headers, WebSocket and HTTP+SSE: one stream out for the answers to everything.

use std::sync::Arc;

use super::batch::{self, Batch};
use super::message::{Origin, refuse, run, take};
use crate::core::Core;
use crate::protocol::{Channel, Refusal, Verdict, classify};
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, Payload, parse, write};
use crate::session::{Frame, Outbox, Session};

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
        Ok(Payload::Batch(_)) => return refuse(origin, None, &batch::refusal()),
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
        Verdict::Refuse(refusal) => refuse(origin, message.id(), &refusal),
    }
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
