"""The worlds that off-policy estimators are measured in, and the study of them in small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bench.click_worlds import BEHAVIOURS, World

from bench import offpolicy, open_bandit, study


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_what_a_world_calls_true_is_what_its_target_earns(behaviour: str) -> None:
    world = World.drawn(3, behaviour)
    serving = replace(world, logging=world.targeting).log(200_000, np.random.default_rng(0))
    assert serving.rewards.sum(axis=1).mean() == pytest.approx(world.truth, abs=0.006)
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
        columns = {"item_id": items, "position": positions, "click": rng.random(2_000) < 0.1}
        table = pl.DataFrame(columns).with_columns(pl.col("click").cast(pl.Int64), propensity_score=1 / 80)
        table.write_parquet(folder / f"{name}_all.parquet")
    monkeypatch.setattr(study, "RESULTS", tmp_path)
    monkeypatch.setattr(offpolicy, "SIZES", (500, 1_000))
    monkeypatch.setattr(open_bandit, "DRAWN", (1_000,))
    offpolicy.main(tmp_path, 3)
    found = json.loads((tmp_path / "offpolicy.json").read_text())
    assert len(found["simulated"]) == 2 * (3 + 4 * 5)
    assert {row["way"] for row in found["open_bandit"]} == {"random to bts", "bts to random"}
    once = {row["method"]: row["width"] for row in found["methods"] if row["n"] == 500}
    assert once["bootstrap, weights normalised once"] > once["bootstrap"]
