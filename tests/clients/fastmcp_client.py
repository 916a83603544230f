"""fastmcp: fastmcp_client.py URL http|sse. Modern over HTTP; its SSE transport is legacy only."""

import asyncio
import sys

import dialogue
from expect import LEGACY, MODERN, Checks
from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from mcp import MCPError


class FastMcp:
    """Adapts `fastmcp.Client` to the dialogue."""

    Error = MCPError

    def __init__(self, client):
        self.client = client

    async def list_tools(self):
        return [plain(tool) for tool in await self.client.list_tools()]

    async def call(self, name, arguments, on_progress=None):
        # The plain `call_tool` turns failures into exceptions and results into dataclasses.
        return plain(await self.client.call_tool_mcp(name, arguments, progress_handler=on_progress))

    async def cancel(self, call):
        call.cancel()
        await asyncio.wait([call], timeout=5)

    def code_of(self, error):
        return error.code


def plain(model):
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


async def main(url, kind):
    transport, revision = {
        "http": (StreamableHttpTransport, MODERN),
        "sse": (SSETransport, LEGACY),
    }[kind]
    checks = Checks()
    async with Client(transport(url)) as client:
        checks.equal(client.protocol_version, revision, "negotiated revision")
        if revision == LEGACY:
            checks.that(await client.ping(), "ping is answered")
        await dialogue.hold(checks, FastMcp(client))
    print(f"{checks.count} checks")


asyncio.run(main(*sys.argv[1:]))
