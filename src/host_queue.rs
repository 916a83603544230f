//! What waits for the host's own thread, when the host wants its functions to run there and nowhere
//! else.
//!
//! One queue for everything, so that the host hears of things in the order in which they happened,
//! and one descriptor that is readable while anything waits. Who runs the queue is decided by
//! `server`; what a job is, by whoever puts it in.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::error::{Error, Result};
use crate::pool::{Job, OwnThread};
use crate::sync::{Latch, ThreadId, lock};

/// Bytes of log and audit records that wait. Arguments are part of an audit record and may be as
/// long as a body, so a count alone would not bound them.
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The queue of one server.
pub(crate) struct HostQueue {
    /// Records that may wait; see `limits.records`.
    records_max: usize,
    state: Mutex<State>,
    /// Signalled when something comes, when a thread leaves, and by [`HostQueue::nudge`].
    changed: Condvar,
}

struct State {
    /// Oldest first. Calls and records are bounded, the rest by what it belongs to.
    jobs: VecDeque<Waiting>,
    /// How many of the jobs are calls.
    calls: usize,
    /// How many of the jobs are records, and their bytes.
    records: (usize, usize),
    /// The server runs.
    is_open: bool,
    /// Exists while the server runs.
    bell: Option<Arc<File>>,
    /// The descriptor is readable.
    is_rung: bool,
    /// Tasks of the server wait to be polled by the host.
    is_driver_due: bool,
    /// The thread that runs jobs.
    inside: Option<ThreadId>,
    /// The thread that has run jobs last, or else started the server.
    host: Option<ThreadId>,
}

struct Waiting {
    job: Job,
    kind: Kind,
}

enum Kind {
    Call,
    /// With its size in bytes.
    Record(usize),
    Other,
}

impl HostQueue {
    pub(crate) fn new(records_max: usize) -> HostQueue {
        let state = State {
            jobs: VecDeque::new(),
            calls: 0,
            records: (0, 0),
            is_open: false,
            bell: None,
            is_rung: false,
            is_driver_due: false,
            inside: None,
            host: None,
        };
        HostQueue { records_max, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Begins to keep jobs for the host. The calling thread counts as the host's until another one
    /// runs jobs.
    ///
    /// # Errors
    /// [`Error::Io`] when the system has no descriptor left.
    pub(crate) fn open(&self) -> Result<()> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = EventFd::from_flags(flags).map_err(|errno| Error::Io(errno.into()))?;
        let mut state = lock(&self.state);
        state.bell = Some(Arc::new(File::from(OwnedFd::from(bell))));
        state.is_open = true;
        state.is_rung = false;
        state.is_driver_due = false;
        state.host = Some(ThreadId::current());
        // Something may have been left from before.
        self.announce(state);
        Ok(())
    }

    /// The descriptor that is readable while anything waits; none while the server does not run.
    pub(crate) fn descriptor(&self) -> Option<Arc<File>> {
        lock(&self.state).bell.clone()
    }

    /// Queues a tool call unless `capacity` of them wait already; then it comes back.
    pub(crate) fn call(&self, job: Job, capacity: usize) -> std::result::Result<(), Job> {
        let mut state = lock(&self.state);
        if !state.is_open || state.calls >= capacity {
            return Err(job);
        }
        state.calls += 1;
        state.jobs.push_back(Waiting { job, kind: Kind::Call });
        self.announce(state);
        Ok(())
    }

    /// Queues a record of `bytes` bytes; tells whether there was room. While the server does not
    /// run the host hears it at once.
    pub(crate) fn record(&self, bytes: usize, job: Job) -> bool {
        let mut state = lock(&self.state);
        if !state.is_open {
            drop(state);
            job();
            return true;
        }
        let (count, held) = state.records;
        if count >= self.records_max || held.saturating_add(bytes) > RECORD_BYTES_MAX {
            return false;
        }
        state.records = (count + 1, held + bytes);
        state.jobs.push_back(Waiting { job, kind: Kind::Record(bytes) });
        self.announce(state);
        true
    }

    /// Queues any other function of the host. While the server does not run it is called at once.
    pub(crate) fn run(&self, job: Job) {
        let state = lock(&self.state);
        if state.is_open {
            return self.push(state, job);
        }
        drop(state);
        job();
    }

    /// As [`HostQueue::run`], but it is on no account called before this returns.
    pub(crate) fn run_later(&self, job: Job) {
        self.push(lock(&self.state), job);
    }

    /// Waits until every job that is queued so far has run.
    pub(crate) fn wait_for_earlier(&self) {
        let done = Arc::new(Latch::default());
        let opener = done.clone().open_on_drop();
        self.run(Box::new(move || drop(opener)));
        while !done.wait(Duration::from_secs(3600)) {}
    }

    /// Tool calls that wait.
    pub(crate) fn calls_waiting(&self) -> usize {
        lock(&self.state).calls
    }

    /// Tells whether anything waits for the host.
    pub(crate) fn is_due(&self) -> bool {
        lock(&self.state).is_due()
    }

    /// Tells whether the calling thread is the host's: what only it can do must not be waited for.
    pub(crate) fn is_host_thread(&self) -> bool {
        lock(&self.state).host == Some(ThreadId::current())
    }

    /// Lets the calling thread run jobs until the guard is dropped; `None` while a thread does.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let state = lock(&self.state);
        state.inside.is_none().then(|| self.entered(state))
    }

