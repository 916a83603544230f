//! A request that waits for the host's thread before its method runs: in flight already, so that it
//! can be cancelled and ends with its client.

use std::sync::{Arc, Mutex, Weak};

use super::{Method, Request};
use crate::cancel::{Cancel, CancelReason};
use crate::core::Core;
use crate::host_queue::HostQueue;
use crate::rpc::code;
use crate::session::Rejected;
use crate::sync::lock;

/// Taken by whoever runs it or ends it.
struct Waiting(Mutex<Option<Request>>);

/// Has `method` run where the host's functions do.
pub(super) fn run(core: &Arc<Core>, host: &HostQueue, method: &'static Method, request: Request) {
    let limits = &core.env.limits;
    let (id, scope) = (request.id.clone(), request.scope.clone());
    let waiting = Arc::new(Waiting(Mutex::new(Some(request))));
    let is_listed = match scope.insert(&id, waiting.clone(), limits.calls_per_peer) {
        Ok(()) => true,
        // Each method has words of its own for that.
        Err(Rejected::TooMany) => false,
        Err(Rejected::Duplicate) => {
            return waiting.fail(code::INVALID_REQUEST, Rejected::DUPLICATE);
        }
        Err(Rejected::Gone) => return waiting.fail(code::INVALID_REQUEST, Rejected::GONE),
    };
    core.watch(Arc::downgrade(&waiting) as Weak<dyn Cancel>);
    let job = {
        let (core, waiting, id, scope) = (core.clone(), waiting.clone(), id.clone(), scope.clone());
        move || {
            let Some(request) = waiting.take() else { return };
            // What it becomes is in flight under the same id.
            if is_listed {
                scope.remove(&id);
            }
            (method.run)(&core, request);
        }
    };
    if host.call(Box::new(job), limits.queue).is_err() {
        core.env.counters.calls_refused.up();
        if is_listed {
            scope.remove(&id);
        }
        waiting.fail(code::INTERNAL_ERROR, "busy; try again in a few seconds");
    }
}

impl Waiting {
    fn take(&self) -> Option<Request> {
        lock(&self.0).take()
    }

    fn fail(&self, code: i32, message: &str) {
        if let Some(request) = self.take() {
            request.fail(code, message, None);
        }
    }
}

impl Cancel for Waiting {
    fn cancel(&self, reason: CancelReason) {
        let Some(request) = self.take() else { return };
        request.scope.remove(&request.id);
        match reason {
            CancelReason::Shutdown => {
                request.fail(code::INTERNAL_ERROR, "server is stopping", None);
            }
            _ => request.sink.abandon(),
        }
    }
}
