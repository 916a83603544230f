//! The two kinds of connection as one type. Knows nothing about HTTP.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_io::Async;
use futures_lite::io::{AsyncRead, AsyncWrite};

/// A connected stream socket.
pub(crate) enum Socket {
    Tcp(Async<TcpStream>),
    Unix(Async<UnixStream>),
}

impl From<Async<TcpStream>> for Socket {
    fn from(stream: Async<TcpStream>) -> Socket {
        // Replies go out in whole writes, so Nagle's delay buys nothing. A socket that refuses the
        // option is one whose peer has left, and the first read tells.
        let _ = stream.get_ref().set_nodelay(true);
        Socket::Tcp(stream)
    }
}

impl From<Async<UnixStream>> for Socket {
    fn from(stream: Async<UnixStream>) -> Socket {
        Socket::Unix(stream)
    }
}

impl Socket {
    /// Ends our side; the peer reads end-of-file after the last byte.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.get_ref().shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.get_ref().shutdown(Shutdown::Write),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // `Async` only flushes here, which would leave the peer waiting for end-of-file.
        match self.shutdown_write() {
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
        let Socket::Tcp(stream) = &server else { panic!("not a TCP socket") };
        assert!(stream.get_ref().nodelay().unwrap());
        let mut text = String::new();
        async_io::block_on(async {
            server.write_all(b"bye").await.unwrap();
            server.close().await.unwrap();
            client.read_to_string(&mut text).await.unwrap();
        });
        assert_eq!(text, "bye");
    }
}
