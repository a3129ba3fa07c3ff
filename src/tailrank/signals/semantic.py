"""Attention over recent behaviour in the space of item meanings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories, Queries
from tailrank.signals.appendable import VectorTable
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.popularity import DAY

SHARPEST: Final = 30.0
"""Bound on the sharpness: exp(-2 * 30) is still a normal float32, so no maximum needs subtracting."""

NEGATIVES: Final = 128
QUERIES: Final = 1_500


@dataclass(frozen=True)
class SemanticAttention:
    """Soft-MaxSim: the similarity of a candidate to each past event, averaged by attention.

    ``score(c) = sum_j a_j s(c, j)`` with ``a = softmax_j(sharpness * s(c, j) - fading * log(1 + age_j)
    - cooling * log(1 + days_j) + kind[type_j])``. Keys and values are the same vectors, so one matrix
    product serves both; sharpness moves it from the mean (0) to the maximum (the late interaction of
    Khattab and Zaharia, 2020, equation 3). The weights are the explanation. The latest 50 events count.

    Attributes
    ----------
    vectors
        Whitened unit vectors of the items, zero for one without text; items of equal text share one.
    sharpness, fading, cooling
        Attention to similarity, to the order of events and to the days between an event and the latest.
    kinds
        Offset of each event type, shape (types,).
    """

    vectors: VectorTable
    kinds: Floats
    inverse_temperature: float = 4.0
    recency_decay: float = 0.7
    time_decay: float = 0.0

    name: ClassVar[str] = "semantic"
    window: ClassVar[int] = 50

    @classmethod
    def fit(cls, vectors: Floats, n_types: int, validation: Queries, seed: int = 0) -> Self:
        """Fit the attention so that validation targets stand out among random items.

        Listwise softmax over the target and 128 items drawn uniformly, with a free temperature, by L-BFGS.

        Parameters
        ----------
        vectors
            Whitened unit vectors, shape (items, dimensions).
        n_types
            Number of event types.
        validation
            Queries to learn from; at most 1,500 are used. Without any, the starting values stay.
        seed
            Seed of the sample.
        """
        from scipy.optimize import minimize

        distinct, rows = np.unique(vectors, axis=0, return_inverse=True)
        start = cls(VectorTable.of(distinct, rows.astype(np.int32)), np.zeros(n_types, np.float32))
        queries = validation.take(validation.histories.lengths > 0).sample(QUERIES, seed)
        if not len(queries):
            return start
        sample = _Sample.draw(vectors, n_types, queries, np.random.default_rng(seed))
        initial = [10.0, start.inverse_temperature, start.recency_decay, start.time_decay, *start.kinds]
        bounds = [
            (0.1, 100.0),
            (0.0, SHARPEST),
            (0.0, 5.0),
            (0.0, 5.0),
            (0.0, 0.0),
            *[(-3.0, 3.0)] * (n_types - 1),
        ]
        found = minimize(
            sample.loss, initial, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40}
        )
        _, inverse_temperature, recency_decay, time_decay, *kinds = found.x
        learned = np.array(kinds, np.float32)
        return cls(
            start.vectors, learned, float(inverse_temperature), float(recency_decay), float(time_decay)
        )

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Attend to each history; shape (histories, candidates). An empty history scores 0."""
        histories = histories.latest(self.window)
        whole = candidates.whole
        values = self.vectors.vectors.whole if whole else self.vectors.take(candidates.codes)
        scores = np.zeros((len(histories), len(values)), dtype=np.float32)
        filled = np.flatnonzero(histories.lengths)
        if len(filled):
            similarity, attention = self._attend(histories, values)
            starts = histories.offsets[filled]
            total = np.add.reduceat(attention, starts, axis=1)
            attention *= similarity
            scores[filled] = (np.add.reduceat(attention, starts, axis=1) / total).T
        return self.vectors.by_item(scores) if whole else scores

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Give the terms of the sum for one history; shape (events, candidates)."""
        values = self.vectors.take(candidates.codes)
        similarity, attention = self._attend(histories.latest(self.window), values)
        terms = np.zeros((len(histories.items), len(candidates)), dtype=np.float32)
        terms[-similarity.shape[1] :] = (similarity * attention / attention.sum(axis=1, keepdims=True)).T
        return terms

    def arrays(self) -> Arrays:
        """Give vectors and attention."""
        attention = np.array([self.inverse_temperature, self.recency_decay, self.time_decay])
        return {**self.vectors.arrays(), "kinds": self.kinds, "attention": attention}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take vectors and attention."""
        return cls(VectorTable.from_arrays(arrays), arrays["kinds"], *map(float, arrays["attention"]))

    def with_items(self, new: ItemUpdates) -> Self:
        """Give new texts their vectors."""
        return self._placed(new, new.meanings)

    def _placed(self, new: ItemUpdates, vectors: Floats | None) -> Self:
        if vectors is None:
            vectors = np.zeros((len(new.codes), self.vectors.width), np.float32)
        return replace(self, vectors=self.vectors.placed(new.codes, new.n_items, vectors))

    def _attend(self, histories: Histories, values: Floats) -> tuple[Floats, Floats]:
        """Compute similarities to `values` and unnormalised attention, each (values, events)."""
        similarity = values @ self.vectors.take(histories.items).T
        prior = self.kinds[histories.types] - self.recency_decay * np.log1p(histories.ages)
        if self.time_decay:
            prior -= self.time_decay * np.log1p(histories.gaps / DAY)
        attention = similarity * np.float32(self.inverse_temperature)
        attention += (prior - self.inverse_temperature).astype(np.float32)
        return similarity, np.exp(attention, out=attention)


