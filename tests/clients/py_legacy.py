"""The Python SDK 1, which knows no modern era: py_legacy.py URL http|sse|websocket."""

import asyncio
import sys
import warnings
from contextlib import asynccontextmanager

import dialogue
from expect import LEGACY, Checks
from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.websocket import websocket_client

TRANSPORTS = {"http": streamable_http_client, "sse": sse_client, "websocket": websocket_client}


@asynccontextmanager
async def connect(url, kind, **callbacks):
    """Opens a session that is not initialized yet; `callbacks` are the session's own."""
    with warnings.catch_warnings():
        # The SDK deprecates its WebSocket transport; clients in the field still use it.
        warnings.simplefilter("ignore", DeprecationWarning)
        transport = TRANSPORTS[kind](url)
    async with transport as streams, ClientSession(*streams[:2], **callbacks) as session:
        yield session


class Legacy:
    """Adapts `ClientSession` to the dialogue."""

    Error = McpError

    def __init__(self, session):
        self.session = session
        self.calls = {}

    async def list_tools(self):
        return plain(await self.session.list_tools())["tools"]

    async def call(self, name, arguments, on_progress=None):
        # The session counts its request ids up and shows them nowhere; cancel() needs this one.
        self.calls[asyncio.current_task()] = self.session._request_id
        result = await self.session.call_tool(name, arguments, progress_callback=on_progress)
        return plain(result)

    async def cancel(self, call):
        # This SDK leaves the notification to its user.
        params = types.CancelledNotificationParams(requestId=self.calls[call])
        notification = types.CancelledNotification(params=params)
        await self.session.send_notification(types.ClientNotification(notification))
        call.cancel()
        await asyncio.wait([call], timeout=5)

    def code_of(self, error):
        return error.error.code


def plain(model):
    return model.model_dump(by_alias=True, exclude_none=True, mode="json")


async def main(url, kind):
    checks = Checks()
    async with connect(url, kind) as session:
        hello = await session.initialize()
        checks.equal(hello.protocolVersion, LEGACY, "negotiated revision")
        checks.equal(plain(await session.send_ping()), {}, "answer to ping")
        if hello.capabilities.logging is not None:
            level = await session.set_logging_level("warning")
            checks.equal(plain(level), {}, "answer to logging/setLevel")
        await dialogue.hold(checks, Legacy(session))
    print(f"{checks.count} checks")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
