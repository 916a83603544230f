//! The other side of a server under test: a host with tools that tests steer, and clients made of
//! nothing but sockets, so that no library of the server can share a mistake with them.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

mod dispatch;
pub(crate) mod hosted;
mod http;
#[cfg(feature = "jwt")]
pub(crate) mod issuer;
pub(crate) mod keyed;
pub(crate) mod message;
pub(crate) mod open;
#[cfg(feature = "tls")]
pub(crate) mod pki;
pub(crate) mod pull;
mod reach;
mod schema;
mod session;
mod talk;
#[cfg(feature = "tls")]
pub(crate) mod tunnel;
mod ws;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emcp::{
    Call, CallHandle, CancelReason, Content, Identity, Limits, Options, Param, ParamKind, Server,
    Tool, ToolResult,
};
use serde_json::{Value, json};

pub(crate) use dispatch::{Dispatcher, in_mode, turn};
pub(crate) use http::{Event, Events, Http, Response};
pub(crate) use schema::Schema;
pub(crate) use session::{Exchange, Incoming, Line, SseClient, Streamable};
pub(crate) use talk::{Answer, Posted, Talk, Talker, accept, form, response};
pub(crate) use ws::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Ws, handshake};

/// How long a test waits for something that must happen. Far above any machine's worst minute:
/// only a failing test ever waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
pub(crate) const MODERN: &str = "2026-07-28";
/// The revisions that came with Streamable HTTP and later.
pub(crate) const NEWEST: &str = "2025-11-25";

/// A running server and the calls of its tool `hold`, which the test answers.
pub(crate) struct Host {
    pub(crate) server: Arc<Server>,
    pub(crate) addr: String,
    held: Mutex<Receiver<Call>>,
    dispatcher: Option<Dispatcher>,
}

/// A server with default bounds, except that progress is not thinned out.
pub(crate) fn host() -> Host {
    host_with(Options::default(), limits())
}

/// Default bounds, except that progress is not thinned out.
pub(crate) fn limits() -> Limits {
    Limits { progress_time: Duration::ZERO, ..Limits::default() }
}

pub(crate) fn host_with(options: Options, limits: Limits) -> Host {
    let identity = Identity {
        name: "host".into(),
        version: "1.2.3".into(),
        title: Some("Host".into()),
        instructions: Some("Ask.".into()),
        ..Identity::default()
    };
    let server = Arc::new(Server::new(identity, in_mode(options), limits).unwrap());
    let (sender, held) = channel();
    add_tools(&server, sender).unwrap();
    reach::listen(&server);
    server.start().unwrap();
    let addr = reach::address(&server);
    let dispatcher = Dispatcher::start(&server);
    Host { server, addr, held: Mutex::new(held), dispatcher }
}

/// Starts `server`, without tools of this module and with nobody who dispatches it.
pub(crate) fn host_of(server: Server) -> Host {
    server.start().unwrap();
    let addr = server.addresses()[0].clone();
    let held = Mutex::new(channel().1);
    Host { server: Arc::new(server), addr, held, dispatcher: None }
}

