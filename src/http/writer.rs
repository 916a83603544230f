//! Pumps one reply to the client: few writes, no delay, and the body dropped when nobody reads.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::AsyncRead;

use super::response::Reply;
use super::wire::{Departure, Lost, Wire};
use crate::env::Env;
use crate::level::Level;
use crate::shield::shielded;

/// Sends `reply` to its end.
///
/// # Errors
/// The client has gone, stopped reading, or the body failed half-way: the framing is broken and
/// the connection must close.
pub(super) fn pump(
    wire: &mut Wire,
    env: &Arc<Env>,
    reply: Reply,
) -> impl Future<Output = Result<(), Lost>> + Send + Unpin {
    let mut pump = Pump {
        source: reply.bytes,
        streams: reply.streams,
        out: Vec::new(),
        filled: 0,
        sent: 0,
        is_drained: false,
        env: env.clone(),
    };
    poll_fn(move |cx| pump.poll(wire, cx))
}

struct Pump {
    source: Pin<Box<dyn AsyncRead + Send>>,
    /// End-of-file from the client ends the reply.
    streams: bool,
    /// Room for bytes of the reply. Those before `filled` are under way, and those before `sent`
    /// with the client; the rest is zeroed once and not for every read.
    out: Vec<u8>,
    filled: usize,
    sent: usize,
    /// `source` has no more.
    is_drained: bool,
    env: Arc<Env>,
}

impl Pump {
    fn poll(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        for _ in 0..BURST {
            self.gather(cx)?;
            if self.filled == 0 {
                match wire.poll_flush(cx) {
                    Poll::Ready(flushed) => flushed?,
                    Poll::Pending => return self.watch(wire, cx),
                }
                if self.is_drained {
                    return Poll::Ready(Ok(()));
                }
                // Streams are silent for hours; they need no buffer for that.
                self.out = Vec::new();
                wire.release();
                return self.watch(wire, cx);
            }
            match wire.poll_write(cx, &self.out[self.sent..self.filled]) {
                Poll::Ready(length) => self.sent += length?,
                Poll::Pending => return self.watch(wire, cx),
            }
            if self.sent == self.filled {
                self.filled = 0;
                self.sent = 0;
            }
        }
        // A fast reader of a long reply shares the thread with every other connection.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what the source has ready, so that several events make one write.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), Lost> {
        while !self.is_drained && self.filled < WRITE_BYTES {
            if self.out.len() < self.filled + ROOM_MIN {
                self.out.resize(self.filled + ROOM_BYTES, 0);
            }
            let room = &mut self.out[self.filled..];
            let source = self.source.as_mut();
            let polled = shielded(&self.env, "a response body", || source.poll_read(cx, room));
            let length = match polled {
                Some(Poll::Ready(Ok(length))) => length,
                Some(Poll::Pending) => break,
                Some(Poll::Ready(Err(error))) => {
                    let text = format_args!("a response body failed: {error}");
                    self.env.log(Level::Warning, "http", text);
                    return Err(Lost);
                }
                None => return Err(Lost),
            };
            self.filled += length;
            self.is_drained = length == 0;
        }
        Ok(())
    }

    /// Waits for the client to leave: a silent stream would notice at its next event only.
    fn watch(&self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        match wire.poll_departure(cx) {
            Poll::Ready(Departure::Reset) => Poll::Ready(Err(Lost)),
            Poll::Ready(Departure::HalfClosed) if self.streams => Poll::Ready(Err(Lost)),
            Poll::Ready(Departure::HalfClosed) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Bytes of one write.
const WRITE_BYTES: usize = 16 * 1024;
/// Room that is made at once.
const ROOM_BYTES: usize = 4 * 1024;
/// Least room for one read. The chunk encoder of `async_h1` panics below 6 bytes and frames well
/// above.
const ROOM_MIN: usize = 512;
/// Writes in one poll.
const BURST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Socket;
    use crate::limits::Limits;
    use crate::readiness::Readiness;
    use async_io::{Timer, block_on};
    use futures_lite::future;
    use std::io::{self, Read};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    /// Yields every piece, then ends as told.
    struct Source {
        pieces: Vec<&'static [u8]>,
        end: fn() -> Poll<io::Result<usize>>,
    }

    impl AsyncRead for Source {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            assert!(buf.len() >= 128);
            if self.pieces.is_empty() {
                return (self.end)();
            }
            let piece = self.pieces.remove(0);
            buf[..piece.len()].copy_from_slice(piece);
            Poll::Ready(Ok(piece.len()))
        }
    }

    fn run(source: Source) -> (Option<Result<(), Lost>>, Vec<u8>, Arc<Env>) {
        let env = Env::new(Limits::default());
        let (server, mut client) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(Socket::unwatched(server), Vec::new(), env.clone());
        let reply = Reply { bytes: Box::pin(source), streams: true, persist: true };
        let result = block_on(future::poll_once(pump(&mut wire, &env, reply)));
        drop(wire);
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        (result, received, env)
    }

    #[test]
    fn what_is_ready_goes_out_before_the_source_waits() {
        let pieces = vec![&b"head"[..], b"one", b"two"];
        let source = Source { pieces, end: || Poll::Pending };
        let (result, received, _) = run(source);
        assert_eq!((result, received.as_slice()), (None, &b"headonetwo"[..]));
    }

    #[test]
    fn a_finished_source_ends_the_reply() {
        let source = Source { pieces: vec![b"x"], end: || Poll::Ready(Ok(0)) };
        let (result, received, _) = run(source);
        assert_eq!((result, received.as_slice()), (Some(Ok(())), &b"x"[..]));
    }

    #[test]
    fn a_long_reply_goes_on_after_each_burst() {
        let env = Env::new(Limits::default());
        let (server, mut client) = UnixStream::pair().unwrap();
        let socket = Socket::unix(server, &Readiness::in_background()).unwrap();
        let mut wire = Wire::new(socket, Vec::new(), env.clone());
        let source = Source { pieces: vec![&[7; 4096]; 100], end: || Poll::Ready(Ok(0)) };
        let reply = Reply { bytes: Box::pin(source), streams: false, persist: true };
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            client.read_to_end(&mut received).map(|_| received.len())
        });
        let late = async {
            Timer::after(Duration::from_secs(10)).await;
            panic!("the pump was not woken")
        };
        assert_eq!(block_on(future::or(pump(&mut wire, &env, reply), late)), Ok(()));
        drop(wire);
        assert_eq!(reader.join().unwrap().unwrap(), 409_600);
    }

    #[test]
    fn a_failing_or_panicking_source_loses_the_connection() {
        let failing = || Poll::Ready(Err(io::ErrorKind::Other.into()));
        let source = Source { pieces: vec![], end: failing };
        assert_eq!(run(source).0, Some(Err(Lost)));
        let source = Source { pieces: vec![], end: || panic!("on purpose") };
        let (result, _, env) = run(source);
        assert_eq!((result, env.counters.panics.value()), (Some(Err(Lost)), 1));
    }
}
