"""Which items to describe: those that rankings read most often."""

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
from tailrank.tuning.annotation import items_to_annotate


def with_histories(histories: list[list[int]], n_items: int) -> Dataset:
    rows = [(f"u{u}", str(i), at) for u, history in enumerate(histories) for at, i in enumerate(history)]
    items = {"item_id": [str(i) for i in range(n_items)], "title": ["a title"] * n_items}
    events = pl.DataFrame(rows, ["user_id", "item_id", "position"], orient="row")
    return Dataset.construct(pl.DataFrame(items), events)


@given(
    st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=7), min_size=2, max_size=8),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(1, 8),
)
def test_what_is_read_most_comes_first(histories: list[list[int]], candidates: set[int], budget: int) -> None:
    chosen, found = items_to_annotate(
        with_histories(histories, 7), np.isin(np.arange(7), list(candidates)), budget
    )
    uses = dict.fromkeys(candidates, 0.0)
    for history in histories:
        for age, item in enumerate(reversed(history)):
            if item in uses:
                uses[item] += (1 + age) ** -0.7
    assert len(chosen) == min(budget, len(candidates))
    assert [uses[item] for item in chosen.tolist()] == pytest.approx(found.tolist())
    assert found.tolist() == pytest.approx(sorted(uses.values(), reverse=True)[:budget])


def test_mistakes() -> None:
    dataset = with_histories([[0, 1]], 2)
    with pytest.raises(RequestError, match="budget must be at least 1"):
        items_to_annotate(dataset, np.ones(2, bool), 0)
    with pytest.raises(RequestError, match="nothing to annotate"):
        items_to_annotate(dataset, np.zeros(2, bool), 1)


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
        assert found.columns == ["item_id", "text", "interactions", "use"]
        assert set(found["item_id"]) == wanted
        assert found["use"].is_sorted(descending=True)
        assert dict(zip(found["item_id"], found["interactions"], strict=True))["b"] == 2
        assert [path.name for path in out.parent.iterdir()] == ["items.csv"]

    def test_a_place_that_is_no_place(self, folder: Path) -> None:
        asked = ["label", "--data", str(folder), "--out", str(folder / "items.csv" / "out.csv")]
        refused = CliRunner().invoke(app, asked)
        assert isinstance(refused.exception, RequestError)
        assert "name another file" in str(refused.exception)
