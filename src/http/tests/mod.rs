//! Drives [`serve`] over a socket pair: one test per promise, bytes in and bytes out.
//!
//! Server and client take turns on one thread. A yield of the client lets the server read what is
//! there, which makes every split of the bytes reproducible without a sleep.

mod lifecycle;
mod request;

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::{Async, Timer, block_on};
use futures_lite::io::{AsyncBufRead, AsyncRead, Cursor};
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use http_types::{Body, Method, StatusCode};
use smol::channel::{Receiver, Sender, bounded};

use super::response::{close_after, event_stream, json, response, text};
use super::{Admission, Final, HalfClose, Head, Incoming, Outcome, Service, Socket, serve};
use crate::env::Env;
use crate::limits::Limits;
use crate::peer::Peer;
use crate::readiness::Readiness;
use crate::stats::Stats;
use crate::sync::lock;

/// Answers by path.
#[derive(Default)]
struct Fake {
    /// Method, path and body of each request, in order.
    seen: Mutex<Vec<String>>,
    /// Futures and bodies that were dropped.
    dropped: Arc<AtomicUsize>,
}

impl Service for Fake {
    fn admit(&self, head: &Head, peer: &Peer) -> Admission {
        match head.path.as_str() {
            "/refuse" => {
                Admission::Now(Err(Box::new(text(StatusCode::Unauthorized, "send a token"))))
            }
            "/panic-early" => panic!("on purpose"),
            _ => Admission::Now(Ok(peer.clone())),
        }
    }

    fn respond(&self, incoming: &Incoming) -> Outcome {
        let Incoming { head, body, .. } = incoming;
        let body = String::from_utf8(body.clone()).unwrap();
        lock(&self.seen).push(format!("{} {} {body}", head.method, head.path));
        let drop_count = || DropCount(self.dropped.clone());
        match head.path.as_str() {
            "/204" => Outcome::respond(response(StatusCode::NoContent)),
            "/304" => Outcome::respond(response(StatusCode::NotModified)),
            "/close" => {
                let mut response = text(StatusCode::Ok, "bye");
                close_after(&mut response);
                Outcome::respond(response)
            }
            "/later" => {
                let reply = Box::pin(async {
                    future::yield_now().await;
                    json(StatusCode::Ok, "1".to_owned()).into()
                });
                Outcome::Wait { reply, half_close: HalfClose::Tolerate }
            }
            "/document" => Outcome::respond(Final::Document("[1]".into())),
            "/never" => {
                let dropped = drop_count();
                let reply = Box::pin(async move {
                    let _dropped = dropped;
                    pending().await
                });
                Outcome::Wait { reply, half_close: HalfClose::Gone }
            }
            "/never-mind" => {
                let dropped = drop_count();
                let reply = Box::pin(async move {
                    let _dropped = dropped;
                    pending().await
                });
                Outcome::Wait { reply, half_close: HalfClose::Tolerate }
            }
            "/panic" => panic!("on purpose"),
            "/panic-later" => {
                let reply = Box::pin(async { panic!("on purpose") });
                Outcome::Wait { reply, half_close: HalfClose::Gone }
            }
            "/sse" => Outcome::respond(event_stream(Cursor::new(b"data: 1\n\n"))),
            "/silent" => {
                let events = Events { first: b"data: 1\n\n", _dropped: drop_count() };
                Outcome::respond(event_stream(events))
            }
            "/short" => {
                let mut response = text(StatusCode::Ok, "");
                response.set_body(Body::from_reader(Cursor::new(b"ab"), Some(3)));
                Outcome::respond(response)
            }
            "/large" => Outcome::respond(json(StatusCode::Ok, "x".repeat(200_000))),
            "/inject" => {
                let mut bad = response(StatusCode::Ok);
                bad.insert_header("x", "a\r\nset-cookie: b");
                Outcome::respond(bad)
            }
            "/upgrade" => {
                let headers = vec![("upgrade", "echo".to_owned())];
                Outcome::Upgrade {
                    headers,
                    run: Box::new(|socket, early| Box::pin(echo(socket, early))),
                }
            }
            _ => Outcome::respond(text(StatusCode::Ok, &body)),
        }
    }
}

async fn echo(mut socket: Socket, early: Vec<u8>) {
    socket.write_all(&early).await.unwrap();
    let mut rest = [0; 64];
    let length = socket.read(&mut rest).await.unwrap();
    socket.write_all(&rest[..length]).await.unwrap();
}

