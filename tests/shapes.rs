//! What results look like in each revision, and what becomes of results that cannot be sent.

mod peer;

use emcp::{Content, Limits, Options, Tool, ToolResult};
use peer::*;
use serde_json::{Map, Value, json};

/// The result of one request in `version`, whichever era that is.
fn result(host: &Host, version: &str, method: &str, params: &Value) -> Value {
    let answer = if version == MODERN {
        host.modern("1", method, params.clone()).json().1
    } else {
        Streamable::open(host, version).post(&request("1", method, params)).json().1
    };
    answer["result"].clone()
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().map(Map::keys).into_iter().flatten().map(String::as_str).collect()
}

#[test]
fn ping_and_set_level_are_answered_with_exactly_nothing() {
    let host = host();
    for version in LEGACY {
        for mut line in Line::each(&host, version) {
            let nothing = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
            assert_eq!(line.send(&request("1", "ping", &json!({}))).text(), nothing);
            let level = json!({"level": "debug"});
            assert_eq!(line.send(&request("1", "logging/setLevel", &level)).text(), nothing);
        }
    }
}

#[test]
fn a_handshake_has_only_what_its_revision_knows() {
    let identity = emcp::Identity {
        name: "full".into(),
        version: "1".into(),
        title: Some("Full".into()),
        description: Some("Everything.".into()),
        website_url: Some("https://example.org".into()),
        icons: Some(r#"[{"src":"https://example.org/i.png"}]"#.into()),
        ..emcp::Identity::default()
    };
    let server = emcp::Server::new(identity, Options::default(), limits()).unwrap();
    server.listen("tcp:127.0.0.1:0").unwrap();
    server.start().unwrap();
    let expected: [&[&str]; 4] = [
        &["name", "version"],
        &["name", "version"],
        &["name", "title", "version"],
        &["description", "icons", "name", "title", "version", "websiteUrl"],
    ];
    for (version, info) in LEGACY.into_iter().zip(expected) {
        let mut http = Http::connect(&server.addresses()[0]);
        http.post("/mcp", &[ACCEPT], &initialize("1", version));
        let (_, answer) = http.json();
        assert_eq!(keys(&answer["result"]), ["capabilities", "protocolVersion", "serverInfo"]);
        assert_eq!(keys(&answer["result"]["serverInfo"]), info, "{version}");
    }
}

#[test]
fn a_listed_tool_has_only_what_the_revision_knows() {
    let host = host();
    let expected: [&[&str]; 5] = [
        &["description", "inputSchema", "name"],
        &["annotations", "description", "inputSchema", "name"],
        &["_meta", "annotations", "description", "inputSchema", "name", "outputSchema", "title"],
        &[
            "_meta",
            "annotations",
            "description",
            "icons",
            "inputSchema",
            "name",
            "outputSchema",
            "title",
        ],
        &[
            "_meta",
            "annotations",
            "description",
            "icons",
            "inputSchema",
            "name",
            "outputSchema",
            "title",
        ],
    ];
    for (version, expected) in LEGACY.into_iter().chain([MODERN]).zip(expected) {
        let listed = result(&host, version, "tools/list", &json!({}));
        let tools = listed["tools"].as_array().unwrap();
        let rich = tools.iter().find(|tool| tool["name"] == "rich").unwrap();
        assert_eq!(keys(rich), expected, "{version}");
        let own: &[&str] = match version == MODERN {
            true => &["_meta", "cacheScope", "resultType", "tools", "ttlMs"],
            false => &["tools"],
        };
        assert_eq!(keys(&listed), own, "{version}");
    }
}

#[test]
fn a_call_has_only_what_the_revision_knows() {
    let host = host();
    let types: [&[&str]; 5] = [
        &["text", "image", "text", "text", "resource"],
        &["text", "image", "audio", "text", "resource"],
        &["text", "image", "audio", "resource_link", "resource"],
        &["text", "image", "audio", "resource_link", "resource"],
        &["text", "image", "audio", "resource_link", "resource"],
    ];
    let members: [&[&str]; 5] = [
        &["content"],
        &["content"],
        &["_meta", "content", "structuredContent"],
        &["_meta", "content", "structuredContent"],
        &["_meta", "content", "resultType", "structuredContent"],
    ];
    for ((version, types), members) in LEGACY.into_iter().chain([MODERN]).zip(types).zip(members) {
        let called = result(&host, version, "tools/call", &json!({"name": "rich"}));
        assert_eq!(keys(&called), members, "{version}");
        let content = called["content"].as_array().unwrap();
        let kinds: Vec<_> = content.iter().map(|block| block["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, types, "{version}");
    }
}

#[test]
fn the_older_text_of_structured_content_is_kept_for_those_who_cannot_read_it() {
    let host = host();
    let tool = Tool::new("numbers").unwrap().description("Answers with a list.");
    let add = host.server.add_tool(tool, |call| {
        let mut result = ToolResult::default();
        result.set_structured("[1,9007199254740993]").unwrap();
        call.reply(result);
    });
    add.unwrap();
    for version in LEGACY.into_iter().chain([MODERN]) {
        let called = result(&host, version, "tools/call", &json!({"name": "numbers"}));
        assert_eq!(called["content"][0]["text"], "[1,9007199254740993]");
        // Only the newest revision has structured content that is no object.
        assert_eq!(called.get("structuredContent").is_some(), version == MODERN, "{version}");
    }
}

/// Every page of the list in `version`, two tools each.
fn pages(host: &Host, version: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut params = json!({"cursor": ""});
    loop {
        let page = result(host, version, "tools/list", &params);
        let tools = page["tools"].as_array().unwrap();
        pages.push(tools.iter().map(|tool| tool["name"].as_str().unwrap().into()).collect());
        match page.get("nextCursor") {
            Some(cursor) => params = json!({ "cursor": cursor }),
            None => return pages,
        }
    }
}

#[test]
fn lists_come_in_pages_in_a_fixed_order() {
    let host = host_with(Options::default(), Limits { page: 2, ..limits() });
    host.add_tool("zz");
    for version in LEGACY.into_iter().chain([MODERN]) {
        let expected = [vec!["echo", "hold"], vec!["rich", "routed"], vec!["zz"]];
        assert_eq!(pages(&host, version), expected, "{version}");
        let without = result(&host, version, "tools/list", &json!({}));
        assert_eq!(without["tools"][0]["name"], "echo");
        assert_eq!(result(&host, version, "tools/list", &json!({"cursor": null})), without);
    }
}

#[test]
fn a_cursor_survives_the_tool_that_it_names() {
    let host = host_with(Options::default(), Limits { page: 2, ..limits() });
    let first = result(&host, MODERN, "tools/list", &json!({}));
    host.server.remove_tool("hold").unwrap();
    let next = result(&host, MODERN, "tools/list", &json!({"cursor": first["nextCursor"]}));
    assert_eq!(next["tools"][0]["name"], "rich");
}

#[test]
fn a_cursor_that_the_server_did_not_make_is_32602() {
    let host = host();
    for cursor in [json!("x"), json!("AAAA"), json!(5), json!({})] {
        for mut line in Line::each(&host, NEWEST) {
            let answer = line.ask(&request("1", "tools/list", &json!({ "cursor": cursor })));
            assert_error(&answer, json!(1), -32602);
        }
    }
}

#[test]
fn a_hidden_tool_is_neither_listed_nor_callable() {
    let host = host();
    host.server.enable_tool("echo", false).unwrap();
    let listed = result(&host, MODERN, "tools/list", &json!({}));
    assert!(!listed["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "echo"));
    let (_, answer) = host.modern("1", "tools/call", json!({"name": "echo"})).json();
    assert_error(&answer, json!(1), -32602);
}

#[test]
fn a_call_may_be_answered_later_from_any_thread() {
    let host = host();
    for mut line in Line::each(&host, NEWEST) {
        let mut incoming = line.send(&call("1", "hold", None));
        let held = host.held();
        let replied = std::thread::spawn(move || held.reply(ToolResult::text("elsewhere")));
        assert_eq!(text_of(&incoming.json()), "elsewhere");
        assert!(replied.join().unwrap());
    }
}

#[test]
fn a_dropped_call_is_answered_as_a_failure() {
    let host = host();
    for mut line in Line::each(&host, NEWEST) {
        let mut incoming = line.send(&call("1", "hold", None));
        drop(host.held());
        let answer = incoming.json();
        assert_eq!(answer["result"]["isError"], true);
        assert!(text_of(&answer).contains("dropped"), "{answer}");
    }
}

#[test]
fn a_tool_that_panics_fails_alone() {
    let host = host();
    let tool = Tool::new("bad").unwrap().description("Panics.");
    host.server.add_tool(tool, |_call| panic!("on purpose")).unwrap();
    let (_, answer) = host.modern("1", "tools/call", json!({"name": "bad"})).json();
    assert_eq!(answer["result"]["isError"], true);
    assert_eq!(host.modern("1", "tools/call", json!({"name": "echo"})).json().0, 200);
    // Counted after the answer, which the dropped call gives.
    wait_until(|| host.server.stats().panics == 1);
}

#[test]
fn a_result_above_its_limit_becomes_advice() {
    let host = host_with(Options::default(), Limits { result_bytes: 1000, ..limits() });
    for mut line in Line::each(&host, NEWEST) {
        let mut incoming = line.send(&call("1", "hold", None));
        host.held().reply(ToolResult::text("x".repeat(2000)));
        let answer = incoming.json();
        assert_eq!(answer["result"]["isError"], true);
        assert!(text_of(&answer).contains("limit is 1000"), "{answer}");
    }
    assert_eq!(host.server.stats().results_oversized, 3);
}

#[test]
fn a_result_that_breaks_its_own_schema_becomes_a_failure() {
    let host = host();
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
    let tool = Tool::new("liar").unwrap().description("Breaks its promise.");
    let tool = tool.input_schema(r#"{"type":"object"}"#).unwrap().output_schema(schema).unwrap();
    let add = host.server.add_tool(tool, |call| {
        let mut result = ToolResult::default();
        match parse(call.arguments())["how"].as_str() {
            Some("wrong") => result.set_structured(r#"{"n":"seven"}"#).unwrap(),
            Some("error") => result = ToolResult::error("no disk"),
            _ => result.push(Content::text("no structure")),
        }
        call.reply(result);
    });
    add.unwrap();
    let called = |how: &str| {
        let params = json!({"name": "liar", "arguments": { "how": how }});
        result(&host, NEWEST, "tools/call", &params)
    };
    for how in ["wrong", "missing"] {
        let answer = called(how);
        assert_eq!(answer["isError"], true, "{answer}");
        let text = answer["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("output schema"), "{text}");
    }
    // A failure needs no structure.
    assert_eq!(called("error")["content"][0]["text"], "no disk");
}

#[test]
fn a_tools_own_protocol_error_takes_no_code_that_the_revision_defines() {
    let host = host();
    for (code, expected) in [(-32002, -32603), (-32050, -32603), (-32021, -32021), (-31999, -31999)]
    {
        let mut http = host.modern("1", "tools/call", json!({"name": "hold"}));
        // A line break in the data would end an event early.
        host.held().fail_rpc(code, "out of luck", Some("{\n\"n\":1}"));
        let (_, answer) = http.json();
        assert_error(&answer, json!(1), expected);
        assert_eq!(answer["error"]["data"], json!({"n": 1}));
    }
}

#[test]
fn a_tools_own_protocol_error_keeps_its_code() {
    let host = host();
    for mut line in Line::each(&host, NEWEST) {
        let mut incoming = line.send(&call("1", "hold", None));
        host.held().fail_rpc(-31999, "out of luck", Some(r#"{"n":1}"#));
        let answer = incoming.json();
        assert_error(&answer, json!(1), -31999);
        assert_eq!(answer["error"]["data"], json!({"n": 1}));
    }
}
