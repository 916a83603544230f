"""Runs a real collectd with the plugin: run.py CLIENTS ROOT MCP_SO [PART...].

CLIENTS is the folder that tests/clients/install.sh filled, ROOT holds collectd-core or is empty
when it is installed. PARTs pick from those in `PARTS`; without them all run.
"""

import os
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path

import access
import live
from daemon import Collectd

HERE = Path(__file__).resolve().parent

SECONDS_MAX = 120

# Every machine uses more than a byte of memory: raises a failure at once.
THRESHOLD = """
LoadPlugin threshold
<Plugin threshold>
  <Plugin "memory">
    <Type "memory">
      Instance "used"
      FailureMax 1
    </Type>
  </Plugin>
</Plugin>
"""


def sdk_clients(make, clients):
    """Both SDKs in both eras and on every transport, against one collectd."""
    for script in [HERE / "collectd_client.mjs", HERE.parent / "clients/expect.mjs"]:
        # Node looks for packages beside the script.
        shutil.copy(script, clients)
    node = [clients.parent / "node/bin/node", clients / "collectd_client.mjs"]
    python = {
        "modern": [clients / "venv-modern/bin/python", HERE / "py_client.py"],
        "legacy": [clients / "venv-legacy/bin/python", HERE / "py_client.py"],
    }
    with make(more=THRESHOLD).start() as collectd:
        live.wait_for_values(collectd)
        urls = {
            "modern": collectd.url(),
            "http": collectd.url(),
            "sse": collectd.url("/sse"),
            "websocket": collectd.url(scheme="ws"),
        }
        for kind, url in urls.items():
            era = "modern" if kind == "modern" else "legacy"
            for name, program in {"TypeScript": node, "Python": python[era]}.items():
                run_client(f"{name} SDK, {kind}", [*program, url, kind])
        live.stop(collectd)


def run_client(name, command):
    done = subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, f"{name}:\n{done.stdout}"
    print(f"  {name}: {done.stdout.strip().rpartition(chr(10))[2]}", flush=True)


PARTS = {
    "clients": sdk_clients,
    "options": access.check_options,
    "addresses": access.check_addresses,
    "background": live.check_background,
    "alerts": live.check_alerts,
    "changes": live.check_changes,
    "names": live.check_names,
    "crowd": live.check_crowd,
    "history": live.check_history_bounds,
    "shutdown": live.check_shutdown,
}


def main(clients, root, plugin, *names):
    unknown = set(names) - set(PARTS)
    if unknown:
        sys.exit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    # For looking closer, for example "valgrind --quiet".
    wrapper = os.environ.get("COLLECTD_WRAPPER", "").split()

    def make(**options):
        return Collectd(root, plugin, wrapper=wrapper, **options)

    failed = 0
    for name in names or PARTS:
        started = time.monotonic()
        try:
            PARTS[name](make, Path(clients))
            print(f"ok collectd {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED collectd {name}\n{traceback.format_exc()}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: run.sh ROOT MCP_SO [PART...]")
    sys.exit(main(*sys.argv[1:]))
