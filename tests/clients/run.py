"""Starts both servers, runs every client against them and stops them:
run.py CLIENTS RMCP SYSMOND HOST [NAME...].

CLIENTS is the folder that install.sh filled, RMCP the Rust SDK's client, SYSMOND and HOST are the
servers. NAMEs pick clients; without them all run. FEATURES in the environment names what the
library was built with; without it that is everything.
"""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from server import Server
from shutdown import check_end, check_shutdown

HERE = Path(__file__).resolve().parent

# Most of a client's time is waiting for watch_metric; few at once keep a small machine calm.
CLIENTS_AT_ONCE = 3

# A client needs about 10 seconds, under valgrind 20; the rest is for busy machines.
SECONDS_MAX = 90

# To say that something is not built in.
REFUSAL_SECONDS_MAX = 30

# The exit status with which a client says that its program is not on this machine.
SKIPPED = 77

# What a client needs of the library, and an option that sysmond refuses where it is not built in.
NEEDS = {
    "tls": ("tls", ["--tls-cert", "/dev/null", "--tls-key", "/dev/null"]),
    "websockets-deflate": ("deflate", ["--websocket-compression"]),
    "oauth-ts-sdk-1": ("jwt", ["--oauth-issuer", "http://127.0.0.1:9", "--jwks", "/dev/null"]),
    "oauth-ts-sdk-2": ("jwt", ["--oauth-issuer", "http://127.0.0.1:9", "--jwks", "/dev/null"]),
}

# Leaks and errors become an exit status, which the check of the shutdown sees.
VALGRIND = (
    "valgrind", "--quiet", "--error-exitcode=99", "--num-callers=120", "--leak-check=full",
    "--show-leak-kinds=definite,indirect,possible",
    "--errors-for-leak-kinds=definite,indirect,possible",
    f"--suppressions={HERE.parent / 'c/valgrind.supp'}",
)

# One client for each transport and each kind of work: all of them would take a minute more.
UNDER_VALGRIND = [
    "curl",
    "own-pages",
    "websockets",
    "sysmond-ts-sdk-1-sse",
    "sysmond-python-sdk-2-http",
    "host-ts-sdk-2-http",
    "host-python-sdk-1-websocket",
    "four-clients",
]


@dataclass
class Outcome:
    """How one client ended; `text` is a count of checks, a reason, or what it printed."""

    name: str
    verdict: str
    text: str

    def print(self):
        if self.verdict == "FAILED":
            print(f"FAILED {self.name}\n{self.text}", flush=True)
        else:
            print(f"{self.verdict} {self.name} ({self.text})", flush=True)


def main(clients, rmcp, sysmond, host, *names):
    clients = Path(clients)
    # Node looks for packages beside the script.
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, clients)
    with ExitStack() as stack:
        plain = stack.enter_context(Pair(clients, sysmond, host))
        commands = {**plain.commands(rmcp), **oauth_commands(clients, sysmond)}
        pairs = [plain]
        outcomes = []
        if not shutil.which("valgrind"):
            outcomes.append(Outcome("valgrind", "skip", "valgrind is not on this machine"))
        elif not names or any(name.startswith("valgrind-") for name in names):
            watched = stack.enter_context(Pair(clients, sysmond, host, "valgrind-", VALGRIND))
            again = watched.commands(rmcp)
            commands.update({f"valgrind-{name}": again[name] for name in UNDER_VALGRIND})
            pairs.append(watched)
        with ThreadPoolExecutor(CLIENTS_AT_ONCE) as pool:
            picked = pick(commands, names).items()
            for outcome in pool.map(lambda item: run_or_skip(clients, sysmond, *item), picked):
                outcome.print()
                outcomes.append(outcome)
        for outcome in [outcome for pair in pairs for outcome in pair.stop()]:
            outcome.print()
            outcomes.append(outcome)
        return report(outcomes, [server for pair in pairs for server in pair.servers])


