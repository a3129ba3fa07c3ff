"""`SequenceModel`: what ranks. Plain NumPy, so that a server needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import ClassVar, Final, Self

import numpy as np

from tailrank.arrays import Codes, Floats, Seconds
from tailrank.data.candidates import Candidates
from tailrank.data.histories import Histories
from tailrank.errors import RequestError
from tailrank.signals.appendable import VectorTable
from tailrank.signals.base import Arrays, ItemUpdates
from tailrank.signals.sequence.forward import Transformer

BATCH: Final = 256
RECALLED: Final = 4_096
"""Histories whose vectors are kept: with 50 events and 128 dimensions about 6 MB."""

GAPS: Final = 24
"""Time between events in powers of two of a minute, up to sixteen years; 0 also where it isn't known."""


def gap_buckets(seconds: Seconds) -> Codes:
    """Sort times between events into `GAPS` buckets by their logarithm.

    Examples
    --------
    >>> gap_buckets(np.array([0.0, 60.0, 3600.0, 86_400.0, 1e12])).tolist()
    [0, 1, 5, 10, 23]
    """
    return np.minimum(np.log2(1 + seconds / 60), GAPS - 1).astype(np.int32)


@dataclass(frozen=True)
class SequenceModel:
    """Next-item logits of a causal transformer (SASRec; Kang and McAuley, 2018) over item meanings.

    ``score(c) = encode(history) . table[c]``. The vector of an item is a learned map of its whitened
    text vector plus a residual of its own that starts at zero: an item nobody took is placed by its
    text. A history starts with a learned token, so that an empty one is scored too.

    Attributes
    ----------
    table
        Vectors of the items, width d.
    network
        From the vectors of a history's items to that of the next one.
    newcomer
        What an item that comes later has for a residual, shape (d,): the mean of the least known items'.
        Those are pushed down as negatives of every step, and a zero would outrank them all.
    map
        From whitened text vectors to item vectors, shape (dimensions, d); None where items were learned
        by their ids alone.
    """

    table: VectorTable
    network: Transformer
    newcomer: Floats
    map: Floats | None = None

    name: ClassVar[str] = "sequence"

    def score(self, histories: Histories, candidates: Candidates) -> Floats:
        """Encode each history and compare it with the candidates; shape (histories, candidates)."""
        values = self.table.vectors.whole if candidates.whole else self.table.take(candidates.codes)
        encoded = self._recalled(histories) if len(histories) == 1 else self.encode(histories)
        scores: Floats = encoded @ values.T
        return self.table.by_item(scores) if candidates.whole else scores

    def by_event(self, histories: Histories, candidates: Candidates) -> None:
        """Give nothing: a transformer mixes its events, so none has a share of its own."""
        return

    def encode(self, histories: Histories) -> Floats:
        """Turn each history into the vector that its next item should resemble; (histories, d)."""
        h = histories.latest(self.network.length)
        encoded = np.empty((len(h), self.table.width), np.float32)
        # Histories of one length make a rectangle without padding, so a batch equals its single rows.
        for length in sorted(set(h.lengths.tolist())):
            rows = np.flatnonzero(h.lengths == length)
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                at = h.offsets[some][:, None] + np.arange(length)
                gaps = gap_buckets(np.diff(h.times[at], prepend=h.times[at][:, :1]))
                encoded[some] = self.network.forward(self.table.take(h.items[at]), h.types[at], gaps)
        return encoded

    def with_items(self, new: ItemUpdates) -> Self:
        """Move changed items as far as the map moves their texts; new ones go where it puts theirs.

        Without a map, all new items are in one place and known ones stay.

        Raises
        ------
        RequestError
            Where there is a map, but nothing for it.
        """
        vectors = self.newcomer[None].repeat(len(new.codes), axis=0)
        known = new.codes < len(self.table)
        vectors[known] = self.table.take(new.codes[known])
        if self.map is not None:
            if new.meanings is None or new.before is None:
                raise RequestError("the sequence model needs vectors of new items: fit it beside `semantic`")
            vectors += (new.meanings - new.before) @ self.map
        return replace(self, table=self.table.placed(new.codes, new.n_items, vectors))

    def arrays(self) -> Arrays:
        """Give the items' vectors, the weights and the map."""
        network = {f"network/{name}": array for name, array in self.network.weights.items()}
        rest = {"newcomer": self.newcomer} | ({} if self.map is None else {"map": self.map})
        return {**self.table.arrays(), **network, **rest, "heads": np.array([self.network.heads])}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take the items' vectors, the weights and the map."""
        prefix = "network/"
        weights = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        network = Transformer(weights, int(arrays["heads"][0]))
        return cls(VectorTable.from_arrays(arrays), network, arrays["newcomer"], arrays.get("map"))

    def _recalled(self, history: Histories) -> Floats:
        """Encode one history, unless that was done lately: people see several lists between two events."""
        return self._encode_once(*(a.tobytes() for a in (history.items, history.types, history.times)))

    @cached_property
    def _encode_once(self) -> Callable[..., Floats]:
        @lru_cache(RECALLED)
        def encode(*columns: bytes) -> Floats:
            kinds = (np.int32, np.int32, np.float64)
            items, types, times = map(np.frombuffer, columns, kinds)
            encoded = self.encode(Histories(items, types, times, np.array([0, len(items)], np.int64)))
            encoded.flags.writeable = False
            return encoded

        return encode
