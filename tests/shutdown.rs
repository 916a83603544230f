//! Stopping with everything open: every client gets its ending, and `stop` returns in its time.

mod peer;

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use emcp::{CancelReason, Error, Hooks, Identity, Limits, Options, Server, Tool, ToolFlags};
use peer::*;
use serde_json::{Value, json};

/// One worker, so that a second blocking call waits in the queue.
fn narrow() -> Host {
    let options = Options { workers: 1, ..Options::default() };
    host_with(options, Limits { stop_time: Duration::from_secs(20), ..limits() })
}

#[test]
fn stop_with_everything_open_ends_everything() {
    let host = narrow();
    let (started, start) = channel();
    let started = Mutex::new(started);
    let block = Tool::new("block").unwrap().description("Occupies its worker until cancelled.");
    host.server
        .add_tool(block, move |call| {
            let (told, tell) = channel();
            call.on_cancel(move || {
                let _ = told.send(());
            });
            started.lock().unwrap().send(()).unwrap();
            tell.recv_timeout(PATIENCE).unwrap();
        })
        .unwrap();

    let session = Streamable::open(&host, NEWEST);
    let mut get = session.get(None);
    let mut sse = SseClient::open(&host, "2024-11-05");
    let mut ws = Ws::open(&host, NEWEST);
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut listen = host.modern("1", "subscriptions/listen", filter.clone()).events();
    listen.json();
    ws.send(&request("9", "subscriptions/listen", &claim(filter)));
    ws.json();
    let mut idle = host.http();
    let streaming = session.post(&call("2", "hold", Some("2")));
    let held = host.held();
    held.progress(1.0, 0.0, None);
    let mut streaming = streaming.events();
    streaming.json();
    let mut running = session.post(&call("3", "block", None));
    start.recv_timeout(PATIENCE).unwrap();
    let mut queued = host.modern("4", "tools/call", json!({"name": "block"}));
    sse.send(&call("5", "block", None));
    ws.send(&call("6", "block", None));
    ws.send(&request("7", "ping", &json!({})));
    assert_eq!(ws.json()["id"], 7);

    let begin = Instant::now();
    host.server.stop().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());

    assert_eq!(held.cancelled(), Some(CancelReason::Shutdown));
    assert_eq!(get.rest(), Vec::<Value>::new());
    let last = listen.rest();
    assert_eq!(last.len(), 1, "{last:?}");
    assert_eq!((&last[0]["id"], &last[0]["result"]["resultType"]), (&json!(1), &json!("complete")));
    let key = "io.modelcontextprotocol/subscriptionId";
    assert_eq!(last[0]["result"]["_meta"][key], 1);
    let last = streaming.rest();
    assert_eq!(last.len(), 1, "{last:?}");
    assert_error(&last[0], json!(2), -32603);
    assert_error(&running.json().1, json!(3), -32603);
    assert_error(&queued.json().1, json!(4), -32603);
    let last = sse.events.rest();
    assert_eq!(last.len(), 1, "{last:?}");
    assert_error(&last[0], json!(5), -32603);
    idle.assert_closed();

    let (messages, code) = ws.until_close();
    assert_eq!((messages.len(), code), (3, 1001), "{messages:?}");
    let cancelled = position(&messages, |message| message["method"] == "notifications/cancelled");
    assert_eq!(messages[cancelled]["params"]["requestId"], 9);
    let result = position(&messages, |message| message["id"] == 9);
    assert_eq!(messages[result]["result"]["_meta"][key], 9);
    assert!(cancelled < result, "{messages:?}");
    let failed = position(&messages, |message| message["id"] == 6);
    assert_error(&messages[failed], json!(6), -32603);

    let stats = host.server.stats();
    let open = [
        stats.connections,
        stats.streams,
        stats.sessions,
        stats.listens,
        stats.websockets,
        stats.calls_queued,
    ];
    assert_eq!(open, [0; 6]);
    assert_eq!(stats.panics, 0);
}

#[track_caller]
fn position(messages: &[Value], is_it: impl Fn(&Value) -> bool) -> usize {
    messages.iter().position(is_it).unwrap_or_else(|| panic!("{messages:?}"))
}

