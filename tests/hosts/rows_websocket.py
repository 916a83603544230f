"""WebSocket: both eras on one socket, fragments, and what closes it."""

import hashlib
import json
import struct

from websockets.exceptions import InvalidStatus

from door import PATIENCE_SECONDS, Connection, receive_exactly, wait_for_answer
from messages import (
    call,
    content,
    initialize,
    message,
    modern,
    modern_call,
    post,
    steady,
    structured,
    text,
)
from rows import WEBSOCKET, row
from rows_modern import BODY_BYTES_MAX

SECONDS_MAX = 30


def ask(socket, sent):
    socket.send(text(sent))
    return receive(socket)


def receive(socket):
    return steady(socket.recv(timeout=SECONDS_MAX))


def hello(socket, revision="2025-11-25", capabilities=None):
    answer = ask(socket, initialize(revision, 0, capabilities))
    socket.send(text(message("notifications/initialized")))
    return answer


@row(WEBSOCKET)
def subprotocol_is_echoed_when_offered(door):
    seen = []
    for offered in (["mcp"], ["other", "mcp"], ["other"], []):
        with door.websocket(offered) as socket:
            seen.append([offered, socket.subprotocol, ask(socket, message("ping", None, 1))])
    return seen


@row(WEBSOCKET)
def both_eras_on_one_socket(door):
    with door.websocket() as socket:
        return [
            hello(socket),
            ask(socket, message("tools/list", {}, 1)),
            ask(socket, call("echo", {"text": "gr\u00fc\u00dfe"}, 9007199254740993)),
            ask(socket, modern("server/discover", None, "d")),
            ask(socket, modern_call("whoami", {}, "w")),
            ask(socket, modern("no/such", None, "n")),
            ask(socket, modern_call("count", {"steps": 2, "interval_ms": 20}, "c",
                                    progressToken=1)),
            receive(socket),
            receive(socket),
        ]


@row(WEBSOCKET)
def what_is_no_message(door):
    with door.websocket() as socket:
        socket.send("{no json")
        seen = [receive(socket)]
        socket.send("7")
        return seen + [receive(socket), ask(socket, message("ping", None, 1))]


@row(WEBSOCKET)
def message_in_fragments(door):
    with door.websocket() as socket:
        # Cut within a character too: a text message need not break between them.
        sent = text(modern_call("echo", {"text": "\U0001f680" * 5000})).encode()
        pieces = [sent[start : start + 1001] for start in range(0, len(sent), 1001)]
        socket.send(pieces, text=True)
        answer = receive(socket)
        return [len(answer), hashlib.sha256(answer.encode()).hexdigest()]


@row(WEBSOCKET)
def large_result_on_a_socket(door):
    with door.websocket() as socket:
        answer = ask(socket, modern_call("report", {"kib": 1024}))
        return [len(content(answer)), hashlib.sha256(answer.encode()).hexdigest()]


@row(WEBSOCKET)
def batch_on_a_socket(door):
    with door.websocket() as socket:
        hello(socket, "2025-03-26")
        sent = [message("ping", None, 1), call("echo", {"text": "b"}, 2)]
        answers = json.loads(ask(socket, sent))
        return sorted(answers, key=lambda answer: answer["id"])


@row(WEBSOCKET)
def changes_are_told(door):
    with door.websocket() as socket:
        hello(socket)
        wanted = {"notifications": {"toolsListChanged": True}}
        socket.send(text(modern("subscriptions/listen", wanted, "l")))
        seen = [receive(socket)]
        for on in (True, False):
            post(door, modern_call("maintenance", {"on": on})).whole()
            # One for the session and one for the subscription, in any order.
            seen.append(sorted([receive(socket), receive(socket)]))
        return seen


