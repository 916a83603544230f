"""The Python SDK 2: py_modern.py URL. Negotiates by itself and must arrive at the modern era."""

import asyncio
import sys

import dialogue
from expect import MODERN, Checks
from mcp import Client, MCPError


class Modern:
    """Adapts `mcp.Client` to the dialogue."""

    Error = MCPError

    def __init__(self, client):
        self.client = client

    async def list_tools(self):
        # The response cache might answer the second listing without asking the server.
        listing = await self.client.list_tools(cache_mode="refresh")
        return plain(listing)["tools"]

    async def call(self, name, arguments, on_progress=None):
        return plain(await self.client.call_tool(name, arguments, progress_callback=on_progress))

    async def cancel(self, call):
        call.cancel()
        await asyncio.wait([call], timeout=5)

    def code_of(self, error):
        return error.code


def plain(model):
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


async def main(url):
    checks = Checks()
    async with Client(url, mode="auto") as client:
        checks.equal(client.protocol_version, MODERN, "negotiated revision")
        checks.that(client.server_info and client.server_info.name, "server names itself")
        await dialogue.hold(checks, Modern(client))
    print(f"{checks.count} checks")


asyncio.run(main(sys.argv[1]))
