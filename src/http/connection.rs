//! The life of one connection: wait, read a request, answer it, again.
//!
//! The future of an idle connection is small, because thousands of them wait; everything that
//! belongs to one request is boxed and gone with its reply.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_lite::{Stream, future};
use http_types::{Response, StatusCode};
use smol::channel::Receiver;

use super::ask::{self, internal_error};
use super::body::{BODY_LATE, BODY_TOO_LARGE, Dechunker, TOO_MUCH_HELD};
use super::guard::{Scanner, parse};
use super::head::{Expectation, Framing};
use super::reject::Reject;
use super::response::{Reply, Terms, finish, no_upgrade, upgrade_head};
use super::wire::{Arrival, Departure, Lost, Wire};
use super::writer::pump;
use super::{BoxFuture, HalfClose, Head, Outcome, Peer, Service, Socket, Takeover, Version};
use crate::env::Env;
use crate::held::Held;
use crate::level::Level;
use crate::shield::shielded;

/// Serves one connection until it ends.
///
/// `early` has the bytes that the host has read from it. `drain` closes once the server drains:
/// an idle connection ends, a busy one finishes its reply with `Connection: close`.
pub(crate) async fn serve(
    socket: Socket,
    early: Vec<u8>,
    peer: Peer,
    service: Arc<dyn Service>,
    env: Arc<Env>,
    drain: Receiver<Infallible>,
) {
    let wire = Wire::new(socket, early, env.clone());
    let mut connection = Connection {
        wire,
        peer,
        service,
        env,
        drain: Box::pin(drain),
        requests: 0,
        empty_lines: 0,
        has_unread_body: false,
    };
    while connection.next_request().await {
        // Two boxes: a stream that goes on for hours keeps nothing of its request.
        let answer = Box::pin(connection.answer()).await;
        match Box::pin(connection.send(answer)).await {
            // A client that pipelines is always ready; the others get their turn.
            Next::Request if connection.is_pipelined() => future::yield_now().await,
            Next::Request => {}
            Next::Close => {
                let rest =
                    if connection.has_unread_body { connection.env.limits.body_bytes } else { 0 };
                return Box::pin(connection.wire.linger(rest)).await;
            }
            Next::Vanish => return,
            Next::Upgrade(run) => return connection.hand_over(run).await,
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
    let reject = Reject::malformed(message);
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
    /// Boxed: it keeps its place in the list of listeners from poll to poll.
    drain: Pin<Box<Receiver<Infallible>>>,
    requests: u64,
    /// Skipped before the request that is waited for.
    empty_lines: u8,
    /// The request under way has a body that was not read to its end.
    has_unread_body: bool,
}

/// What is to be sent for one request.
enum Answer {
    Reply(Reply),
    /// Bytes that are a whole head or more, and what follows once they are out.
    Bytes(Vec<u8>, Next),
    /// The client did not wait for it.
    Nothing,
}

/// What follows one exchange.
enum Next {
    Request,
    /// The reply is out; the client may still have to read it.
    Close,
    /// There is nobody to say anything to.
    Vanish,
    Upgrade(Takeover),
}

/// Why a request was not read in full.
enum Stop {
    Reject(Reject),
    Gone,
}

impl From<Reject> for Stop {
    fn from(reject: Reject) -> Stop {
        Stop::Reject(reject)
    }
}

impl Connection {
    /// Waits for the first byte of a request; false when the connection is over.
    async fn next_request(&mut self) -> bool {
        self.empty_lines = 0;
        self.wire.start_deadline(self.env.limits.idle_time);
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
            if self.drain.as_mut().poll_next(cx).is_ready() {
                return Poll::Ready(false);
            }
            if ready!(self.wire.poll_more(cx)) != Arrival::Bytes {
                return Poll::Ready(false);
            }
        }
    }

    /// Reads one request and finds its answer.
    async fn answer(&mut self) -> Answer {
        let head = match self.read_head().await {
            Ok(head) => head,
            Err(stop) => return self.stop(stop),
        };
        self.has_unread_body = head.framing.has_body();
        let terms = self.terms(&head);
        let peer = match ask::admission(&*self.service, &self.env, &head, &self.peer) {
            Ok(peer) => peer,
            Err(response) => {
                let persist = terms.persist && !head.framing.has_body();
                return self.reply(response, Terms { persist, ..terms });
            }
        };
        let body = match self.read_body(&head).await {
            Ok(body) => body,
            Err(stop) => return self.stop(stop),
        };
        self.has_unread_body = false;
        self.wire.end_deadline();
        self.wire.release();
        let (reply, half_close) = match ask::respond(&*self.service, &self.env, head, body, peer) {
            Ok(Outcome::Respond(response)) => return self.reply(response, terms),
            Ok(Outcome::Upgrade { headers, run }) => return self.upgrade(&headers, run, terms),
            Ok(Outcome::Wait { reply, half_close }) => (reply, half_close),
            Err(reject) => return self.stop(Stop::Reject(reject)),
        };
        match self.wait(reply, half_close).await {
            Some(response) => self.reply(response, terms),
            None => Answer::Nothing,
        }
    }

    async fn read_head(&mut self) -> Result<Head, Stop> {
        self.wire.start_deadline(self.env.limits.head_time);
        let mut scanner = Scanner::default();
        let length = loop {
            if let Some(length) = scanner.scan(self.wire.buffered(), &self.env.limits)? {
                break length;
            }
            self.more("the request head did not arrive in time").await?;
        };
        let head = parse(&self.wire.buffered()[..length], &self.env.limits)?;
        self.wire.consume(length);
        Ok(head)
    }

    async fn read_body(&mut self, head: &Head) -> Result<Vec<u8>, Stop> {
        if head.expectation == Expectation::Unknown {
            let message = "the only expectation is 100-continue";
            return Err(Reject::new(StatusCode::ExpectationFailed, message).into());
        }
        let limit = self.env.limits.body_bytes;
        if !head.framing.has_body() {
            return Ok(Vec::new());
        }
        if head.content_length().is_some_and(|length| length > limit as u64) {
            return Err(BODY_TOO_LARGE.into());
        }
        // RFC 9110 section 10.1.1: a client whose body is on its way does not wait any more.
        if head.expectation == Expectation::Continue && self.wire.buffered().is_empty() {
            let sent = self.wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await;
            sent.map_err(|Lost| Stop::Gone)?;
        }
        self.wire.start_deadline(self.env.limits.body_time);
        match head.framing {
            Framing::Absent => Ok(Vec::new()),
            // Compared with the limit above, which is a `usize`.
            Framing::Length(length) => self.read_sized(length as usize).await,
            Framing::Chunked => self.read_chunked(limit).await,
        }
    }

    async fn read_sized(&mut self, length: usize) -> Result<Vec<u8>, Stop> {
        // Grows with what arrives: a promise alone must not cost memory.
        let mut body = self.wire.take(length);
        let mut held = Held::new(self.env.clone());
        while body.len() < length {
            let arrival = self.wire.more_into(&mut body, length).await;
            check_arrival(arrival, BODY_LATE.message)?;
            check_held(held.grow_to(body.len()))?;
        }
        Ok(body)
    }

    async fn read_chunked(&mut self, limit: usize) -> Result<Vec<u8>, Stop> {
        let mut dechunker = Dechunker::new(limit);
        let mut held = Held::new(self.env.clone());
        loop {
            let used = dechunker.push(self.wire.buffered())?;
            self.wire.consume(used);
            if let Some(body) = dechunker.finished() {
                return Ok(body);
            }
            check_held(held.grow_to(dechunker.length()))?;
            self.more(BODY_LATE.message).await?;
        }
    }

    async fn more(&mut self, late: &'static str) -> Result<(), Stop> {
        check_arrival(self.wire.more().await, late)
    }

    /// Waits for a reply under way; `None` when the client has gone before it was ready.
    async fn wait(
        &mut self,
        mut reply: BoxFuture<Response>,
        half_close: HalfClose,
    ) -> Option<Response> {
        let Connection { wire, env, .. } = self;
        poll_fn(|cx| {
            if let Poll::Ready(response) = ask::poll_reply(&mut reply, env, cx) {
                return Poll::Ready(Some(response));
            }
            match ready!(wire.poll_departure(cx)) {
                Departure::HalfClosed if half_close == HalfClose::Tolerate => Poll::Pending,
                Departure::HalfClosed | Departure::Reset => Poll::Ready(None),
            }
        })
        .await
    }

    async fn send(&mut self, answer: Answer) -> Next {
        let (sent, next) = match answer {
            Answer::Reply(reply) => {
                let next = if reply.persist { Next::Request } else { Next::Close };
                (pump(&mut self.wire, &self.env, reply).await, next)
            }
            Answer::Bytes(bytes, next) => (self.wire.write_all(&bytes).await, next),
            Answer::Nothing => return Next::Vanish,
        };
        match sent {
            Ok(()) => next,
            Err(Lost) => Next::Vanish,
        }
    }

    fn reply(&self, response: Response, terms: Terms) -> Answer {
        // A client that ended its side asks for nothing more than what is buffered.
        let is_over = self.wire.is_at_end() && self.wire.buffered().is_empty();
        let persist = terms.persist && !is_over && !self.drain.is_closed();
        Answer::Reply(finish(response, Terms { persist, ..terms }, &self.env))
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

    /// Leaves the connection to `run`.
    fn hand_over(self, run: Takeover) -> BoxFuture<()> {
        let Connection { wire, env, .. } = self;
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

fn check_held(is_allowed: bool) -> Result<(), Stop> {
    is_allowed.then_some(()).ok_or_else(|| TOO_MUCH_HELD.into())
}

fn check_arrival(arrival: Arrival, late: &'static str) -> Result<(), Stop> {
    match arrival {
        Arrival::Bytes => Ok(()),
        Arrival::Late => Err(Reject::new(StatusCode::RequestTimeout, late).into()),
        // RFC 9112 section 8 lets us say so: a client that only ended its side still reads.
        Arrival::Never => Err(Reject::malformed("the request ended early").into()),
    }
}

/// Empty lines that may stand before one request.
const EMPTY_LINES: u8 = 16;
