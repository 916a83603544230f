//! Seals what a call remembers between its rounds, so that the client can carry it.
//!
//! The server keeps nothing between two rounds (2026-07-28, multi round-trip requests), so the
//! state goes to the client and comes back as `requestState`. It is signed, not encrypted: a client
//! can read it and cannot change it, nor use it as somebody else, for another call, or for long.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::random::random;

/// Allows another layout later without mistaking one for the other.
const VERSION: u8 = 1;

/// The version and the time of expiry come before the payload, the code after it.
const HEAD_BYTES: usize = 1 + 8;
const CODE_BYTES: usize = 32;

/// RFC 2104 section 3: a key that is shorter than the hash weakens the code.
const SECRET_BYTES_MIN: usize = 32;

/// Keeps a secret that the host also uses elsewhere from making the same code there.
const KEY_LABEL: &[u8] = b"emcp requestState key 1";

/// The keys that sealed state is checked with. Not `Debug`: a key must not reach a log.
pub(crate) struct Keys {
    /// Seals.
    current: [u8; 32],
    /// Still opens, while states that it has sealed are on their way.
    previous: Option<[u8; 32]>,
}

/// What a state is good for; it opens for nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    /// Who asks. Nobody is somebody else than a principal with an empty name.
    pub(crate) principal: Option<&'a str>,
    pub(crate) method: &'a str,
    /// As [`params_digest`](super::params_digest) makes it.
    pub(crate) params_digest: [u8; 32],
}

/// Why a state does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateError {
    /// No state of this server looks like that.
    Malformed,
    /// Not sealed by this server, or for another principal, method or params. One answer for all:
    /// who tries must not learn which.
    Forged,
    /// Genuine, but too old.
    Expired,
}

impl Keys {
    /// A key that nobody knows; states do not survive a restart.
    ///
    /// # Errors
    /// [`Error::Io`] when the system has no randomness to give.
    pub(crate) fn random() -> Result<Keys> {
        Ok(Keys { current: random()?, previous: None })
    }

    /// Keys from secrets of the host, the same in every server that shares them.
    ///
    /// # Errors
    /// [`Error::Config`] for a secret below 32 bytes.
    pub(crate) fn from_secrets(current: &str, previous: Option<&str>) -> Result<Keys> {
        Ok(Keys {
            current: derive("state secret", current)?,
            previous: previous.map(|text| derive("previous state secret", text)).transpose()?,
        })
    }

    /// Signs `payload` and returns the text for the client, which is safe in JSON and in URLs.
    pub(crate) fn seal(&self, payload: &[u8], binding: Binding<'_>, expires: u64) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len() + CODE_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&expires.to_be_bytes());
        bytes.extend_from_slice(payload);
        let code = mac(&self.current, &bytes, binding).finalize().into_bytes();
        bytes.extend_from_slice(&code);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Returns the payload of a state that this server has sealed for `binding` and that expires
    /// after `now`. Both times are seconds since 1970.
    ///
    /// A text too long to hold `payload_bytes_max` bytes is not even decoded.
    ///
    /// # Errors
    /// As [`StateError`] tells.
    pub(crate) fn open(
        &self,
        text: &str,
        binding: Binding<'_>,
        now: u64,
        payload_bytes_max: usize,
    ) -> std::result::Result<Vec<u8>, StateError> {
        let text_bytes_max =
            base64::encoded_len(payload_bytes_max.saturating_add(HEAD_BYTES + CODE_BYTES), false);
        if text_bytes_max.is_some_and(|max| text.len() > max) {
            return Err(StateError::Malformed);
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StateError::Malformed)?;
        if bytes.len() < HEAD_BYTES + CODE_BYTES || bytes[0] != VERSION {
            return Err(StateError::Malformed);
        }
        let code = bytes.split_off(bytes.len() - CODE_BYTES);
        let is_ours = |key: &[u8; 32]| mac(key, &bytes, binding).verify_slice(&code).is_ok();
        if !is_ours(&self.current) && !self.previous.as_ref().is_some_and(is_ours) {
            return Err(StateError::Forged);
        }
        let payload = bytes.split_off(HEAD_BYTES);
        let expires = bytes[1..].iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
        if now >= expires { Err(StateError::Expired) } else { Ok(payload) }
    }
}

/// Computes the code of a version, expiry and payload. Lengths come before texts, so that no
/// principal can pass for a part of the method.
fn mac(key: &[u8; 32], signed: &[u8], binding: Binding<'_>) -> Hmac<Sha256> {
    let mut mac = keyed(key);
    let texts = [Some(binding.method), binding.principal];
    for text in texts {
        mac.update(&[u8::from(text.is_some())]);
        let text = text.unwrap_or_default();
        mac.update(&u64::to_be_bytes(text.len() as u64));
        mac.update(text.as_bytes());
    }
    mac.update(&binding.params_digest);
    mac.update(signed);
    mac
}

fn derive(what: &str, secret: &str) -> Result<[u8; 32]> {
    if secret.len() < SECRET_BYTES_MIN {
        let len = secret.len();
        return Err(Error::Config(format!(
            "{what} has {len} bytes, at least {SECRET_BYTES_MIN} are needed"
        )));
    }
    let mut mac = keyed(secret.as_bytes());
    mac.update(KEY_LABEL);
    Ok(mac.finalize().into_bytes().into())
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // RFC 2104 section 2: a key may have any length.
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use StateError::{Expired, Forged, Malformed};

    const MAX: usize = 64;
    const OLD: &str = "the old secret, which is long enough for this";
    const NEW: &str = "the new secret, which is long enough for this";

    fn binding() -> Binding<'static> {
        Binding { principal: Some("ann"), method: "tools/call", params_digest: [7; 32] }
    }

