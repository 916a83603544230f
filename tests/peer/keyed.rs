//! A server that wants keys, and every way to knock at its door.

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use emcp::{
    Adoption, Error, Hooks, Identity, Key, KeyCheck, Limits, Options, ParsedRequest, Pulled, Pump,
    Server, Tool, ToolResult,
};
use serde_json::json;

use super::message::{next, send};
use super::pull::{self, Parsed};
use super::{
    ACCEPT, Dispatcher, Host, Http, NEWEST, PATIENCE, Response, Ws, call, claim, handshake,
    in_mode, initialize, modern_headers, request,
};

/// Secrets of keys. Ann may do everything, Bob what needs no scope, the old one was Ann's.
pub(crate) const ANN: &str = "sesame-of-ann-000001";
pub(crate) const BOB: &str = "sesame-of-bob-000002";
pub(crate) const OLD: &str = "sesame-of-old-000003";
/// Nobody's.
pub(crate) const WRONG: &str = "sesame-of-none-00004";
pub(crate) const SECRETS: [&str; 4] = [ANN, BOB, OLD, WRONG];

/// What [`Way::knock`] calls: for everybody, and for those with the scope.
pub(crate) const OPEN: &str = "status";
pub(crate) const SCOPED: &str = "restart";
pub(crate) const SCOPE: &str = "units:write";

pub(crate) struct Keyed {
    pub(crate) host: Host,
    /// What the hooks got: log lines and audit records.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    /// Every answer to a knock.
    pub(crate) answers: Mutex<Vec<String>>,
}

/// One request on its way in.
#[derive(Clone, Copy, Default)]
pub(crate) struct Knock<'a> {
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// With its question mark.
    pub(crate) query: &'a str,
    /// The key that has opened the session, on ways that need one.
    pub(crate) owner: &'a str,
    /// The tool to call, on ways that carry calls; [`OPEN`] if empty.
    pub(crate) tool: &'a str,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    /// All of it, and of messages that followed.
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ModernPost,
    LegacyPost,
    LegacyGet,
    LegacyDelete,
    SseGet,
    SsePost,
    WebSocket,
    /// A modern request that listens for changes.
    Listen,
    ParsedDoor,
    PeerDoor,
    Adopted,
    /// A connection whose bytes the host carries.
    Pumped,
}

pub(crate) const WAYS: [Way; 12] = [
    Way::ModernPost,
    Way::LegacyPost,
    Way::LegacyGet,
    Way::LegacyDelete,
    Way::SseGet,
    Way::SsePost,
    Way::WebSocket,
    Way::Listen,
    Way::ParsedDoor,
    Way::PeerDoor,
    Way::Adopted,
    Way::Pumped,
];

/// A server with the three keys.
pub(crate) fn keyed(options: Options) -> Keyed {
    asking(options, Limits::default(), None)
}

/// What a host says of keys that are none of the three.
pub(crate) type CheckKey = Box<dyn Fn(KeyCheck) + Send + Sync>;

/// The same with a host that may be asked about other keys.
pub(crate) fn asking(options: Options, limits: Limits, check_key: Option<CheckKey>) -> Keyed {
    let identity = Identity { name: "guarded".into(), version: "1".into(), ..Identity::default() };
    let server = Arc::new(Server::new(identity, in_mode(options), limits).unwrap());
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let (log, audit, wanted) = (heard.clone(), heard.clone(), heard.clone());
    let hooks = Hooks {
        log: Some(Box::new(move |level, part, text| {
            log.lock().unwrap().push(format!("{level:?} {part}: {text}"));
        })),
        audit: Some(Box::new(move |record| {
            audit.lock().unwrap().push(format!("{record:?}"));
        })),
        check_key,
        jwks_wanted: Some(Box::new(move |issuer| {
            wanted.lock().unwrap().push(format!("jwks wanted: {issuer}"));
        })),
        ..Hooks::default()
    };
    server.set_hooks(hooks).unwrap();
    for (name, scope) in [(OPEN, None), (SCOPED, Some(SCOPE))] {
        let mut tool = Tool::new(name).unwrap().description("For tests.");
        if let Some(scope) = scope {
            tool = tool.scope(scope).unwrap();
        }
        let run = |call: emcp::Call| {
            let caller = call.caller();
            let text = format!("{} may {}", caller.principal, caller.scopes);
            call.reply(ToolResult::text(text));
        };
        server.add_tool(tool, run).unwrap();
    }
    let ann = Key::new("ann", ANN).unwrap().scopes("*").unwrap();
    let bob = Key::new("bob", BOB).unwrap().scopes("units:read").unwrap();
    let old = Key::new("ann-before", OLD).unwrap().expires("2001-01-01T00:00:00Z").unwrap();
    server.set_keys(vec![ann, bob, old]).unwrap();
    server.listen("tcp:127.0.0.1:0").unwrap();
    server.start().unwrap();
    let (addr, held) = (server.addresses()[0].clone(), Mutex::new(channel().1));
    let dispatcher = Dispatcher::start(&server);
    let host = Host { server, addr, held, dispatcher };
    Keyed { host, heard, answers: Mutex::default() }
}

