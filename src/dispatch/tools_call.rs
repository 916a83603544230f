//! `tools/call`: checks the call, then hands it to a worker or runs it in place.

use std::borrow::Cow;
use std::sync::{Arc, Weak};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Request;
use crate::call::{Call, CallParts, CallSlot, CallState, ToolFn};
use crate::cancel::Cancel;
use crate::content::ToolResult;
use crate::core::Core;
use crate::registry::{Refused, Running};
use crate::reply::Reply;
use crate::rpc::{code, write};
use crate::session::Rejected;
use crate::shield::shielded;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

pub(super) fn run(core: &Arc<Core>, request: Request) {
    let (name, arguments) = match request.read::<Params<'_>>() {
        Ok(params) => (params.name.into_owned(), params.arguments.map(RawValue::to_owned)),
        Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
    };
    // Absent, null and {} all mean no arguments; clients send each of them.
    let arguments = arguments.filter(|raw| raw.get() != "null");
    if arguments.as_ref().is_some_and(|raw| !raw.get().starts_with('{')) {
        return request.fail(code::INVALID_PARAMS, "arguments must be an object", None);
    }
    let arguments = arguments.unwrap_or_else(empty_object);
    let running = match core.registry.lookup(&name).map(|entry| entry.enter()) {
        Some(Ok(running)) => Some(Arc::new(running)),
        Some(Err(Refused::Busy)) => None,
        Some(Err(Refused::Removed)) | None => {
            return request.fail(code::INVALID_PARAMS, &unknown(&name), None);
        }
    };
    let (Some(running), Some(slot)) = (running, core.calls.enter()) else {
        core.env.counters.calls_refused.up();
        let text = match core.calls.is_closed() {
            true => "the server is stopping; try again in a minute".to_owned(),
            false => format!("{name} is busy; try again in a few seconds"),
        };
        return refuse(core, request, text);
    };
    start(core, request, arguments, running, slot);
}

fn start(
    core: &Arc<Core>,
    mut request: Request,
    arguments: Box<RawValue>,
    running: Arc<Running<ToolFn>>,
    slot: CallSlot,
) {
    let (limits, tool) = (&core.env.limits, &running.entry().tool);
    let state = CallState::new(CallParts {
        env: core.env.clone(),
        identity: core.identity.clone(),
        id: request.id.clone(),
        tool: tool.name.as_str().into(),
        arguments,
        // Moved and not copied: a refusal of the request does not need it.
        meta: std::mem::take(&mut request.meta),
        revision: request.revision,
        session: request.session.clone(),
        transport: request.transport,
        remote: request.remote.clone(),
        principal: request.principal.clone(),
        scope: request.scope.clone(),
        sink: request.sink.clone(),
        timeout: tool.timeout.unwrap_or(limits.tool_time),
        result_bytes: tool.result_bytes.unwrap_or(limits.result_bytes),
    });
    match request.scope.insert(&request.id, state.clone(), limits.calls_per_peer) {
        Ok(()) => {}
        Err(rejected) => {
            // Silenced first: the answer to a refused request is not the call's to give.
            state.discard();
            return reject(core, request, rejected);
        }
    }
    core.watch(Arc::downgrade(&state) as Weak<dyn Cancel>);
    core.env.counters.calls_started.up();
    // The I/O thread is not the host's.
    let is_inline = tool.flags.inline && core.env.host.is_none();
    let call = Call::new(state, running.clone(), slot);
    let handle = call.handle();
    let job = {
        let core = core.clone();
        // The job holds `running` too: the tool counts as running until its function has
        // returned, even if it answers long before.
        move || call.run(|call| guarded(&core, &running, call))
    };
    if is_inline {
        return job();
    }
    // The job comes back with the call in it and is dropped last: dropping a call answers it.
    if let Err(_refused) = core.submit(Box::new(job)) {
        core.env.counters.calls_refused.up();
        handle.refuse_busy();
    }
}

/// Checks the arguments and runs the tool function. A panic in either fails the call, which is
/// dropped with it, and not the worker.
///
/// The check runs here and not on the I/O thread: its cost grows with what the client sent.
fn guarded(core: &Core, running: &Running<ToolFn>, call: Call) {
    let tool = &running.entry().tool;
    if running.entry().is_removed() {
        // Removed while the call waited: whoever removes it counts on its not being run any more.
        call.fail_rpc(code::INVALID_PARAMS, &unknown(&tool.name), None);
        return;
    }
    shielded(&core.env, &tool.name, || match tool.input.schema.check(call.arguments()) {
        Ok(()) => running.function().run(call),
        Err(problem) => {
            core.env.counters.calls_invalid.up();
            let text = format!("invalid arguments for {}: {problem}", tool.name);
            call.reply(ToolResult::error(text));
        }
    });
}

fn unknown(name: &str) -> String {
    format!("unknown tool: {}", name.chars().take(128).collect::<String>())
}

fn reject(core: &Arc<Core>, request: Request, rejected: Rejected) {
    match rejected {
        Rejected::Duplicate => {
            request.fail(code::INVALID_REQUEST, Rejected::DUPLICATE, None);
        }
        Rejected::TooMany => {
            core.env.counters.calls_refused.up();
            let limit = core.env.limits.calls_per_peer;
            refuse(core, request, format!("{limit} calls are in flight already; wait for one"));
        }
    }
}

/// Answers with a failure that the model sees and can act on.
fn refuse(core: &Core, request: Request, text: String) {
    let mut json = String::new();
    let extra = core.identity.result_extra(request.revision);
    ToolResult::error(text).write(request.revision, extra, &mut json);
    request.sink.reply(Reply { text: write::result(&request.id, &json), error: None });
}

fn empty_object() -> Box<RawValue> {
    serde_json::value::to_raw_value(&serde_json::Map::new()).unwrap_or_default()
}
