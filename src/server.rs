//! A server from creation to its end: registration, threads, start, drain, stop.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use smol::Executor;
use smol::channel::{Receiver, Sender, bounded};

use crate::call::{Call, CancelReason};
use crate::core::{Core, Options};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::hooks::{Hooks, Level};
use crate::http::{self, Peer, Socket};
use crate::identity::Identity;
use crate::limits::Limits;
use crate::listener::{Address, Listener, adopt};
use crate::pool::{adopt_thread, is_own_thread};
use crate::registry::Tool;
use crate::session::Close;
use crate::stats::Stats;
use crate::sync::{Latch, lock};
use crate::transport::Endpoint;

/// An MCP server.
///
/// Creating one starts no thread and opens no descriptor, so that a daemon may fork afterwards;
/// [`Server::start`] does both. Every method may be called from any thread.
///
/// ```
/// use emcp::{Identity, Limits, Options, Server, Tool, ToolResult};
///
/// let identity = Identity { name: "demo".into(), version: "1.0".into(), ..Identity::default() };
/// let server = Server::new(identity, Options::default(), Limits::default())?;
/// server.add_tool(Tool::new("hello")?.description("Says hello."), |call| {
///     call.reply(ToolResult::text("hello"));
/// })?;
/// server.listen("tcp:127.0.0.1:0")?;
/// server.start()?;
/// assert!(server.addresses()[0].starts_with("127.0.0.1:"));
/// server.stop()?;
/// # Ok::<(), emcp::Error>(())
/// ```
pub struct Server {
    core: Arc<Core>,
    /// Never locked while waiting: callbacks of calls that `stop` ends may ask for the state.
    state: Mutex<State>,
    /// What `listen` has collected; every `start` binds it anew.
    addresses: Mutex<Vec<Address>>,
}

enum State {
    /// Not started yet.
    Created,
    Running(Running),
    /// One thread is inside `stop`.
    Stopping,
    Stopped,
}

struct Running {
    executor: Arc<Executor<'static>>,
    endpoint: Arc<Endpoint>,
    open: Arc<OpenConnections>,
    addresses: Vec<String>,
    /// Dropped to begin draining.
    draining: Option<Sender<Infallible>>,
    drain: Receiver<Infallible>,
    /// Dropped to end the I/O thread.
    ending: Sender<Infallible>,
    io_thread: JoinHandle<()>,
    /// Opens when the I/O thread ends.
    io_ended: Arc<Latch>,
}

/// Stack of the I/O thread. It runs our own code, JSON parsers bounded in depth, and tools that
/// promise to be small.
const IO_STACK_BYTES: usize = 512 * 1024;

/// How long `accept` rests when the process has no descriptor left for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long open streams may take to send their last bytes once the server stops.
const FLUSH_TIME: Duration = Duration::from_millis(500);

impl Server {
    /// Makes a server that is not running.
    ///
    /// # Errors
    /// [`Error::Config`] for an identity or option that makes no sense.
    pub fn new(identity: Identity, options: Options, limits: Limits) -> Result<Server> {
        if !options.path.starts_with('/') || options.path.contains(['?', '#', ' ']) {
            return Err(Error::Config(format!("path {:?} is not a plain path", options.path)));
        }
        let core = Core::new(identity, options, limits)?;
        Ok(Server { core, state: Mutex::new(State::Created), addresses: Mutex::default() })
    }

    /// Sets the host's listeners, once and before `start`.
    ///
    /// # Errors
    /// [`Error::State`] when they are set already or the server has started.
    pub fn set_hooks(&self, hooks: Hooks) -> Result<()> {
        let state = lock(&self.state);
        if !matches!(*state, State::Created) || !self.core.env.hooks.set(hooks) {
            return Err(Error::State("hooks are set once, before start".into()));
        }
        Ok(())
    }

