"""A server on the official Python SDK, 1.x or 2.x, whichever is installed:

server.py --listen 127.0.0.1:0 [--json]

Without the option it keeps sessions and answers with SSE, as the SDK does by default.
"""

import socket
import sys

import uvicorn
from pydantic import BaseModel

try:
    from mcp.server.mcpserver import MCPServer
except ImportError:
    from mcp.server.fastmcp import FastMCP as MCPServer

    IS_SECOND = False
else:
    IS_SECOND = True

TOOLS = 50
TEXT = "This is a simple text response for testing."


class Point(BaseModel):
    t: int
    v: float


class Series(BaseModel):
    metric: str
    points: list[Point]


def add_tools(server):
    # Coroutines, so that the SDK starts no thread for a call.
    @server.tool(description="Answers with a short text.", structured_output=False)
    async def text(metric: str = "", points: int = 0) -> str:
        return TEXT

    @server.tool(description="Answers with the last values of a metric.")
    async def series(metric: str = "", points: int = 0) -> Series:
        values = [Point(t=1764300000 + 10 * i, v=10.5 + i) for i in range(150)]
        return Series(metric="cpu.total.busy", points=values)

    async def listed(metric: str = "", points: int = 0) -> str:
        return TEXT

    for n in range(3, TOOLS + 1):
        description = f"Is tool {n} of a daemon that has many."
        name = f"tool_{n:02}"
        server.tool(name=name, description=description, structured_output=False)(listed)


def app(json):
    if IS_SECOND:
        server = MCPServer("peer", log_level="ERROR")
        add_tools(server)
        return server.streamable_http_app(
            json_response=json, stateless_http=json, max_sessions=None
        )
    options = {"json_response": json, "stateless_http": json, "max_sessions": None}
    server = MCPServer("peer", log_level="ERROR", **options)
    add_tools(server)
    return server.streamable_http_app()


def main():
    application = app("--json" in sys.argv)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    # Peers take turns: a connection may rest for longer than the 5 s that uvicorn grants.
    config = uvicorn.Config(
        application, log_level="error", access_log=False, timeout_keep_alive=600
    )
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


main()
