"""Watches a log, in a process beside the server: `python -m tailrank.feedback.watching_process FOLDER`.

The location of the state is read from standard input, a line; what was opened and closed, and what went
wrong, is written to standard output, a `WatchReport` a line. It ends as soon as its input does, so with its
server, whatever ends that.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Final

import msgspec

from tailrank.feedback.alerts import WatchReport
from tailrank.feedback.log_reader import LogReader, Part, log_id
from tailrank.feedback.roll_over import NICENESS
from tailrank.feedback.watcher import Watcher
from tailrank.state.base import StateError
from tailrank.state.open import open_state

PAUSE: Final = 1.0
"""Seconds after which the log is read on."""


async def run(folder: Path, location: str) -> None:
    """Watch for ever; while the state is out of reach, alerts wait."""
    reader, state, watcher = LogReader(folder), None, None
    parts = list[Part]()
    while True:
        while found := reader.read():
            parts += found
        try:
            state = state or open_state(location)
            if watcher is None:
                watcher = await Watcher.start(folder, log_id(folder), state, parts)
            else:
                watcher.take(parts)
            parts = []
            alerts = await watcher.go_on(time.time())
            if alerts:
                _report(WatchReport(alerts))
        except StateError as why:
            _report(WatchReport(trouble=str(why)))
        reader.trouble.clear()  # what was removed isn't missed
        await asyncio.sleep(PAUSE)


def _report(what: WatchReport) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    os.nice(NICENESS)
    for stop in (signal.SIGINT, signal.SIGTERM):  # which also go to the server, that ends this
        signal.signal(stop, signal.SIG_IGN)
    state_location: str = msgspec.json.decode(sys.stdin.buffer.readline())
    Thread(target=_end_with_input, daemon=True).start()
    asyncio.run(run(Path(sys.argv[1]), state_location))
