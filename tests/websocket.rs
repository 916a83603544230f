//! WebSocket on the endpoint's path: handshake, frames, faults, and many requests at once.

mod peer;

use std::time::Duration;

use emcp::{Limits, Options, ToolResult};
use peer::*;
use serde_json::{Value, json};

fn ping(id: &str) -> String {
    request(id, "ping", &json!({}))
}

fn listen(id: &str) -> String {
    let params = claim(json!({"notifications": {"toolsListChanged": true}}));
    request(id, "subscriptions/listen", &params)
}

/// Sends a handshake with one header replaced, or added, or left out.
fn upgrade(host: &Host, name: &'static str, value: Option<&'static str>) -> Response {
    let mut headers = handshake();
    headers.retain(|(known, _)| *known != name);
    headers.extend(value.map(|value| (name, value)));
    host.bare("GET", "/mcp", &headers).head()
}

#[test]
fn the_subprotocol_is_echoed_when_offered_and_not_otherwise() {
    let host = host();
    let name = "Sec-WebSocket-Protocol";
    for offered in ["mcp", "chat, mcp", "mcp,chat"] {
        let head = upgrade(&host, name, Some(offered));
        assert_eq!((head.status, head.header("sec-websocket-protocol")), (101, Some("mcp")));
    }
    for offered in [None, Some("chat"), Some("MCP2")] {
        let head = upgrade(&host, name, offered);
        assert_eq!((head.status, head.header("sec-websocket-protocol")), (101, None));
    }
}

#[test]
fn a_handshake_that_breaks_the_rfc_is_refused() {
    let host = host();
    for version in [Some("12"), Some("x"), None] {
        let head = upgrade(&host, "Sec-WebSocket-Version", version);
        assert_eq!((head.status, head.header("sec-websocket-version")), (426, Some("13")));
    }
    for key in [None, Some(""), Some("short"), Some("dGhlIHNhbXBsZSBub25jZQ")] {
        assert_eq!(upgrade(&host, "Sec-WebSocket-Key", key).status, 400, "{key:?}");
    }
    assert_eq!(upgrade(&host, "Connection", Some("keep-alive")).status, 400);
}

#[test]
fn origin_and_host_are_checked_before_the_upgrade() {
    let host = host();
    assert_eq!(upgrade(&host, "Origin", Some("https://evil.example")).status, 403);
    assert_eq!(upgrade(&host, "Origin", Some("http://localhost:1")).status, 101);
}

#[test]
fn one_message_may_come_in_many_frames_with_pings_between() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    // What comes in one read with the end of another message is not counted.
    ws.settle();
    let message = request("1", "ping", &json!({"text": "\u{e4}\u{1f600}"}));
    let bytes = message.as_bytes();
    // Cut inside a character: only the whole message must be UTF-8.
    let cut = message.find('\u{1f600}').unwrap() + 2;
    ws.frame(TEXT, &bytes[..5]);
    ws.frame(0x80 | PING, b"are you there");
    assert_eq!(ws.next_frame(), (PONG, b"are you there".to_vec()));
    // Regression: the ping ended the count of what has arrived, and with it its bound.
    assert!(host.server.stats().held_bytes >= 5);
    ws.frame(CONTINUATION, &bytes[5..cut]);
    ws.frame(CONTINUATION, b"");
    ws.frame(0x80 | CONTINUATION, &bytes[cut..]);
    assert_eq!(ws.text(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    assert_eq!(host.server.stats().held_bytes, 0);
}

#[test]
fn frames_of_every_length_form_are_read_and_written() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    for length in [1, 120, 126, 65_535, 65_536, 200_000] {
        let text = "x".repeat(length);
        let params = json!({"name": "echo", "arguments": {"text": text}});
        ws.send(&request("1", "tools/call", &params));
        assert_eq!(text_of(&ws.json()), params["arguments"].to_string());
    }
}

#[test]
fn a_frame_may_arrive_with_the_handshake_and_byte_by_byte() {
    let host = host();
    let mut ws = Ws::connect(&host);
    let body = ping("1");
    let mut frame = vec![0x81, 0x80 | u8::try_from(body.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(body.as_bytes());
    frame.iter().for_each(|byte| ws.raw(&[*byte]));
    assert_eq!(ws.json()["id"], 1);

    let mut http = host.http();
    let lines: String =
        handshake().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    http.write(&[head.as_bytes(), &frame].concat());
    assert_eq!(http.head().status, 101);
    assert_eq!(Ws::over(http).json()["id"], 1);
}

#[test]
fn binary_is_refused_with_1003() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    ws.frame(0x80 | BINARY, ping("1").as_bytes());
    ws.assert_closes(1003);
}

#[test]
fn text_that_is_not_utf8_is_refused_with_1007() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    ws.frame(0x80 | TEXT, b"\xff\xfe");
    ws.assert_closes(1007);
}

