"""MCP messages of both eras, and what makes answers comparable."""

import json
import re

MODERN = "2026-07-28"
LEGACY = "2025-11-25"

BOTH = "application/json, text/event-stream"
CLIENT = {"name": "transcript", "version": "1"}


def text(message):
    """Writes a message the way that clients do: compact, and not only in ASCII."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def message(method, params=None, id=None):
    sent = {"jsonrpc": "2.0", "method": method}
    if id is not None:
        sent["id"] = id
    if params is not None:
        sent["params"] = params
    return sent


def claims(**more):
    """Builds `_meta` of a modern request; `more` are members of any era."""
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": CLIENT,
        **more,
    }


def modern(method, params=None, id=1, **meta):
    return message(method, {**(params or {}), "_meta": claims(**meta)}, id)


def modern_call(tool, arguments=None, id=1, **meta):
    return modern("tools/call", {"name": tool, "arguments": arguments or {}}, id, **meta)


def call(tool, arguments=None, id=1, token=None):
    params = {"name": tool, "arguments": arguments or {}}
    if token is not None:
        params["_meta"] = {"progressToken": token}
    return message("tools/call", params, id)


def initialize(revision=LEGACY, id=0, capabilities=None):
    params = {"protocolVersion": revision, "capabilities": capabilities or {}, "clientInfo": CLIENT}
    return message("initialize", params, id)


def modern_headers(sent, accept=BOTH):
    """The headers that a modern message must have, besides what HTTP wants."""
    headers = [
        ("Content-Type", "application/json"),
        ("Accept", accept),
        ("MCP-Protocol-Version", MODERN),
        ("Mcp-Method", sent["method"]),
    ]
    # What a request is about, as the revision has it.
    about = {"resources/read": "uri", "tasks/get": "taskId"}.get(sent["method"], "name")
    name = sent.get("params", {}).get(about)
    return headers + ([("Mcp-Name", name)] if name else [])


def legacy_headers(session=None, revision=LEGACY, accept=BOTH):
    headers = [("Content-Type", "application/json"), ("Accept", accept)]
    if session:
        headers += [("Mcp-Session-Id", session), ("MCP-Protocol-Version", revision)]
    return headers


def post(door, sent, headers=None, **options):
    """Sends a message; modern headers unless told otherwise. Returns the Answer."""
    headers = modern_headers(sent) if headers is None else headers
    return door.send("POST", headers, text(sent).encode(), **options)


def content(answer):
    """The first text of a tool's result, out of a message or its text."""
    received = json.loads(answer) if isinstance(answer, str) else answer
    return received["result"]["content"][0]["text"]


def structured(answer):
    """The structured result of a tool, out of a message or its text."""
    received = json.loads(answer) if isinstance(answer, str) else answer
    return received["result"]["structuredContent"]


# Members that differ from run to run, as JSON and as JSON within a JSON string.
_VARIES = [
    (re.compile(r'(\\?"seconds\\?":)\d+'), r"\1<seconds>"),
    (re.compile(r'("(?:createdAt|lastUpdatedAt)":")[^"]*'), r"\1<time>"),
    (re.compile(r'("(?:requestState|taskId)":")[^"]*'), r"\1<secret>"),
    (re.compile(r'(\\?"ms_ago\\?":)\d+'), r"\1<ms>"),
    (re.compile(r'(\\?"peer\\?":\\?")[^"\\]*'), r"\1<peer>"),
    (re.compile(r"([?&]sessionId=)[^&\s\"]+"), r"\1<session>"),
]


def steady(value, *secrets):
    """Replaces what differs from run to run; `secrets` are session ids of this run."""
    if isinstance(value, dict):
        return {key: steady(item, *secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [steady(item, *secrets) for item in value]
    if not isinstance(value, str):
        return value
    for secret in secrets:
        value = value.replace(secret, "<session>")
    for pattern, replacement in _VARIES:
        value = pattern.sub(replacement, value)
    return value
