//! A stream whose bytes go through code of the host, such as its TLS library.
//!
//! The host tries to read and to write; when it cannot go on, this waits until its descriptor is
//! ready and has it try again. TLS makes that harder than it sounds: a read may have to write, a
//! write may have to read, and bytes that are decrypted already wake nobody.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use async_io::Timer;
use futures_lite::io::{AsyncRead, AsyncWrite};

use crate::http::Duplex;
use crate::readiness::{Interest, Watched};
use crate::sync::lock;

/// A byte stream of the host, for [`Adoption::stream`](crate::Adoption).
///
/// Nothing in it may block. Methods are called one at a time, on the I/O thread; the last ones
/// perhaps on the thread that stops the server. Whatever fails with another error than
/// [`ErrorKind::WouldBlock`] is not tried again: only `close` follows.
pub trait StreamIo: Send {
    /// Reads up to `buf.len()` bytes; 0 is the end of what the client sends.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when there is nothing yet; every other error ends the connection.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes some of `bytes`, at least one. After [`ErrorKind::WouldBlock`] the next call has the
    /// same bytes, as many of them, perhaps at another address.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// What the descriptor must be ready for, asked right after [`ErrorKind::WouldBlock`].
    /// `tried` is what the failed call would want of a plain socket.
    fn want(&mut self, tried: Want) -> Want {
        tried
    }

    /// Tells whether bytes wait inside that no descriptor shows.
    fn has_pending(&mut self) -> bool {
        false
    }

    /// Ends our side, in TLS with a `close_notify`. Called again after [`ErrorKind::WouldBlock`],
    /// but not for ever.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The last call. Not made for a stream that was refused.
    fn close(&mut self) {}
}

/// What a stream waits for its descriptor to be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Bytes from the client.
    Read,
    /// Room for bytes to the client.
    Write,
    /// Whichever comes first.
    Either,
}

/// A stream of the host as the engine sees it.
pub(crate) struct Foreign {
    io: Box<dyn StreamIo>,
    /// Only polled. Gone when the host hears the last of its stream.
    descriptor: Option<Watched<OwnedFd>>,
    reader: Gate,
    /// Shutting down takes turns with writing, never with a write under way.
    writer: Gate,
    /// How many bytes the write had that is to be tried again. Some TLS libraries have encrypted
    /// them already and take every byte more for sent.
    retry_bytes: Option<usize>,
    /// Tries in a row that came to nothing although the descriptor was ready.
    vain_tries: u32,
    /// Runs while nothing is tried: see `VAIN_TRIES`.
    rest: Option<Timer>,
    waiting: Arc<Waiting>,
    /// Wakes all of `waiting`: either side may wait for either direction of the descriptor.
    waker: Waker,
    is_at_end: bool,
    is_shut: bool,
    is_broken: bool,
}

/// Whether one side of the stream may be tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// Not before the descriptor is ready.
    Blocked(Want),
    /// What the other side did may have helped; its own descriptor says nothing of that.
    Nudged,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Reader,
    Writer,
}

impl Side {
    /// What it would wait for on a plain socket.
    fn plain_want(self) -> Want {
        if self == Side::Reader { Want::Read } else { Want::Write }
    }
}

/// The tasks that wait for one of the two sides.
#[derive(Default)]
struct Waiting {
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Foreign {
    /// Calls the host never before it is polled or dropped.
    pub(crate) fn new(io: Box<dyn StreamIo>, descriptor: Watched<OwnedFd>) -> Foreign {
        let waiting = Arc::new(Waiting::default());
        Foreign {
            io,
            descriptor: Some(descriptor),
            reader: Gate::Open,
            writer: Gate::Open,
            retry_bytes: None,
            vain_tries: 0,
            rest: None,
            waker: Waker::from(waiting.clone()),
            waiting,
            is_at_end: false,
            is_shut: false,
            is_broken: false,
        }
    }

    /// Tries `operation` of `side` until it is done or has to wait.
    fn poll_try<T>(
        &mut self,
        side: Side,
        cx: &Context<'_>,
        mut operation: impl FnMut(&mut dyn StreamIo) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.waiting.set(side, cx.waker());
        loop {
            if self.is_broken {
                return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
            }
            let gate = *self.gate(side);
            if let Gate::Blocked(want) = gate {
                ready!(self.poll_rest());
                ready!(self.poll_descriptor(want))?;
            }
            let result = operation(self.io.as_mut());
            let would_block = match &result {
                Ok(_) => false,
                Err(error) if error.kind() == ErrorKind::WouldBlock => true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    *self.gate(side) = Gate::Open;
                    continue;
                }
                Err(_) => {
                    self.is_broken = true;
                    return Poll::Ready(result);
                }
            };
            *self.gate(side) = match would_block {
                true => Gate::Blocked(self.io.want(side.plain_want())),
                false => Gate::Open,
            };
            self.count_try(would_block, gate);
            // A try that was itself a nudge and came to nothing has changed nothing: two sides
            // that wait for each other must not keep each other busy.
            if !(would_block && gate == Gate::Nudged) {
                self.nudge_other(side);
            }
            if !would_block {
                return Poll::Ready(result);
            }
        }
    }

