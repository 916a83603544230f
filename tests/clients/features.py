"""What the Python SDK clients do with conformance-host and sysmond beside plain tool calls.

A client is wrapped in an object with these members, which deal in plain JSON values:

- `modern`: which era was negotiated. `asked`: the `Asked` that answers the server's questions.
- `await list_resources()`, `list_templates()`, `list_prompts()` return the lists.
- `await read(uri)`, `get_prompt(name, arguments)`, `call(name, arguments)` return the result.
- `await complete(ref, name, value)` returns the completion.
- `updates(uri)` subscribes for the length of an `async with` block, whose object has
  `await next()`: the URI of the next update.
- `await run_task(name, arguments, statuses)` returns the tool's result and appends each status
  seen; `await cancel_task(name, arguments)` returns the last status of a task cancelled at once.
- `Error`, `code_of(error)`: what the SDK raises for a JSON-RPC error, and the code in it.
"""

import base64
import json

from asked import ANSWER, EMAIL, SAMPLE
from expect import INVALID_PARAMS, METRIC, text_of

RESOURCE_NOT_FOUND = -32002

WATCHED = "test://watched-resource"
PNG = b"\x89PNG\r\n\x1a\n"
PROMPT_REF = {"type": "ref/prompt", "name": "test_prompt_with_arguments"}


async def hold(checks, client):
    """Uses every feature of conformance-host; the parts are independent of each other."""
    await use_resources(checks, client)
    await use_prompts(checks, client)
    await use_completion(checks, client)
    await answer_forms(checks, client)
    await answer_others(checks, client)
    await answer_rounds(checks, client)
    await subscribe(checks, client)
    await use_tasks(checks, client)
    await use_asking_tasks(checks, client)


async def use_resources(checks, client):
    resources = {each["uri"]: each for each in await client.list_resources()}
    wanted = {"test://static-text", "test://static-binary", WATCHED}
    checks.that(wanted <= set(resources), "resources are listed", sorted(resources))
    named = all(each["name"] and each.get("description") for each in resources.values())
    checks.that(named, "resources are described", resources)
    templates = [each["uriTemplate"] for each in await client.list_templates()]
    checks.that("test://template/{id}/data" in templates, "template is listed", templates)

    (text,) = (await client.read("test://static-text"))["contents"]
    checks.equal(text["text"], "This is the content of the static text resource.", "text read")
    checks.equal(text["mimeType"], "text/plain", "type of the text")
    (binary,) = (await client.read("test://static-binary"))["contents"]
    checks.that(base64.b64decode(binary["blob"]).startswith(PNG), "blob is a PNG image", binary)
    (made,) = (await client.read("test://template/4711/data"))["contents"]
    checks.equal(made["uri"], "test://template/4711/data", "URI of what the template made")
    checks.that("4711" in json.dumps(json.loads(made["text"])), "template fills its variable", made)
    code = await error_code(checks, client, client.read("test://nothing-here"), "unknown resource")
    wanted = INVALID_PARAMS if client.modern else RESOURCE_NOT_FOUND
    checks.equal(code, wanted, "code for an unknown resource")


async def use_prompts(checks, client):
    prompts = {each["name"]: each for each in await client.list_prompts()}
    checks.that("test_simple_prompt" in prompts, "prompts are listed", sorted(prompts))
    declared = prompts["test_prompt_with_arguments"]["arguments"]
    names = [each["name"] for each in declared]
    checks.equal(names, ["arg1", "arg2"], "arguments of the prompt")

    (message,) = (await client.get_prompt("test_simple_prompt", {}))["messages"]
    wanted = {"type": "text", "text": "This is a simple prompt for testing."}
    checks.equal((message["role"], message["content"]), ("user", wanted), "simple prompt")
    arguments = {"arg1": "one", "arg2": "two"}
    got = await client.get_prompt("test_prompt_with_arguments", arguments)
    text = got["messages"][0]["content"]["text"]
    checks.equal(text, "Prompt with arguments: arg1='one', arg2='two'", "prompt with arguments")
    arguments = {"resourceUri": "test://static-text"}
    got = await client.get_prompt("test_prompt_with_embedded_resource", arguments)
    resources = [
        message["content"]["resource"]["uri"]
        for message in got["messages"]
        if message["content"]["type"] == "resource"
    ]
    checks.equal(resources, ["test://static-text"], "resource in the prompt")
    got = await client.get_prompt("test_prompt_with_image", {})
    kinds = [message["content"]["type"] for message in got["messages"]]
    checks.that("image" in kinds, "prompt has an image", kinds)
    refused = client.get_prompt("no_such_prompt", {})
    code = await error_code(checks, client, refused, "unknown prompt")
    checks.equal(code, INVALID_PARAMS, "code for an unknown prompt")


