//! `subscriptions/listen`: the only way a modern client hears of changes.

use std::sync::{Arc, Mutex, Weak};

use serde::Deserialize;

use super::Request;
use crate::cancel::{Cancel, CancelReason};
use crate::changes::Listener;
use crate::core::Core;
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, code, write};
use crate::session::{InFlight, Rejected};
use crate::sync::lock;

/// `_meta` key that names the listen request on everything that its stream carries.
const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

#[derive(Deserialize)]
struct Params {
    notifications: Filter,
}

/// What the client wants to hear of. Kinds that this server does not have are left out of the
/// acknowledgement, which is how a client learns.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(default)]
    tools_list_changed: bool,
}

/// One open listen stream. Alive as long as its peer's list of requests in flight holds it.
struct Listen {
    core: Arc<Core>,
    id: Id,
    scope: Arc<InFlight>,
    wants_tools: bool,
    /// Taken by whoever ends the stream.
    sink: Mutex<Option<Arc<dyn ReplySink>>>,
}

pub(super) fn run(core: &Arc<Core>, request: Request) {
    let filter = match request.read::<Params>() {
        Ok(params) => params.notifications,
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let counters = &core.env.counters;
    if !counters.listens.up_within(core.env.limits.listens) {
        counters.streams_refused.up();
        return request.fail(code::INTERNAL_ERROR, "too many listen streams", None);
    }
    let listen = Arc::new(Listen {
        core: core.clone(),
        id: request.id.clone(),
        scope: request.scope.clone(),
        wants_tools: filter.tools_list_changed,
        sink: Mutex::new(Some(request.sink.clone())),
    });
    // The acknowledgement goes first: nothing may come before it on the stream.
    let acknowledged = listen.acknowledgement();
    match request.scope.insert(&request.id, listen.clone(), core.env.limits.calls_per_peer) {
        Ok(()) => {}
        Err(rejected) => {
            lock(&listen.sink).take();
            let message = match rejected {
                Rejected::Duplicate => Rejected::DUPLICATE,
                Rejected::TooMany => "too many requests are in flight",
            };
            return request.fail(code::INVALID_REQUEST, message, None);
        }
    }
    request.sink.notify(acknowledged);
    core.watch(Arc::downgrade(&listen) as Weak<dyn Cancel>);
    core.changes.subscribe(Arc::downgrade(&listen) as Weak<dyn Listener>);
}

impl Listen {
    fn acknowledgement(&self) -> String {
        let honoured = if self.wants_tools { r#"{"toolsListChanged":true}"# } else { "{}" };
        let id = self.id.as_json();
        let params =
            format!(r#"{{"notifications":{honoured},"_meta":{{"{SUBSCRIPTION_KEY}":{id}}}}}"#);
        write::notification("notifications/subscriptions/acknowledged", &params)
    }
}

impl Listener for Listen {
    fn tools_changed(&self) {
        if !self.wants_tools {
            return;
        }
        let params = format!(r#"{{"_meta":{{"{SUBSCRIPTION_KEY}":{}}}}}"#, self.id.as_json());
        if let Some(sink) = &*lock(&self.sink) {
            sink.notify(write::notification("notifications/tools/list_changed", &params));
        }
    }
}

impl Cancel for Listen {
    fn cancel(&self, reason: CancelReason) {
        let Some(sink) = lock(&self.sink).take() else { return };
        self.scope.remove(&self.id);
        if reason != CancelReason::Shutdown {
            return sink.abandon();
        }
        // On a channel with other streams the client cannot see this one end, so it is told.
        sink.notify_teardown(&self.id);
        let meta = Some((SUBSCRIPTION_KEY, self.id.as_json()));
        let result = self.core.identity.modern_result("", meta);
        sink.reply(Reply { text: write::result(&self.id, &result), error: None });
    }
}

impl Drop for Listen {
    fn drop(&mut self) {
        self.core.env.counters.listens.down();
    }
}
