//! What one call is made of, and the single place where it ends.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::progress::Progress;
use super::target::Target;
use super::{CallServices, Parked};
use crate::auth::Scopes;
use crate::caching::Caching;
use crate::caller::Caller;
use crate::cancel::{Cancel, CancelReason};
use crate::clock::{Alarm, after, later};
use crate::content::{CallResult, Extra, ReadDefaults, ToolResult};
use crate::env::Env;
use crate::hooks::{Audit, Outcome};
use crate::identity::Introduction;
use crate::input::Asking;
use crate::kind::CallKind;
use crate::level::Level;
use crate::protocol::{ClientCapabilities, Meta, Revision};
use crate::registry::Hidden;
use crate::reply::{Reply, ReplySink};
use crate::rpc::{Id, code, write};
use crate::session::{InFlight, Session};
use crate::shield::shielded;
use crate::sync::lock;
use crate::task::Task;

/// Everything that one call is made of.
pub(crate) struct CallState {
    pub(super) env: Arc<Env>,
    /// Weak: the host may keep a call longer than the server.
    pub(super) services: Weak<dyn CallServices>,
    pub(super) identity: Arc<Introduction>,
    pub(super) id: Id,
    pub(super) kind: CallKind,
    pub(super) name: Arc<str>,
    pub(super) arguments: Box<str>,
    hidden: Hidden,
    pub(super) completing: Option<Completing>,
    pub(super) meta: Box<Meta>,
    pub(super) revision: Revision,
    pub(super) session: Option<Arc<Session>>,
    pub(super) caller: OnceLock<Caller>,
    pub(super) transport: &'static str,
    pub(super) remote: Arc<str>,
    uid: Option<u32>,
    pub(super) principal: Option<Arc<str>>,
    scopes: Scopes,
    claims: Option<Arc<str>>,
    pub(super) scope: Arc<InFlight>,
    /// Whoever has taken the sink has begun to end the call. Asked where a lock would cost more
    /// than it is worth: the sink alone decides.
    pub(super) has_ended: AtomicBool,
    /// Taken by whoever ends the call; gone means ended.
    pub(super) sink: Mutex<Option<Arc<dyn ReplySink>>>,
    pub(super) progress: Mutex<Progress>,
    pub(super) cancelled: AtomicU8,
    pub(super) on_cancel: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    /// Locked while `calls_overrun` moves, so that the gauge comes back to zero.
    function: Mutex<Function>,
    pub(super) asking: Mutex<Asking>,
    /// The call itself while its questions are under way: then nobody else has it.
    pub(super) parked: Mutex<Option<Parked>>,
    /// A client of 2025-11-25 has asked for a task.
    pub(super) wants_task: bool,
    /// The task that the call has become.
    pub(super) task: OnceLock<Arc<Task>>,
    pub(super) accepted: Instant,
    pub(super) started: OnceLock<Instant>,
    pub(super) deadline: Mutex<Instant>,
    pub(super) timeout: Duration,
    pub(super) result_bytes: usize,
    caching: Option<Caching>,
    /// Set when the call first has to wait: an inline function mostly answers before that.
    expiry: OnceLock<Alarm>,
}

/// Where the host's function is.
#[derive(PartialEq, Eq)]
enum Function {
    /// Not started, or returned.
    Outside,
    Running,
    /// Running although the call has ended.
    Overrun,
}

/// What a completion is to complete.
#[derive(Debug)]
pub(crate) struct Completing {
    /// The argument or variable.
    pub(crate) argument: String,
    /// What the user has typed so far.
    pub(crate) value: String,
}

/// What [`CallState::new`] needs; a struct because so many arguments in a row get swapped.
pub(crate) struct CallParts {
    pub(crate) env: Arc<Env>,
    pub(crate) services: Weak<dyn CallServices>,
    pub(crate) identity: Arc<Introduction>,
    pub(crate) id: Id,
    pub(crate) kind: CallKind,
    pub(crate) name: Arc<str>,
    pub(crate) arguments: Box<str>,
    pub(crate) hidden: Hidden,
    pub(crate) completing: Option<Completing>,
    pub(crate) meta: Box<Meta>,
    pub(crate) revision: Revision,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) transport: &'static str,
    pub(crate) remote: Arc<str>,
    pub(crate) uid: Option<u32>,
    pub(crate) principal: Option<Arc<str>>,
    pub(crate) scopes: Scopes,
    pub(crate) claims: Option<Arc<str>>,
    pub(crate) scope: Arc<InFlight>,
    pub(crate) sink: Arc<dyn ReplySink>,
    pub(crate) asking: Asking,
    pub(crate) wants_task: bool,
    pub(crate) timeout: Duration,
    pub(crate) result_bytes: usize,
    pub(crate) caching: Option<Caching>,
}

