//! Tasks: the extension of 2026-07-28 and the experiment of 2025-11-25, behind the same functions.

mod peer;

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use emcp::{
    Call, CallHandle, CancelReason, Error, Level, Limits, MessagePeer, Need, Options,
    ParsedRequest, Question, TaskSupport, Tool, ToolFlags, ToolResult,
};
use peer::message::{TRUSTED, next, send};
use peer::*;
use serde_json::{Value, json};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
const ASK: &str = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;

/// What a client says that takes tasks and can fill in forms.
/// How a function ends its call; tells whether anybody still waited.
type End = fn(Call) -> bool;

fn tasks_and_form() -> Value {
    json!({ "elicitation": { "form": {} }, "extensions": { EXTENSION: {} } })
}

fn yes() -> Answer {
    Ok(accept(json!({ "n": 3 })))
}

/// A server whose tools are tasks: `long` waits for the test, `asks` asks first, `late` begins a
/// task by itself after it has asked, `needs` is a task or nothing.
struct Tasks {
    host: Host,
    calls: Mutex<Receiver<Call>>,
}

fn serving() -> Tasks {
    serving_with(limits())
}

fn serving_with(limits: Limits) -> Tasks {
    let host = host_with(Options { tasks: true, ..Options::default() }, limits);
    let (sender, calls) = channel();
    let any = r#"{"type":"object"}"#;
    let add = |name: &str, task: TaskSupport, run: fn(Call) -> Option<Call>| {
        let flags = ToolFlags { task, ..ToolFlags::default() };
        let tool = Tool::new(name).unwrap().description("Takes long.").flags(flags);
        let sender = Mutex::new(sender.clone());
        let run = move |call: Call| {
            if let Some(call) = run(call) {
                // The test may have seen enough.
                let _ = sender.lock().unwrap().send(call);
            }
        };
        host.server.add_tool(tool.input_schema(any).unwrap(), run).unwrap();
    };
    add("long", TaskSupport::Optional, Some);
    add("needs", TaskSupport::Required, Some);
    add("asks", TaskSupport::Optional, |call| answered(call).map(|(call, _)| call));
    add("late", TaskSupport::Never, |call| {
        let (call, _) = answered(call)?;
        match call.begin_task() {
            Ok(()) => {
                assert!(matches!(call.begin_task(), Err(Error::State(_))));
                Some(call)
            }
            Err(error) => {
                call.reply(ToolResult::text(error.to_string()));
                None
            }
        }
    });
    Tasks { host, calls: Mutex::new(calls) }
}

/// The call with its answer, unless it is to be asked for.
fn answered(call: Call) -> Option<(Call, String)> {
    match call.need("n", Question::form("How many?", ASK).unwrap()) {
        Ok(Need::Answered(json)) => Some((call, json.to_string())),
        Ok(Need::Asked) => {
            call.ask();
            None
        }
        Err(error) => {
            call.fail(error.to_string());
            None
        }
    }
}

impl Tasks {
    fn call(&self) -> Call {
        self.calls.lock().unwrap().recv_timeout(PATIENCE).expect("no call arrived")
    }

    fn modern(&self, method: &str, params: Value) -> Value {
        self.host.modern_with(&tasks_and_form(), "7", method, params).first().1
    }

    /// Begins a task of a modern client.
    #[track_caller]
    fn begin(&self, tool: &str) -> String {
        let reply = self.modern("tools/call", json!({ "name": tool, "arguments": {} }));
        assert_eq!(reply["result"]["resultType"], "task", "{reply}");
        assert_eq!(reply["result"]["status"], "working", "{reply}");
        reply["result"]["taskId"].as_str().unwrap().to_owned()
    }

    fn get(&self, task: &str) -> Value {
        self.modern("tasks/get", json!({ "taskId": task }))["result"].take()
    }

    fn status(&self, task: &str) -> String {
        self.get(task)["status"].as_str().unwrap_or("gone").to_owned()
    }

