//! What the host wants to hear from the server: log lines, finished calls, its threads.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::auth::KeyCheck;
use crate::caller::Caller;
use crate::kind::CallKind;
use crate::level::Level;

/// One finished call.
#[derive(Debug)]
#[non_exhaustive]
pub struct Audit<'a> {
    /// What was called.
    pub kind: CallKind,
    /// The name of the tool or prompt, or the URI of the resource.
    pub name: &'a str,
    /// The arguments as JSON text, with `"***"` in the place of those that are secret, or of all when
    /// they are hidden. The others are as the client has sent them.
    pub arguments: &'a str,
    /// How the call ended.
    pub outcome: Outcome,
    /// From acceptance to the start of the host's function.
    pub queued: Duration,
    /// From the start of the host's function to the answer.
    pub ran: Duration,
    /// Bytes of the answer; 0 when none was sent.
    pub bytes_out: u64,
    /// Who called.
    pub caller: &'a Caller,
}

/// An [`Audit`] that can wait.
pub(crate) struct OwnedAudit {
    kind: CallKind,
    name: String,
    arguments: String,
    outcome: Outcome,
    queued: Duration,
    ran: Duration,
    bytes_out: u64,
    caller: Caller,
}

impl OwnedAudit {
    pub(crate) fn new(record: &Audit<'_>) -> OwnedAudit {
        OwnedAudit {
            kind: record.kind,
            name: record.name.to_owned(),
            arguments: record.arguments.to_owned(),
            outcome: record.outcome,
            queued: record.queued,
            ran: record.ran,
            bytes_out: record.bytes_out,
            caller: record.caller.clone(),
        }
    }

    /// What it takes of the memory that records may take, but for a small fixed part.
    pub(crate) fn bytes(&self) -> usize {
        self.name.len() + self.arguments.len() + self.caller.claims.len()
    }

    pub(crate) fn view(&self) -> Audit<'_> {
        Audit {
            kind: self.kind,
            name: &self.name,
            arguments: &self.arguments,
            outcome: self.outcome,
            queued: self.queued,
            ran: self.ran,
            bytes_out: self.bytes_out,
            caller: &self.caller,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with a result.
    Succeeded,
    /// Answered with `isError` or a protocol error.
    Failed,
    /// Cancelled before it was answered.
    Cancelled,
    /// Its time ran out.
    TimedOut,
    /// Answered with questions: a modern client comes back with the answers in another call.
    InputRequired,
}

/// Something that a server offers, as the [`Hooks::allow`] hook is asked about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A tool, by its name.
    Tool,
    /// A resource, by its URI, also one that fits a template.
    Resource,
    /// A template, by its text: asked for the list of templates and for what fits it.
    Template,
    /// A prompt, by its name.
    Prompt,
}

/// The host's listeners. All may be called from any thread of the server, several at once, and
/// must not call back into the server, but for `jwks_wanted`. With [`Run::Host`](crate::Run::Host) they are called by
/// [`Server::dispatch`](crate::Server::dispatch) alone, and those for threads not at all.
#[derive(Default)]
#[expect(clippy::type_complexity, reason = "an alias per field would hide the signatures")]
pub struct Hooks {
    /// Gets each log line: level, the part of emcp it comes from, text.
    pub log: Option<Box<dyn Fn(Level, &str, &str) + Send + Sync>>,
    /// Tells whether a caller may see and call something. What it may not is left out of lists and
    /// answered like what does not exist. Without this hook everybody may everything.
    pub allow: Option<Box<dyn Fn(&Caller, Item, &str) -> bool + Send + Sync>>,
    /// Says whose key it is that the host has given out itself, or that PAM, LDAP or a web service
    /// knows. Asked when a request carries one that is none of [`Server::set_keys`]; from this hook
    /// on nobody comes in without a key. It must be quick, but may keep the question and answer it
    /// later from any thread.
    ///
    /// [`Server::set_keys`]: crate::Server::set_keys
    pub check_key: Option<Box<dyn Fn(KeyCheck) + Send + Sync>>,
    /// Gets each finished call.
    pub audit: Option<Box<dyn Fn(&Audit<'_>) + Send + Sync>>,
    /// A token is signed with a key that is not in the keys of its issuer, which this gets: the
    /// host should fetch them and call [`Server::set_jwks`](crate::Server::set_jwks), from here or
    /// later. Called at most once in 10 s for each issuer.
    pub jwks_wanted: Option<Box<dyn Fn(&str) + Send + Sync>>,
    /// Runs first on each thread that the server starts; gets the thread's name.
    pub thread_start: Option<Box<dyn Fn(&str) + Send + Sync>>,
    /// Runs last on each thread that the server started.
    pub thread_stop: Option<Box<dyn Fn(&str) + Send + Sync>>,
}

/// The hooks of one server: set once, before it starts, then read without a lock.
#[derive(Clone, Default)]
pub(crate) struct HookSlot(Arc<OnceLock<Hooks>>);

impl HookSlot {
    /// Keeps `hooks` unless some are set already; tells whether it did.
    pub(crate) fn set(&self, hooks: Hooks) -> bool {
        self.0.set(hooks).is_ok()
    }

    pub(crate) fn hears_log(&self) -> bool {
        self.0.get().is_some_and(|hooks| hooks.log.is_some())
    }

    pub(crate) fn hears_audit(&self) -> bool {
        self.0.get().is_some_and(|hooks| hooks.audit.is_some())
    }

    pub(crate) fn decides(&self) -> bool {
        self.0.get().is_some_and(|hooks| hooks.allow.is_some())
    }

    pub(crate) fn checks_keys(&self) -> bool {
        self.0.get().is_some_and(|hooks| hooks.check_key.is_some())
    }

    pub(crate) fn check_key(&self, check: KeyCheck) {
        // Dropped where nobody is interested: refused.
        if let Some(hook) = self.0.get().and_then(|hooks| hooks.check_key.as_ref()) {
            hook(check);
        }
    }

    pub(crate) fn allow(&self, caller: &Caller, item: Item, name: &str) -> bool {
        let allow = self.0.get().and_then(|hooks| hooks.allow.as_ref());
        allow.is_none_or(|allow| allow(caller, item, name))
    }

    pub(crate) fn log(&self, level: Level, part: &str, text: &str) {
        if let Some(log) = self.0.get().and_then(|hooks| hooks.log.as_ref()) {
            log(level, part, text);
        }
    }

    pub(crate) fn audit(&self, record: &Audit<'_>) {
        if let Some(audit) = self.0.get().and_then(|hooks| hooks.audit.as_ref()) {
            audit(record);
        }
    }

    pub(crate) fn jwks_wanted(&self, issuer: &str) {
        if let Some(wanted) = self.0.get().and_then(|hooks| hooks.jwks_wanted.as_ref()) {
            wanted(issuer);
        }
    }

    /// Announces the calling thread; its end is announced when the guard drops.
    pub(crate) fn thread(&self, name: &'static str) -> ThreadGuard {
        if let Some(start) = self.0.get().and_then(|hooks| hooks.thread_start.as_ref()) {
            start(name);
        }
        ThreadGuard { hooks: self.clone(), name }
    }
}

/// Announces the end of a thread when dropped.
pub(crate) struct ThreadGuard {
    hooks: HookSlot,
    name: &'static str,
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if let Some(stop) = self.hooks.0.get().and_then(|hooks| hooks.thread_stop.as_ref()) {
            stop(self.name);
        }
    }
}
