//! Messages whose last byte does not come share one bound, however many clients send them.

mod wire;

use emcp::Limits;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use wire::Host;

/// Room for two halves and not for three.
const HELD: usize = 100 * 1024;
const HALF: usize = 40 * 1024;

fn host() -> Host {
    Host::start(Limits { held_bytes: HELD, body_bytes: HELD, ..Limits::default() })
}

fn head(framing: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{framing}\r\n\r\n"
    )
}

/// The first half of a body, with a length or in one unfinished chunk.
fn half(framing: &str, before: &str) -> String {
    format!("{}{before}{}", head(framing), "x".repeat(HALF))
}

#[test]
fn unfinished_bodies_share_one_bound_and_give_it_back() {
    for (framing, before) in
        [("Content-Length: 90000", ""), ("Transfer-Encoding: chunked", "15F90\r\n")]
    {
        let host = host();
        let mut waiting: Vec<_> = (0..2).map(|_| host.connect()).collect();
        for client in &mut waiting {
            client.send(half(framing, before));
        }
        host.until("both halves have arrived", |stats| stats.held_bytes == 2 * HALF as u64);
        let mut third = host.connect();
        assert_eq!(third.send(half(framing, before)).reply().status, 503, "{framing}");
        third.assert_closed(framing);
        assert!(host.server.stats().messages_crowded_out >= 1);
        host.assert_serves("small requests still fit");
        drop(waiting);
        host.until("what left gave its share back", |stats| stats.held_bytes == 0);
    }
}

#[test]
fn unfinished_websocket_messages_share_the_same_bound() {
    let host = host();
    let fragment = || Frame::message(vec![b'x'; HALF], OpCode::Data(Data::Text), false);
    let mut sockets: Vec<_> = (0..3).map(|_| host.connect().upgrade()).collect();
    for socket in &mut sockets[..2] {
        socket.send(Message::Frame(fragment())).expect("a fragment");
    }
    host.until("both halves have arrived", |stats| stats.held_bytes >= 2 * HALF as u64);
    // Refused while it is still being written, perhaps.
    let _ = sockets[2].send(Message::Frame(fragment()));
    let close = loop {
        match sockets[2].read().expect("a close frame") {
            Message::Close(close) => break close,
            _ => continue,
        }
    };
    assert!(matches!(close, Some(CloseFrame { code, .. }) if u16::from(code) == 1013), "{close:?}");
    drop(sockets);
    host.until("what left gave its share back", |stats| stats.held_bytes == 0);
    host.assert_serves("afterwards");
}
