//! How much one caller may do, by whatever ways it comes: calls per second, calls at once, and how
//! often a tool may be called at all.

mod peer;

use std::net::TcpListener;

use emcp::{
    Adoption, Call, Limits, Options, ParsedRequest, Prompt, PromptResult, ReadResult, Resource,
    Tool, ToolResult,
};
use peer::message::{TRUSTED, next, send};
use peer::pull::Parsed;
use peer::*;
use serde_json::{Value, json};

/// One token, and the next one long after the test.
fn one_call() -> Limits {
    Limits { calls_per_second: 1, calls_burst: 1, ..limits() }
}

fn echo() -> Value {
    json!({ "name": "echo", "arguments": {} })
}

#[track_caller]
fn is_refused(reply: &Value, what: &str) -> bool {
    if reply["result"]["isError"] != true {
        return false;
    }
    let text = reply["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(what), "{text}");
    true
}

const TOO_FAST: &str = "more than 1 calls per second from this caller; try again in 1 s";

/// Calls until a call is refused. With a token a second that is soon, however slow the machine.
#[track_caller]
fn until_refused(what: &str, mut call: impl FnMut() -> Value) {
    for _ in 0..1000 {
        if is_refused(&call(), what) {
            return;
        }
    }
    panic!("nothing was refused");
}

#[test]
fn one_caller_has_one_rate_whatever_it_comes_by() {
    let host = host_with(Options::default(), one_call());
    for mut talker in Talker::each(&host, &json!({})) {
        let none = |_: &str, _: &Value| Err(json!({}));
        until_refused(TOO_FAST, || talker.talk(&json!({}), "tools/call", &echo(), none).reply);
    }
    let refused = host.server.stats().calls_too_fast;
    assert!(refused >= 5, "{refused}");
    assert_eq!(host.server.stats().calls_refused, 0);
}

#[test]
fn doors_count_the_same_and_principals_apart() {
    let host = host_with(Options::default(), one_call());
    let parsed = Parsed::modern("tools/call", echo());
    until_refused(TOO_FAST, || parsed.whole(&host.server).json());
    // The port does not make another client of it, and neither does another door.
    let opening = ParsedRequest { remote: "192.0.2.1:2000", ..TRUSTED };
    let peer = host.server.open_peer(&opening, None).unwrap();
    let body = request("1", "tools/call", &claim(echo()));
    until_refused(TOO_FAST, || {
        send(&peer, &body);
        next(&peer)
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut http = Http::connect(&listener.local_addr().unwrap().to_string());
    let adoption = Adoption { remote: Some("192.0.2.1:3000"), ..Adoption::default() };
    host.server.adopt(listener.accept().unwrap().0.into(), adoption).unwrap();
    let mut headers = modern_headers("tools/call");
    headers.push(("Mcp-Name", "echo"));
    until_refused(TOO_FAST, || {
        http.post("/mcp", &headers, &body);
        http.json().1
    });
    // Whom the host names is somebody else, from whatever address.
    for principal in ["ann", "bob"] {
        let opening = ParsedRequest { remote: "192.0.2.1:4000", principal, ..TRUSTED };
        let peer = host.server.open_peer(&opening, None).unwrap();
        send(&peer, &body);
        assert!(!is_refused(&next(&peer), TOO_FAST), "{principal}");
    }
}

#[test]
fn other_answers_say_when_to_come_again() {
    let host = host_with(Options::default(), one_call());
    let read = |call: Call| _ = call.reply(ReadResult::text("x"));
    let get = |call: Call| _ = call.reply(PromptResult::text("x"));
    host.server.add_resource(Resource::new("a://b", "b").unwrap(), read, None).unwrap();
    host.server.add_prompt(Prompt::new("p").unwrap(), get, None).unwrap();
    for (method, params) in
        [("resources/read", json!({ "uri": "a://b" })), ("prompts/get", json!({ "name": "p" }))]
    {
        let modern = || host.modern("1", method, params.clone()).first().1;
        let error = std::iter::repeat_with(modern).find(|reply| reply["error"].is_object());
        let error = &error.unwrap()["error"];
        assert_eq!(error["code"], -32603, "{error}");
        let wait_ms = error["data"]["retryAfterMs"].as_u64().unwrap();
        assert!((1..=1000).contains(&wait_ms), "{error}");
        for mut line in Line::each(&host, NEWEST) {
            let mut ask = || line.ask(&request("1", method, &params));
            let error = std::iter::repeat_with(&mut ask).find(|reply| reply["error"].is_object());
            assert!(error.unwrap()["error"]["data"]["retryAfterMs"].is_u64());
        }
    }
    // What costs nothing is not counted.
    for _ in 0..10 {
        assert!(host.modern("1", "tools/list", json!({})).first().1["result"].is_object());
    }
}

#[test]
fn without_a_rate_nobody_waits() {
    let host = host();
    for _ in 0..200 {
        assert!(!is_refused(&host.modern("1", "tools/call", echo()).first().1, ""));
    }
    assert_eq!(host.server.stats().calls_too_fast, 0);
}

#[test]
fn connections_do_not_multiply_the_calls_of_a_caller() {
    let host = host_with(Options::default(), Limits { calls_per_identity: 2, ..limits() });
    let hold = || host.modern("1", "tools/call", json!({ "name": "hold" }));
    let open = [hold(), hold()];
    let held = [host.held(), host.held()];
    let full = "2 calls of this caller are open already; wait for one";
    for mut talker in Talker::each(&host, &json!({})) {
        let none = |_: &str, _: &Value| Err(json!({}));
        let talk = talker.talk(&json!({}), "tools/call", &echo(), none);
        assert!(is_refused(&talk.reply, full), "{} {talk:?}", talker.name());
    }
    assert_eq!(host.server.stats().calls_refused, 5);
    // Others have places of their own.
    let opening = ParsedRequest { remote: "192.0.2.7:1", ..TRUSTED };
    let peer = host.server.open_peer(&opening, None).unwrap();
    send(&peer, &request("1", "tools/call", &claim(echo())));
    assert!(!is_refused(&next(&peer), full));
    held.into_iter().for_each(|call| _ = call.reply(ToolResult::text("held")));
    open.into_iter().for_each(|http| assert_eq!(http.first().0, 200));
    wait_until(|| host.server.stats().calls == 0);
    assert!(!is_refused(&host.modern("1", "tools/call", echo()).first().1, full));
}

#[test]
fn a_tool_that_costs_much_is_called_so_often_and_not_more() {
    let host = host();
    let tool = Tool::new("scan").unwrap().description("Reads every disk.").calls_per_minute(2);
    host.server.add_tool(tool, |call| _ = call.reply(ToolResult::text("done"))).unwrap();
    let scan = || host.modern("1", "tools/call", json!({ "name": "scan" })).first().1;
    let slow = "scan is called too often; try again in ";
    // Two at once, then one each 30 seconds.
    assert!((0..2).all(|_| !is_refused(&scan(), slow)));
    until_refused(slow, scan);
    assert!(!is_refused(&host.modern("1", "tools/call", echo()).first().1, slow));
}
