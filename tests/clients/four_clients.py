"""One tool function, asked by four clients: four_clients.py HTTP_URL SSE_URL WEBSOCKET_URL.

The tools of conformance-host ask in their calls. A modern client calls again with the answers, the
three legacy clients get requests on their way of hearing from the server. All must be asked the
same questions and get the same result. JSON-RPC by hand: an SDK would hide the questions' way.
"""

import http.client
import json
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import sse
from asked import Asked
from expect import LEGACY, MODERN, Checks, claims
from websockets.sync.client import connect as connect_websocket

SECONDS_MAX = 20

ROUNDS_MAX = 5

CAPABILITIES = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}

# What is called, with which arguments, and what the person does with the forms.
CALLS = [
    ("test_elicitation", {"message": "Who is there?"}, "accept"),
    ("test_elicitation", {"message": "Who is there?"}, "decline"),
    ("test_elicitation", {"message": "Who is there?"}, "cancel"),
    ("test_elicitation_sep1034_defaults", {}, "accept"),
    ("test_sampling", {"prompt": "How far?"}, "accept"),
    ("test_input_required_result_list_roots", {}, "accept"),
    ("test_input_required_result_request_state", {}, "accept"),
    ("test_input_required_result_multiple_inputs", {}, "accept"),
    ("test_input_required_result_multi_round", {}, "accept"),
    ("test_input_required_result_multi_round", {}, "decline"),
    ("test_input_required_result_elicitation", {}, "cancel"),
    ("confirm_delete", {"filename": "notes.txt"}, "accept"),
    ("confirm_delete", {"filename": "notes.txt"}, "decline"),
]


class Connection:
    """One HTTP connection that is read event by event or as a whole."""

    def __init__(self, url):
        address = urlsplit(url)
        self.path = address.path
        self.http = http.client.HTTPConnection(address.netloc, timeout=SECONDS_MAX)

    def request(self, method, headers, message=None, path=None):
        body = None if message is None else json.dumps(message)
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
        headers = {"Accept": "application/json, text/event-stream", **headers}
        self.http.request(method, path or self.path, body, headers)
        self.response = self.http.getresponse()
        return self.response

    def events(self):
        return sse.events(line.decode() for line in self.response)

    def messages(self):
        """Yields what the response holds: one message as JSON or several as events."""
        if self.response.headers.get_content_type() == "text/event-stream":
            for event in self.events():
                yield json.loads(event["data"])
        else:
            body = self.response.read()
            if body:
                yield json.loads(body)

    def close(self):
        self.http.close()


class Client:
    """Calls tools and answers what they ask; `questions` are those of the last call."""

    def __init__(self):
        self.ids = 0
        self.questions = []

    def new_request(self, method, params):
        self.ids += 1
        return {"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params}

    def answer(self, asked, question):
        """Takes a question out of its envelope, so that those of all clients compare."""
        params = {k: v for k, v in (question.get("params") or {}).items() if k != "_meta"}
        self.questions.append((question["method"], params))
        if question["method"] == "elicitation/create":
            return asked.form(params)
        return asked.roots() if question["method"] == "roots/list" else asked.sample(params)


class Modern(Client):
    """Calls again with the answers; every call is a request of its own."""

    def __init__(self, url):
        super().__init__()
        self.url = url

    def call(self, name, arguments, asked):
        self.questions = []
        meta = {**claims(), "io.modelcontextprotocol/clientCapabilities": CAPABILITIES}
        params = {"name": name, "arguments": arguments, "_meta": meta}
        for _ in range(ROUNDS_MAX):
            result = self.post(self.new_request("tools/call", params))
            if result["resultType"] != "input_required":
                return result
            questions = result.get("inputRequests", {})
            answers = {key: self.answer(asked, questions[key]) for key in questions}
            params = {**params, "inputResponses": answers}
            params.pop("requestState", None)
            if "requestState" in result:
                params["requestState"] = result["requestState"]
        raise AssertionError(f"{name} does not stop asking")

    def post(self, message):
        connection = Connection(self.url)
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": message["method"]}
        headers["Mcp-Name"] = message["params"]["name"]
        connection.request("POST", headers, message)
        *_, last = connection.messages()
        connection.close()
        return last["result"]

    def close(self):
        pass


class Legacy(Client):
    """The dialogue that the legacy transports share; they send and receive."""

    def hello(self):
        info = {"name": "emcp-tests", "version": "1"}
        params = {"protocolVersion": LEGACY, "capabilities": CAPABILITIES, "clientInfo": info}
        result = self.exchange(self.new_request("initialize", params), None)
        assert result["protocolVersion"] == LEGACY, result
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, name, arguments, asked):
        self.questions = []
        params = {"name": name, "arguments": arguments}
        return self.exchange(self.new_request("tools/call", params), asked)

    def exchange(self, request, asked):
        self.send(request)
        for message in self.messages():
            if "method" in message and "id" in message:
                result = self.answer(asked, message)
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
            elif message.get("id") == request["id"]:
                return message["result"]
        raise AssertionError(f"no answer to {request}")


