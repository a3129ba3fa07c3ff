"""Fusion: learned weights that turn signals into one score, by how well item and user are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats, Offsets
from tailrank.ranking.explored import Wish
from tailrank.ranking.fused_scores import FusedScores
from tailrank.ranking.fusion_objective import FusionObjective, Loss, SampledCandidates
from tailrank.signals.base import Arrays
from tailrank.signals.stored import LARGEST, StoredArrays

COUNT_KNOTS: Final = (0, 5, 10, 20, 50, 150)
"""Interactions of a candidate at which weights are learned; between two of them they change linearly."""

HISTORY_EDGES: Final = np.array([1, 4, 7, 13])
HISTORY_LABELS: Final = ("0", "1-3", "4-6", "7-12", ">12")

LARGEST_WEIGHT: Final = 1e15
"""Of a model folder: signals of very little spread have large weights."""

PRIOR_WEIGHT: Final = 0.5
"""Weight of a signal, by its standard deviation, before any evidence."""

UNSIGNED: Final = "taste"
"""The signal of which only evidence can say whether more of it is better."""

LOGARITHMIC: Final = "popularity"
"""The signal in a unit of its own, whose deviation counts as one at least.

Where counts hardly differ, as in a shop with ten events, half a deviation would make much of a single one.
"""

KNOTS_OF_BUCKETS: Final = (0, 1, 5, 6, 20, 21)
"""Where the count buckets of older models end: weights are constant from 1 to 5, and from 6 to 20."""


def history_buckets(lengths: Offsets) -> Codes:
    """Assign histories to one of `HISTORY_LABELS` by their number of events.

    Examples
    --------
    >>> history_buckets(np.array([0, 1, 3, 4, 50])).tolist()
    [0, 1, 1, 2, 4]
    """
    return HISTORY_EDGES.searchsorted(lengths, side="right").astype(np.int32)


def count_levels(counts: Offsets) -> Codes:
    """Give interactions as weights tell them apart: alike from the last of `COUNT_KNOTS` on.

    Examples
    --------
    >>> count_levels(np.array([0, 7, 150, 4_000])).tolist()
    [0, 7, 150, 150]
    """
    return np.minimum(counts, COUNT_KNOTS[-1]).astype(np.int32)


def knot_shares(knots: tuple[int, ...]) -> Doubles:
    """Give the share of each knot in the weights at each count level; shape (levels, knots).

    Examples
    --------
    >>> knot_shares((0, 5, 10))[[0, 6, 30]].round(1).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0]]
    """
    levels = np.arange(COUNT_KNOTS[-1] + 1)
    return np.stack([np.interp(levels, knots, one) for one in np.eye(len(knots))], axis=1)


@dataclass(frozen=True)
class Fusion:
    """A linear score whose weights depend on the candidate's interactions and the history's length.

    By interactions they are splines of degree one, so that no score jumps between two groups of items.

    Attributes
    ----------
    signals
        Names of the signals.
    weights
        Shape (knots, history buckets, signals).
    biases
        Shape (knots, history buckets).
    loss
        What fitting ended with: mean loss a query, prior included.
    knots
        Interactions that the weights belong to.
    tail_emphasis
        How far the weights were moved from those of the most accurate ranking, 0, to those of a ranking
        for the tail, 1.
    new_lift
        Log-odds by which items without interactions start higher than what was learned.
    spreads
        Standard deviation of each signal over the candidates that the weights were learned on, shape
        (signals,); None for a model of before it was kept.
    """

    signals: tuple[str, ...]
    weights: Floats
    biases: Floats
    loss: float
    knots: tuple[int, ...] = COUNT_KNOTS
    tail_emphasis: float = 0.0
    new_lift: float = 0.0
    spreads: Floats | None = None

    def __repr__(self) -> str:
        return f"Fusion({', '.join(self.signals)}; tail emphasis {self.tail_emphasis:g})"

    @classmethod
    def fit(
        cls,
        signals: tuple[str, ...],
        pool: SampledCandidates,
        loss: Loss = "listwise",
        shrinkage: float = 1.0,
        importance: Floats | None = None,
        start: Self | None = None,
    ) -> Self:
        """Find the weights under which the targets are most likely.

        ``weights[b] = shared + own[b]`` for each knot and history bucket b, with a normal prior on both: on
        `own` around 0, so that one with little evidence keeps the shared weights, and on `shared` around
        0.5. One more, on the differences of neighbouring knots, keeps a score from leaping with a single
        event (the P-splines of Eilers and Marx, 1996). Fitted after the signals: learned jointly, text loses
        its weight to the ids.

        Parameters
        ----------
        signals
            Names, in the order of the pool's features.
        pool
            Sampled candidates; their odds make the sampled softmax an estimate of the full one
            (Bengio and Senecal, 2008, section 3).
        loss
            Softmax over the list, or binary cross-entropy of every candidate.
        shrinkage
            Precision of the prior, in units of signals of standard deviation one.
        importance
            How much each query counts, shape (queries,); alike by default.
        start
            Fitted on much the same, to be there sooner.
        """
        from scipy.optimize import minimize

        real = np.isfinite(pool.log_odds)
        spreads = pool.features[real].std(axis=0, dtype=np.float64).astype(np.float32)
        spread = np.where(spreads > 0, spreads, 1)
        logarithmic, unsigned = (
            np.array([name == one for name in signals]) for one in (LOGARITHMIC, UNSIGNED)
        )
        spread[logarithmic] = np.maximum(spread[logarithmic], 1)
        if importance is None:
            importance = np.ones(len(pool.features), np.float32)
        objective = FusionObjective(
            pool.scaled(spread), importance, knot_shares(COUNT_KNOTS), len(HISTORY_LABELS), loss, shrinkage
        )
        prior = np.zeros(objective.shape)
        prior[0, :-1] = np.where(unsigned, 0, PRIOR_WEIGHT)
        found = minimize(
            objective,
            (prior if start is None else start._parameters(spread, prior)).ravel(),
            args=(prior,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 100, "ftol": 2e-5, "maxcor": 20},
        )
        parameters = found.x.reshape(prior.shape)
        full = (parameters[0] + parameters[1:]).reshape(len(COUNT_KNOTS), len(HISTORY_LABELS), -1)
        weights = (full[..., :-1] / spread).astype(np.float32)
        return cls(signals, weights, full[..., -1].astype(np.float32), float(found.fun), spreads=spreads)

    def _parameters(self, spread: Floats, prior: Doubles) -> Doubles:
        """Find the parameters of these weights that the prior likes best.

        At that point ``shared = prior + sum_b own[b]``, with ``own[b] = weights[b] - shared``.
        """
        full = np.concatenate([self.weights * spread, self.biases[..., None]], axis=2)
        full = full.reshape(-1, prior.shape[1])
        shared = (prior[0] + full.sum(axis=0)) / (1 + len(full))
        return np.concatenate([shared[None], full - shared])

    def toward(self, other: Fusion, share: float) -> Self:
        """Go a share of the way to the weights of another fusion of the same signals, for the tail."""
        weights: Floats = ((1 - share) * self.weights + share * other.weights).astype(np.float32)
        biases: Floats = ((1 - share) * self.biases + share * other.biases).astype(np.float32)
        loss = (1 - share) * self.loss + share * other.loss
        return replace(self, weights=weights, biases=biases, loss=loss, tail_emphasis=share)

    def lifted(self, by: float) -> Self:
        """Let items without interactions start higher by this much log-odds; those of the next knot don't."""
        biases = self.biases.copy()
        biases[0] += by
        return replace(self, biases=biases, new_lift=self.new_lift + by)

    @property
    def standardised_weights(self) -> Floats:
        """What one standard deviation of a signal is worth in log-odds, so that weights of signals compare.

        Shape (knots, history buckets, signals); the weights themselves if the deviations aren't known.
        """
        return self.weights if self.spreads is None else self.weights * self.spreads

    def fuse(self, signals: list[Floats], candidates: Codes, histories: Codes) -> FusedScores:
        """Add up the weighted signals.

        Parameters
        ----------
        signals
            Each of shape (histories, candidates), in the order of `self.signals`.
        candidates
            Count level of each, as `count_levels` gives them, shape (candidates,).
        histories
            Buckets, shape (histories,).
        """
        total = _weighted_sum(self._by_level.take(histories, axis=1).take(candidates, axis=2), signals)
        return FusedScores(self, signals, candidates, histories, total)

    def fuse_lists(self, signals: list[Floats], candidates: Codes, histories: Codes) -> Floats:
        """Add up as `fuse` does, for lists one after the other; all four of shape (pairs,)."""
        places = histories * np.int64(COUNT_KNOTS[-1] + 1) + candidates
        return _weighted_sum(self._by_level.reshape(len(self._by_level), -1).take(places, axis=1), signals)

    def weights_of(self, candidates: Codes, history: int) -> Floats:
        """Look up weights by count levels and history bucket; shape (signals, candidates)."""
        found: Floats = self._by_level[1:, history].take(candidates, axis=1)
        return found

    def biases_of(self, candidates: Codes, history: int) -> Floats:
        """Look up biases by count levels and history bucket; shape (candidates,)."""
        found: Floats = self._by_level[0, history].take(candidates)
        return found

    def wish(self, fused: FusedScores, row: int) -> Wish | None:
        """Say what exploration would like to add to the scores of one history: nothing, without a doubt."""
        return None

    @cached_property
    def _by_level(self) -> Floats:
        """Biases, then the weights of each signal; shape (1 + signals, history buckets, levels)."""
        shares = knot_shares(self.knots).T
        return np.stack([self.biases.T @ shares, *(self.weights.T @ shares)]).astype(np.float32)

    def arrays(self) -> Arrays:
        """Give everything learned, for storage."""
        numbers = {name: np.array([getattr(self, name)]) for name in ("loss", "tail_emphasis", "new_lift")}
        learned = {"weights": self.weights, "biases": self.biases, "knots": np.array(self.knots), **numbers}
        return learned if self.spreads is None else {**learned, "spreads": self.spreads}

    @classmethod
    def from_arrays(cls, signals: tuple[str, ...], arrays: StoredArrays) -> Self:
        """Take back what `arrays` gave, or what it gave before weights had knots.

        Raises
        ------
        ModelError
            If it is something else than finite weights of these signals.
        """
        if "knots" not in arrays:
            return cls._from_buckets(signals, arrays)
        knots = tuple(arrays.offsets("knots", len(COUNT_KNOTS), largest=COUNT_KNOTS[-1]).tolist())
        if list(knots) != sorted(set(knots)):
            raise arrays.error("knots", "they must ascend")
        weights, biases = _stored_weights(arrays, len(knots), len(signals))
        loss = arrays.number("loss", -LARGEST, LARGEST)
        emphasis = arrays.number("tail_emphasis", 0, 1)
        lift = arrays.number("new_lift", 0, LARGEST) if "new_lift" in arrays else 0.0  # it wasn't always kept
        spreads = arrays.floats("spreads", len(signals), least=0) if "spreads" in arrays else None
        return cls(signals, weights, biases, loss, knots, emphasis, lift, spreads)

    @classmethod
    def _from_buckets(cls, signals: tuple[str, ...], arrays: StoredArrays) -> Self:
        """Take the weights of an older model, one in each bucket of counts, and rank as it did."""
        repeated = [0, 1, 1, 2, 2, 3]
        weights, biases = _stored_weights(arrays, 4, len(signals))
        loss = arrays.number("loss", -LARGEST, LARGEST)
        return cls(signals, weights[repeated], biases[repeated], loss, KNOTS_OF_BUCKETS)


def _weighted_sum(table: Floats, signals: list[Floats]) -> Floats:
    """Add up biases and weighted signals; the table holds both, and is used up."""
    total: Floats = table[0].copy()  # so that the rest of the table goes
    for weights, scores in zip(table[1:], signals, strict=True):
        total += np.multiply(weights, scores, out=weights)
    return total


def _stored_weights(arrays: StoredArrays, knots: int, signals: int) -> tuple[Floats, Floats]:
    """Take weights, shape (knots, history buckets, signals), and biases."""
    shape, bounds = (knots, len(HISTORY_LABELS)), {"least": -LARGEST_WEIGHT, "largest": LARGEST_WEIGHT}
    return arrays.floats("weights", *shape, signals, **bounds), arrays.floats("biases", *shape)
