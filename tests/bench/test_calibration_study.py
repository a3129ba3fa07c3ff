"""What was expected of groups of items, where it is known beforehand."""

import numpy as np
import pytest
from bench.stored import Studies
from bench.study import RESULTS

from bench import calibration, page
from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.data.splits import temporal


class Alike:
    """Expects as much of every item."""

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        return np.zeros((len(histories), len(candidates.codes)), np.float32)


def test_who_takes_all_items_for_alike_expects_of_a_group_its_share_of_them(movielens: Dataset) -> None:
    split = temporal(movielens, 5)
    found = {row["group"]: row for row in calibration.rows(Alike(), split)}
    counts = split.full_train.counts
    assert found["count=0"]["expected"] == pytest.approx((counts == 0).mean(), abs=0.02)
    assert found["count=0"]["came"] == pytest.approx((counts[split.test.targets] == 0).mean())
    named = [found[group] for group in ("count=0", "count=1-5", "count=6-20", "count>20")]
    for key in ("expected", "came"):
        assert sum(row[key] for row in named) == pytest.approx(1)
    low, high = found["tail80"]["ci95"]
    assert 0 < low < found["tail80"]["expected"] - found["tail80"]["came"] < high


def test_the_page_tells_what_is_stored() -> None:
    text = (page.ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
    for stored in Studies(RESULTS).each("calibration"):
        for ground in stored["grounds"]:
            for row in ground["rows"]:
                told = f"{100 * row['expected']:.1f}% for {100 * row['came']:.1f}%"
                assert told in text, (stored["dataset"], ground["title"], row)
