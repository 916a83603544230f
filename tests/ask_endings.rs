//! A call whose question is under way ends in every way that a call can end, once, and leaves
//! nothing behind.

mod peer;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emcp::{
    Call, CallHandle, CancelReason, Hooks, Limits, Need, Options, Outcome, Question, Tool,
    ToolResult,
};
use peer::*;
use serde_json::{Value, json};

/// A server with a tool `ask`, and what the tool has to tell.
struct Asking {
    host: Host,
    handles: Mutex<Receiver<CallHandle>>,
    answers: Mutex<Receiver<String>>,
    /// The call that has asked last.
    last: Arc<Mutex<Option<CallHandle>>>,
}

struct Told {
    handles: Sender<CallHandle>,
    answers: Sender<String>,
    last: Arc<Mutex<Option<CallHandle>>>,
}

fn question() -> Question {
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
    Question::form("How many?", schema).unwrap()
}

fn yes() -> Answer {
    Ok(accept(json!({ "n": 1 })))
}

fn asking(limits: Limits) -> Asking {
    asking_on(|| host_with(Options::default(), limits))
}

fn asking_on(host: impl FnOnce() -> Host) -> Asking {
    let host = host();
    let (handles, handles_told) = channel();
    let (answers, answers_told) = channel();
    let last: Arc<Mutex<Option<CallHandle>>> = Arc::default();
    let told = Mutex::new(Told { handles, answers, last: last.clone() });
    let tool = Tool::new("ask").unwrap().description("Asks.");
    host.server.add_tool(tool, move |call| ask(call, &told.lock().unwrap())).unwrap();
    Asking { host, handles: Mutex::new(handles_told), answers: Mutex::new(answers_told), last }
}

// The test may have seen enough, so what cannot be told is not.
fn ask(call: Call, told: &Told) {
    match call.need("n", question()) {
        Ok(Need::Answered(json)) => {
            let _ = told.answers.send(json.to_string());
            call.reply(ToolResult::text("answered"));
        }
        Ok(Need::Asked) => {
            // Not asked for any more once the round is over: see `hostile_dialogues.rs`.
            call.on_cancel(|| unreachable!("the function has returned"));
            *told.last.lock().unwrap() = Some(call.handle());
            let _ = told.handles.send(call.handle());
            call.ask();
        }
        Err(error) => {
            call.fail(error.to_string());
        }
    }
}

impl Asking {
    fn handle(&self) -> CallHandle {
        self.handles.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    /// Why the call that has asked last was cancelled.
    fn reason(&self) -> CancelReason {
        let last = self.last.lock().unwrap().clone().unwrap();
        wait_until(|| last.cancelled().is_some());
        last.cancelled().unwrap()
    }

    fn assert_unanswered(&self) {
        assert_eq!(self.answers.lock().unwrap().try_recv().ok(), None);
    }

    /// Nothing of any call is left.
    #[track_caller]
    fn assert_no_call(&self) {
        wait_until(|| {
            let stats = self.host.server.stats();
            (stats.calls, stats.calls_queued, stats.calls_overrun) == (0, 0, 0)
        });
    }

    /// Nothing at all is left.
    #[track_caller]
    fn assert_nothing(&self) {
        self.assert_no_call();
        wait_until(|| {
            let stats = self.host.server.stats();
            let peers = [stats.connections, stats.streams, stats.websockets, stats.sessions];
            peers == [0; 4] && (stats.listens, stats.held_bytes) == (0, 0)
        });
        assert_eq!(self.host.server.stats().panics, 0);
    }
}

/// Begins a call of `ask` and reads its question; returns the id of the question too.
#[track_caller]
fn begin(client: &mut Talker<'_>, id: u64) -> (Posted, Value) {
    let mut posted = client.begin(&call(&id.to_string(), "ask", None));
    let question = client.next(&mut posted);
    assert_eq!(question["method"], "elicitation/create", "{question}");
    (posted, question["id"].clone())
}

#[track_caller]
fn assert_withdrawn(message: &Value, id: &Value) {
    assert_eq!(message["method"], "notifications/cancelled", "{message}");
    assert_eq!(message["params"]["requestId"], *id, "{message}");
}

/// A request and its answer, to show that the client is still served.
#[track_caller]
fn assert_served(client: &mut Talker<'_>) {
    let mut posted = client.begin(&request("\"ping\"", "ping", &json!({})));
    assert_eq!(client.next(&mut posted), json!({ "jsonrpc": "2.0", "id": "ping", "result": {} }));
}

#[test]
fn a_client_that_leaves_its_only_stream_ends_the_call() {
    let asking = asking(limits());
    let clients = [
        Talker::Sse(SseClient::open_with(&asking.host, NEWEST, &form())),
        Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form())),
    ];
    for mut client in clients {
        begin(&mut client, 1);
        let handle = asking.handle();
        assert!(!handle.is_ended());
        drop(client);
        assert_eq!(asking.reason(), CancelReason::Session);
        assert!(handle.is_ended());
    }
    asking.assert_nothing();
    asking.assert_unanswered();
}

