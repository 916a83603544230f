//! What a call needs of the server behind it, without knowing it.

use std::sync::Arc;

use super::{Call, CallState};
use crate::error::Result;
use crate::input::Binding;

/// The server as its calls see it.
pub(crate) trait CallServices: Send + Sync {
    /// Has the function of `call` run once more, now that its questions are answered.
    fn rerun(self: Arc<Self>, call: Call);

    /// Signs what a modern client has to bring back with its answers.
    fn seal(&self, memory: &[u8], binding: Binding<'_>) -> String;

    /// Makes a task of `call`: its client gets a handle at once, the answer goes to the task.
    ///
    /// # Errors
    /// [`Error::Capability`](crate::Error::Capability) when its client does not know tasks;
    /// [`Error::Limit`](crate::Error::Limit) when there are too many.
    fn begin_task(&self, call: &Arc<CallState>) -> Result<()>;
}
