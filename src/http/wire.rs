//! One socket with what has been read from it and the deadline of the present phase.
//!
//! Moves bytes and counts them. Knows neither heads nor bodies.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::Socket;
use crate::clock::Alarm;
use crate::env::Env;

/// The connection is of no more use: the client has gone, or it stopped reading.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost;

/// What waiting for bytes came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Bytes,
    /// The deadline has passed.
    Late,
    /// No byte will come any more.
    Never,
}

/// How a client leaves.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Departure {
    /// It ended its side; it may still read.
    HalfClosed,
    Reset,
}

/// See the module text.
pub(super) struct Wire {
    socket: Socket,
    /// Read and not consumed. Holds no memory while it is empty and the connection idle.
    inbuf: Vec<u8>,
    /// At most one phase uses it at a time.
    alarm: Alarm,
    env: Arc<Env>,
    /// The client ended its side; reading again would only say so again.
    at_end: bool,
    /// A write waits for the client, and `alarm` is its deadline.
    is_stalled: bool,
}

impl Wire {
    /// Wraps `socket`; `early` has the bytes that somebody else has read from it.
    pub(super) fn new(socket: Socket, early: Vec<u8>, env: Arc<Env>) -> Wire {
        let alarm = env.clock.alarm();
        env.counters.bytes_in.add(early.len() as u64);
        Wire { socket, inbuf: early, alarm, env, at_end: false, is_stalled: false }
    }

    /// Starts a phase that may take `limit` in all.
    pub(super) fn start_deadline(&self, limit: Duration) {
        self.alarm.set(limit);
    }

    pub(super) fn end_deadline(&self) {
        self.alarm.clear();
    }

