"""`Reranker`: signals and fusion in one object that fits, ranks and explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
from rich.progress import Progress

from tailrank.arrays import Floats
from tailrank.data.dataset import Dataset
from tailrank.data.histories import Event, Histories
from tailrank.data.splits import Split, hold_out
from tailrank.errors import RequestError
from tailrank.policy.long_tail import promote
from tailrank.ranking.catalogue import Catalogue
from tailrank.ranking.explanation import Explanation, explain
from tailrank.ranking.fitting import Settings, fit_parts
from tailrank.ranking.fusion import Fusion, history_buckets
from tailrank.ranking.storage import read_model, write_model
from tailrank.signals.covisitation import CoVisitation, ItemKNN
from tailrank.signals.lexical import Lexical
from tailrank.signals.popularity import Popularity
from tailrank.signals.protocol import Candidates, Signal
from tailrank.signals.repetition import Frequency, Loyalty
from tailrank.signals.semantic import SemanticAttention
from tailrank.signals.sequence.model import SequenceModel
from tailrank.signals.upstream import standardise

SIGNALS: Final[dict[str, type[Signal]]] = {
    signal.name: signal
    for signal in (
        SemanticAttention,
        Lexical,
        SequenceModel,
        Frequency,
        Loyalty,
        CoVisitation,
        ItemKNN,
        Popularity,
    )
}
"""Every signal that a model folder may hold."""


class RankedItem(NamedTuple):
    """One place of a ranking: places count from 1, `previous` is the place in the candidate list."""

    item_id: str
    score: float
    place: int
    previous: int


@dataclass(frozen=True)
class Reranker:
    """Ranks candidates for one person by what items mean and what the person has just done.

    Attributes
    ----------
    catalogue
        Items and event types, and how well each item is known.
    signals
        In the order of the fusion's weights.
    fusion
        Learned weights.
    tail
        Strength of the long-tail policy, in log-odds, where a request names no other.
    settings
        How it was fitted.
    """

    catalogue: Catalogue
    signals: tuple[Signal, ...]
    fusion: Fusion
    tail: float
    settings: Settings

    @classmethod
    def fit(
        cls,
        data: Dataset | Split,
        vectors: Floats | None,
        settings: Settings | None = None,
        progress: Progress | None = None,
        checkpoint: Path | None = None,
    ) -> Self:
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
        progress
            Where long training shows a bar.
        checkpoint
            File that long training writes as it goes, and goes on from after an interruption.

        Raises
        ------
        DataError
            Where nothing can be held out, or there isn't one vector an item.
        RequestError
            Where the sequence model is wanted and torch is missing.
        ModelError
            Where its training diverges, or the checkpoint can't be used.
        """
        settings = settings or Settings()
        split = data if isinstance(data, Split) else hold_out(data)
        signals, fusion, tail = fit_parts(split, vectors, settings, progress, checkpoint)
        past = split.past
        return cls(Catalogue(past.items, past.counts, past.event_types), signals, fusion, tail, settings)

    def score(self, histories: Histories, candidates: Candidates, tail: float | None = None) -> Floats:
        """Score every candidate for every history, the policy included; (histories, candidates), log-odds."""
        seen = histories.latest(self.settings.max_history)
        scores = [signal.score(seen, candidates) for signal in self.signals]
        buckets = self.catalogue.buckets[candidates.codes]
        total = self.fusion.combine(scores, buckets, history_buckets(seen.lengths))
        strength = self.tail if tail is None else tail
        return promote(total, self.catalogue.rare[candidates.codes], strength) if strength else total

    def rank(
        self,
        history: Sequence[str | Event],
        candidates: Sequence[str],
        k: int | None = None,
        scores: Sequence[float] | None = None,
        tail: float | None = None,
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
        tail
            Strength of the long-tail policy (`tailrank.policy.long_tail`), in log-odds; by default the
            model's own.

        Returns
        -------
        list of RankedItem
            Best first; equal scores keep the candidates' order.

        Raises
        ------
        RequestError
            On unknown or repeated ids, scores of another length, or a `k` below 1.
        """
        if k is not None and k < 1:
            raise RequestError(f"k must be at least 1, not {k}")
        wanted = self.catalogue.candidates(candidates)
        total = self.score(self.catalogue.history(history), wanted, tail)[0]
        if scores is not None:
            total += self._upstream(scores, wanted)
        order = (-total).argsort(kind="stable")[:k].tolist()
        ids, previous = [candidates[at] for at in order], [at + 1 for at in order]
        # `_make` on rows: a long list takes a fifth less time than by calls with four arguments.
        rows = zip(ids, total[order].tolist(), count(1), previous, strict=False)
        return list(map(RankedItem._make, rows))

    def explain(
        self,
        history: Sequence[str | Event],
        candidates: Sequence[str],
        scores: Sequence[float] | None = None,
        tail: float | None = None,
    ) -> list[Explanation]:
        """Say where each candidate's score comes from; takes what `rank` takes, keeps the candidates' order.

        Raises
        ------
        RequestError
            As `rank` does.
        """
        wanted = self.catalogue.candidates(candidates)
        seen = self.catalogue.history(history).latest(self.settings.max_history)
        added: dict[str, Floats] = {}
        if scores is not None:
            added["upstream"] = self._upstream(scores, wanted)
        strength = self.tail if tail is None else tail
        if strength:
            rare = self.catalogue.rare[wanted.codes]
            added["long-tail"] = promote(np.zeros(len(wanted), np.float32), rare, strength)
        buckets = self.catalogue.buckets[wanted.codes]
        return explain(self.signals, self.fusion, seen, wanted, buckets, list(candidates), added)

    def save(self, folder: Path | str, about: Mapping[str, object] | None = None) -> None:
        """Write a model folder, whole or not at all (see docs/models.md).

        Parameters
        ----------
        folder
            Replaced where it already holds a model.
        about
            Anything worth remembering, as JSON: the data, the encoder, its figures.

        Raises
        ------
        ModelError
            Where the place holds something else, or can't be written.
        """
        parts = {signal.name: signal.arrays() for signal in self.signals}
        parts |= {"fusion": self.fusion.arrays(), "items": {"counts": self.catalogue.counts}}
        arrays = {f"{part}/{name}": array for part, inner in parts.items() for name, array in inner.items()}
        description = {
            "signals": [signal.name for signal in self.signals],
            "event_types": list(self.catalogue.event_types),
            "tail": self.tail,
            "settings": asdict(self.settings),
            "about": dict(about or {}),
        }
        write_model(Path(folder), self.catalogue.items, arrays, description)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a model folder; it ranks bit by bit as the saved one did.

        Raises
        ------
        ModelError
            Where the folder is missing, damaged, edited, or of another format.
        """
        items, arrays, manifest = read_model(Path(folder))

        def part(name: str) -> dict[str, np.ndarray]:
            prefix = f"{name}/"
            return {
                key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
            }

        names = tuple(manifest["signals"])
        return cls(
            catalogue=Catalogue(items, part("items")["counts"], tuple(manifest["event_types"])),
            signals=tuple(SIGNALS[name].from_arrays(part(name)) for name in names),
            fusion=Fusion.from_arrays(names, part("fusion")),
            tail=float(manifest["tail"]),
            settings=Settings(**manifest["settings"]),
        )

    def _upstream(self, scores: Sequence[float], candidates: Candidates) -> Floats:
        if len(scores) != len(candidates):
            raise RequestError(f"{len(scores)} scores for {len(candidates)} candidates: give one each")
        try:
            values = np.array(scores, dtype=np.float64)
        except (TypeError, ValueError):
            raise RequestError("upstream scores must be numbers, or NaN where there is none") from None
        return self.settings.upstream_weight * standardise(values)
