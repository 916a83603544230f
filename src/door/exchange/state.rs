//! The state of one exchange. The host's thread takes the stage out, works on it with no lock held,
//! because the work may call the host, and puts it back. What comes from elsewhere, a hang-up, a
//! deadline or the end of the server, takes the stage away or leaves word for who puts it back.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use http_types::{Method, Response};

use super::exchanges::{ExchangeSlot, Exchanges};
use super::hangup::Watched;
use super::stage::Stage;
use crate::clock::Alarm;
use crate::door::ready::{Ready, ReadyFn};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::{Gathering, Takeover};
use crate::level::Level;
use crate::shield::shielded;
use crate::sync::lock;

/// See the module text.
pub(super) struct Exchange {
    pub(super) env: Arc<Env>,
    exchanges: Arc<Exchanges>,
    number: u64,
    /// `None` when the head was refused.
    pub(super) method: Option<Method>,
    bell: Arc<Bell>,
    waker: Waker,
    state: Mutex<State>,
}

struct State {
    stage: Stage,
    /// The client has gone, the host has stopped pulling, or it has closed the exchange.
    is_lost: bool,
    /// The client has ended its side.
    is_half_closed: bool,
    /// The server has ended.
    is_settled: bool,
    /// The last piece of the body was given.
    has_last: bool,
    /// The host has the head.
    has_head: bool,
    /// The host was told to come again later, and not since then that it may.
    awaits: bool,
    /// A deadline has passed; who puts the stage back looks at it again.
    is_late: bool,
    watched: Option<Watched>,
    slot: Option<ExchangeSlot>,
}

/// What the exchange's futures wake: the host is told, and the time that it may take begins.
struct Bell {
    ready: Ready,
    /// For the body at first, then for the host to take what is there.
    alarm: Alarm,
    patience: Duration,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.alarm.set(self.patience);
        self.ready.waker().wake_by_ref();
    }
}

impl Exchange {
    pub(super) fn new(
        env: &Arc<Env>,
        exchanges: &Arc<Exchanges>,
        (stage, method): (Stage, Option<Method>),
        slot: Option<ExchangeSlot>,
        ready: Option<ReadyFn>,
    ) -> Arc<Exchange> {
        let limits = &env.limits;
        let is_gathering = matches!(stage, Stage::Gathering(_));
        let bell = Arc::new(Bell {
            ready: Ready::new(env, ready),
            alarm: env.clock.alarm(),
            patience: limits.write_time,
        });
        let exchange = Arc::new(Exchange {
            env: env.clone(),
            exchanges: exchanges.clone(),
            number: exchanges.number(),
            method,
            waker: Waker::from(bell.clone()),
            bell,
            state: Mutex::new(State {
                stage,
                is_lost: false,
                is_half_closed: false,
                is_settled: false,
                has_last: false,
                has_head: false,
                awaits: false,
                is_late: false,
                watched: None,
                slot,
            }),
        });
        let weak = Arc::downgrade(&exchange);
        exchange.bell.alarm.call(move || late(&weak));
        exchange.bell.alarm.set(if is_gathering { limits.body_time } else { limits.write_time });
        if !exchanges.add(exchange.number, Arc::downgrade(&exchange)) {
            exchange.refuse_rest();
        }
        exchange
    }

    /// What to hand to futures.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Takes the stage for the host's thread, which must put one back; `None` while the server's
    /// end works on it and will tell.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when it is lost, [`Error::Busy`] when another thread has it.
    pub(super) fn take(&self) -> Result<Option<Stage>> {
        let mut state = self.lock();
        if state.is_lost {
            return Err(Error::Cancelled);
        }
        match state.stage {
            Stage::Busy => Err(Error::Busy("another thread uses the exchange".into())),
            Stage::Settling => {
                state.awaits = true;
                Ok(None)
            }
            _ => Ok(Some(std::mem::replace(&mut state.stage, Stage::Busy))),
        }
    }

    /// The same for those who want the answer. A host that asks has not stalled.
    pub(super) fn take_answer(&self) -> Result<Option<Stage>> {
        let taken = self.take()?;
        if !matches!(taken, Some(Stage::Gathering(_)) | None) {
            self.bell.alarm.clear();
        }
        Ok(taken)
    }

