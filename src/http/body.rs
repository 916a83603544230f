//! Takes a chunked body apart (RFC 9112 section 7.1), at any split of the bytes.
//!
//! The decoder of `async_h1` hangs when the last line is split, reads an empty size as the end and
//! loses what follows the body, so the bytes never get there in chunks.

use http_types::StatusCode;

use super::head::{hex, is_token_byte};
use super::reject::Reject;

/// A chunked body on its way in.
pub(super) struct Dechunker {
    state: State,
    /// What has arrived of the line under way.
    line: Vec<u8>,
    body: Vec<u8>,
    /// Bytes that `body` may have.
    limit: usize,
    /// Bytes of chunk extensions and of trailers so far.
    extension_bytes: usize,
    trailer_bytes: usize,
}

#[derive(Clone, Copy)]
enum State {
    /// In the line with the size of the next chunk.
    Size,
    /// In the data of a chunk with so many bytes to come.
    Data(usize),
    /// In the line end behind the data.
    DataEnd,
    /// In the trailer section.
    Trailer,
    Done,
}

impl Dechunker {
    pub(super) fn new(limit: usize) -> Dechunker {
        Dechunker {
            state: State::Size,
            line: Vec::new(),
            body: Vec::new(),
            limit,
            extension_bytes: 0,
            trailer_bytes: 0,
        }
    }

    /// Takes bytes from the front of `input` and returns how many; the rest belongs to the next
    /// request. All are taken unless the body is complete.
    pub(super) fn push(&mut self, input: &[u8]) -> Result<usize, Reject> {
        let mut rest = input;
        while !rest.is_empty() {
            rest = match self.state {
                State::Data(left) => self.take_data(rest, left),
                State::Done => break,
                State::Size | State::DataEnd | State::Trailer => self.take_line(rest)?,
            };
        }
        Ok(input.len() - rest.len())
    }

    /// Bytes of the body so far.
    pub(super) fn length(&self) -> usize {
        self.body.len()
    }

    /// The body, once its last line has arrived.
    pub(super) fn finished(&mut self) -> Option<Vec<u8>> {
        matches!(self.state, State::Done).then(|| std::mem::take(&mut self.body))
    }

    fn take_data<'a>(&mut self, input: &'a [u8], left: usize) -> &'a [u8] {
        let (data, rest) = input.split_at(left.min(input.len()));
        self.body.extend_from_slice(data);
        self.state = match left - data.len() {
            0 => State::DataEnd,
            left => State::Data(left),
        };
        rest
    }

    fn take_line<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], Reject> {
        let end = input.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let (part, rest) = input.split_at(end.unwrap_or(input.len()));
        if self.line.len() + part.len() > LINE_BYTES {
            return Err(match self.state {
                State::Trailer => TRAILERS_TOO_LONG,
                _ => Reject::malformed("a chunk-size line is too long"),
            });
        }
        self.line.extend_from_slice(part);
        if end.is_none() {
            return Ok(rest);
        }
        let line = std::mem::take(&mut self.line);
        match line.strip_suffix(b"\r\n") {
            Some(text) if !text.contains(&b'\r') => self.end_line(text)?,
            _ => return Err(Reject::malformed("every line of a chunked body must end with CR LF")),
        }
        // The allocation serves every line of the body.
        self.line = line;
        self.line.clear();
        Ok(rest)
    }

    fn end_line(&mut self, text: &[u8]) -> Result<(), Reject> {
        self.state = match self.state {
            State::Size => self.end_size(text)?,
            State::DataEnd if text.is_empty() => State::Size,
            State::Trailer if text.is_empty() => State::Done,
            // RFC 9110 section 6.5.1 allows to discard trailers, and nothing here needs one.
            State::Trailer => {
                self.trailer_bytes += text.len();
                if self.trailer_bytes > TRAILER_BYTES {
                    return Err(TRAILERS_TOO_LONG);
                }
                if !is_field_line(text) {
                    return Err(Reject::malformed("a trailer is not a header field"));
                }
                State::Trailer
            }
            State::DataEnd | State::Data(_) | State::Done => {
                return Err(Reject::malformed("a chunk is longer than its size"));
            }
        };
        Ok(())
    }

    fn end_size(&mut self, text: &[u8]) -> Result<State, Reject> {
        const BAD: Reject = Reject::malformed("a chunk size is not a hexadecimal number");
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        // Sixteen digits fill 64 bits; RFC 9112 section 7.1 asks to expect larger ones.
        if digits == 0 || digits > 16 {
            return Err(BAD);
        }
        let (number, extension) = text.split_at(digits);
        let extension_start = extension.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        let has_control = extension.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
        if !extension.is_empty() && (extension_start != Some(&b';') || has_control) {
            return Err(BAD);
        }
        // Ignored as RFC 9112 section 7.1.1 demands, but not for ever: a body of one-byte chunks
        // would carry a hundred times its size in extensions past the body limit.
        self.extension_bytes += extension.len();
        if self.extension_bytes > EXTENSION_BYTES {
            return Err(Reject::malformed("the chunk extensions are too long"));
        }
        // At most sixteen digits were counted, so nothing is shifted out.
        let digit = |byte: &u8| u64::from(hex(*byte).unwrap_or_default());
        let size = number.iter().fold(0, |size: u64, byte| size << 4 | digit(byte));
        if size > (self.limit - self.body.len()) as u64 {
            return Err(BODY_TOO_LARGE);
        }
        // The comparison above keeps it within the limit, which is a `usize`.
        Ok(if size == 0 { State::Trailer } else { State::Data(size as usize) })
    }
}

