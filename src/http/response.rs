//! The only place that builds responses, and the last look at them before they are written.
//!
//! `http_types` panics on values beyond ASCII and `async_h1` writes line ends inside a value as
//! they are, so both are kept out here, whatever the layers above put in.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_h1::server::Encoder;
use futures_lite::io::{AsyncBufRead, AsyncRead, AsyncReadExt, Cursor};
use http_types::headers::HeaderName;
use http_types::{Body, Method, Response, StatusCode};

use super::chunked::Chunked;
use super::date::date;
use super::head::is_token_byte;
use super::{Events, Final, Version};
use crate::env::Env;
use crate::level::Level;

/// Said above `limits.connections`.
pub(crate) const TOO_MANY_CONNECTIONS: &str = "too many connections";

/// When a client that was told so may come back, as the value of `retry-after`.
pub(crate) const RETRY_SECS: &str = "5";

/// Said by a server that drains or stops.
pub(crate) const STOPPING: &str = "the server is stopping";

/// Said to an HTTP/1.0 client that wants to upgrade.
pub(crate) const NO_UPGRADE: &str = "an upgrade needs HTTP/1.1";

/// A response without a body.
pub(crate) fn response(status: StatusCode) -> Response {
    Response::new(status)
}

/// A response with a JSON document.
pub(crate) fn json(status: StatusCode, body: String) -> Response {
    with_body(status, Body::from_string(body), "application/json")
}

/// A response for people: one line that says what to do.
pub(crate) fn text(status: StatusCode, message: &str) -> Response {
    with_body(status, Body::from_string(format!("{message}\n")), "text/plain; charset=utf-8")
}

/// An SSE stream that ends when `reader` does; the engine drops it when the client leaves.
pub(crate) fn event_stream(reader: impl AsyncBufRead + Unpin + Send + Sync + 'static) -> Response {
    let body = Body::from_reader(reader, None);
    let mut response = with_body(StatusCode::Ok, body, "text/event-stream");
    // Proxies must neither keep, compress nor collect events; the last field speaks to nginx.
    for (name, value) in STREAM_FIELDS {
        response.insert_header(name, value);
    }
    response
}

const STREAM_FIELDS: [(&str, &str); 2] =
    [("cache-control", "no-cache, no-transform"), ("x-accel-buffering", "no")];

/// Sets a header. A name or value that could break the head is dropped: the reply without it is
/// worth more than none.
pub(crate) fn set_header(response: &mut Response, name: &'static str, value: &str) {
    if is_safe(name, value) {
        response.insert_header(name, value);
    }
}

/// Closes the connection after the response.
pub(crate) fn close_after(response: &mut Response) {
    response.insert_header("connection", "close");
}

fn with_body(status: StatusCode, body: Body, content_type: &'static str) -> Response {
    let mut response = Response::new(status);
    response.set_body(body);
    response.insert_header("content-type", content_type);
    response
}

/// What the request and the connection allow for the reply.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) persist: bool,
}

/// A response ready to be pumped to the client.
pub(super) struct Reply {
    /// Yields the head, then the framed body.
    pub(super) bytes: Pin<Box<dyn AsyncRead + Send>>,
    /// The body has no known length: a client that ends its side has gone.
    pub(super) streams: bool,
    /// The connection goes on after it.
    pub(super) persist: bool,
}

/// Checks `response` and gives it the framing that `terms` demand.
pub(super) fn finish(response: Response, terms: Terms, env: &Env) -> Reply {
    let mut response = sound(response, env);
    let is_bodiless = is_bodiless(response.status());
    let has_body = !is_bodiless && terms.method != Method::Head;
    let is_unsized = response.len().is_none();
    // RFC 9112 section 6.1: HTTP/1.0 knows no chunks, so the end of the connection ends the body.
    let is_close_delimited = is_unsized && terms.version == Version::Http10;
    let persist = terms.persist && !wants_close(&response) && !(is_close_delimited && has_body);
    for name in ["content-length", "transfer-encoding", "trailer", "keep-alive"] {
        response.remove_header(name);
    }
    set_connection(&mut response, terms.version, persist);
    date(|date| response.insert_header("date", date));
    let bytes: Pin<Box<dyn AsyncRead + Send>> = if is_bodiless {
        Box::pin(Cursor::new(head_bytes(&response)))
    } else if is_close_delimited {
        let head = Cursor::new(head_bytes(&response));
        let body = if has_body { response.take_body() } else { Body::empty() };
        Box::pin(head.chain(body))
    } else if is_unsized && has_body {
        response.insert_header("transfer-encoding", "chunked");
        Box::pin(Chunked::new(head_bytes(&response), response.take_body().into_reader()))
    } else {
        check_length(&mut response);
        Box::pin(Encoder::new(response, terms.method))
    };
    Reply { bytes, streams: is_unsized && has_body, persist }
}

