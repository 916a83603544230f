//! The fuzz target of resumed streams: a sequence of steps, compared with a twin that keeps all.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::outbox::{EventId, Frame, Outbox, WhenFull};
use super::streams::{STANDALONE, Streams};
use crate::env::Env;
use crate::fuzzing::Bytes;
use crate::limits::Limits;

/// Whoever comes back with `Last-Event-ID` gets what followed on that stream, in order, once, and
/// nothing of another stream; from the first event on that is still kept.
///
/// The first bytes up to a line feed are tried as the text of a header; each of the others is a
/// step.
///
/// # Panics
/// When it is not so.
pub fn resume(data: &[u8]) {
    let (text, steps) = data.split_at(data.iter().position(|byte| *byte == b'\n').unwrap_or(0));
    let text = String::from_utf8_lossy(text);
    let named = EventId::parse(&text);
    if let Some(id) = named {
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
    }
    let limits = Limits { replay_bytes: 1000, outbox_frames: 8, ..Limits::default() };
    let env = Env::new(limits);
    let mut twin = Twin::new(&env);
    let mut steps = Bytes(steps);
    while !steps.is_empty() {
        let (step, argument) = (steps.byte(), steps.byte());
        match step % 8 {
            0 => twin.open(),
            1 => twin.standalone(),
            2 => twin.detach(argument),
            3 => twin.end(argument),
            4 => twin.reply(argument),
            5 => twin.resume(argument, steps.byte()),
            _ => twin.say(argument),
        }
    }
    if let Some(id) = named {
        twin.resume_at(id);
    }
}

/// The streams, and all that was ever sent on each of them.
struct Twin {
    env: Arc<Env>,
    streams: Streams,
    /// The streams that were opened, with their newest connections until these are detached.
    known: Vec<(u32, Option<Arc<Outbox>>)>,
    sent: HashMap<u32, Vec<(u64, String)>>,
    count: u64,
}

impl Twin {
    fn new(env: &Arc<Env>) -> Twin {
        let streams = Streams::new(env.clone());
        Twin { env: env.clone(), streams, known: Vec::new(), sent: HashMap::new(), count: 0 }
    }

    fn outbox(&self) -> Arc<Outbox> {
        Outbox::new(self.env.clone(), WhenFull::DropNotifications)
    }

    fn open(&mut self) {
        let outbox = self.outbox();
        let number = self.streams.number();
        self.streams.open(number, outbox.clone());
        assert!(number != STANDALONE && self.known.iter().all(|(known, _)| *known != number));
        self.known.push((number, Some(outbox)));
    }

    fn standalone(&mut self) {
        let outbox = self.outbox();
        self.streams.open_standalone(outbox.clone());
        self.known.retain(|(number, _)| *number != STANDALONE);
        self.known.push((STANDALONE, Some(outbox)));
        assert!(self.streams.has_standalone());
    }

    fn pick(&self, argument: u8) -> Option<u32> {
        let place = usize::from(argument).checked_rem(self.known.len())?;
        self.known.get(place).map(|(stream, _)| *stream)
    }

    fn connection(&mut self, stream: u32) -> Option<&mut Option<Arc<Outbox>>> {
        let mut known = self.known.iter_mut();
        known.find(|(known, _)| *known == stream).map(|(_, connection)| connection)
    }

    fn detach(&mut self, argument: u8) {
        let Some(stream) = self.pick(argument) else { return };
        let Some(outbox) = self.connection(stream).and_then(Option::take) else { return };
        self.streams.detach(stream, &outbox);
    }

    fn end(&mut self, argument: u8) {
        // The standalone stream ends with its session alone.
        let Some(stream) = self.pick(argument).filter(|stream| *stream != STANDALONE) else {
            return;
        };
        self.streams.end(stream);
        assert!(self.streams.resume(EventId { stream, seq: 0 }, self.outbox()).is_none());
        self.known.retain(|(known, _)| *known != stream);
        self.sent.remove(&stream);
    }

    fn say(&mut self, argument: u8) {
        self.send(argument, |event, text| Frame::Message { event: Some(event), text });
    }

    fn reply(&mut self, argument: u8) {
        self.send(argument, |event, text| Frame::Reply { event: Some(event), text, error: None });
    }

    fn send(&mut self, argument: u8, frame: impl FnOnce(EventId, Arc<str>) -> Frame) {
        let Some(stream) = self.pick(argument) else { return };
        self.count += 1;
        // Some are too long to be kept.
        let length = if argument == 255 { 2000 } else { usize::from(argument) };
        let text = format!("{}{}", self.count, "x".repeat(length));
        let mut seq = None;
        self.streams.send(stream, |event| {
            assert_eq!(event.stream, stream);
            seq = Some(event.seq);
            frame(event, text.as_str().into())
        });
        // A stream whose answer was not kept is forgotten.
        let Some(seq) = seq else { return };
        let sent = self.sent.entry(stream).or_default();
        assert!(sent.last().is_none_or(|(last, _)| *last < seq), "event ids grow");
        sent.push((seq, text));
    }

    fn resume(&mut self, argument: u8, back: u8) {
        let Some(stream) = self.pick(argument) else { return };
        let sent = self.sent.get(&stream).map_or(&[][..], Vec::as_slice);
        let place = sent.len().saturating_sub(usize::from(back));
        let seq = sent.get(place).map_or(0, |(seq, _)| *seq);
        self.resume_at(EventId { stream, seq });
    }

    fn resume_at(&mut self, last: EventId) {
        let outbox = self.outbox();
        let Some(resumed) = self.streams.resume(last, outbox.clone()) else { return };
        let sent = self.sent.get(&last.stream).map_or(&[][..], Vec::as_slice);
        let after: Vec<&(u64, String)> = sent.iter().filter(|(seq, _)| *seq > last.seq).collect();
        let kept: Vec<_> = after.into_iter().filter(|(_, text)| text.len() < 900).collect();
        let missed: Vec<(u64, String)> = resumed.missed.iter().map(view).collect();
        assert!(missed.len() <= kept.len());
        let newest = kept[kept.len() - missed.len()..].iter().map(|event| (*event).clone());
        assert_eq!(missed, newest.collect::<Vec<_>>(), "what was missed is the end of what came");
        // The connection before it has ended, and this one hears what comes from here on.
        let connection = self.connection(last.stream).expect("only known streams are resumed");
        let old = connection.replace(outbox);
        assert!(old.is_none_or(|old| is_over(&old)), "two connections on one stream");
    }
}

/// Reads `outbox` to its end; tells whether it has one.
fn is_over(outbox: &Outbox) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match outbox.poll_next(&mut cx) {
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(_)) => return true,
            Poll::Pending => return false,
        }
    }
}

fn view(frame: &Frame) -> (u64, String) {
    match frame {
        Frame::Message { event: Some(event), text } => (event.seq, text.to_string()),
        Frame::Reply { event: Some(event), text, .. } => (event.seq, text.to_string()),
        other => panic!("{other:?} is no event that can be kept"),
    }
}
