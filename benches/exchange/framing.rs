//! Finds whole answers in what has been read: HTTP responses, their events, WebSocket messages.

use std::io;
use std::ops::Range;

/// One whole HTTP response in a buffer.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    /// The message: the body, or the last event of a stream.
    pub(crate) message: Vec<u8>,
    /// Where the response ends in the buffer.
    pub(crate) end: usize,
}

/// The head of a response.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) len: usize,
    pub(crate) is_stream: bool,
    is_chunked: bool,
    content_length: Option<usize>,
    session: Option<String>,
}

/// Fields of one response head at most.
const FIELDS_MAX: usize = 32;

/// Reads the head at the start of `bytes`, if all of it is there.
pub(crate) fn head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let len = match response.parse(bytes).map_err(io::Error::other)? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial => return Ok(None),
    };
    let mut head = Head {
        status: response.code.unwrap_or_default(),
        len,
        is_stream: false,
        is_chunked: false,
        content_length: None,
        session: None,
    };
    for field in response.headers.iter() {
        let value = || String::from_utf8_lossy(field.value);
        if field.name.eq_ignore_ascii_case("content-length") {
            head.content_length = value().parse().ok();
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            head.is_chunked = value().eq_ignore_ascii_case("chunked");
        } else if field.name.eq_ignore_ascii_case("content-type") {
            head.is_stream = value().starts_with("text/event-stream");
        } else if field.name.eq_ignore_ascii_case("mcp-session-id") {
            head.session = Some(value().into_owned());
        }
    }
    Ok(Some(head))
}

/// Takes the response at the start of `bytes`, if all of it is there. One that ends with its
/// connection is an error: it would cost the next call a connection.
pub(crate) fn response(bytes: &[u8]) -> io::Result<Option<Response>> {
    let Some(head) = head(bytes)? else { return Ok(None) };
    let rest = &bytes[head.len..];
    let (body, end) = match head.content_length {
        Some(length) if rest.len() < length => return Ok(None),
        Some(length) => (rest[..length].to_vec(), length),
        None if head.is_chunked => match chunks(rest)? {
            Some(whole) => whole,
            None => return Ok(None),
        },
        None if head.status == 204 => (Vec::new(), 0),
        None => return Err(io::Error::other("a response without length")),
    };
    let message = if head.is_stream { last_event(&body) } else { body };
    Ok(Some(Response { status: head.status, session: head.session, message, end: head.len + end }))
}

/// Joins the chunks of a body (RFC 9112 section 7.1) and tells where it ends, if all are there.
fn chunks(bytes: &[u8]) -> io::Result<Option<(Vec<u8>, usize)>> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let (start, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete((start, size))) => (at + start, size as usize),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(io::Error::other("a chunk without size")),
        };
        let end = start + size + 2;
        if bytes.len() < end {
            return Ok(None);
        }
        body.extend_from_slice(&bytes[start..start + size]);
        at = end;
        if size == 0 {
            return Ok(Some((body, end)));
        }
    }
}

/// The data of the last event that has any. What comes before it are notifications and comments.
fn last_event(body: &[u8]) -> Vec<u8> {
    let mut last = Vec::new();
    let mut is_within = false;
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(data) = line.strip_prefix(b"data:") {
            let data = data.strip_prefix(b" ").unwrap_or(data);
            if !data.is_empty() {
                if !is_within {
                    last.clear();
                }
                last.extend_from_slice(data);
                is_within = true;
            }
        } else if line.is_empty() {
            is_within = false;
        }
    }
    last
}

/// A frame at the start of `bytes`: whether it is a text, where it is, and so where it ends.
pub(crate) fn frame(bytes: &[u8]) -> io::Result<Option<(bool, Range<usize>)>> {
    let [kind, short, ..] = bytes else { return Ok(None) };
    let (start, length) = match (short, bytes) {
        (0..126, _) => (2, usize::from(*short)),
        (126, [_, _, high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        (126, _) => return Ok(None),
        _ => return Err(io::Error::other("a frame that is masked or long")),
    };
    match kind {
        _ if bytes.len() < start + length => Ok(None),
        0x81 => Ok(Some((true, start..start + length))),
        // Pings may stay unanswered for as long as a measurement takes.
        0x89 | 0x8a => Ok(Some((false, start..start + length))),
        _ => Err(io::Error::other(format!("a frame of kind {kind:#x}"))),
    }
}
