//! What waits to be sent on one stream: bounded, filled from any thread, drained by one connection.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::env::Env;
use crate::sync::lock;

/// Names one event of a legacy session: the stream and the position on it. Written `stream-seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventId {
    pub(crate) stream: u32,
    pub(crate) seq: u64,
}

impl EventId {
    /// Reads the value of a `Last-Event-ID` header.
    pub(crate) fn parse(text: &str) -> Option<EventId> {
        let (stream, seq) = text.split_once('-')?;
        Some(EventId { stream: stream.parse().ok()?, seq: seq.parse().ok()? })
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.stream, self.seq)
    }
}

/// One thing to send.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// A notification, or a reply on a stream that carries many.
    Message { event: Option<EventId>, text: Arc<str> },
    /// The reply that ends the exchange; `error` is its JSON-RPC error code.
    Reply { event: Option<EventId>, text: Arc<str>, error: Option<i32> },
    /// Tells the client how long to wait before it resumes, in milliseconds.
    Retry { event: EventId, after_ms: u64 },
}

impl Frame {
    fn bytes(&self) -> usize {
        match self {
            Frame::Message { text, .. } | Frame::Reply { text, .. } => text.len(),
            Frame::Retry { .. } => 0,
        }
    }
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// Everything has been said.
    Done,
    /// The session ended: DELETE, expiry, eviction, or a newer stream took over.
    Session,
    /// The key that opened it does not let anybody in any more.
    Revoked,
    /// The server stops.
    Shutdown,
    /// Too much waited for a client that reads too slowly.
    Overflow,
}

/// What an outbox does when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Drops notifications; a reply always fits, because its size has its own limit.
    DropNotifications,
    /// Ends the stream: dropping one of many replies would leave its request hanging.
    Close,
}

/// The queue itself.
pub(crate) struct Outbox {
    env: Arc<Env>,
    when_full: WhenFull,
    state: Mutex<State>,
}

#[derive(Default)]
#[expect(
    clippy::box_collection,
    reason = "every stream has the place, and few ever have the queue"
)]
struct State {
    /// The frame that goes next. Most are sent before another one comes, so the queue behind it
    /// has no memory most of the time.
    next: Option<Frame>,
    /// Those behind it, oldest first. Together never above `limits.outbox_frames` and, unless it is
    /// one frame alone, `limits.outbox_bytes`.
    rest: Option<Box<VecDeque<Frame>>>,
    bytes: usize,
    closed: Option<Close>,
    /// Woken when there is something to send; the connection alone drains the queue.
    reader: Option<Waker>,
}

impl State {
    fn frames(&self) -> usize {
        usize::from(self.next.is_some()) + self.rest.as_ref().map_or(0, |rest| rest.len())
    }

    fn take(&mut self) -> Option<Frame> {
        let frame = self.next.take()?;
        self.bytes -= frame.bytes();
        if let Some(rest) = &mut self.rest {
            self.next = rest.pop_front();
            if self.next.is_none() {
                self.rest = None;
            }
        }
        Some(frame)
    }
}

impl Outbox {
    pub(crate) fn new(env: Arc<Env>, when_full: WhenFull) -> Arc<Outbox> {
        Arc::new(Outbox { env, when_full, state: Mutex::default() })
    }

    /// Queues `frame`; tells whether it will be sent.
    pub(crate) fn push(&self, frame: Frame) -> bool {
        let mut state = lock(&self.state);
        if state.closed.is_some() {
            return false;
        }
        let limits = &self.env.limits;
        // A frame alone always fits: its size has a limit of its own, which escapes may exceed.
        let is_full = state.frames() >= limits.outbox_frames
            || state.next.is_some() && state.bytes + frame.bytes() > limits.outbox_bytes;
        if is_full {
            match (self.when_full, &frame) {
                (WhenFull::DropNotifications, Frame::Reply { .. }) => {}
                (WhenFull::DropNotifications, _) => {
                    self.env.counters.notifications_dropped.up();
                    return false;
                }
                (WhenFull::Close, _) => {
                    self.env.counters.outboxes_overflowed.up();
                    (state.next, state.rest, state.bytes) = (None, None, 0);
                    return self.close_locked(state, Close::Overflow);
                }
            }
        }
        state.bytes += frame.bytes();
        match state.next {
            None => state.next = Some(frame),
            Some(_) => state.rest.get_or_insert_default().push_back(frame),
        }
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        true
    }

    /// Ends the stream once what is queued has been sent.
    pub(crate) fn close(&self, why: Close) {
        let state = lock(&self.state);
        if state.closed.is_none() {
            self.close_locked(state, why);
        }
    }

    fn close_locked(&self, mut state: std::sync::MutexGuard<'_, State>, why: Close) -> bool {
        state.closed = Some(why);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        false
    }

    /// Why the stream ends, once that is certain. Frames may still wait.
    pub(crate) fn closed(&self) -> Option<Close> {
        lock(&self.state).closed
    }

    /// Ready when [`Outbox::poll_next`] is.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.next.is_some() || state.closed.is_some() {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next frame, or why there will be none.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Frame, Close>> {
        let mut state = lock(&self.state);
        if let Some(frame) = state.take() {
            return Poll::Ready(Ok(frame));
        }
        if let Some(why) = state.closed {
            return Poll::Ready(Err(why));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn outbox(when_full: WhenFull) -> Arc<Outbox> {
        let limits = Limits { outbox_frames: 2, outbox_bytes: 10, ..Limits::default() };
        Outbox::new(Env::new(limits), when_full)
    }

    fn message(text: &str) -> Frame {
        Frame::Message { event: None, text: text.into() }
    }

    fn next(outbox: &Outbox) -> Poll<Result<Frame, Close>> {
        outbox.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_full_shared_outbox_closes() {
        let outbox = outbox(WhenFull::Close);
        assert!(outbox.push(message("1")));
        assert!(!outbox.push(message("0123456789")));
        assert!(matches!(next(&outbox), Poll::Ready(Err(Close::Overflow))));
    }

    #[test]
    fn a_frame_alone_fits_whatever_its_size() {
        let outbox = outbox(WhenFull::Close);
        assert!(outbox.push(message("01234567890123456789")));
        assert!(matches!(next(&outbox), Poll::Ready(Ok(_))));
    }

    #[test]
    fn a_full_exchange_drops_notifications_but_keeps_its_reply() {
        let outbox = outbox(WhenFull::DropNotifications);
        assert!(outbox.push(message("1")) && outbox.push(message("2")));
        assert!(!outbox.push(message("3")));
        assert!(outbox.push(Frame::Reply { event: None, text: "4".into(), error: None }));
        outbox.close(Close::Done);
        assert!(!outbox.push(message("5")));
        for _ in 0..3 {
            assert!(matches!(next(&outbox), Poll::Ready(Ok(_))));
        }
        assert!(matches!(next(&outbox), Poll::Ready(Err(Close::Done))));
    }

    #[test]
    fn event_ids_round_trip() {
        let id = EventId { stream: 7, seq: 12 };
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        assert_eq!(EventId::parse("7"), None);
        assert_eq!(EventId::parse("a-b"), None);
    }
}
