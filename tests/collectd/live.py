"""A collectd at work: its values, its alerts, what changes, and its end."""

import json
import random
import threading
import time

import peers
from daemon import until
from peers import ask, call

# A result must stay below what clients show a model: 32 KB.
RESULT_MAX = 32 * 1024


def stop(collectd, streams=()):
    """Ends it the way a service manager does: quickly, with status 0, and it says so."""
    assert not collectd.has_ended(), collectd.output()
    asked = time.monotonic()
    collectd.terminate()
    status = collectd.wait()
    took = time.monotonic() - asked
    assert status == 0, (status, collectd.output())
    assert took < 20, took
    assert "mcp plugin: stopped after" in collectd.log(), collectd.output()
    for stream in streams:
        assert stream.wait_for_end() == "end", (stream.name, stream.ended)
        stream.close()


def wait_for_values(collectd):
    """Waits until every plugin has reported and rates are there."""

    def ready():
        found = ask(collectd.address, "query_metrics", metrics=["load/load", "cpu-0/cpu-idle"])
        rates = [v.get("per_second") for row in found["metrics"] for v in row["values"]]
        return rates[-1] is not None

    def attempt():
        try:
            return ready()
        except AssertionError:
            return False

    until(attempt, collectd.output)


def check_background(make, _):
    """collectd leaves its parent between configuration and start: the server is made before."""
    with make(daemonise=True).start() as collectd:
        wait_for_values(collectd)
        streams = peers.open_all(collectd.address)
        collectd.tell(putval("other/probe/gauge", "N:1"))
        for stream in streams:
            stream.wait_for_plugin("probe")
        stop(collectd, streams)
        assert not collectd.pid_file().exists()


def putval(name, *values, interval=1):
    return f'PUTVAL "{name}" interval={interval} {" ".join(values)}'


def check_alerts(make, _):
    lines = ['<Plugin mcp>', 'Listen "tcp:127.0.0.1:0"', "MaxAlerts 50", "</Plugin>"]
    with make(block="\n".join(lines)).start() as collectd:
        address = collectd.address
        assert ask(address, "list_alerts")["alerts"] == []
        now = int(time.time())
        collectd.tell(
            f'PUTNOTIF host=web1 plugin=ping type=ping type_instance=gw severity=failure '
            f'time={now - 7200} message="no answer"',
            f'PUTNOTIF host=web1 severity=warning time={now} message="disk is old\\" tab\there"',
        )
        seen = ask(address, "list_alerts")["alerts"]
        assert [row["severity"] for row in seen] == ["warning", "failure"], seen
        assert "\t" not in seen[0]["message"], seen
        assert seen[1]["metric"] == "web1/ping/ping-gw" and seen[1]["raised"], seen
        recent = ask(address, "list_alerts", since=-3600)["alerts"]
        assert [row["severity"] for row in recent] == ["warning"], recent
        assert ask(address, "list_alerts", since=now + 3600)["alerts"] == []
        assert ask(address, "list_alerts", severity="failure")["total"] == 1
        collectd.tell(
            f'PUTNOTIF host=web1 plugin=ping type=ping type_instance=gw severity=okay '
            f'time={now} message="answers again"'
        )
        seen = ask(address, "list_alerts", state="raised")["alerts"]
        assert [row["message"][:4] for row in seen] == ["disk"], seen
        check_alert_pages(collectd, now)
        stop(collectd)


def check_alert_pages(collectd, now):
    """More alerts than are kept, with the longest texts: pages stay small and none comes twice."""
    collectd.tell(*(
        f'PUTNOTIF host=h{i} plugin=p type=t severity=failure time={now} message="{i} {"x" * 240}"'
        for i in range(120)
    ))
    seen, page = [], {"next_cursor": ""}
    while "next_cursor" in page:
        result = call(collectd.address, "list_alerts", limit=200, cursor=page["next_cursor"])
        check_size(result)
        page = result["structuredContent"]
        # New ones between two pages shift nothing.
        collectd.tell(f'PUTNOTIF host=new severity=okay time={now} message="between"')
        seen += [int(row["message"].split()[0]) for row in page["alerts"] if "x" in row["message"]]
    assert seen == sorted(set(seen), reverse=True) and seen[0] == 119, seen
    assert 35 <= len(seen) <= 50, seen


def check_size(result):
    size = len(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode())
    assert size < RESULT_MAX, size


def check_changes(make, _):
    """Series of a new plugin appear and expire: every kind of client is told."""
    with make().start() as collectd:
        wait_for_values(collectd)
        streams = peers.open_all(collectd.address)
        end = threading.Event()
        feeder = threading.Thread(target=feed, args=(collectd, end))
        feeder.start()
        try:
            check_first_samples(collectd)
            for stream in streams:
                stream.wait_for_plugin("probe")
        finally:
            end.set()
            feeder.join()
        for stream in streams:
            stream.wait_for_plugin("probe", present=False)
        gone = call(collectd.address, "query_metrics", metrics=["other/probe/derive-count"])
        assert gone["isError"] and "expired" in gone["content"][0]["text"], gone
        stop(collectd, streams)


def feed(collectd, end):
    count = 1000
    while not end.is_set():
        collectd.tell(
            putval("other/probe/derive-count", f"N:{count}"),
            putval("other/probe/gauge-unknown", "N:U"),
        )
        count += 10
        end.wait(0.4)


def check_first_samples(collectd):
    name = "other/probe/derive-count"
    found = until(lambda: find(collectd, name))
    if found["per_second"] is None:
        assert "second sample" in found["why_null"], found
    rate = until(lambda: (find(collectd, name) or {}).get("per_second"))
    assert rate > 0, rate
    unknown = until(lambda: find(collectd, "other/probe/gauge-unknown"))
    assert unknown["value"] is None and "no number" in unknown["why_null"], unknown


