//! The server's tasks when it has no I/O thread: the host polls them.
//!
//! Readiness still comes from the helper thread of async-io. It wakes the tasks, and the first task
//! that is woken makes the host's descriptor readable.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use smol::Executor;

use crate::env::Env;
use crate::host_queue::HostQueue;
use crate::level::Level;
use crate::sync::lock;

/// Runs the executor's tasks for ever, a bounded number with each poll.
type Runner = Pin<Box<dyn Future<Output = Infallible> + Send>>;

/// Polls the tasks of one running server.
pub(super) struct Driver {
    host: Arc<HostQueue>,
    waker: Waker,
    /// Absent once the server stops.
    runner: Mutex<Option<Runner>>,
    executor: Mutex<Option<Arc<Executor<'static>>>>,
}

impl Driver {
    pub(super) fn new(host: &Arc<HostQueue>, executor: Arc<Executor<'static>>) -> Driver {
        let driver = Driver {
            host: host.clone(),
            waker: host.driver_waker(),
            runner: Mutex::new(Some(runner(executor.clone()))),
            executor: Mutex::new(Some(executor)),
        };
        // The first poll has nobody to wake it.
        driver.waker.wake_by_ref();
        driver
    }

    /// Runs the tasks that can go on, up to a bound; what is left keeps the descriptor readable. A
    /// task that panics is dropped, the others go on.
    pub(super) fn poll(&self, env: &Env) {
        if !self.host.take_driver_due() {
            return;
        }
        let mut slot = lock(&self.runner);
        let Some(runner) = slot.as_mut() else { return };
        let mut cx = Context::from_waker(&self.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| runner.as_mut().poll(&mut cx)));
        if polled.is_ok() {
            return;
        }
        *slot = lock(&self.executor).clone().map(self::runner);
        drop(slot);
        self.waker.wake_by_ref();
        env.counters.panics.up();
        env.log(Level::Error, "io", format_args!("a task panicked and was dropped"));
    }

    /// Lets go of the tasks: somebody else runs them to their end.
    pub(super) fn end(&self) {
        drop(lock(&self.runner).take());
        drop(lock(&self.executor).take());
    }
}

fn runner(executor: Arc<Executor<'static>>) -> Runner {
    Box::pin(async move { executor.run(std::future::pending()).await })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn a_task_that_panics_takes_no_other_with_it() {
        let env = Env::for_host(Limits::default());
        let host = env.host.clone().unwrap();
        host.open().unwrap();
        let executor = Arc::new(Executor::new());
        let driver = Driver::new(&host, executor.clone());
        let ran = Arc::new(AtomicBool::new(false));
        let noted = ran.clone();
        executor.spawn(async { panic!("on purpose") }).detach();
        executor.spawn(async move { noted.store(true, SeqCst) }).detach();
        assert!(host.is_due());
        driver.poll(&env);
        driver.poll(&env);
        assert!(ran.load(SeqCst));
        driver.end();
        assert_eq!(Arc::strong_count(&executor), 1);
    }
}
