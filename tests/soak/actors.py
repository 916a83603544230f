"""Clients of every kind. Each runs one dialogue and says what became of its requests."""

import asyncio
import json
import random

from wire import Connection, Lost, initialize, modern, notification, post, request, within

LEGACY = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
TOOLS = ["inline", "pool", "late"]


class Ledger:
    """What was asked and what came of it. Each request that nobody gave up has one answer."""

    def __init__(self):
        self.counts = {}

    def count(self, what, number=1):
        self.counts[what] = self.counts.get(what, 0) + number

    def answered(self, asked, messages):
        """Notes that `messages` came for the request `asked`: one answer, and it is the last."""
        answers = [m for m in messages if "method" not in m and m.get("id") == asked["id"]]
        others = [m for m in messages if "method" not in m and m.get("id") != asked["id"]]
        if len(answers) != 1 or others:
            raise Lost(f"{asked['method']} {asked['id']} got {json.dumps(messages)[:500]}")
        return self.settle(answers[0])

    def settle(self, answer):
        result = answer.get("result", {})
        if "error" in answer:
            self.count("errors")
        elif result.get("resultType") == "input_required":
            self.count("asked")
        elif result.get("isError"):
            self.count("failures")
        else:
            self.count("answers")
        return answer


def call(tool, **more):
    return {"name": tool, "arguments": {"n": random.randrange(1000)}, **more}


async def modern_calls(address, ledger):
    """A keep-alive connection, now and then with arguments that are wrong."""
    connection = await Connection.open(address)
    for _ in range(random.randrange(1, 20)):
        params = call(random.choice(TOOLS))
        if random.random() < 0.1:
            params["arguments"] = {"n": "no number"}
        asked = modern("tools/call", params, progressToken=random.choice([1, "t"]))
        connection.send(post(asked))
        ledger.answered(asked, (await connection.messages())[1])
    await connection.close()


async def pipelined(address, ledger):
    connection = await Connection.open(address)
    asked = [modern("tools/call", call(random.choice(TOOLS))) for _ in range(10)]
    connection.send(*map(post, asked))
    for one in asked:
        ledger.answered(one, (await connection.messages())[1])
    await connection.close()


async def legacy_session(address, ledger):
    """A session with a stream, a subscription and calls with progress."""
    connection, stream = await Connection.open(address), await Connection.open(address)
    asked = initialize(random.choice(LEGACY[1:]))
    connection.send(post(asked))
    status, fields = await connection.head()
    body = await within(connection.reader.readexactly(int(fields["content-length"])), "a body")
    ledger.answered(asked, [json.loads(body)])
    session = fields["mcp-session-id"]
    connection.send(post(notification("notifications/initialized", {}), session))
    await connection.messages()
    stream.send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n",
                f"Mcp-Session-Id: {session}\r\n\r\n")
    if (await stream.head())[0] == 200:
        asked = request("resources/subscribe", {"uri": "soak://tick"})
        connection.send(post(asked, session))
        status, messages = await connection.messages()
        # Somebody may have taken the place of the session.
        if status == 200:
            ledger.answered(asked, messages)
            events = stream.events()
            for _ in range(3):
                try:
                    await within(anext(events), "an update")
                    ledger.count("updates")
                except StopAsyncIteration:
                    break
    for _ in range(5):
        asked = request("tools/call", call(random.choice(TOOLS), _meta={"progressToken": 7}))
        connection.send(post(asked, session))
        status, messages = await connection.messages()
        if status != 404:
            ledger.answered(asked, messages)
    if random.random() < 0.7:
        connection.send("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\n",
                        f"Mcp-Session-Id: {session}\r\n\r\n")
        await connection.messages()
    await connection.close()
    await stream.close()


