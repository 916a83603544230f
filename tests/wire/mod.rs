//! What the raw-socket tests share: a server with a few tools, and the bytes of requests to it.
#![allow(dead_code, unused_imports, reason = "each test program uses its own part")]

mod client;
#[path = "../peer/dispatch.rs"]
mod dispatch;
mod gate;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use emcp::{Call, Hooks, Identity, Level, Limits, Options, Server, Stats, Tool, ToolResult};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub(crate) use client::{Client, Reply};
pub(crate) use dispatch::{Dispatcher, in_mode};
pub(crate) use gate::Gate;

/// How long a test waits for what must happen. Far above what any machine needs; reaching it
/// fails the test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Raises the limit of descriptors and returns `wanted` connections or what it has room for.
pub(crate) fn room_for(wanted: usize) -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit");
    // Both ends are in this process; the rest is for the test and for its neighbours.
    let room = usize::try_from(hard).unwrap_or(usize::MAX).saturating_sub(300) / 2;
    if room < wanted {
        eprintln!("the hard limit of {hard} descriptors has room for {room} of {wanted}");
    }
    wanted.min(room)
}

/// A running server with the tools that the tests call.
pub(crate) struct Host {
    pub(crate) server: Arc<Server>,
    pub(crate) address: String,
    pub(crate) gate: Arc<Gate>,
    /// What the server told the host's log, a line each.
    pub(crate) log: Arc<Mutex<String>>,
    dispatcher: Option<Dispatcher>,
}

impl Host {
    pub(crate) fn start(limits: Limits) -> Host {
        Host::with(limits, Options::default())
    }

    pub(crate) fn with(limits: Limits, options: Options) -> Host {
        let identity = Identity { name: "wire".into(), version: "1".into(), ..Identity::default() };
        let server = Server::new(identity, in_mode(options), limits).expect("a server");
        let server = Arc::new(server);
        let gate = Arc::new(Gate::default());
        add_tools(&server, &gate);
        let log = Arc::new(Mutex::new(String::new()));
        let lines = log.clone();
        let collect = move |_: Level, part: &str, text: &str| {
            *lines.lock().expect("no test panics under the lock") += &format!("{part}: {text}\n");
        };
        let hooks = Hooks { log: Some(Box::new(collect)), ..Hooks::default() };
        server.set_hooks(hooks).expect("a fresh server");
        server.listen("tcp:127.0.0.1:0").expect("an address");
        server.start().expect("a start");
        let address = server.addresses()[0].clone();
        let dispatcher = Dispatcher::start(&server);
        Host { server, address, gate, log, dispatcher }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.address)
    }

    /// Calls a tool on a connection of its own and returns the body of the answer.
    pub(crate) fn call(&self, tool: &str, arguments: &str) -> String {
        self.connect().send(post_call(tool, arguments, "")).reply().text()
    }

    /// Checks that another client is served as ever.
    pub(crate) fn assert_serves(&self, context: &str) {
        let body = self.call("echo", r#"{"word":"unharmed"}"#);
        assert!(body.contains("unharmed"), "{context}: another client got {body}");
    }

    /// Opens a legacy session of `revision` and returns its id.
    pub(crate) fn initialize(&self, revision: &str) -> String {
        let request = post_initialize().replace("2025-06-18", revision);
        let reply = self.connect().send(request).reply();
        reply.header("mcp-session-id").expect("a session id").to_owned()
    }

    /// Waits until the counters satisfy `is_so`.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Stats) -> bool) -> Stats {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.server.stats();
            if is_so(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "never: {what}; the counters are {stats:#?}");
            // Counters announce nothing, so they are asked again.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A test that failed in between must not wait for its own tool.
        self.gate.open();
    }
}

fn add_tools(server: &Server, gate: &Arc<Gate>) {
    // Answers with its arguments.
    add(server, "echo", |call| {
        let text = call.arguments().to_owned();
        call.reply(ToolResult::text(text));
    });
    // Answers with as many bytes as `bytes` says.
    add(server, "bulk", |call| {
        let digits: String = call.arguments().chars().filter(char::is_ascii_digit).collect();
        call.reply(ToolResult::text("x".repeat(digits.parse().unwrap_or_default())));
    });
    // Keeps its worker until the gate opens.
    let held = gate.clone();
    add(server, "hold", move |call| {
        held.pass();
        call.reply(ToolResult::text("held"));
    });
    // Says something at once and answers when the gate opens, without a worker.
    let parked = gate.clone();
    add(server, "park", move |call| {
        call.log(Level::Info, None, "\"parked\"");
        parked.park(call);
    });
    // Talks until nobody listens any more.
    add(server, "flood", |call| {
        let data = format!("\"{}\"", "x".repeat(64 * 1024));
        while call.log(Level::Info, None, &data) {}
    });
    add(server, "panic", |_: Call| panic!("on purpose"));
}

fn add(server: &Server, name: &str, run: impl Fn(Call) + Send + Sync + 'static) {
    let tool = Tool::new(name).and_then(|tool| tool.input_schema(r#"{"type":"object"}"#));
    server.add_tool(tool.expect("a tool").description("For tests."), run).expect("a fresh name");
}

/// The header lines of a call of `echo`, without Host and framing.
pub(crate) const ECHO_FIELDS: &str = "Content-Type: application/json\r\n\
    Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
    Mcp-Method: tools/call\r\nMcp-Name: echo\r\n";

/// The message of a modern call. It asks for logs, so that `park` and `flood` stream.
pub(crate) fn call_body(tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/logLevel":"debug"}}}}}}"#
    )
}

/// A whole modern call over HTTP; the lines of `fields` end with CR LF.
pub(crate) fn post_call(tool: &str, arguments: &str, fields: &str) -> String {
    let fields = format!("{fields}{}", ECHO_FIELDS.replace("echo", tool));
    post("/mcp", &fields, &call_body(tool, arguments))
}

/// A POST with a Host and a Content-Length.
pub(crate) fn post(target: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A POST of a legacy message in `session`.
pub(crate) fn post_legacy(session: &str, body: &str) -> String {
    let fields = format!(
        "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         Mcp-Session-Id: {session}\r\n"
    );
    post("/mcp", &fields, body)
}

/// The handshake of a legacy session.
pub(crate) fn post_initialize() -> String {
    let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"wire","version":"1"}}}"#;
    post("/mcp", "Content-Type: application/json\r\n", body)
}

/// A legacy call, which is also the one that WebSockets carry.
pub(crate) fn legacy_call(id: u64, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

/// A GET that opens an HTTP+SSE stream.
pub(crate) const GET_STREAM: &str =
    "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";

/// A WebSocket handshake.
pub(crate) const UPGRADE: &str = "GET /mcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
