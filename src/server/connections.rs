//! The connections that are open: the cap on them, and the wait for none.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::core::Core;
use crate::sync::lock;

/// How many connections are open, for those who wait for none.
#[derive(Default)]
pub(super) struct OpenConnections {
    state: Mutex<State>,
    /// Signalled when the count reaches zero.
    empty: Condvar,
}

#[derive(Default)]
struct State {
    count: usize,
    /// Woken when the count reaches zero.
    waiter: Option<Waker>,
}

impl OpenConnections {
    /// Counts a connection in unless `limits.connections` is reached.
    pub(super) fn enter(open: &Arc<OpenConnections>, core: &Arc<Core>) -> Option<OpenSlot> {
        let counters = &core.env.counters;
        if !counters.connections.up_within(core.env.limits.connections) {
            counters.connections_refused.up();
            return None;
        }
        counters.connections_accepted.up();
        lock(&open.state).count += 1;
        Some(OpenSlot { open: open.clone(), core: core.clone() })
    }

    pub(super) fn wait_empty(&self, patience: Duration) -> bool {
        let state = lock(&self.state);
        let wait = self.empty.wait_timeout_while(state, patience, |state| state.count > 0);
        let (state, _) = wait.unwrap_or_else(std::sync::PoisonError::into_inner);
        state.count == 0
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.state).count == 0
    }

    /// Ready once no connection is open. For one waiter at a time.
    pub(super) async fn until_empty(&self) {
        poll_fn(|cx| {
            let mut state = lock(&self.state);
            if state.count == 0 {
                return Poll::Ready(());
            }
            state.waiter = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Counts a connection out when dropped.
pub(super) struct OpenSlot {
    open: Arc<OpenConnections>,
    core: Arc<Core>,
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        self.core.env.counters.connections.down();
        let mut state = lock(&self.open.state);
        state.count -= 1;
        if state.count > 0 {
            return;
        }
        let waiter = state.waiter.take();
        self.open.empty.notify_all();
        drop(state);
        // Woken outside the lock: a waker may lead anywhere.
        waiter.into_iter().for_each(Waker::wake);
        self.core.env.host.iter().for_each(|host| host.nudge());
    }
}
