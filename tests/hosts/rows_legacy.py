"""The revisions that have sessions: Streamable HTTP since 2025-03-26, HTTP+SSE of 2024-11-05."""

import json

from messages import (
    LEGACY,
    call,
    initialize,
    legacy_headers,
    message,
    modern_call,
    post,
    steady,
    structured,
    text,
)
from rows import row

STREAM = [("Accept", "text/event-stream")]


class Session:
    """A session of Streamable HTTP."""

    def __init__(self, door, revision=LEGACY, capabilities=None):
        self.door = door
        self.revision = revision
        answer = post(door, initialize(revision, 0, capabilities), legacy_headers())
        self.id = answer.header("mcp-session-id")
        self.hello = steady(answer.whole(), self.id)
        self.ready = steady(self.post(message("notifications/initialized")).whole(), self.id)

    def headers(self):
        return legacy_headers(self.id, self.revision)

    def post(self, sent):
        return post(self.door, sent, self.headers())

    def stream(self, last_event_id=None):
        """Opens the stream that the server speaks on, or the rest of one that was cut."""
        more = [("Last-Event-ID", last_event_id)] if last_event_id else []
        named = [("Mcp-Session-Id", self.id), ("MCP-Protocol-Version", self.revision)]
        return self.door.send("GET", STREAM + named + more)

    def delete(self):
        return self.door.send("DELETE", self.headers()).whole()


@row()
def session_from_hello_to_goodbye(door):
    session = Session(door)
    seen = [session.hello, session.ready]
    seen.append(session.post(message("tools/list", {}, 1)).whole())
    seen.append(session.post(call("echo", {"text": "hello"}, "two")).whole())
    seen.append(session.post(call("whoami", {}, 3)).whole())
    seen.append(session.post(call("count", {"steps": 3, "interval_ms": 20}, 4, "t")).whole())
    seen.append(session.post(message("ping", None, 5)).whole())
    seen.append(session.post(message("no/such", None, 6)).whole())
    seen.append(session.delete())
    seen.append(session.post(message("ping", None, 7)).whole())
    return steady(seen)


@row()
def revisions_before(door):
    """Each era's clients get the shapes of their revision."""
    seen = []
    for revision in ("2024-11-05", "2025-03-26", "2025-06-18", "2099-01-01"):
        session = Session(door, revision)
        negotiated = json.loads(session.hello[2])["result"]["protocolVersion"]
        session.revision = negotiated
        seen.append([session.hello, session.post(call("uptime", {}, 1)).whole()])
    return steady(seen)


@row()
def sessions_that_nobody_has(door):
    unknown = legacy_headers("AAAAAAAAAAAAAAAAAAAAAA")
    return [
        post(door, message("ping", None, 1), unknown).whole(),
        post(door, message("ping", None, 1), legacy_headers()).whole(),
        door.send("GET", STREAM + unknown[2:]).whole(),
        door.send("DELETE", unknown).whole(),
    ]


@row()
def notifications_on_the_stream(door):
    session = Session(door)
    seen = [session.post(message("logging/setLevel", {"level": "info"}, 1)).whole()]
    with session.stream() as stream:
        events = stream.events()
        seen += [stream.status, stream.head(), next(events)]
        post(door, modern_call("announce", {"text": "gr\u00fc\u00dfe"})).whole()
        seen.append(next(events))
        post(door, modern_call("maintenance", {"on": True})).whole()
        seen.append(next(events))
        post(door, modern_call("maintenance", {"on": False})).whole()
        seen.append(next(events))
    return seen


@row()
def deleting_a_session_ends_its_stream(door):
    session = Session(door)
    with session.stream() as stream:
        events = stream.events()
        seen = [next(events), session.delete()]
        return seen + list(events)


@row()
def cut_stream_is_resumed(door):
    """The call goes on without its client, who then gets every event behind the last one seen."""
    session = Session(door)
    with session.post(call("count", {"steps": 6, "interval_ms": 30}, 1, "t")) as answer:
        events = answer.events()
        seen = [next(events) for _ in range(3)]
    with session.stream(seen[-1]["id"]) as stream:
        events = stream.events()
        rest = []
        while not rest or '"result"' not in rest[-1]["data"]:
            rest.append(next(events))
    # Whether the resumed stream repeats its first, empty event is between it and its proxy.
    return [seen, [event for event in rest if event["data"]]]


@row()
def cancelled_by_notification(door):
    session = Session(door)
    label = "legacy cancel"
    with session.post(call("count", {"steps": 1000000, "label": label}, "c", "t")) as answer:
        events = answer.events()
        seen = [next(events), next(events)["data"]]
        gone = message("notifications/cancelled", {"requestId": "c", "reason": "enough"})
        seen.append(session.post(gone).whole())
        # A cancelled request is not answered: the stream ends.
        seen.append([event for event in events if '"result"' in event["data"]])
    waited = post(door, modern_call("last_cancel", {"label": label, "wait_ms": 10000})).whole()
    seen.append(structured(waited[2])["reason"])
    return seen


@row()
def batch_of_2025_03_26(door):
    session = Session(door, "2025-03-26")
    sent = [
        message("ping", None, 1),
        message("notifications/initialized"),
        call("echo", {"text": "two"}, "two"),
        message("no/such", None, 3),
    ]
    status, head, body = session.post(sent).whole()
    # The answers may stand in any order.
    answers = sorted(json.loads(body), key=lambda answer: str(answer["id"]))
    newer = Session(door).post(sent).whole()
    return [status, head, answers, newer]


class OldStream:
    """The stream of HTTP+SSE, on which every answer comes, and the address that it names."""

    def __init__(self, door):
        self.door = door
        self.answer = door.send("GET", STREAM)
        self.events = self.answer.events()
        self.endpoint = next(self.events)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()

    def post(self, sent):
        headers = [("Content-Type", "application/json")]
        body = text(sent).encode()
        return self.door.send("POST", headers, body, target=self.endpoint["data"]).whole()

    def ask(self, sent):
        """Sends a request; gives the answer to the POST and the next event."""
        return [self.post(sent), next(self.events)]

    def hello(self):
        return [self.ask(initialize("2024-11-05")), self.post(message("notifications/initialized"))]


@row()
def http_and_sse(door):
    with OldStream(door) as stream:
        seen = [stream.answer.status, stream.answer.head(), stream.endpoint, stream.hello()]
        seen.append(stream.ask(message("tools/list", {}, 1)))
        seen.append(stream.ask(call("echo", {"text": "hello"}, 2)))
        seen.append(stream.ask(call("count", {"steps": 2, "interval_ms": 30}, 3, "t")))
        seen += [next(stream.events), next(stream.events)]
        seen.append(stream.ask(call("report", {"kib": 256}, 4)))
    return steady(seen)


@row()
def leaving_ends_http_and_sse(door):
    label = "old stream"
    with OldStream(door) as stream:
        stream.hello()
        stream.post(call("count", {"steps": 1000000, "label": label}, 1, "t"))
        next(stream.events)
    waited = post(door, modern_call("last_cancel", {"label": label, "wait_ms": 10000})).whole()
    return [structured(waited[2])["reason"], stream.post(message("ping", None, 2))]
