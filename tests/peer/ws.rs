//! A WebSocket client that sends any frame, wrong ones included (RFC 6455).

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Host, Http, PATIENCE, Response, initialize_with, notification, parse, request};

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The headers of a right handshake; the key is the example of RFC 6455 section 1.3.
pub(crate) fn handshake() -> Vec<(&'static str, &'static str)> {
    vec![
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
}

/// One open WebSocket.
pub(crate) struct Ws {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Ws {
    /// Connects without a subprotocol.
    pub(crate) fn connect(host: &Host) -> Ws {
        Ws::connect_with(host, &[]).1
    }

    /// Connects with more headers than a handshake needs; the head of the answer too.
    pub(crate) fn connect_with(host: &Host, more: &[(&str, &str)]) -> (Response, Ws) {
        let mut http = host.bare("GET", "/mcp", &[&handshake(), more].concat());
        let head = http.head();
        assert_eq!(head.status, 101, "{head:?}");
        assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        (head, Ws::over(http))
    }

    /// Takes over a connection that has been upgraded.
    pub(crate) fn over(http: Http) -> Ws {
        let (stream, buffer) = http.into_parts();
        Ws { stream, buffer }
    }

    /// Connects and shakes hands in `version`.
    pub(crate) fn open(host: &Host, version: &str) -> Ws {
        Ws::open_with(host, version, &json!({}))
    }

    /// As a client that can do what `capabilities` say.
    pub(crate) fn open_with(host: &Host, version: &str, capabilities: &Value) -> Ws {
        let mut ws = Ws::connect(host);
        ws.send(&initialize_with("0", version, capabilities));
        assert_eq!(ws.json()["id"], 0);
        ws.send(&notification("notifications/initialized", &json!({})));
        ws
    }

    /// Sends a request and returns its answer; skips what was announced meanwhile.
    pub(crate) fn ask(&mut self, id: &str, method: &str, params: &Value) -> Value {
        self.send(&request(id, method, params));
        loop {
            let message = self.json();
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    /// Waits until the session is initialized, for who then makes something that it should hear of.
    pub(crate) fn settle(&mut self) {
        assert_eq!(self.ask(r#""settled""#, "ping", &json!({}))["id"], "settled");
    }

    /// Sends one text message in one frame.
    pub(crate) fn send(&mut self, text: &str) {
        self.frame(0x80 | TEXT, text.as_bytes());
    }

    /// Sends text messages in one write.
    pub(crate) fn send_all(&mut self, texts: &[String]) {
        let frames: Vec<Vec<u8>> =
            texts.iter().map(|text| masked(0x80 | TEXT, text.as_bytes())).collect();
        self.raw(&frames.concat());
    }

    /// Sends one masked frame; `first` is its first byte: FIN bit, reserved bits and opcode.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) {
        self.raw(&masked(first, payload));
    }

    /// Sends a frame that breaks the rule that clients mask (RFC 6455 section 5.1).
    pub(crate) fn unmasked(&mut self, payload: &[u8]) {
        let mut bytes = header(0x80 | TEXT, payload.len(), 0);
        bytes.extend(payload);
        self.raw(&bytes);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame, whatever it is: opcode and payload.
    #[track_caller]
    pub(crate) fn next_frame(&mut self) -> (u8, Vec<u8>) {
        let (is_compressed, opcode, payload) = self.next_either();
        assert!(!is_compressed, "a compressed frame");
        (opcode, payload)
    }

    /// The next frame where compression was agreed on, its payload as it came; first whether it is
    /// compressed.
    #[track_caller]
    pub(crate) fn next_either(&mut self) -> (bool, u8, Vec<u8>) {
        let head = self.take(2);
        assert_eq!(head[0] & 0x80, 0x80, "the server does not fragment");
        assert_eq!(head[0] & 0x30, 0, "reserved bits");
        assert_eq!(head[1] & 0x80, 0, "the server does not mask");
        let length = match head[1] {
            126 => u16::from_be_bytes(self.take(2).try_into().unwrap()) as usize,
            127 => u64::from_be_bytes(self.take(8).try_into().unwrap()) as usize,
            short => short as usize,
        };
        (head[0] & 0x40 != 0, head[0] & 0x0f, self.take(length))
    }

    /// The next message. Answers pings on the way.
    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        loop {
            match self.next_frame() {
                (TEXT, payload) => return String::from_utf8(payload).unwrap(),
                (PING, payload) => self.frame(0x80 | PONG, &payload),
                (opcode, payload) => {
                    panic!("frame {opcode}: {}", String::from_utf8_lossy(&payload))
                }
            }
        }
    }

    #[track_caller]
    pub(crate) fn json(&mut self) -> Value {
        parse(self.text())
    }

    /// Every message up to the server's close frame, and its code.
    pub(crate) fn until_close(&mut self) -> (Vec<Value>, u16) {
        let mut messages = Vec::new();
        loop {
            match self.next_frame() {
                (TEXT, payload) => messages.push(parse(payload)),
                (CLOSE, payload) => {
                    let code = payload[..2].try_into().unwrap();
                    return (messages, u16::from_be_bytes(code));
                }
                _ => {}
            }
        }
    }

    /// Asserts that the server closes with `code` and says nothing before.
    #[track_caller]
    pub(crate) fn assert_closes(&mut self, code: u16) {
        assert_eq!(self.until_close(), (Vec::new(), code));
    }

    /// Gives the bare connection back, and what was read too far.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.buffer)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = [0; 16 * 1024];
        while self.buffer.len() < length {
            let count = self.stream.read(&mut bytes);
            let count = count.unwrap_or_else(|e| panic!("nothing came within {PATIENCE:?}: {e}"));
            assert!(count > 0, "the connection ended early");
            self.buffer.extend(&bytes[..count]);
        }
        self.buffer.drain(..length).collect()
    }
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];
    let mut bytes = header(first, payload.len(), 0x80);
    bytes.extend(MASK);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    bytes
}

fn header(first: u8, length: usize, mask_bit: u8) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        // Each arm's range fits its type.
        0..=125 => bytes.push(mask_bit | length as u8),
        126..=65_535 => {
            bytes.push(mask_bit | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(mask_bit | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes
}
