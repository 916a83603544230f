//! What a URI reads, what it does not, and in which words: templates, escapes, limits, contents and
//! messages as each revision has them.

mod peer;

use std::time::Duration;

use emcp::{
    CacheTimes, Call, Content, Limits, Options, Prompt, PromptResult, ReadResult, Resource, Role,
};
use peer::*;
use serde_json::{Value, json};

const REVISIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", MODERN];

/// Answers with the URI and the variables that the function sees.
fn show(call: Call) {
    let text = format!("{} {}", call.name(), call.arguments());
    call.reply(ReadResult::text(text));
}

fn with_templates(templates: &[&str]) -> Host {
    let host = host();
    for template in templates {
        let resource = Resource::template(template, "t").unwrap().mime("text/x-shown");
        host.server.add_resource(resource, show, None).unwrap();
    }
    host
}

/// One request in `version` on a WebSocket of its own.
fn ask(host: &Host, version: &str, method: &str, params: &Value) -> Value {
    if version == MODERN {
        return host.modern("1", method, params.clone()).first().1;
    }
    Ws::open(host, version).ask("1", method, params)
}

fn read(host: &Host, version: &str, uri: &str) -> Value {
    ask(host, version, "resources/read", &json!({ "uri": uri }))
}

#[track_caller]
fn assert_absent(host: &Host, uri: &str) {
    let mut ws = Ws::open(host, NEWEST);
    let params = json!({ "uri": uri });
    let reply = ws.ask("1", "resources/read", &params);
    assert_eq!(reply["error"]["code"], -32002, "{uri:?}: {reply}");
    assert_eq!(ws.ask("2", "resources/read", &claim(params))["error"]["code"], -32602, "{uri:?}");
}

#[test]
fn variables_come_decoded_to_the_function() {
    let host = with_templates(&[
        "metrics://{chart}/{dimension}",
        "logs://host{/path*}",
        "find://all{?q,limit}",
        "raw://{+rest}",
    ]);
    for (uri, variables) in [
        ("metrics://cpu/user", json!({ "chart": "cpu", "dimension": "user" })),
        ("metrics://c%C3%A4/%22%0a%5C", json!({ "chart": "c\u{e4}", "dimension": "\"\n\\" })),
        ("metrics://a+b/%2B", json!({ "chart": "a+b", "dimension": "+" })),
        ("metrics://%e2%82%ac/1", json!({ "chart": "\u{20ac}", "dimension": "1" })),
        ("metrics://cpu/%2525", json!({ "chart": "cpu", "dimension": "%25" })),
        ("logs://host/var/log/x", json!({ "path": "var/log/x" })),
        ("find://all", json!({})),
        ("find://all?limit=3", json!({ "limit": "3" })),
        ("find://all?limit=3&q=a%26b", json!({ "q": "a&b", "limit": "3" })),
        ("raw://a/b/../c%2Fd?e", json!({ "rest": "a/b/../c/d?e" })),
    ] {
        for version in [NEWEST, MODERN] {
            let reply = read(&host, version, uri);
            let contents = &reply["result"]["contents"][0];
            let text = contents["text"].as_str().unwrap_or_else(|| panic!("{uri}: {reply}"));
            let (name, shown) = text.split_once(' ').unwrap();
            assert_eq!((name, parse(shown)), (uri, variables.clone()));
            // It is known by the name that was asked for.
            assert_eq!(contents["uri"], uri);
            assert_eq!(contents["mimeType"], "text/x-shown");
        }
    }
}

