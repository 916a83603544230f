"""One dialogue with a daemon that has the demo tools, and what came back, comparable.

    transcript.py URL [--ca FILE] [--only websocket] [ROW...]

URL is http://..., https://... or unix:/path. The same rows, sent through every door of emcp, must
give the same results: statuses, the headers of door.HEADERS, and bodies byte by byte.
"""

import argparse
import difflib
import json
import sys
import time
import traceback

import rows_crowd
import rows_guarded  # noqa: F401 - adds its rows
import rows_features  # noqa: F401 - adds its rows
import rows_legacy  # noqa: F401 - adds its rows
import rows_modern  # noqa: F401 - adds its rows
import rows_websocket  # noqa: F401 - adds its rows
from door import Door
from messages import steady
from rows import HTTP, ROWS, WEBSOCKET

# How fast a client's leaving must be noticed.
LEAVING_SECONDS_MAX = 1.0


def run(door, kinds=(HTTP, WEBSOCKET), names=(), skip=(), watch=lambda *_: None):
    """Runs the rows; returns {name: result}. A row that fails has its exception as the result.

    `watch` is told each row and its seconds."""
    results = {}
    for row in ROWS:
        if row.needs not in kinds or row.name in skip or (names and row.name not in names):
            continue
        began = time.monotonic()
        try:
            results[row.name] = steady(row.run(door))
        except Exception:
            results[row.name] = {"raised": traceback.format_exc()}
        watch(row.name, time.monotonic() - began)
    return results


def leaving_seconds(door):
    """Measures how long each way of leaving stays unnoticed: {what the client did: seconds}."""
    seen = {}
    for number, (leave, meta) in enumerate(rows_crowd.LEAVING):
        label = f"timed {number}"
        connection = rows_crowd.start_count(door, label, **meta)
        if meta:
            connection.http.getresponse().readline()
        left = time.monotonic()
        getattr(connection, leave)()
        rows_crowd.why_cancelled(door, label)
        state = "in a silent stream" if meta else "before the answer began"
        seen[f"{leave} {state}"] = time.monotonic() - left
    return seen


def differences(wanted, seen):
    """Compares two results of run(); returns lines that show what differs, none when nothing."""
    lines = []
    for name, result in seen.items():
        if isinstance(result, dict) and "raised" in result:
            lines += [f"{name}:", *result["raised"].splitlines()]
        elif result != wanted.get(name):
            lines += [f"{name}:", *diff(wanted.get(name), result)]
    return lines


def diff(wanted, seen):
    before, after = (pretty(value).splitlines() for value in (wanted, seen))
    lines = difflib.unified_diff(before, after, "wanted", "seen", n=1, lineterm="")
    return (line[:500] for line in lines)


def pretty(value):
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)


def failed(results):
    return [name for name, result in results.items()
            if isinstance(result, dict) and "raised" in result]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--ca")
    parser.add_argument("--only", choices=(HTTP, WEBSOCKET))
    parser.add_argument("rows", nargs="*")
    options = parser.parse_args()
    kinds = (options.only,) if options.only else (HTTP, WEBSOCKET)

    def watch(name, seconds):
        print(f"{seconds:7.3f} s  {name}", file=sys.stderr, flush=True)

    results = run(Door(options.url, options.ca), kinds, options.rows, watch=watch)
    print(pretty(results))
    return 1 if failed(results) else 0


if __name__ == "__main__":
    sys.exit(main())
