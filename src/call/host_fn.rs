//! The functions behind one registration, and the thread on which they go.

use std::sync::Arc;

use super::Call;
use crate::env::Env;

type Function = Box<dyn Fn(Call) + Send + Sync>;

/// What the host does for a tool, a resource or a prompt.
///
/// What the functions own is the host's too: in host mode they are dropped where the host's
/// functions run.
pub(crate) struct HostFn {
    /// Absent only while it is dropped.
    run: Option<Function>,
    /// Suggests values of an argument.
    complete: Option<Function>,
    env: Arc<Env>,
}

impl HostFn {
    pub(crate) fn new(env: Arc<Env>, run: impl Fn(Call) + Send + Sync + 'static) -> HostFn {
        HostFn { run: Some(Box::new(run)), complete: None, env }
    }

    pub(crate) fn with_complete(
        mut self,
        complete: Option<Box<dyn Fn(Call) + Send + Sync>>,
    ) -> HostFn {
        self.complete = complete;
        self
    }

    pub(crate) fn run(&self, call: Call) {
        if let Some(function) = &self.run {
            function(call);
        }
    }

    pub(crate) fn can_complete(&self) -> bool {
        self.complete.is_some()
    }

    pub(crate) fn complete(&self, call: Call) {
        if let Some(function) = &self.complete {
            function(call);
        }
    }
}

impl Drop for HostFn {
    fn drop(&mut self) {
        let functions = (self.run.take(), self.complete.take());
        if let Some(host) = &self.env.host {
            host.run(Box::new(move || drop(functions)));
        }
    }
}
