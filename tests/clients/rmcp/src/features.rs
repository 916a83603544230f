//! What the client does with conformance-host and sysmond. The same as in features.py.

use rmcp::model::{ErrorData, TaskPayload, TaskStatus};
use serde_json::{Value, json};

use crate::asked::{ANSWER, EMAIL, SAMPLE, plain};
use crate::checks::{Checks, column, text_of};
use crate::client::Client;

const WATCHED: &str = "test://watched-resource";
const METRIC: &str = "cpu.total.busy";

const INVALID_PARAMS: i32 = -32602;
const RESOURCE_NOT_FOUND: i32 = -32002;

/// Uses every feature of conformance-host; the parts are independent of each other.
pub async fn hold(checks: &mut Checks, client: &mut Client) {
    use_resources(checks, client).await;
    use_prompts(checks, client).await;
    let values = client.complete_prompt("test_prompt_with_arguments", "arg1", "par").await;
    checks.equal(values, ["paris", "park", "party"].map(String::from).to_vec(), "completions");
    answer_forms(checks, client).await;
    answer_others(checks, client).await;
    answer_rounds(checks, client).await;
    subscribe(checks, client).await;
    if client.modern {
        use_tasks(checks, client).await;
        use_asking_tasks(checks, client).await;
    } else {
        use_no_tasks(checks, client).await;
    }
}

async fn use_resources(checks: &mut Checks, client: &Client) {
    let listed = column(&client.list_resources().await, "uri");
    let wanted = ["test://static-text", "test://static-binary", WATCHED];
    checks.includes(&listed, &wanted, "resources are listed");
    let listed = column(&client.list_templates().await, "uriTemplate");
    checks.includes(&listed, &["test://template/{id}/data"], "template is listed");

    let text = read(client, "test://static-text").await;
    let wanted = "This is the content of the static text resource.";
    checks.equal(&text["text"], &json!(wanted), "text read");
    let binary = read(client, "test://static-binary").await;
    // The first bytes of every PNG image.
    let blob = binary["blob"].as_str().unwrap_or_default();
    checks.that(blob.starts_with("iVBORw0KGgo"), "blob is a PNG image", &binary);
    let made = read(client, "test://template/4711/data").await;
    let text = made["text"].as_str().unwrap_or_default();
    checks.that(text.contains("4711"), "template fills its variable", &made);
    let wanted = if client.modern { INVALID_PARAMS } else { RESOURCE_NOT_FOUND };
    let outcome = client.read("test://nothing-here").await;
    fails(checks, outcome, wanted, "an unknown resource");
}

async fn use_prompts(checks: &mut Checks, client: &Client) {
    let prompts = client.list_prompts().await;
    checks.includes(&column(&prompts, "name"), &["test_simple_prompt"], "prompts are listed");
    let text = prompt_text(client, "test_simple_prompt", json!({})).await;
    checks.equal(text.as_str(), "This is a simple prompt for testing.", "simple prompt");
    let arguments = json!({"arg1": "one", "arg2": "two"});
    let text = prompt_text(client, "test_prompt_with_arguments", arguments).await;
    let wanted = "Prompt with arguments: arg1='one', arg2='two'";
    checks.equal(text.as_str(), wanted, "prompt with arguments");
    for (name, arguments, kind) in [
        ("test_prompt_with_embedded_resource", json!({"resourceUri": WATCHED}), "resource"),
        ("test_prompt_with_image", json!({}), "image"),
    ] {
        let got = client.get_prompt(name, arguments).await.expect(name);
        let messages = got["messages"].as_array().into_iter().flatten();
        let kinds: Vec<_> = messages.map(|each| each["content"]["type"].clone()).collect();
        checks.that(kinds.contains(&json!(kind)), &format!("prompt has a content {kind}"), &got);
    }
    let outcome = client.get_prompt("no_such_prompt", json!({})).await;
    fails(checks, outcome, INVALID_PARAMS, "an unknown prompt");
}

