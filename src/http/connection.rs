//! The life of one connection: wait, read a request, answer it, again.
//!
//! The future of an idle connection is small, because thousands of them wait; everything that
//! belongs to one request is boxed and gone with its reply.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_lite::future;
use http_types::Response;
use smol::channel::Receiver;

use super::ask::{self, internal_error};
use super::reading::{self, Stop};
use super::response::{Reply, Terms, brief, events, finish, no_upgrade, upgrade_head};
use super::wire::{Arrival, Departure, Lost, Wire};
use super::writer::pump;
use super::{
    Admission, Admitted, BoxFuture, Final, HalfClose, Head, Incoming, Outcome, Service, Socket,
    Takeover, Version, direct,
};
use crate::env::Env;
use crate::level::Level;
use crate::peer::Peer;
use crate::shield::shielded;

/// Serves one connection until it ends.
///
/// `early` has the bytes that the host has read from it. `drain` closes once the server drains, and
/// whoever closes it wakes the tasks of the clock: an idle connection ends, a busy one finishes its
/// reply with `Connection: close`. `held` is dropped with the connection.
pub(crate) fn serve(
    socket: Socket,
    early: Vec<u8>,
    peer: Peer,
    service: Arc<dyn Service>,
    env: Arc<Env>,
    drain: Receiver<Infallible>,
    held: impl Send + 'static,
) -> impl Future<Output = ()> + Send {
    // Outside the future, which would keep the arguments beside what is made of them; and boxed,
    // so that one who takes the socket over needs no room for the rest.
    let mut connection = Box::new(Connection {
        wire: Wire::new(socket, early, env.clone()),
        peer,
        service,
        env,
        drain,
        requests: 0,
        empty_lines: 0,
        has_unread_body: false,
        last: None,
    });
    async move {
        let _held = &held;
        while connection.next_request().await {
            let next = match poll_fn(|cx| Poll::Ready(connection.exchange_at_once(cx))).await {
                // Boxes for what waits: a connection at rest keeps nothing of its requests, and a
                // stream that goes on for hours needs no room for one.
                Next::Rest(answer) => {
                    let answer = Box::pin(connection.find(answer)).await;
                    connection.send(answer).await
                }
                next => next,
            };
            match next {
                // A client that pipelines is always ready; the others get their turn.
                Next::Request if connection.is_pipelined() => future::yield_now().await,
                Next::Request => {}
                Next::Close => return Box::pin(connection.linger()).await,
                Next::Vanish | Next::Rest(_) => return,
                Next::Upgrade(run) => return connection.hand_over(run).await,
            }
        }
    }
}

/// Serves a connection whose 101 is out; `early` has the bytes that came behind its request.
pub(crate) fn serve_upgraded(
    socket: Socket,
    early: Vec<u8>,
    run: Takeover,
    env: Arc<Env>,
) -> BoxFuture<()> {
    let started = shielded(&env, "an upgraded connection", || run(socket, early));
    Box::pin(async move {
        let Some(mut running) = started else { return };
        poll_fn(|cx| {
            let polled = shielded(&env, "an upgraded connection", || running.as_mut().poll(cx));
            polled.unwrap_or(Poll::Ready(()))
        })
        .await;
    })
}

/// Answers 400 to a connection that is not for us to serve.
#[cfg(feature = "tls")]
pub(crate) async fn refuse(socket: Socket, message: &'static str, env: Arc<Env>) {
    let reject = super::reject::Reject::malformed(message);
    reject.counter(&env.counters).up();
    let mut wire = Wire::new(socket, Vec::new(), env);
    if wire.write_all(&reject.to_bytes()).await.is_ok() {
        wire.linger(0).await;
    }
}

/// Ends a connection so that its client can read what it was told last.
#[cfg(feature = "tls")]
pub(crate) async fn part_with(socket: Socket, env: Arc<Env>) {
    Wire::new(socket, Vec::new(), env).linger(0).await;
}

struct Connection {
    wire: Wire,
    peer: Peer,
    service: Arc<dyn Service>,
    env: Arc<Env>,
    /// Asked and not waited for: its own place among those who wait would cost each connection more
    /// than it is worth.
    drain: Receiver<Infallible>,
    requests: u64,
    /// Skipped before the request that is waited for.
    empty_lines: u8,
    /// The request under way has a body that was not read to its end.
    has_unread_body: bool,
    /// The head of the request before, which the next one may repeat; for [`BUSY_TIME`].
    last: Option<Box<Head>>,
}