    /// Adds a tool; clients that asked to be told hear of it.
    ///
    /// `run` is called on a worker thread, several calls at once, or on the I/O thread if the tool
    /// is flagged inline. It may keep the [`Call`] and answer later from any thread.
    ///
    /// # Errors
    /// [`Error::Exists`] when the name is taken.
    pub fn add_tool(&self, tool: Tool, run: impl Fn(Call) + Send + Sync + 'static) -> Result<()> {
        self.changing(|core| core.registry.add(tool, Box::new(run)))
    }

    /// Removes a tool and waits until no call of it is open. Afterwards its function is gone.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Busy`] from inside a call of that tool.
    pub fn remove_tool(&self, name: &str) -> Result<()> {
        if crate::call::is_inside(name) {
            return Err(Error::Busy(format!("{name} cannot remove itself while it runs")));
        }
        let mut removed = None;
        self.changing(|core| core.registry.remove(name).map(|entry| removed = Some(entry)))?;
        if let Some(entry) = removed {
            entry.wait_idle();
        }
        Ok(())
    }

    /// Shows a tool to clients or hides it. Running calls go on.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn enable_tool(&self, name: &str, on: bool) -> Result<()> {
        self.changing(|core| core.registry.enable(name, on))
    }

    /// Adds an address to listen on: `tcp:127.0.0.1:0` or `unix:/run/x.sock?mode=0660`.
    /// Bound by `start`, so that a daemon may fork in between.
    ///
    /// # Errors
    /// [`Error::Config`] for an address that cannot be read; [`Error::State`] after `start`.
    pub fn listen(&self, address: &str) -> Result<()> {
        self.listen_on(Address::parse(address)?)
    }

    /// Adds a listening socket that somebody else has opened.
    ///
    /// # Errors
    /// [`Error::State`] after `start`.
    pub fn listen_inherited(&self, socket: OwnedFd) -> Result<()> {
        self.listen_on(Address::Inherited(socket))
    }

    /// The bound addresses, in the order of `listen`. Empty unless the server runs.
    pub fn addresses(&self) -> Vec<String> {
        match &*lock(&self.state) {
            State::Running(running) => running.addresses.clone(),
            _ => Vec::new(),
        }
    }

    /// Binds, starts the threads and serves. Signals stay with the host's threads.
    ///
    /// # Errors
    /// [`Error::Io`] when an address cannot be bound or a thread not started: then nothing runs.
    /// [`Error::State`] unless the server is fresh or stopped.
    pub fn start(&self) -> Result<()> {
        let mut state = lock(&self.state);
        match &*state {
            State::Created | State::Stopped => {}
            State::Running(_) => return Err(Error::State("server is running".into())),
            State::Stopping => return Err(Error::State("server is stopping".into())),
        }
        self.core.calls.open();
        self.core.changes.reset();
        let masked = block_signals()?;
        let started = self.launch();
        restore_signals(&masked);
        *state = State::Running(started?);
        Ok(())
    }

    /// Takes over a connected socket; `early` are bytes that the host has read from it already.
    /// `remote` names the peer in logs; by default its address.
    ///
    /// # Errors
    /// [`Error::State`] when the server does not run, [`Error::Limit`] when `limits.connections`
    /// is reached, [`Error::Config`] when it is not a connected stream socket. The descriptor is
    /// closed then; a caller that wants to keep it hands over a duplicate.
    pub fn adopt(&self, fd: OwnedFd, early: Vec<u8>, remote: Option<&str>) -> Result<()> {
        let state = lock(&self.state);
        let State::Running(running) = &*state else {
            return Err(Error::State("server is not running".into()));
        };
        if running.draining.is_none() {
            return Err(Error::State("server is draining".into()));
        }
        let Some(open) = OpenConnections::enter(&running.open, &self.core) else {
            return Err(Error::Limit("connections are at their limit".into()));
        };
        let (socket, peer) = adopt(fd, remote)?;
        running.serve(&self.core, (socket, peer), early, open);
        Ok(())
    }

    /// Takes no new connections and calls, waits until the running calls are done, then closes
    /// every stream; all of it within `patience`. Tells whether nothing is left: otherwise what
    /// still runs goes on until [`Server::stop`].
    ///
    /// # Errors
    /// [`Error::Busy`] from one of the server's own threads.
    pub fn drain(&self, patience: Duration) -> Result<bool> {
        if is_own_thread() {
            return Err(Error::Busy("a callback cannot wait for itself to end".into()));
        }
        let deadline = Instant::now() + patience;
        let open = {
            let mut state = lock(&self.state);
            match &mut *state {
                State::Running(running) => {
                    running.draining = None;
                    running.open.clone()
                }
                State::Stopping => {
                    return Err(Error::Busy("server: another thread stops it".into()));
                }
                State::Created | State::Stopped => return Ok(true),
            }
        };
        self.core.calls.close();
        if !self.core.calls.wait_empty(patience) {
            return Ok(false);
        }
        // Streams never end by themselves; their clients open them anew elsewhere.
        self.core.cancel_open_work(CancelReason::Shutdown);
        self.core.sessions.end_all(Close::Shutdown);
        Ok(open.wait_empty(deadline.saturating_duration_since(Instant::now())))
    }

    /// Ends everything: calls are cancelled, streams closed, threads joined. Returns within
    /// `limits.stop_time` and a little. Afterwards the server may be started again; it binds its
    /// addresses anew then.
    ///
    /// # Errors
    /// [`Error::Busy`] from one of the server's own threads and while another thread stops the
    /// server; [`Error::TimedOut`] when a tool function did not return: its thread is left behind,
    /// everything else has ended.
    pub fn stop(&self) -> Result<()> {
        if is_own_thread() {
            return Err(Error::Busy("a callback cannot stop the server that waits for it".into()));
        }
        let running = {
            let mut state = lock(&self.state);
            match std::mem::replace(&mut *state, State::Stopping) {
                State::Running(running) => running,
                State::Stopping => {
                    return Err(Error::Busy("server: another thread stops it".into()));
                }
                idle => {
                    *state = idle;
                    return Ok(());
                }
            }
        };
        let stopped = self.end(running);
        *lock(&self.state) = State::Stopped;
        stopped
    }

    /// Sends a log message to every legacy client that wants its level. `data` is JSON text.
    pub fn log(&self, level: Level, logger: Option<&str>, data: &str) {
        let text: Arc<str> = crate::logging::message(level, logger, data).into();
        self.core.sessions.all().iter().for_each(|session| session.log(level, &text));
    }

    /// Reads the counters.
    pub fn stats(&self) -> Stats {
        let mut stats = self.core.env.counters.snapshot();
        stats.calls_queued = self.core.pool.waiting() as u64;
        stats
    }

    fn changing(&self, change: impl FnOnce(&Core) -> Result<()>) -> Result<()> {
        let before = self.core.registry.generation();
        change(&self.core)?;
        if self.core.registry.generation() != before {
            self.core.changes.tools_changed();
        }
        Ok(())
    }

    fn listen_on(&self, address: Address) -> Result<()> {
        match &*lock(&self.state) {
            State::Created => {
                lock(&self.addresses).push(address);
                Ok(())
            }
            _ => Err(Error::State("addresses are added before start".into())),
        }
    }

    fn end(&self, mut running: Running) -> Result<()> {
        let deadline = Instant::now() + self.core.env.limits.stop_time;
        let rest = || deadline.saturating_duration_since(Instant::now());
        running.draining = None;
        self.core.calls.close();
        self.core.cancel_open_work(CancelReason::Shutdown);
        self.core.sessions.end_all(Close::Shutdown);
        // Every stream has its last words queued; give the I/O thread a moment to send them.
        running.open.wait_empty(FLUSH_TIME.min(rest()));
        drop(running.ending);
        if !running.io_ended.wait(rest()) {
            return Err(Error::TimedOut("an inline tool function did not return".into()));
        }
        // Its panics have been caught and logged where they happened.
        let _ = running.io_thread.join();
        // The last clone: dropping it drops every connection that is left.
        drop(running.executor);
        // Once more, for calls and sessions that were let in just before the first round.
        self.core.cancel_open_work(CancelReason::Shutdown);
        self.core.sessions.end_all(Close::Shutdown);
        if self.core.pool.stop(rest().max(Duration::from_millis(50))) {
            return Ok(());
        }
        Err(Error::TimedOut("a tool function did not return; its thread is left behind".into()))
    }

    fn launch(&self) -> Result<Running> {
        // Forces the helper thread of async-io into being while signals are blocked.
        async_io::block_on(async_io::Timer::after(Duration::from_millis(1)));
        let listeners: Vec<Listener> =
            lock(&self.addresses).iter().map(Address::bind).collect::<Result<_>>()?;
        self.core.pool.start(self.core.options.workers.max(1), &self.core.env.hooks)?;
        let (ending, end) = bounded::<Infallible>(1);
        let (draining, drain) = bounded::<Infallible>(1);
        let executor = Arc::new(Executor::new());
        executor.spawn(self.core.env.clock.clone().run()).detach();
        let io_ended = Arc::new(Latch::default());
        let io_thread = match start_io_thread(&self.core, executor.clone(), end, io_ended.clone()) {
            Ok(thread) => thread,
            Err(error) => {
                self.core.pool.stop(self.core.env.limits.stop_time);
                return Err(Error::Io(error));
            }
        };
        let running = Running {
            executor,
            endpoint: Arc::new(Endpoint::new(self.core.clone())),
            open: Arc::default(),
            addresses: listeners.iter().map(|listener| listener.address.clone()).collect(),
            draining: Some(draining),
            drain,
            ending,
            io_thread,
            io_ended,
        };
        listeners.into_iter().for_each(|listener| running.accept(&self.core, listener));
        Ok(running)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Refused on our own threads, where it could only wait for itself: then they go on until
        // the process ends.
        let _ = self.stop();
    }
}

