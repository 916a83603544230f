//! What has let somebody in: a key that was given out, a token, or the host's word.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use super::scopes::Scopes;

/// Good until it is revoked or its time is over, for everything that was opened with it.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(super) principal: Arc<str>,
    pub(super) scopes: Scopes,
    /// What the issuer of a token says, as JSON text; a key says nothing.
    pub(crate) claims: Option<Arc<str>>,
    expires: Option<SystemTime>,
    revocation: Revocation,
}

impl Pass {
    pub(super) fn new(
        principal: Arc<str>,
        scopes: Scopes,
        expires: Option<SystemTime>,
    ) -> Arc<Pass> {
        let revocation = Revocation::default();
        Arc::new(Pass { principal, scopes, claims: None, expires, revocation })
    }

    /// The pass of a token, revoked with the key that has signed it.
    pub(super) fn signed(
        (principal, claims): (Arc<str>, Arc<str>),
        scopes: Scopes,
        expires: Option<SystemTime>,
        revocation: Revocation,
    ) -> Arc<Pass> {
        Arc::new(Pass { principal, scopes, claims: Some(claims), expires, revocation })
    }

    /// Takes it away from whoever has it.
    pub(super) fn revoke(&self) {
        self.revocation.revoke();
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.revocation.is_revoked()
    }

    pub(super) fn has_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        !self.is_revoked() && !self.has_expired(now)
    }

    /// Time until it expires, if it does; none when it was revoked.
    pub(super) fn rest(&self, now: SystemTime) -> Option<Duration> {
        if self.is_revoked() {
            return Some(Duration::ZERO);
        }
        self.expires.map(|expires| expires.duration_since(now).unwrap_or_default())
    }
}

/// Takes passes back: one, or all those of the tokens that one key has signed.
#[derive(Clone, Debug, Default)]
pub(super) struct Revocation(Arc<AtomicBool>);

impl Revocation {
    pub(super) fn revoke(&self) {
        self.0.store(true, Relaxed);
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.0.load(Relaxed)
    }
}
