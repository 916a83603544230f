"""The configuration block, and who may connect."""

import http.client
import re
import socket
import stat

import live
import peers
from daemon import BLOCK, until


def block(*lines):
    return "\n".join(["<Plugin mcp>", *lines, "</Plugin>"])


# Lines of the block, and what collectd must say when it refuses to start.
REFUSED = [
    (['Key "secret"'], "cannot authenticate clients"),
    (['KeyFile "/etc/key"'], "cannot authenticate clients"),
    (['Password "x"'], "cannot authenticate clients"),
    (['AllowHosts "typo"'], "there is no option AllowHosts"),
    (["Listen 19991"], "Listen takes"),
    (['Listen "tcp:example.org:80"'], "tcp:example.org:80"),
    (['Listen "nonsense"'], "nonsense"),
    (["MaxConnections 0"], "MaxConnections needs a whole number from 1"),
    (["MaxConnections 1.5"], "MaxConnections needs a whole number"),
    (['MaxCalls "8"'], "MaxCalls needs a whole number"),
    (["Workers 1 2"], "Workers needs a whole number"),
    (["History 1441"], "History needs a whole number from 0 to 1440"),
    (["AllowedHosts 7"], "AllowedHosts needs names"),
]

GOOD = [
    'Listen "tcp:127.0.0.1:0"',
    'Listen "tcp:[::1]:0"',
    'AllowedHosts "metrics.example" "other.example"',
    'AllowedOrigins "https://app.example"',
    "Workers 1",
    "MaxConnections 3",
    "MaxStreams 2",
    "MaxSubscriptions 2",
    "MaxSessions 4",
    "MaxCalls 4",
    "MaxCallsPerClient 2",
    "MaxQueue 2",
    "MaxBodyBytes 4096",
    "MaxAlerts 2",
    "History 4",
    "HistoryMetrics 10",
]


def check_options(make, _):
    for lines, words in REFUSED:
        with make(block=block(*lines)) as collectd:
            status, said = collectd.run("-f")
            assert status != 0 and words in said, (lines, status, said)
            assert "secret" not in said, said
    with make(block=BLOCK + BLOCK) as collectd:
        status, said = collectd.run("-f")
        assert status != 0 and "more than one" in said, said
    with make(block=block(*GOOD)) as collectd:
        status, said = collectd.run("-t")
        assert status == 0, said
    # Reads every plugin once and ends: starts and stops the server as well.
    with make() as collectd:
        status, said = collectd.run("-T")
        assert status == 0 and "mcp plugin: stopped" in said, said


def status_of(address, host=None, origin=None, body="{}"):
    connection = peers.open_http(address)
    headers = {"Content-Type": "application/json", "Accept": peers.ACCEPT}
    if host:
        headers["Host"] = host
    if origin:
        headers["Origin"] = origin
    try:
        connection.request("POST", "/mcp", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


def check_addresses(make, _):
    check_limits(make)
    check_unix_socket(make)
    check_open_address(make)
    check_taken_port(make)


def check_limits(make):
    with make(block=block(*GOOD)).start() as collectd:
        address = collectd.address
        wanted = {None: 400, "metrics.example": 400, "other.example": 400, "evil.example": 403}
        for host, status in wanted.items():
            assert status_of(address, host=host) == status, host
        assert status_of(address, origin="https://app.example") == 400
        assert status_of(address, origin="https://evil.example") == 403
        assert status_of(address, body=" " * 5000) == 413
        check_connection_limit(address)
        live.stop(collectd)


def check_connection_limit(address):
    held = []
    try:
        # As many as are allowed, each known to be accepted; one more is not served.
        until(lambda: held_enough(address, held))
        more = http.client.HTTPConnection(*address.split(":"), timeout=10)
        try:
            more.request("POST", "/mcp", "{}", {"Content-Type": "application/json"})
            answer = more.getresponse().status
        except (OSError, http.client.HTTPException):
            answer = None
        assert answer in (None, 503), answer
    finally:
        for connection in held:
            connection.close()


def held_enough(address, held):
    connection = peers.open_http(address)
    try:
        connection.request("POST", "/mcp", "{}", {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        if response.status == 400 and not response.will_close:
            held.append(connection)
    except (OSError, http.client.HTTPException):
        connection.close()
    return len(held) == 3


def check_unix_socket(make):
    with make().start() as collectd:
        path = collectd.folder / "mcp.sock"
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == 0o600, oct(mode)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(path))
            connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 404"
        assert "OTHER MACHINES" not in collectd.log()
        live.stop(collectd)
        assert not path.exists()


def check_open_address(make):
    lines = ['Listen "tcp:127.0.0.1:0"', 'Listen "tcp:0.0.0.0:0"',
             'Listen "unix:{folder}/all.sock?mode=0666"']
    with make(block=block(*lines)).start() as collectd:
        until(lambda: "OTHER MACHINES CAN READ ALL METRICS" in collectd.log(), collectd.log)
        until(lambda: "every user of this machine" in collectd.log(), collectd.log)
        live.stop(collectd)


def check_taken_port(make):
    """A port that is taken: collectd goes on without the plugin and says why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with make(block=block(f'Listen "tcp:127.0.0.1:{port}"')) as collectd:
            status, said = collectd.run("-T")
            assert status == 1, status
            assert re.search(rf"mcp plugin: cannot start: .*{port}", said), said
            assert "Exiting normally" in said, said
