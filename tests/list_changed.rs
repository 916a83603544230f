//! `notifications/tools/list_changed`: to every client that may have it, together, and to no other.

mod peer;

use std::time::{Duration, Instant};

use emcp::{Limits, Options, ToolFlags};
use peer::*;
use serde_json::{Value, json};

const METHOD: &str = "notifications/tools/list_changed";

fn listen(host: &Host, wanted: Value) -> Events {
    let http = host.modern(r#""sub""#, "subscriptions/listen", json!({"notifications": wanted}));
    let mut events = http.events();
    assert_eq!(events.json()["method"], "notifications/subscriptions/acknowledged");
    events
}

#[test]
fn every_change_reaches_every_kind_of_client() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut get = session.get(None);
    let mut sse = SseClient::open(&host, "2024-11-05");
    let mut ws = Ws::open(&host, "2025-03-26");
    ws.settle();
    let mut listening = listen(&host, json!({"toolsListChanged": true}));
    let changes: [&dyn Fn(); 4] = [
        &|| host.add_tool("fresh"),
        &|| host.server.enable_tool("fresh", false).unwrap(),
        &|| host.server.enable_tool("fresh", true).unwrap(),
        &|| host.server.remove_tool("fresh").unwrap(),
    ];
    for change in changes {
        change();
        for message in [get.json(), sse.events.json(), ws.json()] {
            assert_eq!(message["method"], METHOD);
        }
        let message = listening.json();
        assert_eq!(message["method"], METHOD);
        assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "sub");
    }
}

#[test]
fn changes_at_once_become_one_notification() {
    let coalesce_time = Duration::from_millis(200);
    let host = host_with(Options::default(), Limits { coalesce_time, ..limits() });
    let session = Streamable::open(&host, NEWEST);
    let mut get = session.get(None);
    let mut sse = SseClient::open(&host, NEWEST);
    let mut ws = Ws::open(&host, NEWEST);
    ws.settle();
    let mut listening = listen(&host, json!({"toolsListChanged": true}));
    let begin = Instant::now();
    (0..40).for_each(|number| host.add_tool(&format!("tool{number}")));
    // One per period that the changes took on this machine, and one for the period begun.
    let most =
        1 + usize::try_from(begin.elapsed().as_millis() / coalesce_time.as_millis()).unwrap();
    for first in [get.json(), sse.events.json(), ws.json(), listening.json()] {
        assert_eq!(first["method"], METHOD);
    }
    host.server.stop().unwrap();
    let rest = [get.rest(), sse.events.rest(), ws.until_close().0];
    assert!(rest.iter().all(|messages| messages.len() < most), "{rest:?}");
    // Its final result comes on top.
    assert!(listening.rest().len() <= most);
}

#[test]
fn only_those_hear_of_it_who_asked() {
    let host = host();
    // Shook hands only halfway.
    let session = Streamable::begin(&host, NEWEST);
    let mut get = session.get(None);
    let sse = SseClient::begin(&host, "/mcp");
    sse.send(&initialize("1", NEWEST));
    let mut halfway = sse.events;
    assert_eq!(halfway.json()["id"], 1);
    let mut ws = Ws::connect(&host);
    let mut uninterested = listen(&host, json!({}));
    let mut asked = Ws::open(&host, NEWEST);
    asked.settle();
    host.add_tool("fresh");
    assert_eq!(asked.json()["method"], METHOD);
    host.server.stop().unwrap();
    assert_eq!(get.rest(), Vec::<Value>::new());
    assert_eq!(halfway.rest(), Vec::<Value>::new());
    assert_eq!(ws.until_close().0, Vec::<Value>::new());
    assert_eq!(uninterested.rest().len(), 1);
}

#[test]
fn what_no_client_can_see_is_no_change() {
    let options = Options { read_only: true, ..Options::default() };
    let host = host_with(options, Limits { coalesce_time: Duration::ZERO, ..limits() });
    let mut ws = Ws::open(&host, NEWEST);
    // The handshake is complete, so the notifications before it would show.
    ws.settle();
    let writer = emcp::Tool::new("writer").unwrap().description("Writes.");
    let flags = ToolFlags { write: true, ..ToolFlags::default() };
    host.server.add_tool(writer.flags(flags), |_| {}).unwrap();
    host.server.enable_tool("writer", false).unwrap();
    host.server.enable_tool("echo", true).unwrap();
    host.server.remove_tool("writer").unwrap();
    // A change that counts is the first that is heard of.
    host.add_tool("fresh");
    assert_eq!(ws.json()["method"], METHOD);
    host.server.stop().unwrap();
    assert_eq!(ws.until_close(), (Vec::new(), 1001));
}

/// Regression: tools added before the first client came were announced to it as a change.
#[test]
fn what_was_there_before_the_first_client_is_no_change() {
    let host = host_with(Options::default(), Limits { coalesce_time: Duration::ZERO, ..limits() });
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&request("1", "tools/list", &json!({})));
    assert_eq!(ws.json()["id"], 1);
    host.server.stop().unwrap();
    assert_eq!(ws.until_close(), (Vec::new(), 1001));
}

#[test]
fn one_listen_too_many_is_refused_before_its_acknowledgement() {
    let host = host_with(Options::default(), Limits { listens: 1, ..limits() });
    let first = listen(&host, json!({"toolsListChanged": true}));
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let (status, message) = host.modern("2", "subscriptions/listen", filter.clone()).first();
    assert_eq!(status, 200);
    assert_error(&message, json!(2), -32603);
    drop(first);
    wait_until(|| host.server.stats().listens == 0);
    host.modern("3", "subscriptions/listen", filter).events().json();
}

#[test]
fn kinds_that_the_server_does_not_have_are_left_out_of_the_acknowledgement() {
    let host = host();
    let filter = json!({"notifications": {
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["log://a"],
    }});
    let mut events = host.modern("7", "subscriptions/listen", filter).events();
    let expected = json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {
            "notifications": { "toolsListChanged": true },
            "_meta": { "io.modelcontextprotocol/subscriptionId": 7 },
        },
    });
    assert_eq!(events.json(), expected);
}
