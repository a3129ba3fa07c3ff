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
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Final

import msgspec

from tailrank.feedback.alerts import WatchReport
from tailrank.feedback.log_reader import LogReader, log_id
from tailrank.feedback.records import Record
from tailrank.feedback.roll_over import NICENESS
from tailrank.feedback.watcher import Watcher
from tailrank.state.base import StateError
from tailrank.state.open import open_state

PAUSE: Final = 1.0
"""Seconds after which the log is read on."""


async def run(folder: Path, location: str) -> None:
    """Watch for ever; while the state is out of reach, alerts wait."""
    reader, watcher = LogReader(folder), None
    while True:
        try:
            if watcher is None:
                state, before = open_state(location), list[Record]()
                while records := _read(reader):
                    before += records
                watcher = await Watcher.start(folder, log_id(folder), state, before, time.time())
            watcher.take(_read(reader))
            alerts = await watcher.go_on(time.time())
            if alerts:
                _report(WatchReport(alerts))
        except StateError as why:
            _report(WatchReport(trouble=str(why)))
        await asyncio.sleep(PAUSE)


def _read(reader: LogReader) -> list[Record]:
    return list(chain.from_iterable(part.records for part in reader.read()))


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
