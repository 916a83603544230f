//! A client of any revision over any transport: adds to what a dialogue says the envelope, the ids,
//! the metadata, the headers and the session, and holds every message that comes to the schema.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::combination::{Combination, Transport};
use super::wire::Inbox;
use crate::peer::{
    ACCEPT, Host, Http, MODERN, Schema, SseClient, Ws, notification, parse, request,
};

const CLAIM: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

pub(crate) struct Client<'a> {
    host: &'a Host,
    pub(crate) combination: Combination,
    capabilities: Value,
    schema: Option<Arc<Schema>>,
    /// Of Streamable HTTP in the legacy era.
    session: Option<String>,
    /// Where to post, relative to the server.
    endpoint: String,
    /// A shared channel, or the standalone stream of a session once it is open.
    channel: Option<Inbox>,
    /// The exchanges of requests that are not answered, by label; Streamable HTTP only.
    exchanges: HashMap<String, Inbox>,
    /// The methods of all requests, by id, to know what an answer must look like.
    methods: HashMap<String, String>,
    next_id: u64,
    /// The result of the handshake.
    introduction: Value,
}

/// What was sent under a label.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) label: String,
    pub(crate) id: Value,
    pub(crate) method: String,
    /// As the dialogue has them.
    pub(crate) params: Value,
    pub(crate) headers: Vec<(String, String)>,
}

