//! TLS with clients that are slow, rude, wrong here, or gone; and ends that everybody can tell from
//! an accident.

mod peer;
mod secure;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use emcp::{CancelReason, Limits, Options, ToolResult};
use rustls::ClientConnection;

use peer::pki::{BOTH, Pki, TlsStream};
use peer::{NEWEST, PATIENCE, Streamable, call, cancellation, text_of, wait_until};
use secure::{BULK, Secure, call_bytes, rest, secure, secure_with, send};

/// The first bytes of a handshake that a client would send.
fn hello(secure: &Secure) -> Vec<u8> {
    let name = "localhost".try_into().unwrap();
    let mut client = ClientConnection::new(secure.pki.client(None, BOTH), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn connect(secure: &Secure) -> TcpStream {
    let socket = TcpStream::connect(&secure.direct).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Reads up to the end, however it comes.
fn until_end(mut socket: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = socket.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    bytes
}

fn with_limits(limits: Limits) -> Secure {
    secure_with(Options::default(), limits, Pki::config)
}

#[test]
fn a_handshake_that_takes_too_long_is_cut() {
    let secure = with_limits(Limits { head_time: Duration::from_millis(100), ..Limits::default() });
    let mut socket = connect(&secure);
    socket.write_all(&hello(&secure)[..50]).unwrap();
    assert_eq!(until_end(&socket), b"");
    secure.wait_log("handshake failed: it took too long");
    assert_eq!(secure.host.server.stats().tls_handshakes_failed, 1);
    // Whoever has not begun has not failed.
    assert_eq!(until_end(&connect(&secure)), b"");
    assert_eq!(secure.host.server.stats().tls_handshakes_failed, 1);
}

#[test]
fn handshakes_wait_for_nobody() {
    let secure = secure();
    let mut halves = Vec::new();
    for length in [0, 1, 5, 60, 100] {
        let mut socket = connect(&secure);
        socket.write_all(&hello(&secure)[..length]).unwrap();
        halves.push(socket);
    }
    secure.assert_serves();
    drop(halves);
    // The first one had not begun.
    wait_until(|| secure.host.server.stats().tls_handshakes_failed == 4);
    secure.wait_log("the client left in the middle");
}

#[test]
fn garbage_is_refused_and_hurts_nobody() {
    let secure = secure();
    let mut bad_length = hello(&secure);
    bad_length[6] = 0xff;
    let pieces: [&[u8]; 5] = [
        b"\x00\x00\x00\x00\x00\x00",
        b"\x16\x03\x01\xff\xff garbage in the place of a handshake",
        b"\x80\x2e\x01\x00\x02 a hello of SSL 2",
        b"\x15\x03\x03\x00\x02\x02\x28",
        &bad_length,
    ];
    for (count, piece) in (1..).zip(pieces) {
        let mut socket = connect(&secure);
        socket.write_all(piece).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        until_end(&socket);
        wait_until(|| secure.host.server.stats().tls_handshakes_failed == count);
    }
    secure.assert_serves();
}

#[test]
fn plain_http_hears_that_it_is_the_wrong_port() {
    let secure = secure();
    let mut socket = connect(&secure);
    socket.write_all(call_bytes("who").as_bytes()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let reply = String::from_utf8(until_end(&socket)).unwrap();
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    assert!(reply.ends_with("this port speaks TLS: use https:// or wss://\n"), "{reply}");
    secure.wait_log("plain HTTP");
}

#[test]
fn a_probe_is_no_failure() {
    let secure = secure();
    drop(connect(&secure));
    secure.assert_serves();
    wait_until(|| secure.host.server.stats().connections_accepted == 2);
    assert_eq!(secure.host.server.stats().tls_handshakes_failed, 0);
    assert_eq!(secure.log(), "");
}

#[test]
fn a_stop_waits_for_no_handshake() {
    let secure = secure();
    let mut socket = connect(&secure);
    socket.write_all(&hello(&secure)[..50]).unwrap();
    wait_until(|| secure.host.server.stats().connections == 1);
    secure.host.server.stop().unwrap();
    assert_eq!(until_end(&socket), b"");
    assert_eq!(secure.host.server.stats().connections, 0);
}

#[test]
fn connections_above_their_limit_cost_no_handshake() {
    let secure = with_limits(Limits { connections: 1, ..Limits::default() });
    let _first = secure.shake(secure.pki.client(None, BOTH)).unwrap();
    wait_until(|| secure.host.server.stats().tls_handshakes == 1);
    assert_eq!(until_end(&connect(&secure)), b"");
    let stats = secure.host.server.stats();
    assert_eq!((stats.tls_handshakes, stats.connections_refused), (1, 1));
}

#[test]
fn an_end_without_a_close_notify_cancels() {
    let secure = secure();
    let mut stream = secure.pki.connect(&secure.direct);
    send(&mut stream, &call_bytes("hold"));
    let held = secure.held();
    stream.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(cancellation(&held.handle()), CancelReason::Gone);
}

#[test]
fn a_modern_client_that_says_goodbye_has_gone() {
    let secure = secure();
    let mut stream = secure.pki.connect(&secure.direct);
    send(&mut stream, &call_bytes("hold"));
    let held = secure.held();
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock).unwrap();
    assert_eq!(cancellation(&held.handle()), CancelReason::Gone);
}

/// RFC 8446 section 6.1: a close_notify ends one direction only.
#[test]
fn a_legacy_client_may_end_its_side_and_wait() {
    let secure = secure();
    let session = Streamable::open(&secure.host, NEWEST);
    let http = session.post(&call("7", "hold", None));
    let held = secure.held();
    http.half_close();
    held.reply(ToolResult::text("late"));
    assert_eq!(text_of(&http.first().1), "late");
}

#[test]
fn the_end_of_an_idle_connection_is_announced() {
    let secure = with_limits(Limits { idle_time: Duration::from_millis(100), ..Limits::default() });
    let mut stream = secure.shake(secure.pki.client(None, BOTH)).unwrap();
    assert_eq!(rest(&mut stream), (String::new(), true));
}

#[test]
fn a_drain_and_a_stop_end_cleanly() {
    let secure = secure();
    let mut idle = secure.shake(secure.pki.client(None, BOTH)).unwrap();
    // Over here before it is over there: one that is under way is cut off.
    wait_until(|| secure.host.server.stats().tls_handshakes == 1);
    assert!(secure.host.server.drain(PATIENCE).unwrap());
    assert_eq!(rest(&mut idle), (String::new(), true));
    let secure = self::secure();
    let mut stream = secure.pki.connect(&secure.direct);
    send(&mut stream, "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    wait_until(|| secure.host.server.stats().streams == 1);
    secure.host.server.stop().unwrap();
    let (text, is_clean) = rest(&mut stream);
    assert!(text.ends_with("\r\n0\r\n\r\n") && is_clean, "{text} {is_clean}");
}

/// Requests for more than sockets keep: the last bytes wait inside the server.
fn send_three(stream: &mut TlsStream) {
    let request = call_bytes("bulk");
    let last = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    send(stream, &[&*request, &request, &last].concat());
}

#[test]
fn a_slow_reader_gets_everything() {
    let secure = secure();
    let mut stream = secure.pki.connect(&secure.direct);
    send_three(&mut stream);
    wait_until(|| secure.host.server.stats().bytes_out > BULK as u64 / 4);
    let (text, is_clean) = rest(&mut stream);
    assert!(text.matches('x').count() >= 3 * BULK && is_clean, "{} bytes", text.len());
}

#[test]
fn a_client_that_stops_reading_is_cut_and_can_tell() {
    let limits = Limits { write_time: Duration::from_millis(100), ..Limits::default() };
    let secure = with_limits(limits);
    let mut stream = secure.pki.connect(&secure.direct);
    send_three(&mut stream);
    wait_until(|| secure.host.server.stats().writes_stalled == 1);
    wait_until(|| secure.host.server.stats().connections == 0);
    let (text, is_clean) = rest(&mut stream);
    assert!(text.len() < 3 * BULK && !is_clean, "{} bytes, {is_clean}", text.len());
}
