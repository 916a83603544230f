//! From a whole request to its answer: one table of methods for both eras.
//!
//! Does no I/O and reads no header. Each method has a file of its own with the same three steps:
//! read the params, run, build the result.

mod call;
mod cancelled;
mod capabilities;
mod complete;
mod discover;
mod initialize;
mod legacy_tasks;
mod listen;
mod lists;
mod ping;
mod prompts_get;
mod resources_read;
mod set_level;
mod subscribe;
mod tasks;
mod tools_call;
mod waiting;

use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;

use call::{refuse_for, shorten};

use crate::auth::Scopes;
use crate::call::caller;
use crate::caller::Caller;
use crate::core::{Core, Feature};
use crate::hooks::Item;
use crate::kind::CallKind;
use crate::protocol::{Meta, Refusal, Revision};
use crate::registry::About;
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, Params, code, write};
use crate::session::{InFlight, Session};

pub(crate) use cancelled::cancelled;

/// One request, complete: nothing inside asks where it came from.
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) method: String,
    pub(crate) params: Params,
    pub(crate) revision: Revision,
    pub(crate) meta: Box<Meta>,
    /// The legacy session it belongs to, or the WebSocket or SSE stream it came by.
    pub(crate) session: Option<Arc<Session>>,
    /// The requests that its id must not clash with.
    pub(crate) scope: Arc<InFlight>,
    pub(crate) sink: Arc<dyn ReplySink>,
    /// `http`, `sse` or `websocket`; for the record only.
    pub(crate) transport: &'static str,
    /// The peer's address; for the record only.
    pub(crate) remote: Arc<str>,
    /// The user on the other side of a Unix socket.
    pub(crate) uid: Option<u32>,
    /// Whom to count what it costs on.
    pub(crate) account: Arc<str>,
    /// Who the host has authenticated, or whose key it is; `None` for nobody.
    pub(crate) principal: Option<Arc<str>>,
    /// What that one may do.
    pub(crate) scopes: Scopes,
    /// What the issuer of its token says of it, as JSON text.
    pub(crate) claims: Option<Arc<str>>,
    /// What is wrong with the headers that a tool has of its own. Only for those who may know that
    /// there is such a tool.
    pub(crate) mismatch: Option<Refusal>,
}

/// Which clients know a method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Legacy,
    /// Legacy, of the one revision that has tasks in it.
    LegacyTasks,
    Modern,
    Both,
}

impl Era {
    fn has(self, revision: Revision) -> bool {
        match self {
            Era::Legacy => !revision.is_modern(),
            Era::LegacyTasks => revision.has_task_methods(),
            Era::Modern => revision.is_modern(),
            Era::Both => true,
        }
    }
}

struct Method {
    name: &'static str,
    era: Era,
    /// What the server must have announced: a method of a capability that was not is unknown
    /// (2026-07-28, basic, capability negotiation).
    needs: Option<Feature>,
    /// It may ask the host who may see what.
    asks: bool,
    /// It is a call, and counts in `limits.calls_per_second`.
    calls: Option<CallKind>,
    run: fn(&Arc<Core>, Request),
}

const fn method(name: &'static str, era: Era, run: fn(&Arc<Core>, Request)) -> Method {
    Method { name, era, needs: None, asks: true, calls: None, run }
}

impl Method {
    const fn of(mut self, feature: Feature) -> Method {
        self.needs = Some(feature);
        self
    }

    const fn calls(mut self, kind: CallKind) -> Method {
        self.calls = Some(kind);
        self
    }

    const fn asks_nobody(mut self) -> Method {
        self.asks = false;
        self
    }
}

