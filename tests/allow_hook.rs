//! `Hooks::allow`: what a caller may not see is left out of lists and answered like what is not
//! there.

mod peer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use emcp::{
    Call, Caller, CompletionResult, Hooks, Item, Limits, Options, Param, ParamKind, ParsedRequest,
    Prompt, PromptArgument, PromptResult, ReadResult, Resource, Run, Server, Tool, ToolResult,
};
use peer::hosted::{IO_THREADS, Threads, beside, run_until};
use peer::message::{TRUSTED, next, send};
use peer::*;
use serde_json::{Value, json};

/// Adds six of each kind, every other one with `hidden` in its name.
fn fill(server: &Server) {
    let read = |call: Call| _ = call.reply(ReadResult::text("x"));
    let get = |call: Call| _ = call.reply(PromptResult::text("x"));
    for number in 0..3 {
        for kind in ["hidden", "open"] {
            let name = format!("{number}{kind}");
            let header = Param::new("region", ParamKind::String).header("Region");
            let tool = Tool::new(&*name).unwrap().description("T.").params(&[header]).unwrap();
            server.add_tool(tool, |call| _ = call.reply(ToolResult::text("x"))).unwrap();
            let resource = Resource::new(&format!("log://{name}"), "r").unwrap();
            server.add_resource(resource, read, None).unwrap();
            let template = Resource::template(&format!("t{name}://{{a}}"), "t").unwrap();
            let complete = |call: Call| _ = call.reply(CompletionResult::default());
            server.add_resource(template, read, Some(Box::new(complete))).unwrap();
            let prompt = Prompt::new(&*name).unwrap();
            let argument = PromptArgument::new("a").choices(["x"]);
            server.add_prompt(prompt.argument(argument).unwrap(), get, None).unwrap();
        }
    }
}

type Allow = Box<dyn Fn(&Caller, Item, &str) -> bool + Send + Sync>;

fn server(options: Options, limits: Limits, allow: Option<Allow>) -> Server {
    let server = hosted::fresh(in_mode(options), limits);
    server.set_hooks(Hooks { allow, ..Hooks::default() }).unwrap();
    fill(&server);
    server
}

fn start(server: Server) -> Host {
    let mut host = host_of(server);
    host.dispatch();
    host
}

/// Alice sees everything, others what is open.
fn by_name(caller: &Caller, _item: Item, name: &str) -> bool {
    caller.principal == "alice" || !name.contains("hidden")
}

fn restricted() -> Host {
    start(server(Options::default(), limits(), Some(Box::new(by_name))))
}

const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ("prompts/list", "prompts", "name"),
];

/// All pages of a list: the keys on each.
fn pages(mut ask: impl FnMut(Value) -> Value, member: &str, key: &str) -> Vec<Vec<String>> {
    let (mut pages, mut params) = (Vec::new(), json!({}));
    loop {
        let result = ask(params)["result"].take();
        let page = result[member].as_array().unwrap_or_else(|| panic!("{result}"));
        pages.push(page.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect());
        match &result["nextCursor"] {
            Value::Null => return pages,
            cursor => params = json!({ "cursor": cursor }),
        }
    }
}

#[test]
fn lists_show_what_is_allowed_on_full_pages() {
    let limits = Limits { page: 2, ..limits() };
    let host = start(server(Options::default(), limits, Some(Box::new(by_name))));
    for (method, member, key) in LISTS {
        let modern = |params: Value| host.modern("1", method, params).first().1;
        let of_nobody = pages(modern, member, key);
        assert_eq!(of_nobody.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1], "{of_nobody:?}");
        assert!(of_nobody.iter().flatten().all(|name| name.contains("open")), "{of_nobody:?}");
        for (principal, count) in [("alice", 6), ("bob", 3), ("", 3)] {
            let opening = ParsedRequest { principal, ..TRUSTED };
            let peer = host.server.open_peer(&opening, None).unwrap();
            let ask = |params: Value| {
                send(&peer, &request("1", method, &claim(params)));
                next(&peer)
            };
            assert_eq!(pages(ask, member, key).concat().len(), count, "{principal} {method}");
        }
        for mut line in Line::each(&host, NEWEST) {
            let ask = |params: Value| line.ask(&request("1", method, &params));
            assert_eq!(pages(ask, member, key), of_nobody, "{method}");
        }
    }
}

