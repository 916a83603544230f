//! JSON-RPC batches, which revision 2025-03-26 alone has: many messages in, one array out.

use std::sync::{Arc, Mutex};

use super::message::{self, Origin};
use crate::core::Core;
use crate::protocol::{Channel, Refusal, Verdict, classify};
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Malformed, Message, code};
use crate::session::Session;
use crate::sync::lock;

/// The refusal of an array where none belongs.
pub(super) fn refusal() -> Refusal {
    Refusal::new(code::INVALID_REQUEST, "batches exist in sessions of revision 2025-03-26 only")
}

/// The refusal of a message that belongs to no session's batch.
pub(super) fn misplaced() -> Refusal {
    let reason = "initialize and requests with metadata of their own do not go into a batch";
    Refusal::new(code::INVALID_REQUEST, reason)
}

/// Tells whether `item` gets an answer; what is malformed gets an error.
pub(super) fn wants_answer(item: &Result<Message, Malformed>) -> bool {
    matches!(item, Ok(Message::Request { .. }) | Err(_))
}

/// Collects the answers to one batch.
pub(super) struct Batch {
    parent: Arc<dyn ReplySink>,
    state: Mutex<State>,
}

struct State {
    /// Answers still to come; never below zero, because each request answers once.
    open: usize,
    answers: Vec<String>,
}

impl Batch {
    /// Runs every message; the answers go to `origin` as one array when the last one is there.
    pub(super) fn run(
        core: &Arc<Core>,
        session: &Arc<Session>,
        items: Vec<Result<Message, Malformed>>,
        origin: &Origin,
    ) {
        let open = items.iter().filter(|item| wants_answer(item)).count();
        let state = Mutex::new(State { open, answers: Vec::with_capacity(open) });
        let batch = Arc::new(Batch { parent: origin.sink.clone(), state });
        let origin = Origin { sink: batch, ..origin.clone() };
        for item in items {
            match item {
                Ok(message) => Batch::run_one(core, session, message, &origin),
                Err(malformed) => {
                    core.env.counters.messages_malformed.up();
                    let refusal = Refusal::new(malformed.code, malformed.reason);
                    message::refuse(&origin, malformed.id.as_ref(), &refusal);
                }
            }
        }
    }

    fn run_one(core: &Arc<Core>, session: &Arc<Session>, message: Message, origin: &Origin) {
        let id = message.id().cloned();
        match classify(&message, Channel::Duplex) {
            Verdict::Legacy(meta) => message::take(core, session, message, meta, origin),
            Verdict::Refuse(refusal) => message::refuse(origin, id.as_ref(), &refusal),
            _ => message::refuse(origin, id.as_ref(), &misplaced()),
        }
    }

    /// Counts one request as done; the last one sends the array, or nothing if all were silent.
    fn close_one(&self, answer: Option<String>) {
        let mut state = lock(&self.state);
        state.answers.extend(answer);
        state.open = state.open.saturating_sub(1);
        if state.open > 0 {
            return;
        }
        let answers = std::mem::take(&mut state.answers);
        drop(state);
        if answers.is_empty() {
            return self.parent.abandon();
        }
        self.parent.reply(Reply { text: format!("[{}]", answers.join(",")), error: None });
    }
}

impl ReplySink for Batch {
    fn notify(&self, message: String) {
        self.parent.notify(message);
    }

    fn ask(&self, message: String) -> bool {
        self.parent.ask(message)
    }

    fn reply(&self, reply: Reply) {
        self.close_one(Some(reply.text));
    }

    fn abandon(&self) {
        self.close_one(None);
    }
}
