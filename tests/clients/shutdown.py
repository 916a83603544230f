"""Ends servers by SIGTERM: sysmond while clients hold streams open and a call runs."""

import http.client
import json
import signal
import subprocess
import time

import sse
from expect import METRIC, MODERN, Checks, claims, initialize_params

SECONDS_MAX = 3

# Under valgrind, which looks for leaks at the end. Half as long as the call that runs.
SLOW_SECONDS_MAX = 30


def check_shutdown(server):
    """Returns the number of checks; raises when sysmond does not end as a service should."""
    checks = new_checks(server)
    streams = [open_sse(checks, server), open_legacy_stream(checks, server)]
    streams.append(start_watch(checks, server))
    end(checks, server, "exit status after SIGTERM with open streams and a running call")
    for stream in streams:
        stream.close()
    return checks.count


def check_end(server):
    """The same for a server without clients."""
    checks = new_checks(server)
    end(checks, server, "exit status after SIGTERM")
    return checks.count


def new_checks(server):
    checks = Checks(quiet=True)
    status = server.process.poll()
    checks.that(status is None, "the server outlives its clients", status)
    return checks


def end(checks, server, what):
    asked = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    try:
        status = server.process.wait(SLOW_SECONDS_MAX if server.is_slow else SECONDS_MAX)
    except subprocess.TimeoutExpired:
        status = f"still running after {time.monotonic() - asked:.1f} s"
    checks.equal(status, 0, what)


def open_sse(checks, server):
    """Opens the stream of 2024-11-05, whose first event names where to post."""
    connection = connect(server)
    connection.request("GET", "/sse", headers={"Accept": "text/event-stream"})
    event = read_event(connection.getresponse())
    checks.equal(event.get("event"), "endpoint", "first event of the SSE transport")
    return connection


def open_legacy_stream(checks, server):
    """Opens a session and the stream on which it would get notifications."""
    connection = connect(server)
    hello = request("initialize", initialize_params())
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    connection.request("POST", "/mcp", hello, headers)
    response = connection.getresponse()
    response.read()
    session = response.headers["Mcp-Session-Id"]
    checks.that(session, "initialize hands out a session", response.headers.items())
    headers = {"Accept": "text/event-stream", "Mcp-Session-Id": session}
    connection.request("GET", "/mcp", headers=headers)
    response = connection.getresponse()
    checks.equal(response.status, 200, "status of the session's stream")
    return connection


def start_watch(checks, server):
    """Starts a long call and returns once it streams its progress."""
    connection = connect(server)
    params = {
        "name": "watch_metric",
        "arguments": {"metric": METRIC, "seconds": 60},
        "_meta": {**claims(), "progressToken": "watch"},
    }
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call",
        "Mcp-Name": "watch_metric",
    }
    connection.request("POST", "/mcp", request("tools/call", params), headers)
    event = read_event(connection.getresponse())
    method = json.loads(event["data"])["method"]
    checks.equal(method, "notifications/progress", "first message of the long watch")
    return connection


def connect(server):
    host, port = server.address.split(":")
    return http.client.HTTPConnection(host, int(port), timeout=10)


def request(method, params):
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def read_event(response):
    for event in sse.events(line.decode() for line in response):
        return event
    raise AssertionError(f"stream ended early, with status {response.status}")
