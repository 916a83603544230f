//! Cancellations that meet the call too early, too late, twice or at the wrong peer, in both eras.

mod peer;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use emcp::{CancelReason, Options, Tool, ToolResult};
use peer::*;
use serde_json::{Value, json};

/// Chances given to each race; no outcome of one is wrong by itself.
const ROUNDS: usize = 20;

fn cancelled(id: &Value) -> String {
    notification("notifications/cancelled", &json!({"requestId": id}))
}

fn ping(id: &str) -> String {
    request(id, "ping", &json!({}))
}

fn modern_call(id: &str, tool: &str) -> String {
    request(id, "tools/call", &claim(json!({"name": tool})))
}

fn modern_cancelled(id: &Value) -> String {
    notification("notifications/cancelled", &claim(json!({"requestId": id})))
}

/// What a modern client can ask to learn that everything before has been read.
fn modern_ping(id: &str) -> String {
    request(id, "tools/list", &claim(json!({})))
}

/// A host with one worker, which a call of `block` occupies until the test lets it go.
struct Narrow {
    host: Host,
    started: Receiver<()>,
    release: Sender<()>,
    /// Calls of `probe` that have run.
    probed: Arc<AtomicUsize>,
}

impl Narrow {
    fn new() -> Narrow {
        let host = host_with(Options { workers: 1, ..Options::default() }, limits());
        let (tell_start, started) = channel();
        let (release, wait) = channel::<()>();
        let gate = Mutex::new((tell_start, wait));
        let block = Tool::new("block").unwrap().description("Occupies its worker.");
        let add = host.server.add_tool(block, move |call| {
            let (tell_start, wait) = &*gate.lock().unwrap();
            tell_start.send(()).unwrap();
            wait.recv_timeout(PATIENCE).unwrap();
            call.reply(ToolResult::text("released"));
        });
        add.unwrap();
        let probed = Arc::new(AtomicUsize::new(0));
        let count = probed.clone();
        let probe = Tool::new("probe").unwrap().description("Counts its calls.");
        let add = host.server.add_tool(probe, move |call| {
            count.fetch_add(1, SeqCst);
            call.reply(ToolResult::text("probed"));
        });
        add.unwrap();
        Narrow { host, started, release, probed }
    }

    fn wait_started(&self) {
        self.started.recv_timeout(PATIENCE).expect("block has not started");
    }

    fn wait_queued(&self) {
        wait_until(|| self.host.server.stats().calls_queued == 1);
    }

    fn release(&self) {
        self.release.send(()).unwrap();
    }
}

#[test]
fn a_legacy_call_cancelled_before_it_starts_never_runs() {
    let narrow = Narrow::new();
    let session = Streamable::open(&narrow.host, NEWEST);
    let mut blocking = session.post(&call("1", "block", None));
    narrow.wait_started();
    let mut probing = session.post(&call("2", "probe", None));
    narrow.wait_queued();
    assert_eq!(session.post(&cancelled(&json!(2))).response().status, 202);
    narrow.release();
    assert_eq!(text_of(&blocking.json().1), "released");
    let response = probing.response();
    assert_eq!((response.status, &*response.body), (202, &b""[..]));
    for mut line in [
        Line::Sse(SseClient::open(&narrow.host, "2024-11-05")),
        Line::Ws(Ws::open(&narrow.host, NEWEST)),
    ] {
        line.tell(&call("1", "block", None));
        narrow.wait_started();
        line.tell(&call("2", "probe", None));
        narrow.wait_queued();
        line.tell(&cancelled(&json!(2)));
        // Answered, so the cancellation has been read.
        assert_eq!(line.ask(&ping("3"))["id"], 3);
        narrow.release();
        // The one worker runs the calls in order, and the second is never heard of.
        let mut incoming = line.send(&call("4", "echo", None));
        assert_eq!(text_of(&incoming.json()), "released");
        assert_eq!(incoming.json()["id"], 4);
    }
    assert_eq!(narrow.probed.load(SeqCst), 0);
}

#[test]
fn a_modern_call_cancelled_before_it_starts_never_runs() {
    let narrow = Narrow::new();
    let mut ws = Ws::connect(&narrow.host);
    ws.send(&modern_call("1", "block"));
    narrow.wait_started();
    ws.send(&modern_call("2", "probe"));
    narrow.wait_queued();
    ws.send(&modern_cancelled(&json!(2)));
    ws.send(&modern_ping("3"));
    assert_eq!(ws.json()["id"], 3);
    narrow.release();
    ws.send(&modern_call("4", "echo"));
    assert_eq!(text_of(&ws.json()), "released");
    assert_eq!(ws.json()["id"], 4);

    let mut blocking = narrow.host.modern("1", "tools/call", json!({"name": "block"}));
    narrow.wait_started();
    let probing = narrow.host.modern("2", "tools/call", json!({"name": "probe"}));
    narrow.wait_queued();
    let cancelled_before = narrow.host.server.stats().calls_cancelled;
    drop(probing);
    wait_until(|| narrow.host.server.stats().calls_cancelled > cancelled_before);
    narrow.release();
    assert_eq!(text_of(&blocking.json().1), "released");
    assert_eq!(narrow.host.modern("3", "tools/call", json!({"name": "echo"})).json().0, 200);
    assert_eq!(narrow.probed.load(SeqCst), 0);
}

