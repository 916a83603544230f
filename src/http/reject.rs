//! The replies that the engine gives by itself, before any layer above has seen the request.

use http_types::{Response, StatusCode};

use super::date::date;
use super::response::text;
use crate::stats::{Counter, Counters};

/// A request that ends here. The connection closes after the reply, because what follows a broken
/// message cannot be trusted to be a message (RFC 9112 section 9.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reject {
    pub(super) status: StatusCode,
    /// One line for whoever debugs the client.
    pub(super) message: &'static str,
}

impl Reject {
    pub(super) const fn new(status: StatusCode, message: &'static str) -> Reject {
        Reject { status, message }
    }

    /// 400: the bytes are not an HTTP request.
    pub(super) const fn malformed(message: &'static str) -> Reject {
        Reject::new(StatusCode::BadRequest, message)
    }

    /// The counter that tells the operator about it.
    pub(super) fn counter<'a>(&self, counters: &'a Counters) -> &'a Counter {
        match self.status {
            StatusCode::RequestTimeout => &counters.requests_timed_out,
            StatusCode::PayloadTooLarge
            | StatusCode::UriTooLong
            | StatusCode::RequestHeaderFieldsTooLarge
            | StatusCode::ServiceUnavailable
            | StatusCode::ExpectationFailed => &counters.requests_refused,
            _ => &counters.requests_malformed,
        }
    }

    /// The reply as a response, for a request whose head the host has parsed.
    pub(super) fn to_response(self) -> Response {
        text(self.status, self.message)
    }

    /// The whole reply. Written without `http_types`, so that the path for hostile bytes is short.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let (code, reason) = (self.status as u16, self.status.canonical_reason());
        let length = self.message.len() + 1;
        date(|date| {
            format!(
                "HTTP/1.1 {code} {reason}\r\nconnection: close\r\ncontent-length: {length}\r\n\
                 content-type: text/plain; charset=utf-8\r\ndate: {date}\r\n\r\n{}\n",
                self.message
            )
        })
        .into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_closes_and_counts_its_bytes() {
        let bytes = Reject::malformed("no").to_bytes();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n"));
        assert!(text.contains("\r\ncontent-length: 3\r\n"));
        assert!(text.ends_with("\r\n\r\nno\n"));
    }
}
