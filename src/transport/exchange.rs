//! The answer to one POST: JSON if it is ready before anything else had to be said, otherwise a
//! stream. The host never sees that decision.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::Poll;
use std::time::Duration;

use http_types::{Response, StatusCode};

use super::event_stream::{self, EventStream, Presence, StreamSlot};
use super::{challenge, revoked};
use crate::auth::{Denial, Lack};
use crate::core::Core;
use crate::env::Env;
use crate::http::Final;
use crate::http::response::{STOPPING, json, response, set_header, text};
use crate::peer::Peer;
use crate::reply::{Reply, ReplySink};
use crate::rpc::code;
use crate::session::{Close, Frame, Link, Outbox, Session, Streams, WhenFull};
use crate::sync::lock;

/// Which forms of answer the client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object; notifications have no place in it.
    Json,
    /// Whatever suits.
    Either,
    /// A stream, even for a single event.
    Stream,
}

/// One POST that waits for its answer.
pub(super) struct Exchange {
    env: Arc<Env>,
    /// Made for the first thing to say that is not the whole answer, or for who waits for it.
    outbox: OnceLock<Arc<Outbox>>,
    form: Form,
    /// Modern revisions give some errors an HTTP status of their own.
    is_modern: bool,
    /// The stream that a legacy client may resume.
    resumable: Option<Resumable>,
    /// The answer is going to be a stream.
    streaming: AtomicBool,
    /// The answer that came before anything else, to become JSON. Guards against a notification
    /// slipping behind that decision.
    first: Mutex<Option<Reply>>,
    /// What its caller lacks, as the challenge of the answer; set before the answer is queued.
    challenge: OnceLock<String>,
    /// Where the key or token that it may end with is from. Weak: the host may keep a call, and the
    /// way back of its answer, longer than the server.
    admitted_by: OnceLock<Weak<Core>>,
}

struct Resumable {
    session: Arc<Session>,
    stream: u32,
    /// Once there is anything to come back for: an answer at once opens none.
    is_open: OnceLock<()>,
    /// The revision knows the opening event and polling (SEP-1699).
    is_primed: bool,
}

impl Exchange {
    /// An exchange that ends with its connection.
    pub(super) fn modern(env: &Arc<Env>, form: Form) -> Arc<Exchange> {
        Exchange::new(env, form, true, None)
    }

    /// An exchange outside any session: a handshake, or an error in the making.
    pub(super) fn plain(env: &Arc<Env>, form: Form) -> Arc<Exchange> {
        Exchange::new(env, form, false, None)
    }

    /// An exchange of a legacy session, which outlives its connection.
    pub(super) fn resumable(env: &Arc<Env>, form: Form, session: &Arc<Session>) -> Arc<Exchange> {
        Exchange::new(env, form, false, Some(session))
    }

    fn new(
        env: &Arc<Env>,
        form: Form,
        is_modern: bool,
        session: Option<&Arc<Session>>,
    ) -> Arc<Exchange> {
        let resumable = session.and_then(|session| {
            let stream = streams(session)?.number();
            let is_primed = session.revision().primes_streams();
            let is_open = OnceLock::new();
            Some(Resumable { session: session.clone(), stream, is_open, is_primed })
        });
        // The opening event of a forced stream promises that its client may come back.
        let streaming = AtomicBool::new(form == Form::Stream && resumable.is_some());
        Arc::new(Exchange {
            env: env.clone(),
            outbox: OnceLock::new(),
            form,
            is_modern,
            resumable,
            streaming,
            first: Mutex::default(),
            challenge: OnceLock::new(),
            admitted_by: OnceLock::new(),
        })
    }

    /// Has the exchange end when the key or token of `peer` lets nobody in any more.
    pub(super) fn end_with_pass(&self, core: &Arc<Core>, peer: &Peer) {
        // Set once: an exchange has one request.
        let _ = self.admitted_by.set(Arc::downgrade(core));
        if peer.pass.is_some() {
            revoked::watch(core, peer, self.outbox());
        }
    }

    fn outbox(&self) -> &Arc<Outbox> {
        self.outbox.get_or_init(|| Outbox::new(self.env.clone(), WhenFull::DropNotifications))
    }

    /// What happens to the work when the client of this exchange leaves.
    pub(super) fn presence(&self) -> Presence {
        let (Some(resumable), Some((_, stream))) = (&self.resumable, self.stream()) else {
            return Presence::Nothing;
        };
        Presence::Attached {
            session: resumable.session.clone(),
            stream,
            outbox: self.outbox().clone(),
        }
    }

