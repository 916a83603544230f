"""What clients hear when the daemon ends while they are connected."""

import http.client
import signal
import subprocess

from websockets.exceptions import ConnectionClosed

from messages import modern, modern_call, post, steady, text
from rows import HTTP, WEBSOCKET
from rows_crowd import SMALL, start_count
from rows_legacy import OldStream, Session
from rows_websocket import hello, receive

# For daemons that wait a little for their clients; the others end at once.
END_SECONDS_MAX = 30


def rest(answer):
    """Reads a stream to its end; tells whether that was a proper one."""
    try:
        body = answer.read().decode()
        return [body, "ended"]
    except (http.client.HTTPException, OSError):
        return ["", "cut"]


def rest_of_socket(socket):
    messages = []
    try:
        while True:
            messages.append(socket.recv(timeout=END_SECONDS_MAX))
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else None
        # How many steps it was told of depends on when the end came.
        return [[one for one in messages if "progress" not in one], code]


def open_everything(door, kinds):
    """Opens one of each kind that can be open; returns {name: function that reads its end}."""
    opened = {}
    undecided = start_count(door, "undecided at the end")
    opened["call before its answer began"] = lambda: rest(undecided.http.getresponse())
    streaming = start_count(door, "streaming at the end", progressToken=1).http.getresponse()
    while streaming.readline().strip():
        pass
    opened["call in a stream"] = lambda: rest(streaming)
    wanted = {"notifications": {"toolsListChanged": True}}
    listening = post(door, modern("subscriptions/listen", wanted))
    next(listening.events())
    opened["subscription"] = lambda: rest(listening.response)
    session = Session(door).stream()
    next(session.events())
    opened["stream of a session"] = lambda: rest(session.response)
    old = OldStream(door)
    old.hello()
    opened["HTTP+SSE"] = lambda: rest(old.answer.response)
    # Nobody reads this one: the daemon must not wait for it.
    stuck = post(door, modern_call("report", {"kib": 3072}), receive_buffer=SMALL)
    opened["client that does not read"] = lambda: stuck.close()
    if WEBSOCKET in kinds:
        socket = door.websocket()
        hello(socket)
        socket.send(text(modern_call("count", {"steps": 1000000}, "c", progressToken=1)))
        receive(socket)
        opened["WebSocket"] = lambda: rest_of_socket(socket)
    return opened


def hear(door, process, kinds=(HTTP, WEBSOCKET)):
    """Ends the daemon with SIGTERM; returns {what was open: its last words} and its status."""
    opened = open_everything(door, kinds)
    process.send_signal(signal.SIGTERM)
    heard = {name: steady(read()) for name, read in opened.items()}
    try:
        heard["exit status"] = process.wait(END_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        heard["exit status"] = f"still running {END_SECONDS_MAX} s after SIGTERM"
    return heard
