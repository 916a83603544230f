"""Compares every daemon of build/hosts with the listener: run.py FOLDER [NAME...].

FOLDER has the daemons and, in root/, what packages.sh has put there. Each daemon gets the
transcript, is measured when clients leave, and is ended while clients are connected. Then it is
started once more for the rows about keys and tokens. NAMEs pick
daemons and proxies; without them all that are built run.
"""

import signal
import sys
import tempfile
import traceback
from dataclasses import replace
from pathlib import Path

import last_words
import proxies
import transcript
from door import Door
from hosts import HOSTS, START_SECONDS_MAX, Daemon, make_certificate
from rows import GUARDED


def main(folder, *names):
    programs = Path(folder).resolve()
    known = [host.name for host in HOSTS + proxies.HOSTS]
    unknown = set(names) - set(known)
    if unknown:
        sys.exit(f"no such host: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="emcp") as temporary:
        scratch = Path(temporary)
        make_certificate(scratch, programs / "root")
        runs = Runs(programs, scratch, names)
        return runs.all()


class Runs:
    """One run over all daemons; `wanted` are the listener's results."""

    def __init__(self, programs, scratch, names):
        self.programs, self.scratch, self.names = programs, scratch, names
        self.wanted = self.wanted_words = self.wanted_guarded = None
        self.count = {"ok": 0, "FAILED": 0, "skip": 0}

    def all(self):
        # Always: the others are compared with it.
        self.judge(HOSTS[0], self.reference)
        for host in HOSTS[1:] + proxies.HOSTS if self.wanted else []:
            if self.names and host.name not in self.names:
                continue
            program = host.command[0]
            if not self.names and not (self.programs / program).exists():
                self.report("skip", host.name, f"{program} is not built")
                continue
            self.judge(host, self.compare)
        print(", ".join(f"{number} {verdict}" for verdict, number in self.count.items() if number))
        return 1 if self.count["FAILED"] else 0

    def judge(self, host, function):
        try:
            self.report("ok", host.name, function(host))
        except Failure as failure:
            self.report("FAILED", host.name, str(failure))
        except Exception:
            self.report("FAILED", host.name, traceback.format_exc())

    def report(self, verdict, name, text):
        self.count[verdict] += 1
        if verdict == "FAILED":
            print(f"FAILED {name}\n{text}", flush=True)
        else:
            print(f"{verdict} {name} ({text})", flush=True)

    def reference(self, host):
        wanted, slowest, words = self.run(host)
        # Twice, because what differs between two runs of the same daemon cannot be compared.
        again, _, again_words = self.run(host)
        check(transcript.differences(wanted, again))
        check(transcript.differences(words, again_words))
        guarded = self.guarded(host)
        check(transcript.differences(guarded, self.guarded(host)))
        self.wanted, self.wanted_words, self.wanted_guarded = wanted, words, guarded
        return summary({**wanted, **guarded}, slowest)

    def compare(self, host):
        seen, slowest, words = self.run(host)
        wanted = without(self.wanted, host.hidden)
        check(transcript.differences(wanted, seen))
        check(transcript.differences(self.wanted_words, words))
        # What proxies do with the head of a request is in the rows above.
        guarded = self.guarded(host) if host in HOSTS else {}
        check(transcript.differences(self.wanted_guarded, guarded))
        return summary({**seen, **guarded}, slowest)

    def guarded(self, host):
        """Returns what a daemon says to those with a key, and to those without."""
        host = replace(host, command=(*host.command, "--guarded"))
        with Daemon(host, self.programs, self.scratch) as daemon:
            door = Door(daemon.url, self.scratch / "cert.pem", daemon.process.pid)
            results = transcript.run(door, (GUARDED,), skip=host.skip)
            check(transcript.differences({}, {name: results[name]
                                              for name in transcript.failed(results)}))
            daemon.process.send_signal(signal.SIGTERM)
            status = daemon.process.wait(START_SECONDS_MAX)
            if status != 0:
                raise Failure(f"exit status {status} of the guarded one\n{daemon.said()}")
        return results

    def run(self, host):
        """Returns the transcript, how long a client's leaving went unnoticed, the last words."""
        start = proxies.Proxied if host in proxies.HOSTS else Daemon
        with start(host, self.programs, self.scratch) as daemon:
            door = Door(daemon.url, self.scratch / "cert.pem", daemon.process.pid)
            try:
                if host in proxies.HOSTS:
                    check(daemon.refusals(door))
                results = transcript.run(door, host.kinds, skip=host.skip)
                times = transcript.leaving_seconds(door) if host.watches else {}
                slow = {what: s for what, s in times.items()
                        if s > transcript.LEAVING_SECONDS_MAX}
                words = last_words.hear(door, daemon.process, host.kinds)
            except Failure:
                raise
            except Exception as error:
                raise Failure(f"{traceback.format_exc()}{daemon.said()}") from error
            if words["exit status"] != 0:
                raise Failure(f"exit status {words['exit status']}\n{daemon.said()}")
            raised = transcript.failed(results)
            if raised or slow:
                lines = transcript.differences({}, {name: results[name] for name in raised})
                late = [f"{what}: noticed after {s:.3f} s" for what, s in slow.items()]
                raise Failure("\n".join([*lines, *late, daemon.said()]))
        return results, max(times.values(), default=None), words


class Failure(Exception):
    """A daemon behaves differently."""


def check(differences):
    if differences:
        raise Failure("\n".join(differences))


def without(value, hidden):
    """Takes headers out that a proxy keeps for itself."""
    if isinstance(value, dict):
        return {key: without(item, hidden) for key, item in value.items() if key not in hidden}
    if isinstance(value, list):
        return [without(item, hidden) for item in value]
    return value


def summary(results, slowest):
    if slowest is None:
        return f"{len(results)} rows"
    return f"{len(results)} rows, leaving noticed after {slowest:.3f} s at most"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: run.py FOLDER [NAME...]")
    sys.exit(main(*sys.argv[1:]))
