//! What the host wants to hear from the server: log lines, finished calls, its threads.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::level::Level;

/// One finished tool call.
#[derive(Debug)]
#[non_exhaustive]
pub struct Audit<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// The arguments as JSON text. May hold what the host must not log.
    pub arguments: &'a str,
    /// How the call ended.
    pub outcome: Outcome,
    /// From acceptance to the start of the tool function.
    pub queued: Duration,
    /// From the start of the tool function to the answer.
    pub ran: Duration,
    /// Bytes of the answer; 0 when none was sent.
    pub bytes_out: u64,
    /// Who called.
    pub caller: &'a crate::Caller,
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
}

/// The host's listeners. All may be called from any thread of the server, several at once, and
/// must not call back into the server.
#[derive(Default)]
#[expect(clippy::type_complexity, reason = "an alias per field would hide the signatures")]
pub struct Hooks {
    /// Gets each log line: level, the part of emcp it comes from, text.
    pub log: Option<Box<dyn Fn(Level, &str, &str) + Send + Sync>>,
    /// Gets each finished tool call.
    pub audit: Option<Box<dyn Fn(&Audit<'_>) + Send + Sync>>,
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

    pub(crate) fn log(&self, level: Level, part: &str, text: fmt::Arguments<'_>) {
        if let Some(log) = self.0.get().and_then(|hooks| hooks.log.as_ref()) {
            log(level, part, &text.to_string());
        }
    }

    /// Passes on the record that `make` returns; without a listener it is never made.
    pub(crate) fn audit<'a>(&self, make: impl FnOnce() -> Audit<'a>) {
        if let Some(audit) = self.0.get().and_then(|hooks| hooks.audit.as_ref()) {
            audit(&make());
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
