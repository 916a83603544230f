"""The list that the transcript is made of. Importing a rows_*.py file adds its rows."""

from dataclasses import dataclass
from typing import Callable

# What a door must have for a row.
HTTP, WEBSOCKET = "http", "websocket"
# For daemons that let nobody in without a key.
GUARDED = "guarded"


@dataclass
class Row:
    """One exchange with a daemon. `run` returns what must be equal through every door."""

    name: str
    needs: str
    run: Callable


ROWS = []


def row(needs=HTTP):
    """Adds the function below to the transcript, under its own name."""

    def add(function):
        ROWS.append(Row(function.__name__, needs, function))
        return function

    return add
