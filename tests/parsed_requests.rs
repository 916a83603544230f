//! A host with its own HTTP server hands over parsed requests and pulls the responses.

mod peer;

use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::Duration;

use emcp::{Error, Limits, Options, ToolResult};
use peer::pull::{Parsed, bell, echo, head, hold, read, read_until};
use peer::{ACCEPT, Host, PATIENCE, call, handshake, host, host_with, limits, text_of};
use serde_json::json;

#[test]
fn a_quick_answer_is_json() {
    let host = host();
    let pulled = echo().whole(&host.server);
    assert_eq!(pulled.head.status, 200);
    assert_eq!(pulled.head.content_length, Some(pulled.body.len()));
    assert_eq!(text_of(&pulled.json()), r#"{"a":1}"#);
    let stats = host.server.stats();
    assert_eq!((stats.requests, stats.bytes_out), (1, pulled.body.len() as u64));
    assert_eq!(stats.connections, 0, "a dropped exchange is closed");
}

#[test]
fn progress_turns_the_answer_into_a_stream() {
    let host = host();
    let mut parsed = hold();
    let meta = json!({ "progressToken": "t" });
    let params = json!({ "name": "hold", "arguments": {}, "_meta": meta });
    parsed.body = peer::request("1", "tools/call", &peer::claim(params)).into();
    let exchange = parsed.start(&host.server, None);
    assert!(exchange.head().unwrap().is_none());
    let held = host.held();
    held.handle().progress(1.0, 2.0, Some("half"));
    let head = head(&exchange).unwrap();
    assert_eq!((head.status, head.content_length), (200, None));
    read_until(&exchange, "half");
    held.reply(ToolResult::text("whole"));
    read_until(&exchange, "whole");
    assert!(read(&exchange).unwrap().is_none());
    assert_eq!(exchange.read(&mut [0; 9]).unwrap(), Some(0), "the end stays the end");
}

/// What both ways in answer must be the same, byte for byte.
#[test]
fn the_listener_and_the_door_answer_alike() {
    let host = host();
    let long = "x".repeat(5000);
    let mut requests = vec![
        echo(),
        Parsed::modern("server/discover", json!({})),
        Parsed::modern("tools/list", json!({})),
        Parsed::modern("tools/call", json!({ "name": "rich", "arguments": {} })),
        Parsed::modern("tools/call", json!({ "name": "none", "arguments": {} })),
        Parsed::modern("none", json!({})),
        Parsed::new("POST", &[ACCEPT], "{"),
        Parsed::new("POST", &[ACCEPT], "[]"),
        Parsed::new("POST", &[("Accept", "text/html")], "{}"),
        Parsed::new("POST", &[ACCEPT, ("Origin", "http://evil.example")], "{}"),
        Parsed::new("POST", &[ACCEPT, ("Mcp-Session-Id", "none")], &call("1", "echo", None)),
        Parsed::new("GET", &[], ""),
        Parsed::new("GET", &[("Upgrade", "websocket"), ("Connection", "upgrade")], ""),
        Parsed::new("PUT", &[], ""),
        Parsed::new("HEAD", &[], ""),
        Parsed::new("OPTIONS", &[("Origin", "http://localhost")], ""),
        Parsed::new("DELETE", &[("Mcp-Session-Id", "none")], ""),
        Parsed::new("GET", &[("X-Long", &"x".repeat(20_000))], ""),
    ];
    let mut elsewhere = echo();
    elsewhere.target = "/elsewhere".into();
    let mut unreadable = echo();
    unreadable.target = format!("/{long}");
    let mut foreign = echo();
    foreign.headers[0].1 = "evil.example".into();
    let mut untyped = echo();
    untyped.headers.pop();
    requests.extend([elsewhere, unreadable, foreign, untyped]);
    for parsed in requests {
        let what = format!("{} {} {:?}", parsed.method, parsed.target, parsed.headers);
        let listener = over_the_wire(&host, &parsed);
        let door = parsed.whole(&host.server);
        assert_eq!(door.head.status, listener.0, "{what}");
        assert_eq!(door.body, listener.2, "{what}");
        let mut headers = door.head.headers.clone();
        headers.sort();
        assert_eq!(headers, listener.1, "{what}");
    }
}

/// Status, headers without framing, body.
fn over_the_wire(host: &Host, parsed: &Parsed) -> (u16, Vec<(String, String)>, Vec<u8>) {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(&host.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = format!("{} {} HTTP/1.1\r\n", parsed.method, parsed.target);
    for (name, value) in &parsed.headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Connection: close\r\nContent-Length: {}\r\n\r\n", parsed.body.len());
    // A refused request is closed with its body unread; what was sent does not matter then.
    let _ = stream.write_all(&[text.as_bytes(), &parsed.body].concat());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let split = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&bytes[..split]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap()[9..12].parse().unwrap();
    let fields = lines.map(|line| line.split_once(": ").unwrap());
    let framing = ["connection", "content-length", "date", "transfer-encoding"];
    let fields = fields.filter(|(name, _)| !framing.contains(name));
    let mut headers: Vec<(String, String)> =
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    headers.sort();
    (status, headers, bytes[split + 4..].to_vec())
}

#[test]
fn ready_is_called_when_there_is_something_to_take() {
    let host = host();
    let (ready, rung) = bell();
    let exchange = hold().open(&host.server, None, Some(ready)).unwrap();
    exchange.body(&hold().body, true).unwrap();
    assert!(exchange.head().unwrap().is_none());
    assert!(!exchange.wait(Duration::ZERO));
    host.held().reply(ToolResult::text("done"));
    rung.recv_timeout(PATIENCE).expect("ready was not called");
    assert_eq!(exchange.head().unwrap().unwrap().status, 200);
    assert_eq!(text_of(&peer::parse(read(&exchange).unwrap().unwrap())), "done");
}

#[test]
fn the_body_comes_in_pieces_and_ends_once() {
    let host = host();
    let parsed = echo();
    let exchange = parsed.open(&host.server, None, None).unwrap();
    for byte in &parsed.body {
        assert!(exchange.head().unwrap().is_none(), "undecided before the end of the body");
        assert!(exchange.body(&[*byte], false).unwrap());
    }
    assert!(matches!(exchange.read(&mut [0; 9]), Err(Error::State(_))));
    assert_eq!(host.server.stats().held_bytes, parsed.body.len() as u64);
    assert!(exchange.body(b"", true).unwrap());
    assert_eq!(host.server.stats().held_bytes, 0);
    assert!(matches!(exchange.body(b"", true), Err(Error::State(_))));
    assert_eq!(head(&exchange).unwrap().status, 200);
    assert!(matches!(exchange.body(b"x", false), Err(Error::State(_))));
    assert!(matches!(exchange.read(&mut []), Err(Error::Config(_))));
}

#[test]
fn a_refused_body_has_its_answer_at_once() {
    let bounds = Limits { body_bytes: 1000, held_bytes: 1000, ..limits() };
    let host = host_with(Options::default(), bounds);
    let refused = |parsed: &Parsed, piece: &[u8], status: u16| {
        let exchange = parsed.open(&host.server, None, None).unwrap();
        assert!(!exchange.body(piece, false).unwrap(), "{status}");
        assert!(!exchange.body(b"", true).unwrap(), "{status}");
        assert!(matches!(exchange.body(b"", true), Err(Error::State(_))));
        assert_eq!(exchange.head().unwrap().expect("the answer").status, status);
    };
    refused(&echo(), &[b'x'; 1001], 413);
    let mut promised = echo();
    promised.headers.push(("Content-Length".into(), "1001".into()));
    refused(&promised, b"", 413);
    let holding = echo().open(&host.server, None, None).unwrap();
    assert!(holding.body(&[b'x'; 500], false).unwrap());
    refused(&echo(), &[b'x'; 501], 503);
    let stats = host.server.stats();
    assert_eq!((stats.messages_crowded_out, stats.requests_refused), (1, 3));
}

#[test]
fn a_body_that_takes_too_long_is_answered() {
    let bounds = Limits { body_time: Duration::from_millis(1), ..limits() };
    let host = host_with(Options::default(), bounds);
    let exchange = echo().open(&host.server, None, None).unwrap();
    assert!(exchange.wait(PATIENCE));
    assert!(matches!(exchange.read(&mut [0; 9]), Err(Error::State(_))), "the head comes first");
    assert_eq!(exchange.head().unwrap().unwrap().status, 408);
    assert!(!exchange.body(b"x", false).unwrap());
    assert_eq!(host.server.stats().requests_timed_out, 1);
}

#[test]
fn exchanges_count_as_connections() {
    let bounds = Limits { connections: 1, ..limits() };
    let host = host_with(Options::default(), bounds);
    let exchange = echo().start(&host.server, None);
    let refused = echo().open(&host.server, None, None).unwrap();
    assert_eq!(refused.head().unwrap().unwrap().status, 503);
    assert_eq!(host.server.stats().connections_refused, 1);
    drop(exchange);
    assert_eq!(echo().whole(&host.server).head.status, 200);
}

#[test]
fn an_upgrade_is_answered_with_its_headers() {
    let host = host();
    let mut headers = handshake();
    headers.push(("Sec-WebSocket-Protocol", "mcp"));
    let pulled = Parsed::new("GET", &headers, "").whole(&host.server);
    assert_eq!((pulled.head.status, pulled.head.content_length), (101, Some(0)));
    let has = |name, value| pulled.head.headers.iter().any(|(n, v)| n == name && v == value);
    assert!(has("connection", "upgrade") && has("upgrade", "websocket"));
    assert!(has("sec-websocket-protocol", "mcp"));
    assert_eq!(host.server.stats().streams, 0, "nobody took the connection over");
}

#[test]
fn a_second_thread_is_told_off() {
    let host = host();
    let (entered, inside) = channel();
    let (leave, left) = channel::<()>();
    let left = std::sync::Mutex::new(left);
    let tool = emcp::Tool::new("inline").unwrap().description("Runs where the body ends.");
    let tool = tool.flags(emcp::ToolFlags { inline: true, ..Default::default() });
    host.server
        .add_tool(tool, move |call| {
            entered.send(()).unwrap();
            left.lock().unwrap().recv_timeout(PATIENCE).unwrap();
            call.reply(ToolResult::text("inline"));
        })
        .unwrap();
    let parsed = Parsed::modern("tools/call", json!({ "name": "inline", "arguments": {} }));
    let exchange = parsed.open(&host.server, None, None).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| exchange.body(&parsed.body, true).unwrap());
        inside.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(exchange.head(), Err(Error::Busy(_))));
        leave.send(()).unwrap();
    });
    assert_eq!(head(&exchange).unwrap().status, 200);
}