    /// Ready once the deadline has passed.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.alarm.poll(cx)
    }

    /// Takes `length` bytes off the front; they are in [`buffered`](Self::buffered).
    pub(super) fn consume(&mut self, length: usize) {
        if length >= self.inbuf.len() {
            self.inbuf.clear();
        } else {
            self.inbuf.drain(..length);
        }
    }

    /// Takes up to `limit` bytes off the front.
    pub(super) fn take(&mut self, limit: usize) -> Vec<u8> {
        let rest = self.inbuf.split_off(limit.min(self.inbuf.len()));
        std::mem::replace(&mut self.inbuf, rest)
    }

    /// Gives the memory of an empty buffer back.
    pub(super) fn release(&mut self) {
        if self.inbuf.is_empty() {
            self.inbuf = Vec::new();
        }
    }

    /// Waits until more bytes are buffered.
    pub(super) async fn more(&mut self) -> Arrival {
        poll_fn(|cx| self.poll_more(cx)).await
    }

    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Arrival> {
        self.poll_arrival(cx, None)
    }

    /// Waits until more bytes have been added to `body`, which ends at `length`.
    pub(super) async fn more_into(&mut self, body: &mut Vec<u8>, length: usize) -> Arrival {
        poll_fn(|cx| self.poll_arrival(cx, Some((&mut *body, length)))).await
    }

    /// Ready once the client leaves. What it sends until then is buffered up to a bound, and
    /// behind the bound its leaving is only seen by a failed write.
    pub(super) fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<Departure> {
        while !self.at_end {
            let room = PIPELINE_BYTES.saturating_sub(self.inbuf.len());
            if room == 0 {
                return Poll::Pending;
            }
            match ready!(self.poll_read(cx, None, room)) {
                Ok(0) => self.at_end = true,
                Ok(_) => {}
                Err(_) => return Poll::Ready(Departure::Reset),
            }
        }
        Poll::Ready(Departure::HalfClosed)
    }

    /// Writes some of `bytes`. The deadline counts from the last byte that moved.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Lost>> {
        match Pin::new(&mut self.socket).poll_write(cx, bytes) {
            Poll::Ready(Ok(length)) if length > 0 => {
                self.env.counters.bytes_out.add(length as u64);
                self.is_stalled = false;
                self.alarm.clear();
                Poll::Ready(Ok(length))
            }
            Poll::Ready(_) => Poll::Ready(Err(Lost)),
            Poll::Pending => self.poll_stall(cx).map(Err),
        }
    }

    /// Waits until what was written has left, with the deadline of a write. A socket takes bytes
    /// for good; TLS may still hold the last record, and nobody would send it while we wait.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        match Pin::new(&mut self.socket).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                if self.is_stalled {
                    self.is_stalled = false;
                    self.alarm.clear();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(Lost)),
            Poll::Pending => self.poll_stall(cx).map(Err),
        }
    }

    /// Writes all of `bytes`.
    pub(super) async fn write_all(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        let mut sent = 0;
        while sent < bytes.len() {
            sent += poll_fn(|cx| self.poll_write(cx, &bytes[sent..])).await?;
        }
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Ends our side and waits, within bounds, until the client has read the last reply.
    ///
    /// Closing with unread bytes in the socket would reset the connection, and a reset makes the
    /// client lose a reply that it has not read yet (RFC 9112 section 9.6).
    ///
    /// `unread_body`: bytes that may still come of a body which nobody wants; its client reads the
    /// reply when it has sent it all.
    pub(super) async fn linger(&mut self, unread_body: usize) {
        self.alarm.set(LINGER_TIME);
        if self.end_our_side().await.is_err() || self.at_end {
            return;
        }
        let mut left = LINGER_BYTES.saturating_add(unread_body);
        loop {
            self.inbuf.clear();
            if self.more().await != Arrival::Bytes {
                return;
            }
            left = left.saturating_sub(self.inbuf.len());
            if left == 0 {
                return;
            }
        }
    }

    /// Ends our side before the deadline. A socket does so at once; TLS may have to wait.
    async fn end_our_side(&mut self) -> Result<(), Lost> {
        poll_fn(|cx| match Pin::new(&mut self.socket).poll_close(cx) {
            Poll::Ready(ended) => Poll::Ready(ended.map_err(|_| Lost)),
            Poll::Pending => self.alarm.poll(cx).map(|()| Err(Lost)),
        })
        .await
    }

    /// What has been read and not consumed.
    pub(super) fn buffered(&self) -> &[u8] {
        &self.inbuf
    }

    /// Tells whether the client ended its side.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end
    }

    /// Gives the socket away, with the bytes that were read too early.
    pub(super) fn into_parts(self) -> (Socket, Vec<u8>) {
        (self.socket, self.inbuf)
    }

    /// Ready when the client has taken nothing for too long.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Lost> {
        if !self.is_stalled {
            self.is_stalled = true;
            self.alarm.set(self.env.limits.write_time);
        }
        ready!(self.alarm.poll(cx));
        self.env.counters.writes_stalled.up();
        Poll::Ready(Lost)
    }

    /// Reads into `body` up to its length, or into the buffer.
    fn poll_arrival(
        &mut self,
        cx: &mut Context<'_>,
        body: Option<(&mut Vec<u8>, usize)>,
    ) -> Poll<Arrival> {
        if self.at_end {
            return Poll::Ready(Arrival::Never);
        }
        let read = match body {
            Some((body, length)) => {
                let room = length.saturating_sub(body.len());
                self.poll_read(cx, Some(body), room)
            }
            None => self.poll_read(cx, None, READ_BYTES),
        };
        match read {
            Poll::Ready(Ok(0)) => {
                self.at_end = true;
                Poll::Ready(Arrival::Never)
            }
            Poll::Ready(Ok(_)) => Poll::Ready(Arrival::Bytes),
            Poll::Ready(Err(_)) => Poll::Ready(Arrival::Never),
            Poll::Pending if self.socket.is_pausing() => Poll::Pending,
            // Only now: what has come counts, however late we look, for the process may have stood
            // still. A client that sends a byte at a time has us wait between them, and one that
            // never stops comes to the bound of a head or a body.
            Poll::Pending => self.alarm.poll(cx).map(|()| Arrival::Late),
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        body: Option<&mut Vec<u8>>,
        room: usize,
    ) -> Poll<io::Result<usize>> {
        let room = room.min(READ_BYTES);
        with_scratch(|bytes| {
            let length = ready!(Pin::new(&mut self.socket).poll_read(cx, &mut bytes[..room]))?;
            body.unwrap_or(&mut self.inbuf).extend_from_slice(&bytes[..length]);
            self.env.counters.bytes_in.add(length as u64);
            Poll::Ready(Ok(length))
        })
    }
}

