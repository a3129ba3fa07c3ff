"""The monitor's study, on a stream that is made."""

import numpy as np
from bench.monitor_duplicates import EDITS
from bench.monitor_surges import Stream, surges

from tailrank.tasks.monitor.duplicates import LIKENESS, likeness, word_runs
from tailrank.tasks.monitor.settings import DAY, HOUR, MonitorSettings
from tailrank.tasks.monitor.stream_texts import Text


def test_injected_surges_are_found_in_a_stream_without_any() -> None:
    rng = np.random.default_rng(0)
    texts = [
        Text(f"{hour}-{n}", "late again", float(hour * HOUR + n), topics=("late",))
        for hour in range(12 * 24)
        for n in range(rng.poisson(3))
    ]
    found = surges(Stream("made", texts, MonitorSettings(watch="volume", burn_in_days=5)), 2)
    assert found["peaks"] == []
    [busy] = [row for row in found["injected"] if row["size"] == 5 and row["injected"]]
    assert (busy["injected"], busy["found"]) == (2, 2)
    assert busy["hours, median"] < 12
    assert found["weeks"] * 7 * DAY == 7 * DAY


def test_an_edited_copy_is_like_its_text() -> None:
    words = [f"w{n}" for n in range(20)]
    copies = {name: word_runs(" ".join(edit(words))) for name, edit in EDITS.items()}
    assert all(likeness(runs, word_runs(" ".join(words))) >= LIKENESS for runs in copies.values())