#[test]
fn what_is_hidden_is_answered_like_what_is_not_there() {
    let host = restricted();
    let complete = |of: Value| json!({ "ref": of, "argument": { "name": "a", "value": "" } });
    let prompt = |name: &str| complete(json!({ "type": "ref/prompt", "name": name }));
    let template = |uri: &str| complete(json!({ "type": "ref/resource", "uri": uri }));
    let requests = |name: &str| {
        [
            ("tools/call", json!({ "name": name, "arguments": { "region": "eu" } })),
            // What is wrong with it is nobody's business either.
            ("tools/call", json!({ "name": name, "arguments": { "region": 7, "more": 1 } })),
            ("resources/read", json!({ "uri": format!("log://{name}") })),
            ("resources/read", json!({ "uri": format!("t{name}://x") })),
            ("prompts/get", json!({ "name": name, "arguments": { "a": "x" } })),
            ("completion/complete", prompt(name)),
            ("completion/complete", template(&format!("t{name}://{{a}}"))),
        ]
    };
    let blank = |mut reply: Value, name: &str| {
        reply["id"] = Value::Null;
        reply.to_string().replace(name, "NAME")
    };
    for ((method, hidden), (_, absent)) in requests("1hidden").into_iter().zip(requests("1absent"))
    {
        let (status, reply) = host.modern("1", method, hidden.clone()).first();
        assert!(reply["error"].is_object(), "{method} {reply}");
        let (same_status, same) = host.modern("1", method, absent.clone()).first();
        assert_eq!((status, blank(reply, "1hidden")), (same_status, blank(same, "1absent")));
        for mut line in Line::each(&host, NEWEST) {
            let reply = line.ask(&request("1", method, &hidden));
            let same = line.ask(&request("1", method, &absent));
            assert!(reply["error"].is_object(), "{method} {reply}");
            assert_eq!(blank(reply, "1hidden"), blank(same, "1absent"), "{}", line.name());
        }
    }
    // No function has run.
    assert_eq!(host.server.stats().calls_started, 0);
    let mut line = Line::Ws(Ws::open(&host, NEWEST));
    for (method, params) in requests("1open") {
        let reply = line.ask(&request("1", method, &params));
        assert!(reply["result"].is_object(), "{method} {reply}");
    }
}

/// Regression: the check of a tool's own headers came first and told hidden tools from none.
#[test]
fn headers_do_not_tell_what_is_hidden() {
    let host = restricted();
    let call = |name: &str, header: Option<(&str, &str)>| {
        let params = json!({ "name": name, "arguments": { "region": "eu" } });
        let mut headers = modern_headers("tools/call");
        headers.push(("Mcp-Name", name));
        headers.extend(header);
        let (status, reply) =
            host.post(&headers, &request("1", "tools/call", &claim(params))).first();
        (status, reply["error"]["code"].as_i64())
    };
    let (right, wrong) = (Some(("Mcp-Param-Region", "eu")), Some(("Mcp-Param-Region", "us")));
    for header in [None, right, wrong] {
        assert_eq!(call("1hidden", header), (200, Some(-32602)), "{header:?}");
        assert_eq!(call("1absent", header), (200, Some(-32602)), "{header:?}");
    }
    assert_eq!(call("1open", right), (200, None));
    assert_eq!(call("1open", None), (400, Some(-32020)));
    assert_eq!(call("1open", wrong), (400, Some(-32020)));
}

