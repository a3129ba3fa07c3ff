"""`LogProcess`: a process beside the server that reads the log of impressions, one for all workers."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

TRY_EVERY: Final = 1.0
"""Seconds between two attempts to run the process, unless another worker does."""

LOCK: Final = "reader.lock"
"""Below the folder of the log: held by whoever runs the process, and by that."""

LONGEST_LINE: Final = 1 << 24
"""Bytes of a line that the process may write."""

Tell: TypeAlias = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]

log = logging.getLogger("tailrank.server")


async def run_log_process(
    module: str,
    folder: Path,
    tell: Tell,
    take: Callable[[bytes], object],
) -> None:
    """Run a process for each time that the last one ended, unless another worker does; for ever.

    Parameters
    ----------
    module
        To run, with the folder as its argument. It must end with its input.
    folder
        Of the log.
    tell
        Writes to its input, and may do so for ever.
    take
        Gets each line of its output.
    """
    while True:
        try:
            with (folder / LOCK).open("wb") as lock, suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                await _run(module, folder, tell, take, lock.fileno())
        except OSError as why:
            log.warning("the log of impressions can't be read on", extra={"why": str(why)})
        await asyncio.sleep(TRY_EVERY)


async def _run(
    module: str,
    folder: Path,
    tell: Tell,
    take: Callable[[bytes], object],
    lock: int,
) -> None:
    pipe, environment = asyncio.subprocess.PIPE, os.environ | {"OMP_NUM_THREADS": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, str(folder)),
        stdin=pipe,
        stdout=pipe,
        limit=LONGEST_LINE,
        pass_fds=(lock,),
        env=environment,
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    assert process.stdout is not None  # noqa: S101
    telling = asyncio.create_task(tell(process.stdin))
    try:
        async for line in process.stdout:
            take(line)
        log.warning("a process beside the server ended", extra={"of": module, "status": await process.wait()})
    finally:
        telling.cancel()
        process.stdin.close()
        await process.wait()
