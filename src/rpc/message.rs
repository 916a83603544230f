//! Parses one text into JSON-RPC messages, strictly.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Id, Params, code, usual};
use crate::json::{Text, depth};
use crate::limits::Limits;

/// What one text holds.
#[derive(Debug)]
pub(crate) enum Payload {
    /// A single message.
    One(Message),
    /// An array, which only revision 2025-03-26 allows. Never empty.
    Batch(Vec<Result<Message, Malformed>>),
}

/// One JSON-RPC message.
#[derive(Debug)]
pub(crate) enum Message {
    /// Wants an answer with the same id.
    Request { id: Id, method: String, params: Params },
    /// Wants no answer, and never gets one.
    Notification { method: String, params: Params },
    /// Answers a request of ours with the JSON of its `result` or of its `error`. Without an id,
    /// its sender could not read that of the request.
    Response { id: Option<Id>, outcome: Result<Box<RawValue>, Box<RawValue>> },
}

impl Message {
    /// The id to echo in an error about this message.
    pub(crate) fn id(&self) -> Option<&Id> {
        match self {
            Message::Request { id, .. } => Some(id),
            Message::Notification { .. } | Message::Response { .. } => None,
        }
    }
}

/// Why a text is not a message, ready to become an error reply.
#[derive(Debug)]
pub(crate) struct Malformed {
    pub(crate) code: i32,
    /// The request's id if it could be read; otherwise the reply says `null`.
    pub(crate) id: Option<Id>,
    pub(crate) reason: String,
}

/// Parses `text` under the bounds of `limits`.
///
/// # Errors
/// [`Malformed`] with -32700 for text that is not JSON and -32600 for JSON that is not a message.
pub(crate) fn parse(text: &[u8], limits: &Limits) -> Result<Payload, Malformed> {
    if !depth::within(text, limits.json_depth) {
        let reason = format!("message nests deeper than {} levels", limits.json_depth);
        return Err(Malformed { code: code::INVALID_REQUEST, id: None, reason });
    }
    let text = std::str::from_utf8(text).map_err(|_| not_json("message is not UTF-8"))?;
    match text.trim_start_matches([' ', '\t', '\r', '\n']).as_bytes().first() {
        Some(b'{') => parse_one(text).map(Payload::One),
        Some(b'[') => parse_batch(text, limits.batch),
        _ => match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Err(invalid(None, "message is not an object")),
            Err(error) => Err(not_json(&error.to_string())),
        },
    }
}

fn parse_batch(text: &str, limit: usize) -> Result<Payload, Malformed> {
    let items: Vec<&RawValue> =
        serde_json::from_str(text).map_err(|error| not_json(&error.to_string()))?;
    if items.is_empty() {
        return Err(invalid(None, "batch is empty"));
    }
    if items.len() > limit {
        let reason = format!("batch has {} messages, limit is {limit}", items.len());
        return Err(Malformed { code: code::INVALID_REQUEST, id: None, reason });
    }
    Ok(Payload::Batch(items.into_iter().map(|item| parse_one(item.get())).collect()))
}

fn parse_one(text: &str) -> Result<Message, Malformed> {
    match usual::parse(text) {
        Some(message) => Ok(message),
        None => parse_any(text),
    }
}

pub(super) fn parse_any(text: &str) -> Result<Message, Malformed> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| {
        if error.is_data() { invalid(None, &shorten(&error)) } else { not_json(&shorten(&error)) }
    })?;
    let id = envelope.id.and_then(Id::parse);
    if envelope.jsonrpc.as_ref().is_none_or(|version| version.0 != "2.0") {
        return Err(invalid(id, "jsonrpc must be \"2.0\""));
    }
    if envelope.result.is_some() || envelope.error.is_some() {
        return response(&envelope, id);
    }
    let Some(method) = envelope.method else {
        return Err(invalid(id, "method is missing"));
    };
    if envelope.params.is_some_and(|params| !params.get().starts_with('{')) {
        return Err(invalid(id, "params must be an object"));
    }
    let (method, params) =
        (method.0.into_owned(), envelope.params.map(Params::new).unwrap_or_default());
    match (envelope.id, id) {
        (None, _) => Ok(Message::Notification { method, params }),
        (Some(_), Some(id)) => Ok(Message::Request { id, method, params }),
        (Some(_), None) => {
            Err(invalid(None, "id must be a string or an integer of at most 1024 bytes"))
        }
    }
}

