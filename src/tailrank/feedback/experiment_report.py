"""What an experiment has come to, as JSON.

`python -m tailrank.feedback.experiment_report FOLDER` prints that of the latest comparisons in a log of
impressions as `api_reports.Experiments`.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tailrank.feedback.experiments import Decision, Look, decide, looks
from tailrank.feedback.live_outcomes import CLICKS, comparisons, live_outcomes
from tailrank.feedback.log_tables import LogTables, read_log
from tailrank.feedback.records import LogError

NICENESS: Final = 10
"""Rankings come first."""

MOST: Final = 5
"""Comparisons that are reported."""


def reported(decision: Decision, days: Iterable[Look]) -> dict[str, Any]:
    """Give a decision and the looks before it as JSON has them; what is no number, or has no end, is null."""
    found: dict[str, Any] = _finite(asdict(decision) | {"days": [asdict(day) for day in days]})
    return found


def experiments(log: LogTables) -> list[dict[str, Any]]:
    """Decide the latest comparisons by their clicks, the latest one first."""
    found = [(asdict(each), live_outcomes(log, each)) for each in comparisons(log)[:MOST]]
    return [about | reported(decide(seen, CLICKS), looks(seen, CLICKS)) for about, seen in found]


def _finite(value: Any) -> Any:
    """Replace what JSON doesn't have by null: there is no number, or no end."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    """Print what `experiments` gives; none if nothing is logged yet."""
    os.nice(NICENESS)
    try:
        log = read_log(Path(sys.argv[1]))
    except LogError:
        print("[]")
    else:
        print(json.dumps(experiments(log)))


if __name__ == "__main__":
    main()
