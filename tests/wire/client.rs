//! A client that sends exactly the bytes it is given and reads exactly one response at a time.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Instant;

use tungstenite::WebSocket;
use tungstenite::protocol::Role;

use super::{PATIENCE, UPGRADE, post_call};

/// One connection. Whatever does not come within [`PATIENCE`] fails the test.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    /// Received and not yet read.
    buffer: Vec<u8>,
    /// Received of an event that is not complete.
    event: String,
}

/// One response.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The status line and the fields, sorted because their order means nothing, and without the
    /// Date, so that replies can be compared.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The first value of a field; `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}", self.head, self.text())
    }
}

impl Client {
    pub(crate) fn connect(address: &str) -> Client {
        Client::over(TcpStream::connect(address).expect("a connection"))
    }

    /// Goes on with a connection that is open.
    pub(crate) fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Client { stream, buffer: Vec::new(), event: String::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Client {
        self.stream.write_all(bytes.as_ref()).expect("a server that reads");
        self
    }

    /// Sends what the server may refuse to read to its end; tells whether it took everything.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Ends our side of the connection.
    pub(crate) fn end(&mut self) -> &mut Client {
        self.stream.shutdown(Shutdown::Write).expect("an open connection");
        self
    }

    /// Reads one response with its body.
    pub(crate) fn reply(&mut self) -> Reply {
        let mut reply = self.head();
        let is_bodiless = reply.status < 200 || matches!(reply.status, 204 | 304);
        reply.body = match reply.header("content-length").map(str::to_owned) {
            _ if is_bodiless => Vec::new(),
            Some(length) => self.take(length.parse().expect("a length")),
            None if reply.header("transfer-encoding") == Some("chunked") => {
                std::iter::from_fn(|| self.chunk()).flatten().collect()
            }
            None => {
                while self.fill() {}
                std::mem::take(&mut self.buffer)
            }
        };
        reply
    }

    /// Reads a response up to its empty line.
    pub(crate) fn head(&mut self) -> Reply {
        let start = self.line();
        let mut fields: Vec<String> =
            std::iter::repeat_with(|| self.line()).take_while(|line| !line.is_empty()).collect();
        fields.retain(|field| !field.starts_with("date: "));
        fields.sort_unstable();
        let text = format!("{start}\n{}", fields.join("\n"));
        let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {text:?}"));
        Reply { status, head: text, body: Vec::new() }
    }

    /// Reads one line and takes its CR LF off.
    pub(crate) fn line(&mut self) -> String {
        self.until("\r\n")
    }

    /// Reads up to `mark` and takes it off.
    pub(crate) fn until(&mut self, mark: &str) -> String {
        // A stream that only sends comments would satisfy the timeout of every read.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.buffer.windows(mark.len()).position(|part| part == mark.as_bytes());
            if let Some(end) = found {
                let text = self.take(end + mark.len());
                return String::from_utf8_lossy(&text[..end]).into_owned();
            }
            assert!(Instant::now() < deadline, "no {mark:?} in {:?}", self.received());
            assert!(self.fill(), "the connection ended within {:?}", self.received());
        }
    }

    /// Reads one chunk; `None` for the last one.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line(), 16).expect("a chunk size");
        let data = self.take(size);
        assert_eq!(self.line(), "", "the end of a chunk");
        (size > 0).then_some(data)
    }

    /// Reads the data of the next SSE event in a chunked body; `None` at the end of the stream.
    /// Comments are skipped.
    pub(crate) fn event(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.event.split_once("\n\n") {
                let data = event.lines().filter_map(|line| line.strip_prefix("data: "));
                let data: Vec<&str> = data.collect();
                let (is_comment, data) = (event.starts_with(':'), data.join("\n"));
                self.event = rest.to_owned();
                if !is_comment {
                    return Some(data);
                }
                continue;
            }
            let chunk = self.chunk()?;
            self.event += &String::from_utf8_lossy(&chunk);
        }
    }

    /// Checks that the next request on this connection gets its own answer.
    #[track_caller]
    pub(crate) fn assert_serves(&mut self, context: &str) {
        let reply = self.send(post_call("echo", r#"{"word":"next"}"#, "")).reply();
        assert!(reply.status == 200 && reply.text().contains("next"), "{context}: {reply:?}");
    }

    /// Reads end-of-file, and nothing before it.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self, context: &str) {
        assert!(!self.fill(), "{context}: got {:?} instead of the end", self.received());
    }

    /// Reads until the connection is over, however it ends; returns what came.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let _ = self.stream.read_to_end(&mut self.buffer).map_err(|error| {
            let is_over =
                matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
            assert!(is_over, "the connection did not end: {error}");
        });
        std::mem::take(&mut self.buffer)
    }

    /// Shakes hands and goes on as a WebSocket.
    pub(crate) fn upgrade(mut self) -> WebSocket<TcpStream> {
        assert_eq!(self.send(UPGRADE).head().status, 101);
        WebSocket::from_partially_read(self.stream, self.buffer, Role::Client, None)
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill(), "the connection ended {} bytes early", length - self.buffer.len());
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Waits for more bytes; false at end-of-file.
    #[track_caller]
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let length = self.stream.read(&mut bytes).expect("bytes or the end, in time");
        self.buffer.extend_from_slice(&bytes[..length]);
        length > 0
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}
