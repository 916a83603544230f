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
            let whole = replies(host, bytes, 0)?;
            let split = replies(host, bytes, 1 + seed % 97)?;
            // A reply to HEAD has the length of a body and none.
            if !bytes.windows(4).any(|part| part == b"HEAD") {
                check_http(&whole).ok_or_else(|| format!("no HTTP: {}", show(&whole)))?;
            }
            match whole == split {
                true => Ok(()),
                false => Err(format!("the split matters: {} and {}", show(&whole), show(&split))),
            }
        });
    });
}

/// What comes back for `bytes`, without what differs from run to run.
fn replies(host: &Host, bytes: &[u8], step: u8) -> Result<Vec<u8>, String> {
    let session = host.session()?;
    let bytes = replace(bytes, b"$S", session.as_bytes());
    let step = if step == 0 { bytes.len().max(1) } else { usize::from(step) };
    let out = host.talk(bytes.chunks(step));
    host.assert_quiet();
    host.end(&session);
    // Sent only while nothing of the body has come, so it depends on the split by right.
    let out = replace(&out, b"HTTP/1.1 100 Continue\r\n\r\n", b"");
    // As long as it was, because lengths count it.
    let name = format!("$S{}", "?".repeat(session.len() - 2));
    Ok(until_upgrade(sort_heads(blank(replace(&out, session.as_bytes(), name.as_bytes())))))
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

/// Cuts off what follows a 101: the target of WebSockets knows in which order it may come.
fn until_upgrade(mut bytes: Vec<u8>) -> Vec<u8> {
    let find = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|at| at == part);
    if let Some(start) = find(&bytes, b"HTTP/1.1 101")
        && let Some(end) = find(&bytes[start..], b"\r\n\r\n")
    {
        bytes.truncate(start + end + 4);
    }
    bytes
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

/// Reads replies as a client does; `None` when one is not what it should be.
fn check_http(bytes: &[u8]) -> Option<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.windows(4).position(|part| part == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&rest[..end]).ok()?;
        rest = &rest[end + 4..];
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
        let fields: Vec<(&str, &str)> =
            lines.map(|line| line.split_once(": ")).collect::<Option<_>>()?;
        let field = |name| fields.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        match (status, field("content-length"), field("transfer-encoding")) {
            // What follows is no HTTP.
            ("101", _, _) => return Some(()),
            ("100" | "204" | "304", None, None) => {}
            (_, Some(length), None) => rest = rest.get(length.parse().ok()?..)?,
            (_, None, Some("chunked")) => rest = chunks(rest)?,
            // The end of the connection is that of the body.
            (_, None, None) => return (field("connection") == Some("close")).then_some(()),
            _ => return None,
        }
    }
    Some(())
}

/// What follows a chunked body. An open stream ends with its connection, between two chunks.
fn chunks(mut rest: &[u8]) -> Option<&[u8]> {
    while !rest.is_empty() {
        let end = rest.windows(2).position(|part| part == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = rest.get(end + 2 + size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            break;
        }
    }
    Some(rest)
}
