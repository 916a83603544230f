//! The ways in for hosts with a server of their own: what `door` needs of the server that runs.

use std::os::fd::OwnedFd;

use http_types::StatusCode;

use super::connections::OpenConnections;
use super::running::Running;
use super::{Server, State, not_running};
use crate::door::{Adoption, Handover, HttpExchange, MessagePeer, Opening, Pump, ReadyFn};
use crate::error::{Error, Result};
use crate::http::response::STOPPING;
use crate::http::{Head, ParsedRequest};
use crate::sync::lock;

impl Server {
    /// Takes over a connected stream socket, or serves a stream of the host's.
    ///
    /// # Errors
    /// [`Error::State`] when the server does not run or drains, [`Error::Limit`] when
    /// `limits.connections` is reached, [`Error::Denied`] when its address or user is not allowed,
    /// [`Error::Config`] when the descriptor does not fit. It is closed then: a caller that wants to keep it hands over a duplicate. Nothing of `adoption`
    /// has been called.
    pub fn adopt(&self, fd: OwnedFd, mut adoption: Adoption<'_>) -> Result<()> {
        self.let_in(|running| {
            Ok((adoption.with_descriptor(fd, &self.core, &running.readiness)?, ()))
        })
    }

    /// Opens a connection whose bytes the host carries. `ready` says when the host should look at
    /// it again; a host without one waits with [`Pump::wait`]. Of `adoption`, the parts about a
    /// descriptor are not used.
    ///
    /// # Errors
    /// [`Error::State`] when the server does not run or drains, [`Error::Limit`] when
    /// `limits.connections` is reached, [`Error::Denied`] when its address is not allowed.
    pub fn open_pump(&self, mut adoption: Adoption<'_>, ready: Option<ReadyFn>) -> Result<Pump> {
        self.let_in(|_| adoption.with_pump(ready, &self.core))
    }

    /// Takes a request that the host's own HTTP server has parsed; the body follows in pieces.
    ///
    /// `watch` is a duplicate of the client's socket: it is watched for hang-up while the client
    /// waits for its answer, and never read. `ready` says when there is something to take; it may
    /// be called before this returns. A request that may not come in has its answer at once, as
    /// has one above `limits.connections` and one to a server that drains.
    ///
    /// ```
    /// # use emcp::{Identity, Limits, Options, ParsedRequest, Server};
    /// # let identity = Identity { name: "d".into(), version: "1".into(), ..Identity::default() };
    /// # let server = Server::new(identity, Options::default(), Limits::default())?;
    /// server.start()?;
    /// let headers: [(&str, &[u8]); 1] = [("host", b"localhost")];
    /// let request = ParsedRequest {
    ///     method: "GET", target: "/elsewhere", headers: &headers, ..ParsedRequest::default()
    /// };
    /// let exchange = server.open_http(&request, None, None)?;
    /// exchange.body(b"", true)?;
    /// assert_eq!(exchange.head()?.map(|head| head.status), Some(404));
    /// # Ok::<(), emcp::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::State`] unless the server runs; [`Error::Config`] when `watch` is not a socket;
    /// [`Error::Io`] when the process has no descriptor left.
    pub fn open_http(
        &self,
        request: &ParsedRequest<'_>,
        watch: Option<OwnedFd>,
        ready: Option<ReadyFn>,
    ) -> Result<HttpExchange> {
        let opening = match &*lock(&self.state) {
            State::Running(running) => Opening {
                env: self.core.env.clone(),
                service: running.endpoint.clone(),
                exchanges: running.exchanges.clone(),
                is_draining: running.is_draining(),
            },
            _ => return Err(not_running()),
        };
        HttpExchange::open(opening, request, watch, ready)
    }

    /// Opens a peer whose WebSocket the host speaks.
    ///
    /// `opening` is the request that began it: its path, Host and Origin are checked as our own
    /// listener would; `Upgrade`, version and key are the host's business. With an empty method
    /// there was none, the host trusts the peer, and only `remote` and `principal` count. `ready`
    /// says when [`MessagePeer::take`] has something; without it use [`MessagePeer::wait`].
    ///
    /// # Errors
    /// [`Error::Denied`] with the HTTP status to answer; [`Error::State`] unless the server runs;
    /// [`Error::Io`] when the system has no randomness to give.
    pub fn open_peer(
        &self,
        opening: &ParsedRequest<'_>,
        ready: Option<ReadyFn>,
    ) -> Result<MessagePeer> {
        // Held until the session is in the store: `stop` ends those that it finds there.
        let state = lock(&self.state);
        let State::Running(running) = &*state else {
            return Err(not_running());
        };
        if running.is_draining() {
            return Err(Error::denied(StatusCode::ServiceUnavailable, STOPPING));
        }
        let head = match opening.method {
            "" => None,
            _ => Some(Head::opening(opening, &self.core.env)?),
        };
        let channel = running.endpoint.open_channel(head.as_ref(), &opening.peer());
        let (channel, subprotocol) = channel?;
        Ok(MessagePeer::new(channel, subprotocol, ready))
    }

    /// Serves the connection that `make` makes, if there is room for one.
    fn let_in<T>(&self, make: impl FnOnce(&Running) -> Result<(Handover, T)>) -> Result<T> {
        let state = lock(&self.state);
        let State::Running(running) = &*state else {
            return Err(not_running());
        };
        if running.is_draining() {
            return Err(Error::State("server is draining".into()));
        }
        let Some(open) = OpenConnections::enter(&running.open, &self.core) else {
            return Err(Error::Limit("connections are at their limit".into()));
        };
        let (handover, host_end) = make(running)?;
        running.serve(&self.core, handover, open);
        Ok(host_end)
    }
}
