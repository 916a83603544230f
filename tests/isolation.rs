//! Two clients that use the same ids and tokens never see each other's messages.

mod peer;

use emcp::{Call, Level, ToolResult};
use peer::*;
use serde_json::{Value, json};

/// Which of two clients a call came from: it says so in its arguments.
fn speak(call: Call) {
    let who = parse(call.arguments())["who"].as_str().unwrap().to_owned();
    call.progress(1.0, 2.0, Some(&who));
    call.log(Level::Error, None, &format!("{who:?}"));
    call.reply(ToolResult::text(who));
}

fn hold(who: &str, extra: Value) -> Value {
    let mut params = extra;
    params["name"] = "hold".into();
    params["arguments"] = json!({ "who": who });
    params["_meta"]["progressToken"] = "same".into();
    params
}

/// Asserts that the three messages about `who`'s call are his.
#[track_caller]
fn assert_own(messages: &[Value], who: &str) {
    assert_eq!(messages.len(), 3, "{messages:?}");
    assert_eq!(messages[0]["params"]["message"], who, "{messages:?}");
    assert_eq!(messages[1]["params"]["data"], who, "{messages:?}");
    assert_eq!((&messages[2]["id"], text_of(&messages[2])), (&json!(1), who), "{messages:?}");
}

/// Opens the two calls, answers the later one first.
fn answer_both(host: &Host) {
    let calls = [host.held(), host.held()];
    calls.into_iter().rev().for_each(speak);
}

#[test]
fn two_clients_with_equal_ids_get_their_own_messages_on_each_transport() {
    let host = host();
    let pairs = Line::each(&host, NEWEST).into_iter().zip(Line::each(&host, NEWEST));
    for (mut anna, mut bert) in pairs {
        let mut to_anna = anna.send(&request("1", "tools/call", &hold("anna", json!({}))));
        let mut to_bert = bert.send(&request("1", "tools/call", &hold("bert", json!({}))));
        answer_both(&host);
        assert_own(&[to_anna.json(), to_anna.json(), to_anna.json()], "anna");
        assert_own(&[to_bert.json(), to_bert.json(), to_bert.json()], "bert");
    }
}

#[test]
fn two_modern_requests_with_equal_ids_get_their_own_messages() {
    let host = host();
    let level = json!({"_meta": {"io.modelcontextprotocol/logLevel": "debug"}});
    let anna = host.modern("1", "tools/call", hold("anna", level.clone()));
    let bert = host.modern("1", "tools/call", hold("bert", level));
    answer_both(&host);
    assert_own(&anna.events().rest(), "anna");
    assert_own(&bert.events().rest(), "bert");
}

#[test]
fn one_session_with_two_calls_gets_each_answer_on_its_own_stream() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut get = session.get(None);
    let anna = session.post(&request("1", "tools/call", &hold("anna", json!({}))));
    let second = request("2", "tools/call", &hold("bert", json!({})));
    let bert = session.post(&second);
    answer_both(&host);
    assert_own(&anna.events().rest(), "anna");
    let mut messages = bert.events().rest();
    messages[2]["id"] = 1.into();
    assert_own(&messages, "bert");
    // The standalone stream carries nothing that belongs to a request.
    host.server.stop().unwrap();
    assert_eq!(get.rest(), Vec::<Value>::new());
}

#[test]
fn bystanders_hear_nothing_of_a_call() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut get = session.get(None);
    let mut sse = SseClient::open(&host, NEWEST);
    let mut ws = Ws::open(&host, NEWEST);
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut listen = host.modern("1", "subscriptions/listen", filter).events();
    listen.json();
    let mut caller = Ws::open(&host, NEWEST);
    caller.send(&request("1", "tools/call", &hold("anna", json!({}))));
    speak(host.held());
    assert_own(&[caller.json(), caller.json(), caller.json()], "anna");
    host.server.stop().unwrap();
    assert_eq!(get.rest(), Vec::<Value>::new());
    assert_eq!(sse.events.rest(), Vec::<Value>::new());
    assert_eq!(ws.until_close(), (Vec::new(), 1001));
    // Its final result and nothing before it.
    assert_eq!(listen.rest().len(), 1);
}

#[test]
fn one_clients_level_is_not_anothers() {
    let host = host();
    let mut quiet = Ws::open(&host, NEWEST);
    let mut loud = Ws::open(&host, NEWEST);
    for (ws, level) in [(&mut quiet, "emergency"), (&mut loud, "debug")] {
        ws.send(&request("1", "logging/setLevel", &json!({"level": level})));
        assert_eq!(ws.json()["result"], json!({}));
    }
    host.server.log(Level::Error, Some("disk"), r#"{"full":true}"#);
    assert_eq!(loud.json()["params"]["data"], json!({"full": true}));
    quiet.send(&request("2", "ping", &json!({})));
    assert_eq!(quiet.json()["id"], 2);
}

#[test]
fn a_caller_is_described_by_its_own_transport_and_handshake() {
    let host = host();
    let expected = [("http", "streamable"), ("sse", "sse"), ("websocket", "websocket")];
    for (mut line, (transport, name)) in Line::each(&host, NEWEST).into_iter().zip(expected) {
        assert_eq!(line.name(), name);
        let mut incoming = line.send(&call("1", "hold", None));
        let held = host.held();
        let caller = held.caller().clone();
        assert_eq!((caller.transport, caller.protocol), (transport, NEWEST));
        assert_eq!((&*caller.client_name, &*caller.client_version), ("peer", "0"));
        assert!(caller.remote_addr.starts_with("127.0.0.1:"), "{caller:?}");
        held.reply(ToolResult::text("done"));
        incoming.json();
    }
    let _modern = host.modern("1", "tools/call", json!({"name": "hold"}));
    let caller = host.held().caller().clone();
    assert_eq!((caller.protocol, &*caller.client_name, &*caller.session), (MODERN, "", ""));
}

#[test]
fn the_trace_context_of_a_request_reaches_its_call_on_each_transport() {
    let host = host();
    let context = json!({
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "vendor=1",
        "baggage": "user=7",
    });
    let has_context = |held: &emcp::Call| {
        let caller = held.caller();
        assert_eq!(*caller.traceparent, context["traceparent"]);
        assert_eq!(*caller.tracestate, context["tracestate"]);
        assert_eq!(*caller.baggage, context["baggage"]);
    };
    let params = json!({"name": "hold", "_meta": context});
    for mut line in Line::each(&host, NEWEST) {
        let mut incoming = line.send(&request("1", "tools/call", &params));
        let held = host.held();
        has_context(&held);
        held.reply(ToolResult::text("done"));
        incoming.json();
    }
    let mut params = claim(json!({"name": "hold"}));
    let members = context.as_object().expect("an object").clone();
    params["_meta"].as_object_mut().expect("the claim").extend(members);
    let mut headers = modern_headers("tools/call");
    headers.push(("Mcp-Name", "hold"));
    let _modern = host.post(&headers, &request("1", "tools/call", &params));
    has_context(&host.held());
}
