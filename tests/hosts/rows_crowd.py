"""Several clients at once: equal ids, clients that stop reading, clients that vanish."""

import hashlib
import json

from door import Connection
from messages import (
    call,
    content,
    message,
    modern,
    modern_call,
    modern_headers,
    post,
    structured,
    text,
)
from rows import WEBSOCKET, row
from rows_legacy import Session
from rows_websocket import ask, hello, receive

# Bytes of a receive buffer that soon is full; the kernel doubles it.
SMALL = 4096

# Announced to a client that does not read: above its bounds and what sockets hold in between.
FLOOD_MESSAGES, FLOOD_BYTES = 400, 60000

# What a daemon may hold for such a client: its outbox of 8 MiB, copies of it in the buffers of
# whatever is between, and some air.
FLOOD_KIB_MAX = 64 * 1024


def echo(door, said):
    return content(post(door, modern_call("echo", {"text": said})).whole()[2])


@row()
def equal_ids_stay_apart(door):
    """The same id and the same token at the same time, from clients that do not know each other."""
    one, two = Session(door), Session(door)

    def ask(steps):
        return {"steps": steps, "interval_ms": 40}

    answers = [
        post(door, modern_call("count", ask(3), "same", progressToken="same")),
        post(door, modern_call("count", ask(5), "same", progressToken="same")),
        one.post(call("count", ask(4), "same", "same")),
        two.post(call("count", ask(6), "same", "same")),
    ]
    return [answer.whole() for answer in answers]


@row(WEBSOCKET)
def equal_ids_stay_apart_on_sockets(door):
    with door.websocket() as one, door.websocket() as two:
        seen = [hello(one), hello(two)]
        for socket, steps in ((one, 2), (two, 3)):
            socket.send(text(call("count", {"steps": steps, "interval_ms": 40}, "same", "same")))
        seen += [[receive(one) for _ in range(3)], [receive(two) for _ in range(4)]]
        return seen


@row()
def client_that_pauses_gets_everything(door):
    slow = [post(door, modern_call("report", {"kib": 3072}), receive_buffer=SMALL)
            for _ in range(4)]
    served = [echo(door, f"while others wait {number}") for number in range(20)]
    bodies = [answer.whole() for answer in slow]
    return [served, [[status, head, len(body), hashlib.sha256(body.encode()).hexdigest()]
                     for status, head, body in bodies]]


def flood(door):
    """Announces more than anybody keeps for one client; tells whether memory stayed bounded."""
    before = door.memory_kib()
    sent = "x" * FLOOD_BYTES
    answered = sum(
        content(post(door, modern_call("announce", {"text": sent})).whole()[2]) == "announced"
        for _ in range(FLOOD_MESSAGES))
    grown = door.memory_kib() - before
    return [answered, "bounded" if grown < FLOOD_KIB_MAX else f"grew by {grown} KiB"]


@row()
def client_that_never_reads_harms_nobody(door):
    """Its stream loses notifications once its outbox is full; they may be lost by definition."""
    session = Session(door)
    headers = [("Accept", "text/event-stream"), ("Mcp-Session-Id", session.id)]
    with door.send("GET", headers, receive_buffer=SMALL) as stream:
        seen = flood(door)
        events = stream.events()
        seen += [next(events)["id"] for _ in range(10)]
    # It comes back, and hears what others hear.
    with session.stream() as back, Session(door).stream() as other:
        streams = back.events(), other.events()
        seen += [next(events)["data"] for events in streams]
        post(door, modern_call("announce", {"text": "after the flood"})).whole()
        seen += [next(events)["data"] for events in streams]
    return seen


@row(WEBSOCKET)
def socket_that_never_reads_is_cut(door):
    # With a queue of one message the library soon stops to read.
    with door.websocket(receive_buffer=SMALL, max_queue=1) as slow:
        hello(slow)
        seen = flood(door)
        got = 0
        try:
            while True:
                slow.recv(timeout=30)
                got += 1
        except Exception as closed:
            seen.append("cut" if got < FLOOD_MESSAGES else f"held: {closed}")
    with door.websocket() as other:
        return seen + [ask(other, message("ping", None, 1))]


def start_count(door, label, **meta):
    """Starts a count that never ends and returns its connection once it runs."""
    sent = modern_call("count", {"steps": 1000000, "interval_ms": 60000, "label": label}, **meta)
    connection = Connection(door)
    body = text(sent).encode()
    connection.http.putrequest("POST", door.target, skip_accept_encoding=True)
    for name, value in modern_headers(sent) + [("Content-Length", str(len(body)))]:
        connection.http.putheader(name, value)
    connection.http.endheaders(body)
    post(door, modern_call("running", {"label": label, "wait_ms": 10000})).whole()
    return connection


def why_cancelled(door, label):
    waited = post(door, modern_call("last_cancel", {"label": label, "wait_ms": 10000})).whole()
    return structured(waited[2])["reason"]


@row()
def leaving_cancels(door):
    """By closing and by a reset; before the head of the answer was sent and in a silent stream."""
    seen = []
    for number, (leave, meta) in enumerate(LEAVING):
        label = f"leaving {number}"
        connection = start_count(door, label, **meta)
        if meta:
            connection.http.getresponse().readline()
        getattr(connection, leave)()
        seen.append([leave, bool(meta), why_cancelled(door, label)])
    return seen


@row()
def leaving_a_subscription_frees_it(door):
    """So many that a daemon which forgot them would have no place left."""
    wanted = {"notifications": {"toolsListChanged": True}}
    seen = set()
    for _ in range(50):
        with post(door, modern("subscriptions/listen", wanted)) as answer:
            seen.add(json.dumps(next(answer.events())))
    return sorted(seen)


# How a client leaves, and whether it has seen the head of the answer by then.
LEAVING = [("close", {}), ("reset", {}), ("close", {"progressToken": 1}),
           ("reset", {"progressToken": 1})]
