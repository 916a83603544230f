//! A running server: its threads, its listeners and its connections, from start to end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use smol::Executor;
use smol::channel::{Receiver, Sender, bounded};

use super::connections::{OpenConnections, OpenSlot};
use super::driver::Driver;
use super::host_thread::run;
use super::io_thread;
use crate::callbacks::Callbacks;
use crate::cancel::CancelReason;
use crate::clock::after;
use crate::core::Core;
use crate::door::{Exchanges, Handover};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::response::{RETRY_SECS, TOO_MANY_CONNECTIONS};
use crate::http::{self, Socket};
use crate::level::Level;
use crate::listener::{Binding, Listener};
use crate::peer::Peer;
use crate::readiness::Readiness;
use crate::session::Close;
use crate::sync::Latch;
use crate::tls::Tls;
use crate::transport::Endpoint;

/// Everything that exists only while the server runs.
pub(super) struct Running {
    executor: Arc<Executor<'static>>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) open: Arc<OpenConnections>,
    pub(super) exchanges: Arc<Exchanges>,
    /// Bound, in the order of `listen`.
    pub(super) addresses: Vec<String>,
    /// Dropped to begin draining.
    draining: Option<Sender<Infallible>>,
    drain: Receiver<Infallible>,
    io: Io,
}

/// Who polls the tasks.
enum Io {
    Thread {
        /// Dropped to end the thread.
        ending: Sender<Infallible>,
        thread: JoinHandle<()>,
        /// Opens when the thread ends.
        ended: Arc<Latch>,
    },
    Host(Arc<Driver>),
}

/// How long `accept` rests when the process has no descriptor left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long open streams may take to send their last bytes once the server stops.
const FLUSH_TIME: Duration = Duration::from_millis(500);

impl Running {
    /// Binds `bindings`, starts the threads and begins to accept. Called with signals blocked.
    ///
    /// # Errors
    /// [`Error::Io`]: then nothing runs, and [`give_up`] is still to be called.
    pub(super) fn launch(core: &Arc<Core>, bindings: &[Binding]) -> Result<Running> {
        // Forces the helper thread of async-io into being while signals are blocked.
        async_io::block_on(async_io::Timer::after(Duration::from_millis(1)));
        let readiness = Readiness::new().map_err(Error::Io)?;
        let listeners = bindings.iter().map(|binding| binding.bind(&readiness));
        let listeners: Vec<Listener> = listeners.collect::<Result<_>>()?;
        match &core.env.host {
            Some(host) => host.open()?,
            None => core.pool.start(core.options.workers.max(1), &core.env.hooks)?,
        }
        let (draining, drain) = bounded::<Infallible>(1);
        let executor = Arc::new(Executor::new());
        executor.spawn(Callbacks::serve(core.env.clone())).detach();
        let io = match Io::start(core, &readiness, &executor) {
            Ok(io) => io,
            Err(error) => {
                core.pool.stop(core.env.limits.stop_time);
                return Err(Error::Io(error));
            }
        };
        let exchanges = Exchanges::new(&core.env, &readiness, Arc::downgrade(&executor));
        let running = Running {
            executor,
            readiness,
            exchanges,
            endpoint: Arc::new(Endpoint::new(core.clone())),
            open: Arc::default(),
            addresses: listeners.iter().map(|listener| listener.address.clone()).collect(),
            draining: Some(draining),
            drain,
            io,
        };
        listeners.into_iter().for_each(|listener| running.accept(core, listener));
        Ok(running)
    }

    /// Takes no connections any more; idle ones close.
    pub(super) fn drain(&mut self, env: &Env) {
        self.draining = None;
        env.clock.wake_tasks();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_none()
    }

    /// What polls the tasks when the host does it.
    pub(super) fn driver(&self) -> Option<Arc<Driver>> {
        match &self.io {
            Io::Thread { .. } => None,
            Io::Host(driver) => Some(driver.clone()),
        }
    }

