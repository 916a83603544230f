//! A peer that resets its connection, whatever the moment, costs itself alone: what was promised to
//! others is kept, nothing of it stays, and the counters tell what became of its calls.

mod wire;

use emcp::{Limits, Stats};
use socket2::SockRef;
use wire::{Client, GET_STREAM, Host, UPGRADE, legacy_call, post_call, post_legacy};

/// Ends the connection with RST: a lingering time of zero throws away what waits.
fn reset(client: Client) {
    SockRef::from(&client.stream).set_linger(Some(std::time::Duration::ZERO)).expect("an option");
}

/// Nothing of the clients is left; `calls` may still run.
fn gone(host: &Host, when: &str, calls: u64) -> Stats {
    host.until(when, |stats| {
        let open = stats.connections + stats.streams + stats.websockets + stats.held_bytes;
        (open, stats.calls) == (0, calls)
    })
}

#[test]
fn a_reset_before_a_request_is_whole_costs_nothing() {
    let host = Host::start(Limits::default());
    let whole = post_call("echo", r#"{"word":"cut"}"#, "");
    let chunked = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                   Transfer-Encoding: chunked\r\n\r\n5\r\nab";
    let continued = whole.replacen("\r\n", "\r\nExpect: 100-continue\r\n", 1);
    let head = continued.find("\r\n\r\n").expect("a head") + 4;
    for start in ["", "P", &whole[..40], &whole[..whole.len() - 1], chunked, &continued[..head]] {
        let mut client = host.connect();
        client.send(start);
        // Known to the server before it goes.
        host.until("it is in", |stats| stats.connections == 1);
        reset(client);
        gone(&host, start, 0);
    }
    let stats = host.server.stats();
    assert_eq!((stats.calls_started, stats.messages, stats.panics), (0, 0, 0));
    host.assert_serves("afterwards");
}

#[test]
fn a_reset_while_a_modern_call_runs_cancels_it() {
    let host = Host::start(Limits::default());
    for (number, tool) in ["hold", "park"].into_iter().enumerate() {
        let mut client = host.connect();
        client.send(post_call(tool, "{}", ""));
        host.gate.wait_reached(number + 1);
        reset(client);
        host.until("it is cancelled", |stats| stats.calls_cancelled == number as u64 + 1);
        host.assert_serves("beside it");
    }
    host.gate.open();
    let stats = gone(&host, "its function has returned", 0);
    assert_eq!((stats.calls_started, stats.calls_succeeded), (4, 2));
}

#[test]
fn a_reset_while_a_legacy_call_runs_leaves_its_answer_to_be_fetched() {
    let host = Host::start(Limits::default());
    let session = host.initialize("2025-06-18");
    let mut client = host.connect();
    client.send(post_legacy(&session, &legacy_call(1, "hold", "{}")));
    host.gate.wait_reached(1);
    reset(client);
    gone(&host, "the call alone is left", 1);
    host.gate.open();
    // In the legacy revisions leaving is not cancelling.
    let stats = gone(&host, "it has ended", 0);
    assert_eq!((stats.calls_succeeded, stats.calls_cancelled), (1, 0));
    host.assert_serves("afterwards");
}

#[test]
fn a_reset_within_an_answer_ends_its_call() {
    let limits = Limits { outbox_bytes: 1 << 20, result_bytes: 1 << 19, ..Limits::default() };
    let host = Host::start(limits);
    let mut client = host.connect();
    // Streams until nobody listens.
    client.send(post_call("flood", "{}", "")).head();
    client.chunk();
    reset(client);
    assert_eq!(gone(&host, "the flood has ended", 0).calls_cancelled, 1);
    let mut client = host.connect();
    for _ in 0..8 {
        client.try_send(post_call("bulk", r#"{"n":500000}"#, ""));
    }
    client.head();
    reset(client);
    let stats = gone(&host, "the long answers have ended", 0);
    // Whatever had begun has one end.
    let ended = stats.calls_succeeded + stats.calls_failed + stats.calls_cancelled;
    assert_eq!(stats.calls_started, ended);
    host.assert_serves("afterwards");
}

#[test]
fn a_reset_of_a_stream_ends_its_session() {
    let host = Host::start(Limits::default());
    let fragment = [0x01, 0x85, 0, 0, 0, 0, b'h', b'e'];
    let call = legacy_call(1, "park", "{}");
    let text = [&[0x81, 0x80 | call.len() as u8, 0, 0, 0, 0], call.as_bytes()].concat();
    let close = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
    let rounds: [(&str, &str, &[u8]); 5] = [
        ("an HTTP+SSE stream", GET_STREAM, b""),
        ("a WebSocket", UPGRADE, b""),
        ("half a frame", UPGRADE, &fragment),
        ("a call over WebSocket", UPGRADE, &text),
        ("a close frame", UPGRADE, &close),
    ];
    for (what, request, bytes) in rounds {
        let mut client = host.connect();
        client.send(request).head();
        client.send(bytes);
        if bytes == text {
            host.gate.wait_reached(1);
        }
        reset(client);
        host.until(what, |stats| stats.sessions == 0);
        if bytes == text {
            // Its function lets go of the call, which has ended.
            host.gate.open();
        }
        gone(&host, what, 0);
    }
    let stats = host.server.stats();
    assert_eq!((stats.calls_cancelled, stats.messages_malformed), (1, 0));
    host.assert_serves("afterwards");
}

#[test]
fn a_peer_that_leaves_a_websocket_without_a_close_frame_has_sent_nothing_wrong() {
    let host = Host::start(Limits::default());
    for bytes in [&b""[..], &[0x01, 0x85, 0, 0, 0, 0, b'h', b'e']] {
        let mut client = host.connect();
        client.send(UPGRADE).head();
        client.send(bytes).end();
        assert!(client.rest().is_empty(), "nobody is there to be told");
        gone(&host, "it has left", 0);
    }
    assert_eq!(host.server.stats().messages_malformed, 0);
}

#[test]
fn resets_while_the_server_stops_do_not_hold_it_up() {
    let host = Host::start(Limits::default());
    let mut clients: Vec<Client> = (0..30).map(|_| host.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let request = [GET_STREAM, UPGRADE, &post_call("park", "{}", "")][number % 3].to_owned();
        client.send(request);
    }
    host.gate.wait_reached(10);
    let server = host.server.clone();
    let stopping = std::thread::spawn(move || server.stop());
    clients.into_iter().for_each(reset);
    stopping.join().expect("no panic").expect("an end");
    assert_eq!((host.server.stats().connections, host.server.stats().panics), (0, 0));
}