impl CallState {
    pub(crate) fn new(parts: CallParts) -> Arc<CallState> {
        let now = Instant::now();
        Arc::new(CallState {
            env: parts.env,
            services: parts.services,
            identity: parts.identity,
            id: parts.id,
            kind: parts.kind,
            name: parts.name,
            arguments: parts.arguments,
            hidden: parts.hidden,
            completing: parts.completing,
            revision: parts.revision,
            session: parts.session,
            caller: OnceLock::new(),
            transport: parts.transport,
            remote: parts.remote,
            uid: parts.uid,
            principal: parts.principal,
            scopes: parts.scopes,
            claims: parts.claims,
            scope: parts.scope,
            has_ended: AtomicBool::new(false),
            sink: Mutex::new(Some(parts.sink)),
            progress: Mutex::new(Progress::new(&parts.meta)),
            meta: parts.meta,
            cancelled: AtomicU8::new(0),
            on_cancel: Mutex::default(),
            function: Mutex::new(Function::Outside),
            asking: Mutex::new(parts.asking),
            parked: Mutex::default(),
            wants_task: parts.wants_task,
            task: OnceLock::new(),
            accepted: now,
            started: OnceLock::new(),
            deadline: Mutex::new(later(now, parts.timeout)),
            timeout: parts.timeout,
            result_bytes: parts.result_bytes,
            caching: parts.caching,
            expiry: OnceLock::new(),
        })
    }

    /// Has the call end when its time is over, unless it has ended. To be called before it waits for
    /// anybody.
    pub(crate) fn arm(self: &Arc<Self>) {
        if self.has_ended.load(SeqCst) {
            return;
        }
        let alarm = self.expiry.get_or_init(|| {
            let alarm = self.env.clock.alarm();
            let state = Arc::downgrade(self);
            alarm.call(move || {
                if let Some(state) = state.upgrade() {
                    state.cancel(CancelReason::Timeout);
                }
            });
            alarm
        });
        alarm.set(lock(&self.deadline).saturating_duration_since(Instant::now()));
        self.disarm_if_ended();
    }

    fn disarm(&self) {
        if let Some(alarm) = self.expiry.get() {
            alarm.clear();
        }
    }

    /// Whoever ended the call meanwhile has cleared the alarm before it was set.
    fn disarm_if_ended(&self) {
        if self.has_ended.load(SeqCst) {
            self.disarm();
        }
    }

    /// Takes the way to answer away: the request is answered by somebody else.
    pub(crate) fn discard(&self) {
        lock(&self.sink).take();
        self.has_ended.store(true, SeqCst);
        self.disarm();
    }

    /// Gives the call `time` from this moment on.
    pub(super) fn set_time(&self, time: Duration) {
        *lock(&self.deadline) = after(time);
        // Without one it is not armed yet, and will be by this deadline.
        if let Some(alarm) = self.expiry.get() {
            alarm.set(time);
            self.disarm_if_ended();
        }
    }

    /// Notes that the host's function starts; tells whether the call is still worth running.
    pub(super) fn begin(&self) -> bool {
        *lock(&self.function) = Function::Running;
        let _ = self.started.set(Instant::now());
        !self.has_ended.load(SeqCst)
    }

