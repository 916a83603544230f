//! Clients that misuse questions, tasks and subscriptions.

mod peer;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use emcp::{
    Call, Caller, CancelReason, Error, Hooks, Identity, Item, Limits, Need, Options, Question,
    ReadResult, Resource, Server, TaskSupport, Tool, ToolFlags, ToolResult,
};
use peer::*;
use serde_json::{Value, json};

const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A modern request by a client that knows tasks and can be asked for roots.
fn modern(id: u64, method: &str, params: Value) -> String {
    let mut params = claim(params);
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({"roots": {}, "extensions": {TASKS: {}}});
    request(&id.to_string(), method, &params)
}

/// A host with the tool `ask`, a task from its start: it sends each of its rounds to the test and
/// asks for `a` and `b` when it is told to.
fn asking_host(limits: Limits) -> (Host, Receiver<Call>) {
    let host = host_with(Options { tasks: true, ..Options::default() }, limits);
    let (sender, rounds) = channel();
    let sender = Mutex::new(sender);
    let flags = ToolFlags { task: TaskSupport::Optional, ..ToolFlags::default() };
    let tool = Tool::new("ask").unwrap().description("Asks for two things.").flags(flags);
    let add = host.server.add_tool(tool, move |call| sender.lock().unwrap().send(call).unwrap());
    add.unwrap();
    (host, rounds)
}

fn next(rounds: &Receiver<Call>) -> Call {
    rounds.recv_timeout(PATIENCE).expect("the tool was not called")
}

/// Notes both questions.
fn need_both(call: &Call) {
    for key in ["a", "b"] {
        assert!(matches!(call.need(key, Question::roots()), Ok(Need::Asked)));
    }
}

/// Begins a task and returns its id.
fn begin(ws: &mut Ws) -> String {
    ws.send(&modern(1, "tools/call", json!({"name": "ask"})));
    let answer = ws.json();
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    answer["result"]["taskId"].as_str().unwrap().to_owned()
}

fn update(id: u64, task: &str, answers: Value) -> String {
    modern(id, "tasks/update", json!({"taskId": task, "inputResponses": answers}))
}

fn get(ws: &mut Ws, task: &str) -> Value {
    ws.send(&modern(90, "tasks/get", json!({"taskId": task})));
    ws.json()["result"].take()
}

#[test]
fn an_answer_before_the_question_answers_nothing() {
    let (host, rounds) = asking_host(limits());
    let mut ws = Ws::connect(&host);
    let task = begin(&mut ws);
    let call = next(&rounds);
    need_both(&call);
    let roots = json!({"roots": []});
    ws.send(&update(2, &task, json!({"a": roots, "b": roots})));
    assert_eq!(ws.json()["id"], 2);
    assert!(call.ask());
    assert_eq!(get(&mut ws, &task)["status"], "input_required");
    ws.send(&update(3, &task, json!({"a": roots, "b": roots})));
    assert_eq!(ws.json()["id"], 3);
    let call = next(&rounds);
    assert!(matches!(call.need("a", Question::roots()), Ok(Need::Answered(_))));
    assert!(call.reply(ToolResult::text("done")));
    assert_eq!(get(&mut ws, &task)["status"], "completed");
}

#[test]
fn answers_to_nothing_are_no_news() {
    let (host, rounds) = asking_host(limits());
    let mut ws = Ws::connect(&host);
    let task = begin(&mut ws);
    let call = next(&rounds);
    need_both(&call);
    assert!(call.ask());
    let mut listener = Ws::connect(&host);
    // Named twice: it is still one task.
    let filter = json!({"notifications": {"taskIds": [task, task]}});
    listener.send(&modern(1, "subscriptions/listen", filter));
    let acknowledged = listener.json();
    assert_eq!(acknowledged["params"]["notifications"], json!({"taskIds": [task]}));
    let mut made_up: Value = (0..1000).map(|n| (format!("x{n}"), json!(n))).collect();
    made_up["b"] = json!({"roots": "of an unknown form"});
    ws.send(&update(2, &task, made_up));
    assert_eq!(ws.json()["id"], 2);
    ws.send(&update(3, &task, json!({"a": {"roots": []}})));
    assert_eq!(ws.json()["id"], 3);
    ws.send(&modern(4, "tasks/cancel", json!({"taskId": task})));
    assert_eq!(ws.json()["id"], 4);
    let news: [Value; 2] = std::array::from_fn(|_| listener.json()["params"].take());
    assert_eq!(news[0]["status"], "input_required");
    assert_eq!(news[0]["inputRequests"].as_object().unwrap().len(), 1);
    assert_eq!(news[1]["status"], "cancelled");
}