    /// Lets the other side try again if it waits for what this one may have taken or brought.
    fn nudge_other(&mut self, side: Side) {
        let is_helped = match (side, self.gate_of_other(side)) {
            (Side::Reader, Gate::Blocked(want)) => want != Want::Write,
            (Side::Writer, Gate::Blocked(want)) => want != Want::Read || self.io.has_pending(),
            _ => false,
        };
        if !is_helped {
            return;
        }
        let (gate, waker) = match side {
            Side::Reader => (&mut self.writer, &self.waiting.writer),
            Side::Writer => (&mut self.reader, &self.waiting.reader),
        };
        *gate = Gate::Nudged;
        let waker = lock(waker).clone();
        waker.iter().for_each(Waker::wake_by_ref);
    }

    /// Counts tries that come to nothing, and rests when there have been too many.
    fn count_try(&mut self, would_block: bool, gate: Gate) {
        if !would_block {
            self.vain_tries = 0;
        } else if matches!(gate, Gate::Blocked(_)) {
            self.vain_tries = self.vain_tries.saturating_add(1);
            self.rest = (self.vain_tries > VAIN_TRIES).then(|| Timer::after(REST));
        }
    }

    /// Ready unless it rests.
    fn poll_rest(&mut self) -> Poll<()> {
        let Some(timer) = &mut self.rest else { return Poll::Ready(()) };
        ready!(Pin::new(timer).poll(&mut Context::from_waker(&self.waker)));
        self.rest = None;
        Poll::Ready(())
    }

    fn poll_descriptor(&self, want: Want) -> Poll<io::Result<()>> {
        let Some(descriptor) = &self.descriptor else {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        };
        let mut cx = Context::from_waker(&self.waker);
        if want != Want::Write
            && let Poll::Ready(ready) = descriptor.poll_edge(Interest::Read, &mut cx)
        {
            return Poll::Ready(ready);
        }
        if want != Want::Read
            && let Poll::Ready(ready) = descriptor.poll_edge(Interest::Write, &mut cx)
        {
            return Poll::Ready(ready);
        }
        Poll::Pending
    }

    fn gate(&mut self, side: Side) -> &mut Gate {
        match side {
            Side::Reader => &mut self.reader,
            Side::Writer => &mut self.writer,
        }
    }

    fn gate_of_other(&self, side: Side) -> Gate {
        if side == Side::Reader { self.writer } else { self.reader }
    }
}

impl Waiting {
    fn set(&self, side: Side, waker: &Waker) {
        let slot = if side == Side::Reader { &self.reader } else { &self.writer };
        let mut slot = lock(slot);
        if !slot.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    fn wake_all(&self) {
        for slot in [&self.reader, &self.writer] {
            let waker = lock(slot).clone();
            waker.iter().for_each(Waker::wake_by_ref);
        }
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_all();
    }
}

impl Duplex for Foreign {}

impl AsyncRead for Foreign {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_at_end || buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let read = this.poll_try(Side::Reader, cx, |io| {
            io.read(buf).and_then(|count| plausible(count, buf.len()))
        });
        this.is_at_end = matches!(read, Poll::Ready(Ok(0)));
        read
    }
}

impl AsyncWrite for Foreign {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let bytes = &bytes[..this.retry_bytes.map_or(bytes.len(), |count| count.min(bytes.len()))];
        let written = this.poll_try(Side::Writer, cx, |io| {
            io.write(bytes).and_then(|count| plausible(count, bytes.len()))
        });
        this.retry_bytes = written.is_pending().then_some(bytes.len());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_shut {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_try(Side::Writer, cx, |io| io.shutdown()))?;
        this.is_shut = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // One try: a client told so knows that nothing was cut off. Not behind a record that is
        // half out, and not after a failure, where TLS libraries forbid it.
        if !self.is_shut && !self.is_broken && self.retry_bytes.is_none() {
            let _ = self.io.shutdown();
        }
        self.descriptor = None;
        self.io.close();
    }
}

/// Tries in a row that may come to nothing although the descriptor was ready. A host that says what
/// it does not wait for, for example that it waits for room to send while there is some, would
/// otherwise keep a processor busy. A long TLS record that comes in pieces stays below this.
const VAIN_TRIES: u32 = 100;

/// The pause before each further try.
const REST: Duration = Duration::from_millis(100);

/// A count of the host's is not believed.
fn plausible(count: usize, most: usize) -> io::Result<usize> {
    if count <= most { Ok(count) } else { Err(ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests;
