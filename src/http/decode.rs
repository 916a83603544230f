//! Hands a guarded request to `async_h1` in its plainest form.
//!
//! Only the fields of an allow-list go through: `async_h1` panics on text beyond ASCII, spawns
//! threads for `Expect`, and pays for every field with several allocations.

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_lite::io::{AsyncRead, AsyncWrite};
use http_types::headers::CONTENT_TYPE;
use http_types::{Request, StatusCode};

use super::head::Head;
use super::reject::Reject;

/// Decodes `head` with a body of `body_len` bytes. The body itself stays with the caller, so the
/// request's own is empty; copying it through the decoder would buy nothing.
pub(super) fn decode(head: &Head, body_len: usize) -> Result<Request, Reject> {
    let text = canonical(head, body_len);
    if text.len() >= CANONICAL_BYTES {
        return Err(Reject::new(
            StatusCode::RequestHeaderFieldsTooLarge,
            "the target and the Accept and Content-Type fields are too long together",
        ));
    }
    let decoding = pin!(async_h1::server::decode(OneShot { text: Arc::new(text), read: 0 }));
    // Memory never makes a reader wait, so one poll is all it takes, and the large state of the
    // decoder stays on the stack instead of in every connection.
    match decoding.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Some((mut request, _)))) => {
            drop(request.take_body());
            // The decoder makes up a content type for every body that has none.
            if forwarded(head, "content-type").next().is_none() {
                request.remove_header(CONTENT_TYPE);
            }
            Ok(request)
        }
        // The host is the one thing a URL still judges: `1.2.3.999` or a broken `xn--` label.
        _ => Err(Reject::malformed("the host is not one that a URL can have")),
    }
}

/// The head as `async_h1` gets it: origin form, HTTP/1.1, one Host, always a length.
pub(super) fn canonical(head: &Head, body_len: usize) -> String {
    // `OPTIONS *` has no URL; layers above read the path from `Head`.
    let path = if head.path == "*" { "/" } else { &head.path };
    let mut text = String::with_capacity(256);
    let query = head.query.as_deref();
    let (mark, query) = query.map_or(("", ""), |query| ("?", query));
    let host = head.host.as_deref().unwrap_or("localhost");
    // Writing to a `String` cannot fail.
    let _ = write!(text, "{} {path}{mark}{query} HTTP/1.1\r\nhost: {host}\r\n", head.method);
    for name in FORWARDED {
        for value in forwarded(head, name) {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    let _ = write!(text, "content-length: {body_len}\r\n\r\n");
    text
}

/// The values of a field that go through.
fn forwarded<'a>(head: &'a Head, name: &'a str) -> impl Iterator<Item = &'a str> {
    head.headers(name).filter(|value| value.is_ascii())
}

/// What goes through beside Host and Content-Length.
const FORWARDED: [&str; 2] = ["accept", "content-type"];

/// The decoder refuses heads of 8192 bytes and more.
const CANONICAL_BYTES: usize = 8191;

/// Bytes to read once. Writing fails: a decoder has nothing to say to the client.
#[derive(Clone)]
struct OneShot {
    /// Shared: the decoder clones its I/O.
    text: Arc<String>,
    read: usize,
}

impl AsyncRead for OneShot {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let rest = &this.text.as_bytes()[this.read..];
        let length = rest.len().min(buf.len());
        buf[..length].copy_from_slice(&rest[..length]);
        this.read += length;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for OneShot {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::guard::parse;
    use crate::limits::Limits;
    use http_types::Method;

    #[test]
    fn the_request_has_the_forwarded_fields_alone() {
        let head = Head::of(
            "POST /mcp?a=b HTTP/1.1\nHost: h:1\nAccept: text/html\nAccept: \u{e9}\nExpect: \
             100-continue\nContent-Type: application/json\nX: y\nTransfer-Encoding: chunked",
        );
        let request = decode(&head, 3).unwrap();
        assert_eq!(request.method(), Method::Post);
        assert_eq!(request.url().as_str(), "http://h:1/mcp?a=b");
        assert_eq!(request.header("accept").map(|v| v.as_str()), Some("text/html"));
        assert_eq!(request.header("content-length").map(|v| v.as_str()), Some("3"));
        assert_eq!(request.iter().count(), 4);
    }

    #[test]
    fn no_content_type_is_made_up() {
        for fields in ["", "Content-Type: \u{e9}"] {
            let request = decode(&Head::of(&format!("POST / HTTP/1.0\n{fields}")), 3).unwrap();
            assert!(request.header("content-type").is_none(), "{fields}");
        }
    }

    #[test]
    fn every_form_of_target_decodes() {
        for line in ["OPTIONS *", "GET http://o/p", "HEAD //x", "TRACE /\"<>[]^`{|}"] {
            assert!(decode(&Head::of(&format!("{line} HTTP/1.1\nHost: h")), 0).is_ok(), "{line}");
        }
    }

    /// Damages good heads at random, from a fixed seed: whatever the guard lets through, the
    /// decoder must take without a panic and read in the same way.
    #[test]
    fn what_the_guard_accepts_decodes_to_the_same_request() {
        let seeds: [&[u8]; 3] = [
            b"POST /mcp?a=b HTTP/1.1\r\nHost: h:80\r\nAccept: a\r\nContent-Type: b/c\r\n\r\n",
            b"GET http://h/a%20b HTTP/1.1\r\nHost: [::1]\r\nContent-Length: 3\r\n\r\n",
            b"OPTIONS * HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        ];
        let mut random = crate::random::sequence(7);
        let mut accepted = 0;
        for round in 0..30_000 {
            let mut bytes = seeds[round % seeds.len()].to_vec();
            for _ in 0..=random(2) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            let Ok(head) = parse(&bytes, &Limits::default()) else { continue };
            // A host may still be none for a URL; everything else must pass.
            let Ok(request) = decode(&head, 3) else {
                assert!(head.host.is_some(), "{:?}", String::from_utf8_lossy(&bytes));
                continue;
            };
            assert_eq!(request.method(), head.method);
            assert_eq!(request.header("content-length").map(|v| v.as_str()), Some("3"));
            accepted += 1;
        }
        assert!(accepted > 1000, "only {accepted} heads were accepted");
    }

    #[track_caller]
    fn check_refused(text: &str, expected: StatusCode) {
        assert_eq!(decode(&Head::of(text), 0).unwrap_err().status, expected);
    }

    #[test]
    fn what_the_decoder_cannot_take_is_refused() {
        let accept = "a".repeat(CANONICAL_BYTES);
        let text = format!("GET / HTTP/1.1\nHost: h\nAccept: {accept}");
        check_refused(&text, StatusCode::RequestHeaderFieldsTooLarge);
        check_refused("GET / HTTP/1.1\nHost: 1.2.3.999", StatusCode::BadRequest);
    }
}
