//! Tokens whose signature was right, so that the next request with one of them costs a hash and not
//! a signature: a client sends the same token for as long as it lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};

use super::Grant;
use crate::sync::lock;

/// Tokens that are kept: a few MiB at worst, with claims as long as they may be.
const TOKENS_MAX: usize = 256;

/// What is known of a token: nothing that it could be made from again.
pub(super) type TokenDigest = [u8; 32];

pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

/// See the module text. Good for one set of rules and keys.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<TokenDigest, Arc<Grant>>>);

impl Seen {
    /// What a token has granted before, if it still does.
    pub(super) fn find(&self, digest: &TokenDigest) -> Option<Arc<Grant>> {
        let grant = lock(&self.0).get(digest).cloned();
        grant.filter(|grant| grant.is_valid())
    }

    /// Only for tokens that have been checked: nobody can fill it who cannot get tokens signed.
    pub(super) fn keep(&self, digest: TokenDigest, grant: Arc<Grant>) {
        let mut seen = lock(&self.0);
        if seen.len() >= TOKENS_MAX {
            seen.retain(|_, grant| grant.is_valid());
        }
        // To look for the least used one would cost more than the signatures that it saves.
        if seen.len() >= TOKENS_MAX {
            seen.clear();
        }
        seen.insert(digest, grant);
    }

    #[cfg(all(test, feature = "jwt"))]
    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}
