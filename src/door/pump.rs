//! A connection whose bytes the host carries, for hosts that cannot give the socket away.
//!
//! Two bounded pipes in memory. The far ends are a [`Socket`](crate::http::Socket) for the engine,
//! the near ends a [`Pump`] for the host.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_lite::io::{AsyncRead, AsyncWrite};

use super::ready::{Ready, ReadyFn};
use crate::env::Env;
use crate::http::Duplex;
use crate::sync::lock;

/// The host's end of a connection whose bytes it carries. Dropping it means that the client has
/// left.
///
/// Whenever [`read`](Self::read) has nothing or [`feed`](Self::feed) takes less than it was given,
/// the `ready` function says when to try again.
pub struct Pump {
    shared: Arc<Shared>,
    ready: Ready,
}

/// What [`Pump::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// So many bytes to send, at least one.
    Bytes(usize),
    /// Nothing at the moment.
    Nothing,
    /// Everything has been read: close the connection.
    End,
}

struct Shared {
    pipes: Mutex<Pipes>,
    /// Tells the host.
    host: Waker,
}

struct Pipes {
    inbound: Pipe,
    outbound: Pipe,
    /// The host has dropped its end: bytes on the way are of no use to anybody.
    is_host_gone: bool,
    /// The engine has dropped its end.
    is_engine_gone: bool,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    /// Never above `PIPE_BYTES`. Holds no memory while it is empty.
    bytes: VecDeque<u8>,
    /// No more will be put in.
    has_ended: bool,
    /// The engine waits at its end.
    engine: Option<Waker>,
    /// The host was told to wait at its end.
    is_host_waiting: bool,
}

/// Bytes on their way in one direction. Two reads of the largest TLS record; more would only hide
/// from each side how slow the other one is.
const PIPE_BYTES: usize = 64 * 1024;

impl Pump {
    /// The host's end and the engine's.
    pub(crate) fn new(env: &Arc<Env>, ready: Option<ReadyFn>) -> (Pump, Box<dyn Duplex>) {
        let ready = Ready::new(env, ready);
        let pipes = Pipes {
            inbound: Pipe::default(),
            // Nothing has been asked for yet, but the host's loop waits for the first byte.
            outbound: Pipe { is_host_waiting: true, ..Pipe::default() },
            is_host_gone: false,
            is_engine_gone: false,
        };
        let shared = Arc::new(Shared { pipes: Mutex::new(pipes), host: ready.waker().clone() });
        (Pump { shared: shared.clone(), ready }, Box::new(Far(shared)))
    }

    /// Takes bytes that the client has sent. Returns how many were taken: when fewer than given,
    /// the rest comes after `ready`. `None` when nobody reads them any more.
    pub fn feed(&self, bytes: &[u8]) -> Option<usize> {
        let (taken, engine) = {
            let mut pipes = lock(&self.shared.pipes);
            let nobody_reads = pipes.is_engine_gone || pipes.outbound.has_ended;
            if nobody_reads || pipes.inbound.has_ended {
                return None;
            }
            let taken = pipes.inbound.put(bytes);
            pipes.inbound.is_host_waiting = taken < bytes.len();
            let engine = if taken > 0 { pipes.inbound.engine.take() } else { None };
            (taken, engine)
        };
        engine.into_iter().for_each(Waker::wake);
        Some(taken)
    }

    /// Says that the client ended its side; it may still read.
    pub fn feed_end(&self) {
        let engine = {
            let mut pipes = lock(&self.shared.pipes);
            pipes.inbound.has_ended = true;
            pipes.inbound.engine.take()
        };
        engine.into_iter().for_each(Waker::wake);
    }

    /// Tells whether the client's side was ended by [`feed_end`](Self::feed_end).
    pub fn has_ended(&self) -> bool {
        lock(&self.shared.pipes).inbound.has_ended
    }

    /// Bytes that the next [`read`](Self::read) can take.
    pub fn waiting(&self) -> usize {
        lock(&self.shared.pipes).outbound.bytes.len()
    }

    /// Fills `buf` with bytes for the client.
    pub fn read(&self, buf: &mut [u8]) -> Pulled {
        let (pulled, engine) = {
            let mut pipes = lock(&self.shared.pipes);
            let is_over = pipes.outbound.has_ended || pipes.is_engine_gone;
            match pipes.outbound.take(buf) {
                0 if pipes.outbound.bytes.is_empty() && is_over => (Pulled::End, None),
                0 => {
                    pipes.outbound.is_host_waiting = pipes.outbound.bytes.is_empty();
                    (Pulled::Nothing, None)
                }
                count => (Pulled::Bytes(count), pipes.outbound.engine.take()),
            }
        };
        engine.into_iter().for_each(Waker::wake);
        pulled
    }