fn response(envelope: &Envelope<'_>, id: Option<Id>) -> Result<Message, Malformed> {
    let outcome = match (envelope.result, envelope.error) {
        (Some(result), None) if id.is_some() => Some(Ok(result.to_owned())),
        // JSON-RPC 2.0 section 5: the id is null when the request's id could not be read.
        (None, Some(error)) => Some(Err(error.to_owned())),
        _ => None,
    };
    match outcome {
        Some(outcome) if envelope.method.is_none() => Ok(Message::Response { id, outcome }),
        _ => Err(invalid(id, "message is neither a request nor a response")),
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "crate::json::present")]
    error: Option<&'a RawValue>,
}

fn invalid(id: Option<Id>, reason: &str) -> Malformed {
    Malformed { code: code::INVALID_REQUEST, id, reason: reason.into() }
}

fn not_json(reason: &str) -> Malformed {
    Malformed { code: code::PARSE_ERROR, id: None, reason: reason.into() }
}

/// serde_json quotes the offending value; an attacker chooses how long that is.
fn shorten(error: &serde_json::Error) -> String {
    error.to_string().chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = match parse(text.as_bytes(), &Limits::default()) {
            Ok(Payload::One(message)) => show(&message),
            Ok(Payload::Batch(items)) => format!("batch {}", items.len()),
            Err(malformed) => {
                let id = malformed.id.map_or("null".into(), |id| id.as_json().to_owned());
                format!("{} {id}", malformed.code)
            }
        };
        assert_eq!(shown, expected, "{text}");
    }

    fn show(message: &Message) -> String {
        match message {
            Message::Request { id, method, .. } => format!("request {} {method}", id.as_json()),
            Message::Notification { method, .. } => format!("notification {method}"),
            Message::Response { id, outcome } => {
                let id = id.as_ref().map_or("null", Id::as_json);
                match outcome {
                    Ok(result) => format!("response {id} result {result}"),
                    Err(error) => format!("response {id} error {error}"),
                }
            }
        }
    }

    #[test]
    fn messages() {
        check(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "request 1 ping");
        check(r#" {"id":"x","method":"p\u0069ng","jsonrpc":"2.0"} "#, r#"request "x" ping"#);
        check(r#"{"jsonrpc":"2.0","method":"n","params":{}}"#, "notification n");
        check(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}, 7]"#, "batch 2");
    }

    #[test]
    fn responses() {
        check(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "response 1 result {}");
        check(r#"{"jsonrpc":"2.0","id":"a","result":null}"#, r#"response "a" result null"#);
        check(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#, r#"response 1 error {"code":1}"#);
        check(r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, "response null error {}");
        check(r#"{"jsonrpc":"2.0","error":{}}"#, "response null error {}");
        check(r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, "-32600 null");
        check(r#"{"jsonrpc":"2.0","id":5,"method":"ping","error":{}}"#, "-32600 5");
    }

    #[test]
    fn not_json() {
        for text in ["", "{", "nope", r#"{"a":1}x"#, "\u{feff}{}", "[1,", "{]"] {
            check(text, "-32700 null");
        }
        let parsed = parse(b"{\"jsonrpc\":\"\xff\"}", &Limits::default());
        assert_eq!(parsed.expect_err("bad UTF-8").code, code::PARSE_ERROR);
    }

    #[test]
    fn not_a_message() {
        for text in ["1", "\"x\"", "null", "[]", "{}", r#"{"jsonrpc":"2.0"}"#] {
            check(text, "-32600 null");
        }
        check(r#"{"jsonrpc":"1.0","id":4,"method":"ping"}"#, "-32600 4");
        check(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "-32600 null");
        check(r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, "-32600 null");
        check(r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, "-32600 null");
        check(r#"{"jsonrpc":"2.0","id":5,"method":7}"#, "-32600 null");
        check(r#"{"jsonrpc":"2.0","id":5,"id":6,"method":"ping"}"#, "-32600 null");
        check(r#"{"jsonrpc":"2.0","id":5,"method":"ping","params":[1]}"#, "-32600 5");
        check(r#"{"jsonrpc":"2.0","id":5,"method":"ping","result":{}}"#, "-32600 5");
        check(r#"{"jsonrpc":"2.0","id":5,"result":{},"error":{}}"#, "-32600 5");
        check(&format!("{}1{}", "[".repeat(65), "]".repeat(65)), "-32600 null");
    }
}