#[test]
fn the_hook_hears_who_asks_for_what() {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let listener = heard.clone();
    let allow = move |caller: &Caller, item: Item, name: &str| {
        let caller = (caller.principal.clone(), caller.transport, caller.client_name.clone());
        listener.lock().unwrap().push((caller, item, name.to_owned()));
        true
    };
    let host = start(server(Options::default(), limits(), Some(Box::new(allow))));
    let opening = ParsedRequest { principal: "alice", ..TRUSTED };
    let peer = host.server.open_peer(&opening, None).unwrap();
    send(&peer, &initialize("0", NEWEST));
    next(&peer);
    heard.lock().unwrap().clear();
    // The URI, and then the template that it fits.
    let fitting = [(Item::Resource, "t1open://x"), (Item::Template, "t1open://{a}")];
    for (method, params, asked) in [
        ("tools/call", json!({ "name": "1open" }), &[(Item::Tool, "1open")][..]),
        ("resources/read", json!({ "uri": "log://1open" }), &[(Item::Resource, "log://1open")]),
        ("resources/read", json!({ "uri": "t1open://x" }), &fitting),
        ("resources/subscribe", json!({ "uri": "t1open://x" }), &fitting),
        ("prompts/get", json!({ "name": "1open" }), &[(Item::Prompt, "1open")]),
    ] {
        send(&peer, &request("1", method, &params));
        assert!(next(&peer)["result"].is_object());
        let caller = ("alice".to_owned(), "websocket", "peer".to_owned());
        let heard = std::mem::take(&mut *heard.lock().unwrap());
        let asked = asked.iter().map(|(item, name)| (caller.clone(), *item, (*name).to_owned()));
        assert_eq!(heard, asked.collect::<Vec<_>>(), "{method}");
    }
    for method in ["ping", "logging/setLevel"] {
        send(&peer, &request("1", method, &json!({ "level": "info" })));
        assert!(next(&peer)["result"].is_object());
    }
    assert_eq!(*heard.lock().unwrap(), []);
}

#[test]
fn a_hook_that_panics_has_not_allowed_anything() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = broken.clone();
    let allow = move |_: &Caller, _: Item, _: &str| {
        assert!(!is_broken.load(SeqCst), "the hook is broken");
        true
    };
    let host = start(server(Options::default(), limits(), Some(Box::new(allow))));
    for (method, member, key) in LISTS {
        let modern = |params: Value| host.modern("1", method, params).first().1;
        assert_eq!(pages(modern, member, key), [[""; 0]]);
    }
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&call("1", "1open", None));
    assert_error(&ws.json(), json!(1), -32602);
    broken.store(false, SeqCst);
    ws.send(&call("2", "1open", None));
    assert_eq!(text_of(&ws.json()), "x");
}

#[test]
fn what_differs_from_caller_to_caller_is_private() {
    let options = || Options { public_cache: true, ..Options::default() };
    for (allow, scope) in [(None, "public"), (Some(Box::new(by_name) as Allow), "private")] {
        let host = start(server(options(), limits(), allow));
        for (method, ..) in LISTS {
            let (_, reply) = host.modern("1", method, json!({})).first();
            assert_eq!(reply["result"]["cacheScope"], scope, "{method}");
        }
        let (_, reply) =
            host.modern("1", "resources/read", json!({ "uri": "log://1open" })).first();
        assert_eq!(reply["result"]["cacheScope"], scope);
    }
}

#[test]
fn what_is_hidden_while_it_runs_goes_on() {
    let hidden = Arc::new(AtomicBool::new(false));
    let is_hidden = hidden.clone();
    let allow = move |_: &Caller, _: Item, name: &str| name != "wait" || !is_hidden.load(SeqCst);
    let server = server(Options::default(), limits(), Some(Box::new(allow)));
    let (sender, calls) = std::sync::mpsc::channel();
    let sender = std::sync::Mutex::new(sender);
    let tool = Tool::new("wait").unwrap().description("Waits.");
    server.add_tool(tool, move |call| sender.lock().unwrap().send(call).unwrap()).unwrap();
    let host = start(server);
    let mut ws = Ws::open(&host, NEWEST);
    ws.send(&call("1", "wait", None));
    let held = calls.recv_timeout(PATIENCE).unwrap();
    hidden.store(true, SeqCst);
    ws.send(&call("2", "wait", None));
    assert_error(&ws.json(), json!(2), -32602);
    held.reply(ToolResult::text("done"));
    assert_eq!(text_of(&ws.json()), "done");
}

mod on_the_thread_of_the_host {
    use super::*;

