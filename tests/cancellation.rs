//! Who may cancel a call, how its tool hears of it, and what must not cancel it.

mod peer;

use std::time::Duration;

use emcp::{CancelReason, Limits, Options, ToolResult};
use peer::*;
use serde_json::{Value, json};

fn cancelled(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"user"}}}}"#
    )
}

fn ping(id: &str) -> String {
    request(id, "ping", &json!({}))
}

#[test]
fn a_cancelled_notification_ends_the_call_without_an_answer() {
    let host = host();
    for mut line in Line::each(&host, NEWEST) {
        if let Line::Streamable(session) = &line {
            let mut http = session.post(&call("1", "hold", None));
            let held = host.held();
            line.tell(&cancelled("1"));
            assert_eq!(cancellation(&held), CancelReason::Client);
            assert!(!held.reply(ToolResult::text("late")));
            // HTTP must answer something: accepted, and nothing said.
            let response = http.response();
            assert_eq!((response.status, &*response.body), (202, &b""[..]));
            continue;
        }
        line.tell(&call("1", "hold", None));
        let held = host.held();
        line.tell(&cancelled("1"));
        assert_eq!(cancellation(&held), CancelReason::Client);
        assert!(!held.reply(ToolResult::text("late")));
        // The next message is the pong, so the cancelled call was not answered.
        assert_eq!(line.ask(&ping("2"))["id"], 2, "{}", line.name());
    }
}

#[test]
fn a_cancelled_stream_ends_without_an_answer() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let http = session.post(&call("1", "hold", Some("1")));
    let held = host.held();
    held.progress(1.0, 0.0, None);
    let mut events = http.events();
    events.json();
    session.post(&cancelled("1")).response();
    assert_eq!(events.rest(), Vec::<Value>::new());
    assert_eq!(held.cancelled(), Some(CancelReason::Client));
}

#[test]
fn cancelling_what_is_not_there_is_ignored() {
    let host = host();
    for mut line in Line::each(&host, NEWEST) {
        for id in ["1", "null", "{}", r#""x""#] {
            line.tell(&cancelled(id));
        }
        line.tell(&notification("notifications/cancelled", &json!({})));
        assert_eq!(line.ask(&call("1", "echo", None))["id"], 1);
        line.tell(&cancelled("1"));
        assert_eq!(line.ask(&ping("2"))["id"], 2);
    }
}

#[test]
fn another_session_cannot_cancel_the_call() {
    let host = host();
    let owner = Streamable::open(&host, NEWEST);
    let mut http = owner.post(&call("1", "hold", None));
    let held = host.held();
    for mut stranger in Line::each(&host, NEWEST) {
        stranger.tell(&cancelled("1"));
        stranger.ask(&ping("2"));
    }
    assert_eq!(held.cancelled(), None);
    held.reply(ToolResult::text("done"));
    assert_eq!(text_of(&http.json().1), "done");
}

#[test]
fn a_modern_call_on_a_websocket_is_cancelled_by_notification() {
    let host = host();
    let mut ws = Ws::connect(&host);
    ws.send(&request("1", "tools/call", &claim(json!({"name": "hold"}))));
    let held = host.held();
    ws.send(&notification("notifications/cancelled", &claim(json!({"requestId": 1}))));
    assert_eq!(cancellation(&held), CancelReason::Client);
    ws.send(&request("2", "tools/list", &claim(json!({}))));
    assert_eq!(ws.json()["id"], 2);
}

#[test]
fn leaving_a_modern_request_cancels_it_before_a_byte_was_sent() {
    let host = host();
    let http = host.modern("1", "tools/call", json!({"name": "hold"}));
    let held = host.held();
    drop(http);
    assert_eq!(cancellation(&held), CancelReason::Gone);
}

#[test]
fn leaving_a_modern_stream_cancels_its_request() {
    let host = host();
    let params = json!({"name": "hold", "_meta": {"progressToken": 1}});
    let http = host.modern("1", "tools/call", params);
    let held = host.held();
    held.progress(1.0, 0.0, None);
    let mut events = http.events();
    events.json();
    drop(events);
    assert_eq!(cancellation(&held), CancelReason::Gone);
    assert!(!held.progress(2.0, 0.0, None));
}

#[test]
fn half_closing_a_modern_request_cancels_it() {
    let host = host();
    let http = host.modern("1", "tools/call", json!({"name": "hold"}));
    let held = host.held();
    http.half_close();
    assert_eq!(cancellation(&held), CancelReason::Gone);
}

