//! The fuzz target of JSON-RPC messages: what is parsed is compared with what serde_json reads.

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Id, Malformed, Message, Payload, code, parse, write};
use crate::limits::Limits;

/// A message is taken as it is written, a refusal has a reason, and every answer is JSON.
///
/// # Panics
/// When it is not so.
pub fn message(data: &[u8]) {
    let limits = Limits { json_depth: 16, batch: 8, ..Limits::default() };
    let value = serde_json::from_slice::<Value>(data);
    match parse(data, &limits) {
        Ok(Payload::One(message)) => check(&message, value.ok().as_ref()),
        Ok(Payload::Batch(items)) => {
            assert!((1..=limits.batch).contains(&items.len()));
            let value = value.ok();
            for (place, item) in items.iter().enumerate() {
                match item {
                    Ok(message) => check(message, value.as_ref().and_then(|v| v.get(place))),
                    Err(malformed) => check_refusal(malformed),
                }
            }
        }
        Err(malformed) => {
            check_refusal(&malformed);
            assert!(value.is_err() || malformed.code != code::PARSE_ERROR, "{malformed:?}");
        }
    }
}

/// Compares with `value`, which is absent where serde_json is stricter than raw values are.
fn check(message: &Message, value: Option<&Value>) {
    let raw_is_json = |raw: &RawValue| {
        assert!(serde_json::from_str::<&RawValue>(raw.get()).is_ok(), "{raw}");
    };
    if let Some(id) = message.id() {
        check_id(id);
        let answer = write::result(id, "{}");
        assert!(serde_json::from_str::<&RawValue>(&answer).is_ok(), "{answer}");
    }
    match message {
        Message::Request { method, params, .. } | Message::Notification { method, params } => {
            params.iter().for_each(|params| {
                raw_is_json(params);
                assert!(params.get().starts_with('{'));
            });
            if let Some(value) = value {
                assert_eq!(value["method"], **method);
                assert_eq!(value.get("params").is_some(), params.is_some());
                assert_eq!(value.get("id").is_some(), message.id().is_some());
            }
        }
        Message::Response { id, outcome } => {
            id.iter().for_each(check_id);
            assert!(id.is_some() || outcome.is_err());
            raw_is_json(outcome.as_ref().unwrap_or_else(|error| error));
        }
    }
}

/// An id that is echoed byte by byte cannot be more than an id.
fn check_id(id: &Id) {
    let raw = serde_json::from_str::<&RawValue>(id.as_json()).expect("an id is JSON");
    assert_eq!(Id::parse(raw).as_ref(), Some(id));
    // Two spellings of one text are one id, and two texts are two.
    let key = id.key();
    match serde_json::from_str::<String>(id.as_json()) {
        Ok(text) => assert_eq!(key, format!("\"{text}\"")),
        Err(_) => assert!(!key.starts_with('"')),
    }
}

fn check_refusal(Malformed { code, id, reason }: &Malformed) {
    assert!(!reason.is_empty() && reason.len() < 1000, "{reason}");
    id.iter().for_each(check_id);
    let answer = write::error(id.as_ref(), *code, reason, None);
    assert!(serde_json::from_str::<Value>(&answer).is_ok() || id.is_some(), "{answer}");
    assert!(serde_json::from_str::<&RawValue>(&answer).is_ok(), "{answer}");
}
