"""Builds side by side, growth and profile in small: real runs, and what is computed of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from bench.sidebyside import process, service
from bench.sidebyside.ground import Ground, Sizes
from bench.sidebyside.lines import Line, Round
from bench.sidebyside.rows import ROWS, Row
from bench.sidebyside.side import ROOT, Side
from bench.stored import Studies
from typer.testing import CliRunner

from bench import __main__ as application
from bench import growth, page, profile, sidebyside
from tailrank.errors import RequestError
from tailrank.ranking.reranker import Reranker

FEW_ITEMS = 600


def rounds(old: list[float], new: list[float]) -> list[Round]:
    """Make rounds of a metric `ms`, beside one that is always 2."""
    return [{"old": {"ms": a, "bare": 2}, "new": {"ms": b, "bare": 2}} for a, b in zip(old, new, strict=True)]


def test_a_line_is_the_ratio_of_medians_with_an_interval_over_rounds() -> None:
    found = Line("a ranking", "ms", 0.5).summary(rounds([4, 5, 6, 9, 4], [1, 2, 2, 3, 2]))
    assert (found["old"], found["new"], found["value"]) == (5, 2, 0.4)
    low, high = found["ci95"]
    assert 2 / 9 <= low < 0.4 < high <= 2 / 4
    alike = Line("a ranking", "ms").summary(rounds([4, 8, 2], [1, 2, 0.5]))
    assert alike["value"] == 0.25


def test_a_gate_fails_on_a_ratio_that_is_surely_worse_than_its_limit() -> None:
    before, slower, unsure, faster = [4.0] * 3, [8.0] * 3, [2.0, 8.0, 8.0], [2.0] * 3
    lines = {
        "slower": Line("slower", "ms", 0.5).summary(rounds(before, slower)),
        "unsure": Line("unsure", "ms", 0.5).summary(rounds(before, unsure)),
        "less of": Line("less of", "ms", 0.5, least=True).summary(rounds(before, faster)),
        "more of": Line("more of", "ms", 0.5, least=True).summary(rounds(before, slower)),
        "only told": Line("only told", "ms").summary(rounds(before, slower)),
        "alone": Line("alone", "ms", 5, judged="new").summary(rounds(before, slower)),
    }
    rows = {name: {"lines": [line]} for name, line in lines.items()}
    assert sidebyside.worse(rows, 1.2) == ["slower", "less of"]
    assert sidebyside.worse(rows, 2.5) == []


def test_a_line_may_judge_the_new_build_alone() -> None:
    found = Line("multiple", "ms", 5, over="bare", judged="new").summary(rounds([4, 4], [6, 6]))
    assert (found["old"], found["new"], found["value"]) == (2, 3, 3)
    assert found["ci95"] == [3, 3]


def test_every_row_tells_something_that_it_measures() -> None:
    for row in ROWS.values():
        assert row.lines
        for line in row.lines:
            assert line.judged == "new" or not line.over


def test_a_side_must_be_a_checkout_and_says_what_failed(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="name a checkout of tailrank"):
        Side("old", tmp_path)
    with pytest.raises(RequestError, match=r"old \(.*no-such-model"):
        Side("old", ROOT).probe("ranking", model="no-such-model", requests="none", calls=1)


def test_a_side_is_what_its_folder_holds(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    other = Side("new", tmp_path)
    assert other.about["source"] == Side("old", ROOT).about["source"]
    (tmp_path / "src/tailrank/errors.py").open("a").write("# another build\n")
    assert Side("new", tmp_path).about["source"] != other.about["source"]


def test_sides_take_turns_and_rounds_are_kept(tmp_path: Path, ground: Ground) -> None:
    turns: list[str] = []

    def measure(_: Ground, side: Side, nth: int) -> dict[str, float]:
        turns.append(side.name)
        return {"ms": float(nth)}

    sides = {name: Side(name, ROOT) for name in ("old", "new")}
    row = Row(measure, (Line("a ranking", "ms"),))
    found = sidebyside.rounds_of("row", row, ground, sides, 3, tmp_path)
    assert turns == ["old", "new", "new", "old", "old", "new"]
    assert sidebyside.rounds_of("row", row, ground, sides, 4, tmp_path)[:3] == found
    assert len(turns) == 8
    sidebyside.rounds_of("other", replace(row, once=True), ground, sides, 4, tmp_path)
    assert len(turns) == 10


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """A small catalogue, and few of everything."""
    sizes = Sizes(items=FEW_ITEMS, users=200, requests=10, seconds=1)
    return Ground(Side("old", ROOT), tmp_path_factory.mktemp("ground"), "movielens-100k", sizes=sizes)


def test_the_command_measures_and_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILRANK_CACHE", str(tmp_path))
    for module in ("bench.sidebyside", "bench.study"):
        monkeypatch.setattr(f"{module}.RESULTS", tmp_path)
    words = ["sidebyside", str(ROOT), str(ROOT), "--row", "state", "--rounds", "2", "--users", "200"]
    done = CliRunner().invoke(application.app, words)
    assert done.exit_code == 0, done.output or done.exception
    stored = json.loads((tmp_path / "sidebyside.json").read_text())
    row = stored["rows"]["state"]
    assert [line["value"] for line in row["lines"][:2]] == [1, 1]
    assert [set(each) for each in row["rounds"]] == [{"old", "new"}] * 2
    assert stored["old"]["source"] == stored["new"]["source"]
    assert str(ROOT) not in json.dumps(stored)
    text = page.render("speed.md.j2", studies=Studies(tmp_path))
    assert "| bytes of a user with 50 events, as filled |" in text
    assert "| 2 | ≤ 0.55 times old: no |" in text


def test_a_made_up_catalogue_is_ranked_and_put_into(ground: Ground) -> None:
    found = growth.items(ground, FEW_ITEMS)
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert 0 < found["memory_kb"] / 1024 < found["model_mb"]
    put = service.puts(ground, ground.maker, 0)
    assert put["calm_p50_ms"] > 0
    assert 0 < put["busy_p50_ms"] <= put["busy_p99_ms"]


def test_the_same_build_gives_the_same_rankings(ground: Ground, model: Path) -> None:
    same = process.scores(replace(ground, given=model), Side("new", ROOT), 0)
    assert same == {"largest_difference": 0, "changed_orders": 0}


@pytest.fixture(scope="module")
def model(reranker: Reranker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    reranker.save(folder)
    return folder


def test_a_profile_adds_up(ground: Ground, model: Path) -> None:
    calm, after = profile.measured(replace(ground, given=model), Side("now", ROOT), 10)
    assert (calm["title"], after["title"]) == ("now", "now, after an event")
    for column in (calm, after):
        parts = column["parts"]
        assert {"decode", "state", "ids to codes", "fusion", "policy and order", "encode"} <= parts.keys()
        assert sum(name.startswith("signal: ") for name in parts) >= 5
        assert sum(parts.values()) == pytest.approx(column["whole"])
        assert column["floors"]["application that echoes"] < column["whole"]


def test_an_exponent_is_fitted_to_what_grows() -> None:
    points = [{"n": n, "p50_ms": float(max(n, 1)) ** 2, "memory_kb": 7.0} for n in (0, 1, 10, 100)]
    axis = growth.Axis((), {"p50_ms": "time", "memory_kb": "memory"}, growth.history)
    found = growth.summary(axis, points)
    assert found["sizes"] == [0, 1, 10, 100]
    assert found["fits"]["time"] == {
        **{"exponent": pytest.approx(2), "end": pytest.approx(2)},
        "ci95": pytest.approx([2, 2], abs=1e-6),
    }
    assert found["fits"]["memory"]["ci95"] == pytest.approx([0, 0], abs=1e-6)
    assert growth.summary(axis, points[:3])["fits"] == {}


def test_growth_and_profile_have_their_place_on_the_page(tmp_path: Path) -> None:
    axis = growth.Axis((), {"p50_ms": "time"}, growth.history)
    points = [{"n": n, "p50_ms": float(n) ** 1.5} for n in (1, 10, 100)]
    (tmp_path / "growth.json").write_text(json.dumps({"axes": {"items": growth.summary(axis, points)}}))
    columns = [
        {"title": title, "parts": parts, "whole": 4.0, "floors": {"echo": 0.1}}
        for title, parts in (("before", {"decode": 1.0, "fusion": 3.0}), ("now", {"decode": 4.0}))
    ]
    (tmp_path / "profile.json").write_text(json.dumps({"columns": columns}))
    text = page.render("speed.md.j2", studies=Studies(tmp_path))
    assert "| time | 1 | 31.6 | 1,000 | 1.50 (1.50 to 1.50) | 1.50, worse than linear |" in text
    assert "| fusion | 3 | 75% | - | 0% |" in text
    assert "| **whole** | 4 | 100% | 4 | 100% |" in text
    assert "| echo | 0.1 | 2% | 0.1 | 2% |" in text