/// Every request that a client may send.
const METHODS: &[Method] = &[
    method("tools/call", Era::Both, tools_call::run).calls(CallKind::Tool),
    method("tools/list", Era::Both, lists::tools),
    method("initialize", Era::Legacy, initialize::run).asks_nobody(),
    method("ping", Era::Legacy, ping::run).asks_nobody(),
    method("logging/setLevel", Era::Legacy, set_level::run).asks_nobody(),
    method("server/discover", Era::Modern, discover::run).asks_nobody(),
    method("subscriptions/listen", Era::Modern, listen::run),
    method("resources/read", Era::Both, resources_read::run)
        .of(Feature::Resources)
        .calls(CallKind::Resource),
    method("resources/list", Era::Both, lists::resources).of(Feature::Resources),
    method("resources/templates/list", Era::Both, lists::templates).of(Feature::Resources),
    method("resources/subscribe", Era::Legacy, subscribe::subscribe).of(Feature::Resources),
    method("resources/unsubscribe", Era::Legacy, subscribe::unsubscribe).of(Feature::Resources),
    method("prompts/get", Era::Both, prompts_get::run).of(Feature::Prompts).calls(CallKind::Prompt),
    method("prompts/list", Era::Both, lists::prompts).of(Feature::Prompts),
    method("completion/complete", Era::Both, complete::run).of(Feature::Completions),
    method("tasks/get", Era::Modern, tasks::get).of(Feature::Tasks).asks_nobody(),
    method("tasks/update", Era::Modern, tasks::update).of(Feature::Tasks).asks_nobody(),
    method("tasks/cancel", Era::Modern, tasks::cancel).of(Feature::Tasks).asks_nobody(),
    method("tasks/get", Era::LegacyTasks, legacy_tasks::get).of(Feature::Tasks).asks_nobody(),
    method("tasks/result", Era::LegacyTasks, legacy_tasks::result).of(Feature::Tasks).asks_nobody(),
    method("tasks/list", Era::LegacyTasks, legacy_tasks::list).of(Feature::Tasks).asks_nobody(),
    method("tasks/cancel", Era::LegacyTasks, legacy_tasks::cancel).of(Feature::Tasks).asks_nobody(),
];

/// Runs one request; its answer goes to its sink, at once or later.
pub(crate) fn dispatch(core: &Arc<Core>, request: Request) {
    match find(core, &request.method, request.revision) {
        Some(method) => run(core, method, request),
        None => {
            let data = serde_json::json!({ "method": request.method }).to_string();
            request.fail(code::METHOD_NOT_FOUND, "method not found", Some(&data));
        }
    }
}

/// Calls that come too fast go no further: who floods must not keep the host's thread busy either.
///
/// In host mode a method that asks the host who may see what runs where the host's functions do.
///
/// The others do not wait for it: the end of a handshake is what a session begins with.
fn run(core: &Arc<Core>, method: &'static Method, request: Request) {
    if let Some(kind) = method.calls
        && let Some(limiter) = &core.call_rate
        && let Err(wait) = limiter.take(&request.account, Instant::now())
    {
        let limit = core.env.limits.calls_per_second;
        let text = format!("more than {limit} calls per second from this caller");
        return refuse_for(wait, core, request, kind, text);
    }
    let host = core.env.host.as_ref().filter(|_| method.asks && core.env.hooks.decides());
    match host {
        Some(host) => waiting::run(core, host, method, request),
        None => (method.run)(core, request),
    }
}

fn find(core: &Core, name: &str, revision: Revision) -> Option<&'static Method> {
    METHODS.iter().find(|method| {
        method.name == name
            && method.era.has(revision)
            && method.needs.is_none_or(|feature| core.has(feature))
    })
}

impl Request {
    /// Who sent it.
    fn caller(&self) -> Caller {
        caller(
            self.session.as_deref(),
            self.revision,
            &self.meta,
            self.transport,
            (&self.remote, self.uid),
            (self.principal.as_deref(), &self.scopes, self.claims.as_ref()),
        )
    }

    /// Asks the host whether the caller may see and call something.
    fn may(&self, core: &Core, item: Item, name: &str) -> bool {
        !core.env.hooks.decides() || core.may(&self.caller(), item, name)
    }

    /// The scope that the caller lacks for what `about` is of, if it lacks one.
    fn lacks<'a>(&self, about: &'a About) -> Option<&'a str> {
        about.scope.as_deref().filter(|scope| !self.scopes.has(scope))
    }

    /// Answers with the JSON text `result`.
    fn succeed(self, result: &str) {
        self.sink.reply(Reply { text: write::result(&self.id, result), error: None });
    }

    /// Answers with an error; `data` is JSON text.
    fn fail(self, code: i32, message: &str, data: Option<&str>) {
        let text = write::error(Some(&self.id), code, message, data);
        self.sink.reply(Reply { text, error: Some(code) });
    }

    /// Answers that the caller lacks `scope` for `name`.
    fn forbid(self, core: &Core, name: &str, scope: &str) {
        core.env.counters.scopes_refused.up();
        let message = format!("{} needs the scope {scope}, which the caller lacks", shorten(name));
        let text = write::error(Some(&self.id), code::INVALID_REQUEST, &message, None);
        self.sink
            .forbid(Reply { text, error: Some(code::INVALID_REQUEST) }, &core.auth.lack(scope));
    }

    /// Reads the params as `T`; absent params read as `{}`.
    fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        serde_json::from_str(self.params.text()).map_err(|error| {
            let error: String = error.to_string().chars().take(160).collect();
            format!("{}: {error}", self.method)
        })
    }
}
