//! What a function of the host may know and say about its call.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::state::CallState;
use crate::caller::Caller;
use crate::cancel::CancelReason;
use crate::error::Result;
use crate::hooks::Outcome;
use crate::input::{Need, Question};
use crate::kind::CallKind;
use crate::level::Level;
use crate::sync::lock;

/// What a function of the host may know and say about its call, from any thread, also after it has been answered.
#[derive(Clone)]
pub struct CallHandle(pub(super) Arc<CallState>);

impl CallHandle {
    /// What is called.
    pub fn kind(&self) -> CallKind {
        self.0.kind
    }

    /// The name of the tool or prompt, or the URI of the resource that was asked for; for a
    /// completion the prompt or the template that it belongs to.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The arguments as JSON text, `{}` when there are none: of a tool, checked against its input
    /// schema; of a prompt; the variables of a template; for a completion, what the other arguments
    /// have already. Integers stand as the client wrote them, however large.
    pub fn arguments(&self) -> &str {
        &self.0.arguments
    }

    /// For a completion, the argument or variable to complete and what the user has typed of it.
    pub fn completing(&self) -> Option<(&str, &str)> {
        let completing = self.0.completing.as_ref()?;
        Some((&completing.argument, &completing.value))
    }

    /// `params._meta` as JSON text, if the client sent it.
    pub fn meta(&self) -> Option<&str> {
        self.0.meta.raw()
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        self.0.caller()
    }

    /// Why the call was cancelled, if it was. Cheap: ask as often as you like.
    pub fn cancelled(&self) -> Option<CancelReason> {
        match self.0.cancelled.load(SeqCst) {
            1 => Some(CancelReason::Client),
            2 => Some(CancelReason::Gone),
            3 => Some(CancelReason::Timeout),
            4 => Some(CancelReason::Session),
            5 => Some(CancelReason::Shutdown),
            _ => None,
        }
    }

    /// When the call times out. Asking the user or becoming a task moves it.
    pub fn deadline(&self) -> Instant {
        *lock(&self.0.deadline)
    }

    /// Bytes that the result may take; see [`ToolResult::bytes`].
    pub fn result_limit(&self) -> usize {
        self.0.result_bytes
    }

