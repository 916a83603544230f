//! One WebSocket behind its handshake: frames in and out, pings, closes. Knows no sessions.

use std::io::ErrorKind;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_tungstenite::tungstenite::error::{CapacityError, Error as WsError, ProtocolError};
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Bytes, Message};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

use super::frame_stream::FrameStream;
use super::metered::Metered;
use super::text_channel::Closing;
use crate::clock::Alarm;
use crate::deflate::{Agreed, Fault};
use crate::env::Env;
use crate::http::Socket;

/// Unanswered pings after which a peer counts as dead.
const PINGS_MAX: u8 = 2;

/// How long a peer may take to answer our close frame, or to read our answer to its own.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Who speaks over the frames.
pub(super) trait Messages: Send + Sync {
    /// Takes one text or binary message; tells how to close on one that cannot be taken.
    fn receive(&self, message: Message) -> Option<Closing>;

    /// The next message for the peer, or why there will be none.
    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Message, Closing>>;
}

/// Carries messages until the connection ends; `deflate` is what the handshake has agreed on.
pub(super) fn serve<M: Messages>(
    env: Arc<Env>,
    socket: Socket,
    mut early: Vec<u8>,
    messages: M,
    deflate: Option<Agreed>,
) -> impl Future<Output = ()> + Send {
    let mut socket = Metered::new(socket, env.clone());
    if let Some(agreed) = deflate {
        socket.inflate(agreed, std::mem::take(&mut early));
    }
    let stream = FrameStream::new(env.clone(), socket, early);
    let alarm = env.clock.alarm();
    let (pings, is_broken, is_send_next) = (0, false, false);
    // Outside the future, which would keep the arguments beside it.
    let mut connection =
        Connection { env, stream, messages, alarm, pings, is_broken, is_send_next };
    async move {
        if let Some(closing) = connection.run().await {
            Box::pin(connection.close(closing)).await;
        }
    }
}

struct Connection<M> {
    env: Arc<Env>,
    stream: FrameStream,
    messages: M,
    alarm: Alarm,
    /// Pings since the peer was last heard of.
    pings: u8,
    /// The peer has broken the rules and may still be at it: what it sends is no message.
    is_broken: bool,
    /// It is the turn of what is to be sent.
    is_send_next: bool,
}

/// What happened next.
enum Event {
    Received(Option<Result<Message, WsError>>),
    Send(Result<Message, Closing>),
    Silence,
}

impl<M: Messages> Connection<M> {
    /// Runs until the connection ends; says how to close it if the peer can still hear.
    async fn run(&mut self) -> Option<Closing> {
        loop {
            let received = match self.next().await {
                Event::Received(received) => received?,
                Event::Send(Ok(message)) => {
                    self.send(message).await?;
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
            // A ping between two frames of a message leaves what has arrived of it counted.
            let is_aside = matches!(received, Ok(Message::Ping(_) | Message::Pong(_)));
            if !is_aside || self.stream.is_at_rest() {
                self.stream.get_mut().message_complete();
            }
            match received {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                    if let Some(closing) = self.messages.receive(message) {
                        return Some(closing);
                    }
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
            if self.stream.has_more() {
                future::yield_now().await;
            }
        }
    }

    async fn next(&mut self) -> Event {
        self.alarm.set(self.env.limits.ping_time);
        let event = future::poll_fn(|cx| self.poll_event(cx)).await;
        // Receiving comes first so that a cancellation overtakes the answers in the queue, but
        // they take turns: neither a flood in nor a flood out may starve the other.
        self.is_send_next = matches!(event, Event::Received(_));
        event
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.is_send_next
            && let Poll::Ready(message) = self.messages.poll_next(cx)
        {
            return Poll::Ready(Event::Send(message));
        }
        if let Poll::Ready(received) = self.stream.poll_next(cx) {
            return Poll::Ready(Event::Received(received));
        }
        if !self.is_send_next
            && let Poll::Ready(message) = self.messages.poll_next(cx)
        {
            return Poll::Ready(Event::Send(message));
        }
        self.alarm.poll(cx).map(|()| Event::Silence)
    }

    /// Sends one message; `None` when the peer has gone or stopped reading.
    async fn send(&mut self, message: Message) -> Option<()> {
        let message = self.stream.get_ref().packed(message);
        let stall = self.stream.get_ref().stall();
        stall.set(self.env.limits.write_time);
        let mut message = Some(message);
        let sent = future::poll_fn(|cx| {
            if let Poll::Ready(sent) = self.stream.poll_send(cx, &mut message) {
                return Poll::Ready(sent.ok());
            }
            stall.poll(cx).map(|()| {
                self.env.counters.writes_stalled.up();
                None
            })
        });
        let sent = sent.await;
        stall.clear();
        sent
    }

    /// Sends the answer to the peer's close frame, which the library has made and flushes when it
    /// reads on. A message of ours in between would be an error, and the answer lost (RFC 6455
    /// section 5.5.1).
    async fn answer_close(&mut self) {
        self.alarm.set(CLOSE_TIME);
        let Connection { stream, alarm, .. } = self;
        let answered = drain(stream);
        future::or(answered, alarm.wait()).await;
    }

    async fn close(&mut self, Closing { code, reason }: Closing) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.alarm.set(CLOSE_TIME);
        let left = self.env.limits.body_bytes.saturating_mul(2);
        let Connection { stream, alarm, is_broken, .. } = self;
        let goodbye = async {
            let mut frame = Some(Message::Close(Some(frame)));
            let _ = future::poll_fn(|cx| stream.poll_send(cx, &mut frame)).await;
            // Read on until the peer has answered, or its data would reset what we sent.
            if *is_broken {
                // RFC 6455 section 7.1.7: its answer counts for nothing, so the server ends the
                // connection first, and nobody waits for the other.
                let _ = stream.get_mut().close().await;
                return discard(stream.get_mut(), left).await;
            }
            drain(stream).await;
        };
        future::or(goodbye, alarm.wait()).await;
    }
}

/// Reads on until the peer has nothing more to say.
async fn drain(stream: &mut FrameStream) {
    while let Some(Ok(_)) = future::poll_fn(|cx| stream.poll_next(cx)).await {}
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
        WsError::Io(error) => Fault::of(error).map(closing),
        WsError::Utf8(_) => Some(Closing::NOT_UTF8),
        // It has left without a word, as many do; that is no fault.
        WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        WsError::Protocol(_) => Some(Closing::new(1002, "see RFC 6455")),
        _ => None,
    }
}

/// How to close on a compressed message that cannot be read.
fn closing(fault: Fault) -> Closing {
    match fault {
        Fault::TooLarge => Closing::TOO_LARGE,
        Fault::BadData => Closing::new(1007, "compressed data is broken"),
        Fault::Protocol => Closing::new(1002, "see RFC 7692"),
        Fault::Crowded => Closing::CROWDED,
    }
}
