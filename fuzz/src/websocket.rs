//! What a client sends behind a WebSocket handshake.

use crate::host::{Host, insist};

thread_local! {
    static HOST: Host = Host::new();
}

const UPGRADE: &[u8] = b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Frames come back that RFC 6455 allows, every text is JSON, and as long as nobody closes, the
/// same bytes get the same messages however they are split. The first byte says how.
pub(crate) fn run(data: &[u8]) {
    let Some((seed, bytes)) = data.split_first() else { return };
    HOST.with(|host| {
        insist(|| {
            let whole = frames(host, bytes, bytes.len().max(1))?;
            let split = frames(host, bytes, 1 + usize::from(*seed) % 97)?;
            let codes = [&whole, &split].map(|frames| frames.iter().find_map(Frame::close_code));
            if codes[0] != codes[1] {
                return Err(format!("the split matters to the close frame: {codes:?}"));
            }
            // A cancellation that comes in time silences an answer, and a close cuts others off.
            let is_racy = has_part(bytes, b"cancelled") || codes[0].is_some();
            let (whole, split) = (messages(whole), messages(split));
            match is_racy || whole == split {
                true => Ok(()),
                false => Err(format!("the split matters: {whole:?} and {split:?}")),
            }
        });
    });
}

/// One frame of the server.
struct Frame {
    opcode: u8,
    payload: Vec<u8>,
}

impl Frame {
    fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
        (self.opcode == 8).then_some(code)
    }
}

/// What comes back, checked frame by frame.
fn frames(host: &Host, bytes: &[u8], step: usize) -> Result<Vec<Frame>, String> {
    let out = host.talk([UPGRADE].into_iter().chain(bytes.chunks(step)));
    host.assert_quiet();
    let end = out.windows(4).position(|part| part == b"\r\n\r\n").ok_or("no head")?;
    assert!(out.starts_with(b"HTTP/1.1 101"));
    let mut rest = &out[end + 4..];
    let mut frames: Vec<Frame> = Vec::new();
    while let [first, second, tail @ ..] = rest {
        assert!(frames.iter().all(|frame| frame.opcode != 8), "a frame behind the close frame");
        assert_eq!(first & 0x70, 0, "reserved bits");
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let (length, tail) = match second {
            126 => (u64::from(u16::from_be_bytes([tail[0], tail[1]])), &tail[2..]),
            127 => (u64::from_be_bytes(*tail.first_chunk().expect("a length")), &tail[8..]),
            short => (u64::from(*short), tail),
        };
        let (payload, tail) = tail.split_at(usize::try_from(length).expect("a length"));
        rest = tail;
        let opcode = first & 0x0f;
        match opcode {
            1 => drop(
                serde_json::from_slice::<&serde_json::value::RawValue>(payload).unwrap_or_else(
                    |error| panic!("{error}: {:?}", String::from_utf8_lossy(payload)),
                ),
            ),
            8..=10 => assert!(first & 0x80 != 0 && length < 126),
            _ => panic!("opcode {opcode}"),
        }
        frames.push(Frame { opcode, payload: payload.to_vec() });
    }
    assert!(rest.is_empty(), "half a frame");
    Ok(frames)
}

/// Texts and pongs, sorted: receiving and sending take turns at random.
fn messages(frames: Vec<Frame>) -> Vec<(u8, String)> {
    let shown = |frame: Frame| (frame.opcode, String::from_utf8_lossy(&frame.payload).into_owned());
    let mut shown: Vec<_> = frames.into_iter().map(shown).collect();
    shown.sort();
    shown
}

fn has_part(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
