//! The way in for hosts that speak WebSocket themselves.

use http_types::StatusCode;

use super::{Server, State};
use crate::door::{MessagePeer, ReadyFn};
use crate::error::{Error, Result};
use crate::http::{Head, ParsedRequest, Peer};
use crate::sync::lock;

impl Server {
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
            return Err(Error::State("server is not running".into()));
        };
        if running.is_draining() {
            return Err(denied((StatusCode::ServiceUnavailable, "the server is stopping")));
        }
        let head = match opening.method {
            "" => None,
            _ => Some(Head::opening(opening, &self.core.env).map_err(denied)?),
        };
        let peer = Peer {
            address: opening.remote.into(),
            is_unix: opening.is_local,
            principal: (!opening.principal.is_empty()).then(|| opening.principal.into()),
        };
        let (channel, subprotocol) = running.endpoint.open_channel(head.as_ref(), &peer)?;
        Ok(MessagePeer::new(channel, subprotocol, ready))
    }
}

fn denied((status, reason): (StatusCode, &'static str)) -> Error {
    Error::Denied { status: status as u16, reason: reason.into() }
}
