//! The function behind a tool, and the thread on which it goes.

use std::sync::Arc;

use super::Call;
use crate::env::Env;

type Function = Box<dyn Fn(Call) + Send + Sync>;

/// The host's function of one tool.
///
/// What it owns is the host's too: in host mode it is dropped where the host's functions run.
pub(crate) struct ToolFn {
    /// Absent only while it is dropped.
    function: Option<Function>,
    env: Arc<Env>,
}

impl ToolFn {
    pub(crate) fn new(env: Arc<Env>, function: impl Fn(Call) + Send + Sync + 'static) -> ToolFn {
        ToolFn { function: Some(Box::new(function)), env }
    }

    pub(crate) fn run(&self, call: Call) {
        if let Some(function) = &self.function {
            function(call);
        }
    }
}

impl Drop for ToolFn {
    fn drop(&mut self) {
        let function = self.function.take();
        if let Some(host) = &self.env.host {
            host.run(Box::new(move || drop(function)));
        }
    }
}
