//! What a program hands over: connections whose bytes it carries, parsed requests, peers.

use std::ffi::c_void;
use std::ptr;

use emcp_ffi_rlib::call_state::emcp_call;
use emcp_ffi_rlib::conn::{
    emcp_conn, emcp_conn_close, emcp_conn_feed, emcp_conn_feed_end, emcp_conn_open, emcp_conn_read,
};
use emcp_ffi_rlib::http::{
    emcp_http, emcp_http_body, emcp_http_close, emcp_http_head, emcp_http_open, emcp_http_read,
    emcp_response,
};
use emcp_ffi_rlib::peer::{
    emcp_peer, emcp_peer_close, emcp_peer_close_code, emcp_peer_feed, emcp_peer_next,
    emcp_peer_open,
};
use emcp_ffi_rlib::request::{emcp_header, emcp_request};
use emcp_ffi_rlib::text::emcp_str;

use super::server::init;
use super::{byte, checked, world};

/// All that is open. At most [`OPEN_MAX`] of each.
pub(super) struct Handles {
    pub(super) calls: Vec<*mut emcp_call>,
    conns: Vec<*mut emcp_conn>,
    https: Vec<*mut emcp_http>,
    peers: Vec<*mut emcp_peer>,
}

const OPEN_MAX: usize = 8;

impl Handles {
    pub(super) const fn new() -> Handles {
        Handles { calls: Vec::new(), conns: Vec::new(), https: Vec::new(), peers: Vec::new() }
    }
}

/// Messages that get somewhere; the input may send others.
const MESSAGES: [&str; 9] = [
    r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{},"sampling":{},"roots":{}},"clientInfo":{"name":"c","version":"1"}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"n":1},"_meta":{"progressToken":1}}}"#,
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"k":["a"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}},"extensions":{"io.modelcontextprotocol/tasks":{}}},"io.modelcontextprotocol/logLevel":"debug"}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"action":"accept","content":{"n":1}}}"#,
    r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#,
    r#"{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"fuzz://many/x"}}"#,
    r#"{"jsonrpc":"2.0","id":5,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"fuzz://many/{name}"},"argument":{"name":"name","value":"x"}}}"#,
];

fn message() -> Vec<u8> {
    let choice = usize::from(byte());
    match MESSAGES.get(choice % (MESSAGES.len() + 1)) {
        Some(known) => known.as_bytes().to_vec(),
        None => world(|world| world.input.bytes()),
    }
}

