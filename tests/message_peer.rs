//! Peers whose WebSocket the host speaks: handshake data in, text in fragments, messages out. The
//! same promises as our own WebSocket keeps.

mod peer;

use std::task::Poll;
use std::thread;
use std::time::Duration;

use emcp::{CancelReason, Error, Limits, Options, ParsedRequest, Tool, ToolFlags, ToolResult};
use peer::message::*;
use peer::*;
use serde_json::json;

#[track_caller]
fn denied(host: &Host, handshake: &ParsedRequest<'_>) -> (u16, String) {
    match host.server.open_peer(handshake, None) {
        Err(Error::Denied { status, reason }) => (status, reason),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it came in"),
    }
}

#[test]
fn both_eras_share_one_peer_message_by_message() {
    let host = host();
    let peer = legacy(&host);
    send(&peer, &ping("1"));
    assert_eq!(take(&peer).unwrap(), r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    send(&peer, &request(r#""m""#, "server/discover", &claim(json!({}))));
    let discovered = next(&peer);
    assert_eq!(discovered["id"], "m");
    assert!(discovered["result"]["supportedVersions"].is_array(), "{discovered}");
    let params = json!({"name": "echo", "arguments": {"a": 1}});
    send(&peer, &request("2", "tools/call", &params));
    assert_eq!(text_of(&next(&peer)), r#"{"a":1}"#);
    send(&peer, &request("3", "tools/call", &claim(params)));
    assert_eq!(next(&peer)["result"]["resultType"], "complete");
    assert_idle(&peer);
}

#[test]
fn the_same_messages_are_answered_as_on_our_own_websocket() {
    let host = host();
    let (peer, mut ws) = (open(&host), Ws::connect(&host));
    let dialogue = [
        ping("1"),
        initialize("2", NEWEST),
        request("3", "tools/list", &json!({})),
        request("4", "tools/list", &claim(json!({}))),
        request("5", "tools/call", &json!({"name": "rich", "arguments": {}})),
        request("6", "tools/call", &json!({"name": "missing"})),
        request("7", "no/such", &json!({})),
        "no json".into(),
        String::new(),
        "[]".into(),
    ];
    for message in dialogue {
        send(&peer, &message);
        ws.send(&message);
        assert_eq!(take(&peer).unwrap(), ws.text(), "{message}");
    }
}

#[test]
fn a_message_may_come_in_fragments_cut_anywhere() {
    let host = host();
    let peer = legacy(&host);
    let params = json!({"name": "echo", "arguments": {"text": "\u{e4}\u{1f600}"}});
    let message = request("1", "tools/call", &params);
    for byte in message.as_bytes() {
        peer.feed(&[*byte], false).unwrap();
    }
    assert_idle(&peer);
    assert_eq!(host.server.stats().held_bytes, message.len() as u64);
    peer.feed(b"", true).unwrap();
    assert_eq!(text_of(&next(&peer)), params["arguments"].to_string());
    assert_eq!(host.server.stats().held_bytes, 0);
}

#[test]
fn the_text_ping_of_a_bridge_is_ignored() {
    let host = host();
    let peer = legacy(&host);
    send(&peer, "PING");
    send(&peer, &ping("1"));
    assert_eq!(next(&peer)["id"], 1);
    assert_idle(&peer);
}

#[test]
fn the_subprotocol_is_named_when_offered_and_not_otherwise() {
    let host = host();
    for (offered, expected) in
        [("mcp", Some("mcp")), ("chat, mcp", Some("mcp")), ("chat", None), ("", None)]
    {
        let headers: &[(&str, &[u8])] =
            &[("host", b"localhost"), ("Sec-WebSocket-Protocol", offered.as_bytes())];
        let peer = host.server.open_peer(&ParsedRequest { headers, ..HANDSHAKE }, None).unwrap();
        assert_eq!(peer.subprotocol(), expected, "{offered:?}");
    }
    assert_eq!(open(&host).subprotocol(), None);
}

#[test]
fn a_handshake_passes_the_rules_of_the_listener() {
    let host = host();
    let from = |origin: &'static [u8]| -> [(&str, &[u8]); 2] {
        [("host", b"localhost"), ("origin", origin)]
    };
    let evil = from(b"https://evil.example");
    let (status, reason) = denied(&host, &ParsedRequest { headers: &evil, ..HANDSHAKE });
    assert_eq!(status, 403);
    assert!(reason.contains("allowed_origins"), "{reason}");
    let status = |request: ParsedRequest<'_>| denied(&host, &request).0;
    let elsewhere: &[(&str, &[u8])] = &[("host", b"evil.example")];
    assert_eq!(status(ParsedRequest { headers: elsewhere, ..HANDSHAKE }), 403);
    assert_eq!(status(ParsedRequest { target: "/other", ..HANDSHAKE }), 404);
    assert_eq!(status(ParsedRequest { method: "POST", ..HANDSHAKE }), 405);
    assert_eq!(status(ParsedRequest { version: "HTTP/1.0", ..HANDSHAKE }), 400);
    assert_eq!(host.server.stats().requests_refused, 5);
    assert_eq!(status(ParsedRequest { headers: &[], ..HANDSHAKE }), 400);
    assert_eq!(status(ParsedRequest { target: "mcp", ..HANDSHAKE }), 400);
    assert_eq!(status(ParsedRequest { method: "get", ..HANDSHAKE }), 501);
    assert_eq!(host.server.stats().requests_malformed, 3);
    assert_eq!(status(ParsedRequest { target: &"/".repeat(9999), ..HANDSHAKE }), 414);
    assert_eq!(host.server.stats().requests_refused, 6);
    assert_eq!((host.server.stats().websockets, host.server.stats().sessions), (0, 0));
    // A Unix socket has no browser behind it, so its Host says nothing.
    let local = ParsedRequest { headers: elsewhere, is_local: true, ..HANDSHAKE };
    drop(host.server.open_peer(&local, None).unwrap());
    drop(host.server.open_peer(&HANDSHAKE, None).unwrap());
    assert_eq!(host.server.stats().requests, 2);
}

#[test]
fn a_peer_above_the_cap_is_denied_with_503_until_one_leaves() {
    let host = host_with(Options::default(), Limits { streams: 1, ..limits() });
    let first = open(&host);
    assert_eq!(denied(&host, &TRUSTED).0, 503);
    assert_eq!(denied(&host, &HANDSHAKE).0, 503);
    assert_eq!(host.server.stats().streams_refused, 2);
    drop(first);
    let stats = host.server.stats();
    assert_eq!((stats.streams, stats.websockets, stats.sessions), (0, 0, 0));
    drop(open(&host));
}

#[test]
fn a_host_may_switch_websocket_off() {
    let host = host_with(Options { websocket: false, ..Options::default() }, limits());
    assert_eq!(denied(&host, &HANDSHAKE).0, 403);
    assert_eq!(denied(&host, &TRUSTED).0, 403);
}

#[test]
fn only_a_running_server_takes_peers() {
    let host = host();
    assert!(host.server.drain(PATIENCE).unwrap());
    assert_eq!(denied(&host, &TRUSTED).0, 503);
    host.server.stop().unwrap();
    let refused = host.server.open_peer(&TRUSTED, None);
    assert!(matches!(refused, Err(Error::State(_))));
    host.server.start().unwrap();
    drop(open(&host));
}

#[test]
fn a_tool_sees_who_the_host_says_it_is() {
    let host = host();
    let opening = ParsedRequest { principal: "alice", remote: "10.1.2.3:4", ..HANDSHAKE };
    let peer = host.server.open_peer(&opening, None).unwrap();
    for message in [call("1", "hold", None), {
        request("2", "tools/call", &claim(json!({"name": "hold", "arguments": {}})))
    }] {
        send(&peer, &message);
        let held = host.held();
        let caller = held.caller();
        assert_eq!((&*caller.principal, &*caller.remote_addr), ("alice", "10.1.2.3:4"));
        assert_eq!(caller.transport, "websocket");
    }
    let anonymous = open(&host);
    send(&anonymous, &call("1", "hold", None));
    assert_eq!(host.held().caller().principal, "");
}

#[test]
fn a_cancellation_ends_the_call_and_leaves_the_peer() {
    let host = host();
    let peer = legacy(&host);
    send(&peer, &call("1", "hold", None));
    let held = host.held();
    send(&peer, &notification("notifications/cancelled", &json!({"requestId": 1})));
    assert_eq!(cancellation(&held), CancelReason::Client);
    assert!(!held.reply(ToolResult::text("too late")));
    send(&peer, &ping("2"));
    assert_eq!(next(&peer)["id"], 2);
}

#[test]
fn two_peers_with_equal_ids_get_their_own_answers() {
    let host = host();
    let peers = [legacy(&host), legacy(&host)];
    let calls: Vec<_> = peers
        .iter()
        .map(|peer| {
            send(peer, &call("7", "hold", None));
            host.held()
        })
        .collect();
    send(&peers[0], &notification("notifications/cancelled", &json!({"requestId": 7})));
    assert_eq!(cancellation(&calls[0]), CancelReason::Client);
    assert!(calls[1].cancelled().is_none(), "the id means another call there");
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.reply(ToolResult::text(number.to_string())), number == 1);
    }
    assert_eq!(text_of(&next(&peers[1])), "1");
    assert_idle(&peers[0]);
}

#[test]
fn progress_and_changes_reach_the_peer_without_asking() {
    let host = host();
    let (ready, rings) = bell();
    let peer = host.server.open_peer(&TRUSTED, Some(ready)).unwrap();
    send(&peer, &initialize("0", NEWEST));
    rings.recv_timeout(PATIENCE).expect("the first message rings before anybody has asked");
    assert_eq!(next(&peer)["id"], 0);
    send(&peer, &notification("notifications/initialized", &json!({})));
    assert_idle(&peer);
    host.add_tool("late");
    rings.recv_timeout(PATIENCE).expect("a notification rings");
    assert_eq!(next(&peer)["method"], "notifications/tools/list_changed");
    send(&peer, &call("1", "hold", Some(r#""p""#)));
    let held = host.held();
    assert_idle(&peer);
    held.progress(1.0, 2.0, Some("half"));
    rings.recv_timeout(PATIENCE).expect("progress rings");
    assert_eq!(next(&peer)["params"]["progressToken"], "p");
    held.reply(ToolResult::text("done"));
    assert_eq!(text_of(&next(&peer)), "done");
}

#[test]
fn a_call_of_an_inline_tool_is_answered_inside_feed() {
    let host = host();
    let flags = ToolFlags { inline: true, ..ToolFlags::default() };
    let tool = Tool::new("here").unwrap().description("Runs in place.").flags(flags);
    let feeder = thread::current().id();
    host.server
        .add_tool(tool, move |call| {
            assert_eq!(thread::current().id(), feeder);
            call.reply(ToolResult::text("here"));
        })
        .unwrap();
    let peer = legacy(&host);
    send(&peer, &call("1", "here", None));
    match peer.take() {
        Poll::Ready(Ok(text)) => assert_eq!(text_of(&parse(text.as_bytes())), "here"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wait_does_not_miss_what_came_before_it() {
    let host = host();
    let peer = legacy(&host);
    send(&peer, &ping("1"));
    send(&peer, &ping("2"));
    assert_eq!(next(&peer)["id"], 1);
    assert!(peer.wait(Duration::ZERO), "the second message is there already");
    assert_eq!(next(&peer)["id"], 2);
}