#[test]
fn a_tool_that_never_returns_costs_a_thread_and_not_the_stop() {
    let host =
        host_with(Options::default(), Limits { stop_time: Duration::from_millis(100), ..limits() });
    let (started, start) = channel();
    let (release, end) = channel::<()>();
    let (started, end) = (Mutex::new(started), Mutex::new(end));
    let deaf = Tool::new("deaf").unwrap().description("Hears no cancellation.");
    host.server
        .add_tool(deaf, move |_call| {
            started.lock().unwrap().send(()).unwrap();
            let _ = end.lock().unwrap().recv();
        })
        .unwrap();
    let mut http = host.modern("1", "tools/call", json!({"name": "deaf"}));
    start.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(host.server.stop(), Err(Error::TimedOut(_))));
    assert_error(&http.json().1, json!(1), -32603);
    assert_eq!(host.server.stats().calls_overrun, 1);
    drop(release);
}

#[test]
fn an_inline_tool_that_never_returns_holds_no_worker() {
    let identity = Identity { name: "t".into(), version: "1".into(), ..Identity::default() };
    let options = Options { workers: 3, ..Options::default() };
    let limits = Limits { stop_time: Duration::from_millis(100), ..limits() };
    let server = Server::new(identity, options, limits).unwrap();
    let (ended, ends) = channel();
    let ended = Mutex::new(ended);
    let thread_stop = move |name: &str| ended.lock().unwrap().send(name.to_owned()).unwrap();
    server
        .set_hooks(Hooks { thread_stop: Some(Box::new(thread_stop)), ..Hooks::default() })
        .unwrap();
    let (started, start) = channel();
    let (release, end) = channel::<()>();
    let (started, end) = (Mutex::new(started), Mutex::new(end));
    let flags = ToolFlags { inline: true, ..ToolFlags::default() };
    server
        .add_tool(Tool::new("deaf").unwrap().flags(flags), move |_call| {
            started.lock().unwrap().send(()).unwrap();
            let _ = end.lock().unwrap().recv();
        })
        .unwrap();
    server.listen("tcp:127.0.0.1:0").unwrap();
    server.start().unwrap();
    let mut http = Http::connect(&server.addresses()[0]);
    http.post("/mcp", &[ACCEPT], &initialize("0", NEWEST));
    let session = http.response().header("mcp-session-id").unwrap().to_owned();
    http.post("/mcp", &[ACCEPT, ("Mcp-Session-Id", &session)], &call("1", "deaf", None));
    start.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(server.stop(), Err(Error::TimedOut(_))));
    let mut names: Vec<String> = ends.try_iter().collect();
    names.sort();
    assert_eq!(names, ["emcp-w0", "emcp-w1", "emcp-w2"]);
    drop(release);
}

#[test]
fn stop_is_refused_from_inside_a_call() {
    // Its own server would be stopped by its own call, so the call is given a weak hold of it.
    let host = std::sync::Arc::new(host());
    let weak = std::sync::Arc::downgrade(&host);
    let suicidal = Tool::new("stop").unwrap().description("Tries to stop its server.");
    host.server
        .add_tool(suicidal, move |call| {
            let refused = weak.upgrade().is_some_and(|host| {
                matches!(host.server.stop(), Err(Error::Busy(_)))
                    && matches!(host.server.drain(Duration::ZERO), Err(Error::Busy(_)))
            });
            call.reply(emcp::ToolResult::text(refused.to_string()));
        })
        .unwrap();
    let (_, answer) = host.modern("1", "tools/call", json!({"name": "stop"})).json();
    assert_eq!(text_of(&answer), "true");
}

#[test]
fn a_drain_lets_running_calls_finish_and_takes_no_new_ones() {
    let host = host();
    let session = Streamable::open(&host, NEWEST);
    let mut get = session.get(None);
    let mut ws = Ws::open(&host, NEWEST);
    let mut running = session.post(&call("1", "hold", None));
    let held = host.held();
    assert!(!host.server.drain(Duration::from_millis(10)).unwrap());
    // The open WebSocket still speaks, but no call starts.
    ws.send(&call("2", "echo", None));
    let refused = ws.json();
    assert_eq!((&refused["id"], &refused["result"]["isError"]), (&json!(2), &json!(true)));
    held.reply(emcp::ToolResult::text("done"));
    assert_eq!(text_of(&running.json().1), "done");
    let drained = std::thread::scope(|scope| {
        let drain = scope.spawn(|| host.server.drain(PATIENCE).unwrap());
        assert_eq!(get.rest(), Vec::<Value>::new());
        ws.assert_closes(1001);
        drop(ws);
        drain.join().unwrap()
    });
    assert!(drained);
}

#[test]
fn a_stopped_server_can_start_again() {
    let host = host();
    host.server.stop().unwrap();
    host.server.stop().unwrap();
    host.server.start().unwrap();
    assert!(matches!(host.server.start(), Err(Error::State(_))));
    host.server.stop().unwrap();
}
