//! WebSocket on the same path: one text message is one JSON-RPC message, in both eras at once.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::error::{CapacityError, Error as WsError};
use async_tungstenite::tungstenite::handshake::derive_accept_key;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Bytes, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_lite::{StreamExt, future};
use http_types::{Response, StatusCode};

use super::answer;
use super::duplex::{self, SharedStream};
use super::event_stream::StreamSlot;
use super::message::Origin;
use super::metered::Metered;
use crate::clock::Alarm;
use crate::core::Core;
use crate::env::Env;
use crate::http::response::{set_header, text};
use crate::http::{Head, Incoming, Outcome, Socket};
use crate::session::{Close, Frame, Link, Outbox, Session, WhenFull};

/// The subprotocol that SDK clients offer and insist on.
const SUBPROTOCOL: &str = "mcp";

/// What a known bridge sends to keep proxies awake; no JSON, and no answer is expected.
const BRIDGE_PING: &str = "PING";

/// Unanswered pings after which a peer counts as dead.
const PINGS_MAX: u8 = 2;

/// How long a peer may take to answer our close frame.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Answers the upgrade request and takes the connection over.
pub(super) fn upgrade(core: &Arc<Core>, incoming: Incoming) -> Outcome {
    let accept = match accept_key(&incoming.head) {
        Ok(accept) => accept,
        Err(response) => return Outcome::Respond(*response),
    };
    let Some(slot) = StreamSlot::take(&core.env) else {
        return Outcome::Respond(answer::no_stream());
    };
    let mut headers = vec![("upgrade", "websocket".to_owned()), ("sec-websocket-accept", accept)];
    // Echoed only when offered: clients hang up on a missing one and on an uninvited one.
    if incoming.head.has_token("sec-websocket-protocol", SUBPROTOCOL) {
        headers.push(("sec-websocket-protocol", SUBPROTOCOL.to_owned()));
    }
    let (core, remote) = (core.clone(), incoming.peer.address);
    let run = Box::new(move |socket: Socket, early: Vec<u8>| {
        Box::pin(serve(core, socket, early, remote, slot)) as crate::http::BoxFuture<()>
    });
    Outcome::Upgrade { headers, run }
}

