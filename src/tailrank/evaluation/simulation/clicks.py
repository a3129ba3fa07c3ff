"""Click models: which items of a list a user examines, and clicks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np

from tailrank.arrays import Bools, Doubles

ClickModelName = Literal["position", "cascade"]


class ClickModel(Protocol):
    """From how attractive the items of lists are to clicks."""

    def chances(self, attraction: Doubles) -> Doubles:
        """Give the chance that each item is clicked.

        Parameters
        ----------
        attraction
            Chance of a click on each item if it is examined, the first one first; shape (lists, places).
        """
        ...

    def clicks(self, attraction: Doubles, luck: Doubles) -> Bools:
        """Draw clicks; `luck` is uniform, one for each place, both of shape (lists, places)."""
        ...


@dataclass(frozen=True)
class PositionBased:
    """A place is examined or not, whatever is in it (Richardson et al., 2007; Craswell et al., 2008).

    Attributes
    ----------
    decay
        Place k is examined with chance ``k ** -decay``.

    Examples
    --------
    >>> PositionBased().chances(np.array([[0.5, 0.5]])).tolist()
    [[0.5, 0.25]]
    """

    decay: float = 1.0

    def chances(self, attraction: Doubles) -> Doubles:
        """Multiply attraction by the chance of examination; shape (lists, places)."""
        return attraction * np.arange(1, attraction.shape[1] + 1) ** -self.decay

    def clicks(self, attraction: Doubles, luck: Doubles) -> Bools:
        """Draw each place by itself; shape (lists, places)."""
        return luck < self.chances(attraction)


@dataclass(frozen=True)
class Cascade:
    """A user goes from place to place, and leaves with the first click (Craswell et al., 2008, section 3.4).

    Examples
    --------
    >>> Cascade().chances(np.array([[0.5, 0.5]])).tolist()
    [[0.5, 0.25]]
    """

    def chances(self, attraction: Doubles) -> Doubles:
        """Multiply attraction by the chance that nothing before was clicked; shape (lists, places)."""
        passed = np.ones_like(attraction)
        passed[:, 1:] = np.cumprod(1 - attraction[:, :-1], axis=1)
        return attraction * passed

    def clicks(self, attraction: Doubles, luck: Doubles) -> Bools:
        """Draw place by place, up to the first click; shape (lists, places)."""
        liked = luck < attraction
        first: Bools = liked & (liked.cumsum(axis=1) == 1)
        return first


CLICK_MODELS: Final[Mapping[ClickModelName, ClickModel]] = {
    "position": PositionBased(),
    "cascade": Cascade(),
}