#[test]
fn a_message_above_the_limit_is_refused_with_1009() {
    let host = host_with(Options::default(), Limits { body_bytes: 4096, ..limits() });
    let mut ws = Ws::open(&host, NEWEST);
    ws.frame(0x80 | TEXT, &[b' '; 5000]);
    ws.assert_closes(1009);
    let mut ws = Ws::open(&host, NEWEST);
    // No single frame is too large, their sum is.
    ws.frame(TEXT, &[b' '; 3000]);
    ws.frame(0x80 | CONTINUATION, &[b' '; 3000]);
    ws.assert_closes(1009);
}

#[test]
fn a_peer_that_sends_it_all_before_it_looks_finds_1009() {
    let limits = limits();
    let large = vec![b' '; limits.body_bytes * 3 / 2];
    let host = host_with(Options::default(), limits);
    let mut ws = Ws::open(&host, NEWEST);
    ws.frame(0x80 | TEXT, &large);
    ws.assert_closes(1009);
}

#[test]
fn frames_that_break_the_rfc_are_refused_with_1002() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    ws.unmasked(ping("1").as_bytes());
    ws.assert_closes(1002);
    // Reserved bit; reserved opcode; continuation of nothing; fragmented ping; endless ping.
    let long = [0; 126];
    let wrong: [(u8, &[u8]); 5] =
        [(0xc0 | TEXT, b"x"), (0x83, b"x"), (0x80, b"x"), (PING, b"x"), (0x80 | PING, &long)];
    for (first, payload) in wrong {
        let mut ws = Ws::open(&host, NEWEST);
        ws.frame(first, payload);
        ws.assert_closes(1002);
    }
}

#[test]
fn a_close_frame_is_answered() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    ws.frame(0x80 | CLOSE, &1000u16.to_be_bytes());
    ws.assert_closes(1000);
}

/// Regression: the answer to a call, sent between the peer's close frame and ours, was an error, and
/// the connection ended without a close frame.
#[test]
fn a_close_frame_behind_a_call_is_answered() {
    let host = host();
    // Sending and receiving take turns at random.
    for _ in 0..40 {
        let mut ws = Ws::open(&host, NEWEST);
        let ping = ping("1");
        let mut bytes = vec![0x81, 0x80 | u8::try_from(ping.len()).unwrap(), 0, 0, 0, 0];
        bytes.extend(ping.as_bytes());
        bytes.extend([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
        ws.raw(&bytes);
        // Whether the answer was out before does not matter.
        assert_eq!(ws.until_close().1, 1000);
    }
}

#[test]
fn text_that_is_no_message_is_answered_and_the_channel_stays_open() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    for (text, code) in [("{", -32700), ("", -32700), ("1", -32600), ("{}", -32600), ("[]", -32600)]
    {
        ws.send(text);
        assert_error(&ws.json(), Value::Null, code);
    }
    ws.send(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#);
    assert_error(&ws.json(), Value::Null, -32600);
    ws.send(&ping("1"));
    assert_eq!(ws.json()["id"], 1);
}

#[test]
fn the_text_ping_of_a_bridge_is_ignored() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    ws.send("PING");
    ws.send(&ping("1"));
    assert_eq!(ws.json()["id"], 1);
}

#[test]
fn both_eras_share_one_socket_message_by_message() {
    let host = host();
    let mut ws = Ws::connect(&host);
    ws.send(&request("1", "server/discover", &claim(json!({}))));
    assert_eq!(ws.json()["result"]["supportedVersions"], json!([MODERN]));
    ws.send(&initialize("2", NEWEST));
    assert_eq!(ws.json()["result"]["protocolVersion"], NEWEST);
    ws.send(&request("3", "tools/list", &claim(json!({}))));
    assert_eq!(ws.json()["result"]["resultType"], "complete");
    ws.send(&request("4", "tools/list", &json!({})));
    assert!(ws.json()["result"].get("resultType").is_none());
    ws.send(&request("5", "initialize", &claim(json!({}))));
    assert_error(&ws.json(), json!(5), -32601);
    let mut unsupported = claim(json!({}));
    unsupported["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2027-01-01".into();
    ws.send(&request("6", "tools/list", &unsupported));
    assert_error(&ws.json(), json!(6), -32022);
}

#[test]
fn many_calls_are_answered_in_the_order_of_their_ends() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    for id in 1..=20 {
        ws.send(&call(&id.to_string(), "hold", Some(&id.to_string())));
    }
    let mut held: Vec<_> = (0..20).map(|_| host.held()).collect();
    // Workers may have started them in any order; the token tells which is which.
    held.sort_by_key(|call| parse(call.meta().unwrap())["progressToken"].as_u64());
    for (index, call) in held.into_iter().enumerate().rev() {
        call.reply(ToolResult::text(index.to_string()));
        let answer = ws.json();
        assert_eq!(answer["id"], index + 1);
        assert_eq!(text_of(&answer), index.to_string());
    }
}

#[test]
fn calls_above_the_limit_of_one_peer_are_told_so() {
    let host = host_with(Options::default(), Limits { calls_per_peer: 2, ..limits() });
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&call("1", "hold", None));
    ws.send(&call("2", "hold", None));
    let held = [host.held(), host.held()];
    ws.send(&call("3", "echo", None));
    let refused = ws.json();
    assert_eq!((&refused["id"], &refused["result"]["isError"]), (&json!(3), &json!(true)));
    drop(held);
    assert_eq!([ws.json(), ws.json()].map(|answer| answer["result"]["isError"] == true), [true; 2]);
    ws.send(&call("4", "echo", None));
    assert_eq!(text_of(&ws.json()), "{}");
}

