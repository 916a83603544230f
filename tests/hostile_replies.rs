//! The half of table 1.2 in `shared/design/http.md` that concerns what the server sends: replies
//! that hold whatever a client or a tool puts into them, and streams that notice who has left.
//!
//! The number in each message is its row there. Rows 43, 45 and 51 concern responses that no
//! client can provoke: the unit tests of `src/http` cover them.

mod wire;

use std::sync::Mutex;

use emcp::{Limits, Options};
use wire::{GET_STREAM, Host, UPGRADE, legacy_call, post_call, post_initialize, post_legacy};

/// A request without a body.
fn get(line: &str, host: &str) -> Vec<u8> {
    format!("{line}\r\nHost: {host}\r\n\r\n").into_bytes()
}

#[test]
fn a_tool_that_panics_fails_its_call_alone() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    // Row 40.
    let reply = client.send(post_call("panic", "{}", "")).reply();
    assert_eq!(reply.status, 200, "row 40: {}", reply.text());
    assert!(reply.text().contains(r#""isError":true"#), "row 40: {}", reply.text());
    client.assert_serves("40");
    host.until("row 40: the panic is counted", |stats| stats.panics == 1);
}

#[test]
fn a_reflected_value_cannot_break_a_response_head() {
    let options = Options { allowed_origins: vec!["*".into()], ..Options::default() };
    let host = Host::with(Limits::default(), options);
    let preflight = |fields: &str| {
        host.connect().send(get("OPTIONS /mcp HTTP/1.1", &format!("localhost\r\n{fields}"))).reply()
    };
    // Rows 41 and 42: text that `http_types` panics on or `async_h1` writes as it is.
    let reply = preflight("Origin: http://\u{e9}");
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, None));
    let reply = preflight("Access-Control-Request-Headers: mcp-param-\u{e9}");
    assert_eq!(reply.status, 204);
    let reply = preflight("Origin: http://a\tb\r\nAccess-Control-Request-Headers: mcp-param-a:b");
    assert_eq!(reply.status, 204);
    assert_eq!(host.server.stats().panics, 0);
}

#[test]
fn a_reply_without_a_body_says_so() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    let reply = client.send(get("OPTIONS /mcp HTTP/1.1", "localhost")).reply();
    // Row 44: RFC 9110 section 8.6 forbids a length on 204 and 101.
    assert_eq!((reply.status, reply.header("content-length")), (204, None), "row 44");
    let reply = client.send(post_initialize()).reply();
    let session = reply.header("mcp-session-id").expect("a session").to_owned();
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let reply = client.send(post_legacy(&session, note)).reply();
    assert_eq!((reply.status, reply.header("content-length")), (202, Some("0")), "row 44");
    let head = client.send(get("HEAD /mcp HTTP/1.1", "localhost")).head();
    assert_eq!((head.status, head.header("allow")), (405, Some("GET, POST, DELETE, OPTIONS")));
    client.assert_serves("44: HEAD");
    let head = client.send(UPGRADE).head();
    assert_eq!((head.status, head.header("content-length")), (101, None), "row 44");
}

#[test]
fn bytes_behind_an_upgrade_are_the_first_frame() {
    let host = Host::start(Limits::default());
    let text = legacy_call(7, "echo", r#"{"word":"early"}"#);
    // Row 47. RFC 6455 section 5.2: a final text frame, masked with zeros, 16 bits of length.
    let mut bytes = UPGRADE.as_bytes().to_vec();
    bytes.extend([0x81, 0xfe]);
    bytes.extend(u16::try_from(text.len()).expect("a short text").to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    let mut client = host.connect();
    client.send(bytes);
    assert_eq!(client.head().status, 101, "row 47");
    // Fails when the answer does not come.
    client.until("early");
}

#[test]
fn an_event_arrives_while_its_call_runs() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    let head = client.send(post_call("park", "{}", "")).head();
    assert_eq!(head.header("content-type"), Some("text/event-stream"), "row 48");
    assert_eq!(head.header("x-accel-buffering"), Some("no"), "row 48");
    // The gate is closed: were the event held back, it would never come.
    assert!(client.event().expect("an event").contains("parked"), "row 48");
    host.gate.open();
    assert!(client.event().expect("an event").contains("unparked"), "row 48");
    assert_eq!(client.event(), None, "row 48");
    client.assert_serves("48");
}

#[test]
fn a_client_that_leaves_a_silent_stream_is_noticed() {
    let host = Host::start(Limits::default());
    // Row 49: nothing is written that could fail.
    let mut caller = host.connect();
    caller.send(post_call("park", "{}", "")).head();
    let mut listener = host.connect();
    listener.send(GET_STREAM).head();
    host.until("row 49: both stream", |stats| stats.streams == 2);
    drop((caller, listener));
    let stats = host.until("row 49: both have gone", |stats| stats.connections == 0);
    assert_eq!((stats.streams, stats.sessions, stats.calls_cancelled), (0, 0, 1), "row 49");
}

#[test]
fn a_long_reply_arrives_whole_and_the_connection_goes_on() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    // Row 50: around the sizes of the writes and of the socket's buffers.
    for bytes in [4_000, 8_192, 16_384, 65_536, 200_000, 3_000_000] {
        let reply = client.send(post_call("bulk", &format!(r#"{{"n":{bytes}}}"#), "")).reply();
        let count = reply.body.iter().filter(|byte| **byte == b'x').count();
        assert!((bytes..bytes + 20).contains(&count), "row 50: {count} of {bytes}");
    }
    client.assert_serves("50");
}

#[test]
fn every_reply_is_dated() {
    let host = Host::start(Limits::default());
    // Row 52: by the writer of replies and by the one of rejections.
    for request in [get("OPTIONS /mcp HTTP/1.1", "localhost"), b"\x16".to_vec()] {
        let mut client = host.connect();
        client.send(request).end();
        let text = String::from_utf8_lossy(&client.rest()).into_owned();
        let date = text.lines().find_map(|line| line.strip_prefix("date: "));
        assert!(date.is_some_and(|date| date.ends_with(" GMT")), "row 52: {text}");
    }
}

#[test]
fn no_secret_reaches_the_log() {
    struct Collect(Mutex<String>);
    impl log::Log for Collect {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            let mut lines = self.0.lock().expect("no test panics under the lock");
            *lines += &format!("{}\n", record.args());
        }
        fn flush(&self) {}
    }
    static LOG: Collect = Collect(Mutex::new(String::new()));
    log::set_logger(&LOG).expect("the only logger of this program");
    log::set_max_level(log::LevelFilter::Trace);
    let host = Host::start(Limits::default());
    let secret = "Authorization: Bearer hunter2\r\nCookie: id=hunter2\r\n";
    // Row 53.
    assert_eq!(host.connect().send(post_call("echo", "{}", secret)).reply().status, 200);
    let refused = get("GET /mcp HTTP/1.1", &format!("localhost\r\n{secret}Content-Length: x"));
    assert_eq!(host.connect().send(refused).reply().status, 400);
    let lines = LOG.0.lock().expect("no test panics under the lock");
    assert!(!lines.contains("hunter2"), "row 53: {lines}");
    let lines = host.log.lock().expect("no test panics under the lock");
    assert!(!lines.contains("hunter2"), "row 53: {lines}");
}
