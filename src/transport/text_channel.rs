//! A channel of whole text messages with a session behind it: a WebSocket, whether its frames are
//! ours or the host's.

use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::duplex::{self, SharedStream};
use super::event_stream::StreamSlot;
use super::message::Origin;
use super::revoked;
use crate::auth::Pass;
use crate::core::Core;
use crate::env::Env;
use crate::error;
use crate::http::Head;
use crate::peer::Peer;
use crate::session::{Close, Frame, Link, Outbox, Session, WhenFull};

/// The subprotocol that SDK clients offer and insist on.
const SUBPROTOCOL: &str = "mcp";

/// What a known bridge sends to keep proxies awake; no JSON, and no answer is expected.
const BRIDGE_PING: &str = "PING";

/// The subprotocol to echo. Only when offered: clients hang up on a missing one and on an
/// uninvited one.
pub(super) fn subprotocol(head: &Head) -> Option<&'static str> {
    head.has_token("sec-websocket-protocol", SUBPROTOCOL).then_some(SUBPROTOCOL)
}

/// One channel. It counts as a WebSocket and ends its session when dropped: it cannot be resumed,
/// so what runs for it is cancelled.
pub(crate) struct TextChannel {
    pub(crate) env: Arc<Env>,
    /// Weak: the host may keep its side of a channel longer than the server.
    core: Weak<Core>,
    session: Arc<Session>,
    outbox: Arc<Outbox>,
    origin: Origin,
    /// What let the peer in; it must still do so when a message comes, also within the moment
    /// until the channel hears that it does not.
    pass: Option<Arc<Pass>>,
    _slot: StreamSlot,
}

impl TextChannel {
    /// Opens a session for `peer`.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the system has no randomness to give.
    pub(super) fn open(
        core: &Arc<Core>,
        peer: &Peer,
        slot: StreamSlot,
    ) -> error::Result<TextChannel> {
        let outbox = Outbox::new(core.env.clone(), WhenFull::Close);
        let link = Link::Duplex(outbox.clone());
        let session = core.sessions.open(link, peer.principal.clone())?;
        core.changes.subscribe(Arc::downgrade(&session) as _);
        core.env.counters.websockets.up();
        revoked::watch(core, peer, &outbox);
        let origin = Origin::of(peer, "websocket", Arc::new(SharedStream(outbox.clone())));
        let (env, core, pass) = (core.env.clone(), Arc::downgrade(core), peer.pass.clone());
        Ok(TextChannel { env, core, session, outbox, origin, pass, _slot: slot })
    }

    /// Takes one message. Calls of inline tools run before this returns.
    pub(crate) fn receive(&self, text: &str) {
        if text == BRIDGE_PING {
            return;
        }
        let Some(core) = self.core.upgrade() else { return };
        if self.pass.as_ref().is_some_and(|pass| !core.auth.is_valid(pass)) {
            core.sessions.end(&self.session.id, Close::Revoked);
            return;
        }
        duplex::receive(&core, &self.session, text.as_bytes(), &self.origin);
    }

    /// The next message for the peer, or why there will be none.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Arc<str>, Closing>> {
        loop {
            match std::task::ready!(self.outbox.poll_next(cx)) {
                Ok(Frame::Message { text, .. } | Frame::Reply { text, .. }) => {
                    return Poll::Ready(Ok(text));
                }
                // Only streams that can be resumed say when.
                Ok(Frame::Retry { .. }) => {}
                Err(why) => return Poll::Ready(Err(Closing::from(why))),
            }
        }
    }

    /// Ready when [`TextChannel::poll_next`] is.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.outbox.poll_ready(cx)
    }

    /// How the channel ends, once that is certain. Messages may still wait to be sent.
    pub(crate) fn closing(&self) -> Option<Closing> {
        self.outbox.closed().map(Closing::from)
    }

    /// Ends the session; what runs for it is cancelled. Calls functions of the host.
    pub(crate) fn end(&self) {
        if let Some(core) = self.core.upgrade() {
            core.sessions.end(&self.session.id, Close::Done);
        }
    }
}

impl Drop for TextChannel {
    fn drop(&mut self) {
        self.env.counters.websockets.down();
        self.end();
    }
}

/// What the close frame of a WebSocket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// One of RFC 6455 section 7.4.1.
    pub code: u16,
    /// A few words for whoever reads the client's log.
    pub reason: &'static str,
}

impl Closing {
    pub(crate) const DONE: Closing = Closing::new(1000, "session ended");
    pub(crate) const NOT_UTF8: Closing = Closing::new(1007, "text is not UTF-8");
    pub(crate) const TOO_LARGE: Closing = Closing::new(1009, "message is too large");
    pub(crate) const BROKEN: Closing = Closing::new(1011, "internal error");
    pub(crate) const CROWDED: Closing = Closing::new(1013, "too many unfinished messages");

    pub(super) const fn new(code: u16, reason: &'static str) -> Closing {
        Closing { code, reason }
    }
}

impl From<Close> for Closing {
    fn from(why: Close) -> Closing {
        match why {
            Close::Done | Close::Session => Closing::DONE,
            Close::Shutdown => Closing::new(1001, "server is stopping"),
            Close::Revoked => Closing::new(1008, "the key or token is not valid any more"),
            Close::Overflow => Closing::new(1008, "client reads too slowly"),
        }
    }
}
