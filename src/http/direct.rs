//! The short way of the one exchange that there are many of: a plain request, a JSON document.
//!
//! Everything else is decoded and encoded by `async_h1`. What goes here means and yields the same
//! there, which tests hold both to; it costs a tenth.

use std::net::Ipv4Addr;

use http_types::Method;

use super::date::date;
use super::head::{Expectation, Framing, Head};
use super::response::Terms;
use super::{Final, Version};
use crate::uri::without_port;

/// Tells whether the decoder has nothing to say about `head` that the guard has not said: the
/// request is short, and its host is one that every reader of URLs takes as it is.
pub(super) fn is_plain(head: &Head) -> bool {
    matches!(
        (head.method, head.framing),
        (Method::Post, Framing::Length(_)) | (Method::Get, Framing::Absent)
    ) && head.expectation == Expectation::Nothing
        && head.fields.bytes() + head.path.len() + head.query.as_ref().map_or(0, String::len)
            <= PLAIN_BYTES
        && head.host.as_deref().is_some_and(is_plain_host)
}

/// A name that is neither nearly an address nor in another script, or an IPv4 address.
fn is_plain_host(host: &str) -> bool {
    let name = without_port(host);
    // Nearly all.
    if matches!(name, "127.0.0.1" | "localhost") {
        return true;
    }
    // Before the first byte as behind a dot: a label begins.
    let mut previous = b'.';
    let mut begins_with = b'.';
    for byte in name.bytes() {
        match byte {
            _ if byte.is_ascii_alphanumeric() => {}
            // Two in a row are how names of other scripts begin.
            b'-' | b'.' if previous != byte => {}
            _ => return false,
        }
        if previous == b'.' {
            begins_with = byte;
        }
        previous = byte;
    }
    // What ends in a number is read as an address, in forms that only URLs know.
    begins_with.is_ascii_alphabetic() && previous != b'.' || name.parse::<Ipv4Addr>().is_ok()
}

/// The whole reply, if it may be written in one piece: a short document on a connection that goes
/// on.
pub(super) fn reply(answer: &Final, terms: Terms) -> Option<Vec<u8>> {
    let Final::Document(text) = answer else { return None };
    let is_usual =
        terms.persist && terms.version == Version::Http11 && terms.method != Method::Head;
    if !is_usual || text.len() > DOCUMENT_BYTES {
        return None;
    }
    let mut bytes = Vec::with_capacity(HEAD_BYTES + text.len());
    bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: ");
    push_number(&mut bytes, text.len());
    bytes.extend_from_slice(b"\r\ncontent-type: application/json\r\ndate: ");
    date(|date| bytes.extend_from_slice(date.as_bytes()));
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes.extend_from_slice(text.as_bytes());
    Some(bytes)
}

fn push_number(bytes: &mut Vec<u8>, number: usize) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        // Below ten.
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    bytes.extend_from_slice(&digits[start..]);
}

