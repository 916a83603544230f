//! All kinds of connection as one type. Knows nothing about HTTP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::{AsyncRead, AsyncWrite};

use crate::readiness::{Interest, Readiness, Watched};

/// A connected stream socket, or what the host brings in the place of one.
pub(crate) struct Socket {
    stream: Stream,
    /// Reads in a row that did not have to wait.
    eager_reads: u8,
    /// The last read was put off so that others get their turn.
    is_pausing: bool,
}

enum Stream {
    Tcp(Watched<TcpStream>),
    Unix(Watched<UnixStream>),
    Foreign(Box<dyn Duplex>),
}

/// A stream that is no socket of ours: TLS of the host, or a pipe in memory. `poll_close` ends our
/// side; the stream itself ends when it is dropped.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

/// Reads in a row before every other connection gets its turn. A client that sends without a pause
/// is always ready, and readers that loop until they have a whole message would never give way.
const EAGER_READS: u8 = 16;

impl From<Box<dyn Duplex>> for Socket {
    fn from(stream: Box<dyn Duplex>) -> Socket {
        Socket::new(Stream::Foreign(stream))
    }
}

impl Socket {
    /// # Errors
    /// As for [`Watched::new`].
    pub(crate) fn tcp(stream: TcpStream, readiness: &Arc<Readiness>) -> io::Result<Socket> {
        stream.set_nonblocking(true)?;
        // Replies go out in whole writes, so Nagle's delay buys nothing. A socket that refuses the
        // option is one whose peer has left, and the first read tells.
        let _ = stream.set_nodelay(true);
        Watched::new(stream, readiness).map(|stream| Socket::new(Stream::Tcp(stream)))
    }

    /// # Errors
    /// As for [`Watched::new`].
    pub(crate) fn unix(stream: UnixStream, readiness: &Arc<Readiness>) -> io::Result<Socket> {
        stream.set_nonblocking(true)?;
        Watched::new(stream, readiness).map(|stream| Socket::new(Stream::Unix(stream)))
    }

    /// One that nobody is told of: reads and writes that would have to wait do so for ever.
    #[cfg(test)]
    pub(crate) fn unwatched(stream: UnixStream) -> Socket {
        Socket::unix(stream, &Readiness::new().unwrap()).unwrap()
    }

    fn new(stream: Stream) -> Socket {
        Socket { stream, eager_reads: 0, is_pausing: false }
    }

    /// Tells whether the last read came to nothing although there may be bytes.
    pub(crate) fn is_pausing(&self) -> bool {
        self.is_pausing
    }

    fn poll_read_stream(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buf.len();
        let is_all = |length: &usize| *length < room;
        match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.poll_with(Interest::Read, cx, |mut socket| socket.read(buf), is_all)
            }
            Stream::Unix(stream) => {
                stream.poll_with(Interest::Read, cx, |mut socket| socket.read(buf), is_all)
            }
            Stream::Foreign(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.is_pausing = this.eager_reads == EAGER_READS;
        if this.is_pausing {
            this.eager_reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = this.poll_read_stream(cx, buf);
        this.eager_reads = if read.is_ready() { this.eager_reads + 1 } else { 0 };
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // What stopped a short write is for the next try to find: only then is room asked for.
        let may_have_room = |_: &usize| false;
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => {
                stream.poll_with(Interest::Write, cx, |mut socket| socket.write(buf), may_have_room)
            }
            Stream::Unix(stream) => {
                stream.poll_with(Interest::Write, cx, |mut socket| socket.write(buf), may_have_room)
            }
            Stream::Foreign(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            // What a socket has taken is on its way.
            Stream::Tcp(_) | Stream::Unix(_) => Poll::Ready(Ok(())),
            Stream::Foreign(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Ends our side; the peer reads end-of-file after the last byte.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shutdown = match &mut self.get_mut().stream {
            Stream::Tcp(stream) => stream.get_ref().shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.get_ref().shutdown(Shutdown::Write),
            Stream::Foreign(stream) => return Pin::new(stream).poll_close(cx),
        };
        match shutdown {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_io::Async;
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    use std::net::TcpListener;

    #[test]
    fn tcp_goes_without_nagle_and_close_is_end_of_file() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let readiness = Readiness::new().unwrap();
        let mut server = Socket::tcp(listener.accept().unwrap().0, &readiness).unwrap();
        let mut client = Async::new(client).unwrap();
        let Stream::Tcp(stream) = &server.stream else { panic!("not a TCP socket") };
        assert!(stream.get_ref().nodelay().unwrap());
        let mut text = String::new();
        async_io::block_on(async {
            server.write_all(b"bye").await.unwrap();
            server.close().await.unwrap();
            client.read_to_string(&mut text).await.unwrap();
        });
        assert_eq!(text, "bye");
    }

    #[test]
    fn a_flood_gives_way_now_and_then() {
        let (server, mut client) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut client, &[7; 100]).unwrap();
        let mut server = Socket::unwatched(server);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut ready = || Pin::new(&mut server).poll_read(&mut cx, &mut [0]).is_ready();
        let turns: Vec<bool> = (0..=2 * EAGER_READS).map(|_| ready()).collect();
        assert_eq!(turns.iter().filter(|ready| !**ready).count(), 1);
        assert!(!turns[usize::from(EAGER_READS)]);
    }
}
