"""Clients by hand, for what SDKs hide: calls of the modern era, and every kind of open stream."""

import http.client
import json
import threading

import sse
from expect import MODERN, claims, initialize_params
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SECONDS_MAX = 60

ACCEPT = "application/json, text/event-stream"


def open_http(address):
    host, port = address.split(":")
    return http.client.HTTPConnection(host, int(port), timeout=SECONDS_MAX)


def rpc(method, params=None, request_id=1):
    message = {"jsonrpc": "2.0", "method": method, "params": params or {}}
    if request_id is not None:
        message["id"] = request_id
    return json.dumps(message)


def modern(address, method, params, name=None):
    """Sends one request of the modern era; returns the response, not yet read."""
    connection = open_http(address)
    headers = {
        "Content-Type": "application/json",
        "Accept": ACCEPT,
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": method,
    }
    if name:
        headers["Mcp-Name"] = name
    body = rpc(method, {**params, "_meta": claims()})
    connection.request("POST", "/mcp", body, headers)
    response = connection.getresponse()
    response.connection = connection
    return response


def call(address, tool, **arguments):
    """Calls a tool and returns the whole result."""
    params = {"name": tool, "arguments": arguments}
    response = modern(address, "tools/call", params, tool)
    answer = json.loads(response.read())
    response.connection.close()
    assert "result" in answer, answer
    return answer["result"]


def ask(address, tool, **arguments):
    """Calls a tool that must succeed; returns its structured result."""
    result = call(address, tool, **arguments)
    assert not result.get("isError"), result
    return result["structuredContent"]


def list_tools(address):
    response = modern(address, "tools/list", {})
    answer = json.loads(response.read())
    response.connection.close()
    return {tool["name"]: tool for tool in answer["result"]["tools"]}


def known_plugins(address):
    """The plugins that list_plugins names in its schema; None while there is no such list."""
    tool = list_tools(address).get("list_plugins")
    return tool and tool["inputSchema"]["properties"]["plugin"].get("enum")


class Stream:
    """An open stream that a thread reads until it ends.

    As a good client does, it lists the tools anew when it is told that they have changed.
    """

    def __init__(self, name, address, messages, close):
        self.name = name
        self.address = address
        self.close = close
        # What list_plugins names after the latest change; None before the first.
        self.plugins = None
        self.ended = None
        self.news = threading.Condition()
        self.thread = threading.Thread(target=self.collect, args=(messages,), daemon=True)
        self.thread.start()

    def collect(self, messages):
        ended = "end"
        try:
            for message in messages:
                if message.get("method") == "notifications/tools/list_changed":
                    plugins = known_plugins(self.address)
                    with self.news:
                        self.plugins = plugins
                        self.news.notify_all()
        except Exception as error:
            ended = repr(error)
        with self.news:
            self.ended = ended
            self.news.notify_all()

    def wait_for_plugin(self, name, present=True):
        """Waits until a change has shown that a plugin is there, or is not."""

        def shown():
            return self.plugins is not None and (name in self.plugins) == present

        with self.news:
            self.news.wait_for(lambda: shown() or self.ended, SECONDS_MAX)
            assert shown(), f"{self.name}: not told of {name}; {self.plugins}, {self.ended}"

    def wait_for_end(self):
        with self.news:
            self.news.wait_for(lambda: self.ended, SECONDS_MAX)
            return self.ended


def event_messages(response):
    for event in sse.events(line.decode() for line in response):
        if event.get("event", "message") == "message":
            yield json.loads(event["data"])


def legacy_stream(address):
    """A session of 2025-11-25 and its GET stream."""
    connection = open_http(address)
    headers = {"Content-Type": "application/json", "Accept": ACCEPT}
    connection.request("POST", "/mcp", rpc("initialize", initialize_params()), headers)
    response = connection.getresponse()
    response.read()
    headers["Mcp-Session-Id"] = response.headers["Mcp-Session-Id"]
    connection.request("POST", "/mcp", rpc("notifications/initialized", None, None), headers)
    response = connection.getresponse()
    response.read()
    assert response.status == 202, response.status
    headers["Accept"] = "text/event-stream"
    connection.request("GET", "/mcp", headers=headers)
    response = connection.getresponse()
    assert response.status == 200, response.status
    return Stream("GET stream", address, event_messages(response), connection.close)


def old_stream(address):
    """The HTTP+SSE transport of 2024-11-05."""
    connection = open_http(address)
    connection.request("GET", "/sse", headers={"Accept": "text/event-stream"})
    lines = (line.decode() for line in connection.getresponse())
    events = sse.events(lines)
    endpoint = next(events)["data"]
    hello = rpc("initialize", initialize_params())
    for body in [hello, rpc("notifications/initialized", None, None)]:
        post = open_http(address)
        post.request("POST", endpoint, body, {"Content-Type": "application/json"})
        assert post.getresponse().status == 202
        post.close()
    messages = (json.loads(event["data"]) for event in events)
    return Stream("HTTP+SSE", address, messages, connection.close)


def websocket(address):
    socket = connect(f"ws://{address}/mcp", subprotocols=["mcp"], proxy=None)
    socket.send(rpc("initialize", initialize_params()))
    json.loads(socket.recv(SECONDS_MAX))
    socket.send(rpc("notifications/initialized", None, None))

    def messages():
        try:
            while True:
                yield json.loads(socket.recv())
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
            assert code == 1001, closed

    return Stream("WebSocket", address, messages(), socket.close)


def listen(address):
    """The modern subscription; open once it is acknowledged."""
    wanted = {"notifications": {"toolsListChanged": True}}
    response = modern(address, "subscriptions/listen", wanted)
    messages = event_messages(response)
    first = next(messages)
    assert first["method"] == "notifications/subscriptions/acknowledged", first
    return Stream("subscriptions/listen", address, messages, response.connection.close)


def open_all(address):
    return [legacy_stream(address), old_stream(address), websocket(address), listen(address)]
