"""What a server has beside tools: resources, prompts, completion, questions to the user, tasks."""

import json

from messages import call, message, modern, modern_call, post, steady, text
from rows import WEBSOCKET, row
from rows_legacy import Session
from rows_websocket import ask, hello, receive

CAN_BE_ASKED = {"elicitation": {"form": {}}}
KNOWS_TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}

MANUAL = "demo://manual"
YES = {"action": "accept", "content": {"sure": True}}
NO = {"action": "decline"}

# Asked for in both eras.
QUESTIONS = [
    ("resources/list", {}),
    ("resources/templates/list", {}),
    ("resources/read", {"uri": MANUAL}),
    ("resources/read", {"uri": "demo://line/2"}),
    ("resources/read", {"uri": "demo://line/4"}),
    ("resources/read", {"uri": "demo://nothing"}),
    ("prompts/list", {}),
    ("prompts/get", {"name": "explain", "arguments": {"topic": "gr\u00fc\u00dfe"}}),
    ("prompts/get", {"name": "explain"}),
    ("completion/complete", {"ref": {"type": "ref/prompt", "name": "explain"},
                             "argument": {"name": "topic", "value": "l"}}),
    ("completion/complete", {"ref": {"type": "ref/resource", "uri": "demo://line/{number}"},
                             "argument": {"name": "number", "value": ""}}),
]


def able(capabilities):
    return {"io.modelcontextprotocol/clientCapabilities": capabilities}


@row()
def resources_and_prompts(door):
    return [post(door, modern(method, params)).whole() for method, params in QUESTIONS]


@row()
def resources_and_prompts_in_a_session(door):
    session = Session(door)
    return [session.post(message(method, params, 1)).whole() for method, params in QUESTIONS]


@row(WEBSOCKET)
def resources_and_prompts_over_a_websocket(door):
    with door.websocket() as socket:
        seen = [hello(socket)]
        seen += [ask(socket, message(method, params, 1)) for method, params in QUESTIONS]
        return seen + [ask(socket, modern(method, params)) for method, params in QUESTIONS]


@row()
def an_update_reaches_who_listens(door):
    wanted = {"notifications": {"resourceSubscriptions": [MANUAL]}}
    with post(door, modern("subscriptions/listen", wanted, "l")) as answer:
        events = answer.events()
        seen = [answer.status, next(events)]
        seen.append(post(door, modern_call("touch")).whole())
        return seen + [next(events)]


@row()
def an_update_reaches_the_session_that_subscribed(door):
    session = Session(door)
    seen = [session.post(message("resources/subscribe", {"uri": MANUAL}, 1)).whole()]
    with session.stream() as stream:
        events = stream.events()
        seen.append(next(events))
        post(door, modern_call("touch")).whole()
        seen.append(next(events))
    seen.append(session.post(message("resources/unsubscribe", {"uri": MANUAL}, 2)).whole())
    return seen


@row()
def a_question_is_the_answer_of_a_modern_call(door):
    seen = []
    for answer in (YES, NO):
        asked = post(door, modern_call("confirm", **able(CAN_BE_ASKED))).whole()
        state = json.loads(asked[2])["result"]["requestState"]
        sent = modern_call("confirm", **able(CAN_BE_ASKED))
        sent["params"].update(inputResponses={"sure": answer}, requestState=state)
        seen += [asked, post(door, sent).whole()]
    sent["params"]["requestState"] = f"{state[:-4]}AAAA"
    seen.append(post(door, sent).whole())
    seen.append(post(door, modern_call("confirm")).whole())
    return seen


@row()
def a_question_comes_on_the_stream_of_a_legacy_call(door):
    session = Session(door, capabilities=CAN_BE_ASKED)
    with session.post(call("confirm", {}, 1)) as answer:
        # The first event says where to go on; it has no message.
        events = (event["data"] for event in answer.events() if event.get("data"))
        question = next(events)
        result = {"jsonrpc": "2.0", "id": json.loads(question)["id"], "result": YES}
        seen = [answer.status, answer.head(), question, session.post(result).whole()]
        return steady([*seen, next(events)], session.id)


@row(WEBSOCKET)
def a_question_comes_over_a_websocket(door):
    with door.websocket() as socket:
        seen = [hello(socket, capabilities=CAN_BE_ASKED)]
        for answer in (YES, NO):
            question = ask(socket, call("confirm", {}, 1))
            socket.send(text({"jsonrpc": "2.0", "id": json.loads(question)["id"],
                              "result": answer}))
            seen += [question, receive(socket)]
        return seen


@row()
def a_call_becomes_a_task(door):
    begun = post(door, modern_call("inspect", **able(KNOWS_TASKS))).whole()
    task = json.loads(begun[2])["result"]["taskId"]
    while True:
        now = post(door, modern("tasks/get", {"taskId": task}, **able(KNOWS_TASKS))).whole()
        if '"status":"working"' not in now[2]:
            break
    unknown = modern("tasks/get", {"taskId": "AAAAAAAAAAAAAAAAAAAAAA"}, **able(KNOWS_TASKS))
    return [begun, now, post(door, unknown).whole(), post(door, modern_call("inspect")).whole()]
