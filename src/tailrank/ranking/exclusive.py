"""One process at a time."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(file: Path, patience: float) -> Iterator[None]:
    """Hold a lock, which ends with the block or the process.

    Parameters
    ----------
    file
        What is locked; made if there is none.
    patience
        Seconds to wait for another process.

    Raises
    ------
    TimeoutError
        If another one holds it for longer.
    OSError
        If the file can't be made.
    """
    end = time.monotonic() + patience
    with file.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TimeoutError(file) from None
            time.sleep(0.1)
        yield
