//! The form of a modern answer: JSON when it is ready first, a stream when something else is, and
//! what else decides; log messages on it.

mod peer;

use emcp::ToolResult;
use peer::*;
use serde_json::{Value, json};

const CALL: &str = "tools/call";

/// Posts with these headers and returns status and JSON body.
fn post(host: &Host, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    host.post(headers, body).json()
}

fn echo() -> Value {
    claim(json!({"name": "echo", "arguments": {"a": 1}}))
}

/// The headers of a call of `name`; `Accept` stands first.
fn headers(name: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut headers = modern_headers(CALL);
    headers.push(("Mcp-Name", name));
    headers
}

#[test]
fn an_answer_that_comes_first_is_json() {
    let host = host();
    let mut http = host.modern("1", CALL, json!({"name": "hold"}));
    host.held().reply(ToolResult::text("done"));
    assert_eq!(text_of(&http.json().1), "done");
}

#[test]
fn a_notification_that_comes_first_makes_a_stream() {
    let host = host();
    let params = json!({"name": "hold", "_meta": {"progressToken": "t"}});
    let http = host.modern("1", CALL, params);
    let held = host.held();
    held.progress(1.0, 2.0, Some("half"));
    let mut events = http.events();
    let first = events.message();
    // No session, so no ids and nothing to resume.
    assert_eq!((&first.id, &first.retry), (&None, &None));
    let expected = json!({"progressToken": "t", "progress": 1.0, "total": 2.0, "message": "half"});
    assert_eq!(same_numbers(&first.json()["params"]), same_numbers(&expected));
    held.reply(ToolResult::text("done"));
    assert_eq!(text_of(&events.json()), "done");
    assert_eq!(events.next_event(), None);
}

/// `1` and `1.0` are one number in JSON.
fn same_numbers(value: &Value) -> String {
    value.to_string().replace(".0", "")
}

#[test]
fn a_stream_leaves_its_connection_usable() {
    let host = host();
    let params = json!({"name": "hold", "_meta": {"progressToken": 1}});
    let http = host.modern("1", CALL, params);
    let held = host.held();
    held.progress(1.0, 0.0, None);
    held.reply(ToolResult::text("done"));
    let mut events = http.events();
    assert_eq!(events.rest().len(), 2);
    let mut http = events.into_http();
    http.post("/mcp", &headers("echo"), &request("2", CALL, &echo()));
    assert_eq!(http.json().1["id"], 2);
}

#[test]
fn a_client_that_takes_json_only_gets_no_stream() {
    let host = host();
    let params = claim(json!({"name": "hold", "_meta": {"progressToken": 1}}));
    let mut headers = headers("hold");
    headers[0] = ("Accept", "application/json");
    let mut http = host.post(&headers, &request("1", CALL, &params));
    let held = host.held();
    held.progress(1.0, 0.0, None);
    held.reply(ToolResult::text("done"));
    assert_eq!(text_of(&http.json().1), "done");
}

#[test]
fn the_query_the_alias_and_a_sole_accept_force_a_stream() {
    let host = host();
    let body = request("1", CALL, &echo());
    let stream_only = ("Accept", "text/event-stream");
    for (path, accept) in [("/mcp?transport=sse", ACCEPT), ("/sse", ACCEPT), ("/mcp", stream_only)]
    {
        let mut headers = headers("echo");
        headers[0] = accept;
        let mut http = host.http();
        http.post(path, &headers, &body);
        let mut events = http.events();
        assert_eq!(events.json()["id"], 1);
        assert_eq!(events.next_event(), None);
    }
}

#[test]
fn errors_with_a_status_of_their_own_are_json_even_where_a_stream_is_forced() {
    let host = host();
    let mut http = host.http();
    let body = request("1", "no/such", &claim(json!({})));
    http.post("/mcp?transport=sse", &modern_headers("no/such"), &body);
    assert_eq!(http.json().0, 404);
}

#[test]
fn an_unusable_accept_is_406_and_another_content_type_415() {
    let host = host();
    let body = request("1", CALL, &echo());
    for accept in ["text/html", "image/*"] {
        let mut headers = headers("echo");
        headers[0] = ("Accept", accept);
        assert_eq!(host.post(&headers, &body).response().status, 406, "{accept}");
    }
    for accept in ["*/*", "application/*", "text/*", "application/json;q=0.1", ""] {
        let mut headers = headers("echo");
        headers[0] = ("Accept", accept);
        let answered =
            host.post(&headers, &body).answer().map_or_else(|response| response.status, |_| 200);
        assert_eq!(answered, 200, "{accept}");
    }
    let mut http = host.http();
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n";
    http.write(format!("{head}Content-Length: 2\r\n\r\n{{}}").as_bytes());
    assert_eq!(http.response().status, 415);
}

#[test]
fn a_listen_needs_a_stream() {
    let host = host();
    let params = claim(json!({"notifications": {"toolsListChanged": true}}));
    let mut headers = modern_headers("subscriptions/listen");
    headers[0] = ("Accept", "application/json");
    let (status, message) = post(&host, &headers, &request("1", "subscriptions/listen", &params));
    assert_eq!(status, 406);
    assert_error(&message, json!(1), -32600);
}

#[test]
fn log_messages_come_only_from_the_level_that_the_request_names() {
    let host = host();
    let key = "io.modelcontextprotocol/logLevel";
    let http = host.modern("1", CALL, json!({"name": "hold", "_meta": {key: "warning"}}));
    let held = host.held();
    held.log(emcp::Level::Info, None, "\"low\"");
    held.log(emcp::Level::Warning, Some("part"), r#"{"n":1}"#);
    held.reply(ToolResult::text("done"));
    let messages = http.events().rest();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0]["method"], "notifications/message");
    let expected = json!({"level": "warning", "logger": "part", "data": {"n": 1}});
    assert_eq!(messages[0]["params"], expected);

    let mut silent = host.modern("1", CALL, json!({"name": "hold"}));
    let held = host.held();
    held.log(emcp::Level::Emergency, None, "1");
    held.reply(ToolResult::text("done"));
    assert_eq!(text_of(&silent.json().1), "done");

    let (status, message) =
        host.modern("1", CALL, json!({"name": "echo", "_meta": {key: "loud"}})).json();
    assert_eq!(status, 400);
    assert_error(&message, json!(1), -32602);
}
