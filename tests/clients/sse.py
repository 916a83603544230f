"""Reads server-sent events, for the tests that speak HTTP without an SDK."""


def events(lines):
    """Yields a dict per event that has data; skips comments and events that only set an id."""
    event = {}
    for line in lines:
        line = line.rstrip("\r\n")
        name, _, value = line.partition(":")
        if name:
            event[name] = value.removeprefix(" ")
        elif not line:
            if event.get("data"):
                yield event
            event = {}
