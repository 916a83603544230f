//! One tool call, from its acceptance to its one answer.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::caller::Caller;
use crate::calls::CallSlot;
use crate::clock::Alarm;
use crate::content::ToolResult;
use crate::core::{Core, ToolFn};
use crate::hooks::{Audit, Level, Outcome};
use crate::progress::Progress;
use crate::protocol::{Meta, Revision};
use crate::registry::Running;
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, code, write};
use crate::session::{Cancel, InFlight, Session};
use crate::sync::lock;

/// Why a call was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CancelReason {
    /// The client sent `notifications/cancelled`.
    Client = 1,
    /// The client closed the stream that the answer would have gone to.
    Gone = 2,
    /// The tool's time ran out.
    Timeout = 3,
    /// The client's session ended.
    Session = 4,
    /// The server stops.
    Shutdown = 5,
}

/// The right to answer one tool call, once: by [`Call::reply`], which consumes it.
///
/// Dropped without an answer it tells the client that the tool dropped the call, so that no client
/// ever waits for nothing. Everything else about the call is on [`CallHandle`].
pub struct Call {
    handle: CallHandle,
    /// Keeps the tool registered as running, and its concurrency slot, until the call is dropped.
    running: Arc<Running<ToolFn>>,
    /// Counts in `limits.calls` until the call is dropped, answered or not.
    _slot: CallSlot,
}

/// What a tool may know and say about its call, from any thread, also after it has been answered.
#[derive(Clone)]
pub struct CallHandle(Arc<CallState>);

/// Everything that one call is made of.
pub(crate) struct CallState {
    core: Arc<Core>,
    id: Id,
    tool: Arc<str>,
    arguments: Box<RawValue>,
    meta: Box<Meta>,
    revision: Revision,
    session: Option<Arc<Session>>,
    caller: OnceLock<Caller>,
    transport: &'static str,
    remote: Arc<str>,
    scope: Arc<InFlight>,
    /// Taken by whoever ends the call; gone means ended.
    sink: Mutex<Option<Arc<dyn ReplySink>>>,
    progress: Mutex<Progress>,
    cancelled: AtomicU8,
    on_cancel: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    running: AtomicBool,
    /// The call ended while its function was still running.
    overrun: AtomicBool,
    accepted: Instant,
    started: OnceLock<Instant>,
    deadline: Instant,
    timeout: Duration,
    result_bytes: usize,
    expiry: Alarm,
}

/// What [`CallState::new`] needs; a struct because twelve arguments in a row get swapped.
pub(crate) struct CallParts {
    pub(crate) core: Arc<Core>,
    pub(crate) id: Id,
    pub(crate) tool: Arc<str>,
    pub(crate) arguments: Box<RawValue>,
    pub(crate) meta: Box<Meta>,
    pub(crate) revision: Revision,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) transport: &'static str,
    pub(crate) remote: Arc<str>,
    pub(crate) scope: Arc<InFlight>,
    pub(crate) sink: Arc<dyn ReplySink>,
    pub(crate) timeout: Duration,
    pub(crate) result_bytes: usize,
}

impl CallState {
    pub(crate) fn new(parts: CallParts) -> Arc<CallState> {
        Arc::new_cyclic(|state: &Weak<CallState>| {
            let expiry = parts.core.env.clock.alarm();
            let state = state.clone();
            expiry.call(move || {
                if let Some(state) = state.upgrade() {
                    state.cancel(CancelReason::Timeout);
                }
            });
            expiry.set(parts.timeout);
            let now = Instant::now();
            CallState {
                core: parts.core,
                id: parts.id,
                tool: parts.tool,
                arguments: parts.arguments,
                revision: parts.revision,
                session: parts.session,
                caller: OnceLock::new(),
                transport: parts.transport,
                remote: parts.remote,
                scope: parts.scope,
                sink: Mutex::new(Some(parts.sink)),
                progress: Mutex::new(Progress::new(&parts.meta)),
                meta: parts.meta,
                cancelled: AtomicU8::new(0),
                on_cancel: Mutex::default(),
                running: AtomicBool::new(false),
                overrun: AtomicBool::new(false),
                accepted: now,
                started: OnceLock::new(),
                deadline: now + parts.timeout,
                timeout: parts.timeout,
                result_bytes: parts.result_bytes,
                expiry,
            }
        })
    }

