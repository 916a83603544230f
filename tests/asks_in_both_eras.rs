//! A function that asks is written once: clients of both eras are asked the same, by whatever
//! transport they come, and get the same answer.

mod peer;

use std::sync::Arc;

use emcp::{
    Call, Content, Error, Need, Prompt, PromptResult, Question, ReadResult, Resource, Role, Tool,
    ToolResult,
};
use peer::*;
use serde_json::{Value, json};

const SURE: &str =
    r#"{"type":"object","properties":{"sure":{"type":"boolean"}},"required":["sure"]}"#;
const SAMPLING: &str = r#"{"messages":[],"maxTokens":9}"#;

/// What the clients of these tests can do.
fn everything() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} })
}

fn sure() -> Question {
    Question::form("Sure?", SURE).unwrap()
}

fn add(host: &Host, name: &str, run: impl Fn(Call) + Send + Sync + 'static) {
    let tool = Tool::new(name).unwrap().description("Asks.");
    host.server.add_tool(tool.input_schema(r#"{"type":"object"}"#).unwrap(), run).unwrap();
}

/// The answers to `questions`, or `None` when they are under way or the call has failed.
fn answers(call: Call, questions: &[(&str, Question)]) -> Option<(Call, Vec<Arc<str>>)> {
    let mut answers = Vec::new();
    for (key, question) in questions {
        match call.need(key, question.clone()) {
            Ok(Need::Answered(json)) => answers.push(json),
            Ok(Need::Asked) => {}
            Err(Error::Capability(_)) => {
                call.fail_unanswerable();
                return None;
            }
            Err(Error::Refused(why)) => {
                call.fail(format!("refused: {why}"));
                return None;
            }
            Err(other) => {
                call.fail(other.to_string());
                return None;
            }
        }
    }
    if answers.len() < questions.len() {
        call.ask();
        return None;
    }
    Some((call, answers))
}

/// One question.
fn one(call: Call) {
    if let Some((call, answers)) = answers(call, &[("sure", sure())]) {
        call.reply(ToolResult::text(&*answers[0]));
    }
}

/// Two questions at once, and a third that depends on them.
fn three(call: Call) {
    let first = [("sure", sure()), ("model", Question::sampling(SAMPLING).unwrap())];
    let Some((call, first)) = answers(call, &first) else { return };
    // Kept once, read in the round that answers.
    if call.kept().is_empty() {
        call.keep(b"halfway").unwrap();
    }
    let Some((call, second)) = answers(call, &[("roots", Question::roots())]) else { return };
    let kept = String::from_utf8(call.kept().to_vec()).unwrap();
    call.reply(ToolResult::text(format!("{} {} {} {kept}", first[0], first[1], second[0])));
}

fn answer(method: &str, _params: &Value) -> Answer {
    Ok(match method {
        "elicitation/create" => accept(json!({ "sure": true })),
        "sampling/createMessage" => {
            json!({ "role": "assistant", "content": { "type": "text", "text": "so" }, "model": "m" })
        }
        "roots/list" => json!({ "roots": [{ "uri": "file:///a" }] }),
        other => panic!("{other}"),
    })
}

fn tool(name: &str) -> Value {
    json!({ "name": name, "arguments": { "a": 1 } })
}

/// What differs between the eras by design: names of members around the content.
fn content(talk: &Talk) -> &Value {
    let result = &talk.reply["result"];
    match result.get("content").or(result.get("messages")) {
        Some(content) => content,
        None => &result["contents"],
    }
}

#[test]
fn one_function_and_five_clients() {
    let host = host();
    add(&host, "three", three);
    let mut talks = Vec::new();
    for mut client in Talker::each(&host, &everything()) {
        let talk = client.talk(&everything(), "tools/call", &tool("three"), answer);
        assert_eq!(talk.reply["id"], 7, "{}", client.name());
        assert_eq!(talk.rounds, if client.is_modern() { 2 } else { 0 }, "{}", client.name());
        talks.push((client.name(), talk));
    }
    let (_, first) = &talks[0];
    let asked: Vec<&str> = first.questions.iter().map(|(method, _)| method.as_str()).collect();
    assert_eq!(asked, ["elicitation/create", "roots/list", "sampling/createMessage"]);
    let form = json!({ "mode": "form", "message": "Sure?", "requestedSchema": parse(SURE) });
    assert_eq!(first.questions[0].1, form);
    let text = text_of(&first.reply);
    assert!(
        text.starts_with(r#"{"action":"accept","content":{"sure":true}} {"content""#),
        "{text}"
    );
    assert!(text.ends_with(" halfway"), "{text}");
    for (name, talk) in &talks {
        assert_eq!(talk.questions, first.questions, "{name}");
        assert_eq!(content(talk), content(first), "{name}");
    }
    assert_eq!(host.server.stats().calls_asking, 2 * talks.len() as u64);
    wait_until(|| host.server.stats().calls == 0);
}

#[test]
fn resources_and_prompts_ask_too() {
    let host = host();
    let read = |call: Call| {
        if let Some((call, answers)) = answers(call, &[("sure", sure())]) {
            call.reply(ReadResult::text(&*answers[0]));
        }
    };
    host.server.add_resource(Resource::new("secret://a", "a").unwrap(), read, None).unwrap();
    let many = Resource::template("secrets://{name}", "many").unwrap();
    host.server.add_resource(many, read, None).unwrap();
    let get = |call: Call| {
        if let Some((call, answers)) = answers(call, &[("sure", sure())]) {
            let mut result = PromptResult::default();
            result.push(Role::User, Content::text(&*answers[0]));
            call.reply(result);
        }
    };
    host.server.add_prompt(Prompt::new("ask").unwrap(), get, None).unwrap();
    let said = r#"{"action":"accept","content":{"sure":true}}"#;
    let text = |text: &str| json!({ "type": "text", "text": text });
    for (method, params, expected) in [
        (
            "resources/read",
            json!({"uri": "secret://a"}),
            json!([{"uri": "secret://a", "text": said}]),
        ),
        (
            "resources/read",
            json!({"uri": "secrets://b"}),
            json!([{"uri": "secrets://b", "text": said}]),
        ),
        ("prompts/get", json!({"name": "ask"}), json!([{"role": "user", "content": text(said)}])),
    ] {
        for mut client in Talker::each(&host, &form()) {
            let talk = client.talk(&form(), method, &params, answer);
            assert_eq!(content(&talk), &expected, "{} {method}", client.name());
            assert_eq!(talk.questions.len(), 1);
        }
    }
}

#[test]
fn a_user_who_says_no_has_answered() {
    let host = host();
    add(&host, "one", one);
    for action in ["decline", "cancel"] {
        for mut client in Talker::each(&host, &form()) {
            let said = |_: &str, _: &Value| Ok(json!({ "action": action }));
            let talk = client.talk(&form(), "tools/call", &tool("one"), said);
            let expected = format!(r#"{{"action":"{action}"}}"#);
            assert_eq!(text_of(&talk.reply), expected, "{}", client.name());
            assert_eq!(talk.questions.len(), 1, "{}", client.name());
        }
    }
}

#[test]
fn an_error_for_an_answer_is_told_to_the_function() {
    let host = host();
    add(&host, "one", one);
    for mut client in Talker::each_legacy(&host, &form()) {
        for error in [json!({ "code": -1, "message": "not now" }), json!({ "code": -1 })] {
            let said = |_: &str, _: &Value| Err(error.clone());
            let talk = client.talk(&form(), "tools/call", &tool("one"), said);
            let why = error["message"].as_str().unwrap_or("it gave no reason");
            assert_eq!(text_of(&talk.reply), format!("refused: {why}"), "{}", client.name());
            assert_eq!(talk.reply["result"]["isError"], true);
        }
    }
}

#[test]
fn an_answer_in_a_wrong_form_is_none() {
    let host = host();
    add(&host, "one", one);
    for wrong in [json!(7), json!(null), accept(json!({ "sure": "yes" })), accept(json!({}))] {
        // A request has one answer.
        for mut client in Talker::each_legacy(&host, &form()) {
            let said = |_: &str, _: &Value| Ok(wrong.clone());
            let talk = client.talk(&form(), "tools/call", &tool("one"), said);
            let text = text_of(&talk.reply);
            assert!(text.starts_with("refused: its answer has not the form"), "{text}");
        }
        // A modern client is asked once more, in the next round.
        for mut client in [Talker::Modern(&host), Talker::ModernWs(Ws::connect(&host))] {
            let mut params = tool("one");
            for round in [0, 1] {
                let reply = client.once(&form(), "tools/call", &params);
                assert_eq!(reply["result"]["resultType"], "input_required", "{round} {reply}");
                params["inputResponses"] = json!({ "sure": wrong });
                params["requestState"] = reply["result"]["requestState"].clone();
            }
            let talk = client.talk(&form(), "tools/call", &params, answer);
            assert_eq!(talk.rounds, 1);
            assert_eq!(talk.reply["result"]["resultType"], "complete");
        }
    }
    for inputs in [json!([]), json!("x"), json!(null)] {
        let mut params = tool("one");
        params["inputResponses"] = inputs;
        let reply = Talker::Modern(&host).once(&form(), "tools/call", &params);
        assert_error(&reply, json!(7), -32602);
    }
}

#[test]
fn answers_to_what_was_not_asked_are_ignored() {
    let host = host();
    add(&host, "one", one);
    let mut params = tool("one");
    // Volunteered before it was asked: good, and one round less. Others are dropped.
    params["inputResponses"] = json!({ "sure": accept(json!({ "sure": false })), "other": 1 });
    let reply = Talker::Modern(&host).once(&form(), "tools/call", &params);
    assert_eq!(text_of(&reply), r#"{"action":"accept","content":{"sure":false}}"#);
}

#[test]
fn who_cannot_be_asked_hears_what_is_missing() {
    let host = host();
    add(&host, "one", one);
    let required = json!({ "requiredCapabilities": { "elicitation": { "form": {} } } });
    for capabilities in
        [json!({}), json!({ "elicitation": { "url": {} } }), json!({ "elicitation": true })]
    {
        for mut client in Talker::each(&host, &capabilities) {
            let talk = client.talk(&capabilities, "tools/call", &tool("one"), answer);
            assert_eq!(talk.questions, [], "{}", client.name());
            let code = if client.is_modern() { -32021 } else { -32600 };
            assert_error(&talk.reply, json!(7), code);
            assert_eq!(talk.reply["error"]["data"], required);
        }
    }
    let (status, _) = host.modern("1", "tools/call", tool("one")).first();
    assert_eq!(status, 400);
}

#[test]
fn a_revision_without_elicitation_cannot_be_asked_for_a_form_whatever_the_client_says() {
    let host = host();
    add(&host, "one", one);
    add(&host, "roots", |call| {
        if let Some((call, answers)) = answers(call, &[("roots", Question::roots())]) {
            call.reply(ToolResult::text(&*answers[0]));
        }
    });
    for version in ["2024-11-05", "2025-03-26"] {
        for mut client in [
            Talker::Streamable(Streamable::open_with(&host, version, &everything())),
            Talker::Sse(SseClient::open_with(&host, version, &everything())),
            Talker::Ws(Ws::open_with(&host, version, &everything())),
        ] {
            let talk = client.talk(&form(), "tools/call", &tool("one"), answer);
            assert_error(&talk.reply, json!(7), -32600);
            assert_eq!(talk.questions, []);
            let talk = client.talk(&form(), "tools/call", &tool("roots"), answer);
            assert_eq!(text_of(&talk.reply), r#"{"roots":[{"uri":"file:///a"}]}"#);
        }
    }
}

#[test]
fn a_call_in_a_batch_asks_beside_the_answers() {
    let host = host();
    add(&host, "one", one);
    add(&host, "roots", |call| {
        if let Some((call, answers)) = answers(call, &[("roots", Question::roots())]) {
            call.reply(ToolResult::text(&*answers[0]));
        }
    });
    let version = "2025-03-26";
    let batch = format!(
        "[{},{},{}]",
        call("1", "one", None),
        call("2", "roots", None),
        call("3", "echo", None)
    );
    for mut client in [
        Talker::Streamable(Streamable::open_with(&host, version, &everything())),
        Talker::Sse(SseClient::open_with(&host, version, &everything())),
        Talker::Ws(Ws::open_with(&host, version, &everything())),
    ] {
        let mut posted = client.begin(&batch);
        let question = client.next(&mut posted);
        assert_eq!(question["method"], "roots/list", "{}", client.name());
        client.tell(&response(&question["id"], &answer("roots/list", &Value::Null)));
        let answers = client.next(&mut posted);
        let mut answers = answers.as_array().unwrap_or_else(|| panic!("{answers}")).clone();
        answers.sort_by_key(|answer| answer["id"].as_u64());
        assert_error(&answers[0], json!(1), -32600);
        assert_eq!(text_of(&answers[1]), r#"{"roots":[{"uri":"file:///a"}]}"#);
        assert_eq!(text_of(&answers[2]), "{}");
    }
}

#[test]
fn a_client_of_json_alone_is_asked_on_the_stream_of_its_session() {
    let host = host();
    add(&host, "one", one);
    let session = Streamable::open_with(&host, NEWEST, &form());
    let json_only = |body: &str| {
        let mut headers = session.headers();
        headers[0] = ("Accept", "application/json");
        host.post(&headers, body)
    };
    let body = request("7", "tools/call", &tool("one"));
    // Without that stream there is no way to it.
    let (status, reply) = json_only(&body).json();
    assert_eq!(status, 200);
    assert_eq!(text_of(&reply), "refused: it has no stream open on which it can be asked");
    let mut events = session.get(None);
    let mut http = json_only(&body);
    let question = events.json();
    assert_eq!(question["method"], "elicitation/create");
    session.tell(&response(&question["id"], &Ok(accept(json!({ "sure": true })))));
    let (_, reply) = http.json();
    assert_eq!(text_of(&reply), r#"{"action":"accept","content":{"sure":true}}"#);
    // A modern client needs no stream: its questions are an answer.
    let mut headers = modern_headers("tools/call");
    headers[0] = ("Accept", "application/json");
    headers.push(("Mcp-Name", "one"));
    let body = request("1", "tools/call", &claim_with(tool("one"), &form()));
    let (_, reply) = host.post(&headers, &body).json();
    assert_eq!(reply["result"]["resultType"], "input_required");
}

#[test]
fn nobody_is_asked_before_the_handshake_is_complete() {
    let host = host();
    add(&host, "one", one);
    let session = Streamable::begin_with(&host, NEWEST, &form());
    let (_, reply) = session.post(&call("1", "one", None)).json();
    assert_error(&reply, json!(1), -32600);
    let mut ws = Ws::connect(&host);
    ws.send(&initialize_with("0", NEWEST, &form()));
    assert_eq!(ws.json()["id"], 0);
    ws.send(&call("1", "one", None));
    assert_error(&ws.json(), json!(1), -32600);
    ws.send(&notification("notifications/initialized", &json!({})));
    ws.send(&call("2", "one", None));
    assert_eq!(ws.json()["method"], "elicitation/create");
}

#[test]
fn every_call_is_asked_for_itself() {
    let host = host();
    add(&host, "one", one);
    let mut ws = Ws::open_with(&host, NEWEST, &form());
    ws.send_all(&[call("1", "one", None), call("2", "one", None)]);
    let asked = [ws.json(), ws.json()];
    assert_ne!(asked[0]["id"], asked[1]["id"]);
    // Whichever question is answered, one call ends; the other goes on waiting.
    for (question, expected) in asked.iter().rev().zip(["true", "false"]) {
        let sure = expected == "true";
        ws.send(&response(&question["id"], &Ok(accept(json!({ "sure": sure })))));
        let reply = ws.json();
        let text = format!(r#"{{"action":"accept","content":{{"sure":{expected}}}}}"#);
        assert_eq!(text_of(&reply), text);
    }
}

#[test]
fn a_function_that_asks_for_nothing_fails() {
    let host = host();
    add(&host, "vain", |call| {
        call.ask();
    });
    for mut client in Talker::each(&host, &form()) {
        let talk = client.talk(&form(), "tools/call", &tool("vain"), answer);
        assert_eq!(text_of(&talk.reply), "vain wants input and has asked nothing");
    }
}