@dataclass(frozen=True)
class TunedAttention(SemanticAttention):
    """The same attention in the space of a fine-tuned encoder, beside the frozen one's."""

    name: ClassVar[str] = "tuned"

    def with_items(self, new: ItemUpdates) -> Self:
        """Give new texts their vectors in the tuned space."""
        return self._placed(new, new.tuned)


@dataclass(frozen=True)
class _Sample:
    """Validation queries padded to rectangles.

    Attributes
    ----------
    similarity
        Of candidate and event, the target first; shape (queries, candidates, events).
    features
        Negative log age and log days of each event; shape (2, queries, events).
    kinds
        One-hot event types; shape (types, queries, events).
    padding
        Minus infinity where there is no event; shape (queries, events).
    """

    similarity: Floats
    features: Floats
    kinds: Floats
    padding: Floats

    @classmethod
    def draw(cls, vectors: Floats, n_types: int, queries: Queries, rng: np.random.Generator) -> Self:
        h = queries.histories.latest(SemanticAttention.window)
        width = int(h.lengths.max())
        rows, columns = h.owners, width - 1 - h.ages
        shape = (len(queries), width)

        def padded(values: Doubles | Floats, fill: float) -> Floats:
            table = np.full(shape, fill, np.float32)
            table[rows, columns] = values
            return table

        items: Codes = np.zeros(shape, np.int32)
        items[rows, columns] = h.items
        negatives = rng.integers(0, len(vectors), (len(queries), NEGATIVES), dtype=np.int32)
        candidates = np.concatenate([queries.targets[:, None], negatives], axis=1)
        return cls(
            similarity=np.matmul(vectors[candidates], vectors[items].transpose(0, 2, 1)),
            features=-np.stack([padded(np.log1p(h.ages), 0), padded(np.log1p(h.gaps / DAY), 0)]),
            kinds=np.stack([padded(h.types == kind, 0) for kind in range(n_types)]),
            padding=np.where(padded(np.ones(len(h.items)), 0) > 0, 0, -np.inf).astype(np.float32),
        )

    def loss(self, parameters: Doubles) -> tuple[float, Doubles]:
        """Mean negative log-likelihood of the targets, and its gradient."""
        temperature, inverse_temperature, recency_decay, time_decay, *kinds = parameters.astype(np.float32)
        prior = self.padding + recency_decay * self.features[0] + time_decay * self.features[1]
        prior = prior + np.tensordot(np.array(kinds, np.float32), self.kinds, 1)
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
        gradient = [
            float((chances * scores).sum()),
            float(np.einsum("qce,qce->", pull, self.similarity)),
            *(float((by_event * feature).sum()) for feature in self.features),
            *(float((by_event * kind).sum()) for kind in self.kinds),
        ]
        return loss, np.array(gradient)
