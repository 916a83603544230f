"""sysmond behind TLS, with curl and Python's ssl as clients, and its certificate renewed:
tls.py SYSMOND."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from expect import Checks
from server import Server

SECONDS_MAX = 20

# Tells run.py that a program is not on this machine.
SKIPPED = 77


class Certificates:
    """Files of an authority, of a server and of a client, made with openssl."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.ca, self.server, self.key = self.path("ca.pem"), self.path("tls.pem"), self.path("tls.key")
        openssl("req", "-x509", *NEW_KEY, self.path("ca.key"), "-out", self.ca, "-days", "2",
                "-subj", "/CN=authority")
        self.renew()
        self.issue("agent", "DNS:agent.example")

    def path(self, name):
        return str(self.folder / name)

    def renew(self):
        self.issue("tls", "DNS:localhost,IP:127.0.0.1")

    def issue(self, name, names):
        request, extension = self.path("request.pem"), self.folder / "extension"
        extension.write_text(f"subjectAltName={names}\n")
        openssl("req", "-new", *NEW_KEY, self.path(f"{name}.key"), "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.path("ca.key"),
                "-CAcreateserial", "-days", "2", "-extfile", extension, "-out", self.path(f"{name}.pem"))
        os.chmod(self.path(f"{name}.key"), 0o600)


NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout")


def openssl(*arguments):
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def shown(server):
    """The certificate that a new connection sees."""
    host, port = server.address.split(":")
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, int(port))))


def on_disk(certificates):
    return ssl.PEM_cert_to_DER_cert(Path(certificates.server).read_text())


def wait_for_log(server, part):
    give_up = time.monotonic() + SECONDS_MAX
    while part not in server.log():
        if time.monotonic() > give_up:
            raise AssertionError(f"the log never says {part!r}: {server.log()}")
        time.sleep(0.05)


def dialogue(checks, certificates, server):
    """All that curl does elsewhere, over TLS."""
    environment = {**os.environ, "CURL_CA_BUNDLE": certificates.ca}
    script = Path(__file__).with_name("curl.py")
    command = [sys.executable, script, server.url("/mcp", "https")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    checks.equal(done.returncode, 0, f"end of the dialogue over TLS: {done.stdout}{done.stderr}")


def renewals(checks, certificates, server):
    certificates.renew()
    checks.that(shown(server) != on_disk(certificates), "nothing changes without SIGHUP")
    server.process.send_signal(signal.SIGHUP)
    wait_for_log(server, "the certificate was renewed")
    checks.equal(shown(server), on_disk(certificates), "certificate after SIGHUP")
    before = shown(server)
    Path(certificates.server).write_text("nonsense")
    server.process.send_signal(signal.SIGHUP)
    wait_for_log(server, "the certificate stays as it is")
    checks.equal(shown(server), before, "certificate after a bad renewal")
    certificates.renew()


def status(certificates, server, *arguments):
    """What curl gets for a GET without a session, or what it says when it gets nothing."""
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", certificates.ca,
               "--max-time", str(SECONDS_MAX), "--output", os.devnull, "--write-out", "%{http_code}",
               "--request", "OPTIONS", *arguments, server.url("/mcp", "https")]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else f"curl: {done.returncode}"


def client_certificates(checks, certificates, server):
    own = ("--cert", certificates.path("agent.pem"), "--key", certificates.path("agent.key"))
    answer = status(certificates, server)
    checks.that(answer.startswith("curl: "), "nobody comes in without a certificate", answer)
    checks.equal(status(certificates, server, *own), "204", "answer to one with a certificate")


def end(checks, server):
    server.process.send_signal(signal.SIGTERM)
    checks.equal(server.process.wait(SECONDS_MAX), 0, "exit status")


def main(sysmond):
    if not shutil.which("curl") or not shutil.which("openssl"):
        print("curl or openssl is not installed")
        return SKIPPED
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        certificates = Certificates(folder)
        log = Path(folder) / "log"
        options = ["--quiet", "--verbose", "--tls-cert", certificates.server, "--tls-key", certificates.key]
        with Server(sysmond, log, *options) as server:
            checks.that(server.is_secure, "sysmond says https")
            dialogue(checks, certificates, server)
            renewals(checks, certificates, server)
            end(checks, server)
        with Server(sysmond, log, *options, "--tls-client-ca", certificates.ca) as server:
            client_certificates(checks, certificates, server)
            end(checks, server)
    print(f"{checks.count} checks")
    return 0


sys.exit(main(sys.argv[1]))
