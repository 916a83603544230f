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
    /// The open ones by whom they are counted on, in order; nobody is in it with none. No hash
    /// map: there are few at a time, and names can be chosen by who connects.
    by_identity: Vec<(Arc<str>, usize)>,
    /// Threads in `wait_empty`.
    waiters: usize,
}

impl State {
    /// Where `identity` is, or where it would be.
    fn find(&self, identity: &str) -> Result<usize, usize> {
        self.by_identity.binary_search_by(|(known, _)| (**known).cmp(identity))
    }
}

impl Calls {
    pub(crate) fn new(env: Arc<Env>) -> Arc<Calls> {
        Arc::new(Calls { env, state: Mutex::default(), empty: Condvar::new() })
    }

    /// Takes a place among `limits.calls` and among those of `identity`.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn enter(self: &Arc<Self>, identity: &Arc<str>) -> Result<CallSlot, NoPlace> {
        let mut state = lock(&self.state);
        let limits = &self.env.limits;
        if state.is_closed {
            return Err(NoPlace::Closed);
        }
        if state.open >= limits.calls {
            return Err(NoPlace::Full);
        }
        let own = state.find(identity).map_or(0, |at| state.by_identity[at].1);
        if own >= limits.calls_per_identity {
            return Err(NoPlace::Identity);
        }
        Ok(self.let_in(&mut state, identity.clone()))
    }

    fn let_in(self: &Arc<Self>, state: &mut State, identity: Arc<str>) -> CallSlot {
        state.open += 1;
        match state.find(&identity) {
            Ok(at) => state.by_identity[at].1 += 1,
            Err(at) => state.by_identity.insert(at, (identity.clone(), 1)),
        }
        self.env.counters.calls.up();
        CallSlot { calls: self.clone(), identity }
    }

    /// Lets calls in.
    pub(crate) fn open(&self) {
        lock(&self.state).is_closed = false;
    }

    /// Lets no more calls in.
    pub(crate) fn close(&self) {
        lock(&self.state).is_closed = true;
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

/// Why there is no place for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The server drains or stops.
    Closed,
    /// All places are taken.
    Full,
    /// Whoever calls has as many as one identity may have.
    Identity,
}

/// One place, given back when dropped.
pub(crate) struct CallSlot {
    calls: Arc<Calls>,
    identity: Arc<str>,
}

/// The place of a call whose questions are under way, given back when dropped.
pub(crate) struct ParkedSlot {
    calls: Arc<Calls>,
    identity: Arc<str>,
}

impl CallSlot {
    /// Gives the place back for one among `limits.parked`; it stays when all of them are taken.
    pub(super) fn park(self) -> Result<ParkedSlot, CallSlot> {
        let env = &self.calls.env;
        if env.counters.calls_parked.up_within(env.limits.parked) {
            let (calls, identity) = (self.calls.clone(), self.identity.clone());
            return Ok(ParkedSlot { calls, identity });
        }
        env.counters.calls_refused.up();
        Err(self)
    }
}

impl ParkedSlot {
    /// A place among the calls again, also when all are taken: there are not more of them than
    /// could be parked. `None` when the server drains.
    pub(super) fn resume(self) -> Option<CallSlot> {
        let mut state = lock(&self.calls.state);
        let identity = self.identity.clone();
        (!state.is_closed).then(|| self.calls.let_in(&mut state, identity))
    }
}

impl Drop for ParkedSlot {
    fn drop(&mut self) {
        self.calls.env.counters.calls_parked.down();
    }
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        self.calls.env.counters.calls.down();
        let mut state = lock(&self.calls.state);
        state.open -= 1;
        if let Ok(at) = state.find(&self.identity) {
            state.by_identity[at].1 -= 1;
            if state.by_identity[at].1 == 0 {
                state.by_identity.remove(at);
            }
        }
        // A system call even if nobody waits, and that is the case on every call but the last.
        if state.open == 0 && state.waiters > 0 {
            self.calls.empty.notify_all();
            drop(state);
            self.calls.env.host.iter().for_each(|host| host.nudge());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn calls(calls: usize, calls_per_identity: usize) -> Arc<Calls> {
        let limits = Limits { calls, calls_per_identity, ..Limits::default() };
        Calls::new(Env::new(limits))
    }

    #[test]
    fn no_identity_takes_more_than_its_share() {
        let calls = calls(4, 2);
        let first = calls.enter(&"a".into()).ok().unwrap();
        let _second = calls.enter(&"a".into()).ok().unwrap();
        assert_eq!(calls.enter(&"a".into()).err(), Some(NoPlace::Identity));
        let _others = ["b", "c"].map(|name| calls.enter(&name.into()).ok().unwrap());
        assert_eq!(calls.enter(&"d".into()).err(), Some(NoPlace::Full));
        drop(first);
        assert!(calls.enter(&"a".into()).is_ok());
        calls.close();
        assert_eq!(calls.enter(&"a".into()).err(), Some(NoPlace::Closed));
    }

    #[test]
    fn who_waits_for_answers_takes_no_place_and_comes_back_above_the_bound() {
        let calls = calls(2, 1);
        let parked = calls.enter(&"a".into()).ok().unwrap().park().ok().unwrap();
        let _other = calls.enter(&"a".into()).ok().unwrap();
        let back = parked.resume().unwrap();
        assert_eq!(calls.enter(&"a".into()).err(), Some(NoPlace::Full));
        drop(back);
        assert_eq!(calls.enter(&"a".into()).err(), Some(NoPlace::Identity));
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_left() {
        let calls = calls(2, 1);
        (0..1000).for_each(|number| drop(calls.enter(&number.to_string().into())));
        assert!(lock(&calls.state).by_identity.is_empty());
    }
}