    fn wait_for(&self, task: &str, status: &str) -> Value {
        wait_until(|| self.status(task) == status);
        self.get(task)
    }

    /// The answers of a modern client to what a task asks.
    fn update(&self, task: &str, answers: Value) {
        let params = json!({ "taskId": task, "inputResponses": answers });
        let reply = self.modern("tasks/update", params);
        assert_eq!(reply["result"]["resultType"], "complete", "{reply}");
    }

    #[track_caller]
    fn assert_unknown(&self, task: &str) {
        for method in ["tasks/get", "tasks/cancel"] {
            let reply = self.modern(method, json!({ "taskId": task }));
            assert_error(&reply, json!(7), -32602);
        }
    }

    #[track_caller]
    fn assert_no_call(&self) {
        wait_until(|| {
            let stats = self.host.server.stats();
            (stats.calls, stats.calls_queued, stats.calls_overrun) == (0, 0, 0)
        });
        assert_eq!(self.host.server.stats().panics, 0);
    }

    fn legacy(&self, principal: &str) -> Legacy {
        let opening = ParsedRequest { principal, ..TRUSTED };
        let peer = self.host.server.open_peer(&opening, None).unwrap();
        send(&peer, &initialize_with("0", NEWEST, &form()));
        assert_eq!(next(&peer)["id"], 0);
        send(&peer, &notification("notifications/initialized", &json!({})));
        Legacy(peer)
    }
}

/// A client of 2025-11-25.
struct Legacy(MessagePeer);

impl Legacy {
    fn send(&self, id: u64, method: &str, params: &Value) {
        send(&self.0, &request(&id.to_string(), method, params));
    }

    fn next(&self) -> Value {
        next(&self.0)
    }

    fn ask(&self, method: &str, params: &Value) -> Value {
        self.send(7, method, params);
        let reply = self.next();
        assert_eq!(reply["id"], 7, "{reply}");
        reply
    }

    #[track_caller]
    fn begin(&self, tool: &str) -> String {
        let params = json!({ "name": tool, "arguments": {}, "task": {} });
        let reply = self.ask("tools/call", &params);
        let task = &reply["result"]["task"];
        assert_eq!(task["status"], "working", "{reply}");
        task["taskId"].as_str().unwrap().to_owned()
    }

    fn status(&self, task: &str) -> String {
        let reply = self.ask("tasks/get", &json!({ "taskId": task }));
        reply["result"]["status"].as_str().unwrap_or("gone").to_owned()
    }
}

#[test]
fn a_modern_task_from_its_handle_to_its_result() {
    let tasks = serving();
    let task = tasks.begin("long");
    assert_eq!(task.len(), 22, "128 bits of base64url");
    let call = tasks.call();
    let details = tasks.get(&task);
    assert_eq!(details["resultType"], "complete");
    assert_eq!((&details["taskId"], &details["status"]), (&json!(task), &json!("working")));
    assert_eq!(details["pollIntervalMs"], 1000);
    assert_eq!(details["ttlMs"], 2 * 3600 * 1000);
    for time in ["createdAt", "lastUpdatedAt"] {
        assert!(details[time].as_str().is_some_and(|time| time.ends_with('Z')), "{details}");
    }
    for absent in ["result", "error", "inputRequests", "statusMessage"] {
        assert!(details.get(absent).is_none(), "{details}");
    }
    call.set_task_status("half done");
    assert_eq!(tasks.get(&task)["statusMessage"], "half done");
    // Progress and log messages have no place in a task; the call is open all the same.
    assert!(call.progress(1.0, 2.0, None) && call.log(Level::Error, None, "1"));
    let handle = call.handle();
    assert!(call.reply(ToolResult::text("done")));
    let details = tasks.wait_for(&task, "completed");
    assert_eq!(details["result"]["content"][0]["text"], "done");
    handle.set_task_status("not any more");
    assert_eq!(tasks.get(&task)["statusMessage"], "half done");
    // Cancelled too late, it stays as it is.
    assert_eq!(tasks.modern("tasks/cancel", json!({ "taskId": task }))["error"], Value::Null);
    assert_eq!(tasks.status(&task), "completed");
    tasks.assert_no_call();
    assert_eq!(tasks.host.server.stats().tasks_started, 1);
}

