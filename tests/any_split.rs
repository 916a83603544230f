//! Bytes mean the same however they arrive: bodies of every size, split anywhere, on HTTP and
//! WebSocket. The faults of the prior art (`shared/design/netdata.md` 3.2, rows 24 to 32) are the
//! cases.

mod wire;

use std::io::Write;
use std::time::Duration;

use emcp::Limits;
use tungstenite::{Message, WebSocket};
use wire::{ECHO_FIELDS, Host, call_body, legacy_call, post, post_call, post_legacy};

/// Arguments of `echo` that make a text of about `length` bytes with an end of its own.
fn filler(length: usize) -> String {
    format!(r#"{{"word":"{}<{length}>"}}"#, "x".repeat(length))
}

/// A small deterministic generator (xorshift64), so that a failure comes back with its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Cuts `bytes` into pieces: some dialogues come in crumbs, some in lumps.
    fn split<'a>(&mut self, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let bound = self.pick(&[3, 17, 90, 400, 5_000]);
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at((1 + self.below(bound)).min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces
    }
}

/// A dialogue with every kind of framing; the last request is bad and ends the connection.
fn transcript() -> String {
    let body = call_body("echo", r#"{"word":"chunks"}"#);
    let (a, b) = body.split_at(11);
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\n{ECHO_FIELDS}Transfer-Encoding: chunked\r\n\r\n\
         b;x=y\r\n{a}\r\n{:X}\r\n{b}\r\n0\r\nTrailer: z\r\n\r\n",
        b.len()
    );
    [
        post_call("echo", r#"{"word":"length"}"#, ""),
        chunked,
        "\r\nGET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
        "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
        post("/mcp", ECHO_FIELDS, "not json"),
        "GET /mcp HTTP/1.1\r\nHost: a b\r\n\r\n".into(),
    ]
    .concat()
}

/// Sends the pieces one after the other and reads all the replies.
fn dialogue(host: &Host, pieces: &[&[u8]]) -> Vec<wire::Reply> {
    replies(host, pieces, 6)
}

/// Sends the pieces of so many requests, the last of which ends the connection.
fn replies(host: &Host, pieces: &[&[u8]], count: usize) -> Vec<wire::Reply> {
    let mut client = host.connect();
    for piece in pieces {
        client.send(piece);
    }
    let replies = (0..count).map(|_| client.reply()).collect();
    client.assert_closed("behind the bad request");
    replies
}

#[test]
fn any_split_of_the_same_bytes_gives_the_same_replies() {
    let host = Host::start(Limits::default());
    let text = transcript();
    let bytes = text.as_bytes();
    let whole = dialogue(&host, &[bytes]);
    let statuses: Vec<u16> = whole.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 405, 204, 400, 400]);
    assert!(whole[0].text().contains("length") && whole[1].text().contains("chunks"));
    for seed in 1..=60 {
        let pieces = Random(seed).split(bytes);
        assert_eq!(dialogue(&host, &pieces), whole, "seed {seed}");
    }
    assert_eq!(host.server.stats().panics, 0);
}

/// The same request with its body in chunks of any size, with extensions, trailers and an empty
/// line that belong to nothing.
fn in_chunks(request: &str, random: &mut Random) -> String {
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let fields: Vec<&str> =
        head.split("\r\n").filter(|line| !line.starts_with("Content-Length")).collect();
    let mut text = format!("{}\r\nTransfer-Encoding: chunked\r\n\r\n", fields.join("\r\n"));
    let bound = random.pick(&[2, 30, 1000]);
    let mut rest = body;
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at((1 + random.below(bound)).min(rest.len()));
        let extension = random.pick(&["", "", ";a=b", " ;q=\"x\""]);
        text += &format!("{:x}{extension}\r\n{chunk}\r\n", chunk.len());
        rest = tail;
    }
    text + random.pick(&["0\r\n\r\n", "000;last\r\n\r\n", "0\r\nTrailer: z\r\n\r\n"])
}

