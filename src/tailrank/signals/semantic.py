"""Attention over recent behaviour in a space of item vectors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Final, Self

import numpy as np

from tailrank.arrays import Bools, Codes, Floats, Offsets
from tailrank.data.candidates import CandidateLists, Candidates
from tailrank.data.histories import Histories, Queries
from tailrank.language.vectors import LONGEST
from tailrank.signals.appendable import VectorTable
from tailrank.signals.attention_fit import (
    QUERIES,
    SHARPEST,
    WINDOW,
    draw_samples,
    fit_attention,
    with_untyped_bias,
)
from tailrank.signals.base import Arrays, ItemUpdates, as_array
from tailrank.signals.popularity import DAY
from tailrank.signals.stored import StoredArrays
from tailrank.signals.training_data import TrainingData

STEEPEST: Final = 10.0
"""Bound on what an event type adds to the logarithm of attention."""


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
    known
        Which items score by their vectors, shape (items of training,); all others score 0, and so do later
        ones, though events of theirs are read as any. None if all items do; see `TrainingData.known_only`.
    """

    vectors: VectorTable
    event_type_bias: Floats
    inverse_temperature: float = 4.0
    recency_decay: float = 0.7
    time_decay: float = 0.0
    space: str = "semantic"
    known: Bools | None = None

    window: ClassVar[int] = WINDOW

    @property
    def name(self) -> str:
        """The name of the vector space."""
        return self.space

    @classmethod
    def fit(cls, data: TrainingData) -> list[Self]:
        """Fit attention in each vector space."""
        train = data.split.train
        fitted = (
            cls.from_vectors(vectors, len(train.event_types), data.validation, data.seed, space)
            for space, vectors in data.vectors.items()
        )
        known = train.counts > 0
        return [replace(s, known=known) if s.space in data.known_only else s for s in fitted]

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
        distinct, rows = np.unique(vectors, axis=0, return_inverse=True)
        table = VectorTable.from_array(distinct, rows.astype(np.int32))
        start = cls(table, np.zeros(n_types + 1, np.float32), space=space)
        queries = validation.take(validation.histories.lengths > 0).sample(QUERIES, seed)
        if not len(queries):
            return start
        samples = draw_samples(vectors, n_types, queries, np.random.default_rng(seed))
        decays = start.recency_decay, start.time_decay
        bias, (inverse_temperature, recency_decay, time_decay) = fit_attention(samples, decays)
        return cls(table, bias, inverse_temperature, recency_decay, time_decay, space)

    def refit(self, data: TrainingData) -> Self:
        """Stay as it is, but for which items are known: attention was fitted to validation."""
        return self if self.known is None else replace(self, known=data.split.full_train.counts > 0)

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Attend to each history; shape (histories, candidates). An empty history scores 0."""
        histories, whole = histories.latest(self.window), candidates.whole
        values = self.vectors.vectors.whole if whole else self.vectors.take(candidates.codes)
        (filled,) = histories.lengths.nonzero()
        scores = np.zeros((len(histories), len(values)), np.float32)
        if len(filled):
            score = self._attended if self.inverse_temperature else self._compared_to_mean
            weights, starts = self._weights(histories), histories.offsets.take(filled)
            scores[filled] = score(histories.items, weights, starts, values)
        scores = self.vectors.by_item(scores) if whole else scores
        return self._limited(scores, candidates.codes)

    def score_lists(self, histories: Histories, lists: CandidateLists) -> Floats:
        """Attend to each history; shape (pairs,). An empty history scores 0."""
        histories = histories.latest(self.window)
        weights, scores = self._weights(histories), np.zeros(len(lists), np.float32)
        score = self._attended if self.inverse_temperature else self._compared_to_mean
        bounds = zip(pairwise(histories.offsets.tolist()), lists.slices, strict=True)
        for (start, end), pairs in bounds:
            if start < end:
                events = histories.items[start:end]
                values = self.vectors.take(lists.codes[pairs])
                scores[pairs] = score(events, weights[start:end], histories.offsets[:1], values)[0]
        return self._limited(scores, lists.codes)

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats:
        """Give the terms of the sum for one history; shape (events, candidates)."""
        values = self.vectors.take(candidates.codes)
        latest = histories.latest(self.window)
        similarity, attention = self._attend(latest.items, values)
        attention *= self._weights(latest)
        terms = np.zeros((len(histories.items), len(candidates)), dtype=np.float32)
        terms[-similarity.shape[1] :] = (similarity * attention / attention.sum(axis=1, keepdims=True)).T
        return self._limited(terms, candidates.codes)

    def arrays(self) -> Arrays:
        """Give the vectors, the attention, the name of the space and, unless all are, the known items."""
        attention = np.array([self.inverse_temperature, self.recency_decay, self.time_decay])
        bias, untyped = self.event_type_bias[:-1], self.event_type_bias[-1:]
        rest = {"event_type_bias": bias, "untyped_bias": untyped, "attention": attention}
        known = {} if self.known is None else {"known": np.flatnonzero(self.known).astype(np.int32)}
        return {**self.vectors.arrays(), **rest, **known, "space": as_array(self.space)}

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take the vectors, the attention, the name of the space and the known items."""
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
        known = None
        if "known" in arrays:
            known = np.zeros(arrays.n_items, bool)
            known[arrays.codes("known", None, below=arrays.n_items)] = True
        space = arrays.text("space")
        return cls(table, bias, inverse_temperature, recency_decay, time_decay, space, known)

    def with_items(self, updates: ItemUpdates) -> Self:
        """Give new texts their vectors; zero vectors, if none are known in this space."""
        vectors = updates.vectors.get(self.space)
        if vectors is None:
            vectors = np.zeros((len(updates.codes), self.vectors.width), np.float32)
        return replace(self, vectors=self.vectors.with_vectors(updates.codes, updates.n_items, vectors))

    def vectors_of(self, codes: Codes) -> Floats:
        """Look up the vectors of items, shape (items, dimensions); zero for codes outside the catalogue."""
        known = (codes >= 0) & (codes < len(self.vectors))
        if known.all():
            return self.vectors.take(codes)
        found = np.zeros((len(codes), self.vectors.width), np.float32)
        found[known] = self.vectors.take(codes[known])
        return found

    def speaks_of(self, codes: Codes) -> Bools:
        """Whether items have vectors by which they score, shape (items,)."""
        return self.vectors_of(codes).any(axis=1) & self._known(codes)

    def _known(self, codes: Codes) -> Bools:
        """Whether items score by their vectors, if they have any; shape (items,)."""
        if self.known is None:
            return np.ones(len(codes), bool)
        size = len(self.known)
        return self.known.take(np.minimum(codes, size - 1)) & (codes < size)

    def _limited(self, scores: Floats, codes: Codes) -> Floats:
        """Let items that don't score by their vectors have 0; shape (..., items)."""
        if self.known is not None:
            scores[..., ~self._known(codes)] = 0
        return scores

    def _attended(self, events: Codes, weights: Floats, starts: Offsets, values: Floats) -> Floats:
        """Score `values` for the histories that start at `starts`, each with an event or more.

        Parameters
        ----------
        events, weights
            Items of all histories, and what `_weights` gives; shape (events,).
        starts
            Shape (histories,).
        values
            Vectors of the candidates, shape (candidates, dimensions).
        """
        similarity, attention = self._attend(events, values)
        total = _sums(attention, weights, starts)
        attention *= similarity
        return (_sums(attention, weights, starts) / total).T

    def _compared_to_mean(self, events: Codes, weights: Floats, starts: Offsets, values: Floats) -> Floats:
        """Do the same if attention doesn't depend on the candidate: one mean of each history will do."""
        vectors = self.vectors.take(events)
        sums: Floats
        if len(starts) == 1:
            sums = weights[None] @ vectors
        else:
            vectors *= weights[:, None]
            sums = np.add.reduceat(vectors, starts)
        sums /= np.add.reduceat(weights, starts)[:, None]
        scores: Floats = sums @ values.T
        return scores

    def _attend(self, events: Codes, values: Floats) -> tuple[Floats, Floats]:
        """Compute similarities to `values` and their part of the attention, each (values, events)."""
        similarity: Floats = values @ self.vectors.take(events).T
        attention = similarity * np.float32(self.inverse_temperature)
        np.exp(attention, out=attention)
        return similarity, attention

    def _weights(self, histories: Histories) -> Floats:
        """Weigh events by all but similarity, shape (events,)."""
        logs = self.event_type_bias.take(histories.types) - self.recency_decay * np.log1p(histories.ages)
        if self.time_decay:
            logs -= self.time_decay * np.log1p(histories.gaps / DAY)
        return np.exp(logs).astype(np.float32)


def _sums(terms: Floats, weights: Floats, starts: Offsets) -> Floats:
    """Weigh and add up terms, (values, events), by the histories that start there; (values, histories)."""
    if len(starts) == 1:
        return terms @ weights[:, None]
    return np.add.reduceat(terms * weights, starts, axis=1)