#[test]
fn a_failure_of_the_tool_is_a_result_and_a_protocol_error_is_a_failure() {
    let tasks = serving();
    let ends: [(&str, End); 3] = [
        ("completed", |call| call.reply(ToolResult::error("broken"))),
        ("completed", |call| call.fail("broken")),
        ("failed", |call| call.fail_rpc(-32000, "broken", None)),
    ];
    for (status, end) in ends {
        let task = tasks.begin("long");
        end(tasks.call());
        let details = tasks.wait_for(&task, status);
        match status {
            "failed" => assert_eq!(details["error"], json!({"code": -32000, "message": "broken"})),
            _ => assert_eq!(details["result"]["isError"], true),
        }
    }
    let task = tasks.begin("long");
    drop(tasks.call());
    assert_eq!(tasks.wait_for(&task, "completed")["result"]["isError"], true);
}

#[test]
fn the_client_may_leave_and_cancel() {
    let tasks = serving();
    let task = tasks.begin("long");
    let call = tasks.call();
    let ended = watch(&call);
    // The connection of its request has gone long ago.
    wait_until(|| tasks.host.server.stats().connections == 0);
    assert!(call.cancelled().is_none());
    let reply = tasks.modern("tasks/cancel", json!({ "taskId": task }));
    assert_eq!(reply["result"]["resultType"], "complete");
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), CancelReason::Client);
    assert_eq!(tasks.status(&task), "cancelled");
    assert!(!call.reply(ToolResult::text("too late")));
    let details = tasks.get(&task);
    assert_eq!(details["status"], "cancelled");
    assert!(details.get("result").is_none() && details.get("error").is_none(), "{details}");
    tasks.assert_no_call();
}

#[test]
fn a_modern_task_is_asked_through_itself() {
    let tasks = serving();
    let task = tasks.begin("asks");
    let details = tasks.wait_for(&task, "input_required");
    let asked = &details["inputRequests"];
    assert_eq!(asked["n"]["method"], "elicitation/create", "{details}");
    assert_eq!(asked["n"]["params"]["message"], "How many?");
    // It stays asked until it is answered properly.
    for wrong in [json!({}), json!({ "other": 1 }), json!({ "n": 7 }), json!({ "n": null })] {
        tasks.update(&task, wrong);
        assert_eq!(tasks.status(&task), "input_required");
    }
    let reply = tasks.modern("tasks/update", json!({ "taskId": task, "inputResponses": [] }));
    assert_error(&reply, json!(7), -32602);
    tasks.update(&task, json!({ "n": yes().unwrap() }));
    let call = tasks.call();
    assert_eq!(tasks.status(&task), "working");
    assert!(tasks.get(&task).get("inputRequests").is_none());
    // An answer to what is answered already changes nothing.
    tasks.update(&task, json!({ "n": yes().unwrap() }));
    call.reply(ToolResult::text("done"));
    tasks.wait_for(&task, "completed");
    tasks.update(&task, json!({ "n": yes().unwrap() }));
    tasks.assert_no_call();
}

/// Regression: after an answer a task had the time of a call.
#[test]
fn a_task_has_its_own_time_also_after_an_answer() {
    let limits = limits();
    let (tool_time, task_time) = (limits.tool_time, limits.task_time);
    let tasks = serving_with(limits);
    let rest = |call: &CallHandle| call.deadline().saturating_duration_since(Instant::now());
    let task = tasks.begin("long");
    let call = tasks.call();
    assert!(rest(&call) > tool_time && rest(&call) <= task_time);
    tasks.modern("tasks/cancel", json!({ "taskId": task }));
    let task = tasks.begin("asks");
    tasks.wait_for(&task, "input_required");
    tasks.update(&task, json!({ "n": yes().unwrap() }));
    let call = tasks.call();
    assert!(rest(&call) > tool_time && rest(&call) <= task_time);
}

