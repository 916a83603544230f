"""Clients of every kind against one server for a while: run.py HOST SECONDS

Each request has exactly one outcome, the server's counters agree with each other, and in the end
memory, descriptors and threads are what they were.
"""

import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from actors import CAST, Ledger
from wire import Connection, Lost, modern, post

# What may be added between the second and the last quarter, in KiB: short runs still fill sessions and
# tasks up to their caps, and in ten minutes a dozen bytes a call would be more.
GROWTH_MAX = 8192
SAMPLE_SECONDS = 1
# The server stands still about as often, and for so long.
STOP_EVERY_SECONDS = 20
STOP_SECONDS = 1
# What a client may see of a server that cannot take it: never a lost answer.
PASSING = (ConnectionError, asyncio.IncompleteReadError, StopAsyncIteration)


def sample(pid):
    """Resident memory in KiB, descriptors, threads."""
    status = Path(f"/proc/{pid}/status").read_text()
    number = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1])
    return number("VmRSS"), len(list(Path(f"/proc/{pid}/fd").iterdir())), number("Threads")


async def stats(address):
    """The server's own numbers. The call that asks for them counts too."""
    connection = await Connection.open(address)
    connection.send(post(modern("tools/call", {"name": "stats", "arguments": {}})))
    _, messages = await connection.messages()
    await connection.close()
    text = messages[0]["result"]["content"][0]["text"]
    return {name: int(value) for name, value in re.findall(r"^emcp_(\w+) (\d+)$", text, re.M)}


async def play(actor, address, ledger, ending, faults):
    while not ending.is_set():
        try:
            await actor(address, ledger)
            ledger.count("dialogues")
        except PASSING as error:
            ledger.count(f"cut off: {actor.__name__}")
            last = f"{actor.__name__}: {error!r}"
            faults.setdefault("cut", last)
        except (Lost, Exception) as error:
            faults.setdefault("lost", f"{actor.__name__}: {error!r}")
            ledger.count("LOST")
        # All the others get their turn.
        await asyncio.sleep(0)


async def interrupt(pid, ledger, ending):
    """Stops the server in the middle of everything, as a debugger or a frozen machine does."""
    while not ending.is_set():
        await asyncio.sleep(STOP_EVERY_SECONDS * random.random())
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(STOP_SECONDS)
        os.kill(pid, signal.SIGCONT)
        ledger.count("stops")


async def quiet(address, pid, before):
    """Waits until nothing of the clients is left; returns the numbers then."""
    give_up = time.monotonic() + 60
    while True:
        now, here = await stats(address), sample(pid)
        is_quiet = now["calls"] == 1 and now["connections"] == 1 and now["streams"] == 0
        if is_quiet and here[1] <= before[1]:
            return now, here
        if time.monotonic() > give_up:
            return now, here
        await asyncio.sleep(0.2)


async def soak(address, pid, seconds):
    await stats(address)
    before, ledger, faults, ending = sample(pid), Ledger(), {}, asyncio.Event()
    actors = [play(actor, address, ledger, ending, faults)
              for actor, count in CAST.items() for _ in range(count)]
    actors.append(interrupt(pid, ledger, ending))
    tasks = [asyncio.create_task(actor) for actor in actors]
    begun, samples = time.monotonic(), []
    while time.monotonic() - begun < seconds:
        await asyncio.sleep(SAMPLE_SECONDS)
        samples.append(sample(pid))
    ending.set()
    await asyncio.gather(*tasks)
    numbers, after = await quiet(address, pid, before)
    return before, samples, after, numbers, ledger, faults


def verdict(before, samples, after, numbers, ledger, faults):
    """Prints the figures; returns what is wrong with them."""
    quarter = max(len(samples) // 4, 1)
    second = statistics.median(memory for memory, *_ in samples[quarter:2 * quarter] or samples)
    last = statistics.median(memory for memory, *_ in samples[-quarter:])
    ends = ["succeeded", "failed", "cancelled", "timed_out", "asking"]
    started = numbers["calls_started_total"]
    ended = sum(numbers[f"calls_{end}_total"] for end in ends)
    print(f"memory: {before[0]} KiB idle, {second:.0f} in the second quarter, {last:.0f} in the last,"
          f" {after[0]} at the end, {max(memory for memory, *_ in samples)} at most")
    print(f"descriptors: {before[1]} before, {after[1]} after; threads: {before[2]} and {after[2]}")
    print("clients:", json.dumps(dict(sorted(ledger.counts.items()))))
    print("server:", json.dumps({name: value for name, value in numbers.items() if value}))
    wrong = list(faults[name] for name in faults if name == "lost")
    if last > second + GROWTH_MAX:
        wrong.append(f"memory grew by {last - second:.0f} KiB")
    # The connection that asked for the first numbers may have been among those before.
    if after[1] > before[1] or after[2] != before[2]:
        wrong.append("descriptors or threads are left over")
    # The call of a legacy client goes on after its question; the one that asks for the numbers runs.
    ended -= ledger.counts.get("asked of people", 0)
    if abs(ended - (started - 1)) > ledger.counts.get("cut off: legacy_asker", 0):
        wrong.append(f"{started - 1} calls have {ended} ends")
    gauges = {"calls": 1, "connections": 1, "streams": 0, "websockets": 0, "held_bytes": 0,
              "calls_queued": 0, "calls_parked": 0, "panics_total": 0}
    wrong += [f"{name} is {numbers[name]}" for name, value in gauges.items()
              if numbers.get(name, value) != value]
    heard = sum(ledger.counts.get(what, 0) for what in ("answers", "failures", "asked"))
    if heard == 0:
        wrong.append("nothing was answered")
    return wrong


def main(host, seconds):
    # Reported, so that a run can be repeated as far as the scheduler allows.
    seed = random.randrange(1 << 32)
    random.seed(seed)
    print(f"soak: {seconds} s, seed {seed}", flush=True)
    server = subprocess.Popen([host], stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"//(\S+)/mcp", server.stdout.readline())[1]
        wrong = verdict(*asyncio.run(soak(address, server.pid, seconds)))
        server.terminate()
        status = server.wait(timeout=30)
        if status != 0:
            wrong.append(f"the server ended with {status}")
    finally:
        server.kill()
    print("\n".join(f"FAILED: {what}" for what in wrong) or "ok soak")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
