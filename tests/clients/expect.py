"""What every client must see of sysmond, checked on plain JSON values."""

import time

MODERN = "2026-07-28"
LEGACY = "2025-11-25"

METRIC = "cpu.total.busy"
OTHER_METRIC = "mem.used_percent"
# One letter away from METRIC, so that the answer has something close to suggest.
UNKNOWN_METRIC = "cpu.total.bsy"
UNKNOWN_TOOL = "no_such_tool"

INVALID_PARAMS = -32602

TOOLS = [
    "filesystem_usage",
    "list_alerts",
    "list_metrics",
    "network_interfaces",
    "query_metrics",
    "silence_alert",
    "system_overview",
    "top_processes",
    "watch_metric",
]


class Checks:
    """Counts what was checked; prints each step so that a hang shows how far it came."""

    def __init__(self, quiet=False):
        self.count = 0
        self.quiet = quiet

    def that(self, holds, what, seen=None):
        """Ends the client when `holds` is false; `seen` is the value to show then."""
        if not holds:
            # SDKs wrap what is raised here in pages of task group traces.
            print(f"  FAILED: {what}; saw {seen!r}"[:2000], flush=True)
            raise AssertionError(what)
        self.count += 1
        if not self.quiet:
            print(f"  {what}", flush=True)

    def equal(self, seen, wanted, what):
        self.that(seen == wanted, f"{what} is {wanted!r}"[:300], seen)

    def tools(self, tools):
        """Checks one tools/list answer. The order is part of it: models see the list as it is."""
        self.equal([tool["name"] for tool in tools], TOOLS, "list of tools")
        for tool in tools:
            schema = tool.get("inputSchema")
            object_schema = isinstance(schema, dict) and schema.get("type") == "object"
            described = bool(tool.get("description"))
            self.that(object_schema and described, f"{tool['name']} is described", tool)
        declared = {tool["name"] for tool in tools if tool.get("outputSchema")}
        wanted = {"query_metrics", "list_metrics", "system_overview"}
        self.that(wanted <= declared, "tools declare their output schemas", declared)

    def metric(self, result, metric=METRIC):
        """Checks a query_metrics answer: a percentage measured within the last two minutes."""
        self.success(result, "query_metrics")
        history = result["structuredContent"]
        self.equal(history["metric"], metric, "metric of the answer")
        now = time.time()
        times = [point["t"] for point in history["points"]]
        recent = all(now - 120 <= t <= now + 5 for t in times)
        self.that(times and recent, "points are of the last two minutes", (now, times))
        self.that(times == sorted(set(times)), "points are in order of time", times)
        values = [point["v"] for point in history["points"] if point["v"] is not None]
        percent = values and all(is_number(v) and 0 <= v <= 100 for v in values)
        self.that(percent, "points are percentages", values)

    def overview(self, result):
        self.success(result, "system_overview")
        seen = result["structuredContent"]
        self.that(isinstance(seen, dict) and seen, "system_overview has members", seen)

    def success(self, result, what):
        self.that(not result.get("isError"), f"{what} succeeds", result)
        self.that(text_of(result), f"{what} has text for clients without structure", result)

    def wrong_type(self, result):
        """Checks the answer to a number where `metric` wants a string."""
        self.failure(result, "wrong argument type", ["metric", "string"])

    def unknown_metric(self, result):
        self.failure(result, "unknown metric", [METRIC, "list_metrics"])

    def failure(self, result, what, words):
        """Checks for a tool failure whose text holds the `words` a model needs to recover."""
        self.that(result.get("isError") is True, f"{what} is a tool failure", result)
        text = text_of(result)
        self.that(all(word in text for word in words), f"{what} is explained", text)

    def progress(self, steps, total):
        """Checks the progress values of a watch that lasted `total` seconds."""
        self.that(len(steps) >= 2, "at least two progress notifications", steps)
        self.that(steps == sorted(set(steps)), "progress strictly increases", steps)
        self.that(steps[-1] <= total, f"progress stays within {total}", steps)


def is_number(value):
    # bool is an int in Python.
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def text_of(result):
    blocks = result.get("content") or []
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")


def claims():
    """Builds the `_meta` members that make a request a modern one."""
    return {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "emcp-tests", "version": "1"},
    }


def initialize_params():
    return {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "emcp-tests", "version": "1"},
    }
