"""HTTP, SSE and WebSocket by hand over asyncio streams: the actors decide each byte."""

import asyncio
import itertools
import json
import os
import socket
import struct

MODERN = "2026-07-28"
# A reply that does not come in this time is lost.
SECONDS_MAX = 30

IDS = itertools.count(1)


class Lost(Exception):
    """A reply that was promised has not come."""


async def within(awaitable, what, seconds=SECONDS_MAX):
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        raise Lost(f"nothing came in {seconds} s: {what}") from None


class Connection:
    """One TCP connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address, **options):
        host, port = address.split(":")
        return cls(*await within(asyncio.open_connection(host, int(port), **options), "connect"))

    def send(self, *parts):
        self.writer.writelines(part.encode() if isinstance(part, str) else part for part in parts)

    def reset(self):
        """Ends it with RST."""
        sock = self.writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self):
        self.writer.close()
        try:
            await asyncio.wait_for(self.writer.wait_closed(), 5)
        except (OSError, asyncio.TimeoutError):
            pass

    async def head(self):
        """Status and fields of the next response."""
        text = (await within(self.reader.readuntil(b"\r\n\r\n"), "a head")).decode()
        start, *lines = text.strip().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines)
        return int(start.split()[1]), fields

    async def chunk(self):
        size = int(await within(self.reader.readuntil(b"\r\n"), "a chunk"), 16)
        data = await within(self.reader.readexactly(size + 2), "a chunk")
        return data[:-2]

    async def events(self):
        """The messages of a stream of events, until it ends."""
        text = b""
        while chunk := await self.chunk():
            text += chunk
            while b"\n\n" in text:
                event, text = text.split(b"\n\n", 1)
                lines = event.decode().split("\n")
                data = "\n".join(line[6:] for line in lines if line.startswith("data: "))
                if data:
                    yield next((line[7:] for line in lines if line.startswith("event: ")), ""), data

    async def messages(self):
        """All JSON-RPC messages of the next response."""
        status, fields = await self.head()
        if fields.get("transfer-encoding") == "chunked":
            return status, [json.loads(data) async for _, data in self.events()]
        length = int(fields.get("content-length", 0))
        body = await within(self.reader.readexactly(length), "a body")
        is_json = fields.get("content-type", "").startswith("application/json") and body
        return status, [json.loads(body)] if is_json else []

    async def upgrade(self):
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        self.send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n",
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
                  f"Sec-WebSocket-Key: {key}\r\n\r\n")
        status, _ = await self.head()
        return status == 101

    def frame(self, opcode, payload=b"", fin=0x80):
        if isinstance(payload, str):
            payload = payload.encode()
        mask, length = os.urandom(4), len(payload)
        head = bytes([fin | opcode])
        if length < 126:
            head += bytes([0x80 | length])
        else:
            head += bytes([0x80 | 126]) + struct.pack(">H", length)
        wide = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(wide, "big")).to_bytes(length, "big")
        self.send(head + mask + masked)

    async def next_frame(self):
        first, second = await within(self.reader.readexactly(2), "a frame")
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first & 0x0F, await within(self.reader.readexactly(length), "a payload")


def request(method, params, **more):
    return {"jsonrpc": "2.0", "id": next(IDS), "method": method, "params": params, **more}


def notification(method, params):
    return {"jsonrpc": "2.0", "method": method, "params": params}


def modern(method, params, tasks=False, log_level=None, **meta):
    """A request that carries all it needs; `meta` is added to its _meta."""
    capabilities = {"elicitation": {"form": {}}}
    if tasks:
        capabilities["extensions"] = {"io.modelcontextprotocol/tasks": {}}
    claims = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": capabilities,
        **meta,
    }
    if log_level:
        claims["io.modelcontextprotocol/logLevel"] = log_level
    return request(method, {**params, "_meta": claims})


def initialize(revision):
    params = {"protocolVersion": revision, "capabilities": {"elicitation": {}},
              "clientInfo": {"name": "soak", "version": "1"}}
    return request("initialize", params)


def post(message, session=None, target="/mcp"):
    """A message as HTTP."""
    body = json.dumps(message)
    fields = ""
    params = message.get("params", {}) if isinstance(message, dict) else {}
    if "io.modelcontextprotocol/protocolVersion" in params.get("_meta", {}):
        fields += f"MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {message['method']}\r\n"
        name = params.get("name") or params.get("uri") or params.get("taskId")
        fields += f"Mcp-Name: {name}\r\n" if name else ""
    if session:
        fields += f"Mcp-Session-Id: {session}\r\n"
    return (f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\n"
            f"{fields}Content-Length: {len(body)}\r\n\r\n{body}")
