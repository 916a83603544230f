//! The strict guard: bytes from the network become a [`Head`] or a reply that says what is wrong.
//!
//! Whatever two parsers could read in two ways is refused here, because a proxy in front of the
//! daemon may have read it the other way. `async_h1` sees only what passed.

use std::str::FromStr;

use http_types::{Method, StatusCode};
use httparse::Status;
use memchr::{memchr, memchr_iter};

use super::head::{Expectation, Fields, Framing, Head, is_token_byte};
use super::reject::Reject;
use super::target::{Target, check_host};
use super::{Version, direct};
use crate::limits::Limits;

/// Looks for the end of a head in a growing buffer; each byte is looked at once.
#[derive(Default)]
pub(super) struct Scanner {
    seen: usize,
    line_start: usize,
    lines: usize,
}

impl Scanner {
    /// Returns the length of the head once its empty line is there.
    ///
    /// `buffer` starts with the head and is the one of the last call with bytes added. What is wrong
    /// is found at the same byte however they came.
    pub(super) fn scan(&mut self, buffer: &[u8], limits: &Limits) -> Result<Option<usize>, Reject> {
        // A TLS hello or a stray body is refused at its first byte, not after a deadline.
        if self.seen == 0 && buffer.first().is_some_and(|byte| !is_token_byte(*byte)) {
            return Err(Reject::malformed("this is not an HTTP request"));
        }
        while self.seen < buffer.len() {
            let line_end = memchr(b'\n', &buffer[self.seen..]).map(|at| self.seen + at + 1);
            let end = line_end.unwrap_or(buffer.len());
            let (room, too_long) = self.room(limits);
            match self.bare(buffer, line_end) {
                Some(at) if at <= room => {
                    return Err(Reject::malformed("every line must end with CR LF"));
                }
                _ if end > room => return Err(too_long),
                _ => self.seen = end,
            }
            if line_end.is_none() {
                return Ok(None);
            }
            if end - self.line_start == "\r\n".len() {
                return Ok(Some(end));
            }
            // An HTTP/0.9 request is one line, so its client would wait for the deadline.
            if self.lines == 0 {
                check_version(&buffer[..end])?;
            }
            self.lines += 1;
            self.line_start = end;
        }
        Ok(None)
    }

    /// Where the first byte is that makes a CR or an LF stand alone: RFC 9112 section 2.2 leaves
    /// that to the parser, so it reads differently from one to the next.
    fn bare(&self, buffer: &[u8], line_end: Option<usize>) -> Option<usize> {
        // The last byte of before may be a CR whose LF should come now.
        let start = self.line_start.max(self.seen.saturating_sub(1));
        let end = line_end.unwrap_or(buffer.len());
        let after_cr = memchr(b'\r', &buffer[start..end]).map(|at| start + at + 1);
        match (after_cr, line_end) {
            (Some(after), Some(end)) if after + 1 == end => None,
            (Some(after), None) if after == end => None,
            (Some(after), _) => Some(after),
            (None, Some(end)) => Some(end - 1),
            (None, None) => None,
        }
    }

    /// How far the line under way may reach, and what is said beyond.
    fn room(&self, limits: &Limits) -> (usize, Reject) {
        let target = match self.lines {
            0 => limits.target_bytes.saturating_add(LINE_EXTRA),
            _ => usize::MAX,
        };
        if target <= limits.head_bytes {
            return (target, TARGET_TOO_LONG);
        }
        // The last line may be the empty one; it counts once it has a byte of its own.
        let fields = match self.lines > limits.header_count {
            true => self.line_start + "\r\n".len(),
            false => usize::MAX,
        };
        let too_large = |message| Reject::new(StatusCode::RequestHeaderFieldsTooLarge, message);
        match limits.head_bytes <= fields {
            true => (limits.head_bytes, too_large("the request head is too long")),
            false => (fields, too_large("the request has too many header fields")),
        }
    }
}

