//! Server-sent events of the legacy revisions: HTTP+SSE, the standalone stream, resumption,
//! polling, keep-alive comments.

mod peer;

use std::time::Duration;

use emcp::{Level, Limits, Options, ToolResult};
use peer::*;
use serde_json::{Value, json};

fn ping(id: &str) -> String {
    request(id, "ping", &json!({}))
}

#[test]
fn http_sse_names_a_relative_endpoint_first_and_answers_on_the_stream() {
    let host = host();
    for path in ["/mcp", "/mcp/", "/sse"] {
        let mut client = SseClient::begin(&host, path);
        assert!(client.endpoint.starts_with('/'), "{}", client.endpoint);
        assert!(client.endpoint.contains("?sessionId="), "{}", client.endpoint);
        client.send(&initialize("1", "2024-11-05"));
        let first = client.events.message();
        assert_eq!(first.json()["result"]["protocolVersion"], "2024-11-05");
        // It cannot be resumed, so its events have no ids.
        assert_eq!(first.id, None);
        client.send(&ping("2"));
        assert_eq!(client.events.json(), json!({"jsonrpc": "2.0", "id": 2, "result": {}}));
        client.send("{");
        assert_error(&client.events.json(), Value::Null, -32700);
    }
}

#[test]
fn http_sse_also_takes_the_spelling_of_the_python_sdk() {
    let host = host();
    let mut client = SseClient::begin(&host, "/sse");
    client.endpoint = client.endpoint.replace("sessionId", "session_id");
    client.send(&ping("1"));
    assert_eq!(client.events.json()["id"], 1);
}

#[test]
fn closing_an_http_sse_stream_ends_its_session() {
    let host = host();
    let SseClient { events, endpoint, .. } = SseClient::open(&host, "2024-11-05");
    let gone = |endpoint: &str| {
        let mut http = host.http();
        http.post(endpoint, &[ACCEPT], &ping("1"));
        http.response().status == 404
    };
    assert!(!gone(&endpoint));
    drop(events);
    wait_until(|| gone(&endpoint));
    assert!(gone("/mcp?sessionId=unknown"));
}

#[test]
fn http_sse_and_streamable_sessions_do_not_mix() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut http = host.http();
    http.post(&format!("/mcp?sessionId={}", session.id), &[ACCEPT], &ping("1"));
    assert_eq!(http.response().status, 404);
    let sse = SseClient::open(&host, NEWEST);
    let id = sse.endpoint.split_once('=').unwrap().1;
    let borrowed = host.post(&[ACCEPT, ("Mcp-Session-Id", id)], &ping("1")).response();
    assert_eq!(borrowed.status, 404);
}

#[test]
fn a_host_may_switch_http_sse_off() {
    let host = host_with(Options { legacy_sse: false, ..Options::default() }, limits());
    let response = host.bare("GET", "/mcp", &[("Accept", "text/event-stream")]).response();
    assert_eq!(response.status, 405);
    assert!(response.header("allow").is_some());
}

#[test]
fn an_answer_that_comes_first_is_json_and_a_notification_makes_a_stream() {
    let host = host();
    for version in LEGACY {
        let session = Streamable::open(&host, version);
        let mut http = session.post(&call("1", "hold", Some("1")));
        host.held().reply(ToolResult::text("done"));
        assert_eq!(text_of(&http.json().1), "done");

        let http = session.post(&call("2", "hold", Some("1")));
        let held = host.held();
        held.log(Level::Error, None, "1");
        let mut events = http.events();
        assert_eq!(events.json()["method"], "notifications/message");
        held.reply(ToolResult::text("done"));
        assert_eq!(events.rest().len(), 1);
    }
}

#[test]
fn only_2025_11_25_primes_its_streams() {
    let host = host();
    for version in &LEGACY[1..] {
        let session = Streamable::open(&host, version);
        let http = session.post(&call("1", "hold", Some("1")));
        let held = host.held();
        held.progress(1.0, 0.0, None);
        let first = http.events().next_event().unwrap();
        let standalone = session.get(None);
        if *version == NEWEST {
            assert!(first.id.is_some() && first.retry.is_some(), "{first:?}");
            assert_eq!((first.event, first.data.as_deref()), (None, Some("")));
            let mut standalone = standalone;
            let first = standalone.next_event().unwrap();
            assert!(first.id.is_some() && first.data.as_deref() == Some(""), "{first:?}");
        } else {
            assert_eq!(first.json()["method"], "notifications/progress", "{version}");
            assert!(first.id.is_some() && first.retry.is_none(), "{first:?}");
        }
    }
}