class Pair:
    """Both servers; `tool` is what runs them and `part` begins the names of its outcomes."""

    def __init__(self, clients, sysmond, host, part="", tool=()):
        self.clients, self.part, self.tool = clients, part, tool
        with ExitStack() as stack:
            log = clients / f"{part}sysmond.log"
            self.sysmond = stack.enter_context(Server(sysmond, log, "--quiet", tool=tool))
            log = clients / f"{part}conformance-host.log"
            self.host = stack.enter_context(Server(host, log, tool=tool))
            self.sysmond.wait_for_measurements()
            self.stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    @property
    def servers(self):
        return [self.sysmond, self.host]

    def commands(self, rmcp):
        return {
            **client_commands(self.clients, self.sysmond),
            **feature_commands(self.clients, rmcp, "sysmond", self.sysmond),
            **feature_commands(self.clients, rmcp, "host", self.host),
            **host_commands(self.clients, self.host),
            # These start servers of their own.
            "tls": [sys.executable, HERE / "tls.py", self.sysmond.binary],
            "websockets-deflate": [
                self.clients / "venv-legacy/bin/python", HERE / "deflate.py", self.sysmond.binary
            ],
        }

    def stop(self):
        """Ends the servers the way a service manager does; the last thing they are tested for."""
        yield judge(f"{self.part}shutdown", check_shutdown, self.sysmond)
        yield judge(f"{self.part}host-shutdown", check_end, self.host)


def client_commands(clients, server):
    """Lists the clients that call sysmond's tools: each one's name and the command that runs it."""
    node = clients.parent / "node/bin/node"
    modern = clients / "venv-modern/bin/python"
    legacy = clients / "venv-legacy/bin/python"
    mcp, sse, websocket = server.url("/mcp"), server.url("/sse"), server.url("/mcp", "ws")
    return {
        "curl": [sys.executable, HERE / "curl.py", mcp],
        "ts-sdk-1-http": [node, clients / "ts_sdk.mjs", mcp, "http"],
        "ts-sdk-1-sse": [node, clients / "ts_sdk.mjs", sse, "sse"],
        "ts-sdk-1-sse-on-mcp": [node, clients / "ts_sdk.mjs", mcp, "sse"],
        "ts-sdk-1-websocket": [node, clients / "ts_sdk.mjs", websocket, "websocket"],
        "ts-sdk-2-http": [node, clients / "ts_v2.mjs", mcp],
        "python-sdk-2-http": [modern, HERE / "py_modern.py", mcp],
        "python-sdk-1-http": [legacy, HERE / "py_legacy.py", mcp, "http"],
        "python-sdk-1-sse": [legacy, HERE / "py_legacy.py", sse, "sse"],
        "python-sdk-1-websocket": [legacy, HERE / "py_legacy.py", websocket, "websocket"],
        "fastmcp-http": [modern, HERE / "fastmcp_client.py", mcp, "http"],
        "fastmcp-sse": [modern, HERE / "fastmcp_client.py", sse, "sse"],
        "inspector-legacy": [sys.executable, HERE / "inspector.py", mcp, "legacy", clients],
        "inspector-modern": [sys.executable, HERE / "inspector.py", mcp, "modern", clients],
        "websockets": [legacy, HERE / "raw_websocket.py", websocket],
        "own-pages": [sys.executable, HERE / "own_pages.py", server.url("/")],
        "equal-ids-http": [legacy, HERE / "equal_ids.py", mcp, "http"],
        "equal-ids-sse": [legacy, HERE / "equal_ids.py", sse, "sse"],
        "equal-ids-websocket": [legacy, HERE / "equal_ids.py", websocket, "websocket"],
    }


