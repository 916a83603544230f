//! `tools/call`: checks the call before it is accepted.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Request;
use super::call::{Begin, NewCall, empty_object, refuse, shorten};
use crate::call::{TASKS_EXTENSION, TASKS_REQUIRED, Target};
use crate::core::{Core, Feature};
use crate::hooks::Item;
use crate::kind::CallKind;
use crate::registry::{Refused, TaskSupport};
use crate::rpc::{code, string};

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    /// A client of 2025-11-25 wishes a task; to all others it means nothing.
    #[serde(borrow, default)]
    task: Option<&'a RawValue>,
}

pub(super) fn run(core: &Arc<Core>, mut request: Request) {
    let (entry, name, arguments, wishes_task) = match read(&request) {
        Ok((name, arguments, wishes_task)) => {
            let entry = core.tools.lookup(&name).filter(|_| request.may(core, Item::Tool, &name));
            let own_name = entry.as_ref().map(|entry| entry.item.name.clone());
            let name: Arc<str> = own_name.unwrap_or_else(|| name.into());
            (entry, name, arguments.map(Box::<str>::from), wishes_task)
        }
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    // Ignored by a server that has not announced tasks (2025-11-25, tasks, capabilities).
    let wishes_task =
        wishes_task && request.revision.has_task_methods() && core.has(Feature::Tasks);
    if let Some(scope) = entry.as_ref().and_then(|entry| request.lacks(&entry.item.about)) {
        let scope = scope.to_owned();
        return request.forbid(core, &name, &scope);
    }
    if entry.is_some()
        && let Some(refusal) = request.mismatch.take()
    {
        return request.fail(refusal.code, &refusal.message, refusal.data.as_deref());
    }
    // Absent, null and {} all mean no arguments; clients send each of them.
    let arguments = arguments.filter(|json| &**json != "null");
    if arguments.as_ref().is_some_and(|json| !json.starts_with('{')) {
        return request.fail(code::INVALID_PARAMS, "arguments must be an object", None);
    }
    let (entry, target) = match entry.map(|entry| (entry.clone(), entry.enter())) {
        Some((entry, Ok(running))) => (entry, Ok(Target::Tool(running))),
        Some((entry, Err(Refused::Busy(busy)))) => (entry, Err(busy)),
        Some((_, Err(Refused::Removed))) | None => {
            let text = format!("unknown tool: {}", shorten(&name));
            return request.fail(code::INVALID_PARAMS, &text, None);
        }
    };
    let tool = &entry.item;
    let task = match (tool.flags.task, wishes_task) {
        (TaskSupport::Required, wishes) if !wishes && !knows_tasks(&request) => {
            return refuse_without_task(core, request, &name);
        }
        (TaskSupport::Never, true) if !core.options.tasks => {
            let text = format!("{name} does not run as a task");
            return request.fail(code::METHOD_NOT_FOUND, &text, None);
        }
        (TaskSupport::Never, false) => Begin::Plain,
        (TaskSupport::Never, true) => Begin::Wished,
        (TaskSupport::Optional | TaskSupport::Required, false) if !request.revision.is_modern() => {
            Begin::Plain
        }
        (TaskSupport::Optional | TaskSupport::Required, _) => Begin::Task,
    };
    let call = NewCall {
        kind: CallKind::Tool,
        name,
        arguments: arguments.unwrap_or_else(empty_object),
        completing: None,
        timeout: tool.about.timeout,
        result_bytes: tool.about.result_bytes,
        caching: None,
        is_inline: tool.flags.inline,
        task,
    };
    call.start(core, request, target);
}

/// The name, the arguments and whether a task is wished.
fn read(request: &Request) -> Result<(Cow<'_, str>, Option<&str>, bool), String> {
    let params = &request.params;
    // The usual form is in its places already; the other one is read as all methods read.
    if params.is_clear()
        && let Some(name) = params.member("name").and_then(string)
    {
        let wishes_task = params.member("task").is_some_and(|task| task != "null");
        return Ok((name, params.member("arguments"), wishes_task));
    }
    let params = request.read::<Params<'_>>()?;
    let arguments = params.arguments.map(RawValue::get);
    Ok((params.name, arguments, params.task.is_some()))
}

/// Tells whether a modern client has said that it knows tasks.
fn knows_tasks(request: &Request) -> bool {
    request.revision.is_modern()
        && request.meta.capabilities(request.revision).has_extension(TASKS_EXTENSION)
}

/// Refuses a tool that needs tasks, in the words of the client's revision.
fn refuse_without_task(core: &Core, request: Request, name: &str) {
    let text = format!("{name} runs as a task only");
    if request.revision.is_modern() {
        let data = format!(r#"{{"requiredCapabilities":{TASKS_REQUIRED}}}"#);
        return request.fail(code::MISSING_CAPABILITY, &text, Some(&data));
    }
    if request.revision.has_task_methods() {
        return request.fail(code::METHOD_NOT_FOUND, &text, None);
    }
    let text = format!("{text}, and this client's protocol revision has no tasks");
    refuse(core, request, CallKind::Tool, text);
}
