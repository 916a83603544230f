"""Checks that the proofs which a document names are there.

    protocol.py DOCUMENT [SUITE]

The last column of every table whose last heading is "Proof" holds code spans, each of one form:

    `sse.rs: name`          a test function in tests/ or, with its path, in src/
    `prompts.json: title`   a dialogue of tests/transcripts
    `c: program`            tests/c/program.c
    `apps: script`          tests/apps/script.mjs
    `client: name`          a client of tests/clients/run.py
    `suite: scenario`       of the official suite; looked for when SUITE is given, its index.js
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def proofs(text):
    """Yields the line number and the code spans of the last cell of each row that needs a proof."""
    in_table = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            in_table = False
            continue
        last = line.rstrip().removesuffix("|").rpartition(" | ")[2].strip()
        if last == "Proof":
            in_table = True
        elif in_table and not set(line) <= set("|-: "):
            yield number, re.findall(r"`([^`]+)`", last)


def has_test(file, name):
    """Tells whether a Rust file, in tests/ or in src/, has a test function `name`."""
    path = next((at for at in (ROOT / "tests" / file, ROOT / "src" / file) if at.is_file()), None)
    test = rf"#\[test\]\s+(?:#\[[^\n]*\]\s+)*fn {re.escape(name)}\("
    return path is not None and re.search(test, path.read_text(encoding="utf-8")) is not None


def has_dialogue(file, title):
    path = ROOT / "tests/transcripts" / file
    if not path.is_file():
        return False
    return any(one["title"] == title for one in json.loads(path.read_text(encoding="utf-8")))


def has_client(name):
    """The clients that use everything are named once for both servers."""
    clients = (ROOT / "tests/clients/run.py").read_text(encoding="utf-8")
    name = re.sub(r"^(host|sysmond)-", "{part}-", name)
    return f'"{name}":' in clients


def has_scenario(suite, name):
    return suite is None or f"`{name}`" in suite


def is_there(proof, suite):
    where, _, name = proof.partition(": ")
    if where.endswith(".rs"):
        return has_test(where, name)
    if where.endswith(".json"):
        return has_dialogue(where, name)
    if where == "c":
        return (ROOT / f"tests/c/{name}.c").is_file()
    if where == "apps":
        return (ROOT / f"tests/apps/{name}.mjs").is_file()
    if where == "client":
        return has_client(name)
    return where == "suite" and has_scenario(suite, name)


def main():
    document, *suites = sys.argv[1:]
    suite = Path(suites[0]).read_text(encoding="utf-8") if suites else None
    rows = list(proofs(Path(document).read_text(encoding="utf-8")))
    problems = [f"{document}:{line}: no proof" for line, found in rows if not found]
    for line, found in rows:
        gone = [proof for proof in found if not is_there(proof, suite)]
        problems += [f"{document}:{line}: there is no `{proof}`" for proof in gone]
    print("\n".join(problems), file=sys.stderr)
    count = sum(len(found) for _, found in rows)
    print(f"{len(rows)} rows, {count} proofs, {len(problems)} problems")
    sys.exit(1 if problems or not rows else 0)


main()
