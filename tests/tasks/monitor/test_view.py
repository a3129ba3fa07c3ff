"""`MonitorView`: what another process's monitor knows, and what it says while that knows little."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tailrank.errors import DataError, RequestError
from tailrank.tasks.monitor.inputs import folder_lines
from tailrank.tasks.monitor.monitor import Monitor
from tailrank.tasks.monitor.series import Series
from tailrank.tasks.monitor.settings import MonitorSettings
from tailrank.tasks.monitor.view import MonitorView

NOON = 1_424_088_000
"""16 February 2015, 12:00, in seconds since 1970."""


def feed(monitor: Monitor, folder: Path, *hours: int) -> None:
    """Feed a text for each of these hours after noon."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{len(list(folder.iterdir()))}.jsonl"
    rows = [
        {"id": f"{file.stem}-{n}", "text": "a", "timestamp": NOON + 3_600 * h} for n, h in enumerate(hours)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    monitor.feed(folder_lines(folder, monitor.state.places()))


def test_a_view_follows_a_monitor_that_runs_and_writes_nothing(tmp_path: Path) -> None:
    monitor = Monitor.open(tmp_path / "state", MonitorSettings(duplicate_hours=0, watch="volume"))
    feed(monitor, tmp_path / "texts", 0)
    view = MonitorView(tmp_path / "state")
    found = view.overview(10)
    assert (found.now, found.total, found.alerts, found.counters["counted"]) == (None, 0, [], 1)
    assert view.totals(30) == {}
    with pytest.raises(RequestError, match="no period is over yet"):
        view.series(Series("", ""), 30)
    feed(monitor, tmp_path / "texts", 0, 2, 2, 5, 5, 5)
    before = (tmp_path / "state" / "monitor.sqlite").read_bytes()
    assert view.overview(10).now == NOON + 4 * 3_600
    assert view.totals(30) == {Series("", ""): 4}
    counts = view.series(Series("", ""), 30)
    assert counts.starts.tolist() == [NOON + 3_600 * hour for hour in range(4)]
    assert (counts.n.tolist(), counts.negative.tolist()) == ([2, 0, 2, 0], [0] * 4)
    assert counts.kind == "volume"
    assert np.isnan(counts.expected).all()  # in the first week nothing is usual
    assert (tmp_path / "state" / "monitor.sqlite").read_bytes() == before
    with monitor.state.transaction():  # while one is under way, the state before it is read
        monitor.state.write_note("next", NOON)
        assert view.overview(10).now == NOON + 4 * 3_600
    monitor.close()


def test_a_folder_that_cant_be_viewed_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no monitor has run there"):
        MonitorView(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "monitor.sqlite").write_bytes(b"nothing of the sort" * 100)
    with pytest.raises(DataError, match=r"monitor\.sqlite: can't be used"):
        MonitorView(tmp_path)
    (tmp_path / "monitor.sqlite").unlink()
    other = sqlite3.connect(tmp_path / "monitor.sqlite")
    other.execute("create table notes (name text primary key, value text not null)")
    other.execute("insert into notes values ('format', '\"another\"')")
    other.commit()
    other.close()
    with pytest.raises(DataError, match="of another version"):
        MonitorView(tmp_path)
