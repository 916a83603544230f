//! A secure connection in the place of a socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_lite::io::{AsyncRead, AsyncWrite};
use futures_rustls::server::TlsStream;

use crate::http::{Duplex, Socket};

/// A socket of which the first byte was read to see what it is.
pub(super) struct Opened {
    first: Option<u8>,
    socket: Socket,
}

impl Opened {
    pub(super) fn new(first: u8, socket: Socket) -> Opened {
        Opened { first: Some(first), socket }
    }

    /// The socket, once nobody needs its first byte any more.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if let (Some(first), Some(room)) = (self.first, buf.first_mut()) {
            *room = first;
            self.first = None;
            return Poll::Ready(Ok(1));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Opened {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

/// See the module text. An end of the client's that no `close_notify` announced reads as an error:
/// somebody may have cut off what came before it.
pub(super) struct TlsSocket {
    stream: TlsStream<Opened>,
    /// Nothing can be said any more.
    is_broken: bool,
}

impl TlsSocket {
    pub(super) fn new(stream: TlsStream<Opened>) -> TlsSocket {
        TlsSocket { stream, is_broken: false }
    }

    /// Notes a failure on its way to the caller.
    fn noted<T>(&mut self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.is_broken |= matches!(polled, Poll::Ready(Err(_)));
        polled
    }
}

impl Duplex for TlsSocket {}

impl AsyncRead for TlsSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.noted(read)
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.noted(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.noted(flushed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_close(cx);
        self.noted(closed)
    }
}

impl Drop for TlsSocket {
    fn drop(&mut self) {
        // One try: a client that reads a close_notify knows that nothing was cut off. Not behind a
        // record that is half out.
        if !self.is_broken && !self.stream.get_ref().1.wants_write() {
            let _ = Pin::new(&mut self.stream).poll_close(&mut Context::from_waker(Waker::noop()));
        }
    }
}
