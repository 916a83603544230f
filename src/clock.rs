//! One coarse tick for every deadline in the server.
//!
//! A timer per connection would cost a reactor turn for each; an [`Alarm`] costs an atomic store.
//! The clock sleeps until the earliest alarm and not at all while there is none, so an idle server
//! does not wake up.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::future;
use smol::channel::{Receiver, Sender, bounded};

use crate::sync::lock;

/// How coarse deadlines are. A deadline fires up to this much late and never early.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// What stands for ever: a time that no `Instant` can hold is a host's way to say so.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The moment `time` from now, however long that is.
pub(crate) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + FOR_EVER)
}

/// No deadline is set.
const UNSET: u64 = u64::MAX;

/// The deadline has passed and the clock has nothing left to do for it.
const FIRED: u64 = 0;

/// The clock that every [`Alarm`] hangs on.
pub(crate) struct Clock {
    origin: Instant,
    alarms: Mutex<Alarms>,
    /// When the clock wakes up next; `UNSET` while it has no reason to.
    wakes_at_ms: AtomicU64,
    /// Tells a sleeping clock that an earlier deadline has been set.
    earlier: (Sender<()>, Receiver<()>),
}

/// Every call adds an alarm and takes it away: places are used again, and nothing is hashed.
#[derive(Default)]
struct Alarms {
    places: Vec<Option<Arc<Slot>>>,
    /// The places that are `None`.
    free: Vec<usize>,
}

impl Alarms {
    fn add(&mut self, slot: Arc<Slot>) -> usize {
        let Some(place) = self.free.pop() else {
            self.places.push(Some(slot));
            return self.places.len() - 1;
        };
        self.places[place] = Some(slot);
        place
    }

    fn remove(&mut self, place: usize) {
        self.places[place] = None;
        self.free.push(place);
    }

    fn live(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.places.iter().flatten()
    }
}

struct Slot {
    due_ms: AtomicU64,
    waker: Mutex<Option<Waker>>,
    /// Its owner is a task, which looks at what else has happened when it is woken.
    is_of_task: AtomicBool,
}

impl Clock {
    pub(crate) fn new() -> Arc<Clock> {
        Arc::new(Clock {
            origin: Instant::now(),
            alarms: Mutex::default(),
            wakes_at_ms: AtomicU64::new(UNSET),
            earlier: bounded(1),
        })
    }

    /// Adds an alarm with no deadline.
    pub(crate) fn alarm(self: &Arc<Self>) -> Alarm {
        let slot = Arc::new(Slot {
            due_ms: AtomicU64::new(UNSET),
            waker: Mutex::default(),
            is_of_task: AtomicBool::new(false),
        });
        let place = lock(&self.alarms).add(slot.clone());
        Alarm { clock: self.clone(), place, slot }
    }

    /// Wakes all tasks that wait on alarms, so that they look at what has changed for all of them.
    /// That they wait here already spares each of them another list to be on.
    pub(crate) fn wake_tasks(&self) {
        let wakers: Vec<Waker> = {
            let alarms = lock(&self.alarms);
            let of_tasks = alarms.live().filter(|slot| slot.is_of_task.load(Relaxed));
            of_tasks.filter_map(|slot| lock(&slot.waker).clone()).collect()
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Ticks for ever; spawned once on the I/O thread.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let due = self.earliest();
            self.wakes_at_ms.store(due, SeqCst);
            // Checked again after the store: a deadline set in between has not sent a wake-up.
            if self.earliest() < due {
                continue;
            }
            self.sleep_until(due).await;
            self.wake_due();
        }
    }