/// One request of any kind, of either era.
fn any_request(session: &str, number: usize, random: &mut Random) -> String {
    let word = format!(r#"{{"word":"<{number}>{}"}}"#, "x".repeat(random.below(3_000)));
    let ping = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    let request = match random.below(10) {
        0..=2 => post_call("echo", &word, ""),
        3 | 4 => post_legacy(session, &legacy_call(number as u64, "echo", &word)),
        5 => post_legacy(session, &format!("[{ping},{}]", legacy_call(7, "echo", &word))),
        6 => post_legacy(session, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        7 => post("/mcp", ECHO_FIELDS, "not json"),
        8 => return "\r\nGET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
        _ => return "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
    };
    if random.below(2) == 0 { in_chunks(&request, random) } else { request }
}

#[test]
fn any_split_of_any_requests_gives_the_same_replies() {
    let host = Host::start(Limits::default());
    let session = host.initialize("2025-03-26");
    for seed in 1..=40 {
        let random = &mut Random(seed);
        let count = 2 + random.below(10);
        let mut text: String = (1..count).map(|n| any_request(&session, n, random)).collect();
        text += "GET /mcp HTTP/1.1\r\nHost: a b\r\n\r\n";
        let whole = replies(&host, &[text.as_bytes()], count);
        assert_eq!(whole.last().map(|reply| reply.status), Some(400), "seed {seed}");
        let pieces = random.split(text.as_bytes());
        assert_eq!(replies(&host, &pieces, count), whole, "seed {seed}: {text}");
    }
    assert_eq!(host.server.stats().panics, 0);
}

#[test]
fn a_split_at_each_byte_gives_the_same_replies() {
    let host = Host::start(Limits::default());
    let text = transcript();
    let whole = dialogue(&host, &[text.as_bytes()]);
    for at in (1..text.len()).step_by(3) {
        let (first, second) = text.as_bytes().split_at(at);
        assert_eq!(dialogue(&host, &[first, second]), whole, "split at {at}");
    }
}

#[test]
fn a_request_in_hundreds_of_reads_is_served() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    // Row 28: first segments below 5 bytes, and more than 100 reads.
    for byte in post_call("echo", r#"{"word":"crumbs"}"#, "").bytes() {
        client.send([byte]);
    }
    assert!(client.reply().text().contains("crumbs"));
}

#[test]
fn a_body_of_any_size_is_answered_at_once() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    // Rows 25, 26 and 32: around the sizes of read buffers, on one connection.
    let near = (4_000..9_400).step_by(37);
    let far = [16_384, 65_535, 65_536, 131_072, 140_000, 900_000];
    for length in near.chain(far) {
        let reply = client.send(post_call("echo", &filler(length), "")).reply();
        assert_eq!(reply.status, 200, "{length} bytes");
        assert!(reply.text().contains(&format!("<{length}>")), "{length} bytes");
    }
    assert_eq!(host.server.stats().connections_accepted, 1);
}

#[test]
fn a_body_split_around_a_read_buffer_is_answered_at_once() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    for length in [4_096, 8_000, 8_192, 9_000] {
        let request = post_call("echo", &filler(length), "");
        for at in [3, 4_095, 4_096, 4_097, request.len() - 1] {
            let (first, second) = request.as_bytes().split_at(at);
            let reply = client.send(first).send(second).reply();
            assert!(reply.text().contains(&format!("<{length}>")), "{length} split at {at}");
        }
    }
}

