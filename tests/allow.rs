//! The host says who may see and call what. What a caller may not have does not exist for it.

mod peer;

use emcp::{
    Call, Caller, Hooks, Identity, Item, Limits, MessagePeer, Options, ParsedRequest, Prompt,
    PromptArgument, PromptResult, ReadResult, Resource, Server, Tool, ToolResult,
};
use peer::message::{HANDSHAKE, next, send};
use peer::*;
use serde_json::{Value, json};

/// A server whose things with "secret" in their names are for alice alone.
fn guarded() -> Host {
    let identity = Identity { name: "host".into(), version: "1".into(), ..Identity::default() };
    let options = Options { public_cache: true, ..Options::default() };
    let server = Server::new(identity, options, Limits::default()).unwrap();
    for name in ["open", "secret"] {
        add(&server, name).unwrap();
    }
    let allow = |caller: &Caller, _: Item, name: &str| {
        caller.principal == "alice" || !name.contains("secret")
    };
    server.set_hooks(Hooks { allow: Some(Box::new(allow)), ..Hooks::default() }).unwrap();
    server.listen("tcp:127.0.0.1:0").unwrap();
    host_of(server)
}

/// Adds one thing of each kind.
fn add(server: &Server, name: &str) -> emcp::Result<()> {
    let read = |call: Call| {
        call.reply(ReadResult::text("text"));
    };
    server.add_tool(Tool::new(name)?.description("Answers."), |call| {
        call.reply(ToolResult::text("done"));
    })?;
    server.add_resource(Resource::new(&format!("note://{name}"), name)?, read, None)?;
    let template = Resource::template(&format!("{name}://part/{{id}}"), name)?;
    server.add_resource(template, read, None)?;
    let argument = PromptArgument::new("a").choices(["b", "c"]);
    server.add_prompt(
        Prompt::new(name)?.argument(argument)?,
        |call| {
            call.reply(PromptResult::text("text"));
        },
        None,
    )
}

/// One principal in one era, over a peer of its own.
struct Client {
    peer: MessagePeer,
    is_modern: bool,
}

impl Client {
    fn open(host: &Host, principal: &str, is_modern: bool) -> Client {
        let opening = ParsedRequest { principal, ..HANDSHAKE };
        let peer = host.server.open_peer(&opening, None).unwrap();
        if !is_modern {
            send(&peer, &initialize("0", NEWEST));
            next(&peer);
            send(&peer, &notification("notifications/initialized", &json!({})));
        }
        Client { peer, is_modern }
    }

    fn ask(&self, method: &str, params: Value) -> Value {
        let params = if self.is_modern { claim(params) } else { params };
        send(&self.peer, &request("1", method, &params));
        next(&self.peer)
    }

    /// The names in a list, the hints for caches held against what a private list has.
    fn list(&self, method: &str, member: &str) -> Vec<String> {
        let result = &self.ask(method, json!({}))["result"];
        assert_eq!(result["cacheScope"] == "private", self.is_modern, "{result}");
        let names = result[member].as_array().expect("a list").iter();
        names.map(|one| one["name"].as_str().expect("a name").to_owned()).collect()
    }
}

/// Each list with the member that holds it.
const LISTS: [(&str, &str); 4] = [
    ("tools/list", "tools"),
    ("resources/list", "resources"),
    ("resources/templates/list", "resourceTemplates"),
    ("prompts/list", "prompts"),
];

/// Each way to use something called `name`.
fn uses(name: &str) -> [(&'static str, Value); 5] {
    let prompt = json!({"type": "ref/prompt", "name": name});
    [
        ("tools/call", json!({"name": name})),
        ("resources/read", json!({"uri": format!("note://{name}")})),
        ("resources/read", json!({"uri": format!("{name}://part/1")})),
        ("prompts/get", json!({"name": name})),
        ("completion/complete", json!({"ref": prompt, "argument": {"name": "a", "value": ""}})),
    ]
}

#[test]
fn each_caller_sees_what_the_host_allows() {
    let host = guarded();
    for is_modern in [false, true] {
        let alice = Client::open(&host, "alice", is_modern);
        let nobody = Client::open(&host, "", is_modern);
        for (method, member) in LISTS {
            assert_eq!(alice.list(method, member), ["open", "secret"], "{method}");
            assert_eq!(nobody.list(method, member), ["open"], "{method}");
        }
    }
}

#[test]
fn what_is_not_allowed_is_answered_like_what_is_not_there() {
    let host = guarded();
    for is_modern in [false, true] {
        let nobody = Client::open(&host, "", is_modern);
        for ((method, secret), (_, missing)) in uses("secret").into_iter().zip(uses("missing")) {
            let refusal = nobody.ask(method, secret).to_string();
            let absence = nobody.ask(method, missing).to_string();
            assert_eq!(refusal.replace("secret", "missing"), absence, "{method}");
        }
        for (method, open) in uses("open") {
            let answer = nobody.ask(method, open);
            assert!(answer["result"].is_object(), "{method}: {answer}");
        }
        let alice = Client::open(&host, "alice", is_modern);
        for (method, secret) in uses("secret") {
            let answer = alice.ask(method, secret);
            assert!(answer["result"].is_object(), "{method}: {answer}");
        }
    }
}

#[test]
fn nobody_subscribes_to_what_it_may_not_see() {
    let host = guarded();
    let params = json!({"uri": "note://secret"});
    let nobody = Client::open(&host, "", false);
    assert_error(&nobody.ask("resources/subscribe", params.clone()), json!(1), -32002);
    let alice = Client::open(&host, "alice", false);
    assert_eq!(alice.ask("resources/subscribe", params)["result"], json!({}));

    let wanted =
        json!({"notifications": {"resourceSubscriptions": ["note://open", "note://secret"]}});
    let honoured = |client: &Client| {
        let message = client.ask("subscriptions/listen", wanted.clone());
        message["params"]["notifications"]["resourceSubscriptions"].clone()
    };
    assert_eq!(honoured(&Client::open(&host, "", true)), json!(["note://open"]));
    let both = json!(["note://open", "note://secret"]);
    assert_eq!(honoured(&Client::open(&host, "alice", true)), both);
}