#[test]
fn leaving_a_legacy_request_does_not_cancel_it() {
    let host = host();
    for version in &LEGACY[1..] {
        let session = Streamable::open(&host, version);
        let http = session.post(&call("1", "hold", None));
        let held = host.held();
        http.reset();
        // The connection's end is seen when its count falls; only then can it have had an effect.
        wait_until(|| host.server.stats().connections == 0);
        assert_eq!(held.cancelled(), None, "{version}");
        assert!(held.reply(ToolResult::text("done")), "{version}");
    }
}

#[test]
fn leaving_a_legacy_stream_does_not_cancel_its_request() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let http = session.post(&call("1", "hold", Some("1")));
    let held = host.held();
    held.progress(1.0, 0.0, None);
    let mut events = http.events();
    events.json();
    drop(events);
    wait_until(|| host.server.stats().streams == 0);
    assert_eq!(held.cancelled(), None);
    assert!(held.reply(ToolResult::text("done")));
}

#[test]
fn closing_a_shared_channel_ends_its_session_and_its_calls() {
    let host = host();
    let sse = SseClient::open(&host, "2024-11-05");
    sse.send(&call("1", "hold", None));
    let held = host.held();
    drop(sse);
    assert_eq!(cancellation(&held), CancelReason::Session);
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&call("1", "hold", None));
    ws.send(&request("2", "tools/call", &claim(json!({"name": "hold"}))));
    let both = [host.held(), host.held()];
    drop(ws);
    for held in both {
        let reason = cancellation(&held);
        assert!(matches!(reason, CancelReason::Session | CancelReason::Gone), "{reason:?}");
    }
}

#[test]
fn delete_cancels_what_runs_in_the_session() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut quiet = session.post(&call("1", "hold", None));
    let first = host.held();
    let streaming = session.post(&call("2", "hold", Some("2")));
    let second = host.held();
    second.progress(1.0, 0.0, None);
    let mut streaming = streaming.events();
    streaming.json();
    assert_eq!(session.delete().status, 204);
    assert_eq!(cancellation(&first), CancelReason::Session);
    assert_eq!(cancellation(&second), CancelReason::Session);
    assert_eq!(streaming.rest(), Vec::<Value>::new());
    assert!(matches!(quiet.response().status, 202 | 404));
}

/// The passing of time is the subject here.
#[test]
fn a_call_past_its_time_is_answered_as_a_failure_and_cancelled() {
    let limits = Limits { tool_time: Duration::from_millis(50), ..limits() };
    let host = host_with(Options::default(), limits);
    for mut line in Line::each(&host, NEWEST) {
        let answer = line.ask(&call("1", "hold", None));
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert!(text_of(&answer).contains("did not finish within 50 ms"), "{answer}");
        assert_eq!(cancellation(&host.held()), CancelReason::Timeout);
    }
    let (status, answer) = host.modern("1", "tools/call", json!({"name": "hold"})).json();
    assert_eq!((status, &answer["result"]["isError"]), (200, &json!(true)));
    assert_eq!(host.server.stats().calls_timed_out, 4);
}

#[test]
fn stopping_cancels_what_runs() {
    let host = host();
    let _modern = host.modern("1", "tools/call", json!({"name": "hold"}));
    let first = host.held();
    let session = Streamable::open(&host, NEWEST);
    let _legacy = session.post(&call("1", "hold", None));
    let second = host.held();
    host.server.stop().unwrap();
    assert_eq!(cancellation(&first), CancelReason::Shutdown);
    assert_eq!(cancellation(&second), CancelReason::Shutdown);
}

#[test]
fn a_cancellation_is_told_once_and_to_late_listeners_at_once() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let _http = session.post(&call("1", "hold", None));
    let held = host.held();
    let told = watch(&held);
    session.post(&cancelled("1")).response();
    session.post(&cancelled("1")).response();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(CancelReason::Client));
    // The callback is gone, so no second reason can come.
    assert!(told.recv().is_err());
    assert_eq!(watch(&held).recv(), Ok(CancelReason::Client));
    session.delete();
    assert_eq!(held.cancelled(), Some(CancelReason::Client));
}

#[test]
fn an_answered_call_is_never_cancelled() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut http = session.post(&call("1", "hold", None));
    let held = host.held();
    let handle = held.handle();
    let told = watch(&handle);
    assert!(held.reply(ToolResult::text("done")));
    http.json();
    session.post(&cancelled("1")).response();
    session.delete();
    host.server.stop().unwrap();
    assert_eq!(handle.cancelled(), None);
    drop(handle);
    drop(host);
    assert!(told.recv().is_err());
}

#[test]
fn a_cancelled_id_may_be_used_again() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&call("1", "hold", None));
    let held = host.held();
    ws.send(&cancelled("1"));
    assert_eq!(cancellation(&held), CancelReason::Client);
    ws.send(&call("1", "echo", None));
    assert_eq!(text_of(&ws.json()), "{}");
}
