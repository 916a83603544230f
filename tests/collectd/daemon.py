"""A real collectd with the plugin, in a folder of its own."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

# Covers a start under valgrind on a busy machine.
SECONDS_MAX = 60

# Bytes of output that a failed test shows.
OUTPUT_SHOWN = 4000

PLUGINS = ["cpu", "memory", "load", "df", "interface", "logfile", "threshold", "unixsock"]

PR_SET_CHILD_SUBREAPER = 36

CONFIG = """
BaseDir "{folder}"
PIDFile "{folder}/pid"
PluginDir "{folder}/plugins"
TypesDB "{types}"
Hostname "testhost"
Interval 1
Timeout 2
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{folder}/log"
</Plugin>
LoadPlugin cpu
LoadPlugin memory
LoadPlugin load
LoadPlugin df
LoadPlugin interface
LoadPlugin unixsock
LoadPlugin mcp
<Plugin df>
  MountPoint "/"
</Plugin>
<Plugin unixsock>
  SocketFile "{folder}/unixsock"
</Plugin>
{more}
{block}
"""

BLOCK = """
<Plugin mcp>
  Listen "tcp:127.0.0.1:0" "unix:{folder}/mcp.sock?mode=0600"
</Plugin>
"""


class Collectd:
    """Runs collectd; leaving the `with` block ends it at the latest."""

    def __init__(self, root, plugin, block=BLOCK, more="", daemonise=False, wrapper=()):
        self.folder = Path(tempfile.mkdtemp(prefix="emcp-collectd-"))
        self.daemonise = daemonise
        self.pid = None
        self.status = None
        # Absolute: collectd changes its folder.
        self.install(Path(root or "/").resolve(), plugin)
        text = CONFIG.format(folder=self.folder, types=self.types, more=more, block=block)
        self.config = self.folder / "collectd.conf"
        self.config.write_text(text.replace("{folder}", str(self.folder)))
        self.command = [*wrapper, self.binary, "-C", self.config]

    def install(self, root, plugin):
        libraries = [path for path in (root / "usr/lib").glob("*-linux-*") if path.is_dir()]
        self.environment = dict(os.environ)
        if root != Path("/"):
            self.environment["LD_LIBRARY_PATH"] = ":".join(map(str, libraries))
        self.binary = root / "usr/sbin/collectd"
        self.types = root / "usr/share/collectd/types.db"
        plugins = self.folder / "plugins"
        plugins.mkdir()
        # Copies: collectd loads regular files only.
        for name in PLUGINS:
            shutil.copy(root / f"usr/lib/collectd/{name}.so", plugins)
        shutil.copy(plugin, plugins / "mcp.so")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid and self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *arguments):
        """Runs it to its end; returns the exit status and what it printed."""
        done = subprocess.run(
            [*map(str, self.command), *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS_MAX,
        )
        return done.returncode, done.stdout + self.log()

    def start(self):
        """Starts it and returns once it has told where it listens."""
        output = open(self.folder / "output", "w")
        if self.daemonise:
            # The daemon leaves its parent: it becomes ours, so that its exit status reaches us.
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        command = [*map(str, self.command), *([] if self.daemonise else ["-f"])]
        process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        output.close()
        if self.daemonise:
            assert process.wait(SECONDS_MAX) == 0, self.output()
            until(lambda: self.pid_file().exists() and self.pid_file().read_text().strip())
            self.pid = int(self.pid_file().read_text())
        else:
            self.pid = process.pid
        until(lambda: self.address_or_end() or None, self.output)
        return self

    def address_or_end(self):
        found = re.search(r"mcp plugin: listening on (127\.0\.0\.1:\d+)", self.log())
        if found:
            self.address = found[1]
            return True
        assert not self.has_ended(), f"collectd has ended\n{self.output()}"
        return False

    def has_ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, seconds=SECONDS_MAX):
        """Waits for the end; returns the exit status, or None when there was no end."""
        give_up = time.monotonic() + seconds
        while not self.has_ended() and time.monotonic() < give_up:
            time.sleep(0.02)
        return self.status

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)

    def pid_file(self):
        return self.folder / "pid"

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def output(self):
        """What it has said, for a failed test: the end of it."""
        path = self.folder / "output"
        text = (path.read_text(errors="replace") if path.exists() else "") + self.log()
        return text[-OUTPUT_SHOWN:]

    def url(self, path="/mcp", scheme="http"):
        return f"{scheme}://{self.address}{path}"

    def tell(self, *commands):
        """Sends commands to collectd's own socket; each must succeed."""
        until(lambda: (self.folder / "unixsock").exists(), self.output)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS_MAX)
            connection.connect(str(self.folder / "unixsock"))
            answers = connection.makefile("rb")
            for command in commands:
                line = command if isinstance(command, bytes) else command.encode()
                connection.sendall(line + b"\n")
                answer = answers.readline()
                assert answer.startswith(b"0 "), (command, answer)


def until(condition, say=lambda: "", seconds=SECONDS_MAX, pause=0.05):
    """Waits until `condition()` is true and returns what it gave."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        result = condition()
        if result:
            return result
        time.sleep(pause)
    raise AssertionError(f"nothing happened within {seconds} s\n{say()}")
