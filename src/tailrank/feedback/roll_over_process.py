"""Runs the roll-over of a log beside the server: in a process, so that no ranking waits for it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from tailrank.bounds import check_bounds

PATIENCE: Final = 5.0
"""Seconds that the end waits for a roll-over under way; cut off, it is done again at the next start."""

LONGEST_COMPLAINT: Final = 1 << 12
"""Bytes that are read of the end of what a roll-over complains of."""

log = logging.getLogger("tailrank.server")


@dataclass(frozen=True)
class Retention:
    """How much of a log is kept; the oldest hours go first.

    Attributes
    ----------
    days
        After which an hour is removed.
    gb
        Of disk, at most, give or take what isn't rolled over yet.
    read_only
        Whether segments wait for who reads them (`LogReader`) before they are rolled over.

    Raises
    ------
    RequestError
        On numbers out of range.
    """

    days: Annotated[float, Meta(gt=0)] = 30.0
    gb: Annotated[float, Meta(gt=0)] = 10.0
    read_only: bool = False

    def __post_init__(self) -> None:
        check_bounds(self)


class RollOverProcess:
    """Rolls over when requested, once at a time.

    Parameters
    ----------
    folder
        Of the log.
    retention
        How much of it is kept.
    removed
        Is told how many bytes were removed to stay within `Retention.gb`.
    """

    def __init__(self, folder: Path, retention: Retention, removed: Callable[[int], object]) -> None:
        module, limits = "tailrank.feedback.roll_over", (retention.days, retention.gb)
        self._command = [sys.executable, "-m", module, str(folder), *map(str, limits)]
        if retention.read_only:
            self._command.append("read")
        self._removed, self._requested = removed, False
        self._process: subprocess.Popen[bytes] | None = None

    def request(self) -> None:
        """Ask for a roll-over, as soon as the one under way has ended."""
        self._requested = True

    def go_on(self) -> None:
        """Look whether a roll-over has ended, and start the one that was requested."""
        if self._process is not None and self._process.poll() is not None:
            self._report(self._process)
            self._process = None
        if self._requested and self._process is None:
            self._requested = False
            self._complaint = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe would be full at 64 kB
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._complaint
            )

    def close(self) -> None:
        """Wait for a roll-over under way, and end it if it takes long."""
        if self._process is not None:
            try:
                self._process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()

    def _report(self, process: subprocess.Popen[bytes]) -> None:
        found, _ = process.communicate()
        with self._complaint as complaint:
            complaint.seek(-min(complaint.seek(0, os.SEEK_END), LONGEST_COMPLAINT), os.SEEK_END)
            said = complaint.read().decode(errors="replace")
        if process.returncode:
            why = said.strip().rpartition("\n")[2]
            log.error("impressions can't be rolled over", extra={"why": why})
            return
        summary = json.loads(found)
        log.info("impressions rolled over", extra=summary)
        if summary["damaged_blocks"]:
            log.error("the log of impressions is damaged: what could be read was kept", extra=summary)
        if summary["over_budget_bytes"]:
            self._removed(summary["over_budget_bytes"])
            log.warning("the log of impressions is full: the oldest were removed", extra=summary)
