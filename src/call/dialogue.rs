//! The questions of a call: sent, answered, withdrawn.
//!
//! A modern client gets them as the answer to its request, a task keeps them until somebody asks
//! for it, a legacy client gets requests. In the last two cases the call waits, parked in its own
//! state, and its function runs again when the last answer is there.

use std::sync::{Arc, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;

use super::{Call, CallState, Parked, TASKS_REQUIRED};
use crate::cancel::{Cancel, CancelReason};
use crate::content::Extra;
use crate::error::{Error, Result};
use crate::hooks::Outcome;
use crate::input::{Binding, Need, Open, Question, Took, params_digest};
use crate::json::{push_key, push_raw_member, push_string, push_text_member};
use crate::random::random;
use crate::reply::{Reply, ReplySink};
use crate::rpc::write;
use crate::session::{Awaiting, Session};
use crate::sync::lock;
use crate::task::TaskWork;

impl CallState {
    /// The answer to `question`, or notes that it is to be asked.
    pub(super) fn need(&self, key: &str, question: Question) -> Result<Need> {
        if !self.kind.may_ask() {
            return Err(Error::State("a completion cannot ask".into()));
        }
        let limits = &self.env.limits;
        // Until then the client has not agreed to be asked (lifecycle, initialization).
        if self.legacy_session().is_some_and(|session| !session.is_initialized()) {
            return Err(Error::Capability("the client has not initialized its session".into()));
        }
        self.with_capabilities(|capabilities| {
            lock(&self.asking).need(key, question, capabilities, limits)
        })
    }

    /// Notes that the client lacks the extension for tasks.
    pub(crate) fn lack_tasks(&self) {
        lock(&self.asking).lack(TASKS_REQUIRED);
    }

    pub(super) fn lacking(&self) -> Option<&'static str> {
        lock(&self.asking).lacking()
    }

    /// Sends what was noted; `call` is this call. Tells whether anybody still waited.
    pub(super) fn ask(self: Arc<Self>, call: Call) -> bool {
        if lock(&self.asking).open().is_empty() {
            return call.fail(format!("{} wants input and has asked nothing", self.name));
        }
        let is_task = self.task.get().is_some();
        if self.revision.is_modern() && !is_task {
            return self.ask_modern();
        }
        if !self.forget_callbacks() {
            return false;
        }
        let parked = match Parked::park(call) {
            Ok(parked) => parked,
            Err(call) => {
                return call.fail("too many calls wait for answers; try again later");
            }
        };
        *lock(&self.parked) = Some(parked);
        self.set_time(self.env.limits.ask_time);
        // Whoever ended the call before it was parked has found nothing to drop.
        if lock(&self.sink).is_none() {
            let parked = lock(&self.parked).take();
            drop(parked);
            return true;
        }
        self.env.counters.calls_asking.up();
        match self.task.get() {
            Some(task) => {
                lock(&self.asking).begin_round();
                task.changed();
            }
            None => self.ask_legacy(),
        }
        true
    }

    /// Drops what this round wanted to hear of a cancellation: the function runs again from its
    /// start, and what it told the callbacks of may be gone by then. Tells whether the call was
    /// still open; otherwise they run or have run.
    fn forget_callbacks(&self) -> bool {
        let mut callbacks = lock(&self.on_cancel);
        let is_open = lock(&self.sink).is_some();
        let forgotten = if is_open { std::mem::take(&mut *callbacks) } else { Vec::new() };
        drop(callbacks);
        // Dropped outside the lock: they are the host's.
        drop(forgotten);
        is_open
    }

    fn ask_modern(&self) -> bool {
        let mut asking = lock(&self.asking);
        let mut questions = String::from("{");
        for open in asking.begin_round() {
            push_question(&mut questions, open, self);
        }
        questions.push('}');
        let memory = asking.memory();
        drop(asking);
        if memory.len() > self.env.limits.state_bytes {
            let text = format!("{} has too much to remember between its questions", self.name);
            return self.end(Outcome::Failed, Some(self.failure(text)));
        }
        let Some(services) = self.services.upgrade() else { return false };
        let binding = Binding {
            principal: self.principal.as_deref(),
            method: self.kind.method(),
            params_digest: params_digest(&self.name, Some(&self.arguments)),
        };
        let state = services.seal(&memory, binding);
        let extra = Extra { result_type: Some("input_required"), caching: None, ..self.extra() };
        let mut json = String::new();
        extra.open(&mut json);
        push_raw_member(&mut json, "inputRequests", &questions);
        push_text_member(&mut json, "requestState", &state);
        extra.close(self.revision, None, &mut json);
        let reply = Reply { text: write::result(&self.id, &json), error: None };
        self.end(Outcome::InputRequired, Some(reply))
    }

    fn ask_legacy(self: &Arc<Self>) {
        let Some(session) = &self.session else { return };
        let requests = self.make_requests(session);
        for (id, key, text) in requests {
            // Sent under the lock of the sink: nothing may follow the answer.
            let sink = lock(&self.sink);
            let is_reached = sink.as_ref().map(|sink| sink.ask(text.clone()) || session.ask(text));
            if is_reached == Some(true) {
                lock(&self.asking).sent(&key, id);
            }
            drop(sink);
            // Ended meanwhile: then nobody is to be asked.
            if is_reached != Some(true) && session.asked.forget(id) && is_reached.is_some() {
                let unreachable = r#"{"message":"it has no stream open on which it can be asked"}"#;
                // A literal object is JSON.
                if let Ok(error) = serde_json::from_str::<&RawValue>(unreachable) {
                    self.answered(&key, Err(error));
                }
            }
        }
    }

    /// A request for each open question: its id, the question's key and the text.
    fn make_requests(self: &Arc<Self>, session: &Session) -> Vec<(u64, String, String)> {
        let mut asking = lock(&self.asking);
        let open = asking.begin_round().iter();
        let waiting: Weak<CallState> = Arc::downgrade(self);
        open.map(|open| {
            let id = session.asked.register(waiting.clone(), &open.key);
            let params = open.question.params(self.revision, &question_id());
            (id, open.key.clone(), write::request(id, open.question.method(), &params))
        })
        .collect()
    }

    /// Tells a legacy client that its answers are not wanted any more.
    pub(super) fn withdraw(&self, sink: &dyn ReplySink) {
        let open = lock(&self.asking).give_up();
        let Some(session) = &self.session else { return };
        for id in open.into_iter().filter_map(|open| open.request) {
            session.withdraw(id, sink);
        }
    }

    fn resume(&self) {
        let Some(parked) = lock(&self.parked).take() else { return };
        let Some(call) = parked.unpark() else { return };
        self.set_time(self.time());
        if let Some(task) = self.task.get() {
            task.changed();
        }
        match self.services.upgrade() {
            Some(services) => services.rerun(call),
            None => drop(call),
        }
    }
}

