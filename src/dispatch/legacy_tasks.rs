//! The experimental tasks of 2025-11-25: `tasks/get`, `tasks/result`, `tasks/list` and
//! `tasks/cancel`.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, Weak};

use serde::Deserialize;

use super::Request;
use super::tasks::named;
use crate::cancel::{Cancel, CancelReason};
use crate::core::Core;
use crate::json::{has_key, push_string, push_text_member};
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, code, write};
use crate::session::{Awaiting, InFlight, Rejected, Session};
use crate::sync::lock;
use crate::task::{End, Task, TaskWatcher};

/// `_meta` key that names the task on everything that belongs to it.
const RELATED_KEY: &str = "io.modelcontextprotocol/related-task";

pub(super) fn get(core: &Arc<Core>, request: Request) {
    let Some((request, task)) = named(core, request) else { return };
    request.succeed(&format!("{{{}}}", task.members()));
}

pub(super) fn cancel(core: &Arc<Core>, request: Request) {
    let Some((request, task)) = named(core, request) else { return };
    if task.has_ended() {
        return request.fail(code::INVALID_PARAMS, "the task has ended already", None);
    }
    if let Some(work) = task.work() {
        work.cancel_work();
    }
    request.succeed(&format!("{{{}}}", task.members()));
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    cursor: Option<Cow<'a, str>>,
}

/// Lists the tasks of an identity. Without one everybody's would be in it, so it is not there.
pub(super) fn list(core: &Arc<Core>, request: Request) {
    let Some(principal) = request.principal.clone() else {
        let data = serde_json::json!({ "method": request.method }).to_string();
        return request.fail(code::METHOD_NOT_FOUND, "method not found", Some(&data));
    };
    let cursor = match request.read::<Params<'_>>() {
        Ok(params) => params.cursor.unwrap_or_default().into_owned(),
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    let size = core.env.limits.page.max(1);
    let tasks = core.tasks.of(&principal, false);
    let mut after = tasks.iter().filter(|task| *task.id > *cursor);
    let page: Vec<_> = after.by_ref().take(size).collect();
    let elements: Vec<_> = page.iter().map(|task| format!("{{{}}}", task.members())).collect();
    let mut result = format!(r#"{{"tasks":[{}]"#, elements.join(","));
    if after.next().is_some()
        && let Some(last) = page.last()
    {
        push_text_member(&mut result, "nextCursor", &last.id);
    }
    result.push('}');
    request.succeed(&result);
}

/// Answers with what the call would have been answered with, as soon as that is known.
pub(super) fn result(core: &Arc<Core>, request: Request) {
    let Some((request, task)) = named(core, request) else { return };
    let wait = Arc::new(Wait {
        id: request.id.clone(),
        scope: request.scope.clone(),
        session: request.session.clone(),
        asked: Mutex::default(),
        sink: Mutex::new(Some(request.sink.clone())),
    });
    let limit = core.env.limits.calls_per_peer;
    if let Err(rejected) = request.scope.insert(&request.id, wait.clone(), limit) {
        lock(&wait.sink).take();
        let problem = match rejected {
            Rejected::Duplicate => Rejected::DUPLICATE,
            Rejected::TooMany => "too many requests are in flight",
        };
        return request.fail(code::INVALID_REQUEST, problem, None);
    }
    core.watch(Arc::downgrade(&wait) as Weak<dyn Cancel>);
    task.watch(Arc::downgrade(&wait) as Weak<dyn TaskWatcher>);
    // It may have ended before it was watched.
    wait.task_changed(&task);
}

/// One `tasks/result` that waits. Alive as long as its peer's list of requests in flight holds it.
struct Wait {
    id: Id,
    scope: Arc<InFlight>,
    session: Option<Arc<Session>>,
    /// The questions that have been sent on this stream: their keys and our requests.
    asked: Mutex<Vec<(String, u64)>>,
    /// Taken by whoever ends the wait.
    sink: Mutex<Option<Arc<dyn ReplySink>>>,
}

impl TaskWatcher for Wait {
    fn task_changed(&self, task: &Arc<Task>) {
        match task.end() {
            Some(end) => self.answer(task, &end),
            None => self.ask(task),
        }
    }
}

impl Wait {
    fn answer(&self, task: &Task, end: &End) {
        let Some(sink) = lock(&self.sink).take() else { return };
        self.scope.remove(&self.id);
        self.withdraw(&*sink);
        let error = |code: i32, text: &str| Reply {
            text: write::error(Some(&self.id), code, text, None),
            error: Some(code),
        };
        sink.reply(match end {
            End::Completed(result) => {
                let result = related(result, &task.id);
                Reply { text: write::result(&self.id, &result), error: None }
            }
            End::Failed(json) => {
                let id = self.id.as_json();
                let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{json}}}"#);
                Reply { text, error: Some(code::INTERNAL_ERROR) }
            }
            End::Cancelled => error(code::INTERNAL_ERROR, "the task was cancelled"),
        });
    }

    /// Sends the open questions on the stream of this request.
    fn ask(&self, task: &Task) {
        let (Some(session), Some(work)) = (&self.session, task.work()) else { return };
        if !work.is_asking() {
            return;
        }
        for (key, method, params) in work.requests() {
            let mut asked = lock(&self.asked);
            if asked.iter().any(|(known, _)| *known == key) {
                continue;
            }
            let who: Arc<dyn Awaiting> = work.clone();
            let id = session.asked.register(Arc::downgrade(&who), &key);
            asked.push((key, id));
            drop(asked);
            let text = write::request(id, method, &related(&params, &task.id));
            let sent = lock(&self.sink).as_ref().is_some_and(|sink| sink.ask(text));
            if !sent {
                session.asked.forget(id);
            }
        }
    }
}

impl Wait {
    /// Nobody waits here for answers any more: not to forget it would keep the question as long as
    /// the session, once for each request that has waited.
    fn withdraw(&self, sink: &dyn ReplySink) {
        let asked = std::mem::take(&mut *lock(&self.asked));
        let Some(session) = &self.session else { return };
        for (_, id) in asked {
            session.asked.withdraw(id).into_iter().for_each(|text| sink.notify(text));
        }
    }
}

impl Cancel for Wait {
    fn cancel(&self, reason: CancelReason) {
        let Some(sink) = lock(&self.sink).take() else { return };
        self.scope.remove(&self.id);
        self.withdraw(&*sink);
        if reason != CancelReason::Shutdown {
            return sink.abandon();
        }
        let code = code::INTERNAL_ERROR;
        let text = write::error(Some(&self.id), code, "server is stopping", None);
        sink.reply(Reply { text, error: Some(code) });
    }
}

/// The JSON object with `_meta` that names the task, unless it has a `_meta` of its own.
fn related(object: &str, task: &str) -> String {
    let Some(members) = object.strip_suffix('}').filter(|_| !has_key(object, "_meta")) else {
        return object.to_owned();
    };
    let mut out = members.to_owned();
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push_str(&format!(r#""_meta":{{"{RELATED_KEY}":{{"taskId":"#));
    push_string(&mut out, task);
    out.push_str("}}}");
    out
}
