//! Representative messages of each revision against its published JSON Schema.

mod peer;

use emcp::{Level, ToolResult};
use peer::*;
use serde_json::{Value, json};

#[test]
fn legacy_results_are_what_their_schema_says() {
    let host = host();
    for version in LEGACY {
        let Some(schema) = Schema::load(version) else { continue };
        let (_, initialized) = host.post(&[ACCEPT], &initialize("1", version)).json();
        schema.check_result("InitializeResult", &initialized);
        let session = Streamable::open(&host, version);
        let ask =
            |method: &str, params: Value| session.post(&request("1", method, &params)).json().1;
        schema.check_result("EmptyResult", &ask("ping", json!({})));
        schema.check_result("EmptyResult", &ask("logging/setLevel", json!({"level": "debug"})));
        schema.check_result("ListToolsResult", &ask("tools/list", json!({})));
        schema.check_result("CallToolResult", &ask("tools/call", json!({"name": "rich"})));
        schema.check_result("CallToolResult", &ask("tools/call", json!({"name": "echo"})));
        schema.check_error(&ask("no/such", json!({})));
        schema.check_error(&ask("tools/call", json!({"name": "no_such_tool"})));
        let wrong = json!({"name": "routed", "arguments": {"count": "many"}});
        schema.check_result("CallToolResult", &ask("tools/call", wrong));
    }
}

#[test]
fn legacy_notifications_are_what_their_schema_says() {
    let host = host();
    for version in LEGACY {
        let Some(schema) = Schema::load(version) else { continue };
        let mut ws = Ws::open(&host, version);
        ws.send(&call("1", "hold", Some(r#""t""#)));
        let held = host.held();
        held.progress(1.0, 2.0, Some("half"));
        held.log(Level::Error, Some("part"), r#"{"n":1}"#);
        held.reply(ToolResult::text("done"));
        schema.check_notification("ProgressNotification", &ws.json());
        schema.check_notification("LoggingMessageNotification", &ws.json());
        ws.json();
        host.add_tool("fresh");
        schema.check_notification("ToolListChangedNotification", &ws.json());
        host.server.remove_tool("fresh").unwrap();
        ws.json();
    }
}

#[test]
fn modern_results_are_what_their_schema_says() {
    let Some(schema) = Schema::load(MODERN) else { return };
    let host = host();
    let ask = |method: &str, params: Value| host.modern("1", method, params).json().1;
    schema.check_result("DiscoverResult", &ask("server/discover", json!({})));
    schema.check_result("ListToolsResult", &ask("tools/list", json!({})));
    schema.check_result("CallToolResult", &ask("tools/call", json!({"name": "rich"})));
    schema.check_result("CallToolResult", &ask("tools/call", json!({"name": "echo"})));
    schema.check_error(&ask("tools/call", json!({"name": "no_such_tool"})));
}

#[test]
fn modern_errors_are_what_their_schema_says() {
    let Some(schema) = Schema::load(MODERN) else { return };
    let host = host();
    let (_, unknown) = host.modern("1", "no/such", json!({})).json();
    schema.check_error(&unknown);
    schema.check("MethodNotFoundError", &unknown["error"]);
    let listing = request("1", "tools/list", &claim(json!({})));
    let (_, mismatch) = host.post(&modern_headers("tools/call"), &listing).json();
    schema.check("HeaderMismatchError", &mismatch);
    let headers = [ACCEPT, ("MCP-Protocol-Version", "2099-01-01")];
    let (_, unsupported) = host.post(&headers, &request("1", "tools/list", &json!({}))).json();
    schema.check("UnsupportedProtocolVersionError", &unsupported);
    let mut http = host.modern("1", "tools/call", json!({"name": "hold"}));
    host.held().fail_missing_capability("sampling");
    schema.check("MissingRequiredClientCapabilityError", &http.json().1);
}

#[test]
fn modern_notifications_are_what_their_schema_says() {
    let Some(schema) = Schema::load(MODERN) else { return };
    let host = host();
    let mut ws = Ws::connect(&host);
    let filter = claim(json!({"notifications": {"toolsListChanged": true}}));
    ws.send(&request(r#""sub""#, "subscriptions/listen", &filter));
    schema.check_notification("SubscriptionsAcknowledgedNotification", &ws.json());
    let meta = json!({"progressToken": 7, "io.modelcontextprotocol/logLevel": "debug"});
    ws.send(&request("1", "tools/call", &claim(json!({"name": "hold", "_meta": meta}))));
    let held = host.held();
    held.progress(1.0, 2.0, Some("half"));
    held.log(Level::Error, None, "\"text\"");
    held.reply(ToolResult::text("done"));
    schema.check_notification("ProgressNotification", &ws.json());
    schema.check_notification("LoggingMessageNotification", &ws.json());
    ws.json();
    host.add_tool("fresh");
    schema.check_notification("ToolListChangedNotification", &ws.json());
    host.server.stop().unwrap();
    let (last, _) = ws.until_close();
    schema.check_notification("CancelledNotification", &last[0]);
    schema.check_result("SubscriptionsListenResult", &last[1]);
}

/// As published, a schema lets pass what came with later revisions.
#[test]
fn what_a_revision_does_not_know_is_noticed() {
    let later = [
        ("2024-11-05", json!({"name": "a", "inputSchema": {"type": "object"}, "annotations": {}})),
        ("2025-03-26", json!({"name": "a", "inputSchema": {"type": "object"}, "title": "A"})),
        ("2025-06-18", json!({"name": "a", "inputSchema": {"type": "object"}, "icons": []})),
        (MODERN, json!({"name": "a", "inputSchema": {"type": "object"}, "execution": {}})),
    ];
    for (version, tool) in later {
        let Some(schema) = Schema::load(version) else { continue };
        assert!(!schema.accepts("Tool", &tool), "{version}");
        let known = json!({"name": "a", "inputSchema": {"type": "object", "minProperties": 1}});
        assert!(schema.accepts("Tool", &known), "{version}");
    }
}
