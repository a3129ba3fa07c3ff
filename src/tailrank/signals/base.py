"""What a signal is: a scorer that fits itself, explains itself, takes new items and can be stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from tailrank.arrays import Codes, Floats
from tailrank.data.candidates import Candidates, Scorer
from tailrank.data.histories import Histories
from tailrank.signals.training_data import TrainingData

if TYPE_CHECKING:  # it needs `Arrays`
    from tailrank.signals.stored import StoredArrays

Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ItemUpdates:
    """New items, and known ones whose text has changed, as a fitted signal is told of them.

    Attributes
    ----------
    codes
        Distinct item codes, shape (items,); new items follow those that were there before.
    n_items
        Size of the catalogue with them.
    texts
        One an item.
    vectors
        By the name of a vector space: what signals compare of these texts, shape (items, dimensions), zero
        for an item without text.
    previous_vectors
        The same for the texts that the items had until now, zero for new ones.
    """

    codes: Codes
    n_items: int
    texts: Sequence[str]
    vectors: Mapping[str, Floats] = field(default_factory=dict)
    previous_vectors: Mapping[str, Floats] = field(default_factory=dict)


class Signal(Scorer, Protocol):
    """A scorer with a name, by which fusion and explanations know it."""

    @property
    def name(self) -> str:
        """One word or two, unique in a model."""
        ...

    @classmethod
    def fit(cls, data: TrainingData) -> Sequence[Self]:
        """Learn from the events before validation, with settings that rank the validation queries best.

        Returns
        -------
        sequence of Self
            One signal; one for each vector space; or none, if the data or the settings have no use for it.
        """
        ...

    def refit(self, data: TrainingData) -> Self:
        """Learn anew from every event that training may use, validation's included; settings stay."""
        ...

    def by_event(self, histories: Histories, candidates: Candidates) -> Floats | None:
        """Split the scores of one history by its events; shape (events, candidates), summing to the score.

        None if the signal does not look at single events.
        """
        ...

    def with_items(self, updates: ItemUpdates) -> Self:
        """Score new and changed items by their texts; the scores of the others stay as they are.

        What was learned from behaviour stays too. This signal itself doesn't change.
        """
        ...

    def arrays(self) -> Arrays:
        """Give everything learned, for storage."""
        ...

    @classmethod
    def from_arrays(cls, arrays: StoredArrays) -> Self:
        """Take back what `arrays` gave.

        Raises
        ------
        ModelError
            If an array is missing, of another type or shape, or holds what could not be ranked by.
        """
        ...


def as_array(text: str) -> npt.NDArray[np.uint8]:
    """Turn a text into the form in which arrays are stored: UTF-8, shape (bytes,)."""
    return np.frombuffer(text.encode(), np.uint8)