/// The short way of a stream: what [`finish`] makes of [`event_stream`], without the response
/// between them, which takes more memory than the stream. Hands back what has to go that way.
pub(super) fn events(events: Events, terms: Terms) -> Result<Reply, Events> {
    if terms.version == Version::Http10 || terms.method == Method::Head {
        return Err(events);
    }
    let mut head = String::with_capacity(256);
    head.push_str("HTTP/1.1 200 OK\r\n");
    for (name, value) in STREAM_FIELDS {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if !terms.persist {
        head.push_str("connection: close\r\n");
    }
    head.push_str("content-type: text/event-stream\r\ntransfer-encoding: chunked\r\ndate: ");
    date(|date| head.push_str(date));
    head.push_str("\r\n\r\n");
    let bytes = Box::pin(Chunked::new(head.into_bytes(), events));
    Ok(Reply { bytes, streams: true, persist: terms.persist })
}

/// The short way of what opens a session and of what is only taken note of: the whole reply. A
/// response is several allocations of a kilobyte, and what a session keeps would lie between them.
pub(super) fn brief(answer: &Final, terms: Terms) -> Option<Vec<u8>> {
    let (status, field, text) = match answer {
        Final::Accepted => ("202 Accepted", None, ""),
        Final::Headed(text, (name, value)) if is_safe(name, value) => {
            ("200 OK", Some((*name, &**value)), &**text)
        }
        _ => return None,
    };
    if !terms.persist || terms.version == Version::Http10 || terms.method == Method::Head {
        return None;
    }
    let mut reply = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", text.len());
    if let Some((name, value)) = field {
        reply.extend(["content-type: application/json\r\n", name, ": ", value, "\r\n"]);
    }
    reply.push_str("date: ");
    date(|date| reply.push_str(date));
    reply.extend(["\r\n\r\n", text]);
    Some(reply.into_bytes())
}

/// The reply to an HTTP/1.0 client that wants to upgrade (RFC 9110 section 7.8: it cannot ask).
pub(super) fn no_upgrade() -> Response {
    text(StatusCode::BadRequest, NO_UPGRADE)
}

/// `response`, or 500 in its place when its status or a header could break the head.
pub(super) fn sound(response: Response, env: &Env) -> Response {
    if is_sound(&response) {
        return response;
    }
    let line = format_args!("a response with an invalid status or header was replaced by 500");
    env.log(Level::Error, "http", line);
    text(StatusCode::InternalServerError, "the server made an invalid response")
}

/// Tells whether responses of that status have neither a body nor a length.
pub(super) fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NoContent | StatusCode::NotModified)
}

