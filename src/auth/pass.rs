//! What has let somebody in: a key that was given out, or the host's word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use super::scopes::Scopes;

/// Good until it is revoked or its time is over, for everything that was opened with it.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(super) principal: Arc<str>,
    pub(super) scopes: Scopes,
    expires: Option<SystemTime>,
    revoked: AtomicBool,
}

impl Pass {
    pub(super) fn new(
        principal: Arc<str>,
        scopes: Scopes,
        expires: Option<SystemTime>,
    ) -> Arc<Pass> {
        Arc::new(Pass { principal, scopes, expires, revoked: AtomicBool::new(false) })
    }

    /// Takes it away from whoever has it.
    pub(super) fn revoke(&self) {
        self.revoked.store(true, Relaxed);
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.revoked.load(Relaxed)
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        !self.is_revoked() && !self.has_expired(now)
    }

    /// Time until it expires, if it does.
    pub(super) fn rest(&self, now: SystemTime) -> Option<Duration> {
        self.expires.map(|expires| expires.duration_since(now).unwrap_or_default())
    }
}
