"""Plain curl, as a person at a terminal uses it: curl.py URL."""

import json
import shutil
import subprocess
import sys

import sse
from expect import INVALID_PARAMS, METRIC, MODERN, UNKNOWN_TOOL, Checks, claims, initialize_params

SECONDS_MAX = 20

# Tells run.py that the client is not on this machine.
SKIPPED = 77


class Answer:
    """Splits what `curl --include` printed."""

    def __init__(self, output):
        head, _, self.body = output.decode().replace("\r\n", "\n").partition("\n\n")
        status, *fields = head.split("\n")
        self.status = int(status.split()[1])
        self.headers = {}
        for field in fields:
            name, _, value = field.partition(":")
            self.headers[name.lower()] = value.strip()
        self.kind = self.headers.get("content-type", "").partition(";")[0]

    def messages(self):
        return [json.loads(event["data"]) for event in sse.events(self.body.split("\n"))]


def curl(url, *arguments):
    command = ["curl", "--silent", "--show-error", "--include", "--noproxy", "*"]
    command += ["--max-time", str(SECONDS_MAX), *arguments, url]
    return Answer(subprocess.run(command, capture_output=True, check=True).stdout)


def post(url, method, params, *headers, request_id=1):
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    if request_id is None:
        del message["id"]
    arguments = ["--data", json.dumps(message), "--header", "Content-Type: application/json"]
    for header in headers:
        arguments += ["--header", header]
    return curl(url, *arguments)


def call_modern(url, name, arguments, *headers, meta=None):
    params = {"name": name, "arguments": arguments, "_meta": {**claims(), **(meta or {})}}
    headers += (f"MCP-Protocol-Version: {MODERN}", "Mcp-Method: tools/call", f"Mcp-Name: {name}")
    return post(url, "tools/call", params, *headers)


def modern_as_json(checks, url):
    answer = call_modern(url, "query_metrics", {"metric": METRIC})
    checks.equal((answer.status, answer.kind), (200, "application/json"), "default answer")
    message = json.loads(answer.body)
    checks.equal(message["id"], 1, "id of the answer")
    checks.equal(message["result"]["resultType"], "complete", "result type")
    checks.metric(message["result"])
    answer = call_modern(url, UNKNOWN_TOOL, {})
    code = json.loads(answer.body)["error"]["code"]
    checks.equal(code, INVALID_PARAMS, "code for an unknown tool")


def modern_as_sse(checks, url):
    answer = call_modern(f"{url}?transport=sse", "query_metrics", {"metric": METRIC})
    checks.equal((answer.status, answer.kind), (200, "text/event-stream"), "forced answer")
    messages = answer.messages()
    checks.equal(len(messages), 1, "number of messages")
    checks.metric(messages[0]["result"])


def watch(checks, url):
    """Streams progress first and the result last, and nothing after it."""
    accept = "Accept: application/json, text/event-stream"
    arguments = {"metric": METRIC, "seconds": 3}
    meta = {"progressToken": "one"}
    answer = call_modern(url, "watch_metric", arguments, accept, meta=meta)
    checks.equal(answer.kind, "text/event-stream", "answer with progress")
    *notes, last = answer.messages()
    methods = {note["method"] for note in notes}
    checks.equal(methods, {"notifications/progress"}, "kind of the notifications")
    tokens = {note["params"]["progressToken"] for note in notes}
    checks.equal(tokens, {"one"}, "token of the notifications")
    checks.progress([note["params"]["progress"] for note in notes], 3)
    checks.success(last["result"], "watch_metric")


def legacy(checks, url):
    answer = post(url, "initialize", initialize_params())
    checks.equal((answer.status, answer.kind), (200, "application/json"), "answer to initialize")
    session = f"Mcp-Session-Id: {answer.headers['mcp-session-id']}"
    answer = post(url, "notifications/initialized", {}, session, request_id=None)
    checks.equal((answer.status, answer.body), (202, ""), "answer to a notification")
    params = {"name": "query_metrics", "arguments": {"metric": METRIC}}
    answer = post(url, "tools/call", params, session, request_id="a")
    message = json.loads(answer.body)
    checks.equal(message["id"], "a", "id of the answer")
    checks.metric(message["result"])
    answer = curl(url, "--request", "DELETE", "--header", session)
    checks.that(answer.status in (200, 204), "session is terminated", answer.status)
    answer = post(url, "tools/list", {}, session)
    checks.equal(answer.status, 404, "status for a terminated session")


def main(url):
    if not shutil.which("curl"):
        print("curl is not installed")
        return SKIPPED
    checks = Checks()
    modern_as_json(checks, url)
    modern_as_sse(checks, url)
    watch(checks, url)
    legacy(checks, url)
    print(f"{checks.count} checks")
    return 0


sys.exit(main(sys.argv[1]))
