//! `tasks/get`, `tasks/update` and `tasks/cancel` of the extension of 2026-07-28 (SEP-2663).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Request;
use crate::call::{TASKS_EXTENSION, TASKS_REQUIRED};
use crate::core::Core;
use crate::rpc::code;
use crate::task::Task;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    #[serde(borrow)]
    task_id: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answers<'a> {
    #[serde(borrow)]
    input_responses: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

pub(super) fn get(core: &Arc<Core>, request: Request) {
    let Some((request, task)) = find(core, request) else { return };
    request.succeed(&core.identity.modern_result("complete", &task.details(), None));
}

pub(super) fn update(core: &Arc<Core>, request: Request) {
    let Some((request, task)) = find(core, request) else { return };
    match request.read::<Answers<'_>>() {
        Ok(answers) => {
            answers.input_responses.iter().for_each(|(key, answer)| task.answer(key, answer));
        }
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    }
    request.succeed(&core.identity.modern_result("complete", "", None));
}

pub(super) fn cancel(core: &Arc<Core>, request: Request) {
    let Some((request, task)) = find(core, request) else { return };
    // One that has ended stays as it is, and the client hears the same.
    if let Some(work) = task.work() {
        work.cancel_work();
    }
    request.succeed(&core.identity.modern_result("complete", "", None));
}

/// The task that the request names, if its client knows tasks; otherwise it has been answered.
fn find(core: &Core, request: Request) -> Option<(Request, Arc<Task>)> {
    if !request.meta.capabilities(request.revision).has_extension(TASKS_EXTENSION) {
        refuse(request);
        return None;
    }
    named(core, request)
}

/// The task that the request names; otherwise it has been answered. One answer for a task that
/// never was, has gone, or is somebody else's.
pub(super) fn named(core: &Core, request: Request) -> Option<(Request, Arc<Task>)> {
    let id = match request.read::<Named<'_>>() {
        Ok(params) => params.task_id.into_owned(),
        Err(problem) => {
            request.fail(code::INVALID_PARAMS, &problem, None);
            return None;
        }
    };
    let principal = request.principal.as_deref();
    match core.tasks.find(&id, principal, request.revision.is_modern()) {
        Some(task) => Some((request, task)),
        None => {
            let problem = "task not found; it may have been kept no longer";
            request.fail(code::INVALID_PARAMS, problem, None);
            None
        }
    }
}

/// Answers that the client has not said that it knows tasks.
pub(super) fn refuse(request: Request) {
    let data = format!(r#"{{"requiredCapabilities":{TASKS_REQUIRED}}}"#);
    let text = format!("{} needs the extension {TASKS_EXTENSION}", request.method);
    request.fail(code::MISSING_CAPABILITY, &text, Some(&data));
}