    /// Accepts connections until the server drains.
    fn accept(&self, core: &Arc<Core>, listener: Listener) {
        let (core, open, drain) = (core.clone(), self.open.clone(), self.drain.clone());
        let endpoint = self.endpoint.clone();
        // Weak: a task that owned its executor would keep it alive for ever.
        let executor = Arc::downgrade(&self.executor);
        let accepting = async move {
            loop {
                let accepted = poll_fn(|cx| listener.poll_accept(cx).map(Some));
                let next = futures_lite::future::or(accepted, async {
                    let _ = drain.recv().await;
                    None
                });
                let from = match next.await {
                    Some(Ok(accepted)) => accepted,
                    // That client has left before it was served; the next one is not to wait.
                    Some(Err(error)) if error.kind() == ErrorKind::ConnectionAborted => continue,
                    Some(Err(error)) => {
                        core.env.log(Level::Warning, "listener", format_args!("accept: {error}"));
                        async_io::Timer::after(ACCEPT_PAUSE).await;
                        continue;
                    }
                    None => return,
                };
                // Before it takes anybody's place, and without a word: who scans is told nothing.
                if core.allow_list.check(&from.1).is_err() {
                    continue;
                }
                let Some(executor) = executor.upgrade() else { return };
                let Some(slot) = OpenConnections::enter(&open, &core) else {
                    // With TLS only a handshake could say so, and that is what costs.
                    if listener.tls.is_none() {
                        executor.spawn(turn_away(from.0)).detach();
                    }
                    continue;
                };
                let (endpoint, env, drain) = (endpoint.clone(), core.env.clone(), drain.clone());
                match listener.tls.clone() {
                    None => {
                        let (socket, peer) = from;
                        let early = Vec::new();
                        let served = http::serve(socket, early, peer, endpoint, env, drain, slot);
                        executor.spawn(served).detach();
                    }
                    Some(tls) => {
                        let served = secure_connection(from, tls, endpoint, env, drain, slot);
                        executor.spawn(served).detach();
                    }
                }
            }
        };
        self.executor.spawn(accepting).detach();
    }

    /// Serves a connection that the host hands over.
    pub(super) fn serve(&self, core: &Core, handover: Handover, slot: OpenSlot) {
        let env = core.env.clone();
        let Handover { socket, peer, early, upgrade } = handover;
        let Some(run) = upgrade else {
            let (endpoint, drain) = (self.endpoint.clone(), self.drain.clone());
            let served = http::serve(socket, early, peer, endpoint, env, drain, slot);
            self.executor.spawn(served).detach();
            return;
        };
        env.counters.bytes_in.add(early.len() as u64);
        let upgraded = async move {
            let _slot = slot;
            http::serve_upgraded(socket, early, run, env).await;
        };
        self.executor.spawn(upgraded).detach();
    }

    /// Ends everything within `limits.stop_time`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when a tool function did not return.
    pub(super) fn end(mut self, core: &Core) -> Result<()> {
        let deadline = after(core.env.limits.stop_time);
        let rest = || deadline.saturating_duration_since(Instant::now());
        self.drain(&core.env);
        core.calls.close();
        self.exchanges.close();
        core.cancel_open_work(CancelReason::Shutdown);
        core.sessions.end_all(Close::Shutdown);
        // Every stream has its last words queued; they get a moment to leave.
        let io_ended = self.io.end(core, &self.executor, &self.open, deadline);
        // The last clone, unless an inline tool function holds the I/O thread up: dropping it drops
        // every connection that is left.
        drop(self.executor);
        // Once more, for calls and sessions that were let in just before the first round.
        core.cancel_open_work(CancelReason::Shutdown);
        core.sessions.end_all(Close::Shutdown);
        // Nobody can ask for them any more.
        core.tasks.clear();
        let workers_ended = core.pool.stop(rest().max(Duration::from_millis(50)));
        // The host may still read the ends of its exchanges, and they are news to it.
        self.exchanges.settle();
        Callbacks::flush(&core.env);
        let host_ended = finish_host(core, deadline);
        if !host_ended {
            return Err(Error::TimedOut("a callback did not return to the thread it is on".into()));
        }
        if workers_ended && io_ended {
            return Ok(());
        }
        Err(Error::TimedOut("a tool function did not return; its thread is left behind".into()))
    }
}