impl<'a> Client<'a> {
    /// Connects and shakes hands where the revision does.
    pub(crate) fn connect(
        host: &'a Host,
        combination: Combination,
        capabilities: &Value,
    ) -> Client<'a> {
        let mut client = Client {
            host,
            combination,
            capabilities: capabilities.clone(),
            schema: Schema::load(combination.revision),
            session: None,
            endpoint: "/mcp".into(),
            channel: None,
            exchanges: HashMap::new(),
            methods: HashMap::new(),
            next_id: 1,
            introduction: Value::Null,
        };
        match combination.transport {
            Transport::Http | Transport::HttpStream => {}
            Transport::Sse => {
                let SseClient { events, endpoint, .. } = SseClient::begin(host, "/mcp");
                client.endpoint = endpoint;
                client.channel = Some(Inbox::stream(events));
            }
            Transport::WebSocket => client.channel = Some(Inbox::ws(Ws::connect(host))),
        }
        if !combination.is_modern() {
            client.shake_hands();
        }
        client
    }

    fn shake_hands(&mut self) {
        let params = json!({
            "protocolVersion": self.combination.revision,
            "capabilities": self.capabilities,
            "clientInfo": { "name": "transcript", "version": "1" },
        });
        let answer = if self.combination.is_http() {
            let body = request("0", "initialize", &params);
            let response = self.host.post(&[ACCEPT], &body).response();
            let session = response.header("mcp-session-id").expect("a session id");
            self.session = Some(session.to_owned());
            let answer = parse(&response.body);
            self.check_as("initialize", &answer);
            answer
        } else {
            let sent = self.ask("handshake", "initialize", params, &[]);
            self.answer(&sent)
        };
        assert_eq!(answer["result"]["protocolVersion"], self.combination.revision);
        self.introduction = answer["result"].clone();
        self.tell("notifications/initialized", json!({}));
    }

    /// What the server says of itself: in the handshake, or when it is asked.
    pub(crate) fn introduction(&mut self) -> Value {
        if self.combination.is_modern() {
            let sent = self.ask("discover", "server/discover", json!({}), &[]);
            self.introduction = self.answer(&sent)["result"].clone();
        }
        self.introduction.clone()
    }

    /// Sends a request under `label`. Ids are numbers and texts by turns.
    pub(crate) fn ask(
        &mut self,
        label: &str,
        method: &str,
        params: Value,
        headers: &[(String, String)],
    ) -> Sent {
        let id = match self.next_id % 2 {
            0 => json!(self.next_id),
            _ => json!(format!("{label} {}", self.next_id)),
        };
        self.next_id += 1;
        self.methods.insert(id.to_string(), method.into());
        let whole = self.with_claim(params.clone());
        let body = self.wrapped(request(&id.to_string(), method, &whole));
        if self.combination.is_http() {
            let headers = self.headers(method, &whole, headers);
            let inbox = Inbox::sent(self.post_with(&headers, &body));
            let before = self.exchanges.insert(label.into(), inbox);
            assert!(before.is_none(), "{label} is not answered yet");
        } else {
            self.put(&body);
        }
        let (label, method) = (label.into(), method.into());
        Sent { label, id, method, params, headers: headers.to_vec() }
    }

    /// Sends a notification.
    pub(crate) fn tell(&mut self, method: &str, params: Value) {
        let body = self.wrapped(notification(method, &self.with_claim(params)));
        self.put(&body);
    }

    /// Answers a request of the server; `outcome` has the member `result` or `error`.
    pub(crate) fn respond(&mut self, id: &Value, mut outcome: Value) {
        outcome["jsonrpc"] = "2.0".into();
        outcome["id"] = id.clone();
        let body = self.wrapped(outcome.to_string());
        self.put(&body);
    }

    /// `body`, or a batch of it. There are none before the handshake.
    fn wrapped(&self, body: String) -> String {
        let in_batches = self.combination.in_batches && !self.introduction.is_null();
        if in_batches { format!("[{body}]") } else { body }
    }

    /// Sends what gets no answer by the transport itself.
    fn put(&mut self, body: &str) {
        if self.combination.transport == Transport::WebSocket {
            return self.channel.as_mut().expect("a WebSocket is open").send(body);
        }
        let headers = match self.combination.is_modern() {
            true => vec![accept(self.combination), version(MODERN)],
            false => self.session_headers(),
        };
        let response = self.post_with(&headers, body).response();
        assert_eq!((response.status, &*response.body), (202, &b""[..]), "{body}");
    }

    fn post_with(&self, headers: &[(String, String)], body: &str) -> Http {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut http = self.host.http();
        http.post(&self.endpoint, &headers, body);
        http
    }

    fn with_claim(&self, mut params: Value) -> Value {
        if self.combination.is_modern() {
            let members = params.as_object_mut().expect("params are an object");
            let meta = members.entry("_meta").or_insert_with(|| json!({}));
            let meta = meta.as_object_mut().expect("_meta is an object");
            meta.entry(CLAIM).or_insert_with(|| MODERN.into());
            meta.entry(CAPABILITIES).or_insert_with(|| self.capabilities.clone());
        }
        params
    }

    /// The headers of a request; `own` stand in place of what they would be.
    fn headers(
        &self,
        method: &str,
        params: &Value,
        own: &[(String, String)],
    ) -> Vec<(String, String)> {
        let mut headers = self.session_headers();
        if self.combination.is_modern() {
            let claim = params["_meta"][CLAIM].as_str().unwrap_or(MODERN);
            headers = vec![accept(self.combination), version(claim)];
            headers.push(("Mcp-Method".into(), method.into()));
            let name = match method {
                "tools/call" | "prompts/get" => &params["name"],
                "resources/read" => &params["uri"],
                "tasks/get" | "tasks/update" | "tasks/cancel" => &params["taskId"],
                _ => &Value::Null,
            };
            headers.extend(name.as_str().map(|name| ("Mcp-Name".into(), name.into())));
        }
        headers.retain(|(name, _)| !own.iter().any(|(known, _)| known == name));
        headers.extend(own.iter().filter(|(_, value)| !value.is_empty()).cloned());
        headers
    }

    fn session_headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![accept(self.combination)];
        headers.extend(self.session.iter().map(|id| ("Mcp-Session-Id".into(), id.clone())));
        // Clients send it from the revision on that introduced it.
        if self.combination.revision >= "2025-06-18" {
            headers.push(version(self.combination.revision));
        }
        headers
    }

    /// Opens the standalone stream of a Streamable HTTP session, or resumes from `last`.
    fn get(&self, last: Option<&str>) -> crate::peer::Events {
        let mut headers = self.session_headers();
        headers.extend(last.map(|id| ("Last-Event-ID".into(), id.into())));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.host.bare("GET", "/mcp", &headers).events()
    }

    /// Sees to it that the client hears what its session is told, from here on.
    pub(crate) fn open_channel(&mut self) {
        if self.combination.is_http() && self.channel.is_none() {
            self.channel = Some(Inbox::stream(self.get(None)));
        }
    }

    /// Loses the connection of an exchange.
    pub(crate) fn cut(&mut self, label: &str) {
        self.exchange(label).cut();
    }

    pub(crate) fn resume(&mut self, label: &str) {
        let last = self.exchange(label).last_event.clone().expect("an event with an id");
        let events = self.get(Some(&last));
        self.exchange(label).resume(events);
    }

    fn exchange(&mut self, label: &str) -> &mut Inbox {
        self.exchanges.get_mut(label).unwrap_or_else(|| panic!("{label} is no open exchange"))
    }

    /// Gives a request up: by leaving where that means it, by a notification elsewhere.
    pub(crate) fn cancel(&mut self, sent: &Sent) {
        if self.combination.is_modern() && self.combination.is_http() {
            self.exchanges.remove(&sent.label);
            return;
        }
        self.tell("notifications/cancelled", json!({ "requestId": sent.id, "reason": "user" }));
    }

    /// Takes the first message that `pick` wants from where messages about `sent` come, or from
    /// where the session is told things.
    #[track_caller]
    pub(crate) fn take(&mut self, sent: Option<&Sent>, pick: &dyn Fn(&Value) -> bool) -> Value {
        let (schema, methods) = (self.schema.clone(), &self.methods);
        let check = |message: &Value| check_message(schema.as_deref(), methods, message);
        let own = sent.and_then(|sent| self.exchanges.get_mut(&sent.label));
        let inbox = match own {
            Some(inbox) => inbox,
            None => self.channel.as_mut().expect("an open stream"),
        };
        match inbox.take(&check, pick) {
            Some(message) => message,
            None => panic!("it did not come; {:?} did", inbox.waiting().collect::<Vec<_>>()),
        }
    }

    /// Takes the answer to `sent`, which is the last that comes about it.
    #[track_caller]
    pub(crate) fn answer(&mut self, sent: &Sent) -> Value {
        let is_answer =
            |message: &Value| message.get("method").is_none() && message["id"] == sent.id;
        let answer = self.take(Some(sent), &is_answer);
        let schema = self.schema.clone();
        let check = |message: &Value| check_message(schema.as_deref(), &self.methods, message);
        if let Some(mut inbox) = self.exchanges.remove(&sent.label) {
            let rest = inbox.rest(&check);
            assert!(rest.is_empty(), "unheard: {rest:?}");
            let code = answer["error"]["code"].as_i64();
            assert_eq!(inbox.status, Some(self.status(code)), "{answer}");
        }
        answer
    }

    /// The HTTP status of an answer with the error `code`.
    fn status(&self, code: Option<i64>) -> u16 {
        match code {
            _ if !self.combination.is_modern() => 200,
            Some(-32601) => 404,
            Some(-32022..=-32020) => 400,
            _ => 200,
        }
    }

    /// Asserts that the exchange of a cancelled request ended without an answer. On a shared
    /// channel only the end shows that.
    #[track_caller]
    pub(crate) fn assert_unanswered(&mut self, sent: &Sent) {
        if let Some(mut inbox) = self.exchanges.remove(&sent.label) {
            let rest = inbox.rest(&|_| {});
            assert!(rest.is_empty(), "{rest:?}");
        }
    }

    /// Returns once the server has read everything that was sent so far.
    pub(crate) fn fence(&mut self) {
        let method = if self.combination.is_modern() { "server/discover" } else { "ping" };
        let sent = self.ask("fence", method, json!({}), &[]);
        self.answer(&sent);
    }

    /// Everything that came and that nobody asked for, once the server has stopped.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        let (schema, methods) = (self.schema.clone(), &self.methods);
        let check = |message: &Value| check_message(schema.as_deref(), methods, message);
        let inboxes = self.exchanges.values_mut().chain(&mut self.channel);
        inboxes.flat_map(|inbox| inbox.rest(&check)).collect()
    }

    #[track_caller]
    fn check_as(&self, method: &str, message: &Value) {
        if let Some(schema) = &self.schema {
            schema.check_message(message, Some(method));
        }
    }
}

#[track_caller]
fn check_message(schema: Option<&Schema>, methods: &HashMap<String, String>, message: &Value) {
    let Some(schema) = schema else { return };
    if let Value::Array(messages) = message {
        schema.check("JSONRPCBatchResponse", message);
        return messages.iter().for_each(|one| check_message(Some(schema), methods, one));
    }
    let method = methods.get(&message["id"].to_string());
    schema.check_message(message, method.map(String::as_str));
}

fn accept(combination: Combination) -> (String, String) {
    let types = match combination.transport {
        Transport::HttpStream => "text/event-stream",
        _ => ACCEPT.1,
    };
    ("Accept".into(), types.into())
}

fn version(revision: &str) -> (String, String) {
    ("MCP-Protocol-Version".into(), revision.into())
}
