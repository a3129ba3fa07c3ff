"""What scores the candidates of requests: all signals or some, and what each of them reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tailrank.arrays import Codes, Doubles, Floats
from tailrank.data.candidates import CandidateLists, Candidates, score_lists
from tailrank.data.histories import Histories
from tailrank.errors import RequestError, instead_of
from tailrank.ranking.fitted import Fitted
from tailrank.ranking.fused_scores import FusedScores
from tailrank.ranking.fusion import Fusion, history_buckets
from tailrank.ranking.item_updates import item_updates
from tailrank.ranking.request import Request
from tailrank.ranking.text_events import TextEvent, with_texts
from tailrank.signals.base import Signal
from tailrank.signals.lexical import Lexical
from tailrank.stages import stage


@dataclass(frozen=True)
class Scoring:
    """Signals, their weights, and the histories that they read.

    Attributes
    ----------
    signals, fusion
        Those that were asked for.
    events
        The latest events of items.
    told
        The same with the texts of the user among them, as items behind those of the catalogue.
    readers
        Names of the signals that read `told`.
    n_items
        Size of the catalogue with the texts.
    texts
        In the order of their codes in `told`.
    """

    signals: tuple[Signal, ...]
    fusion: Fusion
    events: Histories
    told: Histories
    readers: frozenset[str]
    n_items: int
    texts: tuple[TextEvent, ...] = ()

    @classmethod
    def of(cls, model: Fitted, histories: Histories, without: Sequence[str] = ()) -> Self:
        """Let signals read histories, but for signals that are left out.

        Raises
        ------
        RequestError
            If the model has no signal that is to be left out.
        """
        signals, fusion = model.signals, model.fusion
        if without:
            known = dict(zip(fusion.signals, fusion.signals, strict=True))
            for name in without:
                if name not in known:
                    raise RequestError(
                        f"without: the model has no signal {name!r}: {instead_of(name, known)}"
                    )
            signals = tuple(signal for signal in signals if signal.name not in without)
            fusion = fusion_without(fusion, without)
        latest = histories.latest(model.settings.max_history)
        return cls(signals, fusion, latest, latest, frozenset(), len(model.catalogue))

    @classmethod
    def of_texts(cls, model: Fitted, history: Histories, request: Request) -> Self:
        """Let the signals that read text read those of a request, among the known events of its history.

        Raises
        ------
        RequestError
            As `of`, or if no signal of the model reads a text, or a vector doesn't fit its space.
        """
        plain, texts = cls.of(model, history, request.without), tuple(request.texts)
        shared = set.intersection(*(set(text.vectors) for text in texts))
        readers = {signal.name for signal in model.signals if isinstance(signal, Lexical)} | shared
        if not readers:
            raise RequestError("no signal of the model reads text: leave texts out of the history")
        first, n_items = len(model.catalogue), len(model.catalogue) + len(texts)
        updates = item_updates(
            plain.signals,
            model.spaces,
            np.arange(first, n_items, dtype=np.int32),
            n_items,
            [text.text for text in texts],
            {name: np.array([text.vectors[name] for text in texts]) for name in shared},
        )
        known = np.append(0, (model.catalogue.codes_of(request.columns.items) >= 0).cumsum())
        after = [len(known) - 1 if text.after is None else text.after for text in texts]
        told = with_texts(history, known.take(after, mode="clip"), first).latest(model.settings.max_history)
        is_event = told.items < first
        events = Histories(
            told.items[is_event],
            told.types[is_event],
            told.times[is_event],
            np.array([0, is_event.sum()], np.int64),
        )
        signals = tuple(s.with_items(updates) if s.name in readers else s for s in plain.signals)
        return cls(signals, plain.fusion, events, told, frozenset(readers), n_items, texts)

    def fuse(self, candidates: Candidates, levels: Codes) -> FusedScores:
        """Score the same candidates for all histories, and weigh; `levels` are their count levels."""
        with stage("signals"):
            scores = [self.score(signal, candidates) for signal in self.signals]
        with stage("fusion"):
            return self.fusion.fuse(scores, levels, history_buckets(self.told.lengths))

    def fuse_lists(self, lists: CandidateLists, levels: Codes) -> Iterator[FusedScores]:
        """Do so for events without texts, each history with its own candidates; `levels` are of pairs."""
        with stage("signals"):
            scores = [score_lists(signal, self.events, lists) for signal in self.signals]
        with stage("fusion"):
            buckets = history_buckets(self.events.lengths)
            total = self.fusion.fuse_lists(scores, levels, buckets.repeat(lists.lengths))
        for row, pairs in enumerate(lists.slices):
            own = [some[None, pairs] for some in scores]
            yield FusedScores(self.fusion, own, levels[pairs], buckets[row : row + 1], total[None, pairs])

    def score(self, signal: Signal, candidates: Candidates) -> Floats:
        """Score with one signal; shape (histories, candidates)."""
        if signal.name not in self.readers:
            return signal.score(self.events, candidates)
        return signal.score(self.told, Candidates(candidates.codes, self.n_items))

    def by_event(self, signal: Signal, candidates: Candidates) -> Floats | Doubles | None:
        """Split the scores of one signal by what was told; shape (told, candidates)."""
        if signal.name in self.readers:
            return signal.by_event(self.told, Candidates(candidates.codes, self.n_items))
        shares = signal.by_event(self.events, candidates)
        if shares is None or not self.texts:
            return shares
        spread = np.zeros((len(self.told.items), len(candidates)), shares.dtype)
        spread[self.told.items < self.n_items - len(self.texts)] = shares
        return spread

    def names(self, known: Sequence[str]) -> tuple[str, ...]:
        """Name what was told, by the item ids of the known events of the history."""
        first, n_events = self.n_items - len(self.texts), len(self.events.items)
        ids = iter(known[len(known) - n_events :])
        codes = self.told.items.tolist()
        return tuple(next(ids) if code < first else self.texts[code - first].name for code in codes)


def fusion_without(fusion: Fusion, names: Collection[str]) -> Fusion:
    """Leave the parts of signals out of a score; nothing of the others changes, and nothing is explored."""
    kept = [at for at, name in enumerate(fusion.signals) if name not in names]
    return Fusion(
        tuple(fusion.signals[at] for at in kept),
        fusion.weights[..., kept],
        fusion.biases,
        fusion.loss,
        fusion.knots,
        fusion.tail_emphasis,
        fusion.new_lift,
        None if fusion.spreads is None else fusion.spreads[kept],
    )
