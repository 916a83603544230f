//! A head that the host's own HTTP server has parsed, under the same rules as one from the wire.
//!
//! That server has found the end of the body by itself, so framing is its business. Everything that
//! decides who may come in is checked here again: what one parser lets pass may mislead another.

use http_types::StatusCode;

use super::guard::{TARGET_TOO_LONG, parse_host, parse_method};
use super::head::{Expectation, Fields, Framing, Head, is_token_byte};
use super::reject::Reject;
use super::target::Target;
use super::{Version, direct};
use crate::auth::Scopes;
use crate::env::Env;
use crate::error::Error;
use crate::limits::Limits;
use crate::peer::Peer;

/// A request as the host's own HTTP server has parsed it, without its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct ParsedRequest<'a> {
    /// `GET`, `POST`, ...
    pub method: &'a str,
    /// As in the request line: a path with a query, still escaped.
    pub target: &'a str,
    /// `1.0` or `HTTP/1.0` for a client of that version; everything else counts as 1.1.
    pub version: &'a str,
    /// Every field as received. HTTP/2 servers pass `:authority` as `host`.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Names the client in logs and audit.
    pub remote: &'a str,
    /// It came through a Unix socket or another way that no browser has: Host is not checked.
    pub is_local: bool,
    /// Who the host has authenticated; empty for nobody. Somebody needs no key.
    pub principal: &'a str,
    /// What it may do, comma separated; `None` or `*` for everything.
    pub scopes: Option<&'a str>,
}

impl ParsedRequest<'_> {
    /// The client, as the host knows it.
    pub(crate) fn peer(&self) -> Peer {
        let remote = if self.remote.is_empty() { "unknown" } else { self.remote };
        let principal = Some(self.principal).filter(|name| !name.is_empty());
        Peer {
            principal: principal.map(Into::into),
            scopes: Scopes::named(self.scopes),
            ..Peer::at(remote.into(), self.is_local)
        }
    }
}

impl Head {
    /// Checks a parsed head for a host that writes its refusals itself; counts them.
    ///
    /// # Errors
    /// [`Error::Denied`].
    pub(crate) fn opening(request: &ParsedRequest<'_>, env: &Env) -> crate::error::Result<Head> {
        read_head(request, &env.limits).map_err(|reject| {
            reject.counter(&env.counters).up();
            Error::denied(reject.status, reject.message)
        })
    }
}

/// Checks a parsed head.
pub(super) fn read_head(request: &ParsedRequest<'_>, limits: &Limits) -> Result<Head, Reject> {
    let method = parse_method(request.method)?;
    if request.target.len() > limits.target_bytes {
        return Err(TARGET_TOO_LONG);
    }
    let target = Target::parse(request.target, method == http_types::Method::Options)?;
    let version = match request.version.strip_prefix("HTTP/").unwrap_or(request.version) {
        "1.0" => Version::Http10,
        _ => Version::Http11,
    };
    let fields = read_fields(request.headers, limits)?;
    let mut head = Head {
        method,
        path: target.path.to_owned(),
        query: target.query.map(str::to_owned),
        version,
        host: parse_host(&fields, target.authority, version)?,
        framing: framing(&fields),
        persist: false,
        expectation: Expectation::Nothing,
        fields,
        is_plain: false,
    };
    head.is_plain = direct::is_plain(&head);
    Ok(head)
}

fn read_fields(headers: &[(&str, &[u8])], limits: &Limits) -> Result<Fields, Reject> {
    let text: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > limits.header_count || text > limits.head_bytes {
        return Err(Reject::new(
            StatusCode::RequestHeaderFieldsTooLarge,
            "the request head is too long",
        ));
    }
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_token_byte) || has_control(value) {
            return Err(Reject::malformed("a header field has a character that it cannot have"));
        }
    }
    Ok(Fields::of(headers.iter().copied()))
}

/// Looks at all of `value`, which is quicker than to stop at the first.
fn has_control(value: &[u8]) -> bool {
    let is_control = |byte: u8| (byte < b' ') & (byte != b'\t') | (byte == 0x7f);
    value.iter().fold(false, |found, byte| found | is_control(*byte))
}

/// What the client promised of its body; only good to refuse a large one early.
fn framing(fields: &Fields) -> Framing {
    let mut lengths = fields.values("content-length");
    match (lengths.next().map(str::parse), lengths.next()) {
        (Some(Ok(length)), None) => Framing::Length(length),
        _ => Framing::Absent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(request: ParsedRequest<'_>, expected: u16) {
        let head = read_head(&request, &Limits::default());
        assert_eq!(head.map_or_else(|reject| reject.status as u16, |_| 200), expected);
    }

    const GOOD: ParsedRequest<'static> = ParsedRequest {
        method: "POST",
        target: "/mcp?a=b",
        version: "HTTP/1.1",
        headers: &[("Host", b"h"), ("X-A", b" one ")],
        remote: "test",
        is_local: false,
        principal: "",
        scopes: None,
    };

    #[test]
    fn a_good_head_reads_like_one_from_the_wire() {
        let head = read_head(&GOOD, &Limits::default()).unwrap();
        assert_eq!((head.path.as_str(), head.query.as_deref()), ("/mcp", Some("a=b")));
        assert_eq!((head.header("x-a"), head.host.as_deref()), (Some("one"), Some("h")));
    }

    #[test]
    fn odd_heads_are_refused() {
        check(ParsedRequest { method: "post", ..GOOD }, 501);
        check(ParsedRequest { target: "mcp", ..GOOD }, 400);
        check(ParsedRequest { target: &"/".repeat(5000), ..GOOD }, 414);
        check(ParsedRequest { headers: &[], ..GOOD }, 400);
        check(ParsedRequest { headers: &[], version: "1.0", ..GOOD }, 200);
        check(ParsedRequest { headers: &[("Host", b"h"), ("Host", b"h")], ..GOOD }, 400);
        check(ParsedRequest { headers: &[("Host", b"h"), ("a b", b"x")], ..GOOD }, 400);
        check(ParsedRequest { headers: &[("Host", b"h"), ("a", b"x\r\nb: c")], ..GOOD }, 400);
        check(ParsedRequest { headers: &[("Host", b"h"), ("a", &[b'x'; 20_000])], ..GOOD }, 431);
        check(ParsedRequest { headers: &[("host", b"h" as &[u8]); 65], ..GOOD }, 431);
    }
}