impl Way {
    /// The status of an open door.
    pub(crate) fn welcome(self) -> u16 {
        match self {
            Way::LegacyDelete => 204,
            Way::SsePost => 202,
            Way::WebSocket | Way::PeerDoor => 101,
            _ => 200,
        }
    }

    /// Tells whether it leads to a session that somebody has opened before.
    pub(crate) fn has_session(self) -> bool {
        matches!(self, Way::LegacyPost | Way::LegacyGet | Way::LegacyDelete | Way::SsePost)
    }

    /// Tells whether it carries calls whose answers the test sees.
    pub(crate) fn carries_calls(self) -> bool {
        !matches!(self, Way::LegacyGet | Way::LegacyDelete | Way::SseGet | Way::Listen)
    }

    /// Tells whether answers to calls have an HTTP status.
    pub(crate) fn has_status(self) -> bool {
        matches!(
            self,
            Way::ModernPost | Way::LegacyPost | Way::ParsedDoor | Way::Adopted | Way::Pumped
        )
    }
}

impl Keyed {
    pub(crate) fn knock(&self, way: Way, knock: Knock<'_>) -> Answer {
        let tool = if knock.tool.is_empty() { OPEN } else { knock.tool };
        let knock = Knock { tool, ..knock };
        let answer = match way {
            Way::ModernPost => self.modern(self.host.http(), knock),
            Way::Adopted => self.modern(self.adopted(), knock),
            Way::LegacyPost => self.session(knock, "POST"),
            Way::LegacyGet => self.session(knock, "GET"),
            Way::LegacyDelete => self.session(knock, "DELETE"),
            Way::SseGet => self.sse_get(knock),
            Way::SsePost => self.sse_post(knock),
            Way::WebSocket => self.websocket(knock),
            Way::Listen => self.listen(knock),
            Way::Pumped => self.pumped(knock),
            Way::ParsedDoor => self.parsed(knock),
            Way::PeerDoor => self.peer(knock),
        };
        self.answers.lock().unwrap().push(answer.text.clone());
        answer
    }

    fn modern(&self, mut http: Http, knock: Knock<'_>) -> Answer {
        let body = request("1", "tools/call", &modern_call(knock.tool));
        let mut headers = modern_headers("tools/call");
        headers.push(("Mcp-Name", knock.tool));
        headers.extend(knock.headers);
        http.post(&format!("/mcp{}", knock.query), &headers, &body);
        answer(&http.response())
    }

