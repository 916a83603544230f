//! What goes wrong costs whoever caused it: slow clients meet deadlines, stuck tools hold one
//! worker, and every cap has its answer and its counter.

mod wire;

use std::time::{Duration, Instant};

use emcp::{Error, Limits, Options};
use tungstenite::Message;
use wire::{
    ECHO_FIELDS, GET_STREAM, Host, UPGRADE, call_body, legacy_call, post, post_call, post_legacy,
};

/// A limit that a test wants to see bite.
const SOON: Duration = Duration::from_millis(50);

/// Checks that `body` is a tool result which says that something is busy.
#[track_caller]
fn assert_busy(body: &str, why: &str) {
    assert!(body.contains(r#""isError":true"#) && body.contains(why), "{body}");
}

#[test]
fn a_half_sent_head_gets_408_at_its_deadline() {
    let host = Host::start(Limits { head_time: SOON, ..Limits::default() });
    for start in ["G", "POST /mcp HTTP/1.1\r\nHost: localhost\r\n"] {
        let mut client = host.connect();
        assert_eq!(client.send(start).reply().status, 408, "{start:?}");
        client.assert_closed(start);
    }
    assert_eq!(host.server.stats().requests_timed_out, 2);
}

#[test]
fn a_client_that_sends_it_all_before_it_looks_finds_413() {
    let limits = Limits::default();
    let large = " ".repeat(limits.body_bytes * 3 / 2);
    let host = Host::start(limits);
    let mut client = host.connect();
    assert_eq!(client.send(post("/mcp", ECHO_FIELDS, &large)).reply().status, 413);
}

#[test]
fn a_head_that_drips_gets_408_at_the_same_deadline() {
    let host = Host::start(Limits { head_time: SOON, ..Limits::default() });
    let mut client = host.connect();
    // The deadline is for the whole head: each byte that arrives does not move it.
    client.stream.set_read_timeout(Some(Duration::from_millis(5))).expect("a timeout");
    let mut answer = [0; 12];
    while std::io::Read::read_exact(&mut client.stream, &mut answer).is_err() {
        assert!(client.try_send("A"), "the connection ended without a reply");
    }
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn a_half_sent_body_gets_408_at_its_deadline() {
    let host = Host::start(Limits { body_time: SOON, ..Limits::default() });
    let sized = post("/mcp", ECHO_FIELDS, "0123456789");
    let chunked = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\n\r\n5\r\nab";
    for start in [&sized[..sized.len() - 1], chunked] {
        let mut client = host.connect();
        assert_eq!(client.send(start).reply().status, 408, "{start:?}");
        client.assert_closed(start);
    }
    assert_eq!(host.server.stats().requests_timed_out, 2);
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let host = Host::start(Limits { idle_time: SOON, ..Limits::default() });
    host.connect().assert_closed("before any request");
    let mut client = host.connect();
    assert_eq!(client.send(post_call("echo", "{}", "")).reply().status, 200);
    client.assert_closed("behind a reply");
    // An empty line is no request and earns no 408.
    host.connect().send("\r\n").assert_closed("behind an empty line");
    assert_eq!(host.server.stats().requests_timed_out, 0);
}

#[test]
fn a_running_call_is_not_idle() {
    let host = Host::start(Limits { idle_time: SOON, head_time: SOON, ..Limits::default() });
    let mut client = host.connect();
    client.send(post_call("hold", "{}", ""));
    host.gate.wait_reached(1);
    // An idle connection that started later has ended, so the time of this one is over as well.
    host.connect().assert_closed("the idle one");
    host.gate.open();
    assert!(client.reply().text().contains("held"));
}

#[test]
fn a_tool_that_never_returns_costs_one_worker_and_one_counter() {
    let limits = Limits { tool_time: SOON, stop_time: SOON, ..Limits::default() };
    let host = Host::with(limits, Options { workers: 2, ..Options::default() });
    let body = host.call("hold", "{}");
    assert_busy(&body, "did not finish within 50 ms");
    let stats = host.until("the overrun shows", |stats| stats.calls_overrun == 1);
    assert_eq!((stats.calls_timed_out, stats.calls), (1, 1));
    for _ in 0..10 {
        host.assert_serves("the other worker");
    }
    let start = Instant::now();
    assert!(matches!(host.server.stop(), Err(Error::TimedOut(_))));
    assert!(start.elapsed() < Duration::from_secs(10), "stop took {:?}", start.elapsed());
    host.gate.open();
    host.until("the function has returned", |stats| stats.calls_overrun == 0 && stats.calls == 0);
}

#[test]
fn stop_answers_a_call_whose_tool_is_stuck() {
    let host = Host::start(Limits { stop_time: SOON, ..Limits::default() });
    let mut client = host.connect();
    client.send(post_call("hold", "{}", ""));
    host.gate.wait_reached(1);
    assert!(matches!(host.server.stop(), Err(Error::TimedOut(_))));
    assert!(client.reply().text().contains("server is stopping"));
    client.assert_closed("the server has stopped");
}

#[test]
fn a_connection_above_the_cap_gets_503_and_leaves_the_others_alone() {
    let host = Host::start(Limits { connections: 2, ..Limits::default() });
    let (mut a, mut b) = (host.connect(), host.connect());
    for client in [&mut a, &mut b] {
        assert_eq!(client.send(post_call("echo", "{}", "")).reply().status, 200);
    }
    // Whether or not it has sent its request already.
    for request in ["", &post_call("echo", "{}", "")] {
        let mut client = host.connect();
        client.try_send(request);
        let reply = client.reply();
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
        client.assert_closed("turned away");
    }
    assert_eq!(host.server.stats().connections_refused, 2);
    assert_eq!(a.send(post_call("echo", "{}", "")).reply().status, 200);
    drop(a);
    host.until("a place is free", |stats| stats.connections == 1);
    host.assert_serves("in the free place");
}

#[test]
fn a_stream_above_the_cap_gets_503_and_a_time_to_retry() {
    let host = Host::start(Limits { streams: 1, ..Limits::default() });
    let session = host.initialize("2025-06-18");
    let mut first = host.connect();
    first.send(GET_STREAM).head();
    let legacy = format!(
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\n\r\n"
    );
    let listen = call_body("echo", "{}").replace("tools/call", "subscriptions/listen");
    let listen = listen.replace(r#""name":"echo","arguments":{}"#, r#""notifications":{}"#);
    let fields = ECHO_FIELDS.replace("tools/call", "subscriptions/listen");
    let listen = post("/mcp", &fields.replace("Mcp-Name: echo\r\n", ""), &listen);
    for request in [GET_STREAM, &legacy, UPGRADE, &listen] {
        let reply = host.connect().send(request).reply();
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")), "{request}");
    }
    assert_eq!(host.server.stats().streams_refused, 4);
    // A call needs no stream: what it says on the way is lost, its answer is not.
    let mut caller = host.connect();
    caller.send(post_call("park", "{}", ""));
    host.gate.wait_reached(1);
    host.gate.open();
    let reply = caller.reply();
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert!(reply.text().contains("unparked"));
    drop(first);
    host.until("a place is free", |stats| stats.streams == 0);
    assert_eq!(host.connect().send(UPGRADE).head().status, 101);
}

#[test]
fn a_session_above_the_cap_takes_the_place_of_the_least_recently_used() {
    let host = Host::start(Limits { sessions: 2, ..Limits::default() });
    let ping = |session: &str| {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        // The clock of sessions ticks in milliseconds: uses within one have no order.
        std::thread::sleep(Duration::from_millis(5));
        host.connect().send(post_legacy(session, body)).reply().status
    };
    let (a, b) = (host.initialize("2025-06-18"), host.initialize("2025-06-18"));
    assert_eq!((ping(&b), ping(&a)), (200, 200));
    let c = host.initialize("2025-06-18");
    // 404 makes a client open a session anew.
    assert_eq!((ping(&b), ping(&a), ping(&c)), (404, 200, 200));
    let stats = host.server.stats();
    assert_eq!((stats.sessions, stats.sessions_evicted), (2, 1));
}

#[test]
fn a_call_above_the_cap_of_the_server_hears_busy() {
    let host = Host::start(Limits { calls: 1, ..Limits::default() });
    let mut first = host.connect();
    first.send(post_call("hold", "{}", ""));
    host.gate.wait_reached(1);
    assert_busy(&host.call("echo", "{}"), "busy");
    assert_eq!(host.server.stats().calls_refused, 1);
    host.gate.open();
    assert!(first.reply().text().contains("held"));
    host.until("the place is free", |stats| stats.calls == 0);
    host.assert_serves("in the free place");
}

#[test]
fn a_call_above_the_cap_of_its_peer_hears_busy_and_others_do_not() {
    let host = Host::start(Limits { calls_per_peer: 2, ..Limits::default() });
    let mut eager = host.connect().upgrade();
    for id in [1, 2, 3] {
        eager.send(Message::text(legacy_call(id, "hold", "{}"))).expect("sent");
    }
    let answer = eager.read().expect("an answer").into_text().expect("text");
    assert!(answer.contains(r#""id":3"#), "{answer}");
    assert_busy(&answer, "2 calls are in flight already");
    host.assert_serves("another peer");
    host.gate.open();
    for _ in [1, 2] {
        let answer = eager.read().expect("an answer").into_text().expect("text");
        assert!(answer.contains("held"), "{answer}");
    }
}

#[test]
fn a_call_that_finds_the_queue_full_hears_busy() {
    let limits = Limits { queue: 1, ..Limits::default() };
    let host = Host::with(limits, Options { workers: 1, ..Options::default() });
    let (mut running, mut waiting) = (host.connect(), host.connect());
    running.send(post_call("hold", "{}", ""));
    host.gate.wait_reached(1);
    waiting.send(post_call("echo", r#"{"word":"waited"}"#, ""));
    host.until("one call waits", |stats| stats.calls_queued == 1);
    assert_busy(&host.call("echo", "{}"), "busy");
    assert_eq!(host.server.stats().calls_refused, 1);
    host.gate.open();
    assert!(running.reply().text().contains("held"));
    assert!(waiting.reply().text().contains("waited"));
}

#[test]
fn a_deep_document_is_refused_before_it_is_parsed() {
    let host = Host::start(Limits { json_depth: 10, ..Limits::default() });
    // The message itself is three levels deep where its arguments begin.
    let nested = |depth| format!(r#"{{"a":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    let deepest = host.connect().send(post_call("echo", &nested(7), "")).reply();
    assert_eq!(deepest.status, 200, "{}", deepest.text());
    for depth in [8, 100_000] {
        let reply = host.connect().send(post_call("echo", &nested(depth), "")).reply();
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains("-32600") && reply.text().contains("deeper than 10"));
    }
    host.assert_serves("afterwards");
}

#[test]
fn a_head_is_bounded_by_the_limits_of_the_host() {
    let limits =
        Limits { head_bytes: 1000, target_bytes: 100, header_count: 10, ..Limits::default() };
    let host = Host::start(limits);
    let with = |fields: &str| post_call("echo", "{}", fields);
    assert_eq!(host.connect().send(with("A: b\r\nC: d\r\n")).reply().status, 200);
    let long = with(&format!("A: {}\r\n", "b".repeat(1000)));
    assert_eq!(host.connect().send(long).reply().status, 431);
    assert_eq!(host.connect().send(with(&"A: b\r\n".repeat(10))).reply().status, 431);
    let target = with("").replacen("/mcp", &format!("/mcp?{}", "q".repeat(200)), 1);
    assert_eq!(host.connect().send(target).reply().status, 414);
    assert_eq!(host.server.stats().requests_refused, 3);
}

#[test]
fn a_connection_ends_after_its_last_request() {
    let host = Host::start(Limits { requests_per_connection: 2, ..Limits::default() });
    let mut client = host.connect();
    let first = client.send(post_call("echo", "{}", "")).reply();
    let last = client.send(post_call("echo", "{}", "")).reply();
    assert_eq!((first.header("connection"), last.header("connection")), (None, Some("close")));
    client.assert_closed("behind the last reply");
}

#[test]
fn a_result_above_the_limit_becomes_advice() {
    let host = Host::start(Limits { result_bytes: 1000, ..Limits::default() });
    assert_busy(&host.call("bulk", r#"{"n":2000}"#), "limit is 1000");
    assert_eq!(host.server.stats().results_oversized, 1);
}