def feature_commands(clients, rmcp, part, server):
    """Lists the SDK clients that use what a server has beside tools; `part` names the server."""
    node = clients.parent / "node/bin/node"
    modern = clients / "venv-modern/bin/python"
    legacy = clients / "venv-legacy/bin/python"
    http, sse, websocket = server.url("/mcp"), server.url("/sse"), server.url("/mcp", "ws")
    v1, v2 = clients / "features_v1.mjs", clients / "features_v2.mjs"
    py_v1, py_v2 = HERE / "features_legacy.py", HERE / "features_modern.py"
    return {
        f"{part}-ts-sdk-1-http": [node, v1, http, "http", part],
        f"{part}-ts-sdk-1-sse": [node, v1, sse, "sse", part],
        f"{part}-ts-sdk-1-websocket": [node, v1, websocket, "websocket", part],
        f"{part}-ts-sdk-2-http": [node, v2, http, part],
        f"{part}-python-sdk-1-http": [legacy, py_v1, http, "http", part],
        f"{part}-python-sdk-1-sse": [legacy, py_v1, sse, "sse", part],
        f"{part}-python-sdk-1-websocket": [legacy, py_v1, websocket, "websocket", part],
        f"{part}-python-sdk-2-http": [modern, py_v2, http, part],
        f"{part}-rmcp-legacy": [rmcp, http, "legacy", part],
        f"{part}-rmcp-modern": [rmcp, http, "modern", part],
    }


def host_commands(clients, host):
    legacy = clients / "venv-legacy/bin/python"
    urls = [host.url("/mcp"), host.url("/sse"), host.url("/mcp", "ws")]
    return {"four-clients": [legacy, HERE / "four_clients.py", *urls]}


def oauth_commands(clients, sysmond):
    """Lists the clients that start a sysmond of their own, with an authorization server beside."""
    node, script = clients.parent / "node/bin/node", clients / "oauth.mjs"
    return {
        "oauth-ts-sdk-1": [node, script, sysmond, "v1"],
        "oauth-ts-sdk-2": [node, script, sysmond, "v2"],
    }


def pick(commands, names):
    unknown = set(names) - set(commands)
    if unknown:
        sys.exit(f"no such client: {', '.join(sorted(unknown))}; there are {', '.join(commands)}")
    return {name: commands[name] for name in names} if names else commands


def run_or_skip(clients, sysmond, name, command):
    feature, options = NEEDS.get(name, (None, []))
    built = os.environ.get("FEATURES")
    if feature is None or built is None or feature in built.split():
        return run_client(clients, name, command)
    # Left out on purpose: then sysmond must say so, and how to change it.
    refusing = [sysmond, "--listen", "127.0.0.1:0", *options]
    try:
        done = subprocess.run(refusing, capture_output=True, text=True, timeout=REFUSAL_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return Outcome(name, "FAILED", f"  sysmond starts with {options} without {feature}")
    if done.returncode == 0 or f"FEATURES={feature}" not in done.stderr:
        said = f"{done.stdout}{done.stderr}  exit status {done.returncode}"
        return Outcome(name, "FAILED", f"{said} of a library without {feature}")
    return Outcome(name, "skip", f"the library was built without {feature}, and sysmond says so")


def run_client(clients, name, command):
    environment = dict(os.environ)
    # The inspector keeps files in its home; a proxy would come between client and server.
    environment["HOME"] = str(clients / "home")
    environment["NO_PROXY"] = environment["no_proxy"] = "127.0.0.1"
    process = subprocess.Popen(
        [str(part) for part in command],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # A group of its own: the programs that a client starts end with it.
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return Outcome(name, "FAILED", f"{output}  no end after {SECONDS_MAX} s")
    last = output.strip().rpartition("\n")[2]
    if process.returncode == 0:
        return Outcome(name, "ok", last)
    if process.returncode == SKIPPED:
        return Outcome(name, "skip", last)
    return Outcome(name, "FAILED", f"{output}  exit status {process.returncode}")


def judge(name, check, server):
    try:
        return Outcome(name, "ok", f"{check(server)} checks")
    except Exception as error:
        return Outcome(name, "FAILED", f"  {type(error).__name__}: {error}")


def report(outcomes, servers):
    """Prints the last line and returns the exit status."""
    count = {verdict: 0 for verdict in ("ok", "FAILED", "skip")}
    for outcome in outcomes:
        count[outcome.verdict] += 1
    for server in servers if count["FAILED"] else ():
        print(f"{server.name} said:\n{server.log()}", end="")
    skipped = f", {count['skip']} skipped" if count["skip"] else ""
    print(f"{count['ok']} passed, {count['FAILED']} failed{skipped}")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    if len(sys.argv) < 5:
        sys.exit("usage: run.sh SYSMOND HOST [NAME...]")
    sys.exit(main(*sys.argv[1:]))
