//! `notifications/resources/updated` and the changes of lists: to those who asked, together, under
//! the name of the stream that asked.

mod peer;

use std::time::{Duration, Instant};

use emcp::{Hooks, Limits, Options, Prompt, PromptResult, ReadResult, Resource};
use peer::*;
use serde_json::{Value, json};

const UPDATED: &str = "notifications/resources/updated";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

fn add(host: &Host, uri: &str) {
    let resource = Resource::new(uri, "r").unwrap();
    host.server.add_resource(resource, |call| _ = call.reply(ReadResult::text("x")), None).unwrap();
}

fn offering(options: Options, limits: Limits) -> Host {
    let host = host_with(options, limits);
    ["log://a", "log://b", "log://c"].iter().for_each(|uri| add(&host, uri));
    let many = Resource::template("metrics://{chart}", "m").unwrap();
    host.server.add_resource(many, |call| _ = call.reply(ReadResult::text("x")), None).unwrap();
    host
}

/// Changes are told at once.
fn prompt() -> Host {
    offering(Options::default(), Limits { coalesce_time: Duration::ZERO, ..limits() })
}

fn subscribe(line: &mut Line<'_>, uri: &str) -> Value {
    line.ask(&request("5", "resources/subscribe", &json!({ "uri": uri })))
}

/// Opens a stream; returns what was acknowledged too.
fn listen(host: &Host, id: &str, wanted: Value) -> (Events, Value) {
    let http = host.modern(id, "subscriptions/listen", json!({ "notifications": wanted }));
    let mut events = http.events();
    let acknowledged = events.json();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["_meta"][SUBSCRIPTION], parse(id));
    (events, acknowledged["params"]["notifications"].clone())
}

/// Where the unsolicited messages of each legacy client come.
fn unsolicited<'a>(line: &'a mut Line<'_>) -> Incoming<'a> {
    match line {
        Line::Streamable(session) => {
            Incoming::Exchange(Box::new(Exchange::Stream(session.get(None))))
        }
        Line::Sse(client) => Incoming::Events(&mut client.events),
        Line::Ws(ws) => Incoming::Ws(ws),
    }
}

#[test]
fn only_those_hear_of_it_who_subscribed_to_exactly_that() {
    let host = prompt();
    let uri = "metrics://cpu";
    let (mut exact, _) = listen(&host, "1", json!({ "resourceSubscriptions": [uri, "log://a"] }));
    let (mut other, _) = listen(&host, "2", json!({ "resourceSubscriptions": ["metrics://disk"] }));
    let (none, _) = listen(&host, "3", json!({ "resourcesListChanged": true }));
    for mut line in Line::each(&host, NEWEST) {
        assert_eq!(subscribe(&mut line, uri)["result"], json!({}), "{}", line.name());
        let mut incoming = unsolicited(&mut line);
        host.server.resource_updated("log://c");
        host.server.resource_updated("metrics://{chart}");
        host.server.resource_updated(uri);
        let expected = json!({ "jsonrpc": "2.0", "method": UPDATED, "params": { "uri": uri } });
        assert_eq!(incoming.json(), expected);
        let news = exact.json();
        let meta = json!({ SUBSCRIPTION: 1 });
        assert_eq!(
            (&news["method"], &news["params"]),
            (&json!(UPDATED), &json!({ "uri": uri, "_meta": meta }))
        );
    }
    host.server.resource_updated("log://a");
    assert_eq!(exact.json()["params"]["uri"], "log://a");
    host.server.resource_updated("metrics://disk");
    assert_eq!(other.json()["params"]["uri"], "metrics://disk");
    host.server.stop().unwrap();
    for (mut events, id) in [(exact, 1), (other, 2), (none, 3)] {
        let rest = events.rest();
        assert_eq!((rest.len(), &rest[0]["id"]), (1, &json!(id)), "{rest:?}");
        assert_eq!(rest[0]["result"]["_meta"][SUBSCRIPTION], id);
    }
}

#[test]
fn updates_at_once_are_one_per_resource() {
    let coalesce_time = Duration::from_millis(200);
    let host = offering(Options::default(), Limits { coalesce_time, ..limits() });
    let uris = ["log://a", "log://b"];
    let (mut events, _) = listen(&host, "1", json!({ "resourceSubscriptions": uris }));
    let mut line = Line::Ws(Ws::open(&host, NEWEST));
    uris.iter().for_each(|uri| assert!(subscribe(&mut line, uri)["result"].is_object()));
    let begin = Instant::now();
    for _ in 0..500 {
        uris.iter().for_each(|uri| host.server.resource_updated(uri));
    }
    // One per period that it took on this machine, and one for the period begun.
    let periods = begin.elapsed().as_millis() / coalesce_time.as_millis();
    let most = 2 * (1 + usize::try_from(periods).unwrap());
    let mut heard = [events.json(), events.json()].map(|news| news["params"]["uri"].clone());
    heard.sort_by_key(Value::to_string);
    assert_eq!(heard, ["log://a", "log://b"]);
    host.server.stop().unwrap();
    assert!(events.rest().len() <= most - 2 + 1);
    let Line::Ws(mut ws) = line else { unreachable!() };
    let heard = ws.until_close().0.len();
    assert!((2..=most).contains(&heard), "{heard}");
}

