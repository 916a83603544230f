//! Legacy Streamable HTTP: the decision table for POST, GET, DELETE and OPTIONS, versions, ids,
//! sessions and their end.

mod peer;

use std::time::Duration;

use emcp::{Limits, Options};
use peer::*;
use serde_json::{Value, json};

/// Posts `body` with `headers` and returns status and JSON body.
fn post(host: &Host, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    host.post(headers, body).json()
}

#[test]
fn text_that_is_not_json_is_a_parse_error() {
    let host = host();
    for body in [&b"{"[..], b"", b"nope", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}"] {
        let mut http = host.http();
        http.post_bytes("/mcp", &[ACCEPT], body);
        let (status, message) = http.json();
        assert_eq!(status, 400);
        assert_error(&message, Value::Null, -32700);
    }
}

#[test]
fn json_that_is_no_message_is_an_invalid_request() {
    let host = host();
    let cases = [
        ("1", Value::Null),
        ("\"text\"", Value::Null),
        ("{}", Value::Null),
        (r#"{"id":1,"method":"ping"}"#, json!(1)),
        (r#"{"jsonrpc":"1.0","id":2,"method":"ping"}"#, json!(2)),
        (r#"{"jsonrpc":"2.0","id":3}"#, json!(3)),
        (r#"{"jsonrpc":"2.0","id":4,"method":5}"#, Value::Null),
        (r#"{"jsonrpc":"2.0","id":6,"method":"ping","params":[]}"#, json!(6)),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}"#, json!(7)),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Value::Null),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, Value::Null),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, Value::Null),
        ("[]", Value::Null),
    ];
    for (body, id) in cases {
        let (status, message) = post(&host, &[ACCEPT], body);
        assert_eq!(status, 400, "{body}");
        assert_error(&message, id, -32600);
    }
}

#[test]
fn a_message_that_nests_too_deep_is_refused() {
    let host = host();
    let body = request("1", "ping", &json!({}))
        .replace("{}", &format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200)));
    assert_eq!(post(&host, &[ACCEPT], &body).0, 400);
}

#[test]
fn initialize_is_legacy_whatever_the_headers_say() {
    let host = host();
    let header_sets: [&[(&str, &str)]; 4] = [
        &[ACCEPT],
        &[ACCEPT, ("MCP-Protocol-Version", NEWEST), ("Mcp-Method", "initialize")],
        &[ACCEPT, ("MCP-Protocol-Version", MODERN)],
        &[ACCEPT, ("Mcp-Session-Id", "stale")],
    ];
    for headers in header_sets {
        let mut http = host.post(headers, &initialize("1", NEWEST));
        let response = http.response();
        assert_eq!(response.status, 200);
        assert!(response.header("mcp-session-id").is_some());
        assert_eq!(parse(&response.body)["result"]["protocolVersion"], NEWEST);
    }
}

#[test]
fn every_legacy_version_is_negotiated_on_every_transport() {
    let host = host();
    let asked = LEGACY.map(|version| (version, version));
    // What is unknown or modern is answered with the newest that has a handshake.
    let others = [(MODERN, NEWEST), ("1999-01-01", NEWEST), ("", NEWEST)];
    for (version, expected) in asked.into_iter().chain(others) {
        let body = initialize("1", version);
        let sse = SseClient::begin(&host, "/mcp");
        let lines = [Line::Sse(sse), Line::Ws(Ws::connect(&host))];
        let mut answers: Vec<Value> = lines.into_iter().map(|mut line| line.ask(&body)).collect();
        answers.push(post(&host, &[ACCEPT], &body).1);
        for answer in answers {
            let result = &answer["result"];
            assert_eq!(result["protocolVersion"], expected);
            assert_eq!(result["serverInfo"]["name"], "host");
            assert_eq!(result["serverInfo"]["version"], "1.2.3");
            assert_eq!(result["instructions"], "Ask.");
            assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
            assert_eq!(result["capabilities"]["logging"], json!({}));
        }
    }
}

#[test]
fn initialize_without_a_version_is_refused_and_opens_no_session() {
    let host = host();
    let response = host.post(&[ACCEPT], &request("1", "initialize", &json!({}))).response();
    assert_eq!(response.status, 200);
    assert!(response.header("mcp-session-id").is_none());
    assert_error(&parse(&response.body), json!(1), -32602);
    assert_eq!(host.server.stats().sessions, 0);
}

#[test]
fn session_ids_are_long_visible_and_never_the_same() {
    let host = host();
    let ids: Vec<String> = (0..8).map(|_| Streamable::begin(&host, NEWEST).id).collect();
    for (index, id) in ids.iter().enumerate() {
        // 128 bits are 22 characters of base64.
        assert!(id.len() >= 22 && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{id}");
        assert!(!ids[..index].contains(id));
    }
}

#[test]
fn a_request_without_a_session_is_400_and_with_an_unknown_one_404() {
    let host = host();
    for method in ["ping", "tools/list", "no/such"] {
        let body = request("5", method, &json!({}));
        let (status, message) = post(&host, &[ACCEPT], &body);
        assert_eq!(status, 400, "{method}");
        assert_error(&message, json!(5), -32600);
        let (status, message) = post(&host, &[ACCEPT, ("Mcp-Session-Id", "unknown")], &body);
        assert_eq!(status, 404, "{method}");
        assert_error(&message, json!(5), -32600);
    }
}

#[test]
fn notifications_and_responses_need_their_session_too() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let bodies = [
        notification("notifications/initialized", &json!({})),
        notification("notifications/nobody/knows", &json!({})),
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#.to_owned(),
    ];
    for body in &bodies {
        let accepted = session.post(body).response();
        assert_eq!((accepted.status, &*accepted.body), (202, &b""[..]), "{body}");
        assert_eq!(host.post(&[ACCEPT], body).response().status, 400, "{body}");
        let unknown = host.post(&[ACCEPT, ("Mcp-Session-Id", "unknown")], body).response();
        assert_eq!(unknown.status, 404, "{body}");
    }
}

#[test]
fn a_notification_that_names_a_request_method_is_not_executed() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let body = notification("tools/call", &json!({"name": "hold"}));
    assert_eq!(session.post(&body).response().status, 202);
    assert_eq!(host.server.stats().calls_started, 0);
}

#[test]
fn an_unknown_version_header_is_400_with_the_supported_ones() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let headers =
        [ACCEPT, ("Mcp-Session-Id", &*session.id), ("MCP-Protocol-Version", "2099-01-01")];
    let (status, message) = post(&host, &headers, &request("1", "ping", &json!({})));
    assert_eq!(status, 400);
    assert_error(&message, json!(1), -32022);
    assert_eq!(message["error"]["data"], json!({"supported": [MODERN], "requested": "2099-01-01"}));
}

/// 2025-06-18 and later, Streamable HTTP: an unsupported version MUST get 400 on any request.
#[test]
fn an_unknown_version_header_is_400_on_everything_in_a_session() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let headers = [
        ("Accept", "application/json, text/event-stream"),
        ("Mcp-Session-Id", &*session.id),
        ("MCP-Protocol-Version", "2099-01-01"),
    ];
    let initialized = notification("notifications/initialized", &json!({}));
    assert_eq!(host.post(&headers, &initialized).response().status, 400);
    assert_eq!(host.bare("GET", "/mcp", &headers).response().status, 400);
    assert_eq!(host.bare("DELETE", "/mcp", &headers).response().status, 400);
    assert_eq!(session.post(&request("1", "ping", &json!({}))).json().0, 200);
}