/// What is to be sent for one request.
enum Answer {
    /// Not before it is known who asks.
    Asked(Box<(Box<Head>, Terms, Admission)>),
    /// Not before it is there.
    Wait(BoxFuture<Final>, HalfClose, Terms),
    Reply(Reply),
    /// Bytes that are a whole head or more, and what follows once they are out.
    Bytes(Vec<u8>, Next),
    /// The client did not wait for it.
    Nothing,
}

/// What follows one exchange.
enum Next {
    /// The rest of it: its answer, or all of it.
    Rest(Option<Box<Answer>>),
    Request,
    /// The reply is out; the client may still have to read it.
    Close,
    /// There is nobody to say anything to.
    Vanish,
    Upgrade(Takeover),
}

impl Connection {
    /// Waits for the first byte of a request; false when the connection is over.
    async fn next_request(&mut self) -> bool {
        self.empty_lines = 0;
        let idle_time = self.env.limits.idle_time;
        let limit = if self.last.is_some() { idle_time.min(BUSY_TIME) } else { idle_time };
        self.wire.start_deadline(limit);
        poll_fn(|cx| self.poll_next_request(cx)).await
    }

    fn poll_next_request(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            // RFC 9112 section 2.2: old clients send an empty line behind a body. It is no
            // request, so it does not start the deadline of one. Behind the bound the guard
            // refuses it: a flood of them must not keep the thread in this loop.
            while self.empty_lines < EMPTY_LINES && self.wire.buffered().starts_with(b"\r\n") {
                self.empty_lines += 1;
                self.wire.consume(2);
            }
            if !matches!(self.wire.buffered(), b"" | b"\r") {
                return Poll::Ready(true);
            }
            self.wire.release();
            if self.drain.is_closed() {
                return Poll::Ready(false);
            }
            match self.wire.poll_more(cx) {
                Poll::Ready(Arrival::Bytes) => {}
                Poll::Ready(Arrival::Late) if self.rest() => {}
                Poll::Ready(_) => return Poll::Ready(false),
                // Again, now that whoever closes it would wake us.
                Poll::Pending if self.drain.is_closed() => return Poll::Ready(false),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Lets go of what only a busy client needs, with a new deadline; false when the old one was
    /// the last.
    fn rest(&mut self) -> bool {
        let rest = self.env.limits.idle_time.saturating_sub(BUSY_TIME);
        if self.last.take().is_none() || rest.is_zero() {
            return false;
        }
        self.wire.start_deadline(rest);
        true
    }

    /// Does the exchange if nothing in it has to wait: most are whole requests with short answers.
    fn exchange_at_once(&mut self, cx: &mut Context<'_>) -> Next {
        let (mut bytes, next) = match self.answer_at_once() {
            Some(Answer::Bytes(bytes, next)) => (bytes, next),
            answer => return Next::Rest(answer.map(Box::new)),
        };
        match self.wire.poll_write(cx, &bytes) {
            Poll::Ready(Ok(sent)) => drop(bytes.drain(..sent)),
            Poll::Ready(Err(Lost)) => return Next::Vanish,
            Poll::Pending => {}
        }
        match self.wire.poll_flush(cx) {
            Poll::Ready(Err(Lost)) => Next::Vanish,
            Poll::Ready(Ok(())) if bytes.is_empty() => next,
            _ => Next::Rest(Some(Box::new(Answer::Bytes(bytes, next)))),
        }
    }

    /// Goes on with `answer`, or from the beginning, until there is something to send.
    async fn find(&mut self, answer: Option<Box<Answer>>) -> Answer {
        let answer = match answer.map(|answer| *answer) {
            Some(Answer::Asked(asked)) => {
                let (head, terms, admission) = *asked;
                Box::pin(self.answer_asked(head, terms, admission)).await
            }
            Some(answer) => answer,
            None => Box::pin(self.answer()).await,
        };
        let Answer::Wait(reply, half_close, terms) = answer else { return answer };
        match self.wait(reply, half_close).await {
            Some(reply) => self.conclude(reply, terms),
            None => Answer::Nothing,
        }
    }

    /// Answers a request that has arrived as a whole, without a future for its pieces. `None` when
    /// some of it is missing or anything about it is unusual.
    fn answer_at_once(&mut self) -> Option<Answer> {
        let last = self.last.take();
        let (head, body) = reading::whole(&mut self.wire, &self.env.limits, last)?;
        let (terms, admission) = self.ask(&head);
        let Admission::Now(admitted) = admission else {
            return Some(Answer::Asked(Box::new((head, terms, admission))));
        };
        Some(match self.checked(admitted, &head, terms) {
            Ok(peer) => {
                let body = self.wire.take(body);
                self.respond(head, body, peer, terms)
            }
            Err(refused) => refused,
        })
    }

    /// Reads one request and finds its answer.
    async fn answer(&mut self) -> Answer {
        match reading::head(&mut self.wire, &self.env.limits).await {
            Ok(head) => {
                let (terms, admission) = self.ask(&head);
                self.answer_asked(head, terms, admission).await
            }
            Err(stop) => self.stop(stop),
        }
    }

    /// Goes on once it is known who sends the request.
    async fn answer_asked(
        &mut self,
        head: Box<Head>,
        terms: Terms,
        admission: Admission,
    ) -> Answer {
        let admitted = match admission {
            Admission::Now(admitted) => Some(admitted),
            Admission::Later(admission) => self.wait_admission(admission).await,
        };
        let Some(admitted) = admitted else { return Answer::Nothing };
        let peer = match self.checked(admitted, &head, terms) {
            Ok(peer) => peer,
            Err(refused) => return refused,
        };
        match reading::body(&mut self.wire, &self.env, &head).await {
            Ok(body) => self.respond(head, body, peer, terms),
            Err(stop) => self.stop(stop),
        }
    }

    /// Asks who sends the request and whether it may come in.
    fn ask(&mut self, head: &Head) -> (Terms, Admission) {
        self.has_unread_body = head.framing.has_body();
        let terms = self.terms(head);
        (terms, ask::admission(&*self.service, &self.env, head, &self.peer))
    }

    /// # Errors
    /// What is said to one that may not come in.
    fn checked(&self, admitted: Admitted, head: &Head, terms: Terms) -> Result<Peer, Answer> {
        admitted.map_err(|response| {
            let persist = terms.persist && !head.framing.has_body();
            self.reply(*response, Terms { persist, ..terms })
        })
    }

    /// Hands a whole request up.
    fn respond(&mut self, head: Box<Head>, body: Vec<u8>, peer: Peer, terms: Terms) -> Answer {
        self.has_unread_body = false;
        self.wire.end_deadline();
        self.wire.release();
        let incoming = Incoming { head, body, peer };
        let outcome = ask::respond(&*self.service, &self.env, &incoming);
        // Most who ask once do not ask again at once.
        let is_busy = self.requests > 1;
        self.last = Some(incoming.head).filter(|head| is_busy && head.is_repeatable());
        match outcome {
            Ok(Outcome::Respond(answer)) => self.conclude(answer, terms),
            Ok(Outcome::Wait { reply, half_close }) => Answer::Wait(reply, half_close, terms),
            Ok(Outcome::Upgrade { headers, run }) => self.upgrade(&headers, run, terms),
            Err(reject) => self.stop(Stop::Reject(reject)),
        }
    }

    /// Waits for a reply under way; `None` when the client has gone before it was ready.
    async fn wait(&mut self, mut reply: BoxFuture<Final>, half_close: HalfClose) -> Option<Final> {
        let Connection { wire, env, last, .. } = self;
        if last.is_some() {
            wire.start_deadline(BUSY_TIME);
        }
        let answer = poll_fn(|cx| {
            if let Poll::Ready(answer) = ask::poll_reply(&mut reply, env, cx) {
                return Poll::Ready(Some(answer));
            }
            if last.is_some() && wire.poll_deadline(cx).is_ready() {
                *last = None;
            }
            match ready!(wire.poll_departure(cx)) {
                Departure::HalfClosed if half_close == HalfClose::Tolerate => Poll::Pending,
                Departure::HalfClosed | Departure::Reset => Poll::Ready(None),
            }
        })
        .await;
        wire.end_deadline();
        answer
    }

    /// Waits for those who are asked whether a request may come in; `None` when its client has gone.
    async fn wait_admission(&mut self, mut admission: BoxFuture<Admitted>) -> Option<Admitted> {
        let Connection { wire, env, .. } = self;
        poll_fn(|cx| {
            if let Poll::Ready(admitted) = ask::poll_admission(&mut admission, env, cx) {
                return Poll::Ready(Some(admitted));
            }
            match ready!(wire.poll_departure(cx)) {
                // What it has sent may be a whole request.
                Departure::HalfClosed => Poll::Pending,
                Departure::Reset => Poll::Ready(None),
            }
        })
        .await
    }

    /// Sends what has been found; in no more room than that takes.
    fn send(&mut self, answer: Answer) -> Pin<Box<dyn Future<Output = Next> + Send + '_>> {
        match answer {
            Answer::Reply(reply) => {
                // It may be a stream, which goes on for hours.
                self.last = None;
                let persist = reply.persist;
                let mut sent = pump(&mut self.wire, &self.env, reply);
                Box::pin(poll_fn(move |cx| {
                    Pin::new(&mut sent).poll(cx).map(|sent| match sent {
                        Ok(()) if persist => Next::Request,
                        Ok(()) => Next::Close,
                        Err(Lost) => Next::Vanish,
                    })
                }))
            }
            Answer::Bytes(bytes, next) => Box::pin(async move {
                self.wire.write_all(&bytes).await.map_or(Next::Vanish, |()| next)
            }),
            Answer::Nothing | Answer::Asked(_) | Answer::Wait(..) => {
                Box::pin(std::future::ready(Next::Vanish))
            }
        }
    }

    fn conclude(&self, answer: Final, terms: Terms) -> Answer {
        let terms = self.present(terms);
        match direct::reply(&answer, terms).or_else(|| brief(&answer, terms)) {
            Some(bytes) => Answer::Bytes(bytes, Next::Request),
            None => Answer::Reply(stream_or(answer, terms, &self.env)),
        }
    }

    fn reply(&self, response: Response, terms: Terms) -> Answer {
        Answer::Reply(finish(response, self.present(terms), &self.env))
    }

    /// `terms` as they are now that the answer is there.
    fn present(&self, terms: Terms) -> Terms {
        // A client that ended its side asks for nothing more than what is buffered.
        let is_over = self.wire.is_at_end() && self.wire.buffered().is_empty();
        Terms { persist: terms.persist && !is_over && !self.drain.is_closed(), ..terms }
    }

    fn stop(&self, stop: Stop) -> Answer {
        let Stop::Reject(reject) = stop else { return Answer::Nothing };
        reject.counter(&self.env.counters).up();
        self.wire.end_deadline();
        Answer::Bytes(reject.to_bytes(), Next::Close)
    }

    fn upgrade(&self, headers: &[(&'static str, String)], run: Takeover, terms: Terms) -> Answer {
        // RFC 9110 section 7.8: an HTTP/1.0 request cannot ask for it.
        if terms.version == Version::Http10 {
            return self.reply(no_upgrade(), terms);
        }
        let Some(head) = upgrade_head(headers) else {
            let line = format_args!("an upgrade with an invalid header was replaced by 500");
            self.env.log(Level::Error, "http", line);
            return self.reply(internal_error(), terms);
        };
        Answer::Bytes(head, Next::Upgrade(run))
    }

    /// Has the client read the last reply.
    async fn linger(&mut self) {
        let rest = if self.has_unread_body { self.env.limits.body_bytes } else { 0 };
        self.wire.linger(rest).await;
    }

    /// Leaves the connection to `run`.
    fn hand_over(self: Box<Self>, run: Takeover) -> BoxFuture<()> {
        let Connection { wire, env, .. } = *self;
        let (socket, early) = wire.into_parts();
        serve_upgraded(socket, early, run, env)
    }

    fn is_pipelined(&self) -> bool {
        !self.wire.buffered().is_empty()
    }

    fn terms(&mut self, head: &Head) -> Terms {
        self.requests += 1;
        let persist = head.persist && self.requests < self.env.limits.requests_per_connection;
        Terms { method: head.method, version: head.version, persist }
    }
}

fn stream_or(answer: Final, terms: Terms, env: &Env) -> Reply {
    let answer = match answer {
        Final::Events(stream) => match events(stream, terms) {
            Ok(reply) => return reply,
            Err(stream) => Final::Events(stream),
        },
        other => other,
    };
    finish(answer.into(), terms, env)
}

/// How long a client that sends nothing, or waits, may still be about to repeat itself.
const BUSY_TIME: Duration = Duration::from_secs(1);

/// Empty lines that may stand before one request.
const EMPTY_LINES: u8 = 16;
