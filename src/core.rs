//! The middle of a server: what dispatch works with. Knows no transport and no socket.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crate::allow_list::AllowList;
use crate::auth::Auth;
use crate::caching::{CacheTimes, Caching};
use crate::call::{Calls, HostFn};
use crate::caller::Caller;
use crate::cancel::{Cancel, CancelReason};
use crate::changes::Changes;
use crate::deflate::Compression;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::hooks::Item;
use crate::identity::{Identity, Introduction};
use crate::input::Keys;
use crate::limits::Limits;
use crate::pool::{Job, Pool};
use crate::rate::{Pace, RateLimiter};
use crate::registry::{About, Prompt, Registry, Resource, TaskSupport, Tool};
use crate::secret::Secret;
use crate::session::SessionStore;
use crate::shield::shielded;
use crate::sync::lock;
use crate::task::TaskStore;

/// Identities whose calls and completions are counted one by one. More share what is left.
const IDENTITIES_MAX: usize = 1024;

/// Everything that one server shares between its connections.
pub(crate) struct Core {
    pub(crate) env: Arc<Env>,
    pub(crate) identity: Arc<Introduction>,
    pub(crate) options: Options,
    pub(crate) tools: Registry<Tool, HostFn>,
    pub(crate) resources: Registry<Resource, HostFn>,
    pub(crate) templates: Registry<Resource, HostFn>,
    pub(crate) prompts: Registry<Prompt, HostFn>,
    /// What has been registered so far, and so what is announced.
    offers: Offers,
    pub(crate) auth: Arc<Auth>,
    pub(crate) allow_list: AllowList,
    /// Something that is registered needs a scope, so lists differ.
    is_scoped: AtomicBool,
    /// Signs what modern clients carry between two rounds of questions.
    pub(crate) keys: Keys,
    pub(crate) tasks: Arc<TaskStore>,
    pub(crate) completions: RateLimiter,
    /// `None`: calls are bounded in number alone.
    pub(crate) call_rate: Option<RateLimiter>,
    pub(crate) pool: Pool,
    pub(crate) sessions: Arc<SessionStore>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) calls: Arc<Calls>,
    /// Of WebSockets.
    pub(crate) compression: Compression,
    /// Work that no session knows of, for the day the server stops: modern calls and listens.
    open_work: Mutex<Vec<Weak<dyn Cancel>>>,
}

/// Features that are announced from their first use on, and then for good: a client hears of them
/// once, when it begins.
#[derive(Debug, Default)]
struct Offers {
    resources: AtomicBool,
    prompts: AtomicBool,
    completions: AtomicBool,
    tasks: AtomicBool,
    ui: AtomicBool,
}

/// A feature that a server may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feature {
    Resources,
    Prompts,
    Completions,
    Tasks,
    /// Tools that point to a resource which shows their result (MCP Apps).
    Ui,
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
    /// Addresses that may connect, as `192.0.2.7` or `2001:db8::/32`. Default empty: all. Unix
    /// sockets and peers that the host names in other words are not meant.
    pub allowed_addresses: Vec<String>,
    /// Users whose processes may connect to a Unix socket. Default empty: all whom its mode and
    /// `allowed_gids` let in.
    pub allowed_uids: Vec<u32>,
    /// Likewise main groups. A process that is in either list comes in.
    pub allowed_gids: Vec<u32>,
    /// Keeps the arguments of all calls out of audit records, which show `"***"`. Default off. What
    /// stands in the URI of a resource is a name and stays.
    pub hide_arguments: bool,
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
    /// How long modern clients may keep what they were told.
    pub cache: CacheTimes,
    /// Lists are the same for everybody, so shared caches may keep them too. Default off; without
    /// effect when [`Hooks::allow`](crate::Hooks::allow), keys or scopes decide who sees what.
    pub public_cache: bool,
    /// Announces resources before the first one is added. Default off.
    pub resources: bool,
    /// Announces prompts before the first one is added. Default off.
    pub prompts: bool,
    /// Announces tasks, for tools that begin one by themselves. Default off.
    pub tasks: bool,
    /// Signs what modern clients carry between two rounds of questions, at least 32 bytes; the same
    /// in all servers behind one address. Default: random, so that a restart forgets the questions.
    pub state_secret: Option<Secret>,
    /// The secret before this one, still accepted.
    pub state_secret_previous: Option<Secret>,
    /// Lets nobody in without a key or a token, also before the first key is set or the first issuer
    /// named. Default off: then one is needed from that on.
    pub keys_required: bool,
    /// Takes keys from the query parameter `api_key` too, for clients that cannot send headers.
    /// Default off: proxies and browsers keep what is in a URL.
    pub key_in_query: bool,
    /// Lets peers on Unix sockets in without a key, and what the host says is local. Default off.
    /// The mode of the socket decides then who that can be.
    pub trust_unix: bool,
    /// Reads a key file also when others than its owner have rights to it. Default off.
    pub keys_file_shared: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            path: "/mcp".into(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            allowed_addresses: Vec::new(),
            allowed_uids: Vec::new(),
            allowed_gids: Vec::new(),
            hide_arguments: false,
            workers: 4,
            run: Run::Pool,
            io_threads: 1,
            read_only: false,
            legacy_sse: true,
            websocket: true,
            cache: CacheTimes::default(),
            public_cache: false,
            resources: false,
            prompts: false,
            tasks: false,
            state_secret: None,
            state_secret_previous: None,
            keys_required: false,
            key_in_query: false,
            trust_unix: false,
            keys_file_shared: false,
        }
    }
}