    /// Puts the stage back. Tells whether the server has ended meanwhile and the stage is another
    /// one: nobody will ring for that.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when the exchange was lost meanwhile.
    pub(super) fn put(&self, stage: Stage) -> Result<bool> {
        let (mut stage, mut has_changed) = (stage, false);
        loop {
            let mut state = self.lock();
            state.is_lost |= state.is_half_closed && !stage.outlives_half_close();
            if state.is_lost {
                state.stage = stage;
                self.lose(state);
                return Err(Error::Cancelled);
            }
            if !state.is_settled || stage.is_settled() {
                state.stage = stage;
                // A deadline that passed meanwhile found nothing to end.
                let is_late = std::mem::take(&mut state.is_late);
                drop(state);
                if is_late {
                    self.end_late();
                }
                return Ok(has_changed);
            }
            drop(state);
            has_changed = true;
            stage = stage.settled(self.method, &self.env);
        }
    }

    /// Answers a request whose body is not wanted any more.
    pub(super) fn answer(&self, response: Response) -> Result<()> {
        self.expect_host();
        self.put(Stage::answered(response, self.method, &self.env)).map(drop)
    }

    /// Answers a whole request.
    pub(super) fn finish(&self, gathering: Box<Gathering>) -> Result<()> {
        self.bell.alarm.clear();
        let stage = if !gathering.is_admitted() && !self.exchanges.is_closed() {
            Stage::Asking(gathering)
        } else {
            let outcome = gathering.finish();
            if self.exchanges.is_closed() {
                // It may have been let in behind the back of the server's end.
                drop(outcome);
                Stage::stopping(&self.env)
            } else {
                Stage::of(outcome, self.method, &self.env)
            }
        };
        self.expect_host();
        self.put(stage)?;
        self.begin_watching();
        Ok(())
    }

    /// Notes a piece of the body; tells whether the last one had come before.
    pub(super) fn note_piece(&self, is_last: bool) -> bool {
        let mut state = self.lock();
        let had_last = state.has_last;
        state.has_last |= is_last;
        had_last
    }

    /// Notes what the host's reading came to.
    pub(super) fn note_read(&self, read: &Option<io::Result<usize>>) {
        match read {
            Some(Ok(length @ 1..)) => {
                self.env.counters.bytes_out.add(*length as u64);
                self.expect_host();
            }
            // The response cannot be finished.
            Some(Err(_)) => self.lock().is_lost = true,
            Some(Ok(_)) | None => {}
        }
    }

    pub(super) fn has_head(&self) -> bool {
        self.lock().has_head
    }

    /// Notes whether the host got what it asked for, or is to come again.
    pub(super) fn told(&self, something: bool) {
        let mut state = self.lock();
        state.awaits = !something;
        // The head is what it asks for first.
        state.has_head |= something;
    }

    /// Begins the time within which the host must come.
    pub(super) fn expect_host(&self) {
        self.bell.alarm.set(self.env.limits.write_time);
    }

    /// Takes the client's socket, to be watched while the client waits.
    pub(super) fn watch(&self, socket: OwnedFd) -> Result<()> {
        let watched = self.exchanges.watch(self.number, socket)?;
        let mut state = self.lock();
        if !state.is_lost && !state.is_settled {
            state.watched = Some(watched);
        }
        Ok(())
    }

    /// Watches the client's socket from now on, if the client has to wait.
    fn begin_watching(&self) {
        let mut state = self.lock();
        let waits = match &state.stage {
            Stage::Asking(_) | Stage::Waiting { .. } => true,
            Stage::Answered(unframed, _) => unframed.streams(),
            _ => false,
        };
        let begun = state.watched.as_mut().filter(|_| waits).map_or(Ok(()), Watched::begin);
        drop(state);
        if let Err(error) = begun {
            let line = format_args!("nobody will tell that a client has left: {error}");
            self.env.log(Level::Warning, "http", line);
        }
    }

    pub(super) fn wait(&self, patience: Duration) -> bool {
        let state = self.lock();
        let is_gathering = matches!(state.stage, Stage::Gathering(_));
        let has_news = state.is_lost || !state.awaits && !is_gathering;
        drop(state);
        if has_news {
            return true;
        }
        let is_rung = self.bell.ready.wait(patience);
        if is_rung {
            self.lock().awaits = false;
        }
        is_rung
    }