#[test]
fn a_task_that_takes_too_long_ends() {
    let tasks = serving_with(Limits { task_time: Duration::from_millis(50), ..limits() });
    let task = tasks.begin("long");
    let details = tasks.wait_for(&task, "completed");
    let text = "long did not finish within 50 ms; ask for less or try again later";
    assert_eq!(details["result"]["content"][0]["text"], text);
    assert_eq!(details["result"]["isError"], true);
    // If its function has begun, it has heard of the end.
    for call in tasks.calls.lock().unwrap().try_iter() {
        assert_eq!(call.cancelled(), Some(CancelReason::Timeout));
    }
    tasks.assert_no_call();
}

#[test]
fn a_task_whose_question_is_not_answered_ends() {
    let tasks = serving_with(Limits { ask_time: Duration::from_millis(50), ..limits() });
    let task = tasks.begin("asks");
    let details = tasks.wait_for(&task, "completed");
    let text = "asks had a question that was not answered in time";
    assert_eq!(details["result"]["content"][0]["text"], text);
    tasks.update(&task, json!({ "n": yes().unwrap() }));
    tasks.assert_no_call();
}

#[test]
fn a_task_is_forgotten_after_its_time() {
    let tasks = serving_with(Limits {
        task_time: Duration::from_millis(10),
        task_ttl: Duration::from_millis(10),
        ..limits()
    });
    let task = tasks.begin("long");
    wait_until(|| tasks.status(&task) == "gone");
    tasks.assert_unknown(&task);
    assert_eq!(tasks.host.server.stats().tasks_evicted, 0);
}

#[test]
fn running_tasks_stay_and_ended_ones_make_room() {
    let tasks = serving_with(Limits { tasks: 2, ..limits() });
    let first = tasks.begin("long");
    let call = tasks.call();
    let second = tasks.begin("long");
    let other = tasks.call();
    let reply = tasks.modern("tools/call", json!({ "name": "long", "arguments": {} }));
    assert_eq!(reply["result"]["isError"], true);
    assert_eq!(tasks.host.server.stats().tasks_refused, 1);
    other.reply(ToolResult::text("done"));
    tasks.wait_for(&second, "completed");
    let third = tasks.begin("long");
    tasks.assert_unknown(&second);
    assert_eq!([tasks.status(&first), tasks.status(&third)], ["working", "working"]);
    assert_eq!(tasks.host.server.stats().tasks_evicted, 1);
    drop((call, tasks.call()));
    tasks.assert_no_call();
}

/// Regression: results above the bound were kept until the next task began.
#[test]
fn results_above_the_bound_are_let_go_at_once_the_oldest_end_first() {
    let tasks = serving_with(Limits { task_bytes: 2500, ..limits() });
    // The first that began ends last.
    let begun: Vec<_> = (0..4).map(|_| (tasks.begin("long"), tasks.call())).collect();
    let ids: Vec<String> = begun.iter().map(|(id, _)| id.clone()).collect();
    for (id, call) in begun.into_iter().rev() {
        call.reply(ToolResult::text("x".repeat(1000)));
        tasks.wait_for(&id, "completed");
    }
    wait_until(|| tasks.host.server.stats().tasks_evicted == 2);
    assert_eq!([tasks.status(&ids[0]), tasks.status(&ids[1])], ["completed", "completed"]);
    tasks.assert_unknown(&ids[2]);
    tasks.assert_unknown(&ids[3]);
}

