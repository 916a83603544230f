"""Revision 2026-07-28 over HTTP, and everything that is refused before a message is understood."""

import hashlib

from door import PATIENCE_SECONDS, Connection
from messages import (
    BOTH,
    MODERN,
    content,
    modern,
    modern_call,
    modern_headers,
    post,
    text,
)
from rows import row

# max_body_bytes of the daemons.
BODY_BYTES_MAX = 1024 * 1024


def raw(door, headers, body, method="POST", **options):
    return door.send(method, headers, body, **options).whole()


def echo_headers():
    return modern_headers(modern_call("echo"))


def echo_body(said="hello"):
    return text(modern_call("echo", {"text": said})).encode()


def too_large():
    return echo_body("x" * BODY_BYTES_MAX)


@row()
def discover(door):
    return post(door, modern("server/discover")).whole()


@row()
def tools_list(door):
    return post(door, modern("tools/list")).whole()


@row()
def call_is_answered_as_json(door):
    return post(door, modern_call("echo", {"text": "hello"})).whole()


@row()
def call_from_a_client_that_takes_json_only(door):
    sent = modern_call("count", {"steps": 2, "interval_ms": 5}, progressToken=1)
    return post(door, sent, modern_headers(sent, "application/json")).whole()


@row()
def structured_result(door):
    return post(door, modern_call("uptime")).whole()


@row()
def caller_as_the_daemon_sees_it(door):
    return post(door, modern_call("whoami")).whole()


@row()
def unicode_survives(door):
    said = "größer — 数据 — \U0001f680 — \u0000\u001f\u2028"
    status, head, body = post(door, modern_call("echo", {"text": said})).whole()
    return [status, head, body, content(body) == said]


@row()
def large_result(door):
    status, head, body = post(door, modern_call("report", {"kib": 1024})).whole()
    return [status, head, len(content(body)), hashlib.sha256(body.encode()).hexdigest()]


@row()
def progress_makes_it_a_stream(door):
    sent = modern_call("count", {"steps": 4, "interval_ms": 20}, progressToken="p")
    return post(door, sent).whole()


@row()
def log_messages_come_with_the_call(door):
    meta = {"io.modelcontextprotocol/logLevel": "debug"}
    return post(door, modern_call("echo", {"text": "loud"}, **meta)).whole()


@row()
def events_are_live(door):
    """The first event is there while the call still has a minute to go."""
    sent = modern_call("count", {"steps": 2, "interval_ms": 60000}, progressToken="p")
    with post(door, sent) as answer:
        return [answer.status, answer.head(), next(answer.events())]


@row()
def listening_hears_of_changes(door):
    wanted = {"notifications": {"toolsListChanged": True}}
    with post(door, modern("subscriptions/listen", wanted, "l")) as answer:
        events = answer.events()
        seen = [answer.status, answer.head(), next(events)]
        seen.append(post(door, modern_call("maintenance", {"on": True})).whole())
        seen.append(next(events))
        seen.append(post(door, modern_call("rotate")).whole())
        # Waited for too: a change under way would reach the sessions of later rows.
        seen.append(post(door, modern_call("maintenance", {"on": False})).whole())
        seen.append(next(events))
    return seen


@row()
def failures_of_messages(door):
    return [
        post(door, modern("no/such/method")).whole(),
        post(door, modern_call("no_such_tool")).whole(),
        post(door, modern_call("count", {"steps": -1})).whole(),
        post(door, modern_call("rotate")).whole(),
        raw(door, echo_headers(), b'{"jsonrpc":"2.0",'),
        raw(door, echo_headers(), b"\xff\xfe"),
        raw(door, echo_headers(), b""),
    ]


@row()
def headers_must_fit_the_body(door):
    sent = modern_call("echo", {"text": "x"})
    other_name = [(n, "report" if n == "Mcp-Name" else v) for n, v in modern_headers(sent)]
    other_era = [(n, "2099-01-01" if n == "MCP-Protocol-Version" else v)
                 for n, v in modern_headers(sent)]
    return [post(door, sent, other_name).whole(), post(door, sent, other_era).whole()]


@row()
def wrong_content_type(door):
    wrong = [("Content-Type", "text/plain"), ("Accept", BOTH), ("MCP-Protocol-Version", MODERN)]
    return [raw(door, wrong, echo_body()), raw(door, wrong[1:], echo_body())]


@row()
def wrong_accept(door):
    sent = modern("tools/list")
    return post(door, sent, modern_headers(sent, "image/png")).whole()


@row()
def foreign_origin(door):
    return raw(door, echo_headers() + [("Origin", "http://evil.example")], echo_body())


@row()
def local_origin(door):
    return raw(door, echo_headers() + [("Origin", "http://localhost:3000")], echo_body())


@row()
def preflight(door):
    asked = [("Access-Control-Request-Method", "POST"),
             ("Access-Control-Request-Headers", "content-type, mcp-protocol-version")]
    local = [("Origin", "http://localhost:3000")]
    foreign = [("Origin", "http://evil.example")]
    return [raw(door, local + asked, None, "OPTIONS"), raw(door, foreign + asked, None, "OPTIONS")]


@row()
def foreign_host(door):
    return raw(door, echo_headers() + [("Host", "evil.example")], echo_body())


@row()
def other_path(door):
    """The page is the daemon's own: only its status is compared."""
    return raw(door, echo_headers(), echo_body(), target="/no/such/page")[0]


@row()
def other_methods(door):
    return [raw(door, [], b"x", "PUT"), raw(door, [], None, "HEAD"), raw(door, [], None, "GET")]


@row()
def body_in_chunks(door):
    headers = echo_headers() + [("Transfer-Encoding", "chunked")]
    return raw(door, headers, echo_body("x" * 5000))


@row()
def body_after_100_continue(door):
    return raw(door, echo_headers() + [("Expect", "100-continue")], echo_body())


@row()
def body_is_too_large(door):
    return raw(door, echo_headers(), too_large(), patience=PATIENCE_SECONDS)


@row()
def chunked_body_is_too_large(door):
    """By a little: emcp reads some more before it closes, so that the answer is not lost."""
    return raw(door, echo_headers() + [("Transfer-Encoding", "chunked")], too_large())


@row()
def one_connection_carries_many_requests(door):
    connection = Connection(door)
    seen = []
    for number in range(3):
        sent = modern_call("echo", {"text": f"number {number}"}, number)
        answer = connection.send("POST", modern_headers(sent), text(sent).encode())
        seen.append([answer.status, answer.head(), answer.body()])
    connection.close()
    return seen


@row()
def http_1_0_gets_no_chunks(door):
    sent = modern_call("count", {"steps": 2, "interval_ms": 5}, progressToken=1)
    answer = post(door, sent, version="1.0")
    chunked = answer.header("transfer-encoding")
    return [*answer.whole(), chunked]