    /// Waits until there is a reason to try again; tells whether there was one within `patience`.
    pub fn wait(&self, patience: Duration) -> bool {
        // What was not read to its end has rung already and does not ring again.
        self.has_bytes() || self.ready.wait(patience)
    }

    fn has_bytes(&self) -> bool {
        let pipes = lock(&self.shared.pipes);
        !pipes.outbound.bytes.is_empty() || pipes.outbound.has_ended || pipes.is_engine_gone
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.ready.close();
        let engines = {
            let mut pipes = lock(&self.shared.pipes);
            pipes.is_host_gone = true;
            pipes.inbound.bytes = VecDeque::new();
            pipes.outbound.bytes = VecDeque::new();
            [pipes.inbound.engine.take(), pipes.outbound.engine.take()]
        };
        engines.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Pipe {
    fn put(&mut self, bytes: &[u8]) -> usize {
        let fits = bytes.len().min(PIPE_BYTES - self.bytes.len());
        self.bytes.extend(&bytes[..fits]);
        fits
    }

    fn take(&mut self, buf: &mut [u8]) -> usize {
        // Reads from the front; a deque of bytes never fails to.
        let count = io::Read::read(&mut self.bytes, buf).unwrap_or(0);
        if self.bytes.is_empty() {
            self.bytes = VecDeque::new();
        }
        count
    }
}

/// The engine's end.
struct Far(Arc<Shared>);

impl Far {
    /// Works on the pipes, then tells the host if `work` says so. Not before: its own code may run.
    fn with<T>(&self, work: impl FnOnce(&mut Pipes) -> (T, bool)) -> T {
        let (value, is_news) = work(&mut lock(&self.0.pipes));
        if is_news {
            self.0.host.wake_by_ref();
        }
        value
    }
}

impl Duplex for Far {}

impl AsyncRead for Far {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|pipes| {
            if pipes.is_host_gone {
                return (Poll::Ready(Err(ErrorKind::ConnectionReset.into())), false);
            }
            let pipe = &mut pipes.inbound;
            match pipe.take(buf) {
                0 if buf.is_empty() => (Poll::Ready(Ok(0)), false),
                // Behind our own end nobody waits for the client: the host closes its socket in
                // its own way.
                0 if pipe.has_ended || pipes.outbound.has_ended => (Poll::Ready(Ok(0)), false),
                0 => {
                    pipe.engine = Some(cx.waker().clone());
                    (Poll::Pending, false)
                }
                count => (Poll::Ready(Ok(count)), std::mem::take(&mut pipe.is_host_waiting)),
            }
        })
    }
}