    fn hosted(io_threads: usize, threads: &Threads) -> Host {
        let options = Options { run: Run::Host, io_threads, ..Options::default() };
        let server = hosted::fresh(options, limits());
        let threads = threads.clone();
        let allow = move |caller: &Caller, item: Item, name: &str| {
            threads.note("allow");
            by_name(caller, item, name)
        };
        server.set_hooks(Hooks { allow: Some(Box::new(allow)), ..Hooks::default() }).unwrap();
        fill(&server);
        host_of(server)
    }

    /// Regression: `initialize` waited for the host too, and its client was given no session.
    #[test]
    fn the_hook_runs_there_for_every_client() {
        for io_threads in IO_THREADS {
            let threads = Threads::default();
            let host = hosted(io_threads, &threads);
            beside(&host, || {
                for mut line in Line::each(&host, NEWEST) {
                    let list = line.ask(&request("1", "tools/list", &json!({})));
                    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 3);
                    assert_eq!(text_of(&line.ask(&call("2", "1open", None))), "x");
                    assert_error(&line.ask(&call("3", "1hidden", None)), json!(3), -32602);
                }
                let (_, list) = host.modern("1", "tools/list", json!({})).first();
                assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 3);
            });
            assert!(threads.count("allow") > 0);
            threads.assert_all_here();
        }
    }

    /// Regression: a request that waited for the host while its client left was let in after that,
    /// and nobody would ever end it.
    #[test]
    fn a_request_whose_client_has_left_is_not_let_in() {
        let threads = Threads::default();
        let host = hosted(1, &threads);
        let mut ws = beside(&host, || Ws::open(&host, NEWEST));
        let wanted = json!({ "notifications": { "toolsListChanged": true } });
        let listen = host.modern("1", "subscriptions/listen", wanted.clone());
        let mut headers = modern_headers("tools/call");
        headers.extend([("Mcp-Name", "1open")]);
        let body = request("1", "tools/call", &claim(json!({ "name": "1open" })));
        let call = host.post(&headers, &body);
        ws.send(&request("2", "subscriptions/listen", &claim(wanted)));
        ws.send(&peer::call("3", "1open", None));
        wait_until(|| host.server.stats().calls_queued == 4);
        drop((listen, call, ws));
        wait_until(|| host.server.stats().connections == 0);
        run_until(&host, || host.server.stats().calls_queued == 0);
        let stats = host.server.stats();
        assert_eq!((stats.listens, stats.calls, stats.calls_started), (0, 0, 0));
    }

    #[test]
    fn a_request_that_waits_for_the_host_can_be_cancelled() {
        let threads = Threads::default();
        let host = hosted(1, &threads);
        let mut ws = beside(&host, || Ws::open(&host, NEWEST));
        let cancelled = notification("notifications/cancelled", &json!({ "requestId": 1 }));
        ws.send_all(&[call("1", "1open", None), call("2", "1open", None), cancelled]);
        // The same id means another request once the first one is cancelled.
        ws.send_all(&[call("1", "1hidden", None), call("1", "1open", None)]);
        assert_error(&ws.json(), json!(1), -32600);
        let mut replies = beside(&host, || [ws.json(), ws.json()]);
        replies.sort_by_key(|reply| reply["id"].as_u64());
        assert_error(&replies[0], json!(1), -32602);
        assert_eq!(text_of(&replies[1]), "x");
        assert_eq!(host.server.stats().calls_started, 1);
    }

    #[test]
    fn a_request_that_waits_for_the_host_is_answered_by_a_server_that_stops() {
        let threads = Threads::default();
        let host = hosted(1, &threads);
        let mut ws = beside(&host, || Ws::open(&host, NEWEST));
        ws.send(&call("1", "1open", None));
        wait_until(|| host.server.stats().calls_queued == 1);
        host.server.stop().unwrap();
        let (messages, code) = ws.until_close();
        assert_eq!((messages.len(), code), (1, 1001), "{messages:?}");
        assert_error(&messages[0], json!(1), -32603);
        assert_eq!(host.server.stats().calls_started, 0);
    }
}
