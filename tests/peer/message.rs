//! A peer whose WebSocket the host speaks, as a test drives it.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::task::Poll;

use emcp::{Closing, MessagePeer, ParsedRequest, ReadyFn};
use serde_json::{Value, json};

use super::{Host, NEWEST, PATIENCE, initialize, notification, parse, request};

/// No handshake: the host vouches for the peer.
pub(crate) const TRUSTED: ParsedRequest<'static> = ParsedRequest {
    method: "",
    target: "",
    version: "",
    headers: &[],
    remote: "lamp",
    is_local: false,
    principal: "",
    scopes: None,
};

/// The handshake of a browser on this machine.
pub(crate) const HANDSHAKE: ParsedRequest<'static> = ParsedRequest {
    method: "GET",
    target: "/mcp",
    headers: &[("Host", b"localhost:1"), ("Origin", b"http://localhost:1")],
    ..TRUSTED
};

pub(crate) fn open(host: &Host) -> MessagePeer {
    host.server.open_peer(&TRUSTED, None).expect("a trusted peer comes in")
}

/// Opens a peer that has shaken hands in the newest legacy revision.
pub(crate) fn legacy(host: &Host) -> MessagePeer {
    let peer = open(host);
    send(&peer, &initialize("0", NEWEST));
    assert_eq!(next(&peer)["id"], 0);
    send(&peer, &notification("notifications/initialized", &json!({})));
    peer
}

#[track_caller]
pub(crate) fn send(peer: &MessagePeer, text: &str) {
    peer.feed(text.as_bytes(), true).expect("the peer is open");
}

/// The next message, or how to close.
#[track_caller]
pub(crate) fn take(peer: &MessagePeer) -> Result<String, Closing> {
    loop {
        match peer.take() {
            Poll::Ready(taken) => return taken.map(|text| text.to_string()),
            Poll::Pending => assert!(peer.wait(PATIENCE), "nothing came"),
        }
    }
}

#[track_caller]
pub(crate) fn next(peer: &MessagePeer) -> Value {
    parse(take(peer).expect("the peer is open"))
}

/// Everything up to the end, and its code.
#[track_caller]
pub(crate) fn until_closed(peer: &MessagePeer) -> (Vec<Value>, u16) {
    let mut messages = Vec::new();
    loop {
        match take(peer) {
            Ok(text) => messages.push(parse(text)),
            Err(closing) => return (messages, closing.code),
        }
    }
}

#[track_caller]
pub(crate) fn assert_idle(peer: &MessagePeer) {
    assert!(peer.take().is_pending(), "nothing is to be said");
}

pub(crate) fn ping(id: &str) -> String {
    request(id, "ping", &json!({}))
}

/// A `ready` function and what hears of it.
pub(crate) fn bell() -> (ReadyFn, Receiver<()>) {
    let (sender, rings) = channel();
    let sender = Mutex::new(sender);
    let ready: ReadyFn = Box::new(move || {
        // The test may have seen enough.
        let _ = sender.lock().unwrap().send(());
    });
    (ready, rings)
}