#[test]
fn a_cut_stream_is_resumed_with_its_question() {
    let asking = asking(limits());
    let session = Streamable::open_with(&asking.host, NEWEST, &form());
    let mut events = session.post(&call("1", "ask", None)).events();
    let primed = events.next_event().unwrap().id.unwrap();
    events.json();
    let handle = asking.handle();
    drop(events);
    // The question is in what was missed; it may have been read or not.
    let mut events = session.get(Some(&primed));
    let question = events.json();
    assert_eq!(question["method"], "elicitation/create");
    assert!(!handle.is_ended());
    session.tell(&response(&question["id"], &yes()));
    assert_eq!(text_of(&events.json()), "answered");
    assert_eq!(events.rest(), Vec::<Value>::new());
    drop(events);
    assert_eq!(session.delete().status, 204);
    asking.assert_nothing();
}

#[test]
fn the_end_of_a_session_ends_its_questions() {
    let asking = asking(limits());
    let session = Streamable::open_with(&asking.host, NEWEST, &form());
    let mut events = session.post(&call("1", "ask", None)).events();
    let question = events.json();
    assert_eq!(session.delete().status, 204);
    assert_eq!(asking.reason(), CancelReason::Session);
    // Withdrawn, and no answer: the client has said that it needs none.
    let rest = events.rest();
    assert!(rest.len() <= 1, "{rest:?}");
    rest.iter().for_each(|message| assert_withdrawn(message, &question["id"]));
    assert_eq!(session.post(&response(&question["id"], &yes())).response().status, 404);
    drop(events);
    asking.assert_nothing();
    asking.assert_unanswered();
}

#[test]
fn a_cancelled_call_withdraws_its_question() {
    let asking = asking(limits());
    for mut client in Talker::each_legacy(&asking.host, &form()) {
        let (posted, id) = begin(&mut client, 1);
        client.tell(&notification("notifications/cancelled", &json!({ "requestId": 1 })));
        assert_eq!(asking.reason(), CancelReason::Client, "{}", client.name());
        match &client {
            Talker::Streamable(_) => {
                let rest = posted.events().rest();
                assert_eq!(rest.len(), 1, "{rest:?}");
                assert_withdrawn(&rest[0], &id);
            }
            _ => assert_withdrawn(&client.next(&mut Posted::Elsewhere), &id),
        }
        // It crossed the cancellation.
        client.tell(&response(&id, &yes()));
        assert_served(&mut client);
        asking.assert_no_call();
    }
    asking.assert_unanswered();
    assert_eq!(asking.host.server.stats().calls_cancelled, 3);
}

#[test]
fn a_question_has_its_time() {
    let asking = asking(Limits { ask_time: Duration::from_millis(250), ..limits() });
    for mut client in Talker::each_legacy(&asking.host, &form()) {
        let (mut posted, id) = begin(&mut client, 1);
        assert_withdrawn(&client.next(&mut posted), &id);
        let reply = client.next(&mut posted);
        assert_eq!(text_of(&reply), "ask had a question that was not answered in time");
        assert_eq!(reply["result"]["isError"], true);
        assert_eq!(asking.reason(), CancelReason::Timeout);
        client.tell(&response(&id, &yes()));
        assert_served(&mut client);
        asking.assert_no_call();
    }
    asking.assert_unanswered();
    assert_eq!(asking.host.server.stats().calls_timed_out, 3);
}