    /// Takes the way to answer away: the request is answered by somebody else.
    pub(crate) fn discard(&self) {
        lock(&self.sink).take();
        self.expiry.clear();
    }

    /// Notes that the tool function starts; tells whether the call is still worth running.
    fn begin(&self) -> bool {
        self.running.store(true, SeqCst);
        let _ = self.started.set(Instant::now());
        lock(&self.sink).is_some()
    }

    /// Notes that the tool function has returned.
    fn returned(&self) {
        self.running.store(false, SeqCst);
        if self.overrun.swap(false, SeqCst) {
            self.core.env.counters.calls_overrun.down();
        }
    }

    /// Ends the call with `reply`, or with silence; tells whether it had not ended before.
    fn end(&self, outcome: Outcome, reply: Option<Reply>) -> bool {
        let Some(sink) = lock(&self.sink).take() else { return false };
        self.expiry.clear();
        self.scope.remove(&self.id);
        let counters = &self.core.env.counters;
        match outcome {
            Outcome::Succeeded => counters.calls_succeeded.up(),
            Outcome::Failed => counters.calls_failed.up(),
            Outcome::Cancelled => counters.calls_cancelled.up(),
            Outcome::TimedOut => counters.calls_timed_out.up(),
        }
        if self.running.load(SeqCst) && matches!(outcome, Outcome::Cancelled | Outcome::TimedOut) {
            self.overrun.store(true, SeqCst);
            counters.calls_overrun.up();
        }
        let bytes_out = reply.as_ref().map_or(0, |reply| reply.text.len() as u64);
        match reply {
            Some(reply) => sink.reply(reply),
            None => sink.abandon(),
        }
        self.audit(outcome, bytes_out);
        true
    }

    fn audit(&self, outcome: Outcome, bytes_out: u64) {
        self.core.env.hooks.audit(|| {
            let started = self.started.get().copied();
            Audit {
                tool: &self.tool,
                arguments: self.arguments.get(),
                outcome,
                queued: started.unwrap_or_else(Instant::now).duration_since(self.accepted),
                ran: started.map(|at| at.elapsed()).unwrap_or_default(),
                bytes_out,
                caller: self.caller(),
            }
        });
    }

    fn caller(&self) -> &Caller {
        self.caller.get_or_init(|| {
            Caller::new(
                self.revision,
                self.session.as_deref(),
                &self.meta,
                self.transport,
                &self.remote,
            )
        })
    }

    /// The reply that carries `result`, in the shape of the client's revision.
    fn answer(&self, result: &ToolResult) -> (Outcome, Reply) {
        let outcome = if result.is_error() { Outcome::Failed } else { Outcome::Succeeded };
        let mut json = String::with_capacity(result.bytes());
        result.write(self.revision, self.core.identity.result_extra(self.revision), &mut json);
        (outcome, Reply { text: write::result(&self.id, &json), error: None })
    }

    fn answer_error(&self, text: impl Into<String>) -> Reply {
        self.answer(&ToolResult::error(text)).1
    }

    /// Checks a result against the tool's promises before it leaves.
    fn vet(&self, result: ToolResult, running: &Running<ToolFn>) -> ToolResult {
        let (bytes, limit) = (result.bytes(), self.result_bytes);
        if bytes > limit {
            self.core.env.counters.results_oversized.up();
            return ToolResult::error(format!(
                "the result of {} is {bytes} bytes, limit is {limit}: ask for less, for example a \
                 shorter window, fewer rows or one page at a time",
                self.tool
            ));
        }
        match check_output(running, &result) {
            Ok(()) => result,
            Err(problem) => {
                self.core.env.log(Level::Error, "tool", format_args!("{}: {problem}", self.tool));
                ToolResult::error(format!(
                    "{} returned a result that its own output schema forbids: {problem}",
                    self.tool
                ))
            }
        }
    }
}

