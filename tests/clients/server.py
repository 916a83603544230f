"""The servers under test."""

import json
import re
import select
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from expect import METRIC, MODERN, claims

# Covers a start under valgrind or a sanitizer.
START_SECONDS_MAX = 30

MEASURE_SECONDS_MAX = 10


class Server:
    """Runs a server on a free port; leaving the `with` block ends it at the latest.

    `tool` is the command that runs it, for example valgrind.
    """

    def __init__(self, binary, log, *options, tool=()):
        self.name = " ".join([*tool[:1], Path(binary).name])
        self.binary = binary
        self.is_slow = bool(tool)
        self.log_path = log
        with open(log, "w") as stderr:
            command = [*tool, binary, "--listen", "127.0.0.1:0", *options]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
        try:
            self.address = self.read_address()
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def read_address(self):
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS_MAX)
        line = self.process.stdout.readline().decode() if ready else ""
        match = re.fullmatch(r"listening on (https?)://(127\.0\.0\.1:\d+)/mcp\n", line)
        if not match:
            raise SystemExit(f"{self.name} printed {line!r} instead of its address\n{self.log()}")
        self.is_secure = match[1] == "https"
        return match[2]

    def url(self, path, scheme="http"):
        return f"{scheme}://{self.address}{path}"

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def wait_for_measurements(self):
        """Waits until there is a point to query: a rate needs two samples, a second apart.

        Gives up after a while without an error: the clients report better what is wrong.
        """
        give_up = time.monotonic() + MEASURE_SECONDS_MAX
        while not self.has_measured() and time.monotonic() < give_up:
            time.sleep(0.1)

    def has_measured(self):
        params = {"name": "query_metrics", "arguments": {"metric": METRIC}, "_meta": claims()}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {
            "Content-Type": "application/json",
            "MCP-Protocol-Version": MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": "query_metrics",
        }
        request = urllib.request.Request(self.url("/mcp"), json.dumps(call).encode(), headers)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(request, timeout=5) as response:
                points = json.load(response)["result"]["structuredContent"]["points"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return any(point["v"] is not None for point in points)
