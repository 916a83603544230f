//! Tasks: calls that go on after their client has been given a handle.
//!
//! An extension of 2026-07-28 (SEP-2663) and an experiment of 2025-11-25; one task serves clients
//! of the era that it was begun in. Knows no transports and not what a call is.

mod sink;
mod store;

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};

use humantime::format_rfc3339_millis;
use serde_json::value::RawValue;

pub(crate) use sink::TaskSink;
pub(crate) use store::TaskStore;

use crate::json::{push_raw_member, push_text_member};
use crate::session::Awaiting;
use crate::sync::lock;

/// Characters of a status message; it is for a line on a screen.
const MESSAGE_CHARS_MAX: usize = 256;

/// The call behind a task.
pub(crate) trait TaskWork: Awaiting {
    /// Tells whether it waits for answers.
    fn is_asking(&self) -> bool;

    /// Its open questions as a JSON object by key.
    fn questions(&self) -> String;

    /// Its open questions one by one: key, method and params.
    fn requests(&self) -> Vec<(String, &'static str, String)>;

    /// Cancels it. Harmless when it has ended.
    fn cancel_work(&self);
}

/// Somebody who wants to hear how a task goes on.
pub(crate) trait TaskWatcher: Send + Sync {
    fn task_changed(&self, task: &Arc<Task>);
}

/// One task.
pub(crate) struct Task {
    /// 128 random bits, base64url.
    pub(crate) id: Box<str>,
    /// Who began it. To everybody else it does not exist.
    principal: Option<Arc<str>>,
    /// Began in the era of 2026-07-28; to clients of the other era it does not exist.
    is_modern: bool,
    /// For the client to read.
    created: SystemTime,
    /// For its age: the clock on the wall may be set, by hours and years when a machine has booted.
    begun: Instant,
    /// Kept this long from its creation on.
    ttl: Duration,
    poll: Duration,
    /// Gone when the call is; then the end is known.
    work: Weak<dyn TaskWork>,
    state: Mutex<State>,
    watchers: Mutex<Vec<Weak<dyn TaskWatcher>>>,
    /// Told when the task ends, because its end takes memory.
    store: Weak<TaskStore>,
}

struct State {
    /// When it changed last. Of the same clock as `begun`: an order of ends must not change.
    updated: Instant,
    message: Option<String>,
    end: Option<End>,
}

/// How a task ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// With the JSON of a result, failures of the tool included.
    Completed(Arc<str>),
    /// With the JSON of an error.
    Failed(Arc<str>),
    Cancelled,
}

impl End {
    fn bytes(&self) -> usize {
        match self {
            End::Completed(json) | End::Failed(json) => json.len(),
            End::Cancelled => 0,
        }
    }
}

impl Task {
    pub(crate) fn belongs_to(&self, principal: Option<&str>, is_modern: bool) -> bool {
        self.principal.as_deref() == principal && self.is_modern == is_modern
    }

    /// The members of the handle that its client gets.
    pub(crate) fn handle(&self) -> String {
        let mut out = String::new();
        self.push_members(&mut out, "working");
        out
    }

    /// The members that tell how it stands.
    pub(crate) fn members(&self) -> String {
        let mut out = String::new();
        self.push_members(&mut out, status(self.end().as_ref(), self.asking().is_some()));
        out
    }

    /// The members that tell how it stands, what it asks and how it ended.
    pub(crate) fn details(&self) -> String {
        // Looked at once: the status and what belongs to it must not tell of two moments.
        let (end, asking) = (self.end(), self.asking());
        let mut out = String::new();
        self.push_members(&mut out, status(end.as_ref(), asking.is_some()));
        match (end, asking) {
            (Some(End::Completed(result)), _) => push_raw_member(&mut out, "result", &result),
            (Some(End::Failed(error)), _) => push_raw_member(&mut out, "error", &error),
            (None, Some(work)) => push_raw_member(&mut out, "inputRequests", &work.questions()),
            (Some(End::Cancelled), _) | (None, None) => {}
        }
        out
    }