impl Cancel for CallState {
    fn cancel(&self, reason: CancelReason) {
        let first = self.cancelled.compare_exchange(0, reason as u8, SeqCst, SeqCst).is_ok();
        let (outcome, reply) = match reason {
            CancelReason::Timeout => {
                let text = format!(
                    "{} did not finish within {} ms; ask for less or try again later",
                    self.tool,
                    self.timeout.as_millis()
                );
                (Outcome::TimedOut, Some(self.answer_error(text)))
            }
            CancelReason::Shutdown => {
                let text =
                    write::error(Some(&self.id), code::INTERNAL_ERROR, "server is stopping", None);
                (Outcome::Cancelled, Some(Reply { text, error: Some(code::INTERNAL_ERROR) }))
            }
            // A cancelled request gets no answer (all revisions, cancellation).
            CancelReason::Client | CancelReason::Gone | CancelReason::Session => {
                (Outcome::Cancelled, None)
            }
        };
        let ended = self.end(outcome, reply);
        if first && ended {
            // Taken out first: a callback may ask for anything of this call.
            let callbacks = std::mem::take(&mut *lock(&self.on_cancel));
            callbacks.into_iter().for_each(|callback| callback());
        }
    }
}

impl CallHandle {
    /// The name of the called tool.
    pub fn tool(&self) -> &str {
        &self.0.tool
    }

    /// The arguments as JSON text, checked against the input schema; `{}` when there are none.
    /// Integers stand as the client wrote them, however large.
    pub fn arguments(&self) -> &str {
        self.0.arguments.get()
    }

    /// `params._meta` as JSON text, if the client sent it.
    pub fn meta(&self) -> Option<&str> {
        self.0.meta.raw.as_deref().map(RawValue::get)
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        self.0.caller()
    }

    /// Why the call was cancelled, if it was. Cheap: ask as often as you like.
    pub fn cancelled(&self) -> Option<CancelReason> {
        match self.0.cancelled.load(SeqCst) {
            1 => Some(CancelReason::Client),
            2 => Some(CancelReason::Gone),
            3 => Some(CancelReason::Timeout),
            4 => Some(CancelReason::Session),
            5 => Some(CancelReason::Shutdown),
            _ => None,
        }
    }

    /// When the call times out.
    pub fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Bytes that the result may take; see [`ToolResult::bytes`].
    pub fn result_limit(&self) -> usize {
        self.0.result_bytes
    }

    /// Runs `callback` once if the call is cancelled, on the thread that cancels it; at once if
    /// that has happened already. It must be quick: it may hold up the I/O thread.
    pub fn on_cancel(&self, callback: impl FnOnce() + Send + 'static) {
        let mut callbacks = lock(&self.0.on_cancel);
        if self.cancelled().is_none() {
            callbacks.push(Box::new(callback));
            return;
        }
        drop(callbacks);
        callback();
    }

    /// Reports progress if the client asked for it; tells whether the call is still open.
    ///
    /// `done` must grow from call to call; a value that does not is dropped, and so are values
    /// that follow each other faster than `limits.progress_time`, except the one that reaches
    /// `total`. A `total` of zero or less means unknown.
    pub fn progress(&self, done: f64, total: f64, message: Option<&str>) -> bool {
        let limits = &self.0.core.env.limits;
        let text = lock(&self.0.progress).next(self.0.revision, limits, done, total, message);
        // Sent under the lock: after the answer has been taken nothing may follow it.
        let sink = lock(&self.0.sink);
        if let (Some(sink), Some(text)) = (&*sink, text) {
            sink.notify(text);
        }
        sink.is_some()
    }

    /// Sends a log message on the stream of this call, if the client wants that level; tells
    /// whether the call is still open. `data` is any JSON text.
    pub fn log(&self, level: Level, logger: Option<&str>, data: &str) -> bool {
        let wanted = match &self.0.session {
            Some(session) if !self.0.revision.is_modern() => session.wants_log(level),
            _ => self.0.meta.wants_log(level),
        };
        let sink = lock(&self.0.sink);
        if let (Some(sink), true) = (&*sink, wanted) {
            sink.notify(crate::logging::message(level, logger, data));
        }
        sink.is_some()
    }

