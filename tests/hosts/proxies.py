"""Real proxies in front of the listener's Unix socket, with the blocks of docs/proxies.md."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from door import PATIENCE_SECONDS
from hosts import UNIX_HAS_NO_HOST, Daemon, Host, find_program
from messages import modern_call, post
from rows_modern import BODY_BYTES_MAX

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "proxies.md"

# What the blocks name, and tests put elsewhere.
DAEMON_SOCKET = "/run/demo.sock"

BEHIND = ("listener", "--listen", "unix:{unix}")

SKIP = UNIX_HAS_NO_HOST | {
    "body_is_too_large": "the proxy refuses it, in its own words",
    "chunked_body_is_too_large": "the proxy refuses it, in its own words, or passes it on",
}

LATE = "lighttpd often notices only when it has something to send that a client has left"

HOSTS = [
    # It reads X-Accel-Buffering, which is meant for it, and does not pass it on.
    Host("nginx", BEHIND, skip=SKIP, hidden=("x-accel-buffering",)),
    Host("lighttpd", BEHIND, skip=SKIP | {"leaving_cancels": LATE}, watches=False),
    Host("haproxy", BEHIND, skip=SKIP),
]

# What a whole configuration has around the block.
NGINX = """
daemon off; pid {folder}/pid; error_log stderr warn; {user}
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{block}
}}
"""
LIGHTTPD = """
server.document-root = "{folder}"
server.systemd-socket-activation = "enable"
{block}
"""
HAPROXY = "global\n    maxconn 500\n\n{block}\n"


def block(language):
    """Takes the configuration out of the document, where readers copy it from."""
    found = re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    if len(found) != 1:
        raise ValueError(f"{DOCUMENT.name} has {len(found)} blocks for {language}")
    return found[0]


def replaced(text, old, new):
    if old not in text:
        raise ValueError(f"the block does not say {old!r}")
    return text.replace(old, new)


# Proxies cannot tell which port the system has chosen: each is given a socket that listens already
# and a configuration that names its port. The functions return the configuration, the command,
# and what its environment says of the socket.


def nginx(folder, root, inherited):
    port = inherited.getsockname()[1]
    text = replaced(block("nginx"), "127.0.0.1:8080", f"127.0.0.1:{port}")
    # Started by root, its workers would be somebody else, who cannot open the daemon's socket.
    user = "user root;" if os.geteuid() == 0 else ""
    command = [find_program("nginx", root), "-p", folder, "-e", "stderr", "-c"]
    return NGINX.format(folder=folder, user=user, block=text), command, {
        "NGINX": f"{inherited.fileno()};"}


def lighttpd(folder, root, inherited):
    port = inherited.getsockname()[1]
    text = replaced(block("lighttpd"), "server.port = 8080", f"server.port = {port}")
    program = find_program("lighttpd", root)
    modules = program.parents[1] / "lib/lighttpd"
    # Socket activation: the descriptor is 3, and the process must be the one that is named.
    shell = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{inherited.fileno()}'
    command = ["sh", "-c", shell, "sh", program, "-D", "-m", modules, "-f"]
    return LIGHTTPD.format(folder=folder, block=text), command, {}


def haproxy(folder, root, inherited):
    text = replaced(block("haproxy"), "bind 127.0.0.1:8080", f"bind fd@{inherited.fileno()}")
    command = [find_program("haproxy", root), "-db", "-f"]
    return HAPROXY.format(folder=folder, block=text), command, {}


# What the blocks say to names that are not theirs, and to bodies that are too large, where they
# have a bound.
FOREIGN_HOST = {"nginx": 421, "lighttpd": 403, "haproxy": 421}
LARGE_BODY = {"nginx": 413, "haproxy": 413}

CONFIGURE = {"nginx": nginx, "lighttpd": lighttpd, "haproxy": haproxy}


class Proxied:
    """The listener with a proxy in front; `url` is the proxy's, `process` the listener's."""

    def __init__(self, host, programs, scratch):
        self.name = host.name
        self.folder = Path(tempfile.mkdtemp(dir=scratch, prefix=host.name))
        self.errors = tempfile.TemporaryFile("w+")
        self.daemon = Daemon(host, programs, self.folder)
        self.process = self.daemon.process
        self.proxy = None
        try:
            with socket.create_server(("127.0.0.1", 0), backlog=128) as inherited:
                # A name that the blocks know.
                self.url = "http://localhost:%d/mcp" % inherited.getsockname()[1]
                self.start_proxy(programs / "root", inherited)
        except BaseException:
            self.__exit__()
            raise

    def start_proxy(self, root, inherited):
        """Clients may come at once: the socket listens, the proxy will accept."""
        text, command, more = CONFIGURE[self.name](self.folder, root, inherited)
        configuration = self.folder / "proxy.conf"
        configuration.write_text(
            replaced(text, DAEMON_SOCKET, str(self.folder / "unix.sock")))
        libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu*"))
        self.proxy = subprocess.Popen(
            [*command, configuration],
            env={**os.environ, **more, "LD_LIBRARY_PATH": libraries},
            stdin=subprocess.DEVNULL,
            stdout=self.errors,
            stderr=subprocess.STDOUT,
            pass_fds=[inherited.fileno()],
            start_new_session=True,
        )

    def refusals(self, door):
        """Takes the place of rows that are skipped: returns what is wrong, or nothing."""
        foreign = door.send("POST", [("Host", "evil.example")], b"").whole()[0]
        wrong = []
        if foreign != FOREIGN_HOST[self.name]:
            wrong.append(f"status {foreign} for a foreign Host")
        if self.name in LARGE_BODY:
            sent = modern_call("echo", {"text": "x" * BODY_BYTES_MAX})
            large = post(door, sent, patience=PATIENCE_SECONDS).whole()[0]
            if large != LARGE_BODY[self.name]:
                wrong.append(f"status {large} for a body that is too large")
        return wrong

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.proxy is not None:
            # The group: a proxy has workers.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.proxy.pid, signal.SIGKILL)
            self.proxy.wait()
        self.daemon.__exit__()

    def said(self):
        self.errors.seek(0)
        return self.errors.read() + self.daemon.said()