@row(WEBSOCKET)
def cancelled_by_notification_on_a_socket(door):
    seen = []
    for era in (call, modern_call):
        label = f"socket cancel {era.__name__}"
        with door.websocket() as socket:
            if era is call:
                hello(socket)
                sent = call("count", {"steps": 1000000, "label": label}, "c", "t")
                gone = message("notifications/cancelled", {"requestId": "c"})
            else:
                sent = modern_call("count", {"steps": 1000000, "label": label}, "c",
                                   progressToken="t")
                gone = modern("notifications/cancelled", {"requestId": "c"}, None)
            seen.append(ask(socket, sent))
            socket.send(text(gone))
            waited = {"label": label, "wait_ms": 10000}
            socket.send(text(modern_call("last_cancel", waited, "l")))
            answers = []
            while not answers or answers[-1]["id"] != "l":
                received = json.loads(socket.recv(timeout=SECONDS_MAX))
                answers += [received] if "id" in received else []
            seen.append([structured(answers[-1])["reason"], len(answers)])
    return seen


@row(WEBSOCKET)
def leaving_a_socket_cancels(door):
    seen = []
    for era, token in ((modern_call, {"progressToken": "t"}), (call, {"token": "t"})):
        label = f"socket left {era.__name__}"
        with door.websocket() as socket:
            if era is call:
                hello(socket)
            ask(socket, era("count", {"steps": 1000000, "label": label}, 1, **token))
        waited = post(door, modern_call("last_cancel", {"label": label, "wait_ms": 10000})).whole()
        seen.append(structured(waited[2])["reason"])
    return seen


TEXT, BINARY, CONTINUED, CLOSE, LAST = 1, 2, 0, 8, 0x80
# Of a frame with a long length.
FRAME_HEAD_BYTES = 14


def frame(opcode, payload):
    """A masked frame; the mask of zeros leaves the payload as it is."""
    if len(payload) < 126:
        return struct.pack(">BB4x", opcode, 0x80 | len(payload)) + payload
    return struct.pack(">BBQ4x", opcode, 0x80 | 127, len(payload)) + payload


def close_code(door, head, rest=b""):
    """Sends `head`, and `rest` if the server wants it; tells with which code the server closes.

    By hand, because libraries lose the close frame when they cannot send."""
    with door.frames() as socket:
        socket.sendall(head)
        if rest and not wait_for_answer(socket, PATIENCE_SECONDS):
            socket.sendall(rest)
        while True:
            opcode, length = receive_exactly(socket, 2)
            payload = receive_exactly(socket, length)
            if opcode == LAST | CLOSE:
                return struct.unpack(">H", payload[:2])[0] if payload else None


@row(WEBSOCKET)
def what_closes_a_socket(door):
    large = frame(LAST | TEXT, b'"' + b"x" * BODY_BYTES_MAX)
    # As much as may be, and one byte more.
    pieces = frame(TEXT, b'"' + b"x" * (BODY_BYTES_MAX - 1)) + frame(CONTINUED, b"x")
    return {
        "too large": close_code(door, large[:FRAME_HEAD_BYTES], large[FRAME_HEAD_BYTES:]),
        "too large in fragments": close_code(door, pieces),
        "not UTF-8": close_code(door, frame(LAST | TEXT, b'"\xff\xfe"')),
    }


@row(WEBSOCKET)
def frames_that_close_a_socket(door):
    return {
        "binary": close_code(door, frame(LAST | BINARY, b"\0\1")),
        "the client": close_code(door, frame(LAST | CLOSE, struct.pack(">H", 1000))),
        "the client, without a code": close_code(door, frame(LAST | CLOSE, b"")),
        "fragment of nothing": close_code(door, frame(LAST | CONTINUED, b"x")),
    }


@row(WEBSOCKET)
def foreign_origin_opens_no_socket(door):
    try:
        with door.websocket(origin="http://evil.example"):
            return "opened"
    except InvalidStatus as refused:
        return refused.response.status_code


@row(WEBSOCKET)
def other_path_opens_no_socket(door):
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
               ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]
    answer = Connection(door).send("GET", headers, target="/no/such/socket")
    return answer.whole()[0]