impl AsyncWrite for Far {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|pipes| {
            let pipe = &mut pipes.outbound;
            if pipes.is_host_gone || pipe.has_ended {
                return (Poll::Ready(Err(ErrorKind::BrokenPipe.into())), false);
            }
            let was_empty = pipe.bytes.is_empty();
            let count = pipe.put(bytes);
            if count == 0 && !bytes.is_empty() {
                pipe.engine = Some(cx.waker().clone());
                return (Poll::Pending, false);
            }
            let is_waited_for = std::mem::take(&mut pipe.is_host_waiting);
            (Poll::Ready(Ok(count)), was_empty || is_waited_for)
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|pipes| {
            (Poll::Ready(Ok(())), !std::mem::replace(&mut pipes.outbound.has_ended, true))
        })
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        self.with(|pipes| {
            pipes.is_engine_gone = true;
            pipes.inbound = Pipe::default();
            ((), true)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callbacks::Callbacks;
    use crate::limits::Limits;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    struct Bench {
        env: Arc<Env>,
        pump: Pump,
        far: Box<dyn Duplex>,
        rings: Arc<AtomicUsize>,
    }

    impl Bench {
        fn new() -> Bench {
            let (env, rings) = (Env::new(Limits::default()), Arc::new(AtomicUsize::new(0)));
            let count = rings.clone();
            let ready: ReadyFn = Box::new(move || {
                count.fetch_add(1, SeqCst);
            });
            let (pump, far) = Pump::new(&env, Some(ready));
            Bench { env, pump, far, rings }
        }

        fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.far).poll_write(&mut Context::from_waker(Waker::noop()), bytes)
        }

        fn read(&mut self, room: usize) -> Poll<io::Result<usize>> {
            let mut cx = Context::from_waker(Waker::noop());
            Pin::new(&mut self.far).poll_read(&mut cx, &mut vec![0; room])
        }

        fn close(&mut self) {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut self.far).poll_close(&mut cx).is_ready());
        }

        /// How often the host was told since it was asked last.
        fn rings(&self) -> usize {
            Callbacks::flush(&self.env);
            self.rings.swap(0, SeqCst)
        }
    }

    #[test]
    fn bytes_arrive_in_order_and_the_host_hears_of_the_first() {
        let mut bench = Bench::new();
        assert!(matches!(bench.write(b"abc"), Poll::Ready(Ok(3))));
        assert!(matches!(bench.write(b"de"), Poll::Ready(Ok(2))));
        assert_eq!(bench.rings(), 1);
        let mut buf = [0; 4];
        assert_eq!(bench.pump.read(&mut buf), Pulled::Bytes(4));
        assert_eq!(&buf, b"abcd");
        assert_eq!(bench.pump.read(&mut buf), Pulled::Bytes(1));
        assert_eq!(bench.pump.read(&mut buf), Pulled::Nothing);
        assert!(matches!(bench.write(b"f"), Poll::Ready(Ok(1))));
        assert_eq!(bench.rings(), 1);
    }

    #[test]
    fn both_directions_are_bounded() {
        let mut bench = Bench::new();
        let flood = vec![7; PIPE_BYTES + 1];
        assert_eq!(bench.pump.feed(&flood), Some(PIPE_BYTES));
        assert_eq!(bench.pump.feed(b"x"), Some(0));
        assert_eq!(bench.rings(), 0);
        assert!(matches!(bench.read(10), Poll::Ready(Ok(10))));
        assert_eq!(bench.rings(), 1, "there is room again");
        assert!(matches!(bench.write(&flood), Poll::Ready(Ok(PIPE_BYTES))));
        assert!(bench.write(b"x").is_pending());
        assert_eq!(bench.pump.read(&mut [0; 10]), Pulled::Bytes(10));
        assert!(matches!(bench.write(b"xy"), Poll::Ready(Ok(2))));
    }

    #[test]
    fn what_was_written_before_the_end_is_still_read() {
        let mut bench = Bench::new();
        assert!(matches!(bench.write(b"bye"), Poll::Ready(Ok(3))));
        bench.close();
        assert_eq!(bench.pump.feed(b"x"), None);
        assert!(matches!(bench.read(1), Poll::Ready(Ok(0))), "nobody waits for the client");
        assert!(matches!(bench.write(b"x"), Poll::Ready(Err(_))));
        assert_eq!(bench.pump.read(&mut [0; 10]), Pulled::Bytes(3));
        assert_eq!(bench.pump.read(&mut [0; 10]), Pulled::End);
        assert!(bench.pump.wait(Duration::ZERO));
    }

    #[test]
    fn an_engine_that_is_gone_rings_and_takes_nothing() {
        let Bench { env, pump, far, rings } = Bench::new();
        assert_eq!(pump.feed(b"x"), Some(1));
        drop(far);
        Callbacks::flush(&env);
        assert_eq!(rings.load(SeqCst), 1);
        assert_eq!(pump.feed(b"x"), None);
        assert_eq!(pump.read(&mut [0; 10]), Pulled::End);
    }

    #[test]
    fn the_client_ends_its_side_or_leaves() {
        let mut bench = Bench::new();
        assert_eq!(bench.pump.feed(b"x"), Some(1));
        bench.pump.feed_end();
        assert!(matches!(bench.read(9), Poll::Ready(Ok(1))));
        assert!(matches!(bench.read(9), Poll::Ready(Ok(0))));
        assert!(matches!(bench.write(b"still heard"), Poll::Ready(Ok(11))));
        let Bench { pump, mut far, .. } = bench;
        drop(pump);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(Pin::new(&mut far).poll_read(&mut cx, &mut [0]), Poll::Ready(Err(_))));
        assert!(matches!(Pin::new(&mut far).poll_write(&mut cx, b"x"), Poll::Ready(Err(_))));
    }
}
