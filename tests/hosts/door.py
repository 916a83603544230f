"""How to reach a daemon, whatever is in front of emcp there: connections, HTTP answers, events."""

import contextlib
import http.client
import os
import re
import select
import socket
import ssl
import struct
import threading
from urllib.parse import urlsplit

from websockets.sync.client import connect as connect_websocket

import tls

# Nothing here takes a second on an idle machine; a test that waits this long has failed.
SECONDS_MAX = 30

# For a server that refuses a request by its head. One that wants the body first gets it then.
PATIENCE_SECONDS = 1

# What of a head is compared. The rest belongs to the HTTP server that emcp is in: Date, Server,
# Connection, and how the length of the body is said.
HEADERS = (
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-type",
    "mcp-protocol-version",
    "mcp-session-id",
    "vary",
    "www-authenticate",
    "x-accel-buffering",
    "x-content-type-options",
)


class Door:
    """One daemon: `url` is http://, https:// or unix:/path; `pid` lets tests see its memory."""

    def __init__(self, url, ca=None, pid=None):
        self.pid = pid
        self.tls = None
        if url.startswith("unix:"):
            self.unix, self.target, self.host = url.removeprefix("unix:"), "/mcp", "localhost"
            return
        parts = urlsplit(url)
        self.unix, self.target, self.host = None, parts.path, parts.netloc
        # Daemons under test listen there, whatever the name is.
        self.address = ("127.0.0.1", parts.port)
        if parts.scheme == "https":
            self.tls = ssl.create_default_context(cafile=ca)

    def socket(self, receive_buffer=None):
        """Connects. A small `receive_buffer` (bytes) makes a client that stops reading felt."""
        family = socket.AF_UNIX if self.unix else socket.AF_INET
        plain = socket.socket(family, socket.SOCK_STREAM)
        plain.settimeout(SECONDS_MAX)
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.connect(self.unix or self.address)
        if not self.unix:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            return tls.wrap(plain, self.tls, self.address[0])
        return plain

    def send(self, method, headers=(), body=None, target=None, patience=0, **options):
        """Sends a request on a connection of its own; returns its Answer once the head is there."""
        return Connection(self, **options).send(method, headers, body, target, patience)

    def websocket(self, subprotocols=("mcp",), receive_buffer=None, **options):
        """Opens a WebSocket; leaving the `with` block closes it."""
        plain = self.socket(receive_buffer)
        # The library keeps its own time.
        plain.settimeout(None)
        return connect_websocket(
            # Also with TLS: the socket has it already.
            f"ws://{self.host}{self.target}",
            sock=plain,
            subprotocols=list(subprotocols) or None,
            compression=None,
            proxy=None,
            max_size=None,
            open_timeout=SECONDS_MAX,
            close_timeout=SECONDS_MAX,
            ping_interval=None,
            **options,
        )

    def frames(self):
        """Opens a WebSocket without a library, for frames that none would send."""
        plain = self.socket()
        lines = ["GET %s HTTP/1.1" % self.target, "Host: %s" % self.host, "Connection: Upgrade",
                 "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="]
        plain.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += receive_exactly(plain, 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ValueError(f"no WebSocket but {head!r}")
        return plain

    def memory_kib(self):
        """Tells how much memory the daemon holds; 0 when that cannot be known."""
        if self.pid is None:
            return 0
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def wait_for_answer(connection, seconds):
    """Tells whether the server says something within that time."""
    return bool(select.select([connection], [], [], seconds)[0]) if seconds else False


def receive_exactly(connection, length):
    data = b""
    while len(data) < length:
        piece = connection.recv(length - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


class Connection:
    """A connection that carries one request after the other."""

    def __init__(self, door, receive_buffer=None, version="1.1"):
        self.door = door
        self.socket = door.socket(receive_buffer)
        self.http = http.client.HTTPConnection(door.host)
        self.http.sock = self.socket
        # Never connects a second time behind our back.
        self.http.auto_open = 0
        self.http._http_vsn_str = f"HTTP/{version}"
        self.http._http_vsn = int(version.replace(".", ""))

    def send(self, method, headers=(), body=None, target=None, patience=0):
        """Sends a request. With `patience` (seconds) it gives the server time to refuse the head:
        a connection that is closed while its client sends may lose the answer."""
        names = {name.lower() for name, _ in headers}
        self.http.putrequest(
            method,
            target or self.door.target,
            skip_host="host" in names,
            skip_accept_encoding=True,
        )
        if self.http._http_vsn == 10 and "host" not in names:
            # The library leaves it out, but servers with names go by it.
            self.http.putheader("Host", self.door.host)
        for name, value in headers:
            self.http.putheader(name, value)
        chunked = "transfer-encoding" in names
        if body is not None and not chunked and "content-length" not in names:
            self.http.putheader("Content-Length", str(len(body)))
        self.http.endheaders()
        # A server may answer before it has the whole body, and need not read the rest.
        sender = threading.Thread(target=self.send_body, args=(body or b"", chunked), daemon=True)
        if not wait_for_answer(self.socket, patience):
            sender.start()
        response = self.http.getresponse()
        return Answer(self, response)

    def send_body(self, body, chunked):
        with contextlib.suppress(OSError):
            if not chunked:
                self.socket.sendall(body)
                return
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.socket.sendall(b"0\r\n\r\n")

    def close(self):
        # Without shutdown the descriptor would stay open as long as a response refers to it.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.http.close()
        self.socket.close()

    def reset(self):
        """Ends the connection the way a client does whose machine is gone: with RST."""
        if self.door.tls:
            self.socket.abrupt = True
        else:
            linger = struct.pack("ii", 1, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # close() would wait for whoever reads from the socket.
        os.close(self.socket.detach())


class Answer:
    """The answer to one request, whole or as a stream of events."""

    def __init__(self, connection, response):
        self.connection = connection
        self.response = response
        self.status = response.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def header(self, name):
        return self.response.getheader(name)

    def head(self):
        """Gives what is compared of the head."""
        pairs = ((name, self.response.getheader(name)) for name in HEADERS)
        return {name: value for name, value in pairs if value is not None}

    def body(self):
        """Reads the whole body, as text: it is UTF-8 or wrong."""
        return self.response.read().decode()

    def whole(self):
        """Reads everything and ends the connection; gives what is compared."""
        with self:
            return [self.status, self.head(), self.body()]

    def events(self):
        """Yields each event as a dict as soon as it is there; skips comments."""
        event = {}
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\r\n").partition(":")
            if name:
                event[name] = value.removeprefix(" ")
            elif not line.strip() and event:
                yield event
                event = {}

    def close(self):
        self.response.close()
        self.connection.close()
