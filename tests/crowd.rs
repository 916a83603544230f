//! Many clients at once, and clients that stop reading: each costs its own bounded share, and
//! whoever comes beside them is served as ever.

mod wire;

use std::time::Duration;

use emcp::Limits;
use tungstenite::Message;
use wire::{Client, GET_STREAM, Host, UPGRADE, legacy_call, post_call, room_for};

#[test]
fn idle_connections_and_open_streams_leave_another_client_unaffected() {
    let host = Host::start(Limits::default());
    // 2,000 idle connections and 1,000 streams, a tenth of them WebSockets.
    let total = room_for(3_000);
    let streams = total / 3;
    let mut crowd: Vec<Client> = Vec::with_capacity(total);
    while crowd.len() < total {
        crowd.push(host.connect());
        // The kernel's queue is shorter than the crowd, and whoever finds it full waits a second.
        if crowd.len().is_multiple_of(100) {
            host.until("they are in", |stats| stats.connections == crowd.len() as u64);
        }
    }
    let (streaming, idle) = crowd.split_at_mut(streams);
    for (number, client) in streaming.iter_mut().enumerate() {
        let (request, status) = if number % 10 == 0 { (UPGRADE, 101) } else { (GET_STREAM, 200) };
        assert_eq!(client.send(request).head().status, status, "stream {number}");
    }
    let stats = host.until("all are in", |stats| stats.connections == total as u64);
    assert_eq!(stats.streams, streams as u64);
    for _ in 0..100 {
        host.assert_serves("beside the crowd");
    }
    // The crowd is not dead weight: whoever speaks up is served too.
    for client in idle.iter_mut().step_by(97) {
        assert_eq!(client.send(post_call("echo", "{}", "")).reply().status, 200);
    }
    drop(crowd);
    let stats = host.until("all have gone", |stats| stats.connections == 0);
    assert_eq!((stats.streams, stats.sessions, stats.panics), (0, 0, 0));
}

/// Limits under which a reader that stops is found out soon. The socket buffers of the system
/// take some megabytes before anything stalls.
fn tight() -> Limits {
    Limits {
        write_time: Duration::from_millis(100),
        outbox_bytes: 1024 * 1024,
        result_bytes: 512 * 1024,
        ..Limits::default()
    }
}

#[test]
fn a_client_that_stops_reading_its_sse_stream_loses_it() {
    let host = Host::start(tight());
    let mut client = host.connect();
    // The tool talks until the call has ended, so it ends only if the server ends the call.
    client.send(post_call("flood", "{}", "")).head();
    host.until("the writer gives up", |stats| stats.writes_stalled == 1);
    host.until("the call and the connection end", |stats| {
        stats.calls == 0 && stats.connections == 0 && stats.streams == 0
    });
    assert_eq!(host.server.stats().calls_cancelled, 1);
    host.assert_serves("afterwards");
}

#[test]
fn a_client_that_stops_reading_its_websocket_loses_it() {
    let host = Host::start(tight());
    let mut socket = host.connect().upgrade();
    // No more calls at a time than one peer may have in flight; each answers 256 KiB.
    for id in 0..100 {
        let text = legacy_call(id, "bulk", r#"{"n":262144}"#);
        if socket.send(Message::text(text)).is_err() {
            break;
        }
    }
    // Whichever bound is met first: that of what waits, or that of the write under way.
    host.until("a bound bites", |stats| stats.outboxes_overflowed + stats.writes_stalled > 0);
    host.until("nothing is left of it", |stats| {
        let open = stats.connections + stats.websockets + stats.streams + stats.sessions;
        open + stats.calls == 0
    });
    host.assert_serves("afterwards");
}

#[test]
fn a_client_that_stops_reading_a_long_json_reply_loses_its_connection() {
    let host = Host::start(Limits { write_time: Duration::from_millis(100), ..Limits::default() });
    let mut client = host.connect();
    // Pipelined and never read: together more than the socket buffers take.
    for _ in 0..8 {
        client.try_send(post_call("bulk", r#"{"n":4000000}"#, ""));
    }
    host.until("the writer gives up", |stats| stats.writes_stalled == 1);
    host.until("the connection ends", |stats| stats.connections == 0);
    host.assert_serves("afterwards");
}

#[test]
fn others_are_served_while_a_client_does_not_read() {
    // The deadline is far away: the stalled client is there all the time.
    let host = Host::start(Limits { outbox_bytes: 1024 * 1024, ..Limits::default() });
    let mut client = host.connect();
    client.send(post_call("flood", "{}", "")).head();
    host.until("the outbox is full", |stats| stats.notifications_dropped > 0);
    for _ in 0..20 {
        host.assert_serves("beside the stalled client");
    }
    assert_eq!(host.server.stats().writes_stalled, 0);
    drop(client);
    host.until("the call ends with its client", |stats| stats.calls == 0);
}
