//! Legacy clients: a Streamable HTTP session, an HTTP+SSE stream, and one face for all transports.

use serde_json::{Value, json};

use super::{ACCEPT, Events, Host, Http, Response, Ws, initialize_with, notification, parse};

/// One Streamable HTTP session.
pub(crate) struct Streamable<'a> {
    host: &'a Host,
    pub(crate) id: String,
    version: String,
}

impl<'a> Streamable<'a> {
    /// Shakes hands in `version`.
    pub(crate) fn open(host: &'a Host, version: &str) -> Streamable<'a> {
        Streamable::open_with(host, version, &json!({}))
    }

    /// As a client that can do what `capabilities` say.
    pub(crate) fn open_with(host: &'a Host, version: &str, capabilities: &Value) -> Self {
        let session = Streamable::begin_with(host, version, capabilities);
        session.tell(&notification("notifications/initialized", &json!({})));
        session
    }

    /// Sends `initialize` only.
    pub(crate) fn begin(host: &'a Host, version: &str) -> Streamable<'a> {
        Streamable::begin_with(host, version, &json!({}))
    }

    /// As a client that can do what `capabilities` say.
    pub(crate) fn begin_with(host: &'a Host, version: &str, capabilities: &Value) -> Self {
        let body = initialize_with("0", version, capabilities);
        let response = host.post(&[ACCEPT], &body).response();
        let result = &parse(&response.body)["result"];
        assert_eq!(response.status, 200);
        let id = response.header("mcp-session-id").expect("a session id").to_owned();
        let version = result["protocolVersion"].as_str().unwrap().to_owned();
        Streamable { host, id, version }
    }

    /// The headers that belong to the session.
    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        let mut headers = vec![ACCEPT, ("Mcp-Session-Id", &*self.id)];
        // Clients send it from the revision on that introduced it.
        if &*self.version >= "2025-06-18" {
            headers.push(("MCP-Protocol-Version", &self.version));
        }
        headers
    }

    pub(crate) fn post(&self, body: &str) -> Http {
        self.host.post(&self.headers(), body)
    }

    /// Sends a notification or a response.
    #[track_caller]
    pub(crate) fn tell(&self, body: &str) {
        let done = self.post(body).response();
        assert_eq!((done.status, &*done.body), (202, &b""[..]));
    }

    /// Opens the standalone stream, or resumes one.
    pub(crate) fn get(&self, last_event: Option<&str>) -> Events {
        let mut headers = self.headers();
        headers.extend(last_event.map(|id| ("Last-Event-ID", id)));
        self.host.bare("GET", "/mcp", &headers).events()
    }

    pub(crate) fn delete(&self) -> Response {
        self.host.bare("DELETE", "/mcp", &self.headers()).response()
    }
}

/// One HTTP+SSE client.
pub(crate) struct SseClient<'a> {
    host: &'a Host,
    pub(crate) events: Events,
    /// Where to post, relative to the server.
    pub(crate) endpoint: String,
}

impl<'a> SseClient<'a> {
    /// Opens the stream and reads where to post.
    pub(crate) fn begin(host: &'a Host, path: &str) -> SseClient<'a> {
        let mut events = host.bare("GET", path, &[("Accept", "text/event-stream")]).events();
        let first = events.next_event().expect("an endpoint event");
        assert_eq!(first.event.as_deref(), Some("endpoint"), "{first:?}");
        SseClient { host, events, endpoint: first.data.unwrap() }
    }

    /// Opens the stream and shakes hands.
    pub(crate) fn open(host: &'a Host, version: &str) -> SseClient<'a> {
        SseClient::open_with(host, version, &json!({}))
    }

    /// As a client that can do what `capabilities` say.
    pub(crate) fn open_with(host: &'a Host, version: &str, capabilities: &Value) -> Self {
        let mut client = SseClient::begin(host, "/mcp");
        client.send(&initialize_with("0", version, capabilities));
        assert_eq!(client.events.json()["id"], 0);
        client.send(&notification("notifications/initialized", &json!({})));
        client
    }

    /// Posts a message, which is always answered 202.
    #[track_caller]
    pub(crate) fn send(&self, body: &str) {
        let response = self.post(body);
        assert_eq!((response.status, &*response.body), (202, &b""[..]));
    }

    pub(crate) fn post(&self, body: &str) -> Response {
        let mut http = self.host.http();
        http.post(&self.endpoint, &[ACCEPT], body);
        http.response()
    }
}

/// A conversation by any transport, for promises that hold on each.
pub(crate) enum Line<'a> {
    Streamable(Streamable<'a>),
    Sse(SseClient<'a>),
    Ws(Ws),
}

impl<'a> Line<'a> {
    /// One conversation by each transport, all in `version`.
    pub(crate) fn each(host: &'a Host, version: &str) -> [Line<'a>; 3] {
        [
            Line::Streamable(Streamable::open(host, version)),
            Line::Sse(SseClient::open(host, version)),
            Line::Ws(Ws::open(host, version)),
        ]
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Line::Streamable(_) => "streamable",
            Line::Sse(_) => "sse",
            Line::Ws(_) => "websocket",
        }
    }

    /// Sends a request; its messages are read from what comes back.
    pub(crate) fn send(&mut self, body: &str) -> Incoming<'_> {
        match self {
            Line::Streamable(session) => {
                Incoming::Exchange(Box::new(Exchange::Sent(session.post(body))))
            }
            Line::Sse(client) => {
                client.send(body);
                Incoming::Events(&mut client.events)
            }
            Line::Ws(ws) => {
                ws.send(body);
                Incoming::Ws(ws)
            }
        }
    }

    /// Sends a request and reads the message that comes first.
    pub(crate) fn ask(&mut self, body: &str) -> Value {
        self.send(body).json()
    }

    /// Sends a notification.
    pub(crate) fn tell(&mut self, body: &str) {
        match self {
            Line::Streamable(session) => session.tell(body),
            Line::Sse(client) => client.send(body),
            Line::Ws(ws) => ws.send(body),
        }
    }
}

/// The messages about one request.
pub(crate) enum Incoming<'a> {
    Exchange(Box<Exchange>),
    Events(&'a mut Events),
    Ws(&'a mut Ws),
}

/// A POST whose form of answer is not known until it comes.
pub(crate) enum Exchange {
    Sent(Http),
    Stream(Events),
    Over,
}

impl Incoming<'_> {
    #[track_caller]
    pub(crate) fn json(&mut self) -> Value {
        parse(self.text())
    }

    /// The next message, byte for byte.
    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        match self {
            Incoming::Exchange(exchange) => exchange.text(),
            Incoming::Events(events) => events.message().data.unwrap(),
            Incoming::Ws(ws) => ws.text(),
        }
    }
}

impl Exchange {
    #[track_caller]
    fn text(&mut self) -> String {
        match std::mem::replace(self, Exchange::Over) {
            Exchange::Sent(http) => match http.answer() {
                Ok(events) => {
                    *self = Exchange::Stream(events);
                    self.text()
                }
                Err(response) => String::from_utf8(response.body).unwrap(),
            },
            Exchange::Stream(mut events) => {
                let text = events.message().data.unwrap();
                *self = Exchange::Stream(events);
                text
            }
            Exchange::Over => panic!("nothing comes after the answer"),
        }
    }
}
