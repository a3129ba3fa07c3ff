"""`Reranker`: signals and fusion in one object that fits, ranks and explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import polars as pl

from tailrank.arrays import Codes, Floats, Offsets
from tailrank.data.columns import Columns
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Histories
from tailrank.data.popularity import count_buckets
from tailrank.data.splits import Split, hold_out
from tailrank.errors import RequestError
from tailrank.language.text import item_texts
from tailrank.language.whitening import Whitening
from tailrank.ranking.fusion import Fusion, Loss, history_buckets
from tailrank.ranking.pool import draw_pool
from tailrank.signals.covisitation import CoVisitation, ItemKNN
from tailrank.signals.lexical import Lexical
from tailrank.signals.popularity import Popularity, best_half_life
from tailrank.signals.protocol import Candidates, Signal
from tailrank.signals.repetition import Repetition
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.upstream import standardise


class Event(NamedTuple):
    """One behaviour of a person.

    `event` names the type, `timestamp` is in seconds; both may be left out.
    """

    item_id: str
    event: str | None = None
    timestamp: float | None = None


class RankedItem(NamedTuple):
    """One place of a ranking: places count from 1, `previous` is the place in the candidate list."""

    item_id: str
    score: float
    place: int
    previous: int


@dataclass(frozen=True)
class Settings:
    """How to fit.

    Attributes
    ----------
    dimensions
        Whitened dimensions kept of the language model's vectors.
    max_history
        Latest events that signals see.
    queries
        Validation queries that fusion learns from, at most.
    loss
        Listwise softmax, or binary cross-entropy.
    shrinkage
        Pull of fusion's buckets toward the shared weights.
    upstream_weight
        Weight of the caller's own scores, standardised within the list.
    template
        Item text, such as "{title}. {genres}"; by default all text columns.
    seed
        Of every sample drawn.
    """

    dimensions: int = 256
    max_history: int = 50
    queries: int = 6_000
    loss: Loss = "listwise"
    shrinkage: float = 1.0
    upstream_weight: float = 1.0
    template: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Reranker:
    """Ranks candidates for one person by what items mean and what the person has just done.

    Attributes
    ----------
    items
        The catalogue; row numbers are item codes.
    counts
        Interactions of each item in the data it learned from, shape (items,).
    event_types
        Names of the event types.
    signals
        In the order of the fusion's weights.
    fusion
        Learned weights.
    settings
        How it was fitted.
    """

    items: pl.DataFrame
    counts: Offsets
    event_types: tuple[str, ...]
    signals: tuple[Signal, ...]
    fusion: Fusion
    settings: Settings

    @classmethod
    def fit(cls, data: Dataset | Split, vectors: Floats | None, settings: Settings | None = None) -> Self:
        """Fit signals, then the fusion on events that the signals did not see, then the signals on all.

        Parameters
        ----------
        data
            A data set, of which the latest events are held out for fusion; or a split, whose test
            queries stay untouched.
        vectors
            The encoder's vector of each item's text, shape (items, d); None leaves the semantic signal out.
        settings
            How to fit.

        Raises
        ------
        DataError
            Where nothing can be held out.
        """
        settings = settings or Settings()
        split = data if isinstance(data, Split) else hold_out(data)
        rng = np.random.default_rng(settings.seed)
        validation = split.validation.sample(settings.queries, settings.seed)
        fixed: list[Signal] = [Lexical.fit(item_texts(split.train.items, settings.template))]
        if vectors is not None:
            white = Whitening.fit(vectors, min(settings.dimensions, vectors.shape[1])).transform(vectors)
            n_types = len(split.train.event_types)
            fixed.insert(0, SemanticAttention.fit(white, n_types, validation, settings.seed))
        if split.repeats:
            fixed.append(Repetition())
        half_life = best_half_life(split.train, validation)

        def learned(dataset: Dataset) -> tuple[Signal, ...]:
            return (
                *fixed,
                CoVisitation.fit(dataset),
                ItemKNN.fit(dataset),
                Popularity.fit(dataset, half_life),
            )

        signals = learned(split.train)
        buckets = count_buckets(split.train.counts)
        pool = draw_pool(signals, validation, buckets, settings.max_history, split.repeats, rng)
        fusion = Fusion.fit(tuple(s.name for s in signals), pool, settings.loss, settings.shrinkage)
        if split.past is not split.train:
            signals = learned(split.past)
        return cls(split.past.items, split.past.counts, split.past.event_types, signals, fusion, settings)

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Score every candidate for every history; shape (histories, candidates), in log-odds."""
        seen = histories.latest(self.settings.max_history)
        scores = [signal.score(seen, candidates) for signal in self.signals]
        return self.fusion.combine(scores, self._buckets[candidates.codes], history_buckets(seen.lengths))

    def rank(
        self,
        history: Sequence[str | Event],
        candidates: Sequence[str],
        k: int | None = None,
        scores: Sequence[float] | None = None,
    ) -> list[RankedItem]:
        """Re-order candidates for one person.

        Parameters
        ----------
        history
            The person's events, oldest first: item ids or `Event`. May be empty.
        candidates
            Item ids in the order of the recommender that found them.
        k
            Length of the list to return; all by default.
        scores
            That recommender's own scores, one a candidate, the higher the better; NaN where missing.

        Returns
        -------
        list of RankedItem
            Best first; equal scores keep the candidates' order.

        Raises
        ------
        RequestError
            On unknown or repeated ids, scores of another length, or a `k` below 1.
        """
        wanted = self._candidates(candidates)
        total = self.score(self.histories(history), wanted)[0]
        if scores is not None:
            total = total + self.settings.upstream_weight * self._upstream(scores, candidates)
        if k is not None and k < 1:
            raise RequestError(f"k must be at least 1, not {k}")
        order = np.argsort(-total, kind="stable")[:k].tolist()
        values = total[order].tolist()
        return [
            RankedItem(candidates[at], value, place, at + 1)
            for place, (at, value) in enumerate(zip(order, values, strict=True), start=1)
        ]

    def histories(self, history: Sequence[str | Event]) -> Histories:
        """Code one person's events.

        Raises
        ------
        RequestError
            On unknown items or event types, or events out of order.
        """
        events = [event if isinstance(event, Event) else Event(event) for event in history]
        items = self._codes([event.item_id for event in events])
        try:
            types = [0 if event.event is None else self._type_codes[event.event] for event in events]
        except KeyError as unknown:
            known = ", ".join(self.event_types)
            raise RequestError(f"event type {unknown} was not in the training data ({known})") from None
        times = np.array([event.timestamp or 0.0 for event in events], dtype=np.float64)
        if (np.diff(times) < 0).any():
            raise RequestError("the history's timestamps must ascend: give the oldest event first")
        return Histories(items, np.array(types, np.int32), times, np.array([0, len(items)], np.int64))

    def _candidates(self, ids: Sequence[str]) -> Candidates:
        if len(set(ids)) != len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise RequestError(f"candidate {twice!r} occurs more than once")
        return Candidates(self._codes(ids), len(self.items))

    def _upstream(self, scores: Sequence[float], candidates: Sequence[str]) -> Floats:
        if len(scores) != len(candidates):
            raise RequestError(f"{len(scores)} scores for {len(candidates)} candidates: give one each")
        return standardise(np.asarray(scores, dtype=np.float64))

    def _codes(self, ids: Sequence[str]) -> Codes:
        try:
            return np.fromiter(map(self._item_codes.__getitem__, ids), np.int32, len(ids))
        except KeyError as unknown:
            raise RequestError(f"item_id {unknown} is not in the catalogue") from None

    @cached_property
    def _item_codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.items[Columns.ITEM])}

    @cached_property
    def _type_codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.event_types)}

    @cached_property
    def _buckets(self) -> Codes:
        return count_buckets(self.counts)