/// The headers that go with a message.
fn fields(body: &[u8]) -> Vec<(&'static str, &'static str)> {
    let mut fields = vec![
        ("host", "localhost"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    let is_modern = body.windows(10).any(|part| part == b"2026-07-28");
    if is_modern {
        fields.push(("mcp-protocol-version", "2026-07-28"));
        fields.push(("mcp-method", "tools/call"));
        fields.push(("mcp-name", "echo"));
    }
    fields
}

/// Opens, moves or closes one handle.
pub(super) fn step() {
    match byte() % 3 {
        0 => step_conn(),
        1 => step_http(),
        _ => step_peer(),
    }
}

/// Closes everything.
pub(super) fn close_all() {
    // SAFETY: each handle is taken out of its list, so it is closed once.
    unsafe {
        while let Some(conn) = world(|world| world.handles.conns.pop()) {
            emcp_conn_close(conn);
        }
        while let Some(http) = world(|world| world.handles.https.pop()) {
            emcp_http_close(http);
        }
        while let Some(peer) = world(|world| world.handles.peers.pop()) {
            emcp_peer_close(peer);
        }
    }
}

unsafe extern "C" fn ready(_: *mut c_void) {}

fn pick<T: Copy>(from: &[T]) -> Option<T> {
    let number = usize::from(byte());
    number.checked_rem(from.len()).map(|place| from[place])
}

fn step_conn() {
    let conns = world(|world| world.handles.conns.clone());
    let kind = byte() % 6;
    let mut bytes = [0u8; 512];
    // SAFETY: the server and the handles in the list are alive; bytes and buffers are as long as
    // they say.
    unsafe {
        if kind == 0 && conns.len() < OPEN_MAX {
            let (server, mut out) = (world(|world| world.server), ptr::null_mut());
            checked(emcp_conn_open(server, ptr::null(), Some(ready), ptr::null_mut(), &mut out));
            if !out.is_null() {
                world(|world| world.handles.conns.push(out));
            }
            return;
        }
        let Some(conn) = pick(&conns) else { return };
        match kind {
            0..=2 => {
                let body = message();
                let mut text = format!("POST /mcp HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in fields(&body) {
                    text += &format!("{name}: {value}\r\n");
                }
                let whole = [text.as_bytes(), b"\r\n", &body].concat();
                let part = whole.len() >> (byte() % 3);
                let taken = emcp_conn_feed(conn, whole.as_ptr().cast(), part);
                assert!(taken <= part as i64);
            }
            3 => {
                let length = usize::from(byte()) * 2;
                let count = emcp_conn_read(conn, bytes.as_mut_ptr().cast(), length);
                assert!(count <= length as i64);
            }
            4 => drop(checked(emcp_conn_feed_end(conn))),
            _ => {
                world(|world| world.handles.conns.retain(|open| *open != conn));
                emcp_conn_close(conn);
            }
        }
    }
}

fn view(text: &[u8]) -> emcp_str {
    emcp_str { p: text.as_ptr().cast(), n: text.len() }
}

/// Calls `with` with a request as C hands it over.
fn with_request<T>(method: &str, body: &[u8], with: impl FnOnce(&emcp_request) -> T) -> T {
    let fields = fields(body);
    let upgrade = [("upgrade", "websocket"), ("sec-websocket-version", "13")];
    let more = if method == "GET" { &upgrade[..] } else { &[] };
    let headers: Vec<emcp_header> = fields
        .iter()
        .chain(more)
        .map(|(name, value)| emcp_header {
            name: view(name.as_bytes()),
            value: view(value.as_bytes()),
        })
        .collect();
    let mut request: emcp_request = init();
    (request.method, request.target) = (view(method.as_bytes()), view(b"/mcp"));
    (request.headers, request.header_count) = (headers.as_ptr(), headers.len());
    request.ready = Some(ready);
    with(&request)
}

fn step_http() {
    let https = world(|world| world.handles.https.clone());
    let kind = byte() % 6;
    let mut bytes = [0u8; 512];
    // SAFETY: as in `step_conn`.
    unsafe {
        if kind <= 1 && https.len() < OPEN_MAX {
            let (server, mut out) = (world(|world| world.server), ptr::null_mut());
            let body = message();
            let method = ["POST", "POST", "GET", "DELETE"][usize::from(byte() % 4)];
            with_request(method, &body, |request| {
                checked(emcp_http_open(server, request, &mut out));
            });
            if out.is_null() {
                return;
            }
            world(|world| world.handles.https.push(out));
            let cut = body.len() >> (byte() % 2);
            checked(emcp_http_body(
                out,
                body.as_ptr().cast(),
                cut,
                i32::from(!byte().is_multiple_of(4)),
            ));
            return;
        }
        let Some(http) = pick(&https) else { return };
        match kind {
            0 | 1 => drop(checked(emcp_http_body(http, bytes.as_ptr().cast(), 0, 1))),
            2 => {
                let mut head: emcp_response = init();
                checked(emcp_http_head(http, &mut head));
                let headers = match head.header_count {
                    0 => &[][..],
                    count => std::slice::from_raw_parts(head.headers, count),
                };
                assert!(headers.iter().all(|header| header.name.n > 0));
            }
            3 | 4 => {
                let length = usize::from(byte()) * 2;
                let count = emcp_http_read(http, bytes.as_mut_ptr().cast(), length);
                assert!(count <= length as i64);
            }
            _ => {
                world(|world| world.handles.https.retain(|open| *open != http));
                emcp_http_close(http);
            }
        }
    }
}

fn step_peer() {
    let peers = world(|world| world.handles.peers.clone());
    let kind = byte() % 6;
    // SAFETY: as in `step_conn`.
    unsafe {
        if kind == 0 && peers.len() < OPEN_MAX {
            let server = world(|world| world.server);
            let (mut out, mut status) = (ptr::null_mut(), 0);
            with_request("GET", b"", |request| {
                checked(emcp_peer_open(server, request, &mut out, &mut status));
            });
            if !out.is_null() {
                world(|world| world.handles.peers.push(out));
            }
            return;
        }
        let Some(peer) = pick(&peers) else { return };
        match kind {
            0..=2 => {
                let text = message();
                let cut = text.len() >> (byte() % 8 / 7);
                checked(emcp_peer_feed(
                    peer,
                    text.as_ptr().cast(),
                    cut,
                    i32::from(!byte().is_multiple_of(8)),
                ));
            }
            3 | 4 => {
                let mut text = view(b"");
                checked(emcp_peer_next(peer, &mut text));
                let text = std::slice::from_raw_parts(text.p.cast::<u8>(), text.n);
                assert!(std::str::from_utf8(text).is_ok());
                assert!((1000..1016).contains(&emcp_peer_close_code(peer)));
            }
            _ => {
                world(|world| world.handles.peers.retain(|open| *open != peer));
                emcp_peer_close(peer);
            }
        }
    }
}