/// The head of a 101 with these headers, and `connection: upgrade` (RFC 9110 section 7.8).
///
/// `None` when a header is not valid.
pub(super) fn upgrade_head(headers: &[(&'static str, String)]) -> Option<Vec<u8>> {
    let mut head = String::with_capacity(256);
    head.push_str("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n");
    for (name, value) in headers {
        if !is_safe(name, value) {
            return None;
        }
        head.extend([name, ": ", value.as_str(), "\r\n"]);
    }
    head.push_str("date: ");
    date(|date| head.push_str(date));
    head.push_str("\r\n\r\n");
    Some(head.into_bytes())
}

/// Writes a head without framing: for replies that have no body or end with the connection.
fn head_bytes(response: &Response) -> Vec<u8> {
    let status = response.status();
    let reason = match status {
        // `http_types` has another phrase for it.
        StatusCode::NotModified => "Not Modified",
        other => other.canonical_reason(),
    };
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status as u16);
    for (name, values) in response.iter() {
        for value in values.iter() {
            head.extend([name.as_str(), ": ", value.as_str(), "\r\n"]);
        }
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn is_sound(response: &Response) -> bool {
    // 1xx is no final reply; 101 has a path of its own.
    let is_final = response.status() as u16 >= 200;
    let is_clean = |name: &HeaderName, value: &str| is_safe(name.as_str(), value);
    is_final
        && response.iter().all(|(name, values)| values.iter().all(|v| is_clean(name, v.as_str())))
}

/// Tells whether a header leaves the lines around it alone.
pub(super) fn is_safe(name: &str, value: &str) -> bool {
    let is_value_byte = |byte: u8| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic();
    !name.is_empty() && name.bytes().all(is_token_byte) && value.bytes().all(is_value_byte)
}

fn wants_close(response: &Response) -> bool {
    let mut values = response.header("connection").into_iter().flat_map(|values| values.iter());
    values.any(|value| value.as_str().split(',').any(|t| t.trim().eq_ignore_ascii_case("close")))
}

fn set_connection(response: &mut Response, version: Version, persist: bool) {
    let ending = match (persist, version) {
        (false, _) => Some("close"),
        (true, Version::Http10) => Some("keep-alive"),
        (true, Version::Http11) => None,
    };
    // RFC 9110 section 7.8: Upgrade, as in a 426, must be named in Connection.
    let upgrade = response.header("upgrade").map(|_| "upgrade");
    response.remove_header("connection");
    let options: Vec<&str> = upgrade.into_iter().chain(ending).collect();
    if !options.is_empty() {
        response.insert_header("connection", options.join(", "));
    }
}

/// Makes a body that ends before its promised length an error, which closes the connection;
/// otherwise the client would take the next reply for the rest of it.
pub(super) fn check_length(response: &mut Response) {
    if let Some(length) = response.len().filter(|length| *length > 0) {
        let reader = response.take_body().into_reader();
        response.set_body(Body::from_reader(Promised { reader, left: length }, Some(length)));
    }
}

/// A reader that must yield `left` more bytes.
struct Promised {
    reader: Box<dyn AsyncBufRead + Unpin + Send + Sync>,
    left: usize,
}

impl AsyncRead for Promised {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.reader).poll_read(cx, buf))?;
        if length == 0 && self.left > 0 && !buf.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left = self.left.saturating_sub(length);
        Poll::Ready(Ok(length))
    }
}