#[test]
fn who_unsubscribes_hears_nothing_more() {
    let host = prompt();
    for mut line in Line::each(&host, NEWEST) {
        for uri in ["log://a", "log://b"] {
            subscribe(&mut line, uri);
        }
        let gone = json!({ "uri": "log://a" });
        // Twice, and of what was never subscribed to: all the same.
        for uri in [&gone, &gone, &json!({ "uri": "log://c" }), &json!({ "uri": "nonsense" })] {
            let reply = line.ask(&request("6", "resources/unsubscribe", uri));
            assert_eq!(reply["result"], json!({}), "{}", line.name());
        }
        let mut incoming = unsolicited(&mut line);
        host.server.resource_updated("log://a");
        host.server.resource_updated("log://b");
        assert_eq!(incoming.json()["params"]["uri"], "log://b");
    }
}

#[test]
fn what_is_not_there_cannot_be_subscribed_to() {
    let host = prompt();
    for mut line in Line::each(&host, NEWEST) {
        for uri in ["log://z", "metrics://", "metrics://a/b", "", "nonsense"] {
            let reply = subscribe(&mut line, uri);
            assert_error(&reply, json!(5), -32002);
            assert_eq!(reply["error"]["data"], json!({ "uri": uri }));
        }
        let reply = line.ask(&request("5", "resources/subscribe", &json!({})));
        assert_error(&reply, json!(5), -32602);
    }
    let wanted = json!(["log://z", "log://a", "metrics://a/b", "metrics://a", "log://a"]);
    let (_, honoured) = listen(&host, "1", json!({ "resourceSubscriptions": wanted }));
    assert_eq!(honoured, json!({ "resourceSubscriptions": ["log://a", "metrics://a"] }));
    // A modern client has no such methods.
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let (status, reply) = host.modern("1", method, json!({ "uri": "log://a" })).first();
        assert_eq!(status, 404);
        assert_error(&reply, json!(1), -32601);
    }
}

#[test]
fn subscriptions_are_bounded() {
    let host = offering(Options::default(), Limits { subscriptions: 2, ..limits() });
    for mut line in Line::each(&host, NEWEST) {
        for uri in ["log://a", "log://b", "log://a"] {
            assert_eq!(subscribe(&mut line, uri)["result"], json!({}));
        }
        assert_error(&subscribe(&mut line, "log://c"), json!(5), -32603);
        line.ask(&request("6", "resources/unsubscribe", &json!({ "uri": "log://a" })));
        assert_eq!(subscribe(&mut line, "log://c")["result"], json!({}));
    }
    assert_eq!(host.server.stats().subscriptions_refused, 3);
    let wanted = json!({ "resourceSubscriptions": ["log://a", "log://b", "log://c"] });
    let (_, honoured) = listen(&host, "1", wanted);
    assert_eq!(honoured["resourceSubscriptions"].as_array().unwrap().len(), 2);
    assert_eq!(host.server.stats().subscriptions_refused, 4);
}

