//! What every part of one server shares: its bounds, its counters, its clock and its log.

use std::fmt;
use std::sync::Arc;

use crate::callbacks::Callbacks;
use crate::clock::Clock;
use crate::hooks::HookSlot;
use crate::level::Level;
use crate::limits::Limits;
use crate::stats::Counters;

/// Handed down by `Arc`; holds nothing that knows about HTTP, MCP or the host.
pub(crate) struct Env {
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) clock: Arc<Clock>,
    pub(crate) callbacks: Callbacks,
    /// Where log lines go; set by the host before the server starts.
    pub(crate) hooks: HookSlot,
}

impl Env {
    pub(crate) fn new(limits: Limits) -> Arc<Env> {
        Arc::new(Env {
            limits,
            counters: Counters::default(),
            clock: Clock::new(),
            callbacks: Callbacks::new(),
            hooks: HookSlot::default(),
        })
    }

    /// Tells the host what happened in `part` of the server.
    pub(crate) fn log(&self, level: Level, part: &str, text: fmt::Arguments<'_>) {
        self.hooks.log(level, part, text);
    }
}
