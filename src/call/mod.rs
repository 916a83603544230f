//! One call of a function of the host, from its acceptance to its one answer.

mod as_task;
mod dialogue;
mod handle;
mod host_fn;
mod parked;
mod progress;
mod services;
mod slots;
mod state;
mod target;
mod who;

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

pub(crate) use as_task::{TASKS_EXTENSION, TASKS_REQUIRED};
pub use handle::CallHandle;
pub(crate) use host_fn::HostFn;
pub(crate) use parked::Parked;
pub(crate) use services::CallServices;
pub(crate) use slots::{CallSlot, Calls, NoPlace};
pub(crate) use state::{CallParts, CallState, Completing};
pub(crate) use target::{SharedTarget, Target};
pub(crate) use who::caller;

use crate::content::CallResult;
use crate::hooks::Outcome;
use crate::json::{compact, push_string, push_text_member};
use crate::reply::Reply;
use crate::rpc::{code, write};

/// The right to answer one call, once: by [`Call::reply`], which consumes it.
///
/// Dropped without an answer it tells the client that the call was dropped, so that no client ever
/// waits for nothing. Everything else about the call is on [`CallHandle`].
pub struct Call {
    handle: CallHandle,
    /// Keeps what is called registered as running, and its concurrency slot, until the call is
    /// dropped.
    target: SharedTarget,
    /// Counts in `limits.calls` until the call is dropped, answered or not. `None` once it is
    /// parked.
    slot: Option<CallSlot>,
}

impl Call {
    pub(crate) fn new(state: Arc<CallState>, target: SharedTarget, slot: CallSlot) -> Call {
        Call { handle: CallHandle(state), target, slot: Some(slot) }
    }

    pub(crate) fn target(&self) -> &SharedTarget {
        &self.target
    }

    /// A handle that stays valid after the call is gone.
    pub fn handle(&self) -> CallHandle {
        self.handle.clone()
    }

    /// Answers the call; tells whether anybody still waited for it.
    ///
    /// A tool is answered with a [`ToolResult`](crate::ToolResult), a resource with a
    /// [`ReadResult`](crate::ReadResult), a prompt with a [`PromptResult`](crate::PromptResult), a
    /// completion with a [`CompletionResult`](crate::CompletionResult).
    pub fn reply(self, result: impl Into<CallResult>) -> bool {
        let state = &self.handle.0;
        if state.has_ended.load(SeqCst) {
            return false;
        }
        let result = result.into();
        let (outcome, reply) = match state.vet(&result, &self.target) {
            Ok(()) => state.answer(&result, self.target.read_defaults(&state.name)),
            Err(problem) => (Outcome::Failed, state.failure(problem)),
        };
        state.end(outcome, Some(reply))
    }

    /// Answers that it could not be done: a model sees why when a tool was called, a program
    /// otherwise. Tells whether anybody still waited.
    pub fn fail(self, text: impl Into<String>) -> bool {
        let state = &self.handle.0;
        state.end(Outcome::Failed, Some(state.failure(text)))
    }

    /// Answers that no resource has the URI that was asked for. Tells whether anybody still waited.
    pub fn fail_not_found(self) -> bool {
        let mut data = String::from("{");
        push_text_member(&mut data, "uri", self.name());
        data.push('}');
        let code = self.handle.0.revision.resource_not_found();
        self.fail_with(code, "resource not found", Some(&data))
    }

    /// Sends what [`CallHandle::need`] has noted. The function runs once more when everything is
    /// answered, from its start and with the answers in their places: to a modern client the
    /// questions are the answer to its request, and it comes back with another one. Tells whether
    /// anybody still waited.
    pub fn ask(self) -> bool {
        let state = self.handle.0.clone();
        state.ask(self)
    }

    /// Answers with a JSON-RPC error, which a model does not see; for a tool's own failures use
    /// [`ToolResult::error`]. `data` is JSON text; other text is left out. Tells whether anybody
    /// still waited.
    ///
    /// Revision 2026-07-28 keeps some codes for meanings of its own: its clients get -32603 in place
    /// of -32002 and of -32099 to -32020, but for -32021.
    pub fn fail_rpc(self, code: i32, message: &str, data: Option<&str>) -> bool {
        // A line break inside would end an event early.
        let data = data.and_then(|json| compact(json).ok());
        let code = match self.handle.0.revision.is_modern() && code::is_reserved(code) {
            true => code::INTERNAL_ERROR,
            false => code,
        };
        self.fail_with(code, message, data.as_deref())
    }

    fn fail_with(self, code: i32, message: &str, data: Option<&str>) -> bool {
        let text = write::error(Some(&self.handle.0.id), code, message, data);
        self.handle.0.end(Outcome::Failed, Some(Reply { text, error: Some(code) }))
    }

    /// Fails the call because its client did not declare `capability`.
    pub fn fail_missing_capability(self, capability: &str) -> bool {
        let mut required = String::from("{");
        push_string(&mut required, capability);
        required.push_str(":{}}");
        self.fail_lacking(&required)
    }

    /// Fails the call because its client lacks what the last question needed; see
    /// [`CallHandle::need`].
    pub fn fail_unanswerable(self) -> bool {
        let lacking = self.handle.0.lacking();
        self.fail_lacking(lacking.unwrap_or("{}"))
    }

    /// `required` is the JSON of the capabilities that the client did not declare.
    fn fail_lacking(self, required: &str) -> bool {
        let data = format!(r#"{{"requiredCapabilities":{required}}}"#);
        let message = format!("{} needs a client that declares {required}", self.name());
        // -32021 belongs to 2026-07-28; older revisions have no code of their own for it.
        let code = match self.handle.0.revision.is_modern() {
            true => code::MISSING_CAPABILITY,
            false => code::INVALID_REQUEST,
        };
        self.fail_with(code, &message, Some(&data))
    }

    /// Runs `function` with this call unless the call has ended while it waited.
    pub(crate) fn run(self, function: impl FnOnce(Call)) {
        let state = self.handle.0.clone();
        if !state.begin() {
            return state.returned();
        }
        let outer = INSIDE.replace(Some(self.target.clone()));
        function(self);
        INSIDE.set(outer);
        state.returned();
    }
}

impl Deref for Call {
    type Target = CallHandle;

    fn deref(&self) -> &CallHandle {
        &self.handle
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let state = &self.handle.0;
        if self.slot.is_some() && !state.has_ended.load(SeqCst) {
            let reply = state.failure(format!("{} dropped the call", state.name));
            state.end(Outcome::Failed, Some(reply));
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("name", &self.name()).finish_non_exhaustive()
    }
}

thread_local! {
    /// What the function that runs on this thread is registered as.
    static INSIDE: Cell<Option<SharedTarget>> = const { Cell::new(None) };
}

/// Tells whether the calling thread is inside a call of what the registry of `kind` keeps under
/// `key`, and must not wait for its end.
pub(crate) fn is_inside(kind: &str, key: &str) -> bool {
    let inside = INSIDE.take();
    let is_inside = inside.as_ref().is_some_and(|target| target.is(kind, key));
    INSIDE.set(inside);
    is_inside
}
