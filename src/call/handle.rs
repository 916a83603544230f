//! What a tool may know and say about its call.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::state::CallState;
use crate::caller::Caller;
use crate::cancel::CancelReason;
use crate::hooks::Outcome;
use crate::level::Level;
use crate::sync::lock;

/// What a tool may know and say about its call, from any thread, also after it has been answered.
#[derive(Clone)]
pub struct CallHandle(pub(super) Arc<CallState>);

impl CallHandle {
    /// The name of the called tool.
    pub fn tool(&self) -> &str {
        &self.0.tool
    }

    /// The arguments as JSON text, checked against the input schema; `{}` when there are none.
    /// Integers stand as the client wrote them, however large.
    pub fn arguments(&self) -> &str {
        self.0.arguments.get()
    }

    /// `params._meta` as JSON text, if the client sent it.
    pub fn meta(&self) -> Option<&str> {
        self.0.meta.raw.as_deref().map(RawValue::get)
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

    /// When the call times out.
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Bytes that the result may take; see [`ToolResult::bytes`].
    pub fn result_limit(&self) -> usize {
        self.0.result_bytes
    }

    /// Runs `callback` once if the call is cancelled, on the thread that cancels it; at once if
    /// that has happened already. It must be quick: it may hold up the I/O thread. In host mode
    /// [`Server::dispatch`](crate::Server::dispatch) runs it, soon.
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
        #[derive(Deserialize)]
        struct Capabilities<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, &'a RawValue>);
        let declared = match self.0.legacy_session() {
            Some(session) => session.handshake().map(|settled| settled.capabilities),
            None => self.0.meta.capabilities.clone(),
        };
        let Some(declared) = declared else { return false };
        serde_json::from_str::<Capabilities<'_>>(&declared)
            .is_ok_and(|capabilities| capabilities.0.contains_key(name))
    }

    /// Closes the client's connection and keeps the call: the client comes back for the answer
    /// after `retry`. Tells whether that is possible, which it is on Streamable HTTP of
    /// revision 2025-11-25 for clients that take SSE (SEP-1699).
    pub fn disconnect(&self, retry: Duration) -> bool {
        lock(&self.0.sink).as_ref().is_some_and(|sink| sink.disconnect(retry))
    }

    /// Answers that the tool cannot run at the moment.
    pub(crate) fn refuse_busy(&self) {
        let state = &self.0;
        let reply =
            state.answer_error(format!("{} is busy; try again in a few seconds", state.tool));
        state.end(Outcome::Failed, Some(reply));
    }

    /// Tells whether the call has been answered or cancelled.
    pub fn is_ended(&self) -> bool {
        lock(&self.0.sink).is_none()
    }
}
