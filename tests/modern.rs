//! Revision 2026-07-28 over HTTP: claims, headers, their order, statuses, caching hints.

mod peer;

use emcp::ToolResult;
use peer::*;
use serde_json::{Value, json};

const CALL: &str = "tools/call";

/// Posts with these headers and returns status and JSON body.
fn post(host: &Host, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    host.post(headers, body).json()
}

/// Asserts that a request with `headers` and `params` fails with status 400 and `code`.
#[track_caller]
fn assert_refused(headers: &[(&str, &str)], method: &str, params: &Value, code: i64) {
    let host = host();
    let (status, message) = post(&host, headers, &request("3", method, params));
    assert_eq!(status, 400, "{message}");
    assert_error(&message, json!(3), code);
}

fn echo() -> Value {
    claim(json!({"name": "echo", "arguments": {"a": 1}}))
}

/// The headers of a right call of `echo`, without those called `without` and with `with`.
fn headers(
    without: &str,
    with: &[(&'static str, &'static str)],
) -> Vec<(&'static str, &'static str)> {
    let mut headers = modern_headers(CALL);
    headers.push(("Mcp-Name", "echo"));
    headers.retain(|(name, _)| *name != without);
    headers.extend(with);
    headers
}

#[test]
fn discover_says_everything_that_a_handshake_would() {
    let host = host();
    let response = host.modern(r#""d""#, "server/discover", json!({})).response();
    assert_eq!(response.status, 200);
    assert!(response.header("mcp-session-id").is_none());
    let expected = json!({
        "jsonrpc": "2.0",
        "id": "d",
        "result": {
            "resultType": "complete",
            "supportedVersions": [MODERN],
            "capabilities": { "logging": {}, "tools": { "listChanged": true } },
            "instructions": "Ask.",
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": { "io.modelcontextprotocol/serverInfo":
                { "name": "host", "version": "1.2.3", "title": "Host" } },
        },
    });
    assert_eq!(parse(&response.body), expected);
}

#[test]
fn every_result_says_what_it_is_and_who_made_it() {
    let host = host();
    for (method, params) in [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        (CALL, json!({"name": "echo"})),
        (CALL, json!({"name": "rich"})),
    ] {
        let (status, message) = host.modern("1", method, params).json();
        assert_eq!(status, 200);
        let result = &message["result"];
        assert_eq!(result["resultType"], "complete", "{message}");
        let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(info["name"], "host", "{message}");
        let is_cacheable = method != CALL;
        assert_eq!(result["ttlMs"].is_u64(), is_cacheable, "{message}");
        assert_eq!(result["cacheScope"] == "private", is_cacheable, "{message}");
    }
}

#[test]
fn the_host_chooses_how_long_lists_may_be_kept() {
    let cache_ttl = std::time::Duration::from_millis(1500);
    let cache = emcp::CacheTimes { tools: cache_ttl, discover: cache_ttl, ..Default::default() };
    let options = emcp::Options { cache, ..emcp::Options::default() };
    let host = host_with(options, limits());
    assert_eq!(host.modern("1", "tools/list", json!({})).json().1["result"]["ttlMs"], 1500);
}

#[test]
fn a_claim_decides_the_era_even_for_initialize() {
    let host = host();
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such"] {
        let (status, message) = host.modern("1", method, json!({})).json();
        assert_eq!(status, 404, "{method}");
        assert_error(&message, json!(1), -32601);
    }
}

#[test]
fn an_unknown_method_is_404_whatever_else_is_wrong_with_it() {
    let host = host();
    let body = request("1", "no/such", &claim(json!({"name": 7, "arguments": []})));
    let (status, message) = post(&host, &modern_headers("no/such"), &body);
    assert_eq!(status, 404);
    assert_error(&message, json!(1), -32601);
}

#[test]
fn a_modern_header_without_a_claim_names_the_missing_keys() {
    let host = host();
    for params in [json!({}), json!({"_meta": {}}), json!({"_meta": {"x": 1}})] {
        let (status, message) =
            post(&host, &modern_headers("tools/list"), &request("1", "tools/list", &params));
        assert_eq!(status, 400);
        assert_error(&message, json!(1), -32602);
        let text = message["error"]["message"].as_str().unwrap();
        assert!(text.contains("io.modelcontextprotocol/protocolVersion"), "{text}");
        assert!(text.contains("io.modelcontextprotocol/clientCapabilities"), "{text}");
    }
}

