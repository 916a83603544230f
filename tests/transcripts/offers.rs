//! What the host of a dialogue offers beside the tools of every test, by the names in `offers`.

use std::sync::Mutex;
use std::sync::mpsc::Sender;

use emcp::{
    Call, CompletionResult, Content, Error, Need, Prompt, PromptArgument, PromptResult, Question,
    ReadResult, Resource, Result, Role, Server, TaskSupport, Tool, ToolFlags, ToolResult,
};
use serde_json::{Map, Value, json};

use crate::peer::parse;

/// Adds what `offer` names; calls that wait for a step go to `held`.
pub(super) fn add(server: &Server, offer: &str, held: &Sender<Call>) -> Result<()> {
    match offer {
        "resources" => add_resources(server),
        "prompts" => add_prompts(server),
        "questions" => add_questions(server),
        "tasks" => add_tasks(server, held),
        "ui" => add_ui(server),
        _ => panic!("unknown offer {offer}"),
    }
}

fn add_resources(server: &Server) -> Result<()> {
    let plain = Resource::new("note://plain", "plain")?
        .title("Plain")
        .description("A note.")
        .mime("text/plain")
        .audience(&[Role::User])
        .priority(0.5)?
        .icons(r#"[{"src":"data:image/png;base64,AA==","mimeType":"image/png"}]"#)?
        .meta(r#"{"example.org/kind":"note"}"#)?
        .stat(Some(4), Some("2026-07-28T12:00:00Z"))?;
    server.add_resource(
        plain,
        |call| {
            call.reply(ReadResult::text("text"));
        },
        None,
    )?;
    let blob = Resource::new("note://blob", "blob")?.mime("application/octet-stream");
    server.add_resource(
        blob,
        |call| {
            call.reply(ReadResult::blob(&[0, 255]));
        },
        None,
    )?;
    let many = Resource::new("note://many", "many")?.mime("text/plain");
    server.add_resource(
        many,
        |call| {
            let mut result = ReadResult::text("first");
            result.push_text(Some("note://many/second"), Some("text/csv"), "a,b").unwrap();
            result.push_blob(Some("note://many/third"), Some("image/png"), b"\x89PNG").unwrap();
            call.reply(result);
        },
        None,
    )?;
    server.add_resource(
        Resource::new("note://gone", "gone")?,
        |call| {
            call.fail_not_found();
        },
        None,
    )?;
    server.add_resource(
        Resource::new("note://broken", "broken")?,
        |call| {
            call.fail("no such disk");
        },
        None,
    )?;
    let metric = Resource::template("metrics://{chart}/{dimension}", "metric")?
        .title("Metric")
        .description("The newest value.")
        .mime("text/plain");
    let read = |call: Call| {
        let text = call.arguments().to_owned();
        call.reply(ReadResult::text(text));
    };
    server.add_resource(metric, read, Some(Box::new(complete_metric)))?;
    server.add_resource(Resource::template("plain://{name}", "named")?, read, None)
}

/// Suggests charts, or dimensions of the chart that is known already.
fn complete_metric(call: Call) {
    let (variable, typed) = call.completing().expect("a completion");
    let values: Vec<String> = match (variable, parse(call.arguments())["chart"].as_str()) {
        ("chart", _) => (0..150).map(|number| format!("chart{number}")).collect(),
        (_, Some(chart)) => vec![format!("{chart}.user"), format!("{chart}.system")],
        (_, None) => Vec::new(),
    };
    let values: Vec<String> = values.into_iter().filter(|value| value.starts_with(typed)).collect();
    let mut result = CompletionResult::default();
    result.set_total(values.len() as u64);
    for value in values {
        result.push(value);
    }
    call.reply(result);
}

fn add_prompts(server: &Server) -> Result<()> {
    let plain = Prompt::new("plain")?.title("Plain").description("Asks one thing.");
    server.add_prompt(
        plain,
        |call| {
            call.reply(PromptResult::text("What is wrong?"));
        },
        None,
    )?;
    let alert = PromptArgument::new("alert").description("Which alert.").required().choices([
        "cpu_high",
        "cpu_low",
        "disk_full",
    ]);
    let explain = Prompt::new("explain")?
        .description("Explains an alert.")
        .argument(alert)?
        .argument(PromptArgument::new("tone"))?;
    server.add_prompt(
        explain,
        |call| {
            let arguments = parse(call.arguments());
            let mut result = PromptResult::default();
            result.set_description("About an alert.");
            let tone = arguments["tone"].as_str().unwrap_or("plain");
            let question =
                format!("Explain {} in {tone} words.", arguments["alert"].as_str().unwrap());
            result.push(Role::User, Content::text(question));
            result.push(Role::Assistant, Content::text("It is"));
            call.reply(result);
        },
        None,
    )?;
    server.add_prompt(
        Prompt::new("rich")?.description("Has every content."),
        |call| {
            let mut result = PromptResult::default();
            result.push(Role::User, Content::image("image/png", b"\x89PNG"));
            result.push(Role::User, Content::audio("audio/wav", b"RIFF"));
            result
                .push(Role::User, Content::link("log://a", "a", Some("text/plain"), None).unwrap());
            result.push(
                Role::Assistant,
                Content::resource_text("log://b", Some("text/plain"), "line").unwrap(),
            );
            call.reply(result);
        },
        None,
    )
}

fn add_questions(server: &Server) -> Result<()> {
    let ask = Tool::new("ask")?
        .description("Asks what its arguments say.")
        .input_schema(r#"{"type":"object"}"#)?;
    server.add_tool(ask, |call| {
        let rounds = parse(call.arguments());
        ask_all(call, &rounds, |call, answers| {
            call.reply(ToolResult::text(answers));
        });
    })?;
    let prompt = Prompt::new("ask")?
        .description("Asks what its argument says.")
        .argument(PromptArgument::new("questions").required())?;
    server.add_prompt(
        prompt,
        |call| {
            let rounds = parse(parse(call.arguments())["questions"].as_str().unwrap());
            ask_all(call, &rounds, |call, answers| {
                call.reply(PromptResult::text(answers));
            });
        },
        None,
    )?;
    server.add_resource(
        Resource::new("ask://name", "name")?,
        |call| {
            let rounds = json!({"rounds": [{"name": {"form": "Your name?"}}]});
            ask_all(call, &rounds, |call, answers| {
                call.reply(ReadResult::text(answers));
            });
        },
        None,
    )
}

/// Asks `what["rounds"]` one after the other and hands all answers to `done` as JSON by key. A
/// client that cannot be asked has no answer in them, unless `what["strict"]` makes that an error.
fn ask_all(call: Call, what: &Value, done: impl FnOnce(Call, String)) {
    let mut answers = Map::new();
    for (number, round) in what["rounds"].as_array().expect("rounds").iter().enumerate() {
        let mut is_open = false;
        for (key, question) in round.as_object().expect("a round is an object") {
            match call.need(key, question_of(question)) {
                Ok(Need::Answered(json)) => {
                    answers.insert(key.clone(), parse(&*json));
                }
                Ok(Need::Asked) => is_open = true,
                Err(Error::Capability(_)) if what["strict"] == true => {
                    call.fail_unanswerable();
                    return;
                }
                Err(Error::Capability(_)) => {
                    answers.insert(key.clone(), "cannot".into());
                }
                Err(Error::Refused(_)) => {
                    answers.insert(key.clone(), "refused".into());
                }
                Err(error) => panic!("{error}"),
            }
        }
        if is_open {
            // What was kept in the last round comes back, in the same one if answers are missing.
            let kept = call.kept().len();
            assert!(kept == number || kept == number + 1, "{kept} in round {number}");
            call.keep(&vec![b'r'; number + 1]).unwrap();
            call.ask();
            return;
        }
    }
    done(call, Value::Object(answers).to_string());
}

fn question_of(value: &Value) -> Question {
    let schema = r#"{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}"#;
    if let Some(message) = value["form"].as_str() {
        return Question::form(message, schema).unwrap();
    }
    if let Some(url) = value["url"].as_str() {
        return Question::url("Sign in there.", url).unwrap();
    }
    match value.get("sampling") {
        Some(params) => Question::sampling(&params.to_string()).unwrap(),
        None => Question::roots(),
    }
}

fn add_tasks(server: &Server, held: &Sender<Call>) -> Result<()> {
    let any = r#"{"type":"object"}"#;
    for (name, task) in [("job", TaskSupport::Optional), ("night", TaskSupport::Required)] {
        let tool = Tool::new(name)?
            .description("Takes long.")
            .input_schema(any)?
            .flags(ToolFlags { task, ..ToolFlags::default() });
        let held = Mutex::new(held.clone());
        server.add_tool(tool, move |call| {
            // The receiver lives as long as the host.
            let _ = held.lock().unwrap().send(call);
        })?;
    }
    let tool = Tool::new("survey")?
        .description("Asks while it runs.")
        .input_schema(any)?
        .flags(ToolFlags { task: TaskSupport::Optional, ..ToolFlags::default() });
    server.add_tool(tool, |call| {
        let rounds = parse(call.arguments());
        ask_all(call, &rounds, |call, answers| {
            call.reply(ToolResult::text(answers));
        });
    })
}

fn add_ui(server: &Server) -> Result<()> {
    let page = Resource::new("ui://chart", "chart")?
        .mime("text/html;profile=mcp-app")
        .meta(r#"{"ui":{"prefersBorder":true}}"#)?;
    server.add_resource(
        page,
        |call| {
            call.reply(ReadResult::text("<!doctype html><title>Chart</title>"));
        },
        None,
    )?;
    let tool = Tool::new("chart")?.description("Draws a chart.").ui("ui://chart")?;
    server.add_tool(tool, |call| {
        call.reply(ToolResult::text("a line that rises"));
    })
}
