//! What a modern client carries between two rounds is good for the call that it was made for, and
//! for nothing else.

mod peer;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use emcp::{
    Call, Error, Limits, Need, Options, ParsedRequest, Prompt, PromptResult, Question, ReadResult,
    Resource, Secret, Tool, ToolResult,
};
use peer::message::{TRUSTED, next, send};
use peer::*;
use serde_json::{Value, json};

const OLD: &str = "an old secret that is long enough to be one";
const NEW: &str = "a new secret that is long enough to be one";

fn question() -> Question {
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}"#;
    Question::form("How many?", schema).unwrap()
}

/// Asks once and keeps what the test may want to see again.
fn asks(call: Call) {
    match call.need("n", question()) {
        Ok(Need::Answered(json)) => {
            let kept = call.kept().len();
            call.reply(ToolResult::text(format!("{json} {kept}")));
        }
        Ok(Need::Asked) => {
            call.keep(b"what is kept").unwrap();
            call.ask();
        }
        Err(error) => {
            call.fail(error.to_string());
        }
    }
}

fn asking(options: Options, limits: Limits) -> Host {
    let host = host_with(options, limits);
    for name in ["asks", "twin"] {
        let tool = Tool::new(name).unwrap().description("Asks.");
        host.server.add_tool(tool.input_schema(r#"{"type":"object"}"#).unwrap(), asks).unwrap();
    }
    let get = |call: Call| match call.need("n", question()) {
        Ok(Need::Asked) => call.ask(),
        _ => call.reply(PromptResult::text("answered")),
    };
    host.server.add_prompt(Prompt::new("asks").unwrap(), move |call| _ = get(call), None).unwrap();
    let read = |call: Call| match call.need("n", question()) {
        Ok(Need::Asked) => call.ask(),
        _ => call.reply(ReadResult::text("answered")),
    };
    let many = Resource::template("many://{name}", "many").unwrap();
    host.server.add_resource(many, move |call| _ = read(call), None).unwrap();
    host
}

fn started() -> Host {
    asking(Options::default(), limits())
}

fn params(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

/// The second round of `params`.
fn second(mut params: Value, state: &str) -> Value {
    params["inputResponses"] = json!({ "n": accept(json!({ "n": 3 })) });
    params["requestState"] = state.into();
    params
}

fn once(host: &Host, method: &str, params: &Value) -> Value {
    Talker::Modern(host).once(&form(), method, params)
}

/// The first round: what the client is to carry.
#[track_caller]
fn state_of(reply: &Value) -> String {
    assert_eq!(reply["result"]["resultType"], "input_required", "{reply}");
    reply["result"]["requestState"].as_str().unwrap().to_owned()
}

fn begin(host: &Host, method: &str, params: &Value) -> String {
    state_of(&once(host, method, params))
}

#[track_caller]
fn assert_refused(host: &Host, method: &str, params: &Value) {
    let before = host.server.stats();
    let reply = once(host, method, params);
    assert_error(&reply, json!(7), -32602);
    let text = "requestState was not made by this server for this request";
    assert_eq!(reply["error"]["message"], text);
    let after = host.server.stats();
    assert_eq!(after.states_refused, before.states_refused + 1);
    // No function has run.
    assert_eq!(after.calls_started, before.calls_started);
}

#[track_caller]
fn assert_accepted(host: &Host, params: &Value) {
    let reply = once(host, "tools/call", params);
    let text = r#"{"action":"accept","content":{"n":3}} 12"#;
    assert_eq!(text_of(&reply), text);
}

#[test]
fn no_part_of_it_can_be_changed() {
    let host = started();
    let call = params("asks", json!({ "a": 1 }));
    let state = begin(&host, "tools/call", &call);
    let bytes = URL_SAFE_NO_PAD.decode(&state).unwrap();
    // Version, expiry, payload, code: one bit in each byte.
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let changed = URL_SAFE_NO_PAD.encode(changed);
        assert_refused(&host, "tools/call", &second(call.clone(), &changed));
    }
    for length in [0, 1, 40, 41, bytes.len() - 33, bytes.len() - 1] {
        let cut = URL_SAFE_NO_PAD.encode(&bytes[..length]);
        assert_refused(&host, "tools/call", &second(call.clone(), &cut));
    }
    let longer = format!("{state}AAAA");
    let padded = format!("{state}==");
    let long = "A".repeat(200_000);
    for other in [&*longer, &*padded, "no base64!", "\u{0}", "\u{1f600}", &*long] {
        assert_refused(&host, "tools/call", &second(call.clone(), other));
    }
    // The payload of one state under the code of another.
    let other = params("asks", json!({ "a": 2 }));
    let foreign = URL_SAFE_NO_PAD.decode(begin(&host, "tools/call", &other)).unwrap();
    let mut mixed = bytes[..bytes.len() - 32].to_vec();
    mixed.extend_from_slice(&foreign[foreign.len() - 32..]);
    assert_refused(&host, "tools/call", &second(call.clone(), &URL_SAFE_NO_PAD.encode(mixed)));
    assert_accepted(&host, &second(call, &state));
}

#[test]
fn a_state_that_is_no_text_is_refused() {
    let host = started();
    for wrong in [json!(7), json!({}), json!([]), json!(true)] {
        let mut call = params("asks", json!({}));
        call["requestState"] = wrong;
        assert_error(&once(&host, "tools/call", &call), json!(7), -32602);
    }
    // Null is as good as none.
    let mut call = params("asks", json!({}));
    call["requestState"] = Value::Null;
    begin(&host, "tools/call", &call);
}

#[test]
fn it_is_good_for_the_same_call_alone() {
    let host = started();
    let call = params("asks", json!({ "a": 1, "b": { "x": "\u{e4}", "y": [1, 2] } }));
    let state = begin(&host, "tools/call", &call);
    for (name, arguments) in [
        ("twin", call["arguments"].clone()),
        ("asks", json!({ "a": 2, "b": { "x": "\u{e4}", "y": [1, 2] } })),
        ("asks", json!({ "a": 1, "b": { "x": "\u{e4}", "y": [2, 1] } })),
        ("asks", json!({ "a": 1, "b": { "x": "\u{e4}", "y": [1, 2] }, "c": null })),
        ("asks", json!({ "a": "1", "b": { "x": "\u{e4}", "y": [1, 2] } })),
        ("asks", json!({})),
    ] {
        assert_refused(&host, "tools/call", &second(params(name, arguments), &state));
    }
    assert_refused(&host, "prompts/get", &second(json!({ "name": "asks" }), &state));
    assert_accepted(&host, &second(call.clone(), &state));
    // Nothing is remembered here, so it is not used up.
    assert_accepted(&host, &second(call, &state));
}

#[test]
fn prompts_and_resources_have_states_of_their_own() {
    let host = started();
    let prompt = json!({ "name": "asks" });
    let state = begin(&host, "prompts/get", &prompt);
    assert_refused(&host, "tools/call", &second(params("asks", json!({})), &state));
    let reply = once(&host, "prompts/get", &second(prompt, &state));
    assert_eq!(reply["result"]["messages"][0]["content"]["text"], "answered", "{reply}");
    let state = begin(&host, "resources/read", &json!({ "uri": "many://a" }));
    assert_refused(&host, "resources/read", &second(json!({ "uri": "many://b" }), &state));
    let reply = once(&host, "resources/read", &second(json!({ "uri": "many://a" }), &state));
    assert_eq!(reply["result"]["contents"][0]["text"], "answered", "{reply}");
}

#[test]
fn the_same_arguments_may_be_written_in_another_way() {
    let host = started();
    let call = params("asks", json!({ "a": 1, "b": { "x": "\u{e4}/", "y": [1, 2] } }));
    let state = begin(&host, "tools/call", &call);
    let meta = claim_with(json!({}), &form())["_meta"].to_string();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"requestState":"{state}",
        "inputResponses":{{"n":{{"content":{{"n":3}},"action":"accept"}}}},"name":"asks",
        "arguments":{{ "b" : {{"y":[ 1,2 ],"x":"\u00e4\/"}}, "a":1}},"_meta":{meta}}}}}"#
    );
    let mut headers = modern_headers("tools/call");
    headers.push(("Mcp-Name", "asks"));
    let (_, reply) = host.post(&headers, &body).first();
    assert_eq!(text_of(&reply), r#"{"content":{"n":3},"action":"accept"} 12"#);
    // Absent, null and empty arguments are all none.
    let state = begin(&host, "tools/call", &json!({ "name": "asks" }));
    assert_accepted(&host, &second(params("asks", json!({})), &state));
    assert_accepted(&host, &second(params("asks", Value::Null), &state));
}

