"""Attention over recent behaviour in a space of item vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats, Offsets
from tailrank.data.candidates import Candidates
from tailrank.data.histories import UNTYPED, Histories, Queries
from tailrank.language.vectors import LONGEST
from tailrank.signals.appendable import VectorTable
from tailrank.signals.base import Arrays, ItemUpdates, as_array
from tailrank.signals.popularity import DAY
from tailrank.signals.stored import StoredArrays
from tailrank.signals.training_data import TrainingData

SHARPEST: Final = 30.0
"""Bound on the inverse temperature: exp(30) and exp(-30) are normal float32, so no maximum is subtracted."""

STEEPEST: Final = 10.0
"""Bound on what an event type adds to the logarithm of attention."""

NEGATIVES: Final = 128
QUERIES: Final = 1_500


@dataclass(frozen=True)
class SemanticAttention:
    """Soft-MaxSim: the similarity of a candidate to each event of the history, averaged by attention.

    ``score(c) = sum_j a_j s(c, j)`` with ``a = softmax_j(inverse_temperature * s(c, j)
    - recency_decay * log(1 + age_j) - time_decay * log(1 + days_j) + event_type_bias[type_j])``. Keys and
    values are the same vectors, so one matrix product serves both; the inverse temperature moves it from the
    mean (0) to the maximum (the late interaction of Khattab and Zaharia, 2020, equation 3). The weights are
    the explanation. The latest 50 events count.

    Attributes
    ----------
    vectors
        Unit vectors of the items, zero for one without text; items of equal text share one.
    event_type_bias
        Shape (types + 1,); the last is that of an event without a known type, `UNTYPED`.
    inverse_temperature, recency_decay, time_decay
        Attention to similarity, to the order of events and to the days between an event and the latest.
    space
        Name of the vector space, and so of the signal.
    """

    vectors: VectorTable
    event_type_bias: Floats
    inverse_temperature: float = 4.0
    recency_decay: float = 0.7
    time_decay: float = 0.0
    space: str = "semantic"

    window: ClassVar[int] = 50

    @property
    def name(self) -> str:
        """The name of the vector space."""
        return self.space

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Fit attention in each vector space."""
        n_types = len(data.split.train.event_types)
        return [
            cls.from_vectors(vectors, n_types, data.validation, data.seed, space)
            for space, vectors in data.vectors.items()
        ]

    @classmethod
    def from_vectors(
        cls, vectors: Floats, n_types: int, validation: Queries, seed: int = 0, space: str = "semantic"
    ) -> Self:
        """Fit the attention so that validation targets stand out among random items.

        Listwise softmax over the target and 128 items drawn uniformly, with a free temperature, by L-BFGS.

        Parameters
        ----------
        vectors
            Unit vectors, shape (items, dimensions).
        n_types
            Number of event types.
        validation
            Queries to learn from; at most 1,500 are used. Without any, the starting values stay.
        seed
            Seed of the sample.
        space
            Name of the vector space.
        """
        from scipy.optimize import minimize

        distinct, rows = np.unique(vectors, axis=0, return_inverse=True)
        table = VectorTable.from_array(distinct, rows.astype(np.int32))
        start = cls(table, np.zeros(n_types + 1, np.float32), space=space)
        queries = validation.take(validation.histories.lengths > 0).sample(QUERIES, seed)
        if not len(queries):
            return start
        samples = draw_samples(vectors, n_types, queries, np.random.default_rng(seed))
        initial = [10.0, start.inverse_temperature, start.recency_decay, start.time_decay, *np.zeros(n_types)]
        bounds = [(0.1, 100.0), (0.0, SHARPEST), (0.0, 5.0), (0.0, 5.0)]
        bounds += [(0.0, 0.0), *[(-3.0, 3.0)] * (n_types - 1)]
        found = minimize(
            mean_loss,
            initial,
            args=(samples,),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 40},
        )
        bias = with_untyped_bias(found.x[4:].astype(np.float32), samples[0].type_shares)
        inverse_temperature, recency_decay, time_decay = found.x[1:4].tolist()
        return cls(table, bias, inverse_temperature, recency_decay, time_decay, space)

    def refit(self, data: TrainingData) -> Self:
        """Stay as it is: attention was fitted to validation, and more events change no vector."""
        return self

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Attend to each history; shape (histories, candidates). An empty history scores 0."""
        histories, whole = histories.latest(self.window), candidates.whole
        values = self.vectors.vectors.whole if whole else self.vectors.take(candidates.codes)
        (filled,) = histories.lengths.nonzero()
        scores = np.zeros((len(histories), len(values)), np.float32)
        if len(filled):
            score = self._attended if self.inverse_temperature else self._compared_to_mean
            scores[filled] = score(histories, histories.offsets.take(filled), values)
        return self.vectors.by_item(scores) if whole else scores

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Give the terms of the sum for one history; shape (events, candidates)."""
        values = self.vectors.take(candidates.codes)
        similarity, attention = self._attend(histories.latest(self.window), values)
        terms = np.zeros((len(histories.items), len(candidates)), dtype=np.float32)
        terms[-similarity.shape[1] :] = (similarity * attention / attention.sum(axis=1, keepdims=True)).T
        return terms

    def arrays(self) -> Arrays:
        """Give the vectors, the attention and the name of the space."""
        attention = np.array([self.inverse_temperature, self.recency_decay, self.time_decay])
        bias, untyped = self.event_type_bias[:-1], self.event_type_bias[-1:]
        rest = {"event_type_bias": bias, "untyped_bias": untyped, "attention": attention}
        return {**self.vectors.arrays(), **rest, "space": as_array(self.space)}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the vectors, the attention and the name of the space."""
        table = VectorTable.from_arrays(arrays, None, LONGEST)
        lengths = np.einsum("vd,vd->v", table.vectors.base, table.vectors.base)
        if lengths.max(initial=0) > LONGEST**2:
            raise arrays.error("vectors", f"one is longer than {LONGEST:g}")
        bias = arrays.floats("event_type_bias", arrays.n_types, least=-STEEPEST, largest=STEEPEST)
        if "untyped_bias" in arrays:
            untyped = arrays.floats("untyped_bias", 1, least=-STEEPEST, largest=STEEPEST)
            bias = np.concatenate([bias, untyped])
        else:  # an older model doesn't say how often each type occurred
            bias = with_untyped_bias(bias, np.full(len(bias), 1 / len(bias), np.float32))
        attention = arrays.doubles("attention", 3, least=0, largest=SHARPEST)
        inverse_temperature, recency_decay, time_decay = attention.tolist()
        space = arrays.text("space")
        return cls(table, bias, inverse_temperature, recency_decay, time_decay, space)

    def with_items(self, updates: ItemUpdates) -> Self:
        """Give new texts their vectors; zero vectors, if none are known in this space."""
        vectors = updates.vectors.get(self.space)
        if vectors is None:
            vectors = np.zeros((len(updates.codes), self.vectors.width), np.float32)
        return replace(self, vectors=self.vectors.with_vectors(updates.codes, updates.n_items, vectors))

    def vectors_of(self, codes: Codes) -> Floats:
        """Look up the vectors of items, shape (items, dimensions); zero for codes beyond the catalogue."""
        found = np.zeros((len(codes), self.vectors.width), np.float32)
        known = codes < len(self.vectors)
        found[known] = self.vectors.take(codes[known])
        return found

    def _attended(self, histories: Histories, starts: Offsets, values: Floats) -> Floats:
        """Score `values` for the histories that start at `starts`, the ones with events."""
        similarity, attention = self._attend(histories, values)
        total = _sums(attention, starts)
        attention *= similarity
        return (_sums(attention, starts) / total).T

    def _compared_to_mean(self, histories: Histories, starts: Offsets, values: Floats) -> Floats:
        """Do the same if attention doesn't depend on the candidate: one mean of each history will do."""
        weights, vectors = self._weights(histories), self.vectors.take(histories.items)
        sums: Floats
        if len(starts) == 1:
            sums = weights[None] @ vectors
        else:
            vectors *= weights[:, None]
            sums = np.add.reduceat(vectors, starts)
        sums /= np.add.reduceat(weights, starts)[:, None]
        scores: Floats = sums @ values.T
        return scores

    def _attend(self, histories: Histories, values: Floats) -> tuple[Floats, Floats]:
        """Compute similarities to `values` and unnormalised attention, each (values, events)."""
        similarity: Floats = values @ self.vectors.take(histories.items).T
        attention = similarity * np.float32(self.inverse_temperature)
        np.exp(attention, out=attention)
        attention *= self._weights(histories)
        return similarity, attention

    def _weights(self, histories: Histories) -> Floats:
        """Weigh events by all but similarity, shape (events,)."""
        logs = self.event_type_bias.take(histories.types) - self.recency_decay * np.log1p(histories.ages)
        if self.time_decay:
            logs -= self.time_decay * np.log1p(histories.gaps / DAY)
        return np.exp(logs).astype(np.float32)


