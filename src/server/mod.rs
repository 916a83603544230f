//! A server from creation to its end: registration, start, drain, stop.

mod connections;
mod door;
mod driver;
mod host_thread;
mod io_thread;
mod keys;
mod oauth;
mod registration;
mod running;
mod signals;
#[cfg(feature = "tls")]
mod tls;
mod websocket;

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use running::Running;

use crate::cancel::CancelReason;
use crate::clock::after;
use crate::core::{Core, Options, Run};
use crate::error::{Error, Result};
use crate::hooks::Hooks;
use crate::identity::Identity;
use crate::level::Level;
use crate::limits::Limits;
use crate::listener::{Address, Binding};
use crate::pool::is_own_thread;
use crate::session::Close;
use crate::stats::Stats;
use crate::sync::lock;

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
    bindings: Mutex<Vec<Binding>>,
}

enum State {
    /// Not started yet.
    Created,
    Running(Running),
    /// One thread is inside `stop`.
    Stopping,
    Stopped,
}

impl Server {
    /// Makes a server that is not running.
    ///
    /// # Errors
    /// [`Error::Config`] for an identity or option that makes no sense.
    pub fn new(identity: Identity, options: Options, limits: Limits) -> Result<Server> {
        if !options.path.starts_with('/') || options.path.contains(['?', '#', ' ']) {
            return Err(Error::Config(format!("path {:?} is not a plain path", options.path)));
        }
        if options.io_threads > 1 {
            return Err(Error::Config(format!("{} I/O threads, 1 is enough", options.io_threads)));
        }
        if options.io_threads == 0 && options.run == Run::Pool {
            return Err(Error::Config("no I/O thread, and the host does not dispatch".into()));
        }
        let core = Core::new(identity, options, limits)?;
        Ok(Server { core, state: Mutex::new(State::Created), bindings: Mutex::default() })
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
        let masked = signals::block()?;
        let started = Running::launch(&self.core, &lock(&self.bindings));
        signals::restore(&masked);
        match started {
            Ok(running) => *state = State::Running(running),
            Err(error) => {
                let before = std::mem::replace(&mut *state, State::Stopping);
                drop(state);
                // Functions of the host may run in here, and they may ask for the state.
                running::give_up(&self.core);
                *lock(&self.state) = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes no new connections and calls, waits until the running calls are done, then closes
    /// every stream; all of it within `patience`. Tells whether nothing is left: otherwise what
    /// still runs goes on until [`Server::stop`].
    ///
    /// With [`Run::Host`] the thread that dispatches does so in here meanwhile; any other thread
    /// leaves it to that one.
    ///
    /// # Errors
    /// [`Error::Busy`] from one of the server's own threads.
    pub fn drain(&self, patience: Duration) -> Result<bool> {
        if is_own_thread() {
            return Err(Error::Busy("a callback cannot wait for itself to end".into()));
        }
        let deadline = after(patience);
        let open = {
            let mut state = lock(&self.state);
            match &mut *state {
                State::Running(running) => {
                    running.drain(&self.core.env);
                    running.open.clone()
                }
                State::Stopping => {
                    return Err(Error::Busy("another thread stops the server".into()));
                }
                State::Created | State::Stopped => return Ok(true),
            }
        };
        self.core.calls.close();
        let calls = self.core.calls.watch();
        let helped = self.help_until(deadline, || calls.is_empty());
        drop(calls);
        let is_idle = helped.unwrap_or_else(|| {
            self.core.calls.wait_empty(deadline.saturating_duration_since(Instant::now()))
        });
        if !is_idle {
            return Ok(false);
        }
        // Streams never end by themselves; their clients open them anew elsewhere.
        self.core.cancel_open_work(CancelReason::Shutdown);
        self.core.sessions.end_all(Close::Shutdown);
        Ok(self
            .help_until(deadline, || open.is_empty())
            .unwrap_or_else(|| open.wait_empty(deadline.saturating_duration_since(Instant::now()))))
    }

    /// Ends everything: calls are cancelled, streams closed, threads joined. Returns within
    /// `limits.stop_time` and a little. Afterwards the server may be started again; it binds its
    /// addresses anew then.
    ///
    /// With [`Run::Host`] the calling thread runs the host's functions that still wait: the ends of
    /// calls are news to it. The calls themselves are answered without running.
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
                    return Err(Error::Busy("another thread stops the server".into()));
                }
                idle => {
                    *state = idle;
                    return Ok(());
                }
            }
        };
        let stopped = running.end(&self.core);
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
        stats.calls_queued = self.core.waiting() as u64;
        let expiry = lock(&self.bindings).iter().filter_map(Binding::expires).min();
        stats.tls_certificate_expiry_seconds = expiry.unwrap_or_default();
        stats
    }

    fn is_running(&self) -> bool {
        !matches!(*lock(&self.state), State::Created | State::Stopped)
    }

    fn listen_on(&self, address: Address) -> Result<()> {
        self.bind_later(Binding { address, tls: None })
    }

    fn bind_later(&self, binding: Binding) -> Result<()> {
        match &*lock(&self.state) {
            State::Created => {
                lock(&self.bindings).push(binding);
                Ok(())
            }
            _ => Err(Error::State("addresses are added before start".into())),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Refused on our own threads, where it could only wait for itself: then they go on until
        // the process ends.
        let _ = self.stop();
    }
}

fn not_running() -> Error {
    Error::State("server is not running".into())
}
