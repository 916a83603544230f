//! What every part of one server shares: its bounds, its counters, its clock and its log.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::callbacks::{Callback, Callbacks};
use crate::clock::Clock;
use crate::hooks::{Audit, HookSlot, OwnedAudit};
use crate::host_queue::HostQueue;
use crate::level::Level;
use crate::limits::Limits;
use crate::shield::shielded;
use crate::stats::Counters;

/// Handed down by `Arc`; holds nothing that knows about HTTP, MCP or the host.
pub(crate) struct Env {
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) clock: Arc<Clock>,
    pub(crate) callbacks: Callbacks,
    /// What waits for the host's own thread; none when the server has threads for it.
    pub(crate) host: Option<Arc<HostQueue>>,
    /// Where log lines go; set by the host before the server starts.
    pub(crate) hooks: HookSlot,
}

impl Env {
    /// For a server that runs the host's functions on threads of its own.
    pub(crate) fn new(limits: Limits) -> Arc<Env> {
        Env::with(limits, None)
    }

    /// For a server whose host runs its functions itself.
    pub(crate) fn for_host(limits: Limits) -> Arc<Env> {
        let host = Arc::new(HostQueue::new(limits.records));
        Env::with(limits, Some(host))
    }

    fn with(limits: Limits, host: Option<Arc<HostQueue>>) -> Arc<Env> {
        Arc::new(Env {
            limits,
            counters: Counters::default(),
            clock: Clock::new(),
            callbacks: Callbacks::new(host.clone()),
            host,
            hooks: HookSlot::default(),
        })
    }

    /// Tells the host what happened in `part` of the server.
    pub(crate) fn log(&self, level: Level, part: &str, text: fmt::Arguments<'_>) {
        let Some(host) = &self.host else { return self.hooks.log(level, part, &text.to_string()) };
        if !self.hooks.hears_log() {
            return;
        }
        let (hooks, part, text) = (self.hooks.clone(), part.to_owned(), text.to_string());
        let bytes = text.len();
        let tell = move || {
            // Its panic has nowhere to go: the log is what panics.
            let _ = catch_unwind(AssertUnwindSafe(|| hooks.log(level, &part, &text)));
        };
        let is_kept = host.record(bytes, Box::new(tell));
        self.count_record(is_kept);
    }

    /// Tells the host of a finished call. Without a listener the record is never made.
    pub(crate) fn audit<'a>(&self, make: impl FnOnce() -> Audit<'a>) {
        if !self.hooks.hears_audit() {
            return;
        }
        let Some(host) = &self.host else { return self.hooks.audit(&make()) };
        let (hooks, record) = (self.hooks.clone(), OwnedAudit::new(&make()));
        let bytes = record.bytes();
        let is_kept = host.record(bytes, Box::new(move || hooks.audit(&record.view())));
        self.count_record(is_kept);
    }

    /// Calls a function of the host: at once, or in host mode when its turn comes there.
    pub(crate) fn run_of_host(&self, place: &'static str, function: Callback) {
        match &self.host {
            // A panic in it is caught by whoever runs the queue.
            Some(host) => host.run(function),
            None => {
                shielded(self, place, function);
            }
        }
    }

    fn count_record(&self, is_kept: bool) {
        if !is_kept {
            self.counters.records_dropped.up();
        }
    }
}
