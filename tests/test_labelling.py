"""Which items to have described: demand, what is near already, and a search through all choices."""

from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.data.dataset import Dataset
from tailrank.errors import RequestError
from tailrank.language.tuning.labelling import WINDOW, pick


def taken(histories: list[list[int]], n_items: int, titles: list[str] | None = None) -> Dataset:
    rows = [(f"u{u}", str(i), at) for u, history in enumerate(histories) for at, i in enumerate(history)]
    items = {"item_id": [str(i) for i in range(n_items)], "title": titles or ["a title"] * n_items}
    events = pl.DataFrame(rows, ["user_id", "item_id", "position"], orient="row")
    return Dataset.construct(pl.DataFrame(items), events)


def worth(histories: list[list[int]], n_items: int, chosen: set[int]) -> float:
    """Sum what the chosen items stand for, pair by pair."""
    counts = np.bincount([i for history in histories for i in history], minlength=n_items)
    near = np.zeros((n_items, n_items))
    for history in histories:
        for a, b in combinations(range(len(history)), 2):
            if b - a <= WINDOW:
                near[history[a], history[b]] += 1
                near[history[b], history[a]] += 1
    near = np.minimum(near / np.sqrt(np.maximum(np.outer(counts, counts), 1)), 1)
    np.fill_diagonal(near, 1)
    return float((counts + 1) @ near[:, sorted(chosen)].max(axis=1, initial=0))


@given(
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=7), min_size=2, max_size=8),
    st.sets(st.integers(0, 6), min_size=1, max_size=7),
    st.integers(1, 3),
)
def test_the_pick_is_the_greedy_one_and_near_the_best(
    histories: list[list[int]], candidates: set[int], budget: int
) -> None:
    poor = np.isin(np.arange(7), list(candidates))
    found = pick(taken(histories, 7), poor, budget)
    assert set(found.items) <= candidates
    assert len(set(found.items)) == min(budget, len(candidates))
    described = set(np.flatnonzero(~poor).tolist())
    start, chosen = worth(histories, 7, described), set(described)
    for item, gain in zip(found.items.tolist(), found.gains, strict=True):
        before = worth(histories, 7, chosen)
        gains = {i: worth(histories, 7, {*chosen, i}) - before for i in candidates - chosen}
        assert gain == pytest.approx(gains[item], abs=1e-9)
        assert gain == pytest.approx(max(gains.values()), abs=1e-9)
        chosen.add(item)
    best = max(worth(histories, 7, described | set(c)) for c in combinations(candidates, len(found.items)))
    assert worth(histories, 7, chosen) - start >= (1 - 1 / np.e) * (best - start) - 1e-9


def test_what_a_described_item_stands_for_can_wait() -> None:
    twins, lonely = [[0, 1]] * 5, [[2], [2], [2]]
    dataset = taken([*twins, *lonely], 3)
    assert pick(dataset, np.array([True, True, True]), 3).items.tolist() == [0, 2, 1]
    assert pick(dataset, np.array([False, True, True]), 2).items.tolist() == [2, 1]


def test_mistakes() -> None:
    dataset = taken([[0, 1]], 2)
    with pytest.raises(RequestError, match="budget must be at least 1"):
        pick(dataset, np.ones(2, bool), 0)
    with pytest.raises(RequestError, match="nothing to have described"):
        pick(dataset, np.zeros(2, bool), 1)


class TestCommand:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        place = tmp_path / "shop"
        place.mkdir()
        items = {"item_id": list("abcd"), "title": ["green tea", None, "mug", "  "]}
        pl.DataFrame(items).write_csv(place / "items.csv")
        events = {"user_id": list("uuvvw"), "item_id": list("abdcb"), "position": [0, 1, 0, 1, 0]}
        pl.DataFrame(events).write_csv(place / "events.csv")
        return place

    @pytest.mark.parametrize(("words", "wanted"), [(1, {"b", "d"}), (2, {"b", "c", "d"})])
    def test_a_list_to_hand_out(self, folder: Path, tmp_path: Path, words: int, wanted: set[str]) -> None:
        out = tmp_path / "next" / "items.csv"
        asked = ["label", "--data", str(folder), "--budget", "9", "--out", str(out), "--words", str(words)]
        done = CliRunner().invoke(app, asked)
        assert done.exit_code == 0, done.output
        found = pl.read_csv(out)
        assert found.columns == ["item_id", "text", "interactions", "gain"]
        assert set(found["item_id"]) == wanted
        assert found["gain"].is_sorted(descending=True)
        assert dict(zip(found["item_id"], found["interactions"], strict=True))["b"] == 2
        assert [path.name for path in out.parent.iterdir()] == ["items.csv"]

    def test_a_place_that_is_no_place(self, folder: Path) -> None:
        asked = ["label", "--data", str(folder), "--out", str(folder / "items.csv" / "out.csv")]
        refused = CliRunner().invoke(app, asked)
        assert isinstance(refused.exception, RequestError)
        assert "name another file" in str(refused.exception)