/// The head that `buffer` begins with, if it is there as a whole and the [`Scanner`] would find
/// nothing wrong with it: its bytes and its lines.
pub(super) fn whole_head<'a>(buffer: &'a [u8], limits: &Limits) -> Option<(&'a [u8], usize)> {
    let (mut line_start, mut lines) = (0, 0);
    for at in memchr_iter(b'\n', buffer) {
        let end = at + 1;
        if lines == 0 && end > limits.target_bytes.saturating_add(LINE_EXTRA) {
            return None;
        }
        if !buffer[..at].ends_with(b"\r") {
            return None;
        }
        lines += 1;
        if end - line_start != "\r\n".len() {
            line_start = end;
            continue;
        }
        let head = &buffer[..end];
        // Each LF is behind a CR, so with as many of them no CR stands alone.
        let is_paired = memchr_iter(b'\r', head).count() == lines;
        // The request line and the empty one are no fields.
        let fits = end <= limits.head_bytes && lines <= limits.header_count.saturating_add(2);
        return (is_paired && fits).then_some((head, lines));
    }
    None
}

/// Reads one whole head, from its first byte to the end of its empty line.
pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Head, Reject> {
    parse_lines(bytes, memchr_iter(b'\n', bytes).count(), limits)
}

/// Reads one whole head of so many lines.
pub(super) fn parse_lines(bytes: &[u8], lines: usize, limits: &Limits) -> Result<Head, Reject> {
    // Most heads are small and need no allocation here.
    let mut few = [httparse::EMPTY_HEADER; 16];
    let mut many = Vec::new();
    let slots = match few.get_mut(..lines) {
        Some(slots) => slots,
        None => {
            many.resize(lines, httparse::EMPTY_HEADER);
            &mut many
        }
    };
    let mut request = httparse::Request::new(slots);
    match request.parse(bytes) {
        Ok(Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(Reject::malformed("the request head ends early")),
        Err(_) => return Err(Reject::malformed("the request head is malformed")),
    }
    let (Some(method), Some(raw_target), Some(version)) =
        (request.method, request.path, request.version)
    else {
        return Err(Reject::malformed("the request line is malformed"));
    };
    let method = parse_method(method)?;
    if raw_target.len() > limits.target_bytes {
        return Err(TARGET_TOO_LONG);
    }
    let target = Target::parse(raw_target, method == Method::Options)?;
    let version = if version == 0 { Version::Http10 } else { Version::Http11 };
    let fields = request.headers.iter().map(|field| (field.name, field.value));
    let fields = Fields::within(bytes, fields);
    let mut head = Head {
        method,
        path: target.path.to_owned(),
        query: target.query.map(str::to_owned),
        version,
        host: parse_host(&fields, target.authority, version)?,
        framing: parse_framing(&fields, version)?,
        persist: parse_persist(&fields, version),
        expectation: parse_expectation(&fields, version),
        fields,
        is_plain: false,
    };
    head.is_plain = direct::is_plain(&head);
    Ok(head)
}

/// Looks at the end of the request line: 505 for a version that may exist elsewhere, 400 for none.
fn check_version(line: &[u8]) -> Result<(), Reject> {
    match line.trim_ascii_end().rsplit(|byte| *byte == b' ').next() {
        Some(b"HTTP/1.0" | b"HTTP/1.1") => Ok(()),
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            let message = "only the HTTP versions 1.0 and 1.1 are served";
            Err(Reject::new(StatusCode::HttpVersionNotSupported, message))
        }
        _ => Err(Reject::malformed("the request line has no HTTP version")),
    }
}

pub(super) fn parse_method(raw: &str) -> Result<Method, Reject> {
    const UNKNOWN: Reject =
        Reject::new(StatusCode::NotImplemented, "the method is not implemented");
    // Nearly all; `from_str` makes a copy first.
    if raw == "POST" {
        return Ok(Method::Post);
    }
    let method = Method::from_str(raw).map_err(|_| UNKNOWN)?;
    // Methods are case-sensitive (RFC 9110 section 9.1), which `from_str` does not honour. CONNECT
    // has a target of its own form and only makes sense for a proxy.
    if method.as_ref() != raw || method == Method::Connect {
        return Err(UNKNOWN);
    }
    Ok(method)
}

