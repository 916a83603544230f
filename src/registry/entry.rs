//! One registered thing: its prepared listings and the count of its running calls.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::protocol::Revision;
use crate::rate::{Bucket, Pace};
use crate::registry::Listed;
use crate::sync::lock;

/// An element of a list in the shape of each revision, by [`Revision::index`].
type Listings = [Arc<str>; Revision::ALL.len()];

/// A tool, resource or prompt with the functions that serve it.
///
/// Kept by the registry and by every call of it; the functions go as soon as it is removed and its
/// last call has ended, even if somebody still holds the entry.
pub(crate) struct Entry<D, F> {
    pub(crate) item: D,
    /// Prepared at registration; changed only by [`Entry::relist`].
    listed: Mutex<Listings>,
    enabled: AtomicBool,
    gate: Mutex<Gate<F>>,
    /// Wakes those who remove the entry; the guard of the last call does it.
    idle: Condvar,
}

struct Gate<F> {
    /// `None` once the entry is removed.
    run: Option<Arc<F>>,
    running: usize,
    /// Full unless the item says how often it may be called.
    tokens: Bucket,
    /// Threads in `wait_idle`.
    waiters: usize,
}

/// Why a call may not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It would be too much at this moment.
    Busy(Busy),
    /// It was removed after it was looked up.
    Removed,
}

/// What is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// As many calls as may are running.
    Full,
    /// There were as many calls as may be. There may be another one after this time.
    TooFast(Duration),
}

impl<D: Listed, F> Entry<D, F> {
    pub(crate) fn new(item: D, run: F) -> Entry<D, F> {
        Entry {
            listed: Mutex::new(listings(&item)),
            item,
            enabled: AtomicBool::new(true),
            gate: Mutex::new(Gate {
                run: Some(Arc::new(run)),
                running: 0,
                tokens: Bucket::new(Instant::now()),
                waiters: 0,
            }),
            idle: Condvar::new(),
        }
    }

    /// The entry as one JSON object.
    pub(crate) fn listed(&self, shape: Revision) -> Arc<str> {
        lock(&self.listed)[shape.index()].clone()
    }

    /// Prepares the listings anew, because what they say has changed.
    pub(super) fn relist(&self) {
        *lock(&self.listed) = listings(&self.item);
    }

    /// Counts a call in. It is running until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Running<D, F>, Refused> {
        let about = self.item.about();
        self.enter_within(about.concurrency, about.pace)
    }

    /// Counts a call in again that has been in before; `None` when the entry was removed meanwhile.
    pub(crate) fn enter_again(self: &Arc<Self>) -> Option<Running<D, F>> {
        self.enter_within(None, None).ok()
    }

    fn enter_within(
        self: &Arc<Self>,
        cap: Option<usize>,
        pace: Option<Pace>,
    ) -> Result<Running<D, F>, Refused> {
        let mut gate = lock(&self.gate);
        let run = gate.run.clone().ok_or(Refused::Removed)?;
        if cap.is_some_and(|cap| gate.running >= cap) {
            return Err(Refused::Busy(Busy::Full));
        }
        // Last, so that a call that is refused anyway takes no token.
        let taken = pace.map_or(Ok(()), |pace| gate.tokens.take(pace, Instant::now()));
        taken.map_err(|wait| Refused::Busy(Busy::TooFast(wait)))?;
        gate.running += 1;
        Ok(Running { run, leave: Leave(self.clone()) })
    }

    /// Waits until no call runs and, on a removed entry, its functions are gone.
    ///
    /// Blocks. A call that waits for itself would wait for ever: the caller excludes that.
    pub(crate) fn wait_idle(&self) {
        let mut gate = lock(&self.gate);
        gate.waiters += 1;
        while gate.running > 0 {
            gate = self.idle.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        gate.waiters -= 1;
    }

    pub(crate) fn is_removed(&self) -> bool {
        lock(&self.gate).run.is_none()
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Relaxed)
    }

    /// Sets whether clients see the entry; tells whether that is a change.
    pub(super) fn set_enabled(&self, on: bool) -> bool {
        self.enabled.swap(on, Relaxed) != on
    }

    /// Lets no further call in and drops the functions, at once or with the last call.
    pub(super) fn close(&self) {
        let run = lock(&self.gate).run.take();
        // Dropped outside the lock: it is code of the host.
        drop(run);
    }
}

fn listings(item: &impl Listed) -> Listings {
    Revision::ALL.map(|shape| item.listing(shape).into())
}

/// Proof that a call counts as running; gives access to the functions.
pub(crate) struct Running<D, F> {
    // The order matters: the function goes first, then whoever waits for idleness is told.
    run: Arc<F>,
    leave: Leave<D, F>,
}

impl<D, F> Running<D, F> {
    pub(crate) fn function(&self) -> &F {
        &self.run
    }

    pub(crate) fn entry(&self) -> &Arc<Entry<D, F>> {
        &self.leave.0
    }
}

struct Leave<D, F>(Arc<Entry<D, F>>);

impl<D, F> Drop for Leave<D, F> {
    fn drop(&mut self) {
        let mut gate = lock(&self.0.gate);
        gate.running -= 1;
        // A system call even if nobody waits, and hardly ever does anybody remove something.
        if gate.running == 0 && gate.waiters > 0 {
            self.0.idle.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Tool;
    use std::thread;

    fn entry<F>(tool: Tool, run: F) -> Arc<Entry<Tool, F>> {
        Arc::new(Entry::new(tool, run))
    }

    #[test]
    fn the_cap_of_a_tool_holds_and_frees_up() {
        let entry = entry(Tool::new("cpu").unwrap().concurrency(1), "run");
        let first = entry.enter().ok().unwrap();
        assert_eq!(*first.function(), "run");
        assert_eq!(entry.enter().err(), Some(Refused::Busy(Busy::Full)));
        drop(first);
        assert!(entry.enter().is_ok());
    }

    #[test]
    fn the_pace_of_a_tool_holds_for_calls_that_could_run() {
        let entry = entry(Tool::new("cpu").unwrap().concurrency(1).calls_per_minute(2), ());
        let first = entry.enter().ok().unwrap();
        assert_eq!(entry.enter().err(), Some(Refused::Busy(Busy::Full)), "takes no token");
        drop(first);
        assert!(entry.enter().is_ok());
        let Some(Refused::Busy(Busy::TooFast(wait))) = entry.enter().err() else {
            panic!("a third call within a minute")
        };
        assert!(wait <= Duration::from_secs(30), "{wait:?}");
        assert!(entry.enter_again().is_some(), "its user has answered");
    }

    #[test]
    fn a_closed_tool_lets_nobody_in_and_drops_its_function_with_the_last_call() {
        let function = Arc::new(());
        let entry = entry(Tool::new("cpu").unwrap(), function.clone());
        let running = entry.enter().ok().unwrap();
        entry.close();
        assert_eq!(entry.enter().err(), Some(Refused::Removed));
        assert_eq!(Arc::strong_count(&function), 2);
        let waiter = thread::spawn({
            let entry = entry.clone();
            let function = function.clone();
            move || {
                entry.wait_idle();
                Arc::strong_count(&function)
            }
        });
        drop(running);
        // The test's own and the waiter's; the entry that is still held has none.
        assert_eq!(waiter.join().unwrap(), 2);
    }
}