async fn answer_forms(checks: &mut Checks, client: &Client) {
    let arguments = json!({"message": "Who is there?"});
    client.forget();
    let result = client.call("test_elicitation", arguments.clone()).await;
    checks.success(&result, "test_elicitation");
    checks.that(text_of(&result).contains(EMAIL), "answer arrives", &result);
    let form = client.asked().forms.remove(0);
    checks.equal(&form["message"], &json!("Who is there?"), "message of the form");
    for action in ["decline", "cancel"] {
        client.asked().action = action;
        let text = text_of(&client.call("test_elicitation", arguments.clone()).await);
        let refused = text.contains(action) && !text.contains(EMAIL);
        checks.that(refused, &format!("{action} arrives without content"), text);
    }
    client.forget();
    let text = text_of(&client.call("test_elicitation_sep1034_defaults", json!({})).await);
    let defaults = ["John Doe", "30", "95.5", "active", "true"];
    let arrived = defaults.iter().all(|each| text.contains(each));
    checks.that(arrived, "defaults of the form arrive", text);
    let text = text_of(&client.call("test_elicitation_sep1330_enums", json!({})).await);
    checks.that(text.contains("accept"), "form with choices is answered", text);
}

/// The model and the roots.
async fn answer_others(checks: &mut Checks, client: &Client) {
    client.forget();
    let text = text_of(&client.call("test_sampling", json!({"prompt": "How far?"})).await);
    checks.equal(text, format!("LLM response: {SAMPLE}"), "model's words");
    let samples = std::mem::take(&mut client.asked().samples);
    checks.that(samples[0].to_string().contains("How far?"), "model was asked", samples);
    let result = client.call("test_input_required_result_list_roots", json!({})).await;
    checks.success(&result, "list of roots");
    let count = client.asked().roots_count;
    checks.equal(count, 1, "times that the roots were listed");
}

/// Calls that ask several times or several questions at once, in the words of the suite.
async fn answer_rounds(checks: &mut Checks, client: &Client) {
    client.forget();
    let result = client.call("test_input_required_result_elicitation", json!({})).await;
    let text = text_of(&result);
    checks.equal(text, format!("Hello, {ANSWER}!"), "answer after one question");
    let result = client.call("test_input_required_result_request_state", json!({})).await;
    checks.that(text_of(&result).contains("state-ok"), "state comes back", &result);
    let result = client.call("test_input_required_result_multi_round", json!({})).await;
    checks.success(&result, "call of several rounds");
    let forms = client.asked().forms.len();
    checks.equal(forms, 4, "forms after two rounds");
    let result = client.call("test_input_required_result_multiple_inputs", json!({})).await;
    checks.success(&result, "call with three questions");
    let seen = client.seen();
    checks.equal(seen, (5, 1, 1), "forms, samples and roots asked for");
    let text = prompt_text(client, "test_input_required_result_prompt", json!({})).await;
    checks.that(text.contains(ANSWER), "prompt knows the answer", text);
}

async fn subscribe(checks: &mut Checks, client: &mut Client) {
    let mut updates = client.subscribe(WATCHED).await;
    for _ in 0..2 {
        client.call("test_trigger_resource_update", json!({})).await;
        let uri = client.next(&mut updates).await;
        checks.equal(uri.as_str(), WATCHED, "URI of the update");
        read(client, WATCHED).await;
    }
    client.unsubscribe(updates).await;
}

async fn use_tasks(checks: &mut Checks, client: &Client) {
    let arguments = json!({"seconds": 1, "label": "lovelace"});
    let (end, statuses) = client.run_task("slow_compute", arguments).await;
    let result = result_of(end);
    checks.that(text_of(&result).contains("lovelace"), "task knows its arguments", &result);
    checks.equal(statuses[0], TaskStatus::Working, "first status");
    let arguments = json!({"seconds": 60, "label": "never"});
    let status = client.cancel_task("slow_compute", arguments).await;
    checks.equal(status, TaskStatus::Cancelled, "status of a cancelled task");
    let (end, _) = client.run_task("failing_job", json!({})).await;
    checks.equal(&result_of(end)["isError"], &json!(true), "mark of a failed tool");
    let (end, _) = client.run_task("protocol_error_job", json!({})).await;
    checks.equal(end.status(), TaskStatus::Failed, "status of a failed task");
}