    /// Notes that the host's function has returned.
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
        let callbacks = std::mem::take(&mut *lock(&self.on_cancel));
        // Outside the lock: what they own is the host's, and its end may ask for this call.
        drop(callbacks);
        true
    }

    /// Ends the call through `sink`, which the caller has taken out of it.
    fn finish(&self, sink: &dyn ReplySink, outcome: Outcome, reply: Option<Reply>) {
        self.has_ended.store(true, SeqCst);
        self.disarm();
        // The id of a task has been answered and may name another request by now.
        if self.task.get().is_none() {
            self.scope.remove(&self.id);
        }
        self.withdraw(sink);
        let counters = &self.env.counters;
        match outcome {
            Outcome::Succeeded => counters.calls_succeeded.up(),
            Outcome::Failed => counters.calls_failed.up(),
            Outcome::Cancelled => counters.calls_cancelled.up(),
            Outcome::TimedOut => counters.calls_timed_out.up(),
            Outcome::InputRequired => counters.calls_asking.up(),
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
        // It has ended: dropping it answers nothing.
        let parked = lock(&self.parked).take();
        drop(parked);
    }

    fn note_overrun(&self) {
        let mut function = lock(&self.function);
        if *function == Function::Running {
            *function = Function::Overrun;
            self.env.counters.calls_overrun.up();
        }
    }

    fn audit(&self, outcome: Outcome, bytes_out: u64) {
        let arguments = OnceCell::new();
        let record = || {
            let started = self.started.get().copied();
            Audit {
                kind: self.kind,
                name: &self.name,
                arguments: arguments.get_or_init(|| self.hidden.show(&self.arguments)),
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

    /// What the client says it can do.
    pub(super) fn with_capabilities<T>(&self, ask: impl FnOnce(ClientCapabilities<'_>) -> T) -> T {
        match self.legacy_session() {
            Some(session) => session.with_capabilities(ask),
            None => ask(self.meta.capabilities(self.revision)),
        }
    }

    pub(super) fn caller(&self) -> &Caller {
        self.caller.get_or_init(|| {
            super::caller(
                self.session.as_deref(),
                self.revision,
                &self.meta,
                self.transport,
                (&self.remote, self.uid),
                (self.principal.as_deref(), &self.scopes, self.claims.as_ref()),
            )
        })
    }

    /// What a result of this call carries besides its own members.
    pub(super) fn extra(&self) -> Extra<'_> {
        Extra { caching: self.caching, ..self.identity.result_extra(self.revision) }
    }

    /// The reply that carries `result`, in the shape of the client's revision.
    pub(super) fn answer(
        &self,
        result: &CallResult,
        defaults: ReadDefaults<'_>,
    ) -> (Outcome, Reply) {
        let (shape, extra) = (self.revision, self.extra());
        let text = write::result_with(&self.id, result.bytes() + EXTRA_BYTES, |out| match result {
            CallResult::Tool(result) => result.write(shape, extra, out),
            CallResult::Read(result) => result.write(shape, defaults, extra, out),
            CallResult::Prompt(result) => result.write(shape, extra, out),
            CallResult::Completion(result) => result.write(shape, extra, out),
        });
        let outcome = match result {
            CallResult::Tool(result) if result.is_error() => Outcome::Failed,
            _ => Outcome::Succeeded,
        };
        (outcome, Reply { text, error: None })
    }

    /// The reply that says that the host could not do it: a result that the model sees where there
    /// is one, an error elsewhere.
    pub(super) fn failure(&self, text: impl Into<String>) -> Reply {
        let text = text.into();
        if self.kind != CallKind::Tool {
            let text = write::error(Some(&self.id), code::INTERNAL_ERROR, &text, None);
            return Reply { text, error: Some(code::INTERNAL_ERROR) };
        }
        let mut json = String::new();
        ToolResult::error(text).write(self.revision, self.extra(), &mut json);
        Reply { text: write::result(&self.id, &json), error: None }
    }

    /// Checks a result against what the host has promised before it leaves.
    pub(super) fn vet(&self, result: &CallResult, target: &Target) -> Result<(), String> {
        let name = &self.name;
        let fits = matches!(
            (self.kind, result),
            (CallKind::Tool, CallResult::Tool(_))
                | (CallKind::Resource, CallResult::Read(_))
                | (CallKind::Prompt, CallResult::Prompt(_))
                | (CallKind::Completion, CallResult::Completion(_))
        );
        if !fits {
            let problem = format!("{name} was answered with a result of another kind");
            self.env.log(Level::Error, "call", format_args!("{problem}"));
            return Err(problem);
        }
        let (bytes, limit) = (result.bytes(), self.result_bytes);
        if bytes > limit {
            self.env.counters.results_oversized.up();
            return Err(format!(
                "the result of {name} is {bytes} bytes, limit is {limit}: ask for less, for \
                 example a shorter window, fewer rows or one page at a time"
            ));
        }
        target.check_output(result).map_err(|problem| {
            self.env.log(Level::Error, "tool", format_args!("{name}: {problem}"));
            format!("{name} returned a result that its own output schema forbids: {problem}")
        })
    }
}

/// Room for what stands around the content of most results.
const EXTRA_BYTES: usize = 160;

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
            CancelReason::Timeout if lock(&self.parked).is_some() => {
                let text = format!("{} had a question that was not answered in time", self.name);
                (Outcome::TimedOut, Some(self.failure(text)))
            }
            CancelReason::Timeout => {
                let text = format!(
                    "{} did not finish within {} ms; ask for less or try again later",
                    self.name,
                    self.time().as_millis()
                );
                (Outcome::TimedOut, Some(self.failure(text)))
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