    /// A connection that the host has accepted itself.
    fn adopted(&self) -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = Http::connect(&listener.local_addr().unwrap().to_string());
        let (socket, _) = listener.accept().unwrap();
        self.host.server.adopt(socket.into(), Adoption::default()).unwrap();
        http
    }

    fn session(&self, knock: Knock<'_>, method: &str) -> Answer {
        let bearer = format!("Bearer {}", knock.owner);
        let opened =
            self.host.post(&[ACCEPT, ("Authorization", &bearer)], &initialize("0", NEWEST));
        let opened = { opened }.response();
        let id = opened.header("mcp-session-id").expect("the owner comes in").to_owned();
        let mut headers = vec![ACCEPT, ("Mcp-Session-Id", &*id)];
        headers.extend(knock.headers);
        let path = format!("/mcp{}", knock.query);
        let mut http = self.host.http();
        match method {
            "POST" => http.post(&path, &headers, &call("1", knock.tool, None)),
            _ => http.bare(method, &path, &headers),
        }
        head_or_all(http)
    }

    fn sse_get(&self, knock: Knock<'_>) -> Answer {
        let mut headers = vec![("Accept", "text/event-stream")];
        headers.extend(knock.headers);
        head_or_all(self.host.bare("GET", &format!("/sse{}", knock.query), &headers))
    }

    fn sse_post(&self, knock: Knock<'_>) -> Answer {
        let bearer = format!("Bearer {}", knock.owner);
        let headers = [("Accept", "text/event-stream"), ("Authorization", &*bearer)];
        let mut events = self.host.bare("GET", "/sse", &headers).events();
        let endpoint = events.next_event().unwrap().data.unwrap();
        let post = |headers: &[(&str, &str)], query: &str, body: &str| {
            let mut http = self.host.http();
            http.post(&format!("{endpoint}{query}"), headers, body);
            http.response()
        };
        post(&[ACCEPT, ("Authorization", &bearer)], "", &initialize("0", NEWEST));
        assert_eq!(events.json()["id"], 0);
        let query = knock.query.replace('?', "&");
        let mut answer = answer(&post(knock.headers, &query, &call("1", knock.tool, None)));
        if answer.status == 202 {
            answer.text += &events.json().to_string();
        }
        answer
    }

    fn websocket(&self, knock: Knock<'_>) -> Answer {
        let mut headers = handshake();
        headers.extend(knock.headers);
        let mut http = self.host.bare("GET", &format!("/mcp{}", knock.query), &headers);
        let head = http.head();
        if head.status != 101 {
            return refused(http, head);
        }
        let mut ws = Ws::over(http);
        ws.send(&initialize("0", NEWEST));
        let hello = ws.text();
        ws.send(&call("1", knock.tool, None));
        let text = head.text() + &hello + &ws.text();
        Answer { status: 101, challenge: None, text }
    }

    fn listen(&self, knock: Knock<'_>) -> Answer {
        let method = "subscriptions/listen";
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let mut headers = modern_headers(method);
        headers.extend(knock.headers);
        let mut http = self.host.http();
        let body = request("1", method, &claim(params));
        http.post(&format!("/mcp{}", knock.query), &headers, &body);
        head_or_all(http)
    }

    /// The answer on a connection of which the server sees bytes alone.
    fn pumped(&self, knock: Knock<'_>) -> Answer {
        let pump = self.host.server.open_pump(Adoption::default(), None).unwrap();
        let body = request("1", "tools/call", &modern_call(knock.tool));
        let mut head = format!("POST /mcp{} HTTP/1.1\r\nHost: localhost\r\n", knock.query);
        let mut headers = modern_headers("tools/call");
        let length = body.len().to_string();
        headers.extend([("Mcp-Name", knock.tool), ("Content-Type", "application/json")]);
        headers.extend([("Content-Length", &*length), ("Connection", "close")]);
        headers.extend(knock.headers);
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let text = carry(&pump, &format!("{head}\r\n{body}"));
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        let challenge = head.lines().find_map(|line| line.strip_prefix("www-authenticate: "));
        Answer {
            status: head[9..12].parse().unwrap(),
            challenge: challenge.map(str::to_owned),
            text: text.clone(),
        }
    }

    fn parsed(&self, knock: Knock<'_>) -> Answer {
        let mut parsed = Parsed::modern("tools/call", json!({ "name": knock.tool }));
        parsed.target += knock.query;
        let own = knock.headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        parsed.headers.extend(own);
        let pull::Pulled { head, body } = parsed.whole(&self.host.server);
        let text = format!("{head:?} {}", String::from_utf8_lossy(&body));
        let challenge = head.headers.iter().find(|(name, _)| name == "www-authenticate");
        let challenge = challenge.map(|(_, value)| value.clone());
        Answer { status: head.status, challenge, text }
    }

    fn peer(&self, knock: Knock<'_>) -> Answer {
        let fields = knock.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let headers: Vec<(&str, &[u8])> = fields.chain([("host", b"localhost" as &[u8])]).collect();
        let target = format!("/mcp{}", knock.query);
        let opening = ParsedRequest {
            method: "GET",
            target: &target,
            headers: &headers,
            remote: "door",
            ..ParsedRequest::default()
        };
        match self.host.server.open_peer(&opening, None) {
            Ok(peer) => {
                send(&peer, &initialize("0", NEWEST));
                let hello = next(&peer).to_string();
                send(&peer, &call("1", knock.tool, None));
                let text = hello + &next(&peer).to_string();
                Answer { status: 101, challenge: None, text }
            }
            Err(Error::Denied { status, reason }) => {
                Answer { status, challenge: None, text: reason }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Carries bytes to the server, and all of its answer back.
fn carry(pump: &Pump, request: &str) -> String {
    let (mut rest, mut answer) = (request.as_bytes(), Vec::new());
    let mut buffer = [0; 4096];
    loop {
        // A server that has ended wants no more.
        let taken = pump.feed(rest).unwrap_or(rest.len());
        rest = &rest[taken..];
        match pump.read(&mut buffer) {
            Pulled::Bytes(length) => answer.extend_from_slice(&buffer[..length]),
            Pulled::End => return String::from_utf8(answer).unwrap(),
            Pulled::Nothing if taken == 0 => assert!(pump.wait(PATIENCE), "nothing comes"),
            Pulled::Nothing => {}
        }
    }
}

fn modern_call(tool: &str) -> serde_json::Value {
    claim(json!({ "name": tool, "arguments": {} }))
}

fn answer(response: &Response) -> Answer {
    Answer {
        status: response.status,
        challenge: response.header("www-authenticate").map(str::to_owned),
        text: response.text(),
    }
}

/// The head of a stream, or the whole of something else.
fn head_or_all(http: Http) -> Answer {
    match http.answer() {
        Ok(mut events) => {
            let first = events.next_event();
            let mut answer = answer(&events.head);
            answer.text += &format!("{first:?}");
            answer
        }
        Err(response) => answer(&response),
    }
}

fn refused(mut http: Http, mut head: Response) -> Answer {
    let length = head.header("content-length").expect("a length").parse().unwrap();
    head.body = http.take(length);
    answer(&head)
}