    pub(super) fn close(&self) {
        self.bell.ready.close();
        self.exchanges.remove(self.number);
        let mut state = self.lock();
        state.is_lost = true;
        let slot = state.slot.take();
        self.lose(state);
        drop(slot);
    }

    pub(super) fn take_upgrade(&self) -> Option<Takeover> {
        let mut state = self.lock();
        let Stage::Answered(_, upgrade) = &mut state.stage else { return None };
        let upgrade = upgrade.take();
        // Its new owner has to be the one who closes the socket.
        let watched = state.watched.take();
        drop(state);
        drop(watched);
        upgrade
    }

    /// The client has ended its side, or is gone altogether.
    pub(super) fn hang_up(&self, is_reset: bool) {
        let mut state = self.lock();
        if !state.stage.is_open() {
            return;
        }
        if !is_reset {
            state.is_half_closed = true;
            if state.stage.outlives_half_close() {
                state.watched.iter().for_each(Watched::ignore_half_close);
                return;
            }
        }
        state.is_lost = true;
        self.lose(state);
    }

    /// Answers a request that is not complete: the server stops.
    pub(super) fn refuse_rest(&self) {
        self.cut_short(|stage| match stage {
            Stage::Gathering(_) | Stage::Asking(_) => Some(Stage::stopping(&self.env)),
            _ => None,
        });
    }

    /// Cuts the exchange off from the server, which has ended. Who is at work with it does the same
    /// when it is done.
    pub(super) fn settle(&self) {
        let mut state = self.lock();
        state.is_settled = true;
        let watched = state.watched.take();
        let is_at_work = matches!(state.stage, Stage::Busy | Stage::Settling);
        // A 101 has nothing to take, but what would go on with its connection is the server's.
        if is_at_work || !state.stage.is_open() && state.stage.is_settled() {
            drop(state);
            return drop(watched);
        }
        let stage = std::mem::replace(&mut state.stage, Stage::Settling);
        drop(state);
        drop(watched);
        // Lost meanwhile is as good as settled.
        let _ = self.put(stage.settled(self.method, &self.env));
        self.bell.ready.waker().wake_by_ref();
    }

    /// The time for the body, or for the host to come, is over.
    fn end_late(&self) {
        // Not yet, or the host came just now.
        if !self.bell.alarm.is_due() {
            return;
        }
        self.cut_short(|stage| match stage {
            Stage::Gathering(gathering) => {
                Some(Stage::answered(gathering.late(), self.method, &self.env))
            }
            _ => None,
        });
        let mut state = self.lock();
        let is_idle =
            matches!(state.stage, Stage::Asking(_) | Stage::Waiting { .. } | Stage::Answered(..));
        if !self.bell.alarm.is_due() || !is_idle || !state.stage.is_open() {
            return;
        }
        self.env.counters.writes_stalled.up();
        state.is_lost = true;
        self.lose(state);
    }

    /// Ends the request before its time with the answer that `make` gives, if it does.
    fn cut_short(&self, make: impl FnOnce(&Stage) -> Option<Stage>) {
        let mut state = self.lock();
        let Some(stage) = make(&state.stage) else { return };
        let before = std::mem::replace(&mut state.stage, stage);
        self.expect_host();
        drop(state);
        drop(before);
        self.bell.ready.waker().wake_by_ref();
    }

    /// Drops what a lost exchange has, with no lock held, and tells the host. Who is at work with
    /// the stage drops it when it is done.
    fn lose(&self, mut state: MutexGuard<'_, State>) {
        let watched = state.watched.take();
        let stage = match state.stage {
            Stage::Busy | Stage::Settling => None,
            _ => Some(std::mem::replace(&mut state.stage, Stage::Over)),
        };
        drop(state);
        self.bell.alarm.clear();
        // Ends calls, and with them functions of the host may run.
        shielded(&self.env, "the end of an exchange", || drop((stage, watched)));
        self.bell.ready.waker().wake_by_ref();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Runs on the I/O thread, in the task of the clock.
fn late(exchange: &Weak<Exchange>) {
    let Some(exchange) = exchange.upgrade() else { return };
    shielded(&exchange.env, "a deadline", || {
        exchange.lock().is_late = true;
        exchange.end_late();
    });
}
