"""Who gets what in an experiment: drawn once, by a hash, without anything to remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import shake_256
from itertools import accumulate
from typing import Final

import msgspec

from tailrank.errors import RequestError

LEAST_WEIGHT: Final = 1e-9
MOST_WEIGHT: Final = 1e9
"""Bounds of the weight of a variant: beyond them sums and shares of weights may be no numbers."""


@dataclass(frozen=True)
class Experiment:
    """Users split over variants, for as long as the experiment has its name and weights.

    Each user's variant is a hash of the name of the experiment and the user's id, so it is the same on every
    machine and at any time, and has nothing to do with that of another experiment.

    Attributes
    ----------
    name
        Of the experiment; another name splits anew.
    weights
        By the name of a variant, its share of the users, up to a factor.

    Raises
    ------
    RequestError
        Without a name, with fewer than two variants, or with a weight out of bounds.

    Examples
    --------
    >>> experiment = Experiment("new-fusion", {"control": 1, "treatment": 1})
    >>> [experiment.variant(user) for user in ("ada", "ben", "cleo", "dan")]
    ['treatment', 'control', 'control', 'control']
    """

    name: str
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.name:
            raise RequestError("an experiment needs a name: another one splits users in another way")
        if len(self.weights) < 2:
            raise RequestError(f"experiment {self.name!r}: give two variants or more, each with a weight")
        for variant, weight in self.weights.items():
            if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
                raise RequestError(
                    f"experiment {self.name!r}: {variant} has weight {weight}: give one from "
                    f"{LEAST_WEIGHT:g} to {MOST_WEIGHT:g}"
                )

    def variant(self, user_id: str) -> str:
        """Name the variant of a user."""
        drawn = int.from_bytes(drawn_bytes(self.name, user_id, 8)) / 2**64 * sum(self.weights.values())
        ends = accumulate(self.weights.values())
        # A number just below the last end may be rounded up to it.
        within = (name for name, end in zip(self.weights, ends, strict=True) if drawn < end)
        return next(within, [*self.weights][-1])


def drawn_bytes(experiment: str, name: str, n: int) -> bytes:
    """Draw bytes at random, always the same ones for a user or a ranking in an experiment."""
    return shake_256(msgspec.json.encode((experiment, name))).digest(n)