#[test]
fn a_round_that_has_ended_hears_of_no_cancellation() {
    let (host, rounds) = asking_host(limits());
    let mut ws = Ws::connect(&host);
    let task = begin(&mut ws);
    let call = next(&rounds);
    let first = watch(&call);
    need_both(&call);
    assert!(call.ask());
    assert!(first.recv().is_err(), "the callback of the first round ran or may still run");
    let roots = json!({"roots": []});
    ws.send(&update(2, &task, json!({"a": roots, "b": roots})));
    assert_eq!(ws.json()["id"], 2);
    let call = next(&rounds);
    let second = watch(&call);
    ws.send(&modern(3, "tasks/cancel", json!({"taskId": task})));
    assert_eq!(ws.json()["id"], 3);
    assert_eq!(second.recv_timeout(PATIENCE), Ok(CancelReason::Client));
}

#[test]
fn a_task_has_its_own_time_after_an_answer_too() {
    let hour = Duration::from_secs(3600);
    let (host, rounds) = asking_host(Limits { task_time: hour, ..limits() });
    let mut ws = Ws::connect(&host);
    let task = begin(&mut ws);
    let rest = |call: &Call| call.deadline().saturating_duration_since(std::time::Instant::now());
    let call = next(&rounds);
    assert!(rest(&call) > hour / 2);
    need_both(&call);
    assert!(call.ask());
    let roots = json!({"roots": []});
    ws.send(&update(2, &task, json!({"a": roots, "b": roots})));
    assert_eq!(ws.json()["id"], 2);
    assert!(rest(&next(&rounds)) > hour / 2);
}

#[test]
fn the_end_of_a_task_is_not_the_end_of_a_later_request_with_its_id() {
    let (host, rounds) = asking_host(limits());
    let mut ws = Ws::connect(&host);
    let task = begin(&mut ws);
    let call = next(&rounds);
    ws.send(&modern(1, "tools/call", json!({"name": "hold"})));
    let held = host.held();
    assert!(call.reply(ToolResult::text("done")));
    assert_eq!(get(&mut ws, &task)["status"], "completed");
    ws.send(&notification("notifications/cancelled", &claim(json!({"requestId": 1}))));
    assert_eq!(cancellation(&held), CancelReason::Client);
}

#[test]
fn endless_times_are_possible() {
    let forever = Duration::MAX;
    let host = host_with(
        Options { tasks: true, ..Options::default() },
        Limits { tool_time: forever, task_time: forever, task_ttl: forever, ..limits() },
    );
    let flags = ToolFlags { task: TaskSupport::Optional, ..ToolFlags::default() };
    let tool = Tool::new("slow").unwrap().description("Takes its time.").flags(flags);
    let add = host.server.add_tool(tool.timeout(forever), |call| {
        call.reply(ToolResult::text("done"));
    });
    add.unwrap();
    let mut ws = Ws::connect(&host);
    ws.send(&modern(1, "tools/call", json!({"name": "echo"})));
    assert_eq!(text_of(&ws.json()), "{}");
    ws.send(&modern(2, "tools/call", json!({"name": "slow"})));
    assert_eq!(ws.json()["result"]["resultType"], "task");
}

/// A legacy client that can be asked for roots and begins a task.
fn begin_legacy(host: &Host) -> (Ws, String) {
    let mut ws = Ws::connect(host);
    let hello =
        initialize("0", NEWEST).replace(r#""capabilities":{}"#, r#""capabilities":{"roots":{}}"#);
    ws.send(&hello);
    assert_eq!(ws.json()["id"], 0);
    ws.send(&notification("notifications/initialized", &json!({})));
    ws.send(&request("1", "tools/call", &json!({"name": "ask", "task": {}})));
    let task = ws.json()["result"]["task"]["taskId"].as_str().unwrap().to_owned();
    (ws, task)
}

#[test]
fn a_result_that_nobody_waits_for_takes_its_questions_back() {
    let (host, rounds) = asking_host(limits());
    let (mut ws, task) = begin_legacy(&host);
    let call = next(&rounds);
    assert!(matches!(call.need("a", Question::roots()), Ok(Need::Asked)));
    assert!(call.ask());
    let wait = |id: &str| request(id, "tasks/result", &json!({"taskId": task}));
    ws.send(&wait("2"));
    let first = ws.json();
    assert_eq!(first["method"], "roots/list", "{first}");
    ws.send(&notification("notifications/cancelled", &json!({"requestId": 2})));
    let withdrawn = ws.json();
    assert_eq!(withdrawn["method"], "notifications/cancelled", "{withdrawn}");
    assert_eq!(withdrawn["params"]["requestId"], first["id"]);
    ws.send(&wait("3"));
    let second = ws.json();
    assert_eq!(second["method"], "roots/list", "{second}");
    let answer = |to: &Value| json!({"jsonrpc": "2.0", "id": to["id"], "result": {"roots": []}});
    ws.send(&answer(&first).to_string());
    ws.send(&request("4", "tasks/get", &json!({"taskId": task})));
    assert_eq!(ws.json()["result"]["status"], "input_required", "the question was taken back");
    ws.send(&answer(&second).to_string());
    assert!(next(&rounds).reply(ToolResult::text("done")));
    assert_eq!(text_of(&ws.json()), "done");
}

#[test]
fn a_wrong_answer_of_a_legacy_client_ends_the_question_of_a_task() {
    let (host, rounds) = asking_host(limits());
    let (mut ws, task) = begin_legacy(&host);
    let call = next(&rounds);
    assert!(matches!(call.need("a", Question::roots()), Ok(Need::Asked)));
    assert!(call.ask());
    ws.send(&request("2", "tasks/result", &json!({"taskId": task})));
    let question = ws.json();
    let wrong = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": 7}});
    ws.send(&wrong.to_string());
    let call = next(&rounds);
    assert!(matches!(call.need("a", Question::roots()), Err(Error::Refused(_))));
}

#[test]
fn a_wish_for_a_task_means_nothing_to_a_server_without_tasks() {
    let host = host();
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&request("1", "tools/call", &json!({"name": "echo", "task": {"ttl": 1}})));
    assert_eq!(text_of(&ws.json()), "{}");
}

