//! JSON-RPC batches, which revision 2025-03-26 has and no other.

mod peer;

use emcp::{Limits, Options, ToolResult};
use peer::*;
use serde_json::{Value, json};

const REVISION: &str = "2025-03-26";

fn batch(messages: &[String]) -> String {
    format!("[{}]", messages.join(","))
}

fn ping(id: &str) -> String {
    request(id, "ping", &json!({}))
}

/// The answers of an array, by id, because they may stand in any order.
#[track_caller]
fn answer<'a>(answers: &'a Value, id: &Value) -> &'a Value {
    let answers = answers.as_array().unwrap_or_else(|| panic!("{answers}"));
    answers.iter().find(|answer| answer["id"] == *id).unwrap_or_else(|| panic!("{answers:?}"))
}

#[test]
fn a_batch_is_answered_by_one_array_on_every_transport() {
    let host = host();
    let body = batch(&[
        ping("1"),
        notification("notifications/initialized", &json!({})),
        call(r#""two""#, "echo", None),
        request("3", "no/such", &json!({})),
        r#"{"jsonrpc":"2.0","method":5,"id":4}"#.into(),
        "7".into(),
    ]);
    for mut line in Line::each(&host, REVISION) {
        let answers = line.ask(&body);
        assert_eq!(answers.as_array().map(Vec::len), Some(5), "{}: {answers}", line.name());
        assert_eq!(answer(&answers, &json!(1))["result"], json!({}));
        assert_eq!(text_of(answer(&answers, &json!("two"))), "{}");
        assert_error(answer(&answers, &json!(3)), json!(3), -32601);
        let invalid =
            answers.as_array().unwrap().iter().filter(|one| one["error"]["code"] == -32600);
        assert_eq!(invalid.count(), 2);
    }
}

#[test]
fn a_batch_over_http_is_one_json_array_on_status_200() {
    let host = host();
    let session = Streamable::open(&host, REVISION);
    let (status, answers) = session.post(&batch(&[ping("1"), ping("2")])).json();
    assert_eq!((status, answers.as_array().map(Vec::len)), (200, Some(2)));
}

#[test]
fn a_batch_with_progress_becomes_a_stream_that_ends_with_the_array() {
    let host = host();
    let session = Streamable::open(&host, REVISION);
    let http = session.post(&batch(&[call("1", "hold", Some("1")), ping("2")]));
    let held = host.held();
    held.progress(1.0, 0.0, None);
    let mut events = http.events();
    assert_eq!(events.json()["method"], "notifications/progress");
    held.reply(ToolResult::text("done"));
    let answers = events.json();
    assert_eq!(text_of(answer(&answers, &json!(1))), "done");
    assert_eq!(answer(&answers, &json!(2))["result"], json!({}));
    assert_eq!(events.next_event(), None);
}

#[test]
fn a_cut_batch_stream_resumes_with_the_array() {
    let host = host();
    let session = Streamable::open(&host, REVISION);
    let http = session.post(&batch(&[call("1", "hold", Some("1"))]));
    let held = host.held();
    held.progress(1.0, 0.0, None);
    let last = http.events().message().id;
    held.reply(ToolResult::text("done"));
    let mut events = session.get(last.as_deref());
    assert_eq!(text_of(&events.json()[0]), "done");
}

#[test]
fn a_batch_of_notifications_and_responses_is_202() {
    let host = host();
    let session = Streamable::open(&host, REVISION);
    let initialized = notification("notifications/initialized", &json!({}));
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned();
    for body in [batch(&[initialized.clone(), initialized]), batch(&[response.clone(), response])] {
        let accepted = session.post(&body).response();
        assert_eq!((accepted.status, &*accepted.body), (202, &b""[..]));
    }
}

#[test]
fn a_cancelled_batch_is_not_answered() {
    let host = host();
    let mut ws = Ws::open(&host, REVISION);
    ws.send(&batch(&[call("1", "hold", None)]));
    let held = host.held();
    ws.send(&notification("notifications/cancelled", &json!({"requestId": 1})));
    assert_eq!(cancellation(&held), emcp::CancelReason::Client);
    ws.send(&ping("2"));
    assert_eq!(ws.json()["id"], 2);
}

/// The call may have started or not when its cancellation is read.
#[test]
fn a_call_and_its_cancellation_may_come_in_one_batch() {
    let host = host();
    let cancelled = notification("notifications/cancelled", &json!({"requestId": 1}));
    let body = batch(&[call("1", "hold", None), cancelled, ping("2")]);
    for mut line in Line::each(&host, REVISION) {
        let answers = line.ask(&body);
        assert_eq!(answers, json!([{"jsonrpc": "2.0", "id": 2, "result": {}}]), "{}", line.name());
    }
}

#[test]
fn a_call_of_a_batch_is_cancelled_on_every_transport() {
    let host = host();
    let cancelled = notification("notifications/cancelled", &json!({"requestId": 1}));
    let body = batch(&[call("1", "hold", None), ping("2")]);
    let rest = json!([{"jsonrpc": "2.0", "id": 2, "result": {}}]);
    let session = Streamable::open(&host, REVISION);
    let mut http = session.post(&body);
    let held = host.held();
    session.post(&cancelled).response();
    assert_eq!(cancellation(&held), emcp::CancelReason::Client);
    assert_eq!(http.json(), (200, rest.clone()));
    for mut line in
        [Line::Sse(SseClient::open(&host, REVISION)), Line::Ws(Ws::open(&host, REVISION))]
    {
        line.tell(&body);
        let held = host.held();
        line.tell(&cancelled);
        assert_eq!(cancellation(&held), emcp::CancelReason::Client);
        let mut incoming = line.send(&ping("3"));
        let mut both = [incoming.json(), incoming.json()];
        both.sort_by_key(Value::is_object);
        assert_eq!((&both[0], &both[1]["id"]), (&rest, &json!(3)), "{}", line.name());
    }
}

#[test]
fn notifications_about_a_batch_come_before_its_array_on_every_transport() {
    let host = host();
    for mut line in Line::each(&host, REVISION) {
        let mut incoming = line.send(&batch(&[call("1", "hold", Some("7")), ping("2")]));
        let held = host.held();
        held.progress(1.0, 2.0, Some("half"));
        assert_eq!(
            incoming.json()["params"],
            json!({"progressToken": 7, "progress": 1, "total": 2, "message": "half"})
        );
        held.log(emcp::Level::Error, None, "1");
        assert_eq!(incoming.json()["method"], "notifications/message");
        held.reply(ToolResult::text("done"));
        assert_eq!(text_of(answer(&incoming.json(), &json!(1))), "done");
    }
}

#[test]
fn a_batch_that_asks_nothing_is_answered_by_nothing_on_shared_channels() {
    let host = host();
    let unknown = notification("notifications/nobody/knows", &json!({}));
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned();
    for mut line in
        [Line::Sse(SseClient::open(&host, REVISION)), Line::Ws(Ws::open(&host, REVISION))]
    {
        line.tell(&batch(&[unknown.clone(), unknown.clone()]));
        line.tell(&batch(&[response.clone(), response.clone()]));
        assert_eq!(line.ask(&ping("3"))["id"], 3, "{}", line.name());
    }
}

#[test]
fn a_batch_and_its_array_are_what_the_schema_says() {
    let Some(schema) = Schema::load(REVISION) else { return };
    let host = host();
    let initialized = notification("notifications/initialized", &json!({}));
    let body = batch(&[
        ping("1"),
        call("2", "rich", None),
        initialized,
        request("3", "no/such", &json!({})),
        request(r#""four""#, "tools/list", &json!({})),
    ]);
    schema.check("JSONRPCBatchRequest", &parse(&body));
    for mut line in Line::each(&host, REVISION) {
        let answers = line.ask(&body);
        schema.check("JSONRPCBatchResponse", &answers);
        schema.check("CallToolResult", &answer(&answers, &json!(2))["result"]);
        schema.check("ListToolsResult", &answer(&answers, &json!("four"))["result"]);
    }
}

#[test]
fn initialize_and_claims_do_not_go_into_a_batch() {
    let host = host();
    let session = Streamable::open(&host, REVISION);
    let claimed = request("1", "tools/list", &claim(json!({})));
    for intruder in [initialize("1", REVISION), claimed] {
        let body = batch(&[ping("2"), intruder]);
        let (status, message) = session.post(&body).json();
        assert_eq!(status, 400);
        assert_error(&message, Value::Null, -32600);
        let answers = Ws::open(&host, REVISION);
        let mut ws = answers;
        ws.send(&body);
        assert_error(answer(&ws.json(), &json!(1)), json!(1), -32600);
    }
    // Nor before there is a session.
    let (status, _) = host.post(&[ACCEPT], &batch(&[initialize("1", REVISION)])).json();
    assert_eq!(status, 400);
}

#[test]
fn an_empty_batch_is_an_invalid_request() {
    let host = host();
    for mut line in Line::each(&host, REVISION) {
        assert_error(&line.ask("[]"), Value::Null, -32600);
    }
    assert_eq!(Streamable::open(&host, REVISION).post("[]").json().0, 400);
}

#[test]
fn other_revisions_refuse_batches() {
    let host = host();
    for version in LEGACY.into_iter().filter(|version| *version != REVISION) {
        for mut line in Line::each(&host, version) {
            assert_error(&line.ask(&batch(&[ping("1")])), Value::Null, -32600);
        }
        let session = Streamable::open(&host, version);
        assert_eq!(session.post(&batch(&[ping("1")])).json().0, 400, "{version}");
    }
    let modern = batch(&[request("1", "tools/list", &claim(json!({})))]);
    let (status, message) = host.post(&modern_headers("tools/list"), &modern).json();
    assert_eq!(status, 400);
    assert_error(&message, Value::Null, -32600);
}

#[test]
fn a_batch_before_the_handshake_is_refused() {
    let host = host();
    for mut line in [Line::Sse(SseClient::begin(&host, "/mcp")), Line::Ws(Ws::connect(&host))] {
        assert_error(&line.ask(&batch(&[ping("1")])), Value::Null, -32600);
    }
}

#[test]
fn a_batch_above_its_limit_is_refused_whole() {
    let host = host_with(Options::default(), Limits { batch: 3, ..limits() });
    let session = Streamable::open(&host, REVISION);
    let pings: Vec<String> = (0..4).map(|id| ping(&id.to_string())).collect();
    assert_eq!(session.post(&batch(&pings[..3])).json().0, 200);
    let (status, message) = session.post(&batch(&pings)).json();
    assert_eq!(status, 400);
    assert_error(&message, Value::Null, -32600);
}

#[test]
fn an_id_twice_in_a_batch_is_refused_once() {
    let host = host();
    let session = Streamable::open(&host, REVISION);
    let mut http = session.post(&batch(&[call("1", "hold", None), call("1", "hold", None)]));
    let held = host.held();
    // One thread reads all requests: when it answers this, it has read the batch to its end.
    session.post(&ping("2")).json();
    held.reply(ToolResult::text("done"));
    let (_, answers) = http.json();
    let codes: Vec<_> =
        answers.as_array().unwrap().iter().map(|one| &one["error"]["code"]).collect();
    assert_eq!(codes, [&json!(-32600), &Value::Null]);
}