    /// As [`HostQueue::enter`], but waits up to `deadline`.
    pub(crate) fn enter_by(&self, deadline: Instant) -> Option<Inside<'_>> {
        let mut state = lock(&self.state);
        while state.inside.is_some() {
            let rest = deadline.checked_duration_since(Instant::now())?;
            let wait = self.changed.wait_timeout(state, rest);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(self.entered(state))
    }

    /// Waits until something is due or `is_done`; tells whether it was before `deadline`. Who makes
    /// it done calls [`HostQueue::nudge`], without holding what `is_done` locks.
    pub(crate) fn wait(&self, deadline: Instant, is_done: impl Fn() -> bool) -> bool {
        let mut state = lock(&self.state);
        while !state.is_due() && !is_done() {
            let Some(rest) = deadline.checked_duration_since(Instant::now()) else { return false };
            let wait = self.changed.wait_timeout(state, rest);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Tells who waits that what they wait for may have happened.
    pub(crate) fn nudge(&self) {
        // Once through the lock: a waiter that has just looked is waiting by then.
        drop(lock(&self.state));
        self.changed.notify_all();
    }

    /// Whoever is woken by it makes the host poll the server's tasks.
    pub(crate) fn driver_waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(DriverBell(self.clone())))
    }

    /// Tells whether tasks wait to be polled, and forgets it.
    pub(crate) fn take_driver_due(&self) -> bool {
        std::mem::take(&mut lock(&self.state).is_driver_due)
    }

    /// Keeps no more jobs: called when the thread that runs them will not come back in time. It
    /// runs the rest itself once it does.
    pub(crate) fn abandon(&self) {
        lock(&self.state).close();
    }

    fn push(&self, mut state: MutexGuard<'_, State>, job: Job) {
        state.jobs.push_back(Waiting { job, kind: Kind::Other });
        self.announce(state);
    }

    fn announce(&self, mut state: MutexGuard<'_, State>) {
        state.ring();
        drop(state);
        self.changed.notify_all();
    }

    fn entered(&self, mut state: MutexGuard<'_, State>) -> Inside<'_> {
        let thread = ThreadId::current();
        state.inside = Some(thread);
        state.host = Some(thread);
        Inside { queue: self, _own: OwnThread::enter() }
    }
}

impl State {
    fn is_due(&self) -> bool {
        self.is_driver_due || !self.jobs.is_empty()
    }

    /// Makes the descriptor readable if there is a reason to.
    fn ring(&mut self) {
        if let (true, false, Some(mut bell)) = (self.is_due(), self.is_rung, self.bell.as_deref()) {
            // The counter is zero, so it takes any number.
            let _ = bell.write(&1u64.to_ne_bytes());
            self.is_rung = true;
        }
    }

