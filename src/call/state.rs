//! What one call is made of, and the single place where it ends.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::ToolFn;
use super::progress::Progress;
use crate::caller::Caller;
use crate::cancel::{Cancel, CancelReason};
use crate::clock::Alarm;
use crate::content::ToolResult;
use crate::env::Env;
use crate::hooks::{Audit, Outcome};
use crate::identity::Introduction;
use crate::level::Level;
use crate::protocol::{Meta, Revision};
use crate::registry::Running;
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, code, write};
use crate::session::{InFlight, Session};
use crate::shield::shielded;
use crate::sync::lock;

/// Everything that one call is made of.
pub(crate) struct CallState {
    pub(super) env: Arc<Env>,
    identity: Arc<Introduction>,
    pub(super) id: Id,
    pub(super) tool: Arc<str>,
    pub(super) arguments: Box<RawValue>,
    pub(super) meta: Box<Meta>,
    pub(super) revision: Revision,
    pub(super) session: Option<Arc<Session>>,
    pub(super) caller: OnceLock<Caller>,
    pub(super) transport: &'static str,
    pub(super) remote: Arc<str>,
    principal: Option<Arc<str>>,
    pub(super) scope: Arc<InFlight>,
    /// Taken by whoever ends the call; gone means ended.
    pub(super) sink: Mutex<Option<Arc<dyn ReplySink>>>,
    pub(super) progress: Mutex<Progress>,
    pub(super) cancelled: AtomicU8,
    pub(super) on_cancel: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    /// Locked while `calls_overrun` moves, so that the gauge comes back to zero.
    function: Mutex<Function>,
    pub(super) accepted: Instant,
    pub(super) started: OnceLock<Instant>,
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) result_bytes: usize,
    pub(super) expiry: Alarm,
}

/// Where the tool function is.
#[derive(PartialEq, Eq)]
enum Function {
    /// Not started, or returned.
    Outside,
    Running,
    /// Running although the call has ended.
    Overrun,
}

/// What [`CallState::new`] needs; a struct because twelve arguments in a row get swapped.
pub(crate) struct CallParts {
    pub(crate) env: Arc<Env>,
    pub(crate) identity: Arc<Introduction>,
    pub(crate) id: Id,
    pub(crate) tool: Arc<str>,
    pub(crate) arguments: Box<RawValue>,
    pub(crate) meta: Box<Meta>,
    pub(crate) revision: Revision,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) transport: &'static str,
    pub(crate) remote: Arc<str>,
    pub(crate) principal: Option<Arc<str>>,
    pub(crate) scope: Arc<InFlight>,
    pub(crate) sink: Arc<dyn ReplySink>,
    pub(crate) timeout: Duration,
    pub(crate) result_bytes: usize,
}