/// Regression: the word that an answer is not needed any more went to a stream that the client did
/// not read.
#[test]
fn a_question_is_withdrawn_where_it_was_asked() {
    let asking = asking(Limits { ask_time: Duration::from_millis(250), ..limits() });
    let session = Streamable::open_with(&asking.host, NEWEST, &form());
    let mut events = session.get(None);
    let mut headers = session.headers();
    headers[0] = ("Accept", "application/json");
    let mut http = asking.host.post(&headers, &call("1", "ask", None));
    let question = events.json();
    assert_withdrawn(&events.json(), &question["id"]);
    let (_, reply) = http.json();
    assert_eq!(text_of(&reply), "ask had a question that was not answered in time");
}

#[test]
fn the_answer_gives_the_function_its_own_time_again() {
    let limits = Limits { ask_time: Duration::from_secs(3600), ..limits() };
    let tool_time = limits.tool_time;
    let asking = asking(limits);
    let mut client = Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form()));
    let (mut posted, id) = begin(&mut client, 1);
    let handle = asking.handle();
    let rest = || handle.deadline().saturating_duration_since(std::time::Instant::now());
    assert!(rest() > tool_time, "{:?}", rest());
    client.tell(&response(&id, &yes()));
    assert_eq!(text_of(&client.next(&mut posted)), "answered");
    assert!(rest() <= tool_time);
}

#[test]
fn a_stopping_server_withdraws_its_questions() {
    let asking = asking(limits());
    let mut clients = Talker::each_legacy(&asking.host, &form());
    let begun: Vec<_> = clients.iter_mut().map(|client| begin(client, 1)).collect();
    asking.host.server.stop().unwrap();
    for (client, (mut posted, id)) in clients.iter_mut().zip(begun) {
        assert_withdrawn(&client.next(&mut posted), &id);
        let reply = client.next(&mut posted);
        assert_error(&reply, json!(1), -32603);
        assert_eq!(reply["error"]["message"], "server is stopping");
        assert_eq!(asking.reason(), CancelReason::Shutdown);
    }
    drop(clients);
    asking.assert_nothing();
    asking.assert_unanswered();
}

#[test]
fn a_draining_server_does_not_wait_for_people() {
    let asking = asking(limits());
    let mut client = Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form()));
    let (mut posted, id) = begin(&mut client, 1);
    assert!(asking.host.server.drain(PATIENCE).unwrap());
    assert_withdrawn(&client.next(&mut posted), &id);
    assert_error(&client.next(&mut posted), json!(1), -32603);
    drop(client);
    asking.assert_nothing();
}

#[test]
fn an_answer_counts_once_and_in_its_own_session() {
    let asking = asking(limits());
    for mut client in Talker::each_legacy(&asking.host, &form()) {
        let mut stranger = Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form()));
        let (mut posted, id) = begin(&mut client, 1);
        let number = id.as_u64().unwrap();
        for wrong in [json!(number + 1), json!(0), json!(number.to_string()), json!(-1)] {
            client.tell(&response(&wrong, &yes()));
        }
        stranger.tell(&response(&id, &Err(json!({ "code": 1, "message": "from elsewhere" }))));
        assert_served(&mut stranger);
        assert_served(&mut client);
        asking.assert_unanswered();
        // Of two answers the first one counts.
        client.tell(&response(&id, &yes()));
        client.tell(&response(&id, &Ok(accept(json!({ "n": 2 })))));
        assert_eq!(text_of(&client.next(&mut posted)), "answered", "{}", client.name());
        client.tell(&response(&id, &yes()));
        assert_served(&mut client);
        let answer = asking.answers.lock().unwrap().recv().unwrap();
        assert_eq!(answer, r#"{"action":"accept","content":{"n":1}}"#);
        asking.assert_unanswered();
    }
    asking.assert_no_call();
}

#[test]
fn an_answer_that_is_none_leaves_the_question_open() {
    let asking = asking(limits());
    let mut client = Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form()));
    let (mut posted, id) = begin(&mut client, 1);
    for odd in [
        json!({ "jsonrpc": "2.0", "id": id }),
        json!({ "jsonrpc": "2.0", "id": id, "result": 1, "error": { "code": 1, "message": "" } }),
        json!({ "id": id, "result": {} }),
    ] {
        client.tell(&odd.to_string());
        // Answered as no message, or not at all.
        client.tell(&request("\"ping\"", "ping", &json!({})));
        while client.next(&mut posted)["id"] != "ping" {}
    }
    client.tell(&response(&id, &yes()));
    assert_eq!(text_of(&client.next(&mut posted)), "answered");
}