#[test]
fn it_expires() {
    let none = Limits { state_time: Duration::ZERO, ..limits() };
    let host = asking(Options::default(), none);
    let call = params("asks", json!({}));
    let state = begin(&host, "tools/call", &call);
    // Its time is counted in whole seconds and never cut short.
    let again = second(call, &state);
    wait_until(|| !once(&host, "tools/call", &again)["error"].is_null());
    let reply = once(&host, "tools/call", &again);
    assert_error(&reply, json!(7), -32602);
    assert_eq!(reply["error"]["message"], "requestState has expired; begin again without it");
    assert_eq!(host.server.stats().states_refused, 2);
}

#[test]
fn nobody_can_use_it_in_the_place_of_another() {
    let host = started();
    let open =
        |principal| host.server.open_peer(&ParsedRequest { principal, ..TRUSTED }, None).unwrap();
    let peers = [open("alice"), open("bob"), open("")];
    let call = params("asks", json!({}));
    let once = |peer: usize, params: &Value| {
        let params = claim_with(params.clone(), &form());
        send(&peers[peer], &request("7", "tools/call", &params));
        next(&peers[peer])
    };
    for owner in 0..peers.len() {
        let carried = second(call.clone(), &state_of(&once(owner, &call)));
        for other in (0..peers.len()).filter(|other| *other != owner) {
            assert_error(&once(other, &carried), json!(7), -32602);
        }
        assert!(text_of(&once(owner, &carried)).ends_with(" 12"));
    }
    assert_eq!(host.server.stats().states_refused, 6);
}