impl TaskWork for CallState {
    fn is_asking(&self) -> bool {
        lock(&self.asking).is_out()
    }

    fn questions(&self) -> String {
        let asking = lock(&self.asking);
        let mut out = String::from("{");
        for open in asking.open() {
            push_question(&mut out, open, self);
        }
        out.push('}');
        out
    }

    fn requests(&self) -> Vec<(String, &'static str, String)> {
        let asking = lock(&self.asking);
        let open = asking.open().iter();
        open.map(|open| {
            let params = open.question.params(self.revision, &question_id());
            (open.key.clone(), open.question.method(), params)
        })
        .collect()
    }

    fn cancel_work(&self) {
        self.cancel(CancelReason::Client);
    }
}

impl Awaiting for CallState {
    fn answered(&self, key: &str, outcome: std::result::Result<&RawValue, &RawValue>) {
        // A modern task's questions stay until they are answered properly; a request has one answer.
        let is_patient = self.revision.is_modern();
        let limits = &self.env.limits;
        let took = lock(&self.asking).answer(key, outcome, is_patient, limits);
        match (took, self.task.get()) {
            (Took::Last, _) => self.resume(),
            (Took::One, Some(task)) => task.changed(),
            // No news: a client could make a flood of them with made-up keys.
            (Took::Nothing, _) | (Took::One, None) => {}
        }
    }
}

fn push_question(out: &mut String, open: &Open, state: &CallState) {
    if !out.ends_with('{') {
        out.push(',');
    }
    push_string(out, &open.key);
    out.push_str(":{");
    push_text_member(out, "method", open.question.method());
    push_key(out, "params");
    out.push_str(&open.question.params(state.revision, &question_id()));
    out.push('}');
}

/// A name for a page that the user is sent to.
fn question_id() -> String {
    // Without randomness the name is only not unique.
    random::<16>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).unwrap_or_default()
}
