//! Which sockets can be read or written, for the tasks that wait for it.
//!
//! A socket is registered once and edge-triggered, so that an exchange costs no system call but its
//! read and its write. The reactor of async-io registers anew for every wait and sets a timer for
//! every turn, which is a fifth of a short exchange.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_io::Async;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::places::Places;
use crate::sync::lock;

/// The sockets of one running server.
pub(crate) struct Readiness {
    epoll: Epoll,
    spots: Mutex<Places<Arc<Spot>>>,
}

/// What epoll told in one turn.
pub(crate) struct News {
    events: [EpollEvent; EVENTS],
    count: usize,
}

impl Default for News {
    fn default() -> News {
        News { events: [EpollEvent::empty(); EVENTS], count: 0 }
    }
}

/// What is known of one socket.
#[derive(Default)]
struct Spot(Mutex<State>);

#[derive(Default)]
struct State {
    reader: Side,
    writer: Side,
    /// The peer has ended its side or the connection is broken: no further edge will say so.
    has_ended: bool,
    /// Edges of the writing side are asked for.
    hears_of_room: bool,
}

#[derive(Default)]
struct Side {
    /// Trying would, as far as we know, not be in vain.
    is_ready: bool,
    waker: Option<Waker>,
}

/// Which side of a socket somebody waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interest {
    Read,
    Write,
}

