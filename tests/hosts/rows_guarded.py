"""Keys and tokens: who comes in, what those hear who do not, and what is told to everybody."""

from websockets.exceptions import InvalidStatus

from messages import (
    BOTH,
    call,
    initialize,
    legacy_headers,
    message,
    modern,
    modern_call,
    modern_headers,
    post,
    steady,
)
from rows import GUARDED, row
from rows_websocket import ask, hello

# As examples/hosts/demo.c has them.
ANN = ("Authorization", "Bearer demo-key-of-ann-0001")
BOB = ("X-API-Key", "demo-key-of-bob-0002")
WRONG = ("Authorization", "Bearer demo-key-of-eve-0003")

METADATA = "/.well-known/oauth-protected-resource"


def with_key(door, sent, *keys):
    return post(door, sent, [*modern_headers(sent), *keys]).whole()


@row(GUARDED)
def metadata_is_for_everybody(door):
    page = ("Origin", "https://elsewhere.example")
    return [
        door.send("GET", target=METADATA).whole(),
        door.send("GET", target=f"{METADATA}/mcp").whole(),
        door.send("GET", [page], target=METADATA).whole(),
        door.send("GET", target=f"{METADATA}?x=y").whole(),
    ]


@row(GUARDED)
def metadata_for_a_page_that_asks_first(door):
    asked = [("Origin", "https://elsewhere.example"), ("Access-Control-Request-Method", "GET")]
    return [door.send("OPTIONS", asked, target=METADATA).whole(),
            door.send("POST", [], b"", target=METADATA).whole()]


@row(GUARDED)
def who_has_no_key_is_told_where_to_get_one(door):
    return [with_key(door, modern("tools/list")), with_key(door, modern("tools/list"), WRONG)]


@row(GUARDED)
def streams_and_sessions_need_a_key_too(door):
    stream = [("Accept", "text/event-stream")]
    return [
        door.send("GET", stream).whole(),
        door.send("GET", stream, target="/sse").whole(),
        post(door, initialize(), legacy_headers()).whole(),
        door.send("DELETE", legacy_headers("x")).whole(),
    ]


@row(GUARDED)
def a_page_that_asks_first_needs_no_key(door):
    asked = [("Origin", f"http://{door.host}"), ("Access-Control-Request-Method", "POST"),
             ("Access-Control-Request-Headers", "authorization,content-type")]
    return door.send("OPTIONS", asked).status


@row(GUARDED)
def a_key_names_its_holder(door):
    return [with_key(door, modern_call("whoami"), key) for key in (ANN, BOB)]


@row(GUARDED)
def two_different_keys_are_none(door):
    return with_key(door, modern_call("whoami"), ANN, BOB)


@row(GUARDED)
def a_scope_decides_what_is_there(door):
    begin = modern_call("maintenance", {"on": False})
    return [
        with_key(door, modern("tools/list"), ANN),
        with_key(door, modern("tools/list"), BOB),
        with_key(door, begin, ANN),
        with_key(door, begin, BOB),
    ]


@row(GUARDED)
def a_session_belongs_to_its_key(door):
    answer = post(door, initialize(), [*legacy_headers(), ANN])
    session = answer.header("mcp-session-id")
    seen = [answer.whole()]
    for key in ([ANN], [BOB], []):
        sent = call("whoami", {}, 1)
        seen.append(post(door, sent, [*legacy_headers(session, accept=BOTH), *key]).whole())
    return steady(seen, session)


def refusal(door, *keys):
    """The answer to a handshake that is refused."""
    try:
        with door.websocket(additional_headers=keys):
            return None
    except InvalidStatus as refused:
        return refused.response


@row(GUARDED)
def a_websocket_without_a_key_is_challenged(door):
    return [refusal(door, *key).headers.get("www-authenticate") for key in ([], [WRONG])]


@row(GUARDED)
def a_websocket_needs_a_key(door):
    seen = [refusal(door, *key).status_code for key in ([], [WRONG])]
    with door.websocket(additional_headers=[BOB]) as socket:
        seen.append(hello(socket))
        seen.append(ask(socket, call("whoami", {}, 1)))
        seen.append(ask(socket, modern_call("whoami", {}, 2)))
        seen.append(ask(socket, message("tools/list", {}, 3)))
    return seen
