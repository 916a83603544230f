"""Two clients that use equal request ids and progress tokens at once: equal_ids.py URL KIND.

Both sessions of the SDK count their ids up from 0 and use them as progress tokens too, so every
id and token below is in flight twice.
"""

import asyncio
import sys

from expect import METRIC, OTHER_METRIC, Checks
from py_legacy import connect, plain

ROUNDS = 20


async def query_both(checks, one, other):
    """Each client gets the metric it asked for, round after round."""
    crossed = []
    for _ in range(ROUNDS):
        results = await asyncio.gather(query(one, METRIC), query(other, OTHER_METRIC))
        metrics = [result["structuredContent"]["metric"] for result in results]
        if metrics != [METRIC, OTHER_METRIC]:
            crossed.append(metrics)
    checks.equal(crossed, [], "crossed answers")
    for result, metric in zip(results, (METRIC, OTHER_METRIC)):
        checks.metric(result, metric)


async def watch_both(checks, one, other):
    """The totals tell whose progress it is: the watches differ in length."""
    totals = await asyncio.gather(watch(one, METRIC, 3), watch(other, OTHER_METRIC, 4))
    checks.equal([set(each) for each in totals], [{3}, {4}], "totals in the progress")


async def query(session, metric):
    return plain(await session.call_tool("query_metrics", {"metric": metric}))


async def watch(session, metric, seconds):
    totals = []

    async def on_progress(progress, total, message):
        totals.append(total)

    arguments = {"metric": metric, "seconds": seconds}
    await session.call_tool("watch_metric", arguments, progress_callback=on_progress)
    return totals


async def main(url, kind):
    checks = Checks()
    async with connect(url, kind) as one, connect(url, kind) as other:
        await one.initialize()
        await other.initialize()
        await query_both(checks, one, other)
        # Reads what the SDK shows nowhere, or the test could pass without testing anything.
        ids = (one._request_id, other._request_id)
        checks.that(ids[0] == ids[1], "both clients use the same ids", ids)
        await watch_both(checks, one, other)
    print(f"{checks.count} checks")


asyncio.run(main(*sys.argv[1:]))
