"""Runs the cases of the Autobahn Testsuite against an echo over emcp's WebSocket frames.

run.py ECHO KOSOKU OUTDIR [all]

The MCP layer refuses what the suite sends, so the server under test says what it hears; everything
below that is what MCP clients get.

Sections 12 and 13 are about compression: 1000 messages in each of 18 shapes, for five kinds of data
and seven of offers. That takes ten minutes, so some shapes of each kind are run unless all are
asked for.
"""

import collections
import json
import pathlib
import subprocess
import sys

FRAMES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
COMPRESSION = ["12.*", "13.*"]
# 16 and 4096 bytes, and 8192 in frames of 256; 64 and 1024 bytes, and 16384 in frames of 256.
SOME_COMPRESSION = [f"12.{kind}.{shape}" for kind in range(1, 6) for shape in (1, 5, 11)]
SOME_COMPRESSION += [f"13.{kind}.{shape}" for kind in range(1, 8) for shape in (2, 4, 12)]
# So many cases there are; fewer would mean that the suite has changed.
FRAMES_CASES, COMPRESSION_CASES = 301, 216
SECONDS_MAX = 1800


def expectations():
    """Maps a case to the behaviour that is also right."""
    lines = pathlib.Path(__file__).with_name("expected.txt").read_text().splitlines()
    entries = [line.split(None, 2) for line in lines if line and not line.startswith("#")]
    return {case: behaviour for case, behaviour, _ in entries}


def run(echo, kosoku, outdir, sections):
    """Returns what the suite says of each case."""
    server = subprocess.Popen([echo], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        command = [kosoku, "-m", "fuzzingclient", "-o", str(outdir), address]
        command += [part for section in sections for part in ("-i", section)]
        # Its own verdict is not as strict as the expectations.
        subprocess.run(command, timeout=SECONDS_MAX, stdout=subprocess.DEVNULL, check=False)
        assert server.poll() is None, "the server under test has ended"
    finally:
        server.stdin.close()
        server.wait(timeout=30)
    (cases,) = json.loads((outdir / "index.json").read_text()).values()
    return cases


def main(echo, kosoku, outdir, wanted="some"):
    outdir = pathlib.Path(outdir)
    is_all = wanted == "all"
    compression = COMPRESSION if is_all else SOME_COMPRESSION
    count = FRAMES_CASES + (COMPRESSION_CASES if is_all else len(SOME_COMPRESSION))
    cases, also_right = run(echo, kosoku, outdir, FRAMES + compression), expectations()
    wrong = []
    for case, report in cases.items():
        allowed = {"OK", also_right.get(case)}
        for what in ("behavior", "behaviorClose"):
            if report[what] not in allowed:
                wrong.append(f"{case}: {what} is {report[what]}; see {outdir}/{report['reportfile']}")
    print(*wrong, sep="\n", end="\n" if wrong else "")
    counts = collections.Counter(report["behavior"] for report in cases.values())
    print("websocket:", ", ".join(f"{count} {name}" for name, count in sorted(counts.items())))
    if len(cases) != count:
        wrong.append("count")
        print(f"there are {len(cases)} cases, expected are {count}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
