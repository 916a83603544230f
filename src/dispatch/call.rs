//! What all calls of functions of the host share: they are accepted here, and handed to a worker or
//! run in place.

use std::borrow::Cow;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Request;
use crate::caching::Caching;
use crate::call::{
    Call, CallParts, CallServices, CallState, Completing, NoPlace, SharedTarget, Target,
};
use crate::cancel::Cancel;
use crate::content::ToolResult;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::input::{Asking, Binding, StateError, params_digest};
use crate::kind::CallKind;
use crate::pool::is_own_thread;
use crate::registry::{Busy, Hidden};
use crate::reply::Reply;
use crate::rpc::{code, write};
use crate::session::Rejected;
use crate::shield::shielded;
use crate::task::TaskWork;

/// One call before it is accepted.
pub(super) struct NewCall {
    pub(super) kind: CallKind,
    /// The name of the tool or prompt, or the URI.
    pub(super) name: Arc<str>,
    pub(super) arguments: Box<str>,
    pub(super) completing: Option<Completing>,
    pub(super) timeout: Option<Duration>,
    pub(super) result_bytes: Option<usize>,
    pub(super) caching: Option<Caching>,
    /// Runs where it came in.
    pub(super) is_inline: bool,
    pub(super) task: Begin,
}

/// Whether a call becomes a task before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// No, and the client has not asked for one.
    Plain,
    /// No, though a client of 2025-11-25 has asked for one: its tool may begin one itself.
    Wished,
    /// Yes, if the client takes tasks.
    Task,
}

/// What a modern client brings back with its answers.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Round<'a> {
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    input_responses: Option<&'a RawValue>,
    #[serde(borrow, default)]
    request_state: Option<Cow<'a, str>>,
}

impl NewCall {
    /// Accepts the call and has it run. `enter` counts it in with what it is a call of.
    pub(super) fn start(
        self,
        core: &Arc<Core>,
        mut request: Request,
        target: std::result::Result<Target, Busy>,
    ) {
        let asking = match self.resume(core, &request) {
            Ok(asking) => asking,
            Err(problem) => return request.fail(code::INVALID_PARAMS, &problem, None),
        };
        let target = match target {
            Ok(target) => target,
            Err(Busy::TooFast(wait)) => {
                let text = format!("{} is called too often", self.name);
                return refuse_for(wait, core, request, self.kind, text);
            }
            Err(Busy::Full) => return self.refuse_full(core, request, NoPlace::Full),
        };
        let slot = match core.calls.enter(&request.account) {
            Ok(slot) => slot,
            Err(why) => return self.refuse_full(core, request, why),
        };
        let limits = &core.env.limits;
        let kind = self.kind;
        let services: Weak<Core> = Arc::downgrade(core);
        let hidden = match core.options.hide_arguments {
            true => Hidden::All,
            false => target.hidden().clone(),
        };
        let state = CallState::new(CallParts {
            env: core.env.clone(),
            services,
            identity: core.identity.clone(),
            id: request.id.clone(),
            kind,
            name: self.name,
            arguments: self.arguments,
            hidden,
            completing: self.completing,
            // Moved and not copied: a refusal of the request does not need it.
            meta: std::mem::take(&mut request.meta),
            revision: request.revision,
            session: request.session.clone(),
            transport: request.transport,
            remote: request.remote.clone(),
            uid: request.uid,
            principal: request.principal.clone(),
            scopes: request.scopes.clone(),
            claims: request.claims.clone(),
            scope: request.scope.clone(),
            sink: request.sink.clone(),
            asking,
            wants_task: self.task != Begin::Plain,
            timeout: self.timeout.unwrap_or(limits.tool_time),
            result_bytes: self.result_bytes.unwrap_or(limits.result_bytes),
            caching: self.caching.filter(|_| request.revision.is_modern()),
        });
        match request.scope.insert(&request.id, state.clone(), limits.calls_per_peer) {
            Ok(()) => {}
            Err(rejected) => {
                // Silenced first: the answer to a refused request is not the call's to give.
                state.discard();
                return reject(core, request, kind, rejected);
            }
        }
        // A session finds its calls by itself.
        if request.session.is_none() {
            core.watch(Arc::downgrade(&state) as Weak<dyn Cancel>);
        }
        core.env.counters.calls_started.up();
        let becomes_task = self.task == Begin::Task && state.takes_task();
        let call = Call::new(state.clone(), Arc::new(target), slot);
        if becomes_task && let Err(error) = core.begin_task(&state) {
            let text = format!("{} cannot run as a task: {error}", call.name());
            call.fail(text);
            return;
        }
        // The I/O thread is not the host's.
        let is_inline = self.is_inline && core.env.host.is_none();
        // What blocks the I/O thread blocks its clock too, and most calls end before they come back
        // from there: only one that is kept needs a deadline. On a worker, which is one of ours as
        // well, an inline function is run by a host that asks its own server.
        if is_inline && is_own_thread() {
            run(core, call);
            return state.arm();
        }
        state.arm();
        match is_inline {
            true => run(core, call),
            false => submit(core, call),
        }
    }

