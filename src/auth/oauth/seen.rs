//! Tokens whose signature was right, so that the next request with one of them costs a hash and not
//! a signature: a client sends the same token for as long as it lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::auth::key::Digest;
use crate::auth::pass::Pass;
use crate::sync::lock;

/// Tokens that are kept: a few MiB at worst, with claims as long as they may be.
const TOKENS_MAX: usize = 256;

/// See the module text. Good for one set of rules and keys. Knows nothing of a token from which it
/// could be made again.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<Digest, Arc<Pass>>>);

impl Seen {
    /// What a token has granted before, if it still does.
    pub(super) fn find(&self, digest: &Digest, now: SystemTime) -> Option<Arc<Pass>> {
        let pass = lock(&self.0).get(digest).cloned();
        pass.filter(|pass| pass.is_valid(now))
    }

    /// Only for tokens that have been checked: nobody can fill it who cannot get tokens signed.
    pub(super) fn keep(&self, digest: Digest, pass: Arc<Pass>, now: SystemTime) {
        let mut seen = lock(&self.0);
        if seen.len() >= TOKENS_MAX {
            seen.retain(|_, pass| pass.is_valid(now));
        }
        // To look for the least used one would cost more than the signatures that it saves.
        if seen.len() >= TOKENS_MAX {
            seen.clear();
        }
        seen.insert(digest, pass);
    }

    #[cfg(all(test, feature = "jwt"))]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}