fn add_tools(server: &Server, held: Sender<Call>) -> emcp::Result<()> {
    let held = Mutex::new(held);
    let any = r#"{"type":"object"}"#;
    let hold = || Tool::new("hold")?.description("Waits for the test.").input_schema(any);
    server.add_tool(hold()?, move |call| {
        // The receiver lives as long as the host.
        let _ = held.lock().unwrap().send(call);
    })?;
    let echo = Tool::new("echo")?.description("Returns its arguments.").input_schema(any)?;
    server.add_tool(echo, |call| {
        let text = call.arguments().to_owned();
        call.reply(ToolResult::text(text));
    })?;
    let params = [
        Param::new("region", ParamKind::String).header("Region"),
        Param::new("count", ParamKind::Integer).header("Count"),
        Param::new("fast", ParamKind::Boolean).header("Fast"),
    ];
    let routed = Tool::new("routed")?.description("Repeats arguments in headers.");
    server.add_tool(routed.params(&params)?, |call| {
        call.reply(ToolResult::text("routed"));
    })?;
    let rich = Tool::new("rich")?
        .title("Rich")
        .description("Answers with everything that a result can hold.")
        .icons(r#"[{"src":"data:image/png;base64,AA==","mimeType":"image/png"}]"#)?
        .meta(r#"{"example.org/kind":"rich"}"#)?
        .output_schema(
            r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#,
        )?;
    server.add_tool(rich, |call| {
        call.reply(rich_result());
    })
}

fn rich_result() -> ToolResult {
    let mut result = ToolResult::text("text");
    result.push(Content::image("image/png", b"\x89PNG"));
    result.push(Content::audio("audio/wav", b"RIFF"));
    result.push(Content::link("log://a", "a", Some("text/plain"), None).unwrap());
    result.push(Content::resource_text("log://b", Some("text/plain"), "line").unwrap());
    result.set_structured(r#"{"n":7}"#).unwrap();
    result.set_meta(r#"{"example.org/took":3}"#).unwrap();
    result
}

impl Host {
    /// Has a server of [`host_of`] dispatched where that is to be done, or one that has started again.
    pub(crate) fn dispatch(&mut self) {
        // The former one first: two at once get into each other's way, and it may have seen that
        // the server had stopped, or not.
        drop(self.dispatcher.take());
        self.dispatcher = Dispatcher::start(&self.server);
    }

    /// Starts the stopped server again, at another address.
    pub(crate) fn restart(&mut self) {
        self.server.start().unwrap();
        self.addr = reach::address(&self.server);
        self.dispatch();
    }

    /// The next call of `hold` that has started.
    pub(crate) fn held(&self) -> Call {
        self.held.lock().unwrap().recv_timeout(PATIENCE).expect("no call of hold arrived")
    }

    pub(crate) fn http(&self) -> Http {
        Http::connect(&self.addr)
    }

    /// Sends one POST on a connection of its own.
    pub(crate) fn post(&self, headers: &[(&str, &str)], body: &str) -> Http {
        let mut http = self.http();
        http.post("/mcp", headers, body);
        http
    }

    /// Sends a modern request with the headers that belong to it.
    pub(crate) fn modern(&self, id: &str, method: &str, params: Value) -> Http {
        self.modern_with(&json!({}), id, method, params)
    }

    /// As a client that can do what `capabilities` say.
    pub(crate) fn modern_with(
        &self,
        capabilities: &Value,
        id: &str,
        method: &str,
        params: Value,
    ) -> Http {
        let name = name_of(method, &params);
        let body = request(id, method, &claim_with(params, capabilities));
        let mut headers = modern_headers(method);
        headers.extend(name.as_deref().map(|name| ("Mcp-Name", name)));
        self.post(&headers, &body)
    }

    /// Sends a request without a body; GETs ask for a stream.
    pub(crate) fn bare(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Http {
        let mut http = self.http();
        http.bare(method, path, headers);
        http
    }

    /// Adds a tool of no consequence, for tests of `list_changed`.
    pub(crate) fn add_tool(&self, name: &str) {
        let tool = Tool::new(name).unwrap().description("Comes and goes.");
        self.server.add_tool(tool, |_| {}).unwrap();
    }
}

/// Tells through a channel why and that `call` was cancelled.
pub(crate) fn watch(call: &CallHandle) -> Receiver<CancelReason> {
    let (sender, receiver) = channel();
    let handle = call.clone();
    call.on_cancel(move || {
        // Sent from inside the callback: by then the reason must be readable.
        let _ = sender.send(handle.cancelled().expect("a cancelled call has a reason"));
    });
    receiver
}

/// Waits for the cancellation of `call` and returns its reason.
#[track_caller]
pub(crate) fn cancellation(call: &CallHandle) -> CancelReason {
    watch(call).recv_timeout(PATIENCE).expect("the call was not cancelled")
}

/// Polls a counter that no event announces.
#[track_caller]
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let give_up = std::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(std::time::Instant::now() < give_up, "it did not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A request; `id` is JSON text.
pub(crate) fn request(id: &str, method: &str, params: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

pub(crate) fn notification(method: &str, params: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
}

pub(crate) fn initialize(id: &str, version: &str) -> String {
    initialize_with(id, version, &json!({}))
}

/// As a client that can do what `capabilities` say.
pub(crate) fn initialize_with(id: &str, version: &str, capabilities: &Value) -> String {
    let params = json!({
        "protocolVersion": version,
        "capabilities": capabilities,
        "clientInfo": { "name": "peer", "version": "0" },
    });
    request(id, "initialize", &params)
}

/// A legacy call of `tool`; `token` is JSON text.
pub(crate) fn call(id: &str, tool: &str, token: Option<&str>) -> String {
    let meta =
        token.map_or(String::new(), |token| format!(r#","_meta":{{"progressToken":{token}}}"#));
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}{meta}}}}}"#
    )
}

/// Adds the metadata that makes params modern; what `_meta` has already stays.
pub(crate) fn claim(params: Value) -> Value {
    claim_with(params, &json!({}))
}

/// As a client that can do what `capabilities` say.
pub(crate) fn claim_with(mut params: Value, capabilities: &Value) -> Value {
    let meta = &mut params["_meta"];
    if meta.is_null() {
        *meta = json!({});
    }
    meta["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
    meta["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    params
}

pub(crate) const ACCEPT: (&str, &str) = ("Accept", "application/json, text/event-stream");

pub(crate) fn modern_headers(method: &str) -> Vec<(&str, &str)> {
    vec![ACCEPT, ("MCP-Protocol-Version", MODERN), ("Mcp-Method", method)]
}

/// What the header `Mcp-Name` says for methods that have it.
pub(crate) fn name_of(method: &str, params: &Value) -> Option<String> {
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return None,
    };
    params[member].as_str().map(str::to_owned)
}

pub(crate) fn parse(text: impl AsRef<[u8]>) -> Value {
    let text = text.as_ref();
    serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

/// Asserts that `message` is the error `code` for `id`.
#[track_caller]
pub(crate) fn assert_error(message: &Value, id: Value, code: i64) {
    assert_eq!(message["error"]["code"], code, "{message}");
    assert_eq!(message["id"], id, "{message}");
    assert!(message["error"]["message"].is_string(), "{message}");
    assert!(message.get("result").is_none(), "{message}");
}

/// The text of the first content block of a call's answer.
#[track_caller]
pub(crate) fn text_of(message: &Value) -> &str {
    message["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{message}"))
}
