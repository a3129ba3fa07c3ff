"""What users get by their histories, against the definitions as plain loops."""

from math import log2

import numpy as np
import pytest

from tailrank.data.histories import Histories, Queries
from tailrank.metrics.user_groups import popularity_bias, users_by_history

COUNTS = np.arange(20, 0, -1)
"""Items 0 to 3 are the head."""


def queries(histories: list[list[int]], users: list[int]) -> Queries:
    """One query a history, whose target comes after it."""
    items = np.array([item for each in histories for item in [*each, 0]], np.int32)
    offsets = np.cumsum([0] + [len(each) + 1 for each in histories])
    source = Histories(items, np.zeros(len(items), np.int32), np.arange(len(items), dtype=float), offsets)
    ends = offsets[1:] - 1
    return Queries(
        source, np.array(users, np.int32), offsets[:-1], ends, ends, np.zeros(len(users), np.int32)
    )


def test_metrics_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    histories = [rng.integers(0, 20 if user % 3 else 6, 8).tolist() for user in range(90)]
    asked = queries(histories, (np.arange(90) // 2).tolist())
    top = np.array([rng.choice(18, 10, replace=False) for _ in range(90)], np.int32)
    top[5, 4:], top[7] = -1, -1
    ndcg, eligible = rng.random(90), np.arange(20) < 18
    found = popularity_bias(top, ndcg, asked, COUNTS, eligible)
    tail = np.array([sum(item >= 4 for item in each) for each in histories])
    groups = users_by_history(tail, np.full(90, 8), asked.users)
    assert list(found) == list(groups) == ["head-heavy", "mixed", "tail-heavy"]
    assert sum(group.users for group in found.values()) == 45
    for name, group in found.items():
        rows = np.flatnonzero(groups[name])
        lists = [[int(item) for item in top[row] if item >= 0] for row in rows]
        attention = [(1 / log2(rank + 1), item) for each in lists for rank, item in enumerate(each, 1)]
        of_head = sum(weight for weight, item in attention if item < 4) / 4
        of_tail = sum(weight for weight, item in attention if item >= 4) / 14
        filled = [each for each in lists if each]
        assert group.queries == len(rows)
        assert group.history_tail == pytest.approx(tail[rows].sum() / (8 * len(rows)))
        assert group.ndcg.value == pytest.approx(ndcg[rows].mean())
        assert group.aplt.value == pytest.approx(np.mean([np.mean(np.array(e) >= 4) for e in filled]))
        assert group.arp.value == pytest.approx(np.mean([COUNTS[e].mean() for e in filled]))
        assert group.head_to_tail.value == pytest.approx(of_head / of_tail)
        for each in (group.ndcg, group.aplt, group.arp, group.head_to_tail):
            assert each.value is not None
            assert each.ci95 is not None
            assert each.ci95[0] < each.value < each.ci95[1]


def test_users_with_equal_shares_are_in_one_group_and_those_without_a_history_in_none() -> None:
    assert users_by_history(np.zeros(2, np.int64), np.zeros(2, np.int64), np.arange(2, dtype=np.int32)) == {}
    asked = queries([[0, 5], [1, 6], [2, 7], []], [0, 1, 2, 3])
    top = np.tile(np.arange(10, dtype=np.int32), (4, 1))
    [(name, group)] = popularity_bias(top, np.ones(4), asked, COUNTS, np.ones(20, bool)).items()
    assert (name, group.users, group.history_tail) == ("head-heavy", 3, 0.5)


def test_there_is_no_ratio_to_a_tail_that_nobody_is_shown() -> None:
    top = np.full((4, 10), -1, np.int32)
    top[:, :4] = np.arange(4)
    [group] = popularity_bias(
        top, np.ones(4), queries([[0]] * 4, [*range(4)]), COUNTS, np.ones(20, bool)
    ).values()
    assert (group.head_to_tail.value, group.head_to_tail.ci95) == (None, None)
    assert group.aplt.value == 0
