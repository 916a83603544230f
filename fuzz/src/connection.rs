//! Whole connections: HTTP of both eras with everything that comes with it.

use crate::host::{Host, insist};

thread_local! {
    static HOST: Host = Host::new();
}

/// The same bytes get the same replies however they are split, the replies are HTTP, and nothing is
/// left over. The first byte says how they are split; `$S` stands for the id of a session.
pub(crate) fn run(data: &[u8]) {
    let Some((seed, bytes)) = data.split_first() else { return };
    HOST.with(|host| {
        insist(|| {
            let whole = replies(host, bytes, 0);
            let split = replies(host, bytes, 1 + seed % 97);
            // A reply to HEAD has the length of a body and none.
            if !bytes.windows(4).any(|part| part == b"HEAD") {
                check_http(&whole);
            }
            match whole == split {
                true => Ok(()),
                false => Err(format!("the split matters: {} and {}", show(&whole), show(&split))),
            }
        });
    });
}

/// What comes back for `bytes`, without what differs from run to run.
fn replies(host: &Host, bytes: &[u8], step: u8) -> Vec<u8> {
    let session = host.session();
    let bytes = replace(bytes, b"$S", session.as_bytes());
    let step = if step == 0 { bytes.len().max(1) } else { usize::from(step) };
    let out = host.talk(bytes.chunks(step));
    host.assert_quiet();
    host.end(&session);
    // As long as it was, because lengths count it.
    let name = format!("$S{}", "?".repeat(session.len() - 2));
    sort_heads(blank(replace(&out, session.as_bytes(), name.as_bytes())))
}

/// Replaces every `from` by `to`.
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(at) = rest.windows(from.len()).position(|part| part == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// Overwrites dates, and ids of sessions and states that were made at random.
fn blank(mut bytes: Vec<u8>) -> Vec<u8> {
    let marks: [&[u8]; 4] = [b"date: ", b"mcp-session-id: ", b"sessionId=", b"requestState\":\""];
    for mark in marks {
        let mut from = 0;
        while let Some(at) = bytes[from..].windows(mark.len()).position(|part| part == mark) {
            from += at + mark.len();
            let end = |byte: &u8| matches!(byte, b'\r' | b'\n' | b'"');
            let length = bytes[from..].iter().position(end).unwrap_or(bytes.len() - from);
            bytes[from..from + length].fill(b'?');
        }
    }
    bytes
}

/// Sorts the lines of each head: their order means nothing, and a map decides it.
fn sort_heads(mut bytes: Vec<u8>) -> Vec<u8> {
    const START: &[u8] = b"HTTP/1.1 ";
    let mut from = 0;
    while let Some(start) = bytes[from..].windows(START.len()).position(|part| part == START) {
        from += start;
        let end = bytes[from..].windows(4).position(|part| part == b"\r\n\r\n");
        let Some(end) = end else { break };
        let head = String::from_utf8_lossy(&bytes[from..from + end]).into_owned();
        let mut lines: Vec<&str> = head.split("\r\n").collect();
        lines[1..].sort_unstable();
        bytes.splice(from..from + end, lines.join("\r\n").into_bytes());
        from += START.len();
    }
    bytes
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads replies as a client does: what is behind the last one is empty.
fn check_http(bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.windows(4).position(|part| part == b"\r\n\r\n");
        let Some(end) = end else { panic!("half a head: {}", show(rest)) };
        let head = std::str::from_utf8(&rest[..end]).expect("a head is text");
        rest = &rest[end + 4..];
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|line| line.get(..3)).expect("a status line");
        let fields: Vec<(&str, &str)> =
            lines.map(|line| line.split_once(": ").expect("a field")).collect();
        let field = |name| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        match (status, field("content-length"), field("transfer-encoding")) {
            // What follows is no HTTP.
            ("101", _, _) => return,
            ("100" | "204" | "304", None, None) => {}
            (_, Some(length), None) => {
                rest = &rest[length.parse::<usize>().expect("a length")..];
            }
            (_, None, Some("chunked")) => {
                // An open stream ends with its connection, between two chunks.
                while !rest.is_empty() {
                    let end = rest.windows(2).position(|part| part == b"\r\n").expect("a line");
                    let size = std::str::from_utf8(&rest[..end]).expect("digits");
                    let size = usize::from_str_radix(size, 16).expect("a chunk size");
                    assert_eq!(&rest[end + 2 + size..][..2], b"\r\n");
                    rest = &rest[end + 2 + size + 2..];
                    if size == 0 {
                        break;
                    }
                }
            }
            // The end of the connection is that of the body.
            (_, None, None) => {
                assert_eq!(field("connection"), Some("close"), "{head}");
                return;
            }
            other => panic!("framed as {other:?}: {head}"),
        }
    }
}