/// Tells whether `text` is what a head would take as a field (RFC 9112 section 5). What is discarded
/// is held to it too: another parser may take it for the next request.
fn is_field_line(text: &[u8]) -> bool {
    let mut parts = text.splitn(2, |byte| *byte == b':');
    let (name, value) = (parts.next().unwrap_or_default(), parts.next());
    let is_name = !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte));
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    is_name && value.is_some_and(|value| !value.iter().any(is_control))
}

/// The reply for a body above `limits.body_bytes`.
pub(super) const BODY_TOO_LARGE: Reject =
    Reject::new(StatusCode::PayloadTooLarge, "the request body is too large");

/// The reply for a body that takes longer than `limits.body_time`.
pub(super) const BODY_LATE: Reject =
    Reject::new(StatusCode::RequestTimeout, "the request body did not arrive in time");

/// The reply for a body above `limits.held_bytes`.
pub(super) const TOO_MUCH_HELD: Reject =
    Reject::new(StatusCode::ServiceUnavailable, "too many unfinished requests");

const TRAILERS_TOO_LONG: Reject =
    Reject::new(StatusCode::RequestHeaderFieldsTooLarge, "the trailers are too long");

/// Bytes of one chunk-size line or trailer line.
const LINE_BYTES: usize = 256;
/// Bytes of all trailers.
const TRAILER_BYTES: usize = 4 * 1024;
/// Bytes of all chunk extensions of one body.
const EXTENSION_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `step` bytes; returns the body and how many bytes were left.
    fn read(input: &[u8], step: usize) -> Result<Option<(Vec<u8>, usize)>, u16> {
        let mut dechunker = Dechunker::new(100);
        let mut used = 0;
        for piece in input.chunks(step) {
            used += dechunker.push(piece).map_err(|reject| reject.status as u16)?;
        }
        Ok(dechunker.finished().map(|body| (body, input.len() - used)))
    }

    #[track_caller]
    fn check(input: &str, expected: Result<Option<(&str, usize)>, u16>) {
        for step in 1..=input.len() {
            let expected = expected.map(|done| done.map(|(text, left)| (text.into(), left)));
            assert_eq!(read(input.as_bytes(), step), expected, "{input:?} by {step}");
        }
    }

    #[test]
    fn whole_bodies_pass_at_any_split() {
        check("0\r\n\r\n", Ok(Some(("", 0))));
        check("3\r\nabc\r\n0\r\n\r\n", Ok(Some(("abc", 0))));
        check(
            "3;a=b\r\nabc\r\n00A \t;x\r\n0123456789\r\n0\r\n\r\n",
            Ok(Some(("abc0123456789", 0))),
        );
        check("1\r\n\n\r\n0\r\nA: b\r\nC: d\r\n\r\n", Ok(Some(("\n", 0))));
        check("0\r\nX-Note:\tä\r\nY:\r\n\r\n", Ok(Some(("", 0))));
        check("1\r\na\r\n0\r\n\r\nGET /", Ok(Some(("a", 5))));
    }

    #[test]
    fn unfinished_bodies_wait() {
        check("3\r\nab", Ok(None));
        check("3\r\nabc\r\n0\r\n\r", Ok(None));
    }

    #[test]
    fn broken_bodies_are_refused() {
        for bad in ["\r\n", "x\r\n", "-1\r\n", "3\n", "3 \r\n", "3 4\r\n", "0x3\r\n", "3;a\0\r\n"] {
            check(bad, Err(400));
        }
        check("00000000000000003\r\n", Err(400));
        check("3\r\nabcd\r\n", Err(400));
        check("3\r\nabc\n", Err(400));
        check("0\r\nA: b\n\r\n", Err(400));
        check(&format!("3;{}\r\n", "a".repeat(LINE_BYTES)), Err(400));
        let lines =
            ["GET /mcp HTTP/1.1", "A", ": b", "A : b", " A: b", "A b: c", "A: \0", "A: \u{7f}"];
        for line in lines {
            check(&format!("0\r\nX: y\r\n{line}\r\n"), Err(400));
        }
    }

    #[test]
    fn limits_hold() {
        check("65\r\n", Err(413));
        check("64\r\n", Ok(None));
        check("FFFFFFFFFFFFFFFF\r\n", Err(413));
        check("1\r\na\r\n64\r\n", Err(413));
        let trailers = format!("0\r\n{}", "A: 0123456789\r\n".repeat(400));
        assert_eq!(read(trailers.as_bytes(), 7), Err(431));
        let mut dechunker = Dechunker::new(1 << 20);
        let chunk = format!("1;{}\r\na\r\n", "x".repeat(200));
        let refused = (0..200).find_map(|_| dechunker.push(chunk.as_bytes()).err());
        assert_eq!(refused.map(|reject| reject.status), Some(StatusCode::BadRequest));
    }
}
