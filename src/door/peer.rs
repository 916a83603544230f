//! Whole messages of a WebSocket that the host speaks itself: text in, text out, a code to close
//! with. Sessions, notifications and limits are those of our own WebSocket.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::ready::{Ready, ReadyFn};
use crate::held::Held;
use crate::limits::Limits;
use crate::shield::shielded;
use crate::sync::lock;
use crate::transport::{Closing, TextChannel};

/// One peer; made by [`Server::open_peer`](crate::Server::open_peer).
///
/// Dropping it ends its session and cancels its calls: the client has left, or the host has sent
/// the close frame. The host's `ready` function does not run after that; do not hold a lock that it
/// takes. Every method may be called from any thread, also from inside `ready`.
pub struct MessagePeer {
    channel: TextChannel,
    subprotocol: Option<&'static str>,
    ready: Ready,
    inbox: Mutex<Inbox>,
}

/// The message under way.
struct Inbox {
    /// Never above `limits.body_bytes`.
    message: Vec<u8>,
    held: Held,
    /// Why it ended before its time; nothing goes in or out any more.
    fault: Option<Closing>,
}

impl MessagePeer {
    pub(crate) fn new(
        channel: TextChannel,
        subprotocol: Option<&'static str>,
        ready: Option<ReadyFn>,
    ) -> MessagePeer {
        let ready = Ready::new(&channel.env, ready);
        let held = Held::new(channel.env.clone());
        let inbox = Mutex::new(Inbox { message: Vec::new(), held, fault: None });
        // The host hears of the first message without having asked before.
        let _ = channel.poll_ready(&mut Context::from_waker(ready.waker()));
        MessagePeer { channel, subprotocol, ready, inbox }
    }

    /// The subprotocol to echo in the handshake: `mcp` when the client offered it.
    pub fn subprotocol(&self) -> Option<&'static str> {
        self.subprotocol
    }

    /// Takes the next piece of a text message; `last` completes it. Fragments may be cut anywhere.
    ///
    /// A whole message is understood on the calling thread, and inline tools run there.
    ///
    /// # Errors
    /// How to close, once the peer has ended: for a message above `limits.body_bytes` (1009), when
    /// unfinished messages are above `limits.held_bytes` (1013), for text that is not UTF-8 (1007).
    pub fn feed(&self, piece: &[u8], last: bool) -> Result<(), Closing> {
        let env = &self.channel.env;
        env.counters.bytes_in.add(piece.len() as u64);
        let message = {
            let mut inbox = lock(&self.inbox);
            if let Some(closing) = inbox.fault.or_else(|| self.channel.closing()) {
                return Err(closing);
            }
            inbox.collect(piece, last, &env.limits)
        };
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(fault) => return Err(self.refuse(fault)),
        };
        let Ok(text) = std::str::from_utf8(&message) else {
            return Err(self.refuse(Closing::NOT_UTF8));
        };
        let received = shielded(env, "a message", || self.channel.receive(text));
        received.ok_or_else(|| self.end(Closing::BROKEN))
    }

    /// The next message for the peer, or how to close when nothing more will come. After
    /// `Poll::Pending` the host is told when to ask again.
    pub fn take(&self) -> Poll<Result<Arc<str>, Closing>> {
        if let Some(fault) = lock(&self.inbox).fault {
            return Poll::Ready(Err(fault));
        }
        let taken = self.channel.poll_next(&mut Context::from_waker(self.ready.waker()));
        if let Poll::Ready(Ok(text)) = &taken {
            self.channel.env.counters.bytes_out.add(text.len() as u64);
        }
        taken
    }

    /// Waits until there is something to take, or the peer has ended; tells whether it was within
    /// `patience`.
    pub fn wait(&self, patience: Duration) -> bool {
        let since = Instant::now();
        let mut cx = Context::from_waker(self.ready.waker());
        while self.channel.poll_ready(&mut cx).is_pending() {
            // What it was woken for may have been taken already.
            if !self.ready.wait(patience.saturating_sub(since.elapsed())) {
                return false;
            }
        }
        true
    }

    /// How to close: 1000 as long as nothing else has ended the peer.
    pub fn closing(&self) -> Closing {
        let fault = lock(&self.inbox).fault;
        fault.or_else(|| self.channel.closing()).unwrap_or(Closing::DONE)
    }

    /// Ends the peer for what it sent.
    fn refuse(&self, fault: Closing) -> Closing {
        self.channel.env.counters.messages_malformed.up();
        self.end(fault)
    }

    fn end(&self, fault: Closing) -> Closing {
        {
            let mut inbox = lock(&self.inbox);
            inbox.message = Vec::new();
            inbox.held.clear();
            inbox.fault = Some(fault);
        }
        // Without the lock: calls that end here run functions of the host.
        self.channel.end();
        fault
    }
}

impl Drop for MessagePeer {
    fn drop(&mut self) {
        // First, so that the end of the session is no news to the host.
        self.ready.close();
    }
}

impl Inbox {
    /// Adds a piece; gives the message back when it is complete.
    fn collect<'a>(
        &mut self,
        piece: &'a [u8],
        last: bool,
        limits: &Limits,
    ) -> Result<Option<Cow<'a, [u8]>>, Closing> {
        if piece.len() > limits.body_bytes.saturating_sub(self.message.len()) {
            return Err(Closing::TOO_LARGE);
        }
        if last && self.message.is_empty() {
            return Ok(Some(Cow::Borrowed(piece)));
        }
        if !self.held.grow_by(piece.len()) {
            return Err(Closing::CROWDED);
        }
        self.message.extend_from_slice(piece);
        if !last {
            return Ok(None);
        }
        self.held.clear();
        Ok(Some(Cow::Owned(std::mem::take(&mut self.message))))
    }
}
