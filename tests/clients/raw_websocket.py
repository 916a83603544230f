"""JSON-RPC by hand over package websockets, both eras on one socket: raw_websocket.py URL."""

import asyncio
import json
import sys

from expect import LEGACY, METRIC, MODERN, Checks, claims, initialize_params
from websockets.asyncio.client import connect

# Above 2^53: a server that reads ids as doubles answers with a different number.
BIG_ID = 9007199254740993

SECONDS_MAX = 10


class Peer:
    """Sends messages and sorts what comes back: answers by id, progress by token."""

    def __init__(self, socket):
        self.socket = socket
        self.answers = {}
        self.progress = {}

    async def send(self, method, params, request_id=None):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if request_id is not None:
            message["id"] = request_id
        await self.socket.send(json.dumps(message))

    async def call(self, tool, arguments, request_id, meta=None):
        params = {"name": tool, "arguments": arguments}
        if meta:
            params["_meta"] = meta
        await self.send("tools/call", params, request_id)

    async def receive(self):
        """Takes one message in."""
        message = json.loads(await asyncio.wait_for(self.socket.recv(), SECONDS_MAX))
        if "method" in message:
            params = message["params"]
            self.progress.setdefault(params["progressToken"], []).append(params["progress"])
        else:
            self.answers[message["id"]] = message

    async def answer(self, request_id):
        while request_id not in self.answers:
            await self.receive()
        message = self.answers.pop(request_id)
        return message["result"] if "result" in message else message["error"]

    async def listen(self, seconds):
        """Takes one message in, if one comes within `seconds`."""
        try:
            await asyncio.wait_for(self.receive(), seconds)
        except asyncio.TimeoutError:
            return


async def legacy(checks, peer):
    await peer.send("initialize", initialize_params(), "hello")
    hello = await peer.answer("hello")
    checks.equal(hello["protocolVersion"], LEGACY, "negotiated revision")
    await peer.send("notifications/initialized", {})
    await peer.send("tools/list", {}, 1)
    checks.tools((await peer.answer(1))["tools"])
    await peer.call("query_metrics", {"metric": METRIC}, BIG_ID)
    checks.metric(await peer.answer(BIG_ID))
    # A known bridge sends this text to keep the connection open.
    await peer.socket.send("PING")
    await peer.send("ping", {}, 2)
    checks.equal(await peer.answer(2), {}, "answer to ping")
    checks.equal(peer.answers, {}, "leftover after the literal PING")


async def modern(checks, peer):
    """Speaks the modern era on a socket where the legacy era was negotiated."""
    await peer.send("server/discover", {"_meta": claims()}, 3)
    discovered = await peer.answer(3)
    checks.that(MODERN in discovered["supportedVersions"], "discover names the era", discovered)
    await peer.call("query_metrics", {"metric": METRIC}, 4, meta=claims())
    result = await peer.answer(4)
    checks.equal(result["resultType"], "complete", "result type")
    checks.metric(result)


async def overtake(checks, peer):
    """A quick call is answered while a long one runs."""
    meta = {**claims(), "progressToken": "slow"}
    await peer.call("watch_metric", {"metric": METRIC, "seconds": 3}, "slow", meta=meta)
    await peer.call("query_metrics", {"metric": METRIC}, "quick", meta=claims())
    checks.metric(await peer.answer("quick"))
    checks.that("slow" not in peer.answers, "quick call overtakes the long one", peer.answers)
    checks.success(await peer.answer("slow"), "watch_metric")
    checks.progress(peer.progress.get("slow", []), 3)


async def cancel(checks, peer, request_id, claim):
    """After a cancelled call come neither its answer nor its progress."""
    meta = {**claim, "progressToken": request_id}
    await peer.call("watch_metric", {"metric": METRIC, "seconds": 60}, request_id, meta=meta)
    while request_id not in peer.progress:
        await peer.receive()
    cancelled = {"requestId": request_id}
    if claim:
        cancelled["_meta"] = claim
    await peer.send("notifications/cancelled", cancelled)
    # What was on its way when the notification arrived may still come; nothing after this answer.
    await peer.call("query_metrics", {"metric": METRIC}, "after", meta=claims())
    checks.metric(await peer.answer("after"))
    seen = len(peer.progress[request_id])
    await peer.listen(2.5)
    checks.equal(len(peer.progress[request_id]), seen, "progress after the cancellation")
    checks.equal(peer.answers, {}, "answers after the cancellation")


async def main(url):
    checks = Checks()
    async with connect(url, subprotocols=["mcp"], proxy=None) as socket:
        checks.equal(socket.subprotocol, "mcp", "echoed subprotocol")
        peer = Peer(socket)
        await legacy(checks, peer)
        await modern(checks, peer)
        await overtake(checks, peer)
        await cancel(checks, peer, "old", {})
        await cancel(checks, peer, "new", claims())
    async with connect(url, proxy=None) as socket:
        checks.equal(socket.subprotocol, None, "subprotocol when none was offered")
        # The first message on a fresh socket may be a modern one.
        await modern(checks, Peer(socket))
    print(f"{checks.count} checks")


asyncio.run(main(sys.argv[1]))
