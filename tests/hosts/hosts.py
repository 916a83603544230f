"""The daemons that serve the demo tools, as data, and how one of them is started."""

import re
import select
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from rows import HTTP, WEBSOCKET

# Covers a start under valgrind or a sanitizer.
START_SECONDS_MAX = 60


@dataclass
class Host:
    """A daemon. `command`: the program's name and its arguments; {unix}, {cert} and {key} are
    filled in. `skip` says why a row cannot be equal there; `watches`: whether a client that leaves
    must be noticed within a second."""

    name: str
    command: tuple
    kinds: tuple = (HTTP, WEBSOCKET)
    skip: dict = field(default_factory=dict)
    hidden: tuple = ()
    watches: bool = True


TCP = ("--listen", "127.0.0.1:0")
TLS = ("--cert", "{cert}", "--key", "{key}")

UNIX_HAS_NO_HOST = {"foreign_host": "no browser reaches a Unix socket: Host is not checked there"}
OWN_FRAMES = {
    "frames_that_close_a_socket": "the server speaks WebSocket by itself, emcp only MCP",
    "a_websocket_without_a_key_is_challenged": "emcp_peer_open() says the status of a refusal only",
}

# The first one is what the others are compared with.
HOSTS = [
    Host("listener", ("listener", *TCP)),
    Host("listener-unix", ("listener", "--listen", "unix:{unix}"), skip=UNIX_HAS_NO_HOST),
    Host("adopted", ("doors", "--door", "fd", *TCP)),
    Host("adopted-tls", ("doors", "--door", "tls", *TCP, *TLS)),
    Host("pump", ("doors", "--door", "pump", *TCP)),
    Host("host-mode", ("doors", "--host-mode", *TCP)),
    Host("no-io-thread", ("doors", "--no-io-thread", *TCP)),
    Host("adopted-host-mode", ("doors", "--door", "fd", "--host-mode", *TCP)),
    Host("adopted-no-io-thread", ("doors", "--door", "fd", "--no-io-thread", *TCP)),
    Host("adopted-tls-no-io-thread", ("doors", "--door", "tls", "--no-io-thread", *TCP, *TLS)),
    Host("pump-no-io-thread", ("doors", "--door", "pump", "--no-io-thread", *TCP)),
    Host("microhttpd", ("microhttpd", *TCP)),
    Host("microhttpd-tls", ("microhttpd", *TCP, *TLS)),
    Host("civetweb", ("civetweb", *TCP), skip=OWN_FRAMES),
    Host("evhttp", ("evhttp", *TCP)),
    Host("evhttp-host-mode", ("evhttp", "--host-mode", *TCP)),
    Host("evhttp-no-io-thread", ("evhttp", "--no-io-thread", *TCP)),
]


class Daemon:
    """A running daemon of `programs`; leaving the `with` block ends it at the latest."""

    def __init__(self, host, programs, folder):
        fill = {"unix": folder / "unix.sock", "cert": folder / "cert.pem",
                "key": folder / "key.pem"}
        program, *arguments = (part.format(**fill) for part in host.command)
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [programs / program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        try:
            self.url = self.read_url()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def read_url(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS_MAX)
        line = self.process.stdout.readline().decode() if ready else ""
        match = re.fullmatch(r"listening on (\S+)\n", line)
        if not match:
            raise RuntimeError(f"printed {line!r} instead of its address\n{self.said()}")
        return match[1]

    def said(self):
        self.errors.seek(0)
        return self.errors.read()


def make_certificate(folder, roots):
    """Writes cert.pem and key.pem for 127.0.0.1; clients trust the certificate itself."""
    subprocess.run(
        [find_program("openssl", roots), "req", "-x509", "-newkey", "rsa:2048", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )


def find_program(name, root):
    """Finds a program among the packages of packages.sh or in the system."""
    folders = [Path(base) / part for base in (root, "/")
               for part in ("usr/sbin", "usr/bin", "usr/local/bin")]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is neither in {root} nor in the system")