class StreamableHttp(Legacy):
    """Is asked on the stream of its own request."""

    def __init__(self, url):
        super().__init__()
        self.url = url
        self.headers = {}
        self.stream = None
        self.hello()

    def send(self, message):
        connection = Connection(self.url)
        response = connection.request("POST", self.headers, message)
        if "method" not in message or "id" not in message:
            assert response.status == 202, response.status
            connection.close()
            return
        self.close()
        self.stream = connection
        if session := response.headers["Mcp-Session-Id"]:
            self.headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY}

    def messages(self):
        return self.stream.messages()

    def close(self):
        if self.stream:
            self.stream.close()


class HttpSse(Legacy):
    """Posts to an address that its one stream named, and hears everything on that stream."""

    def __init__(self, url):
        super().__init__()
        self.url = url
        self.stream = Connection(url)
        self.stream.request("GET", {"Accept": "text/event-stream"})
        self.events = self.stream.events()
        first = next(self.events)
        assert first["event"] == "endpoint", first
        self.endpoint = first["data"]
        self.hello()

    def send(self, message):
        connection = Connection(self.url)
        address = urlsplit(self.endpoint)
        path = f"{address.path}?{address.query}" if address.query else address.path
        response = connection.request("POST", {}, message, path)
        assert response.status == 202, response.status
        connection.close()

    def messages(self):
        for event in self.events:
            yield json.loads(event["data"])

    def close(self):
        self.stream.close()


class WebSocket(Legacy):
    """Hears and says everything on one socket."""

    def __init__(self, url):
        super().__init__()
        self.socket = connect_websocket(url, subprotocols=["mcp"], proxy=None)
        self.hello()

    def send(self, message):
        self.socket.send(json.dumps(message))

    def messages(self):
        while True:
            yield json.loads(self.socket.recv(SECONDS_MAX))

    def close(self):
        self.socket.close()


def outcome(client, name, arguments, action):
    """What came of a call, without what differs between the eras by design."""
    asked = Asked()
    asked.action = action
    result = client.call(name, arguments, asked)
    # Questions asked at once come in any order.
    questions = sorted(client.questions, key=json.dumps)
    return {"questions": questions, "content": result["content"], "failed": result.get("isError")}


def main(http_url, sse_url, websocket_url):
    checks = Checks()
    with ExitStack() as stack:
        clients = [Modern(http_url), StreamableHttp(http_url), HttpSse(sse_url)]
        clients.append(WebSocket(websocket_url))
        for client in clients:
            stack.callback(client.close)
        modern, *others = clients
        for call in CALLS:
            wanted = outcome(modern, *call)
            name = f"{call[0]} ({call[2]})"
            checks.that(wanted["questions"], f"{name} asks", wanted)
            for other in others:
                seen = outcome(other, *call)
                what = f"{name}: {type(other).__name__} sees what Modern sees"
                checks.that(seen == wanted, what, [seen, wanted])
    print(f"{checks.count} checks")


if __name__ == "__main__":
    main(*sys.argv[1:])