    /// Makes the descriptor silent if there is no reason for it to be readable.
    fn settle(&mut self) {
        if let (false, true, Some(mut bell)) = (self.is_due(), self.is_rung, self.bell.as_deref()) {
            // Sets the counter to zero. It has been written, so this does not fail.
            let _ = bell.read(&mut [0; 8]);
            self.is_rung = false;
        }
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.jobs.pop_front()?;
        match waiting.kind {
            Kind::Call => self.calls -= 1,
            Kind::Record(bytes) => {
                let (count, held) = self.records;
                self.records = (count - 1, held - bytes);
            }
            Kind::Other => {}
        }
        Some(waiting)
    }

    fn close(&mut self) {
        self.is_open = false;
        self.bell = None;
        self.is_rung = false;
        self.is_driver_due = false;
    }
}

/// The right to run jobs; one thread has it at a time. What it runs counts as a callback.
pub(crate) struct Inside<'a> {
    queue: &'a HostQueue,
    _own: OwnThread,
}

impl Inside<'_> {
    /// Jobs that wait at this moment.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.queue.state).jobs.len()
    }

    /// Runs the oldest job through `run`; tells whether there was one.
    pub(crate) fn run_one(&self, run: &impl Fn(Job)) -> bool {
        let Some(waiting) = lock(&self.queue.state).pop() else { return false };
        run(waiting.job);
        true
    }

    /// Tells whether the server has stopped while this thread was inside: nobody else is going to
    /// run what is left.
    pub(crate) fn is_abandoned(&self) -> bool {
        !lock(&self.queue.state).is_open
    }

    /// Runs every job and keeps no more. Calls are dropped: they have been answered.
    pub(crate) fn finish(self, run: &impl Fn(Job)) {
        loop {
            let mut state = lock(&self.queue.state);
            let Some(waiting) = state.pop() else { return state.close() };
            drop(state);
            match waiting.kind {
                Kind::Call => drop(waiting.job),
                Kind::Record(_) | Kind::Other => run(waiting.job),
            }
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.queue.state);
        state.inside = None;
        state.settle();
        drop(state);
        self.queue.changed.notify_all();
    }
}

/// Wakes the host for the server's own tasks.
struct DriverBell(Arc<HostQueue>);

impl Wake for DriverBell {
    fn wake(self: Arc<Self>) {
        let mut state = lock(&self.0.state);
        if !state.is_open || state.is_driver_due {
            return;
        }
        state.is_driver_due = true;
        self.0.announce(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_bounded_by_count_and_by_bytes() {
        let queue = HostQueue::new(3);
        assert!(queue.record(RECORD_BYTES_MAX + 1, Box::new(|| {})), "heard at once");
        queue.open().unwrap();
        assert!(!queue.record(RECORD_BYTES_MAX + 1, Box::new(|| {})));
        assert!(queue.record(RECORD_BYTES_MAX, Box::new(|| {})));
        assert!(!queue.record(1, Box::new(|| {})));
        assert!(queue.record(0, Box::new(|| {})));
        assert!(queue.record(0, Box::new(|| {})));
        assert!(!queue.record(0, Box::new(|| {})));
        assert!(queue.enter().unwrap().run_one(&|job| job()));
        assert!(queue.record(1, Box::new(|| {})), "there is room again");
    }

    #[test]
    fn a_later_job_outlives_the_end_of_the_server() {
        let queue = HostQueue::new(1);
        queue.open().unwrap();
        queue.enter().unwrap().finish(&|job| job());
        let (tell, told) = std::sync::mpsc::channel();
        queue.run_later(Box::new(move || tell.send(()).unwrap()));
        assert!(told.try_recv().is_err(), "on no account at once");
        queue.open().unwrap();
        queue.enter().unwrap().finish(&|job| job());
        assert!(told.try_recv().is_ok());
    }
}
