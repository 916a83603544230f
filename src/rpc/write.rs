//! Writes JSON-RPC messages. The only place that spells an envelope.

use super::Id;
use crate::json::push_string;

/// A success reply around the JSON text `result`.
pub(crate) fn result(id: &Id, result: &str) -> String {
    result_with(id, result.len(), |out| out.push_str(result))
}

/// A success reply around the JSON text that `write` adds, which is about `bytes` long.
pub(crate) fn result_with(id: &Id, bytes: usize, write: impl FnOnce(&mut String)) -> String {
    let id = id.as_json();
    let mut out = String::with_capacity(bytes + id.len() + 40);
    for part in [r#"{"jsonrpc":"2.0","id":"#, id, r#","result":"#] {
        out.push_str(part);
    }
    write(&mut out);
    out.push('}');
    out
}

/// An error reply. `id` is `None` when the request's id could not be read; `data` is JSON text.
pub(crate) fn error(id: Option<&Id>, code: i32, message: &str, data: Option<&str>) -> String {
    let mut out = String::with_capacity(message.len() + 96);
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    // JSON-RPC 2.0 section 5 wants null here. No MCP schema knows it, every SDK sends it.
    out.push_str(id.map_or("null", Id::as_json));
    out.push_str(r#","error":{"code":"#);
    out.push_str(&code.to_string());
    out.push_str(r#","message":"#);
    push_string(&mut out, message);
    if let Some(data) = data {
        out.push_str(r#","data":"#);
        out.push_str(data);
    }
    out.push_str("}}");
    out
}

/// A request of ours around the JSON text `params`.
pub(crate) fn request(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// A notification around the JSON text `params`.
pub(crate) fn notification(method: &str, params: &str) -> String {
    let mut out = String::with_capacity(method.len() + params.len() + 40);
    for part in [r#"{"jsonrpc":"2.0","method":""#, method, r#"","params":"#, params, "}"] {
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn envelopes() {
        let id = Id::parse(&RawValue::from_string("9007199254740993".into()).unwrap()).unwrap();
        assert_eq!(result(&id, "{}"), r#"{"jsonrpc":"2.0","id":9007199254740993,"result":{}}"#);
        assert_eq!(
            error(None, -32700, "a\"b", Some("[1]")),
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"a\"b","data":[1]}}"#
        );
        assert_eq!(notification("n", "{}"), r#"{"jsonrpc":"2.0","method":"n","params":{}}"#);
    }
}
