//! WebSocket on the same path: one text message is one JSON-RPC message, in both eras at once.

use std::sync::Arc;
use std::task::{Context, Poll};

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_types::{Response, StatusCode};

use super::answer;
use super::event_stream::StreamSlot;
use super::frames::{self, Messages};
use super::text_channel::{Closing, TextChannel, subprotocol};
use crate::core::Core;
use crate::deflate::Agreed;
use crate::http::response::{set_header, text};
use crate::http::{BoxFuture, Head, Incoming, Outcome, Socket};
use crate::peer::Peer;

/// The header of what handshakes agree on beside the protocol itself.
pub(super) const EXTENSIONS: &str = "sec-websocket-extensions";

/// Answers the upgrade request and takes the connection over.
pub(super) fn upgrade(core: &Arc<Core>, incoming: &Incoming) -> Outcome {
    let accept = match accept_key(&incoming.head) {
        Ok(accept) => accept,
        Err(response) => return Outcome::respond(*response),
    };
    let Some(slot) = StreamSlot::take(&core.env) else {
        return Outcome::respond(answer::no_stream());
    };
    let mut headers = vec![("upgrade", "websocket".to_owned()), ("sec-websocket-accept", accept)];
    if let Some(name) = subprotocol(&incoming.head) {
        headers.push(("sec-websocket-protocol", name.to_owned()));
    }
    let deflate = core.compression.agree(&incoming.head);
    headers.extend(deflate.as_ref().map(|agreed| (EXTENSIONS, agreed.header())));
    let (core, peer) = (core.clone(), incoming.peer.clone());
    let run = Box::new(move |socket: Socket, early: Vec<u8>| {
        serve(&core, socket, early, &peer, slot, deflate)
    });
    Outcome::Upgrade { headers, run }
}

/// Checks the handshake (RFC 6455 section 4.2.1) and computes its answer.
pub(super) fn accept_key(head: &Head) -> Result<String, Box<Response>> {
    if head.header("sec-websocket-version") != Some("13") {
        let mut response = text(StatusCode::UpgradeRequired, "WebSocket version 13 is needed");
        set_header(&mut response, "sec-websocket-version", "13");
        return Err(Box::new(response));
    }
    let key = head.header("sec-websocket-key").unwrap_or_default();
    let is_valid = STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16);
    if !is_valid || !head.has_token("connection", "upgrade") {
        let reason = "not a WebSocket handshake: see RFC 6455 section 4.2.1";
        return Err(Box::new(text(StatusCode::BadRequest, reason)));
    }
    Ok(derive_accept_key(key.as_bytes()))
}

fn serve(
    core: &Arc<Core>,
    socket: Socket,
    early: Vec<u8>,
    peer: &Peer,
    slot: StreamSlot,
    deflate: Option<Agreed>,
) -> BoxFuture<()> {
    match TextChannel::open(core, peer, slot) {
        Ok(channel) => Box::pin(frames::serve(core.env.clone(), socket, early, channel, deflate)),
        // No randomness: the client finds its connection closed.
        Err(_) => Box::pin(std::future::ready(())),
    }
}

impl Messages for TextChannel {
    fn receive(&self, message: Message) -> Option<Closing> {
        let Message::Text(text) = message else {
            return Some(Closing::new(1003, "send JSON-RPC as text"));
        };
        TextChannel::receive(self, text.as_str());
        None
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Message, Closing>> {
        TextChannel::poll_next(self, cx).map(|next| next.map(|text| Message::text(&*text)))
    }
}