    /// Milliseconds since the clock was made.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(UNSET - 1)
    }

    /// How long the clock sleeps; `None` while it has no reason to wake up. Never zero: a deadline
    /// that has just passed waits for the tick.
    pub(crate) fn rest(&self) -> Option<Duration> {
        let wakes_at = self.wakes_at_ms.load(SeqCst);
        let rest = Duration::from_millis(wakes_at.saturating_sub(self.now_ms()));
        (wakes_at != UNSET).then(|| rest.max(TICK))
    }

    fn earliest(&self) -> u64 {
        let alarms = lock(&self.alarms);
        let due = alarms.live().map(|slot| slot.due_ms.load(SeqCst));
        due.filter(|ms| *ms != FIRED).min().unwrap_or(UNSET)
    }

    async fn sleep_until(&self, due: u64) {
        let earlier = async {
            // The clock owns the sender, so the channel cannot close under it.
            let _ = self.earlier.1.recv().await;
        };
        if due == UNSET {
            return earlier.await;
        }
        let rest = Duration::from_millis(due.saturating_sub(self.now_ms())).max(TICK);
        let tick = async {
            Timer::after(rest).await;
        };
        future::or(tick, earlier).await;
    }

    fn wake_due(&self) {
        let now = self.now_ms();
        let mut due = Vec::new();
        for slot in lock(&self.alarms).live() {
            let at = slot.due_ms.load(SeqCst);
            // The exchange fails when the owner has just moved the deadline: then it is not due.
            if at != FIRED
                && at <= now
                && slot.due_ms.compare_exchange(at, FIRED, SeqCst, SeqCst).is_ok()
            {
                due.extend(lock(&slot.waker).clone());
            }
        }
        // Woken outside the lock: a waker may drop a task, and with it an alarm.
        due.into_iter().for_each(Waker::wake);
    }
}

/// One deadline that can be moved cheaply. Dropping it removes it from the clock.
pub(crate) struct Alarm {
    clock: Arc<Clock>,
    place: usize,
    slot: Arc<Slot>,
}

impl Alarm {
    /// Sets the deadline to `after` from the present; replaces an earlier one.
    pub(crate) fn set(&self, after: Duration) {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(UNSET / 2);
        let due = self.clock.now_ms().saturating_add(after_ms).clamp(FIRED + 1, UNSET - 1);
        self.slot.due_ms.store(due, SeqCst);
        if due < self.clock.wakes_at_ms.load(SeqCst) {
            // A full channel means the wake-up is already under way.
            let _ = self.clock.earlier.0.try_send(());
        }
    }

    /// Sets the deadline unless there is an earlier one to come.
    pub(crate) fn set_by(&self, after: Duration) {
        let due = self.slot.due_ms.load(SeqCst);
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(UNSET / 2);
        if due == FIRED || due == UNSET || due > self.clock.now_ms().saturating_add(after_ms) {
            self.set(after);
        }
    }

    /// Takes the deadline away.
    pub(crate) fn clear(&self) {
        self.slot.due_ms.store(UNSET, SeqCst);
    }

    /// Tells whether the deadline has passed.
    pub(crate) fn is_due(&self) -> bool {
        let due = self.slot.due_ms.load(SeqCst);
        due != UNSET && due <= self.clock.now_ms()
    }

    /// Ready once the deadline has passed; with no deadline it stays pending.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.slot.is_of_task.store(true, Relaxed);
        self.wake(cx.waker());
        if self.is_due() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Names who is woken when the deadline passes; replaces the one named before.
    pub(crate) fn wake(&self, waker: &Waker) {
        let mut slot = lock(&self.slot.waker);
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    /// Runs `action` on the I/O thread each time the deadline passes. For owners without a task.
    pub(crate) fn call(&self, action: impl Fn() + Send + Sync + 'static) {
        self.wake(&Waker::from(Arc::new(Action(action))));
    }

    /// Waits until the deadline has passed.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

struct Action<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Action<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        lock(&self.clock.alarms).remove(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_fires_after_its_deadline_and_not_when_cleared() {
        let clock = Clock::new();
        let alarm = clock.alarm();
        let silent = clock.alarm();
        silent.set(Duration::from_millis(1));
        silent.clear();
        alarm.set(Duration::from_millis(5));
        async_io::block_on(future::or(clock.clone().run(), alarm.wait()));
        assert!(alarm.is_due());
        assert!(!silent.is_due());
    }

    #[test]
    fn an_earlier_deadline_wakes_a_sleeping_clock() {
        let clock = Clock::new();
        let late = clock.alarm();
        late.set(Duration::from_secs(3600));
        let early = async {
            future::yield_now().await;
            let early = clock.alarm();
            early.set(Duration::from_millis(1));
            early.wait().await;
        };
        async_io::block_on(future::or(clock.clone().run(), early));
    }

    #[test]
    fn a_dropped_alarm_leaves_the_clock() {
        let clock = Clock::new();
        drop(clock.alarm());
        assert_eq!(lock(&clock.alarms).live().count(), 0);
    }
}