async def use_completion(checks, client):
    completion = await client.complete(PROMPT_REF, "arg1", "par")
    checks.equal(completion["values"], ["paris", "park", "party"], "completions")


async def answer_forms(checks, client):
    asked = client.asked
    asked.forget()
    result = await client.call("test_elicitation", {"message": "Who is there?"})
    checks.success(result, "test_elicitation")
    (form,) = asked.forms
    checks.equal(form["message"], "Who is there?", "message of the form")
    required = sorted(form["requestedSchema"]["required"])
    checks.equal(required, ["email", "username"], "required fields of the form")
    text = text_of(result)
    checks.that(text.startswith("User response: ") and EMAIL in text, "answer arrives", text)

    for action in ("decline", "cancel"):
        asked.action = action
        text = text_of(await client.call("test_elicitation", {"message": "Who is there?"}))
        refused = action in text and EMAIL not in text
        checks.that(refused, f"{action} arrives without content", text)
    asked.forget()
    text = text_of(await client.call("test_elicitation_sep1034_defaults", {}))
    defaults = ["John Doe", "30", "95.5", "active", "true"]
    checks.that(all(each in text for each in defaults), "defaults of the form arrive", text)
    text = text_of(await client.call("test_elicitation_sep1330_enums", {}))
    checks.that("accept" in text, "form with choices is answered", text)
    checks.equal(len(asked.forms[1]["requestedSchema"]["properties"]), 5, "number of choices")


async def answer_others(checks, client):
    """The model and the roots."""
    asked = client.asked
    asked.forget()
    text = text_of(await client.call("test_sampling", {"prompt": "How far?"}))
    checks.equal(text, f"LLM response: {SAMPLE}", "model's words")
    (sample,) = asked.samples
    (message,) = sample["messages"]
    # From 2025-11-25 on a message may hold a list of contents.
    contents = message["content"]
    (content,) = contents if isinstance(contents, list) else [contents]
    checks.equal(content["text"], "How far?", "what the model was asked")
    checks.success(await client.call("test_input_required_result_list_roots", {}), "list of roots")
    checks.equal(asked.roots_count, 1, "times that the roots were listed")


async def answer_rounds(checks, client):
    """Calls that ask several times or several questions at once, in the words of the suite."""
    asked = client.asked
    asked.forget()
    text = text_of(await client.call("test_input_required_result_elicitation", {}))
    checks.equal(text, f"Hello, {ANSWER}!", "answer after one question")
    text = text_of(await client.call("test_input_required_result_request_state", {}))
    checks.that("state-ok" in text, "state comes back", text)
    checks.equal(len(asked.forms), 2, "forms until here")
    result = await client.call("test_input_required_result_multi_round", {})
    checks.success(result, "call of several rounds")
    checks.equal(len(asked.forms), 4, "forms after two rounds")
    result = await client.call("test_input_required_result_multiple_inputs", {})
    checks.success(result, "call with three questions")
    seen = (len(asked.forms), len(asked.samples), asked.roots_count)
    checks.equal(seen, (5, 1, 1), "forms, samples and roots asked for")
    got = await client.get_prompt("test_input_required_result_prompt", {})
    text = got["messages"][0]["content"]["text"]
    checks.that(ANSWER in text, "prompt knows the answer", text)


async def subscribe(checks, client):
    async with client.updates(WATCHED) as updates:
        for _ in range(2):
            await client.call("test_trigger_resource_update", {})
            checks.equal(await updates.next(), WATCHED, "URI of the update")
            (content,) = (await client.read(WATCHED))["contents"]
            checks.equal(content["uri"], WATCHED, "URI read after the update")