async fn use_asking_tasks(checks: &mut Checks, client: &Client) {
    client.forget();
    let arguments = json!({"filename": "notes.txt"});
    let (end, statuses) = client.run_task("confirm_delete", arguments).await;
    checks.success(&result_of(end), "confirm_delete");
    checks.that(statuses.contains(&TaskStatus::InputRequired), "task says that it asks", statuses);
    let (end, _) = client.run_task("multi_input", json!({})).await;
    checks.success(&result_of(end), "multi_input");
    let forms = client.asked().forms.len();
    checks.equal(forms, 3, "forms asked by the tasks");
    let (end, _) = client.run_task("test_tool_with_task", json!({})).await;
    let result = result_of(end);
    checks.that(text_of(&result).contains(ANSWER), "answer reaches the task", &result);
}

/// The SDK has no tasks in the legacy era: it waits for the answer.
async fn use_no_tasks(checks: &mut Checks, client: &Client) {
    let arguments = json!({"seconds": 1, "label": "lovelace"});
    let result = client.call("slow_compute", arguments).await;
    checks.that(text_of(&result).contains("lovelace"), "slow call is answered", &result);
    let result = client.call("test_tool_with_task", json!({})).await;
    checks.that(text_of(&result).contains(ANSWER), "answer reaches the work", &result);
}

/// Uses what sysmond offers beside its tools.
pub async fn hold_sysmond(checks: &mut Checks, client: &mut Client) {
    let wanted = ["alerts://current", "config://sysmond", "log://sysmond"];
    let listed = column(&client.list_resources().await, "uri");
    checks.includes(&listed, &wanted, "resources are listed");
    for uri in wanted {
        let content = read(client, uri).await;
        checks.equal(&content["uri"], &json!(uri), "URI of what is read");
    }
    read(client, &format!("metrics://{METRIC}")).await;
    let values = client.complete_template("metrics://{id}", "id", "cpu.to").await;
    checks.includes(&values, &[METRIC], "metric is suggested");
    let prompts = column(&client.list_prompts().await, "name");
    checks.includes(&prompts, &["diagnose_host", "explain_alert"], "prompts are listed");
    let got = client.get_prompt("diagnose_host", json!({})).await.expect("diagnose_host");
    let attached = &got["messages"][0]["content"]["resource"]["uri"];
    checks.equal(attached, &json!("alerts://current"), "what diagnose_host attaches");

    silence_alert(checks, client).await;
    let arguments = json!({"metric": METRIC, "seconds": 2});
    let result = if client.modern {
        result_of(client.run_task("watch_metric", arguments).await.0)
    } else {
        client.call("watch_metric", arguments).await
    };
    checks.success(&result, "watch_metric");
}

/// Declines, then agrees; who watches the alerts is told.
async fn silence_alert(checks: &mut Checks, client: &mut Client) {
    client.forget();
    let alerts = client.call("list_alerts", json!({})).await;
    let id = alerts["structuredContent"]["alerts"][0]["id"].clone();
    let arguments = json!({"alert": id, "minutes": 1});
    let mut updates = client.subscribe("alerts://current").await;
    client.asked().action = "decline";
    let text = text_of(&client.call("silence_alert", arguments.clone()).await);
    checks.that(text.contains("declined"), "declined silence changes nothing", text);
    client.asked().action = "accept";
    let text = text_of(&client.call("silence_alert", arguments).await);
    checks.that(text.contains("is silenced until"), "alert is silenced", text);
    let uri = client.next(&mut updates).await;
    checks.equal(uri.as_str(), "alerts://current", "URI of the update");
    client.unsubscribe(updates).await;
}

/// The first of the contents.
async fn read(client: &Client, uri: &str) -> Value {
    client.read(uri).await.expect(uri)["contents"][0].clone()
}

/// The text of the first message.
async fn prompt_text(client: &Client, name: &str, arguments: Value) -> String {
    let got = client.get_prompt(name, arguments).await.expect(name);
    got["messages"][0]["content"]["text"].as_str().unwrap_or_default().to_owned()
}

fn result_of(end: TaskPayload) -> Value {
    match end {
        TaskPayload::Completed { result } => plain(&result),
        other => panic!("the task has no result: {other:?}"),
    }
}

fn fails(checks: &mut Checks, outcome: Result<Value, ErrorData>, code: i32, what: &str) {
    let error = outcome.expect_err(what);
    checks.equal(error.code.0, code, &format!("code for {what}"));
}
