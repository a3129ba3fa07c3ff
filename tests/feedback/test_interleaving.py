"""Two rankings in one list."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tailrank.errors import RequestError
from tailrank.feedback.interleaving import NOBODY, A, B, Interleaving, team_draft

LETTERS = [*"abcdefghij"]
rankings = st.lists(st.sampled_from(LETTERS), unique=True)


def draft(a: list[str], b: list[str], ranking_id: str = "r1", k: int | None = None) -> Interleaving:
    return team_draft(a, b, experiment="new-fusion", ranking_id=ranking_id, k=k)


@given(rankings, rankings, st.none() | st.integers(1, 12), st.text())
def test_it_is_a_draft(a: list[str], b: list[str], k: int | None, ranking_id: str) -> None:
    shown = draft(a, b, ranking_id, k)
    assert shown == draft(a, b, ranking_id, k)
    whole = draft(a, b, ranking_id)
    assert (whole.items[:k], whole.teams[:k]) == (shown.items, shown.teams)
    assert sorted(whole.items) == sorted({*a, *b})
    taken: set[str] = set()
    size = {A: 0, B: 0, NOBODY: 0}
    for item, team in zip(whole.items, whole.teams, strict=True):
        size[team] += 1
        assert abs(size[A] - size[B]) <= 1
        if team != NOBODY:
            assert item == next(one for one in (a, b)[team] if one not in taken)
        taken.add(item)


@given(rankings, rankings)
def test_what_both_begin_with_speaks_for_nobody(a: list[str], b: list[str]) -> None:
    start = ["x", "y"]
    shown = draft(start + a, start + b)
    assert shown.items[:2] == ("x", "y")
    assert shown.teams[:2] == (NOBODY, NOBODY)
    assert shown.credits(start) == (0, 0)


def test_what_one_ranking_has_alone_speaks_for_nobody() -> None:
    shown = draft(["a", "b"], ["c", "d", "e", "f"])
    assert shown.items[4:] == ("e", "f")
    assert shown.teams[4:] == (NOBODY, NOBODY)
    assert shown.credits({"a", "e", "f"}) == (1, 0)


def test_each_side_goes_first_as_often() -> None:
    firsts = [draft(["a", "b"], ["b", "a"], f"r{n}").teams[0] for n in range(2000)]
    assert stats.binomtest(firsts.count(A), 2000).pvalue > 0.001


def test_clicks_that_prefer_nothing_prefer_neither_side() -> None:
    rng = np.random.default_rng(0)
    total = np.zeros(2)
    for n in range(3000):
        a, b = rng.permutation(LETTERS).tolist(), rng.permutation(LETTERS).tolist()
        shown = draft(a, b, f"r{n}", 5)
        looked = rng.random(5) < 1 / np.arange(1, 6)
        total += shown.credits({item for item, seen in zip(shown.items, looked, strict=True) if seen})
    assert stats.binomtest(int(total[0]), int(total.sum())).pvalue > 0.001


@pytest.mark.parametrize(("a", "b"), [([], []), (["a"], []), ([], ["a"])])
def test_an_empty_ranking_leaves_the_other(a: list[str], b: list[str]) -> None:
    shown = draft(a, b)
    assert shown.items == (*a, *b)
    assert set(shown.teams) <= {NOBODY}


@pytest.mark.parametrize("k", [0, -1])
def test_a_list_has_an_item_at_least(k: int) -> None:
    with pytest.raises(RequestError, match=f"k must be at least 1, not {k}"):
        team_draft(["a"], ["b"], experiment="x", ranking_id="r", k=k)