#[test]
fn it_goes_from_one_connection_and_transport_to_another() {
    let host = started();
    let call = params("asks", json!({}));
    let mut ws = Talker::ModernWs(Ws::connect(&host));
    let state = state_of(&ws.once(&form(), "tools/call", &call));
    assert_accepted(&host, &second(call.clone(), &state));
    let state = begin(&host, "tools/call", &call);
    let reply = ws.once(&form(), "tools/call", &second(call, &state));
    assert!(text_of(&reply).ends_with(" 12"));
}

#[test]
fn a_secret_outlives_the_server_and_random_keys_do_not() {
    let with = |current: Option<&str>, previous: Option<&str>| {
        let secret = |text: Option<&str>| text.map(|text| Secret::new(text.to_owned()));
        let options = Options {
            state_secret: secret(current),
            state_secret_previous: secret(previous),
            ..Options::default()
        };
        asking(options, limits())
    };
    let call = params("asks", json!({}));
    let state = begin(&with(Some(OLD), None), "tools/call", &call);
    assert_accepted(&with(Some(OLD), None), &second(call.clone(), &state));
    assert_accepted(&with(Some(NEW), Some(OLD)), &second(call.clone(), &state));
    assert_refused(&with(Some(NEW), None), "tools/call", &second(call.clone(), &state));
    assert_refused(&with(None, None), "tools/call", &second(call.clone(), &state));
    let host = with(None, None);
    let state = begin(&host, "tools/call", &call);
    host.server.stop().unwrap();
    assert_refused(&with(None, None), "tools/call", &second(call, &state));
}

