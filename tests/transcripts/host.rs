//! The host of the dialogues: what it has beside the tools of every test, and what it can be told
//! to do by a step.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use emcp::{Call, Level, Limits, Options, Prompt, PromptResult, ReadResult, Resource, ToolResult};
use serde_json::Value;

use super::offers;
use crate::peer::{Host, PATIENCE, cancellation, host_with, limits, parse};

pub(crate) struct Fixture {
    pub(crate) host: Host,
    /// The calls that wait for a step, by tool and their argument `tag`.
    held: Mutex<HashMap<String, Call>>,
    /// Calls of tools that run as tasks, on their way there.
    jobs: Mutex<Receiver<Call>>,
}

impl Fixture {
    /// A running host whose lists have pages of `page` entries, with what `offers` name.
    pub(crate) fn new(page: Option<usize>, offers: &[String]) -> Fixture {
        let usual = limits();
        let page = page.unwrap_or(usual.page);
        let limits = Limits { page, coalesce_time: Duration::ZERO, ..usual };
        let host = host_with(Options::default(), limits);
        let (sender, jobs) = channel();
        for offer in offers {
            offers::add(&host.server, offer, &sender).unwrap();
        }
        Fixture { host, held: Mutex::default(), jobs: Mutex::new(jobs) }
    }

    /// Does what a step says: `action`, with the other members of the step.
    pub(crate) fn act(&self, action: &str, step: &Value) {
        let server = &self.host.server;
        match action {
            "add_tool" => self.host.add_tool(text(step, "name")),
            "remove_tool" => server.remove_tool(text(step, "name")).unwrap(),
            "hide_tool" => server.enable_tool(text(step, "name"), false).unwrap(),
            "show_tool" => server.enable_tool(text(step, "name"), true).unwrap(),
            "add_resource" => {
                let resource = Resource::new(text(step, "uri"), "added").unwrap();
                let add = server.add_resource(
                    resource,
                    |call| {
                        call.reply(ReadResult::text("added"));
                    },
                    None,
                );
                add.unwrap();
            }
            "remove_resource" => server.remove_resource(text(step, "uri")).unwrap(),
            "hide_resource" => server.enable_resource(text(step, "uri"), false).unwrap(),
            "show_resource" => server.enable_resource(text(step, "uri"), true).unwrap(),
            "resource_updated" => server.resource_updated(text(step, "uri")),
            "add_prompt" => {
                let prompt = Prompt::new(text(step, "name")).unwrap();
                let get = |call: Call| {
                    call.reply(PromptResult::text("added"));
                };
                server.add_prompt(prompt, get, None).unwrap();
            }
            "remove_prompt" => server.remove_prompt(text(step, "name")).unwrap(),
            "hide_prompt" => server.enable_prompt(text(step, "name"), false).unwrap(),
            "show_prompt" => server.enable_prompt(text(step, "name"), true).unwrap(),
            // Said by the server and not by a call.
            "log" => server.log(level(step), step["logger"].as_str(), &step["data"].to_string()),
            _ => self.act_on_call(action, step),
        }
    }

    /// What happens to the call of `tool`, which is `hold` if the step does not say, with the tag
    /// that the step names in `call`.
    fn act_on_call(&self, action: &str, step: &Value) {
        let tool = step["tool"].as_str().unwrap_or("hold");
        let call = self.take(tool, step["call"].as_str().unwrap_or_default());
        match action {
            "hold" => self.keep(call),
            "progress" => {
                let total = step["total"].as_f64().unwrap_or_default();
                let done = step["done"].as_f64().expect("how much is done");
                assert!(call.progress(done, total, step["message"].as_str()));
                self.keep(call);
            }
            "say" => {
                let data = step["data"].to_string();
                assert!(call.log(level(step), step["logger"].as_str(), &data));
                self.keep(call);
            }
            "answer" => {
                let is_open = call.reply(ToolResult::text(text(step, "text")));
                let is_late = step["late"].as_bool().unwrap_or_default();
                assert_eq!(is_open, !is_late, "whether anybody waits");
            }
            "fail" => {
                call.reply(ToolResult::error(text(step, "text")));
            }
            "drop" => drop(call),
            "fail_rpc" => {
                let code = step["code"].as_i64().and_then(|code| i32::try_from(code).ok());
                let data = step.get("data").map(Value::to_string);
                call.fail_rpc(code.expect("a code"), text(step, "text"), data.as_deref());
            }
            "fail_capability" => {
                call.fail_missing_capability(text(step, "capability"));
            }
            "cancelled" => {
                let reason = format!("{:?}", cancellation(&call));
                assert_eq!(reason, step["reason"].as_str().unwrap_or("Client"));
                self.keep(call);
            }
            "status" => {
                call.set_task_status(text(step, "text"));
                self.keep(call);
            }
            "begin_task" => {
                let begun = call.begin_task().is_ok();
                assert_eq!(begun, step["works"] == true);
                self.keep(call);
            }
            _ => panic!("unknown action {action}"),
        }
    }

    /// Waits for the call of `tool` with `tag`.
    fn take(&self, tool: &str, tag: &str) -> Call {
        loop {
            if let Some(call) = self.held.lock().unwrap().remove(&format!("{tool} {tag}")) {
                return call;
            }
            self.keep(match tool {
                "hold" => self.host.held(),
                _ => self.jobs.lock().unwrap().recv_timeout(PATIENCE).expect("no job arrived"),
            });
        }
    }

    fn keep(&self, call: Call) {
        let arguments = parse(call.arguments());
        let tag = arguments["tag"].as_str().unwrap_or_default();
        self.held.lock().unwrap().insert(format!("{} {tag}", call.name()), call);
    }

    /// Stops the server; no call may be open.
    pub(crate) fn stop(&self) {
        let held = std::mem::take(&mut *self.held.lock().unwrap());
        for (name, call) in held {
            assert!(call.is_ended(), "the call {name:?} is open at the end");
        }
        self.host.server.stop().unwrap();
    }
}

fn text<'a>(step: &'a Value, member: &str) -> &'a str {
    step[member].as_str().unwrap_or_else(|| panic!("{member} is missing: {step}"))
}

fn level(step: &Value) -> Level {
    let name = text(step, "level");
    let known = Level::ALL.into_iter().find(|level| level.as_str() == name);
    known.unwrap_or_else(|| panic!("unknown level {name}"))
}
