//! The middle of a server: what dispatch works with. Knows no transport and no socket.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::call::{Calls, ToolFn};
use crate::cancel::{Cancel, CancelReason};
use crate::changes::Changes;
use crate::env::Env;
use crate::error::Result;
use crate::identity::{Identity, Introduction};
use crate::limits::Limits;
use crate::pool::{Job, Pool};
use crate::registry::Registry;
use crate::session::SessionStore;
use crate::sync::lock;

/// Everything that one server shares between its connections.
pub(crate) struct Core {
    pub(crate) env: Arc<Env>,
    pub(crate) identity: Arc<Introduction>,
    pub(crate) options: Options,
    pub(crate) registry: Registry<ToolFn>,
    pub(crate) pool: Pool,
    pub(crate) sessions: Arc<SessionStore>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) calls: Arc<Calls>,
    /// Work that no session knows of, for the day the server stops: modern calls and listens.
    open_work: Mutex<Vec<Weak<dyn Cancel>>>,
}

/// Where the host's functions run: tools, hooks and all other callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// On threads of the server.
    Pool,
    /// Inside [`Server::dispatch`](crate::Server::dispatch) and nowhere else, for hosts whose data
    /// may be touched from one thread only.
    Host,
}

/// What the host chose, apart from bounds.
#[derive(Clone, Debug)]
pub struct Options {
    /// The endpoint's path. Default `/mcp`; the same with a slash behind it is served too.
    pub path: String,
    /// Host names that requests may be for, besides loopback names. `*` allows any.
    pub allowed_hosts: Vec<String>,
    /// Origins that browsers may send, besides loopback ones; for example `https://a.example`.
    pub allowed_origins: Vec<String>,
    /// Threads that run tool functions. Default 4.
    pub workers: usize,
    /// Where the host's functions run. Default [`Run::Pool`].
    pub run: Run,
    /// Threads that read and write. Default 1. 0, which needs [`Run::Host`], has
    /// [`Server::dispatch`](crate::Server::dispatch) do that too. No other value is possible.
    pub io_threads: usize,
    /// Hides and refuses tools that write. Default off.
    pub read_only: bool,
    /// Serves HTTP+SSE of 2024-11-05. Default on.
    pub legacy_sse: bool,
    /// Serves WebSocket. Default on.
    pub websocket: bool,
    /// How long modern clients may keep a list (`ttlMs`). Default zero.
    pub cache_ttl: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: "/mcp".into(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            workers: 4,
            run: Run::Pool,
            io_threads: 1,
            read_only: false,
            legacy_sse: true,
            websocket: true,
            cache_ttl: Duration::ZERO,
        }
    }
}

impl Core {
    pub(crate) fn new(identity: Identity, options: Options, limits: Limits) -> Result<Arc<Core>> {
        let env = match options.run {
            Run::Pool => Env::new(limits),
            Run::Host => Env::for_host(limits),
        };
        Ok(Arc::new(Core {
            identity: Arc::new(Introduction::new(identity)?),
            registry: Registry::new(options.read_only),
            pool: Pool::new(),
            sessions: SessionStore::new(env.clone()),
            changes: Changes::new(env.clone()),
            calls: Calls::new(env.clone()),
            open_work: Mutex::default(),
            options,
            env,
        }))
    }

    /// Hands a tool call to whoever runs them, unless `limits.queue` of them wait already; then it
    /// comes back.
    pub(crate) fn submit(&self, job: Job) -> std::result::Result<(), Job> {
        match &self.env.host {
            Some(host) => host.call(job, self.env.limits.queue),
            None => self.pool.submit(job, self.env.limits.queue),
        }
    }

    /// Calls that wait to be run.
    pub(crate) fn waiting(&self) -> usize {
        self.env.host.as_ref().map_or_else(|| self.pool.waiting(), |host| host.calls_waiting())
    }

    /// Remembers work that `cancel_open_work` must end. Weak: finished work costs nothing.
    pub(crate) fn watch(&self, work: Weak<dyn Cancel>) {
        let mut open = lock(&self.open_work);
        if open.len() == open.capacity() {
            open.retain(|work| work.strong_count() > 0);
        }
        open.push(work);
    }

    /// Ends every call and listen stream.
    pub(crate) fn cancel_open_work(&self, reason: CancelReason) {
        let open = std::mem::take(&mut *lock(&self.open_work));
        open.iter().filter_map(Weak::upgrade).for_each(|work| work.cancel(reason));
    }
}