impl Running {
    /// Accepts connections until the server drains.
    fn accept(&self, core: &Arc<Core>, listener: Listener) {
        let (core, open, drain) = (core.clone(), self.open.clone(), self.drain.clone());
        let endpoint = self.endpoint.clone();
        // Weak: a task that owned its executor would keep it alive for ever.
        let executor = Arc::downgrade(&self.executor);
        let accepting = async move {
            loop {
                let next =
                    futures_lite::future::or(async { Some(listener.accept().await) }, async {
                        let _ = drain.recv().await;
                        None
                    });
                let from = match next.await {
                    Some(Ok(accepted)) => accepted,
                    Some(Err(error)) => {
                        core.env.log(Level::Warning, "listener", format_args!("accept: {error}"));
                        async_io::Timer::after(ACCEPT_PAUSE).await;
                        continue;
                    }
                    None => return,
                };
                let Some(executor) = executor.upgrade() else { return };
                let Some(slot) = OpenConnections::enter(&open, &core) else {
                    executor.spawn(turn_away(from.0)).detach();
                    continue;
                };
                let (endpoint, env, drain) = (endpoint.clone(), core.env.clone(), drain.clone());
                executor.spawn(connection(from, Vec::new(), endpoint, env, drain, slot)).detach();
            }
        };
        self.executor.spawn(accepting).detach();
    }