/// Lends room for one read. It belongs to the thread: a connection that waits holds no buffer, and
/// nothing is zeroed for every read.
pub(crate) fn with_scratch<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    // Taken out: what is read from may be the host's, which may read from another connection.
    let mut bytes = SCRATCH.take();
    bytes.resize(READ_BYTES, 0);
    let result = read(&mut bytes);
    SCRATCH.set(bytes);
    result
}

/// Bytes of one read.
const READ_BYTES: usize = 8 * 1024;
/// Bytes kept of what a client sends before its reply is complete.
const PIPELINE_BYTES: usize = 8 * 1024;
/// What [`Wire::linger`] reads beside an unread body, and how long it takes.
const LINGER_BYTES: usize = 64 * 1024;
const LINGER_TIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use async_io::block_on;
    use futures_lite::future;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    fn wire(limits: Limits) -> (Wire, UnixStream, Arc<Env>) {
        let env = Env::new(limits);
        let (server, client) = UnixStream::pair().unwrap();
        let socket = Socket::unwatched(server);
        (Wire::new(socket, Vec::new(), env.clone()), client, env)
    }

    #[test]
    fn bytes_that_wait_for_a_reply_are_bounded() {
        let (mut wire, mut client, _) = wire(Limits::default());
        client.write_all(&[b'x'; PIPELINE_BYTES + 1000]).unwrap();
        let departure = block_on(future::poll_once(poll_fn(|cx| wire.poll_departure(cx))));
        assert_eq!(departure, None);
        assert_eq!(wire.buffered().len(), PIPELINE_BYTES);
    }

    #[test]
    fn a_client_that_stops_reading_is_lost() {
        let limits = Limits { write_time: Duration::from_millis(5), ..Limits::default() };
        let (mut wire, _client, env) = wire(limits);
        let clock = async {
            env.clock.clone().run().await;
            Ok(())
        };
        let sent = block_on(future::or(clock, wire.write_all(&vec![0; 8 << 20])));
        assert_eq!(sent, Err(Lost));
        assert_eq!(env.counters.writes_stalled.value(), 1);
        assert!(env.counters.bytes_out.value() > 0);
    }

    /// Takes everything and sends nothing.
    struct Hoard;

    impl crate::http::Duplex for Hoard {}

    impl AsyncRead for Hoard {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Hoard {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn what_never_leaves_the_stream_is_a_stall_too() {
        let limits = Limits { write_time: Duration::from_millis(5), ..Limits::default() };
        let env = Env::new(limits);
        let socket = Socket::from(Box::new(Hoard) as Box<dyn crate::http::Duplex>);
        let mut wire = Wire::new(socket, Vec::new(), env.clone());
        let clock = async {
            env.clock.clone().run().await;
            Ok(())
        };
        let sent = block_on(future::or(clock, wire.write_all(b"a record")));
        assert_eq!((sent, env.counters.writes_stalled.value()), (Err(Lost), 1));
    }

    #[test]
    fn a_departure_tells_its_kind_once_and_again() {
        let (mut wire, client, _) = wire(Limits::default());
        drop(client);
        for _ in 0..2 {
            assert_eq!(block_on(poll_fn(|cx| wire.poll_departure(cx))), Departure::HalfClosed);
        }
        assert_eq!(block_on(wire.more()), Arrival::Never);
    }

    #[test]
    fn a_body_is_read_up_to_its_length() {
        let (mut wire, mut client, _) = wire(Limits::default());
        client.write_all(b"abcdef").unwrap();
        let mut body = b"x".to_vec();
        assert_eq!(block_on(wire.more_into(&mut body, 4)), Arrival::Bytes);
        assert_eq!(block_on(wire.more()), Arrival::Bytes);
        assert_eq!(
            (body.as_slice(), wire.take(2), wire.buffered()),
            (&b"xabc"[..], b"de".to_vec(), &b"f"[..])
        );
    }
}
