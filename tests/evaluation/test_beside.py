"""Two runs on one page: what they share, where they differ, and what can't be compared."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tailrank.cli.main import app
from tailrank.errors import RequestError
from tailrank.evaluation.beside import read_run, side_by_side
from tailrank.evaluation.report import render, summary
from tailrank.evaluation.results import Evaluation, Ground, TradeoffPoint

RUNS = ("old", "new")


def run(ndcg: float, queries: int = 100, **settings: object) -> Evaluation:
    """Measure a model that changes from run to run beside one that doesn't."""
    models: dict[str, dict[str, float | None]] = {
        "tailrank": {"ndcg@10": ndcg, "aplt@10": 0.2, "fit_seconds": ndcg},
        "popularity": {"ndcg@10": 0.05, "aplt@10": 0.0, "fit_seconds": ndcg},
    }
    means = {"tailrank": ndcg, "popularity": 0.05}
    ends = {name: {"ndcg@10": (mean - 0.01, mean + 0.02)} for name, mean in means.items()}
    tradeoff = [TradeoffPoint(at, {"ndcg@10": ndcg - at / 50, "aplt@10": at}) for at in (0.0, 1.0)]
    ground = Ground(50, queries, 30, {"tail80": 40}, models, tradeoff=tradeoff, intervals=ends)
    return Evaluation("tea", "leave-one-out", dict(settings), np.zeros(0, np.int64), ground)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    found = replace(run(0.1, seed=1), fair=run(0.2).full, least_count=3)
    (tmp_path / "metrics.json").write_text(found.to_json())
    again = read_run(tmp_path)
    assert again.to_json() == found.to_json()
    assert (again.fair, again.full) == (found.fair, found.full)


def test_a_model_that_found_the_same_comes_once_and_one_that_did_not_twice() -> None:
    both = side_by_side(run(0.1), run(0.2), RUNS)
    assert list(both.full.models) == ["old: tailrank", "new: tailrank", "popularity"]
    assert both.full.models["old: tailrank"]["ndcg@10"] == 0.1
    assert both.full.earlier_tradeoff == run(0.1).full.tradeoff
    assert "new: tailrank leads" in summary(both)


def test_the_difference_is_second_minus_first_with_the_interval_of_independent_samples() -> None:
    [one] = side_by_side(run(0.1), run(0.2), RUNS).full.comparisons
    assert (one.a, one.b, one.metric) == ("new: tailrank", "old: tailrank", "ndcg@10")
    assert one.difference == pytest.approx(0.1)
    reach = np.hypot(0.01, 0.02)
    assert one.ci95 == pytest.approx((0.1 - reach, 0.1 + reach))


def test_settings_that_differ_are_named_for_both() -> None:
    both = side_by_side(run(0.1, seed=1, loss="bce"), run(0.2, seed=1, loss="listwise"), RUNS)
    assert both.settings == {"seed": 1, "loss": {"old": "bce", "new": "listwise"}}
    assert "old bce, new listwise" in render(both)


def test_runs_of_other_queries_are_not_compared() -> None:
    with pytest.raises(RequestError, match=r"old and new differ in number of queries.*evaluate both"):
        side_by_side(run(0.1), run(0.1, queries=99), RUNS)


@pytest.mark.parametrize(
    "text", [None, "[]", "{", '{"dataset": "tea"}'], ids=["none", "list", "broken", "part"]
)
def test_what_is_no_evaluation_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(RequestError, match=r"metrics\.json: "):
        read_run(tmp_path)


def test_the_command_writes_a_page(tmp_path: Path) -> None:
    for name, ndcg in zip(RUNS, (0.1, 0.2), strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text(run(ndcg).to_json())
    words = ["report", str(tmp_path / "old"), str(tmp_path / "new"), "--out", str(tmp_path / "both.html")]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "both.html").read_text()
    assert "old beside new" in page
    assert page.count("n = 40") == 1
    assert json.loads((tmp_path / "old" / "metrics.json").read_text())["queries"] == 100
