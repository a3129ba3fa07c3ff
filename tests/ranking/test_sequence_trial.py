"""What a model is fitted with if nobody says: a sequence model is tried, and stays only if it pays."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tailrank.data.dataset import Dataset
from tailrank.data.splits import hold_out
from tailrank.language.text import item_texts
from tailrank.ranking.fitting import fit_before
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.ranking.weighing import learn_weights
from tailrank.signals.covisitation import CoVisitation
from tailrank.signals.popularity import Popularity
from tailrank.signals.sequence import training
from tailrank.signals.sequence.config import SASRecConfig

N_ITEMS = 30
AUTOMATIC = Settings(sequence_epochs=None)


def walks(users: int) -> Dataset:
    """Users who walk round a ring of items, each from a start of their own, most from the first ones."""
    starts = (N_ITEMS * np.random.default_rng(0).random(users) ** 2).astype(int).tolist()
    items = pl.DataFrame({"item_id": [str(i) for i in range(N_ITEMS)], "title": ["thing"] * N_ITEMS})
    rows = [
        {"user_id": f"u{user}", "item_id": str((start + step) % N_ITEMS), "position": step}
        for user, start in enumerate(starts)
        for step in range(4 + user % 5)
    ]
    return Dataset.construct(items, pl.DataFrame(rows))


@pytest.fixture(scope="module")
def many() -> Dataset:
    return walks(500)


@pytest.mark.parametrize("settings", [Settings(), Settings(debias=0.25)], ids=["plain", "corrected"])
@pytest.mark.parametrize(("name", "kept"), [("covisitation", True), ("popularity", False)])
def test_a_signal_stays_only_if_the_whole_ranks_better_with_it(
    many: Dataset, name: str, kept: bool, settings: Settings
) -> None:
    split = hold_out(many)
    covisitation = CoVisitation.from_events(split.train)
    says_nothing = Popularity(np.zeros(N_ITEMS, np.float32))
    texts = item_texts(many.items)
    fusion, trial = learn_weights(
        split, split.validation, (covisitation, says_nothing), texts, settings, on_trial=name
    )
    assert trial is not None
    assert trial.kept == (name in fusion.signals) == kept
    assert (trial.overall.whole > 1.5 * trial.overall.without) == trial.overall.better == kept


def test_by_default_the_fit_says_what_came_of_the_sequence_model(many: Dataset, tmp_path: Path) -> None:
    reranker = Reranker.fit(many, None, AUTOMATIC)
    outcome = reranker.about["sequence"]
    assert isinstance(outcome, dict)
    assert outcome["kept"] == ("sequence" in reranker.fusion.signals)
    assert [signal.name for signal in reranker.signals] == list(reranker.fusion.signals)
    assert outcome["epochs"] > 0
    assert "without it" in outcome["why"]
    reranker.save(tmp_path / "model")
    assert Reranker.load(tmp_path / "model").about["sequence"] == outcome


@pytest.mark.parametrize(
    ("users", "settings", "why"),
    [
        (50, AUTOMATIC, "50 validation queries can't tell"),
        (500, replace(AUTOMATIC, minutes=0.0), "don't fit into 0 min"),
        (500, Settings(), "as the settings ask"),
    ],
)
def test_without_time_or_evidence_there_is_none_and_the_fit_says_why(
    users: int, settings: Settings, why: str
) -> None:
    reranker = Reranker.fit(walks(users), None, settings)
    assert "sequence" not in reranker.fusion.signals
    outcome = reranker.about["sequence"]
    assert isinstance(outcome, dict)
    assert (outcome["kept"], outcome["epochs"]) == (False, 0)
    assert why in outcome["why"]


def test_without_torch_there_is_none_unless_it_was_asked_for(
    many: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "tailrank.signals.sequence.training")
    monkeypatch.setitem(sys.modules, "torch", None)
    plan = fit_before(hold_out(many), None, AUTOMATIC).plan
    assert plan.epochs == 0
    assert "pip install" in plan.why_not


def test_training_ends_if_it_could_not_be_repeated_in_time(many: Dataset) -> None:
    split = hold_out(many)
    config = SASRecConfig(width=16, epochs=8)
    found = training.train(split.train, split.validation, True, None, config, seconds=0.0)
    assert len(found.ndcg) == 1