#[test]
fn each_listen_has_its_own_subscription() {
    let host = host();
    let mut ws = Ws::connect(&host);
    let key = "io.modelcontextprotocol/subscriptionId";
    for (text, id) in [("1", json!(1)), (r#""1""#, json!("1"))] {
        ws.send(&listen(text));
        let acknowledged = ws.json();
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
        let expected = json!({"notifications": {"toolsListChanged": true}, "_meta": {key: id}});
        assert_eq!(acknowledged["params"], expected);
    }
    // One that asked for nothing is told nothing.
    ws.send(&request("2", "subscriptions/listen", &claim(json!({"notifications": {}}))));
    assert_eq!(ws.json()["params"]["notifications"], json!({}));
    ws.send(&listen("1"));
    assert_error(&ws.json(), json!(1), -32600);

    host.add_tool("fresh");
    let ids = [ws.json(), ws.json()].map(|message| {
        assert_eq!(message["method"], "notifications/tools/list_changed");
        message["params"]["_meta"][key].clone()
    });
    assert!(ids == [json!(1), json!("1")] || ids == [json!("1"), json!(1)], "{ids:?}");

    ws.send(&notification("notifications/cancelled", &claim(json!({"requestId": "1"}))));
    ws.send(&request("3", "tools/list", &claim(json!({}))));
    assert_eq!(ws.json()["id"], 3);
    host.server.remove_tool("fresh").unwrap();
    assert_eq!(ws.json()["params"]["_meta"][key], 1);
    host.server.stop().unwrap();
    // The two that are left end with a notification and a result each.
    let (messages, code) = ws.until_close();
    assert_eq!((messages.len(), code), (4, 1001), "{messages:?}");
}

/// The passing of time is the subject here.
#[test]
fn a_silent_peer_is_pinged_and_dropped_when_it_does_not_answer() {
    let host =
        host_with(Options::default(), Limits { ping_time: Duration::from_millis(30), ..limits() });
    let mut ws = Ws::open(&host, NEWEST);
    for _ in 0..4 {
        let (opcode, payload) = ws.next_frame();
        assert_eq!(opcode, PING);
        ws.frame(0x80 | PONG, &payload);
    }
    // From here on it keeps silent.
    let (mut stream, mut rest) = ws.into_parts();
    std::io::Read::read_to_end(&mut stream, &mut rest).unwrap();
    assert!(rest.chunks(2).all(|frame| frame == [0x80 | PING, 0]), "{rest:?}");
    wait_until(|| host.server.stats().websockets == 0);
}

#[test]
fn one_upgrade_too_many_is_503() {
    let host = host_with(Options::default(), Limits { streams: 1, ..limits() });
    let _open = Ws::open(&host, NEWEST);
    let response = host.bare("GET", "/mcp", &handshake()).response();
    assert_eq!(response.status, 503);
    assert!(response.header("retry-after").is_some());
}

#[test]
fn a_host_may_switch_websocket_off() {
    let host = host_with(Options { websocket: false, ..Options::default() }, limits());
    let status = host.bare("GET", "/mcp", &handshake()).response().status;
    assert_eq!(status, 405);
}
