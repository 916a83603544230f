//! A client that costs little: one socket, HTTP/1.1 or WebSocket on it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::framing;
use crate::server::Address;

/// What every legacy session starts with.
const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"#,
    r#""protocolVersion":"2025-11-25","capabilities":{},"#,
    r#""clientInfo":{"name":"bench","version":"1"}}}"#
);
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What a request of 2026-07-28 says about itself.
pub(crate) const MODERN_CLAIMS: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{},"#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"}}"#
);

/// Any key does on loopback; frames are masked with it because RFC 6455 section 5.3 says so. The
/// floor knows the answer to this one only.
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// How the server's notifications begin.
const NOTIFICATION: &[u8] = br#"{"jsonrpc":"2.0","method""#;

/// What is in the one that the peers at rest are sent.
const LIST_CHANGED: &[u8] = b"notifications/tools/list_changed";

/// Longest time for one answer. One that takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes to read at once.
const READ_SIZE: usize = 32 * 1024;

/// One connection and what has been read from it.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    /// What every request begins with.
    target: String,
    host: String,
    is_websocket: bool,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &Address) -> io::Result<Connection> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, address.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Connection {
            stream: BufReader::with_capacity(READ_SIZE, stream),
            target: address.path.clone(),
            host: format!("127.0.0.1:{}", address.port),
            is_websocket: false,
            buffer: Vec::new(),
        })
    }

    /// Opens a legacy session and returns the header fields of its requests.
    pub(crate) fn open_session(&mut self) -> io::Result<String> {
        let response = self.post("", INITIALIZE)?;
        let mut fields = String::from("MCP-Protocol-Version: 2025-11-25\r\n");
        if let Some(id) = response.session {
            fields.push_str(&format!("Mcp-Session-Id: {id}\r\n"));
        }
        self.post(&fields, INITIALIZED)?;
        Ok(fields)
    }

    /// Upgrades to WebSocket and shakes hands as a legacy client.
    pub(crate) fn open_websocket(&mut self) -> io::Result<()> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mcp\r\n\
             Sec-WebSocket-Key: {WEBSOCKET_KEY}\r\n\r\n",
            self.target, self.host
        );
        self.send(request.as_bytes())?;
        let head = self.wait_for_head()?;
        if head.status != 101 {
            return Err(unexpected(head.status));
        }
        self.is_websocket = true;
        self.send(&self.request("", INITIALIZE))?;
        self.wait()?;
        self.send(&self.request("", INITIALIZED))
    }

    /// Opens the stream of a GET and waits for its head.
    pub(crate) fn open_get_stream(&mut self, fields: &str) -> io::Result<()> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n{fields}\r\n",
            self.target, self.host
        );
        self.send(request.as_bytes())?;
        self.wait_for_stream()
    }

    /// Opens a stream of `subscriptions/listen` and waits for its acknowledgement.
    pub(crate) fn open_listen_stream(&mut self) -> io::Result<()> {
        let message = format!(
            concat!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","#,
                r#""params":{{"notifications":{{"toolsListChanged":true}},{}}}}}"#
            ),
            MODERN_CLAIMS
        );
        let request = self.request(&modern_fields("subscriptions/listen", None), &message);
        self.send(&request)?;
        self.wait_for_stream()?;
        while !self.buffer.windows(5).any(|bytes| bytes == b"data:") {
            self.read()?;
        }
        Ok(())
    }

    /// Posts one message and waits for its response.
    pub(crate) fn post(&mut self, fields: &str, message: &str) -> io::Result<framing::Response> {
        self.send(&self.request(fields, message))?;
        loop {
            if let Some(response) = self.take_response()? {
                return Ok(response);
            }
            self.read()?;
        }
    }

    /// One message as it goes onto the wire; `fields` are those of an HTTP request.
    pub(crate) fn request(&self, fields: &str, message: &str) -> Vec<u8> {
        if self.is_websocket {
            return masked(message);
        }
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{fields}Content-Length: {}\r\n\r\n",
            self.target,
            self.host,
            message.len()
        );
        [head.as_bytes(), message.as_bytes()].concat()
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(request)
    }

    /// Reads once. Blocks, unless there is something to read.
    pub(crate) fn read(&mut self) -> io::Result<()> {
        let bytes = self.stream.fill_buf()?;
        let read = bytes.len();
        self.buffer.extend_from_slice(bytes);
        self.stream.consume(read);
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Takes the next answer, if all of it has been read. Notifications are left out: a changed list
    /// is announced whenever it suits the server.
    pub(crate) fn take(&mut self) -> io::Result<Option<Vec<u8>>> {
        if !self.is_websocket {
            return Ok(self.take_response()?.map(|response| response.message));
        }
        while let Some((is_text, place)) = framing::frame(&self.buffer)? {
            let text = self.buffer[place.clone()].to_vec();
            self.buffer.drain(..place.end);
            if is_text && !text.starts_with(NOTIFICATION) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// Waits for the next answer.
    pub(crate) fn wait(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(answer) = self.take()? {
                return Ok(answer);
            }
            self.read()?;
        }
    }

    /// Waits until a notification has been read, and forgets it.
    pub(crate) fn wait_for_notification(&mut self) -> io::Result<()> {
        while !self.buffer.windows(LIST_CHANGED.len()).any(|bytes| bytes == LIST_CHANGED) {
            self.read()?;
        }
        self.buffer.clear();
        Ok(())
    }

    fn take_response(&mut self) -> io::Result<Option<framing::Response>> {
        let Some(response) = framing::response(&self.buffer)? else { return Ok(None) };
        self.buffer.drain(..response.end);
        if (200..300).contains(&response.status) {
            return Ok(Some(response));
        }
        let text = String::from_utf8_lossy(&response.message).into_owned();
        Err(io::Error::other(format!("status {}: {text}", response.status)))
    }

    fn wait_for_stream(&mut self) -> io::Result<()> {
        let head = self.wait_for_head()?;
        if head.status == 200 && head.is_stream { Ok(()) } else { Err(unexpected(head.status)) }
    }

    fn wait_for_head(&mut self) -> io::Result<framing::Head> {
        loop {
            if let Some(head) = framing::head(&self.buffer)? {
                self.buffer.drain(..head.len);
                return Ok(head);
            }
            self.read()?;
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.get_ref().as_fd()
    }
}

/// The header fields of a request of 2026-07-28.
pub(crate) fn modern_fields(method: &str, name: Option<&str>) -> String {
    let mut fields = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
    if let Some(name) = name {
        fields.push_str(&format!("Mcp-Name: {name}\r\n"));
    }
    fields
}

/// One text frame; the benchmark sends short messages only.
fn masked(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend((text.len() as u16).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn unexpected(status: u16) -> io::Error {
    io::Error::other(format!("status {status} instead of a stream or an upgrade"))
}