    /// The answer if it is there already. Spares the quick methods a second look at the reactor.
    pub(super) fn ready(&self) -> Option<Final> {
        lock(&self.first).take().map(|Reply { text, error }| self.as_json(text, error))
    }

    /// Waits for the first thing to say and answers in the form that it calls for. `slot` is the
    /// stream's place if its caller had to take one before.
    pub(super) async fn respond(
        self: Arc<Self>,
        presence: Presence,
        mut slot: Option<StreamSlot>,
    ) -> Final {
        let alarm = self.env.clock.alarm();
        alarm.set(self.env.limits.keepalive_time);
        let first = loop {
            let next = poll_fn(|cx| match self.outbox().poll_next(cx) {
                Poll::Ready(next) => Poll::Ready(Some(next)),
                // Looked for behind the outbox, which wakes us from here on.
                Poll::Pending if lock(&self.first).is_some() => Poll::Ready(Some(Err(Close::Done))),
                Poll::Pending => alarm.poll(cx).map(|()| None),
            });
            let next = next.await;
            if let Some(answer) = self.ready() {
                // Whoever made ready for a stream did so in vain.
                self.end_stream();
                return answer;
            }
            match next {
                Some(Ok(Frame::Reply { text, error, .. }))
                    if self.prefers_json(error) || !self.hold(&mut slot) =>
                {
                    return self.as_json(text.as_ref().to_owned(), error);
                }
                Some(Ok(frame)) if self.hold(&mut slot) => break Some(frame),
                // No stream is free: the notification is lost, the answer will come as JSON.
                Some(Ok(_)) => self.env.counters.notifications_dropped.up(),
                Some(Err(why)) => {
                    // Nobody is going to add to a stream that has been made ready in vain. With a
                    // key that was taken away the call goes on, and its end is that of the stream.
                    if why == Close::Done {
                        self.end_stream();
                    }
                    return self.closed(why).into();
                }
                // A silent call of many seconds: a stream with comments keeps proxies patient.
                None if self.form != Form::Json && self.hold(&mut slot) => {
                    if self.start_streaming() {
                        break None;
                    }
                }
                None => alarm.clear(),
            }
        };
        let Some(slot) = slot else { return response(StatusCode::InternalServerError).into() };
        let mut stream = EventStream::new(&self.env, self.outbox().clone(), presence, slot);
        if let Some((_, number)) = self.stream().filter(|_| self.is_primed()) {
            stream.prime(number);
        }
        stream.extend(first);
        event_stream::answer(stream)
    }

    /// Tells whether a reply that comes first goes out as JSON. An error whose meaning is its
    /// status does so always: status 200 would say something else.
    fn prefers_json(&self, error: Option<i32>) -> bool {
        let is_first = !self.streaming.load(SeqCst);
        is_first && (self.form != Form::Stream || self.status(error) != StatusCode::Ok)
    }

    /// Makes sure of a place for the stream; tells whether there is one.
    fn hold(&self, slot: &mut Option<StreamSlot>) -> bool {
        if slot.is_none() {
            *slot = StreamSlot::take(&self.env);
        }
        slot.is_some()
    }

    fn as_json(&self, text: String, error: Option<i32>) -> Final {
        let status = self.status(error);
        if status == StatusCode::Ok {
            return Final::Document(text);
        }
        let mut response = json(status, text);
        if let Some(challenge) = self.challenge.get() {
            set_header(&mut response, "www-authenticate", challenge);
        }
        response.into()
    }

    fn status(&self, error: Option<i32>) -> StatusCode {
        match self.is_modern {
            _ if self.challenge.get().is_some() => StatusCode::Forbidden,
            true => modern_status(error),
            false => StatusCode::Ok,
        }
    }

    /// The answer when there will be none.
    fn closed(&self, why: Close) -> Response {
        match why {
            // Cancelled by its own client, which no longer reads the answer.
            Close::Done => response(StatusCode::Accepted),
            Close::Session => text(StatusCode::NotFound, "the session has ended"),
            Close::Revoked => match self.admitted_by.get().and_then(Weak::upgrade) {
                Some(core) => challenge::refusal(&core, Denial::Ended),
                None => text(StatusCode::ServiceUnavailable, STOPPING),
            },
            Close::Shutdown | Close::Overflow => text(StatusCode::ServiceUnavailable, STOPPING),
        }
    }

    /// Decides for a stream, unless the answer is there already; tells whether it did.
    fn start_streaming(&self) -> bool {
        let first = lock(&self.first);
        self.streaming.store(first.is_none(), SeqCst);
        first.is_none()
    }

