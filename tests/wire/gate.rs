//! Lets a test decide when a tool function goes on, and tells it how far the function has come.

use std::sync::{Condvar, Mutex, MutexGuard};

use emcp::{Call, ToolResult};

use super::PATIENCE;

/// Closed until opened, then open for ever.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// Signalled on every change.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_open: bool,
    /// Functions that have reached the gate, those that went through included.
    reached: usize,
    parked: Vec<Call>,
}

impl Gate {
    /// Waits, in a tool function, until the gate opens.
    pub(crate) fn pass(&self) {
        let mut state = self.reach();
        while !state.is_open {
            state = self.changed.wait(state).expect("no test panics under the lock");
        }
    }

    /// Keeps `call` to be answered when the gate opens.
    pub(crate) fn park(&self, call: Call) {
        let mut state = self.reach();
        if state.is_open {
            drop(state);
            call.reply(ToolResult::text("unparked"));
            return;
        }
        state.parked.push(call);
    }

    /// Waits until `count` functions have reached the gate.
    pub(crate) fn wait_reached(&self, count: usize) {
        let state = self.lock();
        let wait = self.changed.wait_timeout_while(state, PATIENCE, |state| state.reached < count);
        let (state, _) = wait.expect("no test panics under the lock");
        assert!(state.reached >= count, "{} of {count} functions have come", state.reached);
    }

    /// Lets everybody through.
    pub(crate) fn open(&self) {
        let mut state = self.lock();
        state.is_open = true;
        let parked = std::mem::take(&mut state.parked);
        self.changed.notify_all();
        drop(state);
        for call in parked {
            call.reply(ToolResult::text("unparked"));
        }
    }

    fn reach(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.reached += 1;
        self.changed.notify_all();
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics under the lock")
    }
}