pub(super) fn parse_host(
    fields: &Fields,
    authority: Option<&str>,
    version: Version,
) -> Result<Option<String>, Reject> {
    let mut hosts = fields.values("host");
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Reject::malformed("there is more than one Host field"));
    }
    match host {
        Some(host) => check_host(host)?,
        None if version == Version::Http11 => {
            return Err(Reject::malformed("the Host field is missing"));
        }
        None => {}
    }
    Ok(authority.or(host).map(str::to_owned))
}

/// Finds out how the body ends. Any doubt is refused: it is how requests are smuggled.
fn parse_framing(fields: &Fields, version: Version) -> Result<Framing, Reject> {
    let mut lengths = fields.values("content-length");
    let mut codings = fields.values("transfer-encoding");
    let (length, coding) = (lengths.next(), codings.next());
    if lengths.next().is_some() {
        return Err(Reject::malformed("there is more than one Content-Length field"));
    }
    if codings.next().is_some() {
        return Err(Reject::malformed("there is more than one Transfer-Encoding field"));
    }
    match (length, coding) {
        (None, None) => Ok(Framing::Absent),
        (Some(length), None) => parse_length(length).map(Framing::Length),
        // RFC 9112 section 6.3: both together is an attack or a broken proxy.
        (Some(_), Some(_)) => {
            Err(Reject::malformed("Content-Length and Transfer-Encoding exclude each other"))
        }
        // RFC 9112 section 6.1: an HTTP/1.0 message with a coding has faulty framing.
        (None, Some(_)) if version == Version::Http10 => {
            Err(Reject::malformed("HTTP/1.0 has no Transfer-Encoding"))
        }
        (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (None, Some(_)) => {
            Err(Reject::new(StatusCode::NotImplemented, "the only transfer coding is chunked"))
        }
    }
}

pub(super) fn parse_length(raw: &str) -> Result<u64, Reject> {
    if raw.is_empty() || !raw.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Reject::malformed("Content-Length must be a number"));
    }
    // Digits that do not fit are a length above every limit.
    Ok(raw.parse().unwrap_or(u64::MAX))
}

/// RFC 9112 section 9.3.
fn parse_persist(fields: &Fields, version: Version) -> bool {
    if fields.has_token("connection", "close") {
        return false;
    }
    version == Version::Http11 || fields.has_token("connection", "keep-alive")
}

fn parse_expectation(fields: &Fields, version: Version) -> Expectation {
    // RFC 9110 section 10.1.1: a server must ignore what HTTP/1.0 clients expect.
    if version == Version::Http10 || fields.values("expect").next().is_none() {
        return Expectation::Nothing;
    }
    let all_known = fields.values("expect").all(|value| value.eq_ignore_ascii_case("100-continue"));
    if all_known { Expectation::Continue } else { Expectation::Unknown }
}

/// Room in the first line for the method, two blanks, the version and the line end.
const LINE_EXTRA: usize = 64;

