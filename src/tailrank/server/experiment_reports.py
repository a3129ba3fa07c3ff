"""What was compared live, computed beside the server."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Final

from tailrank.feedback.records import LogError

LEAST_SECONDS: Final = 5.0
"""For how long a report holds, at least."""

SHARE: Final = 0.1
"""Of the time, at most, in which one is computed."""


class ExperimentReports:
    """Reports on the experiments of a log, however often they are asked for.

    Parameters
    ----------
    folder
        Of the log.
    """

    def __init__(self, folder: Path) -> None:
        command = ("-m", "tailrank.feedback.experiment_report", str(folder))
        self._command, self._computing = (sys.executable, *command), asyncio.Lock()
        self._found: bytes | LogError = b"[]"
        self._until = 0.0

    async def latest(self) -> bytes:
        """Give `api_reports.Experiments` as JSON: computed now, or lately.

        Raises
        ------
        LogError
            If the log can't be read.
        """
        async with self._computing:
            started = time.monotonic()
            if started >= self._until:
                self._found = await self._computed()
                ended = time.monotonic()
                self._until = ended + max(LEAST_SECONDS, (ended - started) / SHARE)
        if isinstance(self._found, LogError):
            raise self._found
        return self._found

    async def _computed(self) -> bytes | LogError:
        """Compute in a process of low priority, so that no ranking waits for it."""
        process = await asyncio.create_subprocess_exec(
            *self._command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        try:
            found, complaint = await process.communicate()
        finally:
            if process.returncode is None:  # the server is stopping
                process.kill()
        if not process.returncode:
            return found
        why = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        return LogError(f"experiments can't be computed: {why}")
