//! What a peer at rest holds on the heap of its server, also after it has worked: counted by the
//! allocator, so that the machine makes no difference. `make bench-memory` measures what it comes
//! to in resident memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};
use std::thread::sleep;
use std::time::{Duration, Instant};

use emcp::{Call, Identity, Limits, Options, Server, Tool, ToolFlags, ToolResult};

/// Enough that what all of them share is little of what each of them has.
const PEERS: usize = 200;

/// Far above any machine's worst minute: only a failing test ever waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Far above what any buffer may keep.
const LONG: usize = 100_000;

/// Bytes of a head that is still short enough to be kept for a moment.
const HEAD: usize = 3500;

const META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{},"#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"test","version":"1"}}"#
);
const INITIALIZE: &str = concat!(
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","#,
    r#""capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#
);
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

struct Counting;

/// Bytes that were asked for and not given back.
static LIVE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: the system's allocator does it all, with the arguments that the caller vouches for.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time: all of them count the same bytes.
static TURN: Mutex<()> = Mutex::new(());

fn server() -> Server {
    let limits = Limits {
        sessions: 2 * PEERS,
        streams: 2 * PEERS,
        listens: 2 * PEERS,
        connections: 2 * PEERS,
        calls: 2 * PEERS,
        calls_per_identity: 2 * PEERS,
        // No call ends while it is looked at.
        tool_time: 100 * PATIENCE,
        ..Limits::default()
    };
    let identity = Identity { name: "host".into(), version: "1".into(), ..Identity::default() };
    let server = Server::new(identity, Options::default(), limits).unwrap();
    let long = Tool::new("long").unwrap().input_schema(r#"{"type":"object"}"#).unwrap();
    let answer = |call: Call| {
        call.reply(ToolResult::text("x".repeat(LONG)));
    };
    server.add_tool(long, answer).unwrap();
    server.add_tool(Tool::new("other").unwrap(), |_| ()).unwrap();
    let held = Mutex::new(Vec::with_capacity(2 * PEERS));
    let hold = move |call| held.lock().unwrap().push(call);
    let inline = ToolFlags { inline: true, ..ToolFlags::default() };
    server.add_tool(Tool::new("held").unwrap().flags(inline), hold).unwrap();
    server.listen("tcp:127.0.0.1:0").unwrap();
    server.start().unwrap();
    server
}

/// A client that keeps nothing on the heap, which is the server's too.
struct Client(TcpStream);

impl Client {
    fn connect(server: &Server) -> Client {
        let stream = TcpStream::connect(&server.addresses()[0]).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Reads until `end` has come, and returns all that has.
    fn read_to(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let mut bytes = [0; 4096];
        while !all.windows(end.len()).any(|part| part == end.as_bytes()) {
            let length = self.0.read(&mut bytes).unwrap();
            assert!(length > 0, "no {end:?} in {:?}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&bytes[..length]);
        }
        String::from_utf8_lossy(&all).into_owned()
    }

    fn get(&mut self, fields: &str) {
        let fields = format!("Host: localhost\r\nAccept: text/event-stream\r\n{fields}");
        self.send(format!("GET /mcp HTTP/1.1\r\n{fields}\r\n").as_bytes());
    }

    fn post(&mut self, fields: &str, body: &str) {
        self.post_accepting("application/json, text/event-stream", fields, body);
    }

    fn post_accepting(&mut self, accept: &str, fields: &str, body: &str) {
        let length = body.len();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: \
             {accept}\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        );
        self.send(request.as_bytes());
    }

    /// Sends one text frame with a mask of zeros.
    fn say(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | 127];
        frame.extend((text.len() as u64).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.send(&frame);
    }
}

fn kept_alive(server: &Server) -> Client {
    let mut client = Client::connect(server);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{{META}}}}}"#);
    client.post("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n", &body);
    client.read_to("\"result\"");
    client
}