    pub(crate) fn end(&self) -> Option<End> {
        lock(&self.state).end.clone()
    }

    /// How long it is still kept.
    fn rest(&self) -> Duration {
        self.ttl.saturating_sub(self.begun.elapsed())
    }

    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.state).end.is_some()
    }

    pub(crate) fn work(&self) -> Option<Arc<dyn TaskWork>> {
        self.work.upgrade()
    }

    /// Takes answers to open questions; what answers nothing is ignored.
    pub(crate) fn answer(&self, key: &str, answer: &RawValue) {
        if let Some(work) = self.work() {
            work.answered(key, Ok(answer));
        }
    }

    /// Says what the task is doing; one that has ended stays as it is.
    pub(crate) fn set_message(self: &Arc<Self>, text: &str) {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return;
        }
        state.message = Some(text.chars().take(MESSAGE_CHARS_MAX).collect());
        drop(state);
        self.changed();
    }

    /// Has `watcher` told of every change.
    pub(crate) fn watch(&self, watcher: Weak<dyn TaskWatcher>) {
        let mut watchers = lock(&self.watchers);
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(watcher);
    }

    /// Notes a change and tells those who watch.
    pub(crate) fn changed(self: &Arc<Self>) {
        lock(&self.state).updated = Instant::now();
        let watchers: Vec<_> = lock(&self.watchers).iter().filter_map(Weak::upgrade).collect();
        // Told outside the lock: a watcher may answer its client and go.
        watchers.iter().for_each(|watcher| watcher.task_changed(self));
    }

    /// Ends the task; the first end counts.
    fn finish(self: &Arc<Self>, end: End) {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return;
        }
        state.end = Some(end);
        drop(state);
        self.changed();
        if let Some(store) = self.store.upgrade() {
            store.trim();
        }
    }

    /// What is needed to choose which ended task goes: when it ended and what its end takes.
    fn burden(&self) -> Option<(Instant, usize)> {
        let state = lock(&self.state);
        state.end.as_ref().map(|end| (state.updated, end.bytes()))
    }

    /// The call, if it waits for answers.
    fn asking(&self) -> Option<Arc<dyn TaskWork>> {
        self.work().filter(|work| work.is_asking())
    }

    fn push_members(&self, out: &mut String, status: &str) {
        let (updated, message) = {
            let state = lock(&self.state);
            (state.updated, state.message.clone())
        };
        // Never before its creation, wherever the clock on the wall was set to meanwhile.
        let updated = self.created + updated.saturating_duration_since(self.begun);
        // The names of the two times were changed when tasks became an extension.
        let (ttl, poll) = match self.is_modern {
            true => ("ttlMs", "pollIntervalMs"),
            false => ("ttl", "pollInterval"),
        };
        // The first member has no comma before it, wherever it is put.
        out.push_str("\"taskId\":");
        crate::json::push_string(out, &self.id);
        push_text_member(out, "status", status);
        if let Some(message) = message {
            push_text_member(out, "statusMessage", &message);
        }
        push_text_member(out, "createdAt", &format_rfc3339_millis(self.created).to_string());
        push_text_member(out, "lastUpdatedAt", &format_rfc3339_millis(updated).to_string());
        // No client can count to more: it is kept without an end.
        let kept = u64::try_from(self.ttl.as_millis()).ok().filter(|ms| *ms < 1 << 53);
        push_raw_member(out, ttl, &kept.map_or("null".into(), |ms| ms.to_string()));
        push_raw_member(out, poll, &self.poll.as_millis().to_string());
    }
}

fn status(end: Option<&End>, is_asking: bool) -> &'static str {
    match end {
        Some(End::Completed(_)) => "completed",
        Some(End::Failed(_)) => "failed",
        Some(End::Cancelled) => "cancelled",
        None if is_asking => "input_required",
        None => "working",
    }
}
