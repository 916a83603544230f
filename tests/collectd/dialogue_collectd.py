"""The dialogue that a Python SDK client holds with collectd. The twin of dialogue_collectd.mjs.

A client is wrapped in an object with `await list_tools()` and `await call(name, arguments)`, which
deal in plain JSON values, and with the SDK's exception class as `Error`.
"""

import asyncio

import machine

TOOLS = ["list_alerts", "list_hosts", "list_metrics", "list_plugins", "query_metrics"]
PLUGINS = ["cpu", "df", "interface", "load", "memory"]


async def hold(checks, client):
    await check_tools(checks, client)
    await check_paging(checks, client)
    await check_places(checks, client)
    await check_memory(checks, client)
    await check_load(checks, client)
    await check_root(checks, client)
    await check_history(checks, client)
    await check_alerts(checks, client)
    await check_mistakes(checks, client)


async def ask(checks, client, name, **arguments):
    result = await client.call(name, arguments)
    checks.success(result, name)
    return result["structuredContent"]


async def check_tools(checks, client):
    tools = await client.list_tools()
    checks.equal([tool["name"] for tool in tools], TOOLS, "list of tools")
    for tool in tools:
        checks.that(tool["annotations"]["readOnlyHint"], f"{tool['name']} only reads", tool)
        checks.that(tool["outputSchema"] and tool["description"], f"{tool['name']} is described")


async def check_paging(checks, client):
    rows, cursor = [], {}
    while True:
        page = await ask(checks, client, "list_metrics", limit=20, **cursor)
        rows += page["metrics"]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    ids = [row["id"] for row in rows]
    checks.equal(ids, sorted(set(ids), key=str.encode), "ids of all pages")
    checks.equal(len(ids), page["total"], "number of ids")
    cpu = await ask(checks, client, "list_metrics", plugin="cpu", type="cpu", search="idle")
    checks.that(cpu["metrics"] and all("/cpu-idle" in m["id"] for m in cpu["metrics"]), "filters")
    glob = await ask(checks, client, "list_metrics", search="*/cpu-0/cpu-idle")
    checks.equal([row["id"] for row in glob["metrics"]], ["testhost/cpu-0/cpu-idle"], "glob")


async def check_places(checks, client):
    hosts = await ask(checks, client, "list_hosts")
    checks.equal(hosts["hosts"][0]["host"], "testhost", "host")
    checks.that(hosts["hosts"][0]["age"] < 30, "host is alive", hosts)
    plugins = await ask(checks, client, "list_plugins")
    names = [row["plugin"] for row in plugins["plugins"]]
    checks.that(set(PLUGINS) <= set(names), "plugins are there", names)
    load = await ask(checks, client, "list_plugins", plugin="load")
    checks.equal(load["plugins"][0]["types"], ["load"], "types of plugin load")


async def check_memory(checks, client):
    seen = await ask(checks, client, "query_metrics", metrics=["memory/memory-used"])
    used, total = machine.memory()
    value = seen["metrics"][0]["values"][0]
    checks.equal(value["kind"], "gauge", "kind of memory")
    # Others use this machine meanwhile.
    checks.that(abs(value["value"] - used) < total / 4, "memory in use is right", (value, used))


async def check_load(checks, client):
    seen = await ask(checks, client, "query_metrics", metrics=["testhost/load/load"])
    values = {value["name"]: value["value"] for value in seen["metrics"][0]["values"]}
    checks.equal(sorted(values), ["longterm", "midterm", "shortterm"], "data sources of load")
    checks.that(all(value >= 0 for value in values.values()), "load is a load", values)


async def check_root(checks, client):
    seen = await ask(checks, client, "list_metrics", plugin="df", search="df-root/df_complex-")
    total = sum(row["values"]["value"] for row in seen["metrics"])
    wanted = machine.root_bytes()
    checks.that(abs(total - wanted) < wanted / 10, "size of / is right", (seen, wanted))


async def check_history(checks, client):
    wanted = ["load/load", "testhost/cpu-0/cpu-user"]
    while True:
        seen = await ask(checks, client, "query_metrics", metrics=wanted, history=60, points=2)
        if all(row.get("history_values", 0) >= 3 for row in seen["metrics"]):
            break
        await asyncio.sleep(0.2)
    for row in seen["metrics"]:
        checks.equal(row["interval"], 1, f"interval of {row['id']}")
        for value in row["values"]:
            history = value["history"]
            checks.that(1 <= len(history["points"]) <= 2, "points as asked", history)
            ordered = history["min"] <= history["avg"] <= history["max"]
            checks.that(ordered, "min, avg and max are in order", history)
    cpu = seen["metrics"][1]["values"][0]
    checks.equal(cpu["kind"], "derive", "kind of cpu")
    checks.that(cpu["value"] > 0 and cpu["per_second"] is not None, "count and rate", cpu)


async def check_alerts(checks, client):
    seen = await ask(checks, client, "list_alerts", state="raised", severity="failure", since=-3600)
    memory = [row for row in seen["alerts"] if row.get("metric") == "testhost/memory/memory-used"]
    checks.that(len(memory) == 1 and memory[0]["raised"], "threshold of memory is crossed", seen)
    checks.that(memory[0]["value"] > 1, "the value that crossed it is told", memory)


async def check_mistakes(checks, client):
    wrong = await client.call("query_metrics", {"metrics": ["testhost/lod/load"]})
    checks.failure(wrong, "unknown metric", ["testhost/load/load", "list_metrics"])
    half = await ask(checks, client, "query_metrics", metrics=["load/load", "nohost/load/load"])
    checks.equal(half["missing"][0]["id"], "nohost/load/load", "missing one of two")
    wrong = await client.call("query_metrics", {"metrics": 7})
    checks.failure(wrong, "wrong type", ["metrics"])
    wrong = await client.call("list_plugins", {"plugin": "nosuch"})
    checks.failure(wrong, "unknown plugin", ["nosuch", "cpu"])
    wrong = await client.call("list_hosts", {"plugin": "nosuch"})
    checks.failure(wrong, "hosts of an unknown plugin", ["nosuch", "list_plugins"])
    wrong = await client.call("list_metrics", {"cursor": "7"})
    checks.failure(wrong, "foreign cursor", ["next_cursor"])
    empty = await ask(checks, client, "list_metrics", search="no such thing")
    checks.equal(empty, {"metrics": [], "total": 0}, "search without hits")
    try:
        result = await client.call("no_such_tool", {})
    except client.Error:
        checks.that(True, "unknown tool is a protocol error")
    else:
        checks.that(False, "unknown tool is a protocol error", result)