/// The stream of one call, cut by its client after the first progress.
fn cut(host: &Host, session: &Streamable<'_>, id: &str) -> (emcp::Call, String) {
    let http = session.post(&call(id, "hold", Some(id)));
    let held = host.held();
    held.progress(1.0, 0.0, None);
    let last = http.events().message().id.unwrap();
    (held, last)
}

#[test]
fn a_cut_stream_resumes_with_what_was_missed_and_nothing_else() {
    let host = host();
    for version in &LEGACY[1..] {
        let session = Streamable::open(&host, version);
        let (one, last_of_one) = cut(&host, &session, "1");
        let (two, _) = cut(&host, &session, "2");
        two.progress(2.0, 0.0, None);
        one.progress(2.0, 0.0, None);
        host.server.log(Level::Error, None, "\"for the standalone stream\"");
        one.progress(3.0, 0.0, None);
        let mut events = session.get(Some(&last_of_one));
        let missed = [events.message(), events.message()];
        let progress = missed.each_ref().map(|event| event.json()["params"]["progress"].as_f64());
        assert_eq!(progress, [Some(2.0), Some(3.0)]);
        // What comes after the return follows on the same connection.
        two.reply(ToolResult::text("two"));
        one.progress(4.0, 0.0, None);
        one.reply(ToolResult::text("one"));
        let rest = events.rest();
        assert_eq!(rest.len(), 2, "{version}: {rest:?}");
        assert_eq!(rest[0]["params"]["progress"].as_f64(), Some(4.0));
        assert_eq!((&rest[1]["id"], text_of(&rest[1])), (&json!(1), "one"));
        // A second return gets exactly what follows the event that it names.
        let mut again = session.get(missed[1].id.as_deref());
        let ids = [again.message(), again.message()].map(|event| event.id.unwrap());
        assert_eq!(again.next_event(), None);
        let mut last = session.get(Some(&ids[0]));
        assert_eq!(text_of(&last.json()), "one");
        assert_eq!(last.next_event(), None);
    }
}

#[test]
fn an_answer_given_while_nobody_listened_waits_for_the_return() {
    let host = host();
    let session = Streamable::open(&host, "2025-06-18");
    let (held, last) = cut(&host, &session, "1");
    wait_until(|| host.server.stats().streams == 0);
    held.reply(ToolResult::text("done"));
    let mut events = session.get(Some(&last));
    assert_eq!(text_of(&events.json()), "done");
    assert_eq!(events.next_event(), None);
}

/// Regression: a stream that the client forced began with an id from which nothing came back.
#[test]
fn a_forced_stream_can_be_resumed_from_its_first_event() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut http = host.http();
    http.post("/mcp?transport=sse", &session.headers(), &call("1", "echo", None));
    let mut events = http.events();
    let primed = events.next_event().unwrap();
    assert_eq!(primed.data.as_deref(), Some(""));
    assert_eq!(events.rest().len(), 1);
    let mut again = session.get(primed.id.as_deref());
    assert_eq!(again.json()["id"], 1);
    assert_eq!(again.next_event(), None);
}

#[test]
fn another_session_cannot_resume_the_stream() {
    let host = host();
    let owner = Streamable::open(&host, NEWEST);
    let (held, last) = cut(&host, &owner, "1");
    held.progress(2.0, 0.0, None);
    let stranger = Streamable::open(&host, NEWEST);
    let mut headers = stranger.headers();
    headers.push(("Last-Event-ID", &last));
    assert_eq!(host.bare("GET", "/mcp", &headers).response().status, 400);
    held.reply(ToolResult::text("secret"));
}

#[test]
fn a_tool_may_close_the_connection_and_answer_on_the_return() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let http = session.post(&call("1", "hold", Some("1")));
    let held = host.held();
    assert!(held.disconnect(Duration::from_millis(70)));
    let mut events = http.events();
    let all: Vec<Event> = std::iter::from_fn(|| events.next_event()).collect();
    let last = all.last().unwrap();
    assert_eq!((last.retry.as_deref(), last.data.as_deref()), (Some("70"), Some("")));
    held.progress(1.0, 0.0, None);
    let mut events = session.get(last.id.as_deref());
    assert_eq!(events.json()["method"], "notifications/progress");
    held.reply(ToolResult::text("done"));
    assert_eq!(text_of(&events.json()), "done");
    assert_eq!(events.next_event(), None);
}

#[test]
fn only_streams_of_2025_11_25_can_be_closed_and_kept() {
    let host = host();
    let older = Streamable::open(&host, "2025-06-18");
    let _older = older.post(&call("1", "hold", None));
    assert!(!host.held().disconnect(Duration::ZERO));
    let _modern = host.modern("1", "tools/call", json!({"name": "hold"}));
    assert!(!host.held().disconnect(Duration::ZERO));
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&call("1", "hold", None));
    assert!(!host.held().disconnect(Duration::ZERO));
}

