//! Log messages for clients: the `notifications/message` of every revision.

use crate::json::{compact, push_string};
use crate::level::Level;
use crate::rpc::write;

/// The notification text. `data` that is not JSON is sent as a JSON string.
pub(crate) fn message(level: Level, logger: Option<&str>, data: &str) -> String {
    let mut params = format!(r#"{{"level":"{}""#, level.as_str());
    if let Some(logger) = logger {
        params.push_str(r#","logger":"#);
        push_string(&mut params, logger);
    }
    params.push_str(r#","data":"#);
    match compact(data) {
        Ok(json) => params.push_str(&json),
        Err(_) => push_string(&mut params, data),
    }
    params.push('}');
    write::notification("notifications/message", &params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_json_or_becomes_a_string() {
        let sent = message(Level::Info, Some("a"), r#"{"b":1}"#);
        assert!(sent.contains(r#"{"level":"info","logger":"a","data":{"b":1}}"#), "{sent}");
        let lines = message(Level::Info, None, "{\n  \"b\": 1\n}");
        assert!(lines.contains(r#""data":{"b":1}"#), "{lines}");
        assert!(message(Level::Info, None, "not json").contains(r#""data":"not json""#));
    }
}
