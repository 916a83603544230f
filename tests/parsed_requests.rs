//! A host with its own HTTP server hands over parsed requests and pulls the responses.

mod peer;

use std::net::TcpStream;

use emcp::ToolResult;
use peer::pull::{Given, head, read, read_until};
use peer::{ACCEPT, Host, PATIENCE, call, host, text_of};
use serde_json::json;

fn echo() -> Given {
    Given::modern("tools/call", json!({ "name": "echo", "arguments": { "a": 1 } }))
}

fn hold() -> Given {
    Given::modern("tools/call", json!({ "name": "hold", "arguments": {} }))
}

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
    let mut given = hold();
    let meta = json!({ "progressToken": "t" });
    let params = json!({ "name": "hold", "arguments": {}, "_meta": meta });
    given.body = peer::request("1", "tools/call", &peer::claim(params)).into();
    let exchange = given.start(&host.server, None);
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
    let mut given = vec![
        echo(),
        Given::modern("server/discover", json!({})),
        Given::modern("tools/list", json!({})),
        Given::modern("tools/call", json!({ "name": "rich", "arguments": {} })),
        Given::modern("tools/call", json!({ "name": "none", "arguments": {} })),
        Given::modern("none", json!({})),
        Given::new("POST", &[ACCEPT], "{"),
        Given::new("POST", &[ACCEPT], "[]"),
        Given::new("POST", &[("Accept", "text/html")], "{}"),
        Given::new("POST", &[ACCEPT, ("Origin", "http://evil.example")], "{}"),
        Given::new("POST", &[ACCEPT, ("Mcp-Session-Id", "none")], &call("1", "echo", None)),
        Given::new("GET", &[], ""),
        Given::new("GET", &[("Upgrade", "websocket"), ("Connection", "upgrade")], ""),
        Given::new("PUT", &[], ""),
        Given::new("HEAD", &[], ""),
        Given::new("OPTIONS", &[("Origin", "http://localhost")], ""),
        Given::new("DELETE", &[("Mcp-Session-Id", "none")], ""),
        Given::new("GET", &[("X-Long", &"x".repeat(20_000))], ""),
    ];
    let mut elsewhere = echo();
    elsewhere.target = "/elsewhere".into();
    let mut unreadable = echo();
    unreadable.target = format!("/{long}");
    let mut foreign = echo();
    foreign.headers[0].1 = "evil.example".into();
    let mut untyped = echo();
    untyped.headers.pop();
    given.extend([elsewhere, unreadable, foreign, untyped]);
    for given in given {
        let what = format!("{} {} {:?}", given.method, given.target, given.headers);
        let listener = over_the_wire(&host, &given);
        let door = given.whole(&host.server);
        assert_eq!(door.head.status, listener.0, "{what}");
        assert_eq!(door.body, listener.2, "{what}");
        let mut headers = door.head.headers.clone();
        headers.sort();
        assert_eq!(headers, listener.1, "{what}");
    }
}

/// Status, headers without framing, body.
fn over_the_wire(host: &Host, given: &Given) -> (u16, Vec<(String, String)>, Vec<u8>) {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(&host.addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = format!("{} {} HTTP/1.1\r\n", given.method, given.target);
    for (name, value) in &given.headers {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Connection: close\r\nContent-Length: {}\r\n\r\n", given.body.len());
    // A refused request is closed with its body unread; what was sent does not matter then.
    let _ = stream.write_all(&[text.as_bytes(), &given.body].concat());
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