#[test]
fn what_fits_a_hidden_template_is_not_there() {
    let identity = Identity { name: "host".into(), version: "1".into(), ..Identity::default() };
    let server = Server::new(identity, in_mode(Options::default()), limits()).unwrap();
    for template in ["log://{name}", "secret://{name}"] {
        let resource = Resource::template(template, "any").unwrap();
        let read = |call: Call| {
            call.reply(ReadResult::text("told"));
        };
        server.add_resource(resource, read, None).unwrap();
    }
    let allow =
        |_: &Caller, item: Item, name: &str| !(item == Item::Template && name == "secret://{name}");
    server.set_hooks(Hooks { allow: Some(Box::new(allow)), ..Hooks::default() }).unwrap();
    server.listen("tcp:127.0.0.1:0").unwrap();
    let host = host_of(server);
    let _dispatcher = Dispatcher::start(&host.server);
    let mut ws = Ws::open(&host, NEWEST);
    let mut read = |uri: &str| {
        ws.send(&request("1", "resources/read", &json!({"uri": uri})));
        ws.json()
    };
    assert_eq!(read("log://a")["result"]["contents"][0]["text"], "told");
    assert_error(&read("secret://a"), json!(1), -32002);
    assert_error(&read("unknown://a"), json!(1), -32002);
}

#[test]
fn long_subscriptions_find_little_room() {
    let host = host();
    let any = Resource::template("log://{+name}", "any").unwrap();
    let read = |call: Call| {
        call.reply(ReadResult::text("told"));
    };
    host.server.add_resource(any, read, None).unwrap();
    let long = |n: usize| format!("log://{n}/{}", "x".repeat(8000));
    let mut ws = Ws::open(&host, NEWEST);
    let mut send = |method: &str, uri: String| {
        ws.send(&request("1", method, &json!({"uri": uri})));
        ws.json()
    };
    let taken = (0..256).take_while(|n| send("resources/subscribe", long(*n))["error"].is_null());
    let taken = taken.count();
    assert_eq!(taken, 8);
    assert_eq!(send("resources/subscribe", long(0))["result"], json!({}), "it is known");
    assert_eq!(send("resources/unsubscribe", long(3))["result"], json!({}));
    assert_eq!(send("resources/subscribe", long(8))["result"], json!({}));
    let uris: Vec<_> = (0..100).map(long).collect();
    let mut modern_ws = Ws::connect(&host);
    let filter = json!({"notifications": {"resourceSubscriptions": uris}});
    modern_ws.send(&modern(1, "subscriptions/listen", filter));
    let honoured = modern_ws.json()["params"]["notifications"]["resourceSubscriptions"].take();
    assert_eq!(honoured, json!(&uris[..8]));
    assert_eq!(host.server.stats().subscriptions_refused, 1, "by the session");
}

#[test]
fn a_listener_that_comes_late_hears_of_the_end() {
    let (host, rounds) = asking_host(limits());
    let mut ws = Ws::connect(&host);
    let task = begin(&mut ws);
    assert!(next(&rounds).reply(ToolResult::text("done")));
    ws.send(&modern(2, "subscriptions/listen", json!({"notifications": {"taskIds": [task]}})));
    assert_eq!(ws.json()["params"]["notifications"], json!({"taskIds": [task]}));
    assert_eq!(ws.json()["params"]["status"], "completed");
}
