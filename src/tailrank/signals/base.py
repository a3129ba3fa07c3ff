"""What a signal is: anything that scores candidates for a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeAlias

import numpy.typing as npt

from tailrank.arrays import Codes, Floats
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.histories import Histories

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ItemUpdates:
    """Items that a fitted model is told of: new ones, and known ones whose text has changed.

    Attributes
    ----------
    codes
        Distinct item codes, shape (items,); new items follow those that were there before.
    n_items
        Size of the catalogue with them.
    texts
        One an item.
    meanings
        Whitened vectors of these texts, shape (items, dimensions), zero where there is none; None where
        the model knows no vectors.
    before
        Whitened vectors that the items had until now, zero for new ones; the same shape.
    tuned
        The fine-tuned encoder's vectors of these texts, shape (items, width); None where it gave none.
    """

    codes: Codes
    n_items: int
    texts: Sequence[str]
    meanings: Floats | None = None
    before: Floats | None = None
    tuned: Floats | None = None


class Signal(Scorer, Protocol):
    """A scorer that says which events its scores come from, grows with the catalogue and can be stored."""

    name: ClassVar[str]

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats | None:
        """Split the scores of one history by its events; shape (events, candidates), summing to the score.

        None where the signal does not look at single events.
        """
        ...

    def with_items(self, new: ItemUpdates) -> Self:
        """Place new and changed items by their texts; scores of the others stay as they are.

        What was learned stays too, and new items have no behaviour. This signal itself doesn't change.
        """
        ...

    def arrays(self) -> Arrays:
        """Give everything learned, for storage."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Take back what `arrays` gave."""
        ...