#[test]
fn a_second_standalone_stream_takes_over_from_the_first() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut first = session.get(None);
    host.server.log(Level::Error, None, "1");
    assert_eq!(first.json()["params"]["data"], 1);
    let mut second = session.get(None);
    assert_eq!(first.rest(), Vec::<Value>::new());
    host.server.log(Level::Error, None, "2");
    assert_eq!(second.json()["params"]["data"], 2);
}

#[test]
fn a_cut_standalone_stream_resumes_too() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut first = session.get(None);
    host.server.log(Level::Error, None, "1");
    let last = first.message().id.unwrap();
    drop(first);
    wait_until(|| host.server.stats().streams == 0);
    host.server.log(Level::Error, None, "2");
    let mut events = session.get(Some(&last));
    assert_eq!(events.json()["params"]["data"], 2);
    host.server.log(Level::Error, None, "3");
    assert_eq!(events.json()["params"]["data"], 3);
}

#[test]
fn setting_a_level_filters_what_a_session_hears() {
    let host = host();
    for version in LEGACY {
        for mut line in Line::each(&host, version) {
            let level = |level: &str| request("1", "logging/setLevel", &json!({"level": level}));
            assert_error(&line.ask(&level("loud")), json!(1), -32602);
            assert_eq!(
                line.send(&level("warning")).text(),
                r#"{"jsonrpc":"2.0","id":1,"result":{}}"#
            );
            let mut incoming = line.send(&call("2", "hold", None));
            let held = host.held();
            held.log(Level::Notice, None, "1");
            held.log(Level::Warning, Some("disk"), "2");
            held.reply(ToolResult::text("done"));
            let expected = json!({"level": "warning", "logger": "disk", "data": 2});
            assert_eq!(incoming.json()["params"], expected);
            assert_eq!(text_of(&incoming.json()), "done");
        }
    }
}

#[test]
fn progress_carries_the_token_as_it_was_sent_and_only_grows() {
    let host = host();
    for token in ["7", r#""7""#, "9007199254740993", "1.5"] {
        for mut line in Line::each(&host, NEWEST) {
            let mut incoming = line.send(&call("1", "hold", Some(token)));
            let held = host.held();
            for done in [1.0, 1.0, 0.5, f64::NAN, 2.0] {
                assert!(held.progress(done, 4.0, Some("going")));
            }
            held.reply(ToolResult::text("done"));
            for done in ["1", "2"] {
                let text = incoming.text();
                assert!(
                    text.contains(&format!(r#""progressToken":{token},"progress":{done},"#)),
                    "{text}"
                );
                assert_eq!(parse(&text)["params"]["message"], "going");
            }
            assert_eq!(text_of(&incoming.json()), "done");
        }
    }
}

#[test]
fn nobody_gets_progress_who_did_not_ask() {
    let host = host();
    for mut line in Line::each(&host, NEWEST) {
        let mut incoming = line.send(&call("1", "hold", None));
        let held = host.held();
        assert!(held.progress(1.0, 2.0, None));
        held.reply(ToolResult::text("done"));
        assert_eq!(text_of(&incoming.json()), "done");
    }
}

#[test]
fn nothing_follows_an_answer() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&call("1", "hold", Some("1")));
    let held = host.held();
    let handle = held.handle();
    held.reply(ToolResult::text("done"));
    assert!(!handle.progress(1.0, 0.0, None));
    assert!(!handle.log(Level::Error, None, "1"));
    assert_eq!(text_of(&ws.json()), "done");
    ws.send(&ping("2"));
    assert_eq!(ws.json()["id"], 2);
}

/// The passing of time is the subject here.
#[test]
fn every_silent_stream_is_kept_alive_by_comments() {
    let limits = Limits { keepalive_time: Duration::from_millis(20), ..limits() };
    let host = host_with(Options::default(), limits);
    let session = Streamable::open(&host, NEWEST);
    let sse = SseClient::open(&host, NEWEST);
    let filter = json!({"notifications": {}});
    let listen = host.modern("1", "subscriptions/listen", filter).events();
    // A call that keeps silent becomes a stream for the comments' sake.
    let calling = session.post(&call("2", "hold", None)).events();
    let modern = host.modern("3", "tools/call", json!({"name": "hold"})).events();
    for mut events in [session.get(None), sse.events, listen, calling, modern] {
        for _ in 0..2 {
            while events.next_event().unwrap().comment.is_none() {}
        }
    }
}
