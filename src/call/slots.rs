//! How many calls are open: the cap on them, and the wait for none.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::env::Env;
use crate::sync::lock;

/// The count of one server.
pub(crate) struct Calls {
    env: Arc<Env>,
    state: Mutex<State>,
    /// Signalled when the last call ends; `drain` alone waits on it.
    empty: Condvar,
}

#[derive(Default)]
struct State {
    is_closed: bool,
    open: usize,
    /// Threads in `wait_empty`.
    waiters: usize,
}

impl Calls {
    pub(crate) fn new(env: Arc<Env>) -> Arc<Calls> {
        Arc::new(Calls { env, state: Mutex::default(), empty: Condvar::new() })
    }

    /// Takes a place among `limits.calls`; `None` when all are taken or the server drains.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<CallSlot> {
        let mut state = lock(&self.state);
        if state.is_closed || state.open >= self.env.limits.calls {
            return None;
        }
        state.open += 1;
        self.env.counters.calls.up();
        Some(CallSlot(self.clone()))
    }

    /// Lets calls in.
    pub(crate) fn open(&self) {
        lock(&self.state).is_closed = false;
    }

    /// Lets no more calls in.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Has the host's queue nudged when the last call ends, for as long as the guard lives.
    pub(crate) fn watch(&self) -> Watch<'_> {
        lock(&self.state).waiters += 1;
        Watch(self)
    }

    /// Waits until no call is open; tells whether that happened within `patience`.
    pub(crate) fn wait_empty(&self, patience: Duration) -> bool {
        let mut state = lock(&self.state);
        state.waiters += 1;
        let wait = self.empty.wait_timeout_while(state, patience, |state| state.open > 0);
        let (mut state, _) = wait.unwrap_or_else(std::sync::PoisonError::into_inner);
        state.waiters -= 1;
        state.open == 0
    }
}

/// Somebody who wants to be nudged when no call is open any more.
pub(crate) struct Watch<'a>(&'a Calls);

impl Watch<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.0.state).open == 0
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).waiters -= 1;
    }
}

/// One place, given back when dropped.
pub(crate) struct CallSlot(Arc<Calls>);

/// The place of a call whose questions are under way, given back when dropped.
pub(crate) struct ParkedSlot(Arc<Calls>);

impl CallSlot {
    /// Gives the place back for one among `limits.parked`; it stays when all of them are taken.
    pub(super) fn park(self) -> Result<ParkedSlot, CallSlot> {
        if self.0.env.counters.calls_parked.up_within(self.0.env.limits.parked) {
            return Ok(ParkedSlot(self.0.clone()));
        }
        self.0.env.counters.calls_refused.up();
        Err(self)
    }
}

impl ParkedSlot {
    /// A place among the calls again, also when all are taken: there are not more of them than
    /// could be parked. `None` when the server drains.
    pub(super) fn resume(self) -> Option<CallSlot> {
        let mut state = lock(&self.0.state);
        if state.is_closed {
            return None;
        }
        state.open += 1;
        self.0.env.counters.calls.up();
        Some(CallSlot(self.0.clone()))
    }
}

impl Drop for ParkedSlot {
    fn drop(&mut self) {
        self.0.env.counters.calls_parked.down();
    }
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        self.0.env.counters.calls.down();
        let mut state = lock(&self.0.state);
        state.open -= 1;
        // A system call even if nobody waits, and that is the case on every call but the last.
        if state.open == 0 && state.waiters > 0 {
            self.0.empty.notify_all();
            drop(state);
            self.0.env.host.iter().for_each(|host| host.nudge());
        }
    }
}
