"""The MCP Inspector's command line: inspector.py URL legacy|modern CLIENTS.

Every invocation connects anew. Its exit status says what happened: 5 is a tool that failed, or
one that the Inspector did not find in the list and therefore did not call.
"""

import json
import subprocess
import sys
from pathlib import Path

from expect import LEGACY, METRIC, MODERN, UNKNOWN_METRIC, UNKNOWN_TOOL, Checks

SECONDS_MAX = 20

OK = 0
TOOL_FAILED = 5

LAUNCHER = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"


class Inspector:
    """Runs the Inspector against one server in one era."""

    def __init__(self, clients, url, era):
        node = clients.parent / "node/bin/node"
        self.command = [node, clients / LAUNCHER, "--cli", url, "--protocol-era", era]
        self.command += ["--format", "json"]

    def run(self, method, *arguments, status=OK):
        """Returns the result, which is None when the Inspector prints none."""
        command = [*self.command, "--method", method, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX)
        if done.returncode != status:
            raise AssertionError(f"{method}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout)["result"] if done.stdout.strip() else None

    def call(self, tool, arguments, status=OK):
        arguments = ("--tool-args-json", json.dumps(arguments))
        return self.run("tools/call", "--tool-name", tool, *arguments, status=status)


def main(url, era, clients):
    checks = Checks()
    inspector = Inspector(Path(clients), url, era)
    hello = json.dumps(inspector.run("initialize"))
    revision = MODERN if era == "modern" else LEGACY
    checks.that(revision in hello, f"negotiated revision is {revision}", hello)
    # Strict: the Inspector also judges whether the schemas work with every client.
    checks.tools(inspector.run("tools/list", "--strict")["tools"])
    checks.metric(inspector.call("query_metrics", {"metric": METRIC}))
    checks.overview(inspector.call("system_overview", {}))
    checks.wrong_type(inspector.call("query_metrics", {"metric": 42}, TOOL_FAILED))
    unknown = {"metric": UNKNOWN_METRIC}
    checks.unknown_metric(inspector.call("query_metrics", unknown, TOOL_FAILED))
    checks.equal(inspector.call(UNKNOWN_TOOL, {}, TOOL_FAILED), None, "result of an unknown tool")
    watched = inspector.call("watch_metric", {"metric": METRIC, "seconds": 2})
    checks.success(watched, "watch_metric")
    if era == "legacy":
        level = inspector.run("logging/setLevel", "--log-level", "warning")
        checks.equal(level, {}, "answer to logging/setLevel")
    print(f"{checks.count} checks")


main(*sys.argv[1:])
