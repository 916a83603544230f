//! A socket that somebody else reads and writes, with our counters and our stall deadline.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_tungstenite::tungstenite::Message;
use futures_lite::{AsyncRead, AsyncWrite};

use crate::clock::Alarm;
use crate::deflate::{Agreed, Deflated};
use crate::env::Env;
use crate::held::Held;
use crate::http::Socket;

/// The socket under a WebSocket.
pub(super) struct Metered {
    socket: Socket,
    env: Arc<Env>,
    /// Moved on whenever bytes go out: a slow reader of a large message is no stalled one.
    stall: Arc<Alarm>,
    /// What has arrived of the message under way.
    held: Held,
    /// Only where compression was agreed on.
    deflated: Option<Box<Deflated>>,
}

impl Metered {
    pub(super) fn new(socket: Socket, env: Arc<Env>) -> Metered {
        let stall = Arc::new(env.clock.alarm());
        Metered { socket, held: Held::new(env.clone()), env, stall, deflated: None }
    }

    /// Has whoever reads see compressed messages as plain ones, also those in `early`, which has
    /// been read already.
    pub(super) fn inflate(&mut self, agreed: Agreed, early: Vec<u8>) {
        self.deflated = Some(agreed.start(early, &self.env));
    }

    /// Tells whether compressed messages may wait in it.
    pub(super) fn inflates(&self) -> bool {
        self.deflated.is_some()
    }

    /// The form in which to send `message`.
    pub(super) fn packed(&self, message: Message) -> Message {
        match &self.deflated {
            Some(deflated) => deflated.packed(message),
            None => message,
        }
    }

    /// Notes that the message under way is complete.
    pub(super) fn message_complete(&mut self) {
        self.held.clear();
    }

    /// The deadline for the next byte to go out, for whoever waits for a message to be sent.
    pub(super) fn stall(&self) -> Arc<Alarm> {
        self.stall.clone()
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        self.env.counters.bytes_in.add(length as u64);
        if !self.held.grow_by(length) {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        while let Some(deflated) = &mut self.deflated {
            match deflated.take(buffer) {
                Ok(0) => {}
                Ok(length) => return Poll::Ready(Ok(length)),
                Err(fault) => {
                    // What comes behind it is read to be thrown away.
                    self.deflated = None;
                    return Poll::Ready(Err(fault.into()));
                }
            }
            let length = ready!(self.poll_socket(cx, buffer))?;
            if length == 0 {
                return Poll::Ready(Ok(0));
            }
            if let Some(deflated) = &mut self.deflated {
                deflated.feed(&buffer[..length]);
            }
        }
        self.poll_socket(cx, buffer)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.env.counters.bytes_out.add(length as u64);
        self.stall.set(self.env.limits.write_time);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}