async def http_sse(address, ledger):
    """HTTP+SSE of 2024-11-05."""
    stream, connection = await Connection.open(address), await Connection.open(address)
    stream.send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
    await stream.head()
    events = stream.events()
    _, target = await within(anext(events), "the endpoint")
    target = "/" + target.split("/", 3)[3] if "://" in target else target
    for asked in [initialize(LEGACY[0]), *[request("tools/call", call("pool")) for _ in range(5)]]:
        connection.send(post(asked, target=target))
        await connection.messages()
        while True:
            message = json.loads((await within(anext(events), "an answer"))[1])
            if message.get("id") == asked["id"]:
                break
        ledger.answered(asked, [message])
    stream.reset() if random.random() < 0.5 else await stream.close()
    await connection.close()


async def websocket(address, ledger):
    """Calls of both eras at once on one WebSocket, pings, cancellations, a subscription."""
    connection = await Connection.open(address)
    if not await connection.upgrade():
        return await connection.close()
    hello = initialize(random.choice(LEGACY))
    open_ids, maybe = {hello["id"]}, set()
    connection.frame(1, json.dumps(hello))
    connection.frame(1, json.dumps(notification("notifications/initialized", {})))
    for number in range(16):
        make = modern if number % 2 else request
        asked = make("tools/call", call(random.choice(TOOLS)))
        text = json.dumps(asked)
        open_ids.add(asked["id"])
        connection.frame(1, text[:9], fin=0)
        connection.frame(9, b"between")
        connection.frame(0, text[9:])
        if random.random() < 0.2:
            # It may come too late.
            gone = notification("notifications/cancelled", {"requestId": asked["id"]})
            connection.frame(1, json.dumps(gone))
            open_ids.remove(asked["id"])
            maybe.add(asked["id"])
    last = request("ping", {})
    connection.frame(1, json.dumps(last))
    open_ids.add(last["id"])
    pongs = 0
    while open_ids or pongs < 16:
        opcode, payload = await connection.next_frame()
        if opcode == 10:
            pongs += 1
        elif opcode == 1:
            message = json.loads(payload)
            if "method" in message:
                continue
            if message["id"] in maybe:
                maybe.remove(message["id"])
                ledger.count("answered before they were cancelled")
            elif message["id"] in open_ids:
                open_ids.remove(message["id"])
            else:
                raise Lost(f"a second answer to {message['id']}")
            ledger.settle(message)
        elif opcode == 8:
            raise Lost(f"closed with {payload!r} while {open_ids} are open")
    connection.frame(8, (1000).to_bytes(2, "big"))
    while (await connection.next_frame())[0] != 8:
        pass
    await connection.close()


async def asker(address, ledger):
    """A call that asks, answered in the next request, and sometimes never."""
    connection = await Connection.open(address)
    params = call("ask")
    asked = modern("tools/call", params)
    connection.send(post(asked))
    answer = ledger.answered(asked, (await connection.messages())[1])
    state = answer.get("result", {}).get("requestState")
    if state and random.random() < 0.8:
        replies = {"sure": {"action": "accept", "content": {"yes": True}}}
        asked = modern("tools/call", {**params, "inputResponses": replies, "requestState": state})
        connection.send(post(asked))
        ledger.answered(asked, (await connection.messages())[1])
    await connection.close()


async def legacy_asker(address, ledger):
    """A question over WebSocket: our call waits for the answer to theirs."""
    connection = await Connection.open(address)
    if not await connection.upgrade():
        return await connection.close()
    hello, asked = initialize(LEGACY[-1]), request("tools/call", call("ask"))
    connection.frame(1, json.dumps(hello))
    connection.frame(1, json.dumps(notification("notifications/initialized", {})))
    connection.frame(1, json.dumps(asked))
    while True:
        opcode, payload = await connection.next_frame()
        message = json.loads(payload) if opcode == 1 else {}
        if message.get("method") == "elicitation/create":
            ledger.count("asked of people")
            if random.random() < 0.2:
                ledger.count("given up")
                return connection.reset()
            reply = {"action": "accept", "content": {"yes": True}}
            answer = {"jsonrpc": "2.0", "id": message["id"], "result": reply}
            connection.frame(1, json.dumps(answer))
        elif "method" not in message and "id" in message:
            ledger.settle(message)
            if message["id"] == asked["id"]:
                return await connection.close()


