//! Tells the host that there is something to take, under rules that its locks can live with.
//!
//! The host's function is called with no lock of ours held, never twice at once, at most one call
//! is under way, and none runs after [`Ready::close`] has returned.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::env::Env;
use crate::sync::{ThreadId, lock};

/// A function of the host that says "look again". It may be called without a reason.
pub type ReadyFn = Box<dyn Fn() + Send + Sync>;

/// The host's side of one exchange, connection or peer.
pub(crate) struct Ready {
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    env: Arc<Env>,
    /// Absent when the host waits instead.
    function: Option<ReadyFn>,
    state: Mutex<State>,
    /// Signalled when it rings, and when a call of the host's function returns.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Rung since the host last waited.
    is_rung: bool,
    /// A call of the host's function is under way and has not begun.
    is_queued: bool,
    /// The thread that is inside the host's function.
    inside: Option<ThreadId>,
    is_closed: bool,
    /// Threads that wait for `changed`: to signal it for nobody is a system call all the same.
    waiting: usize,
}

impl Ready {
    pub(crate) fn new(env: &Arc<Env>, function: Option<ReadyFn>) -> Ready {
        let bell = Arc::new(Bell {
            env: env.clone(),
            function,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        Ready { waker: Waker::from(bell.clone()), bell }
    }

    /// What to hand to futures: waking it tells the host.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Waits until it is woken; tells whether it was within `patience`. A wake-up from before the
    /// last wait counts.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let mut state = lock(&self.bell.state);
        state.waiting += 1;
        let is_silent = |state: &mut State| !state.is_rung && !state.is_closed;
        let waited = self.bell.changed.wait_timeout_while(state, patience, is_silent);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        std::mem::take(&mut state.is_rung)
    }

    /// Waits until the host's function has returned, unless the caller is inside it; it is not
    /// called again.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.bell.state);
        state.is_closed = true;
        self.bell.signal(&state);
        let caller = ThreadId::current();
        state.waiting += 1;
        while state.inside.is_some_and(|thread| thread != caller) {
            state = self.bell.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.waiting -= 1;
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.close();
    }
}

impl Bell {
    fn signal(&self, state: &State) {
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }

    fn call(&self) {
        let Some(function) = &self.function else { return };
        let mut state = lock(&self.state);
        state.is_queued = false;
        if state.is_closed || state.inside.is_some() {
            return;
        }
        state.inside = Some(ThreadId::current());
        drop(state);
        let _outside = Outside(self);
        function();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut state = lock(&self.state);
        if state.is_closed {
            return;
        }
        state.is_rung = true;
        self.signal(&state);
        if self.function.is_none() || state.is_queued {
            return;
        }
        state.is_queued = true;
        drop(state);
        let bell = self.clone();
        self.env.callbacks.run_later(Box::new(move || bell.call()));
    }
}

/// Notes the end of a call, also when a panic ends it.
struct Outside<'a>(&'a Bell);

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.inside = None;
        self.0.signal(&state);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;
    use crate::callbacks::Callbacks;
    use crate::limits::Limits;

    fn counting() -> (Ready, Arc<AtomicUsize>, Arc<Env>) {
        let (env, count) = (Env::new(Limits::default()), Arc::new(AtomicUsize::new(0)));
        let counter = count.clone();
        let function: ReadyFn = Box::new(move || {
            counter.fetch_add(1, SeqCst);
        });
        (Ready::new(&env, Some(function)), count, env)
    }

    #[test]
    fn wake_ups_before_the_call_are_one_call() {
        let (ready, count, env) = counting();
        ready.waker().wake_by_ref();
        ready.waker().wake_by_ref();
        assert_eq!(count.load(SeqCst), 0, "not from inside the waker");
        Callbacks::flush(&env);
        assert_eq!(count.load(SeqCst), 1);
        ready.waker().wake_by_ref();
        Callbacks::flush(&env);
        assert_eq!(count.load(SeqCst), 2);
    }

    #[test]
    fn a_closed_one_stays_silent() {
        let (ready, count, env) = counting();
        ready.waker().wake_by_ref();
        ready.close();
        ready.waker().wake_by_ref();
        Callbacks::flush(&env);
        assert_eq!(count.load(SeqCst), 0);
    }

    #[test]
    fn a_wait_takes_the_wake_up() {
        let ready = Ready::new(&Env::new(Limits::default()), None);
        assert!(!ready.wait(Duration::ZERO));
        ready.waker().wake_by_ref();
        assert!(ready.wait(Duration::from_secs(10)));
        assert!(!ready.wait(Duration::ZERO));
    }

    #[test]
    fn close_waits_for_a_call_that_runs() {
        let env = Env::new(Limits::default());
        let (gate, in_call) = (Arc::new(Mutex::new(())), Arc::new(AtomicUsize::new(0)));
        let (held, entered) = (gate.clone(), in_call.clone());
        let ready = Ready::new(
            &env,
            Some(Box::new(move || {
                entered.store(1, SeqCst);
                drop(lock(&held));
                entered.store(2, SeqCst);
            })),
        );
        let block = lock(&gate);
        ready.waker().wake_by_ref();
        let runner = thread::spawn(move || Callbacks::flush(&env));
        while in_call.load(SeqCst) == 0 {
            thread::yield_now();
        }
        let closer = thread::spawn(move || ready.close());
        drop(block);
        closer.join().unwrap();
        assert_eq!(in_call.load(SeqCst), 2);
        runner.join().unwrap();
    }
}
