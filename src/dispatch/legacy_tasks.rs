//! The experimental tasks of 2025-11-25: `tasks/get`, `tasks/result`, `tasks/list` and
//! `tasks/cancel`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Request;
use super::tasks::named;
use crate::cancel::{Cancel, CancelReason};
use crate::core::Core;
use crate::json::{push_key, push_raw_member, push_string, push_text_member};
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
            Rejected::Gone => Rejected::GONE,
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

    /// Sends the open questions on the stream of this request, or on that of the session.
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
            let sink = lock(&self.sink);
            let sent =
                sink.as_ref().is_some_and(|sink| sink.ask(text.clone()) || session.ask(text));
            drop(sink);
            if !sent {
                session.asked.forget(id);
                lock(&self.asked).retain(|(_, known)| *known != id);
            }
        }
    }

    /// Takes back what has been asked for this request alone: whoever waits next asks anew.
    fn withdraw(&self, sink: &dyn ReplySink) {
        let asked = std::mem::take(&mut *lock(&self.asked));
        let Some(session) = &self.session else { return };
        for (_, id) in asked {
            session.withdraw(id, sink);
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

/// The JSON object with a `_meta` that names the task, besides what is in it already.
fn related(object: &str, task: &str) -> String {
    let mut members = Members::of(object);
    let own = members.0.remove("_meta");
    let mut meta = own.map(|own| Members::of(own.get())).unwrap_or_default();
    // Of the task that was called; a result may come out of another one.
    meta.0.remove(RELATED_KEY);
    let mut name = String::from("{");
    push_text_member(&mut name, "taskId", task);
    name.push('}');
    let mut out = String::from("{");
    members.push(&mut out);
    push_key(&mut out, "_meta");
    out.push('{');
    meta.push(&mut out);
    push_raw_member(&mut out, RELATED_KEY, &name);
    out.push_str("}}");
    out
}

/// The members of a JSON object as they were written.
#[derive(Default, Deserialize)]
#[serde(transparent)]
struct Members<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Members<'a> {
    /// None of what is no object.
    fn of(text: &'a str) -> Members<'a> {
        serde_json::from_str(text).unwrap_or_default()
    }

    fn push(&self, out: &mut String) {
        for (name, value) in &self.0 {
            if !out.ends_with('{') {
                out.push(',');
            }
            push_string(out, name);
            out.push(':');
            out.push_str(value.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::related;

    #[test]
    fn every_object_names_the_task() {
        let name = r#""io.modelcontextprotocol/related-task":{"taskId":"t"}"#;
        for (object, expected) in [
            ("{}", format!(r#"{{"_meta":{{{name}}}}}"#)),
            (r#"{"a":1}"#, format!(r#"{{"a":1,"_meta":{{{name}}}}}"#)),
            (r#"{"_meta":{},"a":1}"#, format!(r#"{{"a":1,"_meta":{{{name}}}}}"#)),
            (r#"{"_meta":{"b":"}"}}"#, format!(r#"{{"_meta":{{"b":"}}",{name}}}}}"#)),
            (r#"{"a":{"_meta":{}}}"#, format!(r#"{{"a":{{"_meta":{{}}}},"_meta":{{{name}}}}}"#)),
        ] {
            assert_eq!(related(object, "t"), expected);
        }
        let named = format!(r#"{{"_meta":{{{}}}}}"#, name.replace("\"t\"", "\"other\""));
        assert_eq!(related(&named, "t"), format!(r#"{{"_meta":{{{name}}}}}"#));
    }
}
