"""One line of JSON for what happens; never what a request said, nor a key."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Writes time, level, message, and whatever else a record carries."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        said = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _USUAL},
        }
        if record.exc_info and record.exc_info[1] is not None:
            # Where it went wrong, but not the error's own words: they may quote what a request said.
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)
            said["error"] = type(error).__name__
            said["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(said, default=str)


def start_logging() -> None:
    """Send records of tailrank and of uvicorn to the error stream."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("tailrank", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
