//! A server behind TLS, its certificates, and what it said in its log.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use emcp::{Call, Hooks, Identity, Limits, Options, Server, TlsConfig, Tool, ToolResult};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use serde_json::json;

use crate::peer::pki::{BOTH, Pair, Pki, TlsStream, connect};
use crate::peer::{Host, Http, PATIENCE, claim, host_of, in_mode, modern_headers, request, tunnel};

pub(crate) struct Secure {
    pub(crate) host: Host,
    pub(crate) pki: Pki,
    /// Where the server listens; `host` leads there through a tunnel.
    pub(crate) direct: String,
    parts: Parts,
}

/// What a server lets a test see.
pub(crate) struct Parts {
    log: Arc<Mutex<Vec<String>>>,
    /// Calls of the tool `hold`.
    held: Mutex<Receiver<Call>>,
}

/// A server with one TLS listener.
pub(crate) fn secure() -> Secure {
    secure_with(Options::default(), Limits::default(), Pki::config)
}

pub(crate) fn secure_with(
    options: Options,
    limits: Limits,
    tls: impl FnOnce(&Pki) -> TlsConfig,
) -> Secure {
    let pki = Pki::new();
    pki.install(1);
    let (server, parts) = server(options, limits);
    server.listen_tls("tcp:127.0.0.1:0", tls(&pki)).unwrap();
    let mut host = host_of(server);
    host.dispatch();
    let direct = host.addr.clone();
    host.addr = tunnel::open(&direct, pki.client(None, BOTH));
    Secure { host, pki, direct, parts }
}

/// A server that does not listen yet.
pub(crate) fn server(options: Options, limits: Limits) -> (Server, Parts) {
    let identity = Identity { name: "secure".into(), version: "1".into(), ..Identity::default() };
    let server = Server::new(identity, in_mode(options), limits).unwrap();
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = log.clone();
    let hooks = Hooks {
        log: Some(Box::new(move |_, part, text| {
            lines.lock().unwrap().push(format!("{part}: {text}"));
        })),
        ..Hooks::default()
    };
    server.set_hooks(hooks).unwrap();
    let tool = |name: &str| Tool::new(name).unwrap().description("For tests.");
    let who = |call: Call| {
        let caller = call.caller();
        let text = format!("{:?} may {}", caller.principal, caller.scopes);
        call.reply(ToolResult::text(text));
    };
    server.add_tool(tool("who"), who).unwrap();
    server.add_tool(tool("scoped").scope("units:write").unwrap(), who).unwrap();
    let bulk = |call: Call| {
        call.reply(ToolResult::text("x".repeat(BULK)));
    };
    server.add_tool(tool("bulk"), bulk).unwrap();
    let (sender, held) = channel();
    let sender = Mutex::new(sender);
    let hold = move |call: Call| sender.lock().unwrap().send(call).unwrap();
    server.add_tool(tool("hold"), hold).unwrap();
    (server, Parts { log, held: Mutex::new(held) })
}

/// Bytes of what the tool `bulk` answers: more than sockets keep.
pub(crate) const BULK: usize = 4_000_000;

impl Secure {
    /// Leads `host` through a client that shows `own`.
    pub(crate) fn come_with(&mut self, own: Option<&Pair>) {
        self.host.addr = tunnel::open(&self.direct, self.pki.client(own, BOTH));
    }

    /// Calls `tool` on a connection of its own: the status and all of the answer.
    pub(crate) fn call(&self, tool: &str, headers: &[(&str, &str)]) -> (u16, String) {
        call_over(&mut self.host.http(), tool, headers)
    }

    /// The next call of `hold`.
    pub(crate) fn held(&self) -> Call {
        self.parts.held.lock().unwrap().recv_timeout(PATIENCE).expect("no call of hold arrived")
    }

    /// Shakes hands without a tunnel.
    pub(crate) fn shake(&self, config: Arc<ClientConfig>) -> std::io::Result<TlsStream> {
        shake(&self.direct, config)
    }

    /// The certificate that a new connection sees.
    pub(crate) fn shown(&self) -> CertificateDer<'static> {
        let stream = self.shake(self.pki.client(None, BOTH)).unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// Asserts that others are served as ever.
    #[track_caller]
    pub(crate) fn assert_serves(&self) {
        let (status, text) = self.call("who", &[]);
        assert_eq!(status, 200, "{text}");
    }

    /// Waits for a line of the log that has `part`.
    #[track_caller]
    pub(crate) fn wait_log(&self, part: &str) {
        crate::peer::wait_until(|| self.parts.log.lock().unwrap().iter().any(|l| l.contains(part)));
    }

    pub(crate) fn log(&self) -> String {
        self.parts.log.lock().unwrap().join("\n")
    }
}

/// Shakes hands with whoever listens at `addr`.
pub(crate) fn shake(addr: &str, config: Arc<ClientConfig>) -> std::io::Result<TlsStream> {
    let mut stream = connect(addr, config);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// A modern call of `tool`, without its HTTP head.
pub(crate) fn call_body(tool: &str) -> String {
    request("1", "tools/call", &claim(json!({ "name": tool, "arguments": {} })))
}

/// A whole modern call of `tool` that leaves the connection open.
pub(crate) fn call_bytes(tool: &str) -> String {
    let mut headers = modern_headers("tools/call");
    headers.push(("Mcp-Name", tool));
    let lines: String = headers.iter().map(|(k, v)| format!("{k}: {v}\r\n")).collect();
    let body = call_body(tool);
    let length = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// Calls `tool` on a connection that stays.
pub(crate) fn call_over(http: &mut Http, tool: &str, more: &[(&str, &str)]) -> (u16, String) {
    let mut headers = modern_headers("tools/call");
    headers.push(("Mcp-Name", tool));
    headers.extend(more);
    http.post("/mcp", &headers, &call_body(tool));
    let response = http.response();
    (response.status, response.text())
}

/// Reads up to the end of the connection: what came, and whether a close_notify announced the end.
pub(crate) fn rest(stream: &mut TlsStream) -> (String, bool) {
    let mut bytes = Vec::new();
    let is_clean = match stream.read_to_end(&mut bytes) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nothing came in time"),
        Err(_) => false,
    };
    (String::from_utf8_lossy(&bytes).into_owned(), is_clean)
}

/// Sends `text` in one record.
pub(crate) fn send(stream: &mut TlsStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}
