"""`tailrank evaluate --on ray`: the metrics of one process, from several."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tailrank.arrays import Floats
from tailrank.cli.main import app
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.data.splits import Split, leave_one_out
from tailrank.errors import RequestError
from tailrank.evaluation import runner
from tailrank.evaluation.baselines import FittedModel
from tailrank.evaluation.frontier import find_dials
from tailrank.evaluation.results import Ground
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.full_ranking import QueryScorer
from tailrank.ranking.settings import Settings
from tailrank.running import Run
from tailrank.scale.on_ray import run_tasks

NAMES = ("tailrank", "popularity", "lm-mean", "frequent")
SETTINGS = Settings(sequence_epochs=0)


@pytest.fixture(scope="module")
def split(movielens: Dataset) -> Split:
    """Some users of MovieLens, with queries for several shards on two grounds."""
    h, n = movielens.histories, 200
    few = replace(
        movielens, user_ids=movielens.user_ids[:n], histories=h.cut(h.offsets[:n], h.offsets[1 : n + 1])
    )
    return replace(leave_one_out(few), least_count=3)


@pytest.fixture(scope="module")
def fitted(split: Split, movielens_vectors: ItemVectors) -> list[FittedModel]:
    return runner.fit(NAMES, split, {"semantic": movielens_vectors}, SETTINGS)


@dataclass(frozen=True)
class KilledOnce:
    """A model whose process dies the first time, as if memory had run out."""

    scorer: Scorer
    marker: str

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        try:
            os.close(os.open(self.marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return self.scorer.score(histories, candidates)
        os.kill(os.getpid(), signal.SIGKILL)
        return np.zeros(0, np.float32)


@pytest.fixture
def elsewhere(on_ray: Any) -> Run:
    on_ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    return partial(run_tasks, on_ray)


def untimed(ground: Ground | None) -> object:
    """Give all that is measured, but for what depends on the machine."""
    assert ground is not None
    models = {name: {**found, "rank_ms_per_user": None} for name, found in ground.models.items()}
    exposure = {name: found.tolist() for name, found in ground.exposure.items()}
    return replace(ground, models=models, exposure=exposure)


def test_metrics_are_those_of_one_process_though_a_worker_dies(
    elsewhere: Run, fitted: Sequence[FittedModel], split: Split, tmp_path: Path
) -> None:
    assert len(list(split.test.cut(split.full_train.n_items))) > 1
    want = runner.evaluate(fitted, split, {}, SETTINGS)
    at = NAMES.index("popularity")
    scorer = fitted[at].scorer
    assert not isinstance(scorer, QueryScorer)
    killed = replace(fitted[at], scorer=KilledOnce(scorer, str(tmp_path / "killed")))
    models = [*fitted[:at], killed, *fitted[at + 1 :]]
    found = runner.evaluate(models, split, {}, SETTINGS, run=elsewhere)
    assert (tmp_path / "killed").exists()
    assert untimed(found.full) == untimed(want.full)
    assert untimed(found.fair) == untimed(want.fair)
    for model in models:
        assert (found.full.models[model.name]["rank_ms_per_user"] or 0) > 0


def test_dials_turn_elsewhere_as_they_do_here(
    elsewhere: Run, fitted: Sequence[FittedModel], split: Split
) -> None:
    dials = find_dials(["tail"])
    here = runner.sweep(dials, fitted, split, {}, SETTINGS)
    assert runner.sweep(dials, fitted, split, {}, SETTINGS, run=elsewhere) == here


def test_a_model_that_cannot_be_sent_is_said(
    elsewhere: Run, fitted: Sequence[FittedModel], split: Split
) -> None:
    @dataclass
    class Locked:
        lock: Any = field(default_factory=threading.Lock)

        def score(self, histories: Histories, candidates: Candidates) -> Floats:
            return np.zeros((len(histories), len(candidates)), np.float32)

    with pytest.raises(RequestError, match="can't be sent to other processes"):
        runner.evaluate([FittedModel("locked", Locked(), 0.0)], split, {}, SETTINGS, run=elsewhere)


def test_lists_of_ones_own_are_ranked_here(tmp_path: Path) -> None:
    words = ["evaluate", "--data", str(tmp_path), "--out", str(tmp_path), "--candidates", "impressions"]
    error = CliRunner().invoke(app, [*words, "--on", "ray"]).exception
    assert isinstance(error, RequestError)
    assert str(error) == "--on doesn't go with --candidates: it ranks whole catalogues"
