"""One list, as policies see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tailrank.arrays import Bools, Codes, Floats
from tailrank.data.histories import History
from tailrank.policy.base import Reader, Scalar, plain
from tailrank.ranking.catalogue import Catalogue
from tailrank.signals.base import Signal
from tailrank.signals.semantic import SemanticAttention


@dataclass(frozen=True)
class CandidateListing:
    """What policies may ask of the candidates and of the user; a `policy.base.Listing`.

    Attributes
    ----------
    ids
        Of the candidates, unknown ones included.
    codes
        Their item codes, -1 for unknown ones, shape (candidates,).
    events
        Of the user.
    now
        When the list is made, in seconds since 1970.
    catalogue, signals
        Of the model.
    context, shown
        Of the request.
    """

    ids: Sequence[str]
    codes: Codes
    events: History
    now: float
    catalogue: Catalogue
    signals: Sequence[Signal]
    context: Mapping[str, Scalar] = field(default_factory=dict)
    shown: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def history(self) -> Sequence[str]:
        """Item ids of the user's events, oldest first."""
        return self.events.items

    @property
    def times(self) -> Sequence[float]:
        """Of these events."""
        return self.events.times

    @property
    def types(self) -> Sequence[str]:
        """Of these events; empty for one without a type."""
        return self.events.events

    @cached_property
    def history_codes(self) -> Codes:
        """Item codes of the history, -1 for unknown ones, shape (events,)."""
        return self.catalogue.codes_of(self.history)

    @cached_property
    def tail(self) -> Bools:
        """Which candidates are outside the most popular 20%."""
        return self.catalogue.tail_of(self.codes)

    @cached_property
    def history_tail(self) -> Bools:
        """Which items of the history are."""
        return self.catalogue.tail_of(self.history_codes)

    @cached_property
    def vectors(self) -> Floats | None:
        """Unit vectors of the candidates, of the first vector space."""
        semantic = next((each for each in self.signals if isinstance(each, SemanticAttention)), None)
        return None if semantic is None else semantic.vectors_of(self.codes)

    def attribute(self, name: str, read: Reader = plain) -> npt.NDArray[np.object_]:
        """Give a column of the candidates as it is read, shape (candidates,)."""
        return self.catalogue.attributes.of(name, self.ids, self.codes, read)

    def of_history(self, name: str, read: Reader = plain) -> npt.NDArray[np.object_]:
        """Give a column of the items of the history as it is read, shape (events,)."""
        return self.catalogue.attributes.of(name, self.history, self.history_codes, read)

    def derived(self, name: str, find: Callable[[pl.DataFrame], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Look up what follows from the columns of each candidate, shape (candidates, ...)."""
        return self.catalogue.attributes.derived(name, find, self.ids, self.codes)

    def derived_of_history(
        self, name: str, find: Callable[[pl.DataFrame], npt.NDArray[Any]]
    ) -> npt.NDArray[Any]:
        """Look up the same of the items of the history, shape (events, ...)."""
        return self.catalogue.attributes.derived(name, find, self.history, self.history_codes)