#[test]
fn a_claim_without_capabilities_is_invalid_params() {
    for capabilities in [Value::Null, json!([]), json!("x")] {
        let mut params = echo();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities;
        assert_refused(&headers("", &[]), CALL, &params, -32602);
    }
    let mut params = echo();
    params["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    assert_refused(&headers("", &[]), CALL, &params, -32602);
}

#[test]
fn an_unsupported_claim_is_answered_with_what_is_supported() {
    let host = host();
    for version in ["2027-01-01", NEWEST, "2024-11-05", ""] {
        let mut params = echo();
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = version.into();
        let headers =
            [ACCEPT, ("MCP-Protocol-Version", version), ("Mcp-Method", CALL), ("Mcp-Name", "echo")];
        let (status, message) = post(&host, &headers, &request("1", CALL, &params));
        assert_eq!(status, 400);
        assert_error(&message, json!(1), -32022);
        let expected = json!({"supported": [MODERN], "requested": version});
        assert_eq!(message["error"]["data"], expected);
    }
}

#[test]
fn the_version_header_must_stand_once_and_equal_the_claim() {
    let version = "MCP-Protocol-Version";
    for wrong in [&[][..], &[(version, NEWEST)], &[(version, MODERN), (version, MODERN)]] {
        assert_refused(&headers(version, wrong), CALL, &echo(), -32020);
    }
}

#[test]
fn the_method_header_must_stand_once_and_equal_the_method() {
    let name = "Mcp-Method";
    for wrong in [
        &[][..],
        &[(name, "tools/list")],
        &[(name, "TOOLS/CALL")],
        &[(name, "")],
        &[(name, CALL), (name, CALL)],
    ] {
        assert_refused(&headers(name, wrong), CALL, &echo(), -32020);
    }
}

#[test]
fn the_name_header_must_stand_once_and_equal_the_tool() {
    let name = "Mcp-Name";
    for wrong in [
        &[][..],
        &[(name, "hold")],
        &[(name, "Echo")],
        &[(name, "echo"), (name, "echo")],
        &[(name, "=?base64?aG9sZA==?=")],
        &[(name, "=?base64?!!!!?=")],
        &[(name, "=?base64?ZWNobw?=")],
        // A literal: the markers are case-sensitive and both are needed.
        &[(name, "=?BASE64?ZWNobw==?=")],
        &[(name, "=?base64?ZWNobw==")],
        &[(name, "=?base64?/w==?=")],
    ] {
        assert_refused(&headers(name, wrong), CALL, &echo(), -32020);
    }
}

#[test]
fn header_names_are_caseless_and_values_may_be_padded_or_encoded() {
    let host = host();
    let accepted: [&[(&str, &str)]; 3] = [
        &[ACCEPT, ("mcp-protocol-version", MODERN), ("MCP-METHOD", CALL), ("mcp-name", "echo")],
        &[
            ACCEPT,
            ("MCP-Protocol-Version", MODERN),
            ("Mcp-Method", " tools/call \t"),
            ("Mcp-Name", "  echo "),
        ],
        &[
            ACCEPT,
            ("MCP-Protocol-Version", MODERN),
            ("Mcp-Method", CALL),
            ("Mcp-Name", "=?base64?ZWNobw==?="),
        ],
    ];
    for headers in accepted {
        assert_eq!(post(&host, headers, &request("1", CALL, &echo())).0, 200, "{headers:?}");
    }
}

#[test]
fn the_first_thing_wrong_is_what_is_reported() {
    // Header against claim, envelope, version, method, name, marked arguments.
    let mut bare = echo();
    bare["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    let mismatched = headers("MCP-Protocol-Version", &[("MCP-Protocol-Version", NEWEST)]);
    assert_refused(&mismatched, CALL, &bare, -32020);
    assert_refused(&headers("Mcp-Method", &[]), CALL, &bare, -32602);
    let mut unsupported = echo();
    unsupported["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2027-01-01".into();
    assert_refused(&headers("MCP-Protocol-Version", &[]), CALL, &unsupported, -32022);
    let wrong_method = headers("Mcp-Method", &[("Mcp-Method", "no/such")]);
    assert_refused(&wrong_method, CALL, &echo(), -32020);
}

fn routed(arguments: &Value, extra: &[(&str, &str)]) -> (u16, Value) {
    let host = host();
    let params = claim(json!({"name": "routed", "arguments": arguments}));
    let mut headers = modern_headers(CALL);
    headers.push(("Mcp-Name", "routed"));
    headers.extend(extra);
    post(&host, &headers, &request("1", CALL, &params))
}

#[test]
fn marked_arguments_that_match_their_headers_pass() {
    let cases: [(Value, &[(&str, &str)]); 7] = [
        (json!({}), &[]),
        (json!({"region": "eu"}), &[("Mcp-Param-Region", "eu")]),
        (json!({"region": "\u{e4}"}), &[("mcp-param-region", "=?base64?w6Q=?=")]),
        (json!({"region": "=?base64?"}), &[("Mcp-Param-Region", "=?base64?")]),
        (json!({"count": 7}), &[("Mcp-Param-Count", "7")]),
        (json!({"count": 7}), &[("Mcp-Param-Count", "7.0")]),
        (json!({"fast": false}), &[("Mcp-Param-Fast", "false")]),
    ];
    for (arguments, headers) in cases {
        let (status, message) = routed(&arguments, headers);
        assert_eq!(status, 200, "{arguments} {headers:?} {message}");
        assert_eq!(text_of(&message), "routed", "{arguments}");
    }
}

#[test]
fn marked_arguments_that_miss_or_contradict_their_headers_are_refused() {
    let region = "Mcp-Param-Region";
    let cases: [(Value, &[(&str, &str)]); 9] = [
        (json!({"region": "eu"}), &[]),
        (json!({"region": "eu"}), &[(region, "us")]),
        (json!({"region": "eu"}), &[(region, "EU")]),
        (json!({"region": "eu"}), &[(region, "eu"), (region, "eu")]),
        (json!({"region": "eu"}), &[(region, "=?base64?@@?=")]),
        (json!({}), &[(region, "eu")]),
        (json!({"region": null}), &[(region, "null")]),
        (json!({"count": 7}), &[("Mcp-Param-Count", "8")]),
        (json!({"fast": true}), &[("Mcp-Param-Fast", "1")]),
    ];
    for (arguments, headers) in cases {
        let (status, message) = routed(&arguments, headers);
        assert_eq!(status, 400, "{arguments} {headers:?} {message}");
        assert_error(&message, json!(1), -32020);
    }
}

#[test]
fn legacy_and_websocket_callers_need_no_marked_headers() {
    let host = host();
    let params = json!({"name": "routed", "arguments": {"region": "eu"}});
    for mut line in Line::each(&host, NEWEST) {
        assert_eq!(text_of(&line.ask(&request("1", CALL, &params))), "routed");
    }
    let mut ws = Ws::connect(&host);
    ws.send(&request("1", CALL, &claim(params)));
    assert_eq!(text_of(&ws.json()), "routed");
}

#[test]
fn what_a_handler_finds_rides_on_status_200() {
    let host = host();
    let cases = [
        (CALL, json!({"name": "no_such_tool"})),
        (CALL, json!({"name": "echo", "arguments": []})),
        ("tools/list", json!({"cursor": "broken"})),
        ("subscriptions/listen", json!({})),
    ];
    for (method, params) in cases {
        let (status, message) = host.modern("1", method, params).first();
        assert_eq!(status, 200, "{method}");
        assert_error(&message, json!(1), -32602);
    }
}

#[test]
fn modern_notifications_are_accepted_and_dropped() {
    let host = host();
    let plain = notification("notifications/cancelled", &json!({"requestId": 1}));
    let claimed = notification("notifications/x", &claim(json!({})));
    let header = [ACCEPT, ("MCP-Protocol-Version", MODERN)];
    for (headers, body) in
        [(&header[..], &plain), (&header[..1], &claimed), (&header[..], &claimed)]
    {
        let response = host.post(headers, body).response();
        assert_eq!((response.status, &*response.body), (202, &b""[..]));
    }
}

#[test]
fn a_modern_client_must_not_post_responses() {
    let host = host();
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
    ] {
        let (status, message) = post(&host, &[ACCEPT, ("MCP-Protocol-Version", MODERN)], body);
        assert_eq!(status, 400);
        assert_eq!(message["error"]["code"], -32600);
    }
}

#[test]
fn sessions_and_resumption_mean_nothing_to_a_modern_request() {
    let host = host();
    let headers = headers("", &[("Mcp-Session-Id", "unknown"), ("Last-Event-ID", "1-1")]);
    let response = host.post(&headers, &request("1", CALL, &echo())).response();
    assert_eq!(response.status, 200);
    assert!(response.header("mcp-session-id").is_none());
    assert_eq!(host.server.stats().sessions, 0);
}

#[test]
fn nothing_is_inferred_from_earlier_requests_of_a_connection() {
    let host = host();
    let mut http = host.http();
    http.post("/mcp", &headers("", &[]), &request("1", CALL, &echo()));
    assert_eq!(http.json().0, 200);
    http.post("/mcp", &[ACCEPT], &request("2", "tools/list", &json!({})));
    assert_eq!(http.json().0, 400);
    http.post("/mcp", &[ACCEPT], &initialize("3", NEWEST));
    assert_eq!(http.json().1["result"]["protocolVersion"], NEWEST);
    http.post("/mcp", &headers("", &[]), &request("4", CALL, &echo()));
    assert_eq!(http.json().1["result"]["resultType"], "complete");
}

#[test]
fn a_missing_capability_is_32021_with_an_object_of_what_is_needed() {
    let host = host();
    let mut http = host.modern("1", CALL, json!({"name": "hold"}));
    let held = host.held();
    assert!(!held.has_capability("sampling"));
    held.fail_missing_capability("sampling");
    let (status, message) = http.json();
    assert_eq!(status, 400);
    assert_error(&message, json!(1), -32021);
    assert_eq!(message["error"]["data"], json!({"requiredCapabilities": {"sampling": {}}}));
}

#[test]
fn equal_ids_in_separate_modern_requests_do_not_clash() {
    let host = host();
    let mut first = host.modern("1", CALL, json!({"name": "hold"}));
    let held = host.held();
    let (status, message) = host.modern("1", CALL, json!({"name": "echo"})).json();
    assert_eq!((status, text_of(&message)), (200, "{}"));
    held.reply(ToolResult::text("first"));
    assert_eq!(text_of(&first.json().1), "first");
}
