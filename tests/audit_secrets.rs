//! What a call was given and nobody may write down is not in its audit record, whatever brought it.

mod peer;

use std::sync::{Arc, Mutex};

use emcp::{
    Call, CompletionResult, Hooks, Options, Param, ParamKind, Prompt, PromptArgument, PromptResult,
    ReadResult, Resource, Tool, ToolResult,
};
use peer::hosted::fresh;
use peer::*;
use serde_json::{Value, json};

const SECRET: &str = "hunter2";

/// Kind, name and arguments of each audit record.
type Records = Arc<Mutex<Vec<(String, String)>>>;

fn audited(options: Options) -> (Host, Records) {
    let server = fresh(in_mode(options), limits());
    let records: Records = Arc::default();
    let (told, logged) = (records.clone(), records.clone());
    let hooks = Hooks {
        audit: Some(Box::new(move |record| {
            told.lock().unwrap().push((record.name.into(), record.arguments.into()));
        })),
        log: Some(Box::new(move |_, part, text| {
            logged.lock().unwrap().push((part.into(), text.into()));
        })),
        ..Hooks::default()
    };
    server.set_hooks(hooks).unwrap();
    let run = |call: Call| {
        // The function itself gets all of it.
        assert!(call.arguments().contains(SECRET));
        call.reply(ToolResult::text("done"));
    };
    let params = [
        Param::new("user", ParamKind::String).required(),
        Param::new("password", ParamKind::String).required().secret().range(3.0, 20.0),
    ];
    let tool = |name: &str| Tool::new(name).unwrap().description("T.");
    server.add_tool(tool("login").params(&params).unwrap(), run).unwrap();
    let schema = r#"{"type":"object","properties":{"password":{"writeOnly":true}}}"#;
    server.add_tool(tool("schema").input_schema(schema).unwrap(), run).unwrap();
    let any = tool("hidden").hide_arguments().input_schema(r#"{"type":"object"}"#).unwrap();
    server.add_tool(any, run).unwrap();
    server.add_tool(tool("plain").input_schema(r#"{"type":"object"}"#).unwrap(), run).unwrap();
    let argument = PromptArgument::new("password").required().secret();
    let prompt = Prompt::new("prompt").unwrap().argument(PromptArgument::new("user")).unwrap();
    let get = |call: Call| _ = call.reply(PromptResult::text("x"));
    let complete = |call: Call| _ = call.reply(CompletionResult::default());
    let prompt = prompt.argument(argument).unwrap();
    server.add_prompt(prompt, get, Some(Box::new(complete))).unwrap();
    let template = Resource::template("a://{user}", "t").unwrap().hide_arguments();
    let read = |call: Call| _ = call.reply(ReadResult::text("x"));
    server.add_resource(template, read, None).unwrap();
    let mut host = host_of(server);
    host.dispatch();
    (host, records)
}

fn calls() -> Vec<(&'static str, Value, &'static str)> {
    let arguments = json!({ "user": "ann", "password": SECRET });
    let tool = |name: &str| json!({ "name": name, "arguments": arguments.clone() });
    let completion = json!({
        "ref": { "type": "ref/prompt", "name": "prompt" },
        "argument": { "name": "user", "value": "" },
        "context": { "arguments": { "password": SECRET } },
    });
    let named = r#"{"password":"***","user":"ann"}"#;
    vec![
        ("tools/call", tool("login"), named),
        ("tools/call", tool("schema"), named),
        ("tools/call", tool("hidden"), r#""***""#),
        ("prompts/get", tool("prompt"), named),
        ("completion/complete", completion, r#"{"password":"***"}"#),
        ("resources/read", json!({ "uri": "a://ann" }), r#""***""#),
    ]
}

/// Sends each call by each way and gives the arguments that its record has shown.
fn check(host: &Host, records: &Records, expected: impl Fn(&'static str) -> &'static str) {
    for (method, params, shown) in calls() {
        let mut replies = vec![host.modern("7", method, params.clone()).first().1];
        for mut line in Line::each(host, NEWEST) {
            replies.push(line.ask(&request("7", method, &params)));
        }
        assert!(replies.iter().all(|reply| reply["result"].is_object()), "{method} {replies:?}");
        wait_until(|| records.lock().unwrap().len() >= replies.len());
        for (name, arguments) in records.lock().unwrap().drain(..) {
            assert_eq!(arguments, expected(shown), "{method} {name}");
        }
    }
}

#[test]
fn secret_arguments_are_stars_in_both_eras() {
    let (host, records) = audited(Options::default());
    check(&host, &records, |shown| shown);
    let plain = json!({ "name": "plain", "arguments": { "other": SECRET } });
    host.modern("7", "tools/call", plain).first();
    wait_until(|| !records.lock().unwrap().is_empty());
    assert_eq!(records.lock().unwrap()[0].1, r#"{"other":"hunter2"}"#, "nobody said it was secret");
}

#[test]
fn a_host_may_hide_all_arguments() {
    let (host, records) = audited(Options { hide_arguments: true, ..Options::default() });
    check(&host, &records, |_| r#""***""#);
}

#[test]
fn a_call_that_is_refused_shows_no_more() {
    let (host, records) = audited(Options::default());
    // Too short a password, and no user: the client hears about it, the host does not.
    let params = json!({ "name": "login", "arguments": { "password": "hunter2hunter2hunter2" } });
    let reply = host.modern("7", "tools/call", params).first().1;
    assert_eq!(reply["result"]["isError"], true, "{reply}");
    wait_until(|| !records.lock().unwrap().is_empty());
    let records = records.lock().unwrap();
    assert_eq!(records[0].1, r#"{"password":"***"}"#);
    assert!(records.iter().all(|(part, text)| !format!("{part}{text}").contains(SECRET)));
}

#[test]
fn clients_are_told_what_is_secret() {
    let (host, _) = audited(Options::default());
    let list = host.modern("1", "tools/list", json!({})).first().1;
    let tools = list["result"]["tools"].as_array().unwrap();
    let login = tools.iter().find(|tool| tool["name"] == "login").unwrap();
    assert_eq!(login["inputSchema"]["properties"]["password"]["writeOnly"], true);
    assert!(login["inputSchema"]["properties"]["user"]["writeOnly"].is_null());
    let both = Param::new("p", ParamKind::String).secret().header("P");
    let error = Tool::new("t").unwrap().params(&[both]).unwrap_err().to_string();
    assert!(error.contains("is secret, and headers land in logs"), "{error}");
}
