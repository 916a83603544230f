//! An answer counts from the moment on that its question is under way.

mod peer;

use std::sync::Mutex;
use std::sync::mpsc::channel;

use emcp::{Need, Question, TaskSupport, Tool, ToolFlags, ToolResult};
use peer::*;
use serde_json::{Value, json};

const ASK: &str = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;

/// What a client says that takes tasks and can fill in forms.
fn tasks_and_form() -> Value {
    json!({ "elicitation": { "form": {} }, "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

/// Regression: an answer that came between `need` and `ask` left nothing to ask, and failed the
/// call.
#[test]
fn an_answer_before_its_question_is_none() {
    let host = host();
    let (noted, has_noted) = channel();
    let (go, goes) = channel::<()>();
    let gates = Mutex::new((noted, goes));
    let flags = ToolFlags { task: TaskSupport::Optional, ..ToolFlags::default() };
    let tool = Tool::new("early").unwrap().description("Dawdles.").flags(flags);
    host.server
        .add_tool(tool, move |call| {
            let question = Question::form("How many?", ASK).unwrap();
            if let Ok(Need::Answered(json)) = call.need("n", question) {
                call.reply(ToolResult::text(&*json));
                return;
            }
            let gates = gates.lock().unwrap();
            gates.0.send(()).unwrap();
            gates.1.recv_timeout(PATIENCE).unwrap();
            call.ask();
        })
        .unwrap();
    let modern = |method: &str, params: Value| {
        host.modern_with(&tasks_and_form(), "7", method, params).first().1["result"].take()
    };
    let task = modern("tools/call", json!({ "name": "early" }))["taskId"].take();
    has_noted.recv_timeout(PATIENCE).unwrap();
    let answer = json!({ "taskId": task, "inputResponses": { "n": accept(json!({ "n": 3 })) } });
    modern("tasks/update", answer.clone());
    go.send(()).unwrap();
    let status = || modern("tasks/get", json!({ "taskId": task }))["status"].take();
    wait_until(|| status() == "input_required");
    modern("tasks/update", answer);
    wait_until(|| status() == "completed");
}