#[test]
fn several_streams_of_one_client_have_their_own_names() {
    let host = prompt();
    let mut ws = Ws::connect(&host);
    for (id, uris) in [("1", json!(["log://a"])), (r#""1""#, json!(["log://a", "log://b"]))] {
        let wanted = json!({ "notifications": { "resourceSubscriptions": uris } });
        ws.send(&request(id, "subscriptions/listen", &claim(wanted)));
        assert_eq!(ws.json()["params"]["_meta"][SUBSCRIPTION], parse(id));
    }
    // The name is in use.
    let wanted = json!({ "notifications": {} });
    ws.send(&request("1", "subscriptions/listen", &claim(wanted)));
    assert_error(&ws.json(), json!(1), -32600);
    let ids = |ws: &mut Ws, count: usize| {
        let mut ids: Vec<Value> =
            (0..count).map(|_| ws.json()["params"]["_meta"][SUBSCRIPTION].clone()).collect();
        ids.sort_by_key(Value::to_string);
        ids
    };
    host.server.resource_updated("log://a");
    assert_eq!(ids(&mut ws, 2), [json!("1"), json!(1)]);
    host.server.resource_updated("log://b");
    assert_eq!(ids(&mut ws, 1), [json!("1")]);
    // Cancelled, one ends and the other stays.
    ws.send(&notification("notifications/cancelled", &json!({ "requestId": 1 })));
    wait_until(|| host.server.stats().listens == 1);
    host.server.resource_updated("log://a");
    assert_eq!(ids(&mut ws, 1), [json!("1")]);
    host.server.stop().unwrap();
    let (last, code) = ws.until_close();
    assert_eq!(code, 1001);
    assert_eq!(last[0]["params"]["requestId"], "1");
    assert_eq!((&last[1]["id"], last.len()), (&json!("1"), 2));
}

#[test]
fn the_end_of_a_client_ends_its_subscriptions() {
    let host = prompt();
    let (events, _) = listen(&host, "1", json!({ "resourceSubscriptions": ["log://a"] }));
    let mut ws = Ws::connect(&host);
    let wanted = json!({ "notifications": { "resourceSubscriptions": ["log://a"] } });
    ws.send(&request("1", "subscriptions/listen", &claim(wanted)));
    ws.json();
    assert_eq!(host.server.stats().listens, 2);
    drop((events, ws));
    wait_until(|| {
        let stats = host.server.stats();
        (stats.listens, stats.streams, stats.sessions, stats.connections) == (0, 0, 0, 0)
    });
    host.server.resource_updated("log://a");
    assert_eq!(host.server.stats().notifications_dropped, 0);
}

#[test]
fn lists_of_resources_and_prompts_change_in_both_eras() {
    let options = Options { resources: true, prompts: true, ..Options::default() };
    let host = host_with(options, Limits { coalesce_time: Duration::ZERO, ..limits() });
    let add_prompt = || {
        let get = |call: emcp::Call| _ = call.reply(PromptResult::text("x"));
        host.server.add_prompt(Prompt::new("p").unwrap(), get, None).unwrap();
    };
    let template = "many://{x}";
    let add_template = || {
        let many = Resource::template(template, "m").unwrap();
        host.server.add_resource(many, |_| {}, None).unwrap();
    };
    let server = &host.server;
    let resources: [&dyn Fn(); 6] = [
        &|| add(&host, "log://a"),
        &|| server.enable_resource("log://a", false).unwrap(),
        &|| server.enable_resource("log://a", true).unwrap(),
        &|| server.remove_resource("log://a").unwrap(),
        &add_template,
        &|| server.remove_resource(template).unwrap(),
    ];
    let prompts: [&dyn Fn(); 4] = [
        &add_prompt,
        &|| server.enable_prompt("p", false).unwrap(),
        &|| server.enable_prompt("p", true).unwrap(),
        &|| server.remove_prompt("p").unwrap(),
    ];
    let both = json!({ "resourcesListChanged": true, "promptsListChanged": true });
    let (mut all, honoured) = listen(&host, "1", both.clone());
    assert_eq!(honoured, both);
    let (mut of_prompts, _) = listen(&host, "2", json!({ "promptsListChanged": true }));
    let session = Streamable::open(&host, NEWEST);
    let (mut get, mut sse) = (session.get(None), SseClient::open(&host, "2024-11-05"));
    let mut ws = Ws::open(&host, "2025-06-18");
    ws.settle();
    let kinds = [
        ("notifications/resources/list_changed", &resources[..]),
        ("notifications/prompts/list_changed", &prompts[..]),
    ];
    for (method, changes) in kinds {
        for change in changes {
            change();
            for news in [get.json(), sse.events.json(), ws.json(), all.json()] {
                assert_eq!(news["method"], method);
            }
            if method.contains("prompts") {
                assert_eq!(of_prompts.json()["method"], method);
            }
        }
    }
}

#[test]
fn a_resource_that_is_removed_stays_subscribed_to_for_its_return() {
    let host = prompt();
    let mut line = Line::Ws(Ws::open(&host, NEWEST));
    subscribe(&mut line, "log://a");
    let mut incoming = unsolicited(&mut line);
    host.server.remove_resource("log://a").unwrap();
    assert_eq!(incoming.json()["method"], "notifications/resources/list_changed");
    add(&host, "log://a");
    assert_eq!(incoming.json()["method"], "notifications/resources/list_changed");
    host.server.resource_updated("log://a");
    assert_eq!(incoming.json()["method"], UPDATED);
}

#[test]
fn nobody_subscribes_to_what_the_host_hides() {
    let server = hosted::fresh(Options::default(), limits());
    let allow = |_: &emcp::Caller, _: emcp::Item, name: &str| !name.contains("secret");
    server.set_hooks(Hooks { allow: Some(Box::new(allow)), ..Hooks::default() }).unwrap();
    let host = host_of(server);
    add(&host, "log://open");
    add(&host, "log://secret");
    for mut line in Line::each(&host, NEWEST) {
        assert_eq!(subscribe(&mut line, "log://open")["result"], json!({}));
        let (hidden, absent) =
            (subscribe(&mut line, "log://secret"), subscribe(&mut line, "log://z"));
        assert_eq!(hidden["error"]["code"], absent["error"]["code"]);
        assert_eq!(hidden["error"]["message"], absent["error"]["message"]);
    }
    let wanted = json!({ "resourceSubscriptions": ["log://secret", "log://open", "log://z"] });
    let (_, honoured) = listen(&host, "1", wanted);
    assert_eq!(honoured, json!({ "resourceSubscriptions": ["log://open"] }));
}

#[test]
fn updates_cost_nothing_when_nobody_asked() {
    let host = offering(
        Options::default(),
        Limits { coalesce_time: Duration::from_secs(3600), ..limits() },
    );
    for number in 0..10_000 {
        host.server.resource_updated(&format!("log://{number}"));
    }
    // What was noted before somebody asked is no news to it.
    let (mut events, _) = listen(&host, "1", json!({ "resourceSubscriptions": ["log://a"] }));
    host.server.stop().unwrap();
    assert_eq!(events.rest().len(), 1);
}
