"""How fusion's weights are learned: the most accurate ones, and from there as far for the tail as pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from tailrank.arrays import Floats
from tailrank.data.histories import Queries
from tailrank.data.splits import Split, step_back
from tailrank.metrics.propensity import PopularityPropensity
from tailrank.ranking.evidence import Evidence
from tailrank.ranking.fusion import Fusion
from tailrank.ranking.fusion_objective import SampledCandidates
from tailrank.ranking.sampled_candidates import Drawing, draw_candidates, with_empty_histories
from tailrank.ranking.settings import Settings
from tailrank.ranking.tail_emphasis import (
    MOST_LIFT,
    PATH,
    Frontier,
    best_lift,
    best_point,
    frontier,
    query_importances,
)
from tailrank.ranking.trial import Trial
from tailrank.reporting import Progress, silent, step
from tailrank.running import Run, run_here
from tailrank.signals.base import Signal
from tailrank.signals.out_of_core import OutOfCore
from tailrank.signals.registry import fit_signals
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.training_data import TrainingData

TAIL_QUERIES: Final = 200
"""Validation queries from which on weights are learned for the tail, and a signal can be on trial."""


def learn_weights(
    split: Split,
    queries: Queries,
    signals: tuple[Signal, ...],
    texts: Sequence[str],
    settings: Settings,
    on_trial: str | None = None,
    progress: Progress = silent,
    counting: OutOfCore | None = None,
    run: Run = run_here,
) -> tuple[Fusion, Trial | None]:
    """Weigh signals on validation queries, and choose how far to go for the tail and for new items.

    A model ranks later than what its weights were learned on, and what was popular then is overrated by then:
    a price for the tail that is measured on the same events is too high. So it is measured on later ones.
    Where there are times, these are the later half of the queries, under the weights of the earlier half.
    Otherwise everything is rehearsed one event of each user earlier, but for what has learned from these
    events: the sequence model, tuned vectors, and what is taught. Then new items are lifted, as far as the
    same price for all others goes. With a correction for popularity, the most accurate weights under it are
    taken.

    Parameters
    ----------
    split
        What the queries are from.
    queries
        Of its validation, in time order if times are comparable.
    signals
        Fitted without the queries' targets.
    texts
        Of the items, shape (items,).
    settings
        How to fit.
    on_trial
        Name of the signal that must be worth its place: with and without it, weights are learned on one half
        of the queries and rank the other.
    progress
        Is told what is done, and how far it is.
    counting, run
        As of `TrainingData`.

    Returns
    -------
    Fusion
        Of the signals that stay.
    Trial or None
        How that was decided, if a signal was on trial and there were enough queries.
    """
    pool = _Pool.draw(split, queries, signals, texts, settings, progress, run)
    if settings.tail is not None or len(queries) < TAIL_QUERIES:
        return pool.fit(slice(None))[0], None
    # Of equals the first is chosen, so a signal that brings nothing is left out.
    pools = [pool] if on_trial is None else [pool.without(on_trial), pool]
    points, lift = slice(0, None), None
    if settings.debias or split.train.clock != "timestamp":
        given = split, queries, signals, texts, settings, progress, counting, run
        share, lift = (0.0, 0.0) if settings.debias else _rehearsed(*given)
        points = slice(PATH.index(share), PATH.index(share) + 1)
        if len(pools) == 1:
            accurate, for_tail = pool.fit(slice(None))
            return accurate.toward(for_tail, share).lifted(lift), None
    early, late = halves(split, queries)
    ends = [one.fit(early) for one in pools]
    judged = queries.take(late)
    paths = [one.frontier(near, judged).between(points) for one, near in zip(pools, ends, strict=True)]
    trial = None if on_trial is None else Trial.of(paths[0], paths[1], settings.tail_cost)
    path = len(paths) - 1 if trial is None or trial.kept else 0
    _, point = best_point([paths[path]], settings.tail_cost)
    share = PATH[points.start + point]
    if lift is None:
        lift = pools[path].lift(ends[path], share, judged)
    accurate, for_tail = pools[path].fit(slice(None), ends[path])
    return accurate.toward(for_tail, share).lifted(lift), trial


def halves(split: Split, queries: Queries) -> tuple[slice, slice]:
    """Cut queries into those that weights are tried on first, and those that judge: later ones, by time."""
    n = len(queries)
    if split.train.clock == "timestamp":
        return slice(0, n // 2), slice(n // 2, n)
    return slice(0, n, 2), slice(1, n, 2)


def _rehearsed(
    split: Split,
    queries: Queries,
    signals: tuple[Signal, ...],
    texts: Sequence[str],
    settings: Settings,
    progress: Progress,
    counting: OutOfCore | None,
    run: Run,
) -> tuple[float, float]:
    """Fit all one event of each user earlier; gives how far to go, by the queries, and how high to lift."""
    past = step_back(split)
    asked = past.validation.sample(len(queries) // 2, settings.seed)
    if len(asked) < TAIL_QUERIES:
        return 0.0, 0.0
    everything = np.arange(len(texts), dtype=np.int32)
    frozen = [s for s in signals if isinstance(s, SemanticAttention) and s.known is None]
    vectors = {signal.space: signal.vectors_of(everything) for signal in frozen}
    data = TrainingData(
        past,
        asked,
        texts,
        vectors,
        settings.max_history,
        settings.seed,
        progress=progress,
        counting=counting,
        run=run,
    )
    pool = _Pool.draw(past, asked, fit_signals(data), texts, settings, progress, run)
    ends = pool.fit(slice(None))
    share = PATH[best_point([pool.frontier(ends, queries)], settings.tail_cost)[1]]
    return share, pool.lift(ends, share, queries)


@dataclass(frozen=True)
class _Pool:
    """What weights are learned from.

    `asked` are the queries and some of them again without a history; `corrections` says how much each counts
    for what popularity had observed, shape (asked,).
    """

    evidence: Evidence
    asked: Queries
    sampled: SampledCandidates
    corrections: Floats
    settings: Settings
    progress: Progress
    run: Run

    @classmethod
    def draw(
        cls,
        split: Split,
        queries: Queries,
        signals: tuple[Signal, ...],
        texts: Sequence[str],
        settings: Settings,
        progress: Progress,
        run: Run,
    ) -> Self:
        rng, asked = np.random.default_rng(settings.seed), with_empty_histories(queries)
        evidence = Evidence.draw(split, signals, texts, rng)
        drawing = Drawing(evidence.score, asked, evidence.levels, evidence.candidates, settings.max_history)
        sampled = draw_candidates(drawing, rng, progress, run)
        propensity = PopularityPropensity.from_counts(split.train.counts, settings.debias)
        corrections = propensity.weights(asked.targets).astype(np.float32)
        return cls(evidence, asked, sampled, corrections, settings, progress, run)

    def without(self, name: str) -> Self:
        """Leave a signal out."""
        stays = np.array([signal.name != name for signal in self.evidence.signals])
        signals = tuple(signal for signal in self.evidence.signals if signal.name != name)
        sampled = replace(self.sampled, features=self.sampled.features[..., stays])
        return replace(self, evidence=replace(self.evidence, signals=signals), sampled=sampled)

    def fit(self, rows: slice, near: Sequence[Fusion | None] = (None, None)) -> tuple[Fusion, Fusion]:
        """Learn the weights of the most accurate ranking, and those for the tail."""
        names = tuple(signal.name for signal in self.evidence.signals)
        given = names, self.sampled.take(rows), self.settings.loss, self.settings.shrinkage
        plain, stressed = query_importances(self.evidence, self.asked.take(rows))
        corrections = self.corrections[rows]
        with step(self.progress, "learning fusion"):
            accurate = Fusion.fit(*given, plain * corrections, near[0])
            return accurate, Fusion.fit(*given, stressed * corrections, near[1] or accurate)

    def frontier(self, ends: tuple[Fusion, Fusion], queries: Queries) -> Frontier:
        """Rank by the weights along the path from one end to the other."""
        max_history = self.settings.max_history
        return frontier(*ends, self.evidence, queries, max_history, self.progress, self.run)

    def lift(self, ends: tuple[Fusion, Fusion], share: float, queries: Queries) -> float:
        """Choose how much higher new items start at a point of the path; 0 if no target is seen as new."""
        if not self.evidence.new[queries.targets].any():
            return 0.0
        fusion = ends[0].toward(ends[1], share)
        return best_lift(self.frontier((fusion, fusion.lifted(MOST_LIFT)), queries), self.settings.new_cost)