#[test]
fn a_tool_that_is_removed_while_it_asks_runs_no_more() {
    let asking = asking(limits());
    let mut client = Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form()));
    let (mut posted, id) = begin(&mut client, 1);
    // Nobody waits for a person: the function is gone when this returns.
    asking.host.server.remove_tool("ask").unwrap();
    assert_eq!(client.next(&mut posted)["method"], "notifications/tools/list_changed");
    client.tell(&response(&id, &yes()));
    let reply = client.next(&mut posted);
    assert_eq!(text_of(&reply), "ask is not there any more");
    assert_eq!(reply["result"]["isError"], true);
    asking.assert_unanswered();
    asking.assert_no_call();
}

#[test]
fn answers_race_with_cancellations_and_the_clock() {
    let limits = Limits {
        ask_time: Duration::from_millis(2),
        progress_time: Duration::ZERO,
        ..Limits::default()
    };
    let asking = asking(limits);
    let mut client = Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form()));
    let mut ends = [0; 3];
    for id in 1..=300 {
        let mut posted = client.begin(&call(&id.to_string(), "ask", None));
        // An earlier call that was answered and cancelled at once may still have its answer.
        let is_earlier = |message: &Value| message["id"].as_u64().is_some_and(|known| known < id);
        let mut question = client.next(&mut posted);
        while question.get("method").is_none() && is_earlier(&question) {
            question = client.next(&mut posted);
        }
        if question["id"] == id && question.get("method").is_none() {
            // Its time was over before it could be asked.
            ends[1] += 1;
            continue;
        }
        assert_eq!(question["method"], "elicitation/create", "{question}");
        let question = question["id"].clone();
        std::thread::sleep(Duration::from_micros(id * 37 % 3000));
        let said = response(&question, &yes());
        let cancelled = notification("notifications/cancelled", &json!({ "requestId": id }));
        let ping = request("\"ping\"", "ping", &json!({}));
        let Talker::Ws(ws) = &mut client else { unreachable!() };
        match id % 3 {
            0 => ws.send_all(&[said, ping]),
            1 => ws.send_all(&[said, cancelled, ping]),
            _ => ws.send_all(&[cancelled, said, ping]),
        }
        // One answer at most, and at most one withdrawal, which comes before it.
        let (mut is_served, mut replies, mut withdrawals) = (false, 0, 0);
        let is_sure = id % 3 == 0;
        while !is_served || is_sure && replies == 0 {
            let message = client.next(&mut posted);
            if message["id"] == "ping" {
                is_served = true;
            } else if message["method"] == "notifications/cancelled" {
                assert_eq!((withdrawals, replies), (0, 0), "{message}");
                assert_withdrawn(&message, &question);
                withdrawals += 1;
            } else if message["id"] == id {
                replies += 1;
                ends[usize::from(message["result"]["isError"] == true)] += 1;
            } else {
                assert!(is_earlier(&message), "{message}");
            }
        }
        assert!(replies <= 1);
    }
    asking.assert_no_call();
    let stats = asking.host.server.stats();
    assert_eq!(stats.calls_started, 300);
    assert_eq!(
        stats.calls_succeeded + stats.calls_failed + stats.calls_cancelled + stats.calls_timed_out,
        300,
        "{ends:?}"
    );
    drop(client);
    asking.assert_nothing();
}

#[test]
fn each_end_is_on_record_once() {
    let (sender, records) = channel();
    let sender = Mutex::new(sender);
    let audit = move |record: &emcp::Audit<'_>| {
        let _ = sender.lock().unwrap().send((record.outcome, record.name.to_owned()));
    };
    let asking = asking_on(|| {
        let server = hosted::fresh(Options::default(), limits());
        server.set_hooks(Hooks { audit: Some(Box::new(audit)), ..Hooks::default() }).unwrap();
        host_of(server)
    });
    let next = || records.recv_timeout(PATIENCE).unwrap().0;
    let mut client = Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form()));
    let (mut posted, id) = begin(&mut client, 1);
    client.tell(&response(&id, &yes()));
    assert_eq!(text_of(&client.next(&mut posted)), "answered");
    assert_eq!(next(), Outcome::Succeeded);
    begin(&mut client, 2);
    client.tell(&notification("notifications/cancelled", &json!({ "requestId": 2 })));
    assert_eq!(next(), Outcome::Cancelled);
    // To a modern client the questions are an end, and the rest is another call.
    let params = json!({ "name": "ask" });
    let answer = |_: &str, _: &Value| yes();
    Talker::Modern(&asking.host).talk(&form(), "tools/call", &params, answer);
    assert_eq!([next(), next()], [Outcome::InputRequired, Outcome::Succeeded]);
    assert!(records.try_recv().is_err());
}

