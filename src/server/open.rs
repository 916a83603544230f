//! The connections that are open: the cap on them, and the wait for none.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::core::Core;
use crate::sync::lock;

/// How many connections are open, for those who wait for none.
#[derive(Default)]
pub(super) struct OpenConnections {
    count: Mutex<usize>,
    /// Signalled when the count reaches zero.
    empty: Condvar,
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
        *lock(&open.count) += 1;
        Some(OpenSlot { open: open.clone(), core: core.clone() })
    }

    pub(super) fn wait_empty(&self, patience: Duration) -> bool {
        let wait = self.empty.wait_timeout_while(lock(&self.count), patience, |count| *count > 0);
        let (count, _) = wait.unwrap_or_else(std::sync::PoisonError::into_inner);
        *count == 0
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
        let mut count = lock(&self.open.count);
        *count -= 1;
        if *count == 0 {
            self.open.empty.notify_all();
        }
    }
}