    fn serve(&self, core: &Core, from: (Socket, Peer), early: Vec<u8>, slot: OpenSlot) {
        let (endpoint, env) = (self.endpoint.clone(), core.env.clone());
        let connection = connection(from, early, endpoint, env, self.drain.clone(), slot);
        self.executor.spawn(connection).detach();
    }
}

/// Serves one connection and counts it until it ends.
async fn connection(
    (socket, peer): (Socket, Peer),
    early: Vec<u8>,
    endpoint: Arc<Endpoint>,
    env: Arc<Env>,
    drain: Receiver<Infallible>,
    _slot: OpenSlot,
) {
    http::serve(socket, early, peer, endpoint, env, drain).await;
}

/// Tells a client above `limits.connections` to come back later.
async fn turn_away(mut socket: Socket) {
    use futures_lite::AsyncWriteExt;
    let reply = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\n\
                  content-length: 21\r\n\r\ntoo many connections\n";
    let sent = async {
        let _ = socket.write_all(reply).await;
        let _ = socket.close().await;
    };
    let late = async {
        async_io::Timer::after(Duration::from_secs(1)).await;
    };
    futures_lite::future::or(sent, late).await;
}

/// Runs `executor` until `end` closes. A panic in a task is caught and the loop goes on.
fn start_io_thread(
    core: &Arc<Core>,
    executor: Arc<Executor<'static>>,
    end: Receiver<Infallible>,
    ended: Arc<Latch>,
) -> std::io::Result<JoinHandle<()>> {
    let core = core.clone();
    Builder::new().name("emcp-io".into()).stack_size(IO_STACK_BYTES).spawn(move || {
        adopt_thread();
        // Dropped last, when everything else of this thread is gone.
        let _ended = ended.open_on_drop();
        let _announced = core.env.hooks.thread("emcp-io");
        loop {
            let run = std::panic::AssertUnwindSafe(|| {
                async_io::block_on(executor.run(async {
                    let _ = end.recv().await;
                }));
            });
            if std::panic::catch_unwind(run).is_ok() {
                return;
            }
            core.env.counters.panics.up();
            core.env.log(Level::Error, "io", format_args!("a task panicked and was dropped"));
        }
    })
}

