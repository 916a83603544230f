//! The SSE streams of one Streamable HTTP session, and what it takes to resume a cut one.
//!
//! Every event that went out on a stream with ids is kept until newer ones need its place. A
//! client that comes back with `Last-Event-ID` gets the rest of that stream and of no other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::outbox::{Close, EventId, Frame, Outbox};
use crate::env::Env;
use crate::sync::lock;

/// The stream that a plain GET opens; requests get the numbers above it.
pub(crate) const STANDALONE: u32 = 0;

/// All streams of one session.
pub(crate) struct Streams {
    env: Arc<Env>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_stream: u32,
    next_seq: u64,
    /// Most sessions have this one alone, so it needs no map.
    standalone: Option<Stream>,
    /// Those of requests.
    live: BTreeMap<u32, Stream>,
    /// Oldest first. Never above `limits.replay_bytes`.
    replay: VecDeque<(EventId, Frame)>,
    replay_bytes: usize,
}

#[derive(Default)]
struct Stream {
    /// Where its connection listens, while there is one.
    outbox: Option<Arc<Outbox>>,
    /// Nothing more will come on it.
    finished: bool,
}

/// What a client gets back that resumes.
pub(crate) struct Resumed {
    /// The events it missed, oldest first.
    pub(crate) missed: Vec<Frame>,
    /// Nothing follows after them.
    pub(crate) finished: bool,
}

impl Streams {
    pub(crate) fn new(env: Arc<Env>) -> Streams {
        Streams { env, state: Mutex::default() }
    }

    /// The number of the stream that the next request may open.
    pub(crate) fn number(&self) -> u32 {
        let mut state = lock(&self.state);
        state.next_stream = state.next_stream.wrapping_add(1).max(STANDALONE + 1);
        state.next_stream
    }

    /// Opens the stream of one request under its number.
    pub(crate) fn open(&self, number: u32, outbox: Arc<Outbox>) {
        let stream = Stream { outbox: Some(outbox), finished: false };
        lock(&self.state).live.insert(number, stream);
    }

    /// Opens or takes over the standalone stream. The newest connection wins: clients reconnect
    /// before the server notices that the old connection has died.
    pub(crate) fn open_standalone(&self, outbox: Arc<Outbox>) {
        let mut state = lock(&self.state);
        let old = state.standalone.get_or_insert_default().outbox.replace(outbox);
        drop(state);
        if let Some(old) = old {
            old.close(Close::Session);
        }
    }

    /// Reattaches `outbox` to the stream that `last` was seen on; `None` when it is unknown.
    pub(crate) fn resume(&self, last: EventId, outbox: Arc<Outbox>) -> Option<Resumed> {
        let mut state = lock(&self.state);
        let missed = state.replay.iter().filter(|(id, _)| id.stream == last.stream);
        let missed = missed.filter(|(id, _)| id.seq > last.seq).map(|(_, f)| f.clone()).collect();
        let stream = state.stream(last.stream)?;
        let old = stream.outbox.replace(outbox);
        let finished = stream.finished;
        drop(state);
        if let Some(old) = old {
            old.close(Close::Session);
        }
        Some(Resumed { missed, finished })
    }

    /// Takes the next event id on `stream` without sending anything under it.
    pub(crate) fn reserve(&self, stream: u32) -> EventId {
        let mut state = lock(&self.state);
        state.next_seq += 1;
        EventId { stream, seq: state.next_seq }
    }

    /// Sends a frame on `stream` under a fresh event id and keeps it for those who resume.
    pub(crate) fn send(&self, stream: u32, frame: impl FnOnce(EventId) -> Frame) {
        let mut state = lock(&self.state);
        let Some(entry) = state.stream(stream) else { return };
        let outbox = entry.outbox.clone();
        state.next_seq += 1;
        let id = EventId { stream, seq: state.next_seq };
        let frame = frame(id);
        if let (Frame::Reply { .. }, Some(entry)) = (&frame, state.stream(stream)) {
            entry.finished = true;
        }
        self.keep(&mut state, id, frame.clone());
        // Queued under the lock, so that events stand on the stream in the order of their ids.
        if let Some(outbox) = outbox {
            outbox.push(frame);
        }
    }

    /// Sends `text` on the standalone stream if a client has opened it.
    pub(crate) fn send_standalone(&self, text: Arc<str>) {
        self.send(STANDALONE, |event| Frame::Message { event: Some(event), text });
    }

    /// Tells whether a client has opened the standalone stream and may come back to it.
    pub(crate) fn has_standalone(&self) -> bool {
        lock(&self.state).standalone.is_some()
    }

    /// Ends a stream that nobody can resume: its request was abandoned, or answered without any
    /// event before.
    pub(crate) fn end(&self, stream: u32) {
        let ended = lock(&self.state).live.remove(&stream);
        if let Some(outbox) = ended.and_then(|stream| stream.outbox) {
            outbox.close(Close::Done);
        }
    }

    /// Detaches `outbox` from `stream` when its connection has gone.
    pub(crate) fn detach(&self, stream: u32, outbox: &Arc<Outbox>) {
        let mut state = lock(&self.state);
        if let Some(entry) = state.stream(stream)
            && entry.outbox.as_ref().is_some_and(|current| Arc::ptr_eq(current, outbox))
        {
            entry.outbox = None;
        }
    }

