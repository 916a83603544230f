//! `subscriptions/listen`: the only way a modern client hears of changes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, Weak};

use serde::Deserialize;

use super::resources_read::find;
use super::{Request, tasks};
use crate::call::TASKS_EXTENSION;
use crate::cancel::{Cancel, CancelReason};
use crate::changes::{Change, Listener};
use crate::core::{Core, Feature};
use crate::json::{push_key, push_raw_member, push_string};
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, code, write};
use crate::session::{InFlight, Rejected, SUBSCRIPTION_BYTES_MAX};
use crate::sync::lock;
use crate::task::{Task, TaskWatcher};

/// `_meta` key that names the listen request on everything that its stream carries.
const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";

#[derive(Deserialize)]
struct Params {
    notifications: Filter,
}

/// What the client wants to hear of. Kinds that this server does not have are left out of the
/// acknowledgement, which is how a client learns.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    tools_list_changed: bool,
    resources_list_changed: bool,
    prompts_list_changed: bool,
    resource_subscriptions: Vec<String>,
    task_ids: Vec<String>,
}

/// One open listen stream. Alive as long as its peer's list of requests in flight holds it.
struct Listen {
    core: Arc<Core>,
    id: Id,
    scope: Arc<InFlight>,
    filter: Filter,
    /// Taken by whoever ends the stream.
    sink: Mutex<Option<Arc<dyn ReplySink>>>,
}

pub(super) fn run(core: &Arc<Core>, request: Request) {
    let asked = match request.read::<Params>() {
        Ok(params) => params.notifications,
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let knows_tasks = request.meta.capabilities(request.revision).has_extension(TASKS_EXTENSION);
    if !asked.task_ids.is_empty() && !knows_tasks {
        return tasks::refuse(request);
    }
    let (filter, watched) = honoured(core, &request, asked);
    let counters = &core.env.counters;
    if !counters.listens.up_within(core.env.limits.listens) {
        counters.streams_refused.up();
        return request.fail(code::INTERNAL_ERROR, "too many listen streams", None);
    }
    let listen = Arc::new(Listen {
        core: core.clone(),
        id: request.id.clone(),
        scope: request.scope.clone(),
        filter,
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
                Rejected::Gone => Rejected::GONE,
            };
            return request.fail(code::INVALID_REQUEST, message, None);
        }
    }
    request.sink.notify(acknowledged);
    core.watch(Arc::downgrade(&listen) as Weak<dyn Cancel>);
    core.changes.subscribe(Arc::downgrade(&listen) as Weak<dyn Listener>);
    for task in watched {
        task.watch(Arc::downgrade(&listen) as Weak<dyn TaskWatcher>);
        // It may have ended before it was watched; then nothing else would tell.
        if task.has_ended() {
            listen.task_changed(&task);
        }
    }
}

/// The part of what was asked for that the client will hear of.
fn honoured(core: &Core, request: &Request, asked: Filter) -> (Filter, Vec<Arc<Task>>) {
    let has_resources = core.has(Feature::Resources);
    let limit = core.env.limits.subscriptions;
    if asked.resource_subscriptions.len() + asked.task_ids.len() > limit {
        core.env.counters.subscriptions_refused.up();
    }
    let mut room = SUBSCRIPTION_BYTES_MAX;
    let uris = distinct(asked.resource_subscriptions).take(limit).take_while(|uri| {
        let fits = room.checked_sub(uri.len());
        room = fits.unwrap_or(0);
        fits.is_some()
    });
    let may_read = |uri: &String| {
        let found = find(core, request, uri);
        found.is_some_and(|(entry, _)| request.lacks(&entry.item.about).is_none())
    };
    let uris = uris.filter(|uri| has_resources && may_read(uri));
    let principal = request.principal.as_deref();
    let tasks = distinct(asked.task_ids).take(limit);
    let tasks: Vec<_> = tasks.filter_map(|id| core.tasks.find(&id, principal, true)).collect();
    let filter = Filter {
        tools_list_changed: asked.tools_list_changed,
        resources_list_changed: asked.resources_list_changed && has_resources,
        prompts_list_changed: asked.prompts_list_changed && core.has(Feature::Prompts),
        resource_subscriptions: uris.collect(),
        task_ids: tasks.iter().map(|task| task.id.to_string()).collect(),
    };
    (filter, tasks)
}

/// Each of `names` once, in their order: what is named twice is to be told once.
fn distinct(names: Vec<String>) -> impl Iterator<Item = String> {
    let mut known = HashSet::new();
    names.into_iter().filter(move |name| known.insert(name.clone()))
}

impl Filter {
    /// As JSON, without what is not in it.
    fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (name, is_wanted) in [
            ("toolsListChanged", self.tools_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
        ] {
            if is_wanted {
                push_raw_member(&mut out, name, "true");
            }
        }
        for (name, list) in
            [("resourceSubscriptions", &self.resource_subscriptions), ("taskIds", &self.task_ids)]
        {
            if list.is_empty() {
                continue;
            }
            push_key(&mut out, name);
            out.push('[');
            for (index, element) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_string(&mut out, element);
            }
            out.push(']');
        }
        out.push('}');
        out
    }
}

impl Listen {
    fn acknowledgement(&self) -> String {
        let honoured = self.filter.to_json();
        let id = self.id.as_json();
        let params =
            format!(r#"{{"notifications":{honoured},"_meta":{{"{SUBSCRIPTION_KEY}":{id}}}}}"#);
        write::notification("notifications/subscriptions/acknowledged", &params)
    }

    /// Sends a notification whose params are `members` and the name of this stream.
    fn notify(&self, method: &str, members: &str) {
        let comma = if members.is_empty() { "" } else { "," };
        let id = self.id.as_json();
        let params = format!(r#"{{{members}{comma}"_meta":{{"{SUBSCRIPTION_KEY}":{id}}}}}"#);
        if let Some(sink) = &*lock(&self.sink) {
            sink.notify(write::notification(method, &params));
        }
    }
}

impl Listener for Listen {
    fn hears(&self, change: &Change) -> bool {
        match change {
            Change::Tools => self.filter.tools_list_changed,
            Change::Resources => self.filter.resources_list_changed,
            Change::Prompts => self.filter.prompts_list_changed,
            Change::Updated(uri) => self.filter.resource_subscriptions.contains(uri),
        }
    }

    fn changed(&self, change: &Change, _: &Arc<str>) {
        if !self.hears(change) {
            return;
        }
        let mut members = String::new();
        if let Change::Updated(uri) = change {
            members.push_str("\"uri\":");
            push_string(&mut members, uri);
        }
        self.notify(change.method(), &members);
    }
}

impl TaskWatcher for Listen {
    fn task_changed(&self, task: &Arc<Task>) {
        self.notify("notifications/tasks", &task.details());
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
        let result = self.core.identity.modern_result("complete", "", meta);
        sink.reply(Reply { text: write::result(&self.id, &result), error: None });
    }
}

impl Drop for Listen {
    fn drop(&mut self) {
        self.core.env.counters.listens.down();
    }
}
