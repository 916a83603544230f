//! A call that becomes a task: its client gets a handle at once, the answer waits in the task.

use std::sync::Arc;
use std::time::Duration;

use super::CallState;
use crate::error::{Error, Result};
use crate::kind::CallKind;
use crate::protocol::Revision;
use crate::reply::{Reply, ReplySink};
use crate::rpc::write;
use crate::sync::lock;
use crate::task::{Task, TaskSink};

/// The extension that makes tasks known to a modern client.
pub(crate) const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// The capabilities that a modern client must declare for tasks, as JSON.
pub(crate) const TASKS_REQUIRED: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

impl CallState {
    pub(super) fn begin_task(self: &Arc<Self>) -> Result<()> {
        if self.kind != CallKind::Tool || self.task.get().is_some() {
            return Err(already());
        }
        let services = self.services.upgrade().ok_or(Error::Cancelled)?;
        services.begin_task(self)
    }

    /// Tells whether the client takes a task in place of an answer: a modern one says so with each
    /// request, one of 2025-11-25 asks for it.
    pub(crate) fn takes_task(&self) -> bool {
        match self.revision.is_modern() {
            true => {
                self.with_capabilities(|capabilities| capabilities.has_extension(TASKS_EXTENSION))
            }
            false => self.wants_task && self.revision.has_task_methods(),
        }
    }

    pub(crate) fn principal(&self) -> Option<Arc<str>> {
        self.principal.clone()
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// Answers the client with the handle of `task`, to which everything else goes from here on.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when the call has ended meanwhile, [`Error::State`] when another thread
    /// has made a task of it.
    pub(crate) fn hand_over(&self, task: &Arc<Task>) -> Result<()> {
        let time = self.task_time();
        let old = {
            let mut sink = lock(&self.sink);
            let sink = sink.as_mut().ok_or(Error::Cancelled)?;
            self.task.set(task.clone()).map_err(|_| already())?;
            let new: Arc<dyn ReplySink> = Arc::new(TaskSink::new(task.clone()));
            std::mem::replace(sink, new)
        };
        // The client may leave once it has the handle: that is no cancellation any more.
        self.scope.remove(&self.id);
        self.set_time(time);
        let members = task.handle();
        let json = match self.revision.is_modern() {
            true => self.identity.modern_result("task", &members, None),
            false => format!(r#"{{"task":{{{members}}}}}"#),
        };
        old.reply(Reply { text: write::result(&self.id, &json), error: None });
        Ok(())
    }

    /// How long the function may run in each round.
    pub(super) fn time(&self) -> Duration {
        if self.task.get().is_some() { self.task_time() } else { self.timeout }
    }

    /// A task is not held to the time after which clients give up; its tool may say its own.
    pub(crate) fn task_time(&self) -> Duration {
        let limits = &self.env.limits;
        if self.timeout == limits.tool_time { limits.task_time } else { self.timeout }
    }
}

fn already() -> Error {
    Error::State("only a tool call becomes a task, and once".into())
}
