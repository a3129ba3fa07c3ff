"""A process beside the server that reads the log of impressions, one for all workers and servers of a log."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

from filelock import FileLock

from tailrank.errors import RequestError
from tailrank.feedback.impression_log import check_folder

TRY_EVERY: Final = 1.0
"""Seconds between two attempts to run the process, unless another worker does."""

LOCK: Final = "reader.lock"
"""Below the folder of the log: held by whoever runs the process, and by that."""

LEARNING: Final = "learning.lock"
NOT_LEARNING: Final = "not-learning.lock"
"""Below the folder of the log: held by servers that learn from it, or by those that don't."""

LONGEST_LINE: Final = 1 << 24
"""Bytes of a line that the process may write."""

Tell: TypeAlias = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]

log = logging.getLogger("tailrank.server")


@contextmanager
def agreed_on_learning(folder: Path, *, learn: bool) -> Iterator[None]:
    """Hold while a server runs that logs to a folder: all that do must learn from it, or none.

    One process reads a log for all its servers, and only that of a server that learns does; and a server that
    doesn't would roll over what isn't learned yet.

    Raises
    ------
    LogError
        If the folder can't be written.
    RequestError
        If another server says otherwise.
    """
    check_folder(folder)
    ours, others = (LEARNING, NOT_LEARNING) if learn else (NOT_LEARNING, LEARNING)
    with (folder / ours).open("wb") as lock:
        with FileLock(folder / "servers.lock"), (folder / others).open("wb") as other:
            fcntl.flock(lock, fcntl.LOCK_SH)
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                why = "without --learn" if learn else "with --learn"
                raise RequestError(
                    f"--log-impressions {folder}: another server logs there {why}, and either all of a log"
                    " learn from it or none: start them alike, or name another folder"
                ) from None
        yield


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