def find(collectd, name):
    result = call(collectd.address, "query_metrics", metrics=[name])
    return not result.get("isError") and result["structuredContent"]["metrics"][0]["values"][0]


# Names that programs and machines may send; the last one is not UTF-8.
NAMES = ["other/plain/gauge-a", "other/plain/gauge-per%cent", "other/plain/gauge-zwölf €",
         "other/odd name/gauge", b"other/plain/gauge-\xff\xfe"]


def check_names(make, _):
    with make().start() as collectd:
        wait_for_values(collectd)
        for name in NAMES:
            raw = name if isinstance(name, bytes) else name.encode()
            collectd.tell(b'PUTVAL "' + raw + b'" interval=600 N:7')
        until(lambda: ask(collectd.address, "list_metrics", host="other")["total"] == len(NAMES))
        listed = ask(collectd.address, "list_metrics", host="other")["metrics"]
        for row in listed:
            again = ask(collectd.address, "query_metrics", metrics=[row["id"]])
            assert again["metrics"][0]["values"][0]["value"] == 7, row
        pages, page = [], ask(collectd.address, "list_metrics", host="other", limit=1)
        while "next_cursor" in page:
            pages += page["metrics"]
            page = ask(collectd.address, "list_metrics", host="other", limit=1,
                       cursor=page["next_cursor"])
        ids = [row["id"] for row in pages + page["metrics"]]
        assert ids == [row["id"] for row in listed], (ids, listed)
        # An odd name must not come to stand in a schema; its plugin can still be asked for.
        until(lambda: is_open(peers.list_tools(collectd.address).get("list_plugins")))
        odd = ask(collectd.address, "list_plugins", plugin="odd name")
        assert odd["plugins"][0]["metrics"] == 1, odd
        stop(collectd)


def is_open(list_plugins):
    """Whether the tool takes any name. It is not there for the moment in which it is exchanged."""
    return list_plugins and "enum" not in list_plugins["inputSchema"]["properties"]["plugin"]


def check_crowd(make, _):
    """Thousands of series that come and go under clients that read all the time."""
    with make().start() as collectd:
        wait_for_values(collectd)
        names = [f"h{i % 90:02}/crowd-{i}/if_octets-{'x' * 60}" for i in range(3000)]
        collectd.tell(*(putval(name, "N:1:2", interval=2) for name in names))
        until(lambda: ask(collectd.address, "list_metrics", plugin="crowd")["total"] == len(names))
        errors, end = [], threading.Event()
        readers = [threading.Thread(target=read, args=(collectd, i, names, end, errors))
                   for i in range(6)]
        for reader in readers:
            reader.start()
        try:
            # All of them expire while they are read.
            until(lambda: ask(collectd.address, "list_metrics", plugin="crowd")["total"] == 0 or
                  errors)
        finally:
            end.set()
            for reader in readers:
                reader.join()
        assert not errors, errors[0]
        until(lambda: ask(collectd.address, "list_hosts", plugin="load")["hosts"][0]["age"] < 5)
        stop(collectd)


def read(collectd, seed, names, end, errors):
    some = random.Random(seed)
    requests = [
        lambda: ("list_metrics", {"limit": 200, "plugin": "cro*"}),
        lambda: ("list_metrics", {"search": "*h*c*r*o*w*d*x*y"}),
        lambda: ("query_metrics", {"metrics": some.sample(names, 20), "history": 100,
                                   "points": 120}),
        lambda: ("query_metrics", {"metrics": [name[:-1] for name in some.sample(names, 20)]}),
        lambda: ("query_metrics", {"metrics": ["y" * 5000] * 20}),
        lambda: ("list_hosts", {"limit": 200}),
        lambda: ("list_plugins", {"plugin": "crowd"} if some.random() < 0.5 else {}),
    ]
    while not end.is_set():
        name, arguments = some.choice(requests)()
        try:
            result = call(collectd.address, name, **arguments)
            if not result.get("isError"):
                check_size(result)
        except AssertionError as error:
            # The moment in which list_plugins is exchanged for its successor.
            if "list_plugins" not in str(error):
                errors.append(error)
                return
        except Exception as error:
            errors.append(error)
            return


def check_history_bounds(make, _):
    lines = ["<Plugin mcp>", 'Listen "tcp:127.0.0.1:0"', "History 5", "HistoryMetrics 1000",
             "</Plugin>"]
    with make(block="\n".join(lines)).start() as collectd:
        def length():
            found = ask(collectd.address, "query_metrics", metrics=["load/load"], history=1440)
            return found["metrics"][0].get("history_values") == 5
        wait_for_values(collectd)
        until(length)
        stop(collectd)
    lines[3] = "HistoryMetrics 0"
    with make(block="\n".join(lines)).start() as collectd:
        wait_for_values(collectd)
        found = ask(collectd.address, "query_metrics", metrics=["load/load"], history=10)
        assert "HistoryMetrics" in found["metrics"][0]["no_history"], found
        stop(collectd)


def check_shutdown(make, _):
    """SIGTERM while streams are open, clients call, and one has sent half a request."""
    with make().start() as collectd:
        wait_for_values(collectd)
        streams = peers.open_all(collectd.address) + peers.open_all(collectd.address)
        half = peers.open_http(collectd.address)
        half.connect()
        half.sock.sendall(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        end = threading.Event()
        callers = [threading.Thread(target=call_until_end, args=(collectd, end)) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            stop(collectd, streams)
        finally:
            end.set()
            for caller in callers:
                caller.join()
        half.close()


def call_until_end(collectd, end):
    while not end.is_set():
        try:
            call(collectd.address, "list_metrics")
        except Exception:
            # The server is about to leave or has left.
            end.wait(0.05)