#[test]
fn a_task_is_there_for_its_owner_and_era_alone() {
    let tasks = serving();
    let modern = tasks.begin("long");
    let mut open = vec![tasks.call()];
    let clients = [tasks.legacy("alice"), tasks.legacy("bob"), tasks.legacy("")];
    let mut owned = Vec::new();
    for client in &clients {
        owned.push(client.begin("long"));
        open.push(tasks.call());
    }
    for (owner, task) in owned.iter().enumerate() {
        tasks.assert_unknown(task);
        for (place, client) in clients.iter().enumerate() {
            let is_own = place == owner;
            assert_eq!(client.status(task), if is_own { "working" } else { "gone" });
            if !is_own {
                for method in ["tasks/cancel", "tasks/result"] {
                    let reply = client.ask(method, &json!({ "taskId": task }));
                    assert_error(&reply, json!(7), -32602);
                }
            }
        }
    }
    for client in &clients {
        assert_eq!(client.status(&modern), "gone");
    }
    // A client of another session of the same identity finds it.
    assert_eq!(tasks.legacy("alice").status(&owned[0]), "working");
    assert!(open.iter().all(|call| call.cancelled().is_none()));
    for unknown in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA"] {
        tasks.assert_unknown(unknown);
    }
}

#[test]
fn who_does_not_know_tasks_gets_none() {
    let tasks = serving();
    let host = &tasks.host;
    // Optional: a plain call.
    let plain = host.modern("1", "tools/call", json!({ "name": "long", "arguments": {} }));
    tasks.call().reply(ToolResult::text("plain"));
    assert_eq!(text_of(&plain.first().1), "plain");
    // Required: refused in the words of each revision.
    let required = json!({ "requiredCapabilities": { "extensions": { EXTENSION: {} } } });
    let (status, reply) = host.modern("1", "tools/call", json!({ "name": "needs" })).first();
    assert_eq!((status, &reply["error"]["data"]), (400, &required));
    assert_error(&reply, json!(1), -32021);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let params = json!({ "taskId": "x", "inputResponses": {} });
        let (_, reply) = host.modern("1", method, params).first();
        assert_error(&reply, json!(1), -32021);
    }
    let filter = json!({ "notifications": { "taskIds": ["x"] } });
    let (_, reply) = host.modern("1", "subscriptions/listen", filter).first();
    assert_error(&reply, json!(1), -32021);
    for version in LEGACY {
        let mut ws = Ws::open(host, version);
        ws.send(&call("1", "needs", None));
        let reply = ws.json();
        match version {
            NEWEST => assert_error(&reply, json!(1), -32601),
            _ => assert_eq!(reply["result"]["isError"], true),
        }
        ws.send(&call("2", "long", None));
        tasks.call().reply(ToolResult::text("plain"));
        assert_eq!(text_of(&ws.json()), "plain");
        if version != NEWEST {
            // The word for a wish means nothing there.
            ws.send(&request("3", "tools/call", &json!({ "name": "long", "task": {} })));
            tasks.call().reply(ToolResult::text("plain"));
            assert_eq!(text_of(&ws.json()), "plain");
            ws.send(&request("4", "tasks/get", &json!({ "taskId": "x" })));
            assert_error(&ws.json(), json!(4), -32601);
        }
    }
}

#[test]
fn a_legacy_task_from_its_handle_to_its_result() {
    let tasks = serving();
    let client = tasks.legacy("alice");
    let task = client.begin("long");
    let call = tasks.call();
    client.send(1, "tasks/result", &json!({ "taskId": task }));
    let reply = client.ask("tasks/get", &json!({ "taskId": task }));
    assert_eq!(reply["result"]["status"], "working");
    assert_eq!(
        (&reply["result"]["pollInterval"], &reply["result"]["ttl"]),
        (&json!(1000), &json!(7_200_000))
    );
    call.progress(1.0, 2.0, None);
    call.log(Level::Error, None, "1");
    call.reply(ToolResult::text("done"));
    let reply = client.next();
    assert_eq!(reply["id"], 1, "{reply}");
    assert_eq!(text_of(&reply), "done");
    assert_eq!(reply["result"]["_meta"][RELATED]["taskId"], json!(task));
    // Asked again, it is answered at once and the same.
    let again = client.ask("tasks/result", &json!({ "taskId": task }));
    assert_eq!(again["result"], reply["result"]);
    let reply = client.ask("tasks/cancel", &json!({ "taskId": task }));
    assert_error(&reply, json!(7), -32602);
    let task = client.begin("long");
    tasks.call().fail_rpc(-32000, "broken", None);
    let reply = client.ask("tasks/result", &json!({ "taskId": task }));
    assert_error(&reply, json!(7), -32000);
    tasks.assert_no_call();
}