pub(super) const TARGET_TOO_LONG: Reject =
    Reject::new(StatusCode::UriTooLong, "the request target is too long");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Head, Reject> {
        let limits = Limits::default();
        match Scanner::default().scan(text, &limits)? {
            Some(length) => parse(&text[..length], &limits),
            None => Err(Reject::malformed("partial")),
        }
    }

    /// Checks the status of a head; 200 means that it passes.
    #[track_caller]
    fn check(text: &[u8], expected: u16) {
        let status = read(text).map_or_else(|reject| reject.status as u16, |_| 200);
        assert_eq!(status, expected, "{:?}", String::from_utf8_lossy(text));
    }

    /// Checks a POST with these header lines.
    #[track_caller]
    fn check_fields(fields: &str, expected: u16) {
        let text = format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n");
        check(text.as_bytes(), expected);
    }

    #[test]
    fn request_lines() {
        check(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 200);
        check(b"GET / HTTP/1.0\r\n\r\n", 200);
        check(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 200);
        check(b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400);
        check(b"get / HTTP/1.1\r\nHost: h\r\n\r\n", 501);
        check(b"BREW / HTTP/1.1\r\nHost: h\r\n\r\n", 501);
        check(b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501);
        check(b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400);
        check(b"GET /\r\n\r\n", 400);
        check(b"GET / HTTP/9.9\r\nHost: h\r\n\r\n", 505);
        check(b"GET / HTTX/1.1\r\nHost: h\r\n\r\n", 400);
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
        check(b"\x16\x03\x01\x02", 400);
    }

    #[test]
    fn line_ends() {
        check(b"GET / HTTP/1.1\nHost: h\n\n", 400);
        check(b"GET / HTTP/1.1\r\nHost: h\n\r\n", 400);
        check(b"GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400);
        check(b"GET / HTTP/1.1\r\nHost: h\n\nGET /hidden HTTP/1.1\r\n\r\n", 400);
    }

    #[test]
    fn fields() {
        check_fields("A: b", 200);
        check_fields("A: \u{e9}", 200);
        check_fields("A: b\r\n folded", 400);
        check_fields("A : b", 400);
        check_fields("A: b\0", 400);
        check_fields(": b", 400);
        check_fields("Host: h", 400);
        check_fields("Host: other", 400);
        check(b"GET / HTTP/1.1\r\n\r\n", 400);
        check(b"GET /x HTTP/1.1\r\nHost:\r\n\r\n", 400);
        check(b"GET / HTTP/1.1\r\nHost: a/mcp?\r\n\r\n", 400);
        check(b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n", 400);
    }

    #[test]
    fn framing() {
        check_fields("Content-Length: 3", 200);
        check_fields("Content-Length: 18446744073709551616", 200);
        for bad in ["+3", "-3", "3, 3", "abc", "", "0x1"] {
            check_fields(&format!("Content-Length: {bad}"), 400);
        }
        check_fields("Content-Length: 42\r\nContent-Length: 42", 400);
        check_fields("Transfer-Encoding: Chunked", 200);
        check_fields("Transfer-Encoding: gzip, chunked", 501);
        check_fields("Transfer-Encoding: xchunked", 501);
        check_fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400);
        check_fields("Content-Length: 3\r\nTransfer-Encoding: chunked", 400);
        check(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    }

    #[test]
    fn limits_bite_before_the_head_ends() {
        let limits = Limits::default();
        check(format!("GET /{}", "a".repeat(limits.target_bytes + 64)).as_bytes(), 414);
        check(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(limits.target_bytes)).as_bytes(), 414);
        check_fields(&format!("A: {}", "b".repeat(limits.head_bytes)), 431);
        check_fields(&vec!["A: b"; limits.header_count - 1].join("\r\n"), 200);
        check_fields(&vec!["A: b"; limits.header_count].join("\r\n"), 431);
    }

    #[test]
    fn persistence_and_expectations() {
        let persists = |text: &str| Head::of(text).persist;
        assert!(persists("GET / HTTP/1.1\nHost: h"));
        assert!(!persists("GET / HTTP/1.1\nHost: h\nConnection: foo, close"));
        assert!(!persists("GET / HTTP/1.0"));
        assert!(persists("GET / HTTP/1.0\nConnection: Keep-Alive"));
        let expectation = |text: &str| Head::of(text).expectation;
        let post = "POST / HTTP/1.1\nHost: h\nExpect";
        assert_eq!(expectation(&format!("{post}: 100-Continue")), Expectation::Continue);
        assert_eq!(expectation(&format!("{post}: tea")), Expectation::Unknown);
        assert_eq!(expectation("POST / HTTP/1.0\nExpect: tea"), Expectation::Nothing);
    }

    #[test]
    fn the_absolute_form_outranks_the_host_field() {
        let head = Head::of("GET http://other:1/abs?q HTTP/1.1\nHost: h");
        assert_eq!(head.host.as_deref(), Some("other:1"));
        assert_eq!((head.path.as_str(), head.query.as_deref()), ("/abs", Some("q")));
    }
}
