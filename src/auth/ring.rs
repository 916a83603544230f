//! The keys that let people in at one moment, and the look-up that tells nothing by its time.

use std::sync::Arc;

use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

use super::key::{Digest, Key};
use super::pass::Pass;

/// A key that is or was in use.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) key: Key,
    /// Revoked when the key is taken away by the host or out of the file.
    pub(super) pass: Arc<Pass>,
}

impl Issued {
    pub(super) fn new(key: Key) -> Issued {
        let pass = key.pass();
        Issued { key, pass }
    }
}

/// `keys` in the place of `before`. What is in both stays as it is, the rest of `before` is revoked.
pub(super) fn reissue(before: &[Arc<Issued>], keys: Vec<Key>) -> Vec<Arc<Issued>> {
    let kept = |key: &Key| before.iter().find(|issued| issued.key == *key).cloned();
    let issued: Vec<Arc<Issued>> = keys
        .into_iter()
        .map(|key| kept(&key).unwrap_or_else(|| Arc::new(Issued::new(key))))
        .collect();
    for old in before.iter().filter(|old| !issued.iter().any(|new| Arc::ptr_eq(new, old))) {
        old.pass.revoke();
    }
    issued
}

/// See the module text.
#[derive(Debug, Default)]
pub(super) struct Ring(Vec<Arc<Issued>>);

impl Ring {
    pub(super) fn new(keys: impl IntoIterator<Item = Arc<Issued>>) -> Ring {
        Ring(keys.into_iter().collect())
    }

    /// The key whose secret has this digest, expired or not. Looks at every key, whichever it is: neither how
    /// much of a guess is right nor where the key stands changes how long it takes.
    pub(super) fn find(&self, digest: &Digest) -> Option<&Arc<Issued>> {
        let mut found = u64::MAX;
        // From the back, so that the first of two with one secret counts.
        for (index, issued) in self.0.iter().enumerate().rev() {
            let is_it = issued.key.digest().ct_eq(digest);
            found.conditional_assign(&(index as u64), is_it);
        }
        self.0.get(usize::try_from(found).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::key::digest;

    fn key(name: &str, secret: &str) -> Key {
        Key::new(name, secret).unwrap()
    }

    fn issued(name: &str, secret: &str) -> Arc<Issued> {
        Arc::new(Issued::new(key(name, secret)))
    }

    const A: &str = "aaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbb";

    #[test]
    fn the_whole_secret_finds_its_key() {
        let ring = Ring::new([issued("a", A), issued("b", B), issued("again", A)]);
        let name =
            |secret: &str| ring.find(&digest(secret.as_bytes())).map(|issued| issued.key.name());
        assert_eq!(name(A), Some("a"));
        assert_eq!(name(B), Some("b"));
        for wrong in ["", "a", &A[1..], &format!("{A}a"), &A.to_uppercase(), "bbbbbbbbbbbbbbba"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
        assert!(Ring::default().find(&digest(A.as_bytes())).is_none());
    }

    #[test]
    fn what_stays_is_not_revoked() {
        let before = [issued("a", A), issued("b", B)];
        let after = reissue(&before, vec![key("b", B), key("c", A)]);
        assert!(Arc::ptr_eq(&after[0], &before[1]) && !before[1].pass.is_revoked());
        assert!(before[0].pass.is_revoked() && !after[1].pass.is_revoked());
        // Other rights are another key.
        let narrowed = reissue(&after, vec![key("b", B).scopes("x").unwrap()]);
        assert!(after[0].pass.is_revoked() && !narrowed[0].pass.is_revoked());
    }
}