    /// Tells whether a connection is open on any stream.
    pub(crate) fn is_attached(&self) -> bool {
        let state = lock(&self.state);
        state.standalone.iter().chain(state.live.values()).any(|stream| stream.outbox.is_some())
    }

    /// Ends every connection.
    pub(crate) fn close(&self, why: Close) {
        let mut state = lock(&self.state);
        let (standalone, live) = (state.standalone.take(), std::mem::take(&mut state.live));
        drop(state);
        let streams = standalone.into_iter().chain(live.into_values());
        streams.filter_map(|stream| stream.outbox).for_each(|outbox| outbox.close(why));
    }

    fn keep(&self, state: &mut State, id: EventId, frame: Frame) {
        let limit = self.env.limits.replay_bytes;
        if size(&frame) > limit {
            // It would drive out the events of every other stream and still not fit.
            self.env.counters.replays_evicted.up();
            return state.forget_finished(id.stream);
        }
        state.replay_bytes += size(&frame);
        if state.replay.is_empty() {
            // Many sessions keep one event, a changed list, for all their life.
            state.replay.reserve_exact(1);
        }
        state.replay.push_back((id, frame));
        while state.replay_bytes > limit {
            let Some((id, frame)) = state.replay.pop_front() else { break };
            state.replay_bytes -= size(&frame);
            self.env.counters.replays_evicted.up();
            let is_last = !state.replay.iter().any(|(kept, _)| kept.stream == id.stream);
            if is_last {
                state.forget_finished(id.stream);
            }
        }
    }
}

impl State {
    fn stream(&mut self, number: u32) -> Option<&mut Stream> {
        match number {
            STANDALONE => self.standalone.as_mut(),
            _ => self.live.get_mut(&number),
        }
    }

    /// Forgets a stream whose answer is not kept: a client that resumed it would wait for ever.
    fn forget_finished(&mut self, stream: u32) {
        if self.live.get(&stream).is_some_and(|stream| stream.finished) {
            self.live.remove(&stream);
        }
    }
}

/// What an event costs in the replay buffer, bookkeeping included: events without text must not
/// be free, or a client could hoard them.
fn size(frame: &Frame) -> usize {
    const OVERHEAD: usize = 64;
    match frame {
        Frame::Message { text, .. } | Frame::Reply { text, .. } => text.len() + OVERHEAD,
        Frame::Retry { .. } => OVERHEAD,
    }
}

#[cfg(test)]
mod tests {
    use super::super::outbox::WhenFull;
    use super::*;
    use crate::limits::Limits;

    fn message(text: &'static str) -> impl FnOnce(EventId) -> Frame {
        move |event| Frame::Message { event: Some(event), text: text.into() }
    }

    fn streams(replay_bytes: usize) -> (Streams, Arc<Env>) {
        let env = Env::new(Limits { replay_bytes, ..Limits::default() });
        (Streams::new(env.clone()), env)
    }

    fn open(streams: &Streams, env: &Arc<Env>) -> u32 {
        let number = streams.number();
        streams.open(number, outbox(env));
        number
    }

    fn outbox(env: &Arc<Env>) -> Arc<Outbox> {
        Outbox::new(env.clone(), WhenFull::DropNotifications)
    }

    #[test]
    fn a_cut_stream_resumes_with_its_own_events_only() {
        let (streams, env) = streams(10_000);
        let (a, b) = (open(&streams, &env), open(&streams, &env));
        let seen = streams.reserve(a);
        streams.send(a, message("a1"));
        streams.send(b, message("b1"));
        streams.send(a, |event| Frame::Reply {
            event: Some(event),
            text: "a2".into(),
            error: None,
        });
        let resumed = streams.resume(seen, outbox(&env)).expect("known stream");
        assert_eq!(resumed.missed.len(), 2);
        assert!(resumed.finished);
    }

    #[test]
    fn old_events_make_room() {
        let (streams, env) = streams(200);
        let stream = open(&streams, &env);
        let seen = streams.reserve(stream);
        for _ in 0..10 {
            streams.send(stream, message("x"));
        }
        let resumed = streams.resume(seen, outbox(&env)).expect("known stream");
        assert_eq!(resumed.missed.len(), 3);
        assert_eq!(env.counters.replays_evicted.value(), 7);
    }

    #[test]
    fn an_answer_that_does_not_fit_drives_no_other_event_out() {
        let (streams, env) = streams(200);
        let (a, b) = (open(&streams, &env), open(&streams, &env));
        let (seen_a, seen_b) = (streams.reserve(a), streams.reserve(b));
        streams.send(a, message("x"));
        streams.send(b, |event| Frame::Reply {
            event: Some(event),
            text: "y".repeat(500).into(),
            error: None,
        });
        assert_eq!(streams.resume(seen_a, outbox(&env)).expect("known stream").missed.len(), 1);
        assert!(streams.resume(seen_b, outbox(&env)).is_none());
        assert_eq!(env.counters.replays_evicted.value(), 1);
    }
}
