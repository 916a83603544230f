//! A response for the host's own HTTP server, which frames and dates it by itself.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::{AsyncRead, Cursor};
use http_types::{Body, Method, Response};

use super::Final;
use super::ask::internal_error;
use super::response::{check_length, is_bodiless, is_safe, sound};
use crate::env::Env;
use crate::level::Level;
use crate::shield::shielded;

/// The head of a response that the host's own HTTP server sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseHead {
    /// 200, 404, ...; 101 for an upgrade.
    pub status: u16,
    /// Names are in lower case. What frames or dates a response is the host's to add.
    pub headers: Vec<(String, String)>,
    /// Bytes of the body; `None` for a stream. To a HEAD request none of them come.
    pub content_length: Option<usize>,
}

/// A head and a body to pull.
pub(crate) struct Unframed {
    pub(crate) head: Arc<ResponseHead>,
    /// Gone once its end has been read.
    content: Option<Content>,
    /// Nothing will be added to it.
    is_cut_off: bool,
}

enum Content {
    /// A document, of which so many bytes have been read.
    Document(String, usize),
    /// Boxed, because it is large, and who holds it moves it with each step.
    Body(Box<Body>),
}

impl Unframed {
    /// The answer to a request of this method.
    pub(crate) fn of(answer: Final, method: Option<Method>, env: &Env) -> Unframed {
        match answer {
            // The short way of what there are many of, which yields the same.
            Final::Document(text) if method != Some(Method::Head) => Unframed::document(text),
            other => Unframed::new(other.into(), method, env),
        }
    }

    fn document(text: String) -> Unframed {
        let content_length = Some(text.len());
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let head = Arc::new(ResponseHead { status: 200, headers, content_length });
        let content = (!text.is_empty()).then(|| Content::Document(text, 0));
        Unframed { head, content, is_cut_off: false }
    }

    /// Checks `response` as the one from the wire is checked.
    pub(crate) fn new(response: Response, method: Option<Method>, env: &Env) -> Unframed {
        let mut response = sound(response, env);
        let status = response.status();
        let content_length = if is_bodiless(status) { Some(0) } else { response.len() };
        let has_body = content_length != Some(0) && method != Some(Method::Head);
        let mut headers = Vec::new();
        for (name, values) in response.iter().filter(|(name, _)| !is_framing(name.as_str())) {
            let fields = values.iter().map(|v| (name.as_str().to_owned(), v.as_str().to_owned()));
            headers.extend(fields);
        }
        // The map behind a response has an order of its own for each.
        headers.sort_unstable();
        check_length(&mut response);
        let content = has_body.then(|| Content::Body(Box::new(response.take_body())));
        let head = ResponseHead { status: status as u16, headers, content_length };
        Unframed { head: Arc::new(head), content, is_cut_off: false }
    }

    /// A 101 with these headers; 500 when one of them could break the head.
    pub(crate) fn upgrade(headers: &[(&'static str, String)], env: &Env) -> Unframed {
        if !headers.iter().all(|(name, value)| is_safe(name, value)) {
            let line = format_args!("an upgrade with an invalid header was replaced by 500");
            env.log(Level::Error, "http", line);
            return Unframed::new(internal_error(), None, env);
        }
        let own = headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let connection = ("connection".to_owned(), "upgrade".to_owned());
        let headers = own.chain([connection]).collect();
        let head = ResponseHead { status: 101, headers, content_length: Some(0) };
        Unframed { head: Arc::new(head), content: None, is_cut_off: false }
    }

    /// The body has no known length: a client that ends its side has gone.
    pub(crate) fn streams(&self) -> bool {
        self.head.content_length.is_none() && self.content.is_some()
    }

    /// Tells whether the end has been read.
    pub(crate) fn is_read(&self) -> bool {
        self.content.is_none()
    }

    /// Reads what is there of the body; 0 at its end.
    ///
    /// # Errors
    /// The body failed half-way: the response cannot be finished.
    pub(crate) fn poll_read(
        &mut self,
        env: &Env,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let body = match &mut self.content {
            None => return Poll::Ready(Ok(0)),
            Some(Content::Document(text, at)) => {
                let rest = &text.as_bytes()[*at..];
                let length = rest.len().min(buf.len());
                buf[..length].copy_from_slice(&rest[..length]);
                *at += length;
                if length == 0 {
                    self.content = None;
                }
                return Poll::Ready(Ok(length));
            }
            Some(Content::Body(body)) => body,
        };
        let read = shielded(env, "a response body", || Pin::new(body).poll_read(cx, buf));
        let read = read.unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::Other.into())));
        if let Poll::Ready(Err(error)) = &read {
            env.log(Level::Warning, "http", format_args!("a response body failed: {error}"));
        }
        if matches!(read, Poll::Ready(Ok(0) | Err(_))) {
            self.content = None;
        }
        read
    }

    /// Tells whether nothing in it belongs to the server.
    pub(crate) fn is_detached(&self) -> bool {
        self.is_cut_off || !self.streams()
    }

    /// Keeps of a stream what is there already; then it ends and belongs to nobody any more.
    pub(crate) fn cut_off(&mut self, env: &Env) {
        if self.is_detached() {
            return;
        }
        self.is_cut_off = true;
        let mut rest = Vec::new();
        let mut buf = vec![0; CUT_BYTES];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Ok(length @ 1..)) = self.poll_read(env, &mut cx, &mut buf) {
            rest.extend_from_slice(&buf[..length]);
        }
        let body = |rest| Content::Body(Box::new(Body::from_reader(Cursor::new(rest), None)));
        self.content = (!rest.is_empty()).then(|| body(rest));
    }
}

