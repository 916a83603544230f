//! All kinds of connection as one type. Knows nothing about HTTP.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_io::Async;
use futures_lite::io::{AsyncRead, AsyncWrite};

/// A connected stream socket, or what the host brings in the place of one.
pub(crate) struct Socket {
    stream: Stream,
    /// Reads in a row that did not have to wait.
    eager_reads: u8,
    /// The last read took all that was there: the next one waits first, because trying would most
    /// likely be in vain.
    is_drained: bool,
}

enum Stream {
    Tcp(Async<TcpStream>),
    Unix(Async<UnixStream>),
    Foreign(Box<dyn Duplex>),
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Foreign(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

/// A stream that is no socket of ours: TLS of the host, or a pipe in memory. `poll_close` ends our
/// side; the stream itself ends when it is dropped.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

/// Reads in a row before every other connection gets its turn. A client that sends without a pause
/// is always ready, and readers that loop until they have a whole message would never give way.
const EAGER_READS: u8 = 16;

impl From<Async<TcpStream>> for Socket {
    fn from(stream: Async<TcpStream>) -> Socket {
        // Replies go out in whole writes, so Nagle's delay buys nothing. A socket that refuses the
        // option is one whose peer has left, and the first read tells.
        let _ = stream.get_ref().set_nodelay(true);
        Socket::new(Stream::Tcp(stream))
    }
}

impl From<Async<UnixStream>> for Socket {
    fn from(stream: Async<UnixStream>) -> Socket {
        Socket::new(Stream::Unix(stream))
    }
}

impl From<Box<dyn Duplex>> for Socket {
    fn from(stream: Box<dyn Duplex>) -> Socket {
        Socket::new(Stream::Foreign(stream))
    }
}

impl Socket {
    fn new(stream: Stream) -> Socket {
        Socket { stream, eager_reads: 0, is_drained: false }
    }

    /// Ready when a read is worth trying.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.stream {
            Stream::Tcp(stream) if self.is_drained => stream.poll_readable(cx),
            // Peers on Unix sockets are few: a try in vain costs less than a turn of the reactor.
            _ => Poll::Ready(Ok(())),
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
        if this.eager_reads == EAGER_READS {
            this.eager_reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = match this.poll_readable(cx) {
            Poll::Ready(Ok(())) => this.stream.poll_read(cx, buf),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        this.eager_reads = if read.is_ready() { this.eager_reads + 1 } else { 0 };
        this.is_drained = match &read {
            Poll::Ready(Ok(length)) => *length < buf.len(),
            Poll::Ready(Err(_)) => false,
            Poll::Pending => true,
        };
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Foreign(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Foreign(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    /// Ends our side; the peer reads end-of-file after the last byte.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // `Async` only flushes here, which would leave the peer waiting for end-of-file.
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
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    use std::net::TcpListener;

    #[test]
    fn tcp_goes_without_nagle_and_close_is_end_of_file() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let server = Async::new(listener.accept().unwrap().0).unwrap();
        let mut server = Socket::from(server);
        let mut client = Socket::from(Async::new(client).unwrap());
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
        let mut server = Socket::from(Async::new(server).unwrap());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut ready = || Pin::new(&mut server).poll_read(&mut cx, &mut [0]).is_ready();
        let turns: Vec<bool> = (0..=2 * EAGER_READS).map(|_| ready()).collect();
        assert_eq!(turns.iter().filter(|ready| !**ready).count(), 1);
        assert!(!turns[usize::from(EAGER_READS)]);
    }
}
