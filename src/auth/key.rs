//! One bearer key.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use humantime::parse_rfc3339;
use sha2::{Digest as _, Sha256};

use super::pass::Pass;
use super::scopes::Scopes;
use crate::error::{Error, Result};

/// Characters of the shortest secret. Below it guessing is a matter of days.
const SECRET_MIN: usize = 16;

/// Characters of the longest secret and name: they must fit into a header and a log line.
const SECRET_MAX: usize = 1024;
const NAME_MAX: usize = 128;

/// A bearer key that lets its holder in.
///
/// Keeps a digest of the secret and not the secret. Several keys may have one name: that is how one
/// is replaced by the next.
///
/// ```
/// use emcp::Key;
///
/// let key = Key::new("grafana", "1f0c7e35b1d5429cbf9e")?
///     .scopes("metrics:read,alerts:write")?
///     .expires("2027-01-01T00:00:00Z")?;
/// assert!(!format!("{key:?}").contains("1f0c7e35"));
/// # Ok::<(), emcp::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    name: Arc<str>,
    /// SHA-256 of the secret. No slow hash: secrets are random and long, not chosen by people.
    digest: Digest,
    scopes: Scopes,
    expires: Option<SystemTime>,
}

pub(super) type Digest = [u8; 32];

impl Key {
    /// A key without scopes that never expires. `name` becomes the principal of its holder; log
    /// lines show it.
    ///
    /// # Errors
    /// [`Error::Config`] unless `name` is 1 to 128 characters without blanks and `secret` 16 to 1024
    /// visible ASCII characters.
    pub fn new(name: &str, secret: &str) -> Result<Key> {
        let is_odd = |ch: char| ch.is_whitespace() || ch.is_control();
        if name.is_empty() || name.len() > NAME_MAX || name.contains(is_odd) {
            let rule = format!("is not 1 to {NAME_MAX} characters without blanks");
            return Err(Error::Config(format!("name of a key {rule}")));
        }
        let is_long = (SECRET_MIN..=SECRET_MAX).contains(&secret.len());
        if !is_long || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let rule = format!("is not {SECRET_MIN} to {SECRET_MAX} visible ASCII characters");
            return Err(Error::Config(format!("secret of key {name:?} {rule}")));
        }
        let (digest, scopes) = (digest(secret.as_bytes()), Scopes::none());
        Ok(Key { name: name.into(), digest, scopes, expires: None })
    }

    /// What its holder may do, comma separated; `*` for everything.
    ///
    /// # Errors
    /// [`Error::Config`] for a text that cannot be a scope.
    pub fn scopes(mut self, list: &str) -> Result<Key> {
        self.scopes = Scopes::parse(list)?;
        Ok(self)
    }

    /// When it stops to let anybody in, for example `2027-01-01T00:00:00Z`.
    ///
    /// # Errors
    /// [`Error::Config`] unless `time` is one of RFC 3339 that ends with Z.
    pub fn expires(mut self, time: &str) -> Result<Key> {
        let parsed = parse_rfc3339(time).map_err(|_| {
            let problem = format!("{time:?} is not a time like 2027-01-01T00:00:00Z");
            Error::Config(format!("key {:?}: {problem}", self.name))
        })?;
        self.expires = Some(parsed);
        Ok(self)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What lets its holder in.
    pub(super) fn pass(&self) -> Arc<Pass> {
        Pass::new(self.name.clone(), self.scopes.clone(), self.expires)
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Tells whether both have one secret. For keys of the host only: not in constant time.
    pub(super) fn has_secret_of(&self, other: &Key) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Key");
        out.field("name", &self.name).field("scopes", &self.scopes.as_str());
        out.field("expires", &self.expires).finish_non_exhaustive()
    }
}

pub(super) fn digest(secret: &[u8]) -> Digest {
    Sha256::digest(secret).into()
}

/// Refuses keys of which two have one secret: whose it is would be a matter of their order.
pub(super) fn check_distinct(keys: &[Key]) -> std::result::Result<(), String> {
    for (index, key) in keys.iter().enumerate() {
        if let Some(other) = keys[..index].iter().find(|other| other.has_secret_of(key)) {
            return Err(format!("keys {:?} and {:?} have the same secret", other.name, key.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const SECRET: &str = "0123456789abcdef";

    #[test]
    fn impossible_keys_are_refused_without_their_secret() {
        for (name, secret) in [
            ("", SECRET),
            ("a b", SECRET),
            ("a\n", SECRET),
            (&*"n".repeat(129), SECRET),
            ("a", "0123456789abcde"),
            ("a", "0123456789 abcdef"),
            ("a", "0123456789abcde\u{e9}"),
            ("a", &*"s".repeat(1025)),
        ] {
            let error = Key::new(name, secret).unwrap_err().to_string();
            assert!(!error.contains(secret), "{error}");
        }
    }

    #[test]
    fn a_key_expires_at_its_time() {
        let key = Key::new("a", SECRET).unwrap().expires("1970-01-01T00:00:09Z").unwrap();
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        assert!(!key.pass().has_expired(at(8)) && key.pass().has_expired(at(9)));
        assert!(!Key::new("a", SECRET).unwrap().pass().has_expired(at(u32::MAX.into())));
        for bad in ["", "tomorrow", "2027-01-01", "2027-01-01T00:00:00", "2027-13-01T00:00:00Z"] {
            assert!(Key::new("a", SECRET).unwrap().expires(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_prints_the_secret() {
        let key = Key::new("a", SECRET).unwrap().scopes("b").unwrap();
        assert_eq!(format!("{key:?}"), r#"Key { name: "a", scopes: "b", expires: None, .. }"#);
    }

    #[test]
    fn two_keys_with_one_secret_are_refused() {
        let key = |name, secret| Key::new(name, secret).unwrap();
        let other = SECRET.replace('0', "x");
        assert!(check_distinct(&[key("a", SECRET), key("a", &other)]).is_ok());
        let error = check_distinct(&[key("a", SECRET), key("b", SECRET)]).unwrap_err();
        assert_eq!(error, r#"keys "a" and "b" have the same secret"#);
    }
}
