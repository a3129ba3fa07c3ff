"""Prints what a log holds of a user: `python -m tailrank.feedback.user_export FOLDER`.

The user is read from standard input. It is a process of its own, since it reads the whole log.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from tailrank.feedback.log_tables import read_log, rolled_files
from tailrank.feedback.records import all_segments
from tailrank.feedback.roll_over import NICENESS


def logged_of(folder: Path, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Give what was shown to a user and what happened then, as rows, the earliest first."""
    if not all_segments(folder) and not rolled_files(folder):
        return {"shown": [], "events": []}
    log = read_log(folder, user_id)
    return {
        "shown": log.shown.sort("time").collect().to_dicts(),
        "events": log.events.sort("timestamp").collect().to_dicts(),
    }


if __name__ == "__main__":
    os.nice(NICENESS)
    name: str = msgspec.json.decode(sys.stdin.buffer.read())
    sys.stdout.buffer.write(msgspec.json.encode(logged_of(Path(sys.argv[1]), name)))