/// Far below what the decoder refuses.
const PLAIN_BYTES: usize = 4 * 1024;
/// Longer documents are pumped, so that one slow reader or one fast one does not hold much.
const DOCUMENT_BYTES: usize = 64 * 1024;
/// Room for a head.
const HEAD_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use futures_lite::{AsyncReadExt, future};
    use http_types::StatusCode;

    use super::super::decode::decode;
    use super::super::guard::parse;
    use super::super::response::{finish, json};
    use super::*;
    use crate::env::Env;
    use crate::limits::Limits;

    const TERMS: Terms = Terms { method: Method::Post, version: Version::Http11, persist: true };

    /// The lines of the head in order of the alphabet, then the body; without the time of day.
    fn sorted(bytes: &[u8]) -> (Vec<String>, String) {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with("date: "));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        assert_eq!(lines.len() + 1, head.split("\r\n").count(), "one date: {head}");
        lines.sort_unstable();
        (lines, body.to_owned())
    }

    #[test]
    fn both_ways_write_the_same_reply() {
        let env = Env::new(Limits::default());
        for length in [0, 1, 9, 10, 99, 100, 4096, 9999, 10_000, DOCUMENT_BYTES] {
            let text = "x".repeat(length);
            let direct = reply(&Final::Document(text.clone()), TERMS).unwrap();
            let mut general = finish(json(StatusCode::Ok, text), TERMS, &env);
            let mut bytes = Vec::new();
            future::block_on(general.bytes.read_to_end(&mut bytes)).unwrap();
            assert_eq!(sorted(&direct), sorted(&bytes));
            assert!(general.persist && !general.streams);
        }
    }

    #[test]
    fn other_replies_go_the_general_way() {
        let document = |length| Final::Document("x".repeat(length));
        assert!(reply(&document(DOCUMENT_BYTES + 1), TERMS).is_none());
        assert!(reply(&document(1), Terms { persist: false, ..TERMS }).is_none());
        assert!(reply(&document(1), Terms { version: Version::Http10, ..TERMS }).is_none());
        assert!(reply(&document(1), Terms { method: Method::Head, ..TERMS }).is_none());
        assert!(reply(&json(StatusCode::Ok, String::new()).into(), TERMS).is_none());
    }

    /// Every plain head must be one that the decoder takes and understands in the same way.
    #[track_caller]
    fn check(bytes: &[u8]) -> bool {
        let Ok(head) = parse(bytes, &Limits::default()) else { return false };
        if !is_plain(&head) {
            return false;
        }
        let shown = String::from_utf8_lossy(bytes);
        let request = decode(&head, 3).unwrap_or_else(|reject| panic!("{reject:?}: {shown}"));
        assert_eq!(request.method(), head.method, "{shown}");
        assert_eq!(request.url().path(), head.path, "{shown}");
        let host = request.url().host_str().unwrap();
        let own = head.host.as_deref().unwrap().to_ascii_lowercase();
        assert!(own == host || own.starts_with(&format!("{host}:")), "{shown}");
        true
    }

    fn post(host: &str) -> Vec<u8> {
        format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\n").into_bytes()
    }

    #[test]
    fn hosts() {
        for plain in ["localhost", "a.example:80", "127.0.0.1:19990", "A-1.b", "x1", "localhost:"] {
            assert!(check(&post(plain)), "{plain}");
        }
        for other in ["1.2.3.999", "0x7f.1", "127.1", "a.1", "xn--a", "a..b", "a.", "[::1]", "a_b"]
        {
            assert!(!check(&post(other)), "{other}");
        }
    }

    #[test]
    fn a_plain_request_is_nothing_but_plain() {
        let head = |line: &str| {
            let text = format!("POST /mcp HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n");
            check(text.as_bytes())
        };
        assert!(head("Content-Length: 3"));
        assert!(head("Content-Length: 3\r\nConnection: close"));
        assert!(!head("Transfer-Encoding: chunked"));
        assert!(!head("Accept: a"));
        assert!(!head("Content-Length: 3\r\nExpect: 100-continue"));
        assert!(!head(&format!("Content-Length: 3\r\nA: {}", "b".repeat(PLAIN_BYTES))));
        assert!(!check(b"GET /mcp HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"));
        // They open the streams, of which there are many too.
        assert!(check(b"GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n"));
    }

    #[test]
    fn what_is_plain_is_plain_to_the_decoder_too() {
        let seeds = [post("localhost:19990"), post("127.0.0.1"), post("a.b-c.example")];
        let mut random = crate::random::sequence(1);
        let mut accepted = 0;
        for round in 0..60_000 {
            let mut bytes = seeds[round % seeds.len()].clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                // Mostly what hosts and targets are made of.
                bytes[at] = b"abx0123456789.-:/?%_~@[] \r\n\xe9"[random(28)];
            }
            accepted += usize::from(check(&bytes));
        }
        assert!(accepted > 1000, "only {accepted} heads were plain");
    }
}
