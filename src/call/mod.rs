//! One tool call, from its acceptance to its one answer.

mod handle;
mod progress;
mod slots;
mod state;
mod tool_fn;

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub use handle::CallHandle;
pub(crate) use slots::{CallSlot, Calls};
pub(crate) use state::{CallParts, CallState};
pub(crate) use tool_fn::ToolFn;

use crate::content::ToolResult;
use crate::hooks::Outcome;
use crate::json::{compact, push_string};
use crate::registry::Running;
use crate::reply::Reply;
use crate::rpc::{code, write};

/// The right to answer one tool call, once: by [`Call::reply`], which consumes it.
///
/// Dropped without an answer it tells the client that the tool dropped the call, so that no client
/// ever waits for nothing. Everything else about the call is on [`CallHandle`].
pub struct Call {
    handle: CallHandle,
    /// Keeps the tool registered as running, and its concurrency slot, until the call is dropped.
    running: Arc<Running<ToolFn>>,
    /// Counts in `limits.calls` until the call is dropped, answered or not.
    _slot: CallSlot,
}

impl Call {
    pub(crate) fn new(
        state: Arc<CallState>,
        running: Arc<Running<ToolFn>>,
        slot: CallSlot,
    ) -> Call {
        Call { handle: CallHandle(state), running, _slot: slot }
    }

    /// A handle that stays valid after the call is gone.
    pub fn handle(&self) -> CallHandle {
        self.handle.clone()
    }

    /// Answers the call; tells whether anybody still waited for it.
    pub fn reply(self, result: ToolResult) -> bool {
        let state = &self.handle.0;
        if self.is_ended() {
            return false;
        }
        let (outcome, reply) = state.answer(&state.vet(result, &self.running));
        state.end(outcome, Some(reply))
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
        let mut data = String::from(r#"{"requiredCapabilities":{"#);
        push_string(&mut data, capability);
        data.push_str(":{}}}");
        let message = format!("{} needs the client capability {capability}", self.tool());
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
        let outer = INSIDE.replace(Some(state.tool.clone()));
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
        if !self.is_ended() {
            let reply = state.answer_error(format!("{} dropped the call", state.tool));
            state.end(Outcome::Failed, Some(reply));
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("tool", &self.tool()).finish_non_exhaustive()
    }
}

thread_local! {
    /// The tool whose function runs on this thread.
    static INSIDE: Cell<Option<Arc<str>>> = const { Cell::new(None) };
}

/// Tells whether the calling thread is inside a call of `tool`, and must not wait for its end.
pub(crate) fn is_inside(tool: &str) -> bool {
    let inside = INSIDE.take();
    let is_inside = inside.as_deref() == Some(tool);
    INSIDE.set(inside);
    is_inside
}