async def use_tasks(checks, client):
    statuses = []
    arguments = {"seconds": 1, "label": "lovelace"}
    result = await client.run_task("slow_compute", arguments, statuses)
    checks.success(result, "slow_compute")
    checks.that("lovelace" in text_of(result), "task knows its arguments", result)
    checks.equal(statuses[0], "working", "first status")
    status = await client.cancel_task("slow_compute", {"seconds": 60, "label": "never"})
    checks.equal(status, "cancelled", "status of a cancelled task")
    result = await client.run_task("failing_job", {}, [])
    checks.that(result.get("isError") is True, "task of a failing tool has its result", result)
    failed = client.run_task("protocol_error_job", {}, [])
    await error_code(checks, client, failed, "end of a failed task")


async def use_asking_tasks(checks, client):
    asked = client.asked
    asked.forget()
    statuses = []
    result = await client.run_task("confirm_delete", {"filename": "notes.txt"}, statuses)
    checks.success(result, "confirm_delete")
    checks.equal(len(asked.forms), 1, "forms of confirm_delete")
    if client.modern:
        checks.that("input_required" in statuses, "task says that it asks", statuses)
    checks.success(await client.run_task("multi_input", {}, []), "multi_input")
    checks.equal(len(asked.forms), 3, "forms after multi_input")
    # The legacy era has no word for a call that becomes a task after its question.
    statuses = []
    if client.modern:
        result = await client.run_task("test_tool_with_task", {}, statuses)
        checks.that("working" in statuses, "call becomes a task after its question", statuses)
    else:
        result = await client.call("test_tool_with_task", {})
    checks.that(ANSWER in text_of(result), "answer reaches the work", result)


async def hold_sysmond(checks, client):
    """Uses what sysmond offers beside its tools."""
    resources = {each["uri"] for each in await client.list_resources()}
    wanted = {"config://sysmond", "alerts://current", "log://sysmond"}
    checks.that(wanted <= resources, "resources are listed", sorted(resources))
    templates = [each["uriTemplate"] for each in await client.list_templates()]
    checks.that("metrics://{id}" in templates, "template is listed", templates)
    for uri in (*sorted(wanted), f"metrics://{METRIC}"):
        contents = (await client.read(uri))["contents"]
        checks.that(contents and contents[0]["uri"] == uri, f"{uri} is read", contents)
    ref = {"type": "ref/resource", "uri": "metrics://{id}"}
    completion = await client.complete(ref, "id", METRIC[:6])
    checks.that(METRIC in completion["values"], "metric is suggested", completion)

    prompts = {each["name"] for each in await client.list_prompts()}
    wanted = {"diagnose_host", "explain_alert"}
    checks.that(wanted <= prompts, "prompts are listed", sorted(prompts))
    facts, task = (await client.get_prompt("diagnose_host", {}))["messages"]
    uri = facts["content"]["resource"]["uri"]
    checks.equal(uri, "alerts://current", "what diagnose_host attaches")
    text = task["content"]["text"]
    checks.that("system_overview" in text, "diagnose_host says where to begin", text)

    await silence_alert(checks, client)
    statuses = []
    arguments = {"metric": METRIC, "seconds": 2}
    checks.success(await client.run_task("watch_metric", arguments, statuses), "watch_metric")
    checks.equal(statuses[0], "working", "first status of watch_metric")


async def silence_alert(checks, client):
    """Declines, then agrees; who watches the alerts is told."""
    asked = client.asked
    asked.forget()
    alerts = (await client.call("list_alerts", {}))["structuredContent"]["alerts"]
    ref = {"type": "ref/prompt", "name": "explain_alert"}
    values = (await client.complete(ref, "alert", alerts[0]["id"]))["values"]
    checks.that(alerts[0]["id"] in values, "alert is suggested", values)
    arguments = {"alert": alerts[0]["id"], "minutes": 1}
    async with client.updates("alerts://current") as updates:
        asked.action = "decline"
        text = text_of(await client.call("silence_alert", arguments))
        checks.that("declined" in text, "declined silence changes nothing", text)
        named = alerts[0]["id"] in asked.forms[0]["message"]
        checks.that(named, "form names the alert", asked.forms)
        asked.action = "accept"
        text = text_of(await client.call("silence_alert", arguments))
        checks.that("is silenced until" in text, "alert is silenced", text)
        checks.equal(await updates.next(), "alerts://current", "URI of the update")


async def error_code(checks, client, awaitable, what):
    """The code of the JSON-RPC error that `awaitable` must raise."""
    try:
        result = await awaitable
    except client.Error as error:
        checks.that(True, f"{what} is a protocol error")
        return client.code_of(error)
    checks.that(False, f"{what} is a protocol error", result)
