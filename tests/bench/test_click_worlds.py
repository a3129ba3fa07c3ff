"""The worlds that off-policy estimators are measured in, and the study of them in small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bench.click_worlds import BEHAVIOURS, World
from bench.page import ROOT
from bench.stored import Studies
from bench.study import RESULTS

from bench import offpolicy, open_bandit, study


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_what_a_world_calls_true_is_what_its_target_earns(behaviour: str) -> None:
    world = World.drawn(3, behaviour)
    serving = replace(world, logging=world.targeting).log(100_000, np.random.default_rng(0))
    assert serving.rewards.sum(axis=1).mean() == pytest.approx(world.truth, abs=0.01)
    assert serving.propensity == pytest.approx(serving.target)


def test_chances_are_those_with_which_items_are_drawn() -> None:
    world = World.drawn(3, "position")
    log = world.log(100_000, np.random.default_rng(1))
    for chances in (log.propensity, log.next_propensity):
        assert (1 / chances[:, 0]).mean() == pytest.approx(6, rel=0.02)  # there are six items
    assert (1 / log.propensity[:, 2]).mean() == pytest.approx(6, rel=0.02)
    assert (1 / log.next_propensity[:, 2]).mean() == pytest.approx(4, rel=0.02)  # two of them are above
    assert (log.next_target / log.next_propensity).mean(axis=0) == pytest.approx(np.ones(3), rel=0.02)


def test_the_study_stores_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "open-bandit"
    folder.mkdir()
    for name in ("random", "bts"):
        items, positions = rng.integers(80, size=2_000), rng.integers(1, 4, 2_000)
        columns = {"item_id": items, "position": positions, "click": rng.integers(0, 2, 2_000)}
        table = pl.DataFrame(columns).with_columns(propensity_score=1 / 80)
        table.write_parquet(folder / f"{name}_all.parquet")
    monkeypatch.setattr(study, "RESULTS", tmp_path)
    monkeypatch.setattr(offpolicy, "SIZES", (500, 1_000))
    monkeypatch.setattr(offpolicy, "RARE", (2_000,))
    monkeypatch.setattr(open_bandit, "DRAWN", (1_000,))
    offpolicy.main(tmp_path, 2)
    found = json.loads((tmp_path / "offpolicy.json").read_text())
    assert len(found["simulated"]) == 2 * (3 + 4 * 5)
    assert [row["runs"] for row in found["methods"]] == [10] * 4
    assert {(row["way"], row["refused"]) for row in found["open_bandit"]} == {
        ("random to bts", False),
        ("bts to random", False),
    }


def test_the_page_says_what_is_stored() -> None:
    stored = Studies(RESULTS).single("offpolicy")
    assert stored is not None
    text = (ROOT / "docs" / "off_policy.md").read_text(encoding="utf-8")
    for row in stored["methods"]:
        if row["n"] == 2_000:
            assert f"{row['coverage']:.1%} | {row['below']:.1%} | {row['above']:.1%} |" in text
    claimed = [row["coverage"] for row in stored["simulated"] if row["claims"]]
    assert f"{len(claimed)} cases" in text
    assert f"{min(claimed):.1%} and {max(claimed):.1%}" in text
