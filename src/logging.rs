//! Log messages for clients: the `notifications/message` of every revision.

use serde_json::value::RawValue;

use crate::hooks::Level;
use crate::rpc::write;

/// The notification text. `data` that is not JSON is sent as a JSON string.
pub(crate) fn message(level: Level, logger: Option<&str>, data: &str) -> String {
    let mut params = format!(r#"{{"level":"{}""#, level.as_str());
    if let Some(logger) = logger {
        params.push_str(r#","logger":"#);
        write::string(&mut params, logger);
    }
    params.push_str(r#","data":"#);
    match serde_json::from_str::<&RawValue>(data) {
        // SSE data must be one line, and JSON may be written in many.
        Ok(raw) if !raw.get().contains(['\n', '\r']) => params.push_str(raw.get()),
        _ => write::string(&mut params, data),
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
        assert!(message(Level::Info, None, "not json").contains(r#""data":"not json""#));
    }
}
