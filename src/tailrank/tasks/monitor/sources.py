"""What texts are read from, again and again until stopped; a server that is lost is waited for."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TypeAlias, cast

from tailrank.errors import needs
from tailrank.state.base import StateError
from tailrank.tasks.monitor.inbox import delete_read
from tailrank.tasks.monitor.inputs import STDIN, Line, Place, arriving_lines, folder_lines
from tailrank.tasks.monitor.monitor import BATCH
from tailrank.tasks.monitor.monitor_state import MonitorState
from tailrank.tasks.monitor.settings import MonitorSettings

Source: TypeAlias = Callable[[], Iterator[list[Line]]]
"""Gives what is new, in batches; the next is asked for once one is committed."""


def open_source(where: str, state: MonitorState, stack: ExitStack) -> Source:
    """Open what texts are read from.

    Parameters
    ----------
    where
        `-` for the standard input, the URL of a stream, or a folder.
    state
        Knows how far it was read.
    stack
        Closes it.

    Raises
    ------
    StateError, RequestError
        If a URL makes no sense, or the client isn't installed.
    """
    if where == STDIN:
        return lambda: arriving_lines(cast("io.BufferedIOBase", sys.stdin.buffer), STDIN)
    if "://" not in where:
        return lambda: _folder_batches(Path(where), state)
    with needs("a stream", "server"):
        from tailrank.tasks.monitor.valkey_stream import ValkeyStream
    stream = ValkeyStream(where, state.name())
    stack.callback(stream.close)
    return lambda: stream.batches(state.places().get(stream.name, Place()))


def following(read: Source, every: float | None, tell: Callable[[str], None]) -> Iterator[list[Line]]:
    """Give what is new, again and again.

    Parameters
    ----------
    read
        What to read on in.
    every
        Seconds between two looks; None looks once.
    tell
        Is told that a server is lost, and that it is back.

    Raises
    ------
    StateError
        If a server can't be reached and `every` is None.
    """
    lost = ""
    while True:
        try:
            yield from read()
            if lost:
                tell("the server is back")
            lost = ""
        except StateError as why:
            if every is None:
                raise
            if str(why) != lost:
                tell(f"{why}; waiting for it")
            lost = str(why)
        if every is None:
            return
        time.sleep(every)


def _folder_batches(folder: Path, state: MonitorState) -> Iterator[list[Line]]:
    lines = folder_lines(folder, state.places())
    while batch := list(islice(lines, BATCH)):
        yield batch
    settings = MonitorSettings.from_dict(state.note("settings", {}))
    if gone := delete_read(folder, state.places(), settings.keep_days, time.time()):
        with state.transaction():
            state.forget_places(gone)
