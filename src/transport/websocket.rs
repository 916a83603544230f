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
use futures_lite::{AsyncReadExt, StreamExt, future};
use http_types::{Response, StatusCode};

use super::answer;
use super::event_stream::StreamSlot;
use super::metered::Metered;
use super::text_channel::{Closing, TextChannel, subprotocol};
use crate::clock::Alarm;
use crate::core::Core;
use crate::env::Env;
use crate::http::response::{set_header, text};
use crate::http::{Head, Incoming, Outcome, Peer, Socket};

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
    if let Some(name) = subprotocol(&incoming.head) {
        headers.push(("sec-websocket-protocol", name.to_owned()));
    }
    let (core, peer) = (core.clone(), incoming.peer);
    let run = Box::new(move |socket: Socket, early: Vec<u8>| {
        Box::pin(serve(core, socket, early, peer, slot)) as crate::http::BoxFuture<()>
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

async fn serve(core: Arc<Core>, socket: Socket, early: Vec<u8>, peer: Peer, slot: StreamSlot) {
    let Ok(channel) = TextChannel::open(&core, &peer, slot) else { return };
    let env = core.env.clone();
    let config = Some(config(&env));
    let socket = Metered::new(socket, env.clone());
    let stream = WebSocketStream::from_partially_read(socket, early, Role::Server, config).await;
    let alarm = env.clock.alarm();
    let mut connection = Connection { env, stream, channel, alarm, pings: 0, is_broken: false };
    if let Some(closing) = connection.run().await {
        connection.close(closing).await;
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
    env: Arc<Env>,
    stream: WebSocketStream<Metered>,
    channel: TextChannel,
    alarm: Alarm,
    /// Pings since the peer was last heard of.
    pings: u8,
    /// The peer has broken the rules and may still be at it: what it sends is no message.
    is_broken: bool,
}

/// What happened next.
enum Event {
    Received(Option<Result<Message, WsError>>),
    Send(Result<Arc<str>, Closing>),
    Silence,
}

impl Connection {
    /// Runs until the connection ends; says how to close it if the peer can still hear.
    async fn run(&mut self) -> Option<Closing> {
        loop {
            let received = match self.next().await {
                Event::Received(received) => received?,
                Event::Send(Ok(text)) => {
                    self.send(Message::text(&*text)).await?;
                    continue;
                }
                Event::Send(Err(closing)) => return Some(closing),
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
                Ok(Message::Text(text)) => self.channel.receive(text.as_str()),
                Ok(Message::Binary(_)) => {
                    return Some(Closing::new(1003, "send JSON-RPC as text"));
                }
                Ok(Message::Close(_)) => {
                    self.answer_close().await;
                    return None;
                }
                // The library answers pings by itself.
                Ok(_) => {}
                Err(error) => {
                    let fault = fault(&error);
                    if fault.is_some() {
                        self.env.counters.messages_malformed.up();
                        self.is_broken = true;
                    }
                    return fault;
                }
            }
            // One read may bring hundreds of messages; the others get their turn.
            future::yield_now().await;
        }
    }

    async fn next(&mut self) -> Event {
        self.alarm.set(self.env.limits.ping_time);
        let Connection { stream, channel, alarm, .. } = self;
        let received = async { Event::Received(stream.next().await) };
        let send = async { Event::Send(future::poll_fn(|cx| channel.poll_next(cx)).await) };
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
        stall.set(self.env.limits.write_time);
        let sent = async { self.stream.send(message).await.ok() };
        let stalled = async {
            stall.wait().await;
            self.env.counters.writes_stalled.up();
            None
        };
        let sent = future::or(sent, stalled).await;
        stall.clear();
        sent
    }

    /// Sends the answer to the peer's close frame, which the library has made and flushes when it
    /// reads on. A message of ours in between would be an error, and the answer lost (RFC 6455
    /// section 5.5.1).
    async fn answer_close(&mut self) {
        self.alarm.set(CLOSE_TIME);
        let Connection { stream, alarm, .. } = self;
        let answered = async { while let Some(Ok(_)) = stream.next().await {} };
        future::or(answered, alarm.wait()).await;
    }

    async fn close(&mut self, Closing { code, reason }: Closing) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.alarm.set(CLOSE_TIME);
        let left = self.env.limits.body_bytes.saturating_mul(2);
        let Connection { stream, alarm, is_broken, .. } = self;
        let goodbye = async {
            let _ = stream.close(Some(frame)).await;
            // Read on until the peer has answered, or its data would reset what we sent.
            if *is_broken {
                return discard(stream.get_mut(), left).await;
            }
            while let Some(Ok(_)) = stream.next().await {}
        };
        future::or(goodbye, alarm.wait()).await;
    }
}

/// Reads up to `left` bytes of a peer that is still in the middle of its message: it looks at our
/// close frame when it has sent it all.
async fn discard(socket: &mut Metered, mut left: usize) {
    // Not on the stack, which every WebSocket has.
    let mut bytes = vec![0; 4 * 1024];
    while left > 0 {
        match socket.read(&mut bytes).await {
            Ok(length @ 1..) => left = left.saturating_sub(length),
            _ => return,
        }
        socket.message_complete();
    }
}

/// How to close on a fault of the peer; `None` when there is nobody left to tell.
fn fault(error: &WsError) -> Option<Closing> {
    match error {
        WsError::Capacity(CapacityError::MessageTooLong { .. }) => Some(Closing::TOO_LARGE),
        WsError::Io(error) if error.kind() == ErrorKind::OutOfMemory => Some(Closing::CROWDED),
        WsError::Utf8(_) => Some(Closing::NOT_UTF8),
        WsError::Protocol(_) => Some(Closing::new(1002, "see RFC 6455")),
        _ => None,
    }
}