#[test]
fn a_legacy_task_asks_where_its_result_is_waited_for() {
    let tasks = serving();
    let client = tasks.legacy("");
    let task = client.begin("asks");
    wait_until(|| client.status(&task) == "input_required");
    client.send(1, "tasks/result", &json!({ "taskId": task }));
    let question = client.next();
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["_meta"][RELATED]["taskId"], json!(task));
    // Not waited for any more: withdrawn, and asked anew where it is waited for next.
    send(&client.0, &notification("notifications/cancelled", &json!({ "requestId": 1 })));
    let withdrawn = client.next();
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    send(&client.0, &response(&question["id"], &yes()));
    assert_eq!(client.status(&task), "input_required");
    let other = tasks.legacy("");
    other.send(2, "tasks/result", &json!({ "taskId": task }));
    let question = other.next();
    assert_eq!(question["method"], "elicitation/create");
    send(&other.0, &response(&question["id"], &yes()));
    tasks.call().reply(ToolResult::text("done"));
    assert_eq!(text_of(&other.next()), "done");
    tasks.assert_no_call();
}

#[test]
fn a_legacy_task_takes_the_first_answer_whatever_it_is() {
    let tasks = serving();
    let client = tasks.legacy("");
    for (said, why) in [
        (Ok(json!(7)), "its answer has not the form that was asked for"),
        (Err(json!({ "code": 1, "message": "not now" })), "not now"),
    ] {
        let task = client.begin("asks");
        client.send(1, "tasks/result", &json!({ "taskId": task }));
        let question = client.next();
        send(&client.0, &response(&question["id"], &said));
        let reply = client.next();
        assert_eq!(reply["id"], 1, "{reply}");
        assert!(text_of(&reply).contains(why), "{reply}");
    }
    tasks.assert_no_call();
}

#[test]
fn who_waits_for_a_result_may_leave() {
    let tasks = serving();
    let host = &tasks.host;
    let session = Streamable::open(host, NEWEST);
    let wish = json!({ "name": "long", "arguments": {}, "task": {} });
    let (_, reply) = session.post(&request("1", "tools/call", &wish)).json();
    let task = json!({ "taskId": reply["result"]["task"]["taskId"] });
    let call = tasks.call();
    let ended = watch(&call);
    // Cancelled by its client, cut off, and with its session: the task goes on.
    let http = session.post(&request("2", "tasks/result", &task));
    wait_until(|| host.server.stats().requests == 4);
    session.tell(&notification("notifications/cancelled", &json!({ "requestId": 2 })));
    assert_eq!({ http }.response().status, 202);
    drop(session.post(&request("3", "tasks/result", &task)));
    assert_eq!(session.delete().status, 204);
    let client = tasks.legacy("");
    assert_eq!(client.status(task["taskId"].as_str().unwrap()), "working");
    client.send(4, "tasks/result", &task);
    drop(client);
    let client = tasks.legacy("");
    client.send(5, "tasks/result", &task);
    assert!(ended.try_recv().is_err());
    call.reply(ToolResult::text("done"));
    assert_eq!(text_of(&client.next()), "done");
    drop(client);
    tasks.assert_no_call();
    wait_until(|| {
        let stats = host.server.stats();
        (stats.connections, stats.sessions, stats.streams) == (0, 0, 0)
    });
}