#[test]
fn ids_come_back_byte_for_byte() {
    let host = host();
    let ids = [
        "9007199254740993",
        "-1",
        "0",
        "123456789012345678901234567890",
        r#""""#,
        r#""a b""#,
        r#""\u0061\/\n\ud83d\ude00""#,
        "\"\u{e4}\"",
    ];
    for mut line in Line::each(&host, NEWEST) {
        for id in ids {
            let echoed = format!(r#"{{"jsonrpc":"2.0","id":{id},"#);
            let pong = line.send(&request(id, "ping", &json!({}))).text();
            assert_eq!(pong, format!(r#"{echoed}"result":{{}}}}"#), "{}", line.name());
            let unknown = line.send(&request(id, "no/such", &json!({}))).text();
            assert!(unknown.starts_with(&echoed), "{unknown}");
            let answer = line.send(&call(id, "echo", None)).text();
            assert!(answer.starts_with(&echoed), "{answer}");
        }
    }
    for id in ids {
        let answer = host.modern(id, "tools/list", json!({})).response();
        assert!(answer.body.starts_with(format!(r#"{{"jsonrpc":"2.0","id":{id},"#).as_bytes()));
    }
}

#[test]
fn big_integers_pass_through_arguments_and_results_untouched() {
    let host = host();
    let arguments = r#"{"n":9007199254740993,"m":-123456789012345678901234567890,"f":1.50}"#;
    for mut line in Line::each(&host, NEWEST) {
        let body = call("1", "echo", None)
            .replace(r#""arguments":{}"#, &format!(r#""arguments":{arguments}"#));
        assert_eq!(text_of(&line.ask(&body)), arguments, "{}", line.name());
    }
}

#[test]
fn an_id_in_use_is_refused_until_its_call_is_answered() {
    let host = host();
    // Two spellings of one string are one id.
    for (id, again) in [("7", "7"), (r#""a""#, r#""\u0061""#)] {
        let session = Streamable::open(&host, NEWEST);
        let mut first = session.post(&call(id, "hold", None));
        let held = host.held();
        let (status, refused) = session.post(&call(again, "echo", None)).json();
        assert_eq!(status, 200);
        assert_eq!(refused["error"]["code"], -32600);
        // Also where the answer would be there at once: the client could not tell the two apart.
        assert_error(&session.post(&request(id, "ping", &json!({}))).json().1, parse(id), -32600);
        held.reply(emcp::ToolResult::text("first"));
        assert_eq!(text_of(&first.json().1), "first");
        assert_eq!(text_of(&session.post(&call(again, "echo", None)).json().1), "{}");
    }
}

#[test]
fn an_id_in_use_is_refused_on_shared_channels() {
    let host = host();
    for mut line in [Line::Sse(SseClient::open(&host, NEWEST)), Line::Ws(Ws::open(&host, NEWEST))] {
        line.tell(&call("7", "hold", None));
        let held = host.held();
        assert_error(&line.ask(&call("7", "echo", None)), json!(7), -32600);
        // The number and the string are two ids.
        assert_eq!(line.ask(&call(r#""7""#, "echo", None))["id"], "7");
        held.reply(emcp::ToolResult::text("first"));
        assert_eq!(line.ask(&call("8", "echo", None))["id"], 7);
    }
}

#[test]
fn an_unknown_method_is_32601_on_status_200() {
    let host = host();
    for version in LEGACY {
        for mut line in Line::each(&host, version) {
            for method in ["no/such", "server/discover", "subscriptions/listen", "resources/list"] {
                let answer = line.ask(&request("1", method, &json!({})));
                assert_error(&answer, json!(1), -32601);
            }
        }
        let session = Streamable::open(&host, version);
        assert_eq!(session.post(&request("1", "no/such", &json!({}))).json().0, 200);
    }
}

#[test]
fn bad_calls_are_protocol_errors_and_bad_arguments_are_results() {
    let host = host();
    let cases = [
        json!({}),
        json!({"name": 5}),
        json!({"name": "no_such_tool"}),
        json!({"name": "echo", "arguments": []}),
        json!({"name": "echo", "arguments": "x"}),
    ];
    for mut line in Line::each(&host, NEWEST) {
        for params in &cases {
            assert_error(&line.ask(&request("1", "tools/call", params)), json!(1), -32602);
        }
        let wrong = json!({"name": "routed", "arguments": {"count": "many"}});
        let answer = line.ask(&request("2", "tools/call", &wrong));
        assert_eq!(answer["result"]["isError"], true);
        assert!(text_of(&answer).contains("count"), "{answer}");
    }
}

#[test]
fn delete_ends_a_session_once() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    assert_eq!(session.delete().status, 204);
    assert_eq!(session.delete().status, 404);
    assert_eq!(session.post(&request("1", "ping", &json!({}))).json().0, 404);
    assert_eq!(host.bare("GET", "/mcp", &session.headers()).response().status, 404);
    assert_eq!(host.bare("DELETE", "/mcp", &[]).response().status, 400);
    let modern = host.bare("DELETE", "/mcp", &[("MCP-Protocol-Version", MODERN)]).response();
    assert_eq!((modern.status, modern.header("allow")), (405, Some("POST")));
}

#[test]
fn get_is_decided_by_version_session_and_accept() {
    let host = host();
    let stream = ("Accept", "text/event-stream");
    let modern = host.bare("GET", "/mcp", &[stream, ("MCP-Protocol-Version", MODERN)]).response();
    assert_eq!((modern.status, modern.header("allow")), (405, Some("POST")));
    let unknown = host.bare("GET", "/mcp", &[stream, ("Mcp-Session-Id", "unknown")]).response();
    assert_eq!(unknown.status, 404);
    let mut endpoint = host.bare("GET", "/mcp", &[stream]).events();
    assert_eq!(endpoint.next_event().unwrap().event.as_deref(), Some("endpoint"));
    for headers in [&[("Accept", "application/json")][..], &[]] {
        assert_eq!(host.bare("GET", "/mcp", headers).response().status, 405);
    }
}

/// A client that gets the standalone stream in place of the one that it lost would take it from its
/// own other connection, which comes back and takes it again.
#[test]
fn an_event_that_cannot_be_resumed_from_is_400_and_takes_no_stream() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut standalone = session.get(None);
    standalone.next_event().expect("the opening event");
    for last in ["7-1", "nonsense", ""] {
        let mut headers = session.headers();
        headers.push(("Last-Event-ID", last));
        assert_eq!(host.bare("GET", "/mcp", &headers).response().status, 400, "{last}");
    }
    host.server.log(emcp::Level::Error, None, "1");
    assert_eq!(standalone.json()["method"], "notifications/message");
}

/// The specification has the client accept the stream that it asks for.
#[test]
fn a_session_stream_needs_an_accept_that_allows_it() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let headers = [("Accept", "application/json"), ("Mcp-Session-Id", &*session.id)];
    let status = host.bare("GET", "/mcp", &headers).response().status;
    assert!(matches!(status, 405 | 406), "{status}");
}

#[test]
fn other_methods_are_405_with_allow() {
    let host = host();
    for method in ["PUT", "PATCH", "TRACE"] {
        let response = host.bare(method, "/mcp", &[]).response();
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("GET, POST, DELETE, OPTIONS"));
    }
}

#[test]
fn a_preflight_grants_what_browsers_need() {
    let host = host();
    let headers = [
        ("Origin", "http://localhost:6274"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type, mcp-param-region, x-evil"),
    ];
    let response = host.bare("OPTIONS", "/mcp", &headers).response();
    assert_eq!(response.status, 204);
    assert_eq!(response.header("access-control-allow-origin"), Some("http://localhost:6274"));
    let allowed = response.header("access-control-allow-headers").unwrap();
    for name in [
        "content-type",
        "accept",
        "authorization",
        "mcp-session-id",
        "mcp-protocol-version",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-param-region",
    ] {
        assert!(allowed.split(", ").any(|entry| entry == name), "{name}: {allowed}");
    }
    assert!(!allowed.contains("x-evil"));
    let methods = response.header("access-control-allow-methods").unwrap();
    assert!(["GET", "POST", "DELETE"].iter().all(|method| methods.contains(method)));
    let exposed = host.post(&[ACCEPT, headers[0]], &initialize("1", NEWEST)).response();
    assert_eq!(exposed.header("access-control-expose-headers"), Some("mcp-session-id"));
    let refused = host.bare("OPTIONS", "/mcp", &[("Origin", "https://evil.example")]).response();
    assert_eq!(refused.status, 403);
}

#[test]
fn a_session_header_is_found_in_any_case() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    for name in ["mcp-session-id", "MCP-Session-Id", "MCP-SESSION-ID"] {
        let ping = request("1", "ping", &json!({}));
        assert_eq!(post(&host, &[ACCEPT, (name, &session.id)], &ping).0, 200, "{name}");
    }
}

/// The passing of time is the subject here, so the test polls until it has passed.
#[test]
fn an_unused_session_expires_but_one_with_a_stream_does_not() {
    let limits = Limits { session_idle_time: Duration::from_millis(100), ..limits() };
    let host = host_with(Options::default(), limits);
    let listening = Streamable::open(&host, NEWEST);
    let mut stream = listening.get(None);
    let idle = Streamable::begin(&host, NEWEST);
    wait_until(|| host.server.stats().sessions_expired > 0);
    assert_eq!(idle.post(&request("1", "ping", &json!({}))).json().0, 404);
    assert_eq!(listening.post(&request("1", "ping", &json!({}))).json().0, 200);
    host.server.stop().unwrap();
    assert_eq!(stream.rest(), Vec::<Value>::new());
}

#[test]
fn above_the_cap_the_least_recently_used_session_makes_room() {
    let host = host_with(Options::default(), Limits { sessions: 2, ..limits() });
    let busy = Streamable::open(&host, NEWEST);
    let _stream = busy.get(None);
    let idle = Streamable::open(&host, NEWEST);
    let newest = Streamable::open(&host, NEWEST);
    let status =
        |session: &Streamable<'_>| session.post(&request("1", "ping", &json!({}))).json().0;
    assert_eq!(status(&idle), 404);
    assert_eq!(status(&busy), 200);
    assert_eq!(status(&newest), 200);
    assert_eq!(host.server.stats().sessions_evicted, 1);
}