    /// Runs `callback` once if the call is cancelled, on the thread that cancels it; at once if
    /// that has happened already. It must be quick: it may hold up the I/O thread. In host mode
    /// [`Server::dispatch`](crate::Server::dispatch) runs it, soon. It is forgotten when the call
    /// has been answered, and when it asks.
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) {
        let mut callbacks = lock(&self.0.on_cancel);
        // A cancellation that comes from here on waits for the lock and finds the callback.
        if !self.is_ended() {
            callbacks.push(Box::new(callback));
            return;
        }
        drop(callbacks);
        if self.cancelled().is_some() {
            match &self.0.env.host {
                Some(host) => host.run(Box::new(callback)),
                None => callback(),
            }
        }
    }

    /// Reports progress if the client asked for it; tells whether the call is still open.
    ///
    /// `done` must grow from call to call; a value that does not is dropped, and so are values
    /// that follow each other faster than `limits.progress_time`, except the one that reaches
    /// `total`. A `total` of zero or less means unknown.
    pub fn progress(&self, done: f64, total: f64, message: Option<&str>) -> bool {
        let limits = &self.0.env.limits;
        // Made and sent under one lock: values of two threads must not overtake each other, and
        // nothing may follow the answer.
        let sink = lock(&self.0.sink);
        let text = lock(&self.0.progress).next(self.0.revision, limits, done, total, message);
        if let (Some(sink), Some(text)) = (&*sink, text) {
            sink.notify(text);
        }
        sink.is_some()
    }

    /// Sends a log message on the stream of this call, if the client wants that level; tells
    /// whether the call is still open. `data` is any JSON text.
    pub fn log(&self, level: Level, logger: Option<&str>, data: &str) -> bool {
        let wanted = match self.0.legacy_session() {
            Some(session) => session.wants_log(level),
            None => self.0.meta.wants_log(level),
        };
        let sink = lock(&self.0.sink);
        if let (Some(sink), true) = (&*sink, wanted) {
            sink.notify(crate::logging::message(level, logger, data));
        }
        sink.is_some()
    }

    /// Tells whether the client declared the capability `name`, for example `sampling`.
    pub fn has_capability(&self, name: &str) -> bool {
        self.0.with_capabilities(|capabilities| capabilities.has(name))
    }

    /// Tells whether the client declared the extension `id`, for example
    /// `io.modelcontextprotocol/ui`.
    pub fn has_extension(&self, id: &str) -> bool {
        self.0.with_capabilities(|capabilities| capabilities.has_extension(id))
    }

    /// The answer to `question`, or notes that it is to be asked: with [`Need::Asked`] ask what
    /// else is needed, then hand the call to [`Call::ask`](super::Call::ask). The function runs
    /// again from its start, and this gives the answer then. `key` names the question in this call.
    ///
    /// The function decides in the same way in every round; it must not act before its last
    /// question is answered.
    ///
    /// # Errors
    /// [`Error::Capability`](crate::Error::Capability) when the client cannot be asked; go on
    /// without, or fail with [`Call::fail_unanswerable`](super::Call::fail_unanswerable).
    /// [`Error::Refused`](crate::Error::Refused) when it answered with an error.
    /// [`Error::Limit`](crate::Error::Limit) when the call has asked too much.
    /// [`Error::State`](crate::Error::State) for a completion, which cannot ask.
    pub fn need(&self, key: &str, question: Question) -> Result<Need> {
        self.0.need(key, question)
    }

    /// Keeps `bytes` for the next time that the function runs. A modern client carries them: it can
    /// read them, but not change them unnoticed.
    ///
    /// # Errors
    /// [`Error::Limit`](crate::Error::Limit) when `limits.state_bytes` has no room for their
    /// base64.
    pub fn keep(&self, bytes: &[u8]) -> Result<()> {
        lock(&self.0.asking).keep(bytes, &self.0.env.limits)
    }

    /// What was kept when the function ran before; empty in the first round.
    pub fn kept(&self) -> Arc<[u8]> {
        lock(&self.0.asking).kept()
    }

    /// Makes a task of this call: its client gets a handle at once and asks for the answer when it
    /// likes. For tools that find out while they run that it will take long; see
    /// [`TaskSupport`](crate::TaskSupport) for those that know before.
    ///
    /// # Errors
    /// [`Error::Capability`](crate::Error::Capability) when the client does not know tasks: just go
    /// on. [`Error::Limit`](crate::Error::Limit) when there are too many.
    /// [`Error::State`](crate::Error::State) when it is one already, has ended or is no tool call.
    pub fn begin_task(&self) -> Result<()> {
        self.0.begin_task()
    }

    /// Says in a few words what the task is doing, for whoever asks for it. Nothing happens when
    /// the call is no task.
    pub fn set_task_status(&self, text: &str) {
        if let Some(task) = self.0.task.get() {
            task.set_message(text);
        }
    }

    /// Closes the client's connection and keeps the call: the client comes back for the answer
    /// after `retry`. Tells whether that is possible, which it is on Streamable HTTP of
    /// revision 2025-11-25 for clients that take SSE (SEP-1699).
    pub fn disconnect(&self, retry: Duration) -> bool {
        lock(&self.0.sink).as_ref().is_some_and(|sink| sink.disconnect(retry))
    }

    /// Answers that the host cannot do it at the moment.
    pub(crate) fn refuse_busy(&self) {
        let state = &self.0;
        let reply = state.failure(format!("{} is busy; try again in a few seconds", state.name));
        state.end(Outcome::Failed, Some(reply));
    }

    /// Tells whether the call has been answered or cancelled.
    pub fn is_ended(&self) -> bool {
        lock(&self.0.sink).is_none()
    }
}
