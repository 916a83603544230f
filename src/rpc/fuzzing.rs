//! The fuzz target of JSON-RPC messages: what is parsed is compared with what serde_json reads.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Id, Malformed, Message, Params, Payload, code, parse, string, write};
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
            assert!(serde_json::from_str::<&RawValue>(params.text()).is_ok(), "{params:?}");
            assert!(params.text().starts_with('{'));
            if let Some(value) = value {
                assert_eq!(value["method"], **method);
                check_params(params, value.get("params").and_then(Value::as_object));
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

/// Members are found in place as a parser finds them, unless they stand twice.
fn check_params(params: &Params, expected: Option<&Map<String, Value>>) {
    let members = expected.into_iter().flatten();
    for (key, value) in members.clone() {
        match params.member(key).map(serde_json::from_str::<Value>) {
            Some(found) => assert_eq!(found.ok().as_ref(), Some(value), "{params:?}"),
            None => assert!(!params.is_clear(), "{params:?}"),
        }
        let text = params.member(key).and_then(string);
        assert!(text.is_none_or(|text| value.as_str() == Some(&text)), "{params:?}");
    }
    assert!(params.member("no such member").is_none() || members.count() > 0);
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
