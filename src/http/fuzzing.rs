//! Fuzz targets of the guard, the decoder behind it and the bodies.

use http_types::StatusCode;

use super::body::Dechunker;
use super::decode::{canonical, decode};
use super::direct::is_plain;
use super::guard::{Scanner, parse, parse_lines, whole_head};
use super::head::{Expectation, Framing, Head};
use super::reject::Reject;
use crate::fuzzing::in_pieces;
use crate::limits::Limits;

/// A head is read in the same way at any split, and what the guard accepts means the same to the
/// decoder behind it. The first byte says how the rest is split.
///
/// # Panics
/// When it is not so.
pub fn head(data: &[u8]) {
    let Some((seed, bytes)) = data.split_first() else { return };
    let limits = Limits { head_bytes: 4096, target_bytes: 512, ..Limits::default() };
    let whole = scan(bytes, bytes.len().max(1), &limits);
    assert_eq!(whole, scan(bytes, 1 + usize::from(*seed) % 7, &limits), "the split matters");
    // The short way finds the same heads, and what it finds besides is none to the parser.
    let short = whole_head(bytes, &limits);
    if let Some((found, lines)) = short
        && parse_lines(found, lines, &limits).is_ok()
    {
        assert_eq!(whole, Ok(Some(found.len())), "only the short way sees a head");
    }
    let Ok(Some(length)) = whole else { return };
    assert_eq!(short.map(|(found, _)| found.len()), Some(length), "the short way sees none");
    let Ok(head) = parse(&bytes[..length], &limits) else { return };
    check_promises(&head, &bytes[..length]);
    check_decoded(&head);
    check_repeated(head, &bytes[..length], usize::from(*seed), &limits);
}

/// What is taken for a repetition is what would be read there.
fn check_repeated(mut head: Head, bytes: &[u8], seed: usize, limits: &Limits) {
    let expected = head.is_repeatable().then_some(bytes.len());
    assert_eq!(head.repeat(bytes), expected, "the same head");
    let mut other = bytes.to_vec();
    // Most digits become another one.
    other[seed * bytes.len() / 256] ^= 1;
    if let Some(length) = head.repeat(&other) {
        assert_eq!(whole_head(&other, limits).map(|(found, _)| found.len()), Some(length));
        let read = parse(&other, limits);
        assert!(read.is_ok_and(|read| read == head), "{}", String::from_utf8_lossy(&other));
    }
}

/// Where the head ends, or the status of its refusal.
fn scan(bytes: &[u8], step: usize, limits: &Limits) -> Result<Option<usize>, StatusCode> {
    let mut scanner = Scanner::default();
    for end in (step..bytes.len()).step_by(step).chain([bytes.len()]) {
        match scanner.scan(&bytes[..end], limits) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(reject) => return Err(reject.status),
        }
    }
    Ok(None)
}

/// What every reader of a head relies on.
fn check_promises(head: &Head, bytes: &[u8]) {
    assert!(head.path.starts_with('/') || head.path == "*");
    let target = head.path.bytes().chain(head.query.iter().flat_map(|query| query.bytes()));
    assert!(target.into_iter().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    let is_field_text = |text: &str| !text.contains(['\r', '\n', '\0']);
    assert!(head.fields().all(|(name, value)| is_field_text(name) && is_field_text(value)));
    // The number of lines is the number of fields, the request line and the empty one: nothing was
    // folded, dropped or invented.
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, head.fields().count() + 2);
    let has = |name: &str| head.header(name).is_some();
    match head.framing {
        Framing::Absent => assert!(!has("content-length") && !has("transfer-encoding")),
        Framing::Length(_) => assert!(has("content-length") && !has("transfer-encoding")),
        Framing::Chunked => assert!(!has("content-length") && has("transfer-encoding")),
    }
    assert!(head.expectation == Expectation::Nothing || has("expect"));
}