impl Io {
    fn start(
        core: &Arc<Core>,
        readiness: &Arc<Readiness>,
        executor: &Arc<Executor<'static>>,
    ) -> std::io::Result<Io> {
        if let (Some(host), 0) = (&core.env.host, core.options.io_threads) {
            // What the I/O thread would do between its turns.
            executor.spawn(core.env.clock.clone().run()).detach();
            executor.spawn(readiness.clone().watch()?).detach();
            return Ok(Io::Host(Arc::new(Driver::new(host, executor.clone()))));
        }
        let (ending, end) = bounded::<Infallible>(1);
        let ended = Arc::new(Latch::default());
        let (readiness, executor) = (readiness.clone(), executor.clone());
        let thread = io_thread::start(core, readiness, executor, end, ended.clone())?;
        Ok(Io::Thread { ending, thread, ended })
    }

    /// Gives open connections a moment to send their last bytes and stops polling; tells whether
    /// that was done by `deadline`.
    fn end(
        self,
        core: &Core,
        executor: &Executor<'static>,
        open: &OpenConnections,
        deadline: Instant,
    ) -> bool {
        let rest = || deadline.saturating_duration_since(Instant::now());
        let patience = FLUSH_TIME.min(rest());
        match self {
            Io::Thread { ending, thread, ended } => {
                open.wait_empty(patience);
                drop(ending);
                let has_ended = ended.wait(rest());
                if has_ended {
                    // Its panics have been caught and logged where they happened.
                    let _ = thread.join();
                }
                has_ended
            }
            Io::Host(driver) => {
                driver.end();
                let begun = Instant::now();
                run_tasks(&core.env, executor, || async {
                    let late = async_io::Timer::after(patience.saturating_sub(begun.elapsed()));
                    let late = async {
                        let _ = late.await;
                    };
                    futures_lite::future::or(open.until_empty(), late).await;
                });
                true
            }
        }
    }
}

/// Ends what a start that failed has left for the host to hear.
pub(super) fn give_up(core: &Core) {
    // Without a descriptor it did not come so far.
    if core.env.host.as_ref().is_some_and(|host| host.descriptor().is_some()) {
        finish_host(core, Instant::now());
    }
}

/// Runs on the calling thread what still waits for the host; tells whether it could by `deadline`.
fn finish_host(core: &Core, deadline: Instant) -> bool {
    let Some(host) = &core.env.host else { return true };
    let least = Instant::now() + Duration::from_millis(50);
    let Some(inside) = host.enter_by(deadline.max(least)) else {
        host.abandon();
        return false;
    };
    inside.finish(&|job| run(&core.env, job));
    true
}

/// Serves one connection once its handshake is done.
async fn secure_connection(
    (socket, peer): (Socket, Peer),
    tls: Arc<Tls>,
    endpoint: Arc<Endpoint>,
    env: Arc<Env>,
    drain: Receiver<Infallible>,
    slot: OpenSlot,
) {
    // Boxed: connections that go on for hours keep nothing of their handshake.
    let accepted = Box::pin(tls.accept(socket, peer, &env, &drain)).await;
    drop(tls);
    if let Some((socket, peer)) = accepted {
        http::serve(socket, Vec::new(), peer, endpoint, env, drain, slot).await;
    }
}

/// Tells a client above `limits.connections` to come back later.
async fn turn_away(mut socket: Socket) {
    use futures_lite::AsyncWriteExt;
    let reply = format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: {RETRY_SECS}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{TOO_MANY_CONNECTIONS}\n",
        TOO_MANY_CONNECTIONS.len() + 1,
    );
    let sent = async {
        let _ = socket.write_all(reply.as_bytes()).await;
        let _ = socket.close().await;
    };
    let late = async {
        async_io::Timer::after(Duration::from_secs(1)).await;
    };
    futures_lite::future::or(sent, late).await;
}

/// Runs the tasks of `executor` on the calling thread until the future that `until` makes is ready.
/// A panic in a task is caught and the others go on.
fn run_tasks<F: Future<Output = ()>>(
    env: &Env,
    executor: &Executor<'static>,
    until: impl Fn() -> F,
) {
    loop {
        let run = std::panic::AssertUnwindSafe(|| async_io::block_on(executor.run(until())));
        if std::panic::catch_unwind(run).is_ok() {
            return;
        }
        env.counters.panics.up();
        env.log(Level::Error, "io", format_args!("a task panicked and was dropped"));
    }
}
