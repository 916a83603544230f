//! Notices that a client has left, on a socket that the host reads and writes.
//!
//! Most HTTP servers do not look at a connection while they wait for its answer, and on modern
//! revisions leaving is the cancellation. Only hang-ups are asked for: whether there are bytes to
//! read is the host's business, and asking would wake us for each of them. And only of clients that
//! wait: most answers are there at once.

use std::future::{Future, poll_fn};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Weak};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{getsockopt, sockopt::SockType};

use super::exchanges::Exchanges;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::readiness::{self, Interest, Readiness};
use crate::shield::shielded;

/// One epoll instance for all sockets of a running server, inside that of [`Readiness`]: what is
/// told here is about exchanges and no tasks.
pub(super) struct HangUps {
    epoll: Epoll,
}

impl AsFd for HangUps {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl HangUps {
    pub(super) fn new() -> Result<Arc<HangUps>> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(io_error)?;
        Ok(Arc::new(HangUps { epoll }))
    }

    /// What can watch `socket` for the exchange `number`.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not a socket.
    pub(super) fn watch(self: &Arc<Self>, number: u64, socket: OwnedFd) -> Result<Watched> {
        // Found out now, when the host can still be told.
        getsockopt(&socket, SockType)
            .map_err(|_| Error::Config("the descriptor to watch is not a socket".into()))?;
        Ok(Watched { hang_ups: self.clone(), number, socket, is_on: false })
    }

    /// Tells exchanges of their clients' leaving for ever; spawned once on the I/O thread.
    pub(super) fn serve(
        hang_ups: Arc<HangUps>,
        readiness: &Arc<Readiness>,
        exchanges: Weak<Exchanges>,
        env: Arc<Env>,
    ) -> Result<impl Future<Output = ()> + Send + 'static> {
        let watching = readiness::Watched::foreign(hang_ups, readiness)?;
        Ok(async move {
            while poll_fn(|cx| watching.poll_edge(Interest::Read, cx)).await.is_ok() {
                let mut events = [EpollEvent::empty(); EVENTS];
                let epoll = &watching.get_ref().epoll;
                let count = epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
                let Some(exchanges) = exchanges.upgrade() else { return };
                for event in &events[..count] {
                    let is_reset = event.events().intersects(RESET);
                    let Some(exchange) = exchanges.find(event.data()) else { continue };
                    shielded(&env, "a hang-up", || exchange.hang_up(is_reset));
                }
            }
        })
    }
}

/// A socket that is watched once somebody waits. Dropping it ends that.
pub(super) struct Watched {
    hang_ups: Arc<HangUps>,
    number: u64,
    socket: OwnedFd,
    is_on: bool,
}

impl Watched {
    /// Watches from now on; what has happened before is told too.
    ///
    /// # Errors
    /// [`Error::Io`] when the system refuses.
    pub(super) fn begin(&mut self) -> Result<()> {
        if self.is_on {
            return Ok(());
        }
        let event = EpollEvent::new(HALF_CLOSE, self.number);
        self.hang_ups.epoll.add(&self.socket, event).map_err(io_error)?;
        self.is_on = true;
        Ok(())
    }

    /// Goes on after the client has ended its side: only a reset is news from here on.
    pub(super) fn ignore_half_close(&self) {
        let mut event = EpollEvent::new(EpollFlags::EPOLLONESHOT, self.number);
        // It was added and not removed, so there is nothing to refuse.
        let _ = self.hang_ups.epoll.modify(&self.socket, &mut event);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Closing alone would not do: the host's descriptor keeps the socket in the instance.
        if self.is_on {
            let _ = self.hang_ups.epoll.delete(&self.socket);
        }
    }
}

fn io_error(errno: Errno) -> Error {
    Error::Io(errno.into())
}

/// The client has ended its side. A reset is always told. Once: the answer to it may take long.
const HALF_CLOSE: EpollFlags = EpollFlags::EPOLLRDHUP.union(EpollFlags::EPOLLONESHOT);

/// The connection is broken in both directions.
const RESET: EpollFlags = EpollFlags::EPOLLHUP.union(EpollFlags::EPOLLERR);

/// Hang-ups that are told in one turn.
const EVENTS: usize = 64;
