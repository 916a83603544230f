//! One coarse tick for every deadline in the server.
//!
//! A timer per connection would cost a reactor turn for each; an [`Alarm`] costs an atomic store.
//! The clock sleeps until the earliest alarm and not at all while there is none, so an idle server
//! does not wake up.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{
    AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst,
};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use async_io::Timer;
use nix::time::{ClockId, clock_gettime};

use crate::places::Places;
use crate::sync::lock;

/// How coarse deadlines are. A deadline fires up to this much late and never early.
const TICK: Duration = Duration::from_millis(TICK_MS);
const TICK_MS: u64 = 100;

/// How far the coarse clock may be behind; added to every deadline, so that none fires early.
const GRAIN_MS: u64 = 10;

/// What stands for ever: a time that no `Instant` can hold is a host's way to say so.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The moment `time` from now, however long that is.
pub(crate) fn after(time: Duration) -> Instant {
    later(Instant::now(), time)
}

/// The moment `time` from `now`, however long that is.
pub(crate) fn later(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or(now + FOR_EVER)
}

/// No deadline is set.
const UNSET: u64 = u64::MAX;

/// The deadline has passed and the clock has nothing left to do for it.
const FIRED: u64 = 0;

/// The clock that every [`Alarm`] hangs on.
pub(crate) struct Clock {
    /// Of the system's coarse clock, which costs a fifth of the exact one.
    origin: Duration,
    alarms: Mutex<Places<Arc<Slot>>>,
    /// When it must be looked at again; `UNSET` while there is no reason to.
    wakes_at_ms: AtomicU64,
    /// Sleeps until then; woken when that has become earlier.
    sleeper: Mutex<Option<Waker>>,
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
            origin: coarse_now(),
            alarms: Mutex::default(),
            wakes_at_ms: AtomicU64::new(UNSET),
            sleeper: Mutex::default(),
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

    /// Names who is woken when [`tick`](Self::tick) is due earlier than it said.
    pub(crate) fn set_sleeper(&self, waker: &Waker) {
        let mut sleeper = lock(&self.sleeper);
        if !sleeper.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *sleeper = Some(waker.clone());
        }
    }

    /// Lets go of who was named.
    pub(crate) fn clear_sleeper(&self) {
        lock(&self.sleeper).take();
    }

    /// Wakes what is due, and tells how long there is nothing to do; `None` for ever. Whoever runs
    /// the server calls it before it sleeps.
    pub(crate) fn tick(&self) -> Option<Duration> {
        let wakes_at = self.wakes_at_ms.load(SeqCst);
        if wakes_at == UNSET {
            return None;
        }
        let now = self.now_ms();
        if wakes_at > now {
            return Some(Duration::from_millis(wakes_at - now));
        }
        // Before the alarms are looked at: one that is set meanwhile makes it earlier again.
        self.wakes_at_ms.store(UNSET, SeqCst);
        self.wake_due(now);
        let earliest = self.earliest();
        if earliest != UNSET {
            self.wakes_at_ms.fetch_min(earliest.max(now + TICK_MS), SeqCst);
        }
        self.rest()
    }

    /// Ticks for ever, as a task.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut timer: Option<(u64, Timer)> = None;
        poll_fn(|cx| {
            self.set_sleeper(cx.waker());
            loop {
                let Some(rest) = self.tick() else { return Poll::Pending };
                let at = self.wakes_at_ms.load(SeqCst);
                let set = timer.take().filter(|(set, _)| *set == at);
                let (_, sleep) = timer.insert(set.unwrap_or_else(|| (at, Timer::after(rest))));
                if Pin::new(sleep).poll(cx).is_pending() {
                    return Poll::Pending;
                }
                timer = None;
            }
        })
        .await
    }

    /// Milliseconds since the clock was made.
    pub(crate) fn now_ms(&self) -> u64 {
        let passed = coarse_now().saturating_sub(self.origin);
        u64::try_from(passed.as_millis()).unwrap_or(UNSET - 1)
    }

    /// How long the clock sleeps; `None` while it has no reason to wake up. Never zero: a deadline
    /// that has just passed waits for the tick.
    pub(crate) fn rest(&self) -> Option<Duration> {
        let wakes_at = self.wakes_at_ms.load(SeqCst);
        let rest = Duration::from_millis(wakes_at.saturating_sub(self.now_ms()));
        (wakes_at != UNSET).then(|| rest.max(TICK))
    }

    /// Has the next tick come no later than an alarm needs it.
    fn wake_by(&self, due: u64, now: u64) {
        let wakes_at = due.max(now + TICK_MS);
        if wakes_at >= self.wakes_at_ms.fetch_min(wakes_at, SeqCst) {
            return;
        }
        let sleeper = lock(&self.sleeper).clone();
        sleeper.iter().for_each(Waker::wake_by_ref);
    }

    fn earliest(&self) -> u64 {
        let alarms = lock(&self.alarms);
        let due = alarms.live().map(|slot| slot.due_ms.load(SeqCst));
        due.filter(|ms| *ms != FIRED).min().unwrap_or(UNSET)
    }

    fn wake_due(&self, now: u64) {
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

/// The time of the system's coarse clock: up to [`GRAIN_MS`] behind the exact one.
fn coarse_now() -> Duration {
    // Every Linux has it.
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map_or(Duration::ZERO, Duration::from)
}

fn due_in(after: Duration, now: u64) -> u64 {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(UNSET);
    now.saturating_add(after_ms).saturating_add(GRAIN_MS).clamp(FIRED + 1, UNSET - 1)
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
        let now = self.clock.now_ms();
        let due = due_in(after, now);
        self.slot.due_ms.store(due, SeqCst);
        if due < self.clock.wakes_at_ms.load(SeqCst) {
            self.clock.wake_by(due, now);
        }
    }

    /// Sets the deadline unless there is an earlier one to come.
    pub(crate) fn set_by(&self, after: Duration) {
        let due = self.slot.due_ms.load(SeqCst);
        if due == FIRED || due == UNSET || due > due_in(after, self.clock.now_ms()) {
            self.set(after);
        }
    }

    /// Takes the deadline away.
    pub(crate) fn clear(&self) {
        // Nobody waits for it: the clock only finds later that there is nothing to do.
        self.slot.due_ms.store(UNSET, Release);
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
    use futures_lite::future;

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
