//! A client that costs little: one socket, HTTP/1.1 or WebSocket on it, no allocation it can spare.

use std::io;
use std::net::{Ipv4Addr, TcpStream};

use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};

/// What every legacy session starts with.
const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"#,
    r#""protocolVersion":"2025-11-25","capabilities":{},"#,
    r#""clientInfo":{"name":"bench","version":"1"}}}"#
);
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Any key does on loopback; frames are masked with it because RFC 6455 section 5.3 says so.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One connection and what has been read from it too early.
pub(crate) struct Connection {
    stream: Async<TcpStream>,
    buffer: Vec<u8>,
}

/// One HTTP response.
pub(crate) struct Response {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> io::Result<Connection> {
        let stream = Async::<TcpStream>::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.get_ref().set_nodelay(true)?;
        Ok(Connection { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Opens a legacy session and returns the header that names it.
    pub(crate) async fn open_session(&mut self) -> io::Result<String> {
        let answer = self.post("", INITIALIZE).await?;
        let id = answer.header("mcp-session-id").ok_or_else(|| unexpected(&answer.head))?;
        let header = format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-11-25\r\n");
        self.post(&header, INITIALIZED).await?;
        Ok(header)
    }

    /// Upgrades to WebSocket and shakes hands as a legacy client.
    pub(crate) async fn open_websocket(&mut self) -> io::Result<()> {
        let request = "GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        self.stream.write_all(request.as_bytes()).await?;
        let head = self.read_head().await?;
        if !head.starts_with("HTTP/1.1 101 ") {
            return Err(unexpected(&head));
        }
        self.send_text(INITIALIZE).await?;
        self.receive_text().await?;
        self.send_text(INITIALIZED).await
    }

    /// Opens an SSE stream with a GET and waits for its head and first bytes, if any are due.
    pub(crate) async fn open_stream(&mut self, header: &str) -> io::Result<()> {
        let request = format!(
            "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{header}\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head = self.read_head().await?;
        let is_stream = head.starts_with("HTTP/1.1 200 ") && head.contains("text/event-stream");
        if is_stream { Ok(()) } else { Err(unexpected(&head)) }
    }

    /// Posts one message and reads the answer, whose length must be announced.
    pub(crate) async fn post(&mut self, header: &str, message: &str) -> io::Result<Response> {
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{header}Content-Length: {}\r\n\r\n\
             {message}",
            message.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head = self.read_head().await?;
        let mut answer = Response { head, body: Vec::new() };
        if !answer.head.starts_with("HTTP/1.1 2") {
            return Err(unexpected(&answer.head));
        }
        let length = answer.header("content-length").and_then(|text| text.parse().ok());
        let length: usize = length.ok_or_else(|| unexpected(&answer.head))?;
        self.fill(length).await?;
        answer.body = self.buffer.drain(..length).collect();
        Ok(answer)
    }

    /// Sends one text message.
    pub(crate) async fn send_text(&mut self, text: &str) -> io::Result<()> {
        let mut frame = vec![0x81];
        match u16::try_from(text.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length as u8),
            Ok(length) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            Err(_) => return Err(io::Error::other("the benchmark sends short messages only")),
        }
        frame.extend(MASK);
        frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.stream.write_all(&frame).await
    }

    /// Reads one text message, which must come in one frame.
    pub(crate) async fn receive_text(&mut self) -> io::Result<Vec<u8>> {
        self.fill(2).await?;
        let (kind, short) = (self.buffer[0], self.buffer[1]);
        let (start, length) = match short {
            0..126 => (2, usize::from(short)),
            126 => {
                self.fill(4).await?;
                (4, usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]])))
            }
            _ => return Err(io::Error::other("the answer is masked or long")),
        };
        if kind != 0x81 {
            return Err(io::Error::other(format!("frame of kind {kind:#x}, not a text")));
        }
        self.fill(start + length).await?;
        let text = self.buffer[start..start + length].to_vec();
        self.buffer.drain(..start + length);
        Ok(text)
    }

    async fn read_head(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = self.buffer.drain(..at + 4).collect();
                return String::from_utf8(head).map_err(io::Error::other);
            }
            self.fill(self.buffer.len() + 1).await?;
        }
    }

    /// Reads until `length` bytes are buffered.
    async fn fill(&mut self, length: usize) -> io::Result<()> {
        let mut bytes = [0; 4096];
        while self.buffer.len() < length {
            match self.stream.read(&mut bytes).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.buffer.extend_from_slice(&bytes[..read]),
            }
        }
        Ok(())
    }
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// Tells whether the host lists `tool`.
pub(crate) fn has_tool(port: u16, tool: &str) -> io::Result<bool> {
    smol::block_on(async {
        let mut connection = Connection::open(port).await?;
        let session = connection.open_session().await?;
        let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        let answer: serde_json::Value =
            serde_json::from_slice(&connection.post(&session, list).await?.body)?;
        let tools = answer["result"]["tools"].as_array();
        Ok(tools.is_some_and(|tools| tools.iter().any(|found| found["name"] == tool)))
    })
}

fn unexpected(head: &str) -> io::Error {
    io::Error::other(format!("unexpected answer: {}", head.lines().next().unwrap_or_default()))
}