#[test]
fn a_cancelled_legacy_task_answers_those_who_wait() {
    let tasks = serving();
    let client = tasks.legacy("");
    for tool in ["long", "asks"] {
        let task = client.begin(tool);
        client.send(1, "tasks/result", &json!({ "taskId": task }));
        let question = (tool == "asks").then(|| client.next());
        let call = (tool == "long").then(|| tasks.call());
        client.send(2, "tasks/cancel", &json!({ "taskId": task }));
        if let Some(question) = question {
            let withdrawn = client.next();
            assert_eq!(withdrawn["method"], "notifications/cancelled", "{withdrawn}");
            assert_eq!(withdrawn["params"]["requestId"], question["id"]);
        }
        assert!(call.is_none_or(|call| call.cancelled() == Some(CancelReason::Client)));
        assert_error(&client.next(), json!(1), -32603);
        let reply = client.next();
        assert_eq!((&reply["id"], &reply["result"]["status"]), (&json!(2), &json!("cancelled")));
    }
    tasks.assert_no_call();
}

#[test]
fn tasks_are_listed_for_somebody_known_alone() {
    let tasks = serving_with(Limits { page: 2, ..limits() });
    let alice = tasks.legacy("alice");
    let mut own: Vec<String> = (0..5).map(|_| alice.begin("long")).collect();
    own.sort();
    tasks.legacy("bob").begin("long");
    let (mut listed, mut pages, mut params) = (Vec::new(), 0, json!({}));
    loop {
        let reply = alice.ask("tasks/list", &params);
        let page = reply["result"]["tasks"].as_array().unwrap_or_else(|| panic!("{reply}"));
        listed.extend(page.iter().map(|task| task["taskId"].as_str().unwrap().to_owned()));
        pages += 1;
        match &reply["result"]["nextCursor"] {
            Value::Null => break,
            cursor => params = json!({ "cursor": cursor }),
        }
    }
    assert_eq!((listed, pages), (own, 3));
    let nobody = tasks.legacy("");
    nobody.begin("long");
    assert_error(&nobody.ask("tasks/list", &json!({})), json!(7), -32601);
    let announced = |principal: &str| {
        let opening = ParsedRequest { principal, ..TRUSTED };
        let peer = tasks.host.server.open_peer(&opening, None).unwrap();
        send(&peer, &initialize("0", NEWEST));
        next(&peer)["result"]["capabilities"]["tasks"].take()
    };
    assert!(announced("alice").get("list").is_some() && announced("").get("list").is_none());
}

#[test]
fn a_tool_may_begin_a_task_by_itself_after_it_has_asked() {
    let tasks = serving();
    let host = &tasks.host;
    // Modern: the second round becomes the task.
    let answer = |_: &str, _: &Value| yes();
    let params = json!({ "name": "late", "arguments": {} });
    let mut client = Talker::Modern(host);
    let talk = client.talk(&tasks_and_form(), "tools/call", &params, answer);
    assert_eq!((talk.rounds, &talk.reply["result"]["resultType"]), (1, &json!("task")));
    let task = talk.reply["result"]["taskId"].as_str().unwrap().to_owned();
    tasks.call().reply(ToolResult::text("done"));
    assert_eq!(tasks.wait_for(&task, "completed")["result"]["content"][0]["text"], "done");
    // Without the extension it goes on as a plain call.
    let talk = client.talk(&form(), "tools/call", &params, answer);
    assert_eq!(text_of(&talk.reply), "the client does not know tasks");
    // Legacy: asked on the stream of the call, which then ends with the handle.
    for mut client in Talker::each_legacy(host, &form()) {
        let wish = json!({ "name": "late", "arguments": {}, "task": {} });
        let talk = client.talk(&form(), "tools/call", &wish, answer);
        let task = json!({ "taskId": talk.reply["result"]["task"]["taskId"] });
        tasks.call().reply(ToolResult::text("done"));
        let talk = client.talk(&form(), "tasks/result", &task, answer);
        assert_eq!(text_of(&talk.reply), "done", "{}", client.name());
        let talk = client.talk(&form(), "tools/call", &params, answer);
        assert_eq!(text_of(&talk.reply), "the client does not know tasks");
    }
    tasks.assert_no_call();
}