/// Fields that whoever writes the response sets (RFC 9110 section 7.6.1, RFC 9112 section 6).
fn is_framing(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "content-length"
            | "date"
            | "keep-alive"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Bytes that are read at once of a stream that is cut off.
const CUT_BYTES: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use http_types::StatusCode;

    use super::*;
    use crate::http::response::{close_after, event_stream, json, response, set_header, text};
    use crate::limits::Limits;

    fn read(unframed: &mut Unframed, env: &Env) -> String {
        let (mut all, mut buf) = (Vec::new(), [0; 3]);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Ok(length @ 1..)) = unframed.poll_read(env, &mut cx, &mut buf) {
            all.extend_from_slice(&buf[..length]);
        }
        String::from_utf8(all).unwrap()
    }

    #[track_caller]
    fn check(reply: Response, method: Method, expected: (u16, Option<usize>, &str)) {
        let env = Env::new(Limits::default());
        let mut unframed = Unframed::new(reply, Some(method), &env);
        let head = unframed.head.clone();
        let body = read(&mut unframed, &env);
        assert_eq!((head.status, head.content_length, body.as_str()), expected);
        assert!(unframed.is_read());
    }

    #[test]
    fn bodies_and_their_lengths() {
        check(json(StatusCode::Ok, "[1,2]".into()), Method::Post, (200, Some(5), "[1,2]"));
        check(response(StatusCode::Accepted), Method::Post, (202, Some(0), ""));
        check(text(StatusCode::NoContent, "x"), Method::Get, (204, Some(0), ""));
        check(text(StatusCode::NotFound, "x"), Method::Head, (404, Some(2), ""));
        let stream = || event_stream(Cursor::new(b"data: x\n\n"));
        check(stream(), Method::Get, (200, None, "data: x\n\n"));
        check(response(StatusCode::Continue), Method::Get, (500, Some(INVALID.len()), INVALID));
    }

    #[test]
    fn a_document_is_the_same_on_both_ways() {
        let env = Env::new(Limits::default());
        for method in [Method::Post, Method::Head] {
            for text in ["", "1", "[1,2]"] {
                let mut general =
                    Unframed::new(json(StatusCode::Ok, text.into()), Some(method), &env);
                let mut short = Unframed::of(Final::Document(text.into()), Some(method), &env);
                assert_eq!(short.head, general.head);
                let ways = [&mut short, &mut general];
                let state = |way: &Unframed| (way.is_read(), way.streams(), way.is_detached());
                let [short, general] = ways.map(|way| (state(way), read(way, &env), state(way)));
                assert_eq!(short, general, "{method} {text:?}");
            }
        }
    }

    const INVALID: &str = "the server made an invalid response\n";

    #[test]
    fn framing_and_unsafe_headers_stay_behind() {
        let env = Env::new(Limits::default());
        let mut reply = response(StatusCode::Ok);
        close_after(&mut reply);
        for name in ["upgrade", "date", "transfer-encoding", "x-a"] {
            set_header(&mut reply, name, "b");
        }
        let unframed = Unframed::new(reply, None, &env);
        assert_eq!(unframed.head.headers, [("x-a".to_owned(), "b".to_owned())]);
        let unsafe_one = Unframed::upgrade(&[("x", "a\nb".to_owned())], &env);
        assert_eq!(unsafe_one.head.status, 500);
        let upgrade = Unframed::upgrade(&[("upgrade", "websocket".to_owned())], &env);
        assert_eq!((upgrade.head.status, upgrade.head.headers.len()), (101, 2));
    }

    #[test]
    fn what_is_cut_off_keeps_what_was_there() {
        let env = Env::new(Limits::default());
        let reply = event_stream(Cursor::new(b"data: x\n\n"));
        let mut unframed = Unframed::new(reply, Some(Method::Get), &env);
        unframed.cut_off(&env);
        assert_eq!(read(&mut unframed, &env), "data: x\n\n");
    }
}
