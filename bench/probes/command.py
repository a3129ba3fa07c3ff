"""A command of `tailrank`: how long it takes, what memory it needs, and what it prints."""

from __future__ import annotations

import io
import resource
import sys
import time
from contextlib import redirect_stdout
from typing import Any

from bench.probes import answer


def measure(words: list[str]) -> dict[str, Any]:
    """Run `tailrank` with these words, in this process; imports count."""
    start, printed = time.perf_counter(), io.StringIO()
    from tailrank.cli.main import main

    sys.argv = ["tailrank", *words]
    with redirect_stdout(printed):
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mb": peak_mb, "output": printed.getvalue()}


if __name__ == "__main__":
    answer(measure)