/// How many connections are open, for those who wait for none.
#[derive(Default)]
struct OpenConnections {
    count: Mutex<usize>,
    /// Signalled when the count reaches zero.
    empty: Condvar,
}

impl OpenConnections {
    /// Counts a connection in unless `limits.connections` is reached.
    fn enter(open: &Arc<OpenConnections>, core: &Arc<Core>) -> Option<OpenSlot> {
        let counters = &core.env.counters;
        if !counters.connections.up_within(core.env.limits.connections) {
            counters.connections_refused.up();
            return None;
        }
        counters.connections_accepted.up();
        *lock(&open.count) += 1;
        Some(OpenSlot { open: open.clone(), core: core.clone() })
    }

    fn wait_empty(&self, patience: Duration) -> bool {
        let wait = self.empty.wait_timeout_while(lock(&self.count), patience, |count| *count > 0);
        let (count, _) = wait.unwrap_or_else(std::sync::PoisonError::into_inner);
        *count == 0
    }
}

/// Counts a connection out when dropped.
struct OpenSlot {
    open: Arc<OpenConnections>,
    core: Arc<Core>,
}

impl Drop for OpenSlot {
    fn drop(&mut self) {
        self.core.env.counters.connections.down();
        let mut count = lock(&self.open.count);
        *count -= 1;
        if *count == 0 {
            self.open.empty.notify_all();
        }
    }
}

/// Blocks signals for the threads about to be started: a signal that the daemon handles must
/// reach a thread of the daemon. Faults stay: they belong to the thread that causes them.
fn block_signals() -> Result<SigSet> {
    let mut blocked = SigSet::all();
    let faults = [
        Signal::SIGSEGV,
        Signal::SIGBUS,
        Signal::SIGFPE,
        Signal::SIGILL,
        Signal::SIGABRT,
        Signal::SIGTRAP,
        Signal::SIGSYS,
        Signal::SIGPROF,
    ];
    faults.into_iter().for_each(|fault| blocked.remove(fault));
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&blocked), Some(&mut before))
        .map_err(|errno| Error::Io(errno.into()))?;
    Ok(before)
}

fn restore_signals(before: &SigSet) {
    // Cannot fail with a mask that the system has handed out itself.
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(before), None);
}
