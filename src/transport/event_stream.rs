//! One `text/event-stream` body: frames of an outbox written as events, comments while it is
//! silent, and the knowledge of what it means when its client leaves.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::{AsyncBufRead, AsyncRead};

use crate::cancel::CancelReason;
use crate::clock::Alarm;
use crate::core::Core;
use crate::env::Env;
use crate::http::Final;
use crate::session::{Close, EventId, Frame, InFlight, Link, Outbox, Session};

/// Frames are written together up to this size, so that a burst is one write and not many.
const COALESCE_BYTES: usize = 16 * 1024;

/// How long a client waits before it resumes a stream that the network cut.
const RETRY_MS: u64 = 1000;

/// What the server does when a client leaves its stream.
pub(super) enum Presence {
    /// Modern: leaving cancels the request (2026-07-28, cancellation).
    Exchange(Arc<InFlight>),
    /// Legacy: the request goes on and waits in the replay buffer for the client's return.
    Attached { session: Arc<Session>, stream: u32, outbox: Arc<Outbox> },
    /// HTTP+SSE: the stream is the session, and cannot be resumed.
    Session { core: Arc<Core>, id: Arc<str> },
    /// Nothing to do: an exchange outside any session.
    Nothing,
}

impl Drop for Presence {
    fn drop(&mut self) {
        match self {
            Presence::Exchange(scope) => scope.close(CancelReason::Gone),
            Presence::Attached { session, stream, outbox } => {
                if let Link::Streams(streams) = &session.link {
                    streams.detach(*stream, outbox);
                }
            }
            Presence::Session { core, id } => {
                core.sessions.end(id, Close::Done);
            }
            Presence::Nothing => {}
        }
    }
}

/// A place among `limits.streams`, given back when dropped.
pub(super) struct StreamSlot(Arc<Env>);

impl StreamSlot {
    pub(super) fn take(env: &Arc<Env>) -> Option<StreamSlot> {
        let within = env.counters.streams.up_within(env.limits.streams);
        if !within {
            env.counters.streams_refused.up();
        }
        within.then(|| StreamSlot(env.clone()))
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.0.counters.streams.down();
    }
}

/// The body. Ends after the reply of its exchange, or when its outbox closes.
pub(super) struct EventStream {
    /// None once nothing more follows what is written.
    outbox: Option<Arc<Outbox>>,
    /// Written and not yet read by the connection, from `read` on.
    written: Vec<u8>,
    read: usize,
    keepalive: Alarm,
    _presence: Presence,
    slot: StreamSlot,
}

impl EventStream {
    pub(super) fn new(
        env: &Arc<Env>,
        outbox: Arc<Outbox>,
        presence: Presence,
        slot: StreamSlot,
    ) -> EventStream {
        let keepalive = env.clock.alarm();
        keepalive.set(env.limits.keepalive_time);
        EventStream {
            outbox: Some(outbox),
            written: Vec::new(),
            read: 0,
            keepalive,
            _presence: presence,
            slot,
        }
    }

    /// Starts the stream of a request with an event that only carries an id, so that a client cut
    /// off before the first real event can resume (2025-11-25, Streamable HTTP).
    pub(super) fn prime(&mut self, stream: u32) {
        self.prime_at(EventId { stream, seq: 0 });
    }

    /// Starts the standalone stream at the present: what was sent before it is not replayed.
    pub(super) fn prime_at(&mut self, id: EventId) {
        self.push_fields(&[
            ("id", &id.to_string()),
            ("retry", &RETRY_MS.to_string()),
            ("data", ""),
        ]);
    }

    /// Says where to post to: the first event of HTTP+SSE.
    pub(super) fn announce(&mut self, endpoint: &str) {
        self.push_fields(&[("event", "endpoint"), ("data", endpoint)]);
    }

    /// Writes frames ahead of what the outbox has.
    pub(super) fn extend(&mut self, frames: impl IntoIterator<Item = Frame>) {
        frames.into_iter().for_each(|frame| self.push(&frame));
    }

    /// Ends the stream after what has been written.
    pub(super) fn end(&mut self) {
        self.outbox = None;
    }

    fn push(&mut self, frame: &Frame) {
        match frame {
            Frame::Message { event, text } => self.push_message(*event, text),
            Frame::Reply { event, text, .. } => {
                self.push_message(*event, text);
                self.outbox = None;
            }
            Frame::Retry { event, after_ms } => {
                let (id, retry) = (event.to_string(), after_ms.to_string());
                self.push_fields(&[("id", &id), ("retry", &retry), ("data", "")]);
            }
        }
    }

    fn push_message(&mut self, event: Option<EventId>, text: &str) {
        match event {
            Some(id) => {
                self.push_fields(&[("event", "message"), ("id", &id.to_string()), ("data", text)]);
            }
            None => self.push_fields(&[("event", "message"), ("data", text)]),
        }
    }

    /// Writes one event. Values are single lines: JSON that we wrote, ids, numbers.
    fn push_fields(&mut self, fields: &[(&str, &str)]) {
        for (name, value) in fields {
            for part in [name, ": ", value, "\n"] {
                self.written.extend_from_slice(part.as_bytes());
            }
        }
        self.written.push(b'\n');
    }

    fn unread(&self) -> &[u8] {
        &self.written[self.read..]
    }

    /// Makes sure there is something to read, or that the stream has ended.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.unread().is_empty() {
            // Given back whole: a stream is silent most of its life.
            self.written = Vec::new();
            self.read = 0;
        }
        while let Some(outbox) = &self.outbox
            && self.written.len() < COALESCE_BYTES
        {
            match outbox.poll_next(cx) {
                Poll::Ready(Ok(frame)) => self.push(&frame),
                Poll::Ready(Err(_)) => self.outbox = None,
                Poll::Pending => break,
            }
        }
        if self.written.is_empty() && self.outbox.is_some() {
            if self.keepalive.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.written.extend_from_slice(b": keep-alive\n\n");
        }
        self.keepalive.set(self.slot.0.limits.keepalive_time);
        Poll::Ready(())
    }
}

impl AsyncBufRead for EventStream {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.unread().is_empty() && !(this.outbox.is_none() && this.written.is_empty()) {
            std::task::ready!(this.poll_written(cx));
        }
        Poll::Ready(Ok(this.unread()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.read += amount.min(this.unread().len());
    }
}

impl AsyncRead for EventStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let ready = std::task::ready!(self.as_mut().poll_fill_buf(cx))?;
        let amount = ready.len().min(buffer.len());
        buffer[..amount].copy_from_slice(&ready[..amount]);
        self.consume(amount);
        Poll::Ready(Ok(amount))
    }
}

/// The answer that `stream` is.
pub(super) fn answer(stream: EventStream) -> Final {
    Final::Events(Box::new(stream))
}
