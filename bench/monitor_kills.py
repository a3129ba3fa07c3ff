"""A monitor that is killed at random moments and goes on, beside one that isn't."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from bench.monitor_speed import text_json
from bench.monitor_surges import airline_stream
from bench.study import Json, timed
from tailrank.tasks.monitor.alert_log import AlertLog
from tailrank.tasks.monitor.monitor import ALERTS
from tailrank.tasks.monitor.monitor_state import MonitorState

KILLS: Final = 20
STARTING: Final = 1.5
"""Seconds that a process takes to begin to read, about."""


def kills(data: Path) -> Json:
    """Watch the tweets in a process that is killed twenty times, and compare counts and alerts."""
    with tempfile.TemporaryDirectory(prefix="tailrank-kills-") as name:
        folder, rng = Path(name), np.random.default_rng(0)
        (folder / "texts").mkdir()
        with (folder / "texts" / "a.jsonl").open("w", encoding="utf-8") as stream:
            stream.writelines(f"{text_json(text).decode()}\n" for text in airline_stream(data).texts)
        _, took = timed(_begun(folder, "whole").wait)
        killed = 0
        while killed < KILLS:
            process = _begun(folder, "killed")
            time.sleep(STARTING + float(rng.uniform(0, took / 4)))
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
            process.wait()
            if not process.returncode:
                break
        _begun(folder, "killed").wait()
        whole, other = _found(folder / "whole"), _found(folder / "killed")
        return {
            "kills": killed,
            "seconds without": took,
            "texts": whole[0]["counted"],
            "alerts": len(whole[2]),
            "same": {
                "counters": whole[0] == other[0],
                "counts": whole[1] == other[1],
                "alerts": whole[2] == other[2],
                "no alert twice": len(set(other[2])) == len(other[2]),
            },
        }


def _begun(folder: Path, name: str) -> subprocess.Popen[bytes]:
    program = [
        str(Path(sys.executable).with_name("tailrank")),
        "monitor",
        "run",
        str(folder / name),
        str(folder / "texts"),
    ]
    nothing = subprocess.DEVNULL
    return subprocess.Popen([*program, "--set", "burn_in_days=3"], stdout=nothing, stderr=nothing)  # noqa: S603


def _found(folder: Path) -> tuple[Json, object, list[str]]:
    state = MonitorState(folder)
    counters, counts = state.note("counters"), state.counts(0)
    state.close()
    return counters, counts, [alert.id for alert in AlertLog(folder / ALERTS)]