def _sums(terms: Floats, starts: Offsets) -> Floats:
    """Add up terms of events, (values, events), by the histories that start there; (values, histories)."""
    if len(starts) == 1:
        return terms @ np.ones((terms.shape[1], 1), np.float32)
    return np.add.reduceat(terms, starts, axis=1)


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


def draw_samples(vectors: Floats, n_types: int, queries: Queries, rng: np.random.Generator) -> list[_Sample]:
    """Draw the candidates of queries, and pad their histories to the next power of two."""
    negatives = rng.integers(0, len(vectors), (len(queries), NEGATIVES), dtype=np.int32)
    candidates = np.concatenate([queries.targets[:, None], negatives], axis=1)
    h = queries.histories.latest(SemanticAttention.window)
    shares, sizes = h.type_shares(n_types), np.ceil(np.log2(h.lengths))
    alike = [np.flatnonzero(sizes == size) for size in np.unique(sizes)]
    return [_Sample.draw(vectors, shares, queries.take(rows), candidates[rows]) for rows in alike]


def mean_loss(parameters: Doubles, samples: Sequence[_Sample]) -> tuple[float, Doubles]:
    """Mean negative log-likelihood of the targets of all samples, and its gradient."""
    weights = np.array([len(sample.similarity) for sample in samples], np.float64)
    losses, gradients = zip(*(sample.loss(parameters) for sample in samples), strict=True)
    weights /= weights.sum()
    return float(weights @ losses), weights @ np.stack(gradients)


@dataclass(frozen=True)
class _Sample:
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
    def draw(cls, vectors: Floats, type_shares: Floats, queries: Queries, candidates: Codes) -> Self:
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