async def tasker(address, ledger):
    """A call that becomes a task, fetched or cancelled."""
    connection = await Connection.open(address)
    asked = modern("tools/call", call("job"), tasks=True)
    connection.send(post(asked))
    answer = ledger.answered(asked, (await connection.messages())[1])
    task = answer.get("result", {}).get("taskId")
    for _ in range(100):
        if not task:
            break
        method = "tasks/cancel" if random.random() < 0.1 else "tasks/get"
        asked = modern(method, {"taskId": task}, tasks=True)
        connection.send(post(asked))
        answer = ledger.answered(asked, (await connection.messages())[1])
        if answer.get("result", {}).get("status") not in ("working", "submitted"):
            break
        await asyncio.sleep(0.1)
    await connection.close()


async def listener(address, ledger):
    """Listens for updates until it has had enough of them."""
    connection = await Connection.open(address)
    wishes = {"notifications": {"resourceSubscriptions": ["soak://tick"]}}
    connection.send(post(modern("subscriptions/listen", wishes)))
    if (await connection.head())[0] == 200:
        events = connection.events()
        for _ in range(5):
            await within(anext(events), "an update")
            ledger.count("updates")
    connection.reset() if random.random() < 0.5 else await connection.close()


async def slow_reader(address, ledger):
    """Asks for a flood and does not read it."""
    connection = await Connection.open(address, limit=1024)
    if random.random() < 0.5 and await connection.upgrade():
        connection.frame(1, json.dumps(initialize(LEGACY[-1])))
        connection.frame(1, json.dumps(notification("notifications/initialized", {})))
        connection.frame(1, json.dumps(request("tools/call", call("flood"))))
    else:
        connection.send(post(modern("tools/call", call("flood"), log_level="debug")))
    ledger.count("given up")
    await asyncio.sleep(random.random() * 4)
    connection.reset()


async def leaver(address, ledger):
    """Leaves at any moment: in the head, in the body, in the answer, in a frame."""
    connection = await Connection.open(address)
    text = post(modern("tools/call", call("late"))).encode()
    moment = random.randrange(6)
    if moment == 0:
        connection.send(text[:random.randrange(len(text))])
    elif moment == 1:
        connection.send(text)
    elif moment == 2:
        connection.send(text)
        await connection.head()
    elif moment == 3 and await connection.upgrade():
        connection.frame(1, json.dumps(request("tools/call", call("late"))))
        connection.send(b"\x81\xfe\x10")
    elif moment == 4:
        # It only ends its side, which is leaving too for a modern client.
        connection.send(text)
        connection.writer.write_eof()
        await within(connection.reader.read(), "the end")
    ledger.count("given up")
    await asyncio.sleep(random.random() * 0.05)
    connection.reset() if random.random() < 0.7 else await connection.close()


async def half_open(address, ledger):
    """Says something and then nothing, for a while."""
    connection = await Connection.open(address)
    connection.send(random.choice([b"", b"POST /mcp HT", b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
                                   b"Content-Length: 9\r\n\r\n{"]))
    ledger.count("given up")
    await asyncio.sleep(random.random() * 5)
    connection.reset()


async def scribbler(address, ledger):
    """Sends bytes that mean nothing."""
    connection = await Connection.open(address)
    connection.send(random.choice([b"\x16\x03\x01", b"GET / HTTP/9.9\r\n\r\n", random.randbytes(400)]))
    connection.writer.write_eof()
    await within(connection.reader.read(), "the end")
    ledger.count("scribbled")
    await connection.close()


# How many of each run at a time.
CAST = {modern_calls: 4, pipelined: 2, legacy_session: 3, http_sse: 2, websocket: 3, asker: 2,
        legacy_asker: 2, tasker: 3, listener: 2, slow_reader: 2, leaver: 3, half_open: 4, scribbler: 1}
