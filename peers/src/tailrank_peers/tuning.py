"""The same tuning for every peer: four settings, one time budget, the same validation queries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.errors import DataError
from tailrank.evaluation.baselines import FittedModel
from tailrank.language.vectors import ItemVectors
from tailrank.metrics.full_ranking import Model, per_query, rank_queries
from tailrank.ranking.settings import Settings
from tailrank.reporting import Progress

TRIALS: Final = 4
"""Settings that each peer tries."""

SECONDS: Final = 240.0
"""Once this much time is spent on a peer, no further trial starts."""

QUERIES: Final = 1_000
"""Validation queries that settings are compared on: at most these, and at most a quarter of all."""

Setting: TypeAlias = Mapping[str, float | str]

Fit: TypeAlias = Callable[[Setting], Model]

Prepare: TypeAlias = Callable[[Split, Floats | None, Settings], Fit]
"""Does what all settings share, from (split, vectors, settings), and gives what fits one of them.

A model learns from `split.full_train`, and may learn from `split.validation`.
"""


class _Trial(NamedTuple):
    """A setting that was tried: its ndcg@10 on validation, and its model with the seconds of its fit."""

    ndcg: float
    setting: Setting
    model: Model
    seconds: float


@dataclass(frozen=True)
class Peer:
    """A well-known recommender, and what of it is tuned.

    Attributes
    ----------
    name
        As in `--models`.
    prepare
        How to fit it.
    grid
        As many settings as there are trials, a sane and quick one first, since time may run out.
    """

    name: str
    prepare: Prepare
    grid: tuple[Setting, ...]

    def tune(
        self, split: Split, spaces: Mapping[str, ItemVectors], settings: Settings, progress: Progress
    ) -> FittedModel:
        """Choose the setting with the best ndcg@10 on validation queries, and fit it on `full_train`.

        Parameters
        ----------
        split
            Trials learn from `train`; if `full_train` is more, the chosen setting is fitted again.
        spaces
            Vector spaces by name, of which peers read `semantic`, if there is one.
        settings
            Seed, template, length of histories and what tailrank's own signals are fitted with.
        progress
            Is called with the number of settings that were tried.

        Raises
        ------
        RequestError
            If the data are too large for the peer, or it needs vectors and there are none.
        DataError
            If there is no validation query to tune on.
        """
        begun = time.perf_counter()
        trial_split, queries = hold_back(split, settings.seed)
        vectors = spaces["semantic"].values if "semantic" in spaces else None
        fit = self.prepare(trial_split, vectors, settings)
        prepared = time.perf_counter() - begun
        best, trials = self._search(fit, trial_split, queries, SECONDS - prepared, progress)
        tuning: dict[str, float | str] = {
            **best.setting,
            "trials": trials,
            "tuning_seconds": round(time.perf_counter() - begun, 1),
            "validation_ndcg@10": best.ndcg,
        }
        if split.full_train is split.train:
            return FittedModel(self.name, best.model, prepared + best.seconds, tuning)
        begun = time.perf_counter()
        model = self.prepare(split, vectors, settings)(best.setting)
        return FittedModel(self.name, model, time.perf_counter() - begun, tuning)

    def _search(
        self, fit: Fit, trial_split: Split, queries: Queries, seconds: float, progress: Progress
    ) -> tuple[_Trial, int]:
        """Try settings in order while there is time, at least one; give the best and the number of trials."""
        begun, task = time.perf_counter(), f"tune {self.name}"
        best, trials = _try(fit, self.grid[0], trial_split, queries), 1
        progress(task, 1, len(self.grid))
        while trials < len(self.grid) and time.perf_counter() - begun < seconds:
            best = max(best, _try(fit, self.grid[trials], trial_split, queries), key=lambda trial: trial.ndcg)
            trials += 1
            progress(task, trials, len(self.grid))
        progress(task, trials, trials)
        return best, trials


def _try(fit: Fit, setting: Setting, trial_split: Split, queries: Queries) -> _Trial:
    begun = time.perf_counter()
    model = fit(setting)
    seconds = time.perf_counter() - begun
    return _Trial(float(per_query(rank_queries(model, queries, trial_split)).mean()), setting, model, seconds)


def hold_back(split: Split, seed: int) -> tuple[Split, Queries]:
    """Part validation into queries that may be learned from, in a split that ends at `train`, and the rest.

    Raises
    ------
    DataError
        If there are fewer than two validation queries.
    """
    validation = split.validation
    if len(validation) < 2:
        raise DataError(
            f"{split.full_train.name}: peers are tuned on validation queries, and "
            f"the protocol {split.protocol} has {len(validation)}: leave them out of --models"
        )
    n = min(QUERIES, max(1, len(validation) // 4))
    chosen = np.zeros(len(validation), dtype=bool)
    chosen[np.random.default_rng(seed).choice(len(validation), n, replace=False)] = True
    rest, held = validation.take(~chosen), validation.take(chosen)
    return replace(split, full_train=split.train, validation=rest), held
