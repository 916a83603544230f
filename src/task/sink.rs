//! The way back of a call that has become a task: its answer stays in the task.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{End, Task};
use crate::reply::{Reply, ReplySink};

/// Takes what the call has to say.
pub(crate) struct TaskSink(Arc<Task>);

impl TaskSink {
    pub(crate) fn new(task: Arc<Task>) -> TaskSink {
        TaskSink(task)
    }
}

impl ReplySink for TaskSink {
    /// Progress and log messages have no place in a task (tasks extension, notifications).
    fn notify(&self, _message: String) {}

    fn ask(&self, _message: String) -> bool {
        false
    }

    fn reply(&self, reply: Reply) {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow, default)]
            result: Option<&'a RawValue>,
            #[serde(borrow, default)]
            error: Option<&'a RawValue>,
        }
        let text = |raw: &RawValue| raw.get().into();
        // It is an envelope of our own around one of both.
        self.0.finish(match serde_json::from_str::<Answer<'_>>(&reply.text) {
            Ok(Answer { result: Some(result), .. }) => End::Completed(text(result)),
            Ok(Answer { error: Some(error), .. }) => End::Failed(text(error)),
            _ => End::Cancelled,
        });
    }

    fn abandon(&self) {
        self.0.finish(End::Cancelled);
    }
}