impl Core {
    pub(crate) fn new(identity: Identity, options: Options, limits: Limits) -> Result<Arc<Core>> {
        let env = match options.run {
            Run::Pool => Env::new(limits),
            Run::Host => Env::for_host(limits),
        };
        let previous = options.state_secret_previous.as_ref().map(Secret::reveal);
        let keys = match &options.state_secret {
            Some(secret) => Keys::from_secrets(secret.reveal(), previous)?,
            None if previous.is_some() => {
                return Err(Error::Config("previous state secret without a state secret".into()));
            }
            None => Keys::random()?,
        };
        let offers = Offers::default();
        offers.resources.store(options.resources, Relaxed);
        offers.prompts.store(options.prompts, Relaxed);
        offers.tasks.store(options.tasks, Relaxed);
        let per_second = env.limits.completions_per_second;
        let call_rate = call_pace(&env.limits).map(|pace| RateLimiter::new(pace, IDENTITIES_MAX));
        Ok(Arc::new(Core {
            identity: Arc::new(Introduction::new(identity)?),
            tools: Registry::new(options.read_only),
            resources: Registry::new(options.read_only),
            templates: Registry::new(options.read_only),
            prompts: Registry::new(options.read_only),
            offers,
            auth: Auth::new(&env, &options),
            allow_list: AllowList::new(&env, &options)?,
            is_scoped: AtomicBool::new(false),
            keys,
            tasks: TaskStore::new(env.clone()),
            completions: RateLimiter::new(Pace::per_second(per_second), IDENTITIES_MAX),
            call_rate,
            pool: Pool::new(),
            sessions: SessionStore::new(env.clone()),
            changes: Changes::new(env.clone()),
            calls: Calls::new(env.clone()),
            compression: Compression::default(),
            open_work: Mutex::default(),
            options,
            env,
        }))
    }

    /// Tells whether the server has `feature` and says so.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.offer(feature).load(Relaxed)
    }

    /// Announces `feature` from here on.
    pub(crate) fn announce(&self, feature: Feature) {
        self.offer(feature).store(true, Relaxed);
    }

    fn offer(&self, feature: Feature) -> &AtomicBool {
        match feature {
            Feature::Resources => &self.offers.resources,
            Feature::Prompts => &self.offers.prompts,
            Feature::Completions => &self.offers.completions,
            Feature::Tasks => &self.offers.tasks,
            Feature::Ui => &self.offers.ui,
        }
    }

    /// Notes that `about` is of something that not everybody may see, if it is.
    pub(crate) fn note_scope(&self, about: &About) {
        self.is_scoped.fetch_or(about.scope.is_some(), Relaxed);
    }

    /// Announces what comes with a tool.
    pub(crate) fn announce_tool(&self, tool: &Tool) {
        if tool.flags.task != TaskSupport::Never {
            self.announce(Feature::Tasks);
        }
        if tool.ui.is_some() {
            self.announce(Feature::Ui);
        }
    }

    /// Asks the host whether `caller` may see and call something.
    pub(crate) fn may(&self, caller: &Caller, item: Item, name: &str) -> bool {
        let ask = || self.env.hooks.allow(caller, item, name);
        // A hook that panics has not allowed anything.
        shielded(&self.env, "the allow hook", ask).unwrap_or(false)
    }

    /// The hints on a result that may be kept for `ttl`.
    pub(crate) fn caching(&self, ttl: Duration) -> Caching {
        let differs = self.env.hooks.decides() || self.auth.is_needed();
        let is_public = self.options.public_cache && !differs && !self.is_scoped.load(Relaxed);
        Caching { ttl, is_public }
    }

    /// Hands a call to whoever runs them, unless `limits.queue` of them wait already; then it
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

/// How fast one identity may call; `None`: as fast as it likes.
fn call_pace(limits: &Limits) -> Option<Pace> {
    let count = limits.calls_per_second;
    let burst = if limits.calls_burst > 0 { limits.calls_burst } else { count };
    (count > 0).then(|| Pace::new(count, Duration::from_secs(1), burst))
}