    fn refuse_full(&self, core: &Core, request: Request, why: NoPlace) {
        core.env.counters.calls_refused.up();
        let text = match why {
            NoPlace::Closed => "the server is stopping".into(),
            NoPlace::Full => format!("{} is busy; try again in a few seconds", self.name),
            NoPlace::Identity => {
                let limit = core.env.limits.calls_per_identity;
                format!("{limit} calls of this caller are open already; wait for one")
            }
        };
        refuse(core, request, self.kind, text);
    }

    /// The dialogue that the request goes on with.
    fn resume(
        &self,
        core: &Core,
        request: &Request,
    ) -> std::result::Result<Asking, Cow<'static, str>> {
        if !request.revision.is_modern() || !self.kind.may_ask() {
            return Ok(Asking::default());
        }
        // Hardly any request has them, and reading the params once more costs all others.
        let is_none = |name| request.params.member(name).is_none();
        if request.params.is_clear() && is_none("inputResponses") && is_none("requestState") {
            return Ok(Asking::default());
        }
        let Round { input_responses, request_state } =
            request.read().map_err(Cow::<'static, str>::Owned)?;
        let memory = request_state.map(|state| {
            let binding = Binding {
                principal: request.principal.as_deref(),
                method: self.kind.method(),
                params_digest: params_digest(&self.name, Some(&self.arguments)),
            };
            core.keys.open(&state, binding, unix_time().as_secs(), core.env.limits.state_bytes)
        });
        let memory = memory.transpose().map_err(|error| {
            core.env.counters.states_refused.up();
            Cow::Borrowed(match error {
                StateError::Expired => "requestState has expired; begin again without it",
                StateError::Malformed | StateError::Forged => {
                    "requestState was not made by this server for this request"
                }
            })
        })?;
        Asking::resume(memory.as_deref(), input_responses).map_err(Cow::Borrowed)
    }
}

impl CallServices for Core {
    fn rerun(self: Arc<Self>, call: Call) {
        submit(&self, call);
    }

    fn seal(&self, memory: &[u8], binding: Binding<'_>) -> String {
        let expires = unix_time().saturating_add(self.env.limits.state_time);
        // Rounded up: it is to be good for the whole of that time.
        let expires = expires.as_secs().saturating_add((expires.subsec_nanos() > 0).into());
        self.keys.seal(memory, binding, expires)
    }

    fn begin_task(&self, call: &Arc<CallState>) -> Result<()> {
        if !call.takes_task() {
            call.lack_tasks();
            return Err(Error::Capability("the client does not know tasks".into()));
        }
        let work: Weak<CallState> = Arc::downgrade(call);
        let work: Weak<dyn TaskWork> = work;
        // It leaves the requests of its session.
        self.watch(Arc::downgrade(call) as Weak<dyn Cancel>);
        let is_modern = call.revision().is_modern();
        let task = self.tasks.open(work, call.principal(), is_modern, call.task_time())?;
        call.hand_over(&task).inspect_err(|_| self.tasks.forget(&task))
    }
}