/// The canonical form is read as `head` was, by the guard itself and by the decoder.
fn check_decoded(head: &Head) {
    const BODY_LEN: usize = 3;
    let text = canonical(head, BODY_LEN);
    let wide = Limits { head_bytes: usize::MAX, target_bytes: usize::MAX, ..Limits::default() };
    let again = parse(text.as_bytes(), &wide).unwrap_or_else(|reject| panic!("{reject:?}: {text}"));
    assert_eq!(again.method, head.method);
    assert_eq!(again.path, if head.path == "*" { "/" } else { &head.path });
    assert_eq!(again.query, head.query);
    assert_eq!(again.host.as_deref(), head.host.as_deref().or(Some("localhost")));
    assert_eq!(again.framing, Framing::Length(BODY_LEN as u64));
    let request = match decode(head, BODY_LEN) {
        Ok(request) => request,
        // The decoder would have to be asked.
        Err(reject) if is_plain(head) => panic!("{reject:?}: {text}"),
        // Only a host that no URL can have, or a head that the decoder has no room for.
        Err(Reject { status: StatusCode::RequestHeaderFieldsTooLarge, .. }) => return,
        Err(reject) => {
            let Some(host) = &head.host else { panic!("{reject:?}: {text}") };
            let plain = text.replacen(&format!("host: {host}"), "host: localhost", 1);
            let plain = parse(plain.as_bytes(), &wide).unwrap_or_else(|_| panic!("{text}"));
            assert!(decode(&plain, BODY_LEN).is_ok(), "{text}");
            return;
        }
    };
    assert_eq!(request.method(), head.method);
    let value = |name: &str| request.header(name).map(|values| values.as_str().to_owned());
    assert_eq!(value("content-length").as_deref(), Some("3"));
    for name in ["accept", "content-type"] {
        let sent = head.headers(name).find(|value| value.is_ascii());
        // Content types are normalised; whether there is one is not.
        assert_eq!(value(name).is_some(), sent.is_some(), "{name}: {text}");
    }
    let known = ["host", "accept", "content-type", "content-length"];
    assert!(request.header_names().all(|name| known.contains(&name.as_str())), "{text}");
    // A URL resolves dots and escapes what it must; a plain path and query stay as they are.
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain(&head.path.replace('/', "")) && head.path != "*" {
        assert_eq!(request.url().path(), head.path, "{text}");
    }
    if head.query.as_deref().is_some_and(|query| is_plain(query) && !query.is_empty()) {
        assert_eq!(request.url().query(), head.query.as_deref(), "{text}");
    }
}

/// A chunked body is taken apart in the same way at any split, and as a naive reader would do it.
/// The first byte says how the rest is split.
///
/// # Panics
/// When it is not so.
pub fn body(data: &[u8]) {
    const LIMIT: usize = 4096;
    let Some((seed, bytes)) = data.split_first() else { return };
    let mut whole = Dechunker::new(LIMIT);
    let outcome = whole.push(bytes).map(|used| (used, whole.finished()));
    let mut pieces = Dechunker::new(LIMIT);
    let mut taken = Ok(0);
    in_pieces(bytes, *seed, |piece| {
        if let Ok(used) = taken {
            taken = pieces.push(piece).map(|more| used + more);
            assert!(pieces.length() <= LIMIT);
        }
    });
    let split = taken.map(|used| (used, pieces.finished()));
    match (&outcome, &split) {
        (Ok(a), Ok(b)) => assert_eq!(a, b, "the split matters"),
        (Err(a), Err(b)) => assert_eq!((a.status, a.message), (b.status, b.message)),
        _ => panic!("the split matters: {outcome:?} and {split:?}"),
    }
    let Ok((used, Some(body))) = outcome else { return };
    assert_eq!(naive(bytes), Some((body, used)), "a naive reader disagrees");
}

/// Reads a chunked body with as little care as possible; `None` when it cannot.
fn naive(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut rest) = (Vec::new(), bytes);
    loop {
        let line = line(&mut rest)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    while !line(&mut rest)?.is_empty() {}
    Some((body, bytes.len() - rest.len()))
}

/// Takes one line off the front, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..length];
    *rest = &rest[length + 2..];
    Some(line)
}
