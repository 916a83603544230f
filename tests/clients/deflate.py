"""Compressed messages over package websockets, which has zlib below it: deflate.py SYSMOND."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from expect import LEGACY, Checks, claims, initialize_params
from server import Server
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Deflate

SECONDS_MAX = 10


async def ask(socket, request_id, method, params):
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    await socket.send(json.dumps(message))
    answer = json.loads(await asyncio.wait_for(socket.recv(), SECONDS_MAX))
    return answer["result"] if answer["id"] == request_id else None


async def both_eras(checks, url, name, **options):
    async with connect(url, proxy=None, **options) as socket:
        checks.equal(len(socket.protocol.extensions), 1, f"extensions agreed on, {name}")
        hello = await ask(socket, 1, "initialize", initialize_params())
        checks.equal(hello["protocolVersion"], LEGACY, "negotiated revision")
        for request_id in range(2, 6):
            # Above what is sent compressed, in both directions.
            params = {"_meta": {**claims(), "example.org/pad": "x" * 2000}}
            checks.tools((await ask(socket, request_id, "tools/list", params))["tools"])


async def bomb(checks, url):
    async with connect(url, proxy=None) as socket:
        await socket.send(" " * (2 << 20))
        try:
            await asyncio.wait_for(socket.recv(), SECONDS_MAX)
        except ConnectionClosed as closed:
            checks.equal(closed.rcvd.code, 1009, "close code for a bomb")


async def main(sysmond):
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with Server(sysmond, log, "--quiet", "--websocket-compression") as server:
            url = server.url("/mcp", "ws")
            await both_eras(checks, url, "as offered by default")
            for bits in (9, 15):
                offer = [Deflate(server_max_window_bits=bits)]
                await both_eras(checks, url, f"window of {bits} bits", extensions=offer)
            await bomb(checks, url)
            await both_eras(checks, url, "after the bomb")
    print(f"{checks.count} checks")


asyncio.run(main(sys.argv[1]))