/// Drops a handle of its own call, as what a host's language frees for it may do.
struct Clinging(CallHandle);

impl Drop for Clinging {
    fn drop(&mut self) {
        self.0.on_cancel(|| {});
        assert!(self.0.is_ended());
    }
}

/// Regression: what a callback owned was dropped under the lock that its end needed.
#[test]
fn what_waits_for_a_cancellation_is_dropped_where_it_may_ask_for_its_call() {
    let host = host();
    let tool = Tool::new("cling").unwrap().description("Leaves something behind.");
    host.server
        .add_tool(tool, |call| {
            let clinging = Clinging(call.handle());
            call.on_cancel(move || drop(clinging));
            call.reply(ToolResult::text("done"));
        })
        .unwrap();
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&call("1", "cling", None));
    assert_eq!(text_of(&ws.json()), "done");
    wait_until(|| host.server.stats().calls == 0);
}

mod on_the_thread_of_the_host {
    use super::hosted::{IO_THREADS, beside, hosted, run_until};
    use super::*;

    fn asked(asking: &Asking) -> (Talker<'static>, Posted, Value) {
        beside(&asking.host, || {
            let mut client = Talker::Ws(Ws::open_with(&asking.host, NEWEST, &form()));
            let (posted, id) = begin(&mut client, 1);
            (client, posted, id)
        })
    }

    #[test]
    fn the_function_runs_again_there() {
        for io_threads in IO_THREADS {
            let asking = asking_on(|| hosted(io_threads, limits()));
            let (mut client, mut posted, id) = asked(&asking);
            let reply = beside(&asking.host, || {
                client.tell(&response(&id, &yes()));
                client.next(&mut posted)
            });
            assert_eq!(text_of(&reply), "answered");
            let (_, id) = beside(&asking.host, || begin(&mut client, 2));
            client.tell(&notification("notifications/cancelled", &json!({ "requestId": 2 })));
            let last = asking.last.lock().unwrap().clone().unwrap();
            run_until(&asking.host, || last.cancelled().is_some());
            assert_eq!(last.cancelled(), Some(CancelReason::Client));
            beside(&asking.host, || assert_withdrawn(&client.next(&mut posted), &id));
            asking.assert_no_call();
        }
    }

    #[test]
    fn it_stops_while_something_is_asked() {
        for io_threads in IO_THREADS {
            let asking = asking_on(|| hosted(io_threads, limits()));
            let (mut client, mut posted, id) = asked(&asking);
            asking.host.server.stop().unwrap();
            assert_withdrawn(&client.next(&mut posted), &id);
            assert_error(&client.next(&mut posted), json!(1), -32603);
            assert_eq!(asking.reason(), CancelReason::Shutdown);
            drop(client);
            asking.assert_nothing();
        }
    }

    #[test]
    fn an_answer_that_waits_for_the_host_is_too_late_after_the_end() {
        let asking = asking_on(|| hosted(1, limits()));
        let (mut client, mut posted, id) = asked(&asking);
        let cancelled = notification("notifications/cancelled", &json!({ "requestId": 1 }));
        let Talker::Ws(ws) = &mut client else { unreachable!() };
        ws.send_all(&[response(&id, &yes()), cancelled]);
        // Nobody dispatches: the function waits to run again while its call ends.
        wait_until(|| asking.host.server.stats().calls_cancelled == 1);
        assert_eq!(asking.host.server.stats().calls_queued, 1);
        run_until(&asking.host, || asking.host.server.stats().calls == 0);
        beside(&asking.host, || {
            client.tell(&request("9", "ping", &json!({})));
            assert_eq!(client.next(&mut posted)["id"], 9);
        });
        asking.assert_unanswered();
    }
}
