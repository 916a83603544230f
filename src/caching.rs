//! Caching hints: how long a modern client may keep a list or what it read, and who else may
//! (2026-07-28, SEP-2549).

use std::time::Duration;

use crate::json::{push_raw_member, push_text_member};

/// How long modern clients may keep what they were told (`ttlMs`). Zero, the default of each, has
/// them ask every time: on a daemon in production nothing is known to stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheTimes {
    /// The answer to `server/discover`.
    pub discover: Duration,
    /// The list of tools.
    pub tools: Duration,
    /// The lists of resources and of templates.
    pub resources: Duration,
    /// The list of prompts.
    pub prompts: Duration,
    /// What was read from a resource that says no time of its own.
    pub read: Duration,
}

/// The hints on one result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caching {
    pub(crate) ttl: Duration,
    /// The result is the same for everybody, so a shared cache may keep it too.
    pub(crate) is_public: bool,
}

impl Caching {
    /// Appends the members `ttlMs` and `cacheScope`.
    pub(crate) fn push(&self, out: &mut String) {
        push_raw_member(out, "ttlMs", &self.ttl.as_millis().to_string());
        push_text_member(out, "cacheScope", if self.is_public { "public" } else { "private" });
    }
}