    /// The stream that a client may come back to, opened if it was not.
    fn stream(&self) -> Option<(&Streams, u32)> {
        let Resumable { session, stream, is_open, .. } = self.resumable.as_ref()?;
        let streams = streams(session)?;
        is_open.get_or_init(|| streams.open(*stream, self.outbox().clone()));
        Some((streams, *stream))
    }

    /// Ends that stream for good: nobody comes back for it.
    fn end_stream(&self) {
        if let Some(Resumable { session, stream, is_open, .. }) = &self.resumable
            && let (Some(streams), Some(())) = (streams(session), is_open.get())
        {
            streams.end(*stream);
        }
    }

    fn is_primed(&self) -> bool {
        self.resumable.as_ref().is_some_and(|resumable| resumable.is_primed)
    }

    fn send_message(&self, text: String) {
        match self.stream() {
            Some((streams, stream)) => streams
                .send(stream, |event| Frame::Message { event: Some(event), text: text.into() }),
            None => {
                self.outbox().push(Frame::Message { event: None, text: text.into() });
            }
        }
    }
}

impl ReplySink for Exchange {
    fn notify(&self, message: String) {
        if self.form == Form::Json {
            return;
        }
        let _order = lock(&self.first);
        self.streaming.store(true, SeqCst);
        self.send_message(message);
    }

    fn ask(&self, message: String) -> bool {
        // A client that takes JSON alone reads no stream of this request.
        let takes_stream = self.form != Form::Json;
        if takes_stream {
            self.notify(message);
        }
        takes_stream
    }

    fn reply(&self, Reply { text, error }: Reply) {
        let mut first = lock(&self.first);
        let is_first = !self.streaming.load(SeqCst);
        if is_first && self.form != Form::Stream {
            // Who has lost the key meanwhile is told that, and not this.
            let is_revoked =
                self.outbox.get().is_some_and(|outbox| outbox.closed() == Some(Close::Revoked));
            self.end_stream();
            if is_revoked {
                return;
            }
            *first = Some(Reply { text, error });
            // Who waits for it looks for it when the outbox ends.
            return self.outbox.get().into_iter().for_each(|outbox| outbox.close(Close::Done));
        }
        let stream = if is_first { None } else { self.stream() };
        match stream {
            Some((streams, stream)) => {
                streams.send(stream, |event| Frame::Reply {
                    event: Some(event),
                    text: text.into(),
                    error,
                });
            }
            None => {
                self.outbox().push(Frame::Reply { event: None, text: text.into(), error });
                // Nobody has an event id of this stream, so nobody can come back for it. One who
                // guessed it has cut the answer off and must not wait for it.
                self.end_stream();
            }
        }
        self.outbox().close(Close::Done);
    }

    fn forbid(&self, reply: Reply, lack: &Lack) {
        // Set once: a request is answered once.
        let _ = self.challenge.set(challenge::insufficient_scope(lack));
        self.reply(reply);
    }

    fn abandon(&self) {
        self.end_stream();
        self.outbox().close(Close::Done);
    }

    fn disconnect(&self, retry: Duration) -> bool {
        if !self.is_primed() || self.form == Form::Json {
            return false;
        }
        let Some((streams, stream)) = self.stream() else { return false };
        let _order = lock(&self.first);
        self.streaming.store(true, SeqCst);
        // Detached first: what follows waits in the replay buffer for the client's return.
        streams.detach(stream, self.outbox());
        let after_ms = u64::try_from(retry.as_millis()).unwrap_or(u64::MAX);
        self.outbox().push(Frame::Retry { event: streams.reserve(stream), after_ms });
        self.outbox().close(Close::Done);
        true
    }
}

/// The HTTP status of a modern answer (2026-07-28, Streamable HTTP). Errors that a handler found,
/// -32602 and -32603, ride on 200: the specification leaves them open, two of three SDKs do it.
pub(super) fn modern_status(error: Option<i32>) -> StatusCode {
    match error {
        Some(code::METHOD_NOT_FOUND) => StatusCode::NotFound,
        Some(
            code::PARSE_ERROR
            | code::INVALID_REQUEST
            | code::HEADER_MISMATCH
            | code::MISSING_CAPABILITY
            | code::UNSUPPORTED_VERSION,
        ) => StatusCode::BadRequest,
        _ => StatusCode::Ok,
    }
}

fn streams(session: &Session) -> Option<&Streams> {
    match &session.link {
        Link::Streams(streams) => Some(streams),
        Link::Duplex(_) => None,
    }
}
