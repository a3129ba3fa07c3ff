"""The tilt of a protocol, counted; and the page that quotes it."""

from __future__ import annotations

import numpy as np
import polars as pl
from bench.stored import Studies
from bench.study import RESULTS
from bench.tilt import HIGHEST, tilt

from bench import charts, page
from tailrank.data.dataset import Dataset
from tailrank.data.splits import leave_one_out


def filtered() -> Dataset:
    """Make data in which every item has at least three events."""
    rng = np.random.default_rng(0)
    events = pl.DataFrame(
        {"user_id": np.repeat(np.arange(60), 5), "item_id": rng.geometric(0.05, 300), "position": range(300)}
    )
    events = events.filter(pl.len().over("item_id") >= 3)
    return Dataset.construct(events.select("item_id").unique(), events)


def test_targets_are_counted_by_what_training_has_of_their_items() -> None:
    split = leave_one_out(filtered())
    found = tilt(split)
    trained = split.full_train.histories.items.tolist()
    targets = split.test.targets.tolist()
    assert found["least_count"] == 3
    for count, row in enumerate(found["rows"]):
        items = [item for item in range(split.full_train.n_items) if trained.count(item) == count]
        assert row == {
            "count": count,
            "items": len(items),
            "targets": sum(target in items for target in targets),
        }
    assert found["below"] == sum(row["targets"] for row in found["rows"][:3]) > 0
    assert (found["items"], found["queries"]) == (split.full_train.n_items, len(targets))


def test_the_page_and_its_picture_are_what_is_stored() -> None:
    stored = Studies(RESULTS).single("tilt")
    assert stored is not None
    text = (page.ROOT / "docs" / "fairness.md").read_text(encoding="utf-8")
    for count in range(HIGHEST + 1):
        rows = [one["rows"][count] for one in stored["sets"]]
        cells = [str(count), *(f"{row['targets'] / row['items']:.2f}" for row in rows)]
        assert f"| {' | '.join(cells)} |" in text
    for one in stored["sets"][:3]:
        assert f"{one['below'] / one['queries']:.0%}" in text
    drawn = charts.svg(charts.tilt, stored["sets"])
    assert (page.ROOT / "docs" / "fairness.svg").read_text(encoding="utf-8") == drawn
