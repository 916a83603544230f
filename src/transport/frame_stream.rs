//! The messages of one WebSocket over its socket. The codec is the library's, and it is there only
//! while it has something to do: a connection at rest keeps no buffers, whatever went through them.

use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::error::Error as WsError;
use async_tungstenite::tungstenite::protocol::frame::Frame;
use async_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use futures_lite::{AsyncRead, AsyncWrite};

use super::frame_ends::FrameEnds;
use super::metered::Metered;
use crate::env::Env;
use crate::http::with_scratch;

/// See the module text.
pub(super) struct FrameStream {
    env: Arc<Env>,
    socket: Metered,
    /// None while nothing is in it: no part of a message, and no answer to a ping or a close.
    codec: Option<WebSocketContext>,
    ends: FrameEnds,
    /// A frame on its way out that the socket did not take at once, up to `sent` it has.
    out: Vec<u8>,
    sent: usize,
    /// A close frame has gone or come; the codec remembers which.
    is_closing: bool,
    /// Nothing more can be read.
    is_over: bool,
}

impl FrameStream {
    /// `early` has the bytes that came behind the handshake.
    pub(super) fn new(env: Arc<Env>, socket: Metered, early: Vec<u8>) -> FrameStream {
        let ends = FrameEnds::default();
        let (codec, out, sent, is_closing, is_over) = (None, Vec::new(), 0, false, false);
        let mut stream = FrameStream { env, socket, codec, ends, out, sent, is_closing, is_over };
        if !early.is_empty() {
            stream.begin(early);
        }
        stream
    }

    pub(super) fn get_ref(&self) -> &Metered {
        &self.socket
    }

    pub(super) fn get_mut(&mut self) -> &mut Metered {
        &mut self.socket
    }

    /// Tells whether something may have arrived that was not handed out yet.
    pub(super) fn has_more(&self) -> bool {
        self.socket.inflates() || !self.is_at_rest()
    }

    /// Tells whether nothing has begun to arrive that was not handed out.
    pub(super) fn is_at_rest(&self) -> bool {
        self.ends.is_read_out()
    }