    fn keys(current: &str, previous: Option<&str>) -> Keys {
        Keys::from_secrets(current, previous).unwrap()
    }

    fn check(text: &str, binding: Binding<'_>, expected: std::result::Result<&[u8], StateError>) {
        let opened = keys(NEW, None).open(text, binding, 99, MAX);
        assert_eq!(opened.as_deref(), expected.as_ref().copied(), "{text} {binding:?}");
    }

    #[test]
    fn a_state_opens_for_what_it_was_sealed_for() {
        for payload in [&b""[..], b"x", &[0, 255, 7], &[9; MAX]] {
            let text = keys(NEW, None).seal(payload, binding(), 100);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            check(&text, binding(), Ok(payload));
        }
        let nobody = Binding { principal: None, ..binding() };
        check(&keys(NEW, None).seal(b"x", nobody, 100), nobody, Ok(b"x"));
    }

    #[test]
    fn a_state_opens_for_nothing_else() {
        let text = keys(NEW, None).seal(b"x", binding(), 100);
        for other in [
            Binding { principal: None, ..binding() },
            Binding { principal: Some(""), ..binding() },
            Binding { principal: Some("bob"), ..binding() },
            Binding { principal: Some("anntools"), method: "/call", ..binding() },
            Binding { method: "prompts/get", ..binding() },
            Binding { params_digest: [8; 32], ..binding() },
        ] {
            check(&text, other, Err(Forged));
        }
        let empty = Binding { principal: Some(""), ..binding() };
        let nobody = Binding { principal: None, ..binding() };
        check(&keys(NEW, None).seal(b"x", nobody, 100), empty, Err(Forged));
        check(&keys(NEW, None).seal(b"x", empty, 100), nobody, Err(Forged));
    }

    #[test]
    fn no_character_can_be_changed() {
        let text = keys(NEW, None).seal(b"payload", binding(), 100);
        for place in 0..text.len() {
            for other in ["A", "B", "_", "=", "\u{e4}"] {
                let mut changed = text.clone();
                changed.replace_range(place..=place, other);
                let opened = keys(NEW, None).open(&changed, binding(), 99, MAX);
                assert!(changed == text || opened.is_err(), "{place} {other}");
            }
        }
        check(&text[..text.len() - 4], binding(), Err(Forged));
        check(&format!("{text}AAAA"), binding(), Err(Forged));
    }

    #[test]
    fn what_is_no_state_is_malformed() {
        let long = keys(NEW, None).seal(&[9; MAX + 1], binding(), 100);
        let short = URL_SAFE_NO_PAD.encode([VERSION; HEAD_BYTES + CODE_BYTES - 1]);
        let foreign = URL_SAFE_NO_PAD.encode([VERSION + 1; HEAD_BYTES + CODE_BYTES]);
        for text in ["", "AQ", "not base64!", "AQ==", &short, &foreign, &long] {
            check(text, binding(), Err(Malformed));
        }
        check(&"A".repeat(1 << 20), binding(), Err(Malformed));
        check(&URL_SAFE_NO_PAD.encode([VERSION; HEAD_BYTES + CODE_BYTES]), binding(), Err(Forged));
        assert!(keys(NEW, None).open("AQ", binding(), 99, usize::MAX).is_err());
    }

    #[test]
    fn a_state_expires_and_its_age_is_told_to_its_owner_alone() {
        let text = keys(NEW, None).seal(b"x", binding(), 99);
        check(&text, binding(), Err(Expired));
        check(&text, Binding { principal: Some("bob"), ..binding() }, Err(Forged));
        check(&keys(NEW, None).seal(b"x", binding(), u64::MAX), binding(), Ok(b"x"));
    }

    #[test]
    fn keys_rotate() {
        let old = keys(OLD, None).seal(b"x", binding(), 100);
        let open = |keys: &Keys, text| keys.open(text, binding(), 99, MAX);
        assert_eq!(open(&keys(NEW, Some(OLD)), &old), Ok(b"x".to_vec()));
        assert_eq!(open(&keys(NEW, None), &old), Err(Forged));
        let new = keys(NEW, Some(OLD)).seal(b"x", binding(), 100);
        assert_eq!(open(&keys(NEW, None), &new), Ok(b"x".to_vec()));
        assert_eq!(open(&Keys::random().unwrap(), &new), Err(Forged));
    }

    #[test]
    fn a_short_secret_is_refused_and_not_quoted() {
        for (current, previous) in [("hunter2", None), (NEW, Some("hunter2"))] {
            let Err(error) = Keys::from_secrets(current, previous) else { panic!("accepted") };
            let text = error.to_string();
            assert!(text.contains("7 bytes") && !text.contains("hunter2"), "{text}");
        }
    }
}
