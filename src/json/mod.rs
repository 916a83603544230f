//! JSON text: a writer for hosts, escaping and compaction for the rest of the crate.
//!
//! Knows nothing about MCP. Every text that leaves this module is one line, because a raw newline
//! would end an SSE `data:` line early.

pub(crate) mod depth;
mod escape;
mod members;
mod writer;

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::{memchr, memchr3};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub(crate) use members::{Members, Text};
pub use writer::{JsonWriter, WrittenJson};

use crate::error::{Error, Result};

/// Appends `text` as a JSON string with its quotes.
pub(crate) fn push_string(out: &mut String, text: &str) {
    for part in ["\"", &escape::escaped(text), "\""] {
        out.push_str(part);
    }
}

/// Appends `"key":`, with a comma before it unless it is the first member.
///
/// `key` is a literal of this crate, so it needs no escaping.
pub(crate) fn push_key(out: &mut String, key: &str) {
    if !out.ends_with(['{', '[']) {
        out.push(',');
    }
    out.push('"');
    out.push_str(key);
    out.push_str("\":");
}

/// Appends a member whose value is a string.
pub(crate) fn push_text_member(out: &mut String, key: &str, text: &str) {
    push_key(out, key);
    push_string(out, text);
}

/// Appends a member whose value is JSON text already.
pub(crate) fn push_raw_member(out: &mut String, key: &str, json: &str) {
    push_key(out, key);
    out.push_str(json);
}

/// Checks that `text` is one JSON value and takes the whitespace between its tokens away.
///
/// Keys keep their order and numbers their digits: nothing is parsed into a value and printed
/// again.
///
/// # Errors
///
/// [`Error::Config`] with the place of the mistake.
pub(crate) fn compact(text: &str) -> Result<String> {
    let raw: &RawValue = serde_json::from_str(text)
        .map_err(|error| Error::Config(format!("json is not valid: {error}")))?;
    let json = raw.get();
    // Nearly all that programs write.
    let bytes = json.as_bytes();
    if memchr3(b' ', b'\t', b'\n', bytes).or_else(|| memchr(b'\r', bytes)).is_none() {
        return Ok(json.to_owned());
    }
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped, mut start) = (false, false, 0);
    // Quotes, backslashes and whitespace are ASCII, so every cut is between two characters.
    for (index, byte) in json.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            out.push_str(&json[start..index]);
            start = index + 1;
        } else {
            in_string = byte == b'"';
        }
    }
    out.push_str(&json[start..]);
    Ok(out)
}

/// Like [`compact`] for text that must be an object; `what` names it in the error.
pub(crate) fn compact_object(what: &str, text: &str) -> Result<String> {
    let json = compact(text).map_err(|error| Error::Config(format!("{what}: {error}")))?;
    if json.starts_with('{') { Ok(json) } else { Err(not_a(what, "object")) }
}

/// Keeps a member that is `null` apart from one that is absent.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// Tells whether the JSON text `object` has a member `key`; false for what is no object.
pub(crate) fn has_key(object: &str, key: &str) -> bool {
    serde_json::from_str::<BTreeMap<Cow<'_, str>, IgnoredAny>>(object)
        .is_ok_and(|members| members.contains_key(key))
}

/// The error for JSON of the wrong type.
pub(crate) fn not_a(what: &str, expected: &str) -> Error {
    Error::Config(format!("{what} is not a JSON {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compaction_keeps_digits_order_and_strings() {
        let same = |text: &str| assert_eq!(compact(text).unwrap(), text);
        same(r#"{"z":12345678901234567890123,"a":"x \" y","b":"\\"}"#);
        assert_eq!(compact("{\r\n\t\"a b\" : \"c \\\" d\" }\n").unwrap(), r#"{"a b":"c \" d"}"#);
        for bad in ["", "{", "{}{}", "{'a':1}", "nul"] {
            assert!(compact(bad).is_err(), "{bad}");
        }
        assert_eq!(compact_object("meta", "{ }").unwrap(), "{}");
        let error = compact_object("meta", "[]").unwrap_err();
        assert_eq!(error.to_string(), "meta is not a JSON object");
    }
}