    /// The next message; `None` once there will be none.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, WsError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_read(cx));
        self.is_over = next.is_err();
        match next {
            Err(WsError::AlreadyClosed | WsError::ConnectionClosed) => Poll::Ready(None),
            next => Poll::Ready(Some(next)),
        }
    }

    /// Sends what is in `message`, and leaves it empty when polled again.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), WsError>> {
        let is_close = matches!(message, Some(Message::Close(_)));
        if is_close || self.codec.is_some() {
            self.is_closing |= is_close;
            return self.poll_send_behind(cx, message);
        }
        // The codec would remember nothing of it.
        if let Some(frame) = message.take().map(frame) {
            self.start(cx, frame)?;
        }
        while self.sent < self.out.len() {
            let socket = Pin::new(&mut self.socket);
            self.sent += some(ready!(socket.poll_write(cx, &self.out[self.sent..]))?)?;
        }
        (self.out, self.sent) = (Vec::new(), 0);
        Pin::new(&mut self.socket).poll_flush(cx).map_err(WsError::from)
    }

    /// Sends it behind what is in the codec.
    fn poll_send_behind(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), WsError>> {
        let config = config(&self.env, ANSWER_BYTES);
        let new = || WebSocketContext::new(Role::Server, Some(config));
        let codec = self.codec.get_or_insert_with(new);
        let mut io = Io { socket: &mut self.socket, ends: &mut self.ends, cx };
        if let Some(message) = message.take() {
            match codec.write(&mut io, message) {
                // Then it is in the buffer of the codec.
                Err(error) if !is_block(&error) => return Poll::Ready(Err(error)),
                _ => {}
            }
        }
        let flushed = codec.flush(&mut io);
        self.poll_rest(flushed)
    }

    /// Writes a frame as far as it goes; what does not is kept.
    fn start(&mut self, cx: &mut Context<'_>, frame: Frame) -> Result<(), WsError> {
        let length = frame.len();
        with_scratch(|bytes| {
            let Some(bytes) = bytes.get_mut(..length) else {
                self.out.reserve_exact(length);
                return frame.format(&mut self.out);
            };
            frame.format(&mut &mut *bytes)?;
            let sent = match Pin::new(&mut self.socket).poll_write(cx, bytes) {
                Poll::Ready(length) => some(length?)?,
                Poll::Pending => 0,
            };
            self.out.extend_from_slice(&bytes[sent..]);
            Ok(())
        })
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, WsError>> {
        loop {
            let Some(codec) = &mut self.codec else {
                let early = match ready!(self.poll_first(cx)) {
                    Ok(early) => early,
                    Err(error) => return Poll::Ready(Err(error.into())),
                };
                if early.is_empty() {
                    return Poll::Ready(Err(WsError::ConnectionClosed));
                }
                self.begin(early);
                continue;
            };
            let mut io = Io { socket: &mut self.socket, ends: &mut self.ends, cx };
            if io.ends.is_read_out() && !self.is_closing {
                // What is left is the answer to a ping. A peer that does not take it is not heard.
                let flushed = codec.flush(&mut io);
                ready!(self.poll_rest(flushed))?;
                continue;
            }
            match codec.read(&mut io) {
                Ok(message) => {
                    self.ends.taken();
                    self.is_closing |= matches!(message, Message::Close(_));
                    let has_answer = self.is_closing || matches!(message, Message::Ping(_));
                    if !has_answer && self.ends.is_read_out() {
                        self.codec = None;
                    }
                    return Poll::Ready(Ok(message));
                }
                Err(error) if is_block(&error) => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Reads the first bytes of what comes next; none at the end.
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        with_scratch(|bytes| {
            let length = ready!(Pin::new(&mut self.socket).poll_read(cx, bytes))?;
            // The codec asks for the room of a payload again when it has read its length.
            let mut early = Vec::with_capacity(2 * length);
            early.extend_from_slice(&bytes[..length]);
            Poll::Ready(Ok(early))
        })
    }

    fn begin(&mut self, early: Vec<u8>) {
        self.ends.follow(&early);
        let has_all = self.ends.is_whole();
        let config = config(&self.env, if has_all { 0 } else { READ_BYTES });
        let codec = WebSocketContext::from_partially_read(early, Role::Server, Some(config));
        self.codec = Some(codec);
    }

    /// Lets the codec go if all has left that is in it.
    fn poll_rest(&mut self, flushed: Result<(), WsError>) -> Poll<Result<(), WsError>> {
        match flushed {
            Err(error) if is_block(&error) => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
            Ok(()) => {}
        }
        if self.ends.is_read_out() && !self.is_closing {
            self.codec = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// `room` is for what the codec reads itself; without, it gets along with what it was given.
fn config(env: &Env, room: usize) -> WebSocketConfig {
    let limit = env.limits.body_bytes;
    let mut config = WebSocketConfig::default();
    config.read_buffer_size = room;
    config.write_buffer_size = 0;
    config.max_write_buffer_size = env.limits.outbox_bytes + 16 * 1024;
    config.max_message_size = Some(limit);
    config.max_frame_size = Some(limit);
    config
}

/// Bytes that the codec reads at once of a message that did not come in one piece.
const READ_BYTES: usize = 4 * 1024;
/// The same of what comes behind our close frame.
const ANSWER_BYTES: usize = 256;

/// The frame that a message goes out as. Closes go through the codec.
fn frame(message: Message) -> Frame {
    match message {
        Message::Text(text) => Frame::message(text, OpCode::Data(Data::Text), true),
        Message::Binary(bytes) => Frame::message(bytes, OpCode::Data(Data::Binary), true),
        Message::Ping(bytes) => Frame::ping(bytes),
        Message::Pong(bytes) => Frame::pong(bytes),
        Message::Close(close) => Frame::close(close),
        Message::Frame(frame) => frame,
    }
}

/// A socket that takes nothing is one that has ended.
fn some(length: usize) -> io::Result<usize> {
    match length {
        0 => Err(ErrorKind::ConnectionReset.into()),
        length => Ok(length),
    }
}

fn is_block(error: &WsError) -> bool {
    matches!(error, WsError::Io(error) if error.kind() == ErrorKind::WouldBlock)
}

/// The socket as the codec wants it: what has to wait is an error, and the task is woken.
struct Io<'a, 'b> {
    socket: &'a mut Metered,
    ends: &'a mut FrameEnds,
    cx: &'a mut Context<'b>,
}

impl Read for Io<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = done(Pin::new(&mut *self.socket).poll_read(self.cx, buffer))?;
        self.ends.follow(&buffer[..length]);
        Ok(length)
    }
}

impl Write for Io<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        done(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        done(Pin::new(&mut *self.socket).poll_flush(self.cx))
    }
}

fn done<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(ErrorKind::WouldBlock.into()),
    }
}
