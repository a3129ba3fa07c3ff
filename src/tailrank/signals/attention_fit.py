"""How attention is fitted: validation targets shall stand out among random items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats
from tailrank.data.histories import UNTYPED, Queries
from tailrank.signals.popularity import DAY

WINDOW: Final = 50
"""Latest events that attention looks at."""

SHARPEST: Final = 30.0
"""Bound on the inverse temperature: exp(30) and exp(-30) are normal float32, so no maximum is subtracted."""

SHARPNESSES: Final = (0.0, 12.0)
"""Inverse temperatures to begin with."""

NEGATIVES: Final = 128
QUERIES: Final = 1_500


def fit_attention(samples: Sequence[Sample], start: Sequence[float]) -> tuple[Floats, list[float]]:
    """Find the attention under which targets are most likely: listwise softmax with a free temperature.

    The loss has a valley of attention that hardly chooses and one of sharp attention; both are searched.

    Parameters
    ----------
    samples
        As `draw_samples` gives them.
    start
        Recency decay and time decay to begin with.

    Returns
    -------
    tuple[Floats, list[float]]
        Bias of each event type and of an event without one, shape (types + 1,); then the inverse temperature,
        and what `start` has.
    """
    from scipy.optimize import minimize

    n_types = len(samples[0].type_shares)
    bounds = [(0.1, 100.0), (0.0, SHARPEST), (0.0, 5.0), (0.0, 5.0)]
    bounds += [(0.0, 0.0), *[(-3.0, 3.0)] * (n_types - 1)]
    search = partial(
        minimize,
        mean_loss,
        args=(samples,),
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 40},
    )
    ends = [search([10.0, sharpness, *start, *np.zeros(n_types)]) for sharpness in SHARPNESSES]
    found = min(ends, key=lambda end: end.fun)
    return with_untyped_bias(found.x[4:].astype(np.float32), samples[0].type_shares), found.x[1:4].tolist()


def with_untyped_bias(by_type: Floats, shares: Floats) -> Floats:
    """Add the bias of an event without a known type to those of the types; shape (types + 1,).

    Such an event counts as a mix of events of all types, each with its share, as a case with an unknown
    attribute does in a decision tree (Quinlan, 1993, "C4.5", chapter 3): ``log(sum_t share_t exp(bias_t))``.
    So does one of a type that never occurs, of which nothing was learned.

    Parameters
    ----------
    by_type, shares
        Bias of each type and how often it occurs, shape (types,).
    """
    untyped = np.log(shares @ np.exp(by_type))
    return np.append(np.where(shares > 0, by_type, untyped), untyped)


def draw_samples(vectors: Floats, n_types: int, queries: Queries, rng: np.random.Generator) -> list[Sample]:
    """Draw the candidates of queries, and pad their histories to the next power of two."""
    negatives = rng.integers(0, len(vectors), (len(queries), NEGATIVES), dtype=np.int32)
    candidates = np.concatenate([queries.targets[:, None], negatives], axis=1)
    h = queries.histories.latest(WINDOW)
    shares, sizes = h.type_shares(n_types), np.ceil(np.log2(h.lengths))
    alike = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
    return [Sample.from_queries(vectors, shares, queries.take(rows), candidates[rows]) for rows in alike]


def mean_loss(parameters: Doubles, samples: Sequence[Sample]) -> tuple[float, Doubles]:
    """Mean negative log-likelihood of the targets of all samples, and its gradient."""
    weights = np.array([len(sample.similarity) for sample in samples], np.float64)
    losses, gradients = zip(*(sample.loss(parameters) for sample in samples), strict=True)
    weights /= weights.sum()
    return float(weights @ losses), weights @ np.stack(gradients)


@dataclass(frozen=True)
class Sample:
    """Validation queries padded to rectangles.

    Attributes
    ----------
    similarity
        Of candidate and event, the target first; shape (queries, candidates, events).
    features
        Negative log age and log days of each event; shape (2, queries, events).
    event_types
        One-hot; shape (types, queries, events).
    untyped
        1 for an event without a known type; shape (queries, events).
    type_shares
        How often each type occurs; shape (types,).
    padding
        Minus infinity if there is no event; shape (queries, events).
    """

    similarity: Floats
    features: Floats
    event_types: Floats
    untyped: Floats
    type_shares: Floats
    padding: Floats

    @classmethod
    def from_queries(cls, vectors: Floats, type_shares: Floats, queries: Queries, candidates: Codes) -> Self:
        """Pad the histories of queries whose candidates are drawn, shape (queries, candidates)."""
        h = queries.histories.latest(WINDOW)
        width = int(h.lengths.max())
        rows, columns = h.owners, width - 1 - h.ages
        shape = (len(queries), width)

        def padded(values: Doubles | Floats, fill: float) -> Floats:
            table = np.full(shape, fill, np.float32)
            table[rows, columns] = values
            return table

        items: Codes = np.zeros(shape, np.int32)
        items[rows, columns] = h.items
        return cls(
            similarity=np.matmul(vectors[candidates], vectors[items].transpose(0, 2, 1)),
            features=-np.stack([padded(np.log1p(h.ages), 0), padded(np.log1p(h.gaps / DAY), 0)]),
            event_types=np.stack([padded(h.types == code, 0) for code in range(len(type_shares))]),
            untyped=padded(h.types == UNTYPED, 0),
            type_shares=type_shares,
            padding=np.where(padded(np.ones(len(h.items)), 0) > 0, 0, -np.inf).astype(np.float32),
        )

    def loss(self, parameters: Doubles) -> tuple[float, Doubles]:
        """Mean negative log-likelihood of the targets, and its gradient."""
        temperature, inverse_temperature, recency_decay, time_decay, *bias = parameters.astype(np.float32)
        prior = self.padding + recency_decay * self.features[0] + time_decay * self.features[1]
        by_type = np.array(bias, np.float32)
        prior = prior + np.tensordot(by_type, self.event_types, 1)
        prior += with_untyped_bias(by_type, self.type_shares)[UNTYPED] * self.untyped
        attention = np.exp(inverse_temperature * (self.similarity - 1) + prior[:, None, :])
        attention /= attention.sum(axis=2, keepdims=True)
        scores = np.einsum("qce,qce->qc", attention, self.similarity)
        logits = temperature * scores
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        chances /= chances.sum(axis=1, keepdims=True)
        loss = -float(np.log(np.maximum(chances[:, 0], 1e-30)).mean())
        chances[:, 0] -= 1
        chances /= len(chances)
        # d score / d logit of the attention at event j is a_j (s_j - score)
        pull = attention * (self.similarity - scores[:, :, None]) * (temperature * chances)[:, :, None]
        by_event = pull.sum(axis=1)
        chosen = self.type_shares * np.exp(by_type)
        untyped = float((by_event * self.untyped).sum()) * chosen / chosen.sum()
        gradient = [
            float((chances * scores).sum()),
            float(np.einsum("qce,qce->", pull, self.similarity)),
            *(float((by_event * feature).sum()) for feature in self.features),
            *(
                float((by_event * one_hot).sum() + rest)
                for one_hot, rest in zip(self.event_types, untyped, strict=True)
            ),
        ]
        return loss, np.array(gradient)
