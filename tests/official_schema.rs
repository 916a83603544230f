//! Representative messages of each revision against its published JSON Schema. The schemas are not
//! part of this repository; without them the tests say so and check nothing.

mod peer;

use std::path::Path;

use emcp::{Level, ToolResult};
use peer::*;
use serde_json::{Value, json};

/// The schema of one revision.
struct Schema {
    document: Value,
    /// Where its definitions are: the key changed with the dialect.
    definitions: &'static str,
}

impl Schema {
    /// Loads the schema of `version`; `None` when it is not there.
    fn load(version: &str) -> Option<Schema> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/spec/schema");
        let path = folder.join(format!("{version}.json"));
        let Ok(text) = std::fs::read(&path) else {
            eprintln!("skipped: {} is not there", path.display());
            return None;
        };
        let document = parse(text);
        let definitions = if document.get("$defs").is_some() { "$defs" } else { "definitions" };
        Some(Schema { document, definitions })
    }

    /// Asserts that `value` is what the schema calls `kind`.
    #[track_caller]
    fn check(&self, kind: &str, value: &Value) {
        let mut document = self.document.clone();
        assert!(document[self.definitions].get(kind).is_some(), "the schema has no {kind}");
        document["$ref"] = format!("#/{}/{kind}", self.definitions).into();
        let validator = jsonschema::options().build(&document).unwrap();
        // A reference that is not followed would let everything pass.
        assert!(!validator.is_valid(&Value::Null), "{kind} is not looked at");
        let problems: Vec<String> =
            validator.iter_errors(value).map(|problem| format!("{problem}")).collect();
        assert!(problems.is_empty(), "not a {kind}: {value:#}\n{problems:#?}");
    }

    /// The name of an envelope that was split in two by 2025-11-25.
    fn either<'a>(&self, newer: &'a str, older: &'a str) -> &'a str {
        if self.document[self.definitions].get(newer).is_some() { newer } else { older }
    }

    #[track_caller]
    fn check_result(&self, kind: &str, message: &Value) {
        self.check(self.either("JSONRPCResultResponse", "JSONRPCResponse"), message);
        self.check("ServerResult", &message["result"]);
        self.check(kind, &message["result"]);
    }

    #[track_caller]
    fn check_error(&self, message: &Value) {
        self.check(self.either("JSONRPCErrorResponse", "JSONRPCError"), message);
    }

    #[track_caller]
    fn check_notification(&self, kind: &str, message: &Value) {
        self.check("JSONRPCNotification", message);
        self.check("ServerNotification", message);
        self.check(kind, message);
    }
}

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