impl AsyncBufRead for Promised {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        let bytes = ready!(Pin::new(&mut this.reader).poll_fill_buf(cx))?;
        if bytes.is_empty() && this.left > 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(bytes))
    }

    fn consume(mut self: Pin<&mut Self>, length: usize) {
        self.left = self.left.saturating_sub(length);
        Pin::new(&mut self.reader).consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    const TERMS: Terms = Terms { method: Method::Get, version: Version::Http11, persist: true };

    /// The whole reply as text, with the date taken out.
    fn written(response: Response, terms: Terms) -> (String, bool) {
        let mut reply = finish(response, terms, &Env::new(Limits::default()));
        let mut text = String::new();
        futures_lite::future::block_on(reply.bytes.read_to_string(&mut text)).unwrap();
        let date = date(str::to_owned);
        (text.replace(&format!("date: {date}\r\n"), ""), reply.persist)
    }

    #[track_caller]
    fn check(response: Response, terms: Terms, expected: &str) {
        let (text, _) = written(response, terms);
        let mut lines: Vec<&str> = text.split("\r\n").filter(|l| !l.starts_with("date:")).collect();
        let mut expected: Vec<&str> = expected.split("\r\n").collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }

    #[test]
    fn sized_replies_keep_the_connection() {
        let reply = json(StatusCode::Ok, "{}".to_owned());
        let expected =
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}";
        check(reply, TERMS, expected);
        check(
            response(StatusCode::Accepted),
            TERMS,
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
        );
    }

    #[test]
    fn bodiless_replies_have_no_framing() {
        check(response(StatusCode::NoContent), TERMS, "HTTP/1.1 204 No Content\r\n\r\n");
        check(response(StatusCode::NotModified), TERMS, "HTTP/1.1 304 Not Modified\r\n\r\n");
        let (text, persist) = written(text(StatusCode::NoContent, "x"), TERMS);
        assert!(text.ends_with("\r\n\r\n") && !text.contains("content-length") && persist);
    }

    #[test]
    fn connection_options() {
        let mut reply = response(StatusCode::UpgradeRequired);
        set_header(&mut reply, "upgrade", "websocket");
        close_after(&mut reply);
        let expected = "HTTP/1.1 426 Upgrade Required\r\nconnection: upgrade, close\r\n\
                        content-length: 0\r\nupgrade: websocket\r\n\r\n";
        check(reply, TERMS, expected);
        let old = Terms { version: Version::Http10, ..TERMS };
        let expected = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n";
        check(response(StatusCode::Ok), old, expected);
    }

    #[test]
    fn framing_set_above_is_removed() {
        let mut reply = response(StatusCode::Ok);
        set_header(&mut reply, "transfer-encoding", "chunked");
        set_header(&mut reply, "content-length", "7");
        check(reply, TERMS, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }

    #[test]
    fn headers_that_break_the_head_never_leave() {
        let mut reply = response(StatusCode::Ok);
        set_header(&mut reply, "x", "a\r\nb: c");
        set_header(&mut reply, "x", "\u{e9}");
        set_header(&mut reply, "x y", "a");
        assert!(reply.header("x").is_none());
        reply.insert_header("x", "a\r\nb: c");
        assert!(written(reply, TERMS).0.starts_with("HTTP/1.1 500 "));
        assert!(written(response(StatusCode::Continue), TERMS).0.starts_with("HTTP/1.1 500 "));
        assert!(upgrade_head(&[("x", "a\nb".to_owned())]).is_none());
    }

    #[test]
    fn streams_are_chunked_or_end_with_the_connection() {
        let stream = || event_stream(Cursor::new(b"data: x\n\n"));
        let (chunked, persist) = written(stream(), TERMS);
        assert!(chunked.ends_with("\r\n\r\n9\r\ndata: x\n\n\r\n0\r\n\r\n") && persist);
        let (plain, persist) = written(stream(), Terms { version: Version::Http10, ..TERMS });
        assert!(plain.ends_with("\r\n\r\ndata: x\n\n") && !persist);
        assert!(!plain.contains("transfer-encoding"));
        let (head, _) = written(stream(), Terms { method: Method::Head, ..TERMS });
        assert!(head.ends_with("\r\n\r\n"));
    }

    #[test]
    fn both_ways_write_the_same_stream() {
        let read = |mut reply: Reply| {
            let mut text = String::new();
            futures_lite::future::block_on(reply.bytes.read_to_string(&mut text)).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let mut lines: Vec<_> = head.lines().filter(|l| !l.starts_with("date:")).collect();
            lines.sort_unstable();
            (lines.join("\n"), body.to_owned(), reply.streams, reply.persist)
        };
        let env = Env::new(Limits::default());
        for persist in [true, false] {
            let terms = Terms { persist, ..TERMS };
            let body = || Cursor::new(b"data: x\n\n");
            let Ok(short) = events(Box::new(body()), terms) else {
                panic!("it goes the short way")
            };
            assert_eq!(read(short), read(finish(event_stream(body()), terms, &env)));
        }
        for terms in
            [Terms { version: Version::Http10, ..TERMS }, Terms { method: Method::Head, ..TERMS }]
        {
            assert!(events(Box::new(Cursor::new(b"")), terms).is_err());
        }
    }

    #[test]
    fn both_ways_write_the_same_brief_reply() {
        let lines = |text: String| {
            let mut lines: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
            lines.retain(|line| !line.starts_with("date:"));
            lines.sort_unstable();
            lines
        };
        let opened = || Final::Headed("{}".into(), ("x-name", "value".into()));
        let accepted = || Final::Accepted;
        for make in [&opened as &dyn Fn() -> Final, &accepted] {
            let short = String::from_utf8(brief(&make(), TERMS).unwrap()).unwrap();
            let (general, _) = written(make().into(), TERMS);
            assert_eq!(lines(short), lines(general));
            for terms in
                [Terms { persist: false, ..TERMS }, Terms { version: Version::Http10, ..TERMS }]
            {
                assert!(brief(&make(), terms).is_none());
            }
        }
        assert!(brief(&Final::Headed("{}".into(), ("x", "a\nb".into())), TERMS).is_none());
    }

    #[test]
    fn a_short_body_is_an_error() {
        let mut reply = response(StatusCode::Ok);
        reply.set_body(Body::from_reader(Cursor::new(b"ab"), Some(3)));
        let mut reply = finish(reply, TERMS, &Env::new(Limits::default()));
        let mut bytes = Vec::new();
        let read = futures_lite::future::block_on(reply.bytes.read_to_end(&mut bytes));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_upgrade_head_names_the_upgrade() {
        let head = upgrade_head(&[("upgrade", "websocket".to_owned())]).unwrap();
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
        assert!(
            head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n")
        );
        assert!(!head.contains("content-length"));
    }
}
