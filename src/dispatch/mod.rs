//! From a whole request to its answer: one table of methods for both eras.
//!
//! Does no I/O and reads no header. Each method has a file of its own with the same three steps:
//! read the params, run, build the result.

mod cancelled;
mod discover;
mod initialize;
mod listen;
mod ping;
mod set_level;
mod tools_call;
mod tools_list;

use std::sync::Arc;

use serde::Deserialize;

use crate::core::Core;
use crate::protocol::{Meta, Revision};
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, RawParams, code, write};
use crate::session::{InFlight, Session};

pub(crate) use cancelled::cancelled;

/// One request, complete: nothing inside asks where it came from.
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) method: String,
    pub(crate) params: RawParams,
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
    /// Who the host has authenticated; `None` for nobody.
    pub(crate) principal: Option<Arc<str>>,
}

/// Which era a method belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
    Both,
}

struct Method {
    name: &'static str,
    era: Era,
    run: fn(&Arc<Core>, Request),
}

const fn method(name: &'static str, era: Era, run: fn(&Arc<Core>, Request)) -> Method {
    Method { name, era, run }
}

/// Every request that a client may send.
const METHODS: &[Method] = &[
    method("tools/call", Era::Both, tools_call::run),
    method("tools/list", Era::Both, tools_list::run),
    method("initialize", Era::Legacy, initialize::run),
    method("ping", Era::Legacy, ping::run),
    method("logging/setLevel", Era::Legacy, set_level::run),
    method("server/discover", Era::Modern, discover::run),
    method("subscriptions/listen", Era::Modern, listen::run),
];

/// Tells whether `revision` has the request `method` here.
pub(crate) fn is_known(method: &str, revision: Revision) -> bool {
    find(method, revision).is_some()
}

/// Runs one request; its answer goes to its sink, at once or later.
pub(crate) fn dispatch(core: &Arc<Core>, request: Request) {
    match find(&request.method, request.revision) {
        Some(method) => (method.run)(core, request),
        None => {
            let data = serde_json::json!({ "method": request.method }).to_string();
            request.fail(code::METHOD_NOT_FOUND, "method not found", Some(&data));
        }
    }
}

fn find(name: &str, revision: Revision) -> Option<&'static Method> {
    let era = if revision.is_modern() { Era::Modern } else { Era::Legacy };
    METHODS
        .iter()
        .find(|method| method.name == name && (method.era == era || method.era == Era::Both))
}

impl Request {
    /// Answers with the JSON text `result`.
    fn succeed(self, result: &str) {
        self.sink.reply(Reply { text: write::result(&self.id, result), error: None });
    }

    /// Answers with an error; `data` is JSON text.
    fn fail(self, code: i32, message: &str, data: Option<&str>) {
        let text = write::error(Some(&self.id), code, message, data);
        self.sink.reply(Reply { text, error: Some(code) });
    }

    /// Reads the params as `T`; absent params read as `{}`.
    fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        let text = self.params.as_deref().map_or("{}", |params| params.get());
        serde_json::from_str(text).map_err(|error| {
            let error: String = error.to_string().chars().take(160).collect();
            format!("{}: {error}", self.method)
        })
    }
}