#[test]
fn what_would_lead_elsewhere_matches_nothing() {
    let host = with_templates(&["metrics://{chart}/{dimension}", "logs://host{/path*}"]);
    for uri in [
        "metrics://cpu/..",
        "metrics://../user",
        "metrics://./user",
        "metrics://cpu/%2e%2e",
        "metrics://cpu/.%2E",
        "metrics://cpu/a%2Fb",
        "metrics://cpu/a%2fb",
        "metrics://cpu/a/b",
        "metrics://cpu/",
        "metrics:///user",
        "metrics://cpu",
        "metrics://cpu/a?b",
        "metrics://cpu/a#b",
        "metrics://cpu/a%00",
        "metrics://cpu/a b",
        "metrics://cpu/a\nb",
        "metrics://cpu/%",
        "metrics://cpu/%4",
        "metrics://cpu/%zz",
        "metrics://cpu/%ff",
        "metrics://cpu/%c0%ae%c0%ae",
        "METRICS://cpu/user",
        "xmetrics://cpu/user",
        "logs://host",
        "logs://host/",
        "logs://host/a//b",
        "logs://host/../etc/passwd",
        "logs://host/a/../../etc/passwd",
        "logs://host/a/%2e%2e/b",
        "logs://host/a%2F..%2Fb",
        "logs://host/a/.",
        "",
        "/",
        "metrics",
        "{chart}",
        "metrics://{chart}/{dimension}\u{0}",
    ] {
        assert_absent(&host, uri);
    }
    assert_eq!(host.server.stats().calls_started, 0);
}

#[test]
fn a_uri_that_is_too_long_is_no_name() {
    let host = with_templates(&["raw://{+rest}"]);
    let fits = format!("raw://{}", "a".repeat(8 * 1024 - 6));
    assert!(read(&host, NEWEST, &fits)["result"].is_object());
    let long = format!("{fits}a");
    let reply = read(&host, NEWEST, &long);
    assert_eq!(reply["error"]["code"], -32002);
    // Not all of it comes back.
    assert_eq!(reply["error"]["data"]["uri"], long[..1024]);
    assert_absent(&host, &"\u{1f600}".repeat(100_000));
    // Nor what takes long to match.
    let host = with_templates(&["slow://{a}.{b}.{c}.{d}.{e}.{f}.{g}.{h}!"]);
    assert_absent(&host, &format!("slow://{}", ".a".repeat(4000)));
}