struct DropCount(Arc<AtomicUsize>);

impl Drop for DropCount {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// One event, then silence.
struct Events {
    first: &'static [u8],
    _dropped: DropCount,
}

impl AsyncRead for Events {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.first.is_empty() {
            return Poll::Pending;
        }
        Pin::new(&mut self.first).poll_read(cx, buf)
    }
}

impl AsyncBufRead for Events {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.first.is_empty() { Poll::Pending } else { Poll::Ready(Ok(self.first)) }
    }

    fn consume(mut self: Pin<&mut Self>, length: usize) {
        self.first = &self.first[length..];
    }
}

/// One server with one connection.
struct Bench {
    env: Arc<Env>,
    service: Arc<Fake>,
    drain: (Sender<Infallible>, Receiver<Infallible>),
    early: Vec<u8>,
}

impl Bench {
    fn new(limits: Limits) -> Bench {
        let service = Arc::default();
        Bench { env: Env::new(limits), service, drain: bounded(1), early: Vec::new() }
    }

    /// Serves while `client` runs; returns once both have ended.
    fn run<T, F: Future<Output = T>>(&self, client: impl FnOnce(Async<UnixStream>) -> F) -> T {
        let (server, peer) = UnixStream::pair().unwrap();
        let readiness = Readiness::new().unwrap();
        let socket = Socket::unix(server, &readiness).unwrap();
        let address = Peer::at("test".into(), true);
        let drain = self.drain.1.clone();
        let early = self.early.clone();
        let server =
            serve(socket, early, address, self.service.clone(), self.env.clone(), drain, ());
        let client = client(Async::new(peer).unwrap());
        let clock = async {
            self.env.clock.clone().run().await;
            unreachable!("the clock ticks for ever")
        };
        let deadline = async {
            Timer::after(Duration::from_secs(10)).await;
            panic!("the test took too long")
        };
        let both = async { future::zip(server, client).await.1 };
        let watch = async {
            readiness.watch().unwrap().await;
            unreachable!("sockets are watched for ever")
        };
        block_on(future::or(both, future::or(watch, future::or(clock, deadline))))
    }

    /// Sends `pieces` one by one, ends our side and returns all that comes back.
    fn talk(&self, pieces: &[&[u8]]) -> String {
        self.run(|mut stream| async move {
            for piece in pieces {
                // A server that has refused the request may have closed the socket.
                let _ = stream.write_all(piece).await;
                turns(4).await;
            }
            let _ = stream.get_ref().shutdown(Shutdown::Write);
            read_all(&mut stream).await
        })
    }

    fn stats(&self) -> Stats {
        self.env.counters.snapshot()
    }

    fn seen(&self) -> Vec<String> {
        lock(&self.service.seen).clone()
    }
}

impl Default for Bench {
    fn default() -> Bench {
        Bench::new(Limits::default())
    }
}

/// Lets the server run.
async fn turns(count: usize) {
    for _ in 0..count {
        future::yield_now().await;
    }
}

async fn read_all(stream: &mut Async<UnixStream>) -> String {
    let mut bytes = Vec::new();
    // A reset after the reply ends the reading as well.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

/// Reads until `end` has come.
async fn read_until(stream: &mut Async<UnixStream>, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).await.unwrap();
        assert!(length > 0, "end of file after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    text
}

/// The status of every reply in `text`.
fn statuses(text: &str) -> Vec<u16> {
    let mut parts = text.split("HTTP/1.1 ");
    assert_eq!(parts.next(), Some(""), "{text:?}");
    parts.map(|part| part[..3].parse().unwrap()).collect()
}

/// Checks the statuses that `input` gets.
#[track_caller]
fn check(input: &str, expected: &[u16]) {
    let reply = Bench::default().talk(&[input.as_bytes()]);
    assert_eq!(statuses(&reply), expected, "{input:?} got {reply:?}");
}

/// Checks a POST with `fields` and `body`, and a GET behind it that must not be reached when the
/// POST is refused.
#[track_caller]
fn check_post(fields: &str, body: &str, expected: &[u16]) {
    let post = format!("POST /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n{body}");
    check(&format!("{post}GET /b HTTP/1.1\r\nHost: h\r\n\r\n"), expected);
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

/// A request of the usual kind, which gets an answer of that kind.
fn usual(body: &str) -> String {
    format!("POST /document HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
