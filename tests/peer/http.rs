//! An HTTP/1.1 client that reads exactly one response and leaves the rest in its buffer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::SockRef;

use super::{PATIENCE, parse};

/// One connection.
pub(crate) struct Http {
    stream: TcpStream,
    buffer: Vec<u8>,
    host: String,
}

/// A response head and, once read, its body.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// One event of a stream. A comment is an event with nothing but `comment`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) event: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) comment: Option<String>,
}

/// A response body that is read event by event.
pub(crate) struct Events {
    http: Http,
    pub(crate) head: Response,
    /// Dechunked and not yet parsed.
    text: Vec<u8>,
    ended: bool,
}

impl Http {
    pub(crate) fn connect(addr: &str) -> Http {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Http { stream, buffer: Vec::new(), host: addr.into() }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends a POST of JSON. A header given twice is sent twice.
    pub(crate) fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &str) {
        self.post_bytes(path, headers, body.as_bytes());
    }

    pub(crate) fn post_bytes(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let head = self.head_of("POST", path, headers);
        let rest =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        self.write(&[head.as_bytes(), rest.as_bytes(), body].concat());
    }

    /// Sends a request without a body.
    pub(crate) fn bare(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        let head = self.head_of(method, path, headers) + "\r\n";
        self.write(head.as_bytes());
    }

    fn head_of(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n{lines}", self.host)
    }

    /// Reads one response of known length.
    pub(crate) fn response(&mut self) -> Response {
        let head = self.head();
        self.body(head)
    }

    fn body(&mut self, mut response: Response) -> Response {
        if response.status == 204 || response.status == 101 {
            return response;
        }
        if response.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                response.body.extend(chunk);
            }
            return response;
        }
        let length = response.header("content-length").expect("a length").parse().unwrap();
        response.body = self.take(length);
        response
    }

    /// Reads one response and parses its body.
    pub(crate) fn json(&mut self) -> (u16, Value) {
        let response = self.response();
        assert_eq!(response.header("content-type"), Some("application/json"), "{response:?}");
        (response.status, parse(&response.body))
    }

    /// Reads a response in either form: a stream, or the whole of something else.
    pub(crate) fn answer(mut self) -> Result<Events, Response> {
        let head = self.head();
        if head.header("content-type") == Some("text/event-stream") {
            return Ok(Events::new(self, head));
        }
        Err(self.body(head))
    }

    /// Reads the first message of a response, whichever form it has.
    pub(crate) fn first(self) -> (u16, Value) {
        match self.answer() {
            Ok(mut events) => (events.head.status, events.json()),
            Err(response) => (response.status, parse(&response.body)),
        }
    }

    /// Reads the head of a stream.
    #[track_caller]
    pub(crate) fn events(mut self) -> Events {
        let head = self.head();
        assert_eq!(head.header("content-type"), Some("text/event-stream"), "{head:?}");
        Events::new(self, head)
    }

    pub(crate) fn head(&mut self) -> Response {
        let text = self.until(b"\r\n\r\n");
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap();
        let status = status.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Response { status, headers: headers.collect(), body: Vec::new() }
    }

    /// Reads `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill(), "the connection ended early");
        }
        self.buffer.drain(..length).collect()
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.until(b"\r\n");
        let size = std::str::from_utf8(&size).unwrap().trim_end();
        let size = usize::from_str_radix(size, 16).unwrap();
        let chunk = self.take(size);
        assert_eq!(self.take(2), b"\r\n");
        (size > 0).then_some(chunk)
    }

    fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            let found = self.buffer.windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                return self.buffer.drain(..at + end.len()).collect();
            }
            assert!(
                self.fill(),
                "the connection ended early: {}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    /// Reads some bytes; false at the end.
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                self.buffer.extend(&bytes[..count]);
                count > 0
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("nothing came within {PATIENCE:?}: {error}"),
        }
    }

    /// Asserts that the server closes and sends nothing more.
    #[track_caller]
    pub(crate) fn assert_closed(&mut self) {
        assert!(!self.fill(), "{}", String::from_utf8_lossy(&self.buffer));
    }

    /// Vanishes: the server's next look at the connection finds it reset.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Ends our side only.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Starts a WebSocket on this connection; bytes read too far stay.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.stream, self.buffer)
    }
}

impl Response {
    /// Everything that was received.
    pub(crate) fn text(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {:?} {body}", self.status, self.headers)
    }

    /// The value of a header that must not stand twice.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} stands twice");
        value
    }
}

impl Events {
    #[track_caller]
    fn new(http: Http, head: Response) -> Events {
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.header("x-accel-buffering"), Some("no"), "{head:?}");
        assert!(head.header("cache-control").is_some_and(|value| value.contains("no-cache")));
        Events { http, head, text: Vec::new(), ended: false }
    }

    /// The next event or comment; `None` when the server has ended the stream properly.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        loop {
            let end = self.text.windows(2).position(|window| window == b"\n\n");
            if let Some(at) = end {
                let block: Vec<u8> = self.text.drain(..at + 2).collect();
                return Some(Event::parse(&String::from_utf8(block).unwrap()));
            }
            if self.ended {
                assert!(self.text.is_empty(), "half an event at the end");
                return None;
            }
            match self.http.chunk() {
                Some(chunk) => self.text.extend(chunk),
                None => self.ended = true,
            }
        }
    }

    /// The next event that carries a message.
    #[track_caller]
    pub(crate) fn message(&mut self) -> Event {
        let begin = Instant::now();
        loop {
            assert!(begin.elapsed() < PATIENCE, "nothing but comments came");
            let event = self.next_event().expect("the stream ended");
            if event.data.as_deref().is_some_and(|data| !data.is_empty()) {
                return event;
            }
        }
    }

    /// The next message, parsed.
    #[track_caller]
    pub(crate) fn json(&mut self) -> Value {
        self.message().json()
    }

    /// Every message up to the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        let begin = Instant::now();
        let events = std::iter::from_fn(|| {
            assert!(begin.elapsed() < PATIENCE, "the stream did not end");
            self.next_event()
        });
        let messages = events.filter(|event| event.data.as_deref().is_some_and(|d| !d.is_empty()));
        messages.map(|event| event.json()).collect()
    }

    /// Gives the connection back after the end of the stream.
    pub(crate) fn into_http(self) -> Http {
        self.http
    }
}

impl Event {
    fn parse(block: &str) -> Event {
        let mut event = Event::default();
        for line in block.trim_end_matches('\n').split('\n') {
            assert!(!line.contains('\r'), "{line:?}");
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            let place = match field {
                "event" => &mut event.event,
                "id" => &mut event.id,
                "retry" => &mut event.retry,
                "data" => &mut event.data,
                "" => &mut event.comment,
                _ => panic!("unknown field in {block:?}"),
            };
            assert!(place.replace(value.into()).is_none(), "{field} stands twice in {block:?}");
        }
        event
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.event.as_deref(), Some("message"), "{self:?}");
        parse(self.data.as_deref().expect("an event with data"))
    }
}
