"""The dialogue that every Python SDK client holds with sysmond.

A client is wrapped in an object with these members, which deal in plain JSON values:

- `await list_tools()` returns the tools.
- `await call(name, arguments, on_progress=None)` returns the tool's result.
- `await cancel(call)` ends a running call, a task made from `call()`, as the SDK does it.
- `Error`, `code_of(error)`: what the SDK raises for a JSON-RPC error, and the code in it.
"""

import asyncio
import time

from expect import INVALID_PARAMS, METRIC, UNKNOWN_METRIC, UNKNOWN_TOOL


async def hold(checks, client):
    """Holds the whole dialogue; the parts are independent of each other."""
    await list_twice(checks, client)
    checks.metric(await client.call("query_metrics", {"metric": METRIC}))
    checks.overview(await client.call("system_overview", {}))
    checks.wrong_type(await client.call("query_metrics", {"metric": 42}))
    checks.unknown_metric(await client.call("query_metrics", {"metric": UNKNOWN_METRIC}))
    await call_unknown_tool(checks, client)
    await watch(checks, client)
    await cancel_watch(checks, client)


async def list_twice(checks, client):
    tools = await client.list_tools()
    checks.tools(tools)
    checks.equal(await client.list_tools(), tools, "second listing")


async def call_unknown_tool(checks, client):
    try:
        result = await client.call(UNKNOWN_TOOL, {})
    except client.Error as error:
        checks.equal(client.code_of(error), INVALID_PARAMS, "code for an unknown tool")
    else:
        checks.that(False, "unknown tool is a protocol error", result)


async def watch(checks, client):
    steps = []

    async def on_progress(progress, total, message):
        steps.append(progress)

    arguments = {"metric": METRIC, "seconds": 3}
    result = await client.call("watch_metric", arguments, on_progress)
    checks.success(result, "watch_metric")
    checks.progress(steps, 3)


async def cancel_watch(checks, client):
    """Cancels a watch that has surely begun, then asks for something else."""
    begun = asyncio.Event()

    async def on_progress(progress, total, message):
        begun.set()

    arguments = {"metric": METRIC, "seconds": 60}
    call = asyncio.ensure_future(client.call("watch_metric", arguments, on_progress))
    waits = [call, asyncio.ensure_future(begun.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    checks.that(begun.is_set() and not call.done(), "long watch has begun", call)
    asked = time.monotonic()
    await client.cancel(call)
    checks.metric(await client.call("query_metrics", {"metric": METRIC}))
    checks.that(time.monotonic() - asked < 5, "cancelled watch holds nothing up")
