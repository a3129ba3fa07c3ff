"""Exposure of groups, against its definition as plain loops."""

from math import log2

import numpy as np
import pytest

from tailrank.metrics.group_exposure import group_exposure
from tailrank.metrics.significance import ratio_bootstrap


def test_ratios_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    top = np.array([rng.choice(40, 10, replace=False) for _ in range(300)], np.int32)
    top[0, 6:] = -1
    targets = rng.integers(0, 40, 300).astype(np.int32)
    users, eligible = (np.arange(300) // 2).astype(np.int32), np.arange(40) < 36
    small = np.arange(40) % 4 == 0
    [found] = group_exposure(top, targets, users, {"small": small}, eligible).values()
    shares = []
    for row in top.tolist():
        weights = [(1 / log2(rank + 1), item) for rank, item in enumerate(row, 1) if item >= 0]
        shares.append(sum(w for w, item in weights if small[item]) / sum(w for w, _ in weights))
    assert found.items == sum(small[:36]) / 36
    assert found.targets == np.mean([small[target] for target in targets])
    assert found.exposure == pytest.approx(np.mean(shares))
    assert found.to_items == pytest.approx(np.mean(shares) / found.items)
    assert found.to_targets == pytest.approx(np.mean(shares) / found.targets)
    assert found.to_items is not None
    assert found.to_items_ci95 is not None
    assert found.to_items_ci95[0] < found.to_items < found.to_items_ci95[1]
    # The interval of a mean over independent users is about two standard errors wide.
    by_user = np.array(shares).reshape(-1, 2).mean(axis=1) / found.items
    width = found.to_items_ci95[1] - found.to_items_ci95[0]
    assert width == pytest.approx(2 * 1.96 * by_user.std() / np.sqrt(len(by_user)), rel=0.1)


def test_a_group_that_nobody_chose_has_no_ratio_to_targets() -> None:
    top = np.tile(np.arange(10, dtype=np.int32), (4, 1))
    targets, users = np.zeros(4, np.int32), np.arange(4, dtype=np.int32)
    [found] = group_exposure(top, targets, users, {"last": np.arange(12) > 8}, np.ones(12, bool)).values()
    assert found.to_targets is None
    assert found.to_targets_ci95 is None
    assert found.to_items is not None


def test_a_ratio_of_one_user_has_no_interval() -> None:
    assert ratio_bootstrap(np.ones(3), np.ones(3), np.zeros(3, np.int32)) is None