    /// Tells whether the client declared the capability `name`, for example `sampling`.
    pub fn has_capability(&self, name: &str) -> bool {
        #[derive(Deserialize)]
        struct Capabilities<'a>(
            #[serde(borrow)] std::collections::HashMap<std::borrow::Cow<'a, str>, &'a RawValue>,
        );
        let declared = match &self.0.session {
            Some(session) if !self.0.revision.is_modern() => {
                session.handshake().map(|settled| settled.capabilities)
            }
            _ => self.0.meta.capabilities.clone(),
        };
        let Some(declared) = declared else { return false };
        serde_json::from_str::<Capabilities<'_>>(&declared)
            .is_ok_and(|capabilities| capabilities.0.contains_key(name))
    }

    /// Closes the client's connection and keeps the call: the client comes back for the answer
    /// after `retry`. Tells whether that is possible, which it is on Streamable HTTP of
    /// revision 2025-11-25 for clients that take SSE (SEP-1699).
    pub fn disconnect(&self, retry: Duration) -> bool {
        lock(&self.0.sink).as_ref().is_some_and(|sink| sink.disconnect(retry))
    }

    /// Answers that the tool cannot run at the moment.
    pub(crate) fn refuse_busy(&self) {
        let state = &self.0;
        let reply =
            state.answer_error(format!("{} is busy; try again in a few seconds", state.tool));
        state.end(Outcome::Failed, Some(reply));
    }

    /// Tells whether the call has been answered or cancelled.
    pub fn is_ended(&self) -> bool {
        lock(&self.0.sink).is_none()
    }
}

impl Call {
    pub(crate) fn new(
        state: Arc<CallState>,
        running: Arc<Running<ToolFn>>,
        slot: CallSlot,
    ) -> Call {
        Call { handle: CallHandle(state), running, _slot: slot }
    }

    /// A handle that stays valid after the call is gone.
    pub fn handle(&self) -> CallHandle {
        self.handle.clone()
    }

    /// Answers the call; tells whether anybody still waited for it.
    pub fn reply(self, result: ToolResult) -> bool {
        let state = &self.handle.0;
        if self.is_ended() {
            return false;
        }
        let (outcome, reply) = state.answer(&state.vet(result, &self.running));
        state.end(outcome, Some(reply))
    }

    /// Answers with a JSON-RPC error, which a model does not see; for a tool's own failures use
    /// [`ToolResult::error`]. `data` is JSON text. Tells whether anybody still waited.
    pub fn fail_rpc(self, code: i32, message: &str, data: Option<&str>) -> bool {
        let text = write::error(Some(&self.handle.0.id), code, message, data);
        self.handle.0.end(Outcome::Failed, Some(Reply { text, error: Some(code) }))
    }

    /// Fails the call because its client did not declare `capability`.
    pub fn fail_missing_capability(self, capability: &str) -> bool {
        let mut data = String::from(r#"{"requiredCapabilities":{"#);
        write::string(&mut data, capability);
        data.push_str(":{}}}");
        let message = format!("{} needs the client capability {capability}", self.tool());
        // -32021 belongs to 2026-07-28; older revisions have no code of their own for it.
        let code = match self.handle.0.revision.is_modern() {
            true => code::MISSING_CAPABILITY,
            false => code::INVALID_REQUEST,
        };
        self.fail_rpc(code, &message, Some(&data))
    }

    /// Runs `function` with this call unless the call has ended while it waited.
    pub(crate) fn run(self, function: impl FnOnce(Call)) {
        let state = self.handle.0.clone();
        if !state.begin() {
            return state.returned();
        }
        let outer = INSIDE.replace(Some(state.tool.clone()));
        function(self);
        INSIDE.set(outer);
        state.returned();
    }
}

impl Deref for Call {
    type Target = CallHandle;

    fn deref(&self) -> &CallHandle {
        &self.handle
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let state = &self.handle.0;
        if !self.is_ended() {
            let reply = state.answer_error(format!("{} dropped the call", state.tool));
            state.end(Outcome::Failed, Some(reply));
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("tool", &self.tool()).finish_non_exhaustive()
    }
}

thread_local! {
    /// The tool whose function runs on this thread.
    static INSIDE: Cell<Option<Arc<str>>> = const { Cell::new(None) };
}

/// Tells whether the calling thread is inside a call of `tool`, and must not wait for its end.
pub(crate) fn is_inside(tool: &str) -> bool {
    let inside = INSIDE.take();
    let is_inside = inside.as_deref() == Some(tool);
    INSIDE.set(inside);
    is_inside
}

/// Checks structured content against the output schema that the tool promises to keep.
fn check_output(running: &Running<ToolFn>, result: &ToolResult) -> Result<(), String> {
    match (&running.entry().tool.output, result.structured()) {
        (Some((_, schema)), Some(json)) => schema.check(json),
        (Some(_), None) if !result.is_error() => Err("structured content is missing".into()),
        _ => Ok(()),
    }
}