/// Hands the call to whoever runs functions of the host.
fn submit(core: &Arc<Core>, call: Call) {
    let handle = call.handle();
    let job = {
        let core = core.clone();
        move || match call.target().is_removed() {
            // While the call waited: whoever removes it counts on its not being run any more.
            true => {
                let text = format!("unknown: {}", shorten(call.name()));
                call.fail_rpc(code::INVALID_PARAMS, &text, None);
            }
            false => run(&core, call),
        }
    };
    // The job comes back with the call in it and is dropped last: dropping a call answers it.
    if let Err(_refused) = core.submit(Box::new(job)) {
        core.env.counters.calls_refused.up();
        handle.refuse_busy();
    }
}

fn run(core: &Core, call: Call) {
    // Held until the function has returned: what is called counts as running until then, even if
    // it answers long before.
    let target = call.target().clone();
    call.run(|call| guarded(core, &target, call));
}

/// Checks the arguments and runs the function. A panic in either fails the call, which is dropped
/// with it, and not the worker.
///
/// The check runs here and not on the I/O thread: its cost grows with what the client sent.
fn guarded(core: &Core, target: &SharedTarget, call: Call) {
    let handle = call.handle();
    let name = handle.name();
    shielded(&core.env, name, || match target.check_arguments(call.arguments()) {
        Ok(()) if call.kind() == CallKind::Completion => target.function().complete(call),
        Ok(()) => target.function().run(call),
        Err(problem) => {
            core.env.counters.calls_invalid.up();
            call.fail(format!("invalid arguments for {name}: {problem}"));
        }
    });
}

fn reject(core: &Arc<Core>, request: Request, kind: CallKind, rejected: Rejected) {
    match rejected {
        Rejected::Duplicate => {
            request.fail(code::INVALID_REQUEST, Rejected::DUPLICATE, None);
        }
        Rejected::Gone => request.fail(code::INVALID_REQUEST, Rejected::GONE, None),
        Rejected::TooMany => {
            core.env.counters.calls_refused.up();
            let limit = core.env.limits.calls_per_peer;
            let text = format!("{limit} calls are in flight already; wait for one");
            refuse(core, request, kind, text);
        }
    }
}

/// Answers that it cannot be done: with a failure that the model sees and can act on where there is
/// one.
pub(super) fn refuse(core: &Core, request: Request, kind: CallKind, text: String) {
    if kind != CallKind::Tool {
        return request.fail(code::INTERNAL_ERROR, &text, None);
    }
    let mut json = String::new();
    let extra = core.identity.result_extra(request.revision);
    ToolResult::error(text).write(request.revision, extra, &mut json);
    request.sink.reply(Reply { text: write::result(&request.id, &json), error: None });
}

/// Answers that it comes too early, and when to come again.
pub(super) fn refuse_for(
    wait: Duration,
    core: &Core,
    request: Request,
    kind: CallKind,
    text: String,
) {
    core.env.counters.calls_too_fast.up();
    // Rounded up, or who waits as long would come too early again.
    let wait_ms = wait.as_nanos().div_ceil(1_000_000);
    let text = format!("{text}; try again in {} s", wait_ms.div_ceil(1000));
    if kind == CallKind::Tool {
        return refuse(core, request, kind, text);
    }
    let data = format!(r#"{{"retryAfterMs":{wait_ms}}}"#);
    request.fail(code::INTERNAL_ERROR, &text, Some(&data));
}

/// A name that a client sent, short enough for an answer.
pub(super) fn shorten(name: &str) -> String {
    name.chars().take(128).collect()
}

pub(super) fn empty_object() -> Box<str> {
    "{}".into()
}

fn unix_time() -> Duration {
    // Before 1970 every state has expired.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::MAX)
}
