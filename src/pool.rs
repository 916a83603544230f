//! The threads that run tool functions: a fixed number, a bounded queue, and no way for one
//! function that never returns to take more than its own thread.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::hooks::HookSlot;
use crate::sync::lock;

/// A tool function with its call inside.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Enough for a tool function that formats text and calls libc; a host whose tools recurse
/// deeply answers from a thread of its own.
const STACK_BYTES: usize = 512 * 1024;

/// Thread names, as many as get a number of their own.
const NAMES: [&str; 8] =
    ["emcp-w0", "emcp-w1", "emcp-w2", "emcp-w3", "emcp-w4", "emcp-w5", "emcp-w6", "emcp-w7"];

thread_local! {
    /// Set for ever on threads that belong to a server, and for a while by [`OwnThread`].
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

/// Marks the calling thread as one of ours.
pub(crate) fn adopt_thread() {
    IS_OURS.set(true);
}

/// Tells whether the calling thread belongs to a server: it must not wait for itself to end.
pub(crate) fn is_own_thread() -> bool {
    IS_OURS.get()
}

/// Makes the calling thread count as one of ours until it is dropped.
pub(crate) struct OwnThread {
    was_ours: bool,
}

impl OwnThread {
    pub(crate) fn enter() -> OwnThread {
        OwnThread { was_ours: IS_OURS.replace(true) }
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        IS_OURS.set(self.was_ours);
    }
}

/// The worker pool of one server.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Signalled while workers sleep on jobs, one wake-up under way at a time, and to everybody
    /// on closing.
    work: Condvar,
    /// Signalled when a worker ends; [`Pool::stop`] alone waits on it.
    ended: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Oldest first. Never above the capacity that `submit` is given.
    jobs: VecDeque<Job>,
    open: bool,
    workers: usize,
    /// Workers that sleep.
    idle: usize,
    /// A worker has been woken and has not looked at the queue yet.
    is_waking: bool,
}

impl Queue {
    /// Tells whether to wake a worker.
    ///
    /// Whoever adds or takes a job asks, so a job never waits beside a sleeping worker. A burst of
    /// jobs wakes one worker, which wakes the next if there is work left: a wake-up costs the I/O
    /// thread more than a small call does.
    fn needs_worker(&mut self) -> bool {
        let is_needed = !self.jobs.is_empty() && self.idle > 0 && !self.is_waking;
        self.is_waking |= is_needed;
        is_needed
    }
}

impl Pool {
    pub(crate) fn new() -> Pool {
        let shared =
            Shared { queue: Mutex::default(), work: Condvar::new(), ended: Condvar::new() };
        Pool { shared: Arc::new(shared), threads: Mutex::default() }
    }

    /// Starts `count` workers.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses a thread; those started before it are stopped again.
    pub(crate) fn start(&self, count: usize, hooks: &HookSlot) -> Result<()> {
        lock(&self.shared.queue).open = true;
        for number in 0..count {
            let name = NAMES.get(number).copied().unwrap_or("emcp-w");
            let (shared, hooks) = (self.shared.clone(), hooks.clone());
            lock(&self.shared.queue).workers += 1;
            let thread =
                Builder::new().name(name.into()).stack_size(STACK_BYTES).spawn(move || {
                    adopt_thread();
                    // Counted out even if a job's panic got past its own catch.
                    let _end = EndOfWorker(shared.clone());
                    let _announced = hooks.thread(name);
                    shared.work();
                });
            match thread {
                Ok(thread) => lock(&self.threads).push(thread),
                Err(error) => {
                    lock(&self.shared.queue).workers -= 1;
                    self.stop(Duration::from_secs(1));
                    return Err(Error::Io(error));
                }
            }
        }
        Ok(())
    }

    /// Queues `job` unless `capacity` jobs wait already or the pool is closed; then it comes back.
    pub(crate) fn submit(&self, job: Job, capacity: usize) -> std::result::Result<(), Job> {
        let mut queue = lock(&self.shared.queue);
        if !queue.open || queue.jobs.len() >= capacity {
            return Err(job);
        }
        queue.jobs.push_back(job);
        let wakes = queue.needs_worker();
        drop(queue);
        if wakes {
            self.shared.work.notify_one();
        }
        Ok(())
    }

    /// Jobs that wait for a worker.
    pub(crate) fn waiting(&self) -> usize {
        lock(&self.shared.queue).jobs.len()
    }

    /// Drops what waits and joins the workers; tells whether all of them ended within `patience`.
    /// A worker that is stuck in a tool function is left behind, because it cannot be killed.
    pub(crate) fn stop(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut queue = lock(&self.shared.queue);
        queue.open = false;
        let dropped = std::mem::take(&mut queue.jobs);
        self.shared.work.notify_all();
        drop(queue);
        // Dropped outside the lock: each job ends a call.
        drop(dropped);
        let mut queue = lock(&self.shared.queue);
        while queue.workers > 0 {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            queue = match self.shared.ended.wait_timeout(queue, rest) {
                Ok((queue, _)) => queue,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        drop(queue);
        for thread in lock(&self.threads).drain(..) {
            // Its panic, if any, has been reported where it happened.
            let _ = thread.join();
        }
        true
    }
}

impl Shared {
    fn work(&self) {
        loop {
            let mut queue = lock(&self.queue);
            let job = loop {
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                if !queue.open {
                    return;
                }
                queue.idle += 1;
                queue = self.work.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
                queue.idle -= 1;
                queue.is_waking = false;
            };
            let wakes = queue.needs_worker();
            drop(queue);
            if wakes {
                self.work.notify_one();
            }
            job();
        }
    }
}

struct EndOfWorker(Arc<Shared>);

impl Drop for EndOfWorker {
    fn drop(&mut self) {
        lock(&self.0.queue).workers -= 1;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_full_queue_hands_the_job_back() {
        let pool = Pool::new();
        pool.start(1, &HookSlot::default()).unwrap();
        let (release, wait) = channel::<()>();
        let (started, begun) = channel::<()>();
        let block: Job = Box::new(move || {
            started.send(()).unwrap();
            let _ = wait.recv();
        });
        assert!(pool.submit(block, 1).is_ok());
        begun.recv().unwrap();
        assert!(pool.submit(Box::new(|| {}), 1).is_ok());
        assert!(pool.submit(Box::new(|| {}), 1).is_err());
        drop(release);
        assert!(pool.stop(Duration::from_secs(10)));
        assert!(pool.submit(Box::new(|| {}), 1).is_err());
    }

    #[test]
    fn a_stuck_worker_does_not_hold_up_stop() {
        let pool = Pool::new();
        pool.start(1, &HookSlot::default()).unwrap();
        let (release, wait) = channel::<()>();
        let (started, begun) = channel::<()>();
        let stuck: Job = Box::new(move || {
            started.send(()).unwrap();
            let _ = wait.recv();
        });
        assert!(pool.submit(stuck, 1).is_ok());
        begun.recv().unwrap();
        assert!(!pool.stop(Duration::from_millis(10)));
        drop(release);
        assert!(pool.stop(Duration::from_secs(10)));
    }
}
