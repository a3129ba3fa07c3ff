"""Models to be measured, by name: tailrank and what it has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from tailrank import plugins
from tailrank.arrays import Floats
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.histories import Histories
from tailrank.data.splits import Split
from tailrank.errors import RequestError
from tailrank.evaluation.tuned_baselines import TUNED, Spaces, TunedBaseline, semantic_vectors
from tailrank.language.text import item_texts
from tailrank.metrics.full_ranking import Model
from tailrank.policy.base import Policy
from tailrank.ranking.reranker import Reranker
from tailrank.ranking.settings import Settings
from tailrank.reporting import Progress
from tailrank.signals.lexical import Lexical
from tailrank.signals.popularity import Popularity, best_half_life
from tailrank.signals.repetition import Frequency

PEERS: Final = (
    "als",
    "bpr",
    "implicit-item-knn",
    "sasrec-softmax",
    "sasrec-gbce",
    "sasrec-text",
    "ncf",
    "lightgbm",
)
"""Entry points of tailrank-peers."""


@dataclass(frozen=True)
class LastItem:
    """Another scorer that sees the latest event only."""

    scorer: Scorer

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score by the latest event; shape (histories, candidates)."""
        return self.scorer.score(histories.latest(1), candidates)


@dataclass(frozen=True)
class MeanPooling:
    """Cosine between a candidate and the mean of the history, in the frozen model's own space.

    Attributes
    ----------
    vectors
        The encoder's unit vectors, shape (items, d).
    """

    vectors: Floats

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Compare with the mean; shape (histories, candidates). An empty history scores 0."""
        profiles = np.zeros((len(histories), self.vectors.shape[1]), np.float32)
        filled = np.flatnonzero(histories.lengths)
        if len(filled):
            events, starts = self.vectors[histories.items], histories.offsets[filled]
            profiles[filled] = np.add.reduceat(events, starts, axis=0)
        norms = np.linalg.norm(profiles, axis=1, keepdims=True)
        profiles /= np.where(norms > 0, norms, 1)
        scores: Floats = profiles @ self.vectors[candidates.codes].T
        return scores


def _without_lm(split: Split, spaces: Spaces, settings: Settings, progress: Progress) -> Reranker:
    return Reranker.fit(split, None, settings, progress)


def _popularity(split: Split, spaces: Spaces, settings: Settings, progress: Progress) -> Scorer:
    return Popularity.from_events(split.full_train, best_half_life(split.train, split.validation))


def _last_tfidf(split: Split, spaces: Spaces, settings: Settings, progress: Progress) -> Scorer:
    return LastItem(Lexical.from_texts(item_texts(split.full_train.items, settings.template)))


def _mean_pooling(split: Split, spaces: Spaces, settings: Settings, progress: Progress) -> Scorer:
    return MeanPooling(semantic_vectors("lm-mean", spaces).values)


def _frequent(split: Split, spaces: Spaces, settings: Settings, progress: Progress) -> Scorer:
    return Frequency(recency_decay=0.0)


@dataclass(frozen=True)
class FittedModel:
    """A model fitted for a split.

    Attributes
    ----------
    name
        As in `--models`.
    scorer
        What ranks.
    fit_seconds
        Time to fit; of a model that was tuned, with the chosen setting only, preparation included.
    tuning
        How it was tuned, if it was: the chosen setting, the number of `trials`, the `tuning_seconds` of all
        of them, and what the choice is worth on validation.
    """

    name: str
    scorer: Model
    fit_seconds: float
    tuning: Mapping[str, float | str] = field(default_factory=dict)


def with_policies(models: Sequence[FittedModel], steps: Sequence[Policy]) -> list[FittedModel]:
    """Let steps come after those of tailrank's own models; each stands beside itself without them.

    Without steps, the models are what they were.
    """
    if not steps:
        return list(models)
    found = list[FittedModel]()
    for model in models:
        if isinstance(model.scorer, Reranker):
            found.append(replace(model, scorer=model.scorer.with_standing(steps)))
            found.append(replace(model, name=f"{model.name} without policies"))
        else:
            found.append(model)
    return found


Fit: TypeAlias = Callable[[Split, Spaces, Settings, Progress], Model | FittedModel]
"""Fits a model; a `FittedModel` counts its own seconds."""


def _tuned(baseline: TunedBaseline) -> Fit:
    def fit(split: Split, spaces: Spaces, settings: Settings, progress: Progress) -> FittedModel:
        return FittedModel(baseline.name, *baseline.tune(split, spaces, settings, progress))

    return fit


MODELS: Final[dict[str, Fit]] = {
    "tailrank": Reranker.fit,
    "without-lm": _without_lm,
    "popularity": _popularity,
    **{baseline.name: _tuned(baseline) for baseline in TUNED},
    "last-tfidf": _last_tfidf,
    "lm-mean": _mean_pooling,
    "frequent": _frequent,
}
"""How to fit each model for a split; `frequent` is what a user has most often, for protocols with repeats."""

DEFAULT_MODELS: Final = ("tailrank", "popularity", "item-knn", "tfidf", "lm", "tfidf+lm")
"""Those that can find items new to the user, are quick, and aren't what another is at a poorer setting."""

NEED_ENCODER: Final = frozenset({"lm", "tfidf+lm"})


def find_model(name: str) -> Fit:
    """Find how to fit a model: one of `MODELS`, or one that an installed package registers.

    Raises
    ------
    RequestError
        If no model has that name, listing those there are.
    """
    if name in MODELS:
        return MODELS[name]
    fit: Fit | None = plugins.plugged(plugins.MODELS, name)
    if fit is not None:
        return fit
    installed = plugins.plugged_names(plugins.MODELS)
    fault = f"no model is called {name!r}: choose from {', '.join([*MODELS, *installed])}"
    if not set(PEERS) <= set(installed):
        peers = ", ".join(PEERS)
        fault += f"; the package tailrank-peers, which isn't installed (folder peers), has {peers}"
    raise RequestError(fault)
