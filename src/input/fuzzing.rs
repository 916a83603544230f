//! Fuzz targets of `requestState` and of the digest that it is bound to.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Asking, Binding, Keys, StateError, params_digest};
use crate::fuzzing::Bytes;

const SECRET: &str = "a secret of the fuzz target that is long enough";
const UNUSED: &str = "another secret of it, which is long enough as well";
const PAYLOAD_MAX: usize = 256;

/// A state opens for what it was sealed for and for nothing else, however it was changed on its
/// way; and what is in one that opens is read without a panic.
///
/// # Panics
/// When it is not so.
pub fn state(data: &[u8]) {
    let keys = Keys::from_secrets(SECRET, None).expect("a long secret");
    let binding = Binding { principal: Some("ann"), method: "tools/call", params_digest: [7; 32] };
    // Whatever it is, nobody has sealed it with this key, which nothing below is sealed with: a
    // fuzzer watches what is compared, and would learn that.
    if let Ok(text) = std::str::from_utf8(data) {
        let unused = Keys::from_secrets(UNUSED, None).expect("a long secret");
        let opened = unused.open(text, binding, 0, PAYLOAD_MAX);
        assert!(matches!(opened, Err(StateError::Malformed | StateError::Forged)), "{text}");
    }
    let mut input = Bytes(data);
    let (place, mask, cut) = (input.byte(), input.byte(), input.byte());
    let payload = input.take(PAYLOAD_MAX);
    let sealed = keys.seal(payload, binding, 100);
    assert_eq!(keys.open(&sealed, binding, 99, PAYLOAD_MAX).as_deref(), Ok(payload));
    assert_eq!(keys.open(&sealed, binding, 100, PAYLOAD_MAX), Err(StateError::Expired));
    let other = Binding { principal: None, ..binding };
    assert_eq!(keys.open(&sealed, other, 99, PAYLOAD_MAX), Err(StateError::Forged));
    let mut changed = sealed.clone().into_bytes();
    let place = usize::from(place) % changed.len();
    changed[place] ^= mask & 0x7f;
    changed.truncate(changed.len() - usize::from(cut) % changed.len());
    // Base64 is ASCII, and so is what was changed.
    let changed = String::from_utf8(changed).expect("ASCII");
    if changed != sealed {
        assert!(keys.open(&changed, binding, 99, PAYLOAD_MAX).is_err(), "{changed}");
    }
    let raw = std::str::from_utf8(payload).ok().and_then(|text| serde_json::from_str(text).ok());
    if let Ok(asking) = Asking::resume(Some(payload), raw) {
        assert!(Asking::resume(Some(&asking.memory()), None).is_ok(), "a memory is read again");
    }
}

/// The digest of arguments is that of any other spelling of them, and of no others. Up to a line
/// feed the input is one JSON text, behind it another.
///
/// # Panics
/// When it is not so.
pub fn digest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (one, other) = text.split_once('\u{1}').unwrap_or((text, "{}"));
    if serde_json::from_str::<&RawValue>(one).is_err() {
        return;
    }
    let digest = params_digest("tool", Some(one));
    assert_ne!(digest, params_digest("tool", None));
    assert_ne!(digest, params_digest("too", Some(one)));
    let Ok(value) = serde_json::from_str::<Value>(one) else { return };
    if serde_json::from_str::<&RawValue>(other).is_ok()
        && digest == params_digest("tool", Some(other))
    {
        assert_eq!(serde_json::from_str::<Value>(other).ok(), Some(value), "{one} and {other}");
    }
}