/// Checks the handshake (RFC 6455 section 4.2.1) and computes its answer.
fn accept_key(head: &Head) -> Result<String, Box<Response>> {
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

async fn serve(
    core: Arc<Core>,
    socket: Socket,
    early: Vec<u8>,
    remote: Arc<str>,
    _slot: StreamSlot,
) {
    let outbox = Outbox::new(core.env.clone(), WhenFull::Close);
    let Ok(session) = core.sessions.open(Link::Duplex(outbox.clone())) else { return };
    core.changes.subscribe(Arc::downgrade(&session) as _);
    let _open = Open::new(core.clone(), session.clone());
    let config = Some(config(&core.env));
    let socket = Metered::new(socket, core.env.clone());
    let stream = WebSocketStream::from_partially_read(socket, early, Role::Server, config).await;
    let origin =
        Origin { sink: Arc::new(SharedStream(outbox.clone())), transport: "websocket", remote };
    let alarm = core.env.clock.alarm();
    let mut connection = Connection { core, session, outbox, stream, origin, alarm, pings: 0 };
    let close = connection.run().await;
    if let Some((code, reason)) = close {
        connection.close(code, reason).await;
    }
}

/// Buffers that fit thousands of mostly silent peers; the library's own are 128 KiB each.
fn config(env: &Env) -> WebSocketConfig {
    let limit = env.limits.body_bytes;
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = 4 * 1024;
    config.write_buffer_size = 0;
    config.max_write_buffer_size = env.limits.outbox_bytes + 16 * 1024;
    config.max_message_size = Some(limit);
    config.max_frame_size = Some(limit);
    config
}

struct Connection {
    core: Arc<Core>,
    session: Arc<Session>,
    outbox: Arc<Outbox>,
    stream: WebSocketStream<Metered>,
    origin: Origin,
    alarm: Alarm,
    /// Pings since the peer was last heard of.
    pings: u8,
}

/// What happened next.
enum Event {
    Received(Option<Result<Message, WsError>>),
    Send(Result<Frame, Close>),
    Silence,
}

impl Connection {
    /// Runs until the connection ends; says how to close it if the peer can still hear.
    async fn run(&mut self) -> Option<(CloseCode, &'static str)> {
        loop {
            let received = match self.next().await {
                Event::Received(received) => received?,
                Event::Send(Ok(frame)) => {
                    if let Frame::Message { text, .. } | Frame::Reply { text, .. } = frame {
                        self.send(Message::text(&*text)).await?;
                    }
                    continue;
                }
                Event::Send(Err(why)) => return Some(close_code(why)),
                Event::Silence => {
                    self.pings += 1;
                    if self.pings > PINGS_MAX {
                        return None;
                    }
                    self.send(Message::Ping(Bytes::new())).await?;
                    continue;
                }
            };
            self.pings = 0;
            self.stream.get_mut().message_complete();
            match received {
                Ok(Message::Text(text)) => {
                    if text.as_str() != BRIDGE_PING {
                        let bytes = text.as_bytes();
                        duplex::receive(&self.core, &self.session, bytes, &self.origin);
                    }
                }
                Ok(Message::Binary(_)) => {
                    return Some((CloseCode::Unsupported, "send JSON-RPC as text"));
                }
                // The library answers pings and closes by itself.
                Ok(_) => {}
                Err(error) => {
                    let fault = fault(&error);
                    if fault.is_some() {
                        self.core.env.counters.messages_malformed.up();
                    }
                    return fault;
                }
            }
            // One read may bring hundreds of messages; the others get their turn.
            future::yield_now().await;
        }
    }

    async fn next(&mut self) -> Event {
        self.alarm.set(self.core.env.limits.ping_time);
        let Connection { stream, outbox, alarm, .. } = self;
        let received = async { Event::Received(stream.next().await) };
        let send = async { Event::Send(future::poll_fn(|cx| outbox.poll_next(cx)).await) };
        let silence = async {
            alarm.wait().await;
            Event::Silence
        };
        // Receiving comes first so that a cancellation overtakes the answers in the queue, but
        // they take turns: neither a flood in nor a flood out may starve the other.
        future::or(future::race(received, send), silence).await
    }

    /// Sends one message; `None` when the peer has gone or stopped reading.
    async fn send(&mut self, message: Message) -> Option<()> {
        let stall = self.stream.get_ref().stall();
        stall.set(self.core.env.limits.write_time);
        let sent = async { self.stream.send(message).await.ok() };
        let stalled = async {
            stall.wait().await;
            self.core.env.counters.writes_stalled.up();
            None
        };
        let sent = future::or(sent, stalled).await;
        stall.clear();
        sent
    }

    async fn close(&mut self, code: CloseCode, reason: &'static str) {
        self.alarm.set(CLOSE_TIME);
        let Connection { stream, alarm, .. } = self;
        let goodbye = async {
            let _ = stream.close(Some(CloseFrame { code, reason: reason.into() })).await;
            // Read on until the peer has answered, or its data would reset what we sent.
            while let Some(Ok(_)) = stream.next().await {}
        };
        future::or(goodbye, alarm.wait()).await;
    }
}

fn close_code(why: Close) -> (CloseCode, &'static str) {
    match why {
        Close::Done | Close::Session => (CloseCode::Normal, "session ended"),
        Close::Shutdown => (CloseCode::Away, "server is stopping"),
        Close::Overflow => (CloseCode::Policy, "client reads too slowly"),
    }
}

/// How to close on a fault of the peer; `None` when there is nobody left to tell.
fn fault(error: &WsError) -> Option<(CloseCode, &'static str)> {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => {
            Some((CloseCode::Size, "message is too large"))
        }
        WsError::Io(error) if error.kind() == ErrorKind::OutOfMemory => {
            Some((CloseCode::Again, "too many unfinished messages"))
        }
        WsError::Utf8(_) => Some((CloseCode::Invalid, "text is not UTF-8")),
        WsError::Protocol(_) => Some((CloseCode::Protocol, "see RFC 6455")),
        _ => None,
    }
}

/// Counts an open WebSocket and ends its session with it: a WebSocket cannot be resumed, so what
/// runs for it is cancelled.
struct Open {
    core: Arc<Core>,
    session: Arc<Session>,
}

impl Open {
    fn new(core: Arc<Core>, session: Arc<Session>) -> Open {
        core.env.counters.websockets.up();
        Open { core, session }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.core.env.counters.websockets.down();
        self.core.sessions.end(&self.session.id, Close::Done);
    }
}
