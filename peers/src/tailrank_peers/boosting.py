"""LambdaMART over tailrank's own signals, by LightGBM: another way to fuse what tailrank fuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tailrank.arrays import Bools, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Queries
from tailrank.data.splits import Split
from tailrank.language.text import item_texts
from tailrank.language.vectors import ItemVectors
from tailrank.ranking.evidence import Evidence
from tailrank.ranking.fitting import fit_before, validation_sample, with_template
from tailrank.ranking.fusion import count_levels
from tailrank.ranking.sampled_candidates import BEST, Drawing, draw_candidates, with_empty_histories
from tailrank.ranking.settings import Settings
from tailrank.signals.base import Signal
from tailrank.signals.registry import refit_signals
from tailrank_peers.tuning import Fit, Peer, Setting

BEHIND: Final = -1_000.0
"""Scores of all other candidates begin here, far below any sum of trees."""


@dataclass(frozen=True)
class BoostedTrees:
    """Trees on the scores of signals, the candidate's interactions and the length of the history.

    Trees are slow, and can't extrapolate. So they score the union of each signal's best candidates, which is
    what they learn from; the rest of the catalogue comes behind it, the most popular first.

    Attributes
    ----------
    trees
        Fitted `lightgbm.LGBMRanker`.
    signals
        Fitted signals, in the order of the trees' features.
    counts
        Interactions of each item in training, shape (items,).
    max_history
        Latest events that signals see.
    repeats
        Whether items of the history may be recommended.
    """

    trees: Any
    signals: tuple[Signal, ...]
    counts: Offsets
    max_history: int
    repeats: bool

    def score_queries(self, queries: Queries, candidates: Candidates) -> Floats:
        """Score with trees what a signal likes, the rest by popularity; shape (queries, candidates)."""
        recent = queries.histories.latest(self.max_history)
        scores = [signal.score(recent, candidates) for signal in self.signals]
        counts = self.counts[candidates.codes]
        total = np.tile((BEHIND + np.log1p(counts)).astype(np.float32), (len(recent), 1))
        rows, columns = np.nonzero(_liked(scores, self._allowed(queries, candidates)))
        values = np.stack([each[rows, columns] for each in scores], axis=-1)
        total[rows, columns] = self.trees.predict(_features(values, counts[columns], recent.lengths[rows]))
        return total

    def _allowed(self, queries: Queries, candidates: Candidates) -> Bools:
        """Mark what may be recommended, so that nothing else displaces what a signal likes."""
        allowed = np.ones((len(queries), len(candidates)), dtype=bool)
        if not self.repeats:
            at, slots = candidates.find(queries.full_histories.items)
            allowed[queries.full_histories.owners[at], slots] = False
        return allowed


def _liked(scores: Sequence[Floats], allowed: Bools) -> Bools:
    """Mark the best allowed candidates of each signal, all of shape (queries, candidates)."""
    best = min(BEST, allowed.shape[1])
    liked = np.zeros_like(allowed)
    for values in scores:
        ordered = np.argpartition(np.where(allowed, -values, np.inf), best - 1, axis=1)
        np.put_along_axis(liked, ordered[:, :best], True, axis=1)
    return liked & allowed


def _features(values: Floats, counts: Offsets, lengths: Offsets) -> Floats:
    """Put interactions and lengths beside the signals; shape (n, signals + 2)."""
    return np.column_stack([values, np.log1p(count_levels(counts)), lengths]).astype(np.float32)


def _examples(
    signals: tuple[Signal, ...], queries: Queries, split: Split, settings: Settings
) -> tuple[Floats, Bools, Offsets]:
    """Draw the pools that fusion learns from: features, whether it is the target, and sizes of pools."""
    rng = np.random.default_rng(settings.seed)
    evidence = Evidence.draw(split, signals, item_texts(split.train.items, settings.template), rng)
    asked = with_empty_histories(queries)
    asked = asked.take(evidence.learnable(asked))
    drawing = Drawing(evidence.score, asked, evidence.levels, evidence.candidates, settings.max_history)
    pool = draw_candidates(drawing, rng)
    real = np.isfinite(pool.log_odds)
    rows, columns = np.nonzero(real)
    lengths = np.minimum(asked.histories.lengths, settings.max_history)[rows]
    return (
        _features(pool.features[real], pool.candidates[real].astype(np.int64), lengths),
        columns == 0,
        real.sum(axis=1),
    )


def _lambdamart(split: Split, vectors: Floats | None, settings: Settings) -> Fit:
    from lightgbm import LGBMRanker

    settings = with_template(settings, split.train)
    signals = fit_before(split, None if vectors is None else ItemVectors(vectors), settings)
    features, is_target, lengths = _examples(
        signals.before, validation_sample(split, settings), split, settings
    )

    def fit(setting: Setting) -> BoostedTrees:
        trees = LGBMRanker(**setting, random_state=settings.seed, deterministic=True, verbose=-1)
        trees.fit(features, is_target.astype(np.int32), group=lengths)
        after = refit_signals(signals.before, signals.data)
        return BoostedTrees(trees, after, split.full_train.counts, settings.max_history, split.repeats)

    return fit


LAMBDAMART: Final = Peer(
    "lightgbm",
    _lambdamart,
    tuple(
        {"num_leaves": leaves, "n_estimators": trees, "learning_rate": 0.05, "min_child_samples": 200}
        for leaves, trees in ((15, 100), (31, 100), (7, 200), (31, 200))
    ),
)
"""LambdaMART (Burges, MSR-TR-2010-82), the way of Metarank: trees on the scores of other rankers."""