#[test]
fn an_exact_resource_goes_before_a_template_and_the_first_template_before_others() {
    let host = with_templates(&["a://{x}", "a://{x}{?q}", "a://b/{y}"]);
    let exact = Resource::new("a://b", "exact").unwrap();
    host.server
        .add_resource(exact, |call| _ = call.reply(ReadResult::text("exact")), None)
        .unwrap();
    let text = |uri: &str| read(&host, NEWEST, uri)["result"]["contents"][0]["text"].clone();
    assert_eq!(text("a://b"), "exact");
    assert_eq!(text("a://c"), r#"a://c {"x":"c"}"#);
    assert_eq!(text("a://c?q=1"), r#"a://c?q=1 {"x":"c","q":"1"}"#);
    host.server.enable_resource("a://b", false).unwrap();
    assert_eq!(text("a://b"), r#"a://b {"x":"b"}"#);
    host.server.remove_resource("a://{x}").unwrap();
    assert_eq!(text("a://c"), r#"a://c {"x":"c"}"#);
}

#[test]
fn what_is_not_there_is_told_in_the_words_of_each_revision() {
    let host = with_templates(&["gone://{x}"]);
    let vanished = Resource::new("gone", "n");
    assert!(vanished.is_err(), "a name without a scheme");
    let vanished = Resource::new("vanished://a", "v").unwrap();
    host.server.add_resource(vanished, |call| _ = call.fail_not_found(), None).unwrap();
    for version in REVISIONS {
        let code = if version == MODERN { -32602 } else { -32002 };
        for uri in ["absent://a", "vanished://a"] {
            let reply = read(&host, version, uri);
            assert_error(&reply, json!(1), code);
            assert_eq!(reply["error"]["data"], json!({ "uri": uri }), "{version}");
            assert_eq!(reply["error"]["message"], "resource not found");
        }
        for params in [json!({}), json!({ "uri": 7 }), json!({ "uri": null })] {
            assert_error(&ask(&host, version, "resources/read", &params), json!(1), -32602);
        }
    }
    // Read or not found, it is an answer: no status of its own.
    let (status, _) = host.modern("1", "resources/read", json!({ "uri": "absent://a" })).first();
    assert_eq!(status, 200);
}

#[test]
fn a_failure_is_an_error_for_the_program() {
    let host = host();
    for (uri, run) in [
        ("fails://a", (|call| _ = call.fail("disk is on fire")) as fn(Call)),
        ("drops://a", drop),
        ("mixes://a", |call| _ = call.reply(PromptResult::text("x"))),
        ("panics://a", |_| panic!("on purpose")),
    ] {
        host.server.add_resource(Resource::new(uri, "r").unwrap(), run, None).unwrap();
        for version in [NEWEST, MODERN] {
            assert_error(&read(&host, version, uri), json!(1), -32603);
        }
    }
    let reply = read(&host, NEWEST, "fails://a");
    assert_eq!(reply["error"]["message"], "disk is on fire");
}

#[test]
fn text_and_bytes_have_their_form_in_every_revision() {
    let host = host();
    let resource = Resource::new("mixed://a", "m").unwrap().mime("text/plain");
    let many = |call: Call| {
        let mut result = ReadResult::text("line\n\u{1f600}");
        result.push_blob(Some("mixed://b"), Some("image/png"), &[0, 255, 16]).unwrap();
        result.push_blob(None, None, b"").unwrap();
        result.push_content(Content::audio("audio/wav", b"RIFF")).unwrap();
        let link = Content::link("log://a", "a", None, None).unwrap();
        assert!(result.push_content(link).is_err());
        call.reply(result);
    };
    host.server.add_resource(resource, many, None).unwrap();
    let expected = json!([
        { "uri": "mixed://a", "mimeType": "text/plain", "text": "line\n\u{1f600}" },
        { "uri": "mixed://b", "mimeType": "image/png", "blob": "AP8Q" },
        { "uri": "mixed://a", "mimeType": "text/plain", "blob": "" },
        { "uri": "mixed://a", "mimeType": "audio/wav", "blob": "UklGRg==" },
    ]);
    for version in REVISIONS {
        let reply = read(&host, version, "mixed://a");
        assert_eq!(reply["result"]["contents"], expected, "{version}");
    }
}

#[test]
fn only_modern_reads_say_how_long_they_may_be_kept() {
    let cache = CacheTimes { read: Duration::from_millis(1500), ..CacheTimes::default() };
    let options = Options { cache, public_cache: true, ..Options::default() };
    let host = host_with(options, limits());
    let plain = Resource::new("plain://a", "p").unwrap();
    host.server.add_resource(plain, show, None).unwrap();
    let own = Resource::new("own://a", "o").unwrap().ttl(Duration::from_secs(7));
    host.server.add_resource(own, show, None).unwrap();
    let fails = Resource::new("fails://a", "f").unwrap();
    host.server.add_resource(fails, |call| _ = call.fail("x"), None).unwrap();
    for (uri, ttl) in [("plain://a", 1500), ("own://a", 7000)] {
        let result = read(&host, MODERN, uri)["result"].take();
        let hints = (&result["resultType"], &result["ttlMs"], &result["cacheScope"]);
        assert_eq!(hints, (&json!("complete"), &json!(ttl), &json!("public")));
        for version in LEGACY {
            let result = read(&host, version, uri)["result"].take();
            let members: Vec<&String> = result.as_object().unwrap().keys().collect();
            assert_eq!(members, ["contents"], "{version}");
        }
    }
    assert!(read(&host, MODERN, "fails://a")["error"].get("data").is_none());
}

#[test]
fn a_read_above_its_bound_fails() {
    let host = host_with(Options::default(), Limits { result_bytes: 1000, ..limits() });
    let big = |call: Call| _ = call.reply(ReadResult::text("x".repeat(2000)));
    host.server.add_resource(Resource::new("big://a", "b").unwrap(), big, None).unwrap();
    let own = Resource::new("own://a", "o").unwrap().result_bytes(9000);
    host.server.add_resource(own, big, None).unwrap();
    assert_error(&read(&host, NEWEST, "big://a"), json!(1), -32603);
    assert!(read(&host, NEWEST, "own://a")["result"].is_object());
    assert_eq!(host.server.stats().results_oversized, 1);
}

#[test]
fn messages_of_a_prompt_are_written_for_each_revision() {
    let host = host();
    let get = |call: Call| {
        let mut result = PromptResult::default();
        result.set_description("all kinds");
        result.push(Role::User, Content::text("t"));
        result.push(Role::Assistant, Content::image("image/png", &[0, 255, 16]));
        result.push(Role::User, Content::audio("audio/wav", b"RIFF"));
        let link = Content::link("log://a", "a", Some("text/plain"), Some("the log")).unwrap();
        result.push(Role::User, link);
        let resource = Content::resource_text("log://b", Some("text/plain"), "line").unwrap();
        result.push(Role::User, resource);
        result.push(Role::User, Content::resource_blob("log://c", None, b"x").unwrap());
        call.reply(result);
    };
    host.server.add_prompt(Prompt::new("kinds").unwrap(), get, None).unwrap();
    let text = |text: &str| json!({ "type": "text", "text": text });
    let audio = json!({ "type": "audio", "data": "UklGRg==", "mimeType": "audio/wav" });
    let no_audio =
        text("[audio/wav content left out: this client's protocol revision has no audio]");
    let link = json!({
        "type": "resource_link", "uri": "log://a", "name": "a", "mimeType": "text/plain",
        "description": "the log",
    });
    let no_link = text("Resource a: log://a (the log)");
    for version in REVISIONS {
        let result =
            ask(&host, version, "prompts/get", &json!({ "name": "kinds" }))["result"].take();
        assert_eq!(result["description"], "all kinds", "{version}");
        let messages = result["messages"].as_array().unwrap();
        let content: Vec<&Value> = messages.iter().map(|message| &message["content"]).collect();
        let audio = if version >= "2025-03-26" { &audio } else { &no_audio };
        let link = if version >= "2025-06-18" { &link } else { &no_link };
        let image = json!({ "type": "image", "data": "AP8Q", "mimeType": "image/png" });
        let b = json!({ "uri": "log://b", "mimeType": "text/plain", "text": "line" });
        let c = json!({ "uri": "log://c", "blob": "eA==" });
        let embedded = |resource: Value| json!({ "type": "resource", "resource": resource });
        let expected = [&text("t"), &image, audio, link, &embedded(b), &embedded(c)];
        assert_eq!(content, expected, "{version}");
        assert_eq!(
            (&messages[0]["role"], &messages[1]["role"]),
            (&json!("user"), &json!("assistant"))
        );
        // Nothing that may be kept: prompts are made for the moment.
        assert!(result.get("ttlMs").is_none());
    }
}

#[test]
fn completion_of_variables_goes_by_the_text_of_the_template() {
    let host = host();
    let many = Resource::template("many://{kind}/{name}", "m").unwrap();
    let complete = |call: Call| {
        let (argument, value) = call.completing().unwrap();
        let mut result = emcp::CompletionResult::default();
        result.push(format!("{} {argument} {value} {}", call.name(), call.arguments()));
        call.reply(result);
    };
    host.server.add_resource(many, show, Some(Box::new(complete))).unwrap();
    let params = |uri: &str, name: &str| {
        json!({
            "ref": { "type": "ref/resource", "uri": uri },
            "argument": { "name": name, "value": "a\"" },
            "context": { "arguments": { "kind": "cpu" } },
        })
    };
    for version in REVISIONS {
        let ask = |params: &Value| ask(&host, version, "completion/complete", params);
        let reply = ask(&params("many://{kind}/{name}", "name"));
        let value = r#"many://{kind}/{name} name a" {"kind":"cpu"}"#;
        assert_eq!(reply["result"]["completion"]["values"], json!([value]), "{version} {reply}");
        for (uri, name) in
            [("many://{kind}/{name}", "other"), ("many://cpu/x", "name"), ("many://{x}", "x")]
        {
            assert_error(&ask(&params(uri, name)), json!(1), -32602);
        }
    }
}
