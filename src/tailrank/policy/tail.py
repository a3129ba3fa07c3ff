"""Exposure of the long tail, traded against accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from msgspec import Meta

from tailrank.arrays import Floats, Offsets
from tailrank.bounds import check_bounds
from tailrank.policy.base import Scored

FULL: Final = 4.0
"""Log-odds that strength 1 gives an item without interactions over the most popular one: a factor of 55."""


def rarity(counts: Offsets) -> Floats:
    """Say how rare each item is in training: 1 without any interaction, 0 for the most popular.

    Linear in log(1 + count), the scale on which popularity is spread.

    Parameters
    ----------
    counts
        Interactions in training, shape (items,).

    Examples
    --------
    >>> rarity(np.array([0, 9, 99])).round(2).tolist()
    [1.0, 0.5, 0.0]
    """
    known = np.log1p(counts)
    rare: Floats = (1 - known / (known.max(initial=0) or 1)).astype(np.float32)
    return rare


@dataclass(frozen=True)
class TailBoost:
    """Raises scores in proportion to rarity: a popularity penalty as in Steck (2011).

    Attributes
    ----------
    strength
        From 0, which changes nothing, to 1, which adds `FULL` to an item without interactions.

    Raises
    ------
    RequestError
        On a strength outside 0 to 1.

    Examples
    --------
    >>> scored = Scored(np.zeros(3, np.float32), np.array([1.0, 0.5, 0.0], np.float32))
    >>> TailBoost(0.5).apply(scored).scores.tolist()
    [2.0, 1.0, 0.0]
    """

    strength: Annotated[float, Meta(ge=0, le=1)] = 0.0

    name: ClassVar[str] = "tail"
    listwise: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_bounds(self)

    def apply(self, scored: Scored) -> Scored:
        """Add the boost."""
        if not self.strength:
            return scored
        return scored.plus(self.name, np.float32(FULL * self.strength) * scored.rarity)