#[test]
fn a_length_is_read_from_its_own_field_alone() {
    let host = Host::start(Limits::default());
    let body = call_body("echo", r#"{"word":"length"}"#);
    let length = body.len();
    // Row 27: no blank behind the colon, and the words inside another value.
    for fields in [
        format!("Content-Length:{length}\r\n"),
        format!("content-LENGTH: \t{length} \r\n"),
        format!("X-Note: Content-Length: 3\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nX-Note: a, Content-Length: 3\r\n"),
    ] {
        let mut client = host.connect();
        let head = format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{ECHO_FIELDS}{fields}\r\n");
        for _ in 0..2 {
            assert_eq!(client.send(head.clone() + &body).reply().status, 200, "{fields}");
        }
    }
}

#[test]
fn a_hundred_pipelined_requests_are_answered_in_order() {
    let host = Host::start(Limits::default());
    let mut client = host.connect();
    let request = |n| post_call("echo", &format!(r#"{{"word":"<{n}>"}}"#), "");
    let all: String = (0..100).map(request).collect();
    let mut writer = client.stream.try_clone().expect("a second handle");
    // Sent from the side: the replies are read while requests are on their way.
    let sending = std::thread::spawn(move || writer.write_all(all.as_bytes()));
    for n in 0..100 {
        assert!(client.reply().text().contains(&format!("<{n}>")), "request {n}");
    }
    sending.join().expect("no panic").expect("everything is sent");
}

/// Sends a call with so many bytes over WebSocket and waits for its answer.
fn echo(socket: &mut WebSocket<std::net::TcpStream>, length: usize) {
    let text = legacy_call(length as u64, "echo", &filler(length));
    socket.send(Message::text(text)).expect("a server that reads");
    let answer = socket.read().expect("an answer").into_text().expect("text");
    assert!(answer.contains(&format!("<{length}>")), "{length} bytes");
}

#[test]
fn a_websocket_message_of_any_size_is_answered_at_once() {
    let host = Host::start(Limits::default());
    let mut socket = host.connect().upgrade();
    // Row 24.
    let near = (3_900..9_400).step_by(97);
    for length in near.chain([1, 125, 126, 40_000, 65_535, 65_536, 900_000]) {
        echo(&mut socket, length);
    }
}

/// Adds one masked frame; `first` is its FIN bit and opcode.
fn push_frame(bytes: &mut Vec<u8>, first: u8, payload: &[u8], random: &mut Random) {
    bytes.push(first);
    match u16::try_from(payload.len()).expect("a short frame") {
        short @ ..126 => bytes.push(0x80 | short as u8),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
    }
    let mask = [0, 1, 2, 3].map(|_| random.below(256) as u8);
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// Adds one text message in any number of fragments, with pings and pongs between them; returns
/// how many pings.
fn push_fragments(bytes: &mut Vec<u8>, text: &str, random: &mut Random) -> usize {
    let (mut rest, mut opcode, mut pings) = (text.as_bytes(), 1, 0);
    let bound = random.pick(&[2, 20, 200, 5_000]);
    loop {
        let (part, tail) = rest.split_at(random.below(bound).min(rest.len()));
        let fin = if tail.is_empty() { 0x80 } else { 0 };
        push_frame(bytes, fin | opcode, part, random);
        if tail.is_empty() {
            return pings;
        }
        (rest, opcode) = (tail, 0);
        if random.below(4) == 0 {
            let ping_or_pong = random.pick(&[9, 10]);
            push_frame(bytes, 0x80 | ping_or_pong, b"between", random);
            pings += usize::from(ping_or_pong == 9);
        }
    }
}

/// Sends the pieces and reads so many texts, and a pong for each of so many pings; sorted, because
/// answers and pongs take turns at random.
fn conversation(host: &Host, pieces: &[&[u8]], texts: usize, pings: usize) -> Vec<String> {
    let mut socket = host.connect().upgrade();
    for piece in pieces {
        socket.get_mut().write_all(piece).expect("a server that reads");
    }
    let mut heard: Vec<String> = (0..texts + pings)
        .map(|_| match socket.read().expect("a message") {
            Message::Text(text) => text.to_string(),
            Message::Pong(payload) => format!("pong {}", String::from_utf8_lossy(&payload)),
            other => panic!("{other:?}"),
        })
        .collect();
    heard.sort_unstable();
    heard
}

#[test]
fn any_split_of_any_frames_gives_the_same_messages() {
    let host = Host::start(Limits::default());
    for seed in 1..=40 {
        let random = &mut Random(seed);
        let texts = 1 + random.below(8);
        let (mut bytes, mut pings) = (Vec::new(), 0);
        for n in 0..texts {
            let word = format!(r#"{{"word":"<{n}>{}"}}"#, "\u{e9}".repeat(random.below(2_000)));
            let text = match random.below(3) {
                0 => legacy_call(n as u64, "echo", &word),
                // No log, so that one message is one answer.
                1 => call_body("echo", &word).replace("debug", "emergency").replacen(
                    r#""id":1"#,
                    &format!(r#""id":{n}"#),
                    1,
                ),
                _ => "no message".into(),
            };
            pings += push_fragments(&mut bytes, &text, random);
        }
        let whole = conversation(&host, &[&bytes], texts, pings);
        let pieces = random.split(&bytes);
        assert_eq!(conversation(&host, &pieces, texts, pings), whole, "seed {seed}");
    }
    assert_eq!(host.server.stats().panics, 0);
}

#[test]
fn a_websocket_message_in_pieces_is_bounded_as_a_whole() {
    let host = Host::start(Limits { body_bytes: 10_000, ..Limits::default() });
    let mut client = host.connect();
    assert_eq!(client.send(wire::UPGRADE).head().status, 101);
    // Row 29. RFC 6455 section 5.2: a text frame that goes on, then continuations without end;
    // 4000 bytes each, masked with zeros.
    for opcode in [0x01, 0x00, 0x00] {
        let mut frame = vec![opcode, 0xfe, 0x0f, 0xa0, 0, 0, 0, 0];
        frame.extend([b'x'; 4_000]);
        client.send(frame);
    }
    // A close frame with code 1009.
    let rest = client.end().rest();
    assert_eq!(rest.get(..1), Some(&[0x88][..]), "{rest:?}");
    assert_eq!(rest.get(2..4), Some(&1009u16.to_be_bytes()[..]), "{rest:?}");
    host.assert_serves("beside it");
}

#[test]
fn a_batch_of_large_replies_arrives_whole() {
    let host = Host::start(Limits::default());
    let session = host.initialize("2025-03-26");
    let calls: Vec<String> = (0..20).map(|id| legacy_call(id, "bulk", r#"{"n":200000}"#)).collect();
    // Row 30: a reply of megabytes to a request of a few hundred bytes.
    let batch = wire::post_legacy(&session, &format!("[{}]", calls.join(",")));
    let batch = batch.replace("application/json, text/event-stream", "application/json");
    let reply = host.connect().send(batch).reply();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let count = reply.body.iter().filter(|byte| **byte == b'x').count();
    assert!(count >= 20 * 200_000, "{count} bytes of text");
}

#[test]
fn a_silent_websocket_is_closed() {
    let limits = Limits { ping_time: Duration::from_millis(20), ..Limits::default() };
    let host = Host::start(limits);
    let mut client = host.connect();
    // Row 31: a peer that answers no ping is dead.
    assert_eq!(client.send(wire::UPGRADE).head().status, 101);
    client.rest();
    host.until("it is gone", |stats| stats.websockets == 0 && stats.sessions == 0);
}