/// Whatever comes first, the tool is told whether its answer counts, and is told the truth.
#[test]
fn an_answer_and_a_cancellation_at_once_agree_on_who_won() {
    let host = host();
    for _ in 0..ROUNDS {
        let session = Streamable::open(&host, NEWEST);
        let mut http = session.post(&call("1", "hold", None));
        let held = host.held();
        let replying = thread::spawn(move || held.reply(ToolResult::text("done")));
        session.post(&cancelled(&json!(1))).response();
        let counted = replying.join().unwrap();
        assert_eq!(http.response().status, if counted { 200 } else { 202 });
    }
    for mut line in [Line::Sse(SseClient::open(&host, NEWEST)), Line::Ws(Ws::open(&host, NEWEST))] {
        for _ in 0..ROUNDS {
            line.tell(&call("1", "hold", None));
            let held = host.held();
            let replying = thread::spawn(move || held.reply(ToolResult::text("done")));
            line.tell(&cancelled(&json!(1)));
            let counted = replying.join().unwrap();
            let mut incoming = line.send(&ping("2"));
            if counted {
                assert_eq!(text_of(&incoming.json()), "done");
            }
            assert_eq!(incoming.json()["id"], 2);
        }
    }
    let mut ws = Ws::connect(&host);
    for _ in 0..ROUNDS {
        ws.send(&modern_call("1", "hold"));
        let held = host.held();
        let replying = thread::spawn(move || held.reply(ToolResult::text("done")));
        ws.send(&modern_cancelled(&json!(1)));
        let counted = replying.join().unwrap();
        ws.send(&modern_ping("2"));
        if counted {
            assert_eq!(text_of(&ws.json()), "done");
        }
        assert_eq!(ws.json()["id"], 2);
    }
}

/// The tool may have begun or not when the cancellation is read.
#[test]
fn a_call_that_arrives_with_its_cancellations_is_not_answered() {
    let host = host();
    let mut legacy = Ws::open(&host, NEWEST);
    let mut modern = Ws::connect(&host);
    for round in 0..ROUNDS {
        let id = json!(format!("round {round}"));
        let again = cancelled(&id);
        let messages = [call(&id.to_string(), "hold", None), again.clone(), again, ping("1")];
        legacy.send_all(&messages);
        assert_eq!(legacy.json()["id"], 1);
        let again = modern_cancelled(&id);
        let call = modern_call(&id.to_string(), "hold");
        modern.send_all(&[call, again.clone(), again, modern_ping("1")]);
        assert_eq!(modern.json()["id"], 1);
    }
}

#[test]
fn a_quick_call_that_arrives_with_its_cancellations_is_answered_once_at_most() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    for _ in 0..ROUNDS {
        let again = cancelled(&json!(1));
        ws.send_all(&[call("1", "echo", None), again.clone(), again, ping("2")]);
        // The call has ended, so its id is free and its answer is on the way or given up.
        let first = ws.json();
        if first["id"] != 2 {
            assert_eq!(first["id"], 1);
            assert_eq!(ws.json()["id"], 2);
        }
    }
    ws.send(&ping("3"));
    assert_eq!(ws.json()["id"], 3);
}

#[test]
fn the_number_and_the_text_are_two_ids() {
    let host = host();
    for mut line in Line::each(&host, NEWEST) {
        if matches!(line, Line::Streamable(_)) {
            continue;
        }
        line.tell(&call("1", "hold", None));
        let held = host.held();
        line.tell(&cancelled(&json!("1")));
        assert_eq!(line.ask(&ping("2"))["id"], 2);
        assert_eq!(held.cancelled(), None, "{}", line.name());
        line.tell(&cancelled(&json!(1)));
        assert_eq!(cancellation(&held), CancelReason::Client);
    }
    let session = Streamable::open(&host, NEWEST);
    let _http = session.post(&call("1", "hold", None));
    let held = host.held();
    session.post(&cancelled(&json!("1"))).response();
    assert_eq!(held.cancelled(), None);
    session.post(&cancelled(&json!(1))).response();
    assert_eq!(cancellation(&held), CancelReason::Client);
}

#[test]
fn nobody_else_can_cancel_a_modern_call() {
    let host = host();
    let mut owner = Ws::connect(&host);
    owner.send(&modern_call("1", "hold"));
    let on_socket = host.held();
    let mut http = host.modern("1", "tools/call", json!({"name": "hold"}));
    let on_http = host.held();
    for mut stranger in Line::each(&host, NEWEST) {
        stranger.tell(&cancelled(&json!(1)));
        stranger.ask(&ping("2"));
    }
    let mut stranger = Ws::connect(&host);
    stranger.send(&modern_cancelled(&json!(1)));
    stranger.send(&modern_ping("2"));
    assert_eq!(stranger.json()["id"], 2);
    let headers = [ACCEPT, ("MCP-Protocol-Version", MODERN)];
    assert_eq!(host.post(&headers, &modern_cancelled(&json!(1))).response().status, 202);
    assert_eq!((on_socket.cancelled(), on_http.cancelled()), (None, None));
    on_socket.reply(ToolResult::text("socket"));
    on_http.reply(ToolResult::text("http"));
    assert_eq!(text_of(&owner.json()), "socket");
    assert_eq!(text_of(&http.json().1), "http");
}

/// Also not when the id is that of a call in the other session.
#[test]
fn a_cancellation_ends_the_call_of_its_own_session_only() {
    let host = host();
    let first = Streamable::open(&host, NEWEST);
    let second = Streamable::open(&host, NEWEST);
    let mut kept = first.post(&call("1", "hold", None));
    let kept_call = host.held();
    let mut given_up = second.post(&call("1", "hold", None));
    let given_up_call = host.held();
    second.post(&cancelled(&json!(1))).response();
    assert_eq!(cancellation(&given_up_call), CancelReason::Client);
    assert_eq!(kept_call.cancelled(), None);
    assert_eq!(given_up.response().status, 202);
    kept_call.reply(ToolResult::text("done"));
    assert_eq!(text_of(&kept.json().1), "done");
}
