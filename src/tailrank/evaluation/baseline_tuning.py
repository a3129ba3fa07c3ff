"""How baselines are tuned: on the validation queries that tailrank learns from, half of it for the tail."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self, TypeAlias

import numpy as np

from tailrank.arrays import Bools, Floats
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.evaluation.profiles import FADINGS, Fading, ItemScorer
from tailrank.metrics.full_ranking import full_ranks
from tailrank.metrics.popularity import tail_items
from tailrank.metrics.ranking import ndcg
from tailrank.ranking.fitting import validation_sample
from tailrank.ranking.settings import Settings
from tailrank.reporting import Progress

Setting: TypeAlias = Mapping[str, float]

Learn: TypeAlias = Callable[[Dataset, Setting], ItemScorer]
"""Learns from events, under a value for each setting."""


class Tuned(NamedTuple):
    """A model with what was chosen for it, as in `FittedModel`."""

    scorer: Scorer
    fit_seconds: float
    tuning: Mapping[str, float | str]


def tune(
    name: str,
    learn: Learn,
    grid: Mapping[str, Sequence[float]],
    split: Split,
    settings: Settings,
    progress: Progress,
) -> Tuned:
    """Choose the fading, then one setting after the other under what is chosen already, and fit on all.

    Parameters
    ----------
    name
        Of the model, as progress shows it.
    learn
        How to fit it.
    grid
        Values of each setting; the search starts with the first of each.
    split
        Trials learn from `train`; if `full_train` is more, the choice is fitted again.
    settings
        Which validation queries tailrank learns from, and how much of a history it sees.
    progress
        Called with the number of settings that were tried.

    Raises
    ------
    DataError
        If there is no validation query.
    RequestError
        If the model refuses data as large as these.
    """
    begun, referee = time.perf_counter(), _Referee.of(split, settings)
    alternatives = [(each, value) for each, values in grid.items() for value in values[1:]]
    trials: list[_Trial] = []

    def best(setting: Setting, fading: str, learned: _Trial | None = None) -> _Trial:
        start = time.perf_counter()
        items = learned.model.items if learned else learn(split.train, setting)
        seconds = learned.seconds if learned else time.perf_counter() - start
        model = Fading(items, fading, settings.max_history)
        trials.append(_Trial(referee.quality(model), setting, model, seconds))
        progress(f"tune {name}", len(trials), len(FADINGS) + len(alternatives))
        return max(trials, key=lambda trial: trial.quality)

    first, *others = FADINGS
    found = start = best({each: values[0] for each, values in grid.items()}, first)
    for fading in others:
        found = best(start.setting, fading, start)
    for each, value in alternatives:
        found = best({**found.setting, each: value}, found.model.fading)
    tuning: dict[str, float | str] = {
        "fading": found.model.fading,
        **found.setting,
        "trials": len(trials),
        "tuning_seconds": round(time.perf_counter() - begun, 1),
        "validation": found.quality,
    }
    if split.full_train is split.train:
        return Tuned(found.model, found.seconds, tuning)
    begun = time.perf_counter()
    model = replace(found.model, items=learn(split.full_train, found.setting))
    return Tuned(model, time.perf_counter() - begun, tuning)


class _Trial(NamedTuple):
    """A setting that was tried: how well it ranks, and its model with the seconds of its fit."""

    quality: float
    setting: Setting
    model: Fading
    seconds: float


@dataclass(frozen=True)
class _Referee:
    """What all settings are compared on.

    Attributes
    ----------
    queries
        Of validation.
    eligible, tail
        Items that are ranked, and those in the tail; shape (items,).
    repeats
        Whether items of the history are ranked.
    """

    queries: Queries
    eligible: Bools
    tail: Bools
    repeats: bool

    @classmethod
    def of(cls, split: Split, settings: Settings) -> Self:
        """Rank only items whose count doesn't tell that they are targets; all, if no target is of them."""
        counts, queries = split.train.counts, validation_sample(split, settings)
        eligible = split.learnable_items
        if not eligible[queries.targets].any():
            eligible[:] = True
        return cls(queries.take(eligible[queries.targets]), eligible, tail_items(counts), split.repeats)

    def quality(self, model: Scorer) -> float:
        """Average two means of ndcg@10: of all targets and, if there are any, of those in the tail."""
        everything = Candidates.everything(len(self.eligible))

        def score_batch(batch: Queries) -> Floats:
            scores = model.score(batch.histories, everything)
            scores[:, ~self.eligible] = -np.inf
            return scores

        gains = ndcg(full_ranks(score_batch, self.queries, len(everything), self.repeats))
        groups = gains, gains[self.tail[self.queries.targets]]
        return float(np.mean([group.mean() for group in groups if len(group)]))