/// Has a long head, and calls a tool that does not answer.
fn waiting(server: &Server) -> Client {
    let mut client = kept_alive(server);
    let fields = format!(
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: held\r\n\
         X-Padding: {}\r\n",
        "x".repeat(HEAD)
    );
    let calls = server.stats().calls;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"held","arguments":{{}},{META}}}}}"#
    );
    client.post_accepting("application/json", &fields, &body);
    while server.stats().calls == calls {
        sleep(Duration::from_millis(1));
    }
    client
}

fn http_sse(server: &Server) -> Client {
    let mut client = Client::connect(server);
    client.get("");
    client.read_to("sessionId=");
    client
}

fn session_stream(server: &Server) -> Client {
    let mut client = Client::connect(server);
    client.post("", INITIALIZE);
    let answer = client.read_to("\"result\"");
    let id = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).unwrap();
    let fields = format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-11-25\r\n");
    client.post(&fields, INITIALIZED);
    client.read_to("\r\n\r\n");
    client.get(&fields);
    client.read_to("retry: ");
    client
}

fn listen_stream(server: &Server) -> Client {
    let mut client = Client::connect(server);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true}},{META}}}}}"#
    );
    client.post("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n", &body);
    client.read_to("acknowledged");
    client
}

fn websocket(server: &Server) -> Client {
    let mut client = Client::connect(server);
    client.get(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    );
    client.read_to("\r\n\r\n");
    client.say(INITIALIZE);
    client.read_to("\"result\"");
    client.say(INITIALIZED);
    client
}

/// What peers do between two rests.
#[derive(PartialEq, Eq)]
enum Work {
    /// Hear of a change.
    Hear,
    /// Send a long message and get a long one.
    Talk,
}

/// Opens peers and has them work; before and after that none may hold more than `limit`.
#[track_caller]
fn check(open: fn(&Server) -> Client, work: &[Work], limit: isize) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let server = server();
    // What the first one of a kind brings up stays for all.
    let mut first = open(&server);
    let mut peers = Vec::with_capacity(PEERS);
    let before = LIVE.load(SeqCst);
    peers.extend((0..PEERS).map(|_| open(&server)));
    check_each(before, limit, "at rest");
    if work.contains(&Work::Hear) {
        server.enable_tool("other", false).unwrap();
        for peer in [&mut first].into_iter().chain(&mut peers) {
            peer.read_to("list_changed");
        }
        check_each(before, limit, "after a notification");
    }
    if work.contains(&Work::Talk) {
        let padding = "x".repeat(LONG);
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{{"name":"long","arguments":{{"x":"{padding}"}}}}}}"#
        );
        for peer in &mut peers {
            peer.say(&call);
            // The end of the result.
            peer.read_to("x\"}]");
        }
        drop((padding, call));
        check_each(before, limit, "after long messages");
    }
    drop((first, peers));
    server.stop().unwrap();
}

/// Waits until the peers hold no more than `limit` each: a client reads before its server is done.
#[track_caller]
fn check_each(before: isize, limit: isize, when: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let each = (LIVE.load(SeqCst) - before) / PEERS as isize;
        if each <= limit {
            return println!("{each} bytes {when}");
        }
        assert!(Instant::now() < deadline, "{each} bytes {when}, {limit} are allowed");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_connection_kept_alive() {
    check(kept_alive, &[], 900);
}

#[test]
fn a_call_that_takes_long() {
    // Its head is longer than that.
    check(waiting, &[], 3300);
}

#[test]
fn an_http_sse_stream() {
    check(http_sse, &[], 1600);
}

#[test]
fn a_session_with_its_stream() {
    check(session_stream, &[Work::Hear], 1800);
}

#[test]
fn a_listen_stream() {
    check(listen_stream, &[Work::Hear], 1700);
}

#[test]
fn a_websocket() {
    check(websocket, &[Work::Hear, Work::Talk], 2300);
}