#[test]
fn a_listener_hears_each_change_of_its_tasks_and_of_no_other() {
    let tasks = serving();
    let (own, other) = (tasks.begin("long"), tasks.begin("long"));
    let calls = [tasks.call(), tasks.call()];
    // Named twice and heard once; unknown ones are left out.
    let filter = json!({ "notifications": { "taskIds": [own, own, "unknown"] } });
    let http = tasks.host.modern_with(&tasks_and_form(), "9", "subscriptions/listen", filter);
    let mut events = http.events();
    let acknowledged = events.json();
    assert_eq!(acknowledged["params"]["notifications"], json!({ "taskIds": [own] }));
    let (mut mine, mut others) = (None, None);
    for call in calls {
        // Two calls may start in any order: the status tells whose each is.
        call.set_task_status("seen");
        match tasks.get(&own).get("statusMessage").is_some() && mine.is_none() {
            true => mine = Some(call),
            false => others = Some(call),
        }
    }
    others.unwrap().reply(ToolResult::text("other"));
    mine.unwrap().reply(ToolResult::text("done"));
    for (status, message) in [("working", "seen"), ("completed", "seen")] {
        let news = events.json();
        assert_eq!(news["method"], "notifications/tasks", "{news}");
        let params = &news["params"];
        assert_eq!((&params["taskId"], &params["status"]), (&json!(own), &json!(status)));
        assert_eq!(params["statusMessage"], message);
        assert_eq!(params["_meta"][SUBSCRIPTION], 9);
    }
    tasks.wait_for(&other, "completed");
    let asking = tasks.begin("asks");
    tasks.wait_for(&asking, "input_required");
    // The end of the stream shows that nothing else was sent on it.
    tasks.host.server.stop().unwrap();
    let rest = events.rest();
    assert_eq!((rest.len(), &rest[0]["id"]), (1, &json!(9)), "{rest:?}");
}

#[test]
fn a_stopping_server_ends_its_tasks_and_forgets_them() {
    let mut tasks = serving();
    let (long, asks) = (tasks.begin("long"), tasks.begin("asks"));
    tasks.wait_for(&asks, "input_required");
    let client = tasks.legacy("");
    let waited = client.begin("long");
    client.send(1, "tasks/result", &json!({ "taskId": waited }));
    let calls = [tasks.call(), tasks.call()];
    tasks.host.server.stop().unwrap();
    for call in calls {
        assert_eq!(call.cancelled(), Some(CancelReason::Shutdown));
        assert!(!call.reply(ToolResult::text("too late")));
    }
    assert_error(&client.next(), json!(1), -32603);
    tasks.assert_no_call();
    tasks.host.restart();
    tasks.assert_unknown(&long);
    tasks.assert_unknown(&asks);
}

#[test]
fn a_task_answers_cancels_and_updates_in_a_race() {
    let tasks = Arc::new(serving());
    for _ in 0..40 {
        let task = tasks.begin("asks");
        tasks.wait_for(&task, "input_required");
        std::thread::scope(|scope| {
            scope.spawn(|| tasks.update(&task, json!({ "n": yes().unwrap() })));
            scope.spawn(|| tasks.update(&task, json!({ "n": yes().unwrap() })));
            scope.spawn(|| tasks.modern("tasks/cancel", json!({ "taskId": task })));
            scope.spawn(|| tasks.get(&task));
        });
        let details = tasks.get(&task);
        assert_eq!(details["status"], "cancelled");
        assert!(details.get("inputRequests").is_none());
    }
    // Those that went on before they were cancelled wait here.
    tasks.calls.lock().unwrap().try_iter().for_each(|call| assert!(call.is_ended()));
    tasks.assert_no_call();
}