impl Readiness {
    /// # Errors
    /// The process has no descriptor left.
    pub(crate) fn new() -> io::Result<Arc<Readiness>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Arc::new(Readiness { epoll, spots: Mutex::default() }))
    }

    /// Something to write to that ends a [`wait`](Self::wait).
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub(crate) fn bell(&self) -> io::Result<EventFd> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        // Each write is an edge, so nobody has to read it: 2^64 of them are not to be expected.
        self.epoll.add(&bell, EpollEvent::new(READABLE, BELL))?;
        Ok(bell)
    }

    /// Waits until there is news of a socket, or of the bell.
    pub(crate) fn wait(&self, patience: Option<Duration>, news: &mut News) {
        let timeout = patience.map_or(EpollTimeout::NONE, |patience| {
            // Rounded up: to wake early is to wake twice.
            let millis = i32::try_from(patience.as_nanos().div_ceil(1_000_000)).ok();
            millis.and_then(|ms| EpollTimeout::try_from(ms).ok()).unwrap_or(EpollTimeout::MAX)
        });
        // A signal that interrupts it is a turn without news.
        news.count = self.epoll.wait(&mut news.events, timeout).unwrap_or(0);
    }

    /// Wakes who waits for what `news` tells; says whether there was any.
    pub(crate) fn wake(&self, news: &News) -> bool {
        for event in &news.events[..news.count] {
            // The place of a socket that has just been closed may be another's by now, which then
            // tries once in vain. The bell has none.
            let place = usize::try_from(event.data()).ok();
            let spot = place.and_then(|place| lock(&self.spots).get(place).cloned());
            if let Some(spot) = spot {
                spot.note(event.events());
            }
        }
        news.count > 0
    }

    /// Wakes for ever, as a task: for servers without a thread that could sleep in
    /// [`wait`](Self::wait).
    ///
    /// # Errors
    /// The reactor of async-io refuses it.
    pub(crate) fn watch(self: Arc<Self>) -> io::Result<impl Future<Output = ()> + Send> {
        let watching = Async::new_nonblocking(self)?;
        let mut news = Box::<News>::default();
        Ok(poll_fn(move |cx| {
            let readiness = watching.get_ref();
            readiness.wait(Some(Duration::ZERO), &mut news);
            if readiness.wake(&news) {
                // Who was woken goes first.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match watching.poll_readable(cx) {
                Poll::Ready(Ok(())) => cx.waker().wake_by_ref(),
                // Only a reactor that is broken as a whole says so.
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
            Poll::Pending
        }))
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl Spot {
    fn note(&self, events: EpollFlags) {
        let mut state = lock(&self.0);
        state.has_ended |= events.intersects(ENDED);
        let has_ended = state.has_ended;
        let mut woken = [None, None];
        if has_ended || events.intersects(EpollFlags::EPOLLIN) {
            woken[0] = state.reader.ready();
        }
        if has_ended || events.intersects(EpollFlags::EPOLLOUT) {
            woken[1] = state.writer.ready();
        }
        drop(state);
        woken.into_iter().flatten().for_each(Waker::wake);
    }
}

impl State {
    fn side(&mut self, interest: Interest) -> &mut Side {
        match interest {
            Interest::Read => &mut self.reader,
            Interest::Write => &mut self.writer,
        }
    }
}

impl Side {
    fn ready(&mut self) -> Option<Waker> {
        self.is_ready = true;
        self.waker.take()
    }

    /// Nothing more before the next edge, of which `cx` will hear.
    fn wait(&mut self, cx: &Context<'_>) {
        self.is_ready = false;
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

/// A socket that does not block, and the tasks that wait for it: at most one for each side.
pub(crate) struct Watched<S: AsFd> {
    socket: S,
    spot: Arc<Spot>,
    place: usize,
    readiness: Arc<Readiness>,
}

impl<S: AsFd> Watched<S> {
    /// Registers `socket`, which must not block.
    ///
    /// # Errors
    /// What epoll says of something that it cannot watch or watches already.
    pub(crate) fn new(socket: S, readiness: &Arc<Readiness>) -> io::Result<Watched<S>> {
        let watched = Watched::register(socket, READABLE, readiness)?;
        {
            let mut state = lock(&watched.spot.0);
            // Nothing is known yet, so trying is how to find out.
            state.reader.is_ready = true;
            state.writer.is_ready = true;
        }
        Ok(watched)
    }

    /// Registers what somebody else reads and writes, for [`poll_edge`](Self::poll_edge) alone.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub(crate) fn foreign(socket: S, readiness: &Arc<Readiness>) -> io::Result<Watched<S>> {
        Watched::register(socket, EpollFlags::EPOLLET, readiness)
    }

    fn register(
        socket: S,
        events: EpollFlags,
        readiness: &Arc<Readiness>,
    ) -> io::Result<Watched<S>> {
        let spot = Arc::new(Spot::default());
        let place = lock(&readiness.spots).add(spot.clone());
        // Takes its place away again when it was in vain.
        let watched = Watched { socket, spot, place, readiness: readiness.clone() };
        readiness.epoll.add(&watched.socket, EpollEvent::new(events, place as u64))?;
        Ok(watched)
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.socket
    }

    pub(crate) fn readiness(&self) -> &Arc<Readiness> {
        &self.readiness
    }

    /// Does `operation`, or has `cx` woken when it may be tried again.
    ///
    /// `is_exhausting` tells of a result that has taken all there was, so that the next one does not
    /// have to find that out.
    pub(crate) fn poll_with<T>(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
        operation: impl FnOnce(&S) -> io::Result<T>,
        is_exhausting: impl FnOnce(&T) -> bool,
    ) -> Poll<io::Result<T>> {
        // Held meanwhile, so that an edge which comes in between is noted behind it.
        let mut state = lock(&self.spot.0);
        let state = &mut *state;
        let has_ended = state.has_ended;
        let side = state.side(interest);
        if !side.is_ready {
            side.wait(cx);
            return Poll::Pending;
        }
        let result = operation(&self.socket);
        match &result {
            Ok(done) => {
                side.is_ready = has_ended || !is_exhausting(done);
                return Poll::Ready(result);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => side.wait(cx),
            Err(_) => return Poll::Ready(result),
        }
        if interest == Interest::Write && !state.hears_of_room {
            // From here on: hardly any peer reads too slowly, and Unix sockets have an edge of this
            // kind for each message that the peer takes.
            self.listen_for(READABLE.union(WRITABLE))?;
            state.hears_of_room = true;
        }
        Poll::Pending
    }

    /// Ready when there has been an edge since it was last, or is room or a byte already: for what
    /// somebody else reads and writes, who does not say how far.
    pub(crate) fn poll_edge(
        &self,
        interest: Interest,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = lock(&self.spot.0);
        let state = &mut *state;
        let side = state.side(interest);
        if std::mem::take(&mut side.is_ready) {
            return Poll::Ready(Ok(()));
        }
        side.wait(cx);
        let mut events = EpollFlags::EPOLLET;
        if state.reader.waker.is_some() {
            events |= READABLE;
        }
        if state.writer.waker.is_some() {
            events |= WRITABLE;
        }
        self.listen_for(events)?;
        Poll::Pending
    }

    /// Asks for edges of these kinds. What is true already is one.
    fn listen_for(&self, events: EpollFlags) -> io::Result<()> {
        let mut event = EpollEvent::new(events, self.place as u64);
        Ok(self.readiness.epoll.modify(&self.socket, &mut event)?)
    }
}

impl<S: AsFd> Drop for Watched<S> {
    fn drop(&mut self) {
        // Closing alone would not do: a duplicate in the host keeps the socket in the instance.
        let _ = self.readiness.epoll.delete(&self.socket);
        lock(&self.readiness.spots).remove(self.place);
    }
}

const READABLE: EpollFlags =
    EpollFlags::EPOLLIN.union(EpollFlags::EPOLLRDHUP).union(EpollFlags::EPOLLET);
const WRITABLE: EpollFlags = EpollFlags::EPOLLOUT;
const ENDED: EpollFlags =
    EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLHUP).union(EpollFlags::EPOLLERR);

/// Stands for the bell among the numbers of places.
const BELL: u64 = u64::MAX;

/// Sockets of one turn; the others come with the next one.
const EVENTS: usize = 64;

#[cfg(test)]
impl Readiness {
    /// One whose news a thread passes on for as long as the tests run.
    pub(crate) fn in_background() -> Arc<Readiness> {
        let readiness = Readiness::new().unwrap();
        let passing_on = readiness.clone();
        std::thread::spawn(move || {
            let mut news = News::default();
            loop {
                passing_on.wait(None, &mut news);
                passing_on.wake(&news);
            }
        });
        readiness
    }
}

#[cfg(test)]
mod tests;