#[test]
fn it_lives_as_long_as_the_server_object() {
    let mut host = started();
    let call = params("asks", json!({}));
    let state = begin(&host, "tools/call", &call);
    host.server.stop().unwrap();
    host.restart();
    assert_accepted(&host, &second(call, &state));
}

#[test]
fn what_a_call_remembers_is_bounded() {
    let host = host_with(Options::default(), Limits { state_bytes: 200, ..limits() });
    let tool = |name: &str| {
        let tool = Tool::new(name).unwrap().description("Keeps.");
        tool.input_schema(r#"{"type":"object"}"#).unwrap()
    };
    host.server
        .add_tool(tool("keeps"), |call| {
            // Counted as base64 and with what goes around it.
            let refused = call.keep(&[7; 103]);
            assert!(matches!(refused, Err(Error::Limit(_))));
            call.keep(&[7; 102]).unwrap();
            if let Need::Answered(_) = call.need("n", question()).unwrap() {
                call.need("more", question()).unwrap();
            }
            call.ask();
        })
        .unwrap();
    host.server.add_tool(tool("asks"), asks).unwrap();
    // What fits alone does not fit with an answer.
    let call = params("keeps", json!({}));
    let state = begin(&host, "tools/call", &call);
    let mut again = second(call, &state);
    again["inputResponses"]["n"]["content"]["n"] = json!(3_000_000);
    let reply = once(&host, "tools/call", &again);
    assert_eq!(text_of(&reply), "keeps has too much to remember between its questions");
    assert_eq!(reply["result"]["isError"], true);
    let call = params("asks", json!({}));
    let state = begin(&host, "tools/call", &call);
    assert_accepted(&host, &second(call, &state));
    let stats = host.server.stats();
    assert_eq!((stats.calls_asking, stats.states_refused), (2, 0));
}

#[test]
fn a_call_does_not_ask_for_ever() {
    let limits = Limits { rounds: 3, ..limits() };
    let host = host_with(Options::default(), limits);
    let tool = Tool::new("greedy").unwrap().description("Asks for ever.");
    host.server
        .add_tool(tool, |call| {
            for round in 0.. {
                match call.need(&format!("round {round}"), question()) {
                    Ok(Need::Answered(_)) => continue,
                    Ok(Need::Asked) => {
                        call.ask();
                    }
                    Err(error) => {
                        assert!(matches!(error, Error::Limit(_)));
                        call.fail(format!("{round}: {error}"));
                    }
                }
                return;
            }
        })
        .unwrap();
    for mut client in Talker::each(&host, &form()) {
        let answer = |_: &str, _: &Value| Ok(accept(json!({ "n": 1 })));
        let talk = client.talk(&form(), "tools/call", &json!({ "name": "greedy" }), answer);
        assert_eq!(text_of(&talk.reply), "3: the call has asked too often");
        assert_eq!(talk.questions.len(), 3, "{}", client.name());
    }
}

#[test]
fn a_round_has_no_more_questions_than_a_user_can_bear() {
    let host = host();
    let tool = Tool::new("many").unwrap().description("Asks much at once.");
    host.server
        .add_tool(tool, |call| {
            let asked = (0..).take_while(|n| call.need(&n.to_string(), question()).is_ok()).count();
            call.fail(asked.to_string());
        })
        .unwrap();
    for mut client in Talker::each(&host, &form()) {
        let never = |_: &str, _: &Value| panic!("nothing was sent");
        let talk = client.talk(&form(), "tools/call", &json!({ "name": "many" }), never);
        assert_eq!(text_of(&talk.reply), "16", "{}", client.name());
    }
}