impl CallState {
    pub(crate) fn new(parts: CallParts) -> Arc<CallState> {
        Arc::new_cyclic(|state: &Weak<CallState>| {
            let expiry = parts.env.clock.alarm();
            let state = state.clone();
            expiry.call(move || {
                if let Some(state) = state.upgrade() {
                    state.cancel(CancelReason::Timeout);
                }
            });
            expiry.set(parts.timeout);
            let now = Instant::now();
            CallState {
                env: parts.env,
                identity: parts.identity,
                id: parts.id,
                tool: parts.tool,
                arguments: parts.arguments,
                revision: parts.revision,
                session: parts.session,
                caller: OnceLock::new(),
                transport: parts.transport,
                remote: parts.remote,
                principal: parts.principal,
                scope: parts.scope,
                sink: Mutex::new(Some(parts.sink)),
                progress: Mutex::new(Progress::new(&parts.meta)),
                meta: parts.meta,
                cancelled: AtomicU8::new(0),
                on_cancel: Mutex::default(),
                function: Mutex::new(Function::Outside),
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
    pub(super) fn begin(&self) -> bool {
        *lock(&self.function) = Function::Running;
        let _ = self.started.set(Instant::now());
        lock(&self.sink).is_some()
    }

    /// Notes that the tool function has returned.
    pub(super) fn returned(&self) {
        let mut function = lock(&self.function);
        if *function == Function::Overrun {
            self.env.counters.calls_overrun.down();
        }
        *function = Function::Outside;
    }

    /// Ends the call with `reply`, or with silence; tells whether it had not ended before.
    pub(super) fn end(&self, outcome: Outcome, reply: Option<Reply>) -> bool {
        let Some(sink) = lock(&self.sink).take() else { return false };
        self.finish(&*sink, outcome, reply);
        // They will never run, and one that holds a handle would keep the call alive for ever.
        drop(std::mem::take(&mut *lock(&self.on_cancel)));
        true
    }

    /// Ends the call through `sink`, which the caller has taken out of it.
    fn finish(&self, sink: &dyn ReplySink, outcome: Outcome, reply: Option<Reply>) {
        self.expiry.clear();
        self.scope.remove(&self.id);
        let counters = &self.env.counters;
        match outcome {
            Outcome::Succeeded => counters.calls_succeeded.up(),
            Outcome::Failed => counters.calls_failed.up(),
            Outcome::Cancelled => counters.calls_cancelled.up(),
            Outcome::TimedOut => counters.calls_timed_out.up(),
        }
        if matches!(outcome, Outcome::Cancelled | Outcome::TimedOut) {
            self.note_overrun();
        }
        let bytes_out = reply.as_ref().map_or(0, |reply| reply.text.len() as u64);
        match reply {
            Some(reply) => sink.reply(reply),
            None => sink.abandon(),
        }
        self.audit(outcome, bytes_out);
    }

    fn note_overrun(&self) {
        let mut function = lock(&self.function);
        if *function == Function::Running {
            *function = Function::Overrun;
            self.env.counters.calls_overrun.up();
        }
    }

    fn audit(&self, outcome: Outcome, bytes_out: u64) {
        let record = || {
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
        };
        // It may run while the panic of a tool function drops the call: a second one would abort.
        shielded(&self.env, "the audit hook", || self.env.audit(record));
    }

    /// The session that speaks for the client; none for a modern request, which says everything
    /// itself.
    pub(super) fn legacy_session(&self) -> Option<&Session> {
        self.session.as_deref().filter(|_| !self.revision.is_modern())
    }

    pub(super) fn caller(&self) -> &Caller {
        self.caller.get_or_init(|| {
            // A modern request says who it is itself; nothing may be inferred from earlier ones.
            let client = match self.legacy_session() {
                Some(session) => session.handshake().map(|settled| settled.client),
                None => Some(self.meta.client.clone()),
            };
            let client = client.unwrap_or_default();
            let session = self.session.as_ref().map(|session| session.id.chars().take(8).collect());
            Caller {
                principal: self.principal.as_deref().unwrap_or_default().into(),
                session: session.unwrap_or_default(),
                client_name: client.name,
                client_version: client.version,
                protocol: self.revision.as_str(),
                transport: self.transport,
                remote_addr: (*self.remote).into(),
                traceparent: self.meta.traceparent.clone().unwrap_or_default(),
            }
        })
    }

    /// The reply that carries `result`, in the shape of the client's revision.
    pub(super) fn answer(&self, result: &ToolResult) -> (Outcome, Reply) {
        let outcome = if result.is_error() { Outcome::Failed } else { Outcome::Succeeded };
        let mut json = String::with_capacity(result.bytes());
        result.write(self.revision, self.identity.result_extra(self.revision), &mut json);
        (outcome, Reply { text: write::result(&self.id, &json), error: None })
    }

    pub(super) fn answer_error(&self, text: impl Into<String>) -> Reply {
        self.answer(&ToolResult::error(text)).1
    }

    /// Checks a result against the tool's promises before it leaves.
    pub(super) fn vet(&self, result: ToolResult, running: &Running<ToolFn>) -> ToolResult {
        let (bytes, limit) = (result.bytes(), self.result_bytes);
        if bytes > limit {
            self.env.counters.results_oversized.up();
            return ToolResult::error(format!(
                "the result of {} is {bytes} bytes, limit is {limit}: ask for less, for example a \
                 shorter window, fewer rows or one page at a time",
                self.tool
            ));
        }
        match check_output(running, &result) {
            Ok(()) => result,
            Err(problem) => {
                self.env.log(Level::Error, "tool", format_args!("{}: {problem}", self.tool));
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
        let sink = {
            let mut sink = lock(&self.sink);
            // Under the lock: an answered call must not look cancelled when its server stops.
            if sink.is_some() {
                self.cancelled.store(reason as u8, SeqCst);
            }
            sink.take()
        };
        let Some(sink) = sink else { return };
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
        self.finish(&*sink, outcome, reply);
        // Taken out first: a callback may ask for anything of this call.
        let callbacks = std::mem::take(&mut *lock(&self.on_cancel));
        for callback in callbacks {
            // A timeout runs them inside the clock, which every deadline hangs on.
            self.env.run_of_host("an on_cancel callback", callback);
        }
    }
}

/// Checks structured content against the output schema that the tool promises to keep.
fn check_output(running: &Running<ToolFn>, result: &ToolResult) -> Result<(), String> {
    match (&running.entry().tool.output, result.structured()) {
        // A failure may carry details of any shape.
        (Some(_), Some(_)) if result.is_error() => Ok(()),
        (Some((_, schema)), Some(json)) => schema.check(json),
        (Some(_), None) if !result.is_error() => Err("structured content is missing".into()),
        _ => Ok(()),
    }
}
