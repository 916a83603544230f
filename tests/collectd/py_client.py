"""A Python SDK client: py_client.py URL modern|http|sse|websocket, with the SDK of that era."""

import asyncio
import sys

import dialogue_collectd
from expect import MODERN, Checks


def plain(model):
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


async def run_modern(checks, url):
    from mcp import Client, MCPError

    class Adapter:
        Error = MCPError

        async def list_tools(self):
            return plain(await client.list_tools(cache_mode="refresh"))["tools"]

        async def call(self, name, arguments):
            return plain(await client.call_tool(name, arguments))

    async with Client(url, mode="auto") as client:
        checks.equal(client.protocol_version, MODERN, "negotiated revision")
        await dialogue_collectd.hold(checks, Adapter())


async def run_legacy(checks, url, kind):
    import py_legacy

    async with py_legacy.connect(url, kind) as session:
        await session.initialize()
        await dialogue_collectd.hold(checks, py_legacy.Legacy(session))


async def main(url, kind):
    checks = Checks()
    if kind == "modern":
        await run_modern(checks, url)
    else:
        await run_legacy(checks, url, kind)
    print(f"{checks.count} checks")


asyncio.run(main(*sys.argv[1:]))
